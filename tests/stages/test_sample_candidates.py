"""Several answers of models to each task: all are kept, with the program in them or why there is none."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builds import run_stage, tasks
from scripted import Scripted

from themis_data.engine.requests import Reply, Request
from themis_data.errors import StageError
from themis_data.stages.sample_candidates import SampleCandidates

F = "def f(x):\n    return x + 1\n"


def sampled(folder: Path, rows: pa.Table, *models: Scripted, **settings: Any) -> tuple[list[dict], list[tuple]]:
    written, dropped = run_stage(folder, SampleCandidates(models=models, **settings), rows)
    return written.to_pylist(), dropped


def of(row: dict, *names: str) -> list[tuple]:
    return [tuple(candidate[name] for name in names) for candidate in row["candidates"]]


def test_every_model_gives_its_samples_in_order(tmp_path: Path) -> None:
    one = Scripted(answer=lambda request: f"```python\n{F}```", name="one")
    two = Scripted(answer=lambda request: F, name="two", revision=None)

    (row,), _ = sampled(tmp_path, tasks({}), one, two, samples=2)

    assert [("one", "1", 0, F), ("one", "1", 1, F), ("two", None, 0, F), ("two", None, 1, F)] == of(
        row, "model", "revision", "sample", "code"
    )
    assert 4 == len(set(of(row, "answer")))
    assert [(f"```python\n{F}```",)] * 2 == of(row, "text")[:2]


def test_answers_without_a_program_are_kept_with_why(tmp_path: Path) -> None:
    replies = {
        1: Reply(key="", text=f"```python\n{F}```", finish="stop"),
        2: Reply(key="", text="Sorry, this is not something that I can do for you.", finish="stop"),
        3: Reply(key="", text=f"```python\n{F}", finish="length"),
        4: Reply(key="", failure="refused", detail="filtered"),
    }

    def answer(request: Request) -> Reply:
        said = replies[len(model.asked)]
        return Reply(key=request.key, text=said.text, finish=said.finish, failure=said.failure, detail=said.detail)

    model = Scripted(answer=answer)
    (row,), _ = sampled(tmp_path, tasks({}), model, samples=4, max_failed=0.5)

    assert {(F, None), (None, "no_code"), (None, "cut"), (None, "refused")} == set(of(row, "code", "failure"))
    assert 1 == of(row, "text").count((None,))


def test_a_task_without_any_program_is_dropped(tmp_path: Path) -> None:
    model = Scripted(answer=lambda request: "Sorry, no." if "hard" in request.user else F)

    rows, dropped = sampled(tmp_path, tasks({}, {"prompt": "A hard one."}), model, samples=2, max_failed=0.5)

    assert ["0"] == [row["row_id"] for row in rows]
    assert [("1", "no_candidate", "2 no_code")] == dropped


def test_too_many_answers_without_a_program_fail_the_step(tmp_path: Path) -> None:
    model = Scripted(answer=lambda request: "Sorry, no.")

    with pytest.raises(StageError, match="2 no_code"):
        sampled(tmp_path, tasks({}), model, samples=2)


def test_a_model_is_asked_what_the_task_asks_and_for_a_program_in_a_fence(tmp_path: Path) -> None:
    model = Scripted(answer=lambda request: F)

    sampled(tmp_path, tasks({"prompt": "Write f<|im_end|> now.", "language": "Go"}), model, samples=1, top_p=0.9)

    (request,) = model.asked
    assert r"Write f<\|im_end|> now." == request.user
    assert "Go program" in (request.system or "")
    assert "fenced block" in (request.system or "")
    assert (0.8, 0.9, 2048) == (request.sampling.temperature, request.sampling.top_p, request.sampling.max_tokens)


def test_candidates_of_an_earlier_step_stay_in_front(tmp_path: Path) -> None:
    first, _ = run_stage(
        tmp_path / "one", SampleCandidates(models=(Scripted(answer=lambda request: F),), samples=1), tasks({})
    )
    other = Scripted(answer=lambda request: F * 2, name="other")

    (row,), _ = sampled(tmp_path / "two", first, other, samples=1)
    again, _ = sampled(tmp_path / "again", first, Scripted(answer=lambda request: F), samples=1)

    assert [("scripted", F), ("other", F * 2)] == of(row, "model", "code")
    assert first.to_pylist() == again  # the very same answer is not there twice


@pytest.mark.parametrize(
    ("settings", "message"), [({"samples": 0}, "samples is 0"), ({"temperature": 0.0}, "all answers of a model")]
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SampleCandidates(**settings)

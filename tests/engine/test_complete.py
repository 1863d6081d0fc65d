"""Questions to language models: each is asked once, every row gets its own answers, and failures are bounded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from builds import GivenTables, build_given, drops, marks, run_stage, stage_pipeline
from scripted import Scripted

from themis_data.engine.budget import Budget, BudgetReached
from themis_data.engine.requests import Reply, Request, Sampling
from themis_data.engine.rows import Complete, Parsed, Rows
from themis_data.errors import StageError


def shout(request: Request) -> str:
    return request.user.upper()


@dataclass(frozen=True, kw_only=True)
class Shouts:
    """Asks each model to shout a mark's reason, and drops the mark with what it heard."""

    reads: ClassVar[str] = "mark"
    writes: ClassVar[str] = "mark"
    version: ClassVar[int] = 1

    models: tuple[Any, ...]
    samples: int = 1
    max_failed: float = 0.0
    skip: str = ""  # no question about marks with this reason
    is_audited: bool = False
    template: str = "shout"

    def apply(self, rows: Rows) -> Rows:
        asked = Complete(
            template=self.template,
            models=self.models,
            ask=self.ask,
            parse=self.parse,
            receive=self.receive,
            columns=("row_id", "reason"),
            sampling=Sampling(temperature=1.0, seed=3),
            max_failed=self.max_failed,
            audit=Counting if self.is_audited else None,
        )
        return rows.complete(asked).drop(lambda table: table["heard"].combine_chunks())

    def ask(self, rows: pa.Table) -> pa.Table:
        rows = rows.filter(pc.not_equal(rows["reason"], self.skip))
        questions = [
            {"row_id": row["row_id"], "slot": "only", "user": row["reason"], "model": place, "samples": self.samples}
            for row in rows.to_pylist()
            for place in range(len(self.models))
        ]
        return pa.Table.from_pylist(
            questions,
            schema=pa.schema(
                {
                    "row_id": pa.string(),
                    "slot": pa.string(),
                    "user": pa.string(),
                    "model": pa.int32(),
                    "samples": pa.int32(),
                }
            ),
        )

    def parse(self, text: str, ticket: str | None) -> Parsed:
        return Parsed(fault="silent: not a word") if not text else Parsed(value=text)

    def receive(self, rows: pa.Table, answers: pa.Table) -> pa.Table:
        heard: dict[str, list[str]] = {}
        for answer in answers.to_pylist():
            said = json.loads(answer["value"]) if answer["value"] else f"({answer['failure']})"
            heard.setdefault(answer["about"], []).append(f"{answer['model']} {answer['sample']} {said}")
        texts = ["; ".join(heard.get(row_id, ["nothing"])) for row_id in rows["row_id"].to_pylist()]
        return rows.append_column("heard", pa.array(texts, pa.string()))


def heard(folder: Path, stage: Shouts, *tables: pa.Table) -> dict[str, str]:
    _, dropped = run_stage(folder, stage, list(tables))
    return {row_id: reason for row_id, reason, _ in dropped}


def test_each_row_gets_the_answers_to_its_own_questions(tmp_path):
    stage = Shouts(models=(Scripted(answer=shout),), skip="b")

    found = heard(tmp_path, stage, marks([("1", "a"), ("2", "b")]), marks([]), marks([("3", "c")]))

    assert {"1": "scripted 0 A", "2": "nothing", "3": "scripted 0 C"} == found


def test_every_model_and_sample_answers_in_order(tmp_path):
    other = Scripted(answer=lambda request: request.user * 2, name="other")
    stage = Shouts(models=(Scripted(answer=shout), other), samples=2)

    found = heard(tmp_path, stage, marks([("1", "a")]))

    assert {"1": "scripted 0 A; scripted 1 A; other 0 aa; other 1 aa"} == found


def test_rows_that_ask_the_same_share_a_request(tmp_path):
    model = Scripted(answer=shout)

    found = heard(tmp_path, Shouts(models=(model,)), marks([("1", "a"), ("2", "a")]), marks([("3", "a")]))

    assert {"1": "scripted 0 A", "2": "scripted 0 A", "3": "scripted 0 A"} == found
    assert ["a"] == [request.user for request in model.asked]


def test_samples_of_a_question_have_keys_and_seeds_of_their_own(tmp_path):
    model = Scripted(answer=shout)

    heard(tmp_path, Shouts(models=(model,), samples=3), marks([("1", "a")]))

    assert 3 == len({request.key for request in model.asked}) == len({request.seed for request in model.asked})


def test_what_is_known_is_not_asked_again_by_another_step(tmp_path):
    model = Scripted(answer=shout)
    rows = marks([("1", "a"), ("2", "b")])
    heard(tmp_path, Shouts(models=(model,), skip="b"), rows)

    heard(tmp_path, Shouts(models=(model,)), rows)

    assert ["a", "b"] == [request.user for request in model.asked]


def failing(word: str, *, is_retryable: bool = False, on: str = "b"):
    def answer(request: Request) -> str | Reply:
        if request.user == on:
            return Reply(key=request.key, failure=word, detail="why", is_retryable=is_retryable)
        return shout(request)

    return answer


def test_a_failure_is_an_answer_of_its_row_and_bounded_by_a_share(tmp_path):
    stage = Shouts(models=(Scripted(answer=failing("too_long")),), max_failed=0.5)

    assert {"1": "scripted 0 A", "2": "scripted 0 (too_long)"} == heard(
        tmp_path, stage, marks([("1", "a"), ("2", "b")])
    )


def test_too_many_failures_stop_the_step_and_say_why(tmp_path):
    stage = Shouts(models=(Scripted(answer=failing("too_long")),), max_failed=0.4)

    with pytest.raises(StageError, match=r"step step0: 1 of 2 questions got no answer that can be read \(1 too_long\)"):
        heard(tmp_path, stage, marks([("1", "a"), ("2", "b")]))


def test_a_backend_that_only_fails_is_not_asked_to_the_end(tmp_path):
    model = Scripted(answer=lambda request: Reply(key=request.key, failure="server_error", detail="down"))

    with pytest.raises(StageError, match=r"21 of 100 questions got no answer.*the last: server_error: down"):
        heard(tmp_path, Shouts(models=(model,)), marks([(str(n), f"word {n}") for n in range(100)]))

    assert 21 == len(model.asked)


def test_a_reply_that_cannot_be_read_counts_as_a_failure(tmp_path):
    stage = Shouts(models=(Scripted(answer=lambda request: ""),))

    with pytest.raises(StageError, match=r"1 of 1 questions got no answer that can be read \(1 silent\)"):
        heard(tmp_path, stage, marks([("1", "a")]))


@pytest.mark.parametrize(("is_retryable", "again"), [(True, ["b"]), (False, [])])
def test_the_next_build_asks_again_what_may_then_work(tmp_path, is_retryable, again):
    stage = Shouts(models=(Scripted(answer=failing("timeout", is_retryable=is_retryable)),))
    with pytest.raises(StageError):
        heard(tmp_path, stage, marks([("1", "a"), ("2", "b")]))
    works = Scripted(answer=shout)

    try:
        heard(tmp_path, Shouts(models=(works,)), marks([("1", "a"), ("2", "b")]))
    except StageError:
        assert not is_retryable

    assert again == [request.user for request in works.asked]


def test_the_budget_stops_the_build_and_a_new_one_goes_on(tmp_path):
    model = Scripted(answer=lambda request: Reply(key=request.key, text="x", tokens_in=6, tokens_out=4))
    rows = marks([(str(n), f"word {n}") for n in range(5)])

    def build(budget: Budget) -> None:
        GivenTables.known[str(tmp_path)] = ([rows], None)
        build_given(stage_pipeline(tmp_path, Shouts(models=(model,))), tmp_path / "out", budget=budget)

    with pytest.raises(BudgetReached, match=r"2 requests, 20 tokens, 0.00 USD\) with 2 of 5 questions answered"):
        build(Budget(tokens=15))
    assert 2 == len(model.asked)

    build(Budget())

    assert 5 == len(model.asked)


@dataclass
class Counting:
    rows: int = 0
    answers: int = 0

    def add(self, rows: pa.Table, answers: pa.Table) -> None:
        self.rows += len(rows)
        self.answers += len(answers)

    def record(self) -> dict[str, Any]:
        return {"rows": self.rows, "answers": self.answers}

    def breaches(self) -> list[str]:
        return ["too many answers: 4, at most 3"] if self.answers > 3 else []


def test_the_audit_is_in_the_manifest(tmp_path):
    heard(tmp_path, Shouts(models=(Scripted(answer=shout),), is_audited=True), marks([("1", "a"), ("2", "b")]))

    manifest = json.loads((tmp_path / "out" / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    (decided,) = [entry for segment in manifest["segments"] for entry in segment["marks"]]
    assert {"rows": 2, "answers": 2} == decided["audit"]
    assert (2, [{"model": "scripted", "revision": "1", "family": "scripted"}]) == (
        decided["asked"]["questions"],
        decided["asked"]["models"],
    )


def test_a_broken_limit_of_the_audit_fails_the_step(tmp_path):
    stage = Shouts(models=(Scripted(answer=shout),), is_audited=True, samples=4)

    with pytest.raises(StageError, match="step step0: its audit fails the step: too many answers: 4, at most 3"):
        heard(tmp_path, stage, marks([("1", "a")]))


def test_questions_about_other_rows_are_refused(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Astray(Shouts):
        def ask(self, rows: pa.Table) -> pa.Table:
            return pa.table({"row_id": ["other"] * len(rows), "slot": ["only"] * len(rows), "user": ["x"] * len(rows)})

    with pytest.raises(StageError, match="its questions are about other rows than it was given"):
        heard(tmp_path, Astray(models=(Scripted(answer=shout),)), marks([("1", "a")]))


def test_answers_are_found_again_over_many_batches(tmp_path):
    tables = [marks([(f"{part}-{n:05d}", f"word {part} {n}") for n in range(1_500)]) for part in range(2)]
    stage = Shouts(models=(Scripted(answer=shout),))

    found = heard(tmp_path, stage, *tables)

    assert 3_000 == len(found)
    assert all(
        reason == f"scripted 0 WORD {key.split('-')[0]} {int(key.split('-')[1])}" for key, reason in found.items()
    )


def test_answers_lie_beside_the_marks_in_the_schema_of_answers(tmp_path):
    heard(tmp_path, Shouts(models=(Scripted(answer=shout),)), marks([("1", "a")]))

    (file,) = (tmp_path / "out" / "segments").glob("*/marks/*/00000.parquet")
    (row,) = pq.read_table(file).to_pylist()
    assert ("1", "only", "scripted", 0, "A", '"A"', None) == tuple(
        row[name] for name in ("about", "slot", "model", "sample", "text", "value", "failure")
    )
    assert [] == [d for d in drops(tmp_path / "out") if d[1] != "step0"]

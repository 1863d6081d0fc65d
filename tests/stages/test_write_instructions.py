"""Pairs get the prompt that either side answers, or go with the reason why there is none."""

from pathlib import Path
from typing import Any

import pytest
from builds import pairs, run_stage
from rows import reasons_of
from scripted import Scripted, saying

from themis_data.engine.requests import Request
from themis_data.errors import PipelineError
from themis_data.stages.write_instructions import STYLES, WriteInstructions

DOCUMENTED = (
    '"""Sums."""\n\n\ndef total(items):\n    """Give back the sum of all of the items."""\n    return sum(items{})\n'
)
BARE = '"""Sums."""\n\n\ndef total(items):\n    return sum(items{})\n'


def sides(text: str) -> dict[str, str]:
    return {"chosen": text.format(""), "rejected": text.format("[:-1]")}


@pytest.mark.parametrize(
    ("criterion", "text", "expected"),
    [
        ("functional_correctness", DOCUMENTED, None),
        ("functional_correctness", BARE, "underspecified"),
        ("runtime_efficiency", BARE, None),
        ("runtime_efficiency", "x = sum(items{})\n", "underspecified"),
    ],
)
def test_correctness_needs_documentation_and_the_others_something_shared(
    criterion: str, text: str, expected: str | None
) -> None:
    written = WriteInstructions().write(pairs(sides(text) | {"criterion": criterion}))

    (reason,) = reasons_of(WriteInstructions(), written)
    assert expected == (reason if reason is None else reason.partition(":")[0])
    assert [expected is None] == [text is not None for text in written["prompt"].to_pylist()]


def test_a_prompt_says_who_wrote_it() -> None:
    written = WriteInstructions().write(pairs(sides(BARE), sides("x = sum(items{})\n")))

    assert ["rules", None] == written["prompt_by"].to_pylist()


def test_a_prompt_that_a_pair_has_stands() -> None:
    given = {"prompt": "Add them up.", "prompt_by": "upstream", "language": "Rust"}
    written = WriteInstructions().write(pairs(sides(BARE) | given))

    assert [("Add them up.", "upstream")] == list(
        zip(written["prompt"].to_pylist(), written["prompt_by"].to_pylist(), strict=True)
    )
    assert [None] == reasons_of(WriteInstructions(), written)


def test_a_language_that_is_not_parsed_is_dropped() -> None:
    written = WriteInstructions().write(pairs(sides(BARE) | {"language": "Rust", "path": "a.rs"}))

    assert ["no_grammar: Rust"] == reasons_of(WriteInstructions(), written)


def test_which_criteria_need_behaviour_is_a_setting() -> None:
    stage = WriteInstructions(needs_behaviour=("runtime_efficiency",))

    (reason,) = reasons_of(stage, stage.write(pairs(sides(BARE))))
    assert "underspecified: no touched definition has documentation that both sides share" == reason


def test_the_wording_is_drawn_from_the_seed_and_the_row_alone() -> None:
    rows = pairs(*(sides(BARE) for _ in range(30)))

    together = WriteInstructions(seed=1).write(rows)["prompt"].to_pylist()
    alone = [WriteInstructions(seed=1).write(rows.slice(n, 1))["prompt"].to_pylist()[0] for n in range(30)]
    assert together == alone
    assert together != WriteInstructions(seed=2).write(rows)["prompt"].to_pylist()
    assert 3 == len(set(together))


def test_the_rest_of_a_pair_stays_as_it_is() -> None:
    rows = pairs(sides(BARE), sides(DOCUMENTED))
    same = [name for name in rows.column_names if name not in ("prompt", "prompt_by")]

    assert rows.select(same).equals(WriteInstructions().write(rows).select(same))


# With a model

TASK = "Write a Python function total that gives the sum of all of the items of a list."


def with_model(*tasks: str | None, **settings: Any) -> WriteInstructions:
    """A stage whose model says these, one a sample, over and over."""
    said: list[str | None] = []

    def answer(request: Request) -> str:
        said.append(tasks[len(said) % len(tasks)])
        return saying(request, description="It adds up.", task=said[-1])

    return WriteInstructions(model=Scripted(answer=answer, name="writer"), **settings)


def outcome(folder: Path, stage: WriteInstructions, row: dict[str, Any]) -> Any:
    kept, dropped = run_stage(folder, stage, pairs(row))
    if dropped:
        [(_, reason, detail)] = dropped
        return reason, detail
    return kept["prompt"][0].as_py(), kept["prompt_by"][0].as_py()


@pytest.mark.parametrize(
    ("tasks", "row", "expected"),
    [
        ([TASK], {}, (TASK, "writer")),
        (["Return sum(items[:-1]) of the items.", TASK], {}, (TASK, "writer")),
        ([None, TASK], {}, (TASK, "writer")),
        ([TASK], {"language": "Rust", "path": "a.rs"}, (TASK, "writer")),
        ([TASK], {"prompt": "Add.", "prompt_by": "upstream"}, ("Add.", "upstream")),
        ([None], {}, ("underspecified", "the model finds no task")),
    ],
)
def test_a_model_writes_the_first_task_that_gives_nothing_away(
    tmp_path: Path, tasks: list[str | None], row: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert expected == outcome(tmp_path, with_model(*tasks), sides(BARE) | row)


def test_a_model_whose_tasks_all_give_it_away_drops_the_pair(tmp_path: Path) -> None:
    reason, detail = outcome(tmp_path, with_model("Return sum(items[:-1]) of the items."), sides(BARE))

    assert "leak" == reason
    assert detail.startswith("leaks_line: ")


def test_words_of_the_commit_message_are_a_leak_too(tmp_path: Path) -> None:
    message = "Count the very last item which was forgotten"
    reason, detail = outcome(
        tmp_path, with_model("Count the very last item which was forgotten."), sides(BARE) | {"message": message}
    )

    assert ("leak", True) == (reason, detail.startswith("leaks_message: "))


def test_a_model_is_told_neither_criterion_nor_order_nor_message() -> None:
    rows = pairs(*(sides(BARE) | {"message": "Speed it up wildly"} for _ in range(60)))
    table = with_model(TASK).ask(rows)
    firsts = sum(text.index("sum(items)") < text.index("sum(items[:-1])") for text in table["user"].to_pylist())

    assert 15 < firsts < 45
    for name in ("system", "user"):
        for text in table[name].to_pylist():
            assert [] == [word for word in ("runtime", "wildly", "chosen", "rejected", "newer") if word in text.lower()]


def test_styles_are_drawn_from_the_seed_and_the_row_by_their_weights() -> None:
    rows = pairs(*(sides(BARE) for _ in range(100)))
    together = with_model(TASK, seed=1).ask(rows)["slot"].to_pylist()

    assert together == [with_model(TASK, seed=1).ask(rows.slice(n, 1))["slot"][0].as_py() for n in range(100)]
    assert set(STYLES) == set(together)
    assert together != with_model(TASK, seed=2).ask(rows)["slot"].to_pylist()
    only = with_model(TASK, styles={"search_query": 3.0, "quora_question": 0.0}).ask(rows)
    assert {"search_query"} == set(only["slot"].to_pylist())
    assert all("web search query" in text for text in only["user"].to_pylist())


@pytest.mark.parametrize("style", STYLES)
def test_each_style_has_words_of_its_own(style: str) -> None:
    texts = {
        one: with_model(TASK, styles={one: 1.0}).ask(pairs(sides(BARE)))["user"][0].as_py().partition("Write the task")
        for one in STYLES
    }

    assert 1 == [text[2].partition(".")[0] for text in texts.values()].count(texts[style][2].partition(".")[0])


def test_a_model_is_told_where_behaviour_has_to_be_stated() -> None:
    [correctness, other] = (
        with_model(TASK)
        .ask(pairs(sides(BARE) | {"criterion": "functional_correctness"}, sides(BARE)))["system"]
        .to_pylist()
    )

    assert "plain" in correctness
    assert "plain" not in other


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"styles": {"poem": 1.0}}, "no style named 'poem'"),
        ({"styles": {}}, "expected weights of 0 or more"),
        ({"styles": {"search_query": -1.0}}, "expected weights of 0 or more"),
        ({"samples": 0}, "samples is 0"),
    ],
)
def test_settings_of_a_model_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        WriteInstructions(**settings)

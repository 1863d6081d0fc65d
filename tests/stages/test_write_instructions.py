"""Pairs get the prompt that either side answers, or go with the reason why there is none."""

import pytest
from builds import pairs
from rows import reasons_of

from themis_data.stages.write_instructions import WriteInstructions

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

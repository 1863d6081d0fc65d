"""Pairs go whose prompt tells the sides apart, with what it says."""

import pytest
from builds import pairs
from rows import reasons_of

from themis_data.errors import PipelineError
from themis_data.stages.drop_leaks import DropLeaks

OLD = "def total(items):\n    result = 0\n    for item in items:\n        result += item\n    return result\n"
NEW = "def total(items):\n    return sum_of(items)  # a total_amount\n"


def reason(prompt: str | None, stage: DropLeaks | None = None, **row: str | None) -> str | None:
    given = {"prompt": prompt, "chosen": NEW, "rejected": OLD, "message": "Make use of sum_of for totals"} | row
    (found,) = reasons_of(stage or DropLeaks(), pairs(given))
    return found


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Add `items` up in `total`.", None),
        ("Add them up: for item in items.", "leaks_line: 'for item in items:'"),
        ("Add them up with sum_of.", "leaks_identifier: 'sum_of'"),
        ("Make use of sum_of here.", "leaks_identifier: 'sum_of'"),
        ("Make use of sum.of for it.", None),
        ("Repair the bug in it.", "leaks_defect: 'repair the bug'"),
    ],
)
def test_a_leak_is_dropped_with_its_kind_and_span(prompt: str, expected: str | None) -> None:
    assert expected == reason(prompt)


def test_words_of_comments_are_no_names() -> None:
    assert None is reason("It is the total_amount.")
    assert "leaks_identifier: 'total_amount'" == reason("It is the total_amount.", language="Rust")


def test_a_pair_without_a_message_is_looked_at_all_the_same() -> None:
    assert "leaks_message: 'make use of sum_of'" == reason("Make use of sum_of.", DropLeaks(kinds=("message",)))
    assert None is reason("Make use of sum_of.", DropLeaks(kinds=("message",)), message=None)


def test_a_pair_without_a_prompt_has_no_leak() -> None:
    assert None is reason(None)


def test_prose_around_the_code_of_an_answer_is_no_code() -> None:
    told = {
        "chosen": f"As asked, it calls in_order first.\n\n```python\n{NEW}```\n",
        "rejected": f"```python\n{OLD}```\n",
    }

    assert None is reason("Call in_order first.", **told)


def test_an_unknown_kind_is_an_error_that_offers_the_near_one() -> None:
    with pytest.raises(PipelineError, match=r"mesage.*message"):
        DropLeaks(kinds=("mesage",))

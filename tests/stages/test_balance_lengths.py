"""Length alone tells at most so much in every slice, at a price that is said; what stays is drawn from seed and id."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builds import pairs, run_stage
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import dropped, in_shards

from themis_data.errors import StageError
from themis_data.stages.balance_lengths import BalanceLengths

LOSE_ALL = {"max_lost_share": 1.0}
LONGER, SHORTER, TIE = (30, 20), (20, 30), (25, 25)


def made(*sizes: tuple[int, int], **row: Any) -> list[dict[str, Any]]:
    """Pairs of one line a side, with so many characters on the chosen and on the rejected one."""
    return [{"chosen": "x" * chosen, "rejected": "y" * rejected, **row} for chosen, rejected in sizes]


def marked(stage: BalanceLengths, rows: pa.Table) -> dict[str, tuple[str, str]]:
    """(reason, slice) of each row that goes, by row id."""
    marks = stage.within_limit(stage.matched(stage.measured(rows))).marks.to_pylist()
    return {mark["row_id"]: (mark["reason"], mark["detail"]) for mark in marks}


def gone(rows: list[dict[str, Any]], **changes: Any) -> Counter[tuple[str, str]]:
    return Counter(marked(BalanceLengths(**LOSE_ALL | changes), pairs(*rows)).values())


@pytest.mark.parametrize(
    ("longer", "shorter", "ties", "accuracy", "drops"),
    [
        (10, 4, 0, 0.5, 6),
        (10, 10, 0, 0.5, 0),
        (10, 0, 0, 0.5, 10),
        (10, 0, 5, 0.5, 10),  # ties give a rule nothing, so one longer side more were more than half
        (10, 4, 0, 0.6, 4),  # 6 of 6 + 4
        (10, 9, 0, 0.55, 0),  # 10 of 19 is 0.526
        (12, 9, 0, 0.55, 1),  # 11 of 20 is 0.55
        (10, 0, 5, 0.6, 9),  # (1 + 5 / 2) / 6 is 0.583, (2 + 5 / 2) / 7 would be 0.643
        (10, 1, 0, 1.0, 0),
    ],
)
def test_the_larger_side_is_cut_down_to_what_length_may_get_right(
    longer: int, shorter: int, ties: int, accuracy: float, drops: int
) -> None:
    rows = made(*[LONGER] * longer, *[SHORTER] * shorter, *[TIE] * ties)
    name = "Commit-Preference / runtime_efficiency / languages with few rows"

    expected = {("chosen_longer", name): drops} if drops else {}
    assert expected == gone(rows, max_accuracy=accuracy)


def test_the_other_way_round_too() -> None:
    assert {"rejected_longer": 2} == Counter(
        reason for reason, _ in gone(made(*[SHORTER] * 5, *[LONGER] * 3), max_accuracy=0.5).elements()
    )


def test_characters_count_and_not_bytes() -> None:
    rows = [{"chosen": "ää", "rejected": "abc"}, {"chosen": "abc", "rejected": "ää"}]

    assert {} == gone(rows, max_accuracy=0.5)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("language", "Go", "Python"),
        ("criterion", "memory_efficiency", "runtime_efficiency"),
        ("source", "A", "B"),
    ],
)
def test_slices_are_balanced_each_by_itself(column: str, one: str, other: str) -> None:
    rows = [*made(*[LONGER] * 3, **{column: one}), *made(*[SHORTER] * 3, **{column: other})]

    assert 6 == gone(rows, max_accuracy=0.5, min_rows=1).total()


def test_languages_with_few_rows_are_balanced_together() -> None:
    rows = [*made(*[LONGER] * 3, language="Go"), *made(*[SHORTER] * 3, language="Python")]

    assert {} == gone(rows, max_accuracy=0.5, min_rows=4)


def test_large_differences_do_not_pay_for_small_ones() -> None:
    # "Longer wins" is right in half of all, and wherever the difference is large.
    rows = made(*[(1_000, 10)] * 3, *[SHORTER] * 3)

    assert 6 == gone(rows, max_accuracy=0.5).total()
    assert {} == gone(rows, max_accuracy=0.5, differences=())


def test_small_edits_do_not_pay_for_large_ones() -> None:
    lines = {"chosen": "x\n" * 20 + "long", "rejected": "y\n" * 20}
    rows = [*({**lines, "changed_share": 1.0} for _ in range(3)), *made(*[SHORTER] * 3, changed_share=1.0)]

    assert 6 == gone(rows, max_accuracy=0.5).total()
    assert {} == gone(rows, max_accuracy=0.5, changed_lines=())


def test_the_strongest_evidence_stays() -> None:
    rows = [
        *made(LONGER, evidence="message"),
        *made(LONGER, evidence="executed"),
        *made(LONGER, evidence="judged"),
        *made(SHORTER, SHORTER),
    ]

    assert {"0"} == marked(BalanceLengths(max_accuracy=0.5), pairs(*rows)).keys()


def test_a_build_fails_that_would_lose_more_than_its_limit(tmp_path: Path) -> None:
    rows = [*made(*[LONGER] * 8, *[SHORTER] * 2, language="Go"), *made(*[LONGER] * 2, language="Python")]
    stage = BalanceLengths(max_accuracy=0.5, min_rows=2, max_lost_share=0.6)

    with pytest.raises(StageError) as raised:
        run_stage(tmp_path, stage, pairs(*rows))

    assert "would drop 8 of 12 rows, more than max_lost_share 0.6" in str(raised.value)
    assert "  Commit-Preference / runtime_efficiency / Go: 6 of 10\n" in str(raised.value)
    assert "  Commit-Preference / runtime_efficiency / Python: 2 of 2\n" in str(raised.value)


def test_a_loss_at_the_limit_is_none_above_it() -> None:
    rows = made(*[LONGER] * 3, SHORTER)

    assert 2 == gone(rows, max_accuracy=0.5, min_rows=1, max_lost_share=0.5).total()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_accuracy": 0.4}, "expected 0.5"),
        ({"max_accuracy": 1.1}, "expected 0.5"),
        ({"max_lost_share": 2.0}, "expected 0 to 1"),
        ({"differences": (200, 40)}, "differences is .* expected rising numbers"),
        ({"changed_lines": (3, 3)}, "changed_lines is .* expected rising numbers"),
    ],
)
def test_settings_make_sense(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BalanceLengths(**wrong)


SIZES = st.lists(st.sampled_from([LONGER, SHORTER, TIE, (500, 20), (20, 500)]), max_size=30)


@settings(max_examples=25)
@given(SIZES, st.sampled_from([0.5, 0.55, 0.7]))
def test_no_rule_on_the_difference_is_right_more_often(sizes: list[tuple[int, int]], accuracy: float) -> None:
    stage = BalanceLengths(max_accuracy=accuracy, **LOSE_ALL)
    dropped_ones = marked(stage, pairs(*made(*sizes)))
    left = [one for n, one in enumerate(sizes) if str(n) not in dropped_ones]
    for bound in (-1, 100):  # longer wins where the difference is larger than this, and shorter elsewhere
        right = sum(0.5 if c == r else (c > r) == (abs(c - r) > bound) for c, r in left)
        assert max(right, len(left) - right) <= accuracy * len(left) + 1e-9


@settings(max_examples=25)
@given(SIZES, st.integers(0, 30))
def test_another_row_moves_at_most_two_others(sizes: list[tuple[int, int]], place: int) -> None:
    stage = BalanceLengths(**LOSE_ALL)

    def left(rows: pa.Table) -> set[str]:
        return set(rows["row_id"].to_pylist()) - marked(stage, rows).keys()

    all_of_them = pairs(*made(*sizes, LONGER))
    without = all_of_them.filter(pa.array([n != min(place, len(sizes)) for n in range(len(all_of_them))]))

    assert len(left(all_of_them) ^ left(without)) <= 3  # the row itself, and at 0.55 at most two of the other side


def test_neither_order_nor_shards_matter(tmp_path: Path) -> None:
    table = pairs(*made(*[LONGER] * 20, *[SHORTER] * 5, *[TIE] * 3))
    backwards = table.take(list(range(len(table)))[::-1])
    stage = BalanceLengths(**LOSE_ALL, seed=3)

    expected = dropped(tmp_path / "one", stage, table)
    assert expected
    assert expected == dropped(tmp_path / "two", stage, in_shards(backwards, [4, 11]))
    assert expected.keys() != dropped(tmp_path / "three", BalanceLengths(**LOSE_ALL, seed=4), table).keys()

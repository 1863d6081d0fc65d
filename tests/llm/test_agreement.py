"""Shares with intervals, and Krippendorff's alpha against examples that were worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.intervals import wilson
from themis_data.llm.agreement import Coincidences, Scale, Share, difference, fold_of, krippendorff


def coincidences(units: Sequence[str], scale: Scale, values: str = "12345") -> Coincidences:
    """Of units written as the values that their raters gave, one digit each; a blank is missing."""
    found = Coincidences(len(values), scale)
    folds = np.array([fold_of(str(number)) for number in range(len(units))], np.int64)
    found.add(folds, np.array([[unit.count(value) for value in values] for unit in units], np.int64))
    return found


def test_of_nothing_nothing_is_known() -> None:
    assert {"hits": 0, "pairs": 0, "total": 0, "high": None, "low": None, "share": None} == Share().record()


def test_one_answer_a_pair_is_worth_a_pair() -> None:
    share = Share.of([(1, 1)] * 5 + [(0, 1)] * 5)

    assert Share.simple(5, 10) == share
    assert 10 == pytest.approx(share.effective)
    assert wilson(5, 10) == pytest.approx(share.interval)


def test_ten_answers_that_say_the_same_of_a_pair_are_worth_one() -> None:
    share = Share.of([(10, 10)] * 5 + [(0, 10)] * 5)

    assert (50, 100) == (share.hits, share.total)
    assert 10 == pytest.approx(share.effective)


def test_pairs_of_which_all_answers_say_yes_are_worth_themselves() -> None:
    assert 3.0 == Share.of([(8, 8)] * 3).effective


def test_answers_are_never_worth_more_than_there_are() -> None:
    assert 8.0 == Share.of([(1, 2)] * 4).effective


def test_a_pair_with_nothing_counted_does_not_count() -> None:
    assert Share.of([(1, 1)]) == Share.of([(1, 1), (0, 0)])


def test_a_difference_has_newcombes_interval() -> None:
    """56 of 70 and 48 of 80: 0.2, from 0.0524 to 0.3339, the example of Newcombe's table II, method 10."""
    assert pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5) == difference(Share.simple(56, 70), Share.simple(48, 80))


def test_a_difference_to_nothing_is_unknown() -> None:
    assert difference(Share.simple(1, 2), Share()) is None


# Two raters, five units: 11, 11, 12, 22, 22. Coincidences: 4 of 1 with 1, 1 each of 1 with 2 and 2 with 1, 4 of 2 with
# 2; 10 values, 5 of each. Observed 2 / 10, expected 2 * 5 * 5 / (10 * 9) = 5 / 9: alpha = 1 - 0.2 * 9 / 5 = 0.64.
def test_nominal_alpha_of_two_raters() -> None:
    found = coincidences(["11", "11", "12", "22", "22"], "nominal", "12")

    assert [[4, 1], [1, 4]] == found.matrix().tolist()
    assert 0.64 == pytest.approx(found.alpha)


# Three raters with one value missing: 111, 12, 122. The first adds 6 / 2 to (1, 1); the second 1 to (1, 2) and (2, 1);
# the third (1, 2) 2 / 2, (2, 1) 2 / 2, (2, 2) 2 / 2. Margins 5 and 3 of 8; observed 4 / 8, expected 2 * 15 / 56.
def test_a_missing_value_is_left_out() -> None:
    found = coincidences(["111", "12", "122", "1", ""], "nominal", "12")

    assert [[3, 2], [2, 1]] == found.matrix().tolist()
    assert 1 - (4 / 8) / (30 / 56) == pytest.approx(found.alpha)
    assert (3, 1) == (found.units, found.unanimous)


# Two raters of 1, 2, 3: 11, 22, 33, 12, 13. Margins 4, 3, 3. Ordinal differences: 1-2 ((4 + 3) / 2)^2 = 12.25,
# 2-3 ((3 + 3) / 2)^2 = 9, 1-3 (4 + 3 + 3 - 3.5)^2 = 42.25. Observed 2 * (12.25 + 42.25) / 10 = 10.9; expected
# 2 * (4 * 3 * 12.25 + 3 * 3 * 9 + 4 * 3 * 42.25) / 90 = 16.4667.
def test_ordinal_alpha_weighs_by_what_lies_between() -> None:
    found = coincidences(["11", "22", "33", "12", "13"], "ordinal", "123")

    assert 1 - 10.9 / (2 * (147 + 81 + 507) / 90) == pytest.approx(found.alpha)


# The reliability data of section D of Krippendorff's paper: four observers, twelve units, missing values.
OBSERVERS = ("1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .")


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_of_the_published_example(scale: Scale, alpha: float) -> None:
    rows = [row.split() for row in OBSERVERS]
    units = ["".join(value for value in unit if value != ".") for unit in zip(*rows, strict=True)]

    assert alpha == pytest.approx(coincidences(units, scale).alpha, abs=5e-4)


def test_alpha_is_unknown_where_all_say_the_same() -> None:
    assert krippendorff(np.array([[10.0, 0.0], [0.0, 0.0]]), "nominal") is None
    assert coincidences(["1", "2"], "nominal").alpha is None
    assert coincidences(["1", "2"], "nominal").interval is None


def test_an_interval_of_alpha_holds_it_and_narrows_with_units() -> None:
    few, many = (coincidences(["11", "22", "12", "22", "11", "11"] * times, "nominal", "12") for times in (10, 100))

    widths = []
    for found in (few, many):
        low, high = found.interval or (0.0, 0.0)
        assert low < (found.alpha or 0.0) < high
        widths.append(high - low)
    assert 0.0 < widths[1] < widths[0]


@given(st.lists(st.text("123", max_size=4), max_size=20), st.integers(0, 20))
def test_units_may_come_in_any_parts_and_order(units: list[str], cut: int) -> None:
    whole, parts = (Coincidences(3, "ordinal") for _ in range(2))
    folds = np.array([fold_of(unit) for unit in units], np.int64)
    counts = np.array([[unit.count(value) for value in "123"] for unit in units], np.int64).reshape(len(units), 3)
    whole.add(folds, counts)
    parts.add(folds[cut:], counts[cut:])
    parts.add(folds[:cut], counts[:cut])

    assert whole.record() == parts.record()

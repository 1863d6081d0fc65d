"""Figures of a score sheet, by hand and against scipy where it has the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from themis_data.evaluate.metrics import (
    Scored,
    accuracy,
    chance_of_hit,
    compared,
    hits,
    interval,
    spearman,
    summary,
)


def test_a_tie_is_wrong():
    scored = Scored(np.array([1.0, 2.0, 2.0, 0.0]), np.array([0.0, 2.0, 1.0, 1.0]), None, {})
    found = summary(scored)["overall"]

    assert (0.5, 4, 1) == (found["accuracy"], found["count"], found["ties"])
    assert (4, 2) == (found["total_examples"], found["correct_predictions"])
    assert (0.25, 0.5) == (found["mean_score_difference"], found["median_score_difference"])
    # Differences 1, 0, 1, -1: squares from the mean add up to 2.75, over n - 1 = 3.
    assert found["std_score_difference"] == pytest.approx((2.75 / 3) ** 0.5)


def test_a_side_without_a_score_makes_its_pair_wrong():
    scored = Scored(np.array([1.0, np.nan, np.nan]), np.array([0.0, 2.0, np.nan]), None, {"aspect": ["A", "B", "B"]})
    found = summary(scored)

    assert (1 / 3, 3, 2, 0) == tuple(found["overall"][name] for name in ("accuracy", "count", "unscored", "ties"))
    assert (1.0, None) == tuple(found["overall"][f"{name}_score_difference"] for name in ("mean", "std"))
    assert (0.0, None) == tuple(found["by_aspect"]["B"][name] for name in ("accuracy", "median_score_difference"))


def test_slices_and_the_half_where_length_is_no_help():
    scored = Scored(
        np.array([1.0, 0.0, 1.0]),
        np.array([0.0, 1.0, 0.0]),
        np.array([5, 0, -3]),
        {"aspect": ["A", "B", "B"], "language": [None, None, None]},
    )
    found = summary(scored)

    assert {"A": 1.0, "B": 0.5} == {name: one["accuracy"] for name, one in found["by_aspect"].items()}
    assert "by_language" not in found
    assert (0.5, 2) == (found["chosen_not_longer"]["accuracy"], found["chosen_not_longer"]["count"])


def test_the_interval_is_that_of_resampled_pairs():
    right = np.arange(400) < 300
    found = accuracy(right)
    drawn = np.random.default_rng(1).choice(right, (4_000, 400)).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])

    assert (0.75, 400) == (found.accuracy, found.count)
    assert (low, high) == pytest.approx((found.low, found.high), abs=0.01)
    assert found == accuracy(right)
    assert accuracy(np.array([], dtype=bool)) is None


def test_two_models_are_compared_pair_by_pair():
    one = np.array([True] * 12 + [False] * 3 + [True] * 85)
    other = np.array([False] * 12 + [True] * 3 + [True] * 85)
    found = compared(one, other)

    assert (0.09, 12, 3) == (found["difference"], found["only_first_right"], found["only_second_right"])
    assert found["mcnemar_p"] == pytest.approx(stats.binomtest(3, 15).pvalue)
    assert found["low"] < 0.09 < found["high"]
    assert 1.0 == compared(one, one)["mcnemar_p"]


def test_the_best_candidates_hold_one_that_passes_all_tests():
    scores, passed = [0.9, 0.8, 0.7, 0.1], [False, False, True, False]

    assert [False, False, True, True] == [hits(scores, passed, at) for at in (1, 2, 3, 4)]
    assert hits([1.0, 2.0], [False, False], 2) is None
    assert not hits([1.0, 1.0], [True, False], 1)  # alike, so nothing was chosen


def test_what_chance_would_hit():
    assert (0.25, 0.5) == (chance_of_hit(4, 1, 1), chance_of_hit(4, 1, 2))
    assert chance_of_hit(6, 2, 2) == pytest.approx(1 - (4 / 6) * (3 / 5))
    assert (1.0, 1.0, None) == (chance_of_hit(4, 3, 2), chance_of_hit(3, 1, 5), chance_of_hit(3, 0, 2))


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(3).normal(5.0, 2.0, 400)
    mean, low, high = interval(values, np.mean)
    error = 1.96 * values.std() / 20

    assert (mean, mean - error, mean + error) == pytest.approx((values.mean(), low, high), abs=0.02)
    assert (7.0, 7.0, 7.0) == interval(np.array([7.0]), np.median)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-9, 9)), min_size=2, max_size=40))
def test_rank_correlation_is_scipys(pairs):
    one, other = zip(*pairs, strict=True)
    found = spearman(one, other)

    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-9)

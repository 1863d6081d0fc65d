"""Intervals of shares and means: Wilson's against published figures, grouped values against what they are worth."""

import numpy as np
import pytest

from themis_data.intervals import Z, mean_by_groups, share_by_groups, wilson


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_an_interval_is_wilsons(hits: int, total: int, low: float, high: float) -> None:
    assert pytest.approx((low, high), abs=5e-5) == wilson(hits, total)


def test_of_nothing_nothing_is_known() -> None:
    assert (0.0, 1.0) == wilson(0, 0)


def of(*groups: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Values and the numbers of their groups."""
    return np.array([v for group in groups for v in group]), np.repeat(np.arange(len(groups)), list(map(len, groups)))


def test_values_alone_in_their_groups_count_in_full_but_for_one() -> None:
    values, groups = of((1.0,), (1.0,), (0.0,), (1.0,), (0.0,))

    share, low, high = share_by_groups(values, groups)

    assert 0.6 == share
    # The variance is estimated, which costs a degree of freedom.
    assert pytest.approx((low, high)) == wilson(0.6 * 4, 4)


def test_a_group_that_agrees_counts_once() -> None:
    once = share_by_groups(*of((1.0,), (1.0,), (0.0,), (1.0,)))

    assert pytest.approx(once) == share_by_groups(*of((1.0,) * 9, (1.0,) * 9, (0.0,) * 9, (1.0,) * 9))


def test_where_all_agree_a_group_counts_once() -> None:
    assert (1.0, *wilson(3, 3)) == share_by_groups(*of((1.0, 1.0), (1.0,), (1.0, 1.0, 1.0)))


def test_groups_that_all_are_the_whole_count_no_more_than_their_values() -> None:
    assert (0.5, *wilson(3, 6)) == share_by_groups(*of((1.0, 0.0), (0.0, 1.0), (1.0, 0.0)))


def test_a_mean_is_as_sure_as_its_groups_differ() -> None:
    values, groups = of((1.0, 3.0), (3.0, 5.0))

    mean, low, high = mean_by_groups(values, groups)

    # Sums of -2 and 2 off the mean of 3: variance (4 + 4) * 2 / 1 / 4 ** 2 = 1.
    assert pytest.approx((3.0, 3.0 - Z, 3.0 + Z)) == (mean, low, high)

"""What scores say: accuracy with intervals by slice, two models compared, ranking by pass rate."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_RESAMPLES = 2_000


@dataclass(frozen=True)
class Accuracy:
    """Share of pairs whose chosen side has the higher score, strictly: a tie is wrong. `low` and `high` are the 2.5 and
    97.5 percentiles of 2,000 bootstrap resamples of the pairs (Efron, 1979), seeded; the share itself for one pair."""

    accuracy: float
    count: int
    low: float
    high: float


def accuracy(right: Bools, seed: int = 0) -> Accuracy | None:
    """Null where there are no pairs."""
    count = len(right)
    if not count:
        return None
    share = float(right.mean())
    # A resample of n independent hits and misses is a binomial draw: the same distribution, without the indices.
    drawn = np.random.default_rng(seed).binomial(count, share, _RESAMPLES) / count
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Accuracy(share, count, float(low), float(high))


@dataclass(frozen=True)
class Scored:
    """Scores of a pair set, one row a pair, not a number where a side has none; `length_difference` is chosen less
    rejected, in characters."""

    chosen: Floats
    rejected: Floats
    length_difference: npt.NDArray[np.int64] | None
    by: Mapping[str, Sequence[str | None]]  # aspect, language, subset: the value of each pair

    @property
    def right(self) -> Bools:
        return self.chosen > self.rejected

    def where(self, mask: Bools) -> "Scored":
        lengths = None if self.length_difference is None else self.length_difference[mask]
        kept = {
            name: [value for value, stays in zip(values, mask, strict=True) if stays]
            for name, values in self.by.items()
        }
        return Scored(self.chosen[mask], self.rejected[mask], lengths, kept)


def summary(scored: Scored, seed: int = 0) -> dict[str, Any]:
    """The published summary (overall, by_aspect, by_language, by_subset: accuracy, count, and the mean, median and
    standard deviation of the score differences), and beside it intervals, ties, pairs with a side that has no score,
    and the pairs whose chosen side is not longer.

    A pair without a score is wrong and has no difference. The standard deviation is that of a sample; null for fewer
    than two pairs.
    """
    overall = _slice(scored, seed)
    named = {"total_examples": overall["count"], "correct_predictions": int(scored.right.sum())}
    found: dict[str, Any] = {"overall": overall | named}
    for name, values in scored.by.items():
        slices = {}
        for value in sorted({value for value in values if value is not None}):
            slices[value] = _slice(scored.where(np.array([each == value for each in values])), seed)
        if slices:
            found[f"by_{name}"] = slices
    if scored.length_difference is not None:
        not_longer = scored.where(scored.length_difference <= 0)
        found["chosen_not_longer"] = _slice(not_longer, seed) if len(not_longer.right) else None
    return found


def _slice(scored: Scored, seed: int) -> dict[str, Any]:
    found = accuracy(scored.right, seed)
    if found is None:
        raise ValueError("a slice without pairs has no accuracy")
    difference = scored.chosen - scored.rejected
    known = difference[~np.isnan(difference)]
    return {
        "accuracy": found.accuracy,
        "accuracy_low": found.low,
        "accuracy_high": found.high,
        "count": found.count,
        "ties": int((known == 0).sum()),
        "unscored": found.count - len(known),
        "mean_score_difference": float(known.mean()) if len(known) else None,
        "median_score_difference": float(np.median(known)) if len(known) else None,
        "std_score_difference": float(known.std(ddof=1)) if len(known) > 1 else None,
    }


def compared(one: Bools, other: Bools, seed: int = 0) -> dict[str, Any]:
    """Two models on the same pairs: the difference of their accuracies (first less second) with a bootstrap interval
    over pairs, and the exact two-sided p of McNemar's test, which looks at pairs that only one has right."""
    only_one, only_other = int((one & ~other).sum()), int((~one & other).sum())
    count, differing = len(one), only_one + only_other
    shares = [only_one / count, only_other / count, 1 - differing / count]
    drawn = np.random.default_rng(seed).multinomial(count, shares, _RESAMPLES)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count, [2.5, 97.5])
    tail = sum(math.comb(differing, k) for k in range(min(only_one, only_other) + 1))
    return {
        "count": count,
        "difference": (only_one - only_other) / count,
        "low": float(low),
        "high": float(high),
        "only_first_right": only_one,
        "only_second_right": only_other,
        "mcnemar_p": min(1.0, 2 * tail / 2**differing),
    }


def hits(scores: Sequence[float], passed: Sequence[bool], at: int) -> bool | None:
    """Whether one of the `at` best-scored candidates passes all tests; null where none of all does.

    Among equal scores the worse candidate comes first, so that a model which scores all alike wins nothing by it.
    """
    if not any(passed):
        return None
    best = sorted(zip(scores, passed, strict=True), key=lambda each: (-each[0], each[1]))[:at]
    return any(passes for _, passes in best)


def chance_of_hit(count: int, num_passing: int, at: int) -> float | None:
    """Probability that `at` of `count` candidates, drawn blindly, hold one that passes; null where none does."""
    if not num_passing:
        return None
    return 1 - math.comb(count - num_passing, at) / math.comb(count, at) if at < count else 1.0


def interval(values: Floats, statistic: Callable[..., Any], seed: int = 0) -> tuple[float, float, float]:
    """The statistic (numpy's, with an axis) of some values, and the 2.5 and 97.5 percentiles of it over 2,000 seeded
    bootstrap resamples of them."""
    drawn = np.random.default_rng(seed).choice(values, (_RESAMPLES, len(values)))
    low, high = np.percentile(statistic(drawn, axis=1), [2.5, 97.5])
    return float(statistic(values)), float(low), float(high)


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Rank correlation, ties at their mean rank; null where a side has one value only."""
    first, second = _ranks(one), _ranks(other)
    if first.std() == 0 or second.std() == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Sequence[float]) -> Floats:
    _, places, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = ((ends - counts + 1 + ends) / 2)[places]
    return ranks

"""Agreement as numbers: shares with intervals, and Krippendorff's alpha. All of them add up, batch after batch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from themis_data.fingerprint import uniform
from themis_data.intervals import Z, wilson

_DIGITS = 4  # of what is written into records
_FOLDS = 20  # of the jackknife

Scale = Literal["nominal", "ordinal"]
Matrix = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """How many of some answers were so, where several answers may be about one pair.

    Answers about one pair resemble one another, so that a hundred answers about ten pairs tell less than a hundred
    pairs. The sums of squares over pairs give the variance of the ratio, and with it how many independent answers would
    tell as much (Kish's effective sample size); the interval is Wilson's at that size. Of 600 draws of 100 pairs
    with 8 votes each, alike within a pair, 94 % of these intervals held the true share, and 71 % of those over votes.
    """

    hits: int = 0
    total: int = 0
    hits_squared: int = 0  # of each pair, summed over pairs
    hits_total: int = 0
    total_squared: int = 0
    pairs: int = 0

    @classmethod
    def of(cls, counted: Iterable[tuple[int, int]]) -> "Share":
        """From (hits, total) of each pair; a pair with nothing counted does not count."""
        parts = [
            cls(hits=h, total=t, hits_squared=h * h, hits_total=h * t, total_squared=t * t, pairs=1)
            for h, t in counted
            if t
        ]
        return sum(parts, cls())

    @classmethod
    def simple(cls, hits: int, total: int) -> "Share":
        """Of answers about a pair each."""
        return cls(hits=hits, total=total, hits_squared=hits, hits_total=hits, total_squared=total, pairs=total)

    def __add__(self, other: "Share") -> "Share":
        return Share(
            hits=self.hits + other.hits,
            total=self.total + other.total,
            hits_squared=self.hits_squared + other.hits_squared,
            hits_total=self.hits_total + other.hits_total,
            total_squared=self.total_squared + other.total_squared,
            pairs=self.pairs + other.pairs,
        )

    @property
    def share(self) -> float | None:
        """0 to 1; null where nothing was counted."""
        return self.hits / self.total if self.total else None

    @property
    def effective(self) -> float:
        """How many independent answers would tell as much: at least the pairs' own where all agree, at most all."""
        if not self.total:
            return 0.0
        share = self.hits / self.total
        if self.hits in (0, self.total):
            return float(self.pairs)  # no variance to see: a pair counts once
        spread = self.hits_squared - 2 * share * self.hits_total + share * share * self.total_squared
        if spread <= 0:
            return float(self.total)
        return min(float(self.total), share * (1 - share) * self.total * self.total / spread)

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        size = self.effective
        return wilson(size * self.hits / self.total, size) if self.total else (0.0, 1.0)

    def record(self) -> dict[str, Any]:
        """As JSON types: hits, total, pairs, share and its interval; null shares where nothing was counted."""
        low, high = self.interval
        counted = {"hits": self.hits, "pairs": self.pairs, "total": self.total}
        if not self.total:
            return {**counted, "high": None, "low": None, "share": None}
        return {**counted, "high": rounded(high), "low": rounded(low), "share": rounded(self.hits / self.total)}


def rounded(value: float) -> float:
    """As records hold it. A negative zero is zero."""
    return round(value, _DIGITS) + 0.0


def difference(one: Share, other: Share) -> tuple[float, float, float] | None:
    """One share less the other, with its 95 % interval; null where either is of nothing.

    The interval joins those of both shares. (R. G. Newcombe, Interval estimation for the difference between independent
    proportions, Statistics in Medicine 17, 1998, method 10.)
    """
    first, second = one.share, other.share
    if first is None or second is None:
        return None
    (low_1, high_1), (low_2, high_2) = one.interval, other.interval
    found = first - second
    return (
        found,
        found - math.hypot(first - low_1, high_2 - second),
        found + math.hypot(high_1 - first, second - low_2),
    )


def krippendorff(coincidences: Matrix, scale: Scale) -> float | None:
    """Krippendorff's alpha of a coincidence matrix: 1 where raters agree, 0 where they agree as chance would have it.

    Of V values a V x V symmetric matrix: each unit that m raters valued adds 1 / (m - 1) for every ordered pair of its
    values. alpha = 1 - D_o / D_e, with D_o = sum o_ck d_ck / n and D_e = sum n_c n_k d_ck / (n (n - 1)). The difference
    d_ck is 1 for other values (nominal), or the squared number of values between both, each end counting half
    (ordinal). Null where there are no two values of a unit, or all values are the same: nothing can be told apart.
    (K. Krippendorff, Computing Krippendorff's Alpha-Reliability, University of Pennsylvania, 2011.)
    """
    margins = coincidences.sum(axis=1)
    size = float(margins.sum())
    differences = _differences(margins, scale)
    expected = float(margins @ differences @ margins)
    if size <= 1 or expected <= 0:
        return None
    return 1.0 - (size - 1) * float((coincidences * differences).sum()) / expected


def _differences(margins: Matrix, scale: Scale) -> Matrix:
    if scale == "nominal":
        return 1.0 - np.eye(len(margins))
    middles = np.cumsum(margins) - margins / 2
    squared: Matrix = (middles[:, None] - middles[None, :]) ** 2
    return squared


def fold_of(unit: str) -> int:
    """The fold that a unit is dealt into, of 20, by its id."""
    return int(uniform(0, "fold", unit) * _FOLDS)


class Coincidences:
    """What several raters said of the same units, as counts from which alpha and its interval follow.

    Counts are whole numbers, kept by how many raters valued a unit, so that no order of adding changes them. Alpha
    without each fold of the units in turn gives its standard error (a delete-a-group jackknife), which no sum over
    all units could.
    """

    def __init__(self, values: int, scale: Scale) -> None:
        """`values` is how many there are; they are numbered in their order, where they have one."""
        self._size = values
        self._scale: Scale = scale
        self._counts: dict[int, Counts] = {}  # by raters: [fold, value, value]
        self.units = 0  # that two raters or more valued
        self.unanimous = 0

    def add(self, folds: Counts, counts: Counts) -> None:
        """Units [U] by their folds, and how many raters gave each value [U, values]; one rater alone tells nothing."""
        raters = counts.sum(axis=1)
        self.units += int((raters > 1).sum())
        self.unanimous += int(((raters > 1) & (counts.max(axis=1, initial=0) == raters)).sum())
        for number in np.unique(raters[raters > 1]):
            own = counts[raters == number]
            pairs = own[:, :, None] * own[:, None, :]
            pairs -= own[:, :, None] * np.eye(self._size, dtype=np.int64)
            empty = np.zeros((_FOLDS, self._size, self._size), np.int64)
            np.add.at(self._counts.setdefault(int(number), empty), folds[raters == number], pairs)

    def matrix(self, *, without: int | None = None) -> Matrix:
        """The coincidence matrix, of all units or without a fold."""
        total = np.zeros((self._size, self._size))
        for raters, counts in sorted(self._counts.items()):
            left_out = counts[without] if without is not None else 0
            total += (counts.sum(axis=0) - left_out) / (raters - 1)
        return total

    @property
    def alpha(self) -> float | None:
        return krippendorff(self.matrix(), self._scale)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %; null where alpha is null, or would be without some of the units: then there are too few to tell."""
        alpha = self.alpha
        used = [fold for fold in range(_FOLDS) if any(counts[fold].any() for counts in self._counts.values())]
        left = [krippendorff(self.matrix(without=fold), self._scale) for fold in used]
        known = [value for value in left if value is not None]
        if alpha is None or len(known) < len(left) or len(known) < 2:
            return None
        mean = sum(known) / len(known)
        error = math.sqrt((len(known) - 1) / len(known) * sum((value - mean) ** 2 for value in known))
        return max(-1.0, alpha - Z * error), min(1.0, alpha + Z * error)

    def record(self) -> dict[str, Any]:
        """As JSON types: alpha, its 95 % interval, on how many units; and the share of units on which all agree.

        Where nearly all units have one value, chance agrees nearly as often as raters do and alpha is low; the plain
        share beside it says so.
        """
        alpha, interval = self.alpha, self.interval
        return {
            "alpha": None if alpha is None else rounded(alpha),
            "high": None if interval is None else rounded(interval[1]),
            "low": None if interval is None else rounded(interval[0]),
            "scale": self._scale,
            "unanimous": Share.simple(self.unanimous, self.units).record(),
            "units": self.units,
        }

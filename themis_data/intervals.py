"""How far counted shares and means can be trusted: 95 % intervals, also of values that come in groups.

Pairs of one repository or problem resemble one another: a hundred of them tell less than one each of a hundred.
"""

import math

import numpy as np
import numpy.typing as npt

Z = 1.959963984540054  # two-sided 95 %

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def wilson(hits: float, total: float) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score method; (0, 1) where nothing was counted.

    Both may be fractions: an effective sample size is one. (E. B. Wilson, Probable inference, the law of succession,
    and statistical inference, JASA 22, 1927.)
    """
    if not total:
        return 0.0, 1.0
    share = hits / total
    middle = share + Z * Z / (2 * total)
    half = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def share_by_groups(values: Floats, groups: Ints) -> tuple[float, float, float]:
    """The mean of values from 0 to 1, at least one, with its interval: Wilson's at Kish's effective sample size, which
    is how many values without groups would tell as much, and never more than there are."""
    share, spread, num_groups = _spread(values, groups)
    if share in (0.0, 1.0):
        effective = float(num_groups)  # no variance to see: a group counts once
    else:
        effective = min(float(len(values)), share * (1.0 - share) / spread) if spread > 0 else float(len(values))
    return share, *wilson(share * effective, effective)


def mean_by_groups(values: Floats, groups: Ints) -> tuple[float, float, float]:
    """The mean of some values, at least one, with its interval in normal approximation."""
    mean, spread, _ = _spread(values, groups)
    return mean, mean - Z * math.sqrt(spread), mean + Z * math.sqrt(spread)


def _spread(values: Floats, groups: Ints) -> tuple[float, float, int]:
    """Mean, variance of the mean as the sums of groups show it, and number of groups."""
    mean = float(values.mean())
    _, number = np.unique(groups, return_inverse=True)
    off = np.bincount(number, values - mean)
    return mean, float(off @ off) * len(off) / max(len(off) - 1, 1) / len(values) ** 2, len(off)

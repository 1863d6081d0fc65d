"""From scores to probabilities and thresholds, on commits that no classifier was trained on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What one criterion's scores mean.

    `slope` and `offset` turn a score into a probability. `precisions[i]` is the share of seeds, by weight, among the
    commits whose probability is `thresholds[i]` or more; thresholds fall. Both are empty where nothing could be learnt,
    and then every probability is 0.
    """

    slope: float
    offset: float
    thresholds: Floats
    precisions: Floats

    def probabilities(self, scores: Floats) -> Floats:
        """Probability of each score, to four digits: as many as are the same on every machine."""
        if not self.thresholds.size:
            return np.zeros(len(scores))
        return np.round(_sigmoid(self.slope * scores + self.offset), 4)

    def threshold(self, precision: float) -> float | None:
        """The least probability from which on the share of seeds is `precision` or more; None where there is none."""
        enough = np.flatnonzero(self.precisions >= precision)
        return float(self.thresholds[enough[-1]]) if enough.size else None


NOTHING = Calibration(0.0, 0.0, np.empty(0), np.empty(0))


def calibrate(scores: Floats, is_seed: npt.NDArray[np.bool_], weights: Floats, *, min_support: int) -> Calibration:
    """Platt's scaling and the precision of each threshold that `min_support` seeds or more reach.

    Everything that is no seed counts as wrong, `weights` times.
    """
    if not np.isfinite(scores).all() or is_seed.sum() < min_support or is_seed.all():
        return NOTHING
    slope, offset = _platt(scores, is_seed, weights)
    if slope <= 0.0:  # it ranks seeds no higher than others
        return NOTHING
    found = np.round(_sigmoid(slope * scores + offset), 4)
    thresholds = np.unique(found)[::-1]
    order = np.argsort(-found, kind="stable")
    ends = np.searchsorted(-found[order], -thresholds, side="right") - 1
    seeds = np.cumsum(is_seed[order])[ends]
    right = np.cumsum(np.where(is_seed, weights, 0.0)[order])[ends]
    total = np.cumsum(weights[order])[ends]
    enough = seeds >= min_support
    return Calibration(slope, offset, thresholds[enough], (right / total)[enough])


def _platt(scores: Floats, is_seed: npt.NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Slope and offset of the logistic curve through the scores, by Newton's method.

    Targets are drawn in a little from 0 and 1, as Platt does, so that parts that are told apart have a curve too.
    """
    num_right, num_wrong = weights[is_seed].sum(), weights[~is_seed].sum()
    targets = np.where(is_seed, (num_right + 1.0) / (num_right + 2.0), 1.0 / (num_wrong + 2.0))
    scale = float(np.std(scores)) or 1.0
    inputs = np.stack([scores / scale, np.ones_like(scores)], 1)
    found = np.array([1.0, np.log((num_right + 1.0) / (num_wrong + 1.0))])
    for _ in range(100):
        predicted = _sigmoid(inputs @ found)
        gradient = inputs.T @ (weights * (predicted - targets))
        spread = weights * np.maximum(predicted * (1.0 - predicted), 1e-9)
        step = np.linalg.solve((inputs * spread[:, None]).T @ inputs + 1e-9 * np.eye(2), gradient)
        step *= min(1.0, 2.0 / (float(np.abs(step).max()) + 1e-12))
        found = found - step
        if float(np.abs(step).max()) < 1e-9:
            break
    return float(found[0]) / scale, float(found[1])


def _sigmoid(values: Floats) -> Floats:
    clipped = np.clip(values, -500.0, 500.0)
    odds: Floats = 1.0 / (1.0 + np.exp(-clipped))
    return odds

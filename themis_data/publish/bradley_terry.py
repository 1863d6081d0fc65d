"""Small models of which side of a pair is the chosen one, fitted on how the sides differ."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def fit(x: Any, ridge: float = 1.0) -> Floats:
    """Weights of a Bradley-Terry model of linear rewards: those under which the chosen sides most likely win.

    `x` is sparse, a row a pair, the chosen side's features less the rejected one's. It is a logistic regression through
    the origin in which each row is an example of the chosen side, and its negative one of the rejected side, with
    `ridge` / 2 times the squared weights added to the negative log likelihood. (R. A. Bradley and M. E. Terry, Rank
    analysis of incomplete block designs, Biometrika 39, 1952.)
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    transposed = x.T.tocsr()

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = x @ weights
        value = np.logaddexp(0.0, -scores).sum() + 0.5 * ridge * (weights**2).sum()
        return float(value), np.asarray(ridge * weights - transposed @ expit(-scores))

    def curvature(weights: Floats, direction: Floats) -> Floats:
        chances = expit(x @ weights)
        return np.asarray(ridge * direction + transposed @ (chances * (1.0 - chances) * (x @ direction)))

    start = np.zeros(x.shape[1])
    found = minimize(loss, start, jac=True, hessp=curvature, method="trust-ncg", options={"maxiter": 50})
    return np.asarray(found.x, np.float64)


def folds(group: Ints, draw_of_group: Floats, count: int) -> Ints:
    """The fold of each pair: a group is in one, and the folds are about as large as they can be made so.

    `group` numbers the group of each pair, `draw_of_group` decides between groups of one size.
    """
    groups, number, size = np.unique(group, return_inverse=True, return_counts=True)
    fold_of, filled = np.zeros(len(groups), np.int64), np.zeros(count, np.int64)
    for place in np.lexsort((draw_of_group[groups], -size)):
        fold_of[place] = np.argmin(filled)
        filled[fold_of[place]] += size[place]
    return fold_of[number]

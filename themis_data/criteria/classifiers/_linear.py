"""One logistic regression a criterion, by scikit-learn."""

from typing import Any

import numpy as np
import numpy.typing as npt

from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.errors import MissingExtra


def fit_linear(
    features: Any, targets: npt.NDArray[np.int8], settings: TrainSettings
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coefficients [features, criteria] and intercepts [criteria]; rows of target -1 take no part in a criterion.

    A criterion without a positive or without a negative has no model: its coefficients are 0 and its intercept is
    -infinity. Both sides weigh the same, whatever their numbers.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("training a classifier needs scikit-learn: pip install 'themis-data[classify]'") from error
    num_criteria = targets.shape[1]
    coefficients = np.zeros((features.shape[1], num_criteria), np.float64)
    intercepts = np.full(num_criteria, -np.inf, np.float64)
    for place in range(num_criteria):
        known = targets[:, place] >= 0
        wanted = targets[known, place]
        if len(set(wanted.tolist())) < 2:
            continue
        model = LogisticRegression(C=settings.inverse_regularisation, class_weight="balanced", max_iter=2_000)
        model.fit(features[np.flatnonzero(known)], wanted)
        coefficients[:, place], intercepts[place] = model.coef_[0], model.intercept_[0]
    return coefficients, intercepts

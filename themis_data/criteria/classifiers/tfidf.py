"""Logistic regression on tf-idf weights of words; trained with scikit-learn, asked with NumPy and SciPy alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from themis_data.criteria.classifiers._examples import Example
from themis_data.criteria.classifiers._linear import fit_linear
from themis_data.criteria.classifiers._model_file import Arrays, texts_array, texts_of
from themis_data.criteria.classifiers._settings import TrainSettings

_BLOCKS: tuple[tuple[str, Callable[[Example], Iterable[str]]], ...] = (
    ("message", Example.message_tokens),
    ("diff", Example.diff_tokens),
)


@dataclass(frozen=True, eq=False)
class Tfidf:
    """Words, their idf, and one linear model a criterion. Message and diff are two blocks of unit length each, so that
    a long diff does not drown a short message."""

    distributions: ClassVar[tuple[str, ...]] = ()

    words: dict[str, dict[str, int]]  # block -> word -> place
    idf: dict[str, npt.NDArray[np.float64]]
    coefficients: npt.NDArray[np.float64]  # [words of all blocks, criteria]
    intercepts: npt.NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        repositories: Sequence[str],
        targets: npt.NDArray[np.int8],
        settings: TrainSettings,
    ) -> "Tfidf":
        """`targets` [examples, criteria] has 1, 0, or -1 where a commit says nothing about a criterion."""
        words, idf = {}, {}
        for block, tokens in _BLOCKS:
            words[block], idf[block] = _vocabulary(examples, repositories, tokens, settings)
        empty = cls(words, idf, np.empty((0, 0)), np.empty(0))
        coefficients, intercepts = fit_linear(empty.weights(examples), targets, settings)
        return cls(words, idf, coefficients, intercepts)

    def weights(self, examples: Sequence[Example]) -> Any:
        """tf-idf of the examples, a sparse matrix [examples, words of all blocks]."""
        from scipy import sparse

        return sparse.hstack(
            [_weights(examples, tokens, self.words[block], self.idf[block]) for block, tokens in _BLOCKS], "csr"
        )

    def scores(self, examples: Sequence[Example]) -> npt.NDArray[np.float64]:
        """Log-odds [examples, criteria], not calibrated."""
        found: npt.NDArray[np.float64] = self.weights(examples) @ self.coefficients + self.intercepts
        return found

    def arrays(self) -> Arrays:
        stored = {"coefficients": self.coefficients, "intercepts": self.intercepts}
        for block, _ in _BLOCKS:
            stored[f"{block}_words"] = texts_array(list(self.words[block]))
            stored[f"{block}_idf"] = self.idf[block]
        return stored

    @classmethod
    def from_arrays(cls, arrays: Arrays, settings: TrainSettings) -> "Tfidf":
        words = {
            block: {word: place for place, word in enumerate(texts_of(arrays[f"{block}_words"]))}
            for block, _ in _BLOCKS
        }
        idf = {block: arrays[f"{block}_idf"] for block, _ in _BLOCKS}
        return cls(words, idf, arrays["coefficients"], arrays["intercepts"])


def _vocabulary(
    examples: Sequence[Example],
    repositories: Sequence[str],
    tokens: Callable[[Example], Iterable[str]],
    settings: TrainSettings,
) -> tuple[dict[str, int], npt.NDArray[np.float64]]:
    """Words that several repositories and several commits have, the most frequent of them, sorted, with their idf."""
    commits: dict[str, int] = {}
    seen_in: dict[str, set[str]] = {}
    for one, repository in zip(examples, repositories, strict=True):
        for token in set(tokens(one)):
            commits[token] = commits.get(token, 0) + 1
            seen_in.setdefault(token, set()).add(repository)
    known = [
        token
        for token, count in commits.items()
        if count >= settings.min_commits and len(seen_in[token]) >= settings.min_repositories
    ]
    kept = sorted(sorted(known, key=lambda token: (-commits[token], token))[: settings.max_words])
    # As scikit-learn's smooth_idf: as if one more commit had every word.
    idf = np.array([np.log((1 + len(examples)) / (1 + commits[token])) + 1.0 for token in kept], np.float64)
    return {token: place for place, token in enumerate(kept)}, idf


def _weights(
    examples: Sequence[Example],
    tokens: Callable[[Example], Iterable[str]],
    words: dict[str, int],
    idf: npt.NDArray[np.float64],
) -> Any:
    """(1 + log count) x idf, each example scaled to length one; an example without known words is all zeros."""
    from scipy import sparse

    places: list[int] = []
    values: list[float] = []
    ends = [0]
    for one in examples:
        counts: dict[int, int] = {}
        for token in tokens(one):
            place = words.get(token)
            if place is not None:
                counts[place] = counts.get(place, 0) + 1
        row = sorted(counts)
        found = np.array([(1.0 + np.log(counts[place])) * idf[place] for place in row], np.float64)
        length = float(np.sqrt(np.sum(found * found)))
        places.extend(row)
        values.extend((found / length).tolist() if length else [])
        ends.append(len(places))
    return sparse.csr_matrix(
        (np.array(values, np.float64), np.array(places, np.int64), np.array(ends, np.int64)),
        shape=(len(examples), len(words)),
    )


CLASSIFIER = Tfidf

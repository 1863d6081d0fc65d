"""Classifiers written by hand, for tests that ask one and train none."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from themis_data.criteria.classifiers import labelled_criteria
from themis_data.criteria.classifiers._model_file import write_model
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.criteria.classifiers.tfidf import Tfidf

FC = "functional_correctness"


def words_classifier(
    path: Path, words: Mapping[str, str], *, diff_words: Mapping[str, str] | None = None, seed: int = 7
) -> str:
    """A classifier that is 0.9933 sure (log-odds 5) of the criterion of a word where the message has only that one, and
    0.0067 of every other one; `words` are tokens of messages with their criteria, `diff_words` tokens of diffs."""
    criteria = labelled_criteria()
    blocks = {"message": dict(words), "diff": dict(diff_words or {})}
    wanted = [criterion for block in blocks.values() for criterion in block.values()]
    model = Tfidf(
        words={block: {word: place for place, word in enumerate(known)} for block, known in blocks.items()},
        idf={block: np.ones(len(known)) for block, known in blocks.items()},
        coefficients=np.array([[10.0 * (name == criterion) for name in criteria] for criterion in wanted]),
        intercepts=np.full(len(criteria), -5.0),
    )
    arrays = model.arrays()
    for name in criteria:
        arrays[f"calibration/{name}/curve"] = np.array([1.0, 0.0])
        arrays[f"calibration/{name}/thresholds"] = np.array([0.95, 0.5])
        arrays[f"calibration/{name}/precisions"] = np.array([0.9, 0.6])
    settings = TrainSettings(diff_features=diff_words is not None, seed=seed)
    write_model(path, {"settings": asdict(settings), "criteria": list(criteria), "report": {}}, arrays)
    return str(path)

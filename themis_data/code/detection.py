"""The language of code by its path or by its text; "unknown" is an answer.

An extension decides where one language claims it. Where two do (a `.h` is C or C++), words that only C++ has tell them
apart: this is the one place that settles it. Text without a known extension is shown to two models. `guesslang` is a
network over pairs of bytes; its package cannot be imported without a TensorFlow of 2021, so its model is read from the
data files of its wheel and runs here in numpy. `magika` is asked through its own package. A model that is asked for and
not installed is an error with the pip line.

All functions take any bytes, and look at no more than a few thousand of them, save for the words of C++.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from themis_data.code.language import all_languages, languages_of_path
from themis_data.errors import MissingExtra

if TYPE_CHECKING:
    from magika import Magika

Detector = Literal["auto", "strict", "extension", "guesslang", "magika"]

GUESSLANG_REQUIREMENT = "guesslang==2.2.1"
MAGIKA_REQUIREMENT = "magika==1.0.3"

# What `auto` asks of each model, chosen on half of the repositories of benchmarks/languages.md so that 95 % of its
# answers are right on pieces of 15 lines, and on those of 5 lines, most of which are short.
_SHORT_BYTES = 300
_GUESSLANG_SURE = 0.999  # alone, so that magika, a hundred times slower, need not be asked
_MAGIKA_SURE = 0.8  # alone
_MAGIKA_SURE_SHORT = 0.9
_MAGIKA_AGREES = 0.3  # with guesslang behind it
_MAGIKA_AGREES_SHORT = 0.7


@dataclass(frozen=True, slots=True)
class Detected:
    """A language, or that it is unknown, and how sure that is."""

    language: str | None  # canonical name; None: unsure, or in no language of `languages/`
    confidence: float  # 0 to 1: what the model that decided gives the language; 1 for an extension, 0 for unknown


UNKNOWN = Detected(None, 0.0)


def detect(*versions: bytes, path: str | None = None, detector: Detector = "auto") -> Detected:
    """The one language of all versions of a text: a file before and after a change, or the code of the answers to one
    prompt, which have no path.

    The path decides where a language claims its extension, whatever the detector. Elsewhere each version is looked at
    by itself, and unless all are in the same language it is unknown; the confidence is that of the least sure. A model
    is only loaded when text has to be looked at. Raises as `resolved` does.

    `extension`   nothing else decides
    `guesslang`   its likeliest of 54 languages, by its own rule of when that is reliable
    `magika`      its likeliest of 214 kinds of content
    `auto`        guesslang's likeliest, where that is one of the published languages and it is very sure; else
                  magika's, where it is sure; else that of both, where they agree and magika is not quite unsure; what
                  looks like C is C++ where it has words of C++
    `strict`      both give the same answer, and nothing in the text speaks against it
    """
    claimed = languages_of_path(path) if path is not None else ()
    if claimed:
        return Detected(claimed[0] if len(claimed) == 1 else c_or_cpp(*versions), 1.0)
    if detector == "extension" or not versions:
        return UNKNOWN
    look = {"guesslang": ask_guesslang, "magika": ask_magika, "auto": _ask_both, "strict": _ask_for_agreement}[detector]
    found = [look(version) for version in versions]
    if len({one.language for one in found}) > 1:
        return UNKNOWN
    return min(found, key=lambda one: one.confidence)


def resolved(detector: Detector) -> list[str]:
    """Distribution and version of each model that a detector asks, for fingerprints.

    Raises MissingExtra with the pip line where one is not installed.
    """
    found = []
    if detector in ("auto", "strict", "guesslang"):
        _guesslang_folder()
        found.append(f"guesslang {importlib.metadata.version('guesslang')}")
    if detector in ("auto", "strict", "magika"):
        if importlib.util.find_spec("magika") is None:
            raise _missing_magika(detector)
        found += [f"{name} {importlib.metadata.version(name)}" for name in ("magika", "onnxruntime")]
    return found


# ---- C or C++

# Taken out first: comments, the text of strings, and what a C header has for C++ alone.
_NOT_C = re.compile(
    rb"""//[^\n]*|/\*.*?(?:\*/|\Z)|(?P<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)
        |^[ \t]*\#[ \t]*if[^\n]*__cplusplus.*?(?:^[ \t]*\#[ \t]*(?:el|endif)|\Z)""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
# None of these is in more than 4 of 1,761 files of C projects. `explicit` and `typename` are not here, for C programs
# have variables of that name.
_ONLY_CPP = re.compile(
    rb"""^[ \t]*(?:
            template\s*< | (?:inline[ \t]+)?namespace(?:[ \t]+[\w:]+)?\s*\{ | using[ \t]+\w | friend[ \t]
            |(?:enum[ \t]+)?class[ \t]+\w+(?:[ \t]+\w+){0,2}\s*[:{;] | (?:public|private|protected)[ \t]*:(?!:)
            |extern[ \t]*"" | \#[ \t]*include[ \t]*<[a-z_]+>)
        |\w::~?\w | \boperator\s*(?:[-+*/=<>!\[]|\(\)) | =[ \t]*(?:default|delete)[ \t]*; | \[[&=]?\][ \t]*\(
        |\bfor\s*\([^;(){}]*[ \t]:[ \t] | =[ \t]*new[ \t]+\w | \bdelete[ \t]+\w+; | \btry\s*\{
        |\bvirtual[ \t]+[\w~]
        |\b(?:nullptr|constexpr|noexcept|decltype|mutable|override|(?:static|const|dynamic|reinterpret)_cast)\b""",
    re.MULTILINE | re.VERBOSE,
)


def c_or_cpp(*versions: bytes) -> str:
    """`C++` where a version has a word or a form that only C++ has, outside of comments and strings; else `C`."""
    return "C++" if any(_ONLY_CPP.search(_NOT_C.sub(_blank, version)) for version in versions) else "C"


def _blank(found: re.Match[bytes]) -> bytes:
    return b'""' if found["string"] is not None else b" "


def _settled(language: str | None, source: bytes) -> str | None:
    """The models take much C++ that looks like C for C, and hardly ever C for C++."""
    return c_or_cpp(source) if language == "C" else language


# ---- both models


def _ask_both(source: bytes) -> Detected:
    if not source.strip():
        return UNKNOWN
    probabilities = guesslang_probabilities(source)
    likeliest, published = _likeliest(probabilities)
    if likeliest == published and probabilities[likeliest] >= _GUESSLANG_SURE:
        return Detected(_settled(likeliest, source), probabilities[likeliest])
    other, score = _magika_answer(source)
    is_sure = score >= (_MAGIKA_SURE_SHORT if len(source) < _SHORT_BYTES else _MAGIKA_SURE)
    is_agreed = score >= _enough_to_agree(source) and _same(other, likeliest, published)
    return Detected(_settled(other, source), score) if other is not None and (is_sure or is_agreed) else UNKNOWN


def _enough_to_agree(source: bytes) -> float:
    return _MAGIKA_AGREES_SHORT if len(source) < _SHORT_BYTES else _MAGIKA_AGREES


def _same(language: str | None, *others: str) -> bool:
    """Whether a language is one of the others; C and C++ are as one, for c_or_cpp tells them apart."""
    return language in others or (language in ("C", "C++") and not {"C", "C++"}.isdisjoint(others))


def _ask_for_agreement(source: bytes) -> Detected:
    if not source.strip():
        return UNKNOWN
    other, score = _magika_answer(source)
    is_agreed = score >= _enough_to_agree(source) and other in _likeliest(guesslang_probabilities(source))
    return Detected(other, score) if is_agreed and other == _settled(other, source) else UNKNOWN


# ---- magika


def ask_magika(source: bytes) -> Detected:
    """The language that magika's model holds for the likeliest, however unsure it is, with the model's score."""
    language, score = _magika_answer(source)
    return Detected(language, score) if language is not None else UNKNOWN


def _magika_answer(source: bytes) -> tuple[str | None, float]:
    """The likeliest content, null if that is none of our languages, and its score."""
    found = _magika().identify_bytes(source).prediction
    return _magika_labels().get(str(found.dl.label)), found.score


@cache
def _magika() -> "Magika":
    try:
        from magika import Magika  # here: it loads onnxruntime
    except ModuleNotFoundError as error:
        raise _missing_magika("magika") from error
    return Magika()


@cache
def _magika_labels() -> dict[str, str]:
    plain = {name.lower(): name for name in all_languages()}
    return plain | {"asm": "Assembly", "cpp": "C++", "cs": "C#", "gemfile": "Ruby", "gemspec": "Ruby"}


def _missing_magika(detector: str) -> MissingExtra:
    return MissingExtra(
        f"detector: {detector} needs magika, which is not installed: pip install '{MAGIKA_REQUIREMENT}'"
    )


# ---- guesslang

_WEIGHTS_SHA256 = "b81000b7e033c2ea814b2737a9967f1b7ab58d4316f6e97b0ce01bdb38acd5a5"
_READ_BYTES = 10_001  # of a text: 10,000 pairs
_BUCKETS = 5_000
_CLASSES = 54
# The arrays of the checkpoint in its order, float32 without anything between them. A text's pairs are counted by
# bucket; `wide` weighs the counts, and the mean of their `embedding` goes through three layers; both give logits.
_ARRAYS = {
    "first_bias": (512,),
    "first": (70, 512),
    "second_bias": (32,),
    "second": (512, 32),
    "embedding": (_BUCKETS, 70),
    "third_bias": (_CLASSES,),
    "third": (32, _CLASSES),
    "training_step": (2,),
    "wide_bias": (_CLASSES,),
    "wide": (_BUCKETS, _CLASSES),
}


def guesslang_probabilities(source: bytes) -> dict[str, float]:
    """Probabilities of guesslang's 54 classes by its names for them, which are our canonical names where we have the
    language. Only the first 10,001 bytes count. Raises as `resolved` does."""
    return dict(zip(_guesslang().classes, _softmax(_logits(source)).tolist(), strict=True))


def ask_guesslang(source: bytes) -> Detected:
    """guesslang's likeliest class by guesslang's own rule: reliable is one more than two standard deviations above the
    mean of all classes; blank text is in no language."""
    probabilities = guesslang_probabilities(source)
    values = np.array(list(probabilities.values()))
    likeliest = max(probabilities, key=probabilities.__getitem__)
    is_reliable = values.max() > values.mean() + 2 * values.std(ddof=1)
    if not source.strip() or not is_reliable or likeliest not in all_languages():
        return UNKNOWN
    return Detected(likeliest, probabilities[likeliest])


def _likeliest(probabilities: dict[str, float]) -> tuple[str, str]:
    """guesslang's likeliest class, and the likeliest that the corpus publishes."""
    published = [name for name, known in all_languages().items() if known.published_as]
    return max(probabilities, key=probabilities.__getitem__), max(published, key=probabilities.__getitem__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guesslang:
    classes: tuple[str, ...]
    arrays: dict[str, NDArray[np.float64]]
    buckets: NDArray[np.int64]  # of all 65,536 pairs of bytes


def _logits(source: bytes) -> NDArray[np.float64]:
    model = _guesslang()
    of = model.arrays
    text = np.frombuffer(source[:_READ_BYTES], np.uint8).astype(np.int64)
    pairs = text[:-1] * 256 + text[1:]
    counts = np.bincount(model.buckets[pairs], minlength=_BUCKETS)
    used = np.flatnonzero(counts)  # a few hundred
    counts = counts[used].astype(np.float64)
    deep = counts @ of["embedding"][used] / max(len(pairs), 1)
    for layer in ("first", "second"):
        deep = np.maximum(deep @ of[layer] + of[f"{layer}_bias"], 0)
    logits: NDArray[np.float64] = deep @ of["third"] + of["third_bias"] + counts @ of["wide"][used] + of["wide_bias"]
    return logits


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


@cache
def _guesslang() -> _Guesslang:
    folder = _guesslang_folder()
    content = (folder / "model" / "variables" / "variables.data-00000-of-00001").read_bytes()
    if hashlib.sha256(content).hexdigest() != _WEIGHTS_SHA256:
        raise MissingExtra(f"{folder} holds another model; pip install --no-deps {GUESSLANG_REQUIREMENT}")
    classes = tuple(json.loads((folder / "languages.json").read_text(encoding="utf-8")))
    sizes = [math.prod(shape) for shape in _ARRAYS.values()]
    values = np.frombuffer(content, "<f4").astype(np.float64)
    # In double precision, so that the order of additions, which differs by machine, cannot turn an answer.
    pieces = np.split(values, np.cumsum(sizes)[:-1])
    arrays = {name: piece.reshape(_ARRAYS[name]) for name, piece in zip(_ARRAYS, pieces, strict=True)}
    return _Guesslang(classes=classes, arrays=arrays, buckets=_buckets())


def _buckets() -> NDArray[np.int64]:
    """Bucket of every pair of bytes: FarmHash's Fingerprint64 of the two with a space between, modulo the buckets.

    What that hash is for three bytes: https://github.com/google/farmhash, HashLen0to16.
    """
    first = np.arange(256, dtype=np.uint64)[:, np.newaxis]
    second = np.arange(256, dtype=np.uint64)[np.newaxis, :]
    k0, k2 = np.uint64(0xC3A5C85C97CB3127), np.uint64(0x9AE16A3B2F90404F)
    mixed = (first + np.uint64(ord(" ") << 8)) * k2 ^ (np.uint64(3) + (second << np.uint64(2))) * k0
    hashed = (mixed ^ (mixed >> np.uint64(47))) * k2
    buckets: NDArray[np.int64] = (hashed % np.uint64(_BUCKETS)).astype(np.int64).ravel()
    return buckets


def _guesslang_folder() -> Path:
    """The data files of the installed wheel, found without importing it, which would fail."""
    spec = importlib.util.find_spec("guesslang")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if (Path(place) / "data" / "languages.json").is_file():
            return Path(place) / "data"
    raise MissingExtra(
        f"the model of guesslang is not installed: pip install --no-deps {GUESSLANG_REQUIREMENT} "
        "(without what it depends on: only its data files are read)"
    )

"""Runs of n words that many texts have in common with a known set, by compiled code.

Words are the runs of letters and digits, as `str.isalnum` knows them, of the text in lower case as `str.lower` gives
it: `re.findall(r"[^\\W_]+", text.lower())`. So white space, line breaks, punctuation, underscores and Markdown make no
difference. Nothing else is brought to one form: accents stay, and no word is left out.

A text of fewer than n words is one n-gram of its own, all of its words: it is found where another text consists of
exactly these, and not inside of a longer one. One with fewer than `min_words` has none and is never found; whoever
builds a set should say how many those are.

The set holds two hashes of each n-gram of 64 bits that have nothing in common, and no text: one finds, the other, taken
of the text anew, confirms. For two different n-grams to be taken for one, both must agree: odds of about 1 in 2^128.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return _WORD.findall(text.lower())


def ngrams(text: str, n: int, min_words: int) -> frozenset[str]:
    """The distinct n-grams of a text, words joined by single spaces. What the compiled code is held to."""
    found = words(text)
    if len(found) < n:
        return frozenset([" ".join(found)] if found and len(found) >= min_words else [])
    return frozenset(" ".join(found[i : i + n]) for i in range(len(found) - n + 1))


def ngram_hashes(texts: pa.Array | pa.ChunkedArray, *, n: int, min_words: int) -> tuple[Ints, Hashes, Hashes]:
    """Offsets [N + 1], and both hashes of all n-grams: those of text i stand at offsets[i] : offsets[i + 1], in the
    order of the text, each as often as it comes. A null has none."""
    from themis_data.text import _ngrams_kernel

    offsets, firsts, seconds = [np.zeros(1, np.int64)], [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for chunk in _chunks(texts):
        is_other = pc.invert(pc.string_is_ascii(chunk))
        lowered = pc.replace_with_mask(chunk, is_other, _lowered(chunk.filter(is_other)))
        ends, first, second = _ngrams_kernel.hashes(*_buffers(lowered), *_checked(n, min_words), _alphanumeric())
        offsets.append(ends[1:] + offsets[-1][-1])
        firsts.append(first)
        seconds.append(second)
    return np.concatenate(offsets), np.concatenate(firsts), np.concatenate(seconds)


@dataclass(frozen=True, eq=False)
class NgramSet:
    """Distinct n-grams by their two hashes, and what finds them."""

    seconds: Hashes  # of each entry
    keys: Hashes  # first hashes, zero where a place of the table is empty
    entries: npt.NDArray[np.int32]  # which entry stands at each place
    filter_bits: Hashes


def ngram_set(firsts: Hashes, seconds: Hashes) -> NgramSet:
    """A set of n-grams, entry i by firsts[i] and seconds[i]; of the same n-gram twice, the first is found."""
    from themis_data.text import _ngrams_kernel

    if len(firsts) != len(seconds):
        raise ValueError(f"{len(firsts)} first and {len(seconds)} second hashes; expected one of both for each n-gram")
    keys, entries, filter_bits = _ngrams_kernel.table(np.ascontiguousarray(firsts, np.uint64))
    return NgramSet(np.ascontiguousarray(seconds, np.uint64), keys, entries, filter_bits)


@dataclass(frozen=True, eq=False)
class Hits:
    """Known n-grams that texts have, in the order of texts and words, each as often as it comes."""

    text: Ints  # number of the text
    word: Ints  # number of the n-gram's first word in its text
    entry: Ints  # of the set


def find_ngrams(texts: pa.Array | pa.ChunkedArray, known: NgramSet, *, n: int, min_words: int) -> Hits:
    """Every n-gram of the texts that is in the set. A null has none."""
    found, begin = [np.empty((3, 0), np.int64)], 0
    for chunk in _chunks(texts):
        is_ascii = pc.string_is_ascii(chunk).to_numpy(zero_copy_only=False)
        own = _find(chunk, np.flatnonzero(is_ascii), known, n, min_words, is_ascii=True)
        others = np.flatnonzero(~is_ascii)
        if len(others):
            lowered = _lowered(chunk.take(pa.array(others)))
            of_others = _find(lowered, np.arange(len(others)), known, n, min_words, is_ascii=False)
            of_others[0] = others[of_others[0]]
            own = np.concatenate([own, of_others], axis=1)
            own = own[:, np.argsort(own[0], kind="stable")]
        own[0] += begin
        found.append(own)
        begin += len(chunk)
    return Hits(*np.concatenate(found, axis=1))


def _find(texts: pa.LargeStringArray, which: Ints, known: NgramSet, n: int, min_words: int, *, is_ascii: bool) -> Ints:
    """Rows of text, word and entry."""
    from themis_data.text import _ngrams_kernel

    size, least = _checked(n, min_words)
    data, bounds = _buffers(texts)
    found = _ngrams_kernel.find(
        *(data, bounds, which, is_ascii, size, least, _alphanumeric()),
        *(known.keys, known.entries, known.filter_bits, known.seconds),
    )
    return np.stack(found)


def _checked(n: int, min_words: int) -> tuple[int, int]:
    if n < 1:
        raise ValueError(f"an n-gram of {n} words; expected at least 1")
    return n, max(1, min(n, min_words))


@cache
def _alphanumeric() -> npt.NDArray[np.bool_]:
    """Of every code point, and of what is none below 2^21, whether it is part of a word."""
    flags = np.zeros(1 << 21, np.bool_)
    flags[: sys.maxunicode + 1] = [chr(code).isalnum() for code in range(sys.maxunicode + 1)]
    return flags


def _chunks(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.LargeStringArray]:
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        if len(chunk):
            yield pc.fill_null(chunk.cast(pa.large_string()), "")


def _lowered(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """As `str.lower` has them. Arrow's own lower case is another: it knows no letter that becomes two."""
    return pa.array([text.lower() for text in texts.to_pylist()], pa.large_string())


def _buffers(texts: pa.LargeStringArray) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Bytes, and where in them each text begins and the last one ends, without a copy."""
    _, bounds, data = texts.buffers()
    offsets = np.frombuffer(bounds, np.int64, count=len(texts) + 1, offset=8 * texts.offset)
    return np.frombuffer(data if data is not None else b"", np.uint8), offsets

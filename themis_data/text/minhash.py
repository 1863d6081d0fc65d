"""Near-duplicates: shingles, MinHash signatures, bands, and exact Jaccard similarity.

A shingle is a run of tokens. Tokens are made of letters, digits and underscores of ASCII; every other character stands
between two. `words` are the tokens that are not empty; `split` keeps the empty ones, as re.split("[^A-Za-z_0-9]", text)
does. A text with fewer tokens than a shingle is one shingle of its own, its whole content but for the amount of white
space: it is like another one only when they are equal, and never like a longer text by accident.

N texts, P permutations, B bands. Texts are Arrow arrays of strings of any kind, without nulls; any bytes will do.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Tokens = Literal["words", "split"]
HashFunction = Literal["xxh32", "sha1"]
Signatures = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

# Of the bytes of UTF-8: a character of several bytes is one separator.
_SEPARATOR = re.compile(rb"[^A-Za-z_0-9][\x80-\xbf]*")
_WORD = re.compile(r"[A-Za-z_0-9]+")
# What str.isspace says, from NEL to the ideographic space.
_WHITE_SPACE = re.compile(
    rb"(?:[\t-\r\x1c- ]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)+"
)


def shingles(text: bytes, size: int, tokens: Tokens = "words") -> frozenset[bytes]:
    """The distinct shingles of UTF-8 text, tokens joined by single spaces. What the compiled code is held to."""
    parts = _SEPARATOR.split(text)
    if tokens == "words":
        parts = [part for part in parts if part]
    if len(parts) < size:
        return frozenset([b"whole\0" + b" ".join(part for part in _WHITE_SPACE.split(text) if part)])
    return frozenset(b" ".join(parts[i : i + size]) for i in range(len(parts) - size + 1))


def num_words(text: str) -> int:
    """How many tokens that are not empty a text has."""
    return len(_WORD.findall(text))


def signatures(
    texts: pa.Array | pa.ChunkedArray,
    *,
    permutations: int,
    shingle: int,
    seed: int,
    hash_function: HashFunction = "xxh32",
    tokens: Tokens = "words",
    backend: Literal["compiled", "datasketch"] = "compiled",
) -> Signatures:
    """MinHash signatures [N, P] of the texts' shingles of `shingle` tokens; the same from both backends.

    They are those of datasketch 2.0: `MinHash(P, seed)` with its scheme affine32, updated with the set of shingles,
    and as its hash function xxh32 or datasketch's default, the first four bytes of SHA1. No signature is empty. The
    seed is of 32 bits.

    The compiled code tells shingles apart by 64-bit hashes (see `shingle_hashes`) before it hashes their bytes.
    """
    if backend == "datasketch":
        return _signatures_of_datasketch(texts, permutations, shingle, seed, hash_function, tokens)
    signed, _, _ = _sketch(texts, permutations, shingle, seed, hash_function, tokens, keep=False)
    return signed


def shingle_hashes(
    texts: pa.Array | pa.ChunkedArray, *, shingle: int, tokens: Tokens = "words"
) -> tuple[Offsets, Hashes]:
    """Offsets [N + 1] and hashes: text i has the distinct hashes hashes[offsets[i] : offsets[i + 1]], ascending.

    Two different shingles share a hash with odds of 1 in 2^64 (1 in 2^50 for the worst pattern of repeated tokens, 16
    long): for two texts of 10,000 shingles each, one pair of texts in 10^11 has such a collision.
    """
    _, offsets, hashes = _sketch(texts, 0, shingle, 0, "xxh32", tokens, keep=True)
    return offsets, hashes


def sketch(
    texts: pa.Array | pa.ChunkedArray,
    *,
    permutations: int,
    shingle: int,
    seed: int,
    hash_function: HashFunction = "xxh32",
    tokens: Tokens = "words",
) -> tuple[Signatures, Offsets, Hashes]:
    """What `signatures` and `shingle_hashes` give, in one pass over the texts.

    Best for some thousand texts at a time: with tens of thousands, fresh memory for the hashes costs more than they do.
    """
    return _sketch(texts, permutations, shingle, seed, hash_function, tokens, keep=True)


def jaccard(
    offsets_a: Offsets, hashes_a: Hashes, a: Offsets, offsets_b: Offsets, hashes_b: Hashes, b: Offsets
) -> npt.NDArray[np.float64]:
    """Similarity of text a[i] of the one to text b[i] of the other `shingle_hashes`, for each i.

    Size of the intersection over size of the union, 0 to 1; 1.0 for two empty sets. IndexError where there is no such
    text.
    """
    from themis_data.text import _minhash_kernel

    _check_places(a, offsets_a, hashes_a)
    _check_places(b, offsets_b, hashes_b)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} texts on one side, {len(b)} on the other; expected pairs")
    similar: npt.NDArray[np.float64] = _minhash_kernel.jaccard(
        np.ascontiguousarray(offsets_a, np.int64),
        np.ascontiguousarray(hashes_a, np.uint64),
        np.ascontiguousarray(a, np.int64),
        np.ascontiguousarray(offsets_b, np.int64),
        np.ascontiguousarray(hashes_b, np.uint64),
        np.ascontiguousarray(b, np.int64),
    )
    return similar


def band_keys(signatures: Signatures, bands: int, rows: int) -> Hashes:
    """Keys [N, B]; two texts are candidates when they have a key in common.

    A key is a 64-bit hash of the band's number and of its `rows` values; values past the last band do not count.
    """
    from themis_data.text import _minhash_kernel

    if min(bands, rows) < 1 or bands * rows > signatures.shape[1]:
        raise ValueError(f"{bands} bands of {rows} values do not fit a signature of {signatures.shape[1]}")
    keys: Hashes = _minhash_kernel.band_keys(np.ascontiguousarray(signatures, np.uint32), bands, rows)
    return keys


@cache
def banding(similarity: float, permutations: int, min_recall: float = 0.98) -> tuple[int, int]:
    """(bands, rows a band): the most selective banding that still finds that share of the pairs right at the threshold.

    A pair of similarity s shares a band of r rows with probability 1 - (1 - s^r)^b (Leskovec, Rajaraman and Ullman,
    Mining of Massive Datasets, section 3.4).
    """
    best = (permutations, 1)
    for rows in range(1, permutations + 1):
        bands = permutations // rows
        if 1.0 - (1.0 - similarity**rows) ** bands >= min_recall:
            best = (bands, rows)
    return best


@cache
def banding_of_datasketch(similarity: float, permutations: int) -> tuple[int, int]:
    """(bands, rows a band) as datasketch's MinHashLSH chooses them, and published settings with it.

    It weighs missed pairs above the threshold against false ones below, each over all similarities, and finds about
    half of the pairs right at it.
    """
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=similarity, num_perm=permutations)
    return index.b, index.r


def _sketch(
    texts: pa.Array | pa.ChunkedArray,
    permutations: int,
    shingle: int,
    seed: int,
    hash_function: HashFunction,
    tokens: Tokens,
    *,
    keep: bool,
) -> tuple[Signatures, Offsets, Hashes]:
    from themis_data.text import _minhash_kernel

    if shingle < 1:
        raise ValueError(f"a shingle of {shingle} tokens; expected at least 1")
    a, b = _factors(permutations, seed)
    signed = np.empty((len(texts), permutations), np.uint32)
    offsets, kept, begin = [np.zeros(1, np.int64)], [np.empty(0, np.uint64)], 0
    for data, bounds in _buffers(texts):
        own = signed[begin : begin + bounds.size - 1]
        ends, hashes = _minhash_kernel.sketch(
            data, bounds, shingle, tokens == "split", hash_function == "sha1", keep, a, b, own
        )
        begin += len(own)
        offsets.append(ends[1:] + offsets[-1][-1])
        kept.append(hashes)
    return signed, np.concatenate(offsets), np.concatenate(kept)


def _factors(permutations: int, seed: int) -> tuple[Signatures, Signatures]:
    """The permutations h -> a * h + b modulo 2^32 that datasketch draws: odd a, any b."""
    draw = np.random.RandomState(seed)
    a = draw.randint(0, 1 << 31, permutations, dtype=np.uint32)
    return a * np.uint32(2) + np.uint32(1), draw.randint(0, 1 << 32, permutations, dtype=np.uint32)


def _buffers(texts: pa.Array | pa.ChunkedArray) -> Iterator[tuple[npt.NDArray[np.uint8], Offsets]]:
    """Bytes, and where in them each text begins and the last one ends, of every chunk, without a copy of the bytes."""
    if texts.null_count:
        raise ValueError(f"{texts.null_count} of {len(texts)} texts are null; a null has no shingles")
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        if not len(chunk):
            continue
        large = chunk.cast(pa.large_binary())
        _, bounds, data = large.buffers()
        offsets = np.frombuffer(bounds, np.int64, count=len(large) + 1, offset=8 * large.offset)
        yield np.frombuffer(data if data is not None else b"", np.uint8), offsets


def _signatures_of_datasketch(
    texts: pa.Array | pa.ChunkedArray,
    permutations: int,
    shingle: int,
    seed: int,
    hash_function: HashFunction,
    tokens: Tokens,
) -> Signatures:
    import xxhash
    from datasketch import MinHash

    if texts.null_count:
        raise ValueError(f"{texts.null_count} of {len(texts)} texts are null; a null has no shingles")
    hashfunc = xxhash.xxh32_intdigest if hash_function == "xxh32" else None
    sets = (shingles(text.as_py(), shingle, tokens) for text in texts.cast(pa.large_binary()))
    made = MinHash.generator(sets, num_perm=permutations, seed=seed, hashfunc=hashfunc)
    signed = np.empty((len(texts), permutations), np.uint32)
    for n, minhash in enumerate(made):
        signed[n] = minhash.hashvalues
    return signed


def _check_places(places: Offsets, offsets: Offsets, hashes: Hashes) -> None:
    """The compiled code would read past the end."""
    if len(places) and not 0 <= places.min() <= places.max() < len(offsets) - 1:
        raise IndexError(f"texts {places.min()} to {places.max()} of {len(offsets) - 1}")
    if offsets[0] != 0 or offsets[-1] != len(hashes):
        raise ValueError(f"offsets from {offsets[0]} to {offsets[-1]} of {len(hashes)} hashes")

"""Near-duplicates: shingles, MinHash signatures, bands, and exact Jaccard similarity."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import xxhash
from datasketch import MinHash

_SEPARATORS = re.compile(r"[^A-Za-z_0-9]+")
_MIN_RECALL = 0.98  # of pairs exactly at the threshold, by the banding alone


def shingles(text: str, size: int) -> frozenset[bytes]:
    """Runs of `size` words, split at everything but letters, digits and underscores.

    A text with fewer words than a shingle is one shingle of its own, its whole content: it is like another one only
    when they are equal, and never like a longer text by accident.
    """
    words = [word for word in _SEPARATORS.split(text) if word]
    if len(words) < size:
        return frozenset([b"whole\0" + " ".join(text.split()).encode("utf-8", "surrogatepass")])
    joined = (" ".join(words[i : i + size]) for i in range(len(words) - size + 1))
    return frozenset(shingle.encode("utf-8", "surrogatepass") for shingle in joined)


def jaccard(a: frozenset[bytes], b: frozenset[bytes]) -> float:
    """Size of the intersection over size of the union, 0 to 1; 1.0 for two empty sets."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


@cache
def banding(similarity: float, permutations: int) -> tuple[int, int]:
    """(bands, rows a band): the most selective banding that still finds 98 % of the pairs right at the threshold.

    A pair of similarity s shares a band of r rows with probability 1 - (1 - s^r)^b (Leskovec, Rajaraman and Ullman,
    Mining of Massive Datasets, section 3.4).
    """
    best = (permutations, 1)
    for rows in range(1, permutations + 1):
        bands = permutations // rows
        if 1.0 - (1.0 - similarity**rows) ** bands >= _MIN_RECALL:
            best = (bands, rows)
    return best


def signatures(sets: Iterable[frozenset[bytes]], *, permutations: int, seed: int) -> Iterator[np.ndarray]:
    """MinHash signature of each set, as datasketch computes it with xxh32."""
    yield from (
        minhash.hashvalues
        for minhash in MinHash.generator(sets, num_perm=permutations, seed=seed, hashfunc=xxhash.xxh32_intdigest)
    )


def band_keys(signature: np.ndarray, bands: int, rows: int) -> list[str]:
    """One key a band; two texts are candidates when they have a key in common."""
    data = np.ascontiguousarray(signature[: bands * rows]).reshape(bands, rows)
    return [f"{band}:{xxhash.xxh3_64_hexdigest(values.tobytes())}" for band, values in enumerate(data)]

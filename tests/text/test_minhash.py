"""Shingles, signatures and bands: what is alike is found, and what is said of it is exact."""

import numpy as np
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.text.minhash import band_keys, banding, jaccard, shingles, signatures

sets = st.frozensets(st.integers(0, 40).map(lambda n: f"word {n}".encode()), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("a b c", 2, {b"a b", b"b c"}),
        ("a, b;\n(c)", 2, {b"a b", b"b c"}),
        ("a_1 b", 1, {b"a_1", b"b"}),
        ("x x x", 2, {b"x x"}),
        ("a b c", 3, {b"a b c"}),
    ],
)
def test_shingles_are_runs_of_words(text: str, size: int, expected: set[bytes]) -> None:
    assert expected == shingles(text, size)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a b", "a b", 1.0),
        ("a b", "a  b\n", 1.0),
        ("a b", "a c", 0.0),
        ("a b", "a + b", 0.0),  # the same words, another code
        ("a b", "a b c", 0.0),
        ("a b", "a b c d e f", 0.0),
        ("", "", 1.0),
        ("", "a b", 0.0),
    ],
)
def test_a_text_shorter_than_a_shingle_is_like_its_equal_alone(one: str, other: str, expected: float) -> None:
    assert expected == jaccard(shingles(one, 5), shingles(other, 5))


def test_a_text_that_is_no_utf8_has_shingles() -> None:
    assert 1 == len(shingles("a \udcff b", 5))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [({b"1", b"2"}, {b"2", b"3"}, 1 / 3), ({b"1"}, {b"1"}, 1.0), ({b"1"}, {b"2"}, 0.0), (set(), set(), 1.0)],
)
def test_jaccard_is_the_intersection_over_the_union(a: set[bytes], b: set[bytes], expected: float) -> None:
    assert expected == jaccard(frozenset(a), frozenset(b))


@pytest.mark.parametrize(
    ("similarity", "permutations", "expected"), [(0.7, 256, (42, 6)), (0.75, 128, (21, 6)), (1.0, 16, (1, 16))]
)
def test_the_banding_is_the_most_selective_that_finds_nearly_all(
    similarity: float, permutations: int, expected: tuple[int, int]
) -> None:
    assert expected == banding(similarity, permutations)


@given(st.floats(0.3, 1.0), st.sampled_from([16, 64, 128, 256]))
def test_a_banding_fits_its_permutations_and_one_row_more_would_miss_too_many(
    similarity: float, permutations: int
) -> None:
    bands, rows = banding(similarity, permutations)

    assert permutations >= bands * rows
    more = rows + 1
    assert more > permutations or 0.98 > 1 - (1 - similarity**more) ** (permutations // more)


@given(sets, st.integers(0, 2**32 - 1), st.sampled_from([16, 64, 100]))
@settings(max_examples=50, deadline=None)
def test_a_signature_is_the_one_datasketch_computes(own: frozenset[bytes], seed: int, permutations: int) -> None:
    expected = MinHash(num_perm=permutations, seed=seed, hashfunc=xxhash.xxh32_intdigest)
    for shingle in own:
        expected.update(shingle)

    (found,) = signatures([own], permutations=permutations, seed=seed)

    assert expected.hashvalues.tolist() == found.tolist()


def test_signatures_do_not_depend_on_their_neighbours() -> None:
    made = [frozenset([f"{n}".encode(), f"{n + 1}".encode()]) for n in range(20)]

    together = [values.tolist() for values in signatures(made, permutations=32, seed=1)]
    alone = [values.tolist() for one in made for values in signatures([one], permutations=32, seed=1)]
    assert alone == together


def test_equal_sets_share_every_band_and_bands_differ() -> None:
    one, other = signatures([frozenset([b"a", b"b"]), frozenset([b"b", b"a"])], permutations=32, seed=1)

    assert band_keys(one, 8, 4) == band_keys(other, 8, 4)
    assert 8 == len(set(band_keys(one, 8, 4)))


def test_values_that_no_band_holds_do_not_bear_on_the_keys() -> None:
    signature = np.arange(16, dtype=np.uint64)
    other = signature.copy()
    other[15] = 99

    assert band_keys(signature, 5, 3) == band_keys(other, 5, 3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_candidates_hold_nearly_all_pairs_that_brute_force_finds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    similarity, permutations = 0.7, 128
    made = []
    for number in range(150):  # families of three: a set, and two that lack some of it
        whole = [f"{number} {n}".encode() for n in range(40)]
        made += [frozenset(whole), *(frozenset(w for w in whole if draw.random() > 0.12) for _ in range(2))]
    bands, rows = banding(similarity, permutations)
    keys = [set(band_keys(s, bands, rows)) for s in signatures(made, permutations=permutations, seed=seed)]
    family = [(a, b) for n in range(0, len(made), 3) for a, b in ((n, n + 1), (n, n + 2), (n + 1, n + 2))]
    alike = [(a, b) for a, b in family if jaccard(made[a], made[b]) >= similarity]

    assert len(alike) > 300
    assert 0.98 * len(alike) <= sum(bool(keys[a] & keys[b]) for a, b in alike)

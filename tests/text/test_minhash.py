"""Shingles, signatures, hashes and bands: what is alike is found, and what is said of it is exact."""

import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from builds import ENVIRONMENT
from datasketch import MinHash
from hypothesis import example, given
from hypothesis import strategies as st

from themis_data.text import minhash
from themis_data.text.minhash import (
    band_keys,
    banding,
    banding_of_datasketch,
    jaccard,
    shingle_hashes,
    shingles,
    signatures,
    sketch,
)

pieces = st.sampled_from(
    [
        "a",
        "b",
        "_1",
        "Z9",
        "foo",
        "unsigned",
        "a_very_long_name_indeed",
        *" \n\t.(+\0",
        "  ",
        "::",
        "é",
        "€ ",
        "𝄞",
        "\u2028",
    ]
)
codes = st.one_of(st.lists(pieces, max_size=80).map("".join), st.text(max_size=60))
any_tokens = st.sampled_from(["words", "split"])
any_hash = st.sampled_from(["xxh32", "sha1"])
sizes = st.sampled_from([1, 2, 3, 5, 20])


def arrow(*texts: bytes | str) -> pa.Array:
    """The texts as Arrow strings, whatever their bytes."""
    raw = [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in texts]
    return pa.array(raw, pa.large_binary()).view(pa.large_string())


def sets_of(texts: pa.Array, **options) -> list[set[int]]:
    offsets, hashes = shingle_hashes(texts, **options)
    return [set(hashes[begin:end].tolist()) for begin, end in pairwise(offsets)]


def by_datasketch(own: frozenset[bytes], permutations: int, seed: int, hash_function: str) -> list[int]:
    made = MinHash(permutations, seed, hashfunc=xxhash.xxh32_intdigest if hash_function == "xxh32" else None)
    for shingle in own:
        made.update(shingle)
    return made.hashvalues.tolist()


# Shingles


@pytest.mark.parametrize(
    ("text", "size", "tokens", "expected"),
    [
        ("a b c", 2, "words", {b"a b", b"b c"}),
        ("a, b;\n(c)", 2, "words", {b"a b", b"b c"}),
        ("a, b", 2, "split", {b"a ", b" b"}),
        ("a€b", 1, "split", {b"a", b"b"}),
        ("€€", 1, "split", {b""}),
        ("a_1 b", 1, "words", {b"a_1", b"b"}),
        ("x x x", 2, "words", {b"x x"}),
        ("a b c", 3, "words", {b"a b c"}),
        ("+ a\n\u3000b ", 5, "words", {b"whole\0+ a b"}),
        ("", 1, "words", {b"whole\0"}),
        ("", 1, "split", {b""}),
    ],
)
def test_shingles_are_runs_of_tokens(text: str, size: int, tokens, expected: set[bytes]) -> None:
    assert expected == shingles(text.encode(), size, tokens)


@given(codes, sizes, any_tokens)
def test_shingles_of_bytes_are_those_of_the_text(text: str, size: int, tokens) -> None:
    parts = [part for part in re.split("[^A-Za-z_0-9]", text) if part or tokens == "split"]
    expected = {" ".join(parts[i : i + size]) for i in range(len(parts) - size + 1)}
    if len(parts) < size:
        expected = {"whole\0" + " ".join(text.split())}

    assert {shingle.encode() for shingle in expected} == shingles(text.encode(), size, tokens)


def test_every_white_space_character_is_known() -> None:
    codes = [*range(0x3100), *range(0x3100, 0xD800, 7), *range(0xE000, 0x110000, 97)]
    texts = [f"+{chr(code)}-" for code in codes]
    spaces = [text for text in texts if text[1].isspace()]

    assert [shingles(text.encode(), 3) for text in spaces] == [{b"whole\0+ -"}] * len(spaces)
    (expected,) = sets_of(arrow("+ -"), shingle=3)
    found = sets_of(arrow(*texts), shingle=3)
    assert spaces == [text for text, own in zip(texts, found, strict=True) if own == expected]


# Signatures


@given(
    st.lists(codes, max_size=6),
    sizes,
    any_tokens,
    any_hash,
    st.sampled_from([1, 7, 16, 100, 128]),
    st.sampled_from([0, 1, 2**32 - 1]),
)
def test_a_signature_is_the_one_datasketch_computes(
    texts: list[str], size: int, tokens, hash_function, permutations: int, seed: int
) -> None:
    sets = [shingles(text.encode(), size, tokens) for text in texts]
    expected = [by_datasketch(own, permutations, seed, hash_function) for own in sets]

    found = [
        signatures(
            pa.array(texts, pa.string()),
            permutations=permutations,
            shingle=size,
            seed=seed,
            hash_function=hash_function,
            tokens=tokens,
            backend=backend,
        )
        for backend in ("compiled", "datasketch")
    ]

    assert [expected, expected] == [one.tolist() for one in found]
    assert [np.dtype(np.uint32)] * 2 == [one.dtype for one in found]
    assert [(len(texts), permutations)] * 2 == [one.shape for one in found]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), sizes, any_tokens, any_hash)
@example(
    [b"\x80", b"a\x80b", b"\xe3\x80", b"\xc2", "\udcff x".encode("utf-8", "surrogatepass"), b"\0"], 5, "words", "xxh32"
)
def test_bytes_that_are_no_text_have_the_same_signature_too(
    texts: list[bytes], size: int, tokens, hash_function
) -> None:
    options = {"permutations": 16, "shingle": size, "seed": 1, "hash_function": hash_function, "tokens": tokens}

    expected = signatures(arrow(*texts), backend="datasketch", **options)
    assert expected.tolist() == signatures(arrow(*texts), **options).tolist()


@pytest.mark.parametrize("hash_function", ["xxh32", "sha1"])
@pytest.mark.parametrize("length", [1, 3, 4, 15, 16, 17, 54, 55, 56, 63, 64, 65, 118, 119, 120, 127, 128, 1023, 5000])
def test_shingles_of_any_length_in_bytes_are_hashed(length: int, hash_function) -> None:
    own = frozenset([b"x" * length])

    found = signatures(arrow("x" * length), permutations=8, shingle=1, seed=3, hash_function=hash_function)

    assert [by_datasketch(own, 8, 3, hash_function)] == found.tolist()


@pytest.mark.parametrize("tokens", ["words", "split"])
@pytest.mark.parametrize("hash_function", ["xxh32", "sha1"])
def test_a_long_line_has_the_signature_datasketch_computes(tokens, hash_function) -> None:
    draw = np.random.default_rng(1)
    text = " ".join(f"{n:x}" for n in draw.integers(0, 40, 40_000)) + ";" * 30_000 + "end"
    options = {"permutations": 20, "shingle": 5, "seed": 1, "hash_function": hash_function, "tokens": tokens}

    expected = signatures(arrow(text, "a", text), backend="datasketch", **options)
    assert expected.tolist() == signatures(arrow(text, "a", text), **options).tolist()


@pytest.mark.parametrize("text", ["x" * 5_000_000, "x " * 2_500_000, ";" * 5_000_000, "\0" * 5_000_000])
@pytest.mark.parametrize("tokens", ["words", "split"])
def test_five_million_characters_in_a_line_are_a_text_like_any_other(text: str, tokens) -> None:
    signed, offsets, _ = sketch(arrow(text), permutations=16, shingle=5, seed=1, tokens=tokens)

    expected = shingles(text.encode(), 5, tokens)
    assert [0, len(expected)] == offsets.tolist()
    assert by_datasketch(expected, 16, 1, "xxh32") == signed[0].tolist()


def test_signatures_do_not_depend_on_their_neighbours() -> None:
    texts = [f"{n} {n + 1} {'x ' * n} y z" for n in range(20)] + ["", "a"]
    options = {"permutations": 32, "shingle": 3, "seed": 1}

    alone = [signatures(arrow(text), **options)[0].tolist() for text in texts]
    assert alone == signatures(arrow(*texts), **options).tolist()
    assert alone == signatures(arrow(*reversed(texts)), **options)[::-1].tolist()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_slices_chunks_and_kinds_of_strings_make_no_difference(kind: pa.DataType) -> None:
    texts = ["a b c", "", "d e f g", "h i", "é a b c"]
    expected = [value.tolist() for value in sketch(arrow(*texts[1:]), permutations=8, shingle=2, seed=1)]
    whole = pa.array(texts, kind)
    chunked = pa.chunked_array([whole[1:2], whole[2:2], whole[2:4], pa.array([texts[4]], kind)], kind)

    for given_texts in (whole[1:], chunked):
        found = sketch(given_texts, permutations=8, shingle=2, seed=1)
        assert expected == [value.tolist() for value in found]
        apart = signatures(given_texts, permutations=8, shingle=2, seed=1, backend="datasketch")
        assert expected[0] == apart.tolist()


@pytest.mark.parametrize("none", [pa.array([], pa.string()), pa.chunked_array([], pa.large_string())])
def test_no_texts_have_no_signatures(none: pa.Array | pa.ChunkedArray) -> None:
    signed, offsets, hashes = sketch(none, permutations=8, shingle=2, seed=1)

    assert ((0, 8), [0], []) == (signed.shape, offsets.tolist(), hashes.tolist())
    assert (0, 8) == signatures(none, permutations=8, shingle=2, seed=1, backend="datasketch").shape
    assert (0, 2) == band_keys(signed, 2, 4).shape


@pytest.mark.parametrize("backend", ["compiled", "datasketch"])
def test_a_null_is_an_error(backend) -> None:
    with pytest.raises(ValueError, match="1 of 2 texts are null"):
        signatures(pa.array(["a", None]), permutations=8, shingle=2, seed=1, backend=backend)


def test_a_shingle_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="shingle of 0"):
        shingle_hashes(arrow("a"), shingle=0)


# Similarity


@given(st.lists(codes, min_size=1, max_size=6), sizes, any_tokens)
def test_hashes_are_as_many_as_the_shingles_and_similarities_are_those_of_the_sets(
    texts: list[str], size: int, tokens
) -> None:
    sets = [shingles(text.encode(), size, tokens) for text in texts]
    pairs = [(a, b) for a in range(len(texts)) for b in range(len(texts))]

    offsets, hashes = shingle_hashes(arrow(*texts), shingle=size, tokens=tokens)
    a, b = (np.array(side, np.int64) for side in zip(*pairs, strict=True))

    assert [len(own) for own in sets] == np.diff(offsets).tolist()
    for begin, end in pairwise(offsets):
        assert sorted(hashes[begin:end].tolist()) == hashes[begin:end].tolist()
    expected = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs]
    assert expected == jaccard(offsets, hashes, a, offsets, hashes, b).tolist()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a b", "a b", 1.0),
        ("a b", "a  b\n", 1.0),
        ("a b", "a c", 0.0),
        ("a b", "a + b", 0.0),  # the same words, another code
        ("a b", "a b c", 0.0),
        ("a b", "a b c d e f", 0.0),
        ("a b c d e f", "(a, b, c, d, e, f)", 1.0),
        ("", "", 1.0),
        ("", "a b", 0.0),
    ],
)
def test_a_text_shorter_than_a_shingle_is_like_its_equal_alone(one: str, other: str, expected: float) -> None:
    offsets, hashes = shingle_hashes(arrow(one, other), shingle=5)
    signed = signatures(arrow(one, other), permutations=64, shingle=5, seed=1)

    first, second = np.array([0]), np.array([1])
    assert [expected] == jaccard(offsets, hashes, first, offsets, hashes, second).tolist()
    assert expected == np.mean(signed[0] == signed[1])


@pytest.mark.parametrize(
    ("a", "b", "expected"), [([1, 2], [2, 3], 1 / 3), ([1], [1], 1.0), ([1], [2], 0.0), ([], [], 1.0), ([], [5], 0.0)]
)
def test_jaccard_is_the_intersection_over_the_union(a: list[int], b: list[int], expected: float) -> None:
    one, other = (np.array([0, len(own)], np.int64) for own in (a, b))
    only = np.array([0])

    found = jaccard(one, np.array(a, np.uint64), only, other, np.array(b, np.uint64), only)
    assert [expected] == found.tolist()


@pytest.mark.parametrize("place", [-1, 1])
def test_a_text_that_is_not_there_is_an_error(place: int) -> None:
    offsets, hashes = shingle_hashes(arrow("a"), shingle=1)

    with pytest.raises(IndexError, match="of 1"):
        jaccard(offsets, hashes, np.array([place]), offsets, hashes, np.array([0]))


def test_offsets_of_other_hashes_are_an_error() -> None:
    offsets, hashes = shingle_hashes(arrow("a b"), shingle=1)

    with pytest.raises(ValueError, match="offsets from 0 to 2 of 1 hashes"):
        jaccard(offsets, hashes[:1], np.array([0]), offsets, hashes, np.array([0]))


# Bands


@pytest.mark.parametrize(
    ("similarity", "permutations", "expected"), [(0.7, 256, (42, 6)), (0.75, 128, (21, 6)), (1.0, 16, (1, 16))]
)
def test_the_banding_is_the_most_selective_that_finds_nearly_all(
    similarity: float, permutations: int, expected: tuple[int, int]
) -> None:
    assert expected == banding(similarity, permutations)


@given(st.floats(0.3, 1.0), st.sampled_from([16, 64, 128, 256]), st.sampled_from([0.5, 0.98]))
def test_a_banding_fits_its_permutations_and_one_row_more_would_miss_too_many(
    similarity: float, permutations: int, recall: float
) -> None:
    bands, rows = banding(similarity, permutations, recall)

    assert permutations >= bands * rows
    more = rows + 1
    assert more > permutations or recall > 1 - (1 - similarity**more) ** (permutations // more)


@pytest.mark.parametrize(("similarity", "permutations", "expected"), [(0.7, 256, (25, 10)), (0.75, 128, (11, 11))])
def test_the_banding_of_published_settings_is_the_one_datasketch_chooses(
    similarity: float, permutations: int, expected: tuple[int, int]
) -> None:
    assert expected == banding_of_datasketch(similarity, permutations)


@given(st.lists(st.lists(st.integers(0, 2), min_size=7, max_size=7), min_size=1, max_size=8))
def test_keys_are_equal_where_the_values_of_the_same_band_are(signed: list[list[int]]) -> None:
    keys = band_keys(np.array(signed, np.uint32), 3, 2)

    bands = [[(band, *values[2 * band : 2 * band + 2]) for band in range(3)] for values in signed]
    same_key = [[a == b for a in keys.ravel().tolist()] for b in keys.ravel().tolist()]
    assert [[a == b for own in bands for a in own] for other in bands for b in other] == same_key
    assert (np.dtype(np.uint64), (len(signed), 3)) == (keys.dtype, keys.shape)


def test_bands_past_the_signature_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 bands of 3 values do not fit a signature of 8"):
        band_keys(np.zeros((1, 8), np.uint32), 3, 3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_candidates_hold_nearly_all_pairs_that_brute_force_finds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    similarity, permutations = 0.7, 128
    texts = []
    for number in range(150):  # families of three: a text, and two that lack some of its words
        whole = [f"{number}_{n}" for n in range(40)]
        texts += [" ".join(whole), *(" ".join(w for w in whole if draw.random() > 0.12) for _ in range(2))]
    signed, offsets, hashes = sketch(arrow(*texts), permutations=permutations, shingle=1, seed=seed)
    keys = [set(own) for own in band_keys(signed, *banding(similarity, permutations)).tolist()]
    a = np.concatenate([np.arange(0, 450, 3), np.arange(0, 450, 3), np.arange(1, 450, 3)])
    b = np.concatenate([np.arange(1, 450, 3), np.arange(2, 450, 3), np.arange(2, 450, 3)])
    alike = jaccard(offsets, hashes, a, offsets, hashes, b) >= similarity

    assert alike.sum() > 300
    found = [bool(keys[i] & keys[j]) for i, j in zip(a[alike], b[alike], strict=True)]
    assert 0.98 * len(found) <= sum(found)


# Start-up

_SIGN = """
import sys
import pyarrow as pa
from themis_data.text import minhash
assert "numba" not in sys.modules
texts = pa.array(["a b c", "d"])
print(minhash.__file__, minhash.signatures(texts, permutations=2, shingle=2, seed=1).tolist())
"""


@pytest.mark.parametrize("cached", [True, False], ids=["in the user's cache", "nowhere"])
def test_processes_starting_at_once_sign_where_the_package_cannot_be_written(tmp_path: Path, cached: bool) -> None:
    package = tmp_path / "themis_data"
    shutil.copytree(Path(minhash.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "text" / "__pycache__").touch()  # a file, so that no folder of this name can be made, even by root
    home = tmp_path / "home"
    home.mkdir() if cached else home.touch()
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": str(tmp_path)}
    kept_out = ("NUMBA_CACHE_DIR", *places)
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in kept_out} | places
    environment |= {"NUMBA_OPT": "0"}  # compiles in half the time

    pipe = {"stdout": subprocess.PIPE, "encoding": "utf-8"}
    started = [
        subprocess.Popen([sys.executable, "-c", _SIGN], env=environment, cwd=tmp_path, **pipe)
        for _ in range(2 if cached else 1)
    ]
    said = [process.communicate()[0].split(maxsplit=1) for process in started]

    signed = signatures(arrow("a b c", "d"), permutations=2, shingle=2, seed=1).tolist()
    assert [[str(package / "text" / "minhash.py"), f"{signed}\n"]] * len(started) == said
    assert cached == any(home.rglob("*.nbi"))

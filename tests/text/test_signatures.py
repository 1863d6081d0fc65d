"""Published MinHash values come back as they were computed."""

import numpy as np
import pyarrow as pa

from themis_data.text.minhash import signatures
from themis_data.text.signatures import SignatureSettings, as_bytes, signed, values_of

SETTINGS = SignatureSettings(permutations=8, shingle=2)


def test_values_are_those_of_the_texts_and_null_stays_null() -> None:
    texts = pa.array(["a b c", None, "d e f"], pa.large_string())
    expected = signatures(pa.array(["a b c", "d e f"]), permutations=8, shingle=2, seed=1)

    stored = signed(texts, SETTINGS)

    assert [False, True, False] == stored.is_null().to_pylist()
    assert [32, None, 32] == [len(v) if v is not None else None for v in stored.to_pylist()]
    assert np.array_equal(expected, values_of(stored, SETTINGS)[[0, 2]])
    assert not values_of(stored, SETTINGS)[1].any()


def test_values_are_stored_as_little_endian_numbers_of_32_bits() -> None:
    stored = as_bytes(np.array([[1, 2**32 - 1]], np.uint32), pa.array([True]))

    assert [b"\x01\0\0\0\xff\xff\xff\xff"] == stored.to_pylist()


def test_no_texts_have_no_values() -> None:
    assert (0, 8) == values_of(signed(pa.array([], pa.large_string()), SETTINGS), SETTINGS).shape

"""Keys of edits: direction, order, and chance."""

from hypothesis import assume, given
from hypothesis import strategies as st

from themis_data.text.edits import edit_key

BLOBS = st.one_of(
    st.text("0123456789abcdef", min_size=40, max_size=40), st.text("0123456789abcdef", min_size=64, max_size=64)
)


def test_a_key_is_61_bits_of_both_ids_and_the_direction():
    assert edit_key("0" * 40, "0" * 14 + "1" + "f" * 25) == 0b11
    assert edit_key("0" * 14 + "1" + "f" * 25, "0" * 40) == 0b10


@given(BLOBS, BLOBS)
def test_an_edit_and_its_undoing_differ_in_the_lowest_bit_only(old, new):
    assume(old[:15] != new[:15])

    assert 1 == edit_key(old, new) ^ edit_key(new, old)


@given(BLOBS, BLOBS)
def test_a_key_fits_into_63_bits(old, new):
    assert 0 <= edit_key(old, new) < 1 << 61

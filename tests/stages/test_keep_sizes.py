"""Both sides are within the bounds, in bytes."""

import pytest
from builds import changes
from rows import reasons_of

from themis_data.stages.keep_sizes import KeepSizes

STAGE = KeepSizes(min_bytes=3, max_bytes=6)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("abc", "abcdef", None),
        ("abcdef", "abc", None),
        ("ab", "abcd", "too_small: 2"),
        ("abcd", "ab", "too_small: 2"),
        ("abcdefg", "abcd", "too_large: 7"),
        ("abcd", "abcdefg", "too_large: 7"),
        ("a", "abcdefgh", "too_large: 8"),
        ("ää", "äää", None),
        ("ä", "äääa", "too_large: 7"),
    ],
)
def test_bytes_of_each_side_count(old: str, new: str, expected: str | None) -> None:
    assert [expected] == reasons_of(STAGE, changes({"old_contents": old, "new_contents": new}))

"""Line changes: numbers, hunks, the bound, and that a diff rebuilds the new version."""

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.text.changes import Hunk, LineChanges, line_changes, lines

texts = st.lists(st.sampled_from(["a", "b", "c", "", "}"]), max_size=12).map(
    lambda rows: "".join(f"{row}\n" for row in rows)
)
any_texts = st.lists(st.sampled_from(["a", "ab", "\n", "\n", "\r\n", "\r", "é", "}"]), max_size=30).map("".join)


def applied(old: str, changes: LineChanges) -> list[str]:
    """The old version with the hunks applied, as lines."""
    lines, shift = old.split("\n")[:-1], 0
    for hunk in changes.hunks:
        start = hunk.old_start + shift
        assert tuple(lines[start : start + len(hunk.removed)]) == hunk.removed
        assert start == hunk.new_start
        lines[start : start + len(hunk.removed)] = hunk.added
        shift += len(hunk.added) - len(hunk.removed)
    return lines


def test_lines_carry_their_0_based_numbers_in_their_own_version() -> None:
    changes = line_changes("a\nb\nc\nd\n", "a\nx\ny\nc\n")

    assert changes.removed == ((1, "b"), (3, "d"))
    assert changes.added == ((1, "x"), (2, "y"))


def test_equal_versions_have_no_hunk() -> None:
    changes = line_changes("a\nb\n", "a\nb\n")

    assert changes.hunks == ()
    assert changes.changed_share == 0.0


def test_an_empty_side_is_one_hunk() -> None:
    assert line_changes("", "a\nb\n").added == ((0, "a"), (1, "b"))
    assert line_changes("a\nb\n", "").removed == ((0, "a"), (1, "b"))


def test_carriage_returns_are_no_change() -> None:
    assert line_changes("a\nb\n", "a\r\nb\r\n").hunks == ()


def test_form_feeds_do_not_end_a_line() -> None:
    assert line_changes("a\x0cb\n", "a\x0cc\n").added == ((0, "a\x0cc"),)


def test_repeated_lines_at_start_and_end_are_not_counted_twice() -> None:
    changes = line_changes("a\na\n", "a\na\na\n")

    assert len(changes.added) == 1
    assert changes.removed == ()


def test_past_the_bound_the_whole_middle_is_replaced() -> None:
    changes = line_changes("s\na\nb\nc\ne\n", "s\nx\nb\ny\ne\n", max_cells=8)

    assert len(changes.hunks) == 1
    assert changes.hunks[0].removed == ("a", "b", "c")
    assert changes.hunks[0].added == ("x", "b", "y")


def test_changed_share_counts_the_side_with_more_changes_over_the_longer_version() -> None:
    assert line_changes("a\nb\n", "a\nb\nc\nd\n").changed_share == 0.5
    assert line_changes("a\n", "b\n").changed_share == 1.0


@given(texts, texts)
def test_applying_the_hunks_gives_the_new_version(old: str, new: str) -> None:
    assert new.split("\n")[:-1] == applied(old, line_changes(old, new))


@given(texts, texts)
def test_a_share_lies_between_0_and_1(old: str, new: str) -> None:
    assert 0.0 <= line_changes(old, new).changed_share <= 1.0


@given(any_texts, any_texts)
def test_hunks_are_difflibs_between_the_first_and_the_last_line_that_differ(old: str, new: str) -> None:
    before, after = as_git_counts(old), as_git_counts(new)
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    tail = 0
    while tail < min(len(before), len(after)) - start and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    one, other = before[start : len(before) - tail], after[start : len(after) - tail]
    expected = tuple(
        Hunk(start + i, tuple(one[i:i_end]), start + j, tuple(other[j:j_end]))
        for tag, i, i_end, j, j_end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
        if tag != "equal"
    )

    assert line_changes(old, new) == LineChanges(expected, len(before), len(after))


def as_git_counts(text: str) -> list[str]:
    """Lines end at a line feed, or where the text does; a carriage return before that is no part of them."""
    found = text.split("\n")
    if not found[-1]:
        found.pop()
    return [line.removesuffix("\r") for line in found]


@given(any_texts)
def test_lines_are_those_that_changes_count(text: str) -> None:
    assert lines(text) == as_git_counts(text)
    assert line_changes(text, "").num_old_lines == len(lines(text))


@pytest.mark.parametrize(
    ("old", "new", "added"),
    [
        ("a\nb", "a\nb\nb", (2, "b")),  # the last line without an end is equal to one with it
        ("ab\nb\n", "ab\nxb\nb\n", (1, "xb")),  # equal characters before the equal lines
        ("x\nb\n", "x\nc\nb\n", (1, "c")),
    ],
)
def test_a_line_that_came_in_is_one_line(old: str, new: str, added: tuple[int, str]) -> None:
    changes = line_changes(old, new)

    assert changes.added == (added,)
    assert changes.removed == ()

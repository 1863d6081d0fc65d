"""Line changes: numbers, hunks, the bound, and that a diff rebuilds the new version."""

from hypothesis import given
from hypothesis import strategies as st

from themis_data.text.changes import LineChanges, line_changes

lines = st.lists(st.sampled_from(["a", "b", "c", "", "}"]), max_size=12)
texts = lines.map(lambda rows: "".join(f"{row}\n" for row in rows))


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

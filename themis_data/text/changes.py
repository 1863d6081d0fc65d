"""What changed between two versions of a text, line by line."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
from cydifflib import SequenceMatcher

# Cells of the comparison table, lines of one side times lines of the other, past which the middle is not aligned.
# 1,500 x 1,500 lines of one kind or of three take 30 ms; a rewrite of that size is one big hunk to any reader.
MAX_CELLS = 2_250_000
TOKEN = re.compile(r"\w+|[^\w\s]")  # a word, or a sign


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place where the two versions differ: the lines that went and the lines that came in their stead."""

    old_start: int  # 0-based line of the old version at which `removed` begins
    removed: tuple[str, ...]
    new_start: int  # 0-based line of the new version at which `added` begins
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineChanges:
    """Changed lines of both versions with their 0-based line numbers, in file order, without line ends."""

    hunks: tuple[Hunk, ...]
    num_old_lines: int
    num_new_lines: int

    @property
    def removed(self) -> tuple[tuple[int, str], ...]:
        """(line number in the old version, line) of every line that is gone."""
        return tuple((hunk.old_start + offset, line) for hunk in self.hunks for offset, line in enumerate(hunk.removed))

    @property
    def added(self) -> tuple[tuple[int, str], ...]:
        """(line number in the new version, line) of every line that is new."""
        return tuple((hunk.new_start + offset, line) for hunk in self.hunks for offset, line in enumerate(hunk.added))

    @property
    def ranges(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Of each hunk the lines of the old version and those of the new one, as (first, end), the end excluded."""
        return (
            [(hunk.old_start, hunk.old_start + len(hunk.removed)) for hunk in self.hunks],
            [(hunk.new_start, hunk.new_start + len(hunk.added)) for hunk in self.hunks],
        )

    @property
    def changed_share(self) -> float:
        """Changed lines of the side with more of them, over the lines of the longer version: 0 to 1."""
        longer = max(self.num_old_lines, self.num_new_lines)
        if longer == 0:
            return 0.0
        num_removed = sum(len(hunk.removed) for hunk in self.hunks)
        num_added = sum(len(hunk.added) for hunk in self.hunks)
        return max(num_removed, num_added) / longer


def line_changes(old: str, new: str, *, max_cells: int = MAX_CELLS) -> LineChanges:
    """The lines that differ between two versions.

    Lines equal at the start and at the end are set aside before anything is cut into lines, so the price follows the
    size of the edit and not of the file. What is left is aligned as difflib does; when it has more than `max_cells`
    pairs of lines it is given back as one hunk that replaces all of it. Lines end at a line feed, as they do for
    git and for syntax trees; whether a carriage return stands before it makes no difference.
    """
    old, new = _ended(old), _ended(new)
    start = old.rfind("\n", 0, _num_equal_at_start(old, new)) + 1
    tail = _num_in_equal_lines_at_end(old, new, start)
    one = old[start : len(old) - tail].split("\n")[:-1]
    other = new[start : len(new) - tail].split("\n")[:-1]
    num_before = old.count("\n", 0, start)
    num_equal = num_before + old.count("\n", len(old) - tail)
    return LineChanges(
        hunks=_hunks(one, other, start=num_before, max_cells=max_cells),
        num_old_lines=num_equal + len(one),
        num_new_lines=num_equal + len(other),
    )


def lines(text: str) -> list[str]:
    """The lines of a text, as `line_changes` counts them, without their ends."""
    return _ended(text).split("\n")[:-1]


def diff_text(old: str, new: str) -> str:
    """The changed lines, each behind a word that says whether it went or came."""
    changes = line_changes(old, new)
    return "\n".join(
        [f"removed_ {line}" for _, line in changes.removed] + [f"added_ {line}" for _, line in changes.added]
    )


def diffs(old: pa.Array, new: pa.Array) -> pa.Array:
    """The changed lines of each two texts."""
    return pa.array([diff_text(a, b) for a, b in zip(old.to_pylist(), new.to_pylist(), strict=True)], pa.large_string())


def _ended(text: str) -> str:
    """The text with a line feed, and no carriage return before it, at the end of every line."""
    if text and not text.endswith("\n"):
        text += "\n"
    return text.replace("\r\n", "\n") if "\r" in text else text


def _num_equal_at_start(old: str, new: str) -> int:
    """How many characters are equal at the start."""
    return _most(min(len(old), len(new)), lambda low, high: old[low:high] == new[low:high])


def _num_in_equal_lines_at_end(old: str, new: str, start: int) -> int:
    """How many characters the lines have that are equal at the end, behind the place `start`."""
    equal = _most(
        min(len(old), len(new)) - start,
        lambda low, high: old[len(old) - high : len(old) - low] == new[len(new) - high : len(new) - low],
    )
    places = ((old, len(old) - equal), (new, len(new) - equal))
    if all(place == start or text[place - 1] == "\n" for text, place in places):
        return equal
    return len(old) - (old.index("\n", len(old) - equal) + 1)


def _most(limit: int, are_equal: Callable[[int, int], bool]) -> int:
    """How many characters, at most `limit`, are equal before the first that is not; `are_equal` compares those from one
    number to another. By halves, since comparing slices is much quicker than comparing characters."""
    equal = 0
    while equal < limit:
        middle = (equal + limit + 1) // 2
        if are_equal(equal, middle):
            equal = middle
        else:
            limit = middle - 1
    return equal


def _hunks(old: list[str], new: list[str], *, start: int, max_cells: int) -> tuple[Hunk, ...]:
    if not old and not new:
        return ()
    if not old or not new or len(old) * len(new) > max_cells:
        return (Hunk(start, tuple(old), start, tuple(new)),)
    # autojunk would treat frequent lines such as "}" as noise in long edits and tear hunks apart.
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return tuple(
        Hunk(start + i1, tuple(old[i1:i2]), start + j1, tuple(new[j1:j2]))
        for tag, i1, i2, j1, j2 in codes
        if tag != "equal"
    )

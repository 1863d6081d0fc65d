"""Commits that somebody had to correct, and how long the lines of the others stayed."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress, groupby
from operator import attrgetter
from typing import Annotated, Any, ClassVar

import pyarrow as pa
import xxhash

from themis_data.engine.rows import ByKey, Rows
from themis_data.schema import schema
from themis_data.text.changes import line_changes, lines
from themis_data.text.keywords import EXPANDED
from themis_data.text.messages import says_correction

_DAY = 86_400.0
_FEW = 8  # lines that are looked for one by one
_SAYING = 8  # characters of a line, at least, to know it by its text
_COLUMNS = ("repository", "path", "commit", "committed_at", "old_blob", "new_blob", "old_contents", "new_contents")
_SAYS = re.compile(r"[^\W_]")


@dataclass(frozen=True, kw_only=True)
class DropCorrected:
    """Drops a change if a later one of the file changes or removes lines that it added, within `days`, and its subject
    says that something was wrong: fix, oops, broke, regress, forgot ... (`corrected`); both were one change. Of what
    stays, `survived_days` says how long the added lines stayed.

    Changes of a file are followed from blob to blob, so lines are the very lines. Commits of several files take part
    where the source gives their corrections (`git_history: corrections`). Where a change of the file is not known, a
    line is followed by its text, if that stands once in the file both where it came and where it went, and did not only
    move. Lines without a letter or digit, and those that a version-control system fills in, are nobody's.
    It looks at all changes of a file, so it comes before the steps that drop some of them.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 3
    distributions: ClassVar[tuple[str, ...]] = ("xxhash",)

    days: Annotated[float, "days within which a correction counts, by committer time"] = 30.0
    min_share: Annotated[float, "share of the added lines that the correction changes, at least; 0 for any line"] = 0.0

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(
            ByKey(
                columns=("row_id", *_COLUMNS, "subject"),
                explode=self.by_file,
                decide=self.follow,
                side=(("correction", _COLUMNS, self.by_corrected_file),),
            )
        )

    def by_file(self, changes: pa.Table) -> pa.Table:
        """Changes by their file, with the places of the lines that went and came in stead of the contents."""
        return _by_file(changes, changes["row_id"].to_pylist(), map(says_correction, changes["subject"].to_pylist()))

    def by_corrected_file(self, corrections: pa.Table) -> pa.Table:
        """Files that commits of several files corrected: what is nobody's row, but takes lines."""
        return _by_file(corrections, [""] * len(corrections), [True] * len(corrections))

    def follow(self, table: pa.Table) -> pa.Table:
        """Marks of the changes of some files: those that were corrected, and how long the lines of others stayed."""
        rows: list[dict[str, Any]] = []
        dated = table.filter(table["at"].is_valid())
        changes = [_Change(**row) for row in dated.to_pylist()]
        for _, own in groupby(changes, key=attrgetter("key")):
            for one in _followed(list(own), self.days):
                if not one.row_id:
                    continue
                by = next(filter(lambda later: self._is_correction(one, later), one.changed_by), None)
                if by is not None:
                    days = (by[0].at - one.at) / _DAY
                    detail = f"by {by[0].commit}, {days:.1f} days later, {by[1]} of {one.num_added} lines"
                    rows.append({"row_id": one.row_id, "reason": "corrected", "detail": detail})
                elif one.survived_days is not None:
                    rows.append({"row_id": one.row_id, "survived_days": one.survived_days})
        return pa.Table.from_pylist(rows, schema=schema("mark").arrow)

    def _is_correction(self, change: "_Change", later: "tuple[_Change, int]") -> bool:
        by, num_lines = later
        return (
            by.corrects
            and 0 <= by.at - change.at <= self.days * _DAY
            and num_lines >= self.min_share * change.num_added
        )


STAGE = DropCorrected


def _by_file(table: pa.Table, row_ids: Sequence[str], corrects: Iterable[bool]) -> pa.Table:
    both = list(zip(table["old_contents"].to_pylist(), table["new_contents"].to_pylist(), strict=True))
    files = zip(table["repository"].to_pylist(), table["path"].to_pylist(), strict=True)
    num_lines, hunks, counts, went, came = [], [], [], [], []
    for old, new in both:
        changes = line_changes(old, new)
        added = [line for hunk in changes.hunks for line in hunk.added]
        gone = {line for hunk in changes.hunks for line in hunk.removed}.difference(added)
        own = list(map(_is_own, added))
        num_lines.append(changes.num_old_lines)
        hunks.append([n for hunk in changes.hunks for n in (hunk.old_start, len(hunk.removed), len(hunk.added))])
        counts.append(own)
        went.append(_standing_once(filter(_is_own, gone), old))
        came.append(_standing_once(compress(added, own), new))
    return pa.table(
        {
            "key": pa.array([f"{repository}\0{path}" for repository, path in files], pa.string()),
            "row_id": pa.array(row_ids, pa.string()),
            "commit": table["commit"],
            "at": table["committed_at"].cast(pa.timestamp("s")).cast(pa.int64()),
            "corrects": pa.array(corrects, pa.bool_()),
            "old_blob": table["old_blob"],
            "new_blob": table["new_blob"],
            "num_lines": pa.array(num_lines, pa.int64()),
            "hunks": pa.array(hunks, pa.list_(pa.int64())),
            "counts": pa.array(counts, pa.list_(pa.bool_())),
            "went": pa.array(went, pa.list_(pa.int64())),
            "came": pa.array(came, pa.list_(pa.int64())),
        }
    )


def _standing_once(own: Iterable[str], text: str) -> list[int]:
    """Those of some lines of a text that are long enough and that no other line of it equals, as hashes, sorted."""
    telling = {line for line in own if len(line.strip()) >= _SAYING}
    # Most are found once in the text, and finding a few is cheaper than cutting it into lines.
    unclear = telling if len(telling) > _FEW else {line for line in telling if text.count(line) > 1}
    stand = Counter(filter(unclear.__contains__, lines(text))) if unclear else Counter[str]()
    return sorted(_hash(line) for line in telling if line not in unclear or stand[line] == 1)


def _is_own(line: str) -> bool:
    return bool(_SAYS.search(line)) and not ("$" in line and EXPANDED.search(line))


def _hash(line: str) -> int:
    return xxhash.xxh3_64_intdigest(line.encode()) - (1 << 63)


@dataclass(kw_only=True, eq=False)  # one is what it is, whatever it holds
class _Change:
    """A change of a file, and what became of the lines that it added."""

    key: str
    row_id: str
    commit: str
    at: int  # seconds since 1970
    corrects: bool
    old_blob: str
    new_blob: str
    num_lines: int  # of the file before
    hunks: Sequence[int]  # first line, lines removed and lines added of each
    counts: Sequence[bool]  # of each line added, whether it is the change's own
    went: Sequence[int]  # hashes of lines that stood once in the file before, and are nowhere now
    came: Sequence[int]  # hashes of lines that are new, and stand once in the file after
    changed_by: "list[tuple[_Change, int]]" = field(default_factory=list)  # later ones, with the lines they took
    num_gone: int = 0
    half_gone: int | None = None  # when
    last_seen: int | None = None  # when the file was changed last, as far as it could be followed

    @property
    def num_added(self) -> int:
        return sum(self.counts)

    @property
    def survived_days(self) -> float | None:
        until = self.last_seen if self.half_gone is None else self.half_gone
        return None if until is None or not self.num_added else max(0.0, (until - self.at) / _DAY)


def _followed(changes: list[_Change], days: float) -> list[_Change]:
    """The changes of one file, oldest first, after each was followed to its later ones; by text for so many days.

    Of each line of a blob it is known which change added it, until the last change that begins with that blob is done.
    Where two begin with one blob, a line that both change is gone twice.
    """
    ordered = _in_order(changes)
    left = Counter(change.old_blob for change in ordered)  # changes that still begin with the blob
    owners: dict[str, list[_Change | None]] = {}
    for change in ordered:
        left[change.old_blob] -= 1
        is_last = left[change.old_blob] <= 0
        before = owners.pop(change.old_blob, None) if is_last else list(owners.get(change.old_blob, ()))
        if not before or len(before) != change.num_lines:  # the first that is known, or a part of the file
            before = [None] * change.num_lines
        after = _apply(change, before)
        if left[change.new_blob] > 0:
            owners[change.new_blob] = after
        else:
            for owner in {owner for owner in after if owner is not None and owner is not change}:
                owner.last_seen = max(change.at, owner.last_seen or change.at)
    _follow_texts(ordered, days)
    return ordered


def _follow_texts(ordered: Sequence[_Change], days: float) -> None:
    """Note corrections that took lines of a change behind a gap in the blobs, where the lines' texts tell."""
    came_by: dict[int, _Change] = {}
    for change in ordered:
        taken = Counter(came_by.pop(line) for line in change.went if line in came_by)
        for owner, num_lines in taken.items() if change.corrects else ():
            if change.at - owner.at <= days * _DAY and all(later is not change for later, _ in owner.changed_by):
                owner.changed_by.append((change, num_lines))
        came_by.update(dict.fromkeys(change.came, change))


def _apply(change: _Change, lines: list[_Change | None]) -> list[_Change | None]:
    """Who added each line after the change, from who added each before it; what it takes is noted on its owners."""
    taken: Counter[_Change] = Counter()
    places = list(zip(change.hunks[::3], change.hunks[1::3], change.hunks[2::3], strict=True))
    place = len(change.counts)
    for start, removed, added in reversed(places):
        taken.update(owner for owner in lines[start : start + removed] if owner is not None)
        place -= added
        lines[start : start + removed] = [change if own else None for own in change.counts[place : place + added]]
    for owner, num_lines in taken.items():
        owner.changed_by.append((change, num_lines))
        owner.num_gone += num_lines
        if owner.half_gone is None and 2 * owner.num_gone >= owner.num_added:
            owner.half_gone = change.at
    return lines


def _in_order(changes: list[_Change]) -> list[_Change]:
    """By time, and where several have one, as a rebase gives them, in the order in which their blobs follow."""
    ordered: list[_Change] = []
    for _, same in groupby(sorted(changes, key=lambda one: (one.at, one.commit)), key=attrgetter("at")):
        left = dict(enumerate(same))
        awaited = Counter(one.new_blob for one in left.values())  # of each blob, the changes left that make it
        following: dict[str, list[int]] = {}
        for place, one in left.items():
            following.setdefault(one.old_blob, []).append(place)
        free = [place for place, one in left.items() if not awaited[one.old_blob]]
        while free:
            placed = [left.pop(place) for place in free]
            ordered += placed
            free = []
            for one in placed:
                awaited[one.new_blob] -= 1
                if not awaited[one.new_blob]:
                    free += following.get(one.new_blob, ())
            free.sort()
        ordered += left.values()  # a circle is taken as it comes
    return ordered

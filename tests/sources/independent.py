"""Which commits are candidates, found without git and without our parser: by libgit2, comparing trees."""

from collections.abc import Iterable
from pathlib import Path

import pygit2

_REGULAR = (0o100644, 0o100755)


def candidates(path: Path, tips: Iterable[str]) -> set[tuple[str, bytes]]:
    """(commit, path) of every commit that modifies the content of one regular file and does nothing else."""
    repository = pygit2.Repository(str(path))
    walker = repository.walk(None)
    for tip in tips:
        walker.push(pygit2.Oid(hex=tip))
    found = set()
    for commit in walker:
        if len(commit.parents) != 1:
            continue
        deltas = [d for d in repository.diff(commit.parents[0].tree, commit.tree).deltas if not _says_the_same(d)]
        if len(deltas) == 1 and deltas[0].status == pygit2.enums.DeltaStatus.MODIFIED:
            old, new = deltas[0].old_file, deltas[0].new_file
            if _mode(old) in _REGULAR and _mode(new) in _REGULAR and old.id != new.id:
                found.add((str(commit.id), new.raw_path))
    return found


def _mode(file: pygit2.DiffFile) -> int:
    """Early gits wrote 100664 or 100744: a regular file is 644 or 755, by whether its owner may run it."""
    if file.mode >> 12 != 0o10:
        return int(file.mode)
    return 0o100755 if file.mode & 0o100 else 0o100644


def _says_the_same(delta: pygit2.DiffDelta) -> bool:
    old, new = delta.old_file, delta.new_file
    return old.id == new.id and old.raw_path == new.raw_path and _mode(old) == _mode(new)

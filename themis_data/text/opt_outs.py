"""Who asked to be left out: lists of repositories, authors, sources, rows and paths, and which rows they are about.

A list is a text file with one entry a line, `KIND: VALUE`; what stands behind a `#` is a comment. Or it is a Parquet
file with the columns `kind` and `value`.

    repo: github.com/owner/name    a repository; OWNER/NAME means it on every host. Upper and lower case are the same
    owner: github.com/owner        all repositories of an owner; OWNER means it on every host
    author: 9f0c...                an `author_hash` of the run folder that the list is used in
    source: NAME                   a data set, as the column `source` or `repos` names it
    row: 5d41...                   a row id: of a pair, or of the change or task that pairs were made of
    path: vendor/*                 a path, `*` stands for any characters; HOST/OWNER/NAME/PATH is one of a repository
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.errors import PipelineError
from themis_data.fingerprint import FileStamp, digest, file_stamp

KINDS = ("row", "author", "repo", "owner", "source", "path")  # in the order in which a row's reason is chosen
_ID = re.compile(r"[0-9a-f]{32}")
_REPO = re.compile(r"[^\s/,]+(?:/[^\s/,]+)+")
_EXPECTED = {
    "row": (_ID, "32 hex digits"),
    "author": (_ID, "the 32 hex digits of an author_hash"),
    "repo": (_REPO, "HOST/OWNER/NAME or OWNER/NAME"),
    "owner": (re.compile(r"[^\s,]+"), "HOST/OWNER or OWNER"),
    "source": (re.compile(r"[^\s,].*"), "the name of a data set"),
    "path": (re.compile(r"\S.*"), "a path, with * for any characters"),
}


@dataclass(frozen=True, kw_only=True)
class OptOuts:
    """Entries as (kind, value), sorted, each once."""

    entries: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """Of the entries: neither their order nor comments bear on it."""
        return digest([list(entry) for entry in self.entries])

    def values(self, kind: str) -> list[str]:
        return [value for own, value in self.entries if own == kind]

    def found(self, rows: pa.Table) -> pa.Array:
        """For each row the entry that it is left out by, as `KIND: VALUE`; null for the others.

        Looks at those of the columns `row_id`, `parent_ids`, `author_hash`, `repos`, `source` and `path` that the rows
        have. Of several entries the first by `KINDS` counts.
        """
        names = set(rows.column_names)
        found = []
        if "row_id" in names:
            found.append(self._equal("row", rows["row_id"]))
        if "parent_ids" in names:
            found.append(_of_each(rows["parent_ids"].to_pylist(), self._by_parent))
        if "author_hash" in names:
            found.append(self._equal("author", rows["author_hash"]))
        if "repos" in names:
            found.append(_of_each(rows["repos"].to_pylist(), self._by_repos))
        if "source" in names:
            found.append(self._equal("source", rows["source"]))
        if {"path", "repos"} <= names and self.values("path"):
            places = zip(rows["path"].to_pylist(), rows["repos"].to_pylist(), strict=True)
            found.append(_of_each(places, self._by_path))
        whole: pa.Array = pc.coalesce(*found, pa.nulls(len(rows), pa.string()))
        return whole

    @cached_property
    def _by_value(self) -> Mapping[str, Mapping[str, str]]:
        """Of each kind, the value as rows have it -> the entry."""
        return {
            kind: {
                value.lower() if kind in ("repo", "owner") else value: f"{kind}: {value}" for value in self.values(kind)
            }
            for kind in KINDS
        }

    def _equal(self, kind: str, column: pa.ChunkedArray) -> pa.Array:
        return _of_each(column.to_pylist(), self._by_value[kind].get)

    def _by_parent(self, parents: Sequence[str] | None) -> str | None:
        rows = self._by_value["row"]
        return next((rows[parent] for parent in parents or () if parent in rows), None)

    def _by_repos(self, repos: str | None) -> str | None:
        """Any of the repositories, with or without its host; a data set's name stands there for what has none."""
        known, owners, sources = (self._by_value[kind] for kind in ("repo", "owner", "source"))
        for name in (repos or "").split(","):
            lower = name.strip().lower()
            owner = lower.rpartition("/")[0]
            for entry in (
                *(known.get(one) for one in (lower, lower.partition("/")[2])),
                *(owners.get(one) for one in (owner, owner.partition("/")[2])),
                sources.get(name.strip()),
            ):
                if entry is not None:
                    return entry
        return None

    def _by_path(self, place: tuple[str | None, str | None]) -> str | None:
        path, repos = place
        if path is None:
            return None
        whole = [path, *(f"{name.strip()}/{path}" for name in (repos or "").split(","))]
        return next((entry for pattern, entry in self._patterns if any(map(pattern.fullmatch, whole))), None)

    @cached_property
    def _patterns(self) -> Sequence[tuple[re.Pattern[str], str]]:
        return [(re.compile(fnmatch.translate(value)), f"path: {value}") for value in self.values("path")]


def _of_each(values: Iterable[Any], find: Callable[[Any], str | None]) -> pa.Array:
    return pa.array([find(value) for value in values], pa.string())


def opt_outs(entries: Iterable[tuple[str, str]], where: str = "opt-outs") -> OptOuts:
    """Entries checked and in order. Raises PipelineError that says where and what was expected."""
    checked = set()
    for kind, value in entries:
        if kind not in _EXPECTED:
            raise PipelineError(f"{where}: no kind of entry named {kind!r}; expected one of {', '.join(KINDS)}")
        pattern, expected = _EXPECTED[kind]
        if not pattern.fullmatch(value):
            raise PipelineError(f"{where}: {kind}: {value!r}: expected {expected}")
        checked.add((kind, value))
    return OptOuts(entries=tuple(sorted(checked)))


def read_opt_outs(paths: Sequence[Path]) -> OptOuts:
    """All entries of some lists. Raises PipelineError where one is missing or has a line that is no entry."""
    return _of_lists(*map(_stamp, paths))


def _stamp(path: Path) -> FileStamp:
    try:
        return file_stamp(path)
    except OSError as error:
        raise PipelineError(f"{path}: no such list of opt-outs; 'themis drop' writes one") from error


@cache
def _of_lists(*lists: FileStamp) -> OptOuts:
    """Of lists that may be asked for with every batch of rows; read again only when one changed."""
    return opt_outs(entry for stamp in lists for entry in _entries(stamp.path))


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    for where, kind, value in _parquet(path) if path.suffix == ".parquet" else _lines(path):
        yield from opt_outs([(kind, value)], where).entries


def _parquet(path: Path) -> Iterator[tuple[str, str, str]]:
    table = pq.read_table(path, partitioning=None)
    if not {"kind", "value"} <= set(table.column_names):
        raise PipelineError(f"{path}: its columns are {table.column_names}; expected kind and value")
    for number, (kind, value) in enumerate(zip(table["kind"].to_pylist(), table["value"].to_pylist(), strict=True)):
        yield f"{path}, row {number}", str(kind), str(value)


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = re.sub(r"(?:^|\s)#.*", "", line).strip()
        kind, colon, value = text.partition(":")
        if text and not colon:
            raise PipelineError(f"{path}, line {number}: {text!r}; expected KIND: VALUE, such as 'repo: owner/name'")
        if text:
            yield f"{path}, line {number}", kind.strip(), value.strip()


def as_lines(entries: Iterable[tuple[str, str]]) -> str:
    """Entries as a list has them."""
    return "".join(f"{kind}: {value}\n" for kind, value in sorted(set(entries)))

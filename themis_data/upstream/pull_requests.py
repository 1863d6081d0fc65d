"""Commits of merged pull requests, as two archives of GitHub have them: GH Archive's events and GHTorrent's tables.

GH Archive   JSON lines, compressed or not: of each `PullRequestEvent` that closed a request which was merged, the
             commit that the merge made (which finds squashed and rebased ones) and the last one of the branch
GHTorrent    a folder with pull_request_history.csv, pull_request_commits.csv and commits.csv: all commits of requests
             whose history says `merged`. Nulls are `\\N`, quotes stand behind a backslash, and dates, which may be
             zero, are not read. A squashed request's commits are other ones than the branch got
Parquet      a column `commit` of object ids, as `write_merged_commits` makes it of the others
"""

import bz2
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.errors import SourceError
from themis_data.fingerprint import FileStamp, digest, file_stamp, model_digest
from themis_data.manifest import commit_file, temporary_beside

Commits = npt.NDArray[np.bytes_]  # object ids as their 20 bytes, sorted; S20, which reads zeros at the end as nothing

_ID = re.compile(r"[0-9a-f]{40}")
_TABLES: dict[str, tuple[str, ...]] = {
    "pull_request_history": ("id", "pull_request_id", "created_at", "action", "actor_id"),
    "pull_request_commits": ("pull_request_id", "commit_id"),
    "commits": ("id", "sha", "author_id", "committer_id", "project_id", "created_at"),
}
_OPENS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
_LINES = (".json", ".jsonl")


def merged_commits(paths: Sequence[Path]) -> Commits:
    """Object ids of the commits that the archives say were merged: 20 bytes each, held as long as the process lives.

    Raises SourceError where a path is none of the three, or a file is not what its name says.
    """
    parts = [_of(path, *_stamps(path)) for path in paths]
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate([_array([]), *parts]))


def archives_digest(paths: Sequence[Path]) -> str:
    """Of the content of all files that are read, wherever they lie."""
    return digest(sorted(model_digest(file) for path in paths for file in _files(path)))


def write_merged_commits(paths: Sequence[Path], to: Path) -> int:
    """Write the merged commits of archives as one Parquet file, so that they are joined once; gives their number."""
    commits = merged_commits(paths)
    temporary = temporary_beside(to)
    pq.write_table(pa.table({"commit": pa.array(object_ids(commits), pa.string())}), temporary)
    commit_file(temporary, to)
    return len(commits)


def object_ids(commits: Commits) -> list[str]:
    """The commits as 40 hex digits each."""
    return [commit.ljust(20, b"\0").hex() for commit in commits.tolist()]


def is_among(commits: Sequence[str], merged: Commits) -> npt.NDArray[np.bool_]:
    """Of each object id whether it is one of them. Ids that are no SHA-1 are none."""
    is_id = np.array([bool(_ID.fullmatch(commit)) for commit in commits], np.bool_)
    asked = np.array([bytes.fromhex(c) if ok else b"" for c, ok in zip(commits, is_id, strict=True)], "S20")
    if not len(merged):
        return np.zeros(len(asked), np.bool_)
    place = np.minimum(np.searchsorted(merged, asked), len(merged) - 1)
    found: npt.NDArray[np.bool_] = is_id & (merged[place] == asked)
    return found


def _stamps(path: Path) -> tuple[FileStamp, ...]:
    return tuple(map(file_stamp, _files(path)))


@cache
def _of(path: Path, *files: FileStamp) -> Commits:
    """Of one archive, which may be asked for with every shard; read again only when a file's size or time changed."""
    if _is_tables(path):
        return _of_tables(path)
    return np.unique(np.concatenate([_array([]), *(_of_file(file.path) for file in files)]))


def _files(path: Path) -> list[Path]:
    if _is_tables(path):
        return [_table(path, name) for name in _TABLES]
    inside = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = [file for file in inside if file.is_file() and _plain(file).suffix in (".parquet", *_LINES)]
    if not found:
        raise SourceError(
            f"{path}: no pull requests there; expected GH Archive's files (.json.gz), a folder with GHTorrent's "
            f"{', '.join(f'{name}.csv' for name in _TABLES)}, or Parquet with a column `commit`"
        )
    return found


def _plain(file: Path) -> Path:
    return file.with_suffix("") if file.suffix in _OPENS else file


def _array(ids: Iterable[str]) -> Commits:
    return np.unique(np.array([bytes.fromhex(one) for one in ids if _ID.fullmatch(one)], "S20"))


def _of_file(file: Path) -> Commits:
    if file.suffix == ".parquet":
        table = pq.read_table(file, partitioning=None)
        if "commit" not in table.column_names:
            raise SourceError(f"{file}: its columns are {table.column_names}; expected `commit`")
        return _array(one for one in table["commit"].to_pylist() if one is not None)
    with _opened(file) as stream:
        return _array(_merged_by_events(file, stream))


def _opened(file: Path) -> IO[bytes]:
    stream: IO[bytes] = _OPENS.get(file.suffix, open)(file, "rb")
    return stream


# GH Archive


def _merged_by_events(file: Path, stream: IO[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        if b"PullRequestEvent" not in line:  # most lines, and reading JSON costs fifty times as much
            continue
        try:
            event = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{file}, line {number}: no JSON: {error}; get the file again") from error
        payload = event.get("payload") if event.get("type") == "PullRequestEvent" else None
        if not isinstance(payload, dict) or payload.get("action") != "closed":
            continue
        request = payload.get("pull_request")
        if isinstance(request, dict) and request.get("merged") is True:
            head = request.get("head")
            last = head.get("sha") if isinstance(head, dict) else None
            yield from (one for one in (request.get("merge_commit_sha"), last) if isinstance(one, str))


# GHTorrent


def _is_tables(path: Path) -> bool:
    return path.is_dir() and (path / "pull_request_history.csv").is_file()


def _table(folder: Path, name: str) -> Path:
    file = folder / f"{name}.csv"
    if not file.is_file():
        raise SourceError(f"{file}: missing; the merged commits need {', '.join(f'{n}.csv' for n in _TABLES)}")
    return file


def _of_tables(folder: Path) -> Commits:
    """History that says merged -> requests -> their commits -> object ids, one table after the other, as streams."""
    requests = _distinct(
        batch.filter(pc.equal(batch["action"], "merged"))["pull_request_id"]
        for batch in _rows(folder, "pull_request_history", {"pull_request_id": pa.int64(), "action": pa.string()})
    )
    commits = _distinct(
        batch["commit_id"].filter(_is_in(batch["pull_request_id"], requests))
        for batch in _rows(folder, "pull_request_commits", {"pull_request_id": pa.int64(), "commit_id": pa.int64()})
    )
    found = [
        _array(batch["sha"].filter(_is_in(batch["id"], commits)).drop_null().to_pylist())
        for batch in _rows(folder, "commits", {"id": pa.int64(), "sha": pa.string()})
    ]
    return np.unique(np.concatenate([_array([]), *found]))


def _distinct(columns: Iterable[pa.Array]) -> npt.NDArray[np.int64]:
    parts = [np.unique(column.drop_null().to_numpy(zero_copy_only=False)) for column in columns]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))


def _is_in(column: pa.Array, sorted_: npt.NDArray[np.int64]) -> pa.Array:
    values = pc.fill_null(column, -1).to_numpy(zero_copy_only=False)
    if not len(sorted_):
        return pa.array(np.zeros(len(values), np.bool_))
    place = np.minimum(np.searchsorted(sorted_, values), len(sorted_) - 1)
    return pa.array(sorted_[place] == values)


def _rows(folder: Path, name: str, columns: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """Batches of some columns of a table without a header."""
    from pyarrow import csv

    file = _table(folder, name)
    try:
        with csv.open_csv(
            file,
            read_options=csv.ReadOptions(column_names=_TABLES[name]),
            parse_options=csv.ParseOptions(escape_char="\\", newlines_in_values=True),
            # What stands behind a backslash is taken as it is: of \\N comes N.
            convert_options=csv.ConvertOptions(
                include_columns=list(columns), column_types=columns, null_values=["N"], strings_can_be_null=True
            ),
        ) as reader:
            yield from reader
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{file}: {error}; expected no header, the columns {', '.join(_TABLES[name])}, \\N for null"
        ) from error

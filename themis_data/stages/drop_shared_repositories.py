"""Rows of repositories, or of versions of files, that another data set is made of."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import polars as pl
import pyarrow as pa

from themis_data.dataset import Version, manifest_of, open_version
from themis_data.engine.rows import Rows
from themis_data.errors import StageError
from themis_data.fingerprint import FileStamp, file_stamp

_COLUMNS = ("repos", "commit", "old_blob", "new_blob")


@dataclass(frozen=True, kw_only=True)
class DropSharedRepositories:
    """Drops rows of a repository that another data set has rows of (`shared_repository`), or of one that began with the
    same commit, as forks do (`shared_root`, of changes), and rows of a version of a file that it has (`shared_file`),
    so that a benchmark and what models are trained on are disjoint. What is shared is the detail. A build checks its
    last rows again, by all three, and fails where one is shared; the card has the numbers.

    Without another data set it is off. Only rows that commits gave have a repository.
    """

    version: ClassVar[int] = 2
    gate: ClassVar[str] = "repositories of other data sets"

    datasets: Annotated[tuple[str, ...], "run folders, or versions with the configuration `lineage`; none for off"] = ()
    on: Annotated[Literal["pair", "change"], "which rows it reads and writes"] = "change"

    reads = writes = property(attrgetter("on"))

    def identity(self) -> dict[str, Any]:
        versions = [open_version(Path(path).expanduser()) for path in self.datasets]
        return {"datasets": sorted(version.checksum for version in versions)} if versions else {}

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, rows: pa.Table) -> pa.Array:
        if not self.datasets:
            return pa.nulls(len(rows), pa.string())
        known = shared_with([Path(path).expanduser() for path in self.datasets])
        roots = rows["root"].to_pylist() if "root" in rows.column_names else [None] * len(rows)
        listed = rows.select(_COLUMNS).to_pylist()
        return pa.array([_reason(row, root, known) for row, root in zip(listed, roots, strict=True)], pa.string())


@dataclass(frozen=True, kw_only=True)
class Known:
    """What rows of commits are of: repositories in lower case, their first commits, blobs, and when the first and the
    last was committed."""

    repositories: Set[str]
    roots: Set[str]
    files: Set[str]
    times: tuple[datetime, datetime] | None


def _reason(row: Mapping[str, str | None], root: str | None, known: Known) -> str | None:
    if row["commit"] is None:
        return None
    shared = next((name for name in _names(row["repos"] or "") if name.lower() in known.repositories), None)
    if shared is not None:
        return f"shared_repository: {shared}"
    if root in known.roots:
        return f"shared_root: {root}"
    blob = next((blob for blob in (row["old_blob"], row["new_blob"]) if blob in known.files), None)
    return None if blob is None else f"shared_file: {blob}"


def _names(repos: str) -> list[str]:
    return [name.strip() for name in repos.split(",")]


def shared_with(datasets: Sequence[Path]) -> Known:
    """What other data sets are made of; read once, for every batch asks.

    Raises ManifestError where there is none, StageError where one does not say it.
    """
    return _known(*((path, file_stamp(manifest_of(path))) for path in datasets))


@cache
def _known(*datasets: tuple[Path, FileStamp]) -> Known:
    """The stamp of its manifest tells that a data set is another one."""
    parts = [_of(open_version(path), path) for path, _ in datasets]
    times = [time for part in parts for time in part.times or ()]
    return Known(
        repositories=frozenset().union(*(part.repositories for part in parts)),
        roots=frozenset().union(*(part.roots for part in parts)),
        files=frozenset().union(*(part.files for part in parts)),
        times=(min(times), max(times)) if times else None,
    )


def _of(version: Version, path: Path) -> Known:
    files = version.final_files() or version.files("lineage")
    if not files and version.manifest["rows"]:
        raise StageError(
            f"{path}: it lacks the configuration `lineage`, which says which repositories its rows are of; give a "
            f"version that has it, or the run folder"
        )
    return known_of(files, version.manifest["sources"])


def known_of(files: Sequence[Path], sources: Sequence[Mapping[str, Any]]) -> Known:
    """What some files of rows are made of; `sources` are those of the manifest, which know the roots."""
    columns = (*_COLUMNS, "committed_at")
    scans = [pl.scan_parquet(file, glob=False).select(columns) for file in files]
    rows = [scan.filter(pl.col("commit").is_not_null()).collect() for scan in scans]
    repositories = {name.lower() for own in rows for text in own["repos"].unique() for name in _names(text)}
    times = [time for own in rows for time in (own["committed_at"].min(), own["committed_at"].max())]
    known = [time for time in times if isinstance(time, datetime)]
    return Known(
        repositories=repositories,
        roots={root for name, root in _roots(sources) if name.lower() in repositories},
        files={blob for own in rows for name in ("old_blob", "new_blob") for blob in own[name].drop_nulls()},
        times=(min(known), max(known)) if known else None,
    )


def _roots(sources: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Names of repositories with the first commit of each, where that is known."""
    for source in sources:
        for read in source["read"] if isinstance(source["read"], list) else ():
            if isinstance(read, Mapping) and read.get("root") is not None:
                yield read["name"], read["root"]


STAGE = DropSharedRepositories

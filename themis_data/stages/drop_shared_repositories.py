"""Rows of repositories, or of versions of files, that another data set is made of."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import polars as pl
import pyarrow as pa

from themis_data.dataset import manifest_of, open_version
from themis_data.engine.rows import Rows
from themis_data.errors import StageError
from themis_data.fingerprint import FileStamp, file_stamp

_COLUMNS = ("repos", "commit", "old_blob", "new_blob")


@dataclass(frozen=True, kw_only=True)
class DropSharedRepositories:
    """Drops rows of a repository that another data set has rows of, or of a fork of it (`shared_repository`), and rows
    of a version of a file that it has (`shared_file`), so that a benchmark and what models are trained on are disjoint.
    The repository or the blob is the detail.

    Without another data set it is off. Only rows that commits gave have a repository.
    """

    version: ClassVar[int] = 1
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
        repositories, files = _known(*(_stamp(Path(path).expanduser()) for path in self.datasets))
        listed = rows.select(_COLUMNS).to_pylist()
        return pa.array([_reason(row, repositories, files) for row in listed], pa.string())


def _reason(row: Mapping[str, str | None], repositories: Set[str], files: Set[str]) -> str | None:
    if row["commit"] is None:
        return None
    shared = next((name for name in _names(row["repos"] or "") if name.lower() in repositories), None)
    if shared is not None:
        return f"shared_repository: {shared}"
    blob = next((blob for blob in (row["old_blob"], row["new_blob"]) if blob in files), None)
    return None if blob is None else f"shared_file: {blob}"


def _names(repos: str) -> list[str]:
    return [name.strip() for name in repos.split(",")]


def _stamp(path: Path) -> tuple[Path, FileStamp]:
    """The folder, and what tells that its manifest is another one."""
    return path, file_stamp(manifest_of(path))


@cache
def _known(*datasets: tuple[Path, FileStamp]) -> tuple[Set[str], Set[str]]:
    """Repositories, in lower case, and blobs of the rows that commits gave; read once, for every batch asks."""
    repositories, files = set[str](), set[str]()
    for path, _ in datasets:
        own_repositories, own_files = _of(path)
        repositories |= own_repositories
        files |= own_files
    return repositories, files


def _of(path: Path) -> tuple[set[str], set[str]]:
    version = open_version(path)
    last = version.final_segments()
    files = [
        version.run.root / record.rows.path
        for name, records in version.segments()
        if name in last
        for record in records
        if version.run is not None
    ] or version.files("lineage")
    if not files and version.manifest["rows"]:
        raise StageError(
            f"{path}: it lacks the configuration `lineage`, which says which repositories its rows are of; give a "
            f"version that has it, or the run folder"
        )
    rows = [
        pl.scan_parquet(file, glob=False).select(_COLUMNS).filter(pl.col("commit").is_not_null()).collect()
        for file in files
    ]
    repos = {text for own in rows for text in own["repos"].unique()}
    blobs = {blob for own in rows for name in ("old_blob", "new_blob") for blob in own[name].drop_nulls()}
    return {name.lower() for text in repos for name in _names(text)}, blobs


STAGE = DropSharedRepositories

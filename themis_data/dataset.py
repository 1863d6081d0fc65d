"""A run folder on disk: shards with drops and records, side tables, one lock, and what belongs to no finished build.

OUT/run.json                    which pipeline this folder holds
OUT/segments/SEGMENT/*.parquet  rows, drops and marks; *.json their records
OUT/side/SCHEMA/STEP/*.parquet  side tables, for example every commit that was walked
OUT/answers/*.journal           every reply of a language model, by its request; goes only when a user removes it
OUT/dataset/                    what is published: one folder a configuration, manifest.json, README.md
OUT/tmp/                        scratch of the running build
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.errors import CorruptData, LockError, ManifestError
from themis_data.fingerprint import digest
from themis_data.manifest import (
    FileRecord,
    ShardRecord,
    commit_file,
    is_temporary,
    read_record,
    shard_record,
    temporary_beside,
    write_atomically,
    write_record,
)

# Sorted rows compress five times better than shuffled ones, and a dictionary buys nothing at this row-group size.
COMPRESSION, LEVEL = "zstd", 3
ROW_GROUP_ROWS = 1_000
ROW_GROUP_BYTES = 32 * 1024 * 1024  # bounds what a reader holds at once

Sizes = npt.NDArray[np.int64]  # bytes


class ShardWriter:
    """Writes one Parquet file in bounded row groups; the file appears, whole, when `close` returns.

    The same rows in the same order give the same bytes, however they were batched.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, row_group_rows: int = ROW_GROUP_ROWS) -> None:
        self._path, self._schema, self._group_rows = path, schema, row_group_rows
        path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary_beside(path)
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._held_rows = self._held_bytes = self._rows = 0

    def write(self, table: pa.Table) -> None:
        # A row has the same size in every batch, so that the cut between row groups depends on the rows alone.
        ends = np.cumsum(_row_bytes(table))
        start, before = 0, 0
        while start < len(table):
            within = np.searchsorted(ends[start:], before + ROW_GROUP_BYTES - self._held_bytes, side="right")
            size = min(int(within), self._group_rows - self._held_rows)
            if size == 0 and self._held_rows:
                self._flush()
                continue
            size = max(size, 1)
            self._held.append(table.slice(start, size))
            start += size
            self._held_rows += size
            self._held_bytes += int(ends[start - 1]) - before
            before = int(ends[start - 1])
            if self._held_rows >= self._group_rows or self._held_bytes >= ROW_GROUP_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._temporary,
                self._schema,
                compression=COMPRESSION,
                compression_level=LEVEL,
                use_dictionary=False,
                write_page_index=True,
                store_schema=True,
            )
        if self._held_rows:
            table = pa.concat_tables(self._held).combine_chunks()
            self._writer.write_table(table, row_group_size=self._held_rows)
        self._rows += self._held_rows
        self._held, self._held_rows, self._held_bytes = [], 0, 0

    def close(self, relative_to: Path) -> FileRecord:
        """Finish the file and give its record, with the path relative to a folder."""
        self._flush()
        assert self._writer is not None
        self._writer.close()
        with open(self._temporary, "rb+") as file:
            os.fsync(file.fileno())
        size, sha256 = self._temporary.stat().st_size, sha256_of(self._temporary)
        commit_file(self._temporary, self._path)
        return FileRecord(
            path=self._path.relative_to(relative_to).as_posix(), rows=self._rows, bytes=size, sha256=sha256
        )

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            self._writer.close()
        self._temporary.unlink(missing_ok=True)


def _row_bytes(table: pa.Table) -> Sizes:
    """About how many bytes each row takes. `nbytes` will not do: of a slice, it depends on where the slice begins."""
    total = np.zeros(len(table), np.int64)
    for column in table.columns:
        total += np.concatenate([np.zeros(0, np.int64), *(_value_bytes(chunk) for chunk in column.chunks)])
    return total


def _value_bytes(array: pa.Array) -> Sizes:
    """Bytes of each value: its text or its parts, and 8 for a number, a length or a null."""
    sizes = np.full(len(array), 8, np.int64)
    if pa.types.is_struct(array.type):
        for part in array.flatten():
            sizes += _value_bytes(part)
    elif pa.types.is_list(array.type):
        ends = np.cumsum(_numbers(pc.list_value_length(array)))
        parts = np.concatenate([np.zeros(1, np.int64), np.cumsum(_value_bytes(array.flatten()))])
        sizes += np.diff(parts[ends], prepend=0)
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or pa.types.is_binary(array.type):
        sizes += _numbers(pc.binary_length(array))
    return sizes


def _numbers(array: pa.Array) -> Sizes:
    numbers: Sizes = pc.fill_null(array, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], *, relative_to: Path) -> FileRecord:
    """Write tables as one Parquet file, whole or not at all."""
    writer = ShardWriter(path, schema)
    try:
        for table in tables:
            writer.write(table)
        return writer.close(relative_to)
    except BaseException:
        writer.discard()
        raise


def parts(table: pa.Table, number_of: npt.NDArray[np.integer[Any]], num_parts: int) -> Iterator[pa.Table]:
    """The rows of each number from 0 to `num_parts`, that one excluded, in their order; `number_of` has each row's."""
    by = np.argsort(number_of, kind="stable")
    ends = np.searchsorted(number_of[by], np.arange(num_parts + 1))
    table = table.combine_chunks()
    for start, end in pairwise(ends):
        yield table.take(pa.array(by[start:end]))


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a shard, one table each; one empty table for an empty shard.

    Raises CorruptData when the file cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            if not file.num_row_groups:
                yield file.read(columns=columns)
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptData(
            f"{path}: cannot be read ({error}); run 'themis verify', remove the file and build again"
        ) from error


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A whole shard as one table. Raises CorruptData when the file cannot be read."""
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptData(
            f"{path}: cannot be read ({error}); run 'themis verify', remove the file and build again"
        ) from error


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(record: FileRecord, folder: Path) -> bool:
    """Whether a file is there with its size and a readable footer: enough to skip work; `verify` rehashes."""
    path = folder / record.path
    try:
        return path.stat().st_size == record.bytes and pq.read_metadata(path).num_rows == record.rows
    except (OSError, pa.ArrowInvalid):
        return False


def check_file(record: FileRecord, folder: Path) -> list[str]:
    """What is wrong with a file against its record: one sentence a fault, none where it is as it was written."""
    path = folder / record.path
    if not path.is_file():
        return [f"{path}: missing"]
    if path.stat().st_size != record.bytes:
        return [f"{path}: {path.stat().st_size} bytes, the record says {record.bytes}"]
    if sha256_of(path) != record.sha256:
        return [f"{path}: its content changed (sha256 differs from the record)"]
    if pq.read_metadata(path).num_rows != record.rows:
        return [f"{path}: {pq.read_metadata(path).num_rows} rows, the record says {record.rows}"]
    return []


class RunFolder:
    """The folder of one build. Paths in records are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def published(self) -> Path:
        return self.root / "dataset"

    @property
    def scratch(self) -> Path:
        return self.root / "tmp"

    def segment(self, name: str) -> Path:
        return self.root / "segments" / name

    def source(self, step: str) -> Path:
        """Where a source keeps what it must remember between builds."""
        return self.root / "sources" / step

    def side(self, schema: str, step: str) -> Path:
        return self.root / "side" / schema / step

    @contextlib.contextmanager
    def locked(self, pipeline: str) -> Iterator[None]:
        """Hold the folder for one build of one pipeline.

        Raises LockError when another build holds it, or when it holds another pipeline. The lock goes with the
        process, so nothing is left to remove after a crash.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".lock", "a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                raise LockError(
                    f"{self.root} is in use by another build (process {lock.read().strip() or 'unknown'}); "
                    f"wait for it, or give another --out"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self._claim(pipeline)
            yield

    def _claim(self, pipeline: str) -> None:
        path = self.root / "run.json"
        if path.exists():
            held = read_record(path)["pipeline"]
            if held != pipeline:
                raise LockError(
                    f"{self.root} holds a build of the pipeline {held!r}, not {pipeline!r}; give another --out"
                )
            return
        # A build that was killed before it had claimed the folder leaves its lock and a record half written.
        foreign = sorted(p.name for p in self.root.iterdir() if p.name != ".lock" and not is_temporary(p))
        if foreign:
            raise LockError(f"{self.root} is not empty and holds no build (found {foreign[:5]}); give another --out")
        write_record(path, {"pipeline": pipeline})

    def copy_to(self, other: "RunFolder") -> None:
        """Make another folder hold all that this one does; a build there then repeats only what its settings change.

        Shards are linked where the file system can, since nothing ever writes into one. The finished data set is left
        behind. Raises LockError when the other folder is not empty.
        """
        if other.root.exists() and any(other.root.iterdir()):
            raise LockError(f"{other.root} is not empty; give another --out")
        for path in sorted(p for p in self.root.rglob("*") if p.is_file() and not is_temporary(p)):
            top = path.relative_to(self.root).parts[0]
            if top in ("dataset", "tmp", ".lock"):
                continue
            to = other.root / path.relative_to(self.root)
            to.parent.mkdir(parents=True, exist_ok=True)
            if top in ("segments", "side") and path.suffix == ".parquet":
                with contextlib.suppress(OSError):
                    os.link(path, to)
                    continue
            shutil.copy2(path, to)

    def key(self) -> bytes:
        """16 secret bytes of this folder: hashes made with them cannot be matched with those of another.

        The first call makes them, so it is made by one process alone.
        """
        path = self.root / "key"
        if not path.exists():
            write_atomically(path, secrets.token_bytes(16))
            path.chmod(0o600)
        return path.read_bytes()

    def manifest(self) -> dict[str, object]:
        """The manifest of the finished build. Raises ManifestError where there is none."""
        path = self.published / "manifest.json"
        if not path.exists():
            raise ManifestError(f"{self.root} holds no finished build; run 'themis build' with this --out first")
        return read_record(path)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A finished data set: where its configurations lie, and what its manifest says of them."""

    folder: Path  # of manifest.json and the configurations
    manifest: dict[str, Any]
    run: RunFolder | None  # the run folder with the records that the manifest names; null where only files are left

    @property
    def checksum(self) -> str:
        """Of the manifest: what others name this version by."""
        return digest(self.manifest)

    @property
    def is_published(self) -> bool:
        """Whether somebody gave it a version; `dev` is what a build calls itself."""
        return bool(self.manifest["version"] != "dev")

    def files(self, config: str) -> list[Path]:
        """Shards of a configuration that have rows, in order; none where the data set lacks it."""
        listed = self.manifest["configs"].get(config, {"files": []})["files"]
        return [self.folder / file["path"] for file in listed if file["rows"]]

    def segments(self) -> Iterator[tuple[str, list[ShardRecord]]]:
        """Each segment of the build by name, in order, with the records of its shards; none without a run folder."""
        if self.run is None:
            return
        for segment in self.manifest["segments"]:
            records = [read_record(self.run.root / shard["record"]) for shard in segment["shards"]]
            yield segment["name"], [shard_record(record) for record in records]

    def final_segments(self) -> set[str]:
        """Names of those whose rows are published: the last of the merge, or of each branch where nothing follows."""
        last = {entry["track"]: entry["segment"] for entry in self.manifest["funnel"]}
        return {last["merge"]} if "merge" in last else set(last.values())

    def final_files(self) -> list[Path]:
        """Shards of the rows that are published, as the build left them, in order; none without a run folder."""
        if self.run is None:
            return []
        last, root = self.final_segments(), self.run.root
        return [root / record.rows.path for name, records in self.segments() if name in last for record in records]


def open_version(path: Path) -> Version:
    """The finished data set of a run folder, or of a folder that holds manifest.json itself, as a published one does.

    Raises ManifestError where there is none.
    """
    file = manifest_of(path)
    manifest = read_record(file)
    is_run = file.parent != path and not manifest.get("parent")
    return Version(folder=file.parent, manifest=manifest, run=RunFolder(path) if is_run else None)


def manifest_of(path: Path) -> Path:
    """The manifest of what `open_version` opens. Raises ManifestError where there is none."""
    for place in (path, RunFolder(path).published):
        if (place / "manifest.json").is_file():
            return place / "manifest.json"
    raise ManifestError(
        f"{path}: neither a finished build nor a version of a data set (a folder with manifest.json); build one "
        f"with 'themis build PIPELINE --out {path}'"
    )

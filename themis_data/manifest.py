"""Records: small JSON files that say what a part of a build holds. Written last, so that its presence means done."""

import dataclasses
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from themis_data.errors import ManifestError
from themis_data.fingerprint import digest

_CHECKSUM = "record_checksum"
_TEMPORARY = re.compile(r"\..+\.[0-9]+-[0-9a-f]{8}\.tmp")


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """One Parquet file: its path under the folder of its record, and what it must contain."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StepCount:
    """What one step did to the rows of one shard.

    `parents_in` and `parents_kept` count distinct rows; for a step that keeps rows one to one they equal rows_in and
    rows_out, for a step that splits rows they are the parents that had children.
    """

    step: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
    parents_kept: int
    seconds: float = 0.0

    def __add__(self, other: "StepCount") -> "StepCount":
        dropped = dict(self.dropped)
        for reason, count in other.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
        return StepCount(
            step=self.step,
            rows_in=self.rows_in + other.rows_in,
            rows_out=self.rows_out + other.rows_out,
            dropped=dropped,
            parents_kept=self.parents_kept + other.parents_kept,
            seconds=self.seconds + other.seconds,
        )

    def then(self, later: "StepCount") -> "StepCount":
        """Two operations of one step, one after the other on the same rows."""
        both = self + later
        return dataclasses.replace(
            both,
            rows_in=self.rows_in,
            rows_out=later.rows_out,
            parents_kept=self.parents_kept - sum(later.dropped.values()),
        )

    @property
    def is_conserved(self) -> bool:
        """Every row in went on, had children, or was dropped with a reason."""
        return self.rows_in == self.parents_kept + sum(self.dropped.values())


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """One finished unit of work: a shard of rows, its drops, its side tables, and the count of every step."""

    name: str
    fingerprint: str
    made_from: str  # path of the input shard under the run folder, or the name of the source's unit
    rows: FileRecord
    drops: FileRecord
    side: dict[str, FileRecord]  # schema name -> file
    steps: tuple[StepCount, ...]
    seconds: float = field(default=0.0)


def shard_record(content: Mapping[str, Any]) -> ShardRecord:
    """A shard's record from its JSON. Raises ManifestError when a field lacks."""
    try:
        return ShardRecord(
            name=content["name"],
            fingerprint=content["fingerprint"],
            made_from=content["made_from"],
            rows=FileRecord(**content["rows"]),
            drops=FileRecord(**content["drops"]),
            side={name: FileRecord(**file) for name, file in content["side"].items()},
            steps=tuple(StepCount(**step) for step in content["steps"]),
            seconds=content["seconds"],
        )
    except (KeyError, TypeError) as error:
        raise ManifestError(f"a shard's record lacks {error}; remove it and build again") from error


def write_record(path: Path, content: Any) -> None:
    """Write JSON that carries its own checksum; it is there whole or not at all, also after a power cut."""
    plain = (
        dataclasses.asdict(content) if dataclasses.is_dataclass(content) and not isinstance(content, type) else content
    )
    write_atomically(path, record_bytes(plain))


def record_bytes(content: Mapping[str, Any]) -> bytes:
    """A record as it is written: JSON with its checksum."""
    whole = {**content, _CHECKSUM: digest(_plain(content))}
    return (json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """The content of a record. Raises ManifestError when it is missing, is no JSON, or was edited since."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        checksum = content.pop(_CHECKSUM)
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: no such record; the build that should have written it did not finish") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path}: not a record ({error}); remove it and build again") from error
    if checksum != digest(_plain(content)):
        raise ManifestError(
            f"{path}: the record was edited after it was written (its checksum does not fit); "
            f"restore it, or remove it and build again"
        )
    return content


def _plain(value: Any) -> Any:
    """What JSON gives back for a value: tuples become lists."""
    return json.loads(json.dumps(value))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    commit_file(temporary, path)


def temporary_beside(path: Path) -> Path:
    """A name beside `path` that no other attempt uses; `themis clean` removes what a crash left."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def is_temporary(path: Path) -> bool:
    """Whether a file has a name that `temporary_beside` gives: what a crash left."""
    return _TEMPORARY.fullmatch(path.name) is not None


def commit_file(temporary: Path, path: Path) -> None:
    """Give a written and synced file its final name, durably."""
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

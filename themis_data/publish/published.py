"""What a finished build published, and whether it is still that: shards by configuration, and the files beside them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from themis_data.dataset import check_file, read_table, sha256_of
from themis_data.manifest import FileRecord
from themis_data.publish.layouts import layout
from themis_data.schema import schema


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file beside the shards: the card, the notice."""

    path: str  # under the data set
    bytes: int
    sha256: str


def document(path: str, content: bytes) -> Document:
    return Document(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def documents(manifest: Mapping[str, Any]) -> list[Document]:
    """The files beside the shards; none in a manifest of before they were listed."""
    return [Document(**content) for content in manifest.get("documents", ())]


def faults(place: Path, manifest: Mapping[str, Any]) -> tuple[list[str], int]:
    """What is wrong with a published folder against its manifest, and how many files were checked.

    Every file's size, sha256 and rows, the schemas of shards, and Parquet files that the manifest does not know.
    """
    found: list[str] = []
    known = set()
    for name, config in manifest["configs"].items():
        for content in config["files"]:
            record = FileRecord(**content)
            found += check_file(record, place) or _check_schema(place / record.path, name)
            known.add(place / record.path)
    for own in documents(manifest):
        path = place / own.path
        if not path.is_file():
            found.append(f"{path}: missing")
        elif path.stat().st_size != own.bytes or sha256_of(path) != own.sha256:
            found.append(f"{path}: its content changed (sha256 differs from the manifest)")
        known.add(path)
    found += [
        f"{path}: the manifest does not know it, and who loads the data set would read it"
        for path in sorted(set(place.rglob("*.parquet")) - known)
    ]
    return found, len(known)


def _check_schema(path: Path, config: str) -> list[str]:
    found, expected = read_table(path).schema, schema(layout(config).schema).arrow
    same = [(f.name, _plain(f.type)) for f in found] == [(f.name, _plain(f.type)) for f in expected]
    return [] if same else [f"{path}: its columns are {found.names} with types {found.types}, not those of {config}"]


def _plain(type_: pa.DataType) -> str:
    """A type's name as Parquet gives it back: it has no seconds."""
    return str(type_).replace("timestamp[s]", "timestamp[ms]").replace("element", "item")

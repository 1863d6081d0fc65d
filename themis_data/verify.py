"""Checking a finished build against its own records, and removing what belongs to none."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.dataset import RunFolder, check_file, read_table
from themis_data.errors import ManifestError
from themis_data.fingerprint import digest
from themis_data.manifest import FileRecord, ShardRecord, is_temporary, read_record, shard_record
from themis_data.publish import published
from themis_data.schema import schema


def verify(root: Path) -> tuple[list[str], int]:
    """Faults of a run folder, one sentence each, and the number of files checked.

    Checks the manifest and every record against its own checksum and the manifest's, every file's size, sha256 and
    rows, the schemas of what is published, that every step kept or dropped each of its rows, that each step got what
    the one before gave, and that every published row's parents are rows of its source.
    """
    folder = RunFolder(root)
    if not root.is_dir():
        raise ManifestError(f"{root}: no such run folder")
    try:
        manifest: dict[str, Any] = folder.manifest()
    except ManifestError as error:
        return [str(error)], 1
    faults: list[str] = []
    checked = 1
    shards: dict[str, list[ShardRecord]] = {}
    for segment in manifest["segments"]:
        own, wrong, count = _check_segment(folder, segment)
        shards[segment["name"]] = own
        faults += wrong
        checked += count
    faults += _check_funnel(manifest, shards)
    wrong, count = published.faults(folder.published, manifest)
    faults += wrong
    checked += count
    if not faults:
        is_left_over = "parent" in manifest  # of a takedown: the rows' shards stayed in the run folder it came from
        faults += _check_joins(folder, manifest) if is_left_over else _check_parents(folder, manifest, shards)
    return faults, checked


def _check_segment(folder: RunFolder, segment: dict[str, Any]) -> tuple[list[ShardRecord], list[str], int]:
    records, faults, checked = [], [], 0
    for entry in segment["shards"]:
        checked += 1
        try:
            record = shard_record(read_record(folder.root / entry["record"]))
        except ManifestError as error:
            faults.append(str(error))
            continue
        if digest(asdict(record)) != entry["digest"]:
            faults.append(f"{folder.root / entry['record']}: differs from what the manifest says of it")
        for file in (record.rows, record.drops, *record.side.values()):
            faults += check_file(file, folder.root)
            checked += 1
        for count in record.steps:
            if not count.is_conserved:
                faults.append(
                    f"{folder.root / entry['record']}: step {count.step} lost rows: {count.rows_in} in, "
                    f"{count.parents_kept} kept, {sum(count.dropped.values())} dropped"
                )
        is_source = not segment["reads"]
        if not is_source and record.drops.rows != sum(sum(c.dropped.values()) for c in record.steps):
            faults.append(
                f"{folder.root / record.drops.path}: {record.drops.rows} rows, but the steps dropped "
                f"{sum(sum(c.dropped.values()) for c in record.steps)}"
            )
        records.append(record)
    for entry in (entry for entry in segment["marks"] if "record" in entry):  # a takedown leaves records behind
        checked += 1
        try:
            content = read_record(folder.root / entry["record"])
        except ManifestError as error:
            faults.append(str(error))
            continue
        if digest(content) != entry["digest"]:
            faults.append(f"{folder.root / entry['record']}: differs from what the manifest says of it")
        for file in content["files"]:
            faults += check_file(FileRecord(**file), folder.root)
            checked += 1
    return records, faults, checked


def _check_funnel(manifest: dict[str, Any], shards: dict[str, list[ShardRecord]]) -> Iterator[str]:
    """Each step's rows in are the rows out of the step before it, within its track."""
    before: dict[str, dict[str, Any]] = {}
    for step in manifest["funnel"]:
        if step["rows_in"] != step["parents_kept"] + sum(step["dropped"].values()):
            yield f"manifest: step {step['step']} lost rows"
        earlier = before.get(step["track"])
        expected = earlier["rows_out"] if earlier else None
        if step["track"] == "merge" and earlier is None:
            expected = sum(last["rows_out"] for last in before.values())
        if expected is not None and step["rows_in"] != expected:
            yield f"manifest: step {step['step']} got {step['rows_in']} rows, the one before gave {expected}"
        before[step["track"]] = step
    ends = sum(step["rows_out"] for step in _last_of_tracks(manifest))
    if ends != manifest["rows"]:
        yield f"manifest: says {manifest['rows']} rows, the last step gave {ends}"
    for name, records in shards.items():
        counted = sum(record.rows.rows for record in records)
        last = [step for step in manifest["funnel"] if step["segment"] == name][-1:]
        if last and last[0]["rows_out"] != counted and "parent" not in manifest:
            yield f"segment {name}: its shards hold {counted} rows, the manifest says {last[0]['rows_out']}"
    for name, config in manifest["configs"].items():
        written = sum(file["rows"] for file in config["files"])
        pairs = config.get("pairs", written)  # earlier versions had no configuration with several rows a pair
        if pairs + config["left_out"] != manifest["rows"] or config["rows"] != written:
            yield (
                f"manifest: the configuration {name} has {pairs} pairs in {written} rows and left out "
                f"{config['left_out']}; it says {config['rows']} rows, and the data set has {manifest['rows']} pairs"
            )


def _last_of_tracks(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The count of the last step of the merge; where nothing follows the branches, of each branch."""
    last = {step["track"]: step for step in manifest["funnel"]}
    return [last["merge"]] if "merge" in last else list(last.values())


def _check_parents(folder: RunFolder, manifest: dict[str, Any], shards: dict[str, list[ShardRecord]]) -> Iterator[str]:
    """Every parent of a row that is published is a row of a source, or a parent that such a row came with."""
    sources = [s["name"] for s in manifest["segments"] if not s["reads"]]
    ids = [pa.array([], "string")]
    for record in (record for name in sources for record in shards[name]):
        path = folder.root / record.rows.path
        ids += read_table(path, ["row_id"])["row_id"].chunks
        if "parent_ids" in pq.read_schema(path).names:
            ids += pc.list_flatten(read_table(path, ["parent_ids"])["parent_ids"]).chunks
    known = pa.chunked_array(ids)
    for record in (record for step in _last_of_tracks(manifest) for record in shards[step["segment"]]):
        table = read_table(folder.root / record.rows.path, ["row_id", "parent_ids"])
        parents = pc.list_flatten(table["parent_ids"])
        orphans = parents.filter(pc.invert(pc.is_in(parents, value_set=known.combine_chunks())))
        if len(orphans):
            yield f"{folder.root / record.rows.path}: {len(orphans)} parents are rows of no source, first {orphans[0]}"


def _check_joins(folder: RunFolder, manifest: dict[str, Any]) -> Iterator[str]:
    """No configuration has a pair that the one with most of them lacks."""
    ids = {}
    for name, config in manifest["configs"].items():
        key = schema(config["schema"]).key[0]
        tables = [read_table(folder.published / file["path"], [key])[key].combine_chunks() for file in config["files"]]
        ids[name] = pa.concat_arrays([pa.array([], pa.string()), *tables]).unique()
    most = max(ids, key=lambda name: len(ids[name]))
    for name, own in ids.items():
        others = own.filter(pc.invert(pc.is_in(own, value_set=ids[most])))
        if len(others):
            yield f"configuration {name}: {len(others)} pairs are not in {most}, first {others[0]}"


def clean(root: Path, *, dry_run: bool) -> tuple[int, int]:
    """Remove every file of a run folder that the last finished build does not use; gives files and bytes.

    Raises ManifestError where no build has finished, and LockError while a build runs.
    """
    folder = RunFolder(root)
    manifest: dict[str, Any] = folder.manifest()
    with folder.locked(manifest["name"]):
        kept = set(_used(folder, manifest))
        ours = (path for top in ("segments", "side", "tmp") for path in (root / top).rglob("*"))
        going = sorted(
            path
            for path in {*ours, *(path for path in root.rglob(".*.tmp") if is_temporary(path))}
            if path.is_file() and path.relative_to(root).as_posix() not in kept
        )
        size = sum(path.stat().st_size for path in going)
        if not dry_run:
            for path in going:
                path.unlink()
            for place in sorted(
                (p for top in ("segments", "side", "tmp") for p in (root / top).rglob("*") if p.is_dir()),
                reverse=True,
            ):
                if not any(place.iterdir()):
                    place.rmdir()
    return len(going), size


def _used(folder: RunFolder, manifest: dict[str, Any]) -> Iterator[str]:
    for segment in manifest["segments"]:
        for entry in segment["shards"]:
            yield entry["record"]
            record = shard_record(read_record(folder.root / entry["record"]))
            yield from (file.path for file in (record.rows, record.drops, *record.side.values()))
        for entry in segment["marks"]:
            yield entry["record"]
            yield from (file["path"] for file in read_record(folder.root / entry["record"])["files"])

"""Writing the data set: rows regrouped into final shards, one folder a configuration, with manifest and card."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc

from themis_data.dataset import RunFolder, is_intact, read_table, write_tables
from themis_data.engine.shuffle import read_partition, write_partitions
from themis_data.errors import ManifestError, StageError
from themis_data.fingerprint import code_digest, digest, uniform
from themis_data.manifest import FileRecord, ShardRecord, read_record, write_atomically, write_record
from themis_data.publish.audit import Audit, audit, summary
from themis_data.publish.card import card
from themis_data.publish.layouts import layout
from themis_data.publish.notice import write_notice
from themis_data.publish.published import document, documents
from themis_data.publish.splits import VERSION as SPLITS_VERSION
from themis_data.publish.splits import assign
from themis_data.schema import known_schemas, schema

# Final order within a shard. Versions of a file lie together, which compresses several times better.
SORT = ("source", "group", "path", "committed_at", "row_id")


@dataclass(frozen=True, kw_only=True)
class _Regroup:
    path: str
    splits: str  # file that says which split each group goes to
    num_splits: int
    shards: int
    seed: int
    to: str


@dataclass(frozen=True, kw_only=True)
class _Final:
    files: tuple[str, ...]
    number: int
    shards: int
    splits: tuple[str, ...]
    configs: tuple[str, ...]
    to: str


@dataclass(frozen=True, kw_only=True)
class _Written:
    """One file of one configuration, and how many pairs have rows in it."""

    file: FileRecord
    pairs: int


def written(
    folder: RunFolder,
    records: Sequence[ShardRecord],
    splits: Mapping[str, float],
    shards: int,
    configs: Sequence[str],
    seed: int,
) -> dict[str, Any] | None:
    """The manifest of a data set that was written from these very rows in this very way and is intact, else None."""
    try:
        manifest: dict[str, Any] = folder.manifest()
    except ManifestError:
        return None
    files = [FileRecord(**file) for config in manifest["configs"].values() for file in config["files"]]
    same = manifest["fingerprint"] == _fingerprint(records, splits, shards, configs, seed)
    beside = {own.path: own.bytes for own in documents(manifest)}
    sizes = {path: (folder.published / path).stat().st_size for path in beside if (folder.published / path).is_file()}
    is_whole = "README.md" in beside and beside == sizes and all(is_intact(file, folder.published) for file in files)
    return manifest if same and is_whole else None


def _fingerprint(
    records: Sequence[ShardRecord],
    splits: Mapping[str, float],
    shards: int,
    configs: Sequence[str],
    seed: int,
) -> str:
    code = [code_digest_of_layouts(name) for name in configs]
    how = [dict(splits), SPLITS_VERSION, shards, list(configs), seed, code, list(SORT)]
    return digest([sorted(r.rows.sha256 for r in records), *how])


def code_digest_of_layouts(name: str) -> str:
    """Digest of the code of a configuration and of the schema it publishes."""
    described = schema(layout(name).schema)
    return digest([code_digest(f"themis_data.publish.layouts.{name}"), described])


def release(
    folder: RunFolder,
    run: Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[tuple[int, Any]]],
    records: Sequence[ShardRecord],
    *,
    recipe: Mapping[str, Any],
    report: Mapping[str, Any],
    created_at: str,
    splits: Mapping[str, float],
    shards: int,
    configs: Sequence[str],
    seed: int,
    advance: Callable[[int], None],
    measure: Callable[[Sequence[Path]], list[Audit]] = audit,
) -> dict[str, Any]:
    """Write all configurations of a data set from `preference` rows, then the card, then the manifest, which it gives.

    `measure` audits the rows first: where it raises, nothing is written and what was there before stays. Every row of
    a group (a repository, a problem) goes to one shard, by hash, of the split that `splits` gives it.
    """
    splits = dict(sorted(splits.items()))  # the order they are written in does not bear on who goes where
    paths = [folder.root / r.rows.path for r in records]
    _check_ids(paths)
    audited = measure(paths)
    place, scratch = folder.published, folder.scratch / "final"
    (place / "manifest.json").unlink(missing_ok=True)  # first: from here on the folder is not finished
    shutil.rmtree(place, ignore_errors=True)
    assigned, split_file = assign(paths, splits, seed), scratch / "splits.parquet"
    scratch.mkdir(parents=True, exist_ok=True)
    assigned.groups.write_parquet(split_file)
    regroup = [
        _Regroup(
            path=str(folder.root / r.rows.path),
            splits=str(split_file),
            num_splits=len(splits),
            shards=shards,
            seed=seed,
            to=str(scratch / f"{number:05d}.arrow"),
        )
        for number, r in enumerate(records)
    ]
    grouped = [""] * len(regroup)
    for number, file in run(_regroup, regroup):
        grouped[number] = file
        advance(records[number].rows.rows)
    final = [
        _Final(
            files=tuple(grouped),
            number=number,
            shards=shards,
            splits=tuple(splits),
            configs=tuple(configs),
            to=str(place),
        )
        for number in range(shards * len(splits))
    ]
    results: list[dict[str, list[_Written]]] = [written for _, written in run(_write_final, final)]
    total = sum(r.rows.rows for r in records)
    shards_of = {
        name: sorted((shard for written in results for shard in written[name]), key=lambda shard: shard.file.path)
        for name in configs
    }
    described = {
        name: {
            "folder": layout(name).folder,
            "schema": layout(name).schema,
            **({"split_by": layout(name).split_by} if layout(name).split_by is not None else {}),
            "files": [asdict(shard.file) for shard in shards_of[name]],
            "rows": sum(shard.file.rows for shard in shards_of[name]),
            "pairs": sum(shard.pairs for shard in shards_of[name]),
            "left_out": total - sum(shard.pairs for shard in shards_of[name]),
        }
        for name in configs
    }
    content = {
        **recipe,
        **report,
        "created_at": created_at,
        "rows": total,
        "fingerprint": _fingerprint(records, splits, shards, configs, seed),
        "configs": described,
        "splits": assigned.report,
    }
    manifest = describe(place, paths, audited, content)
    shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def describe(
    place: Path, paths: Sequence[Path], audited: Sequence[Audit], content: Mapping[str, Any]
) -> dict[str, Any]:
    """Write notice, card and then the manifest of a data set whose shards lie in `place`, and give the manifest.

    `paths` are its rows (`preference`), of which counts and notice are taken; `content` is what else the manifest says.
    """
    manifest = {
        **content,
        "counts": summary(paths),
        "audit": [asdict(a) for a in audited],
        "schemas": {name: schema(name).version for name in known_schemas()},
    }
    notices, readme = write_notice(place, paths, manifest), card(manifest).encode("utf-8")
    write_atomically(place / "README.md", readme)
    manifest["documents"] = [asdict(own) for own in (*notices, document("README.md", readme))]
    write_record(place / "manifest.json", manifest)
    return read_record(place / "manifest.json")


def _check_ids(paths: Sequence[Path]) -> None:
    """Raises StageError where two rows have one id, whatever shards they are in."""
    frames = [pl.scan_parquet(path, glob=False).select("row_id") for path in paths]
    ids = pl.concat(frames).collect()["row_id"] if frames else pl.Series()
    twice = ids.filter(ids.is_duplicated()).unique().sort()
    if len(twice):
        raise StageError(
            f"{len(ids) - ids.n_unique()} rows have a row_id that another row has, for example {twice[:3].to_list()}; "
            f"deduplicate before assembling"
        )


def _regroup(task: _Regroup) -> str:
    table = read_table(Path(task.path))
    groups = table["group"].to_pylist()
    own = pl.scan_parquet(task.splits, glob=False).filter(pl.col("group").is_in(list(set(groups)))).collect()
    place = {
        group: split * task.shards + int(uniform(task.seed, "shard", group) * task.shards)
        for group, split in own.iter_rows()
    }
    places = np.array([place[group] for group in groups], np.int64)
    write_partitions(Path(task.to), table, places, task.shards * task.num_splits)
    return task.to


def _write_final(task: _Final) -> dict[str, list[_Written]]:
    table = schema("preference").empty()
    if task.files:
        table = read_partition(task.files, task.number)
    table = table.sort_by([(name, "ascending") for name in SORT]).combine_chunks()
    split, index = task.splits[task.number // task.shards], task.number % task.shards
    place = Path(task.to)
    written: dict[str, list[_Written]] = {}
    for name in task.configs:
        own = layout(name)
        # A split of its own has rows out of every split of the build, and a file for each shard of each.
        number, of = (index, task.shards) if own.split_by is None else (task.number, task.shards * len(task.splits))
        written[name] = []
        for own_split, rows in own.divided(own.convert(table), split):
            pairs = pc.count_distinct(rows[schema(own.schema).key[0]]).as_py() if own.explodes else len(rows)
            path = place / own.folder / f"{own_split}-{number:05d}-of-{of:05d}.parquet"
            file = write_tables(path, own.arrow, [rows.cast(own.arrow)], relative_to=place)
            written[name].append(_Written(file=file, pairs=pairs))
    return written

"""A new version of a data set without the rows that somebody asked to have taken down."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data.dataset import Version, open_version, read_batches, read_table, write_tables
from themis_data.errors import LockError, ManifestError, ThemisError
from themis_data.fingerprint import digest
from themis_data.manifest import FileRecord, temporary_beside, write_atomically, write_record
from themis_data.publish.audit import audit
from themis_data.publish.layouts import layout
from themis_data.publish.release import describe
from themis_data.publish.splits import recount
from themis_data.schema import schema
from themis_data.sources.built_dataset import published_preferences
from themis_data.text.opt_outs import KINDS, OptOuts, as_lines, opt_outs, read_opt_outs

STEP = "takedown"  # in the funnel
OPTED_OUT = "opted_out.txt"  # the list beside the new version
_COPY = "copy"  # of what was asked for: the same cluster of near-duplicates
_SURVIVOR = re.compile(r"of ([0-9a-f]{32})\b")  # in the detail of a near-duplicate that was dropped
_COLUMNS = ("row_id", "parent_ids", "author_hash", "repos", "source", "path", "commit", "cluster_id")
_HEAD = """\
# Taken down with 'themis drop'. So that the next build leaves it out too, put the step
#   {use: drop_opted_out, list: [FILE]}
# first into the phase `mine` of the pipeline (`on: change`), and behind sources of pairs (`on: pair`).
"""


@dataclass(frozen=True, kw_only=True)
class TakenDown:
    """What a takedown did: the new version's manifest, the rows that went and why, and where the list is."""

    manifest: dict[str, Any]
    rows: Mapping[str, str]  # row id of each pair that went -> the entry it went by, or the copy it is
    lists: tuple[Path, ...]
    unmatched: tuple[tuple[str, str], ...]  # entries that no row was found for

    @property
    def record(self) -> dict[str, Any]:
        """What the manifest says of it."""
        last: dict[str, Any] = self.manifest["takedowns"][-1]
        return last


@dataclass
class _Found:
    """Rows that what was asked for leads to, of any schema."""

    entries: dict[str, str] = field(default_factory=dict)  # row id -> `KIND: VALUE`, or `copy: ROW_ID`
    clusters: dict[str, str] = field(default_factory=dict)  # cluster id of such a row -> the row
    parents: dict[str, list[str]] = field(default_factory=dict)  # of those that a commit gave


def take_down(of: Path, out: Path, asked: OptOuts, *, created_at: str, extend: Sequence[Path] = ()) -> TakenDown:
    """Write into `out` what is left of a run folder's data set, or of a published version, without what was asked for.

    A pair goes that an entry is about, whose parents it is about, or that is in a cluster of near-duplicates with one
    that goes. Shards without such a pair stay the same to the byte; card, counts and audit are taken of what is left.
    The manifest says what was asked for, as far as it was found, under `takedowns`, and the checksum of the manifest it
    came from under `parent`. `out` gets a list of opt-outs, and so do the files of `extend`.

    Raises ThemisError where nothing matches, and writes nothing then; where an author is asked for of a version
    without its run folder, which alone knows authors.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LockError(f"{out} is not empty; give another --out")
    version = open_version(of)
    _check(version, of, asked)
    with version.run.locked(version.manifest["name"]) if version.run else nullcontext():
        found = _in_run(version, asked) if version.run else _in_lineage(version, asked)
        going = {id_: found.entries[id_] for id_ in _published_ids(version) if id_ in found.entries}
        if not going:
            seen = (
                f"{len(found.entries):,} rows of the build match, and none became" if found.entries else "there is no"
            )
            raise ThemisError(f"{of}: nothing to take down: {seen} published pair of {_said(asked.entries)}")
        temporary = temporary_beside(out)
        try:
            manifest = _write(version, temporary, asked, going, created_at=created_at)
            entries = {*_earlier(of), *_to_leave_out(asked, found, going)}
            write_atomically(temporary / OPTED_OUT, (_HEAD + as_lines(entries)).encode("utf-8"))
            write_record(temporary / "run.json", {"pipeline": manifest["name"]})
            out.parent.mkdir(parents=True, exist_ok=True)
            temporary.rename(out)  # an empty folder of that name is replaced
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    for path in extend:
        _extend(path, entries)
    matched = set(found.entries.values())
    unmatched = tuple(entry for entry in asked.entries if ": ".join(entry) not in matched)
    return TakenDown(manifest=manifest, rows=going, lists=(out / OPTED_OUT, *extend), unmatched=unmatched)


def _check(version: Version, of: Path, asked: OptOuts) -> None:
    configs = version.manifest["configs"]
    if version.run is None and asked.values("author"):
        raise ThemisError(
            f"{of}: a published version does not know authors, whose hashes never leave the run folder it was built "
            f"in; name that folder instead, or give the rows with --row"
        )
    if version.run is None and "lineage" not in configs:
        raise ManifestError(f"{of}: it lacks the configuration `lineage`, which says where pairs come from")
    for name in {config["schema"] for config in configs.values()} | {"preference"}:
        held = version.manifest["schemas"].get(name)
        if held != schema(name).version:
            raise ManifestError(
                f"{of}: it was written with version {held} of the schema {name}, and this is {schema(name).version}; "
                f"use themis_data {version.manifest['tool']}"
            )


def _said(entries: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(f"{kind} {value}" for kind, value in entries[:5])
    return shown if len(entries) <= 5 else f"{shown} or {len(entries) - 5} more"


# What goes


def _in_run(version: Version, asked: OptOuts) -> _Found:
    """Rows of all segments of a build, followed from the sources on, with survivors of what was dropped as a copy."""
    assert version.run is not None
    found = _Found()
    for _, records in version.segments():
        drops = [read_table(version.run.root / record.drops.path) for record in records]
        while _survivors(drops, found):  # a survivor of one step may be a near-duplicate at the next
            pass
        for record in records:
            for rows in _narrow(version.run.root / record.rows.path):
                _match(rows, asked, found)
    for path in version.final_files():
        for rows in _narrow(path):
            _match_copies(rows, found)
    return found


def _in_lineage(version: Version, asked: OptOuts) -> _Found:
    found = _Found()
    for path in version.files("lineage"):
        for rows in _narrow(path):
            _match(rows, asked, found)
    for path in version.files("lineage"):
        for rows in _narrow(path):
            _match_copies(rows, found)
    return found


def _narrow(path: Path) -> Iterator[pa.Table]:
    """The columns that say what a row is about, of those it has."""
    names = pq.read_schema(path).names
    renamed = {"id": "row_id"} if "row_id" not in names else {}
    for table in read_batches(path, [name for name in names if renamed.get(name, name) in _COLUMNS]):
        yield table.rename_columns([renamed.get(name, name) for name in table.column_names])


def _match(rows: pa.Table, asked: OptOuts, found: _Found) -> None:
    names = [name for name in ("row_id", "parent_ids", "commit", "cluster_id") if name in rows.column_names]
    columns = {name: rows[name].to_pylist() for name in names}
    nothing = [None] * len(rows)
    for id_, entry, parents, commit, cluster in zip(
        columns["row_id"],
        asked.found(rows).to_pylist(),
        columns.get("parent_ids", nothing),
        columns.get("commit", nothing),
        columns.get("cluster_id", nothing),
        strict=True,
    ):
        why = found.entries.get(id_) or entry
        why = why or next((found.entries[parent] for parent in parents or () if parent in found.entries), None)
        if why is None:
            continue
        found.entries[id_] = why
        if commit is not None:
            found.parents[id_] = list(parents or ())
        if cluster is not None:
            found.clusters.setdefault(cluster, id_)


def _match_copies(rows: pa.Table, found: _Found) -> None:
    clusters = rows["cluster_id"].to_pylist()
    own = rows["parent_ids"].to_pylist()
    for id_, cluster, parents in zip(rows["row_id"].to_pylist(), clusters, own, strict=True):
        if id_ in found.entries or cluster is None:
            continue
        other = cluster if cluster in found.entries else found.clusters.get(cluster)
        if other is not None:
            found.entries[id_] = f"{_COPY}: {other}"
            found.parents[id_] = parents


def _survivors(drops: Sequence[pa.Table], found: _Found) -> bool:
    """Whether a row was added: what stayed of a cluster holds nearly the text of what was dropped for it."""
    before = len(found.entries)
    for table in drops:
        copies = table.filter(pc.equal(table["reason"], "near_duplicate"))
        for id_, detail in zip(copies["row_id"].to_pylist(), copies["detail"].to_pylist(), strict=True):
            named = _SURVIVOR.match(detail or "") if id_ in found.entries else None
            if named is not None:
                found.entries.setdefault(named[1], f"{_COPY}: {id_}")
    return len(found.entries) > before


def _published_ids(version: Version) -> Iterator[str]:
    if version.run is None:
        paths, key = version.files("lineage"), "id"
    else:
        paths, key = version.final_files(), "row_id"
    for path in paths:
        yield from read_table(path, [key])[key].to_pylist()


# What is left


def _write(version: Version, to: Path, asked: OptOuts, going: Mapping[str, str], *, created_at: str) -> dict[str, Any]:
    manifest, place = version.manifest, to / "dataset"
    ids = pa.array(list(going), pa.string())
    left = manifest["rows"] - len(going)
    configs, gone = {}, {}
    for name, config in manifest["configs"].items():
        key = schema(config["schema"]).key[0]
        files, pairs = [], 0
        for content in config["files"]:
            file = _without(version.folder, place, FileRecord(**content), name, key, ids)
            pairs += pc.count_distinct(read_table(place / file.path, [key])[key]).as_py()
            files.append(asdict(file))
        rows = sum(file["rows"] for file in files)
        gone[name] = config["rows"] - rows
        configs[name] = {**config, "files": files, "rows": rows, "pairs": pairs, "left_out": left - pairs}
    content = {
        **manifest,
        "version": "dev",  # until it is published
        "created_at": created_at,
        "rows": left,
        "configs": configs,
        "parent": version.checksum,
        "fingerprint": digest([version.checksum, sorted(going)]),
        # Records name shards with the rows that went: the run folder keeps them, and this version has none.
        "segments": [_without_records(segment) for segment in manifest["segments"]],
        "funnel": [*manifest["funnel"], _count(manifest["rows"], going)],
        "takedowns": [*manifest.get("takedowns", []), _record(version, asked, going, gone, created_at)],
    }
    left_over = Version(folder=place, manifest=content, run=None)
    paths, write = list(_left_rows(version, left_over, ids, to / "tmp")), manifest["write"]
    audited = audit(paths, seed=manifest["seed"], sample=write["audit_pairs"], min_pairs=write["audit_min_pairs"])
    content["splits"] = recount(paths, _splits(left_over), sorted(write["splits"]))
    described = describe(place, paths, audited, content)
    shutil.rmtree(to / "tmp", ignore_errors=True)
    return described


def _without(from_: Path, to: Path, file: FileRecord, config: str, key: str, ids: pa.Array) -> FileRecord:
    """Copy a shard without some rows; one that has none of them stays the same to the byte."""
    source, path = from_ / file.path, to / file.path
    if not pc.any(pc.is_in(read_table(source, [key])[key], value_set=ids)).as_py():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        return file
    arrow = layout(config).arrow
    left = (table.filter(pc.invert(pc.is_in(table[key], value_set=ids))).cast(arrow) for table in read_batches(source))
    return write_tables(path, arrow, left, relative_to=to)


def _splits(version: Version) -> dict[str, str]:
    """The split of each published pair, by its id."""
    config = max(version.manifest["configs"].values(), key=lambda config: config["pairs"])
    key = schema(config["schema"]).key[0]
    return {
        row_id: Path(file["path"]).name.partition("-")[0]
        for file in config["files"]
        for row_id in read_table(version.folder / file["path"], [key])[key].to_pylist()
    }


def _left_rows(version: Version, left_over: Version, ids: pa.Array, scratch: Path) -> Iterator[Path]:
    """Shards of what is left in the schema `preference`: those of the build where nothing of them goes."""
    arrow = schema("preference").arrow
    if version.run is None:
        for number, file in enumerate(left_over.manifest["configs"]["lineage"]["files"]):
            rows, path = published_preferences(left_over, file["path"]), scratch / f"{number:05d}.parquet"
            write_tables(path, arrow, [rows], relative_to=scratch)
            yield path
        return
    for number, source in enumerate(version.final_files()):
        path = scratch / f"{number:05d}.parquet"
        if pc.any(pc.is_in(read_table(source, ["row_id"])["row_id"], value_set=ids)).as_py():
            left = (t.filter(pc.invert(pc.is_in(t["row_id"], value_set=ids))).cast(arrow) for t in read_batches(source))
            write_tables(path, arrow, left, relative_to=scratch)
            yield path
        else:
            yield source


def _without_records(segment: Mapping[str, Any]) -> dict[str, Any]:
    said = [{k: mark[k] for k in ("step", "asked", "audit")} for mark in segment["marks"] if "asked" in mark]
    return {**segment, "shards": [], "marks": said}


def _reasons(going: Mapping[str, str]) -> dict[str, int]:
    counted = Counter(f"opted_out_{entry.partition(':')[0]}" for entry in going.values())
    return dict(sorted(counted.items()))


def _count(rows: int, going: Mapping[str, str]) -> dict[str, Any]:
    left = rows - len(going)
    counts = {"rows_in": rows, "rows_out": left, "parents_kept": left, "dropped": _reasons(going), "seconds": 0.0}
    return {"track": "merge", "segment": STEP, "step": STEP, **counts}


def _record(
    version: Version, asked: OptOuts, going: Mapping[str, str], gone: Mapping[str, int], created_at: str
) -> dict[str, Any]:
    """What is published of a request: entries that led to pairs of this version, and only the number of the others,
    since a list may name people and repositories that this data set never had anything of."""
    used = set(going.values())
    matched = [(kind, value) for kind, value in asked.entries if f"{kind}: {value}" in used]
    return {
        "created_at": created_at,
        "of": {"name": version.manifest["name"], "version": version.manifest["version"], "checksum": version.checksum},
        "asked": {kind: [value for own, value in matched if own == kind] for kind in KINDS},
        "without_pairs": len(asked.entries) - len(matched),
        "pairs": len(going),
        "reasons": _reasons(going),
        "rows": dict(gone),
    }


# The list for the next build


def _to_leave_out(asked: OptOuts, found: _Found, going: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What was asked for, and the changes behind it where another build could not know: an author's hash is of one run
    folder, a pair's id hangs on its label, and a copy stays where what it is a copy of is gone."""
    yield from asked.entries
    for id_, entry in found.entries.items():
        kind = entry.partition(":")[0]
        if kind == "author" or (kind in ("row", _COPY) and id_ in going):
            yield from (("row", row) for row in found.parents.get(id_) or [id_])


def _earlier(of: Path) -> tuple[tuple[str, str], ...]:
    return read_opt_outs([of / OPTED_OUT]).entries if (of / OPTED_OUT).is_file() else ()


def _extend(path: Path, entries: set[tuple[str, str]]) -> None:
    """Append entries that a list lacks; what it has stays as it is."""
    if path.suffix == ".parquet":
        held = read_opt_outs([path]).entries if path.exists() else ()
        whole = opt_outs({*held, *entries}).entries
        table = pa.table({"kind": [kind for kind, _ in whole], "value": [value for _, value in whole]})
        write_tables(path, table.schema, [table], relative_to=path.parent)
        return
    text = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    held = read_opt_outs([path]).entries if path.exists() else ()
    line_end = "" if not text or text.endswith("\n") else "\n"
    write_atomically(path, f"{text}{line_end}{as_lines(entries - set(held))}".encode())

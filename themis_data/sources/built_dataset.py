"""Rows of a data set that was built before: another run folder, or a published version."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from themis_data import criteria
from themis_data.dataset import Version, open_version, read_batches, read_table
from themis_data.engine.segment import Listing, Piece, Unit
from themis_data.errors import ManifestError, SourceError
from themis_data.fingerprint import digest, where_it_runs
from themis_data.lookup import known_pipelines, unknown
from themis_data.manifest import FileRecord
from themis_data.schema import schema


@dataclass(frozen=True, kw_only=True)
class BuiltDataset:
    """Reads the rows of a finished data set; it never builds one.

    `pair` gives what is published, without the system prompts, which `assign_system_prompts` draws anew. Out of a run
    folder with all columns; out of a published version without the commits' messages, and without rows whose texts it
    leaves out (counted as `text_not_published`). `change` and `task` are in run folders alone: what the last step of
    each branch that gives such rows left, or with `step` what that step left.

    The fingerprint is the checksum of the manifest that is read. The listing names it as the parent, and says whether
    it is published: nothing that is made of a `dev` parent can be.
    """

    also_writes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    dataset: Annotated[str, "a run folder, or a folder with manifest.json"] = where_it_runs("")
    rows: Annotated[Literal["pair", "change", "task"], "schema of the rows to read"] = "pair"
    step: Annotated[str | None, "id of the step after which rows are read; null for published pairs, or the last"] = (
        None
    )
    split: Annotated[str | None, "the split whose pairs are read; null for all"] = None

    def __post_init__(self) -> None:
        if self.split is not None and (self.rows != "pair" or self.step is not None):
            raise ValueError("only published pairs are in splits: leave out `split`, or `rows` and `step`")

    writes = property(attrgetter("rows"))

    def identity(self) -> dict[str, Any]:
        return {"parent": self._open().checksum} if self.dataset else {}

    def list_units(self, memory: Path) -> Listing:
        if not self.dataset:
            return Listing(units=(), identity=[], warnings=("no data set given: set dataset to a folder",))
        version = self._open()
        files = _shards(version, self.rows, self.step) if self._reads_shards(version) else self._published(version)
        units = tuple(
            Unit(
                name=f"{version.manifest['name']}: {file.path}",
                fingerprint=digest([version.checksum, file.sha256, self.rows, self.split]),
                size=file.rows,
                payload={"path": file.path},
            )
            for file in files
            if file.rows
        )
        manifest = version.manifest
        identity = {
            "name": manifest["name"],
            "version": manifest["version"],
            "parent": version.checksum,
            "published": version.is_published,
            "rows": sum(unit.size for unit in units),
        }
        return Listing(units=units, identity=[identity])

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        """Rows of one shard. Raises SourceError where its columns are those of another version of the schema."""
        version, path = self._open(), unit.payload["path"]
        names = schema(self.rows).names
        if not self._reads_shards(version):
            found = published_preferences(version, path)
            yield Piece(rows=found.select(names).cast(schema("pair").arrow), num_seen=len(found))
            lacking = unit.size - len(found)
            if lacking:
                nothing = schema("pair").empty()
                yield Piece(rows=nothing, num_seen=lacking, left_out={"text_not_published": lacking})
            return
        assert version.run is not None
        wanted = None if self.split is None else _ids_of(version, self.split)
        for table in read_batches(version.run.root / path):
            _check_columns(table, names, path)
            rows, left_out = table.select(names).cast(schema(self.rows).arrow), {}
            if wanted is not None:
                rows = rows.filter(pc.is_in(rows["row_id"], value_set=wanted))
                left_out = {"other_split": len(table) - len(rows)} if len(rows) < len(table) else {}
            yield Piece(rows=rows, num_seen=len(table), left_out=left_out)

    def _open(self) -> Version:
        path = Path(self.dataset).expanduser()
        try:
            return open_version(path)
        except ManifestError as error:
            if (path / "manifest.json").exists() or (path / "dataset" / "manifest.json").exists():
                raise  # it is there, and broken
            pipeline = path.name if path.name in known_pipelines() else "PIPELINE"
            raise SourceError(
                f"{self.dataset}: no finished data set is there, and a source never builds one; build it first:\n"
                f"  themis build {pipeline} --out {self.dataset}"
            ) from error

    def _reads_shards(self, version: Version) -> bool:
        """Whether rows come from the shards of a run folder, which have all columns."""
        if version.run is None and (self.rows != "pair" or self.step is not None):
            raise SourceError(
                f"{self.dataset}: a published version has pairs alone, as they were published; `rows: {self.rows}` and "
                f"`step` need the run folder it was built in"
            )
        return version.run is not None

    def _published(self, version: Version) -> list[FileRecord]:
        lineage = version.manifest["configs"].get("lineage")
        if lineage is None:
            raise SourceError(
                f"{self.dataset}: it lacks the configuration `lineage`, which says where pairs come from; read a "
                f"version that has it, or the run folder"
            )
        files = [FileRecord(**file) for file in lineage["files"]]
        return [file for file in files if self.split in (None, _split(Path(file.path)))]


def _split(path: Path) -> str:
    return path.name.partition("-")[0]


def _shards(version: Version, rows: str, step: str | None) -> list[FileRecord]:
    """Shards of the rows as a step left them; without one, as the build ended, or as the last step of each branch with
    such rows left them."""
    segments = dict(version.segments())
    if rows == "pair" and step is None:
        return [record.rows for name in segments if name in version.final_segments() for record in segments[name]]
    assert version.run is not None
    of_step: dict[str, set[str]] = {}
    last: dict[str, str] = {}
    for entry in version.manifest["funnel"]:
        name = entry["segment"]
        if any(_schema_of(version.run.root / r.rows.path) == rows for r in segments.get(name, ())[:1]):
            of_step.setdefault(entry["step"], set()).add(name)
            last[entry["track"]] = name
    if step is not None and step not in of_step:
        raise SourceError(f"{version.run.root}: " + unknown(f"step that gives rows of `{rows}`", step, of_step))
    if not last:
        raise SourceError(f"{version.run.root}: none of its steps gives rows of `{rows}`")
    # A step that is cut in two by a decision has rows of its own after the second part alone.
    wanted = set(last.values()) if step is None else {max(of_step[step], key=list(segments).index)}
    return [record.rows for name in segments if name in wanted for record in segments[name]]


def _schema_of(path: Path) -> str:
    metadata = pq.read_schema(path).metadata or {}
    return str(metadata.get(b"themis_schema", b"").decode().partition("/")[0])


def _ids_of(version: Version, split: str) -> pa.Array:
    """Row ids of a split, by the configuration that has most of them."""
    splits = version.manifest["write"]["splits"]
    if split not in splits:
        raise SourceError(f"{version.folder}: " + unknown("split", split, splits))
    configs = {name: own for name, own in version.manifest["configs"].items() if "split_by" not in own}
    config = max(configs, key=lambda name: -configs[name]["left_out"])
    key = schema(version.manifest["configs"][config]["schema"]).key[0]
    files = [path for path in version.files(config) if _split(path) == split]
    chunks = [chunk for path in files for chunk in read_table(path, [key])[key].chunks]
    return pa.chunked_array(chunks or [pa.array([], pa.string())]).combine_chunks()


def _check_columns(table: pa.Table, names: list[str], path: str) -> None:
    lacking = sorted(set(names) - set(table.column_names))
    if lacking:
        raise SourceError(
            f"{path}: it lacks the columns {lacking}; it was built by another version of themis_data, so build it again"
        )


def published_preferences(version: Version, path: str) -> pa.Table:
    """Rows of the schema `preference` out of one shard of a version's configuration `lineage`, with their texts.

    Configurations have a pair in shards of the same name. `message`, which is never published, is null, and so is what
    `judgements` has where there is no such configuration. Rows whose texts are in no configuration are left out.
    """
    lineage = read_table(version.folder / path)
    described = schema("preference")
    _check_columns(lineage, sorted(set(schema("published_lineage").names) & {*described.names, "id"}), path)
    texts = _texts(version, Path(path).name)
    place = pc.index_in(lineage["id"], value_set=texts["id"].combine_chunks())
    lineage, place = lineage.filter(pc.is_valid(place)), place.drop_null()
    names = {criterion.title: criterion.name for criterion in criteria.all_criteria().values()}
    columns = {name: lineage[name] for name in described.names if name in lineage.column_names}
    columns |= {name: texts[name].take(place) for name in ("system", "prompt", "chosen", "rejected")}
    columns["row_id"] = lineage["id"]
    columns["criterion"] = pa.array([names[title] for title in lineage["criterion"].to_pylist()], pa.string())
    columns["judgements"] = _judgements(version, Path(path).name, lineage["id"])
    return described.table(columns)


def _texts(version: Version, name: str) -> pa.Table:
    """id, system, prompt, chosen and rejected of the pairs of a shard; from `trl` where `default` left any out, and of
    a benchmark from `Full`."""
    found = []
    for config, read in (("default", _plain_texts), ("trl", _conversations), ("Full", _benchmark_texts)):
        listed = version.manifest["configs"].get(config)
        if listed is None:
            continue
        found.append(read(read_table(version.folder / listed["folder"] / name)))
        if not listed["left_out"]:
            break
    names = ["id", "system", "prompt", "chosen", "rejected"]
    empty = pa.table({n: pa.array([], pa.string() if n == "id" else pa.large_string()) for n in names})
    return pa.concat_tables([empty, *(table.select(names) for table in found)], promote_options="permissive")


def _plain_texts(table: pa.Table) -> pa.Table:
    return table.rename_columns({"idx": "id", "input": "prompt"}).replace_schema_metadata()


def _benchmark_texts(table: pa.Table) -> pa.Table:
    return table.append_column("system", pa.nulls(len(table), pa.large_string())).replace_schema_metadata()


def _conversations(table: pa.Table) -> pa.Table:
    prompts = table["prompt"].to_pylist()
    columns = {
        "system": [messages[0]["content"] if len(messages) > 1 else None for messages in prompts],
        "prompt": [messages[-1]["content"] for messages in prompts],
        **{side: [messages[-1]["content"] for messages in table[side].to_pylist()] for side in ("chosen", "rejected")},
    }
    arrays = {name: pa.array(values, pa.large_string()) for name, values in columns.items()}
    return pa.table({"id": table["id"], **arrays})


def _judgements(version: Version, name: str, ids: pa.ChunkedArray) -> pa.Array:
    """The answers about each pair; null where there are none."""
    type_ = schema("preference").arrow.field("judgements").type
    listed = version.manifest["configs"].get("judgements")
    if listed is None:
        return pa.nulls(len(ids), type_)
    said: dict[str, list[dict[str, Any]]] = {}
    for answer in read_table(version.folder / listed["folder"] / name).to_pylist():
        said.setdefault(answer.pop("id"), []).append(answer)
    return pa.array([said.get(id_) for id_ in ids.to_pylist()], type_)


SOURCE = BuiltDataset

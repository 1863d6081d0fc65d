"""The unit of work: one input shard through a run of row-wise steps, to one output shard with its drops and record."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.dataset import RunFolder, ShardWriter, is_intact, read_batches, read_table
from themis_data.engine.answers import OrderedAnswers
from themis_data.engine.marks import apply_marks
from themis_data.engine.rows import Complete, Operation, Rows, Stage
from themis_data.errors import ManifestError, SourceError, StageError
from themis_data.fingerprint import digest
from themis_data.manifest import FileRecord, ShardRecord, StepCount, read_record, shard_record, write_record
from themis_data.schema import schema


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A piece of a source that one worker reads: its name, what identifies its content, and how to read it."""

    name: str
    fingerprint: str
    size: int  # rows it will look at; for progress and for choosing an engine
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a source yields: rows, rows of its side tables by schema name, and what it looked at and left out."""

    rows: pa.Table
    side: dict[str, pa.Table] = field(default_factory=dict)
    num_seen: int = 0  # units of the source's own kind, for example commits
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> count; num_seen = rows + left out


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The units of a source, and what could not be read: (what, why)."""

    units: tuple[Unit, ...]
    identity: Any  # JSON types: what the units were cut from, for the manifest
    unreadable: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


class Source(Protocol):
    """Where rows come from: a frozen dataclass of settings."""

    writes: ClassVar[str]
    version: ClassVar[int]
    also_writes: ClassVar[tuple[str, ...]]

    def list_units(self, memory: Path) -> Listing:
        """Cut the source into units. `memory` is a folder that outlives the build."""
        ...

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        """Read one unit. `key` is the run folder's secret, for hashing people."""
        ...


@dataclass(frozen=True, kw_only=True)
class Work:
    """One operation of one step, found again on a worker by its place in what the stage asks for."""

    step: str
    stage: Stage
    place: int
    is_last: bool  # of its step: then the rows must conform to what the stage writes

    def operation(self) -> Operation:
        return self.stage.apply(Rows()).operations[self.place]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A maximal run of row-wise operations within one phase, behind the decisions that they apply first."""

    name: str
    fingerprint: str
    reads: str  # schema of the rows in
    decisions: tuple[Work, ...] = ()  # by_key, link and complete, in order; what they gave comes before anything else
    work: tuple[Work, ...] = ()
    source: Source | None = None  # a source's own segment reads units
    source_step: str = ""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """Everything a worker needs for one shard."""

    run_folder: str
    segment: Segment
    made_from: str  # input shard under the run folder; the unit's name for a source
    unit: Unit | None
    input_identity: str  # sha256 of the input shard, or the unit's fingerprint
    marks: tuple[FileRecord, ...] = ()  # what each of the segment's decisions says of this shard: marks, or answers
    twin: int = 0  # how many inputs before this one have the same content, as shards without rows do

    @property
    def fingerprint(self) -> str:
        marks = [record.sha256 for record in self.marks]
        return digest([self.segment.fingerprint, self.input_identity, marks, self.twin])


def finished_shard(task: ShardTask) -> ShardRecord | None:
    """The record of a shard that an earlier build finished and whose files are intact, else None."""
    folder = RunFolder(Path(task.run_folder))
    try:
        record = shard_record(read_record(_record_path(folder, task)))
    except ManifestError:
        return None
    files = [record.rows, record.drops, *record.side.values()]
    return record if all(is_intact(file, folder.root) for file in files) else None


def _record_path(folder: RunFolder, task: ShardTask) -> Path:
    return folder.segment(task.segment.name) / f"{task.fingerprint[:20]}.json"


def run_shard(task: ShardTask) -> ShardRecord | str:
    """Do one shard. Gives its record, or for a unit that its source cannot read, the reason why."""
    folder = RunFolder(Path(task.run_folder))
    place = folder.segment(task.segment.name)
    name = task.fingerprint[:20]
    started = time.monotonic()
    rows_schema = _output_schema(task.segment)
    side_schemas = getattr(task.segment.source, "also_writes", ()) if task.segment.source else ()
    # A table whose step is cut in its middle by a decision has working columns: its schema is what the first batch has.
    rows = _Output(place / f"{name}.parquet", rows_schema)
    drops = _Output(place / f"{name}.drops.parquet", schema("drop").arrow)
    side = {
        s: _Output(folder.side(s, task.segment.source_step) / f"{name}.parquet", schema(s).arrow) for s in side_schemas
    }
    outputs = [rows, drops, *side.values()]
    try:
        chain = _Chain(task, drops)
        for batch, side_tables in _input(task, folder, chain):
            for side_name, table in side_tables.items():
                side[side_name].write(table)
            rows.write(chain.apply(batch))
        record = ShardRecord(
            name=name,
            fingerprint=task.fingerprint,
            made_from=task.made_from,
            rows=rows.close(folder.root),
            drops=drops.close(folder.root),
            side={s: output.close(folder.root) for s, output in side.items()},
            steps=chain.counts(),
            seconds=round(time.monotonic() - started, 3),
        )
    except SourceError as error:
        for output in outputs:
            output.discard()
        return str(error)
    except BaseException:
        for output in outputs:
            output.discard()
        raise
    write_record(_record_path(folder, task), record)
    return record


def _output_schema(segment: Segment) -> pa.Schema | None:
    """Arrow schema of what a segment writes; None where it ends inside a step, with working columns."""
    if segment.source is not None:
        return schema(segment.source.writes).arrow
    last = (segment.work or segment.decisions)[-1]
    return schema(last.stage.writes).arrow if last.is_last else None


class _Output:
    """A ShardWriter that learns its schema from the first table where none is declared."""

    def __init__(self, path: Path, declared: pa.Schema | None) -> None:
        self._path = path
        self._writer = ShardWriter(path, declared) if declared is not None else None

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            self._writer = ShardWriter(self._path, table.schema)
        self._writer.write(table)

    def close(self, root: Path) -> FileRecord:
        if self._writer is None:
            raise StageError(
                f"{self._path}: a step that ends in a decision by key had no rows to learn its columns from"
            )
        return self._writer.close(root)

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()


def _input(task: ShardTask, folder: RunFolder, chain: "_Chain") -> Iterator[tuple[pa.Table, dict[str, pa.Table]]]:
    source = task.segment.source
    if source is None:
        for batch in read_batches(folder.root / task.made_from):
            yield batch, {}
        return
    assert task.unit is not None
    started = time.monotonic()
    for piece in source.read(task.unit, folder.key()):
        chain.count_source(piece, time.monotonic() - started)
        yield piece.rows, piece.side
        started = time.monotonic()


class _Chain:
    """Applies the operations of a segment to batches, writes the drops, and checks that no row is lost."""

    def __init__(self, task: ShardTask, drops: _Output) -> None:
        self._source_step, self._drops = task.segment.source_step, drops
        root = Path(task.run_folder)
        self._decisions = [
            (work, self._applied(work, root / record.path))
            for work, record in zip(task.segment.decisions, task.marks, strict=True)
        ]
        self._work = [(work, *_prepared(work)) for work in task.segment.work]
        everything = (*task.segment.decisions, *task.segment.work)
        # One count for each operation, in order; those of a step are brought together at the end.
        self._counts = [StepCount(step=w.step, rows_in=0, rows_out=0, dropped={}, parents_kept=0) for w in everything]
        if task.segment.source is not None:
            self._counts = [StepCount(step=self._source_step, rows_in=0, rows_out=0, dropped={}, parents_kept=0)]

    def counts(self) -> tuple[StepCount, ...]:
        """What each step did: in at its first operation, out at its last."""
        steps: dict[str, StepCount] = {}
        for count in self._counts:
            earlier = steps.get(count.step)
            steps[count.step] = count if earlier is None else earlier.then(count)
        for count in steps.values():
            if not count.is_conserved:
                raise StageError(
                    f"step {count.step}: {count.rows_in} rows in, {count.parents_kept} of them kept and "
                    f"{sum(count.dropped.values())} dropped: rows were lost or counted twice"
                )
        return tuple(dataclasses.replace(count, seconds=round(count.seconds, 3)) for count in steps.values())

    def count_source(self, piece: Piece, seconds: float) -> None:
        kept = len(piece.rows)
        self._counts[0] += StepCount(
            step=self._source_step,
            rows_in=piece.num_seen,
            rows_out=kept,
            dropped=piece.left_out,
            parents_kept=kept,
            seconds=seconds,
        )

    def apply(self, table: pa.Table) -> pa.Table:
        place = 0
        for place, (work, function) in enumerate(self._decisions):
            table = self._counted(place, table, function)
            if work.is_last:
                table = schema(work.stage.writes).conform(table, f"step {work.step}")
        for place, (work, operation, function) in enumerate(self._work, start=len(self._decisions)):
            if operation.verb == "drop":
                table = self._counted(place, table, partial(self._drop, work.step, function))
            else:
                table = self._counted(place, table, partial(_map, work.step, operation, function))
            if work.is_last:
                table = schema(work.stage.writes).conform(table, f"step {work.step}")
        return table

    def _counted(
        self,
        place: int,
        table: pa.Table,
        operation: Callable[[pa.Table], tuple[pa.Table, dict[str, int], int]],
    ) -> pa.Table:
        started = time.monotonic()
        after, dropped, parents_kept = operation(table)
        self._counts[place] += StepCount(
            step=self._counts[place].step,
            rows_in=len(table),
            rows_out=len(after),
            dropped=dropped,
            parents_kept=parents_kept,
            seconds=time.monotonic() - started,
        )
        return after

    def _applied(self, work: Work, path: Path) -> Callable[[pa.Table], tuple[pa.Table, dict[str, int], int]]:
        """What applies to each batch what a decision says of this shard."""
        operation = work.operation()
        if not isinstance(operation.decision, Complete):
            return partial(self._apply_marks, work.step, read_table(path))
        answers, receive = OrderedAnswers(read_batches(path)), operation.decision.receive
        return lambda table: _map(work.step, operation, lambda rows: receive(rows, answers.of(rows["row_id"])), table)

    def _apply_marks(self, step: str, marks: pa.Table, table: pa.Table) -> tuple[pa.Table, dict[str, int], int]:
        kept, dropped, why = apply_marks(marks, table)
        self._write_drops(step, dropped, why["reason"], why["detail"])
        return kept, _tally(why["reason"]), len(kept)

    def _drop(
        self, step: str, function: Callable[[pa.Table], Any], table: pa.Table
    ) -> tuple[pa.Table, dict[str, int], int]:
        verdicts = function(table)
        if not isinstance(verdicts, pa.Array | pa.ChunkedArray) or len(verdicts) != len(table):
            raise StageError(
                f"step {step}: a drop gives one reason a row, null to keep it; got {type(verdicts).__name__} "
                f"for {len(table)} rows"
            )
        if not (pa.types.is_string(verdicts.type) or pa.types.is_large_string(verdicts.type)):
            raise StageError(f"step {step}: a drop gives one reason a row, as text; got {verdicts.type}")
        if verdicts.null_count == len(verdicts):
            return table, {}, len(table)
        is_dropped = pc.is_valid(verdicts)
        texts = verdicts.filter(is_dropped).cast(pa.large_string())
        reason = pc.replace_substring_regex(texts, r"(?s):.*$", "")
        detail = pc.if_else(
            pc.match_substring(texts, ": "),
            pc.replace_substring_regex(texts, r"(?s)^[^:]*: ", ""),
            pa.scalar(None, pa.large_string()),
        )
        self._write_drops(step, _who(table).filter(is_dropped), reason, detail)
        kept = table.filter(pc.invert(is_dropped))
        return kept, _tally(reason), len(kept)

    def _write_drops(self, step: str, rows: pa.Table, reason: Any, detail: Any) -> None:
        if not len(rows):
            return
        parents = rows["parent_ids"] if "parent_ids" in rows.column_names else [[]] * len(rows)
        self._drops.write(
            schema("drop").table(
                {
                    "row_id": rows["row_id"],
                    "step": [step] * len(rows),
                    "reason": reason,
                    "detail": detail,
                    "parent_ids": parents,
                }
            )
        )


def _who(rows: pa.Table) -> pa.Table:
    """What a drop says of its row: no contents."""
    return rows.select([name for name in ("row_id", "parent_ids") if name in rows.column_names])


def _tally(reasons: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    return {str(item["values"]): int(item["counts"]) for item in pc.value_counts(reasons).to_pylist()}


def _prepared(work: Work) -> tuple[Operation, Callable[[pa.Table], Any]]:
    operation = work.operation()
    return operation, operation.function() if operation.verb == "map_on_worker" else operation.function


def _map(
    step: str, operation: Operation, function: Callable[[pa.Table], pa.Table], table: pa.Table
) -> tuple[pa.Table, dict[str, int], int]:
    out = function(table)
    if operation.splits:
        if "parent_ids" not in out.column_names:
            raise StageError(f"step {step}: a map that splits rows gives a column parent_ids; got {out.column_names}")
        named = pc.unique(pc.list_flatten(out["parent_ids"]))
        is_parent = pc.is_in(table["row_id"], value_set=named)
        strange = pc.sum(pc.invert(pc.is_in(named, value_set=table["row_id"].combine_chunks()))).as_py() or 0
        parents = pc.sum(is_parent).as_py() or 0
        if strange or parents != len(table):
            raise StageError(
                f"step {step}: {len(table) - parents} of {len(table)} rows have no child and no reason, and "
                f"{strange} parent ids name no row; drop rows with a reason before splitting"
            )
        return out, {}, parents
    if len(out) != len(table) or not out["row_id"].equals(table["row_id"]):
        raise StageError(
            f"step {step}: a map keeps rows one to one and in order ({len(table)} in, {len(out)} out); "
            f"use drop for losses and splits=True for new ids"
        )
    return out, {}, len(out)

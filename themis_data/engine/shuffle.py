"""Decisions that need all rows of a key, and the regrouping of rows into final shards.

Rows travel through files: each input shard writes one Arrow file with a record batch for each partition, and a task of
each partition reads its batch from every file. So the same code serves one process and a cluster, a lost worker costs
one task, memory is bounded by a partition, and the order of rows depends on nothing but their content.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from themis_data.dataset import RunFolder, read_batches, read_table, write_tables
from themis_data.engine.rows import ByKey, FetchFunction
from themis_data.engine.segment import Work
from themis_data.errors import StageError
from themis_data.manifest import FileRecord, commit_file, temporary_beside
from themis_data.schema import schema

ROWS_PER_PARTITION = 500_000  # exploded rows; bounds memory, never bears on the result


@dataclass(frozen=True, kw_only=True)
class ExplodeTask:
    """One input shard (or one file of a side table) to be cut by key."""

    run_folder: str
    work: Work
    path: str  # under the run folder
    shard: int  # its number; -1 for a side table, whose rows cannot be marked
    earlier_marks: tuple[str, ...]  # marks of this shard by earlier decisions of the same segment
    side: int | None  # which of the decision's side tables; None for the rows themselves
    num_partitions: int
    to: str


@dataclass(frozen=True, kw_only=True)
class DecideTask:
    """One partition of the keys."""

    work: Work
    files: tuple[str, ...]
    partition: int
    to: str


def explode_shard(task: ExplodeTask) -> str:
    """Write the exploded rows of one shard, a record batch for each partition; gives the file's path."""
    root = Path(task.run_folder)
    decision = _decision(task.work)
    if task.side is None:
        columns, explode = list(decision.columns), decision.explode
    else:
        _, side_columns, explode = decision.side[task.side]
        columns = list(side_columns)
    marks = [read_table(root / path, ["row_id"])["row_id"] for path in task.earlier_marks]
    pieces: list[pa.Table] = []
    for batch in read_batches(root / task.path, columns):
        for marked in marks:
            batch = batch.filter(pc.invert(pc.is_in(batch["row_id"], value_set=marked.combine_chunks())))
        exploded = explode(batch)
        if len(exploded) or not pieces:
            pieces.append(exploded)
    table = pa.concat_tables(pieces) if pieces else explode(_empty_like(root / task.path, columns))
    table = table.append_column("shard", pa.array([task.shard] * len(table), pa.int32()))
    write_partitions(Path(task.to), table, partition_of(table["key"], task.num_partitions), task.num_partitions)
    return task.to


def _empty_like(path: Path, columns: list[str]) -> pa.Table:
    return read_table(path, columns).slice(0, 0)


def _decision(work: Work) -> ByKey:
    decision = work.operation().by_key
    assert decision is not None
    return decision


def partition_of(keys: pa.ChunkedArray, num_partitions: int) -> pa.Array:
    """Partition number of each key: a stable hash of its text, so that it is the same in every process."""
    encoded = pc.dictionary_encode(keys).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.dictionary(pa.int32(), pa.string()))
    numbers = [_stable_hash(str(key)) % num_partitions for key in encoded.dictionary.to_pylist()]
    return pa.array(numbers, pa.int32()).take(encoded.indices)


def _stable_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def write_partitions(path: Path, table: pa.Table, partition: pa.Array, num_partitions: int) -> None:
    """An Arrow file whose n-th record batch holds the rows of partition n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        for number in range(num_partitions):
            rows = table.filter(pc.equal(partition, number)).combine_chunks()
            batches = rows.to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema))
    commit_file(temporary, path)


def read_partition(files: tuple[str, ...] | list[str], number: int) -> pa.Table:
    """All rows of one partition, out of every file."""
    tables = []
    for file in files:
        with pa.memory_map(file) as mapped:
            tables.append(pa.Table.from_batches([pa.ipc.open_file(mapped).get_batch(number)]))
    return pa.concat_tables(tables, promote_options="default")


def decide_partition(task: DecideTask) -> str:
    """Write what one partition decides, each row with the number of the shard its row is in; gives the file's path."""
    rows = read_partition(task.files, task.partition).sort_by([("key", "ascending"), ("row_id", "ascending")])
    decided = _decision(task.work).decide(rows.drop_columns(["shard"]))
    shard_of = pc.index_in(decided["row_id"], value_set=rows["row_id"].combine_chunks())
    if shard_of.null_count:
        raise StageError(f"step {task.work.step}: decided about {shard_of.null_count} rows that it did not see")
    decided = decided.append_column("shard", rows["shard"].combine_chunks().take(shard_of))
    decided = decided.filter(pc.greater_equal(decided["shard"], 0))
    write_partitions(Path(task.to), decided, pa.array([0] * len(decided), pa.int32()), 1)
    return task.to


def resolve_marks(work: Work, files: list[str], shards: list[str], run_folder: str, to: Path) -> list[FileRecord]:
    """Bring the decisions together and write the marks of each input shard, sorted by row id.

    This runs in one process over what `decide` gave (marks or candidate pairs, never the rows themselves): about 100
    bytes for each.
    """
    folder = RunFolder(Path(run_folder))
    decided = read_partition(files, 0)
    decision = _decision(work)
    if decision.resolve is not None:
        order = [(name, "ascending") for name in decided.column_names if name != "shard"]
        located = decided.select(["row_id", "shard"])
        decided = decision.resolve(decided.drop_columns(["shard"]).sort_by(order), _fetcher(folder, located, shards))
        place = pc.index_in(decided["row_id"], value_set=located["row_id"].combine_chunks())
        if place.null_count:
            raise StageError(f"step {work.step}: marks {place.null_count} rows that it did not see")
        decided = decided.append_column("shard", located["shard"].combine_chunks().take(place))
    marks = _first_mark(decided)
    records = []
    for number in range(len(shards)):
        own = schema("mark").conform(marks.filter(pc.equal(marks["shard"], number)), f"step {work.step}")
        records.append(write_tables(to / f"{number:05d}.parquet", schema("mark").arrow, [own], relative_to=folder.root))
    return records


def _first_mark(decided: pa.Table) -> pa.Table:
    """One mark a row: the first by (reason, detail)."""
    table = decided.select(["row_id", "reason", "detail", "shard"]).sort_by(
        [("row_id", "ascending"), ("reason", "ascending"), ("detail", "ascending")]
    )
    if not len(table):
        return table
    ids = table["row_id"].combine_chunks()
    is_first = pa.concat_arrays([pa.array([True]), pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1))])
    return table.filter(is_first)


def _fetcher(folder: RunFolder, located: pa.Table, shards: list[str]) -> FetchFunction:
    """A function that reads columns of rows by their ids, batch by batch, out of the shards that hold them."""
    place_of = dict(zip(located["row_id"].to_pylist(), located["shard"].to_pylist(), strict=True))

    def fetch(row_ids: list[str], columns: list[str]) -> Iterator[pa.Table]:
        by_shard: dict[int, list[str]] = {}
        for row_id in sorted(set(row_ids)):
            by_shard.setdefault(place_of[row_id], []).append(row_id)
        for shard, wanted in sorted(by_shard.items()):
            value_set = pa.array(wanted, pa.string())
            for batch in read_batches(folder.root / shards[shard], sorted({"row_id", *columns})):
                yield batch.filter(pc.is_in(batch["row_id"], value_set=value_set))

    return fetch

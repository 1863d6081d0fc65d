"""Decisions that need all rows of a key, and the files that rows travel in between tasks.

Rows travel through files: each input shard writes one Arrow file with a record batch for each partition, and a task of
each partition reads its batch from every file. So the same code serves one process and a cluster, a lost worker costs
one task, memory is bounded by a partition, and the order of rows depends on nothing but their content.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from themis_data.dataset import parts
from themis_data.engine.marks import unmarked_batches
from themis_data.engine.rows import ByKey, Resolved
from themis_data.engine.segment import Work
from themis_data.errors import StageError
from themis_data.manifest import commit_file, temporary_beside

ROWS_PER_PARTITION = 50_000  # rows in; bounds memory, never bears on the result

# What runs tasks: each one's place and result, as they finish.
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[tuple[int, Any]]]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """An input shard of a decision: its path under the run folder, its rows, and its marks by earlier decisions."""

    path: str
    rows: int
    earlier_marks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExplodeTask:
    """One input shard (or one file of a side table) to be cut by key."""

    run_folder: str
    work: Work
    shard: Shard
    number: int  # the shard's; -1 for a side table, whose rows cannot be marked
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


def decided_by_key(
    run: Run,
    work: Work,
    shards: Sequence[Shard],
    side: Sequence[tuple[int, Shard]],
    *,
    run_folder: Path,
    scratch: Path,
    progress: Callable[[int], Callable[[int], None]],
) -> tuple[pa.Table, dict[str, Any]]:
    """The marks that a decision gives, with the number of the shard each row is in, and its report.

    `side` are files of the decision's side tables, each with the table's number. `progress` is told how many tasks
    there are, and gives what is told of each that is done.
    """
    files: list[tuple[int, Shard, int | None]] = [(number, shard, None) for number, shard in enumerate(shards)]
    files += [(-1, shard, number) for number, shard in side]
    partitions = max(1, math.ceil(sum(shard.rows for _, shard, _ in files) / ROWS_PER_PARTITION))
    explode = [
        ExplodeTask(
            run_folder=str(run_folder),
            work=work,
            shard=shard,
            number=number,
            side=side_table,
            num_partitions=partitions,
            to=str(scratch / f"exploded-{place:05d}.arrow"),
        )
        for place, (number, shard, side_table) in enumerate(files)
    ]
    advance = progress(len(explode) + partitions)
    exploded = in_order(run, explode_shard, explode, advance)
    decide = [
        DecideTask(work=work, files=tuple(exploded), partition=number, to=str(scratch / f"decided-{number:05d}.arrow"))
        for number in range(partitions)
    ]
    return resolved_marks(work, in_order(run, decide_partition, decide, advance))


def in_order(
    run: Run, function: Callable[[Any], Any], tasks: Sequence[Any], advance: Callable[[int], None]
) -> list[Any]:
    """Results of tasks in the order of the tasks."""
    results: list[Any] = [None] * len(tasks)
    for place, result in run(function, tasks):
        results[place] = result
        advance(1)
    return results


def explode_shard(task: ExplodeTask) -> str:
    """Write the exploded rows of one shard, a record batch for each partition; gives the file's path."""
    decision = _decision(task.work)
    if task.side is None:
        columns, explode = list(decision.columns), decision.explode
    else:
        _, side_columns, explode = decision.side[task.side]
        columns = list(side_columns)
    batches = unmarked_batches(Path(task.run_folder), task.shard.path, columns, task.shard.earlier_marks)
    table = pa.concat_tables([explode(batch) for batch in batches])
    table = table.append_column("shard", pa.array([task.number] * len(table), pa.int32()))
    write_partitions(Path(task.to), table, partition_of(table["key"], task.num_partitions), task.num_partitions)
    return task.to


def _decision(work: Work) -> ByKey:
    decision = work.operation().decision
    assert isinstance(decision, ByKey)
    return decision


def partition_of(keys: pa.ChunkedArray, num_partitions: int) -> npt.NDArray[np.int64]:
    """Partition number of each key: a stable hash of its text, so that it is the same in every process."""
    encoded = pc.dictionary_encode(keys).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.dictionary(pa.int32(), pa.string()))
    numbers = [_stable_hash(str(key)) % num_partitions for key in encoded.dictionary.to_pylist()]
    parts: npt.NDArray[np.int64] = np.array(numbers, np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]
    return parts


def _stable_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def write_partitions(path: Path, table: pa.Table, partition: npt.NDArray[np.int64], num_partitions: int) -> None:
    """An Arrow file whose n-th record batch holds the rows of partition n, in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        for part in parts(table, partition, num_partitions):
            batches = part.combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema))
    commit_file(temporary, path)


def read_partition(files: Sequence[str], number: int) -> pa.Table:
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
    write_partitions(Path(task.to), decided, np.zeros(len(decided), np.int64), 1)
    return task.to


def resolved_marks(work: Work, files: Sequence[str]) -> tuple[pa.Table, dict[str, Any]]:
    """The decisions of all partitions brought together, with the number of the shard each row is in, and the report.

    This runs in one process over what `decide` gave, never the rows themselves: about 100 bytes for each.
    """
    decided = read_partition(files, 0)
    decision = _decision(work)
    if decision.resolve is None:
        return decided, {}
    order = [(name, "ascending") for name in decided.column_names if name != "shard"]
    resolved = decision.resolve(decided.drop_columns(["shard"]).sort_by(order))
    marks, report = resolved if isinstance(resolved, Resolved) else (resolved, {})
    place = pc.index_in(marks["row_id"], value_set=decided["row_id"].combine_chunks())
    if place.null_count:
        raise StageError(f"step {work.step}: marks {place.null_count} rows that it did not see")
    return marks.append_column("shard", decided["shard"].combine_chunks().take(place)), report

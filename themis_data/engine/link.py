"""Groups of rows that are alike: candidates by key, pairs compared, and connected components, over many rows.

A row is a number, its shard and its place there, and what is compared lies in a file of sketches for each shard that
any task reads by place: so rows and texts never travel, only keys (24 bytes each) and pairs (24 bytes each) do. A task
of a partition holds KEYS_PER_PARTITION keys on average; a key that very many rows have stays whole, with a bounded
number of pairs. The components are found in one process, which holds the pairs that are alike, and of each row in one
of them what the decision ranks by: about 100 bytes for a pair and 300 for a row.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from pyarrow.parquet import read_metadata

from themis_data.dataset import read_batches
from themis_data.engine.marks import unmarked_batches
from themis_data.engine.rows import Link
from themis_data.engine.segment import Work
from themis_data.engine.shuffle import Run, Shard, in_order, read_partition, write_partitions
from themis_data.errors import StageError
from themis_data.manifest import commit_file, temporary_beside

KEYS_PER_PARTITION = 2_000_000  # bounds memory, never bears on the result
_PLACES = 40  # bits of a row's number for its place in the sketches of its shard; the shard's number stands above
_REACH = 8  # rows after it in its bucket that a row of a crowded bucket is compared with
_PAIRS_AT_ONCE = 16_384  # compared; bounds what a task holds of the sketches
_BATCH_BYTES = 64 * 1024 * 1024  # of sketches: few large batches, for what a task wants lies in many of them

_PLACE = (1 << _PLACES) - 1

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SketchTask:
    """One input shard, or one file of rows outside the build."""

    run_folder: str
    work: Work
    shard: Shard
    number: int  # the shard's; the files outside come after the shards
    is_other: bool
    num_partitions: int
    to: str  # without suffix: writes TO.sketch and TO.keys


@dataclass(frozen=True, kw_only=True)
class CandidatesTask:
    """One partition of the keys."""

    work: Work
    files: tuple[str, ...]
    partition: int
    starts: tuple[int, ...]  # rows before each shard and file, and of all of them
    first_other: int  # number of the first file outside the build: rows of two such files are no candidates
    num_partitions: int
    to: str


@dataclass(frozen=True, kw_only=True)
class CompareTask:
    """One partition of the pairs."""

    work: Work
    files: tuple[str, ...]
    sketches: tuple[str, ...]
    partition: int
    to: str


def linked(
    run: Run,
    work: Work,
    shards: Sequence[Shard],
    *,
    run_folder: Path,
    scratch: Path,
    progress: Callable[[int], Callable[[int], None]],
) -> tuple[pa.Table, list[str]]:
    """The marks that a decision gives, with the number of the shard each row is in, and what to warn of.

    `progress` is told how many tasks there are, and gives what is told of each that is done.
    """
    link = _link(work)
    others = [Shard(path=path, rows=read_metadata(path).num_rows) for path in link.others]
    everything = [*shards, *others]
    num_keys = link.keys_per_row * sum(shard.rows for shard in everything)
    partitions = max(1, math.ceil(num_keys / KEYS_PER_PARTITION))
    advance = progress(len(everything) + 2 * partitions)
    sketch = [
        SketchTask(
            run_folder=str(run_folder),
            work=work,
            shard=shard,
            number=number,
            is_other=number >= len(shards),
            num_partitions=partitions,
            to=str(scratch / f"{number:05d}"),
        )
        for number, shard in enumerate(everything)
    ]
    sketched = in_order(run, sketch_shard, sketch, advance)
    sketches, keys = tuple(f"{to}.sketch" for to in sketched), tuple(f"{to}.keys" for to in sketched)
    find = [
        CandidatesTask(
            work=work,
            files=keys,
            partition=number,
            starts=tuple(accumulate((shard.rows for shard in everything), initial=0)),
            first_other=len(shards),
            num_partitions=partitions,
            to=str(scratch / f"candidates-{number:05d}.arrow"),
        )
        for number in range(partitions)
    ]
    found = in_order(run, find_candidates, find, advance)
    compare = [
        CompareTask(
            work=work,
            files=tuple(path for path, _, _ in found),
            sketches=sketches,
            partition=number,
            to=str(scratch / f"alike-{number:05d}.arrow"),
        )
        for number in range(partitions)
    ]
    alike = in_order(run, compare_pairs, compare, advance)
    marks = group_marks(work, alike, sketches, len(shards))
    crowded = sum(number for _, number, _ in found)
    warning = (
        f"{work.step}: {crowded:,} keys are of more than {link.max_bucket} rows (the most crowded of "
        f"{max(most for _, _, most in found):,}): there each row was compared with the {_REACH} after it only"
    )
    return marks, [warning] if crowded else []


def sketch_shard(task: SketchTask) -> str:
    """Write the sketches of one shard, batch by batch, and its keys, cut by partition; gives TO."""
    link = _link(task.work)
    if task.is_other:
        assert link.sketch_others is not None
        batches, sketch = read_batches(Path(task.shard.path)), link.sketch_others
    else:
        shard = task.shard
        batches = unmarked_batches(Path(task.run_folder), shard.path, list(link.columns), shard.earlier_marks)
        sketch = link.sketch
    keys: list[npt.NDArray[np.uint64]] = []
    owners: list[Numbers] = []
    orders: list[npt.NDArray[np.uint64]] = []
    sketch_file = Path(f"{task.to}.sketch")
    sketch_file.parent.mkdir(parents=True, exist_ok=True)
    temporary, place = temporary_beside(sketch_file), 0
    writer: Any = None
    held: list[pa.Table] = []
    with pa.OSFile(str(temporary), "wb") as sink:
        for batch in batches:
            sketched = sketch(batch)
            if len(sketched) != len(batch):
                raise StageError(f"step {task.work.step}: {len(sketched)} sketches of {len(batch)} rows")
            own = sketched["keys"].combine_chunks()
            ids = sketched["row_id"].to_pylist()
            owner = np.repeat(np.arange(len(batch)), pc.list_value_length(own).to_numpy(zero_copy_only=False))
            keys.append(own.flatten().to_numpy(zero_copy_only=False).astype(np.uint64))
            owners.append((np.int64(task.number) << _PLACES) + place + owner)
            orders.append(np.array([xxhash.xxh3_64_intdigest(i.encode()) for i in ids], np.uint64)[owner])
            held.append(sketched.drop_columns(["keys"]))
            if writer is None:
                writer = pa.ipc.new_file(sink, held[0].schema)
            if sum(table.nbytes for table in held) >= _BATCH_BYTES:
                writer.write_table(pa.concat_tables(held).combine_chunks())
                held = []
            place += len(batch)
        if held:
            writer.write_table(pa.concat_tables(held).combine_chunks())
        writer.close()
    commit_file(temporary, sketch_file)
    key = np.concatenate(keys)
    table = pa.table({"key": key, "row": np.concatenate(owners), "order": np.concatenate(orders)})
    write_partitions(Path(f"{task.to}.keys"), table, _part(key, task.num_partitions), task.num_partitions)
    return task.to


def find_candidates(task: CandidatesTask) -> tuple[str, int, int]:
    """Write the pairs of rows that have a key of this partition in common, cut by partition of the pairs.

    Gives the file's path, how many keys more rows have than all pairs are compared of, and how many rows the most
    crowded of them has.
    """
    link = _link(task.work)
    table = read_partition(task.files, task.partition)
    key, row, order = (table[name].to_numpy() for name in ("key", "row", "order"))
    by = np.lexsort((row, order, key))
    key, row = key[by], row[by]
    ends = np.flatnonzero(np.append(key[1:] != key[:-1], True)) if len(key) else np.zeros(0, np.int64)
    sizes = np.diff(ends, prepend=-1)
    crowded = np.repeat(sizes > link.max_bucket, sizes)
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    starts = np.arange(len(key))
    for distance in range(1, max(link.max_bucket, _REACH + 1)):
        starts = starts[: np.searchsorted(starts, len(key) - distance)]
        starts = starts[key[starts] == key[starts + distance]]
        if distance > _REACH:
            starts = starts[~crowded[starts]]
        if not len(starts):
            break
        left.append(row[starts])
        right.append(row[starts + distance])
    a, b = np.concatenate(left), np.concatenate(right)
    a, b = np.minimum(a, b), np.maximum(a, b)
    own = (a != b) & (a >> _PLACES < task.first_other)
    a, b = _distinct(a[own], b[own])
    # By the place of the first row: then what a task reads of the sketches lies together, for one row of each pair.
    place = np.array(task.starts)[a >> _PLACES] + (a & _PLACE)
    part = place * task.num_partitions // max(1, task.starts[-1])
    write_partitions(Path(task.to), pa.table({"a": a, "b": b}), part, task.num_partitions)
    return task.to, int((sizes > link.max_bucket).sum()), int(sizes.max(initial=0))


def compare_pairs(task: CompareTask) -> str:
    """Write those pairs of a partition that are alike, with how much; gives the file's path."""
    link = _link(task.work)
    pairs = read_partition(task.files, task.partition)
    a, b = _distinct(pairs["a"].to_numpy(), pairs["b"].to_numpy())
    sketches = _Sketches(task.sketches)
    similarity = np.full(len(a), np.nan)
    for start in range(0, len(a), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        rows, ends = np.unique(np.concatenate([a[part], b[part]]), return_inverse=True)
        one, other = np.split(ends, 2)
        similarity[part] = link.compare(sketches.take(rows), one, other)
    alike = ~np.isnan(similarity)
    table = pa.table({"a": a[alike], "b": b[alike], "similarity": similarity[alike]})
    write_partitions(Path(task.to), table, np.zeros(len(table), np.int64), 1)
    return task.to


def group_marks(work: Work, files: Sequence[str], sketches: Sequence[str], first_other: int) -> pa.Table:
    """The marks that the decision gives for all groups, with the number of the shard each row is in."""
    link = _link(work)
    pairs = read_partition(list(files), 0)
    a, b, similarity = (pairs[name].to_numpy() for name in ("a", "b", "similarity"))
    rows, ends = np.unique(np.concatenate([a, b]), return_inverse=True)
    members = _Sketches(sketches).take(rows, ["row_id", *link.rank])
    by_id = np.argsort(members["row_id"].to_numpy(zero_copy_only=False).astype(str), kind="stable")
    place_of = np.empty(len(rows), np.int64)
    place_of[by_id] = np.arange(len(rows))
    one, other = place_of[ends[: len(a)]], place_of[ends[len(a) :]]
    rows, members = rows[by_id], members.take(pa.array(by_id))
    nearest, at = _nearest(one, other, similarity, len(rows))
    members = (
        members.append_column("group", pa.array(_components(one, other, len(rows))))
        .append_column("is_other", pa.array(rows >> _PLACES >= first_other))
        .append_column("nearest", members["row_id"].take(pa.array(nearest)))
        .append_column("similarity", pa.array(at))
    )
    marks = link.decide(members.sort_by([("group", "ascending"), ("row_id", "ascending")]))
    place = pc.index_in(marks["row_id"], value_set=members["row_id"].combine_chunks())
    if place.null_count:
        raise StageError(f"step {work.step}: marks {place.null_count} rows that are in no group")
    shard = pa.array(rows >> _PLACES, pa.int32()).take(place.combine_chunks())
    return marks.append_column("shard", shard).filter(pc.less(shard, first_other))


def _link(work: Work) -> Link:
    decision = work.operation().decision
    assert isinstance(decision, Link)
    return decision


def _part(values: npt.NDArray[np.uint64], num_partitions: int) -> Numbers:
    """Partition of each number, the high bits of a product: keys may be hashes whose low bits are taken already."""
    spread = (values * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(33)
    return (spread % np.uint64(num_partitions)).astype(np.int64)


def _distinct(a: Numbers, b: Numbers) -> tuple[Numbers, Numbers]:
    """The distinct pairs, sorted."""
    by = np.lexsort((b, a))
    a, b = a[by], b[by]
    first = np.ones(len(a), bool)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return a[first], b[first]


def _components(one: Numbers, other: Numbers, size: int) -> Numbers:
    """Number of each row's component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _nearest(
    one: Numbers, other: Numbers, similarity: npt.NDArray[np.float64], size: int
) -> tuple[Numbers, npt.NDArray[np.float64]]:
    """For each row its most similar one, of equally similar ones the first, and how similar that is."""
    row, near = np.concatenate([one, other]), np.concatenate([other, one])
    at = np.concatenate([similarity, similarity])
    by = np.lexsort((near, -at, row))
    first = np.searchsorted(row[by], np.arange(size))
    return near[by][first], at[by][first]


class _Sketches:
    """The sketches of all shards, read by row number."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files, self._opened = files, dict[int, tuple[Any, Numbers]]()

    def take(self, rows: Numbers, columns: list[str] | None = None) -> pa.Table:
        """One sketch for each of the rows, which are distinct and sorted."""
        return pa.Table.from_batches(self._pieces(rows, columns), self._schema_of(columns)).combine_chunks()

    def _pieces(self, wanted: Numbers, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        shard_of = wanted >> _PLACES
        for shard in np.unique(shard_of):
            reader, ends = self._open(int(shard))
            places = wanted[shard_of == shard] & _PLACE
            batch_of = np.searchsorted(ends, places, side="right")
            for number in np.unique(batch_of):
                batch = reader.get_batch(int(number))
                own = places[batch_of == number] - (ends[number - 1] if number else 0)
                yield (batch.select(columns) if columns else batch).take(pa.array(own))

    def _schema_of(self, columns: list[str] | None) -> pa.Schema:
        schema: pa.Schema = self._open(0)[0].schema
        return pa.schema([schema.field(name) for name in columns]) if columns else schema

    def _open(self, shard: int) -> tuple[Any, Numbers]:
        if shard not in self._opened:
            reader = pa.ipc.open_file(pa.memory_map(self._files[shard]))
            sizes = [reader.get_batch(number).num_rows for number in range(reader.num_record_batches)]
            self._opened[shard] = reader, np.cumsum(np.array(sizes, np.int64))
        return self._opened[shard]

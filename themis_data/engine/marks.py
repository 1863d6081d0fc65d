"""What a decision over many rows says of each: a reason to drop it, or something to write into it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.dataset import parts, read_batches, read_table, write_tables
from themis_data.manifest import FileRecord
from themis_data.schema import schema

_SAYS = ("row_id", "reason", "detail")


def apply_marks(marks: pa.Table, rows: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The rows that are kept, the rows that are dropped, and the marks of those.

    A mark without a reason keeps its row, and what its other columns hold is written into the row's columns of the same
    names; null leaves them as they are.
    """
    hit = pc.index_in(rows["row_id"], value_set=marks["row_id"].combine_chunks())
    if hit.null_count == len(hit):
        return rows, rows.slice(0, 0), marks.slice(0, 0)
    own = marks.take(hit)
    is_dropped = pc.is_valid(own["reason"])
    kept, said = rows.filter(pc.invert(is_dropped)), own.filter(pc.invert(is_dropped))
    for name in marks.column_names:
        if name not in _SAYS and name in kept.column_names and said[name].null_count < len(said):
            place = kept.schema.get_field_index(name)
            written = pc.coalesce(said[name].cast(kept.schema.field(name).type), kept[name])
            kept = kept.set_column(place, kept.schema.field(name), written)
    return kept, rows.filter(is_dropped), own.filter(is_dropped)


def unmarked_batches(root: Path, path: str, columns: list[str], earlier: Sequence[str]) -> Iterator[pa.Table]:
    """Columns of a shard's rows as earlier decisions left them, batch by batch; one empty table for no rows."""
    marks = [read_table(root / name) for name in earlier]
    is_first = True
    for batch in read_batches(root / path, columns):
        for own in marks:
            batch, _, _ = apply_marks(own, batch)
        if len(batch) or is_first:
            yield batch
        is_first = False


def write_marks(marks: pa.Table, num_shards: int, to: Path, step: str, root: Path) -> list[FileRecord]:
    """Write the marks of each shard, sorted by row id, one file a shard. `marks` has a column `shard`."""
    described = schema("mark")
    for column in described.columns:
        if column.name not in marks.column_names and column.null:
            marks = marks.append_column(column.name, pa.nulls(len(marks), column.arrow.type))
    marks = first_of_each_row(marks)
    records = []
    for number, part in enumerate(parts(marks, marks["shard"].to_numpy(), num_shards)):
        own = described.conform(part, f"step {step}")
        records.append(write_tables(to / f"{number:05d}.parquet", described.arrow, [own], relative_to=root))
    return records


def first_of_each_row(marks: pa.Table) -> pa.Table:
    """One mark a row: the first by (reason, detail), and one with a reason before one without."""
    table = marks.sort_by([("row_id", "ascending"), ("reason", "ascending"), ("detail", "ascending")])
    if not len(table):
        return table
    ids = table["row_id"].combine_chunks()
    is_first = pa.concat_arrays([pa.array([True]), pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1))])
    return table.filter(is_first)

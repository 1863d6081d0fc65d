"""Rows that must be seen together, out of more than memory holds.

Tables of rows go to temporary Arrow files, cut by a hash of their key (`engine.shuffle`); then one partition after the
other is read back whole. What fits into one file's worth of memory never goes to disk.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.shuffle import partition_of, read_partition, write_partitions

SPOOL_BYTES = 128 << 20  # rows that are held before they are written; the peak is about four times that
PARTITIONS = 1024  # of what does not fit; each is then held whole


def grouped(
    tables: Iterable[pa.Table], column: str, *, scratch: Path | None, spool_bytes: int = SPOOL_BYTES
) -> Iterator[pa.Table]:
    """A table for each value of a column, with all its rows in the order they came in; nulls are one value.

    The order of the tables depends on the rows alone. `scratch` is where temporary files go; by default where the
    system puts them.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="themis-together-") as folder:
        files: list[str] = []
        held: list[pa.Table] = []
        size = 0
        for table in tables:
            held.append(table)
            size += table.nbytes
            if size >= spool_bytes:
                files.append(_spooled(held, column, Path(folder) / f"{len(files):06d}.arrow"))
                held, size = [], 0
        if not files:
            if held:
                yield from _groups(pa.concat_tables(held), column)
            return
        if held:
            files.append(_spooled(held, column, Path(folder) / f"{len(files):06d}.arrow"))
        for number in range(PARTITIONS):
            partition = read_partition(files, number)
            if len(partition):
                yield from _groups(partition, column)


def _spooled(tables: list[pa.Table], column: str, path: Path) -> str:
    table = pa.concat_tables(tables)
    write_partitions(path, table, partition_of(_keys(table, column), PARTITIONS), PARTITIONS)
    return str(path)


def _keys(table: pa.Table, column: str) -> pa.ChunkedArray:
    return pc.fill_null(table[column].cast(pa.large_string()), "")


def _groups(table: pa.Table, column: str) -> Iterator[pa.Table]:
    keys = _keys(table, column)
    order = pc.sort_indices(keys)  # stable
    table, keys = table.take(order), keys.take(order)
    ends = [at for at, run in enumerate(_starts(keys.to_pylist())) if run]
    for start, end in zip(ends, [*ends[1:], len(table)], strict=True):
        yield table.slice(start, end - start)


def _starts(keys: list[str]) -> list[bool]:
    return [at == 0 or key != keys[at - 1] for at, key in enumerate(keys)]

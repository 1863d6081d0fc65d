"""Rows of a finished build as its last segments left them."""

from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow as pa

from themis_data.dataset import read_batches
from themis_data.report.explain import Part, Run


def last_parts(run: Run) -> tuple[Part, ...]:
    """The segments that wrote what is published: the last of the merge, or of each branch where nothing follows."""
    last = {part.track: part for part in run.parts}
    return (last["merge"],) if "merge" in last else tuple(last.values())


def last_rows(run: Run, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """These columns of the rows that are published, a row group at a time."""
    for part in last_parts(run):
        for path in part.rows:
            for table in read_batches(path, list(columns)):
                yield as_frame(table)


def as_frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame

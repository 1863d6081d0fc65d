"""`polars.read_parquet` over the files of a configuration: class labels are bare numbers there."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from themis_data.publish.consumers import Consumer, shards
from themis_data.publish.consumers._loading import conversations


def _tables(place: Path, config: str, scratch: Path) -> Iterator[pa.Table]:
    for path in shards(place, config):
        frame = pl.read_parquet(path, glob=False)
        if config == "default":
            frame = frame.with_columns(prompt=pl.col("input"), criterion=pl.col("aspect").cast(pl.String))
        for part in frame.iter_slices(1_000):
            yield conversations(part.to_arrow()) if config == "trl" else part.to_arrow()


CONSUMER = Consumer(
    tables=_tables,
    configs=None,
    criterion={"default": "column", "trl": "system"},
    cut=None,
    how='polars.read_parquet("hf://datasets/ORG/NAME@VERSION/FOLDER/*.parquet")',
)

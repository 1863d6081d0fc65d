"""`polars.read_parquet` over the files of a configuration: class labels are bare numbers there."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from themis_data.publish.consumers import Consumer, shards
from themis_data.publish.consumers._loading import PLAIN, conversations, plain


def _tables(place: Path, config: str, scratch: Path) -> Iterator[pa.Table]:
    for path in shards(place, config):
        for part in pl.read_parquet(path, glob=False).iter_slices(1_000):
            table = part.to_arrow()
            if config == "trl":
                table = conversations(table)
            yield plain(table) if config in PLAIN else table


CONSUMER = Consumer(
    tables=_tables,
    configs=None,
    criterion={**dict.fromkeys(PLAIN, "column"), "trl": "system"},
    cut=None,
    how='polars.read_parquet("hf://datasets/ORG/NAME@VERSION/FOLDER/*.parquet")',
)

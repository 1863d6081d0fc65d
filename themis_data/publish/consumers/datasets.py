"""`datasets.load_dataset` on the folder: every configuration of the card's header, with its declared features."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.publish.consumers import Consumer, Unreadable
from themis_data.publish.consumers._loading import PLAIN, conversations, load, plain, tables
from themis_data.publish.layouts import layout


def _tables(place: Path, config: str, scratch: Path) -> Iterator[pa.Table]:
    for split in load(place, scratch, name=config):
        expected = _declared(config)
        found = {name: str(feature) for name, feature in split.features.items()}
        if found != expected:
            wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            raise Unreadable(f"features of {wrong} are not those that are declared")
        for table in tables(split):
            if config == "trl":
                yield conversations(table)
            elif config == "default":
                aspect = pc.take(pa.array(split.features["aspect"].names), table["aspect"])
                yield plain(table.set_column(table.column_names.index("aspect"), "aspect", aspect))
            else:
                yield plain(table) if config in PLAIN else table


def _declared(config: str) -> dict[str, str]:
    import datasets

    declared = datasets.Features.from_arrow_schema(layout(config).arrow)
    # Parquet has no seconds.
    return {name: str(feature).replace("timestamp[s]", "timestamp[ms]") for name, feature in declared.items()}


CONSUMER = Consumer(
    tables=_tables,
    configs=None,
    criterion={**dict.fromkeys(PLAIN, "column"), "trl": "system"},
    cut=None,
    how='load_dataset("ORG/NAME", CONFIG, revision=VERSION)',
)

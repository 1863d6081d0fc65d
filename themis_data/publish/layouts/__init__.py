"""Configurations of a published data set, one a file: which columns a consumer gets, made from `preference` rows."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from themis_data.lookup import find, known_modules
from themis_data.schema import Schema, schema


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One configuration.

    `convert` gives the rows of the schema it publishes, in order; pairs that it cannot hold (a language the published
    label does not have) are left out, and counted by whoever writes them. With `explodes` a pair may have any number of
    rows, together under its id, which is the first column of the schema's key; without, it has one at most.
    """

    folder: str  # under the data set
    schema: str
    convert: Callable[[pa.Table], pa.Table]
    explodes: bool = False
    lacks: str = "pairs whose language or criterion its labels lack"  # which ones are left out, where some are

    @property
    def arrow(self) -> pa.Schema:
        """Arrow schema with the features that `datasets` reads class labels from.

        `datasets` passes over the features of a field that forbids nulls, so there no field does.
        """
        described = schema(self.schema)
        if not any(column.labels for column in described.columns):
            return described.arrow
        metadata = dict(described.arrow.metadata or {})
        metadata[b"huggingface"] = json.dumps({"info": {"features": features(described)}}).encode()
        return pa.schema([field.with_nullable(True) for field in described.arrow], metadata=metadata)


def features(described: Schema) -> dict[str, dict[str, object]]:
    """The columns as `datasets` describes features; for schemas of plain values and class labels."""
    return {
        column.name: {"names": list(column.labels), "_type": "ClassLabel"}
        if column.labels
        else {"dtype": column.type, "_type": "Value"}
        for column in described.columns
    }


def known_layouts() -> tuple[str, ...]:
    """Names of all configurations."""
    return known_modules("publish.layouts")


def layout(name: str) -> Layout:
    """The configuration of that name. Raises UnknownName."""
    found: Layout = find("publish.layouts", name, "LAYOUT")  # type: ignore[assignment]  # a value, not a class
    return found

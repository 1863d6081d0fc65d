"""Configurations of a published data set, one a file: which columns a consumer gets, made from `preference` rows."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.lookup import find, known_modules
from themis_data.schema import Schema, schema


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One configuration.

    `convert` gives the rows of the schema it publishes, in order; pairs that it cannot hold (a language the published
    label does not have) are left out, and counted by whoever writes them. With `explodes` a pair may have any number of
    rows, together under its id, which is the first column of the schema's key; without, it has one at most.

    A configuration has the build's splits, or with `split_by` one for each of `splits`: the rows of which that column
    says so, of whichever split of the build.
    """

    folder: str  # under the data set
    schema: str
    convert: Callable[[pa.Table], pa.Table]
    explodes: bool = False
    split_by: str | None = None  # column that says which split a row is in; null: the build says it
    splits: tuple[str, ...] = ()  # all that the column says, with split_by
    lacks: str = "pairs whose language or criterion its labels lack"  # which ones are left out, where some are

    def split_names(self, of_build: Sequence[str]) -> tuple[str, ...]:
        """Names of its splits, where the build has these."""
        return self.splits if self.split_by is not None else tuple(of_build)

    def divided(self, rows: pa.Table, of_build: str) -> Iterator[tuple[str, pa.Table]]:
        """Converted rows of one split of the build, by the split they are published in."""
        if self.split_by is None:
            yield of_build, rows
        for name in self.splits:
            yield name, rows.filter(pc.equal(rows[self.split_by], name))

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


def main(names: Collection[str]) -> str | None:
    """Of these configurations the one that consumers get who name none; null where that is any of them."""
    return next((name for name in ("default", "Full") if name in names), None)


def known_layouts() -> tuple[str, ...]:
    """Names of all configurations."""
    return known_modules("publish.layouts")


def layout(name: str) -> Layout:
    """The configuration of that name. Raises UnknownName."""
    found: Layout = find("publish.layouts", name, "LAYOUT")  # type: ignore[assignment]  # a value, not a class
    return found

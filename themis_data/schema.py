"""Named Arrow tables: what stages agree on. Each is one YAML file in `schemas/`, every column documented."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from themis_data.errors import SchemaError, UnknownName
from themis_data.lookup import shipped_folder, unknown
from themis_data.yaml_file import read_yaml

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "binary": pa.binary(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp[s]": pa.timestamp("s"),
    "list<string>": pa.list_(pa.string()),
    "list<large_string>": pa.list_(pa.large_string()),
    "list<int32>": pa.list_(pa.int32()),
    "list<int64>": pa.list_(pa.int64()),
    "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())])),
}


def _arrow_type(name: str) -> pa.DataType:
    """The Arrow type that a schema file calls so; `list<NAME>` of another schema is a list of its rows as structs."""
    return _TYPES[name] if name in _TYPES else pa.list_(pa.struct(list(schema(_rows_of(name)).arrow)))


def _rows_of(type_name: str) -> str:
    return type_name.removeprefix("list<").removesuffix(">")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its Arrow type, what it means, its unit, and whether null is a value it may have."""

    name: str
    type: str
    doc: str
    null: bool = False
    unit: str | None = None
    labels: tuple[str, ...] = ()  # class labels: stored as int64, named in the data set's features

    @property
    def arrow(self) -> pa.Field:
        metadata = {"doc": self.doc} | ({"unit": self.unit} if self.unit else {})
        return pa.field(
            self.name, pa.int64() if self.labels else _arrow_type(self.type), nullable=self.null, metadata=metadata
        )


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A named table with documented columns."""

    name: str
    version: int
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """What the numbers of a column of class labels stand for, in order, by the column's name."""
        return {column.name: column.labels for column in self.columns if column.labels}

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def arrow(self) -> pa.Schema:
        return _arrow(self)

    def empty(self) -> pa.Table:
        return self.arrow.empty_table()

    def table(self, columns: dict[str, Any]) -> pa.Table:
        """A table of this schema from columns of Python values or Arrow arrays; a nullable column may be left out."""
        length = len(next(iter(columns.values()))) if columns else 0
        wrong = sorted(set(columns) - set(self.names))
        lacking = sorted(c.name for c in self.columns if not c.null and c.name not in columns)
        if wrong or lacking:
            raise SchemaError(
                f"schema {self.name}: columns that it does not have: {wrong}; columns that lack: {lacking}"
            )
        arrays = [
            _as_array(columns[c.name], c.arrow.type) if c.name in columns else pa.nulls(length, c.arrow.type)
            for c in self.columns
        ]
        return pa.Table.from_arrays(arrays, schema=self.arrow)

    def conform(self, table: pa.Table, where: str) -> pa.Table:
        """The table with exactly this schema's columns, in order; working columns are left behind.

        Raises SchemaError when a column lacks, has another type, or has nulls that are not allowed.
        """
        lacking = [c.name for c in self.columns if c.name not in table.column_names]
        if lacking:
            raise SchemaError(
                f"{where}: columns {lacking} of schema {self.name} v{self.version} lack; found {table.column_names}"
            )
        arrays = []
        for column in self.columns:
            field, array = column.arrow, table.column(column.name)
            if array.type != field.type:
                if not (pa.types.is_null(array.type) or _same_family(array.type, field.type)):
                    raise SchemaError(
                        f"{where}: column {column.name!r} is {array.type}, schema {self.name} "
                        f"v{self.version} says {field.type}"
                    )
                array = array.cast(field.type)
            if array.null_count and not column.null:
                raise SchemaError(
                    f"{where}: column {column.name!r} is null in {array.null_count} of {len(array)} rows; "
                    f"schema {self.name} v{self.version} forbids nulls there"
                )
            arrays.append(array)
        return pa.Table.from_arrays(arrays, schema=self.arrow)


@cache
def _arrow(schema: Schema) -> pa.Schema:
    metadata = {"themis_schema": f"{schema.name}/{schema.version}", "doc": schema.doc}
    return pa.schema([column.arrow for column in schema.columns], metadata=metadata)


def _as_array(values: Any, type_: pa.DataType) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values if values.type == type_ else values.cast(type_)
    return pa.array(values, type_)


def _same_family(a: pa.DataType, b: pa.DataType) -> bool:
    """Whether two types hold the same values. Parquet has no seconds: timestamps come back in milliseconds."""
    if pa.types.is_list(a) and pa.types.is_list(b):
        return pa.types.is_null(a.value_type) or _same_family(a.value_type, b.value_type)
    if pa.types.is_timestamp(a) or pa.types.is_struct(a):
        return bool(pa.types.is_timestamp(b) or pa.types.is_struct(b))
    return bool(a == b) or all(pa.types.is_string(t) or pa.types.is_large_string(t) for t in (a, b))


def _column(mapping: dict[str | None, Any]) -> Column:
    # YAML reads a bare `null` as None, also where it is a key.
    settings = {("null" if key is None else key): value for key, value in mapping.items()}
    return Column(**{**settings, "labels": tuple(settings.get("labels", ()))})


def known_schemas() -> tuple[str, ...]:
    """Names of all schemas, sorted."""
    return tuple(sorted(path.stem for path in shipped_folder("schemas").glob("*.yaml")))


@cache
def schema(name: str) -> Schema:
    """The schema of that name. Raises UnknownName, or SchemaError when its file is wrong."""
    path = shipped_folder("schemas") / f"{name}.yaml"
    if not path.is_file():
        raise UnknownName(unknown("schema", name, known_schemas()))
    return _read(path)


def _read(path: Path) -> Schema:
    content = read_yaml(path)
    try:
        columns = tuple(_column(c) for c in content.pop("columns"))
        read = Schema(**{**content, "key": tuple(content["key"])}, columns=columns)
    except (TypeError, KeyError) as error:
        raise SchemaError(
            f"{path}: {error}; a schema has name, version, doc, key and columns (name, type, doc)"
        ) from error
    lacking = [name for name in read.key if name not in read.names]
    if lacking:
        raise SchemaError(f"{path}: the key columns {lacking} are no columns")
    for column in columns:
        is_nested = column.type.startswith("list<") and _rows_of(column.type) in known_schemas()
        if column.type not in _TYPES and not column.labels and not is_nested:
            raise SchemaError(f"{path}: column {column.name!r}: " + unknown("type", column.type, _TYPES))
    if read.name != path.stem:
        raise SchemaError(f"{path}: the schema calls itself {read.name!r}; the file name is the name")
    return read

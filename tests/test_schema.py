"""Named tables: conforming, refusing, and what Parquet does to types."""

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from themis_data.errors import SchemaError, UnknownName
from themis_data.schema import _read, known_schemas, schema

DROP = {"row_id": ["a"], "step": ["s"], "reason": ["r"], "parent_ids": [["p"]]}


def test_an_unknown_schema_offers_the_near_name():
    with pytest.raises(UnknownName, match="Did you mean 'change'"):
        schema("chance")


def test_a_nullable_column_may_be_left_out():
    assert schema("drop").table(DROP)["detail"].to_pylist() == [None]


def test_a_column_that_lacks_is_an_error():
    with pytest.raises(SchemaError, match=r"columns that lack: \['step'\]"):
        schema("drop").table({k: v for k, v in DROP.items() if k != "step"})


def test_a_column_it_does_not_have_is_an_error():
    with pytest.raises(SchemaError, match=r"does not have: \['color'\]"):
        schema("drop").table({**DROP, "color": ["red"]})


def test_an_empty_table_has_every_column():
    assert schema("drop").empty().column_names == ["row_id", "step", "reason", "detail", "parent_ids"]


def test_conform_leaves_working_columns_behind():
    table = schema("drop").table(DROP).append_column("working", pa.array([1]))

    assert schema("drop").conform(table, "step s").column_names == schema("drop").names


def test_conform_puts_columns_in_order():
    table = schema("drop").table(DROP)

    assert table.equals(schema("drop").conform(table.select(table.column_names[::-1]), "step s"))


def test_conform_names_the_columns_that_lack():
    with pytest.raises(SchemaError, match=r"step s: columns \['reason'\] of schema drop v1 lack"):
        schema("drop").conform(schema("drop").table(DROP).drop_columns(["reason"]), "step s")


def test_conform_names_the_column_of_another_type():
    table = schema("drop").table(DROP).set_column(1, "step", pa.array([3]))

    with pytest.raises(SchemaError, match="step s: column 'step' is int64, schema drop v1 says string"):
        schema("drop").conform(table, "step s")


def test_conform_counts_forbidden_nulls():
    table = schema("drop").table({**DROP, "row_id": pa.array([None], pa.string())})

    with pytest.raises(SchemaError, match="column 'row_id' is null in 1 of 1 rows; schema drop v1 forbids nulls"):
        schema("drop").conform(table, "step s")


def test_a_table_comes_back_from_parquet_and_conforms(tmp_path):
    rows = schema("commit").table(
        {
            "commit": ["c"],
            "repos": ["h/o/n"],
            "parents": [["p", "q"]],
            "committed_at": [datetime(2020, 1, 2, 3, 4, 5)],
            "subject": ["s"],
            "reverts": [[]],
            "num_paths": [1],
            "edit_keys": [[1, 2]],
        }
    )
    pq.write_table(rows, tmp_path / "x.parquet")

    assert rows.equals(schema("commit").conform(pq.read_table(tmp_path / "x.parquet"), "step s"))


def test_a_nested_table_comes_back_from_parquet_and_conforms(tmp_path):
    message = [{"role": "user", "content": "hello"}]
    rows = schema("published_trl").table({"prompt": [message], "chosen": [message], "rejected": [message], "id": ["i"]})
    pq.write_table(rows, tmp_path / "x.parquet")

    assert rows.equals(schema("published_trl").conform(pq.read_table(tmp_path / "x.parquet"), "step s"))


def test_the_arrow_schema_carries_the_documentation():
    field = schema("change").arrow.field("committed_at")

    assert {b"doc": b"Committer time; null where a data set does not say it.", b"unit": b"UTC"} == field.metadata


def test_the_known_schemas_are_the_files():
    assert "change" in known_schemas() and "published_default" in known_schemas()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: x\nversion: 1\ndoc: d\nkey: [a]\ncolumns: [{name: a, type: strin, doc: d}]",
            "no type named 'strin'. Did you mean 'string'",
        ),
        (
            "name: y\nversion: 1\ndoc: d\nkey: [a]\ncolumns: [{name: a, type: string, doc: d}]",
            "calls itself 'y'; the file name is the name",
        ),
        ("name: x\nversion: 1\ndoc: d\nkey: [a]\ncolumns: [{name: a, type: string}]", "a schema has name, version"),
        ("name: x\nversion: 1\nkey: [a]\ncolumns: []", "a schema has name, version"),
        (
            "name: x\nversion: 1\ndoc: d\nkey: [b]\ncolumns: [{name: a, type: string, doc: d}]",
            r"key columns \['b'\] are no columns",
        ),
    ],
)
def test_a_wrong_schema_file_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SchemaError, match=message):
        _read(path)

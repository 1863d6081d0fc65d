"""Marks drop rows with a reason, or write into rows that stay."""

import pyarrow as pa
from builds import changes

from themis_data.dataset import read_table
from themis_data.engine.marks import apply_marks, write_marks
from themis_data.schema import schema


def marks(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=schema("mark").arrow)


def test_a_row_with_a_reason_goes_and_one_without_gets_what_its_mark_says() -> None:
    rows = changes({"row_id": "a"}, {"row_id": "b"}, {"row_id": "c", "cluster_size": 5})
    said = marks(
        {"row_id": "b", "reason": "twice", "detail": "of a"},
        {"row_id": "a", "cluster_id": "a", "cluster_size": 2},
    )

    kept, dropped, why = apply_marks(said, rows)

    assert [("a", "a", 2), ("c", None, 5)] == [
        (row["row_id"], row["cluster_id"], row["cluster_size"]) for row in kept.to_pylist()
    ]
    assert rows.schema == kept.schema
    assert ["b"] == dropped["row_id"].to_pylist()
    assert ["twice"] == why["reason"].to_pylist()


def test_null_leaves_what_stands_there() -> None:
    rows = changes({"row_id": "a", "cluster_id": "x", "cluster_size": 3})

    kept, _, _ = apply_marks(marks({"row_id": "a", "cluster_size": 4}), rows)

    assert [("x", 4)] == [(row["cluster_id"], row["cluster_size"]) for row in kept.to_pylist()]


def test_no_marks_leave_all_rows_as_they_are() -> None:
    rows = changes({}, {})

    kept, dropped, _ = apply_marks(marks(), rows)

    assert rows.equals(kept)
    assert 0 == len(dropped)


def test_a_reason_counts_before_what_is_written(tmp_path) -> None:
    said = pa.concat_tables(
        [marks({"row_id": "a", "cluster_size": 2}), marks({"row_id": "a", "reason": "r"}, {"row_id": "b"})]
    )
    [record] = write_marks(said.append_column("shard", pa.array([0, 0, 0], pa.int32())), 1, tmp_path, "s", tmp_path)

    assert [("a", "r"), ("b", None)] == [
        (row["row_id"], row["reason"]) for row in read_table(tmp_path / record.path).to_pylist()
    ]

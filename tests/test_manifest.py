"""Records: whole or not at all, and never edited unnoticed."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.errors import ManifestError
from themis_data.manifest import (
    FileRecord,
    ShardRecord,
    StepCount,
    read_record,
    shard_record,
    write_atomically,
    write_record,
)

FILE = FileRecord(path="a.parquet", rows=2, bytes=10, sha256="0" * 64)
COUNT = StepCount(step="keep", rows_in=5, rows_out=3, dropped={"a": 2}, parents_kept=3)
SHARD = ShardRecord(
    name="n", fingerprint="f", made_from="m", rows=FILE, drops=FILE, side={"commit": FILE}, steps=(COUNT,), seconds=0.5
)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    write_record(tmp_path / "r.json", SHARD)

    assert SHARD == shard_record(read_record(tmp_path / "r.json"))


def test_a_record_is_readable_json_with_a_line_a_key(tmp_path):
    write_record(tmp_path / "r.json", {"name": "ü", "rows": 1})

    assert '\n "name": "ü",\n' in (tmp_path / "r.json").read_text(encoding="utf-8")


def test_nothing_is_left_beside_a_record(tmp_path):
    write_record(tmp_path / "deep" / "r.json", {"a": 1})

    assert ["r.json"] == [path.name for path in (tmp_path / "deep").iterdir()]


def test_a_missing_record_means_a_build_that_did_not_finish(tmp_path):
    with pytest.raises(ManifestError, match="no such record; the build that should have written it did not finish"):
        read_record(tmp_path / "r.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "[1]", "3", '"text"', "null", "{}", '{"a": 1}', "\ufeff{}"])
def test_what_is_no_record_is_said_to_be_none(tmp_path, text):
    (tmp_path / "r.json").write_text(text, encoding="utf-8")

    with pytest.raises(ManifestError, match="not a record"):
        read_record(tmp_path / "r.json")


def test_bytes_that_are_no_text_are_no_record(tmp_path):
    (tmp_path / "r.json").write_bytes(b"\xff\xfe{}")

    with pytest.raises(ManifestError, match="not a record"):
        read_record(tmp_path / "r.json")


def test_an_edited_record_is_noticed(tmp_path):
    path = tmp_path / "r.json"
    write_record(path, SHARD)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["steps"][0]["rows_out"] = 4
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(ManifestError, match="edited after it was written"):
        read_record(path)


def test_layout_of_the_json_is_no_edit(tmp_path):
    path = tmp_path / "r.json"
    write_record(path, {"a": [1, 2], "b": 0.1})
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")

    assert {"a": [1, 2], "b": 0.1} == read_record(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.dictionaries(st.text().filter(lambda key: key != "record_checksum"), json_values, max_size=5))
def test_whatever_json_holds_comes_back(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("records") / "r.json"
    write_record(path, content)

    assert content == read_record(path)


@pytest.mark.parametrize("lacking", ["name", "rows", "steps", "side"])
def test_a_shards_record_that_lacks_a_field_says_which(lacking):
    content = asdict(SHARD)
    del content[lacking]

    with pytest.raises(ManifestError, match=lacking):
        shard_record(content)


def test_an_atomic_write_replaces_the_file(tmp_path):
    write_atomically(tmp_path / "f", b"old")
    write_atomically(tmp_path / "f", b"new")

    assert b"new" == (tmp_path / "f").read_bytes()


def test_counts_of_two_shards_add_up():
    other = StepCount(step="keep", rows_in=1, rows_out=0, dropped={"a": 0, "b": 1}, parents_kept=0)

    assert StepCount(step="keep", rows_in=6, rows_out=3, dropped={"a": 2, "b": 1}, parents_kept=3) == COUNT + other


def test_counts_of_two_operations_of_a_step_are_in_of_the_first_and_out_of_the_last():
    later = StepCount(step="keep", rows_in=3, rows_out=1, dropped={"b": 2}, parents_kept=1)

    assert StepCount(step="keep", rows_in=5, rows_out=1, dropped={"a": 2, "b": 2}, parents_kept=1) == COUNT.then(later)


def test_a_split_keeps_its_parents():
    split = StepCount(step="keep", rows_in=3, rows_out=7, dropped={}, parents_kept=3)

    assert StepCount(step="keep", rows_in=5, rows_out=7, dropped={"a": 2}, parents_kept=3) == COUNT.then(split)
    assert COUNT.then(split).is_conserved


def test_a_lost_row_is_not_conserved():
    assert not StepCount(step="keep", rows_in=5, rows_out=3, dropped={"a": 1}, parents_kept=3).is_conserved

"""Reading files of other people: types from the recipe, nulls first, compressed, broken."""

import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream_files import EXAMPLES, write_rows

from themis_data.errors import SourceError
from themis_data.upstream import read_items, recipe
from themis_data.upstream.read import files_of, read_file

PAIR = {"pair_id": "p", "question": "q", "response_A": "a", "response_B": "b"}


def pairs(count: int, **changed):
    return [{**PAIR, "pair_id": f"p{n}", **changed} for n in range(count)]


def test_a_column_that_begins_with_nulls_is_read_as_what_it_is(tmp_path):
    rows = [*pairs(1500, question=None), {**PAIR, "pair_id": "last", "question": "At last?"}]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    [file] = files_of(recipe("judge_bench"), from_path=path)
    batches = list(read_file(recipe("judge_bench"), file))

    assert [1000, 501] == [len(batch) for batch in batches]
    assert {pa.large_string()} == {batch.schema.field("question").type for batch in batches}
    assert "At last?" == batches[1]["question"][-1].as_py()


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.jsonl.bz2", "rows.json", "rows.parquet"])
def test_the_name_says_the_format_and_all_give_the_same(tmp_path, name):
    path = write_rows(tmp_path / name, pairs(3))
    [table] = read_items(recipe("judge_bench"), from_path=path)

    assert ["p0", "p1", "p2"] == table["item"].to_pylist()
    assert [["a", "b"]] * 3 == table["responses"].to_pylist()


def test_lines_may_stand_in_a_file_that_is_called_json(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", pairs(2)).rename(tmp_path / "rows.json")
    [table] = read_items(recipe("judge_bench"), from_path=path)

    assert ["p0", "p1"] == table["item"].to_pylist()


def test_an_id_that_comes_again_is_numbered_in_the_order_of_rows(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [PAIR, {**PAIR, "pair_id": "o"}, PAIR, PAIR])
    [table] = read_items(recipe("judge_bench"), from_path=path)

    assert ["p", "o", "p#2", "p#3"] == table["item"].to_pylist()


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_a_column_of_another_kind_is_an_error(tmp_path, name):
    path = write_rows(tmp_path / name, pairs(2, question=3))

    with pytest.raises(SourceError, match="'question' is whole number, not text"):
        list(read_items(recipe("judge_bench"), from_path=path))


def test_a_list_where_text_was_is_an_error(tmp_path):
    _, row, _ = EXAMPLES["reward_bench_2"][0]
    path = write_rows(tmp_path / "rows.jsonl", [{**row, "chosen": "a"}])

    with pytest.raises(SourceError, match=r"'chosen' is text, not \[text\]"):
        list(read_items(recipe("reward_bench_2"), from_path=path))


def test_a_value_of_another_kind_further_down_is_an_error_with_its_line(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [*pairs(1200), {**PAIR, "response_A": True}])

    with pytest.raises(SourceError, match=r"rows\.jsonl, line 1201: column 'response_A' .* found flag, not text"):
        list(read_items(recipe("judge_bench"), from_path=path))


def test_a_row_without_an_id_is_an_error(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", pairs(1, pair_id=None))

    with pytest.raises(SourceError, match="row 0 of a batch has no id in 'pair_id'"):
        list(read_items(recipe("judge_bench"), from_path=path))


@pytest.mark.parametrize("content", [b'{"pair_id": ', b"\xff\xfe\n", b'{"a": 1}\nnull\n', b"[1]"])
def test_what_is_no_json_is_an_error_with_the_file(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"rows\.jsonl"):
        list(read_items(recipe("judge_bench"), from_path=path))


def test_a_file_that_was_cut_off_is_an_error(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl.gz", pairs(500))
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(SourceError, match=r"rows\.jsonl\.gz"):
        list(read_items(recipe("judge_bench"), from_path=path))


@pytest.mark.parametrize("name", ["rows.txt", "rows"])
def test_a_format_that_is_not_read_is_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"{}")

    with pytest.raises(SourceError, match=r"expected one of \['\.csv'"):
        list(read_items(recipe("judge_bench"), from_path=tmp_path / name))


def test_a_file_whose_name_does_not_say_which_part_it_is_is_an_error(tmp_path):
    path = write_rows(tmp_path / "mine.jsonl", [EXAMPLES["no_fun_eval"][0][1]])

    with pytest.raises(SourceError, match="tells its files apart by name"):
        list(read_items(recipe("no_fun_eval"), from_path=path))


def test_a_path_that_is_not_there_says_where_to_get_the_files(tmp_path):
    with pytest.raises(SourceError, match=r"get the files of SecBench from https://github\.com/TQRG/secbench"):
        list(read_items(recipe("sec_bench"), from_path=tmp_path / "none"))


def test_half_a_surrogate_pair_is_replaced_and_whole_ones_stay(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**PAIR, "question": "a\ud83d b\U0001f600"}), encoding="utf-8")
    [table] = read_items(recipe("judge_bench"), from_path=path)

    assert ["a\ufffd b\U0001f600"] == table["prompt"].to_pylist()


def test_an_empty_file_gives_no_items(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b"")

    assert [] == list(read_items(recipe("judge_bench"), from_path=tmp_path / "rows.jsonl"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # where other work takes the processor
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(PAIR, JSON)), max_size=4))
def test_any_rows_give_as_many_items_or_an_error_of_ours(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    try:
        tables = list(read_items(recipe("judge_bench"), from_path=path))
    except SourceError as error:
        assert "any.jsonl" in str(error)
    else:
        assert len(rows) == sum(len(table) for table in tables)

"""A run folder on disk: shards, their bytes, and the lock."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data import dataset
from themis_data.dataset import (
    RunFolder,
    ShardWriter,
    check_file,
    is_intact,
    read_batches,
    read_table,
    sha256_of,
    write_tables,
)
from themis_data.errors import CorruptData, LockError, ManifestError

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string()), ("tags", pa.list_(pa.string()))])


def table_of(texts: list[str | None]) -> pa.Table:
    tags = [None if text is None else [text[:3]] * (len(text) % 3) for text in texts]
    return pa.table({"id": range(len(texts)), "text": texts, "tags": tags}, schema=SCHEMA)


def cut(table: pa.Table, places: list[int]) -> list[pa.Table]:
    ends = sorted({min(place, len(table)) for place in places} | {len(table)})
    return [table.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)]


@given(
    st.lists(st.none() | st.text(max_size=30), max_size=40),
    st.lists(st.integers(0, 40), max_size=8),
    st.integers(1, 12),
    st.integers(40, 400),
)
@settings(max_examples=60)
def test_the_same_rows_give_the_same_bytes_however_they_were_batched(
    tmp_path_factory, texts, places, group_rows, group_bytes
):
    folder, table = tmp_path_factory.mktemp("shards"), table_of(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "ROW_GROUP_BYTES", group_bytes)
        for name, pieces in (("whole", [table]), ("cut", cut(table, places)), ("single", cut(table, list(range(41))))):
            writer = ShardWriter(folder / name, SCHEMA, row_group_rows=group_rows)
            for piece in pieces:
                writer.write(piece)
            writer.close(folder)

    assert sha256_of(folder / "whole") == sha256_of(folder / "cut") == sha256_of(folder / "single")
    assert table.equals(read_table(folder / "whole"))


def test_a_row_group_has_at_most_so_many_rows(tmp_path):
    writer = ShardWriter(tmp_path / "x.parquet", SCHEMA, row_group_rows=4)
    writer.write(table_of(["a"] * 10))
    writer.close(tmp_path)

    assert [4, 4, 2] == [len(batch) for batch in read_batches(tmp_path / "x.parquet")]


def test_a_row_group_is_bounded_in_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "ROW_GROUP_BYTES", 2_500)
    write_tables(tmp_path / "x.parquet", SCHEMA, [table_of(["a" * 1_000] * 5)], relative_to=tmp_path)

    assert [2, 2, 1] == [len(batch) for batch in read_batches(tmp_path / "x.parquet")]


def test_a_row_larger_than_a_row_group_has_one_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "ROW_GROUP_BYTES", 100)
    write_tables(tmp_path / "x.parquet", SCHEMA, [table_of(["a", "b" * 1_000, "c"])], relative_to=tmp_path)

    assert [1, 1, 1] == [len(batch) for batch in read_batches(tmp_path / "x.parquet")]


def test_no_rows_give_a_file_with_its_schema(tmp_path):
    record = write_tables(tmp_path / "x.parquet", SCHEMA, [], relative_to=tmp_path)

    assert record.rows == 0
    assert [SCHEMA.empty_table()] == list(read_batches(tmp_path / "x.parquet"))


def test_a_record_says_what_the_file_holds(tmp_path):
    record = write_tables(tmp_path / "deep" / "x.parquet", SCHEMA, [table_of(["a", "b"])], relative_to=tmp_path)

    path = tmp_path / "deep" / "x.parquet"
    assert ("deep/x.parquet", 2, path.stat().st_size, sha256_of(path)) == (
        record.path,
        record.rows,
        record.bytes,
        record.sha256,
    )


def test_a_failed_write_leaves_nothing(tmp_path):
    def tables():
        yield table_of(["a"] * 2_000)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_tables(tmp_path / "x.parquet", SCHEMA, tables(), relative_to=tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_shards_are_zstd_without_a_dictionary_and_with_a_page_index(tmp_path):
    write_tables(tmp_path / "x.parquet", SCHEMA, [table_of(["a", "b"])], relative_to=tmp_path)
    column = pq.read_metadata(tmp_path / "x.parquet").row_group(0).column(1)

    assert ("ZSTD", False, True) == (column.compression, column.has_dictionary_page, column.has_offset_index)


@pytest.fixture
def shard(tmp_path):
    return write_tables(tmp_path / "x.parquet", SCHEMA, [table_of(["a", "b"])], relative_to=tmp_path)


def test_an_intact_file_has_no_fault(tmp_path, shard):
    assert [] == check_file(shard, tmp_path)
    assert is_intact(shard, tmp_path)


def test_a_missing_file_is_a_fault(tmp_path, shard):
    (tmp_path / "x.parquet").unlink()

    assert [f"{tmp_path / 'x.parquet'}: missing"] == check_file(shard, tmp_path)
    assert not is_intact(shard, tmp_path)


def test_a_file_cut_short_is_a_fault(tmp_path, shard):
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(data[:-9])

    assert [f"{tmp_path / 'x.parquet'}: {len(data) - 9} bytes, the record says {len(data)}"] == check_file(
        shard, tmp_path
    )
    assert not is_intact(shard, tmp_path)


def test_every_flipped_byte_is_a_fault(tmp_path, shard):
    path = tmp_path / "x.parquet"
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert ["its content changed (sha256 differs from the record)"] == [
            fault.removeprefix(f"{path}: ") for fault in check_file(shard, tmp_path)
        ]


@pytest.mark.parametrize("read", [read_table, lambda path: list(read_batches(path))])
def test_reading_a_corrupt_file_says_what_to_do(tmp_path, read):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing else PAR1")

    with pytest.raises(CorruptData, match="run 'themis verify', remove the file and build again"):
        read(tmp_path / "x.parquet")


def test_a_new_folder_is_claimed_by_its_pipeline(tmp_path):
    with RunFolder(tmp_path / "out").locked("mine"):
        pass
    with RunFolder(tmp_path / "out").locked("mine"):
        pass


def test_a_folder_of_another_pipeline_is_refused(tmp_path):
    with RunFolder(tmp_path / "out").locked("mine"):
        pass

    message = "holds a build of the pipeline 'mine', not 'yours'; give another --out"
    with pytest.raises(LockError, match=message), RunFolder(tmp_path / "out").locked("yours"):
        pass


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")

    message = r"is not empty and holds no build \(found \['thesis\.tex'\]\)"
    with pytest.raises(LockError, match=message), RunFolder(tmp_path).locked("mine"):
        pass
    assert (tmp_path / "thesis.tex").exists()


def test_what_a_kill_before_the_claim_leaves_is_not_foreign(tmp_path):
    (tmp_path / ".lock").write_text("123", encoding="utf-8")
    (tmp_path / ".run.json.123-0a1b2c3d.tmp").write_text("{", encoding="utf-8")

    with RunFolder(tmp_path).locked("mine"):
        pass


def test_one_folder_has_one_build_at_a_time(tmp_path):
    with (
        RunFolder(tmp_path).locked("mine"),
        pytest.raises(
            LockError, match=r"is in use by another build \(process \d+\); wait for it, or give another --out"
        ),
        RunFolder(tmp_path).locked("mine"),
    ):
        pass


def test_the_lock_is_gone_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="boom"), RunFolder(tmp_path).locked("mine"):
        raise ValueError("boom")
    with RunFolder(tmp_path).locked("mine"):
        pass


def test_the_key_of_a_folder_stays_and_is_its_own(tmp_path):
    one, other = RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b")

    assert one.key() == one.key() != other.key()
    assert 0o600 == (tmp_path / "a" / "key").stat().st_mode & 0o777


def test_a_folder_without_a_finished_build_has_no_manifest(tmp_path):
    with pytest.raises(ManifestError, match="holds no finished build; run 'themis build' with this --out first"):
        RunFolder(tmp_path).manifest()


def test_a_copy_of_a_run_repeats_nothing_and_leaves_the_first_alone(tmp_path):
    write_tables(tmp_path / "a" / "segments" / "x" / "1.parquet", SCHEMA, [table_of(["a"])], relative_to=tmp_path)
    (tmp_path / "a" / "answers").mkdir()
    (tmp_path / "a" / "answers" / "judge.journal").write_text("line\n", encoding="utf-8")
    (tmp_path / "a" / "dataset").mkdir()
    (tmp_path / "a" / "dataset" / "manifest.json").write_text("{}", encoding="utf-8")

    RunFolder(tmp_path / "a").copy_to(RunFolder(tmp_path / "b"))
    with open(tmp_path / "b" / "answers" / "judge.journal", "a", encoding="utf-8") as journal:
        journal.write("another\n")

    assert ["a"] == read_table(tmp_path / "b" / "segments" / "x" / "1.parquet")["text"].to_pylist()
    assert "line\n" == (tmp_path / "a" / "answers" / "judge.journal").read_text(encoding="utf-8")
    assert not (tmp_path / "b" / "dataset").exists()


def test_a_run_is_not_copied_over_another(tmp_path):
    for name in ("a", "b"):
        with RunFolder(tmp_path / name).locked("p"):
            pass

    with pytest.raises(LockError, match="b is not empty; give another --out"):
        RunFolder(tmp_path / "a").copy_to(RunFolder(tmp_path / "b"))

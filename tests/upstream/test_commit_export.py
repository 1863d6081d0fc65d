"""Which commits an export lists."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from themis_data.errors import SourceError
from themis_data.upstream.commit_export import ListedCommit, choose_repositories, read_commit_export

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40


def row(commit: str, path: str | None = "a.c", **more) -> dict:
    plain = {"subject": "s", "message": "m", "license": "mit", "unix_time": 1}
    return plain | {"commit": commit, "repos": "acme/w", "old_file": path, "new_file": path} | more


def lines(path, *rows: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(f"{json.dumps(one)}\n" for one in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def parquet(path, *rows: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def test_only_the_commits_asked_for_are_given(tmp_path):
    parquet(tmp_path / "x.parquet", row(ONE), row(TWO, "b.c"))

    export = read_commit_export([tmp_path / "x.parquet"], among={TWO, THREE})

    assert {TWO: ListedCommit(path="b.c", repos=("github.com/acme/w",))} == export.listed
    assert 2 == export.num_rows


def test_folders_are_read_at_any_depth_and_formats_may_be_mixed(tmp_path):
    parquet(tmp_path / "license=mit" / "part-0.parquet", row(ONE))
    lines(tmp_path / "license=isc" / "commits-000.json.gz", row(TWO, unix_time="1489412345"))
    lines(tmp_path / "more.jsonl", row(THREE))
    (tmp_path / "license=mit" / "_SUCCESS").touch()
    lines(tmp_path / ".hidden.jsonl", row("4" * 40))

    export = read_commit_export([tmp_path], among={ONE, TWO, THREE, "4" * 40})

    assert {ONE, TWO, THREE} == set(export.listed)


def test_the_layout_of_git_commits_is_a_list_too(tmp_path):
    published = {"commit": ONE, "repos": "b/w,a/w", "file_path": "a.c", "new_contents": "new", "old_contents": "old"}
    parquet(tmp_path / "x.parquet", published)

    assert {ONE: ListedCommit(path="a.c", repos=("github.com/a/w", "github.com/b/w"))} == read_commit_export(
        [tmp_path / "x.parquet"], among={ONE}
    ).listed


def test_the_layout_of_commit_pack_is_a_list_too(tmp_path):
    published = {
        "commit": ONE, "old_file": "lib/a.rb", "new_file": "lib/a.rb", "old_contents": "x = 1\n",
        "new_contents": "X = 1\n", "subject": "Use constant", "message": "Use constant\n", "lang": "Ruby",
        "license": "mit", "repos": "acme/a,bob/a", "returncode": 0, "stderr": "",
    }  # fmt: skip
    renamed = published | {"commit": TWO, "old_file": "lib/b.rb"}
    lines(tmp_path / "data" / "ruby" / "ruby-0001.jsonl", published, renamed)

    export = read_commit_export([tmp_path], among={ONE, TWO})

    assert {ONE: ListedCommit(path="lib/a.rb", repos=("github.com/acme/a", "github.com/bob/a"))} == export.listed
    assert {"renamed": 1} == export.left_out


def test_few_repositories_have_all_commits_of_an_export(tmp_path):
    lines(
        tmp_path / "1.jsonl",
        row(ONE, repos="b/w,a/w"),
        row(TWO, repos="c/w,b/w"),
        row(THREE, repos="d/w,a/w"),
        row("4" * 40, repos="gitlab.com/e/w"),
    )

    assert ["github.com/a/w", "github.com/b/w", "gitlab.com/e/w"] == choose_repositories([tmp_path], dead=())
    assert ["github.com/b/w", "github.com/d/w", "gitlab.com/e/w"] == choose_repositories(
        [tmp_path], dead={"github.com/a/w"}
    )


def test_an_export_without_repositories_names_none(tmp_path):
    parquet(tmp_path / "x.parquet", {"commit": ONE, "file_path": "a.c"})

    assert [] == choose_repositories([tmp_path], dead=())


def test_rows_of_one_commit_are_one_where_they_agree_on_the_path_and_none_where_they_do_not(tmp_path):
    lines(tmp_path / "x.jsonl", row(ONE), row(ONE, repos="gitlab.com/b/w"), row(TWO), row(TWO, "b.c"), row(TWO, "c.c"))

    export = read_commit_export([tmp_path], among={ONE, TWO})

    assert {ONE: ListedCommit(path="a.c", repos=("github.com/acme/w", "gitlab.com/b/w"))} == export.listed
    assert {"many_paths": 1} == export.left_out


def test_a_renamed_file_and_one_without_a_path_are_counted(tmp_path):
    lines(tmp_path / "x.jsonl", row(ONE, old_file="b.c"), row(TWO, None))

    export = read_commit_export([tmp_path], among={ONE, TWO})

    assert {} == export.listed
    assert {"no_path": 1, "renamed": 1} == export.left_out


def test_a_folder_without_files_of_an_export_is_an_error(tmp_path):
    with pytest.raises(SourceError, match=r"no file of an export there; expected .*\.parquet"):
        read_commit_export([tmp_path], among=set())


def test_a_file_that_lacks_a_column_is_an_error_with_its_columns(tmp_path):
    lines(tmp_path / "x.jsonl", {"commit": ONE, "path": "a.c"})

    with pytest.raises(SourceError, match=r"\['commit', 'path'\].*'new_file', 'file_path'"):
        read_commit_export([tmp_path], among={ONE})


def test_a_file_that_is_cut_short_is_an_error(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")

    with pytest.raises(SourceError, match="cannot be read as parquet"):
        read_commit_export([tmp_path], among={ONE})

"""Lists of opt-outs: what a line says, which rows it is about, and lists that cannot be read."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import changes, pairs

from themis_data.errors import PipelineError
from themis_data.text.opt_outs import as_lines, opt_outs, read_opt_outs

AUTHOR, ROW = "a" * 32, "b" * 32


def test_a_list_has_an_entry_a_line_and_comments(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(
        f"# asked by mail\n\nrepo: github.com/o/n  # theirs\nauthor: {AUTHOR}\nsource: Some Set\nrow: {ROW}\n"
        "path: */c#.py\n"
    )

    expected = (
        ("author", AUTHOR),
        ("path", "*/c#.py"),
        ("repo", "github.com/o/n"),
        ("row", ROW),
        ("source", "Some Set"),
    )
    assert expected == read_opt_outs([path]).entries


def test_a_parquet_list_says_the_same(tmp_path):
    pq.write_table(pa.table({"kind": ["repo", "row"], "value": ["o/n", ROW]}), tmp_path / "list.parquet")
    (tmp_path / "list.txt").write_text(f"row: {ROW}\nrepo: o/n\nrepo: o/n\n")

    one, other = (read_opt_outs([tmp_path / f"list.{end}"]) for end in ("parquet", "txt"))
    assert one == other
    assert one.digest == other.digest
    assert one.digest != opt_outs([("repo", "o/n")]).digest


def test_what_is_written_can_be_read_again(tmp_path):
    entries = (("path", "a b/*"), ("repo", "h/o/n"), ("row", ROW))
    (tmp_path / "list.txt").write_text(as_lines(entries))

    assert entries == read_opt_outs([tmp_path / "list.txt"]).entries


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("o/n\n", "list.txt, line 1: 'o/n'; expected KIND: VALUE"),
        ("\nrepository: o/n\n", "list.txt, line 2: no kind of entry named 'repository'"),
        ("row: 12\n", "row: '12': expected 32 hex digits"),
        ("author: a@example.org\n", "expected the 32 hex digits of an author_hash"),
        ("repo: name\n", "expected HOST/OWNER/NAME or OWNER/NAME"),
        ("source:\n", "expected the name of a data set"),
    ],
)
def test_a_line_that_is_no_entry_is_an_error_that_says_where(tmp_path, text, message):
    (tmp_path / "list.txt").write_text(text)

    with pytest.raises(PipelineError, match=message):
        read_opt_outs([tmp_path / "list.txt"])


def test_a_list_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(PipelineError, match="no such list of opt-outs"):
        read_opt_outs([tmp_path / "none.txt"])


def found(rows: pa.Table, *entries: tuple[str, str]) -> list[str | None]:
    return opt_outs(entries).found(rows).to_pylist()


def test_any_of_the_repositories_of_a_row_counts_with_or_without_its_host():
    rows = changes(
        {"repos": "github.com/a/fork,github.com/O/N"},
        {"repos": "github.com/o/n2"},
        {"repos": "gitlab.com/o/n"},
        {"repos": "gitlab.com/x/o/n"},
    )

    assert ["repo: o/n", None, "repo: o/n", None] == found(rows, ("repo", "o/n"))
    assert ["repo: GitHub.com/o/N", None, None, None] == found(rows, ("repo", "GitHub.com/o/N"))


def test_a_path_counts_everywhere_or_in_a_repository():
    rows = changes({"path": "src/a.py"}, {"path": "vendor/b.py"}, {"path": "src/vendor/c.py", "repos": "h/x/y,h/o/n"})

    assert [None, "path: vendor/*", None] == found(rows, ("path", "vendor/*"))
    assert [None, "path: *vendor/*", "path: *vendor/*"] == found(rows, ("path", "*vendor/*"))
    assert [None, None, "path: h/o/n/src/*"] == found(rows, ("path", "h/o/n/src/*"))


def test_an_author_is_known_of_changes_alone():
    assert ["author: " + AUTHOR, None] == found(changes({"author_hash": AUTHOR}, {}), ("author", AUTHOR))
    assert [None] == found(pairs({}), ("author", AUTHOR))


def test_a_row_goes_with_what_was_made_of_it():
    rows = pairs({"row_id": ROW}, {"parent_ids": ["c" * 32, ROW]}, {})

    assert [f"row: {ROW}", f"row: {ROW}", None] == found(rows, ("row", ROW))


def test_a_data_set_is_named_by_source_or_repos():
    rows = pairs({"source": "Set"}, {"source": "Bugs", "repos": "Set"}, {"source": "Other"})

    assert ["source: Set", "source: Set", None] == found(rows, ("source", "Set"))


def test_the_entry_that_tells_most_is_the_one_named():
    rows = changes({"row_id": ROW, "author_hash": AUTHOR, "repos": "h/o/n", "path": "a.py"})

    every = [("path", "*"), ("repo", "o/n"), ("author", AUTHOR), ("row", ROW)]
    assert [[f"{kind}: {value}"] for kind, value in every] == [
        found(rows, *every[: number + 1]) for number in range(len(every))
    ]

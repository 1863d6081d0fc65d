"""The query over BigQuery's copy of GitHub, run as it is written on tables of the same shape."""

import json
import re

import duckdb
import pytest

from themis_data.code.language import all_languages
from themis_data.lookup import shipped_folder
from themis_data.stages.keep_messages import LOW_SIGNAL
from themis_data.text.licenses import paper_licenses

QUERY = (shipped_folder("manifests") / "commit_export.sql").read_text(encoding="utf-8")
PUBLIC = "bigquery-public-data.github_repos"
# Arrays are REPEATED columns, structs are RECORDs. Names with dots: the engine takes them as one name, as it is quoted.
TABLES = f"""
CREATE TABLE "{PUBLIC}.commits" (
  commit VARCHAR, tree VARCHAR, parent VARCHAR[],
  author STRUCT(name VARCHAR, email VARCHAR, time_sec BIGINT, tz_offset BIGINT, date TIMESTAMP),
  committer STRUCT(name VARCHAR, email VARCHAR, time_sec BIGINT, tz_offset BIGINT, date TIMESTAMP),
  subject VARCHAR, message VARCHAR,
  trailer STRUCT(key VARCHAR, value VARCHAR, email VARCHAR)[],
  difference STRUCT(old_mode BIGINT, new_mode BIGINT, old_path VARCHAR, new_path VARCHAR, old_sha1 VARCHAR,
                    new_sha1 VARCHAR, old_repo VARCHAR, new_repo VARCHAR)[],
  difference_truncated BOOLEAN, repo_name VARCHAR[], encoding VARCHAR);
CREATE TABLE "{PUBLIC}.licenses" (repo_name VARCHAR, license VARCHAR);
"""
# What the published one does about files, in our words: paths are grouped first, and each group has one.
GROUPED_BY_PATH = f"""
SELECT c.commit, d.new_path
FROM "{PUBLIC}.commits" AS c CROSS JOIN UNNEST(c.difference) AS d
GROUP BY c.commit, d.new_path
HAVING COUNT(DISTINCT d.old_path) = 1 AND COUNT(DISTINCT d.new_path) = 1
"""
REPOS = {
    "acme/w": "mit",
    "bob/w": "mit",
    "zoe/w": "apache-2.0",
    "gnu/w": "gpl-3.0",
    "cc/w": None,
}


def modified(*paths: str) -> list[dict]:
    return [difference(path, path) for path in paths]


def difference(old: str | None, new: str | None) -> dict:
    return {"old_mode": 33188, "new_mode": 33188, "old_path": old, "new_path": new, "old_sha1": "a", "new_sha1": "b"}


def commit(**given) -> dict:
    who = {"name": "A", "email": "a@example.com", "time_sec": 1_489_412_345, "tz_offset": 0}
    plain = {
        "parent": ["p"],
        "author": who,
        "committer": who,
        "message": "Fix off-by-one in the parser\n",
        "difference": modified("a.c"),
        "difference_truncated": None,
        "repo_name": ["acme/w"],
    }
    row = plain | given
    return row | {"subject": row["message"].partition("\n")[0]}


@pytest.fixture
def ask(tmp_path):
    """Rows of a query over these commits, by column."""

    def run(*commits: dict, query: str = QUERY) -> list[dict]:
        with duckdb.connect() as engine:
            engine.execute(TABLES)
            (tmp_path / "commits.json").write_text("".join(f"{json.dumps(row)}\n" for row in commits))
            columns = {row[0]: row[1] for row in engine.execute(f'DESCRIBE "{PUBLIC}.commits"').fetchall()}
            engine.execute(
                f"""INSERT INTO "{PUBLIC}.commits" BY NAME
                SELECT * FROM read_json('{tmp_path / "commits.json"}', format='newline_delimited', columns={columns})"""
            )
            engine.executemany(
                f'INSERT INTO "{PUBLIC}.licenses" VALUES (?, ?)', [[r, name] for r, name in REPOS.items() if name]
            )
            found = engine.execute(query)
            names = [column[0] for column in found.description]
            return sorted((dict(zip(names, row, strict=True)) for row in found.fetchall()), key=lambda r: r["commit"])

    return run


def listed(rows: list[dict]) -> list[str]:
    return [row["commit"] for row in rows]


def test_a_row_has_the_columns_of_the_published_export(ask):
    assert [
        {
            "commit": "1",
            "subject": "Fix off-by-one in the parser",
            "message": "Fix off-by-one in the parser\n",
            "repos": "acme/w",
            "license": "mit",
            "old_file": "a.c",
            "new_file": "a.c",
            "unix_time": 1_489_412_345,
        }
    ] == ask(commit(commit="1"))


def test_a_commit_of_two_files_is_left_out(ask):
    assert ["1"] == listed(ask(commit(commit="1"), commit(commit="2", difference=modified("a.c", "b.c"))))


def test_grouping_by_path_would_have_let_a_commit_of_two_files_in(ask):
    rows = [commit(commit="1"), commit(commit="2", difference=modified("a.c", "b.c"))]

    assert ["1", "2", "2"] == listed(ask(*rows, query=GROUPED_BY_PATH))


def test_a_file_beside_it_that_is_new_gone_or_in_another_language_counts(ask):
    others = [difference(None, "new.c"), difference("gone.c", None), *modified("README.md")]

    assert [] == ask(*(commit(commit=str(n), difference=[*modified("a.c"), o]) for n, o in enumerate(others)))


def test_a_list_of_files_that_was_cut_short_is_left_out(ask):
    rows = [commit(commit="1", difference_truncated=True), commit(commit="2", difference_truncated=False)]

    assert ["2"] == listed(ask(*rows))


def test_a_new_a_deleted_and_a_renamed_file_are_left_out(ask):
    changes = [difference(None, "a.c"), difference("a.c", None), difference("a.c", "b.c")]

    assert [] == ask(*(commit(commit=str(n), difference=[one]) for n, one in enumerate(changes)))


def test_forks_are_one_row_with_all_their_names_and_licences(ask):
    (row,) = ask(commit(commit="1", repo_name=["zoe/w", "bob/w", "acme/w"]))

    assert ("acme/w,bob/w,zoe/w", "apache-2.0,mit") == (row["repos"], row["license"])


def test_repositories_under_another_licence_or_none_do_not_count(ask):
    rows = ask(commit(commit="1", repo_name=["gnu/w", "acme/w", "cc/w"]), commit(commit="2", repo_name=["gnu/w"]))

    assert [("1", "acme/w", "mit")] == [(row["commit"], row["repos"], row["license"]) for row in rows]


def test_a_commit_that_stands_in_several_rows_is_one_or_none(ask):
    same = [commit(commit="1", repo_name=["acme/w"]), commit(commit="1", repo_name=["bob/w"])]
    other = [commit(commit="2"), commit(commit="2", difference=modified("b.c"))]

    assert [("1", "acme/w,bob/w")] == [(row["commit"], row["repos"]) for row in ask(*same, *other)]


def test_merges_and_first_commits_are_left_out(ask):
    assert [] == ask(commit(commit="1", parent=["p", "q"]), commit(commit="2", parent=[]))


@pytest.mark.parametrize(
    ("message", "is_listed"),
    [
        ("Ten chars.", False),
        ("Elevenchars", True),
        ("x" * 14_999, True),
        ("x" * 15_000, False),
        ("Initial commit\n", False),
        ("Work in progress...\n", False),
        ("Initial commit of the lexer\n", True),
        ("Minor changes\n\nRead the header once.\n", True),
        ("Merge two loops into one\n", True),
    ],
)
def test_messages_that_say_nothing_or_are_too_short_or_too_long_are_left_out(ask, message, is_listed):
    assert is_listed == bool(ask(commit(commit="1", message=message)))


@pytest.mark.parametrize(
    ("path", "is_listed"), [("a/b.PY", True), ("a.py/b", False), ("a.md", False), ("Makefile", False), ("x.y.ts", True)]
)
def test_files_in_no_known_language_are_left_out(ask, path, is_listed):
    assert is_listed == bool(ask(commit(commit="1", difference=modified(path))))


def test_the_lists_in_the_query_are_those_of_the_package():
    lists = [set(re.findall(r"'([^']*)'", part)) for part in re.findall(r"IN \(([^)]*)\)", QUERY)]
    licenses, extensions, messages = lists

    assert {name.lower() for name in paper_licenses()} == licenses
    assert {ending.lower() for one in all_languages().values() for ending in one.extensions} == extensions
    assert messages == LOW_SIGNAL

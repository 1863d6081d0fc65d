"""Which commits two archives of GitHub say were merged."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from themis_data.errors import SourceError
from themis_data.upstream.pull_requests import (
    archives_digest,
    is_among,
    merged_commits,
    object_ids,
    write_merged_commits,
)

ONE, TWO, THREE, FOUR = ("1" * 40, "2" * 40, "3" * 40, "0" * 38 + "00")


def event(*, type="PullRequestEvent", action="closed", merged=True, commit=ONE, head=TWO) -> str:
    request = {"merged": merged, "merge_commit_sha": commit, "head": {"sha": head, "repo": None}}
    return json.dumps({"type": type, "payload": {"action": action, "number": 1, "pull_request": request}})


def archive(path, *events: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.write("".join(f"{one}\n" for one in events))
    return path


def tables(folder, *, history: str, links: str, commits: str):
    folder.mkdir()
    for name, text in (("pull_request_history", history), ("pull_request_commits", links), ("commits", commits)):
        (folder / f"{name}.csv").write_text(text)
    return folder


def ids(*paths) -> list[str]:
    return object_ids(merged_commits(paths))


def test_of_a_merged_request_the_merge_and_the_last_commit_of_its_branch_are_merged(tmp_path):
    assert [ONE, TWO] == ids(archive(tmp_path / "2015-01-01-15.json.gz", event()))


@pytest.mark.parametrize(
    "other",
    [
        event(merged=False),
        event(merged=None),
        event(action="opened"),
        event(type="PullRequestReviewEvent"),
        event(commit=None, head=None),
        event(commit="no id", head="f" * 39),
        '{"type": "PullRequestEvent"}',
        '{"type": "PullRequestEvent", "payload": {"action": "closed", "pull_request": {"merged": true, "head": null}}}',
    ],
)
def test_other_events_say_nothing(tmp_path, other):
    assert [THREE] == ids(archive(tmp_path / "a.json.gz", other, event(commit=THREE, head=None)))


def test_all_files_of_a_folder_are_read(tmp_path):
    archive(tmp_path / "2015" / "a.json.gz", event(head=None))
    archive(tmp_path / "2016" / "b.json.gz", event(commit=THREE, head=None))

    assert [ONE, THREE] == ids(tmp_path)


def test_tables_are_joined_by_their_history(tmp_path):
    folder = tables(
        tmp_path / "ght",
        history=(
            '501,77,"2018-04-02 10:11:12","merged",9\n502,78,"0000-00-00 00:00:00","closed",\\N\n'
            '503,79,"2018-04-02 10:11:12","opened",9\n504,79,"2018-04-03 10:11:12","merged",\\N\n'
        ),
        links="77,90001\n78,90002\n79,90003\n79,\\N\n",
        commits=(
            f'90001,"{ONE}",3,3,12,"2018-04-01 09:00:00"\n90002,"{TWO}",3,3,12,"2018-04-01 09:00:00"\n'
            f'90003,"{THREE}",\\N,\\N,\\N,"0000-00-00 00:00:00"\n90004,"{FOUR}",3,3,12,\\N\n'
        ),
    )

    assert [ONE, THREE] == ids(folder)


def test_quotes_behind_a_backslash_and_line_ends_in_a_value_do_not_cut_rows(tmp_path):
    folder = tables(
        tmp_path / "ght",
        history='1,77,"a \\"quoted\\", date\nof two lines","merged",9\n2,78,"x","merged",9\n',
        links="78,90002\n",
        commits=f'90002,"{TWO}",3,3,12,\\N\n',
    )

    assert [TWO] == ids(folder)


def test_archives_of_both_kinds_are_brought_together_and_written_once(tmp_path):
    ght = tables(tmp_path / "ght", history="1,7,x,merged,9\n", links="7,8\n", commits=f"8,{THREE},1,1,1,x\n")
    events = archive(tmp_path / "gh" / "a.json.gz", event(commit=THREE, head=FOUR))

    assert 2 == write_merged_commits([ght, events.parent], tmp_path / "merged.parquet")
    assert [FOUR, THREE] == pq.read_table(tmp_path / "merged.parquet")["commit"].to_pylist()
    assert [FOUR, THREE] == ids(tmp_path / "merged.parquet")


def test_an_id_is_among_them_or_not(tmp_path):
    merged = merged_commits([archive(tmp_path / "a.json.gz", event(commit=FOUR, head=TWO))])

    assert [True, False, False, True, False] == is_among([FOUR, ONE, "a" * 64, TWO, "no id"], merged).tolist()
    assert [False] == is_among([ONE], merged_commits([])).tolist()


def test_the_digest_is_of_the_content_and_not_of_the_place(tmp_path):
    one, same = (archive(tmp_path / name / "a.json.gz", "{}") for name in ("one", "two"))
    same.write_bytes(one.read_bytes())  # a gzip file holds the time it was made
    other = archive(tmp_path / "three" / "a.json.gz", event())

    assert archives_digest([one]) == archives_digest([same.parent]) != archives_digest([other])


def test_what_is_no_archive_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="no pull requests there; expected GH Archive's files"):
        merged_commits([tmp_path])


def test_tables_without_all_three_are_an_error(tmp_path):
    folder = tables(tmp_path / "ght", history="1,7,x,merged,9\n", links="7,8\n", commits="")
    (folder / "commits.csv").unlink()

    with pytest.raises(SourceError, match=r"commits.csv: missing"):
        merged_commits([folder])


def test_a_table_with_other_columns_is_an_error(tmp_path):
    folder = tables(tmp_path / "ght", history="1,7,merged\n", links="7,8\n", commits="")

    with pytest.raises(SourceError, match="expected no header, the columns id, pull_request_id, created_at"):
        merged_commits([folder])


def test_a_line_that_is_cut_short_is_an_error_with_its_number(tmp_path):
    with pytest.raises(SourceError, match="line 2: no JSON"):
        merged_commits([archive(tmp_path / "a.json.gz", event(), event()[:90])])


def test_parquet_without_commits_is_an_error(tmp_path):
    pq.write_table(pa.table({"sha": [ONE]}), tmp_path / "a.parquet")

    with pytest.raises(SourceError, match=r"\['sha'\]; expected `commit`"):
        merged_commits([tmp_path / "a.parquet"])

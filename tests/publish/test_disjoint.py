"""The last check of a data set that asked to be disjoint from others."""

from datetime import datetime

import pyarrow.parquet as pq
import pytest
from made_versions import made_rows, run_folder

from themis_data.errors import StageError
from themis_data.publish.disjoint import check_disjoint

OLD, NEW = datetime(2019, 2, 1), datetime(2019, 6, 2)


def rows(repos: str, blob: str, at: datetime, count: int = 2):
    return made_rows(count, repos=repos, commit="c" * 40, old_blob=blob * 40, new_blob=None, committed_at=at)


def sources(name: str, root: str):
    return [{"step": "git", "use": "git_history", "read": [{"name": name, "root": root * 40}]}]


@pytest.fixture
def check(tmp_path):
    """Checks rows (repositories, blob, time, root) against a corpus of a/b with blob 1 and root 1, of February 2019."""

    def run(repos: str, blob: str, at: datetime, root: str, **keep_dates):
        corpus = run_folder(tmp_path / "corpus", rows("h/a/b", "1", OLD), sources=sources("h/a/b", "1"))
        path = tmp_path / "rows.parquet"
        pq.write_table(rows(repos, blob, at), path)
        steps = {
            "d": {"use": "drop_shared_repositories", "datasets": [str(corpus)]},
            "k": {"use": "keep_dates", **keep_dates},
        }
        return check_disjoint([path], sources(repos.partition(",")[0], root), steps)

    return run


def test_what_was_compared_is_said(check):
    side = {"repositories": 1, "roots": 1, "file_versions": 1}

    assert check("h/x/y", "2", NEW, "2", since="2019-06-01") == {
        "own": side | {"days": ["2019-06-02", "2019-06-02"]},
        "theirs": side | {"days": ["2019-02-01", "2019-02-01"]},
        "data_sets": 1,
    }


@pytest.mark.parametrize(
    ("repos", "blob", "root", "what"),
    [
        ("h/x/y,H/A/b", "2", "2", "1 repositories .* h/a/b"),
        ("h/x/y", "2", "1", "1 first commits .* 1111"),
        ("h/x/y", "1", "2", "1 versions of files .* 1111"),
    ],
)
def test_anything_shared_fails_the_build(check, repos, blob, root, what):
    with pytest.raises(StageError, match=what):
        check(repos, blob, NEW, root)


def test_a_window_that_begins_before_the_others_end_fails_the_build(check):
    with pytest.raises(StageError, match=r"the first commit is of 2019-02-01, and .* has one of 2019-02-01"):
        check("h/x/y", "2", OLD, "2", since="2019-01-01")

    assert check("h/x/y", "2", OLD, "2") is not None


def test_without_another_data_set_nothing_is_checked():
    assert check_disjoint([], [], {"d": {"use": "drop_shared_repositories", "datasets": []}}) is None

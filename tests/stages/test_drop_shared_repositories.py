"""Rows of repositories and files that another data set is made of."""

from pathlib import Path

import pyarrow as pa
import pytest
from builds import changes, pairs
from made_versions import made_rows, run_folder
from rows import dropped, reasons_of

from themis_data.errors import ManifestError, StageError
from themis_data.fingerprint import step_fingerprint
from themis_data.stages.drop_shared_repositories import STAGE as DropSharedRepositories


def other(root: Path, configs: tuple[str, ...] = ("default", "lineage")) -> Path:
    """A data set of three commits of forks of one repository, and of a pair that no commit gave."""
    rows = pa.concat_tables(
        [
            made_rows(3, repos="example.org/a/b, Example.org/Fork/B", commit="c" * 40, old_blob="1" * 40,
                      new_blob="2" * 40),
            made_rows(4, repos="Set").slice(3),
        ]
    )  # fmt: skip
    return run_folder(root, rows, configs=configs)


def test_rows_of_a_repository_or_a_fork_of_it_are_dropped(tmp_path):
    stage = DropSharedRepositories(datasets=(str(other(tmp_path / "other")),))
    rows = changes({"repos": "x.org/n/n,example.org/fork/b"}, {"repos": "example.org/a/c"}, {"repos": "Set"})

    assert ["shared_repository: example.org/fork/b", None, None] == reasons_of(stage, rows)


def test_rows_of_a_version_of_a_file_are_dropped(tmp_path):
    stage = DropSharedRepositories(datasets=(str(other(tmp_path / "other")),))
    rows = changes({"old_blob": "2" * 40}, {"new_blob": "1" * 40}, {"new_blob": "3" * 40})

    assert [f"shared_file: {'2' * 40}", f"shared_file: {'1' * 40}", None] == reasons_of(stage, rows)


def test_changes_of_a_repository_that_began_with_the_same_commit_are_dropped(tmp_path):
    root = run_folder(
        tmp_path / "other",
        made_rows(3, repos="example.org/a/b", commit="c" * 40),
        sources=[{"step": "git", "use": "git_history", "read": [
            {"name": "Example.org/a/b", "root": "1" * 40}, {"name": "example.org/no/rows", "root": "2" * 40},
            {"name": "example.org/a/c", "root": None}]}],
    )  # fmt: skip
    rows = changes({"root": "1" * 40}, {"root": "2" * 40}, {"root": None})

    for path in (root, root / "dataset"):
        stage = DropSharedRepositories(datasets=(str(path),))
        assert [f"shared_root: {'1' * 40}", None, None] == reasons_of(stage, rows)


def test_a_published_version_says_the_same_as_its_run_folder(tmp_path):
    root = other(tmp_path / "other")
    rows = changes({"repos": "example.org/a/b"}, {"new_blob": "1" * 40}, {})

    by_run, by_version = (
        reasons_of(DropSharedRepositories(datasets=(str(path),)), rows) for path in (root, root / "dataset")
    )
    assert by_run == by_version
    assert [False, False, True] == [reason is None for reason in by_run]


def test_a_data_sets_name_is_no_repository(tmp_path):
    stage = DropSharedRepositories(datasets=(str(other(tmp_path / "other")),), on="pair")
    rows = pairs({"repos": "example.org/a/b", "commit": None}, {"repos": "example.org/a/b", "commit": "d" * 40})

    assert {"1": ("shared_repository", "example.org/a/b")} == dropped(tmp_path / "run", stage, rows)


def test_without_another_data_set_it_is_off():
    assert [None, None] == reasons_of(DropSharedRepositories(), changes({}, {}))


def test_the_fingerprint_knows_the_content_and_not_the_place(tmp_path):
    one, same = other(tmp_path / "one"), other(tmp_path / "same")

    stages = [DropSharedRepositories(datasets=(str(path),)) for path in (one, same)]
    assert stages[0].identity() == stages[1].identity() != {}
    assert step_fingerprint(stages[0]) != step_fingerprint(DropSharedRepositories())


def test_a_version_that_does_not_say_its_repositories_is_an_error(tmp_path):
    root = other(tmp_path / "other", configs=("default",))
    stage = DropSharedRepositories(datasets=(str(root / "dataset"),))

    with pytest.raises(StageError, match="it lacks the configuration `lineage`"):
        reasons_of(stage, changes({}))


def test_a_folder_without_a_data_set_is_an_error_before_anything_runs(tmp_path):
    with pytest.raises(ManifestError, match="neither a finished build nor a version"):
        step_fingerprint(DropSharedRepositories(datasets=(str(tmp_path),)))

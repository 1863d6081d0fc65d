"""Files of commits of several files that correct something, as a side table of the git source."""

import pytest
from git_repositories import run_git
from mined import KEY

from themis_data.schema import schema
from themis_data.sources.git_history import GitHistory


@pytest.fixture
def repository(make_repository):
    made = make_repository()
    made.commit({"a.py": "a\n", "b.py": "b\n", "c.txt": "c\n", "big.py": "x" * 200_000})
    return made


def corrections(repository, tmp_path, **settings):
    """(path, before, after) of each row, in order."""
    source = GitHistory(repos=(str(repository.path),), corrections=True, **settings)
    found = []
    for unit in source.list_units(tmp_path / "memory").units:
        for piece in source.read(unit, KEY):
            assert set(piece.side) == {"commit", "correction"}
            table = schema("correction").conform(piece.side["correction"], "test")
            found += [(r["path"], r["old_contents"], r["new_contents"]) for r in table.to_pylist()]
    return found


def test_the_files_that_a_fix_of_several_files_modified_are_read(repository, tmp_path):
    repository.commit({"a.py": "a2\n", "b.py": "b2\n", "new.py": "n\n", "c.txt": None}, "Fix crash")

    assert corrections(repository, tmp_path) == [("a.py", "a\n", "a2\n"), ("b.py", "b\n", "b2\n")]


def test_commits_that_correct_nothing_or_one_file_or_very_many_are_not_read(repository, tmp_path):
    repository.commit({"a.py": "a2\n", "b.py": "b2\n"}, "Make it faster")
    repository.commit({"a.py": "a3\n"}, "Fix crash")
    many = {f"{n}.py": "1\n" for n in range(10)}
    repository.commit(many, "Add files")
    repository.commit({"a.py": "a4\n"} | dict.fromkeys(many, "2\n"), "Fix everything")

    assert corrections(repository, tmp_path) == []


def test_files_of_no_known_language_and_those_that_are_too_large_or_no_text_are_left_out(repository, tmp_path):
    after = {"a.py": "a2\n", "b.py": "\0", "c.txt": "c2\n", "big.py": "y" * 200_000}
    repository.commit(after, "Fix crash")

    assert corrections(repository, tmp_path / "1", known_languages_only=True) == [("a.py", "a\n", "a2\n")]
    assert [path for path, *_ in corrections(repository, tmp_path / "2")] == ["a.py", "c.txt"]


@pytest.mark.parametrize("unit_commits", [1, 2, 5_000])
def test_units_of_any_size_have_the_same_ones(repository, tmp_path, unit_commits):
    for number in range(3):
        repository.commit({"a.py": f"a{number}\n", "b.py": f"b{number}\n"}, "Fix crash")

    assert 6 == len(corrections(repository, tmp_path, unit_commits=unit_commits))
    assert run_git("rev-list", "--count", "HEAD", cwd=repository.path).strip() == b"4"


def test_without_the_setting_none_is_read(repository, tmp_path):
    repository.commit({"a.py": "a2\n", "b.py": "b2\n"}, "Fix crash")
    source = GitHistory(repos=(str(repository.path),))
    [unit] = source.list_units(tmp_path / "memory").units

    assert [0] == [len(piece.side["correction"]) for piece in source.read(unit, KEY)]

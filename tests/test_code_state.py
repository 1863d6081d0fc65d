"""Which code a build says it was made by."""

from pathlib import Path

import pytest
from builds import git

from themis_data.fingerprint import code_state


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in ("themis_data", "schemas", "pipelines", "manifests/datasets", "docs"):
        (root / name).mkdir(parents=True)
        (root / name / "a.txt").write_text("a", encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=a")
    code_state.cache_clear()
    return root


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    assert {"commit": git(checkout, "rev-parse", "HEAD"), "is_dirty": False} == code_state(checkout)


@pytest.mark.parametrize("path", ["themis_data/a.txt", "themis_data/new.py", "schemas/new.yaml", "manifests/a.yaml"])
def test_a_changed_or_new_file_that_shapes_rows_is_dirty(checkout: Path, path: str) -> None:
    (checkout / path).write_text("b", encoding="utf-8")

    assert True is code_state(checkout)["is_dirty"]


@pytest.mark.parametrize("path", ["docs/a.txt", "new.txt", "manifests/datasets/made/1.0.0.json"])
def test_what_shapes_no_rows_is_not(checkout: Path, path: str) -> None:
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).write_text("b", encoding="utf-8")

    assert False is code_state(checkout)["is_dirty"]


def test_a_checkout_that_git_cannot_read_is_dirty(checkout: Path) -> None:
    (checkout / ".git" / "HEAD").write_text("nonsense", encoding="utf-8")

    assert {"commit": None, "is_dirty": True} == code_state(checkout)


def test_an_installed_package_has_neither(tmp_path: Path) -> None:
    assert {"commit": None, "is_dirty": None} == code_state(tmp_path)

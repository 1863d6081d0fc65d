"""Fixtures for every test: a folder of small git repositories (see git_repositories.py)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from git_repositories import Repository


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Repository]:
    """Makes an empty repository under the test's own folder: `make_repository("name", "--object-format=sha256")`."""

    def make(name: str = "repository", *init: str) -> Repository:
        return Repository(tmp_path / name, *init)

    return make

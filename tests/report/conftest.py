from pathlib import Path

import pytest
from made_runs import Handmade, Small, small_build


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small_build(tmp_path_factory.mktemp("small [1]"))  # square brackets are no pattern


@pytest.fixture
def handmade(tmp_path: Path) -> Handmade:
    return Handmade(tmp_path / "run")

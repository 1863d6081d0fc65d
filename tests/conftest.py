"""For every test: a folder of small git repositories (git_repositories.py), and how Hypothesis looks for examples."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from git_repositories import Repository
from git_server import GitServer
from hypothesis import HealthCheck, settings

# How long an example takes says more about what else runs on the machine than about the code.
settings.register_profile("themis", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("themis")


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Repository]:
    """Makes an empty repository under the test's own folder: `make_repository("name", "--object-format=sha256")`."""

    def make(name: str = "repository", *init: str) -> Repository:
        return Repository(tmp_path / name, *init)

    return make


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[], GitServer]]:
    """Starts servers of `tmp_path / "served"`, and stops them."""
    servers = []

    def start() -> GitServer:
        server = GitServer(tmp_path / "served")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.hanging.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(serve: Callable[[], GitServer]) -> GitServer:
    """One such server."""
    return serve()

"""The same candidates as an independent implementation finds, on histories made at random."""

import tempfile
from pathlib import Path

from git_repositories import Repository
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import candidates

from themis_data.sources._git import open_git, open_repository
from themis_data.sources.git_history import AFTER_SHAPE, read_commits

PATHS = st.sampled_from(["a", "b.py", "d", "d/c", "d/e/f", ":q", "-x", "new\nline", b"\xff"])
FILES = st.one_of(
    st.none(),
    st.sampled_from(["", "one\n", "two\n", b"\0\1"]),
    st.sampled_from([("100755", "one\n"), ("120000", "one\n"), ("160000", "1" * 40), ("160000", "2" * 40)]),
)
COMMITS = st.lists(
    st.tuples(st.dictionaries(PATHS, FILES, max_size=3), st.lists(st.integers(0, 20), max_size=2)),
    min_size=2,
    max_size=12,
)


@settings(max_examples=25)
@given(COMMITS)
def test_candidates_are_those_that_libgit2_finds(commits):
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder) / "repository")
        made: list[str] = []
        for files, parents in commits:
            # An empty list of parents goes on from the last commit; the others name earlier ones.
            earlier = list(dict.fromkeys(made[number % len(made)] for number in parents)) if made else []
            made.append(repository.commit(files, "Say it", parents=earlier or None))
        with open_git(open_repository(repository.path).objects, timeout_s=60.0) as git:
            reachable = repository.git("rev-list", "--topo-order", "--reverse", "HEAD").split()
            ours = {(c.id, c.path) for c in read_commits(git, reachable) if c.reason is None or c.reason in AFTER_SHAPE}

        assert candidates(repository.path, [made[-1]]) == ours

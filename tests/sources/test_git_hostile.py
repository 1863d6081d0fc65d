"""Repositories that want to run something, to lie, or to stop the build; and those that are broken.

A trap is tried with plain git first: it must spring there, or the test shows nothing.
"""

import os
import pty
import subprocess
import time
from pathlib import Path

import pytest
from builds import Notes, build_here, made_repository, pipeline_file
from git_repositories import run_git
from mined import KEY, mine

from themis_data.errors import SourceError
from themis_data.sources.git_history import GitHistory, RepositoryRef


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


def plainly(path: Path, *arguments: str, terminal: bool = False) -> None:
    """Run git as a careless reader would; whether it succeeds does not matter."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "TERM": "xterm"}
    if not terminal:
        subprocess.run(
            ["git", *arguments], cwd=path, capture_output=True, env=environment, stdin=subprocess.DEVNULL, timeout=30
        )
        return
    ours, theirs = pty.openpty()
    subprocess.run(
        ["git", *arguments], cwd=path, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, timeout=30
    )
    os.close(theirs)
    os.close(ours)


@pytest.fixture
def victim(make_repository):
    repository = make_repository("victim")
    for text in ("one\n", "two\n", "three\n"):
        repository.commit({"a.py": text})
    return repository


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "sprung"


# Each sets a trap that makes the file `mark`, and gives the arguments with which plain git walks into it.


def lose_blob(victim):
    blob = victim.blob("HEAD", "a.py")
    victim.remove_object(blob)
    return blob


def promisor(victim, mark):
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "evil",
        "remote.evil.url": f"ext::sh -c touch% {mark}",
        "remote.evil.promisor": "true",
        "protocol.ext.allow": "always",
    }.items():
        victim.set(key, value)
    return "cat-file", "-p", lose_blob(victim)


def included(victim, mark):
    arguments = promisor(victim, mark)
    config = (victim.path / "config").read_text()
    (victim.path / "more").write_text(config)
    (victim.path / "config").write_text(
        "[core]\n\tbare = true\n\trepositoryFormatVersion = 1\n[include]\n\tpath = more\n"
    )
    return arguments


def alternate(victim, mark):
    """The same, with the objects borrowed from elsewhere."""
    elsewhere = victim.path.parent / "elsewhere"
    (victim.path / "objects").rename(elsewhere)
    (victim.path / "objects" / "info").mkdir(parents=True)
    (victim.path / "objects" / "info" / "alternates").write_text(f"{elsewhere}\n")
    blob = victim.blob("HEAD", "a.py")
    (elsewhere / blob[:2] / blob[2:]).rename(victim.path.parent / "kept")
    (victim.path / "objects" / blob[:2]).mkdir()
    (victim.path.parent / "kept").rename(victim.path / "objects" / blob[:2] / blob[2:])
    return promisor(victim, mark)


def fsmonitor(victim, mark):
    victim.set("core.bare", "false")
    victim.set("core.worktree", str(victim.path.parent))
    victim.set("core.fsmonitor", f"touch {mark}; false")
    run_git("read-tree", "HEAD", cwd=victim.path)
    return "status", "--short"


def hook(name, *arguments):
    def make(victim, mark):
        hooks = victim.path / "evil-hooks"
        hooks.mkdir()
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
        victim.set("core.hooksPath", str(hooks))
        return arguments

    return make


def command_in(key, *arguments):
    def make(victim, mark):
        victim.set(key, f"sh -c 'touch {mark}' --")
        return arguments

    return make


def attributes(victim, text):
    (victim.path / "info").mkdir(exist_ok=True)
    (victim.path / "info" / "attributes").write_text(text)


def textconv(victim, mark):
    attributes(victim, "* diff=evil\n")
    victim.set("diff.evil.textconv", f"touch {mark}; cat")
    return "log", "-p", "--textconv"


def smudge(victim, mark):
    attributes(victim, "* filter=evil\n")
    victim.set("filter.evil.smudge", f"touch {mark}; cat")
    return "cat-file", "--filters", "HEAD:a.py"


def signature(victim, mark):
    program = victim.path / "evil-gpg"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    victim.set("gpg.program", str(program))
    victim.set("log.showSignature", "true")
    tree, tip = victim.tree("HEAD"), victim.git("rev-parse", "HEAD")
    victim.raw_commit(
        f"tree {tree}\nparent {tip}\nauthor A <a@b.c> 1 +0000\ncommitter A <a@b.c> 1 +0000\ngpgsig "
        f"-----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\nSigned\n"
    )
    return ("log",)


TRAPS = {
    "promisor": promisor,
    "promisor in an included file": included,
    "promisor behind alternates": alternate,
    "core.fsmonitor": fsmonitor,
    "core.hooksPath": hook("reference-transaction", "update-ref", "refs/heads/x", "HEAD"),
    "core.sshCommand": command_in("core.sshCommand", "ls-remote", "ssh://host.invalid/x"),
    "core.pager": command_in("core.pager", "--paginate", "log"),
    "pager.log": command_in("pager.log", "log"),
    "diff.external": command_in("diff.external", "diff", "HEAD~1", "HEAD"),
    "textconv": textconv,
    "filter": smudge,
    "gpg.program": signature,
}


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_in_a_repository_is_run(victim, mark, memory, name):
    arguments = TRAPS[name](victim, mark)
    plainly(victim.path, *arguments, terminal="pager" in name)
    assert mark.exists(), "plain git did not run the command: the test shows nothing"
    mark.unlink()

    mined = mine(victim.path, memory=memory, refs=("HEAD", "refs/heads/*"))

    assert not mark.exists()
    assert mined.listing.unreadable == ()
    assert [row["old_contents"] for row in mined.changes][:1] == ["one\n"]
    assert ("missing_blob" in mined.left_out) == name.startswith("promisor")


# What a repository says of itself without being asked


def test_replacements_are_not_followed(victim, memory):
    false = victim.git("hash-object", "-w", "--stdin", stdin=b"false\n")
    victim.git("replace", victim.blob("HEAD", "a.py"), false)
    assert victim.git("cat-file", "-p", "HEAD:a.py") == "false"

    assert mine(victim.path, memory=memory).changes[-1]["new_contents"] == "three\n"


def test_grafts_are_not_followed(victim, memory):
    tip = victim.git("rev-parse", "HEAD")
    (victim.path / "info").mkdir()
    (victim.path / "info" / "grafts").write_text(f"{tip}\n")
    assert victim.git("rev-list", "--count", "HEAD") == "1"

    assert len(mine(victim.path, memory=memory).commits) == 3


@pytest.mark.parametrize("lie", [b"nonsense", b""])
def test_a_commit_graph_is_not_looked_at(victim, memory, lie):
    victim.git("commit-graph", "write", "--reachable")
    [graph] = (victim.path / "objects" / "info").glob("commit-graph*")
    graph.chmod(0o644)
    graph.write_bytes(lie or graph.read_bytes()[:-40] + bytes(40))

    assert len(mine(victim.path, memory=memory).changes) == 2


def test_a_mailmap_is_not_looked_at(victim, memory):
    honest = mine(victim.path, memory=memory).changes[0]["author_hash"]
    (victim.path / "map").write_text("Forged <forged@example.com> <person@example.com>\n")
    victim.set("mailmap.file", str(victim.path / "map"))
    assert victim.git("log", "-1", "--format=%aE") == "forged@example.com"

    assert mine(victim.path, memory=memory).changes[0]["author_hash"] == honest


def test_the_reader_s_own_configuration_does_not_matter(victim, memory, tmp_path, monkeypatch):
    expected = mine(victim.path, memory=memory)
    (tmp_path / ".gitconfig").write_text(
        "[log]\n\tshowRoot = false\n\tdate = iso\n[diff]\n\tnoprefix = true\n\trenames = true\n"
        "\torderFile = /nonexistent\n[core]\n\tquotePath = true\n[color]\n\tui = always\n"
    )
    for name, value in {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "GIT_DIR": "/nonexistent",
        "GIT_TRACE": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "color.ui",
        "GIT_CONFIG_VALUE_0": "always",
        "GIT_REPLACE_REF_BASE": "refs/x/",
        "GIT_DIFF_OPTS": "-u9",
        "LANG": "de_DE.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)

    assert mine(victim.path, memory=memory).commits == expected.commits


# Files of a repository that are not what they should be


@pytest.mark.parametrize("place", ["config", "HEAD", "packed-refs", "shallow", "refs/heads/pipe", "commondir"])
def test_a_pipe_is_not_waited_for(victim, memory, place):
    path = victim.path / place
    path.unlink(missing_ok=True)
    os.mkfifo(path)

    started = time.monotonic()
    mined = mine(victim.path, memory=memory, refs=("HEAD", "refs/heads/*"))

    assert time.monotonic() - started < 60
    assert mined.changes or mined.listing.unreadable or mined.listing.warnings


def test_a_pipe_that_git_waits_for_ends_with_the_time_limit(victim, memory):
    victim.git("gc", "--quiet")
    [index] = (victim.path / "objects" / "pack").glob("*.idx")
    index.unlink()
    os.mkfifo(index)

    mined = mine(victim.path, memory=memory, timeout_s=0.3)

    [(_, why)] = mined.listing.unreadable
    assert "took longer than 0.3 s" in why


def test_a_text_file_too_large_is_not_read(victim, memory):
    with open(victim.path / "packed-refs", "wb") as file:
        file.truncate(10**12)

    [(_, why)] = mine(victim.path, memory=memory).listing.unreadable
    assert "packed-refs: 1000000000000 bytes" in why


def test_a_ref_that_leads_out_of_the_repository_is_not_followed(victim, memory, tmp_path):
    (tmp_path / "secret").write_text("1" * 40)
    (victim.path / "refs" / "heads" / "link").symlink_to(tmp_path / "secret")
    (victim.path / "refs" / "heads" / "folder").symlink_to(tmp_path)

    assert mine(victim.path, memory=memory, refs=("refs/heads/*",)).listing.unreadable == ()


def test_an_entry_that_is_no_file_although_it_says_so_is_a_missing_blob(victim, memory):
    tip = victim.git("rev-parse", "HEAD")
    entry = b"100644 a.py\0" + bytes.fromhex(tip)
    tree = victim.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=entry)
    false = victim.raw_commit(
        f"tree {tree}\nparent {tip}\nauthor A <a@b.c> 1 +0000\ncommitter A <a@b.c> 1 +0000\n\nx\n"
    )

    assert mine(victim.path, memory=memory).reasons[false] == "missing_blob"


def test_a_commit_with_a_great_many_paths_is_counted(victim, memory):
    victim.commit({f"d{n % 100}/f{n}": "x" for n in range(5_000)})

    assert mine(victim.path, memory=memory).commits[-1]["num_paths"] == 5_000


# Broken repositories


def broken(victim, how):
    victim.git("gc", "--quiet")
    [pack] = (victim.path / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    how(pack)


def cut(pack):
    pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])


def empty(pack):
    pack.write_bytes(b"")


def remove(pack):
    pack.unlink()


def cut_index(pack):
    index = pack.with_suffix(".idx")
    index.chmod(0o644)
    index.write_bytes(index.read_bytes()[:1000])


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A sound repository, and the counts of a build of it alone."""
    folder = tmp_path_factory.mktemp("good")
    repository = made_repository(folder / "good", num_commits=12)
    return repository, build_here(pipeline_file(folder, repository), folder / "out").manifest["counts"]


@pytest.mark.parametrize("how", [cut, empty, remove, cut_index])
def test_a_broken_repository_is_reported_and_the_others_are_built(tmp_path, make_repository, good, how):
    repository, counts = good
    bad = make_repository("bad")
    for text in ("one\n", "two\n"):
        bad.commit({"a.py": text})
    broken(bad, how)
    notes = Notes()

    built = build_here(pipeline_file(tmp_path, [bad.path, repository]), tmp_path / "out", notes=notes)

    [(what, why)] = built.unreadable
    assert what == str(bad.path)
    assert str(bad.path) in why
    assert any("cannot be read and is left out" in note for note in notes.notes)
    assert built.manifest["counts"] == counts


@pytest.mark.parametrize("part", range(12))
def test_a_flipped_byte_never_gives_other_contents(victim, memory, part):
    expected = mine(victim.path, memory=memory).changes

    def flip(pack):
        data = bytearray(pack.read_bytes())
        data[len(data) * part // 12 + 5] ^= 0xFF
        pack.write_bytes(bytes(data))

    broken(victim, flip)

    try:
        mined = mine(RepositoryRef(path=str(victim.path), name=expected[0]["repository"]), memory=memory)
    except SourceError as error:
        assert str(victim.path) in str(error)
    else:
        # Where it hit the name of an object, that is missing.
        assert mined.listing.unreadable or len(mined.changes) + mined.left_out.get("missing_blob", 0) == len(expected)
        assert all(change in expected for change in mined.changes)


def test_a_corrupt_blob_is_not_taken_for_a_missing_one(victim, memory):
    blob = victim.blob("HEAD", "a.py")
    loose = victim.path / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"nonsense")

    source = GitHistory(repos=(str(victim.path),))
    [unit] = source.list_units(memory).units

    with pytest.raises(SourceError, match="victim: git cat-file failed: error: "):
        list(source.read(unit, KEY))


def test_an_object_that_is_lost_while_it_is_read_is_an_error_of_that_repository(victim, memory):
    source = GitHistory(repos=(str(victim.path),))
    [unit] = source.list_units(memory).units
    victim.remove_object(victim.git("rev-parse", "HEAD"))

    with pytest.raises(SourceError, match="victim: git log failed: fatal: bad object"):
        list(source.read(unit, KEY))

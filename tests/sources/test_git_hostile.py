"""Repositories that want to run something, to lie, or to stop the build; and those that are broken.

A trap is tried with plain git first: it must spring there, or the test shows nothing.
"""

import os
import pty
import resource
import struct
import subprocess
import time
import zlib
from datetime import UTC
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


def default_hooks(victim, mark):
    """Where hooks are without a setting."""
    (victim.path / "hooks").mkdir()
    (victim.path / "hooks" / "reference-transaction").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (victim.path / "hooks" / "reference-transaction").chmod(0o755)
    return "update-ref", "refs/heads/x", "HEAD"


def alternates_command(victim, mark):
    """What git asks for the tips of the repositories that objects are borrowed from."""
    other = victim.path.parent / "other.git"
    run_git("clone", "--quiet", "--bare", str(victim.path), str(other), cwd=victim.path)
    (victim.path / "objects" / "info").mkdir(exist_ok=True)
    (victim.path / "objects" / "info" / "alternates").write_text(f"{other}/objects\n")
    victim.set("core.alternateRefsCommand", f"touch {mark};")
    tip = run_git("commit-tree", "-m", "x", "HEAD^{tree}", cwd=other).decode().strip()
    run_git("update-ref", "refs/heads/new", tip, cwd=other)
    return "fetch", str(other), "refs/heads/new"


def submodule(victim, mark):
    """A submodule that says how it wants to be updated, and another from a program in place of a host."""
    top = victim.path.parent
    (top / "inner").mkdir()
    run_git("init", "--quiet", "--template=", "--initial-branch=main", ".", cwd=top / "inner")
    inner = [
        run_git("commit-tree", "-m", text, "4b825dc642cb6eb9a060e54bf8d69288fbee4904", cwd=top / "inner")
        for text in ("one", "two")
        if run_git("write-tree", cwd=top / "inner")
    ]
    first, second = (name.decode().strip() for name in inner)
    for branch, tip in {"main": first, "other": second}.items():
        run_git("update-ref", f"refs/heads/{branch}", tip, cwd=top / "inner")
    listed = (
        '[submodule "inner"]\n\tpath = inner\n\turl = ./inner\n'
        f'[submodule "far"]\n\tpath = far\n\turl = ext::sh -c touch% {mark}\n'
    )
    victim.commit({"inner": ("160000", second), "far": ("160000", first), ".gitmodules": listed}, "Add submodules")
    (top / ".gitmodules").write_text(listed)
    for key, value in {
        "core.bare": "false",
        "core.worktree": str(top),
        "protocol.ext.allow": "always",
        "submodule.inner.url": str(top / "inner"),
        "submodule.inner.update": f"!touch {mark};:",
        "submodule.inner.active": "true",
    }.items():
        victim.set(key, value)
    run_git("read-tree", "HEAD", cwd=victim.path)
    return "--git-dir", str(victim.path), "-C", str(top), "submodule", "update", "inner"


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
    "hooks": default_hooks,
    "core.alternateRefsCommand": alternates_command,
    "submodule": submodule,
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


def test_a_commit_of_a_hundred_thousand_files_is_counted_and_the_next_one_is_read(victim, memory):
    many = victim.commit({f"d{n % 100}/f{n}": "x" for n in range(100_000)})
    victim.commit({"a.py": "four\n"})

    mined = mine(victim.path, memory=memory)

    assert {row["commit"]: row["num_paths"] for row in mined.commits}[many] == 100_000
    assert [row["new_contents"] for row in mined.changes] == ["two\n", "three\n", "four\n"]


# What git says of a blob of 2 GiB and one byte, all zero: too much to compute it in a test.
HUGE_SIZE, HUGE_NAME = 2**31 + 1, "ffb5085bb8f3377c53772d72d1c581bb19b20a0d"


def huge_blob(repository):
    """Write that blob as git would: one packed mebibyte over and over, and what is left."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    head = packer.compress(b"blob %d\0" % HUGE_SIZE) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    mebibyte = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    rest = packer.compress(b"\0") + packer.flush()
    check = zlib.adler32(b"blob %d\0" % HUGE_SIZE)
    low, high = check & 0xFFFF, check >> 16
    check = (high + low * HUGE_SIZE) % 65_521 << 16 | low  # zeros leave the low half as it is
    path = repository.path / "objects" / HUGE_NAME[:2] / HUGE_NAME[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x78\x01" + head + mebibyte * 2**11 + rest + struct.pack(">I", check))


def commit_huge(repository, name):
    """Commit the blob under a name beside a.py, on top of the last commit."""
    huge_blob(repository)
    tip = repository.git("rev-parse", "HEAD")
    entries = f"100644 blob {repository.blob(tip, 'a.py')}\ta.py\n100644 blob {HUGE_NAME}\t{name}\n"
    tree = repository.git("mktree", "--missing", stdin=entries.encode())
    return repository.raw_commit(
        f"tree {tree}\nparent {tip}\nauthor A <a@b.c> 9 +0000\ncommitter A <a@b.c> 9 +0000\n\nGrow it\n"
    )


@pytest.mark.parametrize("name", ["big.py", "LICENSE"])
def test_a_blob_of_two_gibibytes_is_not_read_and_the_next_commit_is(victim, memory, name):
    victim.commit({name: "MIT\n"})
    huge = commit_huge(victim, name)
    assert victim.git("cat-file", "-s", HUGE_NAME) == str(HUGE_SIZE)
    victim.commit({"a.py": "four\n"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    mined = mine(victim.path, memory=memory)

    assert mined.reasons[huge] == "too_large"
    assert [(row["new_contents"], row["license"]) for row in mined.changes][-1] == ("four\n", "NOASSERTION")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("seconds", [0, 2**31 - 1, 2**31, 2**32 + 1])
def test_the_first_second_and_those_past_2038_are_dates(victim, memory, seconds):
    tip, date = victim.git("rev-parse", "HEAD"), f"{seconds} +0000"
    tree = victim.tree(victim.commit({"a.py": "four\n"}))
    victim.raw_commit(f"tree {tree}\nparent {tip}\nauthor A <a@b.c> {date}\ncommitter A <a@b.c> {date}\n\nx\n")

    change = mine(victim.path, memory=memory).changes[-1]

    assert [seconds] * 2 == [
        int(change[name].replace(tzinfo=UTC).timestamp()) for name in ("committed_at", "authored_at")
    ]


# Names that would be something else to a shell, to git's own options, or to a file system


NAMES = [
    "$(touch sprung)",
    "`touch sprung`",
    "; touch sprung",
    "-x",
    "--upload-pack=touch",
    'a"b',
    "a'b",
    "a\nb",
    "a\\b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_branch_may_have_any_name(victim, memory, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    victim.commit({"a.py": "four\n"}, branch="other")
    (victim.path / "refs" / "heads" / "other").rename(victim.path / "refs" / "heads" / name)
    files = set(tmp_path.rglob("sprung"))

    mined = mine(victim.path, memory=memory, refs=("refs/heads/*",))

    assert mined.listing.unreadable == ()
    assert len(mined.commits) == 4
    assert set(tmp_path.rglob("sprung")) == files == set()


@pytest.mark.parametrize("name", ["refs/heads/../../../outside", "../outside", "refs/heads/x\0y", "/etc/passwd"])
def test_a_packed_branch_that_points_outside_is_a_name_and_no_place(victim, memory, tmp_path, name):
    (tmp_path / "outside").write_text("1" * 40)
    tip = victim.git("rev-parse", "HEAD")
    (victim.path / "packed-refs").write_text(f"{tip} {name}\n")

    mined = mine(victim.path, memory=memory, refs=("*",))

    assert mined.listing.unreadable == ()
    assert len(mined.changes) == 2


@pytest.mark.parametrize("name", [*NAMES, "..", "../up.py", "../../../../tmp/up.py", "/etc/up.py", ".git/config"])
def test_a_file_may_have_any_name(victim, memory, tmp_path, monkeypatch, name):
    """Also one that git itself would not write: the folders are written as bytes."""
    monkeypatch.chdir(tmp_path)
    parent = victim.git("rev-parse", "HEAD")
    for text in (b"one\n", b"two\n"):
        blob = victim.git("hash-object", "-w", "--stdin", stdin=text)
        entry = b"100644 %b\0%b" % (name.encode(), bytes.fromhex(blob))
        tree = victim.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=entry)
        parent = victim.raw_commit(
            f"tree {tree}\nparent {parent}\nauthor A <a@b.c> 1 +0000\ncommitter A <a@b.c> 1 +0000\n\nx\n"
        )

    change = mine(victim.path, memory=memory).changes[-1]

    assert (change["path"], change["old_contents"], change["new_contents"]) == (name, "one\n", "two\n")
    assert list(tmp_path.rglob("*up.py")) + list(tmp_path.rglob("sprung")) == []


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


def flip(pack, part):
    data = bytearray(pack.read_bytes())
    data[len(data) * part // 12 + 5] ^= 0xFF
    pack.write_bytes(bytes(data))


@pytest.mark.parametrize("part", range(12))
def test_a_flipped_byte_never_gives_other_contents_and_stops_no_build(victim, memory, part):
    """Where it hit a commit, the repository cannot be read; else what needs the object is left out."""
    expected = mine(victim.path, memory=memory).changes
    broken(victim, lambda pack: flip(pack, part))

    mined = mine(RepositoryRef(path=str(victim.path), name=expected[0]["repository"]), memory=memory)

    lost = mined.left_out.get("missing_blob", 0) + mined.left_out.get("corrupt", 0)
    assert mined.listing.unreadable or len(mined.changes) + lost == len(expected)
    assert all(change in expected for change in mined.changes)


def damage(repository, name):
    """Make an object of a repository unreadable."""
    loose = repository.path / "objects" / name[:2] / name[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"nonsense")


def cut_short(repository, name):
    """Leave of an object what says how large it is."""
    loose = repository.path / "objects" / name[:2] / name[2:]
    loose.chmod(0o644)
    loose.write_bytes(loose.read_bytes()[:-6])


@pytest.mark.parametrize("how", [damage, cut_short])
@pytest.mark.parametrize("part", ["blob", "tree"])
def test_of_a_corrupt_object_only_what_needs_it_is_lost(make_repository, memory, how, part):
    repository = make_repository()
    commits = [repository.commit({"a.py": f"{n}\n" * 50}) for n in range(9)]
    how(repository, repository.blob(commits[4], "a.py") if part == "blob" else repository.tree(commits[4]))

    mined = mine(repository.path, memory=memory)

    assert mined.listing.unreadable == ()
    assert mined.reasons == dict.fromkeys(commits) | {
        commits[0]: "root",
        commits[4]: "corrupt",
        commits[5]: "corrupt",
    }
    assert [row["new_contents"] for row in mined.changes] == [f"{n}\n" * 50 for n in (1, 2, 3, 6, 7, 8)]


def test_a_licence_file_that_is_corrupt_is_not_known(make_repository, memory):
    repository = make_repository()
    first = repository.commit({"a.py": "one\n", "LICENSE": "MIT License\n"})
    repository.commit({"a.py": "two\n"})
    damage(repository, repository.blob(first, "LICENSE"))

    assert [row["license"] for row in mine(repository.path, memory=memory).changes] == ["NOASSERTION"]


def test_a_corrupt_file_is_a_reason_of_its_commits_and_the_other_repositories_are_built(
    tmp_path, make_repository, good
):
    repository, counts = good
    bad = make_repository("bad")
    commits = [bad.commit({"a.py": text}) for text in ("one\n", "two\n")]
    damage(bad, bad.blob(commits[1], "a.py"))

    built = build_here(pipeline_file(tmp_path, [bad.path, repository]), tmp_path / "out")

    funnel = built.manifest["funnel"][0]
    assert built.unreadable == ()
    assert funnel["dropped"]["corrupt"] == 1
    assert built.manifest["counts"] == counts


def test_an_object_that_is_lost_while_it_is_read_is_an_error_of_that_repository(victim, memory):
    source = GitHistory(repos=(str(victim.path),))
    [unit] = source.list_units(memory).units
    victim.remove_object(victim.git("rev-parse", "HEAD"))

    with pytest.raises(SourceError, match="victim: git log failed: fatal: bad object"):
        list(source.read(unit, KEY))

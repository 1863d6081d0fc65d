"""Repositories behind URLs, served on this machine's loopback only."""

import base64
import os
import pickle

import pytest
from builds import Notes, build_here, made_repository, pipeline_file
from git_repositories import run_git
from mined import mine

from themis_data.sources.git_history import GitHistory

SECRET = "s3cret-Token"


@pytest.fixture
def upstream(make_repository):
    """A repository with two changes, in the folder that is served."""
    repository = make_repository("served/owner/name.git")
    for text in ("one\n", "two\n", "three\n"):
        repository.commit({"a.py": text})
    return repository


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


def test_a_url_is_read_and_named_after_it(server, upstream, memory):
    mined = mine(f"{server.url}/owner/name.git", memory=memory)

    assert mined.listing.unreadable == ()
    assert [row["new_contents"] for row in mined.changes] == ["two\n", "three\n"]
    assert {row["repository"] for row in mined.changes} == {"127.0.0.1/owner/name"}


def test_a_url_gives_the_rows_that_a_folder_gives(server, upstream, memory, tmp_path):
    upstream.set("remote.origin.url", f"{server.url}/owner/name.git")

    by_url, by_folder = (
        mine(f"{server.url}/owner/name.git", memory=memory),
        mine(upstream.path, memory=tmp_path / "other"),
    )

    assert by_url.changes == by_folder.changes
    assert by_url.commits == by_folder.commits
    assert [u.fingerprint for u in by_url.listing.units] == [u.fingerprint for u in by_folder.listing.units]


def test_other_refs_are_fetched_when_asked_for(server, upstream, memory):
    upstream.commit({"a.py": "four\n"}, branch="topic/x", parents=[upstream.git("rev-parse", "main")])
    url = f"{server.url}/owner/name.git"

    assert len(mine(url, memory=memory).changes) == 2
    assert len(mine(url, memory=memory, refs=("refs/heads/*",)).changes) == 3
    assert len(mine(url, memory=memory).changes) == 2


def test_new_commits_upstream_add_a_round(server, upstream, memory):
    url = f"{server.url}/owner/name.git"
    before = mine(url, memory=memory)
    upstream.commit({"a.py": "four\n"})

    after = mine(url, memory=memory)

    assert [u.name for u in after.listing.units] == [
        "127.0.0.1/owner/name round 0 from 0",
        "127.0.0.1/owner/name round 1 from 0",
    ]
    assert after.listing.units[0].fingerprint == before.listing.units[0].fingerprint
    assert after.changes[-1]["new_contents"] == "four\n"


def test_history_rewritten_upstream_starts_anew(server, upstream, memory):
    url = f"{server.url}/owner/name.git"
    mine(url, memory=memory)
    upstream.commit({"a.py": "otherwise\n"}, parents=[upstream.git("rev-parse", "main~1")])

    mined = mine(url, memory=memory)

    assert [u.name for u in mined.listing.units] == ["127.0.0.1/owner/name round 0 from 0"]
    assert [row["new_contents"] for row in mined.changes] == ["two\n", "otherwise\n"]


def test_what_is_served_may_set_traps_in_its_clone_in_vain(server, upstream, memory):
    """A clone has the objects and refs of the other side and nothing else of it."""
    upstream.set("core.fsmonitor", "false")
    mine(f"{server.url}/owner/name.git", memory=memory)

    [config] = (memory / "clones").glob("*/config")
    assert "remote" not in config.read_text()
    assert "hooksPath = /dev/null" in config.read_text()


# Credentials


def everything_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_credentials_are_used_and_appear_nowhere(server, tmp_path, monkeypatch):
    made_repository(tmp_path / "served" / "owner" / "name.git", num_commits=12)
    server.password = f"user:{SECRET}"
    url = f"http://user:{SECRET}@127.0.0.1:{server.server_port}/owner/name.git"
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text(f'#!/bin/sh\necho "$@" >> {calls}\nPATH={os.environ["PATH"]} exec git "$@"\n')
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    notes, out = Notes(), tmp_path / "out"

    built = build_here(pipeline_file(tmp_path / "pipeline", url), out, notes=notes)
    listing = GitHistory(repos=(url,)).list_units(out / "sources" / "git")

    assert built.unreadable == ()
    assert server.authorizations[-1] is not None
    assert "127.0.0.1/owner/name" in str(listing.identity)
    assert "fetch --quiet --no-tags" in calls.read_text()
    for text in (str(built), str(notes.notes), str(listing), calls.read_text()):
        assert SECRET not in text
    assert SECRET.encode() not in pickle.dumps(listing)
    secrets = [SECRET.encode(), base64.b64encode(f"user:{SECRET}".encode())]
    assert [path for path, data in everything_in(out).items() if any(secret in data for secret in secrets)] == []


@pytest.mark.parametrize("password", [f"{SECRET}", f"{SECRET}%40x%2Fy", f"x@{SECRET}", f"{SECRET}?q", f"{SECRET}#q"])
@pytest.mark.parametrize("path", ["/owner/name.git", "/nothing.git", "/nothing.git?token=" + SECRET])
def test_credentials_that_do_not_work_are_not_in_the_error(server, upstream, memory, password, path):
    server.password = "user:another"

    mined = mine(f"http://user:{password}@127.0.0.1:{server.server_port}{path}", memory=memory)

    [(what, why)] = mined.listing.unreadable
    assert SECRET not in what + why
    assert what.startswith("http://127.0.0.1")
    assert "git fetch failed" in why


def test_credentials_are_decoded(server, upstream, memory):
    server.password = "us er:p@ss/word"

    mined = mine(f"http://us%20er:p%40ss%2Fword@127.0.0.1:{server.server_port}/owner/name.git", memory=memory)

    assert mined.listing.unreadable == ()


def test_a_new_password_uses_the_same_clone(server, upstream, memory):
    for password in ("one", "two"):
        server.password = f"user:{password}"
        mine(f"http://user:{password}@127.0.0.1:{server.server_port}/owner/name.git", memory=memory)

    assert len(list((memory / "clones").iterdir())) == 1


def test_a_password_does_not_go_along_with_a_redirect(serve, upstream, memory):
    first, second = serve(), serve()
    first.redirect = second.url

    mined = mine(f"http://user:{SECRET}@127.0.0.1:{first.server_port}/owner/name.git", memory=memory)

    assert len(mined.listing.unreadable) == 1
    assert second.authorizations == []


def test_without_a_password_a_redirect_is_followed(serve, upstream, memory):
    first, second = serve(), serve()
    first.redirect = second.url

    assert len(mine(f"{first.url}/owner/name.git", memory=memory).changes) == 2


def test_credentials_of_an_origin_are_not_kept(upstream, memory):
    upstream.set("remote.origin.url", f"https://user:{SECRET}@example.com/owner/name?token={SECRET}")

    mined = mine(upstream.path, memory=memory)

    assert SECRET not in str(mined) and SECRET.encode() not in pickle.dumps(mined.listing)
    assert mined.changes[0]["repository"] == "example.com/owner/name"


# What is refused


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% {mark}",
        "ext::sh -c touch% {mark} %S",
        "fd::17",
        "ftp://127.0.0.1/x",
        "ext://sh",
        "https://[",
        "http://",
        "--upload-pack=touch {mark}",
        "-oProxyCommand=touch {mark}:x",
        "ssh://-oProxyCommand=touch${{IFS}}{mark}/x",
        "host.invalid::x",
    ],
)
def test_other_transports_are_refused(upstream, memory, tmp_path, url):
    mark = tmp_path / "sprung"

    mined = mine(url.format(mark=mark), upstream.path, memory=memory, timeout_s=20.0)

    assert not mark.exists()
    assert len(mined.listing.unreadable) == 1
    assert len(mined.changes) == 2


def test_a_transport_program_is_refused_by_name(memory):
    [(_, why)] = mine("ext::sh -c true", memory=memory).listing.unreadable

    assert why == "not_allowed: ext::sh -c true: cannot be read; give a folder or a URL of https, http, ssh, git"


def test_a_redirect_to_another_transport_is_refused(server, upstream, memory):
    server.redirect = f"file://{upstream.path.parent.parent}"

    assert len(mine(f"{server.url}/owner/name.git", memory=memory).listing.unreadable) == 1


def test_a_server_that_is_not_there_is_an_error_of_that_repository(serve, upstream, memory):
    gone = serve()
    gone.server_close()

    mined = mine("http://127.0.0.1:1/owner/name.git", upstream.path, memory=memory)

    [(what, why)] = mined.listing.unreadable
    assert what == "http://127.0.0.1:1/owner/name.git"
    assert "git fetch failed" in why
    assert len(mined.changes) == 2


def test_what_a_server_says_cannot_reach_the_terminal(server, memory):
    said = b"ERR \x1b[2J\x1b]0;forged\x07 and \xff"
    server.answer = b"001e# service=git-upload-pack\n0000" + b"%04x" % (len(said) + 4) + said

    [(_, why)] = mine(f"{server.url}/owner/name.git", memory=memory).listing.unreadable

    assert "forged" in why
    assert why.isprintable()


def test_a_server_that_never_answers_ends_with_the_time_limit(memory, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/owner/name.git"
        [(_, why)] = mine(url, memory=memory, timeout_s=0.5).listing.unreadable

    assert "took longer than 0.5 s" in why


def test_what_a_killed_fetch_left_behind_is_taken_away(server, upstream, memory):
    url = f"{server.url}/owner/name.git"
    mine(url, memory=memory)
    [clone] = (memory / "clones").iterdir()
    left = [clone / name for name in ("packed-refs.lock", "refs/themis/HEAD.lock", "objects/pack/tmp_pack_x")]
    for path in left:
        path.write_text("")
    upstream.commit({"a.py": "four\n"})

    mined = mine(url, memory=memory)

    assert len(mined.changes) == 3
    assert not any(path.exists() for path in left)


def test_a_clone_that_was_broken_off_is_fetched_again(server, upstream, memory):
    url = f"{server.url}/owner/name.git"
    mine(url, memory=memory)
    [clone] = (memory / "clones").iterdir()
    for file in clone.rglob("*.pack"):
        file.unlink()
    assert run_git("rev-parse", "HEAD", cwd=upstream.path)

    mined = mine(url, memory=memory)

    assert mined.listing.unreadable == () and len(mined.changes) == 2

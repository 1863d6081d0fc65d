"""Fetching many repositories from servers on the loopback: dead, slow, busy and hanging ones, and kills."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from git_server import GitServer
from mined import mine

from themis_data.errors import PipelineError, SourceError
from themis_data.sources._fetch import Failed, Fetcher, Fetching, Wanted, host_of, reason_of, with_lenders
from themis_data.sources.git_history import GitHistory

QUICK = Fetching(wait_s=0.0)


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


def serve_repository(make_repository, name: str, *texts: str, **settings: str):
    """A repository with these versions of a file, in the folder that is served."""
    repository = make_repository(f"served/{name}.git")
    for text in texts:
        repository.commit({"a.py": f"# {name}\n{text}\n"})
    for key, value in settings.items():
        repository.set(key.replace("_", "."), value)
    return repository


def listed(folder: Path, server: GitServer, *names: str) -> str:
    path = folder / "list.txt"
    path.write_text("# repositories\n\n" + "".join(f"{server.url}/{name}.git\n" for name in names), encoding="utf-8")
    return str(path)


def refs_of(name: str) -> str:
    return f"/{name}.git/info/refs"


# Lists


def test_a_list_of_urls_and_folders_is_read_each_repository_once(server, make_repository, memory, tmp_path):
    served = serve_repository(make_repository, "o/one", "1", "2")
    local = serve_repository(make_repository, "o/two", "1", "2")
    lists = tmp_path / "list.txt"
    url = f"{server.url}/o/one.git"
    lists.write_text(f"# ours\n{url}\n  {local.path}   example.com/o/two\n\n{url}\n", encoding="utf-8")

    mined = mine(memory=memory, lists=(str(lists),))

    assert mined.listing.unreadable == ()
    assert [row["repository"] for row in mined.changes] == ["127.0.0.1/o/one", "example.com/o/two"]
    assert server.asked == ["/o/one.git"] and served.path.exists()


def test_a_line_with_more_than_a_place_and_a_name_is_an_error(memory, tmp_path):
    (tmp_path / "list.txt").write_text("a b c\n", encoding="utf-8")

    with pytest.raises(SourceError, match=r"list\.txt, line 1: 'a b c'; expected a folder or URL"):
        mine(memory=memory, lists=(str(tmp_path / "list.txt"),))


def test_a_list_that_is_not_there_is_an_error(memory, tmp_path):
    with pytest.raises(SourceError, match=r"nothing\.txt: cannot be read as a list of repositories"):
        mine(memory=memory, lists=(str(tmp_path / "nothing.txt"),))


# What cannot be had


def test_each_repository_that_cannot_be_had_is_left_out_with_its_reason(server, make_repository, memory, tmp_path):
    serve_repository(make_repository, "o/good", "1", "2")
    (tmp_path / "served" / "o" / "empty.git").mkdir()
    server.faults = {refs_of("o/private"): [401], refs_of("o/broken"): [500] * 3}
    names = ("o/gone", "o/private", "o/broken", "o/empty", "o/good")

    mined = mine(memory=memory, lists=(listed(tmp_path, server, *names),), fetching=QUICK)

    reasons = {what.rpartition("/")[2]: why.partition(":")[0] for what, why in mined.listing.unreadable}
    assert reasons == {
        "gone.git": "gone",
        "private.git": "forbidden",
        "broken.git": "unreachable, asked 3 times",
        "empty.git": "gone",
    }
    assert len(mined.changes) == 1
    assert "4 of 5 repositories cannot be read: forbidden 1, gone 2, unreachable 1" in mined.listing.warnings


def test_what_fails_for_a_passing_reason_is_tried_again(server, make_repository, memory):
    serve_repository(make_repository, "o/n", "1", "2")
    server.faults = {refs_of("o/n"): [503, 429, 200]}

    mined = mine(f"{server.url}/o/n.git", memory=memory, fetching=QUICK)

    assert len(mined.changes) == 1
    assert server.asked == ["/o/n.git"] * 3


def test_what_is_gone_is_asked_for_once(server, make_repository, memory, tmp_path):
    (tmp_path / "served").mkdir()

    mine(f"{server.url}/o/n.git", memory=memory, fetching=QUICK)

    assert server.asked == ["/o/n.git"]


def test_a_server_that_stops_sending_is_given_up(server, make_repository, memory):
    serve_repository(make_repository, "o/n", "1", "2")
    server.faults = {refs_of("o/n"): [0]}

    mined = mine(f"{server.url}/o/n.git", memory=memory, fetching=Fetching(tries=1, stall_s=1.0))

    [(_, why)] = mined.listing.unreadable
    assert why.startswith("timed_out: ") and "too slow" in why.lower()


def test_a_server_that_stopped_once_is_asked_again(server, make_repository, memory):
    serve_repository(make_repository, "o/n", "1", "2")
    server.faults = {refs_of("o/n"): [0, 200]}

    mined = mine(f"{server.url}/o/n.git", memory=memory, fetching=Fetching(tries=2, wait_s=0.0, stall_s=1.0))

    assert mined.listing.unreadable == () and len(mined.changes) == 1
    assert server.asked == ["/o/n.git"] * 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fatal: repository 'https://h/o/n/' not found", "gone"),
        ("fatal: could not read Username for 'https://h': No such device or address", "forbidden"),
        ("git@h: Permission denied (publickey).", "forbidden"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "unreachable"),
        ("error: RPC failed; HTTP 502", "unreachable"),
        ("The requested URL returned error: 429", "busy"),
        ("git fetch failed: took longer than 5 s", "timed_out"),
        ("wanted to write more than 9 bytes into one file", "too_large"),
        ("fatal: transport 'file' not allowed", "not_allowed"),
        ("error: bad object 1234", "damaged"),
    ],
)
def test_what_git_says_has_one_word(said, reason):
    assert reason_of(said) == reason


# Forks, and what is left on the server


def test_a_fork_is_fetched_without_what_the_first_of_its_name_has(server, make_repository, memory):
    texts = [f"{n} " + "x" * n * 50 for n in range(40)]
    serve_repository(make_repository, "a/n", *texts)
    fork = serve_repository(make_repository, "b/n", "1")
    first = subprocess.run(
        ["git", "rev-parse", "main"], cwd=fork.path.parent.parent / "a" / "n.git", capture_output=True, text=True
    ).stdout.strip()
    fork.git("fetch", "--quiet", "../../a/n.git", "main:theirs")
    fork.commit({"a.py": "ours\n"}, parents=[first])
    urls = [f"{server.url}/b/n.git", f"{server.url}/a/n.git"]

    mined = mine(urls[1], urls[0], memory=memory)

    assert mined.listing.unreadable == ()
    assert server.sent["/b/n.git/git-upload-pack"] * 5 < server.sent["/a/n.git/git-upload-pack"]
    assert sorted(row["repository"] for row in mined.changes).count("127.0.0.1/b/n") == 1
    assert mine(*urls, memory=memory.parent / "other").changes == mined.changes


def test_a_fork_of_what_is_gone_is_fetched_whole(server, make_repository, memory):
    serve_repository(make_repository, "b/n", "1", "2")

    assert len(mine(f"{server.url}/a/n.git", f"{server.url}/b/n.git", memory=memory).changes) == 1


def test_a_fork_whose_lender_was_removed_says_what_to_do(server, make_repository, memory):
    import shutil

    for name in ("a/n", "b/n"):
        serve_repository(make_repository, name, "1", "2")
    urls = [f"{server.url}/{name}.git" for name in ("a/n", "b/n")]
    mine(*urls, memory=memory)
    [lender] = [p for p in (memory / "clones").iterdir() if not (p / "borrows").exists()]
    shutil.rmtree(lender)

    [(_, why)] = mine(urls[1], memory=memory).listing.unreadable

    assert "which is gone; remove" in why


def test_files_too_large_to_be_read_stay_on_the_server(server, make_repository, memory):
    repository = serve_repository(make_repository, "o/n", "1", "2", uploadpack_allowFilter="true")
    for text in ("a", "b"):
        repository.commit({"big.py": text + "".join(f"{n}\n" for n in range(300_000))})
    url = f"{server.url}/o/n.git"

    without = mine(url, memory=memory)
    sent = server.sent.pop("/o/n.git/git-upload-pack")
    whole = mine(url, memory=memory, fetching=Fetching(tries=1, large_blobs=True))

    assert without.changes == whole.changes and without.reasons == whole.reasons
    assert list(without.reasons.values()).count("too_large") == 1
    assert sent * 20 < server.sent["/o/n.git/git-upload-pack"]
    assert [u.fingerprint for u in without.listing.units] == [u.fingerprint for u in whole.listing.units]


# Again, and after a kill


def test_without_again_nothing_that_is_known_is_asked_for(server, make_repository, memory, tmp_path):
    repository = serve_repository(make_repository, "o/n", "1", "2")
    lists = listed(tmp_path, server, "o/n", "o/gone")
    before = mine(memory=memory, lists=(lists,))
    repository.commit({"a.py": "3\n"})
    server.asked.clear()

    kept = mine(memory=memory, lists=(lists,), fetching=Fetching(tries=1, again=False))
    assert server.asked == []
    assert kept.changes == before.changes and kept.listing.unreadable == before.listing.unreadable
    again = mine(memory=memory, lists=(lists,))

    assert sorted(server.asked) == ["/o/gone.git", "/o/n.git"]
    assert len(again.changes) == len(before.changes) + 1


def test_after_a_kill_the_rest_is_fetched_although_the_git_that_was_left_still_runs(
    server, make_repository, memory, tmp_path
):
    for name in ("a/one", "a/two", "a/three", "a/four"):
        serve_repository(make_repository, name, "1", "2")
    server.faults = {refs_of("a/three"): [0]}
    lists = listed(tmp_path, server, "a/one", "a/gone", "a/two", "a/three", "a/four")
    script = (
        "import sys; from pathlib import Path; from themis_data.sources.git_history import GitHistory as G;"
        "from themis_data.sources._fetch import Fetching as F;"
        "G(lists=(sys.argv[1],), fetching=F(at_once=1)).list_units(Path(sys.argv[2]))"
    )
    build = subprocess.Popen([sys.executable, "-c", script, lists, str(memory)])
    assert server.hangs.acquire(timeout=120)
    build.send_signal(signal.SIGKILL)
    build.wait()
    [held] = [lock for lock in (memory / "clones").glob("*/fetching") if _is_alive(int(lock.read_text()))]
    server.asked.clear()

    mined = mine(memory=memory, lists=(lists,), fetching=Fetching(at_once=1, tries=1))

    assert server.asked == ["/a/three.git", "/a/four.git"]
    assert [what for what, _ in mined.listing.unreadable] == [f"{server.url}/a/gone.git"]
    assert sorted({row["repository"] for row in mined.changes}) == [
        f"127.0.0.1/a/{name}" for name in ("four", "one", "three", "two")
    ]
    assert mine(memory=tmp_path / "fresh", lists=(lists,)).changes == mined.changes
    assert held.exists()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"


# What an export names


def export(folder: Path, *rows: tuple[str, str]) -> str:
    import json

    path = folder / "export.jsonl"
    lines = (json.dumps({"commit": c, "repos": repos, "new_file": "a.py", "old_file": "a.py"}) for c, repos in rows)
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_an_export_alone_names_the_repositories_and_a_fork_stands_in_for_one_that_is_gone(
    server, make_repository, memory, tmp_path
):
    for name in ("b/n", "c/other"):
        serve_repository(make_repository, name, "1", "2")
    heads = {
        name: subprocess.run(
            ["git", "rev-parse", "main"], cwd=tmp_path / "served" / f"{name}.git", capture_output=True, text=True
        ).stdout.strip()
        for name in ("b/n", "c/other")
    }
    rows = export(tmp_path, (heads["b/n"], "a/n,b/n"), (heads["c/other"], "c/other,d/other"))
    url = server.url + "/{name}"

    mined = mine(memory=memory, commits=(rows,), url=url, fetching=QUICK)

    assert sorted(server.asked) == [f"/github.com/{name}" for name in ("a/n", "b/n", "c/other", "d/other")]
    assert mined.changes == []
    (tmp_path / "served" / "github.com").mkdir()
    for name in ("b/n", "c/other"):
        place = tmp_path / "served" / "github.com" / name
        place.parent.mkdir()
        place.symlink_to(tmp_path / "served" / f"{name}.git")
    mined = mine(memory=memory, commits=(rows,), url=url, fetching=QUICK)

    assert [(row["repository"], row["repos"]) for row in mined.changes] == [
        ("github.com/b/n", "github.com/a/n,github.com/b/n"),
        ("github.com/c/other", "github.com/c/other,github.com/d/other"),
    ]
    assert [what for what, _ in mined.listing.unreadable] == [f"{server.url}/github.com/a/n"]


# The order of many


class Clock:
    """A time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def fetched(urls, fetch, **rules):
    clock, seen = Clock(), []

    def one(wanted, running):
        seen.append((wanted.url, clock.now))
        return fetch(wanted.url, len([url for url, _ in seen if url == wanted.url]))

    fetcher = Fetcher(Fetching(at_once=1, **rules), one, clock=clock, pause=clock.pause)
    wanted = [Wanted(url=url, clone=url) for url in urls]
    return {one.url: outcome for one, outcome in fetcher.all(wanted)}, seen


def test_the_wait_doubles_and_others_go_first():
    def fetch(url, tries):
        if url == "https://h/bad":
            raise SourceError("Connection reset by peer")
        return url

    outcomes, seen = fetched(["https://h/bad", "https://h/good"], fetch, tries=3, wait_s=10.0)

    assert outcomes["https://h/good"] == "https://h/good"
    assert outcomes["https://h/bad"] == Failed(
        reason="unreachable", why="unreachable, asked 3 times: Connection reset by peer"
    )
    assert [url for url, _ in seen] == ["https://h/bad", "https://h/good", "https://h/bad", "https://h/bad"]
    first, second = seen[2][1], seen[3][1] - seen[2][1]
    assert 7.5 <= first <= 12.5 and 15.0 <= second <= 25.0


def test_a_busy_host_is_left_alone_and_other_hosts_are_not():
    def fetch(url, tries):
        if url == "https://h/1" and tries == 1:
            raise SourceError("The requested URL returned error: 429")
        return url

    outcomes, seen = fetched(["https://h/1", "https://h/2", "https://other/1"], fetch, wait_s=10.0)

    assert set(outcomes.values()) == {"https://h/1", "https://h/2", "https://other/1"}
    at = dict(seen)
    assert at["https://other/1"] == 0.0 and at["https://h/2"] >= 7.5


def test_one_host_is_asked_by_few_at_a_time(server, make_repository, memory, tmp_path):
    names = [f"o/n{number}" for number in range(6)]
    for name in names:
        serve_repository(make_repository, name, "1", "2")

    mined = mine(
        memory=memory, lists=(listed(tmp_path, server, *names),), fetching=Fetching(at_once=6, at_once_per_host=2)
    )

    assert len(mined.changes) == 6
    assert server.most_busy <= 2


def test_many_repositories_of_as_many_hosts_are_settled_once_each():
    urls = [f"https://h{number}/o/n" for number in range(10_000)]
    wanted = with_lenders(urls, lambda url: url)
    steps = 0

    def fetch(one, running):
        nonlocal steps
        steps += 1
        return steps

    assert len({one.url for one, _ in Fetcher(Fetching(), fetch).all(wanted)}) == 10_000
    assert steps == 10_000


def test_an_error_of_ours_ends_everything():
    def fetch(one, running):
        raise AssertionError("ours")

    with pytest.raises(AssertionError, match="ours"):
        list(Fetcher(Fetching(), fetch).all([Wanted(url="https://h/o/n", clone="x")]))


@pytest.mark.parametrize("url", ["https://user:p@H.example:8443/o/N.git", "https://h.example:8443/x/n"])
def test_the_first_of_a_name_on_a_host_lends(url):
    [first, second] = with_lenders(["https://h.example:8443/a/n.git", url], lambda url: url)

    assert host_of(url) == "h.example:8443"
    assert first.lender is None and second.lender == first.clone


@pytest.mark.parametrize(("url", "host"), [("git@h.example:o/n", "h.example"), ("https://[", ""), ("ssh://u@h/x", "h")])
def test_the_host_of_other_addresses(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize("settings", [{"at_once": 16}, {"at_once": 0}, {"at_once_per_host": 0}, {"tries": 0}])
def test_settings_that_are_not_polite_or_make_no_sense_are_errors(settings):
    with pytest.raises(PipelineError, match="at_once is 1 to 15"):
        Fetching(**settings)


def test_how_repositories_are_fetched_is_no_part_of_what_is_read():
    from themis_data.fingerprint import settings_that_matter

    assert settings_that_matter(GitHistory()) == settings_that_matter(GitHistory(fetching=QUICK, url="x", lists=("y",)))

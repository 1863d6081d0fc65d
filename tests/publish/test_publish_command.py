"""The command `publish`: what it prints, one clean line for an error, and kills at any request."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import ENVIRONMENT
from hub_server import TOKEN, HubServer, running
from made_versions import made_rows, run_folder

REPO = "org/made"
CHECKS = [option for name in ("datasets", "openrlhf", "reward_bench", "trl") for option in ("--skip-check", name)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_folder(tmp_path_factory.mktemp("built") / "run")


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running() as server:
        yield server


def command(root: Path, records: Path, *options: str, to: str = f"hf://datasets/{REPO}") -> list[str]:
    arguments = ["publish", str(root), "--to", to, "--version", "1.2.0", "--records", str(records)]
    return [sys.executable, "-m", "themis_data.cli", *arguments, *options]


def environment(folder: Path, url: str = "http://127.0.0.1:9", token: str = TOKEN) -> dict[str, str]:
    own = {"HF_ENDPOINT": url, "HF_TOKEN": token, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
    quiet = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return ENVIRONMENT | own | quiet


def publish(root: Path, folder: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(root, folder / "records", *options),
        cwd=folder,
        env=environment(folder, **env),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_a_dry_run_prints_files_steps_checks_and_the_card_without_network(built: Path, tmp_path: Path) -> None:
    done = publish(built, tmp_path, "--dry-run")

    assert 0 == done.returncode, done.stderr
    for text in ("10 files", "data/train-00000-of-00002.parquet", "in 1 commit on main", "tag 1.2.0", "license: other",
                 "reward_bench", "sees all", "1 at 512", "nothing was sent (--dry-run)"):  # fmt: skip
        assert text in done.stdout
    assert TOKEN not in done.stdout + done.stderr


def test_json_says_what_was_published(hub: HubServer, built: Path, tmp_path: Path) -> None:
    done = publish(built, tmp_path, "--json", *CHECKS, url=hub.url)

    assert 0 == done.returncode, done.stderr
    said = json.loads(done.stdout)
    assert (hub.repos[REPO].tags["1.2.0"], 10) == (said["commit"], said["sent"])
    assert ["datasets", "openrlhf", "reward_bench", "trl"] == said["skipped_checks"]
    record = json.loads((tmp_path / "records" / "made" / "1.2.0.json").read_text(encoding="utf-8"))
    assert said["skipped_checks"] == record["skipped_checks"]
    assert {"polars"} == {verdict["consumer"] for verdict in record["checks"]}


def test_a_bad_token_is_one_line(hub: HubServer, built: Path, tmp_path: Path) -> None:
    done = publish(built, tmp_path, *CHECKS, url=hub.url, token="hf_WrongSecret")

    assert (1, "") == (done.returncode, done.stdout)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: org/made: the Hub does not take the token (401)")
    assert "hf_WrongSecret" not in line


def test_a_consumer_that_would_lose_rows_stops_it(hub: HubServer, tmp_path: Path) -> None:
    rows = made_rows(3, prompt=" ")
    done = publish(run_folder(tmp_path / "run", rows), tmp_path, url=hub.url)

    assert 1 == done.returncode
    assert "polars, configuration default: 3 rows have no prompt" in done.stderr
    assert [] == hub.requests


def kill_at(hub: HubServer, number: int, *, is_done: bool, root: Path, folder: Path) -> bool:
    """Publish, and kill that when its n-th request comes, or when it is done and unanswered; false: it ended before."""
    process = subprocess.Popen(
        command(root, folder / "records", *CHECKS),
        cwd=folder,
        env=environment(folder, hub.url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    start = len(hub.requests)

    def watch(seen: int, was_done: bool) -> None:
        if seen - start == number and was_done == is_done and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    hub.watch = watch
    process.wait()
    hub.watch = None
    return process.returncode == -signal.SIGKILL


def assert_whole(hub: HubServer, root: Path, folder: Path) -> None:
    done = publish(root, folder, "--json", *CHECKS, url=hub.url)
    assert 0 == done.returncode, done.stderr
    there = {path: len(content) for path, content in hub.at(REPO, "1.2.0").items() if path != ".gitattributes"}
    assert {file["path"]: file["bytes"] for file in json.loads(done.stdout)["files"]} == there
    assert ["1.2.0"] == list(hub.repos[REPO].tags)
    assert sorted(set(hub.puts)) == sorted(hub.puts), "a file that had arrived was sent again"
    assert 2 == len(hub.repos[REPO].commits)  # the first, with .gitattributes, and ours


# The others are among those of `make test-crash`.
@pytest.mark.parametrize(("path", "is_done"), [("/commit/", True)])
def test_a_kill_at_a_request_and_a_rerun_leave_one_version(
    hub: HubServer, built: Path, tmp_path: Path, path: str, is_done: bool
) -> None:
    with running() as undisturbed:
        publish(built, tmp_path, *CHECKS, "--records", str(tmp_path / "other"), url=undisturbed.url)
        number = next(n for n, request in enumerate(undisturbed.requests, 1) if path in request)
    assert kill_at(hub, number, is_done=is_done, root=built, folder=tmp_path)
    assert not (tmp_path / "records").exists()

    assert_whole(hub, built, tmp_path)
    assert (tmp_path / "records" / "made" / "1.2.0.json").is_file()


@pytest.mark.crash
def test_twenty_kills_of_publishing(built: Path, tmp_path: Path) -> None:
    """Each at a request drawn from a seed, before or after it is done; five of them twice in a row."""
    draw, where = random.Random(5), list[str]()
    for number in range(15):
        with running() as hub:
            folder = tmp_path / str(number)
            folder.mkdir()
            for _ in range(2 if number < 5 else 1):
                if kill_at(hub, draw.randrange(1, 25), is_done=draw.random() < 0.5, root=built, folder=folder):
                    where.append(hub.requests[-1].replace("/api/datasets/org/made", ""))
            assert_whole(hub, built, folder)
    print(f"\nkilled at: {', '.join(where)}")
    assert len(where) >= 15

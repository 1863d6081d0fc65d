"""Kills: a build that is killed at any moment and started again publishes the same bytes and leaves nothing locked."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from builds import ENVIRONMENT, made_repository, pipeline_file, published, themis

from themis_data.verify import clean, verify

_MARK = "THEMIS_KILLED_BY"  # in the environment of everything a test starts, so that only that is killed


@dataclass
class Killed:
    """A pipeline whose build is killed: its command, what an undisturbed build publishes, and how long that takes."""

    folder: Path
    command: list[str]
    published: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def kill(self, when: Callable[[subprocess.Popen[bytes]], bool], out: Path, mark: str) -> bool:
        """Build, and kill the build and all it started when `when` is done; false where the build was done first."""
        process = subprocess.Popen(
            [*self.command, "--out", str(out)],
            cwd=self.folder,
            env=ENVIRONMENT | {_MARK: mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return when(process)
        finally:
            kill_all(process, mark)

    def build(self, out: Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.command, "--out", str(out)],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done


def after(seconds: float) -> Callable[[subprocess.Popen[bytes]], bool]:
    """Waits so long; false where the build was done before."""

    def wait(process: subprocess.Popen[bytes]) -> bool:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    return wait


def once_there_is(path: Path) -> Callable[[subprocess.Popen[bytes]], bool]:
    """Waits until the build has made a file."""

    def wait(process: subprocess.Popen[bytes]) -> bool:
        while not path.exists():
            if not after(0.005)(process):
                return False
        return True

    return wait


def kill_all(process: subprocess.Popen[bytes], mark: str) -> None:
    """SIGKILL for the process's group and for every other process that has the mark, until there is none."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while marked := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if has_mark(pid, mark)]:
        for pid in marked:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def has_mark(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it ended, or is not ours
        return False
    return f"{_MARK}={mark}\0".encode() in environment and state not in "ZX"


def undisturbed(folder: Path, num_commits: int, *options: str, with_tasks: bool = False) -> Killed:
    repository = made_repository(folder / "repository", num_commits=num_commits)
    pipeline = pipeline_file(folder, repository, with_tasks=with_tasks, unit_commits=25)
    killed = Killed(folder=folder, command=[sys.executable, "-m", "themis_data.cli", "build", str(pipeline), *options])
    times = []
    for number in range(2):  # the first also fills the caches of the disk
        started = time.monotonic()
        killed.build(folder / f"undisturbed-{number}")
        times.append(time.monotonic() - started)
    killed.seconds = min(times)
    killed.published = published(folder / "undisturbed-0")
    return killed


def kill_and_go_on(killed: Killed, *, seed: int, num_kills: int, in_a_row: int = 1) -> list[str]:
    """Kill builds at moments drawn from a seed; several kills in a row work on one folder, and then it is built to its
    end. Gives how far the builds were when they were killed.

    A build that was done before its moment came counts for nothing: the next one is killed earlier.
    """
    draw, reached, number = random.Random(seed), list[str](), 0
    while len(reached) < num_kills:
        out, longest = killed.folder / f"killed-{seed}-{number}", killed.seconds
        for _ in range(min(in_a_row, num_kills - len(reached))):
            moment = draw.random() * longest
            number += 1
            if killed.kill(after(moment), out, f"{os.getpid()}-{seed}-{number}"):
                reached.append(how_far(out))
            else:
                longest = 0.7 * moment
        killed.build(out)
        assert killed.published == published(out), reached
        assert [] == verify(out)[0]
        clean(out, dry_run=False)
        assert [] == list(out.rglob("*.tmp"))
        assert not (out / "tmp").exists()
        assert [] == verify(out)[0]
        shutil.rmtree(out)
    return reached


def how_far(out: Path) -> str:
    """The last segment that has a finished shard."""
    if (out / "dataset" / "manifest.json").exists():
        return "manifest"
    if (out / "dataset").exists():
        return "writing"
    done = list((out / "segments").glob("*/*.json"))
    return max(done, key=lambda p: p.stat().st_mtime_ns).parent.name if done else "nothing"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return undisturbed(tmp_path_factory.mktemp("small"), 40, "--engine", "inline")


def test_a_build_that_was_killed_goes_on_and_publishes_the_same_bytes(small):
    kill_and_go_on(small, seed=1, num_kills=1)


@pytest.mark.crash
def test_a_build_that_was_killed_again_and_again_gets_there(small):
    kill_and_go_on(small, seed=2, num_kills=3, in_a_row=3)


def test_a_killed_build_leaves_nothing_locked(small, tmp_path):
    out = tmp_path / "out"
    assert small.kill(once_there_is(out / "segments" / "commits.0.mine"), out, f"lock-{os.getpid()}")
    small.build(out)

    assert themis("verify", str(out), cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("path", [".lock", "sources/git/rounds", "tmp", "dataset"])
def test_a_build_that_was_killed_right_after_it_made_a_file_goes_on(small, tmp_path, path):
    out = tmp_path / "out"
    small.kill(once_there_is(out / path), out, f"path-{os.getpid()}")
    small.build(out)

    assert small.published == published(out)


@pytest.mark.crash
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_twenty_kills(tmp_path, engine):
    """Ten builds that are killed once, and two that are killed five times each."""
    options = ["--engine", engine, "--limit", "12", "--set", "mix.allow_demo=true", "--set", "human_eval.unit_tasks=1"]
    killed = undisturbed(tmp_path, 300, *options, *(["--workers", "2"] if engine == "ray" else []), with_tasks=True)
    once = kill_and_go_on(killed, seed=3, num_kills=10)
    again = kill_and_go_on(killed, seed=4, num_kills=10, in_a_row=5)

    print(
        f"\n{engine}, undisturbed in {killed.seconds:.1f} s; killed in: {', '.join(once)}; "
        f"five in a row: {', '.join(again)}"
    )
    assert 20 == len(once) + len(again)
    assert len({*once, *again}) >= 4, "the kills came at too few places of the build"

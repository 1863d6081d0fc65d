"""Fetching many repositories: each once, politely, and what cannot be had is said and left out.

No host is asked by more than a few at a time, what fails for a passing reason is tried again later, and a host that
says it is too busy is left alone meanwhile. Everything that is settled is noted at once, so that after a kill nothing
is asked twice.
"""

import heapq
import json
import os
import re
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count, starmap
from pathlib import Path
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlsplit

from themis_data.errors import PipelineError, SourceError
from themis_data.fingerprint import digest, uniform
from themis_data.manifest import write_atomically
from themis_data.sources._git import end, without_user

_MOST_AT_ONCE = 15
# Why a repository could not be had, by what git says of it; the first that fits counts.
_REASONS: tuple[tuple[str, str], ...] = (
    ("damaged", r"bad object|corrupt|git fsck|inflate|missing (?:blob|tree|commit)"),
    ("busy", r"error: (?:429|503)|too many requests|rate limit"),
    ("forbidden", r"could not read (?:user|pass)|authentication failed|permission denied|access denied|error: 40[13]"),
    ("gone", r"not found|does not exist|does not appear to be a git|error: (?:404|410|451)|no such"),
    ("not_allowed", r"cannot be read; give|transport '.*' not allowed|not supported|unable to find remote helper"),
    ("too_large", r"wanted to write more than"),
    ("timed_out", r"took longer than|operation too slow|timed? ?out"),
)
_PASSING = ("busy", "damaged", "timed_out", "unreachable")  # the others are as bad the next time

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """How repositories are fetched from servers: nothing of it bears on what is read."""

    at_once: Annotated[int, "fetches at a time, 15 at most"] = 8
    at_once_per_host: Annotated[int, "fetches at a time from one host"] = 4
    tries: Annotated[int, "times a repository is asked for, where it fails for a reason that may pass"] = 3
    wait_s: Annotated[float, "seconds before the second try; twice as many before each further one"] = 10.0
    stall_s: Annotated[float, "seconds that an http server may send less than 1,000 bytes a second"] = 60.0
    large_blobs: Annotated[bool, "whether files too large to be read are fetched too"] = False
    again: Annotated[bool, "whether what an earlier build fetched, or found gone, is asked for again"] = True

    def __post_init__(self) -> None:
        if not (0 < self.at_once <= _MOST_AT_ONCE and self.at_once_per_host > 0 and self.tries > 0):
            raise PipelineError(
                f"fetching: at_once is 1 to {_MOST_AT_ONCE}, at_once_per_host and tries are at least 1; found "
                f"{self.at_once}, {self.at_once_per_host} and {self.tries}"
            )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A repository on a server."""

    url: str
    clone: str  # name of the folder that it is fetched into
    lender: str | None = None  # name of the folder of what may be a fork of it


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Why a repository cannot be had: one word, and what git said."""

    reason: str
    why: str


def reason_of(why: str) -> str:
    """One word for what git said when it failed: gone, forbidden (a server may say so of what is gone), not_allowed,
    too_large, busy, damaged, timed_out or unreachable."""
    said = why.lower()
    return next((reason for reason, pattern in _REASONS if re.search(pattern, said)), "unreachable")


def with_lenders(urls: Sequence[str], name_of: Callable[[str], str]) -> list[Wanted]:
    """Each repository once, with what it may borrow objects from: the first of the same name on the same host.

    Forks mostly keep the name. Of one that is none a few object ids are told to the server in vain.
    """
    first: dict[str, str] = {}
    wanted: dict[str, Wanted] = {}
    for url in urls:
        clone = name_of(url)
        lender = first.setdefault(_fork_key(url), clone)
        wanted.setdefault(clone, Wanted(url=url, clone=clone, lender=None if lender == clone else lender))
    return list(wanted.values())


def _fork_key(url: str) -> str:
    return f"{host_of(url)}/{url.rstrip('/').removesuffix('.git').rpartition('/')[2].lower()}"


def host_of(url: str) -> str:
    """Host of a URL or of host:path, with its port."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower() or url.partition(":")[0].rpartition("@")[2].lower()
    except ValueError:  # such as http://[
        return ""


class Journal:
    """What a round of fetching settled so far: a line a repository, written as it happens.

    A round that was broken off goes on where it was; after one that ended the next begins anew, unless it keeps.
    """

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self._open, self._done = folder / "fetching.jsonl", folder / "fetched.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._settled = {**(_read(self._done) if keep else {}), **_read(self._open)}

    def settled(self, key: str) -> Failed | bool:
        """Whether it was fetched, or why it cannot be; False where it is to be asked for."""
        return self._settled.get(key, False)

    def note(self, key: str, failed: Failed | None) -> None:
        """Note a key as fetched, or as failed."""
        self._settled[key] = failed or True
        with open(self._open, "a", encoding="utf-8") as file:
            file.write(_line(key, failed or True))
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """End the round."""
        write_atomically(self._done, "".join(starmap(_line, self._settled.items())).encode())
        self._open.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Failed | bool]:
    found: dict[str, Failed | bool] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:  # the last line of who was killed
            continue
        failed = Failed(reason=entry["reason"], why=entry["why"]) if "reason" in entry else None
        if failed is None or failed.reason not in _PASSING:
            found[entry["key"]] = failed or True
    return found


def _line(key: str, settled: Failed | bool) -> str:
    more = {"reason": settled.reason, "why": settled.why} if isinstance(settled, Failed) else {}
    return json.dumps({"key": key, **more}) + "\n"


@dataclass(eq=False)
class _Host:
    """Repositories of one host that wait, and how many are under way."""

    waiting: "deque[_Job]" = field(default_factory=deque)
    under_way: int = 0
    free_at: float = 0.0  # by the clock
    is_queued: bool = False


@dataclass(eq=False)
class _Job:
    wanted: Wanted
    host: _Host
    tries: int = 0


class Fetcher(Generic[Result]):
    """Asks for many repositories at a time, through a function that fetches one: it gives what it makes of the clone,
    or raises SourceError, and puts the processes that it starts into `running`."""

    def __init__(
        self,
        rules: Fetching,
        fetch: Callable[[Wanted, set[subprocess.Popen[bytes]]], Result],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rules, self._fetch, self._clock, self._pause = rules, fetch, clock, pause
        self._running: set[subprocess.Popen[bytes]] = set()
        self._hosts: dict[str, _Host] = {}
        self._ready: deque[_Host] = deque()  # hosts with something to start now
        self._later: list[tuple[float, int, _Job | None, _Host]] = []  # tries and hosts that wait for their time
        self._numbers = count()

    def all(self, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, Result | Failed]]:
        """Each repository as it is settled. Those that borrow come after all others."""
        for borrows in (False, True):
            yield from self._some([one for one in wanted if (one.lender is not None) == borrows])

    def _some(self, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, Result | Failed]]:
        for one in wanted:
            host = self._hosts.setdefault(host_of(one.url), _Host())
            host.waiting.append(_Job(one, host))
            self._queue(host)
        under_way: dict[Future[Result], _Job] = {}
        pool = ThreadPoolExecutor(self._rules.at_once, thread_name_prefix="fetch")
        try:
            while under_way or self._ready or self._later:
                self._wake()
                while self._ready and len(under_way) < self._rules.at_once:
                    job = self._next()
                    if job is None:
                        continue
                    under_way[pool.submit(self._fetch, job.wanted, self._running)] = job
                left = self._later[0][0] - self._clock() if self._later else None
                if not under_way:
                    self._pause(max(0.0, left or 0.0))
                    continue
                done, _ = wait(under_way, timeout=None if left is None else max(0.0, left), return_when=FIRST_COMPLETED)
                for future in done:
                    yield from self._settle(future, under_way.pop(future))
        finally:
            for process in list(self._running):
                end(process)
            pool.shutdown(cancel_futures=True)

    def _queue(self, host: _Host) -> None:
        if not host.waiting or host.is_queued or host.under_way >= self._rules.at_once_per_host:
            return
        if host.free_at > self._clock():
            heapq.heappush(self._later, (host.free_at, next(self._numbers), None, host))
            return
        host.is_queued = True
        self._ready.append(host)

    def _next(self) -> _Job | None:
        """What is next to be started; None where its host has since said that it is busy."""
        host = self._ready.popleft()
        host.is_queued = False
        if host.free_at > self._clock():
            self._queue(host)
            return None
        job = host.waiting.popleft()
        job.tries += 1
        host.under_way += 1
        self._queue(host)
        return job

    def _wake(self) -> None:
        while self._later and self._later[0][0] <= self._clock():
            _, _, job, host = heapq.heappop(self._later)
            if job is not None:
                host.waiting.append(job)
            self._queue(host)

    def _settle(self, future: "Future[Result]", job: _Job) -> Iterator[tuple[Wanted, Result | Failed]]:
        host = job.host
        host.under_way -= 1
        outcome: Result | Failed | None
        try:
            outcome = future.result()
        except SourceError as error:
            outcome = self._failed(job, str(error))
        self._queue(host)
        if outcome is not None:
            yield job.wanted, outcome

    def _failed(self, job: _Job, why: str) -> Failed | None:
        """Why it is given up, or None where it is tried again."""
        reason = reason_of(why)
        if reason not in _PASSING or job.tries >= self._rules.tries:
            tries = f", asked {job.tries} times" if job.tries > 1 else ""
            return Failed(reason=reason, why=f"{reason}{tries}: {why}")
        at = self._clock() + self._wait_s(job)
        if reason == "busy":
            job.host.free_at = max(job.host.free_at, at)
        heapq.heappush(self._later, (at, next(self._numbers), job, job.host))
        return None

    def _wait_s(self, job: _Job) -> float:
        """Longer each time, and not the same for all, so that they do not come back at once."""
        spread = 0.75 + uniform(0, "fetching", job.wanted.clone, str(job.tries)) / 2
        return float(self._rules.wait_s * 2 ** (job.tries - 1) * spread)


def clone_name(url: str, blob_limit: int | None) -> str:
    """Folder of a repository's clone: the same for another password, another one where other blobs were left out."""
    return f"{digest(without_user(url) if blob_limit is None else [without_user(url), blob_limit])}.git"

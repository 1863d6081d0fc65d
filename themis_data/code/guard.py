"""Calls that may bring their process down, in a process of their own.

Grammars are native code that meets hostile text: one that crashes, or asks for all memory, must cost a row and not a
build. A `Guard` keeps one child, hands it calls, and starts another where a call ended it.
"""

import os
import resource
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from themis_data.errors import StageError, ThemisError

_START = "import sys; sys.path[:] = {path!r}; from themis_data.code.guard import serve; serve({descriptor}, {memory})"
_BATCH = 64  # calls sent at a time
_OUT_OF_MEMORY = 77  # exit code of the child
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


@dataclass(frozen=True, slots=True)
class Crashed:
    """What became of a call that ended its process, twice."""

    why: str  # for people: the signal's name, or that memory ran out


class Guard:
    """A child process that makes calls for this one. It ends when this one does, whatever way that ends."""

    def __init__(self, memory_bytes: int = 8 * 2**30) -> None:
        """`memory_bytes` limits the child's address space, of which an idle one has about 1 GiB."""
        self._memory_bytes = memory_bytes
        self._child: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._exit_code = 0  # of the last child; negative for a signal

    def map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The result of each call, in order; `Crashed` for one that ends its process, alone and once more.

        The child finds the function by its module and name. A ThemisError that it raises is raised here; StageError
        where the child was killed from outside or failed in another way.
        """
        results: list[Any] = []
        for start in range(0, len(calls), _BATCH):
            batch = calls[start : start + _BATCH]
            # A batch that ended the child gave no results: each call once more, so that the one to blame is known.
            results += self._answers(function, batch) or [self._alone(function, call) for call in batch]
        return results

    def close(self) -> None:
        """End the child, where there is one; the next call starts another."""
        if self._child is not None:
            self._exit_code = _end(*self._child)
            self._child = None

    def _answers(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Their results; none where one of them ended the child."""
        connection = self._connection()
        try:
            connection.send((function, calls))
            answers, error = connection.recv()
        except (EOFError, OSError):
            self.close()
            return []
        if error is not None:
            self.close()
            raise error
        return list(answers)

    def _alone(self, function: Callable[..., Any], call: tuple[Any, ...]) -> Any:
        answers = self._answers(function, [call])
        return answers[0] if answers else self._blame()

    def _blame(self) -> Crashed:
        if self._exit_code == _OUT_OF_MEMORY:
            return Crashed(f"more than {self._memory_bytes} bytes of memory")
        if -self._exit_code in _CRASHES:
            return Crashed(signal.Signals(-self._exit_code).name)
        how = (
            f"killed by {signal.Signals(-self._exit_code).name}"
            if self._exit_code < 0
            else f"exit code {self._exit_code}"
        )
        raise StageError(f"the process that parses for a worker ended twice ({how}), and not by a crash of its own")

    def _connection(self) -> Connection:
        if self._child is None:
            ours, theirs = Pipe()
            start = _START.format(path=sys.path, descriptor=theirs.fileno(), memory=self._memory_bytes)
            command = [sys.executable, "-X", "utf8", "-c", start]
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),))
            theirs.close()
            self._child = child, ours
            weakref.finalize(self, _end, child, ours)
        return self._child[1]


def shared_guard() -> Guard:
    """The guard of this process, for calls that need no state of their own."""
    return _guard_of(os.getpid())


@cache
def _guard_of(_process: int) -> Guard:
    """By process, for a fork must not use the child of the process it was forked from."""
    return Guard()


def _end(child: "subprocess.Popen[bytes]", connection: Connection) -> int:
    connection.close()  # which it takes as its end
    return child.wait()


def serve(descriptor: int, memory_bytes: int) -> None:
    """What the child does: answer calls until the other end is closed."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(descriptor)
    while True:
        try:
            function, calls = connection.recv()
        except EOFError:
            return
        answers: list[Any] = []
        error: ThemisError | None = None
        try:
            for call in calls:
                answers.append(function(*call))
        except ThemisError as raised:
            error = raised
        except MemoryError:
            os._exit(_OUT_OF_MEMORY)
        connection.send((answers, error))  # all at once: a message costs as much as parsing a small file

"""What publishing sends, where to, and how patient it is; `hub` and `storage` are the two kinds of places."""

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a version: its path there, what it holds, and its hashes."""

    path: str
    content: Path | bytes
    bytes: int
    sha256: str

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    @property
    def blob_id(self) -> str:
        """What git calls it where it is stored as it is."""
        state = hashlib.sha1(b"blob %d\0" % self.bytes, usedforsecurity=False)
        with self.open() as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
        return state.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often something is tried that failed for a reason that may pass, and how long to wait before."""

    tries: int = 8
    first_wait: float = 1.0  # seconds; doubles with each try
    longest_wait: float = 300.0  # seconds, also where a server asks for more
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int, at_least: float = 0.0) -> None:
        """Wait before the next try, after so many failures in a row."""
        self.sleep(min(max(self.first_wait * 2.0 ** (failures - 1), at_least), self.longest_wait))


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What is there now, after its hashes were compared."""

    address: str  # for people
    commit: str | None  # of a place that has commits
    sent: int  # files that this call sent; others had arrived before
    was_there: bool  # whether the version was complete before


class Target(Protocol):
    """A place for versions of one data set."""

    @property
    def name(self) -> str: ...  # of the data set, for its record

    @property
    def load_as(self) -> str | None: ...  # what `load_dataset` is called with; null where it takes no such address

    def steps(self, files: Sequence[File], version: str) -> list[str]:
        """What `send` would do, for people; without network."""
        ...

    def send(self, files: Sequence[File], version: str, note: Callable[[str], None]) -> Arrived:
        """Send what is not there, mark the version as the last step, and compare the hashes of all that arrived.

        The last file is the manifest. Raises PublishError where the version may not follow those that are there, or
        where it does not arrive; the same call again goes on.
        """
        ...

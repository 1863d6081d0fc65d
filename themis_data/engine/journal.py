"""Every reply of a language model, on disk as soon as it came: an append-only file that a crash cannot spoil.

One line a reply: its request's key, the CRC-32 of what follows, and the reply as JSON. A line that a crash cut short is
cut off when the file is opened again. Of two lines with one key the later counts. A failure that asking again may mend
is known only until the file is closed, so the next build asks again.
"""

import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from themis_data.engine.requests import Reply
from themis_data.errors import CorruptData

_KEY, _CRC = 32, 8  # hex digits
_MERGE_AT = 100_000  # new keys held in a dictionary before they join the sorted ones


class Journal:
    """The replies to one template's requests. One process writes at a time; about 30 bytes of memory a reply.

    `is_read_only` leaves the file as it is, for replies that belong to another build.
    """

    def __init__(self, path: Path, *, is_read_only: bool = False) -> None:
        self._path, self._is_read_only = path, is_read_only
        if not is_read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = open(path, "rb" if is_read_only else "a+b")  # noqa: SIM115  closed by __exit__
        self._keys = np.zeros(0, "S16")
        self._places = np.zeros(0, np.int64)
        self._new: dict[bytes, int] = {}
        self._read_index()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, replies: Sequence[Reply]) -> None:
        """Write replies; they are on disk when this returns."""
        if not replies:
            return
        self._file.seek(0, os.SEEK_END)
        place = self._file.tell()
        lines = []
        for reply in replies:
            said = reply.as_json().encode("utf-8", "surrogatepass")
            line = b"%s %08x %s\n" % (reply.key.encode(), zlib.crc32(said), said)
            self._new[_packed(reply.key)] = place
            place += len(line)
            lines.append(line)
        self._file.write(b"".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())
        if len(self._new) >= _MERGE_AT:
            self._merge()

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that have a reply here."""
        return {key for key in keys if self._place(_packed(key)) is not None}

    def find(self, keys: Iterable[str]) -> dict[str, Reply]:
        """The replies that are here, by key."""
        found = {key: place for key in dict.fromkeys(keys) if (place := self._place(_packed(key))) is not None}
        return {key: self._read(key, place) for key, place in sorted(found.items(), key=lambda item: item[1])}

    def _place(self, key: bytes) -> int | None:
        if (place := self._new.get(key)) is not None:
            return place
        at = int(np.searchsorted(self._keys, np.array(key, "S16")))
        # numpy takes zero bytes off an end, of both sides alike.
        if at < len(self._keys) and self._keys[at] == np.array(key, "S16"):
            return int(self._places[at])
        return None

    def _read(self, key: str, place: int) -> Reply:
        self._file.seek(place)
        line = self._file.readline()
        said = line[_KEY + _CRC + 2 : -1]
        if line[:_KEY] != key.encode() or line[_KEY + 1 : _KEY + 1 + _CRC] != b"%08x" % zlib.crc32(said):
            raise CorruptData(
                f"{self._path}: the reply at byte {place} is damaged; remove the file to ask its questions again"
            )
        return Reply.from_json(key, said.decode("utf-8", "surrogatepass"))

    def _read_index(self) -> None:
        self._file.seek(0)
        place = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                if not self._is_read_only:
                    self._file.truncate(place)
                break
            key = _packed(line[:_KEY].decode("ascii", "replace"))
            # In JSON the quotes of a text are escaped, so no text can hold this.
            if b'"is_retryable":true' in line:
                self._new.pop(key, None)
            else:
                self._new[key] = place
            place += len(line)
        self._merge()

    def _merge(self) -> None:
        """Bring the new keys among the sorted ones."""
        keys = np.concatenate([np.array(list(self._new), "S16"), self._keys])
        places = np.concatenate([np.array(list(self._new.values()), np.int64), self._places])
        # `unique` keeps the first of equal keys: the new ones stand before the old.
        self._keys, first = np.unique(keys, return_index=True)
        self._places = places[first]
        self._new = {}


def _packed(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        return b""  # a damaged line: never asked for

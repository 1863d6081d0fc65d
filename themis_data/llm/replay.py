"""Answers that were recorded before: a build without a model, a key or a network, or once more what others paid for."""

import itertools
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from themis_data.engine.requests import Answering, Reply, Request
from themis_data.errors import CorruptData, ThemisError
from themis_data.fingerprint import model_digest, where_it_runs
from themis_data.llm.families import family_of

_BATCH: Final = 256  # requests looked up at a time
_Place = tuple[Path, int]  # a file, and the byte at which a line begins


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The replies in journals of earlier builds, found by the keys of their requests.

    Model and revision are those of the recording: they are part of every key. A request that is not there is the
    failure `not_recorded`.
    """

    path: Annotated[str, "a journal, or a folder with journals (*.journal), which is not written to"] = where_it_runs(
        ""
    )
    model: Annotated[str, "name of the model that was recorded"]
    revision: Annotated[str | None, "revision of the model that was recorded"] = None
    family: Annotated[str | None, "who made the model, in a word; null: told by its name where that is known"] = None

    def __post_init__(self) -> None:
        if self.family is None:
            object.__setattr__(self, "family", family_of(self.model))

    @property
    def name(self) -> str:
        return self.model

    @property
    def leaves_machine(self) -> bool:
        return False

    @property
    def usd_per_million_tokens(self) -> tuple[float, float] | None:
        return 0.0, 0.0

    def identity(self) -> dict[str, Any]:
        """Digests of the journals, in whatever folder they lie."""
        return {path.name: model_digest(path) for path in self._files()}

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """Looks replies up. Raises ThemisError where there is no journal, and CorruptData where a reply is damaged."""
        places = _index(self._files())

        def answer(requests: Iterable[Request]) -> Iterator[list[Reply]]:
            source = iter(requests)
            while batch := list(itertools.islice(source, _BATCH)):
                yield [self._reply(request, places.get(request.key)) for request in batch]

        yield answer

    def _files(self) -> list[Path]:
        path = Path(self.path)
        files = sorted(path.glob("*.journal")) if path.is_dir() else [path]
        if not self.path or not files or not all(file.is_file() for file in files):
            raise ThemisError(
                f"replay, path: no journal at {self.path!r}; expected a file that an earlier build wrote, or a folder "
                f"with such files, for example OUT/answers"
            )
        return files

    def _reply(self, request: Request, place: _Place | None) -> Reply:
        if place is None:
            detail = f"no answer of {self.model} ({self.revision or 'no revision'}) to this request in {self.path}"
            return Reply(key=request.key, failure="not_recorded", detail=detail)
        return _read(request.key, *place)


BACKEND = Replay


def _index(files: Iterable[Path]) -> dict[str, _Place]:
    """Where the last reply to each request stands; failures that asking again may mend are none."""
    places: dict[str, _Place] = {}
    for path in files:
        with path.open("rb") as file:
            place = 0
            for line in file:
                key = line.partition(b" ")[0].decode("ascii", "replace")
                if not line.endswith(b"\n"):
                    break  # a crash cut it short
                # In JSON the quotes of a text are escaped, so no text can hold this.
                if b'"is_retryable":true' in line:
                    places.pop(key, None)
                else:
                    places[key] = path, place
                place += len(line)
    return places


def _read(key: str, path: Path, place: int) -> Reply:
    with path.open("rb") as file:
        file.seek(place)
        line = file.readline()
    _, _, checked = line.rstrip(b"\n").partition(b" ")
    crc, _, said = checked.partition(b" ")
    if crc != b"%08x" % zlib.crc32(said):
        raise CorruptData(f"{path}: the reply at byte {place} is damaged; copy the file again from where it came")
    return Reply.from_json(key, said.decode("utf-8", "surrogatepass"))

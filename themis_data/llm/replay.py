"""Answers that were recorded before: a build without a model, a key or a network, or once more what others paid for."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from themis_data.engine.journal import Journal
from themis_data.engine.requests import Answering, Reply, Request
from themis_data.errors import ThemisError
from themis_data.fingerprint import model_digest, where_it_runs
from themis_data.llm.families import family_of

_BATCH: Final = 256  # requests looked up at a time


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
    variant: Annotated[str | None, "variant of the model that was recorded, as its backend gives it"] = None
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

    @property
    def gpus(self) -> int:
        return 0

    def identity(self) -> dict[str, Any]:
        """Digests of the journals, in whatever folder they lie."""
        return {path.name: model_digest(path) for path in self._files()}

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """Looks replies up. Raises ThemisError where there is no journal, and CorruptData where a reply is damaged."""
        with ExitStack() as stack:
            journals = [stack.enter_context(Journal(path, is_read_only=True)) for path in self._files()]

            def answer(requests: Iterable[Request]) -> Iterator[list[Reply]]:
                source = iter(requests)
                while batch := list(itertools.islice(source, _BATCH)):
                    found: dict[str, Reply] = {}
                    for journal in journals:
                        found |= journal.find(request.key for request in batch)
                    yield [found.get(request.key) or self._not_recorded(request) for request in batch]

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

    def _not_recorded(self, request: Request) -> Reply:
        detail = f"no answer of {self.model} ({self.revision or 'no revision'}) to this request in {self.path}"
        return Reply(key=request.key, failure="not_recorded", detail=detail)


BACKEND = Replay

"""A stand-in for a language model: a Python function answers. What it stands for is outside this project."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from themis_data.engine.requests import Reply, Request
from themis_data.fingerprint import WHERE_IT_RUNS


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """Answers each request with what a function of it gives: a text, or a whole reply."""

    answer: Callable[[Request], str | Reply] = field(metadata={WHERE_IT_RUNS: True})
    name: str = "scripted"
    revision: str | None = "1"
    variant: str | None = None
    family: str | None = "scripted"
    leaves_machine: bool = False
    usd_per_million_tokens: tuple[float, float] | None = None
    gpus: int = 0
    asked: list[Request] = field(default_factory=list, metadata={WHERE_IT_RUNS: True}, compare=False)

    @contextmanager
    def open(self) -> Iterator[Any]:
        yield self._replies

    def _replies(self, requests: Iterable[Request]) -> Iterator[list[Reply]]:
        for request in requests:
            self.asked.append(request)
            said = self.answer(request)
            yield [said if isinstance(said, Reply) else Reply(key=request.key, text=said, finish="stop")]

"""A stand-in for a language model: a Python function answers. What it stands for is outside this project."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from themis_data.engine.requests import Reply, Request
from themis_data.fingerprint import WHERE_IT_RUNS, row_id


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


def valid_reply(request: Request) -> Reply:
    """A reply such as a model gives that decodes under the schema; which one follows from the request alone."""
    if request.wants_probabilities:
        weights = [1 + _draw(request, choice) for choice in request.choices]
        shares = {choice: weight / sum(weights) for choice, weight in zip(request.choices, weights, strict=True)}
        return Reply(key=request.key, text=max(shares, key=shares.__getitem__), finish="stop", probabilities=shares)
    if request.schema is None:
        return Reply(key=request.key, text=f"```\nprint({_draw(request, 'text')})\n```", finish="stop")
    said = {name: _valid(request, name, field) for name, field in json.loads(request.schema)["properties"].items()}
    return Reply(key=request.key, text=json.dumps(said), finish="stop")


def ticket_of(request: Request) -> str:
    """The ticket that an answer to the request must hold."""
    assert request.schema is not None
    return str(json.loads(request.schema)["properties"]["ticket"]["enum"][0])


def saying(request: Request, **fields: Any) -> str:
    """A reply with these fields and the right ticket."""
    return json.dumps({"ticket": ticket_of(request), **fields})


def _valid(request: Request, name: str, field: dict[str, Any]) -> Any:
    if "enum" in field:
        return field["enum"][_draw(request, name) % len(field["enum"])]
    return f"Print the number {_draw(request, name)}."[: field["maxLength"]]


def _draw(request: Request, name: str) -> int:
    return int(row_id(request.key, name)[:8], 16) % 97

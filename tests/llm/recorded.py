"""Recorded answers for tests: a journal with what a function answers, and the backend that replays it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from themis_data.engine.journal import Journal
from themis_data.engine.requests import Reply, Request, Sampling, request_key
from themis_data.engine.rows import Complete
from themis_data.llm.replay import Replay


def request(user: str = "Which?", *, number: int = 0, **settings: object) -> Request:
    """A request whose key is its number."""
    return Request(**{"key": f"{number:032x}", "system": None, "user": user, "sampling": Sampling(), **settings})


def requests_of(decision: Complete, rows: pa.Table) -> list[Request]:
    """The requests that a stage's questions about some rows are, each once."""
    found: dict[str, Request] = {}
    for question in decision.ask(rows).to_pylist():
        model = decision.models[question.get("model") or 0]
        asked = {
            "system": question.get("system"),
            "user": question["user"],
            "sampling": decision.sampling,
            "schema": question.get("schema"),
            "choices": tuple(question.get("choices") or ()),
            "wants_probabilities": decision.wants_probabilities,
        }
        known = {
            "template": decision.template,
            "model": model.name,
            "revision": model.revision,
            "variant": model.variant,
        }
        for sample in range(1 if question.get("samples") is None else question["samples"]):
            key = request_key(**known, **asked, sample=sample)
            found[key] = Request(key=key, **asked)
    return list(found.values())


def answering(
    folder: Path, model_name: str, function: Callable[[Request], str | Reply], requests: Iterable[Request]
) -> Replay:
    """A backend that answers these requests, and no others, with what a function of each gives."""
    path = folder / "recorded.journal"
    with Journal(path) as journal:
        journal.append(
            [
                said if isinstance(said, Reply) else Reply(key=asked.key, text=said, finish="stop")
                for asked in requests
                for said in [function(asked)]
            ]
        )
    return Replay(path=str(path), model=model_name)

"""What is asked of a language model and what comes back, and who may answer: the contract between stages and backends.

A request is known by its key: what is asked, of whom, and how the answer is drawn. The same question of two rows is
one request, and an answer that was once paid for is found again by the key, whatever else changes in a pipeline.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from themis_data.fingerprint import digest, row_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How answers are drawn."""

    temperature: float = 0.0  # 0 takes the likeliest token each time
    top_p: float = 1.0  # share of the probability that tokens are drawn from
    max_tokens: int = 1024  # of an answer
    seed: int = 0  # the step's; each request draws with one of its own that follows from it and the key


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question to one model, for one answer.

    At most one of `schema` and `choices` is given. Where `wants_probabilities`, the answer is one of the choices, by
    the probability of its first token.
    """

    key: str
    system: str | None
    user: str
    sampling: Sampling
    schema: str | None = None  # JSON Schema of the answer, as JSON
    choices: tuple[str, ...] = ()  # the answer is one of these, word for word
    wants_probabilities: bool = False

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation, as chat interfaces take it."""
        system = [{"role": "system", "content": self.system}] if self.system is not None else []
        return [*system, {"role": "user", "content": self.user}]

    @property
    def seed(self) -> int:
        """The seed of this request, 31 bits."""
        return int(row_id(str(self.sampling.seed), self.key)[:8], 16) >> 1


def request_key(
    *,
    template: str,
    model: str,
    revision: str | None,
    variant: str | None,
    system: str | None,
    user: str,
    sampling: Sampling,
    schema: str | None,
    choices: tuple[str, ...],
    wants_probabilities: bool,
    sample: int,
) -> str:
    """32 hex digits of everything that bears on an answer. A greedy answer does not depend on the seed."""
    drawn = asdict(sampling) | ({"seed": 0} if sampling.temperature == 0.0 else {})
    asked = [template, model, revision, variant, system, user, schema, list(choices), wants_probabilities]
    return digest([*asked, drawn, sample])


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """The answer to a request, or why there is none: exactly one of `text` and `failure` is given."""

    key: str
    text: str | None = None
    finish: str | None = None  # stop (the model ended) or length (max_tokens cut it); null where nobody says
    probabilities: dict[str, float] | None = None  # of each choice, summing to 1, where they were wanted
    failure: str | None = None  # one word: too_long, timeout, rate_limited, server_error, refused, bad_reply ...
    detail: str | None = None  # what exactly went wrong, at most a few hundred characters and no secret
    is_retryable: bool = False  # of a failure: whether asking again may help
    tokens_in: int | None = None  # tokens of the prompt; null where the backend does not count
    tokens_out: int | None = None  # tokens of the answer

    def as_json(self) -> str:
        """One line of JSON, without the key and without what is null."""
        said = {name: value for name, value in asdict(self).items() if name != "key" and value not in (None, False)}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, key: str, text: str) -> "Reply":
        said: dict[str, Any] = json.loads(text)
        return cls(key=key, **said)


class Answering(Protocol):
    """Answers requests as they come, in any order.

    Gives lists of replies, every request answered exactly once over all of them; a request that cannot be answered is
    a reply with a failure, never an exception. What was given counts as in flight until the next list is asked for: by
    then it is on disk. Takes a new request only when a place is free, so that what is open at any moment is bounded.
    """

    def __call__(self, requests: Iterable[Request]) -> Iterator[list[Reply]]: ...


class Model(Protocol):
    """Who answers: a frozen dataclass of settings in `llm/NAME.py`, offered as `BACKEND`."""

    @property
    def name(self) -> str:
        """What the model is called in rows and records, for example Qwen/Qwen3-8B."""
        ...

    @property
    def revision(self) -> str | None:
        """Which weights exactly: a commit or a digest; null where the backend cannot know."""
        ...

    @property
    def variant(self) -> str | None:
        """What else bears on its answers, such as a field that every body has; null for the plain model."""
        ...

    @property
    def family(self) -> str | None:
        """Who made it, in a word such as qwen: a judge should not be of the family of what it judges. Null: unknown."""
        ...

    @property
    def leaves_machine(self) -> bool:
        """Whether requests go to another machine: then secrets must be out of the rows before."""
        ...

    @property
    def usd_per_million_tokens(self) -> tuple[float, float] | None:
        """Price of a million tokens of prompts and of answers, in US dollars; null where nobody said."""
        ...

    @property
    def gpus(self) -> int:
        """GPUs that it holds while it is open; 0 for a server and for a CPU."""
        ...

    def open(self) -> AbstractContextManager[Answering]:
        """Whatever answers, ready to be asked: an engine, or a session with a server."""
        ...

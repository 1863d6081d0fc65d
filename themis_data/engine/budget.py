"""What a build may spend on language models, what it has spent, and what the rest would cost."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from themis_data.engine.requests import Model, Reply
from themis_data.errors import PipelineError, ThemisError

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(usd|tokens|requests)", re.IGNORECASE)
_QUANTILE = 1.645  # of the normal distribution: a mean lies within so many standard errors in 9 of 10 cases


@dataclass(kw_only=True)
class Budget:
    """What may be spent on answers in one build; what the journal already holds costs nothing. Null for no bound."""

    tokens: int | None = None  # of prompts and answers together
    usd: float | None = None  # by the models' prices
    requests: int | None = None  # drawn at random among those that are open, so that they stand for the rest
    spent_tokens: int = 0
    spent_usd: float = 0.0
    spent_requests: int = 0

    @property
    def is_spent(self) -> bool:
        spent = ((self.tokens, self.spent_tokens), (self.usd, self.spent_usd), (self.requests, self.spent_requests))
        return any(bound is not None and amount >= bound for bound, amount in spent)

    def spend(self, model: Model, reply: Reply) -> None:
        self.spent_requests += 1
        self.spent_tokens += (reply.tokens_in or 0) + (reply.tokens_out or 0)
        self.spent_usd += _usd(model, reply.tokens_in or 0, reply.tokens_out or 0)


def read_budget(text: str) -> Budget:
    """`200usd`, `5000000tokens` or `100requests`. Raises PipelineError for anything else."""
    amount = _AMOUNT.fullmatch(text.strip())
    if amount is None:
        raise PipelineError(f"--budget {text!r}: expected an amount with its unit: 200usd, 5000000tokens, 100requests")
    number, unit = float(amount[1]), amount[2].lower()
    return Budget(usd=number) if unit == "usd" else Budget(**{unit: int(number)})


def _usd(model: Model, tokens_in: float, tokens_out: float) -> float:
    price_in, price_out = model.usd_per_million_tokens or (0.0, 0.0)
    return (tokens_in * price_in + tokens_out * price_out) / 1e6


@dataclass(kw_only=True)
class Meter:
    """What the answers of one model to one step's questions took."""

    model: Model
    open: int  # requests that were to be asked
    seconds: float = 0.0  # from the first question to the last answer, without the model's start
    failed: int = 0
    tokens_in: list[int] = field(default_factory=list)  # of each answer
    tokens_out: list[int] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return self.failed + len(self.tokens_in)

    def count(self, reply: Reply) -> None:
        if reply.failure is not None:
            self.failed += 1
            return
        self.tokens_in.append(reply.tokens_in or 0)
        self.tokens_out.append(reply.tokens_out or 0)

    def rest(self) -> dict[str, Any]:
        """What the requests that are still open would take, as JSON types.

        Each amount is [low, expected, high]: the mean of what was asked times what is open, and where that mean lies in
        9 of 10 samples of this size (normal approximation); null where nothing was answered. Time assumes the speed of
        what was asked: a model that answers many questions at once is faster on many.
        """
        open_ = self.open - self.asked
        tokens_in, tokens_out = (_range(values, open_) for values in (self.tokens_in, self.tokens_out))
        said: dict[str, Any] = {
            "model": self.model.name,
            "asked": self.asked,
            "failed": self.failed,
            "open": open_,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "usd": None,
            "hours": None,
            "gpu_hours": None,
        }
        if tokens_in is None or tokens_out is None:
            return said
        if self.model.usd_per_million_tokens is not None:
            said["usd"] = [_usd(self.model, i, o) for i, o in zip(tokens_in, tokens_out, strict=True)]
        per_token = self.seconds / max(1, sum(self.tokens_in) + sum(self.tokens_out))
        said["hours"] = [per_token * (i + o) / 3600 for i, o in zip(tokens_in, tokens_out, strict=True)]
        said["gpu_hours"] = [hours * self.model.gpus for hours in said["hours"]] if self.model.gpus else None
        return said


def _range(values: list[int], times: int) -> list[float] | None:
    if not values:
        return None
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    error = _QUANTILE * math.sqrt(variance / len(values))
    return [times * max(0.0, mean - error), times * mean, times * (mean + error)]


class BudgetReached(ThemisError, RuntimeError):
    """The build stopped because what it may spend on language models is spent; the same command goes on.

    `rest` is what the step's open questions would take, for each model that was asked (`Meter.rest`).
    """

    def __init__(self, message: str, step: str, rest: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.step, self.rest = step, rest

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.step, self.rest)

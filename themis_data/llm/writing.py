"""Texts that either side of a pair answers, as models write them: they see both sides, and neither may show through."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from themis_data.code.grammars import Grammars
from themis_data.errors import PipelineError
from themis_data.fingerprint import uniform
from themis_data.llm.judging import no_answer, replaced
from themis_data.llm.leaks import leak_of

_COLUMNS = ("chosen", "rejected", "criterion", "message", "path", "language")  # of pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A text and who wrote it, or why there is none."""

    text: str | None = None
    by: str | None = None
    reason: str | None = None


def in_neutral_order(pair: Mapping[str, Any], *, seed: int) -> tuple[str, str]:
    """Both sides in an order that is drawn, so that it says nothing of which is better or newer."""
    sides = pair["chosen"], pair["rejected"]
    return sides if uniform(seed, "writing order", pair["row_id"]) < 0.5 else (sides[1], sides[0])


def first_without_leak(
    pair: Mapping[str, Any], answers: Iterable[Mapping[str, Any]], *, field: str, nothing: str, grammars: Grammars
) -> Written:
    """The first text in that field of the answers that tells nothing of which side is better.

    Otherwise the reason, of the first that applies: `leak: KIND: WORDS`, `nothing` where the model says that no text
    can be written, `no_answer: WORD`.
    """
    leaks, said_none, failures = [], False, []
    for answer in answers:
        if answer["value"] is None:
            failures.append(answer["failure"])
            continue
        text = json.loads(answer["value"])[field]
        if text is None:
            said_none = True
            continue
        leak = leak_of(text, pair, grammars=grammars)
        if leak is None:
            return Written(text=text, by=answer["model"])
        leaks.append(leak)
    reason = f"leak: {leaks[0]}" if leaks else nothing if said_none else no_answer(failures)
    return Written(reason=reason)


def with_first(
    pairs: pa.Table, answers: pa.Table, *, field: str, nothing: str, max_chars: int, grammars: Grammars
) -> pa.Table:
    """The pairs without a prompt with the first text that gives nothing away as theirs, and a working column `reason`
    with the reason of those that go; see `first_without_leak`, and `too_long` for what was not asked."""
    about: dict[str, list[dict[str, Any]]] = {}
    for answer in answers.to_pylist():
        about.setdefault(answer["about"], []).append(answer)
    prompts, writers = pairs["prompt"].to_pylist(), pairs["prompt_by"].to_pylist()
    reasons: list[str | None] = [None] * len(pairs)
    for place, pair in enumerate(pairs.select(["row_id", *_COLUMNS]).to_pylist()):
        if prompts[place] is not None:
            continue
        if is_long(pair, max_chars):
            reasons[place] = f"too_long: {max_chars}"
            continue
        found = about.get(pair["row_id"], [])
        first = first_without_leak(pair, found, field=field, nothing=nothing, grammars=grammars)
        prompts[place], writers[place], reasons[place] = first.text, first.by, first.reason
    pairs = replaced(pairs, prompt=prompts, prompt_by=writers)
    return pairs.append_column("reason", pa.array(reasons, pa.string()))


def is_long(pair: Mapping[str, Any], max_chars: int) -> bool:
    """Whether both sides together have more characters than are shown."""
    return len(pair["chosen"]) + len(pair["rejected"]) > max_chars


def check_samples(where: str, samples: int, temperature: float) -> None:
    """Raises PipelineError for no answer to a question, and for several that are the same."""
    if samples < 1 or (samples > 1 and temperature == 0.0):
        raise PipelineError(
            f"{where}: samples is {samples} at temperature {temperature:g}; expected 1 or more, and 1 at temperature "
            f"0, where all answers are the same"
        )

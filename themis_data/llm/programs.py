"""Programs out of replies in free text, in the wrapper of answers, and as the sides of a pair."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from themis_data.code.answers import read_answer
from themis_data.code.language import by_name
from themis_data.engine.rows import Parsed
from themis_data.fingerprint import pair_id
from themis_data.text.changes import line_changes
from themis_data.text.licenses import license_class

_THOUGHT = "</think>"
_TICKS = re.compile(r"`+")


def read_program(text: str, _ticket: str | None = None) -> Parsed:
    """The code of a reply, behind the model's thinking where it shows any, with one line feed at its end.

    Faults: `empty`; `cut` (thinking that has no end); `no_code` (prose alone).
    """
    is_thinking = text.lstrip().startswith("<think>")
    thought, mark, said = text.partition(_THOUGHT)
    if is_thinking and not mark:
        return Parsed(fault="cut")
    if not is_thinking and (not mark or "```" in thought):  # a tag that opened in the prompt, but none in a program
        said = text
    if not said.strip():
        return Parsed(fault="empty")
    answer = read_answer(said.strip("\n"))
    if answer.wrapper == "prose" or not answer.code.strip():
        return Parsed(fault="no_code")
    return Parsed(value=answer.code.strip("\n") + "\n")


def wrapped(programs: Sequence[str], language: str, wrapper: Literal["bare", "fenced"]) -> list[str]:
    """The programs in one wrapper, the same for all of them: as they are, or each in a fence with the language's tag
    that is longer than any row of backticks in any. Blank lines around a program go; each ends in one line feed."""
    bare = [program.strip("\n") + "\n" for program in programs]
    if wrapper == "bare":
        return bare
    longest = max((len(ticks) for program in bare for ticks in _TICKS.findall(program)), default=0)
    fence = "`" * max(3, longest + 1)
    grammar = by_name(language).grammar
    tag = grammar.replace("_", "") if grammar is not None else language.lower()
    return [f"{fence}{tag}\n{program}{fence}\n" for program in bare]


def task_pair(
    task: Mapping[str, Any], *, source: str, criterion: str, chosen: str, rejected: str, **label: Any
) -> dict[str, Any]:
    """A row of the schema `pair` out of two answers to a task; `label` has what the label rests on, and who wrote."""
    return {
        "row_id": pair_id([task["row_id"]], criterion, chosen, rejected),
        "parent_ids": [task["row_id"]],
        "source": source,
        "criterion": criterion,
        "also_matches": [],
        "language": task["language"],
        "prompt": task["prompt"],
        "prompt_by": "upstream",
        "chosen": chosen,
        "rejected": rejected,
        "form": "file",
        "changed_share": line_changes(read_answer(rejected).code, read_answer(chosen).code).changed_share,
        "license": task["license"],
        "license_class": license_class(task["license"]),
        "repos": task["source"],
        "group": task["task"],
        "demo_only": task["demo_only"],
        **label,
    }

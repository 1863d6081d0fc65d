"""What code can be better at: one YAML file a criterion, and the rules that read one off a commit.

A file has how the criterion is written where it is published, its definition, the points a judge looks at and, for
the five that commits are labelled with, the words that speak for it in a message and what the diff has to show.
"""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import unknown

_FOLDER = Path(__file__).parent
_Rules = TypeVar("_Rules")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRules:
    """Words of a commit message, as regular expressions on lower-case text that match whole words.

    `strong`, `terms`, `opening` and `weak` are the strengths that a word of the subject can have. In the body, strong
    and typical words only support a subject that has a word of the same criterion.
    """

    strong: tuple[str, ...]  # names the criterion by itself
    terms: tuple[str, ...]  # typical words
    opening: tuple[str, ...] = ()  # typical words that count only where the subject begins with them
    weak: tuple[str, ...] = ()  # says little alone and yields to any other criterion; only at the subject's beginning
    body: tuple[str, ...] = ()  # enough in the body of a message whose subject names no criterion
    needs: tuple[str, ...] = ()  # a subject without one of these has no `terms`; empty: nothing is needed
    prefixes: Mapping[str, str] = field(default_factory=dict)  # conventional-commit type -> the strength it counts as
    never: tuple[str, ...] = ()  # a subject with one of these is about something else, whatever else it says
    denied_by: tuple[str, ...] = ()  # words that deny a term when they stand at most three words before it
    unmixed: bool = False  # true: a message that also has another criterion's word counts as several intents


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRules:
    """What the changed lines have to show, in kinds of evidence named in `evidence/*.yaml` or by `evidence.py`."""

    requires_any: tuple[str, ...]  # one of these, when the message is clear
    weak_requires_any: tuple[str, ...] = ()  # one of these, when the message has nothing but weak words
    max_code_lines: int  # changed lines of code on the side with more of them; a longer diff is no evidence
    text_counts: bool = False  # false: a diff that changes nothing but the text of strings is no evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One criterion; its `name` is its file's name. `message` and `diff` are null where commits are never labelled."""

    name: str
    title: str
    published_as: str  # the `aspect` of published preferences
    benchmark_as: str  # the `aspect` of CodeRewardBench
    definition: str
    judge_points: tuple[str, ...]
    message: MessageRules | None
    diff: DiffRules | None


@cache
def all_criteria() -> Mapping[str, Criterion]:
    """Every criterion by name, in the order of names."""
    return {path.stem: _criterion(path) for path in sorted(_FOLDER.glob("*.yaml"))}


def by_name(name: str) -> Criterion:
    """The criterion in `criteria/NAME.yaml`; `UnknownName` offers the near ones."""
    known = all_criteria()
    if name not in known:
        raise UnknownName(unknown("criterion", name, known.keys()))
    return known[name]


def _criterion(path: Path) -> Criterion:
    fields = read_mapping(path)
    where = f"criteria/{path.name}"
    message, diff = fields.pop("message", None), fields.pop("diff", None)
    return _build(
        Criterion,
        {
            **_tuples(fields),
            "name": path.stem,
            "message": None if message is None else _message_rules(message, where=f"{where}, message"),
            "diff": None if diff is None else _build(DiffRules, _tuples(diff), where=f"{where}, diff"),
        },
        where=where,
    )


def _message_rules(fields: Mapping[str, Any], *, where: str) -> MessageRules:
    rules = _build(MessageRules, _tuples(fields), where=where)
    looked_up = (*rules.strong, *rules.terms, *rules.opening, *rules.weak, *rules.body)
    for pattern in looked_up:
        if leading_letters(pattern) is None:
            raise PipelineError(
                f"{where}: the term {pattern!r} must begin with two plain lower-case letters or digits, by which "
                f"it is looked up; write alternatives at the start as entries of their own"
            )
    for pattern in (*looked_up, *rules.needs, *rules.never, *rules.denied_by):
        check_pattern(pattern, where=where)
    return rules


def leading_letters(pattern: str) -> str | None:
    """The first two to four characters that every match of a term starts with; null when it has fewer than two."""
    found = re.match(r"[a-z0-9]+", pattern)
    if found is None:
        return None
    letters = found[0]
    if pattern[len(letters) : len(letters) + 1] in ("?", "*", "{"):
        letters = letters[:-1]
    return letters[:4] if len(letters) >= 2 else None


def check_pattern(pattern: str, *, where: str) -> None:
    """Raises `PipelineError` that names the file when a regular expression does not compile."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise PipelineError(f"{where}: {pattern!r} is no regular expression: {error}") from error


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def _build(kind: type[_Rules], fields: Mapping[str, Any], *, where: str) -> _Rules:
    try:
        return kind(**fields)
    except TypeError as error:
        raise PipelineError(f"{where}: {str(error).partition(') ')[2] or error}") from error


class _Loader(yaml.SafeLoader):
    """YAML in which a key that appears twice is an error and not the last one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise PipelineError(f"{key_node.start_mark.name}: the key {key!r} appears twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file of this folder holds."""
    with path.open(encoding="utf-8") as file:
        loader = _Loader(file)
        try:
            loaded = loader.get_single_data()
        finally:
            loader.dispose()
    if not isinstance(loaded, dict):
        raise PipelineError(f"criteria/{path.name}: expected a mapping at the top")
    return loaded

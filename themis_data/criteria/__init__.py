"""What code can be better at: one YAML file a criterion, and the rules that read one off a commit.

A file has how the criterion is written where it is published, its definition, the points a judge looks at and, for
the five that commits are labelled with, the words that speak for it in a message and what the diff has to show.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import unknown
from themis_data.yaml_file import read_yaml

# How a pair is known to be one, the strongest first: its programs were run against tests, or against each other; an
# online judge measured their time or memory; language models judged it; people compared or scored its sides; its pull
# request was merged; a commit message says so; or the data set that it is from says so, and nothing more is known.
EVIDENCE = ("executed", "differential", "measured", "judged", "rated", "merged", "message", "upstream")

_FOLDER = Path(__file__).parent
_STRENGTHS = ("strong", "terms", "opening", "weak")
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
    weak_needs: tuple[str, ...] = ()  # weak words alone count only in a message with one of these; empty: always
    never: tuple[str, ...] = ()  # a subject with one of these is about something else, whatever else it says
    never_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # language -> `never` for its code only
    denied_by: tuple[str, ...] = ()  # words that deny a term when they stand at most three words before it
    outranks: tuple[str, ...] = ()  # criteria whose words only tell how it shows, beside a strong word of this one
    typical_needs_body: bool = False  # true: `terms` and `opening` count only where the body has words of it too
    unmixed: bool = False  # true: a message that also has another criterion's word counts as several intents


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing a message can promise, and the kinds of evidence of which one keeps the promise."""

    says: tuple[str, ...]  # regular expressions searched in the lower-case message
    shows: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRules:
    """What the changed lines have to show, in kinds of evidence named in `evidence/*.yaml` or by `evidence.py`."""

    requires_any: tuple[str, ...] = ()  # one of these, when the message is clear
    typical_requires_any: tuple[str, ...] = ()  # one of these, when it has only typical words; empty: as when clear
    weak_requires_any: tuple[str, ...] = ()  # one of these, when the message has nothing but weak words
    clear_only: tuple[str, ...] = ()  # kinds that are evidence only when the message is clear
    claims: Mapping[str, Claim] = field(default_factory=dict)  # where there are any, they decide and not those above
    forbids_any: tuple[str, ...] = ()  # with one of these the diff does something else than the message says
    max_code_lines: int  # changed lines of code on the side with more of them; a longer diff is no evidence
    max_weak_code_lines: int | None = None  # the same for a message of weak words; null: no other limit
    text_counts: bool = False  # false: a diff that changes nothing but the text of strings is no evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One criterion; its `name` is its file's name. `message` and `diff` are null where commits are never labelled."""

    name: str
    title: str
    published_as: str  # the `aspect` of published preferences
    benchmark_as: str  # the `aspect` of CodeRewardBench
    aliases: tuple[str, ...] = ()  # other names that data sets give it
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


def canonical_criterion(name: str) -> str | None:
    """File name of the criterion that a data set calls so (`Readability_Maintainability`, `Execution Efficiency`);
    null where none has that name. Case, spaces around it and a space, hyphen or underscore inside do not matter."""
    return _by_alias().get(_alias(name))


def _alias(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


@cache
def _by_alias() -> dict[str, str]:
    claimed: dict[str, str] = {}
    for criterion in all_criteria().values():
        names = (criterion.name, criterion.title, criterion.published_as, criterion.benchmark_as, *criterion.aliases)
        for alias in {_alias(name) for name in names}:
            if alias in claimed:
                raise PipelineError(f"criteria: {claimed[alias]} and {criterion.name} are both called {alias!r}")
            claimed[alias] = criterion.name
    return claimed


def _criterion(path: Path) -> Criterion:
    fields = read_yaml(path)
    where = f"criteria/{path.name}"
    message, diff = fields.pop("message", None), fields.pop("diff", None)
    return _build(
        Criterion,
        {
            **_tuples(fields),
            "name": path.stem,
            "message": None if message is None else _message_rules(message, where=f"{where}, message"),
            "diff": None if diff is None else _diff_rules(diff, where=f"{where}, diff"),
        },
        where=where,
    )


def _message_rules(fields: Mapping[str, Any], *, where: str) -> MessageRules:
    rules = _build(MessageRules, _tuples(fields), where=where)
    looked_up = (*rules.strong, *rules.terms, *rules.opening, *rules.weak, *rules.body)
    for pattern in looked_up:
        if leading_letters(pattern) is None:
            raise PipelineError(
                f"{where}: the term {pattern!r} must begin with two plain lower-case letters or digits, by which it "
                f"is looked up, and have no '|' outside parentheses; write alternatives as entries of their own"
            )
    for kind, strength in rules.prefixes.items():
        if strength not in _STRENGTHS:
            raise PipelineError(f"{where}: prefix {kind!r} counts as {strength!r}, which is none of {_STRENGTHS}")
    for pattern in (
        *looked_up,
        *rules.needs,
        *rules.weak_needs,
        *rules.never,
        *rules.denied_by,
        *chain(*rules.never_in.values()),
    ):
        check_pattern(pattern, where=where)
    return rules


def _diff_rules(fields: Mapping[str, Any], *, where: str) -> DiffRules:
    claims = {
        name: _build(Claim, _tuples(claim), where=f"{where}, claims, {name}")
        for name, claim in fields.get("claims", {}).items()
    }
    for name, claim in claims.items():
        for pattern in claim.says:
            check_pattern(pattern, where=f"{where}, claims, {name}")
    return _build(DiffRules, {**_tuples(fields), "claims": claims}, where=where)


def leading_letters(pattern: str) -> str | None:
    """The first two to four characters that every match of a term starts with; null when it has fewer than two."""
    if _has_open_alternatives(pattern):
        return None
    found = re.match(r"[a-z0-9]+", pattern)
    if found is None:
        return None
    letters = found[0]
    if pattern[len(letters) : len(letters) + 1] in ("?", "*", "{"):
        letters = letters[:-1]
    return letters[:4] if len(letters) >= 2 else None


def _has_open_alternatives(pattern: str) -> bool:
    """Whether a '|' stands outside every group, so that matches need not start as the pattern does."""
    depth = 0
    for char in re.sub(r"\\.|\[[^\]]*\]", "", pattern):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "|" and depth == 0:
            return True
    return False


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

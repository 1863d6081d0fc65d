"""Whether a message, or a diff, speaks of one thing that was done or of several."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from themis_data.text.changes import TOKEN, Hunk
from themis_data.text.messages import has_merge_mark
from themis_data.yaml_file import read_yaml

_LINE_CHARS, _LINES = 400, 60  # of a message that are looked at
_NOUN_WORDS = 3  # of a clause that names what is done without a verb
_TYPE = re.compile(r"^\W{0,4}([a-z]{2,8})(?:\([^)\n]{1,60}\))?!?: ")
_ITEM = re.compile(r"^\s*(?:[-*+•·]|\(?\d{1,2}[.)])\s+(?=[\w`])(?!(?:submitted|patch|reported|based) )", re.IGNORECASE)
_PREFIX = re.compile(r"^\W*(?:\[[^\]\n]{1,40}\]\W*|[\w./*,{}-]{1,60}(?:\(\))?: +)+")  # a part of the project, an issue
# Where one clause ends and the next may begin.
_JOINT = re.compile(r"\s*(?:;|,? (?:and|also|plus|&)(?: also| then)? |,? \+ |\. |, )\s*")
# "Introduced in r12" and "fixes #12" say where a change comes from; "added a test" says what was added.
_NO_INTENT = re.compile(
    r"\W*(?:\w+ed (?:in|by|with|on|from)\b|\w+ (?:#|gh-|issue|bug|ticket|pr\b|https?:))", re.IGNORECASE
)
_ADDED = re.compile(
    r"\b(?:(?P<tests>tests?|specs?|test ?cases?|assertions?|coverage)|(?:java|py)?docs?|docstrings?|comments?|notes?"
    r"|documentation|examples?|todos?|fixmes?)\b",
    re.IGNORECASE,
)
_FEW_TOKENS, _MOST = 8, 0.6  # so many of the tokens that differ make up this share of them where a change is one


def several_intents(message: str) -> str | None:
    """The intents that a message speaks of where they are more than one, in a few words; None where it is one.

    It goes by conventional types, by the first words of the clauses of its subject and of the items of a list, by a
    list in place of a subject, and by phrases that say so.
    """
    lines = [line[:_LINE_CHARS] for line in message.split("\n")[:_LINES]]
    subject = lines[0]
    if any(pattern.search(subject) for pattern in _several()):
        return "its subject says so"
    if any(_besides().search(line) for line in lines):
        return "it says also"
    if _ITEM.match(subject) and sum(bool(_ITEM.match(line)) for line in lines) > 1:
        return "it is a list"
    # The list of a pull request that was squashed is that of its commits, and the last ones mend the first.
    is_squashed = has_merge_mark(message)
    types = {group for line in lines[: 1 if is_squashed else None] if (group := _type(line))}
    clauses = {group for clause in _JOINT.split(_PREFIX.sub("", subject)) if (group := _group(clause))}
    items = [_ITEM.sub("", line) for line in lines[1:] if _ITEM.match(line)]
    is_list = len(items) > 1 and not is_squashed
    listed = {group for item in items if (group := _group(_PREFIX.sub("", item)))} if is_list else set()
    for found in (types, clauses, listed):
        if apart := [pair for pair in combinations(sorted(found), 2) if frozenset(pair) not in _together()]:
            return " and ".join(apart[0])
    return None


def is_scattered(hunks: Sequence[Hunk], *, max_hunks: int) -> bool:
    """Whether a diff has more hunks than those, and is not one replacement over and over.

    It is one where a few tokens make up most of what differs: a name that changed, a call that got an argument.
    """
    if len(hunks) <= max_hunks:
        return False
    went = Counter(token for hunk in hunks for line in hunk.removed for token in TOKEN.findall(line))
    came = Counter(token for hunk in hunks for line in hunk.added for token in TOKEN.findall(line))
    differing = sorted([*(went - came).values(), *(came - went).values()], reverse=True)
    return sum(differing[:_FEW_TOKENS]) < _MOST * sum(differing)


def _type(line: str) -> str | None:
    found = _TYPE.match(line)
    return _rules()["types"].get(found.group(1)) if found else None


def _group(clause: str) -> str | None:
    words = clause.lower().split()
    noun: str | None = _rules()["nouns"].get(words[-1].rstrip(".!")) if 1 < len(words) <= _NOUN_WORDS else None
    if noun is not None:
        return noun
    found = re.match(r"\W*(\w+)", clause)
    if found is None or _NO_INTENT.match(clause):
        return None
    group = _by_word().match_group(found.group(1).lower())
    if group == "feature" and (added := _ADDED.search(clause)):
        return "tests" if added["tests"] else "words"
    return group


class _Words:
    """Groups by word, and by the beginning of one."""

    def __init__(self, groups: Mapping[str, list[str]]) -> None:
        every = [(word, group) for group, words in groups.items() for word in words]
        self._whole = {word: group for word, group in every if not word.endswith("*")}
        self._begun = [(word[:-1], group) for word, group in every if word.endswith("*")]

    def match_group(self, word: str) -> str | None:
        begun = next((group for begin, group in self._begun if word.startswith(begin)), None)
        return self._whole.get(word) or begun


@cache
def _rules() -> Mapping[str, Any]:
    rules: Mapping[str, Any] = read_yaml(Path(__file__).parent / "intents.yaml")
    return rules


@cache
def _by_word() -> _Words:
    return _Words(_rules()["groups"])


@cache
def _together() -> frozenset[frozenset[str]]:
    return frozenset(frozenset(pair) for pair in _rules()["together"])


@cache
def _several() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(one, re.IGNORECASE) for one in _rules()["several"])


@cache
def _besides() -> re.Pattern[str]:
    return re.compile(_rules()["besides"], re.IGNORECASE)

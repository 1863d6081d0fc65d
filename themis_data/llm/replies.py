"""Reads what language models reply: JSON with the fields that were asked for, found wherever it stands in the text.

The same description of the fields makes the JSON Schema for backends that decode under one, the words of the prompt,
and the check of what comes back. A reply that cannot be read has a fault in a word, and is counted.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from themis_data.engine.rows import Parsed

_MAX_BRACES = 10_000  # places of a reply where an object is looked for; thinking about code is full of them
_OBJECT = re.compile(r"\{\s*[\"}]")  # how one begins; most braces of code do not
_DECODER = json.JSONDecoder(strict=False)  # line ends in strings are forgiven


@dataclass(frozen=True, slots=True)
class Text:
    """A string of at least one sign that is no space."""

    max_chars: int
    may_be_cut: bool = False  # a longer one is cut; otherwise it is a fault
    may_be_null: bool = False  # null, or a blank string, is an answer

    @property
    def shape(self) -> str:
        return f"text of at most {self.max_chars} characters{', or null' if self.may_be_null else ''}"

    def json_schema(self) -> dict[str, Any]:
        least = 0 if self.may_be_null else 1
        return {
            "type": ["string", "null"] if self.may_be_null else "string",
            "minLength": least,
            "maxLength": self.max_chars,
        }

    def read(self, said: Any) -> str | None:
        if self.may_be_null and (said is None or (isinstance(said, str) and not said.strip())):
            return None
        if not isinstance(said, str) or not said.strip():
            raise _WrongError("is no text" if not isinstance(said, str) else "is blank")
        # Half a surrogate pair is JSON and no text.
        text = said.strip().encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if len(text) > self.max_chars and not self.may_be_cut:
            raise _WrongError(f"is longer than {self.max_chars} characters")
        return text[: self.max_chars]


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words, in whatever case."""

    words: tuple[str, ...]

    @property
    def shape(self) -> str:
        return " or ".join(f'"{word}"' for word in self.words)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words)}

    def read(self, said: Any) -> str:
        # Models write true and false where they are asked for yes and no, and numbers without quotes.
        if isinstance(said, bool):
            said = "yes" if said else "no"
        elif isinstance(said, int):
            said = str(said)
        for word in self.words:
            if isinstance(said, str) and said.strip().casefold() == word.casefold():
                return word
        raise _WrongError(f"is none of {', '.join(self.words)}")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two, both allowed."""

    least: int
    most: int

    @property
    def shape(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def json_schema(self) -> dict[str, Any]:
        # An enumeration: backends differ in whether they keep numbers within bounds.
        return {"type": "integer", "enum": list(range(self.least, self.most + 1))}

    def read(self, said: Any) -> int:
        if isinstance(said, str) and said.strip().isdecimal() and len(said) <= 8:
            said = int(said)
        if isinstance(said, float) and math.isfinite(said) and said == int(said):
            said = int(said)
        if isinstance(said, bool) or not isinstance(said, int) or not self.least <= said <= self.most:
            raise _WrongError(f"is no whole number from {self.least} to {self.most}")
        return said


Field = Text | OneOf | Whole
Fields = Mapping[str, Field]


class _WrongError(Exception):
    """Why a field is not what was asked for."""


def json_schema(fields: Fields, ticket: str) -> str:
    """JSON Schema, as JSON, of a reply with these fields in this order behind the ticket.

    For decoding under a grammar: strings are bounded, nothing is optional, nothing else is allowed.
    """
    properties = {"ticket": {"type": "string", "enum": [ticket]}}
    properties |= {name: field.json_schema() for name, field in fields.items()}
    described = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return json.dumps(described, ensure_ascii=False)


def read_reply(text: str, ticket: str | None, fields: Fields) -> Parsed:
    """The fields of the last JSON object in a reply that has the ticket; further fields are left out.

    The object may stand alone, in a fence or in prose, and behind thinking; what stands in thinking does not count.
    Faults: `empty`; `cut` (thinking or an object has no end); `not_json` (no object); `wrong_ticket` (none with it);
    `wrong_fields: NAME ...`.
    """
    if not text.strip():
        return Parsed(fault="empty")
    found = list(_objects(text))
    start = _end_of_thinking(text, found)
    if start is None:
        return Parsed(fault="cut")
    if not text[start:].strip():
        return Parsed(fault="empty")
    said = [one for one in found if one.start >= start]
    own = [one for one in said if ticket is None or _has_ticket(one.value, ticket)]
    if own:
        return _checked(own[-1].value, fields)
    if _is_open(text[said[-1].end if said else start :]):
        return Parsed(fault="cut")
    return Parsed(fault="wrong_ticket" if said else "not_json")


def _has_ticket(said: Mapping[str, Any], ticket: str) -> bool:
    """In whatever case: a ticket is in no text shown in any."""
    told = said.get("ticket")
    return isinstance(told, str) and told.strip().casefold() == ticket.casefold()


def _checked(said: Mapping[str, Any], fields: Fields) -> Parsed:
    value: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in said:
            return Parsed(fault=f"wrong_fields: {name} lacks")
        try:
            value[name] = field.read(said[name])
        except _WrongError as wrong:
            return Parsed(fault=f"wrong_fields: {name} {wrong}")
    return Parsed(value=value)


class _Found(NamedTuple):
    value: dict[str, Any]
    start: int
    end: int


def _objects(text: str) -> Iterator[_Found]:
    """The JSON objects in a text that stand in no other one, in order."""
    at = 0
    for _ in range(_MAX_BRACES):
        brace = _OBJECT.search(text, at)
        if brace is None:
            return
        try:
            value, end = _DECODER.raw_decode(text, brace.start())
        except (ValueError, RecursionError):  # no JSON; a number of thousands of digits; brackets as deep as the reply
            at = brace.start() + 1
            continue
        yield _Found(value, brace.start(), end)
        at = end


def _end_of_thinking(text: str, found: list[_Found]) -> int | None:
    """Where the answer begins: behind the last `</think>` that no object holds. None: thinking has no end.

    The opening tag may be in the prompt, so it need not be here.
    """
    at = len(text)
    while (at := text.rfind("</think>", 0, at)) >= 0:
        if not any(one.start < at < one.end for one in found):
            return at + len("</think>")
    return None if text.lstrip().startswith("<think>") else 0


def _is_open(text: str) -> bool:
    """Whether an object begins in the text and does not end. Quotes count in objects only: prose has apostrophes."""
    depth, in_string, is_escaped = 0, False, False
    for sign in text:
        if in_string:
            in_string = is_escaped or sign != '"'
            is_escaped = sign == "\\" and not is_escaped
        elif sign == "{" or (depth and sign == "["):
            depth += 1
        elif depth and sign in "}]":
            depth -= 1
        elif depth and sign == '"':
            in_string = True
    return depth > 0

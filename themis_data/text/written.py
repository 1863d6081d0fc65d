"""Files that nobody writes where they are: generated, packed, copied from elsewhere, or data."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from themis_data.yaml_file import read_yaml

_HEAD_LINES, _HEAD_CHARS = 30, 4_000  # in which a file says that a program wrote it
_LINE_CHARS = 300  # of a line that are looked at
_LONG_MEAN, _LONG_LINE = 160, 1_000  # characters a line, where somebody types; a packed file has both
_DATA_LINES = 20  # fewer tell nothing
_SAMPLE_LINES = 250  # of a longer text, spread over it: all lines of a large file cost ten times as much
_COMMENT = re.compile(r"^\s*(?:/[/*]|\*|#|--|;|%|<!--|@|\"\"\"|'''|\(\*|dnl\b|rem\b)|^[^\w\s]*\s*$", re.IGNORECASE)
# Literals as most languages write them. A string is bounded, so that a quote that nobody closes costs little.
_LITERAL = re.compile(
    r"[rbu]?\"(?:[^\"\\\n]|\\.){0,400}\"|[rbu]?'(?:[^'\\\n]|\\.){0,400}'"
    r"|[-+]?(?<![\w.])(?:0x[0-9a-f_]+|\d[\d_]*(?:\.\d+)?(?:e[-+]?\d+)?)[uljfd]{0,3}(?!\w)"
    r"|(?<![\w.])(?:null|nil|none|true|false|undefined)(?!\w)",
    re.IGNORECASE,
)
_MARKS_OF_DATA = re.compile(r"[\s,;:{}()\[\]<>=|]+")


def generated_path(path: str) -> bool:
    """Whether the path is one that a program writes to."""
    return bool(_pattern("generated_paths").search(path))


def minified_path(path: str) -> bool:
    """Whether the name says that a program packed the file."""
    return bool(_pattern("minified_paths").search(path))


def copied_library(path: str, repository: str) -> str | None:
    """Name of the library that the file is a copy of by its own name, unless that is what the repository makes."""
    found = _copied().search(path)
    if found is None:
        return None
    name = next(text for text in found.groupdict().values() if text is not None).lower()
    own = repository.rpartition("/")[2].lower()
    return None if name in own or own.removesuffix(".js") in name else name


def generated_mark(text: str) -> str | None:
    """What the head of a file says of the program that wrote it, at most 80 characters; None where it says nothing."""
    lines = text[:_HEAD_CHARS].split("\n")[:_HEAD_LINES]
    for line in lines:
        if _COMMENT.match(line) and (found := _pattern("generated_marks").search(line[:_LINE_CHARS].strip())):
            return found.group().strip()[:80]
    return None


def is_minified(text: str) -> bool:
    """Whether lines are as long as no one types them: on average, and one of them by far."""
    num_lines = text.count("\n") + 1
    if len(text) < _LONG_MEAN * num_lines or len(text) < _LONG_LINE:
        return False
    return any(len(line) >= _LONG_LINE for line in text.split("\n"))


def data_share(text: str) -> float:
    """Share of the lines that hold literals and what stands between them, of all that hold a word or a literal; 0 of a
    short text."""
    num_data = num_others = 0
    lines = text.split("\n")
    for line in lines[:: -(-len(lines) // _SAMPLE_LINES)]:
        rest, num_literals = _LITERAL.subn("", line[:_LINE_CHARS])
        rest = _MARKS_OF_DATA.sub("", rest)
        if rest:
            num_others += 1
        elif num_literals:
            num_data += 1
    return num_data / (num_data + num_others) if num_data >= _DATA_LINES else 0.0


@cache
def _rules() -> Mapping[str, list[str]]:
    rules: Mapping[str, list[str]] = read_yaml(Path(__file__).parent / "written.yaml")
    return rules


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in _rules()[name]), re.IGNORECASE)


@cache
def _copied() -> re.Pattern[str]:
    names = "|".join(sorted(_rules()["copied_names"], key=len, reverse=True))
    # Each pattern names its group: one alternative may match at a time.
    rules = [
        one.replace("{name}", names).replace("?P<name>", f"?P<name{number}>")
        for number, one in enumerate(_rules()["copied_paths"])
    ]
    return re.compile("|".join(f"(?:{one})" for one in rules), re.IGNORECASE)

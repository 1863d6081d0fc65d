"""How the two sides of a pair differ on the surface: what can be counted without understanding the code."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import copysign, log1p
from pathlib import Path

from themis_data.code.answers import read_answer
from themis_data.code.language import all_languages
from themis_data.errors import PipelineError
from themis_data.text.changes import TOKEN
from themis_data.yaml_file import read_yaml

# Counted on the lines that only one side has: what both have is no difference. Each becomes two features, the sign of
# the difference and its size on a logarithmic scale.
_COUNTS = (
    *("characters", "lines", "blank lines", "comment lines", "trailing space", "tab indents", "odd indents"),
    *("long lines", "braces alone", "single quotes", "double quotes", "spaced operators", "semicolons", "newest names"),
    *("fences", "prose"),
)
_SHARES = ("comment share", "characters a line", "blank share", "only added or removed", "length by size of edit")
FEATURES = (*(f"{name}: {kind}" for name in _COUNTS for kind in ("which side", "how much")), *_SHARES)
"""Names of the numbers that `differences` gives, in order."""

_LONG = 100  # characters from which on a line is long
_PATTERNS = {
    "trailing space": re.compile(r"[ \t]+$", re.MULTILINE),
    "tab indents": re.compile(r"^\t", re.MULTILINE),
    "odd indents": re.compile(r"^(?: {4})* {1,3}+(?! )", re.MULTILINE),
    "braces alone": re.compile(r"^[ \t]*+[{}][ \t]*+$", re.MULTILINE),
    "spaced operators": re.compile(r" [-+*/=<>]=? "),
}
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Differences:
    """Chosen less rejected: swapping the sides turns every sign."""

    features: list[float]  # as `FEATURES`
    tokens: dict[str, float]  # of the lines that only one side has: how many more the chosen one has, on a log scale


def differences(chosen: str, rejected: str, language: str) -> Differences:
    """How two answers in one language differ. A language that is not known has no comments and no newest names."""
    sides = _own_lines(chosen, rejected)
    one, other = (_counts(text, lines, language) for text, lines in zip((chosen, rejected), sides, strict=True))
    features: list[float] = []
    for name in _COUNTS:
        difference = one[name] - other[name]
        features += [float((difference > 0) - (difference < 0)), _log(difference)]
    comments, (lines_one, lines_other) = _comment_pattern(language), (t.count("\n") + 1 for t in (chosen, rejected))
    longer = (len(chosen) > len(rejected)) - (len(chosen) < len(rejected))
    features += [
        len(comments.findall(chosen)) / lines_one - len(comments.findall(rejected)) / lines_other,
        log1p(len(chosen) / lines_one) - log1p(len(rejected) / lines_other),
        chosen.count("\n\n") / lines_one - rejected.count("\n\n") / lines_other,
        float((not sides[1]) - (not sides[0])),
        longer * log1p(len(sides[0]) + len(sides[1])),
    ]
    counted = Counter(TOKEN.findall("\n".join(sides[0])))
    counted.subtract(TOKEN.findall("\n".join(sides[1])))
    return Differences(features, {token: _log(number) for token, number in counted.items() if number})


def _own_lines(chosen: str, rejected: str) -> tuple[list[str], list[str]]:
    """The lines that each side has more often than the other. Lines that only moved are none: this takes no alignment,
    which would cost ten times as much."""
    one, other = Counter(chosen.split("\n")), Counter(rejected.split("\n"))
    return list((one - other).elements()), list((other - one).elements())


def _counts(text: str, lines: list[str], language: str) -> dict[str, int]:
    own = "\n".join(lines)
    wrapper = read_answer(text).wrapper
    return {
        "characters": len(text),
        "lines": text.count("\n"),
        "blank lines": sum(not line.strip() for line in lines),
        "comment lines": len(_comment_pattern(language).findall(own)),
        "long lines": sum(len(line) > _LONG for line in lines),
        "single quotes": own.count("'"),
        "double quotes": own.count('"'),
        "semicolons": own.count(";"),
        "newest names": len(_recent_pattern(language).findall(own)),
        "fences": text.count("```"),
        "prose": int(wrapper in ("prose", "prose_and_fence")),
        **{name: len(pattern.findall(own)) for name, pattern in _PATTERNS.items()},
    }


def _log(number: float) -> float:
    return copysign(log1p(abs(number)), number)


@cache
def _comment_pattern(language: str) -> re.Pattern[str]:
    """Lines that begin as a comment does, or as a further line of a block comment by custom."""
    known = all_languages().get(language)
    if known is None:
        return _NEVER
    starts = [re.escape(prefix) for prefix in known.line_comments]
    starts += [r"/\*", r"\*(?:[ /]|$)"] if "//" in known.line_comments else [r'"""', "'''"]
    return re.compile(rf"^[ \t]*+(?:{'|'.join(starts)})", re.MULTILINE)


@cache
def _recent_pattern(language: str) -> re.Pattern[str]:
    return _recent_names().get(language, _NEVER)


@cache
def _recent_names() -> dict[str, re.Pattern[str]]:
    file = Path(__file__).with_name("recent_names.yaml")
    found = {}
    for language, names in read_yaml(file).items():
        try:
            found[language] = re.compile("|".join(names), re.MULTILINE)
        except re.error as error:
            raise PipelineError(f"publish/{file.name}, {language}: no regular expression: {error}") from error
    return found

"""Questions with a known answer, put among the real ones: changes that make nothing better.

A model that rates them high does not read. Each kind is made of a pair, so that a canary looks like any other question:

reversed         the sides change places: the worse code is the new one
no_op            both sides are the worse one. A vote must be a tie
comment_only     the new side is the old one with a comment added or made longer; what compiles is the same, which is
                 checked. Not by a criterion for which a comment may count
wrong_criterion  the change as it is, by a criterion of whose evidence it shows none
"""

from dataclasses import dataclass
from typing import Literal

from themis_data.code.grammars import Grammars
from themis_data.code.language import Language, by_name
from themis_data.code.syntax import code_tokens, comments, measure
from themis_data.criteria import Criterion, all_criteria
from themis_data.criteria.evidence import kinds_shown, read_diff
from themis_data.fingerprint import uniform
from themis_data.text.changes import line_changes

Kind = Literal["reversed", "no_op", "comment_only", "wrong_criterion"]
KINDS: tuple[Kind, ...] = ("reversed", "no_op", "comment_only", "wrong_criterion")
SHARE = 0.05  # of the rows that are asked about

# A comment helps a reader, however little: here nobody could say that nothing got better.
_COMMENTS_COUNT = frozenset({"readability_and_maintainability", "helpfulness"})
# They say nothing that the code does not, and promise nothing.
_REMARKS = (
    "See the notes on this part.",
    "This part follows the usual order.",
    "Kept here with the rest of this part.",
    "The next lines belong together.",
    "As described in the notes.",
)
_MAX_TRIES = 8  # places for a comment
_FIRST_LINE = 1  # a comment before all code may say how the file is to be read
_CGO = 'import "C"'  # the comment above it is C code

Draw = tuple[int, str]  # seed, row id


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A question about a pair that has a known answer: about which sides, by which criterion."""

    kind: Kind
    old: str
    new: str
    criterion: str


def is_canary(row_id: str, *, seed: int, share: float = SHARE) -> bool:
    """Whether a canary is asked about this row, for a share of all rows."""
    return uniform(seed, "canary", row_id) < share


def draw_canary(
    *,
    chosen: str,
    rejected: str,
    criterion: str,
    also_matches: tuple[str, ...] = (),
    language: str,
    draw: Draw,
    kinds: tuple[Kind, ...] = KINDS,
    grammars: Grammars = "auto",
) -> Canary | None:
    """A canary of a kind that is drawn evenly among those that the pair can be made into; None where it can be none.

    Parses what was mined: call it through `code.guard`.
    """
    seed, row_id = draw
    for kind in sorted(kinds, key=lambda kind: uniform(seed, "canary kind", row_id, kind)):
        asked: str | None = criterion
        if kind == "wrong_criterion":
            asked = wrong_criterion(
                criterion, also_matches, chosen=chosen, rejected=rejected, language=language, draw=draw
            )
        elif kind == "comment_only" and criterion in _COMMENTS_COUNT:
            asked = None
        sides = canary(kind, chosen=chosen, rejected=rejected, language=language, draw=draw, grammars=grammars)
        if asked is not None and sides is not None:
            return Canary(kind=kind, old=sides[0], new=sides[1], criterion=asked)
    return None


def canary(
    kind: Kind, *, chosen: str, rejected: str, language: str, draw: Draw, grammars: Grammars = "auto"
) -> tuple[str, str] | None:
    """The old and the new side of a canary; None where it cannot be made of this pair."""
    if kind == "reversed":
        return chosen, rejected
    if kind == "no_op":
        return rejected, rejected
    if kind == "wrong_criterion":
        return rejected, chosen
    new = with_other_comment(rejected, language, draw=draw, grammars=grammars)
    return None if new is None else (rejected, new)


def wrong_criterion(
    criterion: str, also_matches: tuple[str, ...], *, chosen: str, rejected: str, language: str, draw: Draw
) -> str | None:
    """A criterion to ask about of whose evidence the change shows nothing, drawn evenly; None where there is none.

    Only criteria that commits are labelled with have evidence; neither the pair's own nor one that it also matches is
    asked about.
    """
    shown = kinds_shown(read_diff(line_changes(rejected, chosen), language=language), language=language)
    wrong = [
        name
        for name, other in all_criteria().items()
        if name != criterion and name not in also_matches and other.diff is not None and not shown & _evidence(other)
    ]
    seed, row_id = draw
    return wrong[int(uniform(seed, "canary criterion", row_id) * len(wrong))] if wrong else None


def _evidence(criterion: Criterion) -> frozenset[str]:
    """Every kind of evidence that can speak for a criterion."""
    rules = criterion.diff
    assert rules is not None
    claimed = [kind for claim in rules.claims.values() for kind in claim.shows]
    return frozenset((*rules.requires_any, *rules.typical_requires_any, *rules.weak_requires_any, *claimed))


def with_other_comment(source: str, language: str, *, draw: Draw, grammars: Grammars = "auto") -> str | None:
    """The source with one comment more, or one that says more; None where no place for it is found.

    The tokens of the code are the same, docstrings too, and it parses as well as before: a place where that does not
    hold (inside a string, after a backslash) is passed over.
    """
    spec = by_name(language)
    if language == "Go" and _CGO in source:
        return None
    lines = source.split("\n")
    places = [(n, False) for n in range(_FIRST_LINE, len(lines)) if _may_follow(lines[n - 1], lines[n], spec)]
    places += [(n, True) for n in _plain_comments(lines, source, spec, grammars) if n >= _FIRST_LINE]
    if not places:
        return None
    seed, row_id = draw
    raw = source.encode()
    before, errors = code_tokens(raw, language, grammars=grammars), measure(raw, language, grammars=grammars).num_errors
    remark = _REMARKS[int(uniform(seed, "canary remark", row_id) * len(_REMARKS))]
    for attempt in range(_MAX_TRIES):
        number, is_longer = places[int(uniform(seed, "canary place", row_id, str(attempt)) * len(places))]
        changed = _longer(lines, number, remark) if is_longer else _one_more(lines, number, remark, spec)
        text = "\n".join(changed)
        new = text.encode()
        same = code_tokens(new, language, grammars=grammars) == before
        if same and measure(new, language, grammars=grammars).num_errors <= errors and text != source:
            return text
    return None


def _may_follow(above: str, below: str, spec: Language) -> bool:
    """Whether a line of comment may stand between two lines.

    Not in a continued line, after a comment, or in a gap: a remark to a tool, or a documentation, could lose what it
    belongs to.
    """
    before, after = above.rstrip(), below.strip()
    if not before or not after or before.endswith("\\"):
        return False
    return not before.lstrip().startswith((*spec.line_comments, "/*", "*", "#", "@", "[")) and not before.endswith("*/")


def _plain_comments(lines: list[str], source: str, spec: Language, grammars: Grammars) -> list[int]:
    """Lines that are one comment to their end and speak to no tool."""
    found = []
    for comment in comments(source.encode(), spec.name, grammars=grammars):
        line = lines[comment.start_line].strip()
        prefix = next((mark for mark in spec.line_comments if line.startswith(mark)), None)
        if comment.start_line != comment.end_line or prefix is None or line != comment.text.strip():
            continue
        words = line[len(prefix) :]
        # Markers of tools follow the prefix at once (//go:, #!, #:nodoc:), and a plain comment has words.
        is_plain = words.startswith(" ") and words.strip(" -=*#/").replace(" ", "").isalpha()
        if is_plain and not any(mark in line for mark in spec.directives):
            found.append(comment.start_line)
    return found


def _longer(lines: list[str], number: int, remark: str) -> list[str]:
    line, end = _without_return(lines[number])
    return [*lines[:number], f"{line.rstrip()}. {remark}{end}", *lines[number + 1 :]]


def _one_more(lines: list[str], number: int, remark: str, spec: Language) -> list[str]:
    line, end = _without_return(lines[number])
    indent = line[: len(line) - len(line.lstrip())]
    return [*lines[:number], f"{indent}{spec.line_comments[0]} {remark}{end}", *lines[number:]]


def _without_return(line: str) -> tuple[str, str]:
    return (line[:-1], "\r") if line.endswith("\r") else (line, "")

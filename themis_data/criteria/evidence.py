"""What the changed lines of a file show, in named kinds of evidence.

Reading is by line and by pattern, without a parser: a commit is judged on the few lines it changed, which seldom
parse alone. Comments, imports, log calls and lines that only moved are set aside first, so that none of them can
pass for a change in what the code does.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from themis_data.criteria import check_pattern
from themis_data.errors import PipelineError
from themis_data.yaml_file import read_yaml

_FOLDER = Path(__file__).parent / "evidence"
_WHERE = ("added", "either", "more", "fewer")


class Changes(Protocol):
    """Changed lines with their 0-based line numbers, in file order; `text.changes.line_changes` gives such a thing."""

    @property
    def removed(self) -> tuple[tuple[int, str], ...]: ...

    @property
    def added(self) -> tuple[tuple[int, str], ...]: ...


@dataclass(frozen=True, slots=True)
class Diff:
    """Changed lines reduced to code: comments gone, lines stripped, lines that are on both sides left out."""

    removed: tuple[str, ...]
    added: tuple[str, ...]
    num_moved: int  # lines of code that are on both sides, in another place or at another depth
    surface: str | None  # why the diff is evidence of nothing; null when it is not

    @property
    def num_lines(self) -> int:
        """Lines of code on the side with more of them."""
        return max(len(self.removed), len(self.added))


def excluded_path(path: str) -> str | None:
    """The group of files (tests, documentation, vendored ...) whose edits are evidence of nothing; null for code."""
    lowered = path.lower()
    for group, pattern in _path_patterns():
        if pattern.search(path if group == "cased" else lowered):
            return "tests" if group == "cased" else group
    return None


def read_diff(changes: Changes, *, language: str) -> Diff:
    """The changed lines as code, and whether they are nothing but comments, imports, log calls, text or layout."""
    removed = _code_lines([line for _, line in changes.removed], language=language)
    added = _code_lines([line for _, line in changes.added], language=language)
    if not removed and not added:
        return Diff((), (), 0, "comments")
    old, new = Counter(map(_squeezed, removed)), Counter(map(_squeezed, added))
    only_old, only_new = _not_in(removed, new), _not_in(added, old)
    num_moved = sum((old & new).values())
    return Diff(tuple(only_old), tuple(only_new), num_moved, _surface(only_old, only_new))


def kinds_shown(diff: Diff, *, language: str) -> frozenset[str]:
    """Names of the kinds of evidence in the diff."""
    removed = [line for line in diff.removed if _line_kind(line) is None]
    added = [line for line in diff.added if _line_kind(line) is None]
    shown = {kind.name for kind in _pattern_kinds(language) if kind.is_shown(removed, added)}
    shown.update(name for name, test in _SHAPES.items() if test(diff))
    return frozenset(shown)


def all_kinds() -> frozenset[str]:
    """Every kind of evidence a criterion may require."""
    return frozenset(read_yaml(_FOLDER / "kinds.yaml")) | frozenset(_SHAPES)


# Lines --------------------------------------------------------------------------------------------------------

_STRING = r"\"\"\"|'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`"
_ENGLISH = re.compile(
    r"\b(the|a|an|of|to|that|this|these|be|are|was|will|should|which|when|it|its|you|we|can|by)\b", re.IGNORECASE
)
_PROSE = re.compile(r"[A-Za-z][a-z']*(?:[ ,]+[A-Za-z`][\w'`-]*){3,}")


def _family(language: str) -> str:
    families: Mapping[str, str] = _lines()["families"]
    return families.get(language, "c_like")


def _code_lines(lines: Sequence[str], *, language: str) -> list[str]:
    """Lines stripped, without their comments and without those that are only comment, documentation or blank."""
    family = _family(language)
    comment = _comment_pattern(family)
    whole = _comment_line_pattern(family)
    code: list[str] = []
    quoted: str | None = None  # the mark that ends a Python docstring or a C block comment that a line opened
    for line in lines:
        text = line[:_MAX_LINE_CHARS].strip()
        if quoted is not None:
            if quoted in text:
                quoted = None
            continue
        if not text or whole.match(text):
            continue
        if family == "hash" and (opened := re.match(r"[rRbBuU]{0,2}(\"\"\"|''')", text)):
            if text.count(opened[1]) == 1 and not re.search(r"[,)]$", text):
                quoted = opened[1]
            continue
        text = comment.sub(_without_comment, text).strip()
        if text.endswith("/*"):
            quoted, text = "*/", text[:-2].strip()
        if text and not _is_prose(text, family=family):
            code.append(text)
    return code


def _without_comment(found: re.Match[str]) -> str:
    if found["block"] is not None:
        return " " if found["block"].endswith("*/") else "/*"
    return found["string"] or ""


def _is_prose(text: str, *, family: str) -> bool:
    """Whether a line is a sentence: the middle of a docstring or of a block comment without stars."""
    if not _PROSE.match(text.lstrip("-*+ ")) or re.search(r"[;{}=]|\)\s*:?$|:$", text):
        return False
    return bool(_ENGLISH.search(text)) or (family == "hash" and text.endswith("."))


def _squeezed(line: str) -> str:
    return re.sub(r"\s+", "", line)


def _not_in(lines: Iterable[str], other: Counter[str]) -> list[str]:
    """Lines that the other side does not have, white space aside; a line there twice is taken off twice."""
    left = Counter(other)
    rest: list[str] = []
    for line in lines:
        key = _squeezed(line)
        if left[key] > 0:
            left[key] -= 1
        else:
            rest.append(line)
    return rest


def _surface(removed: Sequence[str], added: Sequence[str]) -> str | None:
    """The one surface thing a diff consists of; null when some of it is code."""
    changed = [*removed, *added]
    if any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in added):
        return "conflict marks"
    if not changed:
        return "layout"
    kinds = {_line_kind(line) for line in changed}
    if None not in kinds:
        return "imports" if "imports" in kinds else sorted(kind for kind in kinds if kind)[0]
    if Counter(map(_without_punctuation, removed)) == Counter(map(_without_punctuation, added)):
        return "layout"
    if Counter(map(_without_strings, removed)) == Counter(map(_without_strings, added)):
        return "text"
    if "".join(map(_squeezed, removed)) == "".join(map(_squeezed, added)):
        return "layout"
    return None


def _line_kind(line: str) -> str | None:
    """`imports`, `preprocessor`, `logs`, `declarations`, `versions`, `punctuation`; null for a line of code."""
    if not re.search(r"\w", line):
        return "punctuation"
    blanked = _without_strings(line)
    for kind in ("imports", "preprocessor", "logs", "declarations"):
        if _line_pattern(kind).search(blanked):
            return kind
    return "versions" if _line_pattern("versions").search(line) else None


def _without_strings(line: str) -> str:
    return _string_pattern().sub('""', line)


def _without_punctuation(line: str) -> str:
    return re.sub(r"[\s;,(){}'\"`]+", "", line)


# Shapes: kinds of evidence that need the diff as a whole --------------------------------------------------------

_IDENTIFIER = re.compile(r"[A-Za-z_$@][\w$]*")
_DEFINITION = re.compile(
    r"^(?:(?:pub|public|private|protected|internal|static|final|async|export|inline|constexpr|virtual|override|abstract|"
    r"synchronized|template\s*<.*>)\s+)*(?:"
    r"def\s+(?:self\.)?(?P<python_or_ruby>\w+[?!]?)"
    r"|func\s*(?:\([^)]*\)\s*)?(?P<go>\w+)"
    r"|function\*?\s+(?P<javascript>\w+)"
    r"|(?:const|let|var)\s+(?P<arrow>\w+)\s*=\s*(?:async\s*)?(?:function\b|\([^)]*\)\s*=>|\w+\s*=>)"
    r"|(?!return\b|else\b|new\b|throw\b)[\w<>\[\],.:*&\s]+?[\s*&](?P<typed>\w+)\s*\([^;=]*\)\s*"
    r"(?:const\s*)?(?:throws\s+[\w, .]+)?\{?$"
    r"|(?P<method>\w+)\s*\([^;=]*\)\s*\{$"
    r"|class\s+(?P<class>\w+))"
)
_KEYWORDS = frozenset(
    {"if", "for", "while", "switch", "catch", "return", "function", "else", "do", "try", "sizeof", "foreach"}
)
_CONSTANT = re.compile(r"\b([A-Z][A-Z0-9_]{2,}|k[A-Z]\w+)\b\s*(?::[^=]+)?=[^=]|#\s*define\s+(\w+)")
_MAX_LINE_CHARS = 2_000  # a longer line is data or minified, and patterns that backtrack would make it costly


def _defined(lines: Iterable[str]) -> set[str]:
    names: set[str] = set()
    for line in lines:
        if found := _DEFINITION.match(line):
            names.update(name for name in found.groups() if name)
    return names - _KEYWORDS


def _is_rename(diff: Diff) -> bool:
    """At least two lines in three differ from their old self only in names, and few names are involved."""
    if not diff.removed or len(diff.removed) != len(diff.added):
        return False
    same = 0
    pairs: set[tuple[str, str]] = set()
    for old, new in zip(diff.removed, diff.added, strict=True):
        if _IDENTIFIER.sub("_", old) == _IDENTIFIER.sub("_", new):
            same += 1
            pairs.update(
                (a, b) for a, b in zip(_IDENTIFIER.findall(old), _IDENTIFIER.findall(new), strict=True) if a != b
            )
    return 3 * same >= 2 * len(diff.removed) and 0 < len(pairs) <= max(3, len(diff.removed))


def _is_extraction(diff: Diff) -> bool:
    """A function or class that is new and that another added line uses."""
    new = _defined(diff.added) - _defined(diff.removed)
    text = "\n".join(diff.added)
    return any(len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", text)) > 1 for name in new)


def _num_characters(lines: Iterable[str]) -> int:
    return sum(len(_squeezed(line)) for line in lines)


def _is_smaller(diff: Diff) -> bool:
    """Fewer lines of code than before, or as many with fewer characters."""
    removed, added = len(diff.removed), len(diff.added)
    return removed > added > 0 or (removed == added and _num_characters(diff.removed) > _num_characters(diff.added))


def _is_deletion(diff: Diff) -> bool:
    return bool(diff.removed) and not diff.added


def _is_moved(diff: Diff) -> bool:
    return diff.num_moved >= 3 and diff.num_moved >= len(diff.added)


def _is_named_constant(diff: Diff) -> bool:
    """A constant that is new and stands where a literal stood."""
    names = {found[1] or found[2] for line in diff.added if (found := _CONSTANT.search(line))}
    return any(sum(name in line for line in diff.added) > 1 for name in names)


def _is_rewrite(diff: Diff) -> bool:
    """Lines replaced by others, not many more than went."""
    return bool(diff.removed) and 0 < len(diff.added) <= 1.3 * len(diff.removed) + 3


_SHAPES: Mapping[str, Callable[[Diff], bool]] = {
    "rename": _is_rename,
    "extraction": _is_extraction,
    "smaller": _is_smaller,
    "deletion": _is_deletion,
    "moved": _is_moved,
    "named_constant": _is_named_constant,
    "rewrite": _is_rewrite,
}


# Patterns -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _PatternKind:
    name: str
    where: str
    pattern: re.Pattern[str]

    def is_shown(self, removed: Sequence[str], added: Sequence[str]) -> bool:
        num_added = sum(1 for line in added if self.pattern.search(line))
        if self.where == "added":
            return num_added > 0
        num_removed = sum(1 for line in removed if self.pattern.search(line))
        if self.where == "more":
            return num_added > num_removed
        if self.where == "fewer":
            return num_removed > num_added
        return num_added + num_removed > 0


@cache
def _pattern_kinds(language: str) -> tuple[_PatternKind, ...]:
    kinds = []
    for name, fields in read_yaml(_FOLDER / "kinds.yaml").items():
        where = fields["where"]
        if where not in _WHERE:
            raise PipelineError(f"criteria/evidence/kinds.yaml, {name}: 'where' is {where!r}, not one of {_WHERE}")
        patterns = [*fields.get("any", ()), *fields.get(language, ())]
        kinds.append(_PatternKind(name, where, _alternatives(patterns, where=f"criteria/evidence/kinds.yaml, {name}")))
    return tuple(kinds)


@cache
def _path_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (group, _alternatives(patterns, where=f"criteria/evidence/paths.yaml, {group}"))
        for group, patterns in read_yaml(_FOLDER / "paths.yaml").items()
    )


@cache
def _lines() -> dict[str, dict[str, str]]:
    return read_yaml(_FOLDER / "lines.yaml")


@cache
def _line_pattern(kind: str) -> re.Pattern[str]:
    return _alternatives(read_yaml(_FOLDER / "lines.yaml")[kind], where=f"criteria/evidence/lines.yaml, {kind}")


@cache
def _comment_line_pattern(family: str) -> re.Pattern[str]:
    patterns = read_yaml(_FOLDER / "lines.yaml")["comment_lines"][family]
    return _alternatives(patterns, where="criteria/evidence/lines.yaml, comment_lines")


@cache
def _comment_pattern(family: str) -> re.Pattern[str]:
    """Strings, which stay, and comments, which go; a string comes first where a comment mark is inside it."""
    if family == "hash":
        return re.compile(rf"(?P<string>{_STRING}|#\{{)|(?P<block>(?!))|(?P<line>(?:^|(?<=\s))#.*)")
    return re.compile(rf"(?P<string>{_STRING})|(?P<block>/\*.*?(?:\*/|$))|(?P<line>(?<!:)//.*)")


@cache
def _string_pattern() -> re.Pattern[str]:
    return re.compile(_STRING)


def _alternatives(patterns: Sequence[str], *, where: str) -> re.Pattern[str]:
    for pattern in patterns:
        check_pattern(pattern, where=where)
    return re.compile("|".join(_scoped(pattern) for pattern in patterns))


def _scoped(pattern: str) -> str:
    """A pattern as one group; a flag such as (?i) at its start holds for the group only."""
    flags = re.match(r"\(\?([a-z]+)\)", pattern)
    return f"(?{flags[1]}:{pattern[flags.end() :]})" if flags else f"(?:{pattern})"

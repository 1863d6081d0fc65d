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
    num_comments: int = 0  # changed lines that are only comment, documentation or blank

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
    num_comments = len(changes.removed) + len(changes.added) - len(removed) - len(added)
    return Diff(tuple(only_old), tuple(only_new), num_moved, _surface(only_old, only_new), num_comments)


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
    return _families().get(language, "c_like")


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


def _is_extraction(diff: Diff) -> bool:
    """A function or class that is new and that another added line uses."""
    new = _defined(diff.added) - _defined(diff.removed)
    text = "\n".join(diff.added)
    return any(len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", text)) > 1 for name in new)


def _is_moved(diff: Diff) -> bool:
    return diff.num_moved >= 3 and diff.num_moved >= len(diff.added)


def _is_named_constant(diff: Diff) -> bool:
    """A constant that is new and stands where a literal stood."""
    names = {found[1] or found[2] for line in diff.added if (found := _CONSTANT.search(line))}
    return any(sum(name in line for line in diff.added) > 1 for name in names)


def _is_rewrite(diff: Diff) -> bool:
    """Lines replaced by others, not many more than went."""
    return bool(diff.removed) and 0 < len(diff.added) <= 1.3 * len(diff.removed) + 3


_NUMBER = re.compile(r"(?<![\w.])(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?)(?![\w.])")
_RESULT = re.compile(r"\breturn\s+(-?\w+|\"\"|''|\[\]|\{\})\s*;?\s*\}?$")
_FAILURE = re.compile(r"\b(?:throw|raise|panic|abort)\b")


def _is_other_number(diff: Diff) -> bool:
    """A number other than 0 and 1 that the old lines do not have."""
    old, new = (set(_NUMBER.findall("\n".join(map(_without_strings, lines)))) for lines in (diff.removed, diff.added))
    return bool(diff.removed) and bool(new - old - {"0", "1"})


def _is_other_result(diff: Diff) -> bool:
    """A constant is given back where the old lines gave back other constants."""
    constants = re.compile(r"-?\d+|null|nil|none|nullptr|true|false|[\"'\[{]\W?", re.IGNORECASE)
    old, new = (
        {found[1] for line in lines if (found := _RESULT.search(line)) and constants.fullmatch(found[1])}
        for lines in (diff.removed, diff.added)
    )
    return bool(old) and bool(new - old)


def _is_new_failure(diff: Diff) -> bool:
    """More places that raise than before."""
    old, new = (sum(1 for line in lines if _FAILURE.search(line)) for lines in (diff.removed, diff.added))
    return new > old


def _is_mere_check(diff: Diff) -> bool:
    """Nothing goes, and what comes raises: wrong use is told, no right use gets better."""
    return not diff.removed and _is_new_failure(diff)


_TOKEN = re.compile(r"[A-Za-z_$@][\w$]*[?!]?|\d[\w.]*|[^\s\w]")
_CALLED = re.compile(r"\bnew\s+\w[\w.:]*(?:<[^()]*>)?\((?=[^)\s])|(?<!\bnew )\b([A-Za-z_$][\w$]*)\s*\(")
_ASSIGNED = re.compile(r"(?:^|[\s.@*&])([A-Za-z_$][\w$]*)\s*(?:\|\|)?:?=(?![=>])\s*(.+)")
_COMPILED = re.compile(r"\b(?:re|Pattern|regexp)\.(?:compile|MustCompile)\(|\bnew Reg(?:ex|Exp)\(|\bRegexp?\.new\b")
_BRANCH = re.compile(r"\b(?:if|elif|elsif|unless|while|case|catch|except|rescue)\b|&&|\|\||\s\?\s")


def _tokens(lines: Iterable[str]) -> list[str]:
    return _TOKEN.findall("\n".join(lines))


def _names(lines: Iterable[str]) -> Counter[str]:
    return Counter(_IDENTIFIER.findall("\n".join(map(_without_strings, lines))))


def _is_pure_rename(diff: Diff) -> bool:
    """Nothing but names differ, at most three of them, in the same way in two places or more, none shorter."""
    old, new = _tokens(diff.removed), _tokens(diff.added)
    if len(old) != len(new):
        return False
    pairs = Counter((a, b) for a, b in zip(old, new, strict=True) if a != b)
    if not pairs or any(not _IDENTIFIER.match(name) for pair in pairs for name in pair):
        return False
    is_consistent = len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    says_more = sum(len(b) - len(a) for a, b in pairs) >= 0
    return is_consistent and says_more and len(pairs) <= 3 and min(pairs.values()) >= 2


def _keeps_names(diff: Diff) -> bool:
    """Every name in the new lines is in the old ones."""
    return _names(diff.added).keys() <= _names(diff.removed).keys()


def _ratio(diff: Diff) -> float:
    """Size in tokens of the new lines, relative to the old ones."""
    return len(_tokens(diff.added)) / max(1, len(_tokens(diff.removed)))


def _is_cut(diff: Diff) -> bool:
    """Code is gone, and what stands in its place says nothing new."""
    return _ratio(diff) < 1.0 and _keeps_names(diff)


def _is_simpler(diff: Diff) -> bool:
    """Clearly less code that has no new name and leaves out at most one of the calls."""
    left_out = _called(diff.removed).keys() - _called(diff.added).keys()
    return bool(diff.added) and _ratio(diff) <= 0.8 and _keeps_names(diff) and len(left_out) <= 1


def _is_shrunk(diff: Diff) -> bool:
    """Much less code that has no new name and calls all that was called before."""
    fewer_lines = len(diff.removed) - len(diff.added)
    is_less = bool(diff.added) and _ratio(diff) <= 0.7 and fewer_lines >= 2
    return is_less and _keeps_names(diff) and _called(diff.removed).keys() <= _called(diff.added).keys()


def _num_repeats(lines: Iterable[str]) -> int:
    """Lines that say again what another one says, strings and numbers aside; short ones do not count."""
    kinds = Counter(_NUMBER.sub("0", _squeezed(_without_strings(line))) for line in lines)
    return sum(count - 1 for line, count in kinds.items() if len(line) >= 10)


def _is_deduplicated(diff: Diff) -> bool:
    """Less code than before, where lines were there twice or a new function stands for them."""
    if _ratio(diff) > 0.9:
        return False
    return _num_repeats(diff.removed) > _num_repeats(diff.added) or _is_extraction(diff) or diff.num_moved >= 2


def _is_extracted(diff: Diff) -> bool:
    """A new function that is called holds lines that stood elsewhere, and little else is new."""
    return _is_extraction(diff) and diff.num_moved >= 3 and len(diff.added) <= diff.num_moved + 4


def _is_new_branch(diff: Diff) -> bool:
    """More decisions than before."""
    old, new = (len(_BRANCH.findall("\n".join(map(_without_strings, lines)))) for lines in (diff.removed, diff.added))
    return new > old


def _is_mostly_comments(diff: Diff) -> bool:
    return diff.num_comments > 2 * (len(diff.removed) + len(diff.added) + diff.num_moved)


def _called(lines: Iterable[str]) -> Counter[str]:
    """Names of what is called; making an object counts as `new` where it takes arguments."""
    text = "\n".join(map(_without_strings, lines))
    return Counter(found[1] or "new" for found in _CALLED.finditer(text) if found[1] not in _KEYWORDS)


def _is_kept_result(diff: Diff) -> bool:
    """A name holds the result of a call of the old lines, or a compiled pattern, and another new line uses it."""
    known, names, before = _names(diff.removed), _names(diff.added), _called(diff.removed)
    for line in diff.added:
        found = _ASSIGNED.search(_without_strings(line))
        if found and found[1] not in known and names[found[1]] > 1 and _called([found[2]]).keys() & before.keys():
            return True
        if found and names[found[1]] > 1 and _COMPILED.search(found[2]):
            return True
    return False


def _is_call_gone(diff: Diff) -> bool:
    """Fewer calls than before, and hardly one that is not among the old ones."""
    old, new = _called(diff.removed), _called(diff.added)
    return new.total() < old.total() and len(new.keys() - old.keys()) <= 1


_SHAPES: Mapping[str, Callable[[Diff], bool]] = {
    "moved": _is_moved,
    "named_constant": _is_named_constant,
    "rewrite": _is_rewrite,
    "other_number": _is_other_number,
    "other_result": _is_other_result,
    "new_failure": _is_new_failure,
    "mere_check": _is_mere_check,
    "pure_rename": _is_pure_rename,
    "cut": _is_cut,
    "simpler": _is_simpler,
    "shrunk": _is_shrunk,
    "deduplicated": _is_deduplicated,
    "extracted": _is_extracted,
    "new_branch": _is_new_branch,
    "mostly_comments": _is_mostly_comments,
    "kept_result": _is_kept_result,
    "call_gone": _is_call_gone,
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
        if not patterns:
            continue
        kinds.append(_PatternKind(name, where, _alternatives(patterns, where=f"criteria/evidence/kinds.yaml, {name}")))
    return tuple(kinds)


@cache
def _path_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (group, _alternatives(patterns, where=f"criteria/evidence/paths.yaml, {group}"))
        for group, patterns in read_yaml(_FOLDER / "paths.yaml").items()
    )


@cache
def _families() -> Mapping[str, str]:
    families: Mapping[str, str] = read_yaml(_FOLDER / "lines.yaml")["families"]
    return families


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

"""What of a prompt gives away which answer is the better one: text that only one of them has, or that names the defect.

Texts are compared as runs of tokens in lower case, so that neither case, line ends nor spaces matter; n-grams leave
punctuation out too. Only the lines that differ are looked at, and whatever both answers hold is allowed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Literal, get_args

from themis_data.text.changes import TOKEN, LineChanges, line_changes
from themis_data.yaml_file import read_yaml

Kind = Literal["line", "code", "literal", "identifier", "message", "defect"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[^\W\d]\w*")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+")
_MAX_NAMES = 1_024  # kept in mind: prompts and code say the same again and again
_MIN_NAME_CHARS = 2  # one letter is in every second prompt by chance
_MIN_SPOKEN_PARTS = 3  # `file name` is English, `max retry count` is a name spoken
_CODE_WORDS = 6  # in a row, within a paragraph or an item of a list
# In a list of signatures the last word of one item and the first of the next are neighbours by chance.
_PART_END = re.compile(r"\n[ \t]*+(?:\n|(?=(?:[-*+]|\d+\.)[ \t]))|(?<=`)[ \t]*\n")
_MESSAGE_WORDS = ((4, 3), (5, 2))  # so many in a row, with so many that are no mere grammar
_MIN_LINE_TOKENS = 3
_MIN_LINE_WORDS = 4  # of a line that is words only, such as a comment
_SUBJECT_WORDS = {3: 3, 4: 2}  # words of a whole subject: so many that are no mere grammar
_MAX_MESSAGE_WORDS = 2_000
_LITERAL = re.compile(r""""((?:[^"\\]|\\.){3,200})"|'((?:[^'\\]|\\.){3,200})'|`([^`]{3,200})`""")
_NUMBER = re.compile(r"(?<![\w.])(?:0[xX][0-9a-fA-F_]{2,}+|\d[\d_]*+(?:\.\d++)?)")
_MIN_DIGITS = 3  # one or two are counts and indices, as in every text
# Where a prompt writes code and not English: in backticks, with a bracket behind, or joined to another name.
_IN_CODE = re.compile(
    r"(?<!`)`++([^`]{1,2000}+)`|(?<!\w)([^\W\d]\w*+)(?=[(\[])|(?<=[\w)\]][.])([^\W\d]\w*)|(?<=->|::)([^\W\d]\w*)"
)
# A capital where no sentence begins.
_CAPITALISED = re.compile(r"[A-Z](?<=[\w,;] [A-Z])\w++")
_QUOTED = re.compile(r"""(?<!`)`++([^`]{1,2000}+)`|"([^"\n]{1,200}+)"|(?<!\w)'([^'\n]{1,200}+)'""")


@dataclass(frozen=True, slots=True)
class Leak:
    """The first leak that was found."""

    kind: Kind
    span: str  # what the prompt says

    @property
    def reason(self) -> str:
        return f"leaks_{self.kind}: {self.span!r}"


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What a prompt must not give away. `names` are the identifiers of the chosen and of the rejected code, asked for
    only where a word makes it necessary; None counts every word as one."""

    chosen: str
    rejected: str
    criterion: str
    message: str | None = None
    path: str | None = None
    names: Callable[[], tuple[frozenset[str], frozenset[str]]] | None = None


def find_leak(prompt: str, sides: Sides, *, kinds: Iterable[Kind] = KINDS) -> Leak | None:
    """The first leak of these kinds in the order of `KINDS`, or None.

    line        a line that only one side has
    code        six words in a row that only one side has in a row
    literal     a string, or a number of three digits, that only one side has; a string of one or two words where it is
                quoted
    identifier  a name that only one side has, in any spelling (`maxSize`, `max_size`; from three words also spoken);
                a name that is a plain word where it is written as code or with a capital
    message     four words in a row of the commit message, five where two are more than grammar, or a subject of three
                or four, unless both sides or the path hold them
    defect      a phrasing in leaks.yaml, unless both sides hold it
    """
    asked = frozenset(kinds)
    search = _Search(prompt, sides)
    for kind in KINDS:
        if kind in asked:
            span = next(search.spans(kind), None)
            if span is not None:
                return Leak(kind, span)
    return None


class _Search:
    """One prompt against one pair; what is costly is made once, where it is needed."""

    def __init__(self, prompt: str, sides: Sides) -> None:
        self.prompt = prompt
        self.sides = sides
        self.run = _run(_tokens(prompt))
        self.words = _words(prompt)
        self.changes: LineChanges = line_changes(sides.rejected, sides.chosen)
        added = [line for _, line in self.changes.added]
        removed = [line for _, line in self.changes.removed]
        # Each side's changed lines, with the text of the other side, which must not hold what they have.
        self.changed = ((added, sides.rejected), (removed, sides.chosen))

    def spans(self, kind: Kind) -> Iterator[str]:
        by_kind: dict[Kind, Callable[[], Iterator[str]]] = {
            "line": self.lines,
            "code": self.code,
            "literal": self.literals,
            "identifier": self.identifiers,
            "message": self.message,
            "defect": self.defects,
        }
        return by_kind[kind]()

    def lines(self) -> Iterator[str]:
        for lines, other in self.changed:
            for line in dict.fromkeys(lines):
                whole = _tokens(line)
                # A prompt may leave a semicolon out, and a line may be another's beginning but for its last sign.
                for tokens in (whole, _trimmed(whole)):
                    run = _run(tokens)
                    if run in self.run and _is_enough(tokens) and run not in _run_of(other):
                        yield line.strip()

    def code(self) -> Iterator[str]:
        told = {gram for part in _PART_END.split(self.prompt) for gram in _grams(_words(part), _CODE_WORDS)}
        if not told:
            return
        texts = self.sides.rejected, self.sides.chosen
        around = [
            list(_words_around(text.split("\n"), ranges, _CODE_WORDS))
            for text, ranges in zip(texts, self.changes.ranges, strict=True)
        ]
        for place, other in ((1, 0), (0, 1)):
            near = " ".join(map(_run, around[other]))  # what most of these words are in, and a hundredth of the text
            for words in around[place]:
                for gram in _said(words, _CODE_WORDS, told):
                    run = _run(gram)
                    if run not in near and run not in _word_run_of(texts[other]):
                        yield " ".join(gram)

    def literals(self) -> Iterator[str]:
        quoted = {_run(_tokens(next(filter(None, found)))) for found in _QUOTED.findall(self.prompt)}
        numbers = {digits for digits in map(_digits, _NUMBER.findall(self.prompt)) if len(digits) >= _MIN_DIGITS}
        for lines, other in self.changed:
            for line in dict.fromkeys(lines):
                for found in _LITERAL.findall(line):
                    text = next(filter(None, found))
                    tokens = _tokens(text)
                    run = _run(tokens)
                    num_words = sum(token[0].isalpha() for token in tokens)
                    if num_words and run in (self.run if num_words > 2 else quoted) and run not in _run_of(other):
                        yield text
                for number in _NUMBER.findall(line) if numbers else ():
                    digits = _digits(number)
                    if digits in numbers and digits not in map(_digits, _NUMBER.findall(other)):
                        yield number

    def identifiers(self) -> Iterator[str]:
        said = _names_of(self.prompt)
        changed = [dict.fromkeys(_NAME.findall("\n".join(lines))) for lines, _ in self.changed]
        for place, (_, other) in enumerate(self.changed):
            for name in changed[place]:
                if name in changed[1 - place] or len(name) < _MIN_NAME_CHARS:
                    continue
                parts = _parts(name)
                if name in said and (_is_compound(name) or name in self.in_code):
                    span, is_shared = name, name in _names_of(other)
                elif len(parts) > 1 and _key(name) in self.keys:
                    span, is_shared = self.keys[_key(name)], _key(name) in _keys_of(other)
                elif len(parts) >= _MIN_SPOKEN_PARTS and _run(parts) in self.word_run:
                    span = " ".join(parts)
                    is_shared = _key(name) in _keys_of(other) or _run(parts) in _word_run_of(other)
                else:
                    continue
                if not is_shared and self._is_identifier(name, place):
                    yield span

    @cached_property
    def in_code(self) -> frozenset[str]:
        """Names that the prompt writes as code, or with a capital."""
        written = (part for found in _IN_CODE.findall(self.prompt) for part in found)
        return frozenset(
            [*(name for part in written for name in _NAME.findall(part)), *_CAPITALISED.findall(self.prompt)]
        )

    @cached_property
    def keys(self) -> dict[str, str]:
        """Compound names of the prompt, by what their spellings have in common."""
        return {_key(name): name for name in sorted(_names_of(self.prompt)) if _is_compound(name)}

    @cached_property
    def word_run(self) -> str:
        return _run(self.words)

    def _is_identifier(self, name: str, place: int) -> bool:
        if self.sides.names is None:
            return True
        return any(name in _NAME.findall(written) for written in self.sides.names()[place])

    def message(self) -> Iterator[str]:
        if self.sides.message is None:
            return
        grammar = frozenset(_phrasings()["grammar"])
        words = _words(self.sides.message)[:_MAX_MESSAGE_WORDS]
        subject = _words(self.sides.message.partition("\n")[0])
        told = [(words, size, num_told) for size, num_told in _MESSAGE_WORDS]
        if len(subject) in _SUBJECT_WORDS:
            told.append((subject, len(subject), _SUBJECT_WORDS[len(subject)]))
        for text, size, num_told in told:
            for gram in _said(text, size, set(_grams(self.words, size))):
                if sum(word not in grammar for word in gram) >= num_told:
                    if not self._is_shared(_run(gram)):
                        yield " ".join(gram)

    def defects(self) -> Iterator[str]:
        text = self.word_run
        for found in _defects(self.sides.criterion).finditer(text):
            # With the words around it: one word such as "fix" is in many a file, and about something else.
            before = text[: found.start()].rsplit(" ", 1)[-1:]
            after = text[found.end() :].split(" ", 2)[1:2]
            if not self._is_shared(_run(word for word in (*before, found[1], *after) if word)):
                yield found[1]

    def _is_shared(self, word_run: str) -> bool:
        """Whether both sides hold the words in a row, or the path that the prompt may name."""
        sides = self.sides
        if sides.path is not None and word_run in _run(_words(sides.path)):
            return True
        return word_run in _word_run_of(sides.chosen) and word_run in _word_run_of(sides.rejected)


def _tokens(text: str) -> list[str]:
    return TOKEN.findall(text.lower())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _run(tokens: Iterable[str]) -> str:
    """Tokens as one text in which a run of tokens is a substring."""
    return f" {' '.join(tokens)} "


@lru_cache(maxsize=4)  # the sides of one pair, asked for once for each candidate
def _run_of(text: str) -> str:
    return _run(_tokens(text))


@lru_cache(maxsize=4)
def _word_run_of(text: str) -> str:
    return _run(_words(text))


@lru_cache(maxsize=4)
def _names_of(text: str) -> frozenset[str]:
    return frozenset(_NAME.findall(text))


@lru_cache(maxsize=4)
def _keys_of(text: str) -> frozenset[str]:
    return frozenset(map(_key, _names_of(text)))


@lru_cache(maxsize=_MAX_NAMES)
def _parts(name: str) -> tuple[str, ...]:
    """The words that a name is made of, in lower case."""
    return tuple(part.lower() for part in _PARTS.findall(name))


def _key(name: str) -> str:
    """What `maxSize`, `max_size` and `MAX_SIZE` have in common."""
    return name.replace("_", "").lower()


@lru_cache(maxsize=_MAX_NAMES)
def _is_compound(name: str) -> bool:
    """Whether a name can be no English word: it has a part that begins inside, or a digit."""
    return "_" in name.strip("_") or len(_PARTS.findall(name)) > 1 or any(map(str.isdigit, name))


def _digits(number: str) -> str:
    return number.replace("_", "").lower()


def _is_enough(tokens: list[str]) -> bool:
    """Whether a line of these tokens is more than what stands in many a text by chance."""
    is_code = any(not _WORD.match(token) for token in tokens)
    return len(tokens) >= (_MIN_LINE_TOKENS if is_code else _MIN_LINE_WORDS)


def _trimmed(tokens: list[str]) -> list[str]:
    """Tokens without the punctuation at both ends: a prompt that quotes a line may leave its semicolon out."""
    places = [place for place, token in enumerate(tokens) if _WORD.match(token)]
    return tokens[places[0] : places[-1] + 1] if places else []


def _grams(words: list[str], size: int) -> Iterable[tuple[str, ...]]:
    """Runs of so many words, in order."""
    return zip(*(words[start:] for start in range(size)), strict=False)


def _said(words: list[str], size: int, said: set[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The runs of so many words that are said too, in order; there are hardly ever any."""
    if said.isdisjoint(_grams(words, size)):
        return []
    return [gram for gram in _grams(words, size) if gram in said]


def _words_around(lines: list[str], ranges: list[tuple[int, int]], margin: int) -> Iterator[list[str]]:
    """Words near each of the ranges of lines. A place where lines were taken out counts as a range of none."""
    for start, end in _joined((max(0, start - margin), end + margin) for start, end in ranges):
        yield _words("\n".join(lines[start:end]))


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order without overlaps."""
    joined: list[tuple[int, int]] = []
    for start, end in ranges:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


@cache
def _phrasings() -> Mapping[str, list[str]]:
    return read_yaml(Path(__file__).parent / "leaks.yaml")


@cache
def _defects(criterion: str) -> re.Pattern[str]:
    # It begins with a space, as each word of a run does: only there are the phrasings tried. Their groups capture
    # nothing, which takes half of the time.
    phrasings = "|".join([*_phrasings()["any"], *_phrasings().get(criterion, [])])
    return re.compile(rf" ({re.sub(r'[(](?![?])', '(?:', phrasings)})\b")

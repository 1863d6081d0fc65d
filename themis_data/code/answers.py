"""The code in an answer: bare, or in the fences of Markdown.

Fences are those of CommonMark: three or more backticks or tildes, a tag behind them, closed by at least as many of the
same sign with nothing behind, or by the end of the text. Two things are taken more widely, because answers are written
so: a fence may stand at any depth (in a list), and one that stands deeper than its opening by four signs or more is
part of the code, as in a docstring that shows an example.
"""

import re
from dataclasses import dataclass
from typing import Literal

Wrapper = Literal["bare", "fenced", "prose_and_fence", "prose"]

_FENCE = re.compile(r"([ \t]*+)(`{3,}+|~{3,}+)(.*)")
_MAX_DEEPER = 3  # spaces or tabs that a closing fence may stand deeper than its opening
_WORD = re.compile(r"[^\W_]+")
# Signs of code. Full stops, commas, quotes, hyphens, colons and brackets around a remark are prose's own.
_CODE_SIGN = re.compile(r"[{}\[\];=<>+*/%&|^~$@#\\_]|\(\)|\w\(")
_BRACKETS = b"{}[];=()<>"
_LONG_CHARS = 1_000
_INLINE_CODE = re.compile(r"(?<!`)`++[^`\n]*+`++")
# What begins a line of Markdown: headings, list items, quotes, rulers.
_MARKUP = re.compile(r"^[ \t]*+(?:#{1,6} |[*+-] |> |(?:[*_-] ?){3,}$)", re.MULTILINE)
# A line that no sentence looks like: a short file may be documentation nearly throughout.
_CODE_LINE = re.compile(
    r"^[ \t]*+(?:(?:def|class|module|import|package|func|function)[ \t]+\w.*|end|[}\])]+[;,]?)$|(?:[{}]|\);)[ \t]*$",
    re.MULTILINE,
)
_BOLD = re.compile(r"\*{1,3}|_{2}")
# Words a sign of code, at least, in a text without fences. Of 6,684 real source files 99.9 % have fewer than 7 and one
# has more than 10; of their commit messages, which are fuller of names than explanations are, 7 in 10 have more.
_PROSE_WORDS_A_SIGN = 10
_PROSE_AROUND_WORDS_A_SIGN = 5  # beside fences, where a file that only quotes some has the rest of its code


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer consists of."""

    code: str  # what measures are taken on; all of the text where the wrapper is `bare` or `prose`
    wrapper: Wrapper
    tags: tuple[str, ...]  # of its blocks in order, lower case; empty text for a block without

    @property
    def form(self) -> str:
        """The wrapper with the tags, in words: two answers of one form give nothing away by their format."""
        return " ".join([self.wrapper, *(tag or "untagged" for tag in self.tags)])


@dataclass(frozen=True, slots=True)
class _Block:
    tag: str
    code: str


def read_answer(text: str) -> Answer:
    """The code of an answer, and how it is wrapped.

    Of several blocks, those count that have the tag of the longest, joined in order: a program told in parts keeps its
    imports, while the shell line that runs it and the output it prints, which have other tags, stay out. Tags are not
    believed beyond that: a wrong or missing one changes nothing where there is one block.

    `bare` is code without fences, also where a comment or string of it holds some; `prose` has no code at all.
    """
    blocks, around = _split(text) if "```" in text or "~~~" in text else ([], text)
    if not blocks:
        return Answer(text, "prose" if _is_prose(text, _PROSE_WORDS_A_SIGN) else "bare", ())
    if around.strip() and not _is_prose(around, _PROSE_AROUND_WORDS_A_SIGN):
        return Answer(text, "bare", ())
    tags = tuple(block.tag for block in blocks)
    main = max(blocks, key=lambda block: len(block.code)).tag
    code = "".join(block.code for block in blocks if block.tag == main)
    return Answer(code, "prose_and_fence" if around.strip() else "fenced", tags)


def _split(text: str) -> tuple[list[_Block], str]:
    """The blocks that are not empty, and the text around all of them."""
    blocks: list[_Block] = []
    around: list[str] = []
    inside: list[str] = []
    opening: tuple[int, str, str] | None = None  # depth, fence, tag
    above = ""
    for line in text.splitlines(keepends=True):
        fence = _FENCE.fullmatch(line.rstrip())
        if opening is None:
            if fence is None or _is_inline_code(fence) or _is_heading(fence, above):
                around.append(line)
            else:
                opening = len(fence[1]), fence[2], _tag(fence[3])
        elif fence is not None and not fence[3] and _closes(fence[1], fence[2], opening):
            blocks.append(_block(opening, inside))
            opening, inside = None, []
        else:
            inside.append(line)
        above = line.strip()
    if opening is not None:
        blocks.append(_block(opening, inside))
    return [block for block in blocks if block.code.strip()], "".join(around)


def _is_inline_code(fence: re.Match[str]) -> bool:
    """Whether it is ```code``` on a line of its own."""
    return fence[2][0] == "`" and "`" in fence[3]


def _is_heading(fence: re.Match[str], above: str) -> bool:
    """Whether tildes underline a heading, as in reStructuredText: no shorter than the line above."""
    return fence[2][0] == "~" and not fence[3] and 0 < len(above) <= len(fence[2])


def _closes(indent: str, fence: str, opening: tuple[int, str, str]) -> bool:
    depth, opened_by, _ = opening
    return fence[0] == opened_by[0] and len(fence) >= len(opened_by) and len(indent) <= depth + _MAX_DEEPER


def _block(opening: tuple[int, str, str], lines: list[str]) -> _Block:
    """A block without the depth of its fence, which belongs to the list it stands in."""
    depth, _, tag = opening
    return _Block(tag, "".join(line[min(depth, len(line) - len(line.lstrip(" \t"))) :] for line in lines))


def _tag(info: str) -> str:
    """The language in a fence's info: its first word, also in the form `{.python}`."""
    words = info.strip().strip("{}").split()
    return words[0].lstrip(".").partition("{")[0].partition(",")[0].lower() if words else ""


def _is_prose(text: str, words_a_sign: int) -> bool:
    # A long text is decided by its brackets nearly always, at a tenth of the price; a short one may show some as code.
    if len(text) > _LONG_CHARS:
        raw = text.encode("utf-8", "surrogatepass")
        num_brackets = len(raw) - len(raw.translate(None, _BRACKETS))
        if _PROSE_AROUND_WORDS_A_SIGN * num_brackets > len(text.split()):
            return False
    text = _BOLD.sub("", _MARKUP.sub("", _INLINE_CODE.sub(" ", text)))
    if _CODE_LINE.search(text) is not None:
        return False
    num_words = len(_WORD.findall(text))
    return num_words > 0 and len(_CODE_SIGN.findall(text)) * words_a_sign <= num_words

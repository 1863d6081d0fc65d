"""The prose of a text: what is left when code, names, paths and links are taken out."""

import re

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
# Either run of backticks may be one; neither pattern can read a character more often than its run is long.
_INLINE_CODE = re.compile(r"`+[^`\n]*`+")
_ASCII_RUN = re.compile(r"[!-~]+")
# A word with the punctuation of prose around it. Everything else in ASCII is a name, a path, a number or code.
_WORD = re.compile(r"[(\"'\[*]*([A-Za-z]+(?:['-][A-Za-z]+)*)[)\"'\]*.,;:!?]*")
_CAMEL_CASE = re.compile(r"[a-z][A-Z]")


def prose_blocks(text: str) -> list[str]:
    """The prose of each paragraph or list item of a Markdown text, on one line; those without prose are left out.

    Gone are fenced and inline code and whatever holds a sign that words do not: links, paths, options, calls, numbers,
    names in snake_case or camelCase. An unclosed fence runs to the end, as in CommonMark. A name that looks like a
    word stays.
    """
    blocks: list[list[str]] = [[]]
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
        elif mark:
            fence = mark[1]
            blocks.append([])
        elif not line.strip():
            blocks.append([])
        else:
            if line.lstrip().startswith(("- ", "* ", "+ ", "#")):
                blocks.append([])
            blocks[-1].append(line)
    joined = (_words("\n".join(lines)) for lines in blocks)
    return [block for block in joined if block]


def _words(text: str) -> str:
    return " ".join(_ASCII_RUN.sub(_word, _INLINE_CODE.sub(" ", text)).split())


def _word(run: re.Match[str]) -> str:
    word = _WORD.fullmatch(run[0])
    return run[0] if word and not _CAMEL_CASE.search(word[1]) else " "

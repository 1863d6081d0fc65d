"""What a commit message says beside its text: people, reverted commits, bots.

Messages are hostile: every pattern here takes time in proportion to the message (hence the possessive `++`, and what
stands before a run of letters).
"""

import re

# Trailers whose value is a person, on any line.
_BY = re.compile(
    r"(?:(?:reviewed|submitted|reported|tested|pulled|merged|approved|suggested|(?:co[- ])?authored|signed[- ]off"
    r"|acked|helped|contributed|patch(?:ed)?|found|fixed|committed|written)[ -])?by\s*:",
    re.IGNORECASE,
)
# And on any line but the first, where "authors:" or "order-by:" is the part of a project that changed.
_BODY_TRAILER = re.compile(
    r"(?:[a-z]+(?:-[a-z]+)*-by|cc|(?:obtained )?from|authors?|committer|reviewers?|subscribers|thanks(?:[- ]to)?)"
    r"\s*:",
    re.IGNORECASE,
)
_NAMED_ADDRESS = re.compile(r"[\w -]++:.*<[^<>\s@]+@[^<>\s@]+>$")
# No version as a host: "left-pad@1.3.0" is a package.
_ADDRESS = re.compile(
    r"<[^<>\s@]+@[^<>\s@]+>"
    r"|(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]++@(?!v?\d+\.\d)(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}\b"
    r"|[<(][\w.+-]+\s+(?:at|\[at\]|\(at\))\s+[\w-]+(?:\s+(?:dot|\[dot\]|\(dot\))\s+\w+)+[>)]"
)
# "Patch by Jane Doe", "thanks to @jane": two capitalised words or a handle after a word of credit.
_CREDIT = re.compile(
    r"(?i:\b(?:(?:patch(?:es)?|reported|submitted|contributed|suggested|reviewed|written|found|noticed|spotted|idea"
    r"|report|pointed out|pull request)\s+(?:by|from)|fix(?:es|ed)?\s+by|thanks?(?: you)?(?: again)?(?: (?:go )?to)?"
    r"|thx|cheers|kudos(?: to)?|props(?: to)?|credits?(?: goes| go)? to|h/t)[:,]?)\s+"
    r"(?:@[A-Za-z\d][A-Za-z\d-]{0,38}+(?![\w/@.-]*/)"
    r"|[A-ZÀ-ÖØ-Þ][\w'’-]+(?:\s+(?:[A-Z]\.|d[aei]|von|van|der|den))*\s+[A-ZÀ-ÖØ-Þ][\w'’-]+)"
)
_CREDITED = ("by", "from", "thank", "thx", "cheers", "kudos", "props", "credit", "h/t")  # what `_CREDIT` needs one of
_REVERTS = re.compile(r"\brevert(?:s|ed|ing)?(?:\s+the)?(?:\s+commits?)?\s+([0-9a-f]{7,64})\b", re.IGNORECASE)
# What tools that squash or rebase a pull request write: "(#12)" at the end of the subject, or a line of their own.
_MARKED_SUBJECT = re.compile(r"\((?:#|!|gh-|pr ?#?)\d{1,9}\)\s*$", re.IGNORECASE)
_MARKED_LINE = re.compile(
    r"^(?:(?:PR-URL|Pull[- ]Request(?:[- ](?:URL|Resolved))?|Reviewed-on|Differential[ -]Revision)\s?: ?\S"
    r"|closes #\d{1,9} from \S)",
    re.IGNORECASE | re.MULTILINE,
)
_CORRECTS = re.compile(
    r"\b(?:(?:hot|bug|quick)?fix(?:e[sd]|ing|ups?)?|w?h?oops|bro(?:ke|ken)|breaks?|breakage|regress\w*+|forg[eo]t(?:ten)?"
    r"|mistake\w*+|accident\w*+|missed|wrong(?:ly)?|incorrect(?:ly)?)\b",
    re.IGNORECASE,
)
# What a fix may be of without the code before it having been wrong. A typo may well be in the code.
_COSMETIC = re.compile(
    r"\b(?:(?:code|check)?style|spelling|(?:java)?docs?|documentation|docstrings?|comments?|changelog|readme"
    r"|white ?spaces?|indent(?:ation|ing)?|format(?:ting)?|lint(?:er|ing)?|warnings?)\b",
    re.IGNORECASE,
)
_BOT = re.compile(
    r"\[bot\]|\b(?:dependabot|renovate|greenkeeper|snyk|pyup|mergify|codecov|allcontributors|weblate|github-actions"
    r"|copybara|pre-commit-ci|travis[- ]ci|asf-sync-process|generatedunixname\d*)\b"
    r"|(?:^|[-_.\s])(?:bot|autoroll)(?:$|[-_.\s])|^\S*(?<!tal)(?<!ab)(?<!ca)bot$|^jenkins$",
    re.IGNORECASE,
)


def without_people(message: str) -> str:
    """The message without trailer lines that name people, with mail addresses and the names in credits taken out.

    Names elsewhere in a sentence stay: nothing tells them from other words.
    """
    lines = [line.rstrip() for line in message.splitlines()]
    kept = [line for number, line in enumerate(lines) if not _is_person_line(line, is_first=number == 0)]
    text = "\n".join(kept)
    if "@" in text or " at " in text:
        text = _ADDRESS.sub("", text)
    folded = text.casefold()
    if any(word in folded for word in _CREDITED):  # few messages, and the pattern costs ten times as much
        text = _CREDIT.sub("", text)
    return text.strip()


def _is_person_line(line: str, *, is_first: bool) -> bool:
    if ":" not in line:
        return False
    line = line.strip()
    return bool(_BY.match(line) or _NAMED_ADDRESS.match(line) or (not is_first and _BODY_TRAILER.match(line)))


def reverted_commits(message: str) -> list[str]:
    """Object ids, whole or abbreviated to seven digits or more, that the message says it reverts."""
    if "revert" not in message.lower():  # most messages, and the pattern costs ten times as much
        return []
    return list(dict.fromkeys(found.lower() for found in _REVERTS.findall(message)))


def is_revert(subject: str) -> bool:
    """Whether the subject line calls the commit a revert."""
    return bool(re.match(r"\s*[\"']?revert(?:s|ed|ing)?\b", subject, re.IGNORECASE))


def has_merge_mark(message: str) -> bool:
    """Whether the message says that a pull request was merged by it: one that was squashed or rebased."""
    return bool(_MARKED_SUBJECT.search(message.partition("\n")[0]) or _MARKED_LINE.search(message))


def says_correction(subject: str) -> bool:
    """Whether a subject line says that something before it was wrong: fix, oops, broke, regressed, forgot ...

    Not where that is style, comments, documentation or a warning.
    """
    return bool(_CORRECTS.search(subject)) and not _COSMETIC.search(subject)


def is_bot(name: str, address: str) -> bool:
    """Whether an author's name, or the part of the address before the @, says it is a program."""
    return bool(_BOT.search(name) or _BOT.search(address.partition("@")[0]))

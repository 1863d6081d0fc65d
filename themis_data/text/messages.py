"""What a commit message says beside its text: people, reverted commits, bots."""

import re

# Trailers whose value is a person, on any line.
_BY = re.compile(
    r"\s*(?:(?:reviewed|submitted|reported|tested|pulled|merged|approved|suggested|authored|co[- ]authored|signed[- ]off|acked|"
    r"helped|contributed|patch(?:ed)?|found|fixed|committed|written)[ -])?by\s*:",
    re.IGNORECASE,
)
# And on any line but the first, where "authors:" or "order-by:" is the part of a project that changed.
_BODY_TRAILER = re.compile(
    r"\s*(?:[a-z]+(?:-[a-z]+)*-by|cc|from|obtained from|authors?|committer|reviewers?|subscribers|thanks(?:[- ]to)?)\s*:",
    re.IGNORECASE,
)
_NAMED_ADDRESS = re.compile(r"\s*[\w -]+:.*<[^<>\s]+@[^<>\s]+>\s*$")
# No version as a host: "left-pad@1.3.0" is a package.
_ADDRESS = re.compile(
    r"<[^<>\s@]+@[^<>\s@]+>|<?[A-Za-z0-9._%+\-]+@(?!v?\d+\.\d)(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}\b>?"
    r"|[<(][\w.+-]+\s+(?:at|\[at\]|\(at\))\s+[\w-]+(?:\s+(?:dot|\[dot\]|\(dot\))\s+\w+)+[>)]"
)
# "Patch by Jane Doe", "thanks to @jane": two capitalised words or a handle after a word of credit.
_CREDIT = re.compile(
    r"(?i:\b(?:(?:patch(?:es)?|fix(?:es|ed)?|reported|submitted|contributed|suggested|reviewed|written|found|noticed|spotted"
    r"|pointed out|idea|report|pull request)\s+(?:by|from)|(?:many )?thanks?(?: you)?(?: again)?(?: (?:to|go to))?|thx|cheers|kudos(?: to)?"
    r"|props(?: to)?|credits?(?: goes| go)? to|h/t))[:,]?\s+"
    r"(?:@[A-Za-z\d](?:[A-Za-z\d-]*[A-Za-z\d])?(?![\w/@.-]*/)|[A-Z][\w'’-]+(?:\s+(?:[A-Z]\.|d[aei]|von|van|der|den))*\s+[A-Z][\w'’-]+)"
)
_REVERTS = re.compile(r"\brevert(?:s|ed|ing)?(?:\s+the)?(?:\s+commits?)?\s+([0-9a-f]{7,64})\b", re.IGNORECASE)
_BOT = re.compile(
    r"\[bot\]|\b(?:dependabot|renovate|greenkeeper|snyk|pyup|mergify|codecov|allcontributors|weblate|github-actions|copybara|"
    r"pre-commit-ci|travis[- ]ci)\b|(?:^|[-_.\s])(?:bot|autoroll)(?:$|[-_.\s])|^\S*(?<!tal)(?<!ab)(?<!ca)bot$|^jenkins$",
    re.IGNORECASE,
)


def without_people(message: str) -> str:
    """The message without trailer lines that name people, with mail addresses and the names in credits taken out.

    Names elsewhere in a sentence stay: nothing tells them from other words.
    """
    lines = [line.rstrip() for line in message.splitlines()]
    kept = [line for number, line in enumerate(lines) if not _is_person_line(line, is_first=number == 0)]
    return _CREDIT.sub("", _ADDRESS.sub("", "\n".join(kept))).strip()


def _is_person_line(line: str, *, is_first: bool) -> bool:
    if ":" not in line:
        return False
    return bool(_BY.match(line) or _NAMED_ADDRESS.match(line) or (not is_first and _BODY_TRAILER.match(line)))


def reverted_commits(message: str) -> list[str]:
    """Object ids, whole or abbreviated to seven digits or more, that the message says it reverts."""
    return list(dict.fromkeys(found.lower() for found in _REVERTS.findall(message)))


def is_revert(subject: str) -> bool:
    """Whether the subject line calls the commit a revert."""
    return bool(re.match(r"\s*[\"']?revert(?:s|ed|ing)?\b", subject, re.IGNORECASE))


def is_bot(name: str, address: str) -> bool:
    """Whether an author's name, or the part of the address before the @, says it is a program."""
    return bool(_BOT.search(name) or _BOT.search(address.partition("@")[0]))

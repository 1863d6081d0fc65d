"""What a commit message says beside its text: people, reverted commits, bots."""

import re

# Trailers whose value is a person: "Signed-off-by:", "Co-authored-by:", "Cc:" and the like.
_PEOPLE_KEY = re.compile(r"^\s*(?:[A-Za-z]+(?:-[A-Za-z]+)*-by|Cc|From|Author|Committer|Thanks(?:-to)?)\s*:.*$", re.IGNORECASE)
_ADDRESS = re.compile(r"<?[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+>?")
_NAMED_ADDRESS = re.compile(r"^\s*[\w-]+\s*:.*<[^<>\s]+@[^<>\s]+>\s*$")
_REVERTS = re.compile(r"\brevert(?:s|ed|ing)?(?:\s+the)?(?:\s+commits?)?\s+([0-9a-f]{7,64})\b", re.IGNORECASE)
_BOT = re.compile(r"\[bot\]|\b(?:dependabot|renovate|greenkeeper|snyk|pyup|mergify|codecov|allcontributors|weblate|"
                  r"github-actions|travis|jenkins|pre-commit-ci)\b|(?:^|[-_.\s])(?:bot|autoroll)(?:$|[-_.@\s])", re.IGNORECASE)  # fmt: skip


def without_people(message: str) -> str:
    """The message without trailer lines that name people, and with mail addresses taken out of the rest."""
    lines = [line.rstrip() for line in message.splitlines()]
    kept = [line for line in lines if not (_PEOPLE_KEY.match(line) or _NAMED_ADDRESS.match(line))]
    return _ADDRESS.sub("", "\n".join(kept)).strip()


def reverted_commits(message: str) -> list[str]:
    """Object ids, whole or abbreviated to seven digits or more, that the message says it reverts."""
    return list(dict.fromkeys(found.lower() for found in _REVERTS.findall(message)))


def is_revert(subject: str) -> bool:
    """Whether the subject line calls the commit a revert."""
    return bool(re.match(r"\s*[\"']?revert(?:s|ed|ing)?\b", subject, re.IGNORECASE))


def is_bot(name: str, address: str) -> bool:
    """Whether an author's name or address says it is a program."""
    return bool(_BOT.search(name) or _BOT.search(address))

"""Versions of published data sets: SemVer 2.0, and which one may follow which."""

import re
from collections.abc import Iterable

from themis_data.errors import PublishError

_NUMBER, _WORD = r"(?:0|[1-9][0-9]*)", r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_WORD}(?:\.{_WORD})*))?")

Rank = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def rank(version: str) -> Rank | None:
    """What orders versions by SemVer's precedence; null where it is no version.

    Build metadata (`+...`) is not taken: two versions that differ in it alone would have the same rank.
    """
    found = _SEMVER.fullmatch(version)
    if found is None:
        return None
    major, minor, patch, before = found.groups()
    words = before.split(".") if before else []
    # A release stands above its pre-releases, and words above numbers.
    order = tuple((not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in words)
    return int(major), int(minor), int(patch), before is None, order


def check_next(version: str, released: Iterable[str], where: str) -> None:
    """Raises PublishError where a version is used, is no version, or is not above all that are released."""
    own = rank(version)
    if own is None:
        raise PublishError(f"--version {version!r} is no semantic version; expected MAJOR.MINOR.PATCH, such as 1.2.0")
    others = {name: place for name in released if (place := rank(name.removeprefix("v"))) is not None}
    used = [name for name, place in others.items() if place == own]
    if used:
        raise PublishError(f"{where} has a version {used[0]!r} already, with other content; give a higher --version")
    last = max(others, key=lambda name: others[name], default=None)
    if last is not None and own < others[last]:
        raise PublishError(f"--version {version} is not above {last!r}, the last one at {where}; give a higher one")

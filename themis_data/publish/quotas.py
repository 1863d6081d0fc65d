"""What was asked for of each slice and what was found, for card and terminal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One quota of one step, in rows."""

    slice: str
    wanted: int
    found: int
    refilled: Mapping[str, int]  # source -> rows taken where the slice had too few
    when_short: str  # the rule: fail, accept or refill


def quotas(manifest: Mapping[str, Any]) -> list[Asked]:
    """Every quota of every step, in order."""
    return [
        Asked(**{name: quota[name] for name in ("slice", "wanted", "found", "refilled", "when_short")})
        for segment in manifest["segments"]
        for entry in segment.get("marks", [])
        for quota in entry.get("report", {}).get("quotas", [])
    ]

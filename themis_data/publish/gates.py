"""Which of the optional gates a data set went through: a gate that nobody asked for is said to be off."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from themis_data.lookup import find, known_modules


@dataclass(frozen=True, kw_only=True)
class Gate:
    """An optional gate, and the branches whose rows it saw: all, some or none."""

    stage: str
    checks: str
    branches: tuple[str, ...]
    is_on: bool  # for all branches

    @property
    def state(self) -> str:
        if self.is_on:
            return "on"
        return f"only for {', '.join(self.branches)}" if self.branches else "off"


def gates(manifest: Mapping[str, Any]) -> list[Gate]:
    """Every stage that calls itself a gate, with whether it ran: not without its `model`, `index` or `datasets`."""
    tracks = {entry["step"]: entry["track"] for entry in manifest["funnel"]}
    branches = set(tracks.values()) - {"merge"}
    found = []
    for name in known_modules("stages"):
        checks = getattr(find("stages", name, "STAGE"), "gate", None)
        if checks is None:
            continue
        steps = [
            step
            for step, settings in manifest["pipeline"]["steps"].items()
            if settings["use"] == name and settings.get("model", "") is not None
            if [] not in (settings.get("index"), settings.get("datasets"))
        ]
        over = {tracks[step] for step in steps if step in tracks}
        is_on = "merge" in over or (bool(branches) and branches <= over)
        found.append(Gate(stage=name, checks=checks, branches=tuple(sorted(over - {"merge"})), is_on=is_on))
    return found

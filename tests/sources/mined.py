"""Runs the git source as a build does: lists its units and reads them all."""

import pickle
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from themis_data.engine.segment import Listing
from themis_data.sources._fetch import Fetching
from themis_data.sources.git_history import GitHistory, RepositoryRef

KEY = b"0123456789abcdef"


@dataclass(frozen=True, kw_only=True)
class Mined:
    """What came out: rows of both tables, those of a round the oldest first (they are read the other way round)."""

    listing: Listing
    changes: list[dict[str, Any]]
    commits: list[dict[str, Any]]
    left_out: dict[str, int]

    @property
    def reasons(self) -> dict[str, str | None]:
        """Commit -> why it gave no change; None where it gave one."""
        return {row["commit"]: row["not_emitted"] for row in self.commits}


def mine(*repos: Path | str | RepositoryRef, memory: Path, **settings: Any) -> Mined:
    """Everything in these repositories. Units are sent through pickle, as to another machine."""
    given = tuple(one if isinstance(one, RepositoryRef) else str(one) for one in repos)
    source = GitHistory(repos=given, **{"fetching": Fetching(tries=1), **settings})
    listing = source.list_units(memory)
    rounds: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    left_out = Counter[str]()
    for unit in listing.units:
        changes, commits = rounds.setdefault(unit.name.partition(" from ")[0], ([], []))
        seen = 0
        for piece in source.read(pickle.loads(pickle.dumps(unit)), KEY):
            changes += piece.rows.to_pylist()
            commits += piece.side["commit"].to_pylist()
            seen += piece.num_seen
            assert piece.num_seen == len(piece.rows) + sum(piece.left_out.values())
            left_out.update(piece.left_out)
        assert seen == unit.size
    return Mined(
        listing=listing,
        changes=[row for changes, _ in rounds.values() for row in reversed(changes)],
        commits=[row for _, commits in rounds.values() for row in reversed(commits)],
        left_out=dict(left_out),
    )

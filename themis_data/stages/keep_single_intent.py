"""Changes that do one thing."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa

from themis_data.engine.rows import Rows
from themis_data.text.changes import line_changes
from themis_data.text.intents import is_scattered, several_intents


@dataclass(frozen=True, kw_only=True)
class KeepSingleIntent:
    """Drops changes whose message speaks of several things that were done (`several_intents`), and, where asked, those
    in more places of the file than that (`scattered`), unless it is one replacement over and over.

    Of two intents in one change, nobody can say which the preference is about. What a message says is judged by its
    conventional types, the clauses of its subject and the items of its list; the words are text/intents.yaml. How far a
    diff is spread tells little, so it is off: see benchmarks/hygiene.md.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    max_hunks: Annotated[int | None, "places of the file in which lines differ; null for any number"] = None

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        columns = (changes[name].to_pylist() for name in ("message", "old_contents", "new_contents"))
        return pa.array([self._reason(*row) for row in zip(*columns, strict=True)], pa.string())

    def _reason(self, message: str, old: str, new: str) -> str | None:
        if intents := several_intents(message):
            return f"several_intents: {intents}"
        if self.max_hunks is None:
            return None
        hunks = line_changes(old, new).hunks
        return f"scattered: {len(hunks)} hunks" if is_scattered(hunks, max_hunks=self.max_hunks) else None


STAGE = KeepSingleIntent

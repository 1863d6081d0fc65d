"""Commits that undo each other without saying so."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import ByKey, Rows
from themis_data.schema import schema
from themis_data.text.edits import edit_key


@dataclass(frozen=True, kw_only=True)
class DropContradictions:
    """Drops changes that turn A into B where another commit turns B into A (`contradicted`): all of them.

    All commits count, also those of many files. Of two commits that undo each other, history does not tell which was
    right; as pairs they would teach that each side is better than the other.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(
            ByKey(
                columns=("row_id", "commit", "old_blob", "new_blob"),
                explode=self.by_edit,
                decide=self.find_undone,
                side=(("commit", ("commit", "edit_keys", "not_emitted"), self.by_edit_elsewhere),),
            )
        )

    def by_edit(self, changes: pa.Table) -> pa.Table:
        edits = [
            edit_key(o, n)
            for o, n in zip(changes["old_blob"].to_pylist(), changes["new_blob"].to_pylist(), strict=True)
        ]
        return _keyed(edits, changes["row_id"], changes["commit"])

    def by_edit_elsewhere(self, commits: pa.Table) -> pa.Table:
        """Edits of the commits that gave no change; the others are among the changes."""
        others = commits.filter(pc.is_valid(commits["not_emitted"]))
        commit = others["commit"].take(pc.list_parent_indices(others["edit_keys"]))
        return _keyed(pc.list_flatten(others["edit_keys"]).to_pylist(), pc.binary_repeat(commit, 0), commit)

    def find_undone(self, table: pa.Table) -> pa.Table:
        """Marks for every change whose key has edits in both directions."""
        seen: dict[str, list[str]] = {}  # key -> first commit of each direction
        for key, way, commit in zip(*(table[n].to_pylist() for n in ("key", "way", "commit")), strict=True):
            first = seen.setdefault(key, ["", ""])
            first[way] = min(first[way] or commit, commit)
        undone = {key: first for key, first in seen.items() if all(first)}
        hit = table.filter(
            pc.and_(
                pc.is_in(table["key"], value_set=pa.array(undone, pa.string())),
                pc.not_equal(table["row_id"], ""),
            )
        )
        rows = [
            {"row_id": row_id, "reason": "contradicted", "detail": f"undone by {undone[key][1 - way]}"}
            for key, row_id, way in zip(*(hit[n].to_pylist() for n in ("key", "row_id", "way")), strict=True)
        ]
        return pa.Table.from_pylist(rows, schema=schema("mark").arrow)


def _keyed(edits: list[int], row_id: pa.ChunkedArray, commit: pa.ChunkedArray) -> pa.Table:
    return pa.table(
        {
            "key": pa.array([str(edit >> 1) for edit in edits], pa.string()),
            "row_id": row_id,
            "commit": commit,
            "way": pa.array([edit & 1 for edit in edits], pa.int8()),
        }
    )


STAGE = DropContradictions

"""Changes that history took back, and the commits that took them back."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import ByKey, Rows
from themis_data.schema import schema
from themis_data.text.messages import is_revert, reverted_commits

_PREFIX = 7  # hex digits of an object id that every mention has


@dataclass(frozen=True, kw_only=True)
class DropReverts:
    """Drops a change that a later commit says it reverts (`reverted`), and commits that revert (`is_revert`).

    All commits count, also merges and commits of many files. A change that was reverted and then applied again goes
    too: its history says that it was disputed.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(
            ByKey(
                columns=("row_id", "commit", "subject", "message"),
                explode=self.by_own_id,
                decide=self.find_reverted,
                side=(("commit", ("commit", "reverts"), self.by_reverted_id),),
            )
        )

    def by_own_id(self, changes: pa.Table) -> pa.Table:
        says = [
            is_revert(subject) or bool(reverted_commits(message))
            for subject, message in zip(changes["subject"].to_pylist(), changes["message"].to_pylist(), strict=True)
        ]
        nobody = pc.binary_repeat(changes["commit"], 0)
        return _keyed(changes["row_id"], changes["commit"], nobody, pa.array(says, pa.bool_()))

    def by_reverted_id(self, commits: pa.Table) -> pa.Table:
        flat = pc.list_flatten(commits["reverts"])
        reverting = commits["commit"].take(pc.list_parent_indices(commits["reverts"]))
        return _keyed(pc.binary_repeat(flat, 0), flat, reverting, pa.array([True] * len(flat), pa.bool_()))

    def find_reverted(self, table: pa.Table) -> pa.Table:
        """Marks for the changes that revert, and for those whose id a reverting commit of the same key mentions."""
        is_change = pc.equal(table["reverting"], "")
        changes, mentions = table.filter(is_change), table.filter(pc.invert(is_change))
        by_key: dict[str, list[tuple[str, str]]] = {}
        for key, mentioned, reverting in zip(
            *(mentions[n].to_pylist() for n in ("key", "commit", "reverting")), strict=True
        ):
            by_key.setdefault(key, []).append((mentioned, reverting))
        in_question = pc.or_(changes["is_revert"], pc.is_in(changes["key"], value_set=pa.array(by_key, pa.string())))
        hit = changes.filter(in_question).select(["key", "row_id", "commit", "is_revert"])
        rows = []
        for key, row_id, commit, says in zip(*(column.to_pylist() for column in hit.columns), strict=True):
            reverting = sorted(
                by for mentioned, by in by_key.get(key, []) if commit.startswith(mentioned) and by != commit
            )
            if says:
                rows.append({"row_id": row_id, "reason": "is_revert", "detail": None})
            elif reverting:
                rows.append({"row_id": row_id, "reason": "reverted", "detail": f"by {reverting[0]}"})
        return pa.Table.from_pylist(rows, schema=schema("mark").arrow)


def _keyed(row_id: pa.ChunkedArray, commit: pa.ChunkedArray, reverting: pa.ChunkedArray, says: pa.Array) -> pa.Table:
    key = pc.utf8_slice_codeunits(commit.cast(pa.string()), 0, _PREFIX)
    return pa.table({"key": key, "row_id": row_id, "commit": commit, "reverting": reverting, "is_revert": says})


STAGE = DropReverts

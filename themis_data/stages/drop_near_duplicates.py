"""Near-duplicates by MinHash LSH, verified exactly."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa

from themis_data.engine.rows import ByKey, FetchFunction, Rows
from themis_data.schema import schema
from themis_data.text.changes import line_changes
from themis_data.text.minhash import band_keys, banding, jaccard, shingle_hashes, signatures

_ALL_PAIRS = 64  # rows with one key up to which every pair is compared; beyond it each with its neighbours


@dataclass(frozen=True, kw_only=True)
class DropNearDuplicates:
    """Drops all but the earliest of changes that are nearly the same (`near_duplicate`, with the survivor's id).

    Candidates share a band of MinHash values and are then verified: what counts is the exact Jaccard similarity of the
    shingle sets. Duplicates of duplicates belong together; of each such cluster the change with the earliest committer
    time stays, ties by row id.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1
    distributions: ClassVar[tuple[str, ...]] = ("datasketch", "xxhash")

    on: Annotated[Literal["diff", "new_contents", "old_contents"], "the text compared; diff is the changed lines"] = (
        "diff"
    )
    similarity: Annotated[float, "Jaccard similarity of the shingle sets from which on two are the same, 0 to 1"] = 0.7
    permutations: Annotated[int, "MinHash values a text"] = 256
    shingle: Annotated[int, "words a shingle"] = 5
    seed: Annotated[int, "of the permutations; the pipeline's by default"] = 0

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(
            ByKey(
                columns=("row_id", "committed_at", *self._columns),
                explode=self.by_band,
                decide=self.candidates,
                resolve=self.choose,
            )
        )

    @property
    def _columns(self) -> tuple[str, ...]:
        return ("old_contents", "new_contents") if self.on == "diff" else (self.on,)

    def texts(self, changes: pa.Table) -> list[str]:
        """What is compared. Of a diff, removed and added lines are told apart by a mark."""
        if self.on != "diff":
            contents: list[str] = changes[self.on].to_pylist()
            return contents
        return [
            _diff_text(old, new)
            for old, new in zip(changes["old_contents"].to_pylist(), changes["new_contents"].to_pylist(), strict=True)
        ]

    def by_band(self, changes: pa.Table) -> pa.Table:
        bands, rows = banding(self.similarity, self.permutations)
        texts = pa.array(self.texts(changes), pa.large_string())
        signed = signatures(texts, permutations=self.permutations, shingle=self.shingle, seed=self.seed % 2**32)
        keys = [[f"{key:016x}" for key in own] for own in band_keys(signed, bands, rows).tolist()]
        repeated = pa.array([place for place in range(len(keys)) for _ in range(bands)], pa.int64())
        return pa.table(
            {
                "key": pa.array([key for own in keys for key in own], pa.string()),
                "row_id": changes["row_id"].take(repeated),
                "committed_at": changes["committed_at"].take(repeated),
            }
        )

    def candidates(self, table: pa.Table) -> pa.Table:
        """Pairs of rows that share a key, in both directions."""
        found: set[tuple[str, str]] = set()
        at = dict(zip(table["row_id"].to_pylist(), table["committed_at"].cast(pa.int64()).to_pylist(), strict=True))
        for members in _groups(table):
            for place, one in enumerate(members):
                reach = members[place + 1 :] if len(members) <= _ALL_PAIRS else members[place + 1 : place + 9]
                found.update((one, other) for other in reach)
        both = sorted(found | {(b, a) for a, b in found})
        return pa.table(
            {
                "row_id": pa.array([a for a, _ in both], pa.string()),
                "other": pa.array([b for _, b in both], pa.string()),
                "at": pa.array([at[a] for a, _ in both], pa.int64()),
            }
        )

    def choose(self, pairs: pa.Table, fetch: FetchFunction) -> pa.Table:
        """Marks for all but the earliest of each cluster of verified pairs."""
        at = dict(zip(pairs["row_id"].to_pylist(), pairs["at"].to_pylist(), strict=True))
        wanted = sorted(
            {(a, b) for a, b in zip(pairs["row_id"].to_pylist(), pairs["other"].to_pylist(), strict=True) if a < b}
        )
        texts: dict[str, str] = {}
        for batch in fetch(sorted(at), list(self._columns)):
            texts.update(zip(batch["row_id"].to_pylist(), self.texts(batch), strict=True))
        place = {row_id: n for n, row_id in enumerate(texts)}
        sets = shingle_hashes(pa.array(texts.values(), pa.large_string()), shingle=self.shingle)
        one_side, other_side = (np.array([place[pair[side]] for pair in wanted], np.int64) for side in (0, 1))
        parent = {row_id: row_id for row_id in at}
        best: dict[str, tuple[float, str]] = {}
        for (a, b), similar in zip(wanted, jaccard(*sets, one_side, *sets, other_side).tolist(), strict=True):
            if similar >= self.similarity:
                best[a], best[b] = (
                    max(best.get(a, (0.0, "")), (similar, b)),
                    max(best.get(b, (0.0, "")), (similar, a)),
                )
                one, other = _root(parent, a), _root(parent, b)
                earlier, later = sorted((one, other), key=lambda row_id: (at[row_id], row_id))
                parent[later] = earlier
        rows = []
        for row_id in sorted(best):
            survivor = _root(parent, row_id)
            if survivor != row_id:
                rows.append(
                    {
                        "row_id": row_id,
                        "reason": "near_duplicate",
                        "detail": f"of {survivor}; nearest {best[row_id][1]} at {best[row_id][0]:.3f}",
                    }
                )
        return pa.Table.from_pylist(rows, schema=schema("mark").arrow)


def _groups(table: pa.Table) -> Iterator[list[str]]:
    """Distinct row ids of each key that more than one row has. The table is sorted by key and row id."""
    members: list[str] = []
    last = None
    for key, row_id in zip(table["key"].to_pylist(), table["row_id"].to_pylist(), strict=True):
        if key != last:
            if len(members) > 1:
                yield members
            members, last = [], key
        members.append(row_id)
    if len(members) > 1:
        yield members


def _root(parent: dict[str, str], row_id: str) -> str:
    while parent[row_id] != row_id:
        parent[row_id] = parent[parent[row_id]]
        row_id = parent[row_id]
    return row_id


def _diff_text(old: str, new: str) -> str:
    changes = line_changes(old, new)
    return "\n".join(
        [f"removed_ {line}" for _, line in changes.removed] + [f"added_ {line}" for _, line in changes.added]
    )


STAGE = DropNearDuplicates

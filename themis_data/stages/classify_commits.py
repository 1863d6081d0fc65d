"""The one criterion a commit improves, from its message and its diff."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pyarrow as pa

from themis_data.criteria.classify import classify
from themis_data.engine.rows import Rows
from themis_data.fingerprint import pair_id
from themis_data.schema import schema
from themis_data.text.changes import LineChanges, line_changes

SOURCE = "Commit-Preference"


@dataclass(frozen=True, kw_only=True)
class ClassifyCommits:
    """Makes a pair of each change that improves one criterion: chosen is the file after the commit, rejected before.

    The criterion is named by the message (criteria/*.yaml) and shown by the changed lines. Drops: `no_criterion` (the
    message names none), `excluded` (it is about tests, documentation, versions ...), `no_evidence` (the diff does not
    show it), `multi_intent` (two criteria within the margin, or several unrelated changes), `unknown_language`.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    backend: Annotated[Literal["terms"], "who decides: the term lists in criteria/*.yaml"] = "terms"
    margin: Annotated[float, "points by which the strongest criterion leads, else multi_intent"] = 1.0

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.label).drop(self.drop_reason).map(self.to_pairs, splits=True)

    def label(self, changes: pa.Table) -> pa.Table:
        """The rows with working columns: criterion, reason, score, also_matches, label_detail, changed_share."""
        labelled = []
        names = ("message", "path", "language", "old_contents", "new_contents")
        for message, path, language, old, new in zip(*(changes[n].to_pylist() for n in names), strict=True):
            seen: list[LineChanges] = []

            def changed(old: str = old, new: str = new, seen: list[LineChanges] = seen) -> LineChanges:
                seen.append(line_changes(old, new))
                return seen[0]

            found = classify(message=message, path=path, language=language or "", changes=changed, margin=self.margin)
            reason = found.drop_reason if language is not None else "unknown_language"
            labelled.append(
                {
                    "criterion": found.criterion,
                    "reason": reason,
                    "score": found.score,
                    "also_matches": list(found.also_matches),
                    "label_detail": f"terms: {', '.join(found.terms)}; diff: {', '.join(found.evidence)}",
                    "changed_share": seen[0].changed_share if seen else None,
                }
            )
        working = pa.Table.from_pylist(
            labelled,
            schema=pa.schema(
                [
                    ("criterion", pa.string()),
                    ("reason", pa.string()),
                    ("score", pa.float64()),
                    ("also_matches", pa.list_(pa.string())),
                    ("label_detail", pa.string()),
                    ("changed_share", pa.float64()),
                ]
            ),
        )
        for name in working.column_names:
            changes = changes.append_column(name, working[name])
        return changes

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        return changes["reason"].combine_chunks()

    def to_pairs(self, changes: pa.Table) -> pa.Table:
        ids = [
            pair_id([parent], criterion, chosen, rejected)
            for parent, criterion, chosen, rejected in zip(
                *(changes[n].to_pylist() for n in ("row_id", "criterion", "new_contents", "old_contents")),
                strict=True,
            )
        ]
        same = (
            "criterion",
            "also_matches",
            "language",
            "label_detail",
            "changed_share",
            "license",
            "license_class",
            "repos",
            "commit",
            "message",
            "path",
            "old_blob",
            "new_blob",
            "committed_at",
            "form",
            "cluster_id",
            "cluster_size",
        )
        size = len(changes)
        return schema("pair").table(
            {
                **{name: changes[name] for name in same},
                "row_id": ids,
                "parent_ids": [[i] for i in changes["row_id"].to_pylist()],
                "source": [SOURCE] * size,
                "chosen": changes["new_contents"],
                "rejected": changes["old_contents"],
                "evidence": ["message"] * size,
                "strength": changes["score"],
                "strength_unit": ["term_score"] * size,
                "group": changes["repository"],
                "demo_only": [False] * size,
            }
        )


STAGE = ClassifyCommits

"""The one criterion a commit improves, from its message and its diff."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.criteria.classifiers import Classifier, identity, open_classifier
from themis_data.criteria.classify import Label, classify, recalled
from themis_data.engine.rows import Rows
from themis_data.fingerprint import pair_id, where_it_runs
from themis_data.schema import schema
from themis_data.text.changes import LineChanges, line_changes

SOURCE = "Commit-Preference"


@dataclass(frozen=True, kw_only=True)
class ClassifyCommits:
    """Makes a pair of each change that improves one criterion: chosen is the file after the commit, rejected before.

    The criterion is named by the message (criteria/*.yaml) and shown by the changed lines. Drops: `no_criterion` (the
    message names none), `excluded` (it is about tests, documentation, versions ..., or the classifier denies what the
    terms say), `no_evidence` (the diff does not show it), `multi_intent` (two criteria within the margin, or several
    unrelated changes), `unknown_language`.

    With a `classifier`, a message without a term gets the criterion that it is sure of, if the changed lines show it.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 2

    backend: Annotated[Literal["terms"], "who decides: the term lists in criteria/*.yaml"] = "terms"
    margin: Annotated[float, "points by which the strongest criterion leads, else multi_intent"] = 1.0
    classifier: Annotated[str, "file that `themis train-classifier` wrote; empty for off"] = where_it_runs("")
    recall: Annotated[bool, "whether messages without a term get the criterion the classifier is sure of"] = True
    min_precision: Annotated[float, "precision on calibration seeds from which on the classifier is sure"] = 0.9
    veto_below: Annotated[float, "probability below which the classifier denies what the terms say; 0 for never"] = 0.0

    def identity(self) -> dict[str, Any]:
        return {"classifier": identity(self.classifier)} if self.classifier else {}

    def apply(self, rows: Rows) -> Rows:
        labelled = rows.map_on_worker(self.open) if self.classifier else rows.map(self.label)
        return labelled.drop(self.drop_reason).map(self.to_pairs, splits=True)

    def open(self) -> Callable[[pa.Table], pa.Table]:
        """What labels rows, with the classifier opened."""
        opened = open_classifier(self.classifier)
        return lambda changes: self.label(changes, opened)

    def label(self, changes: pa.Table, classifier: Classifier | None = None) -> pa.Table:
        """The rows with working columns: criterion, reason, score, strength_unit, also_matches, label_detail,
        changed_share."""
        rows = changes.select(["message", "path", "language", "old_contents", "new_contents"]).to_pylist()
        lines = [_ChangedLines(row["old_contents"], row["new_contents"]) for row in rows]
        labels = [
            classify(
                message=row["message"],
                path=row["path"],
                language=row["language"] or "",
                changes=changed,
                margin=self.margin,
            )
            for row, changed in zip(rows, lines, strict=True)
        ]
        by_classifier: dict[int, str] = {}
        if classifier is not None:
            for place, label, detail in self._asked(classifier, rows, lines, labels):
                labels[place], by_classifier[place] = label, detail
        labelled = []
        for place, (row, changed, found) in enumerate(zip(rows, lines, labels, strict=True)):
            detail = by_classifier.get(place, f"terms: {', '.join(found.terms)}")
            labelled.append(
                {
                    "criterion": found.criterion,
                    "reason": found.drop_reason if row["language"] is not None else "unknown_language",
                    "score": found.score,
                    "strength_unit": "probability" if place in by_classifier else "term_score",
                    "also_matches": list(found.also_matches),
                    "label_detail": f"{detail}; diff: {', '.join(found.evidence)}",
                    "changed_share": changed.seen.changed_share if changed.seen else None,
                }
            )
        working = pa.Table.from_pylist(
            labelled,
            schema=pa.schema(
                [
                    ("criterion", pa.string()),
                    ("reason", pa.string()),
                    ("score", pa.float64()),
                    ("strength_unit", pa.string()),
                    ("also_matches", pa.list_(pa.string())),
                    ("label_detail", pa.string()),
                    ("changed_share", pa.float64()),
                ]
            ),
        )
        for name in working.column_names:
            changes = changes.append_column(name, working[name])
        return changes

    def _asked(
        self,
        classifier: Classifier,
        rows: list[dict[str, Any]],
        lines: list["_ChangedLines"],
        labels: list[Label],
    ) -> list[tuple[int, Label, str]]:
        """The labels that the classifier gives or denies: place, label, and what `label_detail` says of it."""
        places = [
            place
            for place, (row, label) in enumerate(zip(rows, labels, strict=True))
            if row["language"] is not None
            and ((self.recall and label.reason == "no_criterion") or (self.veto_below > 0.0 and label.criterion))
        ]
        asked = classifier.probabilities(
            [rows[place]["message"] for place in places],
            [rows[place]["language"] for place in places],
            [lines[place] for place in places],
        )
        sure = classifier.sure(self.min_precision)
        changed: list[tuple[int, Label, str]] = []
        for place, probabilities in zip(places, asked, strict=True):
            row, label = rows[place], labels[place]
            if label.criterion is not None:
                probability = probabilities[label.criterion]
                if probability < self.veto_below:
                    changed.append((place, _denied(label, classifier.kind, probability), ""))
                continue
            found = recalled(
                message=row["message"],
                path=row["path"],
                language=row["language"],
                changes=lines[place],
                probabilities=probabilities,
                sure=sure,
            )
            if found is not None:
                changed.append((place, found, f"classifier: {classifier.kind} {found.score:.2f}"))
        return changed

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
            "strength_unit",
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
            "merged_by",
            "survived_days",
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
                "group": changes["repository"],
                "demo_only": [False] * size,
            }
        )


class _ChangedLines:
    """The changed lines of a row, computed when they are first asked for; `seen` is null before."""

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = old, new
        self.seen: LineChanges | None = None

    def __call__(self) -> LineChanges:
        if self.seen is None:
            self.seen = line_changes(self._old, self._new)
        return self.seen


def _denied(label: Label, kind: str, probability: float) -> Label:
    """No label, because a classifier does not believe the terms."""
    return replace(label, criterion=None, reason="excluded", detail=f"classifier: {kind} {probability:.2f}")


STAGE = ClassifyCommits

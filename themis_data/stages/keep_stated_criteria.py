"""Changes whose message says what the commit makes better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.criteria.classifiers import Classifier, identity, open_classifier
from themis_data.criteria.classify import excluded, message_reason, recalled_reason
from themis_data.engine.rows import Rows
from themis_data.fingerprint import where_it_runs
from themis_data.text.changes import LineChanges


@dataclass(frozen=True, kw_only=True)
class KeepStatedCriteria:
    """Keeps the changes of which only the diff can refuse a label, so that nothing else is parsed.

    Drops, with the reasons of `classify_commits`: `no_criterion` (the message names none), `excluded` (message or path
    is about tests, documentation, versions ...), `multi_intent` (two criteria within the margin, or several unrelated
    changes). Leave it out where labels come from something else than messages.

    With a `classifier`, and the settings that `classify_commits` has, what it could give a criterion to goes on too:
    messages that it is sure of, and where it sees diffs every message without a term that nothing excludes.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 2

    margin: Annotated[float, "points by which the strongest criterion leads; that of classify_commits"] = 1.0
    classifier: Annotated[str, "file that `themis train-classifier` wrote, as in classify_commits"] = where_it_runs("")
    recall: Annotated[bool, "whether messages without a term may get a criterion, as in classify_commits"] = True
    min_precision: Annotated[float, "precision from which on the classifier is sure, as in classify_commits"] = 0.9

    def identity(self) -> dict[str, Any]:
        return {"classifier": identity(self.classifier)} if self._recalls else {}

    @property
    def _recalls(self) -> bool:
        return bool(self.classifier) and self.recall

    def apply(self, rows: Rows) -> Rows:
        if not self._recalls:
            return rows.drop(self.drop_reason)
        return rows.map_on_worker(self.open).drop(lambda changes: changes["reason"].combine_chunks())

    def open(self) -> Callable[[pa.Table], pa.Table]:
        """What gives rows a working column with the reason to drop them, with the classifier opened."""
        opened = open_classifier(self.classifier)
        return lambda changes: changes.append_column("reason", self.drop_reason(changes, opened))

    def drop_reason(self, changes: pa.Table, classifier: Classifier | None = None) -> pa.Array:
        rows = changes.select(["message", "path", "language"]).to_pylist()
        reasons = [
            message_reason(message=row["message"], path=row["path"], language=row["language"] or "", margin=self.margin)
            for row in rows
        ]
        if classifier is not None:
            places = [place for place, reason in enumerate(reasons) if reason == "no_criterion"]
            again = self._recalled_reasons(classifier, [rows[place] for place in places])
            for place, reason in zip(places, again, strict=True):
                reasons[place] = reason
        return pa.array(reasons, pa.string())

    def _recalled_reasons(self, classifier: Classifier, rows: list[dict[str, Any]]) -> list[str | None]:
        """Why rows without a term get no criterion by the classifier either; None where the diff decides."""
        if classifier.sees_diffs:  # and sees another one here than after files are cut
            return ["no_criterion" if excluded(message=r["message"], path=r["path"]) else None for r in rows]
        asked = classifier.probabilities(
            [row["message"] for row in rows], [row["language"] or "" for row in rows], [_no_diff] * len(rows)
        )
        sure = classifier.sure(self.min_precision)
        return [
            recalled_reason(message=row["message"], path=row["path"], probabilities=probabilities, sure=sure)
            for row, probabilities in zip(rows, asked, strict=True)
        ]


def _no_diff() -> LineChanges:
    """For a classifier that sees no diffs."""
    return LineChanges((), 0, 0)


STAGE = KeepStatedCriteria

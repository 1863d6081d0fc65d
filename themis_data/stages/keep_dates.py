"""A window of time."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import Rows, first_reason, reasons


@dataclass(frozen=True, kw_only=True)
class KeepDates:
    """Drops changes committed before a day (`too_early`), or on or after another (`too_late`), and where there is a
    bound those whose day nobody knows (`no_date`). The committer's time counts; the paper's training data ends before
    2019-03-01. With `authored_too` so does the author's, where it is known: a commit of last year that was rebased last
    week is as old as it is."""

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    since: Annotated[str | None, "first day, UTC, YYYY-MM-DD; null for no bound"] = None
    before: Annotated[str | None, "first day that is out, UTC, YYYY-MM-DD; null for no bound"] = None

    authored_too: Annotated[bool, "whether the author's time must be in the window too, where it is known"] = False

    def __post_init__(self) -> None:
        for day in (self.since, self.before):
            if day is not None:
                date.fromisoformat(day)

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        nothing = pa.nulls(len(changes), pa.string())
        unknown = reasons(pc.is_null(changes["committed_at"]), "no_date") if self.since or self.before else nothing
        outside = []
        for name in ("committed_at", "authored_at") if self.authored_too else ("committed_at",):
            at = changes[name]
            outside.append(reasons(pc.less(at, _midnight(self.since)), "too_early") if self.since else nothing)
            outside.append(
                reasons(pc.greater_equal(at, _midnight(self.before)), "too_late") if self.before else nothing
            )
        return first_reason(*outside, unknown)


def _midnight(day: str) -> pa.Scalar:
    return pa.scalar(datetime.combine(date.fromisoformat(day), time.min), pa.timestamp("s"))


STAGE = KeepDates

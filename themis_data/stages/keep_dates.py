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
    2019-03-01."""

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    since: Annotated[str | None, "first day, UTC, YYYY-MM-DD; null for no bound"] = None
    before: Annotated[str | None, "first day that is out, UTC, YYYY-MM-DD; null for no bound"] = None

    def __post_init__(self) -> None:
        for day in (self.since, self.before):
            if day is not None:
                date.fromisoformat(day)

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        at = changes["committed_at"]
        nothing = pa.nulls(len(changes), pa.string())
        early = reasons(pc.less(at, _midnight(self.since)), "too_early") if self.since else nothing
        late = reasons(pc.greater_equal(at, _midnight(self.before)), "too_late") if self.before else nothing
        unknown = reasons(pc.is_null(at), "no_date") if self.since or self.before else nothing
        return first_reason(early, late, unknown)


def _midnight(day: str) -> pa.Scalar:
    return pa.scalar(datetime.combine(date.fromisoformat(day), time.min), pa.timestamp("s"))


STAGE = KeepDates

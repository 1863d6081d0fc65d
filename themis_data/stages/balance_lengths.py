"""As many pairs whose better side is the longer one as pairs whose better side is the shorter one."""

from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, ClassVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.criteria import EVIDENCE
from themis_data.engine.rows import ByKey, Resolved, Rows
from themis_data.errors import StageError
from themis_data.fingerprint import uniform

_SLICE = ["key", "language"]
_CELL = [*_SLICE, "lines", "chars"]
_TABLE_ROWS = 20  # of the message of a build that fails


@dataclass(frozen=True, kw_only=True)
class BalanceLengths:
    """Drops pairs of the larger side (`chosen_longer` or `rejected_longer`, with the slice) until the length of the
    answers, in characters, names the chosen one no more often than `max_accuracy`.

    A slice is a criterion in a language of a source; languages with fewer than `min_rows` rows of a criterion are one
    slice. Within it pairs are matched among those with about as many changed lines and about as large a difference,
    so that no threshold on the difference tells either: then "longer wins", "shorter wins", and either of them up to
    or from some difference on, are right in at most `max_accuracy` of every slice. Sides of one length count half, and
    always stay.

    Of the larger side those with the strongest evidence stay, then by a draw from the seed and the row id: another row
    makes place for, or takes the place of, about one. Each row dropped is a real pair; nothing cheaper makes length say
    less. The step fails where it costs more than `max_lost_share` of its rows, if these are `min_rows` or more, with a
    table of slices.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    max_accuracy: Annotated[float, "share of a slice that length may get right, 0.5 to 1; 1 drops nothing"] = 0.55
    min_rows: Annotated[int, "rows from which on a language of a criterion is a slice by itself"] = 100
    changed_lines: Annotated[tuple[int, ...], "lines; the last of each bin of changed lines but the last bin"] = (8,)
    differences: Annotated[
        tuple[int, ...], "characters; the last of each bin of the difference in length but the last bin"
    ] = (10, 30, 80, 200, 600)
    max_lost_share: Annotated[float, "share of the rows that may go; with more the step fails, 0 to 1"] = 0.7
    seed: Annotated[int, "of the choice; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        if not 0.5 <= self.max_accuracy <= 1.0:
            raise ValueError(f"max_accuracy is {self.max_accuracy}; expected 0.5 (a coin) to 1 (drops nothing)")
        if not 0.0 <= self.max_lost_share <= 1.0:
            raise ValueError(f"max_lost_share is {self.max_lost_share}; expected 0 to 1")
        for name in ("changed_lines", "differences"):
            bounds = getattr(self, name)
            if list(bounds) != sorted(set(bounds)):
                raise ValueError(f"{name} is {list(bounds)}; expected rising numbers")

    def apply(self, rows: Rows) -> Rows:
        columns = ("row_id", "source", "criterion", "language", "chosen", "rejected", "changed_share", "evidence")
        return rows.by_key(
            ByKey(columns=columns, explode=self.measured, decide=self.matched, resolve=self.within_limit)
        )

    def measured(self, pairs: pa.Table) -> pa.Table:
        """Of each pair its place in a slice, its larger side (1 chosen, -1 rejected, 0 neither), and its rank."""
        keys = zip(pairs["source"].to_pylist(), pairs["criterion"].to_pylist(), strict=True)
        difference = pc.subtract(pc.utf8_length(pairs["chosen"]), pc.utf8_length(pairs["rejected"]))
        difference = difference.cast(pa.int64())
        lines = [pc.add(pc.count_substring(pairs[side], "\n"), 1) for side in ("chosen", "rejected")]
        changed = pc.round(pc.multiply(pairs["changed_share"], pc.max_element_wise(*lines)))
        return pa.table(
            {
                "key": pa.array([f"{source} / {criterion}" for source, criterion in keys], pa.string()),
                "row_id": pairs["row_id"],
                "language": pairs["language"],
                "lines": _bin(changed, self.changed_lines),
                "chars": _bin(pc.abs(difference), self.differences),
                "side": pc.sign(difference),
                "rank": pc.fill_null(pc.index_in(pairs["evidence"], pa.array(EVIDENCE)), len(EVIDENCE)),
                "draw": pa.array([uniform(self.seed, "balance", i) for i in pairs["row_id"].to_pylist()], pa.float64()),
            }
        )

    def matched(self, table: pa.Table) -> pa.Table:
        """All rows, with a reason for those that go, and their slice."""
        is_thin = pl.len().over(_SLICE) < self.min_rows
        rows = pl.DataFrame(table).with_columns(
            language=pl.when(is_thin).then(pl.lit("languages with few rows")).otherwise("language")
        )
        longer, shorter = (((pl.col("side") == side).sum().over(_CELL)).cast(pl.Int64) for side in (1, -1))
        ties = pl.len().over(_CELL).cast(pl.Int64) - longer - shorter
        larger = pl.when(longer > shorter).then(1).when(shorter > longer).then(-1).otherwise(0)
        place = pl.struct("rank", "draw", "row_id").rank("ordinal").over([*_CELL, "side"])
        goes = (pl.col("side") == larger) & (larger != 0)
        goes &= place > self._allowed(pl.min_horizontal(longer, shorter), ties)
        reason = pl.when(pl.col("side") == 1).then(pl.lit("chosen_longer")).otherwise(pl.lit("rejected_longer"))
        return rows.select(
            "row_id",
            reason=pl.when(goes).then(reason),
            detail=pl.format("{} / {}", "key", "language"),
        ).to_arrow()

    def _allowed(self, smaller: pl.Expr, ties: pl.Expr) -> pl.Expr:
        """Rows of the larger side that may stay: the most with (larger + ties / 2) / all <= max_accuracy."""
        if self.max_accuracy == 1.0:
            return pl.lit(1 << 62)
        most = (self.max_accuracy * smaller + (self.max_accuracy - 0.5) * ties) / (1.0 - self.max_accuracy)
        return pl.max_horizontal((most + 1e-9).floor().cast(pl.Int64), smaller)

    def within_limit(self, decided: pa.Table) -> Resolved:
        """The marks, and rows and drops of each slice; raises StageError where they are too many."""
        slices = costs(decided)
        before, lost = (sum(one[name] for one in slices) for name in ("rows", "dropped"))
        if before >= self.min_rows and lost > self.max_lost_share * before:
            lines = [f"  {one['slice']}: {one['dropped']:,} of {one['rows']:,}" for one in slices[:_TABLE_ROWS]]
            more = [f"  and {len(slices) - _TABLE_ROWS} more slices"] if len(slices) > _TABLE_ROWS else []
            raise StageError(
                f"balance_lengths would drop {lost:,} of {before:,} rows, more than max_lost_share "
                f"{self.max_lost_share:g} of them:\n"
                + "\n".join([*lines, *more])
                + f"\nRaise max_lost_share, or max_accuracy (now {self.max_accuracy:g}), or use fewer bins"
            )
        marks = decided.filter(pc.is_valid(decided["reason"])).select(["row_id", "reason", "detail"])
        return Resolved(marks=marks, report={"slices": slices})


def costs(decided: pa.Table) -> list[dict[str, Any]]:
    """Of each slice its `rows` and how many are `dropped`, the most costly first."""
    table = pl.DataFrame(decided.select(["reason", "detail"])).group_by(slice="detail")
    counted = table.agg(rows=pl.len(), dropped=pl.col("reason").count())
    return counted.sort(["dropped", "slice"], descending=[True, False]).to_dicts()


def _bin(numbers: pa.ChunkedArray, bounds: tuple[int, ...]) -> pa.ChunkedArray:
    """The number of bounds that each number is beyond."""
    zeros = pc.multiply(numbers.cast(pa.int64()), 0)
    return reduce(pc.add, (pc.greater(numbers, bound).cast(pa.int64()) for bound in bounds), zeros)


STAGE = BalanceLengths

"""What gives the chosen side away without reading it: a first look at surface features, slice by slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One slice. Shares are 0 to 1; a slice is a criterion in a language, `all` where it is not cut that way."""

    criterion: str
    language: str
    pairs: int
    chosen_longer: float  # share of pairs whose chosen side has more characters
    length_accuracy: float  # share that the better of "longer wins" and "shorter wins" gets right; a tie counts half


def audit(shards: Sequence[Path]) -> list[Audit]:
    """Surface measures per criterion, per language, per both, and over all; the largest slices first."""
    frame = _frame(shards, ["criterion", "language", "chosen", "rejected"])
    lengths = frame.select(
        "criterion",
        "language",
        longer=(pl.col("chosen").str.len_chars() > pl.col("rejected").str.len_chars()).cast(pl.Float64),
        tie=(pl.col("chosen").str.len_chars() == pl.col("rejected").str.len_chars()).cast(pl.Float64),
    ).collect()
    everything = pl.lit("all")
    slices = [
        lengths.with_columns(criterion=everything, language=everything),
        lengths.with_columns(language=everything),
        lengths.with_columns(criterion=everything),
        lengths,
    ]
    table = (
        pl.concat(slices)
        .group_by("criterion", "language")
        .agg(
            pairs=pl.len(),
            chosen_longer=pl.col("longer").mean(),
            right=(pl.col("longer") + 0.5 * pl.col("tie")).mean(),
        )
        .with_columns(length_accuracy=pl.max_horizontal("right", 1.0 - pl.col("right")))
        .sort(["pairs", "criterion", "language"], descending=[True, False, False])
    )
    return [
        Audit(
            criterion=r["criterion"],
            language=r["language"],
            pairs=r["pairs"],
            chosen_longer=round(r["chosen_longer"], 4),
            length_accuracy=round(r["length_accuracy"], 4),
        )
        for r in table.iter_rows(named=True)
    ]


def summary(shards: Sequence[Path]) -> dict[str, Any]:
    """Rows by criterion, language, source, licence, and by criterion in each language."""
    names = ["criterion", "language", "source", "license", "evidence", "system_kind", "demo_only"]
    frame = _frame(shards, names).collect()
    counts: dict[str, Any] = {name: _counts(frame[name].cast(pl.String)) for name in names}
    both = frame.select(pl.format("{} / {}", "criterion", "language").alias("slice"))["slice"]
    return {**counts, "criterion_language": _counts(both)}


def _frame(shards: Sequence[Path], columns: list[str]) -> pl.LazyFrame:
    if not shards:
        return pl.LazyFrame(schema={name: pl.Boolean if name == "demo_only" else pl.String for name in columns})
    return pl.scan_parquet(list(shards), glob=False).select(columns)


def _counts(values: pl.Series) -> dict[str, int]:
    table = values.value_counts().sort(["count", values.name], descending=[True, False])
    return {str(value): int(count) for value, count in table.iter_rows()}

"""What a licence policy costs: the rows that were dropped for their licence."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl


def license_costs(drops: Sequence[Path], steps: Collection[str]) -> list[dict[str, Any]]:
    """Rows that these steps dropped, by step, reason and detail (the licence; of pairs `source: licence`), the largest
    numbers first. `drops` are files of schema `drop`."""
    if not drops:
        return []
    frames = [pl.scan_parquet(path, glob=False).select("step", "reason", "detail") for path in drops]
    dropped = pl.concat(frames).filter(pl.col("step").is_in(list(steps)))
    counted = dropped.group_by("step", "reason", "detail").len("rows").collect()
    return counted.sort(["rows", "step", "reason", "detail"], descending=[True, False, False, False]).to_dicts()

"""Finished run folders to publish: given preferences, as released and committed code builds them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from rows import preferences

from themis_data.dataset import RunFolder, write_tables
from themis_data.engine.inline import InlineEngine
from themis_data.manifest import ShardRecord
from themis_data.publish.release import release
from themis_data.schema import schema

RECIPE: dict[str, Any] = {
    "name": "made",
    "version": "dev",
    "tool": "1.0.0",
    "code": {"commit": "c" * 40, "is_dirty": False},
    "seed": 7,
    "pipeline": {"file": "made.yaml", "steps": {}},
    "write": {"splits": {"train": 1.0}},
}
CONFIGS = ("default", "lineage", "trl")


def made_rows(count: int = 12, **columns: Any) -> pa.Table:
    """Pairs of as many repositories; every third has no system prompt."""
    return preferences(
        *(
            {
                "row_id": f"{n:04d}",
                "group": f"example.org/a/{n}",
                "repos": f"example.org/a/{n}",
                "chosen": f"x = {n}\n",
                "rejected": f"y = {n}\n",
                "system": None if n % 3 == 0 else "Judge by speed alone.",
                "system_kind": "none" if n % 3 == 0 else "one",
                "same_at": [512] if n == 1 else [],
            }
            | columns
            for n in range(count)
        )
    )


def run_folder(
    root: Path,
    rows: pa.Table | None = None,
    *,
    shards: int = 2,
    configs: Sequence[str] = CONFIGS,
    split: str = "train",
    sources: Sequence[dict[str, Any]] = (),
    **recipe: Any,
) -> Path:
    """A run folder with a published data set."""
    folder = RunFolder(root)
    rows = made_rows() if rows is None else rows
    with folder.locked("made"):
        path = folder.segment("made") / "00000.parquet"
        file = write_tables(path, schema("preference").arrow, [rows], relative_to=root)
        record = ShardRecord(name="00000", fingerprint="", made_from="", rows=file, drops=file, side={}, steps=())
        release(
            folder,
            InlineEngine().run,
            [record],
            recipe=RECIPE | {"write": {"splits": {split: 1.0}}} | recipe,
            report={"funnel": [], "segments": [], "sources": list(sources)},
            created_at="2026-01-02T03:04:05+00:00",
            splits={split: 1.0},
            shards=shards,
            configs=configs,
            seed=7,
            advance=lambda count: None,
        )
    return root

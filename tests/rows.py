"""What tests of stages and of publishing ask of rows: why a stage drops them, and finished preferences to publish."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
from builds import pairs, run_stage

from themis_data.schema import schema

_SYSTEM = ("system", "system_kind")


def reasons_of(stage: Any, rows: pa.Table) -> list[str | None]:
    """Why a stage that is a filter drops each row, null where it keeps it."""
    found: list[str | None] = stage.drop_reason(rows).to_pylist()
    return found


def dropped(
    folder: Path, stage: Any, rows: pa.Table | list[pa.Table], side: pa.Table | None = None
) -> dict[str, tuple[str, str | None]]:
    """(reason, detail) of each row that a stage drops in a build, by row id; `side` are rows of the table `commit`."""
    _, drops = run_stage(folder, stage, rows, side)
    return {row_id: (reason, detail) for row_id, reason, detail in drops}


def preferences(*rows: dict[str, Any]) -> pa.Table:
    """Preferences; the n-th is `row_id` n, with a prompt and without a system prompt."""
    plain = [
        {"prompt": "Write it.", "prompt_by": "rules"} | {k: v for k, v in row.items() if k not in _SYSTEM}
        for row in rows
    ]
    table = pairs(*plain)
    system = {
        "system": [row.get("system") for row in rows],
        "system_kind": [row.get("system_kind", "none") for row in rows],
    }
    return schema("preference").table({name: table[name] for name in schema("pair").names} | system)


def in_shards(table: pa.Table, ends: Sequence[int]) -> list[pa.Table]:
    """The table cut into shards that end before these places; the last one holds the rest."""
    bounds = [0, *sorted(min(end, len(table)) for end in ends), len(table)]
    return [table.slice(start, end - start) for start, end in pairwise(bounds)]

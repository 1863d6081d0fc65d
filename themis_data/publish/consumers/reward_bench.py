"""RewardBench's loader of preference sets on the configuration `default`, of a benchmark `Full`.

It names no configuration, so it gets the default one, renames `input` to `prompt` and takes sides that are plain text
as they are. The criterion stays a column of the scores: the model is not shown the system prompt. In the configuration
`trl` it would take the turns before a side's last one for the prompt, and there are none. It cuts at 512 tokens.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from themis_data.publish.consumers import Consumer, Unreadable
from themis_data.publish.consumers._loading import load, plain, tables


def _tables(place: Path, config: str, scratch: Path) -> Iterator[pa.Table]:
    for split in load(place, scratch):
        for table in tables(split):
            for old in ("question", "input"):
                if old in table.column_names and "prompt" not in table.column_names:
                    table = table.rename_columns(["prompt" if name == old else name for name in table.column_names])
            if "chosen" not in table.column_names or "rejected" not in table.column_names:
                raise Unreadable(f"no columns `chosen` and `rejected`; found {table.column_names}")
            if not pa.types.is_large_string(table["chosen"].type):
                raise Unreadable("sides are no plain text, so it takes prompts out of them")
            # Nobody shows it the system prompt, so that must not count towards what is cut.
            yield plain(table.select([name for name in table.column_names if name != "system"]))


CONSUMER = Consumer(
    tables=_tables,
    configs=("default", "Full"),
    criterion={"default": "column", "Full": "column"},
    cut=512,
    how="rewardbench --dataset ORG/NAME --split SPLIT",
)

"""Loading with `datasets`, as most consumers do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.errors import MissingExtra
from themis_data.publish.consumers import Unreadable

# Configurations whose texts are plain: the corpora's and the benchmark's.
PLAIN = ("default", "Full", "Stratified_Aspect", "Stratified_Language")
_NAMES = {"input": "prompt", "aspect": "criterion"}
_ROWS = 1_000


def load(place: Path, scratch: Path, **arguments: Any) -> Iterator[Any]:
    """Every split that `load_dataset` gives, as a Dataset; its cache is under `scratch`. Raises Unreadable."""
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingExtra("loading as consumers do needs datasets: pip install 'themis-data[hub]'") from error
    try:
        found = datasets.load_dataset(str(place), cache_dir=str(scratch), **arguments)
    except (ValueError, TypeError, datasets.exceptions.DatasetsError) as error:
        raise Unreadable(f"load_dataset fails: {' '.join(str(error).split())[:200]}") from error
    yield from found.values()


def tables(dataset: Any) -> Iterator[pa.Table]:
    """The rows of a Dataset, as Arrow."""
    yield from dataset.with_format("arrow").iter(batch_size=_ROWS)


def chats(place: Path, scratch: Path, **arguments: Any) -> Iterator[pa.Table]:
    """The `conversations` of every split that `load_dataset` gives."""
    for split in load(place, scratch, **arguments):
        for table in tables(split):
            yield conversations(table)


def plain(table: pa.Table) -> pa.Table:
    """Rows of plain texts with `prompt`, `criterion` (text, of a class label its number) and `system`."""
    table = table.rename_columns([_NAMES.get(name, name) for name in table.column_names])
    if "system" not in table.column_names:
        table = table.append_column("system", pa.nulls(len(table), pa.large_string()))
    place = table.column_names.index("criterion")
    return table.set_column(place, "criterion", pc.cast(table["criterion"], pa.string()))


def conversations(table: pa.Table) -> pa.Table:
    """What is said in rows of `prompt`, `chosen` and `rejected` messages, and by whom.

    Raises Unreadable where they are no conversations: trainers look at the first row and then take all as plain text.
    """
    lacking = [name for name in ("prompt", "chosen", "rejected") if name not in table.column_names]
    if lacking:
        raise Unreadable(f"columns {lacking} lack; found {table.column_names}")
    rows: dict[str, list[str | None]] = {name: [] for name in ("system", "prompt", "chosen", "rejected", "criterion")}
    for row in table.select(["prompt", "chosen", "rejected"]).to_pylist():
        turns = row["prompt"] or []
        if not isinstance(turns, list) or any(set(turn) != {"role", "content"} for turn in turns):
            raise Unreadable("prompts are no lists of messages with `role` and `content`")
        system = next((turn["content"] for turn in turns if turn["role"] == "system"), None)
        users = [turn["content"] for turn in turns if turn["role"] == "user"]
        is_asked = bool(turns) and turns[-1]["role"] == "user"  # else the answer would not follow the question
        rows["system"].append(system)
        rows["criterion"].append(system)
        rows["prompt"].append("\n".join(users) if is_asked else None)
        for side in ("chosen", "rejected"):
            said = row[side] or []
            is_answer = len(said) == 1 and said[0]["role"] == "assistant"
            rows[side].append(said[0]["content"] if is_answer else None)
    return pa.table({name: pa.array(values, pa.large_string()) for name, values in rows.items()})

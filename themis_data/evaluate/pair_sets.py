"""Pairs to score, out of files in any of the layouts that people publish, with the system prompts that a mode gives."""

import json
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Final, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from themis_data import criteria
from themis_data.dataset import open_version
from themis_data.errors import EvaluationError, ManifestError, UnknownName
from themis_data.llm.templates import render
from themis_data.lookup import unknown
from themis_data.publish.layouts import main
from themis_data.schema import schema

Mode = Literal["none", "criterion", "all", "rows"]
# The order in which the paper's evaluation names them to a model that is told all five.
ALL_CRITERIA: Final = (
    "memory_efficiency",
    "functional_correctness",
    "readability_and_maintainability",
    "runtime_efficiency",
    "security_hardness",
)
_NEEDED: Final = ("prompt", "chosen", "rejected")
_OPTIONAL: Final = ("id", "system", "language", "aspect", "subset")
_NAMES: Final = {"input": "prompt", "question": "prompt", "idx": "id", "source": "subset", "criterion": "aspect"}


@dataclass(frozen=True)
class PairSet:
    """Pairs as a table of text: id, prompt, chosen, rejected; system, language, aspect, subset null if unknown."""

    name: str
    table: pa.Table

    def systems(self, mode: Mode) -> list[str | None]:
        """The system prompt of each pair: none, the definition of its own criterion, of all five, or what its row says.

        Raises EvaluationError where a pair has no criterion that is known, or no row says anything.
        """
        if mode in ("none", "all"):
            return list(repeat(system_prompt(mode, ""), len(self.table)))
        if mode == "rows":
            of_rows: list[str | None] = self.table["system"].to_pylist()
            if not any(of_rows):
                raise EvaluationError(f"{self.name}: no row has a system prompt; take the mode none, criterion or all")
            return of_rows
        own = [criteria.canonical_criterion(aspect or "") for aspect in self.table["aspect"].to_pylist()]
        if None in own:
            said = sorted({str(value) for value in self.table["aspect"].to_pylist()})
            raise EvaluationError(
                f"{self.name}: the mode criterion needs a known criterion for every pair; the pairs say {said[:8]}"
            )
        prompts = {name: system_prompt(mode, name) for name in set(own) if name}
        return [prompts[name] for name in own if name]


def mode_named(name: str) -> Mode:
    """The mode of that name. Raises UnknownName."""
    for mode in get_args(Mode):
        if mode == name.strip():
            found: Mode = mode
            return found
    raise UnknownName(unknown("mode of system prompts", name, get_args(Mode)))


def system_prompt(mode: Mode, criterion: str) -> str | None:
    """What a mode tells a model that judges by this criterion.

    Raises EvaluationError for the mode rows, in which every row has its own.
    """
    if mode == "rows":
        raise EvaluationError("rows without a system prompt of their own: take the mode none, criterion or all")
    if mode == "none":
        return None
    names = ALL_CRITERIA if mode == "all" else (criterion,)
    return render("system", criteria=[criteria.by_name(name) for name in names])


def read_pairs(place: str) -> PairSet:
    """The pairs of a file (.parquet, .jsonl, .json), of a folder of Parquet files, or of a finished data set.

    Known layouts: those of Themis-CodeRewardBench and RewardBench (prompt, chosen, rejected, and language, aspect,
    subset, id where there are any), of the Themis corpora (input, system, aspect and language as labels), of Aletheia
    (query, candidates, chosen_position; the subset is its modification, and each wrong candidate makes a pair with the
    right one), and pairs of plain text columns. A finished data set gives its benchmark configuration, or else
    `default`; PATH#CONFIG names one.

    Raises EvaluationError where the columns are not there or hold no text.
    """
    tables = read_tables(place)
    if not sum(map(len, tables)):
        raise EvaluationError(f"{place}: no pairs in it")
    return PairSet(place, pa.concat_tables([_pairs(table, place) for table in tables]))


def read_tables(place: str) -> list[pa.Table]:
    """The tables of a file (.parquet, .jsonl, .json), of a folder of Parquet files, or of a finished data set (of its
    benchmark configuration, or else of `default`); PATH#CONFIG names another.

    Raises EvaluationError where there is nothing that can be read.
    """
    path, _, config = place.partition("#")
    return [_read(file) for file in _files(Path(path), config or None)]


def _files(path: Path, config: str | None) -> list[Path]:
    if path.is_file():
        return [path]
    try:
        version = open_version(path)
    except ManifestError:
        found = sorted(path.rglob("*.parquet"))
        if not found:
            raise EvaluationError(f"{path}: neither a file, nor a folder with Parquet files") from None
        return found
    configs = list(version.manifest["configs"])
    chosen = config or main(configs)
    if chosen is None or chosen not in configs:
        raise EvaluationError(f"{path}: no configuration {chosen!r}; there are {configs}")
    return version.files(chosen)


def _read(file: Path) -> pa.Table:
    try:
        if file.suffix == ".parquet":
            return pq.read_table(file, partitioning=None)
        if file.suffix == ".jsonl":
            return pa.json.read_json(file)
        if file.suffix == ".json":
            return pa.Table.from_pylist(json.loads(file.read_text(encoding="utf-8")))
    except (pa.ArrowInvalid, OSError, ValueError, AttributeError) as error:
        raise EvaluationError(f"{file}: cannot be read: {error}") from error
    raise EvaluationError(f"{file}: expected .parquet, .jsonl or .json")


def _pairs(table: pa.Table, where: str) -> pa.Table:
    if {"candidates", "chosen_position"} <= set(table.column_names):
        table = _pairs_of_candidates(table, where)
    table = table.rename_columns([_NAMES.get(name, name) for name in table.column_names])
    lacking = [name for name in _NEEDED if name not in table.column_names]
    if lacking:
        raise EvaluationError(f"{where}: no column {', '.join(lacking)}; found {table.column_names}")
    labels = schema("published_default").labels
    columns = {}
    for name in (*_NEEDED, *_OPTIONAL):
        if name not in table.column_names:
            columns[name] = pa.nulls(len(table), pa.large_string())
            continue
        column = table[name]
        if name in labels and pa.types.is_integer(column.type):
            column = pa.array(labels[name]).take(column.combine_chunks())
        try:
            columns[name] = pc.cast(column, pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise EvaluationError(f"{where}: the column {name} holds no text but {column.type}") from error
    missing = [name for name in _NEEDED if columns[name].null_count]
    if missing:
        raise EvaluationError(f"{where}: pairs without {', '.join(missing)}")
    return pa.table(columns)


def _pairs_of_candidates(table: pa.Table, where: str) -> pa.Table:
    """Pairs of the right candidate with each other one; it is named by its place, from 0, and by a letter."""
    rows = []
    for row in table.to_pylist():
        candidates, right, letter = row["candidates"], row["chosen_position"], row.get("chosen_answer")
        is_place = isinstance(right, int) and 0 <= right < len(candidates)
        if not is_place or (letter is not None and letter != chr(ord("A") + right)):
            raise EvaluationError(
                f"{where}: {row.get('idx')}: {len(candidates)} candidates, of which {right!r} ({letter!r}) is right; "
                f"expected a place counted from 0, and its letter"
            )
        rows += [
            {
                "id": f"{row.get('idx')}-{place}",
                "prompt": row.get("query"),
                "chosen": candidates[right],
                "rejected": candidate,
                "language": row.get("language"),
                "aspect": "functional_correctness",
                "subset": row.get("modification"),
            }
            for place, candidate in enumerate(candidates)
            if place != right
        ]
    return pa.Table.from_pylist(rows)

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
        if mode == "none":
            return [None] * len(self.table)
        if mode == "all":
            prompt = render("system", criteria=[criteria.by_name(name) for name in ALL_CRITERIA])
            return list(repeat(prompt, len(self.table)))
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
        prompts = {name: render("system", criteria=[criteria.by_name(name)]) for name in set(own) if name}
        return [prompts[name] for name in own if name]


def mode_named(name: str) -> Mode:
    """The mode of that name. Raises UnknownName."""
    for mode in get_args(Mode):
        if mode == name.strip():
            found: Mode = mode
            return found
    raise UnknownName(unknown("mode of system prompts", name, get_args(Mode)))


def read_pairs(place: str) -> PairSet:
    """The pairs of a file (.parquet, .jsonl, .json), of a folder of Parquet files, or of a finished data set.

    Known layouts: those of Themis-CodeRewardBench and RewardBench (prompt, chosen, rejected, and language, aspect,
    subset, id where there are any), of the Themis corpora (input, system, aspect and language as labels), and pairs of
    plain text columns. A finished data set gives its benchmark configuration, or else `default`; PATH#CONFIG names one.

    Raises EvaluationError where the columns are not there or hold no text.
    """
    path, _, config = place.partition("#")
    files = _files(Path(path), config or None)
    tables = [_read(file) for file in files]
    if not tables or not sum(map(len, tables)):
        raise EvaluationError(f"{place}: no pairs in it")
    return PairSet(place, pa.concat_tables([_pairs(table, place) for table in tables]))


def _files(path: Path, config: str | None) -> list[Path]:
    if path.is_file():
        return [path]
    try:
        version = open_version(path)
    except ManifestError:
        found = sorted(path.rglob("*.parquet"))
        if not found:
            raise EvaluationError(f"{path}: neither a file of pairs, nor a folder with Parquet files") from None
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

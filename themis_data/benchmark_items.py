"""Items of benchmarks: by a recipe of manifests/sources, or out of a file, in the schema `benchmark_item` or with
columns that the user names."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.code.language import by_name, canonical_language
from themis_data.errors import SourceError, UnknownName
from themis_data.lookup import unknown
from themis_data.schema import schema
from themis_data.upstream import known_recipes, read_items, recipe

_BATCH_ROWS = 1_000


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a file hold what. With none given, the file is in the schema `benchmark_item`."""

    prompt: Annotated[str | None, "column of the prompts: text"] = None
    responses: Annotated[tuple[str, ...], "columns of the responses: text, or lists of texts"] = ()
    id: Annotated[str | None, "column of the items' ids; the row's number by default"] = None
    benchmark: Annotated[str | None, "name of the benchmark; the file's name by default"] = None
    language: Annotated[str | None, "name of the language of all responses"] = None

    @property
    def are_given(self) -> bool:
        return self.prompt is not None or bool(self.responses)


def read_sources(sources: Iterable[str], columns: Columns) -> Iterator[pa.Table]:
    """The items of several sources, in tables of the schema `benchmark_item`.

    A source is a Parquet or JSON Lines file, or a recipe: NAME for the Hub, NAME@REVISION for a revision of it, and
    NAME=PATH for files that are at hand. Raises UnknownName, or SourceError for what cannot be read.
    """
    for source in sources:
        if _is_file(source):
            yield from read_items_file(Path(source), columns)
        else:
            name, revision, path = _parts(source)
            yield from read_items(recipe(name), from_path=path, revision=revision)


def revisions(sources: Iterable[str]) -> dict[str, str]:
    """What is known of the revision that a recipe's items are of, by benchmark."""
    found = {}
    for source in sources:
        if not _is_file(source):
            name, revision, path = _parts(source)
            found[name] = "files at hand" if path is not None else revision or recipe(name).revision or "unknown"
    return found


def _is_file(source: str) -> bool:
    return source.endswith((".parquet", ".jsonl")) and "=" not in source


def _parts(source: str) -> tuple[str, str | None, str | None]:
    """Name of a recipe, revision, path."""
    named, _, path = source.partition("=")
    name, _, revision = named.partition("@")
    if name not in known_recipes():
        raise UnknownName(
            f"{source!r} is neither a file that ends in .parquet or .jsonl nor a recipe: "
            + unknown("recipe", name, known_recipes())
        )
    return name, revision or None, path or None


def read_items_file(path: Path, columns: Columns) -> Iterator[pa.Table]:
    """The items of a Parquet or JSON Lines file, in tables of the schema `benchmark_item`.

    Raises SourceError with the place where a column lacks or holds something that is no text.
    """
    if not path.is_file():
        raise SourceError(f"no file {path}")
    if columns.language is not None and canonical_language(columns.language) is None:
        by_name(columns.language)  # which says what it is like
    number = 0
    for rows in _batches(_rows(path)):
        items = [_item(row, number + n, path, columns) for n, row in enumerate(rows)]
        number += len(rows)
        yield schema("benchmark_item").table({name: [i[name] for i in items] for name in items[0]})


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        try:
            for batch in pq.ParquetFile(path).iter_batches(_BATCH_ROWS):
                yield from batch.to_pylist()
        except pa.ArrowInvalid as error:
            raise SourceError(f"{path} is no Parquet file: {error}") from error
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise SourceError(f"{path}, line {number} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise SourceError(f"{path}, line {number} is no JSON object")
            yield row


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _item(row: dict[str, Any], number: int, path: Path, columns: Columns) -> dict[str, Any]:
    where = f"{path}, row {number}"
    if not columns.are_given:
        lacking = [c.name for c in schema("benchmark_item").columns if not c.null and c.name not in row]
        if lacking:
            raise SourceError(
                f"{where}: columns {lacking} of schema benchmark_item lack; found {sorted(row)}. For a file of another "
                f"shape say which of its columns hold what: --prompt-column, --response-column"
            )
        columns = Columns(
            prompt="prompt", responses=("responses",), id="item", benchmark=_text(row, "benchmark", where)
        )
        language, key = row.get("language"), row.get("problem_key")
    else:
        language, key = columns.language, None
        named = (columns.prompt, *columns.responses, columns.id)
        lacking = [name for name in named if name is not None and name not in row]
        if lacking:
            raise SourceError(f"{where}: no column {lacking[0]!r}; found {sorted(row)}")
    identity = row[columns.id] if columns.id is not None else number
    return {
        "benchmark": columns.benchmark or path.stem,
        "item": str(identity),
        "prompt": _text(row, columns.prompt, where) if columns.prompt is not None else None,
        "responses": [text for name in columns.responses for text in _texts(row, name, where)],
        "language": canonical_language(language) if isinstance(language, str) else None,
        "problem_key": key if isinstance(key, str) else None,
    }


def _text(row: dict[str, Any], name: str, where: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise SourceError(f"{where}: column {name!r} holds {type(value).__name__}, expected text")
    return value


def _texts(row: dict[str, Any], name: str, where: str) -> list[str]:
    value = row[name] if isinstance(row[name], list) else [row[name]]
    wrong = next((one for one in value if one is not None and not isinstance(one, str)), None)
    if wrong is not None:
        raise SourceError(f"{where}: column {name!r} holds {type(wrong).__name__}, expected text or a list of texts")
    return [one for one in value if one]

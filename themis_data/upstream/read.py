"""One reader for upstream data sets: local files or the Hub, Parquet, JSON, JSON lines or CSV, compressed or not.

On the Hub `datasets` says which files a configuration has; no loader script is ever run. Files are read as a stream,
and of Parquet only the columns that the recipe names. Types come from the recipe, never from the first rows: a column
that begins with nulls is read as what it is.
"""

import csv
import fnmatch
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from themis_data.code.language import canonical_language
from themis_data.errors import MissingExtra, SourceError, UpstreamChanged, UpstreamGap
from themis_data.schema import schema
from themis_data.upstream.fields import key, taken, texts
from themis_data.upstream.recipes import PLACES, Fields, Part, Recipe, arrow_type, mapper_of

BATCH_ROWS = 1000
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_FORMATS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}


@dataclass(frozen=True, kw_only=True)
class UpstreamFile:
    """One file of a data set."""

    part: Part
    split: str | None  # null for local files, which do not say it
    url: str  # path, or `hf://` address

    @property
    def places(self) -> dict[str, str | None]:
        """Where its rows are read, for the fields of a recipe."""
        return dict(zip(PLACES, (self.part.config, self.split, Path(self.url).name), strict=True))


def read_items(
    recipe: Recipe, *, from_path: str | Path | None = None, revision: str | None = None
) -> Iterator[pa.Table]:
    """The data set as tables of schema `benchmark_item`, in the order of its parts, files and rows.

    `from_path` is a folder laid out as the data set's repository, or one file of it; without it the Hub is read, at
    `revision` or the recipe's own. An item's id that came before gets `#2` after it.
    """
    if recipe.reads_as != "benchmark_item":
        raise SourceError(f"{recipe.path}: {recipe.title} is no benchmark: its rows become {recipe.reads_as!r}")
    seen: Counter[str] = Counter()
    for file in files_of(recipe, from_path=from_path, revision=revision):
        for rows in read_file(recipe, file):
            yield _items(recipe, file, rows, seen)


def files_of(recipe: Recipe, *, from_path: str | Path | None = None, revision: str | None = None) -> list[UpstreamFile]:
    """The files that the recipe's parts name, in order: local ones, or those on the Hub at a revision.

    Raises SourceError when there is none, and UpstreamGap when the Hub is to be read and no revision is known.
    """
    if from_path is not None:
        return _local(recipe, Path(from_path))
    return _on_hub(recipe, revision or recipe.revision)


def read_file(recipe: Recipe, file: UpstreamFile) -> Iterator[pa.Table]:
    """The rows as they are upstream, in batches of at most 1,000: exactly the recipe's columns, in its order and of its
    kinds.

    Raises UpstreamChanged with both lists of columns when the first batch lacks a column or has it of another kind.
    """
    columns = file.part.columns or {}
    with _opened(file.url) as (stream, name):
        format_ = _format(name)
        if format_ == "parquet":
            # Read ahead, Arrow keeps all that it has read until the file is closed: as much as the file.
            parquet = pq.ParquetFile(stream, pre_buffer=False)
            _check_columns(recipe, file, {field.name: field.type for field in parquet.schema_arrow})
            for batch in parquet.iter_batches(BATCH_ROWS, columns=list(columns)):
                yield pa.table({n: _converted(batch.column(n), kind) for n, kind in columns.items()})
            return
        rows = _csv_rows(stream) if format_ == "csv" else _json_rows(stream, file.url)
        projected = (({n: row.get(n) for n in columns}, row.keys(), at) for at, row in rows)
        first = True
        while batch := list(islice(projected, BATCH_ROWS)):
            if first:
                keys = {key: None for _, present, _ in batch for key in present}
                found = {n: next((row[n] for row, _, _ in batch if row.get(n) is not None), None) for n in columns}
                _check_columns(recipe, file, {key: _found_type(found.get(key)) for key in keys})
                first = False
            yield _json_table(recipe, file, columns, [(row, at) for row, _, at in batch])


def check(recipe: Recipe, *, from_path: str | Path | None = None, revision: str | None = None) -> None:
    """Read the first batch of every part's first file; raises what reading would."""
    check_files(recipe, files_of(recipe, from_path=from_path, revision=revision))


def check_files(recipe: Recipe, files: Iterable[UpstreamFile]) -> None:
    """Read the first batch of every part's first file; raises what reading would."""
    done: list[Part] = []
    for file in files:
        if file.part not in done:
            done.append(file.part)
            next(read_file(recipe, file), None)


# Which files


def _local(recipe: Recipe, path: Path) -> list[UpstreamFile]:
    if path.is_file():
        fitting = [part for part in recipe.parts if any(_matches(path, pattern) for pattern in part.files)]
        if len(recipe.parts) == 1 or len(fitting) == 1:
            return [UpstreamFile(part=(fitting or recipe.parts)[0], split=None, url=str(path))]
        patterns = [pattern for part in recipe.parts for pattern in part.files]
        raise SourceError(f"{path}: {recipe.path} tells its files apart by name, and expects one of {patterns}")
    if not path.is_dir():
        raise SourceError(f"{path}: no such file or folder; get the files of {recipe.title} from {recipe.repository}")
    files = []
    for part in recipe.parts:
        found = sorted({file for pattern in part.files for file in path.glob(pattern) if file.is_file()})
        if not found:
            raise SourceError(
                f"{path}: no file matches {list(part.files)}, where {recipe.path} expects {recipe.title}; "
                f"the folder is laid out as {recipe.repository}"
            )
        files += [UpstreamFile(part=part, split=None, url=str(file)) for file in found]
    return files


def _matches(path: Path, pattern: str) -> bool:
    """Whether the end of a path matches; `**/` in a pattern may be no folder at all."""
    plain = pattern.replace("**/", "")
    depth = plain.count("/") + 1
    return fnmatch.fnmatchcase("/".join(path.parts[-depth:]), plain)


def _on_hub(recipe: Recipe, revision: str | None) -> list[UpstreamFile]:
    if recipe.hub is None and "hub" in recipe.gaps:
        raise UpstreamGap(f"{recipe.path}: the Hub has several of {recipe.title}. {recipe.gaps['hub']}")
    if recipe.hub is None:
        raise SourceError(
            f"{recipe.path}: {recipe.title} is not on the Hub; get its files from {recipe.repository} "
            f"and give their folder: --from, or `files` of hub_rows"
        )
    if revision is None:
        raise UpstreamGap(f"{recipe.path}: no revision of {recipe.hub} is known. {recipe.gaps['revision']}")
    return [
        UpstreamFile(part=part, split=split, url=url)
        for part in recipe.parts
        for split, url in _resolve(recipe, part, recipe.hub, revision)
    ]


def _resolve(recipe: Recipe, part: Part, hub: str, revision: str) -> list[tuple[str | None, str]]:
    """Split and address of the files of a part. As for `datasets`, a local folder may stand for a repository's id."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("reading from the Hub needs `datasets`: pip install 'themis-data[hub]'") from error
    try:
        if part.splits:
            builder = datasets.load_dataset_builder(hub, name=part.config, revision=revision)
        else:  # a repository with a loader script is refused as a whole, so its files are named one by one
            root = hub if Path(hub).is_dir() else f"hf://datasets/{hub}@{revision}"
            patterns = [f"{root}/{pattern}" for pattern in part.files]
            builder = datasets.load_dataset_builder(_format(part.files[0]), data_files={"all": patterns})
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(
            f"{recipe.path}: {hub} at {revision} cannot be read from the Hub: {error}. "
            f"Its files can be given as they lie on a disk: --from, or `files` of hub_rows"
        ) from error
    by_split = {str(split): [str(url) for url in urls] for split, urls in (builder.config.data_files or {}).items()}
    lacking = sorted(set(part.splits) - set(by_split))
    if lacking:
        raise SourceError(f"{recipe.path}: {hub} at {revision} has no split {lacking}; it has {sorted(by_split)}")
    if not part.splits:
        return [(None, url) for url in sorted(by_split["all"])]
    return [(split, url) for split in part.splits for url in by_split[split]]


# What is in a file


@contextmanager
def _opened(url: str) -> Iterator[tuple[Any, str]]:
    """A stream over a file's content, and its name without the ending of a compression."""
    name = url.partition("?")[0] if "://" in url else url
    ending = Path(name).suffix.lower()
    compression = _COMPRESSIONS.get(ending)
    name = name[: -len(ending)] if compression else name
    with _raw(url) as raw:
        yield (pa.CompressedInputStream(pa.PythonFile(raw, "r"), compression) if compression else raw), name


def _raw(url: str) -> Any:
    if "://" not in url:
        return Path(url).open("rb")
    import fsspec  # comes with `datasets`, which gave the address

    return fsspec.open(url, "rb")


def _format(name: str) -> str:
    endings = [ending.lower() for ending in Path(name).suffixes]
    found = next((_FORMATS[ending] for ending in reversed(endings) if ending in _FORMATS), None)
    if found is None:
        raise SourceError(f"{name}: expected one of {sorted(_FORMATS)}, perhaps with {sorted(_COMPRESSIONS)} after it")
    return found


def _json_rows(stream: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with their place: of an array, which is read whole, or of lines, one object each."""
    try:
        with io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8") as text:
            for at, row in _json_values(text):
                if not isinstance(row, dict):
                    raise SourceError(f"{where}, {at}: expected an object with a row's columns, found {_word(row)}")
                yield at, row
    except SourceError:
        raise
    except (ValueError, OSError, EOFError, RecursionError) as error:
        raise SourceError(f"{where}: no JSON in UTF-8, nor lines of it: {error}") from error


def _json_values(text: Iterable[str]) -> Iterator[tuple[str, Any]]:
    lines = enumerate(text, start=1)
    for number, line in lines:
        if number == 1 and line.lstrip().startswith("["):
            whole = line + "".join(rest for _, rest in lines)
            yield from ((f"row {n}", row) for n, row in enumerate(json.loads(whole), start=1))
        elif not line.isspace():
            yield f"line {number}", json.loads(line)


def _csv_rows(stream: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with their place; an empty cell is null."""
    with io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        for row in reader:
            yield f"line {reader.line_num}", {name: cell or None for name, cell in row.items() if name is not None}


def _check_columns(recipe: Recipe, file: UpstreamFile, found: Mapping[str, pa.DataType]) -> None:
    """Raises SourceError unless the columns of the recipe are there, of a type that fits."""
    expected = file.part.columns or {}
    wrong = [f"{name!r} lacks" for name in expected if name not in found]
    wrong += [
        f"{name!r} is {_said(found[name])}, not {_kind_said(kind)}"
        for name, kind in expected.items()
        if name in found and not _fits(found[name], kind)
    ]
    if wrong:
        raise UpstreamChanged(
            f"{file.url}: these are not the columns that {recipe.path} expects: {'; '.join(wrong)}.\n"
            f"expected: {', '.join(f'{name} ({_kind_said(kind)})' for name, kind in sorted(expected.items()))}\n"
            f"found: {', '.join(f'{name} ({_said(type_)})' for name, type_ in sorted(found.items()))}\n"
            f"If upstream changed, correct `columns` and `fields` of the recipe, or read the revision it was made for."
        )


def _fits(type_: pa.DataType, kind: Any) -> bool:
    if pa.types.is_null(type_):
        return True
    if pa.types.is_dictionary(type_):
        return _fits(type_.value_type, kind)
    if isinstance(kind, Mapping):
        return pa.types.is_struct(type_) and all(
            type_.get_field_index(name) >= 0 and _fits(type_.field(name).type, inner) for name, inner in kind.items()
        )
    if not isinstance(kind, str):
        is_list = pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
        return is_list and _fits(type_.value_type, kind[0])
    is_text = pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
    fits: dict[str, bool] = {
        "text": is_text,
        "id": is_text or pa.types.is_integer(type_),
        "number": pa.types.is_integer(type_) or pa.types.is_floating(type_),
        "numeral": is_text or pa.types.is_integer(type_) or pa.types.is_floating(type_),
        "flag": pa.types.is_boolean(type_),
    }
    return fits[kind]


def _converted(array: pa.Array, kind: Any) -> pa.Array:
    type_ = arrow_type(kind)
    if pa.types.is_nested(type_) or kind == "numeral":  # fields beyond the recipe's are left behind
        return pa.array([_plain(value, kind) for value in array.to_pylist()], type_)
    return array.cast(type_)


def _json_table(
    recipe: Recipe, file: UpstreamFile, columns: Mapping[str, Any], rows: list[tuple[dict[str, Any], str]]
) -> pa.Table:
    for row, at in rows:
        for name, kind in columns.items():
            try:
                row[name] = _plain(row[name], kind)
            except TypeError as error:
                raise SourceError(f"{file.url}, {at}: column {name!r} of {recipe.path}: {error}") from error
    return pa.table({n: pa.array([row[n] for row, _ in rows], arrow_type(kind)) for n, kind in columns.items()})


def _plain(value: Any, kind: Any) -> Any:
    """The value as a kind holds it; half of a surrogate pair, which is no text, becomes U+FFFD.

    Raises TypeError for a value of another kind.
    """
    if value is None:
        return None
    if isinstance(value, str) and not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(kind, Mapping) and isinstance(value, dict):
        return {name: _plain(value.get(name), inner) for name, inner in kind.items()}
    if isinstance(kind, list | tuple) and isinstance(value, list):
        return [_plain(one, kind[0]) for one in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "id" and isinstance(value, int) and is_number:
        return str(value)
    if kind == "numeral" and isinstance(value, str):
        return _number(value)
    fits = {"text": isinstance(value, str), "id": isinstance(value, str), "flag": isinstance(value, bool)}
    if isinstance(kind, str) and fits.get(kind, is_number):
        return float(value) if kind in ("number", "numeral") else value
    raise TypeError(f"found {_word(value)}, not {_kind_said(kind)}")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _found_type(value: Any) -> pa.DataType:
    """Type of a value of JSON as far as the check of columns needs it."""
    if isinstance(value, dict):
        return pa.struct([(str(name), _found_type(inner)) for name, inner in value.items()])
    if isinstance(value, list):
        return pa.list_(_found_type(next((one for one in value if one is not None), None)))
    by_class = {str: pa.large_string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    return by_class.get(type(value), pa.null())


def _word(value: Any) -> str:
    return _said(_found_type(value))


def _said(type_: pa.DataType) -> str:
    """A type in the words of the recipes."""
    if pa.types.is_struct(type_):
        return "{" + ", ".join(f"{field.name}: {_said(field.type)}" for field in type_) + "}"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"[{_said(type_.value_type)}]"
    if pa.types.is_integer(type_):
        return "whole number"
    words = (("text", _fits(type_, "text")), ("flag", _fits(type_, "flag")), ("number", _fits(type_, "number")))
    return "null" if pa.types.is_null(type_) else next((word for word, is_it in words if is_it), str(type_))


def _kind_said(kind: Any) -> str:
    if isinstance(kind, Mapping):
        return "{" + ", ".join(f"{name}: {_kind_said(inner)}" for name, inner in kind.items()) + "}"
    return kind if isinstance(kind, str) else f"[{_kind_said(kind[0])}]"


# What a row becomes


def _items(recipe: Recipe, file: UpstreamFile, rows: pa.Table, seen: Counter[str]) -> pa.Table:
    mapper = mapper_of(recipe)() if recipe.mapper else None
    fields = file.part.fields
    assert fields is not None  # checked where recipes are read
    items: dict[str, list[Any]] = {name: [] for name in schema("benchmark_item").names}
    for number, raw in enumerate(rows.to_pylist()):
        row = {**raw, **file.places}
        row.update(mapper.values(row) if mapper else {})
        name = "/".join(part for part in texts(row, fields.item) if part)
        if not name:
            raise SourceError(f"{file.url}: row {number} of a batch has no id in {fields.item!r} of {recipe.path}")
        seen[name] += 1
        items["benchmark"].append(recipe.name)
        items["item"].append(name if seen[name] == 1 else f"{name}#{seen[name]}")
        items["prompt"].append("\n\n".join(texts(row, fields.prompt)) or None)
        items["responses"].append([response for response in _responses(row, fields) if response.strip()])
        language = taken(row, fields.language)
        items["language"].append(canonical_language(language) if language else None)
        items["problem_key"].append(key(row, fields.problem_key))
    return schema("benchmark_item").table(items)


def _responses(row: Mapping[str, Any], fields: Fields) -> Iterator[str]:
    for one in fields.responses:
        if isinstance(one, str):
            yield from texts(row, one)
        else:
            yield "".join(texts(row, one))

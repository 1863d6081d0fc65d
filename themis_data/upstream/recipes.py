"""Recipes: one YAML file an upstream data set, found by name and checked in every key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import shipped_folder, unknown
from themis_data.yaml_file import read_yaml

_PLAIN: dict[str, pa.DataType] = {
    "text": pa.large_string(),
    "id": pa.large_string(),  # text or a whole number, read as text
    "number": pa.float64(),
    "flag": pa.bool_(),
}
PLACES = ("$config", "$split", "$file")  # may stand for a column: where the row was read
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Where a fact of a recipe was seen, and which."""

    __pydantic_config__: ClassVar = _STRICT

    at: str  # public address
    what: str


@dataclass(frozen=True, kw_only=True)
class Take:
    """A value of a row that needs more than the name of its column."""

    __pydantic_config__: ClassVar = _STRICT

    column: str | None = None  # or a place, see PLACES
    value: str | None = None  # the same for every row, in place of a column
    match: str | None = None  # regular expression searched in the column; its one group is the value
    judge: str | None = None  # for a problem's key: whose id it is
    judge_column: str | None = None  # for a problem's key: the column that says whose id it is


Paths = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fields:
    """How a row becomes a `benchmark_item`. A name is a column's, or leads into a record: `metadata.category`."""

    __pydantic_config__: ClassVar = _STRICT

    item: str | Paths  # several are joined with a slash
    prompt: str | Paths | None  # several are joined with an empty line
    responses: tuple[str | Paths, ...]  # a response each, or as many as the column has; inner lists are concatenated
    language: str | Take | None
    problem_key: str | Take | None  # null: items have none


@dataclass(frozen=True, kw_only=True)
class Part:
    """Files of one layout."""

    __pydantic_config__: ClassVar = _STRICT

    files: tuple[str, ...]  # patterns under the repository's root
    config: str | None = None  # of the Hub's repository; null: its only one
    splits: tuple[str, ...] = ()  # of that configuration; none: the patterns say which files on the Hub too
    columns: Mapping[str, Any] | None = None  # null: the recipe's
    fields: Fields | None = None  # null: the recipe's


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One upstream data set; its `name` is its file's name."""

    __pydantic_config__: ClassVar = _STRICT

    name: str
    path: Path
    title: str
    hub: str | None  # id on the Hub; null: it is not there, and its files are given
    repository: str  # public address of its files
    revision: str | None  # commit on the Hub, or of the repository where it is not there
    license: str | None  # SPDX expression
    reads_as: Literal["benchmark_item"]
    seen: tuple[Seen, ...]
    parts: tuple[Part, ...]
    columns: Mapping[str, Any] = field(default_factory=dict)  # that it must have; others are not read. Name -> kind
    fields: Fields | None = None
    mapper: str | None = None  # function of `mappers` that adds values to a row
    gaps: Mapping[str, str] = field(default_factory=dict)  # what was not found -> what to supply, or what follows


def known_recipes() -> tuple[str, ...]:
    """Names of all recipes, sorted."""
    return tuple(sorted(path.stem for path in (shipped_folder("manifests") / "sources").glob("*.yaml")))


@cache
def recipe(name: str) -> Recipe:
    """The recipe in `manifests/sources/NAME.yaml`.

    Raises UnknownName, or PipelineError that says which key is wrong.
    """
    path = shipped_folder("manifests") / "sources" / f"{name}.yaml"
    if name not in known_recipes():
        raise UnknownName(unknown("recipe", name, known_recipes()))
    return read_recipe(path)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file of your own."""
    from pydantic import TypeAdapter, ValidationError

    content = read_yaml(path)
    known = {one.name for one in fields(Recipe)} - {"name", "path"}
    for key in content:
        if key not in known:
            raise PipelineError(f"{path}: " + unknown("key", str(key), known))
    try:
        read: Recipe = TypeAdapter(Recipe).validate_python({**content, "name": path.stem, "path": path})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PipelineError(f"{path}: {problems}") from error
    parts = tuple(
        replace(part, columns=part.columns or read.columns, fields=part.fields or read.fields) for part in read.parts
    )
    read = replace(read, parts=parts)
    for problem in _problems(read):
        raise PipelineError(f"{path}: {problem}")
    return read


def arrow_type(kind: Any) -> pa.DataType:
    """Arrow type of a kind: a plain one, `[KIND]` for a list, or `{NAME: KIND}` for a record.

    Everything may be null. Raises PipelineError for what is no kind.
    """
    if isinstance(kind, str) and kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, list | tuple) and len(kind) == 1:
        return pa.list_(arrow_type(kind[0]))
    if isinstance(kind, Mapping) and kind:
        return pa.struct([(name, arrow_type(inner)) for name, inner in kind.items()])
    raise PipelineError(f"{kind!r} is no kind of column: {', '.join(_PLAIN)}, [KIND] or {{NAME: KIND}}")


def _problems(read: Recipe) -> Iterable[str]:
    from themis_data.upstream.mappers import MAPPERS

    if not read.parts:
        yield "it has no parts: say which files it reads"
    if not read.seen:
        yield "it does not say where its facts were seen"
    if read.mapper is not None and read.mapper not in MAPPERS:
        yield unknown("mapper", read.mapper, MAPPERS)
        return
    added = MAPPERS[read.mapper][1] if read.mapper else ()
    for name in ("revision", "license"):
        if (getattr(read, name) is None) != (name in read.gaps):
            yield f"`{name}` is null exactly where `gaps` says what to supply for it"
    for part in read.parts:
        if part.fields is None or not part.columns:
            yield f"the part of {part.files} has no columns or no fields"
            return
        for name, kind in part.columns.items():
            try:
                arrow_type(kind)
            except PipelineError as error:
                yield f"column {name!r}: {error}"
        for path in paths_of(part.fields):
            if not _is_declared(path, part.columns, added):
                yield f"a field reads {path!r}, which is in none of the columns {sorted(part.columns)}"


def paths_of(read: Fields) -> list[str]:
    """Every column, place or path into a record that the fields take."""
    found: list[str] = []
    for one in (read.item, read.prompt, *read.responses, read.language, read.problem_key):
        if isinstance(one, Take):
            found += [path for path in (one.column, one.judge_column) if path is not None]
        elif one is not None:
            found += [one] if isinstance(one, str) else one
    return found


def _is_declared(path: str, columns: Mapping[str, Any], added: Iterable[str]) -> bool:
    if path in PLACES or path in added:
        return True
    kind: Any = columns
    for name in path.split("."):
        kind = kind[0] if isinstance(kind, list | tuple) else kind
        if not isinstance(kind, Mapping) or name not in kind:
            return False
        kind = kind[name]
    return True

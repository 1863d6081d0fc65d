"""Recipes: one YAML file an upstream data set, found by name and checked in every key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from themis_data.criteria import EVIDENCE
from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import find, known_modules, shipped_folder, unknown
from themis_data.upstream.fields import Paths, Take
from themis_data.yaml_file import read_yaml

_PLAIN: dict[str, pa.DataType] = {
    "text": pa.large_string(),
    "id": pa.large_string(),  # text or a whole number, read as text
    "number": pa.float64(),
    "numeral": pa.float64(),  # a number, or text of one; other text is null
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
class Fields:
    """What is the same in every data set: where the row's id, its prompt and so on are."""

    __pydantic_config__: ClassVar = _STRICT

    item: str | Paths | None = None  # several are joined with a slash; null: rows have no id, and none is needed
    prompt: str | Paths | None = None  # several are joined with an empty line; null: not in the row
    prompt_is_html: bool = False  # then its text is taken, with code kept
    responses: tuple[str | Paths, ...] = ()  # of a benchmark_item: a response each, or as many as the column has
    language: str | Take | None = None
    criterion: str | Take | None = None  # by any of its names
    problem_key: str | Take | None = None  # null: rows have none


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """How the rows of a benchmark are pairs as well, for a benchmark that is made of several: never for training."""

    __pydantic_config__: ClassVar = _STRICT

    subset: str  # what the column `source` says, as Themis-CodeRewardBench names its subsets
    criterion: str
    evidence: str  # a word of criteria.EVIDENCE
    mapper: str = "two_sides"
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the mapper and of the rules
    has_prompt: bool = True  # false: what the rows ask shows a side, so that a prompt has to be written


@dataclass(frozen=True, kw_only=True)
class Part:
    """Files of one layout. `{name}` in configuration and patterns is each value of the setting `choose.name`."""

    __pydantic_config__: ClassVar = _STRICT

    files: tuple[str, ...]  # patterns under the repository's root
    config: str | None = None  # of the Hub's repository; null: its only one
    splits: tuple[str, ...] = ()  # of that configuration; none: the patterns say which files on the Hub too
    columns: Mapping[str, Any] | None = None  # null: the recipe's
    fields: Fields | None = None  # null: the recipe's
    pairs: Pairs | None = None  # of a benchmark; null: its rows are no pairs


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
    reads_as: Literal["benchmark_item", "pair", "task", "change"]
    published_as: str | None = None  # what the column `source` says; null for benchmarks
    evidence: str | None = (
        None  # how a pair is known to be one, a word of criteria.EVIDENCE; null where rows are no pairs
    )
    written_by: tuple[str, ...] = ()  # models that wrote the answers
    generator_terms: str | None = None  # what is known of the terms of the models that wrote any of it
    seen: tuple[Seen, ...]
    parts: tuple[Part, ...]
    columns: Mapping[str, Any] = field(default_factory=dict)  # that it must have; others are not read. Name -> kind
    fields: Fields | None = None
    statements: Part | None = None  # a part that says what is asked, by the problem's key
    together: str | None = None  # column: rows of one value are seen together
    mapper: str | None = None  # in `mappers/`: what makes rows of ours, or adds values to a row
    settings: Mapping[str, Any] = field(
        default_factory=dict
    )  # of the mapper and of the rules: what we hold to be sound
    paper: Mapping[str, Any] = field(default_factory=dict)  # those that are different in the paper
    gaps: Mapping[str, str] = field(default_factory=dict)  # what was not found -> what to supply, or what follows

    @property
    def subsets(self) -> tuple[str, ...]:
        """What the rows of a benchmark are pairs of, see `as_pairs`."""
        return tuple(dict.fromkeys(part.pairs.subset for part in self.parts if part.pairs is not None))

    @property
    def demo_only(self) -> bool:
        """Whether what its rows become is benchmark material, which nothing may be trained on."""
        return bool(self.subsets)


def known_recipes(reads_as: str | None = None) -> tuple[str, ...]:
    """Names of all recipes, or of those whose rows become this, sorted."""
    names = sorted(path.stem for path in (shipped_folder("manifests") / "sources").glob("*.yaml"))
    return tuple(name for name in names if reads_as is None or recipe(name).reads_as == reads_as)


@cache
def recipe(name: str) -> Recipe:
    """The recipe in `manifests/sources/NAME.yaml`.

    Raises UnknownName, or PipelineError that says which key is wrong.
    """
    path = shipped_folder("manifests") / "sources" / f"{name}.yaml"
    if name not in known_recipes():
        raise UnknownName(unknown("recipe", name, known_recipes()))
    return read_recipe(path)


def named_recipe(name_or_path: str, *, hub: str | None = None) -> Recipe:
    """The recipe of that name, or in a file whose path ends in .yaml; with another id on the Hub where one is given."""
    read = read_recipe(Path(name_or_path)) if name_or_path.endswith(".yaml") else recipe(name_or_path)
    return read if hub is None else replace(read, hub=hub)


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
    statements = None if read.statements is None else _with_defaults(read.statements, read)
    read = replace(read, parts=tuple(_with_defaults(part, read) for part in read.parts), statements=statements)
    for problem in _problems(read):
        raise PipelineError(f"{path}: {problem}")
    return read


def as_pairs(read: Recipe, subset: str) -> Recipe:
    """The recipe of a benchmark as one of pairs: those of its parts that give the subset. Raises UnknownName."""
    if subset not in read.subsets:
        raise UnknownName(f"{read.path}: " + unknown("subset", subset, read.subsets))
    found = [(part, part.pairs) for part in read.parts if part.pairs is not None and part.pairs.subset == subset]
    pairs = found[0][1]
    return replace(
        read,
        reads_as="pair",
        published_as=subset,
        evidence=pairs.evidence,
        mapper=pairs.mapper,
        settings={"criterion": pairs.criterion, **pairs.settings},
        parts=tuple(part if pairs.has_prompt else _without_prompt(part) for part, _ in found),
    )


def _without_prompt(part: Part) -> Part:
    assert part.fields is not None  # checked where recipes are read
    return replace(part, fields=replace(part.fields, prompt=None))


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


def mapper_of(read: Recipe) -> type:
    """The mapper that the recipe names."""
    assert read.mapper is not None
    return find("upstream.mappers", read.mapper, "MAPPER")


def _with_defaults(part: Part, read: Recipe) -> Part:
    return replace(part, columns=part.columns or read.columns, fields=part.fields or read.fields)


def _problems(read: Recipe) -> Iterable[str]:
    if not read.parts:
        yield "it has no parts: say which files it reads"
    if not read.seen:
        yield "it does not say where its facts were seen"
    if read.mapper is not None and read.mapper not in known_modules("upstream.mappers"):
        yield unknown("mapper", read.mapper, known_modules("upstream.mappers"))
        return
    for name in ("revision", "license"):
        if (getattr(read, name) is None) != (name in read.gaps):
            yield f"`{name}` is null exactly where `gaps` says what to supply for it"
    yield from _problems_of_kind(read)
    added = getattr(mapper_of(read), "adds", ()) if read.mapper else ()
    for part in (*read.parts, *((read.statements,) if read.statements else ())):
        yield from _problems_of_part(read, part, added)
    if read.together is not None and any(read.together not in (part.columns or {}) for part in read.parts):
        yield f"`together` is {read.together!r}, which is no column of every part"


def _problems_of_kind(read: Recipe) -> Iterable[str]:
    """What only rows that are mapped have, and what only benchmarks have."""
    is_mapped = read.reads_as != "benchmark_item"
    for name in ("published_as", "generator_terms"):
        if (getattr(read, name) is not None) != is_mapped:
            yield f"`{name}` is given exactly where rows become pairs, tasks or changes"
    if (read.evidence is not None) != (read.reads_as == "pair"):
        yield "`evidence` is given exactly where rows become pairs"
    if read.evidence is not None and read.evidence not in EVIDENCE:
        yield unknown("evidence", read.evidence, EVIDENCE)
    makes = getattr(mapper_of(read), "writes", None) if read.mapper else None
    if (read.reads_as if is_mapped else None) != makes:
        yield f"its rows become {read.reads_as!r}, and the mapper {read.mapper!r} makes {makes or 'no rows'!r}"
    if not is_mapped and (read.settings or read.paper or read.together):
        yield "a benchmark has no settings or rows that are seen together; those of `pairs` stand there"
    if not is_mapped and read.statements is not None and not read.subsets:
        yield "a benchmark whose rows are no pairs has no statements"
    if read.subsets and (is_mapped or read.mapper is not None):
        yield "`pairs` are given for benchmarks alone, and for those whose rows need no mapper"
    for subset in read.subsets:
        own = [part.pairs for part in read.parts if part.pairs is not None and part.pairs.subset == subset]
        if any(pairs != own[0] for pairs in own):
            yield f"`pairs` of {subset} are not the same in all parts"
        if own[0].evidence not in EVIDENCE:
            yield unknown("evidence", own[0].evidence, EVIDENCE)


def _problems_of_part(read: Recipe, part: Part, added: Iterable[str]) -> Iterable[str]:
    if part.fields is None or not part.columns:
        yield f"the part of {part.files} has no columns or no fields"
        return
    if read.reads_as == "benchmark_item" and part.fields.item is None:
        yield f"the part of {part.files} has no field `item`"
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
    for one in (read.item, read.prompt, *read.responses, read.language, read.criterion, read.problem_key):
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

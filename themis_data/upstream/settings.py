"""What a recipe is read with: its settings, sound or the paper's, and those that a user overrides."""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Annotated, Any, Literal, get_type_hints

from themis_data.code.language import by_name
from themis_data.criteria import by_name as criterion_by_name
from themis_data.errors import PipelineError, UpstreamGap
from themis_data.lookup import unknown
from themis_data.upstream.recipes import Part, Recipe, mapper_of
from themis_data.upstream.rows import NATURAL_LANGUAGE, RowMapper
from themis_data.yaml_file import typed_value

Thresholds = Literal["sound", "paper"]
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class RowRules:
    """Settings that every recipe has, whatever its mapper. A value that is wanted and that no row has is an error."""

    choose: Annotated[
        Mapping[str, tuple[str, ...]], "name in a pattern of files -> what it stands for, so that no other file is read"
    ] = field(default_factory=dict)
    columns: Annotated[Mapping[str, Any], "further columns to read, with their kinds"] = field(default_factory=dict)
    only: Annotated[Mapping[str, tuple[str | bool, ...]], "column -> values of which a row has one, in any case"] = (
        field(default_factory=dict)
    )
    containing: Annotated[
        Mapping[str, tuple[str, ...]], "column -> words of which its text has one somewhere, in any case"
    ] = field(default_factory=dict)
    languages: Annotated[tuple[str, ...] | None, "canonical names of languages that are kept; null: all known"] = None
    criterion: Annotated[str | None, "of every pair, in place of what the recipe's field says"] = None
    max_together: Annotated[int | None, "pairs of rows that are seen together, drawn; null: no limit"] = None
    one_per_user: Annotated[bool, "whether a user has at most one pair a criterion of rows seen together, drawn"] = (
        False
    )

    def __post_init__(self) -> None:
        for name in self.languages or ():
            if name != NATURAL_LANGUAGE:
                by_name(name)
        if self.criterion is not None:
            criterion_by_name(self.criterion)
        if self.max_together is not None and self.max_together < 1:
            raise PipelineError(f"max_together is {self.max_together}; expected 1 or more, or null")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recipe and the settings that it is read with."""

    recipe: Recipe  # no part of it has a placeholder
    rules: RowRules
    mapper: RowMapper

    @property
    def needs_whole_parts(self) -> bool:
        """Whether the files of a part belong into one reading."""
        return bool(self.recipe.together or self.rules.only or self.rules.containing)


def prepare(
    recipe: Recipe, *, thresholds: Thresholds = "sound", overrides: Mapping[str, Any] | None = None
) -> Prepared:
    """The recipe with its settings, those of the paper over them where asked for, and `overrides` over both.

    Raises UpstreamGap where a setting has no value and nobody knows it, and PipelineError for a setting that neither
    the mapper nor `RowRules` has, or of another type.
    """
    if recipe.reads_as == "benchmark_item":
        instead = f"; for another benchmark it gives {', '.join(recipe.subsets)}: name one in `subset`"
        raise PipelineError(
            f"{recipe.path}: {recipe.title} is a benchmark: no corpus trains on it{instead if recipe.subsets else ''}"
        )
    mapper = mapper_of(recipe)
    given = {**recipe.settings, **(recipe.paper if thresholds == "paper" else {}), **(overrides or {})}
    of_rules, of_mapper = {f.name for f in fields(RowRules)}, {f.name: f for f in fields(mapper)}
    for name in given:
        if name not in of_rules and name not in of_mapper:
            raise PipelineError(f"{recipe.path}: " + unknown("setting", name, {*of_rules, *of_mapper}))
    for name, sentence in _gaps(recipe, thresholds):
        if name not in given:
            raise UpstreamGap(f"{recipe.path}: the setting {name!r} has no value. {sentence}")
    for name, one in of_mapper.items():
        if name not in given and one.default is MISSING and one.default_factory is MISSING:
            raise PipelineError(f"{recipe.path}: the mapper {recipe.mapper!r} needs the setting {name!r}")
    rules = _made(RowRules, {name: value for name, value in given.items() if name in of_rules}, recipe)
    made = _made(mapper, {name: value for name, value in given.items() if name in of_mapper}, recipe)
    parts = tuple(_with_columns(part, rules) for one in recipe.parts for part in _chosen(one, rules.choose, recipe))
    return Prepared(recipe=replace(recipe, parts=parts), rules=rules, mapper=made)


def _gaps(recipe: Recipe, thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    """Settings that nobody knows: `settings.NAME`, and `paper.NAME` for those that only the paper knows."""
    for name, sentence in recipe.gaps.items():
        kind, _, setting = name.partition(".")
        if setting and (kind == "settings" or (kind == "paper" and thresholds == "paper")):
            yield setting, sentence


def _made(cls: type, settings: Mapping[str, Any], recipe: Recipe) -> Any:
    hints = get_type_hints(cls, include_extras=True)
    where = f"{recipe.path}: the setting"
    values = {name: typed_value(hints[name], value, f"{where} {name!r}") for name, value in settings.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise PipelineError(f"{recipe.path}: {error}") from error


def first_choice(part: Part, choose: Mapping[str, Sequence[str]], recipe: Recipe) -> Part:
    """The part with the first of what each of its placeholders stands for."""
    return next(_chosen(part, choose, recipe))


def _chosen(part: Part, choose: Mapping[str, Sequence[str]], recipe: Recipe) -> Iterator[Part]:
    """The part once for each choice of what its placeholders stand for."""
    names = sorted({name for text in (part.config or "", *part.files) for name in _PLACEHOLDER.findall(text)})
    for name in names:
        if not choose.get(name):
            raise PipelineError(
                f"{recipe.path}: say in the setting `choose` what {{{name}}} of {part.files} stands for"
            )
    for values in itertools.product(*(choose[name] for name in names)):
        stands_for = dict(zip(names, values, strict=True))
        yield replace(
            part,
            config=None if part.config is None else part.config.format_map(stands_for),
            files=tuple(pattern.format_map(stands_for) for pattern in part.files),
        )


def _with_columns(part: Part, rules: RowRules) -> Part:
    return dataclasses.replace(part, columns={**(part.columns or {}), **rules.columns})

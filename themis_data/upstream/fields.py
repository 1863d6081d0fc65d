"""Values out of upstream rows, by the paths and fields of a recipe.

A path is a column's name, or leads into a record (`metadata.category`), into each record of a list, or to one entry of
a list (`choices.0`, from its end `reference.-1`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from themis_data.errors import PipelineError
from themis_data.text.problem_keys import problem_key

Paths = tuple[str, ...]
_PLACE = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Take:
    """A value of a row that needs more than the name of its column."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    column: str | None = None  # or a place, see `recipes.PLACES`
    value: str | None = None  # the same for every row, in place of a column; with `words`, where none is found
    match: str | None = None  # regular expression searched in the column; its one group is the value
    words: Mapping[str, tuple[str, ...]] | None = (
        None  # value -> words; that of the first word in the column, in any case
    )
    judge: str | None = None  # for a problem's key: whose id it is
    judge_column: str | None = None  # for a problem's key: the column that says whose id it is


def value(row: Mapping[str, Any], path: str) -> Any:
    """What is at the end of a path; null where something on the way is.

    Raises PipelineError when the row, which has exactly the columns of its recipe, has no such column.
    """
    first, *names = path.split(".")
    if first not in row:
        raise PipelineError(f"no column {first!r} is read; the recipe reads {sorted(row)}")
    found = row[first]
    for name in names:
        if isinstance(found, list) and _PLACE.fullmatch(name):
            place = int(name)
            found = found[place] if -len(found) <= place < len(found) else None
        elif isinstance(found, list):
            found = [one.get(name) for one in found if one is not None]
        elif found is not None:
            found = found.get(name)
    return found


def texts(row: Mapping[str, Any], paths: str | Paths | None) -> list[str]:
    """All texts under some paths, in order; of nulls there are none."""
    listed = (paths,) if isinstance(paths, str) else paths or ()
    return [text for path in listed for text in _flat(value(row, path))]


def text(row: Mapping[str, Any], path: str) -> str | None:
    """The first text under a path."""
    return next(iter(texts(row, path)), None)


def labelled(row: Mapping[str, Any], columns: Paths) -> str | None:
    """What some columns say, as `COLUMN: TEXT; ...`; null where all are empty."""
    return "; ".join(f"{column}: {found}" for column in columns if (found := text(row, column))) or None


def records(row: Mapping[str, Any], path: str) -> Sequence[Mapping[str, Any]]:
    """The records of a list, without nulls."""
    return [one for one in value(row, path) or () if one is not None]


def taken(row: Mapping[str, Any], take: str | Take | None) -> str | None:
    """The value that a field says; null where the row has none."""
    if take is None or isinstance(take, str):
        return next(iter(texts(row, take)), None)
    if take.column is None:
        return take.value
    found = text(row, take.column)
    if take.words is not None:
        lower = (found or "").lower()
        named = (name for name, words in take.words.items() if any(word.lower() in lower for word in words))
        return next(named, take.value)
    if found is None or take.match is None:
        return found
    matched = re.search(take.match, found)
    return matched[1] if matched else None


def key(row: Mapping[str, Any], take: str | Take | None) -> str | None:
    """The problem's key, see `text.problem_keys`; null where the row names no problem that is known."""
    name = taken(row, take)
    if name is None:
        return None
    if not isinstance(take, Take):
        return problem_key(name)
    judge = text(row, take.judge_column) if take.judge_column is not None else None
    return problem_key(name, judge if judge is not None else take.judge)


def _flat(found: Any) -> list[str]:
    if isinstance(found, list):
        return [one for inner in found for one in _flat(inner)]
    return [] if found is None else [str(found)]

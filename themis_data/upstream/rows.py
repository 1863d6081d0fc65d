"""What mappers take and make: an upstream row with what its recipe says of it, and the rows of ours that it gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

NATURAL_LANGUAGE = "NL"  # the language of answers that are no code, as it is published


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An upstream row."""

    values: Mapping[str, Any]  # exactly the recipe's columns, and where the row was read (`recipes.PLACES`)
    id: str  # its own in its data set, or a hash of its content
    draw: float  # in [0, 1), by the pipeline's seed and the id: for every choice that a mapper makes
    prompt: str | None
    language: str | None  # canonical, or NL
    criterion: str | None  # file name of a criterion
    problem: str | None  # canonical key, see text/problem_keys.py

    def pair(self, *, prompt: str | None, chosen: str, rejected: str, **more: Any) -> "Pair":
        """A pair of two answers in this row; `more` are further fields of `Pair`."""
        return Pair(
            parents=(self.id,),
            prompt=prompt,
            language=self.language,
            criterion=self.criterion,
            problem=self.problem,
            chosen=chosen,
            rejected=rejected,
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers of which one is better. What is the same for a whole data set is its recipe's."""

    parents: tuple[str, ...]  # ids of the rows that it was made of
    prompt: str | None
    language: str | None
    criterion: str | None
    problem: str | None
    chosen: str
    rejected: str
    user: str | None = None  # who wrote the programs, for at most one pair of theirs a problem; goes nowhere else
    strength: float | None = None
    strength_unit: str | None = None
    detail: str | None = None
    written_by: tuple[str, ...] | None = None  # null: the recipe's


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An instruction and a program that follows it."""

    id: str
    prompt: str
    language: str | None
    solution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file before and after one commit. The data sets name no authors."""

    commit: str
    path: str
    language: str | None  # null: unknown
    repos: tuple[str, ...]  # owner/name
    license: str  # SPDX expression
    committed_at: int | None  # seconds since 1970, UTC
    subject: str
    message: str
    old_contents: str
    new_contents: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Rows that give nothing, and why: a short name, the same for all of them."""

    reason: str
    count: int = 1


Made = Pair | Task | Change | Left


class RowMapper(Protocol):
    """A frozen dataclass of settings and a pure function."""

    writes: ClassVar[str]  # schema of what it makes

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        """What rows give that belong together: one row, or where the recipe says so all rows of a problem or a commit.

        At least one thing a call: what gives no row of ours is `Left` with its reason.
        """
        ...

"""Programs for one problem whose time or memory an online judge measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from themis_data.errors import PipelineError
from themis_data.upstream.fields import records, text, value
from themis_data.upstream.rows import Left, Made, Pair, Row


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What was measured of a program, and when two programs differ in it."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    programs: str | None = None  # column of the list of records with a program each; null: a row is one program
    code: str  # its code, in the record or the row
    value: str  # what was measured, a number
    unit: str  # of the pair's strength, such as speed_ratio
    min_ratio: float  # worse over better
    min_worse: float = 0.0  # measure of the worse program
    min_over_best: float = 0.0  # by how much the worse program is above the problem's best one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    row: Row
    code: str
    value: float
    bucket: tuple[str | None, str | None]  # user, version of the language


@dataclass(frozen=True, kw_only=True)
class MeasuredPrograms:
    """Pairs of programs for one problem, in one language and version of it, by one user where users are known.

    The worst program is paired with the best, the next worst with the next best and so on, while they differ enough, so
    that none is in two pairs of a criterion. Rows that come together are one problem's. Leaves out programs:
    `not_accepted`, `no_code`, `cheats` (a word of theirs says so, or one lacks), `no_measure` (none, or not above 0),
    `no_partner` (no other differs enough).
    """

    writes: ClassVar[str] = "pair"

    measures: Annotated[Mapping[str, Measure], "criterion -> what was measured, and when two programs differ in it"]
    user: Annotated[str | None, "column of who wrote a program; null: unknown, and all are compared"] = None
    version: Annotated[str | None, "column of the version of the language; null: only one"] = None
    status: Annotated[str | None, "column of the judge's verdict; null: all were accepted"] = None
    accepted: Annotated[tuple[str, ...], "verdicts of programs that solve the problem, in any case"] = ("Accepted",)
    cheats: Annotated[tuple[str, ...], "what is in no honest program"] = ()
    needs: Annotated[tuple[str, ...], "what is in every honest program"] = ()
    append: Annotated[str | None, "column of code that is part of the prompt, put behind it in a fence"] = None

    def __post_init__(self) -> None:
        for name, measure in self.measures.items():
            if measure.min_ratio <= 1.0:
                raise PipelineError(f"measures, {name}: min_ratio is {measure.min_ratio}; expected more than 1")

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        accepted = [row for row in rows if self._is_accepted(row)]
        if len(accepted) < len(rows):
            yield Left(reason="not_accepted", count=len(rows) - len(accepted))
        for criterion, measure in self.measures.items():
            yield from self._pairs(criterion, measure, accepted)

    def _is_accepted(self, row: Row) -> bool:
        if self.status is None:
            return True
        return (text(row.values, self.status) or "").strip().lower() in {word.lower() for word in self.accepted}

    def _pairs(self, criterion: str, measure: Measure, rows: Sequence[Row]) -> Iterator[Made]:
        programs: list[_Program] = []
        for row in rows:
            found = records(row.values, measure.programs) if measure.programs is not None else [row.values]
            for record in found:
                made = self._program(row, record, measure)
                if isinstance(made, Left):
                    yield made
                else:
                    programs.append(made)
        if not programs:
            return
        best = min(one.value for one in programs)
        buckets: dict[tuple[str | None, str | None, str | None], list[_Program]] = {}
        for one in programs:
            buckets.setdefault((*one.bucket, one.row.language), []).append(one)
        alone = 0
        for bucket in buckets.values():
            ordered = sorted(bucket, key=lambda one: (one.value, one.row.id, one.code))
            count = 0
            while count < len(ordered) // 2 and _differ(ordered[count], ordered[-1 - count], measure, best):
                yield self._pair(criterion, measure, ordered[count], ordered[-1 - count])
                count += 1
            alone += len(ordered) - 2 * count
        if alone:
            yield Left(reason="no_partner", count=alone)

    def _program(self, row: Row, record: Mapping[str, object], measure: Measure) -> _Program | Left:
        code, measured = text(record, measure.code) or "", value(record, measure.value)
        if not code.strip():
            return Left(reason="no_code")
        if measured is None or measured <= 0.0:
            return Left(reason="no_measure")
        if any(word in code for word in self.cheats) or any(word not in code for word in self.needs):
            return Left(reason="cheats")
        bucket = tuple(None if column is None else text(row.values, column) for column in (self.user, self.version))
        return _Program(row=row, code=code, value=measured, bucket=(bucket[0], bucket[1]))

    def _pair(self, criterion: str, measure: Measure, better: _Program, worse: _Program) -> Pair:
        row = better.row
        prompt, stub = row.prompt, text(row.values, self.append) if self.append is not None else None
        if prompt is not None and stub is not None and stub.strip():
            prompt = f"{prompt}\n\n```\n{stub.strip()}\n```"
        return Pair(
            parents=tuple(dict.fromkeys((better.row.id, worse.row.id))),
            prompt=prompt,
            language=row.language,
            criterion=criterion,
            problem=row.problem,
            chosen=better.code,
            rejected=worse.code,
            user=better.bucket[0],
            strength=worse.value / better.value,
            strength_unit=measure.unit,
            detail=f"{measure.value}: {better.value:g} against {worse.value:g}",
        )


def _differ(better: _Program, worse: _Program, measure: Measure, best: float) -> bool:
    return (
        worse.value >= measure.min_ratio * better.value
        and worse.value >= measure.min_worse
        and worse.value - best >= measure.min_over_best
    )


MAPPER = MeasuredPrograms

"""Data sets whose rows are pairs already: one column is better than another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from themis_data.errors import PipelineError
from themis_data.upstream.conversation import answer_of, prompt_of
from themis_data.upstream.fields import Paths, labelled, text, texts, value
from themis_data.upstream.programs import program
from themis_data.upstream.rows import Left, Made, Row


@dataclass(frozen=True, kw_only=True)
class TwoSides:
    """A pair of each row, where its measures allow.

    A side is text, or a conversation whose last turn it is; then the turns before it, the same on both sides, are the
    prompt where the row has no other. Leaves out: `empty_side`, `no_code`, `no_answer` (a conversation that does not
    end in an answer), `prompts_differ`, `multi_turn`, `has_system`, `no_measure`, `small_difference`, `worse_too_good`
    (its measure is below `min_worse`), `too_few_pass`, `all_pass`.
    """

    writes: ClassVar[str] = "pair"

    chosen: Annotated[str | Paths, "column of the better side: text, or a list of {role, content}; texts are joined"]
    rejected: Annotated[str | Paths, "column of the worse side"]
    code: Annotated[bool, "whether the sides are programs: their code is taken out of fences and prose"] = False
    multi_turn: Annotated[bool, "whether prompts of several turns are written as one text; false: left out"] = False
    system: Annotated[str | None, "column of what the answering model was told to be; null: none"] = None
    with_system: Annotated[
        Literal["fold", "drop"], "where a row has one: put it before the prompt, or leave the row out"
    ] = "fold"
    compared_by: Annotated[
        Literal["ratio", "difference"] | None, "worse over better (a cost), or better minus worse (a score)"
    ] = None
    chosen_measure: Annotated[str | None, "column of the better side's number, with compared_by"] = None
    rejected_measure: Annotated[str | None, "column of the worse side's number, with compared_by"] = None
    strength_unit: Annotated[str | None, "what the compared number is called, with compared_by"] = None
    min_strength: Annotated[float, "of the ratio or difference; 0 for any"] = 0.0
    min_worse: Annotated[float, "of the worse side's measure, in the data set's unit; 0 for any"] = 0.0
    rejected_rate: Annotated[str | None, "column of the share of tests that the worse side passes, 0 to 1"] = None
    min_rate: Annotated[float, "the worse side passes a larger share than this, and not all; with rejected_rate"] = 0.0
    user: Annotated[str | None, "column of who wrote both programs"] = None
    writers: Annotated[tuple[str, ...], "columns of the names of models that wrote the sides"] = ()
    detail: Annotated[tuple[str, ...], "columns that say what the label rests on"] = ()

    def __post_init__(self) -> None:
        needed = (self.chosen_measure, self.rejected_measure, self.strength_unit)
        if (self.compared_by is None) != (needed == (None, None, None)) or (self.compared_by and None in needed):
            raise PipelineError("compared_by goes with chosen_measure, rejected_measure and strength_unit")

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        for row in rows:
            yield self._pair(row)

    def _pair(self, row: Row) -> Made:
        sides = [self._side(row, column) for column in (self.chosen, self.rejected)]
        for side in sides:
            if isinstance(side, Left):
                return side
        (chosen, prompt), (rejected, other_prompt) = ((s[0], s[1]) for s in sides if not isinstance(s, Left))
        if prompt != other_prompt:
            return Left(reason="prompts_differ")
        prompt = row.prompt or prompt
        system = (text(row.values, self.system) or "").strip() if self.system is not None else ""
        if system and self.with_system == "drop":
            return Left(reason="has_system")
        if system:
            prompt = f"{system}\n\n{prompt}" if prompt else system
        measured = self._strength(row)
        if isinstance(measured, Left):
            return measured
        return row.pair(
            prompt=prompt,
            chosen=chosen,
            rejected=rejected,
            user=None if self.user is None else text(row.values, self.user),
            strength=measured[0],
            strength_unit=measured[1],
            detail=labelled(row.values, self.detail),
            written_by=tuple(dict.fromkeys(texts(row.values, self.writers))) or None,
        )

    def _side(self, row: Row, column: str | Paths) -> tuple[str, str | None] | Left:
        """The answer, and the prompt of its conversation."""
        found = value(row.values, column) if isinstance(column, str) else "".join(texts(row.values, column))
        prompt = None
        if isinstance(found, list):
            said = answer_of(found)
            if said is None:
                return Left(reason="no_answer")
            found, asked = said
            prompt = prompt_of(asked, multi_turn=self.multi_turn)
            if prompt is None:
                return Left(reason="multi_turn")
        if found is None or not found.strip():
            return Left(reason="empty_side")
        if not self.code:
            return found, prompt
        code = program(found)
        return Left(reason="no_code") if code is None else (code.code, prompt)

    def _strength(self, row: Row) -> tuple[float | None, str | None] | Left:
        if self.rejected_rate is not None:
            rate = value(row.values, self.rejected_rate)
            if rate is None or not 0.0 <= rate <= 1.0:
                return Left(reason="no_measure")
            if rate == 1.0:
                return Left(reason="all_pass")
            if rate <= self.min_rate:
                return Left(reason="too_few_pass")
            return 1.0 - rate, "share_of_tests_failed"
        if self.compared_by is None:
            return None, None
        assert self.chosen_measure is not None
        assert self.rejected_measure is not None
        better, worse = value(row.values, self.chosen_measure), value(row.values, self.rejected_measure)
        if better is None or worse is None or (self.compared_by == "ratio" and better <= 0.0):
            return Left(reason="no_measure")
        strength = worse / better if self.compared_by == "ratio" else better - worse
        if worse < self.min_worse:
            return Left(reason="worse_too_good")
        if strength < self.min_strength:
            return Left(reason="small_difference")
        return strength, self.strength_unit


MAPPER = TwoSides

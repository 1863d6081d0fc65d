"""Data sets of two answers and a verdict that says which is better."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from themis_data.errors import PipelineError
from themis_data.upstream.conversation import Turn, answer_of, prompt_of, turns
from themis_data.upstream.fields import labelled, texts, value
from themis_data.upstream.rows import Left, Made, Row


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """A pair of each row whose verdict names a winner.

    The verdict is a word (`a_wins`, `b_wins`) or, without these, a number whose sign says who wins. Leaves out: `tie`
    (any other word, and 0), `no_verdict`, `small_margin`, `scores_disagree` (the winner does not score higher),
    `no_answer`, `multi_turn`, `prompts_differ`, `no_prompt`.
    """

    writes: ClassVar[str] = "pair"

    answer_a: Annotated[str, "column of one answer: text, or a list of {role, content} that ends in it"]
    answer_b: Annotated[str, "column of the other"]
    verdict: Annotated[str, "column of the verdict"]
    a_wins: Annotated[tuple[str, ...], "words of a verdict for A, in any case; none: the verdict is a number"] = ()
    b_wins: Annotated[tuple[str, ...], "words of a verdict for B"] = ()
    negative_is_a: Annotated[bool, "whether a negative number is a verdict for A; false: for B"] = False
    scores: Annotated[tuple[str, str] | None, "columns of the scores of A and B, numbers; null: there are none"] = None
    min_margin: Annotated[float, "of the verdict's number without sign, or between scores; 0 for any"] = 0.0
    strength_unit: Annotated[str | None, "what that margin is called; null: none is kept"] = None
    context: Annotated[str | None, "column of the conversation before the answers; null: the answers' own"] = None
    multi_turn: Annotated[bool, "whether prompts of several turns are written as one text; false: left out"] = False
    writers: Annotated[tuple[str, ...], "columns of the names of models that wrote the answers"] = ()
    detail: Annotated[tuple[str, ...], "columns that say what the label rests on"] = ()

    def __post_init__(self) -> None:
        if bool(self.a_wins) != bool(self.b_wins):
            raise PipelineError("a_wins and b_wins go together: the words of a verdict")

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        for row in rows:
            yield self._pair(row)

    def _pair(self, row: Row) -> Made:
        decided = self._decided(row)
        if isinstance(decided, Left):
            return decided
        a_is_better, margin = decided
        answers = [self._answer(row, column) for column in (self.answer_a, self.answer_b)]
        for answer in answers:
            if isinstance(answer, Left):
                return answer
        (a, asked), (b, other_asked) = (found for found in answers if not isinstance(found, Left))
        if asked != other_asked:
            return Left(reason="prompts_differ")
        if self.context is not None:
            asked = turns(value(row.values, self.context))
        prompt = row.prompt or prompt_of(asked, multi_turn=self.multi_turn)
        if prompt is None:
            return Left(reason="multi_turn" if len(asked) > 1 else "no_prompt")
        return row.pair(
            prompt=prompt,
            chosen=a if a_is_better else b,
            rejected=b if a_is_better else a,
            strength=margin if self.strength_unit is not None else None,
            strength_unit=self.strength_unit,
            detail=labelled(row.values, self.detail),
            written_by=tuple(dict.fromkeys(texts(row.values, self.writers))) or None,
        )

    def _decided(self, row: Row) -> tuple[bool, float | None] | Left:
        """Whether A is better, and by how much."""
        verdict = value(row.values, self.verdict)
        if verdict is None:
            return Left(reason="no_verdict")
        margin: float | None
        if self.a_wins:
            word = str(verdict).strip().lower()
            if word not in {w.lower() for w in (*self.a_wins, *self.b_wins)}:
                return Left(reason="tie")
            a_is_better, margin = word in {w.lower() for w in self.a_wins}, None
        else:
            if verdict == 0:
                return Left(reason="tie")
            a_is_better, margin = (verdict < 0) == self.negative_is_a, abs(verdict)
        if self.scores is not None:
            a, b = (value(row.values, column) for column in self.scores)
            if a is None or b is None:
                return Left(reason="no_verdict")
            margin = a - b if a_is_better else b - a
            if margin <= 0.0:
                return Left(reason="scores_disagree")
        if margin is not None and margin < self.min_margin:
            return Left(reason="small_margin")
        return a_is_better, margin

    def _answer(self, row: Row, column: str) -> tuple[str, list[Turn]] | Left:
        """The answer, and the turns before it."""
        found = value(row.values, column)
        if not isinstance(found, list):
            return (found, []) if found is not None else Left(reason="no_answer")
        return answer_of(found) or Left(reason="no_answer")


MAPPER = Verdicts

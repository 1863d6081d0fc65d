"""Retrieval sets: a request, one text that answers it, and a list of others that do not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, ClassVar

from themis_data.errors import PipelineError
from themis_data.upstream.fields import texts
from themis_data.upstream.programs import program
from themis_data.upstream.rows import Left, Made, Row


@dataclass(frozen=True, kw_only=True)
class RankedNegatives:
    """A pair of each row: the text that answers, and one of the first negatives, drawn by Zipf's law over their places.

    Such a pair tells which text belongs to the request, and no more: the negative may be right for another one. Leaves
    out: `no_positive`, `no_negative` (none that is not empty and not the positive), `no_code` in the positive.
    """

    writes: ClassVar[str] = "pair"

    positive: Annotated[str, "column of the texts that answer, of which the first is taken"]
    negatives: Annotated[str, "column of the others; their order is taken for their rank"]
    exponent: Annotated[float, "of Zipf's law: place n is drawn with a weight of n to the power of minus this"]
    top: Annotated[int, "places that are drawn from"] = 10

    def __post_init__(self) -> None:
        if self.top < 1 or self.exponent < 0.0:
            raise PipelineError(f"top is {self.top} and exponent {self.exponent}; expected at least 1 and at least 0")

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        for row in rows:
            yield self._pair(row)

    def _pair(self, row: Row) -> Made:
        answers = [text for text in texts(row.values, self.positive) if text.strip()]
        if not answers:
            return Left(reason="no_positive")
        chosen = program(answers[0])
        if chosen is None:
            return Left(reason="no_code")
        ranked = [found.code for text in texts(row.values, self.negatives)[: self.top] if (found := program(text))]
        ranked = [code for code in ranked if code.strip() != chosen.code.strip()]
        if not ranked:
            return Left(reason="no_negative")
        place = self.place(row.draw, len(ranked))
        return row.pair(
            prompt=row.prompt,
            chosen=chosen.code,
            rejected=ranked[place],
            detail=f"negative {place + 1} of {len(ranked)}",
        )

    def place(self, draw: float, count: int) -> int:
        """Which of so many places a number in [0, 1) draws, from 0."""
        ends = list(accumulate((n + 1) ** -self.exponent for n in range(count)))
        return next((place for place, end in enumerate(ends) if draw * ends[-1] < end), count - 1)


MAPPER = RankedNegatives

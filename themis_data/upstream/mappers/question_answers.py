"""Questions with scored answers of people, one of them accepted, in HTML."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from themis_data.text.markup import text_of_html
from themis_data.upstream.fields import records, text, texts, value
from themis_data.upstream.rows import Left, Made, Row


@dataclass(frozen=True, kw_only=True)
class QuestionAnswers:
    """A pair of each question: its accepted answer, where that scored high, and the lowest of those that scored low.

    The label's detail names the authors and addresses, as the licence asks. Leaves out: `no_prompt`, `not_accepted` (no
    answer is), `chosen_too_low`, `none_low` (no other answer is low and long enough).
    """

    writes: ClassVar[str] = "pair"

    answers: Annotated[str, "column of the list of answers"]
    body: Annotated[str, "of an answer: its text in HTML"]
    score: Annotated[str, "of an answer: its score"]
    accepted: Annotated[str, "of an answer: whether it is the accepted one"]
    min_chosen_score: Annotated[float, "of the accepted answer"]
    max_rejected_score: Annotated[float, "of the other"]
    strength_unit: Annotated[str, "what the difference of scores is called"]
    min_rejected_chars: Annotated[int, "characters of the other answer: what is shorter is no answer"] = 0
    attribution: Annotated[Mapping[str, str], "of an answer: what its authors are named by -> column"]
    question_urls: Annotated[str, "column of the addresses of question and site"]

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        for row in rows:
            yield self._pair(row)

    def _pair(self, row: Row) -> Made:
        if row.prompt is None:
            return Left(reason="no_prompt")
        answers = records(row.values, self.answers)
        best = next((one for one in answers if value(one, self.accepted)), None)
        if best is None:
            return Left(reason="not_accepted")
        if (value(best, self.score) or 0.0) < self.min_chosen_score:
            return Left(reason="chosen_too_low")
        low = [
            (score, plain, one)
            for one in answers
            if one is not best and (score := value(one, self.score)) is not None and score <= self.max_rejected_score
            if len(plain := text_of_html(text(one, self.body) or "")) >= max(1, self.min_rejected_chars)
        ]
        if not low:
            return Left(reason="none_low")
        score, rejected, worst = min(low, key=lambda one: one[:2])
        return row.pair(
            prompt=row.prompt,
            chosen=text_of_html(text(best, self.body) or ""),
            rejected=rejected,
            strength=value(best, self.score) - score,
            strength_unit=self.strength_unit,
            detail=json.dumps(
                {
                    "question": texts(row.values, self.question_urls),
                    "chosen": self._attributed(best),
                    "rejected": self._attributed(worst),
                },
                ensure_ascii=False,
            ),
        )

    def _attributed(self, answer: Mapping[str, Any]) -> dict[str, str | None]:
        return {name: text(answer, column) for name, column in self.attribution.items()}


MAPPER = QuestionAnswers

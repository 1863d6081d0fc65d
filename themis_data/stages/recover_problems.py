"""The problem that both solutions of a pair solve, where the data set they come from does not state it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.engine.requests import Model, Sampling
from themis_data.engine.rows import Complete, Parsed, Rows
from themis_data.llm import writing
from themis_data.llm.prompting import Question, fence, question_table, ticket_for
from themis_data.llm.replies import Fields, Text, json_schema, read_reply
from themis_data.llm.rules import Rules
from themis_data.llm.templates import render_messages

_FIELDS: Fields = {"description": Text(1_500, may_be_cut=True), "statement": Text(4_000, may_be_null=True)}
_SLOT = "problem"


@dataclass(frozen=True, kw_only=True)
class RecoverProblems:
    """Has a language model write, for each pair without a prompt, the problem that both of its solutions solve.

    The model sees the solutions in an order that is drawn and is told neither the criterion nor which is better. Of
    several answers the first stands that gives nothing away. Pairs that have a prompt pass untouched.

    Drops: `unclear` (the model cannot tell one problem that both solve), `leak` (every statement holds what only one
    side has, or names the defect; the first leak is the detail), `too_long` (more characters than are shown),
    `no_answer` (none can be read; with the word that most failed by).
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    model: Annotated[Model, "who writes, by name under the pipeline's `models`"] = field(default_factory=Rules)
    samples: Annotated[int, "answers drawn for each pair, of which the first without a leak is taken"] = 2
    max_chars: Annotated[int, "characters of both sides together"] = 48_000
    temperature: Annotated[float, "of drawing answers; 0 takes the likeliest words"] = 0.7
    top_p: Annotated[float, "share of the probability that words are drawn from, 0 to 1"] = 0.95
    max_tokens: Annotated[int, "tokens of an answer, thinking included"] = 2_560
    max_failed: Annotated[float, "share of questions that may go without a readable answer, 0 to 1"] = 0.05
    grammars: Annotated[Grammars, "auto, bundle or wheels; for names that only one side has"] = "auto"
    seed: Annotated[int, "of orders and answers; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        writing.check_samples("recover_problems", self.samples, self.temperature)

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        asked = Complete(
            template="recover_problems",
            models=(self.model,),
            ask=self.ask,
            parse=parse,
            receive=self.receive,
            columns=("row_id", "language", "prompt", "chosen", "rejected"),
            sampling=Sampling(
                temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed
            ),
            max_failed=self.max_failed,
        )
        return rows.complete(asked).drop(self.drop_reason)

    def ask(self, pairs: pa.Table) -> pa.Table:
        return question_table(
            self._question(pair)
            for pair in pairs.to_pylist()
            if pair["prompt"] is None and not writing.is_long(pair, self.max_chars)
        )

    def _question(self, pair: Mapping[str, Any]) -> Question:
        one, other = writing.in_neutral_order(pair, seed=self.seed)
        data = fence(solution_1=one, solution_2=other)
        ticket = ticket_for(self.seed, pair["row_id"], _SLOT, data.shown.values())
        system, user = render_messages(
            "recover_problem", language=pair["language"], data=data, fields=_FIELDS, ticket=ticket
        )
        return Question(
            row_id=pair["row_id"],
            slot=_SLOT,
            system=system,
            user=user,
            samples=self.samples,
            schema=json_schema(_FIELDS, ticket),
            ticket=ticket,
        )

    def receive(self, pairs: pa.Table, answers: pa.Table) -> pa.Table:
        """The pairs with their problems, and a working column with the reason of those that go."""
        return writing.with_first(
            pairs,
            answers,
            field="statement",
            nothing="unclear",
            max_chars=self.max_chars,
            grammars=self.grammars,
        )

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return pairs["reason"].combine_chunks()


def parse(text: str, ticket: str | None) -> Parsed:
    return read_reply(text, ticket, _FIELDS)


STAGE = RecoverProblems

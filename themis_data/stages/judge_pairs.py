"""Which side of a pair is better by a criterion: votes of language models, half of them in each order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data import criteria
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.engine.requests import Model, Sampling
from themis_data.engine.rows import Complete, Parsed, Rows
from themis_data.errors import PipelineError
from themis_data.llm import judging
from themis_data.llm.audit import Limits
from themis_data.llm.canaries import KINDS, SHARE, Kind
from themis_data.llm.judging import Asked, Reading, Side
from themis_data.llm.prompting import Question, fence, question_table, ticket_for
from themis_data.llm.replies import Fields, OneOf, Text, json_schema, read_reply
from themis_data.llm.templates import render_messages

Mode = Literal["text", "label"]

_FIELDS: Fields = {"reason": Text(800, may_be_cut=True), "verdict": OneOf(("A", "B", "tie"))}


@dataclass(frozen=True, kw_only=True)
class JudgePairs:
    """Asks language models which side of a pair is better by its criterion, ties allowed, and writes what they say.

    text   a verdict in words with a reason; several votes a model, half of them in each order
    label  the probabilities of A and of B as the next word, once in each order; a tie where they are close

    Nothing is decided here: every vote becomes an entry of `judgements`, `tally_votes` counts them. A pair without a
    prompt is judged on the code alone. Drops: `too_long` (more characters than are shown).
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    models: Annotated[tuple[Model, ...], "who judges, by name under the pipeline's `models`"] = ()
    mode: Annotated[Mode, "how a vote is taken: text or label"] = "text"
    votes: Annotated[int, "a model, pair and criterion, half in each order; label votes are always 2"] = 8
    also: Annotated[tuple[str, ...], "criteria asked about beside each pair's own"] = ()
    tie_margin: Annotated[float, "label votes: difference of the probabilities below which it is a tie, 0 to 1"] = 0.1
    max_chars: Annotated[int, "characters of prompt and both sides together"] = 48_000
    temperature: Annotated[float, "of drawing answers in words; 0 takes the likeliest words"] = 0.8
    top_p: Annotated[float, "share of the probability that words are drawn from, 0 to 1"] = 0.95
    max_tokens: Annotated[int, "tokens of an answer in words, thinking included"] = 2_560
    max_failed: Annotated[float, "share of questions that may go without a readable answer, 0 to 1"] = 0.05
    canary_share: Annotated[float, "share of the pairs with one more question whose answer is known"] = SHARE
    canary_kinds: Annotated[tuple[Kind, ...], "of such questions"] = KINDS
    limits: Annotated[Limits, "beyond which the step fails, measured over all its answers"] = field(
        default_factory=Limits
    )
    grammars: Annotated[Grammars, "auto, bundle or wheels; for canaries"] = "auto"
    seed: Annotated[int, "of orders, answers and canaries; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        judging.check_models("judge_pairs", self.models)
        if self.votes < 2:
            raise PipelineError(f"judge_pairs: votes is {self.votes}; expected 2 or more: one in each order at least")
        if not 0.0 <= self.tie_margin <= 1.0:
            raise PipelineError(f"judge_pairs: tie_margin is {self.tie_margin}; expected 0 to 1")
        if self.mode == "text":
            judging.check_sampling("judge_pairs", self.temperature, self.votes)
        for name in self.also:
            criteria.by_name(name)

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        is_text = self.mode == "text"
        sampling = Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed)
        asked = Complete(
            template="judge_pairs" if is_text else "judge_pairs_by_label",
            models=self.models,
            ask=self.ask,
            parse=parse,
            receive=self.receive,
            columns=("row_id", "criterion", "also_matches", "language", "prompt", "chosen", "rejected", "written_by"),
            # Probabilities are read, not drawn: one word, greedily.
            sampling=sampling if is_text else Sampling(max_tokens=1, seed=self.seed),
            wants_probabilities=not is_text,
            max_failed=self.max_failed,
            audit=partial(judging.StepAudit, self.read, self.limits, self.models),
        )
        return rows.drop(self.drop_reason).complete(asked)

    @property
    def read(self) -> Reading:
        """What makes a judgement of an answer."""
        if self.mode == "text":
            return judging.read_vote
        return partial(judging.read_probabilities, margin=self.tie_margin)

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        rows = pairs.select(["prompt", "chosen", "rejected"]).to_pylist()
        return pa.array([f"too_long: {self.max_chars}" if self._is_long(row) else None for row in rows], pa.string())

    def _is_long(self, pair: Mapping[str, Any]) -> bool:
        return len(pair["prompt"] or "") + len(pair["chosen"]) + len(pair["rejected"]) > self.max_chars

    def ask(self, pairs: pa.Table) -> pa.Table:
        rows = pairs.to_pylist()
        canaries = judging.canaries_of(
            rows, seed=self.seed, share=self.canary_share, kinds=self.canary_kinds, grammars=self.grammars
        )
        questions: list[Question] = []
        for pair in rows:
            sides: dict[Side, str] = {"chosen": pair["chosen"], "rejected": pair["rejected"]}
            canary = canaries.get(pair["row_id"])
            for place, model in enumerate(self.models):
                for criterion in dict.fromkeys((pair["criterion"], *self.also)):
                    drawn = self.votes if self.mode == "text" else 2
                    split = judging.orders(drawn, pair["row_id"], model.name, criterion, seed=self.seed)
                    for first, votes in split.items():
                        asked = Asked(form="vote", criterion=criterion, first=first)
                        questions.append(self._question(pair, sides, asked, place, votes))
                if canary is not None:
                    [first] = judging.orders(1, "canary", pair["row_id"], model.name, seed=self.seed)
                    asked = Asked(form="vote", criterion=canary.criterion, first=first, canary=canary.kind)
                    made: dict[Side, str] = {"chosen": canary.new, "rejected": canary.old}
                    questions.append(self._question(pair, made, asked, place, 1))
        return question_table(questions)

    def _question(
        self, pair: Mapping[str, Any], sides: Mapping[Side, str], asked: Asked, place: int, votes: int
    ) -> Question:
        assert asked.first is not None
        shown = {"a": sides[asked.first], "b": sides[judging.other(asked.first)]}
        data = fence(**shown) if pair["prompt"] is None else fence(task=pair["prompt"], **shown)
        is_text = self.mode == "text"
        ticket = ticket_for(self.seed, pair["row_id"], asked.slot, data.shown.values()) if is_text else None
        system, user = render_messages(
            "judge_pair",
            criterion=criteria.by_name(asked.criterion),
            language=pair["language"],
            data=data,
            fields=_FIELDS if is_text else None,
            ticket=ticket,
        )
        return Question(
            row_id=pair["row_id"],
            slot=asked.slot,
            system=system,
            user=user,
            model=place,
            samples=votes,
            schema=None if ticket is None else json_schema(_FIELDS, ticket),
            choices=None if is_text else ("A", "B"),
            ticket=ticket,
        )

    def receive(self, pairs: pa.Table, answers: pa.Table) -> pa.Table:
        return judging.with_judgements(pairs, judging.by_row(judging.judged(answers, self.read)))


def parse(text: str, ticket: str | None) -> Parsed:
    return read_reply(text, ticket, _FIELDS)


STAGE = JudgePairs

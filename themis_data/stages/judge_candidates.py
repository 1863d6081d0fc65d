"""A tournament among the answers to a task, held by language models."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.code.contrast import fails_no_test
from themis_data.criteria import all_criteria
from themis_data.criteria import by_name as criterion_by_name
from themis_data.engine.requests import Model, Sampling
from themis_data.engine.rows import Complete, Parsed, Rows
from themis_data.errors import PipelineError
from themis_data.llm.prompting import Question, fence, question_table, ticket_for
from themis_data.llm.replies import Fields, OneOf, Text, json_schema, read_reply
from themis_data.llm.templates import render_messages
from themis_data.llm.tournament import OrderAudit, Verdict, bradley_terry, distinct, pairings
from themis_data.lookup import unknown
from themis_data.schema import schema

Mode = Literal["text", "label"]

_FIELDS: Fields = {"reason": Text(800, may_be_cut=True), "verdict": OneOf(("A", "B", "tie"))}
_SHARE = {"A": 1.0, "B": 0.0, "tie": 0.5}  # of the win that goes to the answer that stands first


@dataclass(frozen=True, kw_only=True)
class JudgeCandidates:
    """Lets models compare the candidates of a task two by two and writes each one's Bradley-Terry `score`, in log-odds
    with mean 0. Equal programs are one player. All comparisons of a task are known beforehand and asked at once, each
    in both orders; a round is one comparison with each of two others, so that their number grows with the players and
    not with its square.

    Tasks whose candidates were run pass untouched unless `when` is `always`; so do those with fewer than two different
    programs. By another criterion than functional correctness, only candidates that fail no test take part. Drops:
    `unjudged` (no comparison of the task has an answer that can be read).
    """

    reads: ClassVar[str] = "task"
    writes: ClassVar[str] = "task"
    version: ClassVar[int] = 1

    models: Annotated[tuple[Model, ...], "who judges; names of the pipeline's models"] = ()
    when: Annotated[Literal["untested", "always"], "which tasks: those whose candidates no test was run on, or all"] = (
        "untested"
    )
    criterion: Annotated[str, "by which answers are compared"] = "functional_correctness"
    rounds: Annotated[int, "in each an answer meets two others; half the answers and more: all meet all"] = 3
    mode: Annotated[Mode, "how a vote is taken: text (a verdict with a reason) or label (probabilities of A and B)"] = (
        "label"
    )
    votes: Annotated[int, "in text: of a model on a comparison, in each order"] = 1
    temperature: Annotated[float, "of drawing answers in words; 0 takes the likeliest words"] = 0.0
    top_p: Annotated[float, "share of the probability that words are drawn from, 0 to 1"] = 0.95
    max_tokens: Annotated[int, "tokens of an answer in words, thinking included"] = 2_560
    prior: Annotated[float, "games that each answer won, and lost, against one of average strength beforehand"] = 0.5
    max_flip_rate: Annotated[
        float | None, "share of comparisons whose verdict changes side with the order, beyond which the step fails"
    ] = 0.25
    max_failed: Annotated[float, "share of questions that may go without a readable answer, 0 to 1"] = 0.05
    seed: Annotated[int, "of who meets whom and of the draws; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        if self.criterion not in all_criteria():
            raise PipelineError(f"judge_candidates: {unknown('criterion', self.criterion, all_criteria())}")
        if self.rounds < 1 or self.votes < 1 or not self.prior > 0.0:
            raise PipelineError(
                f"judge_candidates: rounds, votes and prior are {self.rounds}, {self.votes} and {self.prior}; expected "
                f"at least 1, at least 1 and more than 0"
            )
        if self.votes > 1 and (self.mode == "label" or self.temperature == 0.0):
            raise PipelineError(
                f"judge_candidates: votes is {self.votes}, and all would be the same: set `mode: text` and a "
                f"temperature above 0"
            )

    def apply(self, rows: Rows) -> Rows:
        is_text = self.mode == "text"
        sampling = Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed)
        asked = Complete(
            template="judge_candidates" if is_text else "judge_candidates_by_label",
            models=self.models,
            ask=self.ask,
            parse=_parse,
            receive=self.receive,
            columns=("row_id", "prompt", "language", "candidates"),
            # Probabilities are read, not drawn: one word, greedily.
            sampling=sampling if is_text else Sampling(max_tokens=1, seed=self.seed),
            wants_probabilities=not is_text,
            max_failed=self.max_failed,
            audit=partial(OrderAudit, _votes, self.max_flip_rate),
        )
        return rows.complete(asked).drop(self.drop_reason)

    def ask(self, tasks: pa.Table) -> pa.Table:
        rows = tasks.select(["row_id", "prompt", "language", "candidates"]).to_pylist()
        return question_table(question for row in rows for question in self._questions(row))

    def receive(self, tasks: pa.Table, answers: pa.Table) -> pa.Table:
        """The tasks with scores, and the working column `reason`."""
        said: dict[str, list[tuple[int, int, float]]] = {row_id: [] for row_id in answers["about"].to_pylist()}
        for row_id, _, first, second, share in _votes(answers):
            said[row_id].append((first, second, share))
        candidates, reasons = [], []
        for row_id, own in zip(tasks["row_id"].to_pylist(), tasks["candidates"].to_pylist(), strict=True):
            votes = said.get(row_id)  # null where nothing was asked
            candidates.append(self._scored(own, votes) if votes else own)
            reasons.append("unjudged" if votes == [] else None)
        field = schema("task").arrow.field("candidates")
        tasks = tasks.set_column(tasks.column_names.index(field.name), field, pa.array(candidates, field.type))
        return tasks.append_column("reason", pa.array(reasons, pa.string()))

    def drop_reason(self, tasks: pa.Table) -> pa.Array:
        return tasks["reason"].combine_chunks()

    def _players(self, candidates: list[dict[str, Any]] | None) -> list[int]:
        """Places of the candidates that take part."""
        listed = candidates or []
        if self.when == "untested" and any(candidate["status"] is not None for candidate in listed):
            return []
        takes_all = self.criterion == "functional_correctness"
        codes = [one["code"] if takes_all or fails_no_test(one) else None for one in listed]
        return distinct(codes)

    def _questions(self, row: dict[str, Any]) -> list[Question]:
        players = self._players(row["candidates"])
        games = pairings(len(players), rounds=self.rounds, seed=self.seed, draw=row["row_id"])
        orders = [order for one, other in games for order in ((one, other), (other, one))]
        return [
            self._question(row, players[first], players[second], model)
            for first, second in orders
            for model in range(len(self.models))
        ]

    def _question(self, row: dict[str, Any], first: int, second: int, model: int) -> Question:
        shown = [row["prompt"], *(row["candidates"][place]["code"].strip("\n") for place in (first, second))]
        slot = f"{first}:{second}"
        is_text = self.mode == "text"
        ticket = ticket_for(self.seed, row["row_id"], slot, shown) if is_text else None
        system, user = render_messages(
            "judge_pair",
            criterion=criterion_by_name(self.criterion),
            language=row["language"],
            data=fence(task=shown[0], a=shown[1], b=shown[2]),
            fields=_FIELDS if is_text else None,
            ticket=ticket,
        )
        return Question(
            row_id=row["row_id"],
            slot=slot,
            system=system,
            user=user,
            model=model,
            samples=self.votes if is_text else 1,
            schema=None if ticket is None else json_schema(_FIELDS, ticket),
            choices=None if is_text else ("A", "B"),
            ticket=ticket,
        )

    def _scored(self, candidates: list[dict[str, Any]], said: list[tuple[int, int, float]]) -> list[dict[str, Any]]:
        players = self._players(candidates)
        number_of = {place: number for number, place in enumerate(players)}
        verdicts = [Verdict(number_of[first], number_of[second], share) for first, second, share in said]
        scores = bradley_terry(len(players), verdicts, prior=self.prior)
        score_of = {candidates[place]["code"]: score for place, score in zip(players, scores, strict=True)}
        return [
            candidate | {"score": score_of.get(candidate["code"]) if candidate["code"] is not None else None}
            for candidate in candidates
        ]


def _parse(text: str, ticket: str | None) -> Parsed:
    return read_reply(text, ticket, _FIELDS)


def _votes(answers: pa.Table) -> Iterator[tuple[str, str, int, int, float]]:
    """Row id, model, places of the first and the second answer shown, and the share of the win that the first gets."""
    for answer in answers.select(["about", "model", "slot", "value"]).to_pylist():
        if answer["value"] is not None:
            first, _, second = answer["slot"].partition(":")
            yield answer["about"], answer["model"], int(first), int(second), _share(json.loads(answer["value"]))


def _share(value: dict[str, Any]) -> float:
    """Of the win that goes to the first answer, by a verdict in words or by the probabilities of the labels."""
    return _SHARE[value["verdict"]] if "verdict" in value else float(value["A"])


STAGE = JudgeCandidates

"""Whether a change is as good as its message says: ratings by language models, some of which see no message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data import criteria
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.engine.requests import Model, Sampling
from themis_data.engine.rows import Complete, Parsed, Rows
from themis_data.errors import PipelineError
from themis_data.fingerprint import uniform
from themis_data.llm import judging
from themis_data.llm.audit import Limits
from themis_data.llm.canaries import KINDS, SHARE, Kind
from themis_data.llm.judging import Asked, Side
from themis_data.llm.prompting import Question, fence, question_table, ticket_for
from themis_data.llm.replies import Fields, OneOf, Text, Whole, json_schema, read_reply
from themis_data.llm.templates import render_messages

Rule = Literal["all", "majority", "mean"]

_NOTE = Text(600, may_be_cut=True)
_INFORMED: Fields = {
    "description": _NOTE,
    "single_intent": OneOf(("yes", "no")),
    "reason": _NOTE,
    "rating": Whole(1, 5),
}
_BLIND: Fields = {
    "description": _NOTE,
    "single_intent": OneOf(("yes", "no")),
    "reason": _NOTE,
    "better": OneOf(("1", "2", "neither")),
    "by_how_much": OneOf(("none", "slightly", "clearly", "must_have")),
}
_FIELDS = {"R": _INFORMED, "V": _BLIND}  # by the letter that tickets begin with


@dataclass(frozen=True, kw_only=True)
class ReviewChanges:
    """Has language models rate each commit's change by its criterion, and keeps what they agree is a real gain.

    Ratings: 1 worse or no better, 2 the same, 3 slightly better, 4 clearly better, 5 must have. An informed review sees
    the code before and after and the message; a blind one sees two versions in random order and neither message nor
    direction, and its answer is turned into a rating of the chosen side. Pairs that no commit gave pass untouched.

    Drops: `too_long` (more characters than are shown), `no_answer` (fewer readable ratings than needed, or no blind
    one; with the word that most of them failed by), `multi_intent` (half of the reviews or more see several purposes),
    `disagree` (ratings too far apart), `not_salient` (the rule is not met); the details are the ratings.
    What is kept has its ratings in `judgements`; evidence weaker than `judged` becomes that, with the mean rating as
    its strength.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    models: Annotated[tuple[Model, ...], "who reviews, by name under the pipeline's `models`"] = ()
    informed_votes: Annotated[int, "ratings a model that see message and direction, 0 or more"] = 1
    blind_votes: Annotated[int, "ratings a model that see neither, 1 or more; half of them in each order"] = 2
    rule: Annotated[Rule, "which ratings must reach the least: all, more than half, or their mean"] = "all"
    min_rating: Annotated[float, "least rating that counts, 1 to 5"] = 4.0
    min_votes: Annotated[int, "readable ratings a pair, at least"] = 2
    max_spread: Annotated[int | None, "steps between the lowest and the highest rating; null for no limit"] = 2
    needs_single_intent: Annotated[bool, "whether changes that serve several purposes go"] = True
    max_chars: Annotated[int, "characters of both sides and the message together"] = 48_000
    temperature: Annotated[float, "of drawing answers; 0 takes the likeliest words"] = 0.6
    top_p: Annotated[float, "share of the probability that words are drawn from, 0 to 1"] = 0.95
    max_tokens: Annotated[int, "tokens of an answer, thinking included"] = 1_024
    max_failed: Annotated[float, "share of questions that may go without a readable answer, 0 to 1"] = 0.05
    canary_share: Annotated[float, "share of the pairs with one more question whose answer is known"] = SHARE
    canary_kinds: Annotated[tuple[Kind, ...], "of such questions"] = KINDS
    limits: Annotated[Limits, "beyond which the step fails, measured over all its answers"] = field(
        default_factory=Limits
    )
    grammars: Annotated[Grammars, "auto, bundle or wheels; for canaries"] = "auto"
    seed: Annotated[int, "of orders, answers and canaries; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        judging.check_models("review_changes", self.models)
        if self.blind_votes < 1 or self.informed_votes < 0:
            raise PipelineError(
                f"review_changes: informed_votes is {self.informed_votes} and blind_votes {self.blind_votes}; expected "
                f"at least 0 and 1: whoever sees message and direction is told the answer, so some must not"
            )
        if not 1.0 <= self.min_rating <= 5.0:
            raise PipelineError(f"review_changes: min_rating is {self.min_rating}; expected 1 to 5")
        asked = (self.informed_votes + self.blind_votes) * len(self.models)
        if self.models and not 1 <= self.min_votes <= asked:
            raise PipelineError(
                f"review_changes: min_votes is {self.min_votes}, and {asked} ratings a pair are asked for; expected 1 "
                f"to {asked}"
            )
        judging.check_sampling("review_changes", self.temperature, self.blind_votes)
        judging.check_sampling("review_changes", self.temperature, 2 * self.informed_votes)

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        asked = Complete(
            template="review_changes",
            models=self.models,
            ask=self.ask,
            parse=parse,
            receive=self.receive,
            columns=(
                "row_id",
                "criterion",
                "also_matches",
                "language",
                "chosen",
                "rejected",
                "written_by",
                "commit",
                "message",
            ),
            sampling=Sampling(
                temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed
            ),
            max_failed=self.max_failed,
            audit=partial(judging.StepAudit, judging.read_review, self.limits, self.models),
        )
        return rows.complete(asked).drop(self.drop_reason)

    def ask(self, pairs: pa.Table) -> pa.Table:
        fit = [pair for pair in pairs.to_pylist() if _is_of_commit(pair) and not self._is_long(pair)]
        canaries = judging.canaries_of(
            fit, seed=self.seed, share=self.canary_share, kinds=self.canary_kinds, grammars=self.grammars
        )
        questions: list[Question] = []
        for pair in fit:
            sides: dict[Side, str] = {"chosen": pair["chosen"], "rejected": pair["rejected"]}
            canary = canaries.get(pair["row_id"])
            for place, model in enumerate(self.models):
                of_model = pair["row_id"], model.name
                if self.informed_votes:
                    asked = Asked(form="informed", criterion=pair["criterion"])
                    questions.append(self._question(pair, sides, asked, place, self.informed_votes))
                for first, votes in judging.orders(self.blind_votes, *of_model, seed=self.seed).items():
                    asked = Asked(form="blind", criterion=pair["criterion"], first=first)
                    questions.append(self._question(pair, sides, asked, place, votes))
                if canary is not None:
                    [first] = judging.orders(1, "canary", *of_model, seed=self.seed)
                    # Whoever is told the direction is the easier to fool, so half of the canaries tell it.
                    is_told = self.informed_votes > 0 and uniform(self.seed, "canary form", *of_model) < 0.5
                    asked = Asked(
                        form="informed" if is_told else "blind",
                        criterion=canary.criterion,
                        first=None if is_told else first,
                        canary=canary.kind,
                    )
                    questions.append(
                        self._question(pair, {"chosen": canary.new, "rejected": canary.old}, asked, place, 1)
                    )
        return question_table(questions)

    def _question(
        self, pair: Mapping[str, Any], sides: Mapping[Side, str], asked: Asked, place: int, votes: int
    ) -> Question:
        if asked.first is None:
            template, letter = "review_change", "R"
            data = fence(older=sides["rejected"], newer=sides["chosen"], message=pair["message"])
        else:
            template, letter = "review_versions", "V"
            data = fence(version_1=sides[asked.first], version_2=sides[judging.other(asked.first)])
        fields = _FIELDS[letter]
        ticket = letter + ticket_for(self.seed, pair["row_id"], asked.slot, data.shown.values())
        system, user = render_messages(
            template,
            criterion=criteria.by_name(asked.criterion),
            language=pair["language"],
            data=data,
            fields=fields,
            ticket=ticket,
        )
        return Question(
            row_id=pair["row_id"],
            slot=asked.slot,
            system=system,
            user=user,
            model=place,
            samples=votes,
            schema=json_schema(fields, ticket),
            ticket=ticket,
        )

    def _is_long(self, pair: Mapping[str, Any]) -> bool:
        return sum(len(pair[name]) for name in ("chosen", "rejected", "message")) > self.max_chars

    def receive(self, pairs: pa.Table, answers: pa.Table) -> pa.Table:
        """The pairs with their ratings, and a working column with the reason of those that go."""
        entries = judging.by_row(judging.judged(answers, judging.read_review))
        reasons: list[str | None] = []
        evidence, strength, unit = (pairs[name].to_pylist() for name in ("evidence", "strength", "strength_unit"))
        names = ("row_id", "chosen", "rejected", "commit", "message")
        for place, pair in enumerate(pairs.select(names).to_pylist()):
            reason = None
            if _is_of_commit(pair):
                found = entries.get(pair["row_id"], [])
                reason = f"too_long: {self.max_chars}" if self._is_long(pair) else self._reason(found)
                if reason is None and judging.is_weaker(evidence[place]):
                    ratings = [entry["rating"] for entry in found if entry["rating"] is not None]
                    evidence[place], strength[place], unit[place] = "judged", fmean(ratings), judging.RATING_UNIT
            reasons.append(reason)
        pairs = judging.replaced(pairs, evidence=evidence, strength=strength, strength_unit=unit)
        return judging.with_judgements(pairs, entries).append_column("reason", pa.array(reasons, pa.string()))

    def _reason(self, entries: list[dict[str, Any]]) -> str | None:
        read = [entry for entry in entries if entry["rating"] is not None]
        if len(read) < self.min_votes or not any(entry["is_blind"] for entry in read):
            return judging.no_answer(entry["failure"] for entry in entries if entry["failure"] is not None)
        ratings = [entry["rating"] for entry in read]
        told = ",".join(map(str, ratings))
        if self.needs_single_intent and 2 * sum(entry["single_intent"] for entry in read) <= len(read):
            return f"multi_intent: {told}"
        if self.max_spread is not None and max(ratings) - min(ratings) > self.max_spread:
            return f"disagree: {told}"
        return None if self._is_salient(ratings) else f"not_salient: {told}"

    def _is_salient(self, ratings: list[int]) -> bool:
        if self.rule == "mean":
            return fmean(ratings) >= self.min_rating
        num_high = sum(rating >= self.min_rating for rating in ratings)
        return num_high == len(ratings) if self.rule == "all" else 2 * num_high > len(ratings)

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return pairs["reason"].combine_chunks()


def parse(text: str, ticket: str | None) -> Parsed:
    """What a review says: its ticket begins with the letter of what it was asked."""
    assert ticket is not None
    return read_reply(text, ticket, _FIELDS[ticket[0]])


def _is_of_commit(pair: Mapping[str, Any]) -> bool:
    return pair["commit"] is not None and pair["message"] is not None


STAGE = ReviewChanges

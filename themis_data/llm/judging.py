"""Judgements of pairs: what is asked in which order, and what the answers say, as entries of the schema `judgement`."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import pyarrow as pa

from themis_data.code.grammars import Grammars
from themis_data.code.guard import Crashed, shared_guard
from themis_data.code.language import all_languages, by_name
from themis_data.criteria import EVIDENCE
from themis_data.engine.requests import Model
from themis_data.errors import PipelineError
from themis_data.fingerprint import uniform
from themis_data.llm.audit import Audit, Limits
from themis_data.llm.canaries import Canary, Kind, draw_canary, is_canary
from themis_data.llm.families import family_of
from themis_data.schema import schema

Side = Literal["chosen", "rejected"]
SIDES: tuple[Side, Side] = ("chosen", "rejected")
# A review that is told which side came later, one that is not, and a vote between two answers.
Form = Literal["informed", "blind", "vote"]
FORMS: tuple[Form, ...] = ("informed", "blind", "vote")
CANARY_COLUMNS = ("row_id", "criterion", "also_matches", "language", "chosen", "rejected")  # of pairs
RATING_UNIT = "rating_1_to_5"
SHARE_UNIT = "share_of_votes"
_CANARY = "canary-"
# What a review in two versions says of the one that it names.
_RATINGS = {"must_have": 5, "clearly": 4, "slightly": 3}
_SAME, _WORSE = 2, 1


def other(side: Side) -> Side:
    return "rejected" if side == "chosen" else "chosen"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a slot says of its question."""

    form: Form
    criterion: str
    first: Side | None = None  # which stands first; null where the model is told which came later
    canary: str | None = None  # the kind of a question with a known answer; its chosen side is the new one

    @property
    def slot(self) -> str:
        return f"{_CANARY + self.canary + ':' if self.canary else ''}{self.form}:{self.criterion}:{self.first or ''}"

    @classmethod
    def of(cls, slot: str) -> "Asked":
        """Of what `slot` gave."""
        *before, form, criterion, first = slot.split(":")
        return cls(
            form=next(known for known in FORMS if known == form),
            criterion=criterion,
            first=next((side for side in SIDES if side == first), None),
            canary=before[0].removeprefix(_CANARY) if before else None,
        )


def orders(votes: int, *drawn_from: str, seed: int) -> dict[Side, int]:
    """How many of some votes see each side first: half of them each, and an odd one as drawn; none is left out."""
    extra: Side = "chosen" if uniform(seed, "order", *drawn_from) < 0.5 else "rejected"
    counts: dict[Side, int] = {side: votes // 2 + (votes % 2) * (side == extra) for side in SIDES}
    return {side: count for side, count in counts.items() if count}


def check_models(where: str, models: Sequence[Model]) -> None:
    """Raises PipelineError for two models of one name: they would be the same one to whoever reads judgements."""
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PipelineError(f"{where}: models has {twice[0]!r} twice; name it once, with more votes")


def check_sampling(where: str, temperature: float, votes: int) -> None:
    """Raises PipelineError for several answers to one question that are the same by how they are drawn."""
    if temperature == 0.0 and votes > 2:
        raise PipelineError(
            f"{where}: {votes} votes of a model at temperature 0 are at most two answers, one an order; expected a "
            f"temperature above 0, or at most 2 votes"
        )


def canaries_of(
    pairs: Iterable[Mapping[str, Any]], *, seed: int, share: float, kinds: tuple[Kind, ...], grammars: Grammars
) -> dict[str, Canary]:
    """The questions with a known answer among some pairs, by row id; a crash of a grammar costs one of them.

    None of pairs in what is no programming language, for canaries are made of code.
    """
    drawn = [
        pair
        for pair in pairs
        if pair["language"] in all_languages() and is_canary(pair["row_id"], seed=seed, share=share)
    ]
    calls = [
        ({name: pair[name] for name in CANARY_COLUMNS}, seed, _makeable(kinds, pair["language"]), grammars)
        for pair in drawn
    ]
    made = shared_guard().map(_canary, calls) if calls else []
    return {
        pair["row_id"]: one
        for pair, one in zip(drawn, made, strict=True)
        if one is not None and not isinstance(one, Crashed)
    }


def _makeable(kinds: tuple[Kind, ...], language: str) -> tuple[Kind, ...]:
    """Those of the kinds that need no grammar where there may be none."""
    is_parsed = by_name(language).published_as is not None
    return tuple(kind for kind in kinds if is_parsed or kind != "comment_only")


def _canary(pair: Mapping[str, Any], seed: int, kinds: tuple[Kind, ...], grammars: Grammars) -> Canary | None:
    return draw_canary(
        chosen=pair["chosen"],
        rejected=pair["rejected"],
        criterion=pair["criterion"],
        also_matches=tuple(pair["also_matches"]),
        language=pair["language"],
        draw=(seed, pair["row_id"]),
        kinds=kinds,
        grammars=grammars,
    )


Reading = Callable[[Asked, Any], dict[str, Any]]


def read_review(asked: Asked, said: Mapping[str, Any]) -> dict[str, Any]:
    """A review's rating of the chosen side; as a verdict 1 is for the rejected side, 2 a tie and 3 and more chosen."""
    if asked.form == "informed":
        rating = said["rating"]
    elif said["better"] == "neither" or said["by_how_much"] == "none":
        rating = _SAME
    else:
        assert asked.first is not None
        better = asked.first if said["better"] == "1" else other(asked.first)
        rating = _RATINGS[said["by_how_much"]] if better == "chosen" else _WORSE
    verdict = "rejected" if rating == _WORSE else "tie" if rating == _SAME else "chosen"
    return {"verdict": verdict, "rating": rating, "single_intent": said["single_intent"] == "yes"}


def read_vote(asked: Asked, said: Mapping[str, Any]) -> dict[str, Any]:
    """A vote in words."""
    assert asked.first is not None
    verdicts = {"A": asked.first, "B": other(asked.first), "tie": "tie"}
    return {"verdict": verdicts[said["verdict"]]}


def read_probabilities(asked: Asked, said: Mapping[str, float], *, margin: float) -> dict[str, Any]:
    """A vote by the probabilities of A and B: a tie where they are closer than the margin."""
    assert asked.first is not None
    chosen = said["A"] if asked.first == "chosen" else said["B"]
    rejected = said["B"] if asked.first == "chosen" else said["A"]
    share = chosen / (chosen + rejected) if chosen + rejected > 0 else 0.5
    distance = 2 * share - 1
    verdict = "tie" if abs(distance) < margin or distance == 0 else "chosen" if distance > 0 else "rejected"
    return {"verdict": verdict, "probability": share}


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One judgement: about which row, whether of a canary, and the entry of the schema `judgement`."""

    about: str
    canary: str | None
    entry: dict[str, Any]


def judged(answers: pa.Table, read: Reading) -> list[Judged]:
    """What each answer says, in order; one that cannot be read has its failure and no verdict."""
    found = []
    for answer in answers.to_pylist():
        asked = Asked.of(answer["slot"])
        entry = dict.fromkeys(schema("judgement").names) | {
            "answer": answer["row_id"],
            "kind": "vote" if asked.form == "vote" else "review",
            "model": answer["model"],
            "revision": answer["revision"],
            "criterion": asked.criterion,
            "sample": answer["sample"],
            "shown_first": asked.first,
            "is_blind": asked.form != "informed",
            "failure": answer["failure"],
        }
        if answer["value"] is not None:
            entry |= read(asked, json.loads(answer["value"]))
        found.append(Judged(about=answer["about"], canary=asked.canary, entry=entry))
    return found


def by_row(found: Iterable[Judged]) -> dict[str, list[dict[str, Any]]]:
    """The entries about each row, without those of canaries."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        if one.canary is None:
            entries.setdefault(one.about, []).append(one.entry)
    return entries


def with_judgements(pairs: pa.Table, new: Mapping[str, Sequence[Mapping[str, Any]]]) -> pa.Table:
    """The pairs with further entries behind those they have; null stays where there are none.

    An answer that a pair has already, by another step that asked the same, is not written twice.
    """
    joined = []
    for row_id, old in zip(pairs["row_id"].to_pylist(), pairs["judgements"].to_pylist(), strict=True):
        known = {entry["answer"] for entry in old or ()}
        further = [entry for entry in new.get(row_id, ()) if entry["answer"] not in known]
        joined.append([*(old or ()), *further] if further else old)
    return replaced(pairs, judgements=joined)


def replaced(table: pa.Table, **columns: Sequence[Any]) -> pa.Table:
    """The table with other values in some of its columns."""
    for name, values in columns.items():
        place = table.column_names.index(name)
        field = table.schema.field(name)
        table = table.set_column(place, field, pa.array(values, field.type))
    return table


def is_weaker(evidence: str) -> bool:
    """Whether evidence tells less than judgements do."""
    return EVIDENCE.index(evidence) > EVIDENCE.index("judged")


def no_answer(failures: Iterable[str]) -> str:
    """The reason of a row that got too few answers: the word that most of them failed by."""
    counted = Counter(failures).most_common()
    return f"no_answer: {min((-count, word) for word, count in counted)[1]}" if counted else "no_answer"


class StepAudit:
    """What a step that judges measures of its own judgements, and holds to limits."""

    def __init__(self, read: Reading, limits: Limits, models: Sequence[Model]) -> None:
        self._families = {model.name: model.family for model in models}
        self._read, self._limits = read, limits
        self._audit = Audit(family_of=self._family_of)

    def add(self, rows: pa.Table, answers: pa.Table) -> None:
        """Count a batch of pairs and the answers about them."""
        names = ("row_id", "language", "chosen", "rejected", "written_by")
        of = {row["row_id"]: row for row in rows.select(names).to_pylist()}
        found = [
            one.entry
            | {
                "row_id": one.about,
                "language": of[one.about]["language"],
                "chosen_chars": len(of[one.about]["chosen"]),
                "rejected_chars": len(of[one.about]["rejected"]),
                "canary": one.canary,
                "generator": self._generator(of[one.about]["written_by"] or [], one.entry["model"]),
            }
            for one in judged(answers, self._read)
        ]
        self._audit.add(pa.Table.from_pylist(found, schema=_flat()))

    def _family_of(self, name: str) -> str | None:
        return self._families.get(name) or family_of(name)

    def _generator(self, writers: Sequence[str], judge: str) -> str | None:
        """Who wrote a side: of several, one of the judge's family first, for that is what is looked for."""
        own = [writer for writer in writers if self._family_of(writer) == self._family_of(judge) is not None]
        return next(iter([*own, *writers]), None)

    def record(self) -> dict[str, Any]:
        return self._audit.record()

    def breaches(self) -> list[str]:
        return self._audit.breaches(self._limits)


@cache
def _flat() -> pa.Schema:
    more = {name: pa.string() for name in ("row_id", "language", "canary", "generator")}
    return pa.schema(
        [*schema("judgement").arrow, *pa.schema(more), ("chosen_chars", pa.int64()), ("rejected_chars", pa.int64())]
    )

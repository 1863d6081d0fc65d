"""Pairs out of several answers to one task, by how they ran or by what judges said of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import pyarrow as pa

from themis_data.code.compare import surface_difference
from themis_data.code.contrast import fails_no_test, kind_of_run, num_beside
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.guard import Crashed, shared_guard
from themis_data.code.language import by_name as language_by_name
from themis_data.code.syntax import code_tokens
from themis_data.criteria import all_criteria
from themis_data.engine.rows import Rows
from themis_data.errors import PipelineError
from themis_data.fingerprint import digest, uniform
from themis_data.llm.programs import task_pair, wrapped
from themis_data.llm.tournament import win_probability
from themis_data.lookup import unknown
from themis_data.schema import schema
from themis_data.text.changes import line_changes

EXECUTED_FOR = "functional_correctness"  # what tests show
_LAYOUT_COUNTS_FOR = "readability_and_maintainability"  # there comments and names are what makes the better answer
_OPTIONS = 3  # times the pairs wanted: some turn out to be nearly identical
_PAIR = pa.struct(
    [
        ("chosen", pa.large_string()),
        ("rejected", pa.large_string()),
        ("strength", pa.float64()),
        ("detail", pa.large_string()),
        ("written_by", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class PairCandidates:
    """Makes pairs of the candidates of a task. Where they were run, chosen passes all tests, and rejected passes some
    and fails others by wrong output; where judges compared them, chosen has the highest score and rejected a lower
    one. Both sides are the bare programs, or both stand in the same fence.

    Of candidates that crash, run out of time or raise, a seeded few are rejected sides: `max_crash_share` of the pairs
    at most. Programs that a compiler would not tell apart never meet. Among equals, chosen is an answer of the model
    that gave rejected, and of like length.

    Drops: `no_candidate` (no answer holds a program), `untested` (none was run or, as `by` has it, judged) and
    `no_contrast` (there is no such pair; the detail counts the candidates).
    """

    reads: ClassVar[str] = "task"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    by: Annotated[
        Literal["auto", "tests", "judges"],
        "what decides: tests, or judges among the candidates that fail no test; auto for tests where there were any",
    ] = "auto"
    criterion: Annotated[str, "by which chosen is better; what the judges were asked about"] = EXECUTED_FOR
    max_per_task: Annotated[int, "pairs a task"] = 3
    hard_first: Annotated[bool, "whether pairs that are hard to tell apart come first; else the seed draws"] = True
    max_crash_share: Annotated[float, "share of the executed pairs whose rejected side breaks, at most, 0 to 0.5"] = 0.2
    min_score_gap: Annotated[float, "by which chosen beats rejected with the judges, log-odds (1.1 is 3 to 1)"] = 1.1
    same_model: Annotated[bool, "whether both sides must be answers of one model"] = False
    wrapper: Annotated[Literal["bare", "fenced"], "of both sides: the program alone, or in a fence"] = "bare"
    generator_terms: Annotated[str, "what the models' terms say of their output, for label_detail; empty for none"] = ""
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"
    published_as: Annotated[str | None, "what the pairs' source says; null: Sampled and the data set's name"] = None
    seed: Annotated[int, "of what is drawn among equals; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        if self.criterion not in all_criteria():
            raise PipelineError(f"pair_candidates: {unknown('criterion', self.criterion, all_criteria())}")
        if self.by != "judges" and self.criterion != EXECUTED_FOR:
            raise PipelineError(
                f"pair_candidates: tests show {EXECUTED_FOR} and nothing of {self.criterion}; set `by: judges`"
            )
        if not 0.0 <= self.max_crash_share <= 0.5:
            raise PipelineError(f"pair_candidates: max_crash_share is {self.max_crash_share}; expected 0 to 0.5")
        if self.max_per_task < 1:
            raise PipelineError(f"pair_candidates: max_per_task is {self.max_per_task}; expected 1 or more")

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.search).drop(self.drop_reason).map(self.to_pairs, splits=True)

    def search(self, tasks: pa.Table) -> pa.Table:
        """The tasks with working columns: `pairs`, and `reason` where there are none."""
        rows = tasks.to_pylist()
        players = self._players(rows)
        options = [self._options(row, own) for row, own in zip(rows, players, strict=True)]
        are_apart = iter(self._are_apart(rows, options))
        pairs: list[list[dict[str, Any]]] = []
        reasons: list[str | None] = []
        for row, own, offered in zip(rows, players, options, strict=True):
            apart = [option for option in offered if next(are_apart)]
            kept = self._within_bounds(row["row_id"], apart)
            pairs.append([self._found(row["language"], option) for option in kept])
            reasons.append(None if kept else self._why_none(row, own, offered))
        tasks = tasks.append_column("pairs", pa.array(pairs, pa.list_(_PAIR)))
        return tasks.append_column("reason", pa.array(reasons, pa.string()))

    def drop_reason(self, tasks: pa.Table) -> pa.Array:
        return tasks["reason"].combine_chunks()

    def to_pairs(self, tasks: pa.Table) -> pa.Table:
        columns: dict[str, list[Any]] = {}
        for row in tasks.to_pylist():
            evidence = self._evidence(row)
            for found in row["pairs"]:
                for name, value in self._pair(row, found, evidence).items():
                    columns.setdefault(name, []).append(value)
        return schema("pair").table(columns) if columns else schema("pair").empty()

    def _pair(
        self, row: dict[str, Any], found: dict[str, Any], evidence: Literal["executed", "judged"] | None
    ) -> dict[str, Any]:
        return task_pair(
            row,
            source=self.published_as or f"Sampled-{row['source']}",
            criterion=self.criterion,
            chosen=found["chosen"],
            rejected=found["rejected"],
            written_by=found["written_by"],
            evidence=evidence,
            strength=found["strength"],
            strength_unit="share_of_tests_failed" if evidence == "executed" else "win_probability",
            label_detail=found["detail"],
        )

    def _evidence(self, row: dict[str, Any]) -> Literal["executed", "judged"] | None:
        """What decides about this task's candidates; null where nothing was done that could."""
        was_run = any(candidate["status"] is not None for candidate in row["candidates"] or ())
        if was_run and self.by != "judges":
            return "executed"
        was_judged = any(candidate["score"] is not None for candidate in row["candidates"] or ())
        return "judged" if was_judged and self.by != "tests" else None

    def _players(self, rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Of each task the candidates with a program, of equal programs the first: equal in their tokens, or where
        layout counts, in every sign."""
        listed = [[c for c in row["candidates"] or () if c["code"] is not None] for row in rows]
        calls = [
            (c["code"], row["language"], self.grammars) for row, own in zip(rows, listed, strict=True) for c in own
        ]
        key_of = text_key if self.criterion == _LAYOUT_COUNTS_FOR else tokens_key
        keys = iter(shared_guard().map(key_of, calls))
        players = []
        for own in listed:
            first: dict[str, dict[str, Any]] = {}
            for candidate in own:
                key = next(keys)
                if not isinstance(key, Crashed):  # what brings a parser down is nothing to learn from
                    first.setdefault(key, candidate)
            players.append(list(first.values()))
        return players

    def _options(self, row: dict[str, Any], players: list[dict[str, Any]]) -> list["_Option"]:
        """Pairs that could be made, in the order in which they are wanted, more than are wanted."""
        evidence = self._evidence(row)
        draw = partial(_draw, self.seed, row["row_id"])
        if evidence == "executed":
            return self._executed(players, draw)
        return self._judged(players, draw) if evidence == "judged" else []

    def _executed(self, players: list[dict[str, Any]], draw: "_Draw") -> list["_Option"]:
        kinds: dict[str, list[dict[str, Any]]] = {}
        for one in players:
            kinds.setdefault(kind_of_run(one), []).append(one)
        passing = kinds.get("passes", [])
        used: Counter[str] = Counter()
        options: list[_Option] = []
        for kind in ("wrong_output", "breaks"):
            worse = sorted(kinds.get(kind, []), key=draw)
            if self.hard_first:
                worse.sort(key=lambda one: -one["passed"] / max(1, one["passed"] + one["failed"]))
            made = 0
            for rejected in worse:
                partners = [one for one in passing if not self.same_model or one["model"] == rejected["model"]]
                if not partners or made == _OPTIONS * self.max_per_task:
                    continue
                chosen = min(partners, key=lambda one: _distance(one, rejected, used, draw))
                used[chosen["answer"]] += 1
                made += 1
                options.append(_Option(chosen, rejected, *_ran(chosen, rejected), breaks=kind == "breaks"))
        return options

    def _judged(self, players: list[dict[str, Any]], draw: "_Draw") -> list["_Option"]:
        scored = [one for one in players if one["score"] is not None and fails_no_test(one)]
        ranked = sorted(scored, key=lambda one: (-one["score"], draw(one)))
        if not ranked:
            return []
        top, *others = ranked
        lower = [
            one
            for one in others
            if top["score"] - one["score"] >= self.min_score_gap
            and (not self.same_model or one["model"] == top["model"])
        ]
        lower.sort(key=lambda one: (-one["score"], draw(one)) if self.hard_first else (0.0, draw(one)))
        return [
            _Option(top, one, *_was_judged(top, one, len(scored)), breaks=False)
            for one in lower[: _OPTIONS * self.max_per_task]
        ]

    def _are_apart(self, rows: Sequence[dict[str, Any]], options: Sequence[list["_Option"]]) -> list[bool]:
        """Of each option whether its programs differ in more than layout, comments and names."""
        calls = [
            (option.chosen["code"], option.rejected["code"], row["language"], self.grammars)
            for row, offered in zip(rows, options, strict=True)
            for option in offered
        ]
        allowed = (None, "comment_only", "renamed") if self.criterion == _LAYOUT_COUNTS_FOR else (None,)
        return [difference in allowed for difference in shared_guard().map(surface_of, calls)]

    def _within_bounds(self, row_id: str, options: list["_Option"]) -> list["_Option"]:
        kept = [option for option in options if not option.breaks][: self.max_per_task]
        places = num_beside(len(kept), self.max_crash_share, seed=self.seed, draw=row_id)
        breaking = [option for option in options if option.breaks]
        return kept + breaking[: min(places, self.max_per_task - len(kept))]

    def _found(self, language: str, option: "_Option") -> dict[str, Any]:
        chosen, rejected = wrapped([option.chosen["code"], option.rejected["code"]], language, self.wrapper)
        terms = f"; terms of the models: {self.generator_terms}" if self.generator_terms else ""
        return {
            "chosen": chosen,
            "rejected": rejected,
            "strength": option.strength,
            "detail": f"{option.detail}{terms}",
            "written_by": sorted({option.chosen["model"], option.rejected["model"]}),
        }

    def _why_none(self, row: dict[str, Any], players: list[dict[str, Any]], options: list["_Option"]) -> str:
        if not players:
            return "no_candidate"
        evidence = self._evidence(row)
        if evidence is None:
            return f"untested: {len(players)} programs"
        if options and not all(option.breaks for option in options):
            return f"no_contrast: {len(options)} pairs of nearly identical programs"
        if evidence == "executed":
            counts = Counter(kind_of_run(one) for one in players)
            return "no_contrast: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        scores = [one["score"] for one in players if one["score"] is not None and fails_no_test(one)]
        spread = max(scores) - min(scores) if scores else 0.0
        return f"no_contrast: scores of {len(scores)} programs lie within {spread:.2f}"


class _Option(NamedTuple):
    """A pair that could be made."""

    chosen: dict[str, Any]  # candidates
    rejected: dict[str, Any]
    strength: float
    detail: str
    breaks: bool  # whether rejected crashes, runs out of time or raises


_Draw = Callable[[dict[str, Any]], float]


def _draw(seed: int, row_id: str, candidate: dict[str, Any]) -> float:
    return uniform(seed, "pair", row_id, candidate["answer"])


def _distance(
    chosen: dict[str, Any], rejected: dict[str, Any], used: Counter[str], draw: _Draw
) -> tuple[int, bool, int, float]:
    """The less, the better a partner: a new one, of the same model, and of like length, which then tells nothing."""
    longer = abs(len(chosen["code"]) - len(rejected["code"]))
    return used[chosen["answer"]], chosen["model"] != rejected["model"], longer, draw(chosen)


def _ran(chosen: dict[str, Any], rejected: dict[str, Any]) -> tuple[float, str]:
    """Strength and detail of an executed pair."""
    passed, failed, raised = rejected["passed"], rejected["failed"], rejected["raised"]
    who, total = _who(chosen, rejected), chosen["passed"]
    if rejected["status"] == "ok" and not raised:
        return failed / (passed + failed), f"{who}; {failed} of {passed + failed} tests fail by wrong output"
    how = f"{raised} raise" if rejected["status"] == "ok" else f"it ended with {rejected['status']}"
    return min(1.0, max(0.0, 1.0 - passed / total)), f"{who}; {passed} of {total} tests pass, {how}"


def _was_judged(chosen: dict[str, Any], rejected: dict[str, Any], size: int) -> tuple[float, str]:
    scores = f"Bradley-Terry scores {chosen['score']:.2f} and {rejected['score']:.2f} among {size} programs"
    return win_probability(chosen["score"] - rejected["score"]), f"{_who(chosen, rejected)}; {scores}"


def _who(chosen: dict[str, Any], rejected: dict[str, Any]) -> str:
    return f"chosen by {chosen['model']} ({chosen['sample']}), rejected by {rejected['model']} ({rejected['sample']})"


def text_key(code: str, _language: str, _grammars: Grammars) -> str:
    """The same for equal programs."""
    return code


def tokens_key(code: str, language: str, grammars: Grammars) -> str:
    """The same for programs that differ in layout and comments alone; called in the guard's process."""
    if language_by_name(language).published_as is None:
        return digest(code)
    return digest(code_tokens(code.encode(), language, drop_docstrings=True, grammars=grammars))


def surface_of(chosen: str, rejected: str, language: str, grammars: Grammars) -> str | None:
    """How little two programs differ, null for enough; called in the guard's process."""
    if language_by_name(language).published_as is None:
        return None if chosen.split() != rejected.split() else "whitespace_only"
    changed = line_changes(rejected, chosen).ranges
    return surface_difference(rejected, chosen, language, changed=changed, grammars=grammars)


STAGE = PairCandidates

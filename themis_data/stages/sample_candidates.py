"""Several answers of language models to each task."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.engine.requests import Model, Sampling
from themis_data.engine.rows import Complete, Rows
from themis_data.llm.programs import read_program
from themis_data.llm.prompting import Question, break_special_tokens, question_table
from themis_data.llm.templates import render_messages
from themis_data.schema import schema

TEMPLATE = "sample_candidates"


@dataclass(frozen=True, kw_only=True)
class SampleCandidates:
    """Asks each model for several answers to a task and keeps all of them in `candidates`: those that hold a program,
    and those that do not with why (`failure`): `empty`, `no_code`, `cut` by the most tokens, or the backend's word.

    Candidates that are there already stay in front, so that steps with other settings can follow one another. Drops:
    `no_candidate` (no answer holds a program; the detail counts why).
    """

    reads: ClassVar[str] = "task"
    writes: ClassVar[str] = "task"
    version: ClassVar[int] = 1

    models: Annotated[tuple[Model, ...], "who answers; names of the pipeline's models"] = ()
    samples: Annotated[int, "answers of each model to a task"] = 4
    temperature: Annotated[float, "of the draw; 0 gives the likeliest answer each time"] = 0.8
    top_p: Annotated[float, "share of the probability that tokens are drawn from, 0 to 1"] = 0.95
    max_tokens: Annotated[int, "tokens of an answer"] = 2048
    max_failed: Annotated[float, "share of the answers that may hold no program; beyond it the step fails"] = 0.2
    seed: Annotated[int, "of the draws; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples is {self.samples}; a model gives at least one answer")
        if self.samples > 1 and self.temperature == 0.0:
            raise ValueError(f"samples is {self.samples} and temperature 0: all answers of a model would be the same")

    def apply(self, rows: Rows) -> Rows:
        asked = Complete(
            template=TEMPLATE,
            models=self.models,
            ask=self.ask,
            parse=read_program,
            receive=self.receive,
            columns=("row_id", "prompt", "language"),
            sampling=Sampling(
                temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed
            ),
            max_failed=self.max_failed,
        )
        return rows.complete(asked).drop(self.drop_reason)

    def ask(self, tasks: pa.Table) -> pa.Table:
        questions = []
        for row in tasks.select(["row_id", "prompt", "language"]).to_pylist():
            messages = render_messages(TEMPLATE, prompt=break_special_tokens(row["prompt"]), language=row["language"])
            questions += [
                Question(
                    row_id=row["row_id"],
                    slot="candidate",
                    system=messages.system,
                    user=messages.user,
                    model=place,
                    samples=self.samples,
                )
                for place in range(len(self.models))
            ]
        return question_table(questions)

    def receive(self, tasks: pa.Table, answers: pa.Table) -> pa.Table:
        """The tasks with the new candidates behind those they had."""
        new: dict[str, list[dict[str, Any]]] = {}
        for answer in answers.to_pylist():
            new.setdefault(answer["about"], []).append(_candidate(answer))
        all_of = []
        for row_id, known in zip(tasks["row_id"].to_pylist(), tasks["candidates"].to_pylist(), strict=True):
            keys = {candidate["answer"] for candidate in known or ()}
            all_of.append([*(known or ()), *(one for one in new.get(row_id, ()) if one["answer"] not in keys)])
        field = schema("task").arrow.field("candidates")
        return tasks.set_column(tasks.column_names.index(field.name), field, pa.array(all_of, field.type))

    def drop_reason(self, tasks: pa.Table) -> pa.Array:
        return pa.array([_why_none(candidates) for candidates in tasks["candidates"].to_pylist()], pa.string())


def _candidate(answer: dict[str, Any]) -> dict[str, Any]:
    code = json.loads(answer["value"]) if answer["value"] is not None else None
    failure = answer["failure"]
    if code is not None and answer["finish"] == "length":  # the rest of a program that was cut says nothing about it
        code, failure = None, "cut"
    same = {name: answer[name] for name in ("model", "revision", "sample", "text")}
    return {"answer": answer["row_id"], **same, "code": code, "failure": failure}


def _why_none(candidates: list[dict[str, Any]]) -> str | None:
    if any(candidate["code"] is not None for candidate in candidates):
        return None
    failures = Counter(candidate["failure"] for candidate in candidates)
    told = ", ".join(f"{count} {failure}" for failure, count in sorted(failures.items()))
    return f"no_candidate: {told or 'no model was asked'}"


STAGE = SampleCandidates

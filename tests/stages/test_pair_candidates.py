"""Pairs of candidates: which meet, what both sides look like, and why a task gives none."""

import math
from pathlib import Path
from typing import Any

import pytest
from builds import candidates, run_stage, tasks

from themis_data.fingerprint import pair_id
from themis_data.stages.pair_candidates import PairCandidates

GOOD, ALSO_GOOD, WRONG, WORSE, LOUD = (
    f"def f(x):\n    return {body}\n" for body in ("x + 1", "1 + x", "x + 2", "x * 0", "x / 0")
)


def run(*results: tuple[str, int, int, int]) -> dict[str, list[Any]]:
    """(status, passed, failed, raised) of each candidate."""
    return dict(zip(("status", "passed", "failed", "raised"), map(list, zip(*results, strict=True)), strict=True))


PASSES, NEARLY, HARDLY = ("ok", 4, 0, 0), ("ok", 3, 1, 0), ("ok", 1, 3, 0)
RAISES, LOOPS, NOTHING, ALL_WRONG = ("ok", 2, 2, 1), ("timeout", 1, 0, 0), (None,) * 4, ("ok", 0, 4, 0)


def paired(folder: Path, given: Any, task: dict[str, Any] | None = None, **settings: Any) -> tuple[list, list]:
    written, dropped = run_stage(folder, PairCandidates(**settings), tasks({"candidates": given} | (task or {})))
    return written.to_pylist(), dropped


def sides(pairs: list[dict]) -> list[tuple[str, str]]:
    return [(pair["chosen"], pair["rejected"]) for pair in pairs]


def test_chosen_passes_all_tests_and_rejected_some(tmp_path: Path) -> None:
    given = candidates(WRONG, GOOD, model=["a", "b"], **run(NEARLY, PASSES))

    (pair,), dropped = paired(tmp_path, given, {"language": "Python", "prompt": "Write f.", "demo_only": True})

    assert [] == dropped
    assert {
        "row_id": pair_id(["0"], "functional_correctness", GOOD, WRONG),
        "parent_ids": ["0"],
        "source": "Sampled-Tasks",
        "criterion": "functional_correctness",
        "also_matches": [],
        "language": "Python",
        "prompt": "Write f.",
        "prompt_by": "upstream",
        "chosen": GOOD,
        "rejected": WRONG,
        "form": "file",
        "evidence": "executed",
        "strength": 0.25,
        "strength_unit": "share_of_tests_failed",
        "label_detail": "chosen by b (1), rejected by a (0); 1 of 4 tests fail by wrong output",
        "changed_share": 0.5,
        "license": "MIT",
        "license_class": "permissive",
        "repos": "Tasks",
        "group": "Tasks/0",
        "demo_only": True,
    }.items() <= pair.items()


def test_the_source_can_be_given_a_name(tmp_path: Path) -> None:
    given = candidates(GOOD, WRONG, **run(PASSES, NEARLY))

    assert ["Own-Answers"] == [pair["source"] for pair in paired(tmp_path, given, published_as="Own-Answers")[0]]


def test_hard_negatives_come_first(tmp_path: Path) -> None:
    given = candidates(GOOD, WORSE, WRONG, **run(PASSES, HARDLY, NEARLY))

    assert [(GOOD, WRONG), (GOOD, WORSE)] == sides(paired(tmp_path / "all", given)[0])
    assert [(GOOD, WRONG)] == sides(paired(tmp_path / "one", given, max_per_task=1)[0])


def test_the_seed_draws_where_hard_ones_have_no_precedence(tmp_path: Path) -> None:
    given = candidates(GOOD, WORSE, WRONG, **run(PASSES, HARDLY, NEARLY))

    found = [
        sides(paired(tmp_path / str(seed), given, max_per_task=1, hard_first=False, seed=seed)[0]) for seed in range(8)
    ]

    assert {WRONG, WORSE} == {rejected for ((_, rejected),) in found}


def test_every_right_answer_is_used_before_one_is_used_twice(tmp_path: Path) -> None:
    given = candidates(GOOD, ALSO_GOOD, WORSE, WRONG, **run(PASSES, PASSES, HARDLY, NEARLY))

    assert {GOOD, ALSO_GOOD} == {chosen for chosen, _ in sides(paired(tmp_path, given)[0])}


def test_the_right_answer_of_the_same_model_is_preferred(tmp_path: Path) -> None:
    given = candidates(GOOD, ALSO_GOOD, WRONG, model=["a", "b", "b"], **run(PASSES, PASSES, NEARLY))

    assert [(ALSO_GOOD, WRONG)] == sides(paired(tmp_path / "preferred", given)[0])
    alone = candidates(GOOD, WRONG, model=["a", "b"], **run(PASSES, NEARLY))
    assert [("0", "no_contrast", "1 passes, 1 wrong_output")] == paired(tmp_path / "only", alone, same_model=True)[1]


def test_among_right_answers_of_the_model_the_one_of_like_length_is_chosen(tmp_path: Path) -> None:
    long = "def f(x):\n    result = x\n    result += 1\n    return result\n"
    given = candidates(long, GOOD, WRONG, **run(PASSES, PASSES, NEARLY))

    assert [(GOOD, WRONG)] == sides(paired(tmp_path, given)[0])


def test_equal_and_nearly_equal_programs_never_meet_and_count_once(tmp_path: Path) -> None:
    commented = "# wrong\n" + WRONG
    given = candidates(GOOD, WRONG, commented, **run(PASSES, NEARLY, NEARLY))
    renamed = candidates(GOOD, GOOD.replace("x", "y"), **run(PASSES, NEARLY))

    assert [(GOOD, WRONG)] == sides(paired(tmp_path / "commented", given)[0])
    assert [("0", "no_contrast", "1 pairs of nearly identical programs")] == paired(tmp_path / "renamed", renamed)[1]


def many(folder: Path, share: float) -> list[dict]:
    """Pairs of 400 tasks with one wrong answer and one that breaks each."""
    given = candidates(GOOD, WRONG, LOUD, **run(PASSES, NEARLY, RAISES))
    rows = tasks(*({"candidates": given, "solution": f"x = {n}\n"} for n in range(400)))
    written, _ = run_stage(folder, PairCandidates(max_crash_share=share), rows)
    return written.to_pylist()


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_rejected_sides_that_break_have_a_bounded_share(tmp_path: Path, share: float) -> None:
    pairs = many(tmp_path, share)
    breaking = [pair for pair in pairs if pair["rejected"] == LOUD]

    assert 400 == len(pairs) - len(breaking)
    assert share == pytest.approx(len(breaking) / len(pairs), abs=0.03)
    details = {"chosen by scripted (0), rejected by scripted (2); 2 of 4 tests pass, 1 raise"} if share else set()
    assert details == {pair["label_detail"] for pair in breaking}
    assert all(pair["strength"] == 0.5 for pair in breaking)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(None, ("no_candidate", None), id="never asked"),
        pytest.param(candidates(None, None), ("no_candidate", None), id="no program"),
        pytest.param(candidates(GOOD, WRONG), ("untested", "2 programs"), id="never run"),
        pytest.param(
            candidates(GOOD, ALSO_GOOD, **run(PASSES, PASSES)), ("no_contrast", "2 passes"), id="all are right"
        ),
        pytest.param(
            candidates(WRONG, WORSE, **run(NEARLY, ALL_WRONG)),
            ("no_contrast", "1 fails_all, 1 wrong_output"),
            id="none is right",
        ),
        pytest.param(
            candidates(GOOD, LOUD, WRONG, **run(PASSES, LOOPS, RAISES)),
            ("no_contrast", "2 breaks, 1 passes"),
            id="breaking answers alone",
        ),
        pytest.param(
            candidates(GOOD, WRONG, score=[0.4, -0.4]),
            ("no_contrast", "scores of 2 programs lie within 0.80"),
            id="judges are not sure",
        ),
    ],
)
def test_a_task_without_a_pair_is_dropped(tmp_path: Path, given: Any, expected: tuple[str, str | None]) -> None:
    pairs, dropped = paired(tmp_path, given)

    assert ([], [("0", *expected)]) == (pairs, dropped)


def test_judged_pairs_are_the_best_against_lower_ones(tmp_path: Path) -> None:
    given = candidates(WRONG, GOOD, ALSO_GOOD, WORSE, score=[-0.5, 1.5, 1.0, -2.0])

    pairs, _ = paired(tmp_path, given, {"tests": None})

    assert [(GOOD, WRONG), (GOOD, WORSE)] == sides(pairs)
    first = pairs[0]
    assert ("judged", "win_probability") == (first["evidence"], first["strength_unit"])
    assert 1 / (1 + math.exp(-2.0)) == pytest.approx(first["strength"])
    assert (
        "chosen by scripted (1), rejected by scripted (0); Bradley-Terry scores 1.50 and -0.50 among 4 programs"
        == first["label_detail"]
    )


def test_tests_decide_before_judges_unless_told_otherwise(tmp_path: Path) -> None:
    scores = {"score": [-1.0, 1.0, 2.0]}
    given = candidates(GOOD, ALSO_GOOD, WRONG, **run(PASSES, PASSES, NEARLY), **scores)
    style = "readability_and_maintainability"

    assert WRONG == sides(paired(tmp_path / "tests", given)[0])[0][1]
    (pair,), _ = paired(tmp_path / "judges", given, by="judges", criterion=style)
    assert (ALSO_GOOD, GOOD, style, "judged") == tuple(
        pair[name] for name in ("chosen", "rejected", "criterion", "evidence")
    )


def test_by_readability_programs_may_differ_in_names_and_comments(tmp_path: Path) -> None:
    given = candidates(GOOD, GOOD.replace("x", "q"), score=[1.0, -1.0])

    assert 1 == len(paired(tmp_path, given, by="judges", criterion="readability_and_maintainability")[0])
    assert "no_contrast" == paired(tmp_path / "works", given)[1][0][1]


def test_both_sides_stand_in_the_same_fence_where_asked_for(tmp_path: Path) -> None:
    given = candidates(GOOD, WRONG, **run(PASSES, NEARLY))

    assert [(f"```python\n{GOOD}```\n", f"```python\n{WRONG}```\n")] == sides(
        paired(tmp_path, given, wrapper="fenced")[0]
    )


def test_terms_of_the_models_are_told(tmp_path: Path) -> None:
    given = candidates(GOOD, WRONG, **run(PASSES, NEARLY))

    (pair,), _ = paired(tmp_path, given, generator_terms="Example Community License")

    assert pair["label_detail"].endswith("; terms of the models: Example Community License")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": "runtime_efficiency"}, "set `by: judges`"),
        ({"criterion": "speed", "by": "judges"}, "speed"),
        ({"max_crash_share": 0.7}, "expected 0 to 0.5"),
        ({"max_per_task": 0}, "expected 1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PairCandidates(**settings)

"""What a run shows of a program, and how many pairs of a bounded kind a row may have."""

from typing import Any

import pytest

from themis_data.code.contrast import kind_of_run, num_beside


@pytest.mark.parametrize(
    ("expected", "run"),
    [
        ("passes", {}),
        ("wrong_output", {"failed": 1}),
        ("breaks", {"failed": 2, "raised": 1}),
        ("breaks", {"status": "timeout"}),
        ("breaks", {"passed": 0, "failed": 1, "raised": 1}),
        ("fails_all", {"passed": 0, "failed": 4}),
        ("fails_all", {"passed": 0}),
    ],
)
def test_kinds_of_runs(expected: str, run: dict[str, Any]) -> None:
    assert expected == kind_of_run({"status": "ok", "passed": 3, "failed": 0, "raised": 0} | run)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.6])
def test_over_many_rows_the_kind_has_its_share(share: float) -> None:
    beside = sum(num_beside(2, share, seed=1, draw=str(row)) for row in range(5_000))

    assert share == pytest.approx(beside / (beside + 10_000), abs=0.01)


def test_where_there_is_nothing_else_there_is_none_of_the_kind() -> None:
    assert 0 == num_beside(0, 0.5, seed=1, draw="row")
    assert 0 == num_beside(100, 0.0, seed=1, draw="row")


def test_the_seed_draws() -> None:
    assert 1 < len(
        {num_beside(20, 0.5, seed=seed, draw="row") + num_beside(9, 0.2, seed=seed, draw="r") for seed in range(9)}
    )

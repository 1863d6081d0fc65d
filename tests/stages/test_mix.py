"""No slice is a few files or one repository; what stays is drawn from the seed and the row id alone."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builds import pairs, run_stage
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import dropped, in_shards

from themis_data.errors import UnknownName
from themis_data.stages.mix import Mix, repository_cap

ANY = {"max_repo_share": 1.0, "max_per_file": 1_000}


def made(*rows: dict[str, Any]) -> pa.Table:
    return pairs(*({"prompt": "Write it.", "prompt_by": "rules"} | row for row in rows))


def kept(folder: Path, stage: Mix, rows: pa.Table | list[pa.Table]) -> set[str]:
    return set(run_stage(folder, stage, rows)[0]["row_id"].to_pylist())


@pytest.mark.parametrize(
    ("counts", "share", "floor", "expected"),
    [
        ([10, 10, 10], 0.5, 0, 10),  # a third each
        ([90, 5, 5], 0.5, 0, 10),  # 10 of 20 are half
        ([90, 5, 5], 0.5, 30, 30),  # the floor
        ([90, 5, 5], 1.0, 0, 90),
        ([100], 0.02, 50, 50),
        ([100], 0.02, 0, 0),  # one repository alone is always all of it
        ([40, 40, 40], 0.25, 0, 0),  # three can never be a quarter each
        ([40, 40, 40, 40], 0.25, 0, 40),
        ([7, 5, 3, 1], 0.4, 0, 6),  # 6 of 6 + 5 + 3 + 1; with 7 it were 7 of 16, more than 6.4
        ([2, 1], 0.02, 50, 2),
        ([], 0.02, 50, 0),
    ],
)
def test_the_cap_of_a_repository_is_a_share_of_what_is_left(
    counts: list[int], share: float, floor: int, expected: int
) -> None:
    assert expected == repository_cap(counts, share, floor)


@given(st.lists(st.integers(0, 60), max_size=8), st.sampled_from([0.02, 0.1, 0.25, 0.5, 1.0]), st.integers(0, 20))
def test_the_cap_is_the_largest_that_holds(counts: list[int], share: float, floor: int) -> None:
    holds = [c for c in range(max(counts, default=0) + 1) if c <= max(floor, share * sum(min(n, c) for n in counts))]

    assert max(holds) == repository_cap(counts, share, floor)


def test_a_file_gives_no_more_rows_than_its_cap(tmp_path: Path) -> None:
    rows = made(
        *({"path": "a.py"} for _ in range(5)), *({"path": "b.py"} for _ in range(2)), {"path": "a.py", "group": "other"}
    )

    found = dropped(tmp_path, Mix(max_per_file=3), rows)

    assert {("file_cap", "more than 3 of example.org/o/n: a.py")} == set(found.values())
    assert 2 == len(found.keys() & set("01234")) == len(found)


def test_rows_that_no_file_gave_have_no_file_cap(tmp_path: Path) -> None:
    rows = made(*({"path": None} for _ in range(5)))

    assert {} == dropped(tmp_path, Mix(max_per_file=1), rows)


def test_a_repository_has_its_share_of_each_slice(tmp_path: Path) -> None:
    groups = ["big"] * 12 + ["small"] * 3 + ["other"] * 3
    python = [{"group": group, "path": f"{n}.py"} for n, group in enumerate(groups)]
    go = [{"group": "big", "path": f"{n}.go", "language": "Go"} for n in range(2)]

    found = dropped(tmp_path, Mix(max_repo_share=0.5, min_per_repository=2), made(*python, *go))

    # 6 of 6 + 3 + 3; in Go each may have 2.
    assert {("repository_cap", "more than 6 of runtime_efficiency/Python / big")} == set(found.values())
    assert 6 == len(found)


def test_rows_that_the_file_cap_drops_count_for_no_repository(tmp_path: Path) -> None:
    rows = made(*({"group": "busy"} for _ in range(8)), *({"group": "other", "path": f"{n}.py"} for n in range(2)))

    found = dropped(tmp_path, Mix(max_per_file=2, max_repo_share=0.5, min_per_repository=0), rows)

    assert {"file_cap": 6} == Counter(reason for reason, _ in found.values())


def test_a_criterion_has_no_more_rows_than_its_quota(tmp_path: Path) -> None:
    rows = made(
        *({"path": f"{n}.py"} for n in range(4)),
        *({"path": f"{n}.py", "criterion": "memory_efficiency"} for n in range(4)),
    )

    found = dropped(tmp_path, Mix(**ANY, quotas={"memory_efficiency": 1}), rows)

    assert {("quota", "more than 1 of memory_efficiency")} == set(found.values())
    assert 3 == len(found.keys() & set("4567")) == len(found)


@pytest.mark.parametrize(("allow", "expected"), [(False, {"1": ("demo_only", None)}), (True, {})])
def test_benchmark_material_goes_unless_it_is_asked_for(tmp_path: Path, allow: bool, expected: dict) -> None:
    rows = made({}, {"demo_only": True})

    assert expected == dropped(tmp_path, Mix(allow_demo=allow), rows)


def test_a_row_without_a_prompt_goes(tmp_path: Path) -> None:
    assert {"1": ("no_prompt", None)} == dropped(tmp_path, Mix(), made({}, {"prompt": None, "prompt_by": None}))


@pytest.mark.parametrize("unfit", [{"demo_only": True}, {"prompt": None, "prompt_by": None}])
@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(Mix(**ANY, quotas={"runtime_efficiency": 4}), id="quota"),
        pytest.param(Mix(max_per_file=4), id="file cap"),
        pytest.param(Mix(max_per_file=99, max_repo_share=0.5, min_per_repository=4), id="repository cap"),
    ],
)
def test_rows_that_cannot_stay_take_nobodys_place(tmp_path: Path, stage: Mix, unfit: dict) -> None:
    rows = made(*({} for _ in range(4)), *(unfit for _ in range(8)))

    assert {"0", "1", "2", "3"} == kept(tmp_path, stage, rows)


def test_another_seed_keeps_other_rows(tmp_path: Path) -> None:
    rows = made(*({} for _ in range(20)))

    by_seed = [kept(tmp_path / str(seed), Mix(max_per_file=3, seed=seed), rows) for seed in (1, 2, 1)]
    assert [3, 3, 3] == [len(ids) for ids in by_seed]
    assert by_seed[0] == by_seed[2] != by_seed[1]


row = st.fixed_dictionaries(
    {
        "group": st.sampled_from(["a", "b"]),
        "path": st.sampled_from(["x.py", "y.py", None]),
        "criterion": st.sampled_from(["runtime_efficiency", "memory_efficiency"]),
        "demo_only": st.booleans(),
    }
)


@given(
    rows=st.lists(row, min_size=6, max_size=25),
    ends=st.lists(st.integers(0, 20), max_size=3),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=5, deadline=None)
def test_what_stays_does_not_depend_on_order_or_shards(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict], ends: list[int], order
) -> None:
    numbered = [own | {"row_id": f"{n:02d}", "parent_ids": [str(n)]} for n, own in enumerate(rows)]
    stage = Mix(max_per_file=2, max_repo_share=0.6, min_per_repository=1, quotas={"memory_efficiency": 3})

    found = dropped(tmp_path_factory.mktemp("one"), stage, made(*numbered))
    shuffled = in_shards(made(*order.sample(numbered, len(numbered))), ends)
    assert found == dropped(tmp_path_factory.mktemp("any"), stage, shuffled)


def test_a_quota_of_an_unknown_criterion_is_refused() -> None:
    with pytest.raises(UnknownName, match="memory_efficiency"):
        Mix(quotas={"memory_eficiency": 1})


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="more than 0 and at most 1"):
        Mix(max_repo_share=share)

"""No slice is a few files or one repository, each has the rows its quota says, and more rows change few others."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builds import pairs, run_stage
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import dropped, in_shards

from themis_data.errors import StageError
from themis_data.stages.mix import Mix, Quota, repository_cap, targets

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


def rows_of(count: int, **columns: Any) -> list[dict[str, Any]]:
    """So many rows of problems of their own, which no cap concerns."""
    label = "-".join(map(str, columns.values()))
    ids = [f"{label} {n}" for n in range(count)]
    return [{"row_id": i, "parent_ids": [i], "group": i, "path": None, **columns} for i in ids]


def counts(stage: Mix, rows: pa.Table, *by: str) -> dict[Any, int]:
    """Rows that stay, by the values of these columns."""
    gone = set(stage.resolved(stage.drawn(rows)).marks["row_id"].to_pylist())
    values = zip(*(rows[name].to_pylist() for name in by), strict=True)
    stay = [value for id_, value in zip(rows["row_id"].to_pylist(), values, strict=True) if id_ not in gone]
    return dict(Counter(value[0] if len(by) == 1 else value for value in stay))


def test_a_criterion_has_no_more_rows_than_its_quota(tmp_path: Path) -> None:
    rows = made(
        *({"path": f"{n}.py"} for n in range(4)),
        *({"path": f"{n}.py", "criterion": "memory_efficiency"} for n in range(4)),
    )

    found = dropped(tmp_path, Mix(**ANY, quotas=(Quota(criterion="memory_efficiency", rows=1),)), rows)

    assert {("quota", "more than 1 of criterion memory_efficiency")} == set(found.values())
    assert 3 == len(found.keys() & set("4567")) == len(found)


def test_a_quota_may_name_source_criterion_and_language_in_any_combination() -> None:
    rows = made(
        *rows_of(9, source="A", language="C"),
        *rows_of(9, source="A", language="Go"),
        *rows_of(9, source="B", language="C"),
        *rows_of(9, source="B", language="Go"),
    )
    quotas = (
        Quota(source="A", language="C", rows=2),
        Quota(source="B", rows=3),
        Quota(source="A", language="Go", criterion="runtime_efficiency", rows=4),
    )

    found = counts(Mix(quotas=quotas), rows, "source", "language")
    assert (2, 4, 3) == (found["A", "C"], found["A", "Go"], sum(n for (own, _), n in found.items() if own == "B"))


def test_a_slice_within_another_has_its_rows_whatever_the_order() -> None:
    """Drawn alone, 20 of 100 rows would have about 2 of the 10 in C."""
    rows = made(*rows_of(90, source="A", language="Go"), *rows_of(10, source="A", language="C"))
    quotas = (Quota(source="A", rows=20), Quota(source="A", language="C", rows=8))

    for listed in (quotas, quotas[::-1]):
        assert {"C": 8, "Go": 12} == counts(Mix(quotas=listed), rows, "language")


def test_quotas_that_cross_are_both_held() -> None:
    rows = made(*(row for source in "AB" for lang in ("C", "Go") for row in rows_of(50, source=source, language=lang)))
    quotas = (Quota(source="A", rows=30), Quota(language="C", rows=20), Quota(rows=60))

    found = counts(Mix(quotas=quotas), rows, "source", "language")
    assert 30 == sum(n for (source, _), n in found.items() if source == "A")
    assert 20 == sum(n for (_, lang), n in found.items() if lang == "C")
    assert 60 == sum(found.values())


def test_a_share_is_one_of_the_corpus() -> None:
    rows = made(*rows_of(60, language="Go"), *rows_of(40, language="C"))
    quotas = (Quota(rows=50), Quota(language="C", share=0.1))

    assert {"C": 5, "Go": 45} == counts(Mix(quotas=quotas), rows, "language")


@pytest.mark.parametrize(("others", "expected"), [("keep", {"A": 2, "B": 4}), ("drop", {"A": 2})])
def test_rows_that_no_quota_speaks_of_stay_or_go(others: Any, expected: dict[str, int]) -> None:
    rows = made(*rows_of(4, source="A"), *rows_of(4, source="B"))

    assert expected == counts(Mix(quotas=(Quota(source="A", rows=2),), others=others), rows, "source")


@pytest.mark.parametrize("rows", [made(*rows_of(4, source="A")), made()])
def test_a_quota_that_falls_short_stops_the_build(rows: pa.Table) -> None:
    stage = Mix(quotas=(Quota(source="A", rows=5),))

    with pytest.raises(StageError, match=rf"source A: wanted 5, found {len(rows)}\. The rows come from .*when_short"):
        stage.resolved(stage.drawn(rows))


def test_the_error_says_where_other_quotas_were_in_the_way() -> None:
    stage = Mix(quotas=(Quota(language="C", rows=1), Quota(source="A", rows=5)))

    with pytest.raises(StageError, match=r"source A: wanted 5, found 1 \(of 9 that the caps leave; other quotas were"):
        stage.resolved(stage.drawn(made(*rows_of(9, source="A", language="C"))))


def test_a_quota_that_may_fall_short_is_reported() -> None:
    stage = Mix(quotas=(Quota(source="A", rows=5, when_short="accept"), Quota(source="B", rows=2)))
    table = stage.drawn(made(*rows_of(4, source="A"), *rows_of(3, source="B")))

    assert 1 == len(stage.resolved(table).marks)
    assert {
        "quotas": [
            {"slice": "source A", "wanted": 5, "available": 4, "found": 4, "refilled": {}, "when_short": "accept"},
            {"slice": "source B", "wanted": 2, "available": 3, "found": 2, "refilled": {}, "when_short": "fail"},
        ],
        "rows": 6,
        "warnings": ["mix: source A: wanted 5, found 4"],
    } == stage.resolved(table).report


def test_what_is_missing_is_refilled_from_the_sources_named() -> None:
    rows = made(*rows_of(3, source="A"), *rows_of(20, source="B"), *rows_of(20, source="C"))
    quotas = (
        Quota(source="A", rows=10, when_short="refill", refill_from=("B",)),
        Quota(source="B", rows=5),
        Quota(source="C", rows=5),
    )

    assert {"A": 3, "B": 12, "C": 5} == counts(Mix(quotas=quotas), rows, "source")
    report = Mix(quotas=quotas).resolved(Mix(quotas=quotas).drawn(rows)).report
    assert [(3, {"B": 7}), (5, {}), (5, {})] == [(one["found"], one["refilled"]) for one in report["quotas"]]
    assert ["mix: source A: wanted 10, found 3, and 7 of B instead"] == report["warnings"]


def test_a_refill_is_of_the_same_criterion_and_language_and_keeps_to_the_quotas_of_no_source() -> None:
    rows = made(
        *rows_of(3, source="A", language="C"),
        *rows_of(20, source="B", language="C"),
        *rows_of(20, source="B", language="Go"),
    )
    short = Quota(source="A", language="C", rows=9, when_short="refill", refill_from=("B",))

    quotas = (short, Quota(source="B", language="C", rows=1), Quota(source="B", language="Go", rows=1))
    assert {("A", "C"): 3, ("B", "C"): 7, ("B", "Go"): 1} == counts(Mix(quotas=quotas), rows, "source", "language")
    stage = Mix(quotas=(*quotas, Quota(language="C", rows=8, when_short="accept")))
    with pytest.raises(StageError, match="source A, language C: wanted 9, found 3, and 4 of B instead"):
        stage.resolved(stage.drawn(rows))


def test_a_quota_of_no_source_is_refilled_beyond_a_sources_quota() -> None:
    rows = made(*rows_of(3, source="A", language="C"), *rows_of(20, source="B", language="C"))
    quotas = (
        Quota(language="C", rows=10, when_short="refill", refill_from=("B",)),
        Quota(source="B", language="C", rows=2),
    )

    assert {"A": 3, "B": 7} == counts(Mix(quotas=quotas), rows, "source")


PAPER = {
    "Commit-Preference": 126_586, "CodeR-Pile": 77_153, "Bugged-Instruct": 54_969, "ProSec": 37_690, "Venus": 21_784,
    "CodeNet": 16_819, "RunBugRun": 6_931, "ECCO": 6_188, "CodeScaleR": 2_896, "Pie4Perf": 1_640,
    "Cybernative-DPO": 1_354,
}  # fmt: skip


def test_a_hundredth_of_the_papers_corpus_has_its_proportions() -> None:
    """Rounding down gives 3,535 of 3,540; the five left go to the remainders .97, .88, .86, .84 and .90 of 11."""
    quotas = [Quota(source=name, rows=rows) for name, rows in PAPER.items()]

    assert list(PAPER.values()) == targets(quotas, 1.0)
    found = targets(quotas, 0.01)
    assert 3_540 == sum(found)
    assert [1266, 771, 550, 377, 218, 168, 69, 62, 29, 16, 14] == found


def test_quotas_of_each_kind_add_up_to_their_own_scaled_sum() -> None:
    quotas = [
        Quota(rows=9),
        *(Quota(source=name, rows=3) for name in "ABC"),
        Quota(language="C", share=0.5),
        Quota(language="Go", share=0.5),
    ]

    # 4.5 is 5; three times 1.5 as well; twice 2.25 are 4.5, so 5 too. Ties go by name.
    assert [5, 2, 2, 1, 3, 2] == targets(quotas, 0.5)


def test_more_rows_change_few_others() -> None:
    def kept_of(count: int) -> set[str]:
        """Rows by problem and file, four sources in three languages, each with more than it may keep."""
        made_rows = [
            {
                "row_id": f"{n:05d}", "parent_ids": [f"{n:05d}"], "source": "ABCD"[n % 4], "group": f"g{n % 97}",
                "language": ("C", "Go", "Python")[n % 3], "path": f"{n % 1013}.c" if n % 2 else None,
            }
            for n in range(count)
        ]  # fmt: skip
        quotas = (
            *(Quota(source=name, rows=600) for name in "ABC"),
            Quota(language="C", rows=700),
            Quota(source="A", language="Go", rows=150),
            Quota(source="D", rows=1_800, when_short="refill", refill_from=("A", "B")),
        )
        stage = Mix(max_repo_share=0.05, min_per_repository=20, quotas=quotas)
        rows = made(*made_rows)
        return set(rows["row_id"].to_pylist()) - set(stage.resolved(stage.drawn(rows)).marks["row_id"].to_pylist())

    before, after = kept_of(6_000), kept_of(6_060)
    assert 0.02 * len(before) >= len(before ^ after) / 2
    assert {f"{n:05d}" for n in range(6_000, 6_060)} & after


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
        pytest.param(Mix(**ANY, quotas=(Quota(criterion="runtime_efficiency", rows=4),)), id="quota"),
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
@settings(max_examples=5)
def test_what_stays_does_not_depend_on_order_or_shards(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict], ends: list[int], order
) -> None:
    numbered = [own | {"row_id": f"{n:02d}", "parent_ids": [str(n)]} for n, own in enumerate(rows)]
    quotas = (Quota(criterion="memory_efficiency", rows=3, when_short="accept"),)
    stage = Mix(max_per_file=2, max_repo_share=0.6, min_per_repository=1, quotas=quotas)

    found = dropped(tmp_path_factory.mktemp("one"), stage, made(*numbered))
    shuffled = in_shards(made(*order.sample(numbered, len(numbered))), ends)
    assert found == dropped(tmp_path_factory.mktemp("any"), stage, shuffled)


@pytest.mark.parametrize(
    ("quotas", "message"),
    [
        ((Quota(criterion="memory_eficiency", rows=1),), "memory_efficiency"),
        ((Quota(language="Pyton", rows=1),), "Python"),
        ((Quota(source="A"),), "source A: give either `rows` or `share`"),
        ((Quota(source="A", rows=1, share=0.1), Quota(rows=9)), "source A: give either `rows` or `share`"),
        ((Quota(source="A", rows=-1),), "0 or more"),
        ((Quota(source="A", share=1.1), Quota(rows=9)), "0 or more"),
        ((Quota(source="A", share=0.1),), "a share is one of the corpus"),
        ((Quota(source="A", rows=1), Quota(source="A", rows=2)), "source A stands twice"),
        ((Quota(source="A", rows=1, when_short="refill"),), "`refill_from` names other sources"),
        ((Quota(source="A", rows=1, refill_from=("B",)),), "`refill_from` names other sources"),
        ((Quota(source="A", rows=1, when_short="refill", refill_from=("A",)),), "`refill_from` names other sources"),
    ],
)
def test_quotas_that_make_no_sense_are_refused(quotas: tuple[Quota, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mix(quotas=quotas)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="more than 0 and at most 1"):
        Mix(max_repo_share=share)

"""Pairs that say the opposite of one another go; opposite ways by different criteria stay and are marked."""

from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest
from builds import pairs, run_stage
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import dropped

from themis_data.stages.drop_conflicting_pairs import DropConflictingPairs

FAST, CLEAN = "runtime_efficiency", "readability_maintainability"


def edge(row_id: str, worse: str, better: str, criterion: str = FAST, evidence: str = "message") -> dict:
    return {
        "row_id": row_id,
        "rejected": f"{worse} = 1\n",
        "chosen": f"{better} = 1\n",
        "criterion": criterion,
        "evidence": evidence,
    }


def conflicts(folder: Path, rows: pa.Table, **settings: object) -> dict[str, bool]:
    kept, _ = run_stage(folder, DropConflictingPairs(**settings), rows)
    return dict(zip(kept["row_id"].to_pylist(), kept["criterion_conflict"].to_pylist(), strict=True))


def test_both_of_two_opposite_pairs_are_dropped_and_others_stay(tmp_path: Path) -> None:
    rows = pairs(edge("1", "a", "b"), edge("2", "b", "a"), edge("3", "b", "c"))

    assert {
        "1": ("contradicted", "the opposite of 2"),
        "2": ("contradicted", "the opposite of 1"),
    } == dropped(tmp_path, DropConflictingPairs(), rows)


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
def test_circles_of_three_and_more_are_dropped(tmp_path: Path, order: tuple[int, ...]) -> None:
    edges = [edge("1", "a", "b"), edge("2", "b", "c"), edge("3", "c", "a"), edge("4", "c", "d")]
    rows = pairs(*(edges[place] for place in order))

    assert {
        "1": ("contradicted", "in a circle of 3 pairs with 2"),
        "2": ("contradicted", "in a circle of 3 pairs with 1"),
        "3": ("contradicted", "in a circle of 3 pairs with 1"),
    } == dropped(tmp_path, DropConflictingPairs(), rows)


def test_a_circle_across_criteria_is_none(tmp_path: Path) -> None:
    rows = pairs(edge("1", "a", "b"), edge("2", "b", "c"), edge("3", "c", "a", CLEAN))

    assert {"1": False, "2": False, "3": False} == conflicts(tmp_path, rows)


def test_opposite_ways_by_different_criteria_are_kept_and_marked(tmp_path: Path) -> None:
    rows = pairs(
        edge("1", "a", "b"), edge("2", "b", "a", CLEAN), edge("3", "a", "b", CLEAN, "judged"), edge("4", "a", "c")
    )

    # 2 and 3 contradict each other; what is left of the conflict is nothing.
    assert {"1": False, "4": False} == conflicts(tmp_path / "all", rows)
    assert {"1": True, "2": True, "4": False} == conflicts(tmp_path / "two", rows.take([0, 1, 3]))


def test_the_same_code_in_another_wrapper_is_the_same(tmp_path: Path) -> None:
    rows = pairs(
        edge("1", "a", "b"),
        {"row_id": "2", "rejected": "```python\nb  =  1\n```\n", "chosen": "a = 1", "criterion": FAST},
    )

    assert {"1", "2"} == set(dropped(tmp_path, DropConflictingPairs(), rows))


def test_better_evidence_can_resolve_a_contradiction(tmp_path: Path) -> None:
    rows = pairs(
        edge("1", "a", "b", evidence="executed"),
        edge("2", "b", "a"),
        edge("3", "c", "d", evidence="judged"),
        edge("4", "d", "c", evidence="judged"),
        edge("5", "d", "c"),
    )

    assert {
        "2": ("contradicted", "the opposite of 1"),
        "3": ("contradicted", "the opposite of 4"),
        "4": ("contradicted", "the opposite of 3"),
        "5": ("contradicted", "the opposite of 3"),
    } == dropped(tmp_path, DropConflictingPairs(resolve="evidence"), rows)


@given(
    edges=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.sampled_from([FAST, CLEAN])), max_size=9
    )
)
@settings(max_examples=25)
def test_what_is_kept_has_no_circle_and_what_is_dropped_was_in_one(tmp_path_factory, edges) -> None:
    rows = [(str(n), *one) for n, one in enumerate(edges) if one[0] != one[1]]
    found = dropped(tmp_path_factory.mktemp("circles"), DropConflictingPairs(), pairs(*(edge(*one) for one in rows)))

    def reaches(start: str, goal: str, criterion: str) -> bool:
        seen, todo = set(), [start]
        while todo:
            node = todo.pop()
            for _, worse, better, own in rows:
                if own == criterion and worse == node and better not in seen:
                    seen.add(better)
                    todo.append(better)
        return goal in seen

    assert {i for i, worse, better, criterion in rows if reaches(better, worse, criterion)} == set(found)

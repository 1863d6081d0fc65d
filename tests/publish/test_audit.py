"""Shares and counts of each slice, against numbers by hand."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rows import preferences

from themis_data.publish.audit import Audit, audit, summary


def shard(folder: Path, *rows: dict[str, Any], name: str = "a") -> Path:
    path = folder / f"{name}.parquet"
    pq.write_table(preferences(*rows), path)
    return path


def sides(chosen: int, rejected: int, **row: str) -> dict[str, str]:
    return {"chosen": "x" * chosen, "rejected": "y" * rejected} | row


@pytest.mark.parametrize(
    ("lengths", "longer", "accuracy"),
    [
        ([(2, 1)], 1.0, 1.0),
        ([(1, 2)], 0.0, 1.0),  # the shorter one is always right
        ([(1, 1)], 0.0, 0.5),
        ([(2, 1), (1, 2)], 0.5, 0.5),
        ([(2, 1), (2, 1), (1, 2), (1, 1)], 0.5, 0.625),  # (1 + 1 + 0 + 1/2) / 4
        ([(1, 2), (1, 2), (1, 1)], 0.0, 0.8333),  # (1 + 1 + 1/2) / 3 by "shorter wins"
    ],
)
def test_length_alone_is_right_so_often(
    tmp_path: Path, lengths: list[tuple[int, int]], longer: float, accuracy: float
) -> None:
    measured = {"pairs": len(lengths), "chosen_longer": longer, "length_accuracy": accuracy}

    expected = Audit(criterion="all", language="all", **measured)
    assert expected in audit([shard(tmp_path, *(sides(*own) for own in lengths))])


def test_characters_count_and_not_bytes(tmp_path: Path) -> None:
    found = audit([shard(tmp_path, {"chosen": "ää", "rejected": "abc"})])[0]

    assert (0.0, 1.0) == (found.chosen_longer, found.length_accuracy)


def test_each_slice_is_measured_the_largest_first(tmp_path: Path) -> None:
    go, memory = {"language": "Go"}, {"criterion": "memory_efficiency"}
    first = shard(tmp_path, sides(2, 1), sides(2, 1, **memory), sides(1, 2, **go), name="first")
    second = shard(tmp_path, sides(1, 2, **go, **memory), sides(1, 1, **go, **memory), name="second")

    assert [
        ("all", "all", 5, 0.4, 0.5),
        ("all", "Go", 3, 0.0, 0.8333),
        ("memory_efficiency", "all", 3, 0.3333, 0.5),
        ("all", "Python", 2, 1.0, 1.0),
        ("memory_efficiency", "Go", 2, 0.0, 0.75),
        ("runtime_efficiency", "all", 2, 0.5, 0.5),
        ("memory_efficiency", "Python", 1, 1.0, 1.0),
        ("runtime_efficiency", "Go", 1, 0.0, 1.0),
        ("runtime_efficiency", "Python", 1, 1.0, 1.0),
    ] == [(a.criterion, a.language, a.pairs, a.chosen_longer, a.length_accuracy) for a in audit([first, second])]


def test_no_rows_have_no_slices(tmp_path: Path) -> None:
    assert [[], []] == [audit([]), audit([shard(tmp_path)])]


def test_the_summary_counts_the_most_frequent_first(tmp_path: Path) -> None:
    rows = [
        {"license": "ISC"},
        {"license": "MIT", "language": "Go"},
        {"license": "MIT", "demo_only": True},
        {"license": "0BSD"},
    ]

    found = summary([shard(tmp_path, *rows)])

    assert {"MIT": 2, "0BSD": 1, "ISC": 1} == found["license"]
    assert ["MIT", "0BSD", "ISC"] == list(found["license"])
    assert {"false": 3, "true": 1} == found["demo_only"]
    assert {"runtime_efficiency / Python": 3, "runtime_efficiency / Go": 1} == found["criterion_language"]
    assert {"none": 4} == found["system_kind"]


def test_a_path_with_a_pattern_in_it_is_one_file(tmp_path: Path) -> None:
    shard(tmp_path, {}, name="a1")
    assert 2 == audit([shard(tmp_path, {}, {}, name="a[12]")])[0].pairs


def test_the_summary_of_no_rows_is_empty() -> None:
    assert {}.keys() == {what for what, counts in summary([]).items() if counts}

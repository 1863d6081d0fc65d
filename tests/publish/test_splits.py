"""Held-out splits: disjoint by what connects groups, with their share of every slice, and steady as rows are added."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import preferences

from themis_data.dataset import write_tables
from themis_data.errors import StageError
from themis_data.publish.splits import Assigned, _disjoint, assign
from themis_data.schema import schema

SPLITS = {"train": 0.9, "test": 0.1}
NAMES = ("test", "train")


def assigned(folder: Path, *rows: dict[str, Any], splits: dict[str, float] = SPLITS, seed: int = 7) -> Assigned:
    """Splits of preferences; a row has its own id, and no commit unless it says so."""
    table = preferences(*({"row_id": str(n)} | row for n, row in enumerate(rows)))
    write_tables(folder / "rows.parquet", schema("preference").arrow, [table], relative_to=folder)
    return assign([folder / "rows.parquet"], splits, seed)


def split_of(found: Assigned) -> dict[str, str]:
    return {group: NAMES[split] for group, split in found.groups.iter_rows()}


def problems(slices: dict[tuple[str, str], int], rows: int = 1, start: int = 0) -> list[dict[str, Any]]:
    """So many groups of so many rows of each slice."""
    return [
        {"criterion": criterion, "language": language, "group": f"{language} {criterion} {n}"}
        for (criterion, language), number in slices.items()
        for n in range(start, start + number)
        for _ in range(rows)
    ]


def test_every_slice_gives_each_split_its_share(tmp_path: Path) -> None:
    slices = {("memory_efficiency", "C"): 40, ("runtime_efficiency", "C"): 200, ("runtime_efficiency", "Go"): 100}

    report = assigned(tmp_path, *problems(slices, rows=2)).report

    assert {
        "memory_efficiency / C": {"test": 8, "train": 72},
        "runtime_efficiency / C": {"test": 40, "train": 360},
        "runtime_efficiency / Go": {"test": 20, "train": 180},
    } == report["slices"]
    assert ({"test": 68, "train": 612}, {"test": 34, "train": 306}) == (report["rows"], report["groups"])


def test_several_splits_are_held_out_with_a_share_each(tmp_path: Path) -> None:
    rows = problems({("runtime_efficiency", "C"): 100})

    report = assigned(tmp_path, *rows, splits={"train": 0.7, "validation": 0.1, "test": 0.2}).report

    assert {"test": 20, "train": 70, "validation": 10} == report["rows"]


def test_one_split_has_everything(tmp_path: Path) -> None:
    report = assigned(tmp_path, *problems({("runtime_efficiency", "C"): 5}), splits={"train": 1.0}).report

    assert ({"train": 5}, 5) == (report["rows"], report["components"])


LINKED = [
    pytest.param({"commit": "1", "repos": "a/x,b/y"}, {"commit": "2", "repos": "b/y, c/z"}, id="repository"),
    pytest.param({"old_blob": "1", "new_blob": "2"}, {"old_blob": "2", "new_blob": "3"}, id="chain of versions"),
    pytest.param({"old_blob": "1"}, {"old_blob": "1"}, id="two changes of one version"),
    pytest.param({"new_blob": "1"}, {"new_blob": "1"}, id="the same version reached"),
]


@pytest.mark.parametrize(("one", "other"), LINKED)
def test_groups_that_share_something_are_one_component(tmp_path: Path, one: dict, other: dict) -> None:
    rows = [{"group": f"g{n}", "repos": f"of/{n}"} for n in range(4)]
    rows[1] |= one
    rows[3] |= other

    report = assigned(tmp_path, *rows).report

    largest = report["largest_component"]
    assert (3, 2, "g1") == (report["components"], largest["rows"], largest["first_group"])


def test_the_name_of_a_data_set_connects_nothing(tmp_path: Path) -> None:
    rows = [{"group": f"g{n}", "repos": "CodeNet", "commit": None} for n in range(4)]

    assert 4 == assigned(tmp_path, *rows).report["components"]


def test_connected_groups_are_in_one_split_whatever_their_slices(tmp_path: Path) -> None:
    """Fifty repositories; each has a fork with commits of its own in another language."""
    rows = [
        {"group": f"{kind} {n}", "commit": f"{kind} {n}", "repos": f"r/{n},{kind}/{n}", "language": language}
        for n in range(50)
        for kind, language in (("origin", "C"), ("fork", "Go"))
    ]

    found = split_of(assigned(tmp_path, *rows))
    assert [found[f"origin {n}"] for n in range(50)] == [found[f"fork {n}"] for n in range(50)]
    assert {"test": 10, "train": 90} == Counter(found.values())


@pytest.mark.parametrize("seed", range(5))
def test_a_component_of_more_than_the_share_is_never_held_out(tmp_path: Path, seed: int) -> None:
    rows = [{"group": "giant"}] * 30 + [{"group": f"g{n}"} for n in range(70)]

    report = assigned(tmp_path, *rows, seed=seed).report

    assert {"rows": 30, "groups": 1, "split": "train", "first_group": "giant"} == report["largest_component"]
    assert {"test": 10, "train": 90} == report["rows"]


def test_adding_rows_moves_few_groups(tmp_path: Path) -> None:
    slices = {("runtime_efficiency", "C"): 1_000, ("memory_efficiency", "Go"): 1_000}
    more = dict.fromkeys(slices, 10)
    (tmp_path / "after").mkdir()

    before = split_of(assigned(tmp_path, *problems(slices)))
    after = split_of(assigned(tmp_path / "after", *problems(slices), *problems(more, start=1_000)))

    assert 10 >= sum(after[group] != split for group, split in before.items())


def test_another_seed_holds_out_others(tmp_path: Path) -> None:
    rows = problems({("runtime_efficiency", "C"): 100})

    assert split_of(assigned(tmp_path, *rows)) != split_of(assigned(tmp_path, *rows, seed=8))


any_row = st.fixed_dictionaries(
    {
        "group": st.integers(0, 30).map("g{}".format),
        "commit": st.sampled_from([None, "c"]),
        "repos": st.lists(st.integers(0, 25).map("r{}".format), min_size=1, max_size=2).map(",".join),
        "old_blob": st.none() | st.integers(0, 60).map("b{}".format),
        "new_blob": st.none() | st.integers(0, 60).map("b{}".format),
        "language": st.sampled_from(["C", "Go"]),
    }
)


@given(st.lists(any_row, min_size=1, max_size=40))
@settings(max_examples=25)
def test_no_repository_problem_or_version_is_in_two_splits(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    folder = tmp_path_factory.mktemp("any")
    found = split_of(assigned(folder, *rows, splits={"train": 0.6, "test": 0.4}))

    places: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        keys = [("blob", row["old_blob"]), ("blob", row["new_blob"])]
        keys += [("repo", name) for name in row["repos"].split(",")] if row["commit"] else []
        for kind, key in keys:
            if key is not None:
                places.setdefault((kind, key), set()).add(found[row["group"]])
    assert all(len(splits) == 1 for splits in places.values())


def test_the_manifest_says_what_was_looked_at(tmp_path: Path) -> None:
    rows = [
        {"group": "a", "commit": "1", "repos": "x,y", "old_blob": "1", "new_blob": "2"},
        {"group": "b", "commit": "2", "repos": "z", "old_blob": "2", "new_blob": "3"},
        {"group": "c"},
    ]

    assert {"group": 3, "repository": 3, "file_version": 3} == assigned(tmp_path, *rows).report["in_one_split"]


def test_splits_that_are_not_disjoint_fail_the_build() -> None:
    links = pl.DataFrame({"group": ["a", "b"], "kind": ["repository"] * 2, "key": ["x"] * 2})

    with pytest.raises(StageError, match="1 keys are in two splits, for example the repository x"):
        _disjoint(links, pl.DataFrame({"group": ["a", "b"], "split": [0, 1]}))
    with pytest.raises(StageError, match="a group is in two splits: a"):
        _disjoint(links, pl.DataFrame({"group": ["a", "a"], "split": [0, 1]}))

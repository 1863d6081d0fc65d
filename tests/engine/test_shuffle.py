"""Decisions by key: the same for any shards, partitions, batches and order of rows, and only about rows they saw."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from builds import build_given, drops, given_pipeline, marks, published_ids
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.dataset import ShardWriter, read_table
from themis_data.engine.marks import write_marks
from themis_data.engine.rows import ByKey, Rows, reasons
from themis_data.engine.segment import Work
from themis_data.engine.shuffle import (
    DecideTask,
    ExplodeTask,
    Shard,
    decide_partition,
    explode_shard,
    partition_of,
    read_partition,
    resolved_marks,
    write_partitions,
)
from themis_data.errors import StageError
from themis_data.schema import schema


def mark_table(rows: list[tuple[str, str, str | None]]) -> pa.Table:
    return schema("mark").table(
        {"row_id": [r[0] for r in rows], "reason": [r[1] for r in rows], "detail": [r[2] for r in rows]}
    )


@dataclass(frozen=True)
class FirstOfEach:
    """Of the rows that have a letter of the reason in common, only the one with the smallest id stays."""

    reads: ClassVar[str] = "mark"
    writes: ClassVar[str] = "mark"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(ByKey(columns=("row_id", "reason"), explode=self.letters, decide=self.choose))

    def letters(self, table: pa.Table) -> pa.Table:
        pairs = [
            (letter, i)
            for i, reason in zip(*(table[n].to_pylist() for n in ("row_id", "reason")), strict=True)
            for letter in sorted(set(reason))
        ]
        return pa.table(
            {
                "key": pa.array([p[0] for p in pairs], pa.string()),
                "row_id": pa.array([p[1] for p in pairs], pa.string()),
            }
        )

    def choose(self, table: pa.Table) -> pa.Table:
        assert table.equals(table.sort_by([("key", "ascending"), ("row_id", "ascending")]))
        seen: dict[str, str] = {}
        found = []
        for key, row_id in zip(table["key"].to_pylist(), table["row_id"].to_pylist(), strict=True):
            if seen.setdefault(key, row_id) != row_id:
                found.append((row_id, "again", f"{key} of {seen[key]}"))
        return mark_table(found)


@dataclass(frozen=True)
class SmallestOfAll(FirstOfEach):
    """Of rows linked by letters, near or far, only the smallest id stays; says so with that id."""

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(
            ByKey(columns=("row_id", "reason"), explode=self.letters, decide=self.links, resolve=self.components)
        )

    def links(self, table: pa.Table) -> pa.Table:
        members = defaultdict(list)
        for key, row_id in zip(table["key"].to_pylist(), table["row_id"].to_pylist(), strict=True):
            members[key].append(row_id)
        pairs = [pair for own in members.values() for a, b in pairwise(own) for pair in ((a, b), (b, a))]
        return pa.table(
            {
                "row_id": pa.array([a for a, _ in pairs], pa.string()),
                "other": pa.array([b for _, b in pairs], pa.string()),
            }
        )

    def components(self, pairs: pa.Table) -> pa.Table:
        links = list(zip(pairs["row_id"].to_pylist(), pairs["other"].to_pylist(), strict=True))
        smallest = {i: i for link in links for i in link}
        for _ in smallest:
            for a, b in links:
                smallest[a] = smallest[b] = min(smallest[a], smallest[b])
        return mark_table([(i, "linked", s) for i, s in smallest.items() if i != s])


def decided(
    folder: Path, stage, shards: list[pa.Table], num_partitions: int, group_rows: int = 1_000
) -> list[list[dict]]:
    """The marks of each shard, done as a build does it."""
    work = Work(step="s", stage=stage, place=0, is_last=True)
    for number, shard in enumerate(shards):
        writer = ShardWriter(folder / f"{number}.parquet", schema("mark").arrow, row_group_rows=group_rows)
        writer.write(shard)
        writer.close(folder)
    exploded = [
        explode_shard(
            ExplodeTask(
                run_folder=str(folder),
                work=work,
                shard=Shard(path=f"{number}.parquet", rows=len(shard)),
                number=number,
                side=None,
                num_partitions=num_partitions,
                to=str(folder / f"e{number}"),
            )
        )
        for number, shard in enumerate(shards)
    ]
    files = [
        decide_partition(DecideTask(work=work, files=tuple(exploded), partition=n, to=str(folder / f"d{n}")))
        for n in range(num_partitions)
    ]
    records = write_marks(resolved_marks(work, files)[0], len(shards), folder / "marks", "s", folder)
    says = ["row_id", "reason", "detail"]
    return [read_table(folder / record.path, says).to_pylist() for record in records]


many_rows = st.lists(
    st.tuples(st.integers(0, 99).map(str), st.text("abcdefgh", max_size=3)), unique_by=lambda r: r[0], max_size=20
)


def expected_first(rows: list[tuple[str, str]]) -> dict[str, str]:
    """Row id to detail, by brute force."""
    found = {}
    for row_id, reason in rows:
        smaller = {letter: min(i for i, r in rows if letter in r) for letter in reason}
        details = sorted(f"{letter} of {first}" for letter, first in smaller.items() if first != row_id)
        if details:
            found[row_id] = details[0]
    return found


def expected_smallest(rows: list[tuple[str, str]]) -> dict[str, str]:
    """Row id to the smallest row id it is linked with, by brute force."""
    groups = [({i}, set(r)) for i, r in rows]
    merged = True
    while merged:
        merged = False
        for a in groups:
            for b in groups:
                if a is not b and a[1] & b[1]:
                    groups.remove(b)
                    a[0].update(b[0])
                    a[1].update(b[1])
                    merged = True
                    break
            if merged:
                break
    return {i: min(ids) for ids, _ in groups for i in ids if i != min(ids)}


@pytest.mark.parametrize(("stage", "expected"), [(FirstOfEach(), expected_first), (SmallestOfAll(), expected_smallest)])
@given(
    rows=many_rows,
    places=st.lists(st.integers(0, 20), max_size=4),
    num_partitions=st.integers(1, 5),
    group_rows=st.integers(1, 5),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_a_decision_does_not_depend_on_shards_partitions_batches_or_order(
    tmp_path_factory, stage, expected, rows, places, num_partitions, group_rows, order
):
    shuffled = order.sample(rows, len(rows))
    ends = sorted({min(place, len(rows)) for place in places} | {len(rows)})
    shards = [marks(shuffled[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    found = decided(tmp_path_factory.mktemp("decision"), stage, shards, num_partitions, group_rows)

    assert expected(rows) == {mark["row_id"]: mark["detail"] for own in found for mark in own}
    for shard, own in zip(shards, found, strict=True):
        ids = [mark["row_id"] for mark in own]
        assert sorted(ids) == ids
        assert set(ids) <= set(shard["row_id"].to_pylist())


def test_a_decision_over_no_rows_marks_none(tmp_path):
    assert [[], []] == decided(tmp_path, FirstOfEach(), [marks([]), marks([])], 2)
    assert [[]] == decided(tmp_path, SmallestOfAll(), [marks([])], 3)


def test_of_several_marks_of_a_row_the_first_by_reason_and_detail_counts(tmp_path):
    @dataclass(frozen=True)
    class Many(FirstOfEach):
        """Marks every row three times."""

        def choose(self, table: pa.Table) -> pa.Table:
            return mark_table(
                [
                    (i, r, d)
                    for i in table["row_id"].to_pylist()
                    for r, d in (("b", "a"), ("a", "z"), ("a", "y"), ("a", None))
                ]
            )

    assert [[{"row_id": "1", "reason": "a", "detail": "y"}]] == decided(tmp_path, Many(), [marks([("1", "x")])], 2)


def test_a_decision_about_a_row_it_did_not_see_is_an_error(tmp_path):
    @dataclass(frozen=True)
    class Strange(FirstOfEach):
        """Marks a row of its own."""

        def choose(self, table: pa.Table) -> pa.Table:
            return mark_table([("unheard-of", "r", None)])

    with pytest.raises(StageError, match="step s: decided about 1 rows that it did not see"):
        decided(tmp_path, Strange(), [marks([("1", "x")])], 1)


def test_a_resolution_about_a_row_it_did_not_see_is_an_error(tmp_path):
    @dataclass(frozen=True)
    class Strange(SmallestOfAll):
        """Marks a row of its own."""

        def components(self, pairs: pa.Table) -> pa.Table:
            return mark_table([("unheard-of", "r", None)])

    with pytest.raises(StageError, match="step s: marks 1 rows that it did not see"):
        decided(tmp_path, Strange(), [marks([("1", "x"), ("2", "x")])], 1)


def test_rows_that_an_earlier_decision_drops_take_no_part_in_the_next(tmp_path):
    @dataclass(frozen=True)
    class WithoutA(FirstOfEach):
        """Drops the row a."""

        def choose(self, table: pa.Table) -> pa.Table:
            return mark_table([("a", "gone", None)] if "a" in table["row_id"].to_pylist() else [])

    build_given(
        given_pipeline(tmp_path, [[("a", "x"), ("b", "x")], [("c", "x")]], WithoutA(), FirstOfEach()), tmp_path / "out"
    )

    assert [("a", "WithoutA", "gone", None), ("c", "FirstOfEach", "again", "x of b")] == drops(tmp_path / "out")


def test_a_decision_in_the_middle_of_a_step_sees_its_working_columns(tmp_path):
    @dataclass(frozen=True)
    class Late(FirstOfEach):
        """Writes a working column, decides by it, and drops by it."""

        def apply(self, rows: Rows) -> Rows:
            decision = ByKey(columns=("row_id", "first"), explode=self.by_first, decide=self.choose)
            return rows.map(self.measure).by_key(decision).drop(lambda t: reasons(pc.equal(t["first"], "z"), "is_z"))

        def measure(self, table: pa.Table) -> pa.Table:
            return table.append_column("first", pc.utf8_slice_codeunits(table["reason"], 0, 1))

        def by_first(self, table: pa.Table) -> pa.Table:
            return table.select(["first", "row_id"]).rename_columns(["key", "row_id"])

    units = [[("a", "xy"), ("b", "xz")], [("c", "zx")], []]
    built = build_given(given_pipeline(tmp_path, units, Late()), tmp_path / "out")

    assert ["a"] == published_ids(tmp_path / "out")
    assert [("b", "Late", "again", "x of a"), ("c", "Late", "is_z", None)] == drops(tmp_path / "out")
    assert [("given.0.mine", 3, 3), ("given.1.mine", 3, 1)] == [
        (s["segment"], s["rows_in"], s["rows_out"]) for s in built.manifest["funnel"] if s["step"] == "Late"
    ]


def test_a_decision_with_no_shards_at_all(tmp_path):
    build_given(given_pipeline(tmp_path, [], FirstOfEach()), tmp_path / "out")

    assert [] == published_ids(tmp_path / "out")


def test_a_key_has_one_partition_whatever_stands_beside_it():
    keys = pa.chunked_array([["a", "b"], ["a", "c"], []], pa.string())

    partition = partition_of(keys, 7).tolist()
    assert partition[0] == partition[2]
    assert partition == partition_of(keys.slice(0, 2), 7).tolist() + partition_of(keys.slice(2), 7).tolist()


def test_no_keys_have_no_partitions():
    assert [] == partition_of(pa.chunked_array([], pa.string()), 3).tolist()


@given(st.lists(st.integers(0, 3), max_size=20))
def test_partitions_come_back_in_the_order_they_were_written(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("partitions") / "x.arrow"
    table = pa.table({"n": pa.array(range(len(numbers)), pa.int64())})
    write_partitions(path, table, np.array(numbers, np.int64), 4)

    assert [[n for n, p in enumerate(numbers) if p == number] for number in range(4)] == [
        read_partition([str(path)], number)["n"].to_pylist() for number in range(4)
    ]

"""Groups of rows that are alike: the same for any shards, partitions, batches and order of rows; bounded work."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from builds import build_given, drops, given_pipeline, marks, published_ids
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.dataset import ShardWriter
from themis_data.engine import link
from themis_data.engine.inline import InlineEngine
from themis_data.engine.rows import Link, Places, Rows
from themis_data.engine.segment import Work
from themis_data.engine.shuffle import Shard
from themis_data.errors import StageError
from themis_data.fingerprint import WHERE_IT_RUNS
from themis_data.schema import schema


@dataclass(frozen=True)
class Likeness:
    """Rows are looked up by each letter of their reason, and are alike where they have two letters in common."""

    reads: ClassVar[str] = "mark"
    writes: ClassVar[str] = "mark"
    version: ClassVar[int] = 1

    others: tuple[str, ...] = ()
    max_bucket: int = 64
    members: list = field(default_factory=list, metadata={WHERE_IT_RUNS: True})

    def apply(self, rows: Rows) -> Rows:
        return rows.link(
            Link(
                columns=("row_id", "reason"),
                sketch=self.sketch,
                compare=self.compare,
                decide=self.decide,
                rank=("reason",),
                keys_per_row=4,
                others=self.others,
                sketch_others=self.sketch,
                max_bucket=self.max_bucket,
            )
        )

    def sketch(self, table: pa.Table) -> pa.Table:
        keys = [[ord(letter) for letter in sorted(set(text))] for text in table["reason"].to_pylist()]
        return table.select(["row_id", "reason"]).append_column("keys", pa.array(keys, pa.list_(pa.uint64())))

    def compare(self, sketches: pa.Table, one: Places, other: Places) -> npt.NDArray[np.float64]:
        texts = [set(text) for text in sketches["reason"].to_pylist()]
        common = [len(texts[a] & texts[b]) for a, b in zip(one, other, strict=True)]
        return np.array([float(n) if n > 1 else np.nan for n in common])

    def decide(self, members: pa.Table) -> pa.Table:
        assert members.equals(members.sort_by([("group", "ascending"), ("row_id", "ascending")]))
        self.members.extend(members.to_pylist())
        first: dict[int, str] = {}
        found = []
        for row in members.to_pylist():
            if first.setdefault(row["group"], row["row_id"]) != row["row_id"]:
                detail = f"of {first[row['group']]}; nearest {row['nearest']} at {row['similarity']:.0f}"
                found.append({"row_id": row["row_id"], "reason": "alike", "detail": detail})
        return pa.Table.from_pylist(found, schema=schema("mark").arrow)


def linked(folder: Path, stage: Likeness, shards: Sequence[Sequence[tuple[str, str]]], group_rows: int = 1_000):
    """Row id to (number of its shard, detail) of every mark, and the warnings."""
    for number, rows in enumerate(shards):
        writer = ShardWriter(folder / f"{number}.parquet", schema("mark").arrow, row_group_rows=group_rows)
        writer.write(marks(rows))
        writer.close(folder)
    table, warnings = link.linked(
        InlineEngine().run,
        Work(step="s", stage=stage, place=0, is_last=True),
        [Shard(path=f"{number}.parquet", rows=len(rows)) for number, rows in enumerate(shards)],
        run_folder=folder,
        scratch=folder / "scratch",
        progress=lambda total: lambda done: None,
    )
    return {row["row_id"]: (row["shard"], row["detail"]) for row in table.to_pylist()}, warnings


def expected(rows: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Row id to detail, by brute force."""
    alike = {(a, b): len(set(x) & set(y)) for a, x in rows for b, y in rows if a != b and len(set(x) & set(y)) > 1}
    group = {i: {i} for i, _ in rows}
    for a, b in alike:
        together = group[a] | group[b]
        for i in together:
            group[i] = together
    found = {}
    for i, _ in rows:
        if min(group[i]) != i:
            most = max(n for (a, _), n in alike.items() if a == i)
            nearest = min(b for (a, b), n in alike.items() if a == i and n == most)
            found[i] = f"of {min(group[i])}; nearest {nearest} at {most}"
    return found


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 99).map(str), st.text("abcdefgh", max_size=4)), unique_by=lambda r: r[0], max_size=20
    ),
    ends=st.lists(st.integers(0, 20), max_size=3),
    partition_keys=st.integers(1, 40),
    at_once=st.integers(1, 9),
    batch_bytes=st.integers(1, 400),
    group_rows=st.integers(1, 5),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_groups_do_not_depend_on_shards_partitions_batches_or_order(
    tmp_path_factory, rows, ends, partition_keys, at_once, batch_bytes, group_rows, order
):
    shuffled = order.sample(rows, len(rows))
    bounds = [0, *sorted(min(end, len(rows)) for end in ends), len(rows)]
    shards = [shuffled[start:end] for start, end in pairwise(bounds)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "KEYS_PER_PARTITION", partition_keys)
        patch.setattr(link, "_PAIRS_AT_ONCE", at_once)
        patch.setattr(link, "_BATCH_BYTES", batch_bytes)
        found, warnings = linked(tmp_path_factory.mktemp("link"), Likeness(), shards, group_rows)

    assert [] == warnings
    assert expected(rows) == {i: detail for i, (_, detail) in found.items()}
    assert all(i in [own for own, _ in shards[shard]] for i, (shard, _) in found.items())


def test_what_the_decision_ranks_by_and_nothing_else_comes_with_the_members(tmp_path):
    stage = Likeness()
    linked(tmp_path, stage, [[("b", "xy"), ("a", "xyz")], [("c", "x")]])

    assert [
        {"row_id": "a", "reason": "xyz", "group": 0, "is_other": False, "nearest": "b", "similarity": 2.0},
        {"row_id": "b", "reason": "xy", "group": 0, "is_other": False, "nearest": "a", "similarity": 2.0},
    ] == stage.members


def test_rows_outside_the_build_take_part_but_are_neither_marked_nor_compared_with_one_another(tmp_path):
    others = tmp_path / "others.parquet"
    pq.write_table(marks([("0", "xy"), ("1", "xy"), ("z", "pq")]), others)
    stage = Likeness(others=(str(others),))

    found, _ = linked(tmp_path, stage, [[("a", "xy"), ("b", "pq"), ("c", "pr")]])

    # z stands behind b, so b is the first of its group; 0 and 1 are found through a.
    assert {"a": (0, "of 0; nearest 0 at 2")} == found
    assert {"0": True, "1": True, "a": False, "b": False, "z": True} == {
        row["row_id"]: row["is_other"] for row in stage.members
    }


def test_a_key_that_very_many_rows_have_is_capped_and_said(tmp_path):
    rows = [(f"{n:03d}", "xy") for n in range(100)]
    found, warnings = linked(tmp_path, Likeness(max_bucket=16), [rows])

    assert 99 == len(found)  # each has a neighbour, so all hold together
    assert [
        "s: 2 keys are of more than 16 rows (the most crowded of 100): there each row was compared with the 8 after it "
        "only"
    ] == warnings


def test_a_crowded_key_costs_a_bounded_number_of_pairs(tmp_path):
    compared = []

    class Counts(Likeness):
        def compare(self, sketches: pa.Table, one: Places, other: Places) -> npt.NDArray[np.float64]:
            compared.append(len(one))
            return super().compare(sketches, one, other)

    linked(tmp_path, Counts(max_bucket=16), [[(f"{n:03d}", "x") for n in range(100)]])

    assert 8 * 100 - sum(range(1, 9)) == sum(compared)


def test_no_rows_have_no_groups(tmp_path):
    assert ({}, []) == linked(tmp_path, Likeness(), [[], []])


def test_a_sketch_that_loses_a_row_stops_the_build(tmp_path):
    class Loses(Likeness):
        def sketch(self, table: pa.Table) -> pa.Table:
            return super().sketch(table.slice(1))

    with pytest.raises(StageError, match="step s: 1 sketches of 2 rows"):
        linked(tmp_path, Loses(), [[("a", "x"), ("b", "x")]])


def test_a_mark_of_a_row_that_is_in_no_group_stops_the_build(tmp_path):
    class Strange(Likeness):
        def decide(self, members: pa.Table) -> pa.Table:
            return pa.Table.from_pylist([{"row_id": "c", "reason": "r"}], schema=schema("mark").arrow)

    with pytest.raises(StageError, match="step s: marks 1 rows that are in no group"):
        linked(tmp_path, Strange(), [[("a", "xy"), ("b", "xy"), ("c", "z")]])


def test_a_build_applies_the_marks_and_skips_what_is_done(tmp_path):
    units = [[("a", "xy"), ("b", "pq")], [("c", "xyz")]]
    build_given(given_pipeline(tmp_path, units, Likeness()), tmp_path / "out")
    again = build_given(given_pipeline(tmp_path, units, Likeness()), tmp_path / "out")

    assert ["a", "b"] == sorted(published_ids(tmp_path / "out"))
    assert [("c", "Likeness", "alike", "of a; nearest a at 2")] == drops(tmp_path / "out")
    assert 0 == again.shards_done


def test_an_earlier_decision_is_applied_before_rows_are_sketched(tmp_path):
    @dataclass(frozen=True)
    class WithoutA(Likeness):
        """Drops the row a."""

        def sketch(self, table: pa.Table) -> pa.Table:
            is_a = pc.equal(table["row_id"], "a")
            keys = pc.if_else(is_a, pa.scalar([1, 2], pa.list_(pa.uint64())), pa.scalar([1, 2], pa.list_(pa.uint64())))
            return table.select(["row_id", "reason"]).append_column("keys", keys)

        def compare(self, sketches: pa.Table, one: Places, other: Places) -> npt.NDArray[np.float64]:
            return np.ones(len(one))

        def decide(self, members: pa.Table) -> pa.Table:
            return pa.Table.from_pylist([{"row_id": "a", "reason": "gone"}], schema=schema("mark").arrow)

    units = [[("a", "xy"), ("b", "xy"), ("c", "xyz")]]
    build_given(given_pipeline(tmp_path, units, WithoutA(), Likeness()), tmp_path / "out")

    assert [("a", "WithoutA", "gone", None), ("c", "Likeness", "alike", "of b; nearest b at 2")] == drops(
        tmp_path / "out"
    )

"""Row-wise work: nothing is lost without a reason, and batches, pieces and units never bear on the result."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from builds import Notes, build_given, drops, given_pipeline, marks, published, published_ids
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from themis_data.engine.rows import Rows, first_reason, reasons
from themis_data.errors import SchemaError, SourceError, StageError
from themis_data.fingerprint import uniform
from themis_data.pipeline import Write
from themis_data.schema import schema

ROWS = [("a", "x"), ("b", "y"), ("c", "x"), ("d", "z")]


@dataclass(frozen=True)
class OnMarks:
    """A stage over marks."""

    reads: ClassVar[str] = "mark"
    writes: ClassVar[str] = "mark"
    version: ClassVar[int] = 1


@dataclass(frozen=True)
class DropX(OnMarks):
    """Drops the reason x, and z with a detail."""

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.verdict)

    def verdict(self, table: pa.Table) -> pa.Array:
        is_x = reasons(pc.equal(table["reason"], "x"), "is_x")
        return first_reason(is_x, reasons(pc.equal(table["reason"], "z"), "is_z", table["row_id"]))


@dataclass(frozen=True)
class Shouts(OnMarks):
    """Writes the reason in capitals, with a working column on the way."""

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.measure).map(self.shout)

    def measure(self, table: pa.Table) -> pa.Table:
        return table.append_column("length", pc.utf8_length(table["reason"]))

    def shout(self, table: pa.Table) -> pa.Table:
        return table.set_column(1, table.schema.field("reason"), pc.utf8_upper(table["reason"]))


@dataclass(frozen=True)
class OpensOnce(OnMarks):
    """Adds to the reason how often the set-up was done in this process before."""

    opened: ClassVar[list[int]] = []

    def apply(self, rows: Rows) -> Rows:
        return rows.map_on_worker(self.open)

    def open(self):
        self.opened.append(1)
        return lambda table: table


@dataclass(frozen=True)
class Twins:
    """Two rows out of each."""

    reads: ClassVar[str] = "mark"
    writes: ClassVar[str] = "drop"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(DropX().verdict).map(self.split, splits=True)

    def split(self, table: pa.Table) -> pa.Table:
        ids = table["row_id"].to_pylist()
        return schema("drop").table(
            {
                "row_id": [f"{i}{n}" for i in ids for n in "12"],
                "parent_ids": [[i] for i in ids for _ in "12"],
                "step": ["s"] * 2 * len(ids),
                "reason": ["r"] * 2 * len(ids),
            }
        )


@dataclass(frozen=True)
class DropsChildren:
    """Drops every second twin."""

    reads: ClassVar[str] = "drop"
    writes: ClassVar[str] = "mark"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(lambda table: reasons(pc.ends_with(table["row_id"], "2"), "second")).map(self.to_marks)

    def to_marks(self, table: pa.Table) -> pa.Table:
        return schema("mark").table({name: table[name] for name in ("row_id", "reason", "detail")})


def test_rows_that_are_kept_are_published_and_the_others_have_a_reason(tmp_path):
    built = build_given(given_pipeline(tmp_path, [ROWS], DropX()), tmp_path / "out")

    assert ["b"] == published_ids(tmp_path / "out")
    assert [("a", "DropX", "is_x", None), ("c", "DropX", "is_x", None), ("d", "DropX", "is_z", "d")] == drops(
        tmp_path / "out"
    )
    counted = next(step for step in built.manifest["funnel"] if step["step"] == "DropX")
    assert (4, 1, {"is_x": 2, "is_z": 1}) == (counted["rows_in"], counted["rows_out"], counted["dropped"])


def test_a_reason_ends_at_its_first_colon_and_the_detail_may_have_more(tmp_path):
    @dataclass(frozen=True)
    class Drops(OnMarks):
        """Drops everything."""

        def apply(self, rows: Rows) -> Rows:
            return rows.drop(lambda table: pa.array(["why: a: b\nc"] * len(table)))

    build_given(given_pipeline(tmp_path, [[("a", "x")]], Drops()), tmp_path / "out")

    assert [("a", "Drops", "why", "a: b\nc")] == drops(tmp_path / "out")


def test_a_map_may_change_columns_and_use_working_ones(tmp_path):
    build_given(given_pipeline(tmp_path, [[("a", "x")]], Shouts()), tmp_path / "out")

    assert {"a"} == set(published_ids(tmp_path / "out"))


def test_a_split_names_its_parents_and_its_children_can_be_dropped(tmp_path):
    built = build_given(given_pipeline(tmp_path, [ROWS], Twins(), DropsChildren()), tmp_path / "out")

    assert ["b1"] == published_ids(tmp_path / "out")
    counts = {s["step"]: (s["rows_in"], s["parents_kept"], s["rows_out"]) for s in built.manifest["funnel"]}
    assert {"rows": (4, 4, 4), "Twins": (4, 1, 2), "DropsChildren": (2, 1, 1), "ToPreferences": (1, 1, 1)} == counts


def test_a_dropped_child_is_recorded_with_its_parents(tmp_path):
    build_given(given_pipeline(tmp_path, [[("b", "y")]], Twins(), DropsChildren()), tmp_path / "out")

    [file] = (tmp_path / "out" / "segments" / "given.1.mine").glob("*.drops.parquet")
    assert [["b"]] == pa.parquet.read_table(file)["parent_ids"].to_pylist()


def test_set_up_on_the_worker_is_done_once_a_shard(tmp_path):
    OpensOnce.opened.clear()
    build_given(given_pipeline(tmp_path, [ROWS], OpensOnce(), piece_rows=1), tmp_path / "out")

    assert [1] == OpensOnce.opened


def broken(verb: str, function) -> OnMarks:
    @dataclass(frozen=True)
    class Broken(OnMarks):
        """Breaks its contract."""

        def apply(self, rows: Rows) -> Rows:
            return rows.drop(function) if verb == "drop" else rows.map(function, splits=verb == "split")

    return Broken()


def with_parents(table: pa.Table, parents: list[list[str]]) -> pa.Table:
    return table.append_column("parent_ids", pa.array(parents, pa.list_(pa.string())))


@pytest.mark.parametrize(
    ("verb", "function", "message"),
    [
        pytest.param(
            "map", lambda t: t.slice(1), r"a map keeps rows one to one and in order \(4 in, 3 out\)", id="loses"
        ),
        pytest.param(
            "map", lambda t: pa.concat_tables([t, t]), r"one to one and in order \(4 in, 8 out\)", id="duplicates"
        ),
        pytest.param("map", lambda t: t.take([1, 0, 2, 3]), "one to one and in order", id="reorders"),
        pytest.param("map", lambda t: t.take([0, 0, 2, 3]), "one to one and in order", id="repeats one for another"),
        pytest.param(
            "split",
            lambda t: with_parents(t.slice(1), [["b"], ["c"], ["d"]]),
            "1 of 4 rows have no child and no reason",
            id="childless",
        ),
        pytest.param(
            "split",
            lambda t: with_parents(t, [["a"], ["b"], ["c"], ["e"]]),
            "1 of 4 rows have no child .* 1 parent ids name no row",
            id="strange parent",
        ),
        pytest.param(
            "split",
            lambda t: with_parents(t, [["a"], ["b"], ["c"], ["d", "e"]]),
            "1 parent ids name no row",
            id="parent too many",
        ),
        pytest.param("split", lambda t: t, "a map that splits rows gives a column parent_ids", id="no parents named"),
        pytest.param(
            "drop",
            lambda t: pa.array(["x"]),
            "a drop gives one reason a row, null to keep it; got .* for 4 rows",
            id="too few verdicts",
        ),
        pytest.param("drop", lambda t: pa.array(["x"] * 5), "a drop gives one reason a row", id="too many verdicts"),
        pytest.param(
            "drop", lambda t: ["x"] * 4, "a drop gives one reason a row, null to keep it; got list", id="no Arrow array"
        ),
        pytest.param(
            "drop", lambda t: pa.array([True] * 4), "a drop gives one reason a row, as text; got bool", id="no text"
        ),
    ],
)
def test_a_step_that_breaks_its_contract_stops_the_build(tmp_path, verb, function, message):
    with pytest.raises(StageError, match=f"step Broken: .*{message}"):
        build_given(given_pipeline(tmp_path, [ROWS], broken(verb, function)), tmp_path / "out")


def test_a_stopped_build_leaves_no_half_written_file(tmp_path):
    with pytest.raises(StageError):
        build_given(given_pipeline(tmp_path, [ROWS], broken("map", lambda t: t.slice(1))), tmp_path / "out")

    assert [] == list((tmp_path / "out").rglob("*.tmp"))


def test_a_step_that_loses_a_column_stops_the_build(tmp_path):
    with pytest.raises(SchemaError, match=r"step Broken: columns \['detail'\] of schema mark v3 lack"):
        build_given(
            given_pipeline(tmp_path, [ROWS], broken("map", lambda t: t.drop_columns(["detail"]))), tmp_path / "out"
        )


def test_a_step_that_writes_forbidden_nulls_stops_the_build(tmp_path):
    @dataclass(frozen=True)
    class Forgets(OnMarks):
        """Makes drops of marks, without a step."""

        writes: ClassVar[str] = "drop"

        def apply(self, rows: Rows) -> Rows:
            return rows.map(self.forget)

        def forget(self, table: pa.Table) -> pa.Table:
            parents = pa.array([[]] * len(table), pa.list_(pa.string()))
            return table.append_column("step", pa.nulls(len(table), pa.string())).append_column("parent_ids", parents)

    with pytest.raises(SchemaError, match="step Forgets: column 'step' is null in 4 of 4 rows"):
        build_given(given_pipeline(tmp_path, [ROWS], Forgets(), publish=False), tmp_path / "out")


rows_strategy = st.lists(
    st.tuples(st.integers(0, 10**6).map(str), st.sampled_from("xyz")), unique_by=lambda r: r[0], max_size=30
)


@given(rows=rows_strategy, piece_rows=st.integers(1, 31))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_do_not_bear_on_any_byte(tmp_path_factory, rows, piece_rows):
    folder = tmp_path_factory.mktemp("pieces")
    for name, size in (("whole", 1_000), ("pieces", piece_rows)):
        build_given(
            given_pipeline(folder / name, [rows], DropX(), Twins(), DropsChildren(), piece_rows=size),
            folder / name / "out",
        )

    whole, pieces = (
        {p.name: p.read_bytes() for p in (folder / name / "out").rglob("*.parquet")} for name in ("whole", "pieces")
    )
    assert whole == pieces


@given(rows=rows_strategy, places=st.lists(st.integers(0, 30), max_size=5), order=st.randoms(use_true_random=False))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neither_units_nor_the_order_of_rows_bear_on_what_is_published(tmp_path_factory, rows, places, order):
    folder = tmp_path_factory.mktemp("units")
    shuffled = order.sample(rows, len(rows))
    ends = sorted({min(place, len(rows)) for place in places} | {len(rows)})
    units = [shuffled[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    build_given(given_pipeline(folder / "one", [rows], DropX()), folder / "one" / "out")
    build_given(given_pipeline(folder / "many", units, DropX()), folder / "many" / "out")

    assert published(folder / "one" / "out") == published(folder / "many" / "out")
    assert drops(folder / "one" / "out") == drops(folder / "many" / "out")


@pytest.mark.parametrize("units", [[[]], [[], []], [[("a", "x")], []]])
def test_units_without_rows_give_an_empty_data_set(tmp_path, units):
    built = build_given(given_pipeline(tmp_path, units, DropX(), Twins(), DropsChildren()), tmp_path / "out")

    assert built.manifest["rows"] == 0
    assert [] == published_ids(tmp_path / "out")


def test_no_units_give_an_empty_data_set(tmp_path):
    built = build_given(given_pipeline(tmp_path, [], DropX(), Twins(), DropsChildren()), tmp_path / "out")

    assert built.manifest["rows"] == 0
    assert [] == published_ids(tmp_path / "out")


def test_a_unit_that_cannot_be_read_is_reported_and_the_others_go_on(tmp_path):
    notes = Notes()
    built = build_given(
        given_pipeline(tmp_path, [[("a", "y")], [("broken", "y")], [("c", "y")]]), tmp_path / "out", notes
    )

    assert (("unit 1", "unit 1 is broken"),) == built.unreadable
    assert ["a", "c"] == published_ids(tmp_path / "out")
    assert "warning: unit 1 cannot be read and is left out: unit 1 is broken" in notes.notes


def test_a_unit_that_cannot_be_read_stands_in_the_manifest(tmp_path):
    built = build_given(given_pipeline(tmp_path, [[("broken", "y")], [("c", "y")]]), tmp_path / "out")

    assert [["unit 0", "unit 0 is broken"]] == built.manifest["sources"][0]["unreadable"]


def test_a_unit_that_cannot_be_read_leaves_no_file(tmp_path):
    build_given(given_pipeline(tmp_path, [[("broken", "y")], [("c", "y")]]), tmp_path / "out")

    assert 3 == len(list((tmp_path / "out" / "segments" / "given.source").iterdir()))


def test_a_source_error_of_every_unit_is_no_error_of_the_build(tmp_path):
    built = build_given(given_pipeline(tmp_path, [[("broken", "y")]]), tmp_path / "out")

    assert (0, 1) == (built.manifest["rows"], len(built.unreadable))


def test_a_source_that_miscounts_stops_the_build(tmp_path, monkeypatch):
    import builds

    read = builds.GivenRows.read

    def miscount(self, unit, key):
        for piece in read(self, unit, key):
            yield type(piece)(rows=piece.rows, num_seen=piece.num_seen + 1)

    monkeypatch.setattr(builds.GivenRows, "read", miscount)
    with pytest.raises(StageError, match="step rows: 5 rows in, 4 of them kept and 0 dropped: rows were lost"):
        build_given(given_pipeline(tmp_path, [ROWS]), tmp_path / "out")


def test_a_row_id_in_two_rows_is_an_error(tmp_path):
    with pytest.raises(StageError, match=r"1 rows have a row_id that another row has, for example \['a'\]"):
        build_given(given_pipeline(tmp_path, [[("a", "y")], [("a", "y")]]), tmp_path / "out")


def test_a_row_id_in_two_groups_is_an_error(tmp_path):
    groups = [f"group {n}" for n in range(9)]
    first, second = (next(g for g in groups if int(uniform(0, "shard", g) * 2) == shard) for shard in (0, 1))

    with pytest.raises(StageError, match=r"1 rows have a row_id that another row has, for example \['a'\]"):
        build_given(
            given_pipeline(tmp_path, [[("a", first)], [("a", second)]], write=Write(shards=2)), tmp_path / "out"
        )


def test_reasons_with_details_stand_behind_a_colon():
    flags, details = pa.array([True, False, True]), pa.array(["1", "2", None])

    assert ["r: 1", None, "r: "] == reasons(flags, "r", details).to_pylist()


def test_the_first_reason_that_applies_counts():
    assert ["a", "b", None] == first_reason(pa.array(["a", None, None]), pa.array(["c", "b", None])).to_pylist()


def test_reasons_of_chunked_columns_are_one_array():
    flags = pa.chunked_array([[True], [False]])

    assert isinstance(reasons(flags, "r"), pa.StringArray)


def test_a_stage_gives_the_same_operations_each_time_it_is_asked():
    assert [o.verb for o in Twins().apply(Rows()).operations] == ["drop", "map"]
    assert marks([]).schema == schema("mark").arrow


def test_sources_that_give_nothing_to_read_are_an_error(tmp_path, monkeypatch):
    import builds

    monkeypatch.setattr(builds.GivenRows, "list_units", lambda self, memory: builds.Listing(units=(), identity=[]))
    with pytest.raises(SourceError, match="no source gave anything to read"):
        build_given(given_pipeline(tmp_path, []), tmp_path / "out")

"""Upstream data sets as a source: units, what identifies them, statements, rows that are seen together, gaps."""

import sqlite3

import pyarrow as pa
import pytest
from builds import pairs as made_pairs
from rows import preferences
from upstream_files import write_rows
from upstream_rows import write_mapped

from themis_data.errors import PipelineError, SourceError, UnknownName, UpstreamGap
from themis_data.fingerprint import row_id, step_fingerprint
from themis_data.publish.layouts import layout
from themis_data.sources.hub_rows import HubRows
from themis_data.upstream.mappers.measured_programs import Measure, MeasuredPrograms
from themis_data.upstream.mappers.ranked_negatives import RankedNegatives
from themis_data.upstream.rows import Left, Row
from themis_data.upstream.together import grouped

SHA = "0123456789abcdef0123456789abcdef01234567"
TRUTH = {"id": "a", "source": "truthy", "system": None, "prompt": "Red?", "chosen": "No.", "rejected": "Yes."}


def truths(folder, count=3, **changed):
    rows = [{**TRUTH, "id": f"t{n}", "prompt": f"Red {n}?", **changed} for n in range(count)]
    write_rows(folder / "truthy-dpo.parquet", rows)
    return HubRows(recipe="truthy_dpo", files=str(folder))


def rows_of(source, folder):
    units = source.list_units(folder).units
    return [row for unit in units for piece in source.read(unit, b"") for row in piece.rows.to_pylist()]


def unit_of(source, folder):
    [unit] = source.list_units(folder).units
    return unit


# Units


def test_a_unit_is_a_file(tmp_path):
    write_mapped("coder_pile", tmp_path)
    choose = {"language": ["python"], "text_task": ["web_code_retrieval"], "code_task": ["code_example_retrieval"]}
    source = HubRows(recipe="coder_pile", files=str(tmp_path), settings={"exponent": 1, "choose": choose})

    assert [
        "coder_pile: text2code/en/web_code_retrieval/en-python-triplets.jsonl",
        "coder_pile: code2code/en/code_example_retrieval/en-python-triplets.jsonl",
    ] == [unit.name for unit in source.list_units(tmp_path).units]


def test_files_whose_rows_belong_together_are_one_unit(tmp_path):
    write_mapped("code_net", tmp_path)
    source = HubRows(recipe="code_net", files=str(tmp_path), settings={"choose": {"config": ["C++"]}})

    assert "code_net: C++/train-00000-of-00002.parquet and 1 more" == unit_of(source, tmp_path).name
    assert 7 == unit_of(source, tmp_path).size


@pytest.mark.parametrize(
    "changed",
    [
        {"thresholds": "paper"},
        {"settings": {"with_system": "drop"}},
        {"seed": 1},
        {"max_rows": 2},
    ],
)
def test_a_unit_changes_with_every_setting(tmp_path, changed):
    truths(tmp_path)
    plain = unit_of(HubRows(recipe="truthy_dpo", files=str(tmp_path)), tmp_path)
    other = unit_of(HubRows(**{"recipe": "truthy_dpo", "files": str(tmp_path), **changed}), tmp_path)

    assert plain.fingerprint != other.fingerprint


def test_a_unit_changes_with_the_revision(tmp_path):
    truths(tmp_path)
    one, other = (HubRows(recipe="truthy_dpo", hub=str(tmp_path), revision=sha) for sha in (SHA, SHA[::-1]))

    assert unit_of(one, tmp_path).fingerprint != unit_of(other, tmp_path).fingerprint


def test_a_unit_changes_with_its_file(tmp_path):
    first = unit_of(truths(tmp_path / "a"), tmp_path)
    same = unit_of(truths(tmp_path / "b"), tmp_path)
    other = unit_of(truths(tmp_path / "c", chosen="Never."), tmp_path)

    assert first == same.__class__(**{**vars_of(same), "payload": first.payload})
    assert first.fingerprint != other.fingerprint


def vars_of(unit):
    return {name: getattr(unit, name) for name in ("name", "fingerprint", "size")}


def test_a_unit_changes_with_the_statements(tmp_path):
    write_mapped("ecco_edits", tmp_path)
    first = unit_of(HubRows(recipe="ecco_edits", files=str(tmp_path)), tmp_path)
    rows = [{"problem_id": "p00777", "problem_description": "Sum."}]
    write_rows(tmp_path / "generate/train-00000-of-00001.parquet", rows)

    assert first.fingerprint != unit_of(HubRows(recipe="ecco_edits", files=str(tmp_path)), tmp_path).fingerprint


def test_where_files_lie_does_not_bear_on_the_step(tmp_path):
    assert step_fingerprint(truths(tmp_path / "a")) == step_fingerprint(truths(tmp_path / "b"))
    assert step_fingerprint(HubRows(recipe="truthy_dpo")) != step_fingerprint(HubRows(recipe="tulu_if"))


def test_at_most_so_many_rows_are_read_of_each_unit(tmp_path):
    truths(tmp_path, 5)
    source = HubRows(recipe="truthy_dpo", files=str(tmp_path), max_rows=2)

    assert ["Red 0?", "Red 1?"] == [row["prompt"] for row in rows_of(source, tmp_path)]
    assert 2 == unit_of(source, tmp_path).size


def test_more_rows_than_a_batch_are_all_read(tmp_path):
    assert 2_500 == len(rows_of(truths(tmp_path, 2_500), tmp_path))


# Rows


def test_a_row_leads_back_to_the_id_it_had(tmp_path):
    [row] = rows_of(truths(tmp_path, 1), tmp_path)

    assert [row_id("truthy_dpo", "t0")] == row["parent_ids"]
    assert "upstream" == row["prompt_by"]


def test_pairs_of_one_prompt_stay_in_one_split(tmp_path):
    write_rows(tmp_path / "truthy-dpo.parquet", [{**TRUTH, "id": "a"}, {**TRUTH, "id": "b", "chosen": "Never."}])
    one, other = rows_of(HubRows(recipe="truthy_dpo", files=str(tmp_path)), tmp_path)

    assert one["group"] == other["group"]
    assert one["row_id"] != other["row_id"]


def test_codenets_children_share_the_key_of_a_problem(tmp_path):
    groups = set()
    for name in ("code_net", "ecco_edits", "pie_train", "run_bug_run_final"):
        folder = write_mapped(name, tmp_path / name)
        settings = {"choose": {"config": ["C++"]}} if name == "code_net" else {}
        groups |= {row["group"] for row in rows_of(HubRows(recipe=name, files=str(folder), settings=settings), folder)}

    assert {"codenet/p00042", "codenet/p00043", "codenet/p00777", "codenet/p00031", "codenet/p02534"} == groups


def test_a_persona_can_be_dropped_openly(tmp_path):
    folder = write_mapped("truthy_dpo", tmp_path)
    source = HubRows(recipe="truthy_dpo", files=str(folder), settings={"with_system": "drop"})
    [piece] = list(source.read(unit_of(source, folder), b""))

    assert ["Red?"] == piece.rows["prompt"].to_pylist()
    assert {"has_system": 1, "empty_side": 1} == piece.left_out


def test_natural_language_is_published_under_its_label():
    row = {"language": "NL", "criterion": "harmlessness", "evidence": "rated"}
    published = layout("default").convert(preferences(row))

    assert [8] == published["language"].to_pylist()
    assert [6] == published["aspect"].to_pylist()
    assert "NL" == made_pairs(row)["language"][0].as_py()


# Settings


def test_a_wanted_value_that_no_row_has_is_an_error_that_lists_those_there(tmp_path):
    folder = write_mapped("skywork_preference", tmp_path)
    source = HubRows(
        recipe="skywork_preference", files=str(folder), settings={"containing": {"source": ["magpie", "ultrachat"]}}
    )

    with pytest.raises(PipelineError, match=r"no row has 'ultrachat' in 'source'.*HelpSteer2.*magpie_ultra"):
        rows_of(source, folder)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("coder_pile", "exponent"),
        ("code_scaler", "rejected_rate"),
        ("stack_exchange", "choose"),
        ("help_steer_3", "min_margin"),
        ("math_dpo", "min_strength"),
    ],
)
def test_what_nobody_knows_has_to_be_supplied(name, setting):
    with pytest.raises(UpstreamGap, match=f"the setting '{setting}' has no value. .*give"):
        HubRows(recipe=name)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"chosn": "x"}, "no setting named 'chosn'. Did you mean 'chosen'?"),
        ({"code": "perhaps"}, "the setting 'code' is 'perhaps'"),
        ({"languages": ["Pyhton"]}, "no language named 'Pyhton'"),
        ({"criterion": "beauty"}, "no criterion named 'beauty'"),
        ({"compared_by": "ratio"}, "compared_by goes with"),
        ({"max_together": 0}, "max_together is 0"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(settings, said):
    with pytest.raises(PipelineError) as raised:
        HubRows(recipe="truthy_dpo", settings=settings)
    assert said in str(raised.value)


def test_a_column_that_a_setting_names_and_nobody_reads_is_an_error(tmp_path):
    truths(tmp_path)
    source = HubRows(recipe="truthy_dpo", files=str(tmp_path), settings={"chosen": "chosen_text"})

    with pytest.raises(PipelineError, match="no column 'chosen_text' is read"):
        rows_of(source, tmp_path)


def test_a_benchmark_is_refused():
    with pytest.raises(PipelineError, match="HumanEval is a benchmark: no corpus trains on it"):
        HubRows(recipe="human_eval")


def test_an_unknown_recipe_offers_the_near_one():
    with pytest.raises(UnknownName, match="Did you mean 'truthy_dpo'"):
        HubRows(recipe="truthy_dop")


def test_no_recipe_is_an_error(tmp_path):
    with pytest.raises(PipelineError, match="name a recipe"):
        HubRows().list_units(tmp_path)


# The Hub


def test_the_hub_is_not_read_without_a_commit(tmp_path):
    with pytest.raises(UpstreamGap, match="Give the commit of the data set on the Hub"):
        HubRows(recipe="truthy_dpo").list_units(tmp_path)


def test_a_branch_is_no_revision(tmp_path):
    with pytest.raises(SourceError, match=r"the revision is 'main'.* give the 40 hex digits"):
        HubRows(recipe="truthy_dpo", revision="main").list_units(tmp_path)


def test_one_of_several_data_sets_has_to_be_named(tmp_path):
    with pytest.raises(UpstreamGap, match="give `hub`, one of wyt2000/InverseCoder-CL-7B"):
        HubRows(recipe="inverse_coder", revision=SHA).list_units(tmp_path)


def test_the_hub_gives_the_rows_that_local_files_give(tmp_path):
    """With `datasets` itself, on a folder in place of a repository: its card says which files a configuration has."""
    folder = write_mapped("ecco_edits", tmp_path)
    configs = "".join(
        f"- config_name: {name}\n  data_files: [{{split: train, path: {name}/train-*}}]\n"
        for name in ("edit", "generate")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
    local = rows_of(HubRows(recipe="ecco_edits", files=str(folder)), folder)

    assert local == rows_of(HubRows(recipe="ecco_edits", hub=str(folder), revision=SHA), folder)
    assert "Sum up to n." in {row["prompt"] for row in local}


# Statements


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "html", "sqlite"])
def test_statements_can_be_given_in_any_form(tmp_path, kind):
    folder, given = write_mapped("pie_train", tmp_path / "pie"), tmp_path / "statements"
    given.mkdir()
    if kind == "html":
        (given / "p00031.html").write_text("<h1>Sum</h1><p>Sum up.</p>", encoding="utf-8")
    elif kind == "sqlite":
        with sqlite3.connect(given / "bugs.sqlite") as database:
            database.execute("CREATE TABLE problems (problem_id TEXT, text TEXT, similar_problems TEXT)")
            database.execute("INSERT INTO problems VALUES ('p00031', '<p>Sum</p><p>Sum up.</p>', NULL)")
        database.close()
    else:
        write_rows(given / f"s.{kind}", [{"problem": "p00031", "text": "Sum\n\nSum up."}])
    [row] = rows_of(HubRows(recipe="pie_train", files=str(folder), statements=str(given)), folder)

    assert ("Sum\n\nSum up.", "upstream") == (row["prompt"], row["prompt_by"])


def test_statements_of_no_known_problem_are_an_error(tmp_path):
    folder = write_mapped("pie_train", tmp_path / "pie")
    path = write_rows(tmp_path / "s.jsonl", [{"problem": "the first one", "text": "Sum."}])

    with pytest.raises(SourceError, match="'the first one' names no problem"):
        rows_of(HubRows(recipe="pie_train", files=str(folder), statements=str(path)), folder)


# Rows that are seen together


def numbered(keys):
    return pa.table({"key": pa.array(keys, pa.large_string()), "n": list(range(len(keys)))})


@pytest.mark.parametrize("spool_bytes", [1, 200, 1 << 20])
def test_rows_of_a_key_come_together_however_little_memory_there_is(tmp_path, spool_bytes):
    keys = [f"k{n % 7}" if n % 5 else None for n in range(60)]
    tables = [numbered(keys).slice(start, 10) for start in range(0, 60, 10)]
    found = [group.to_pydict() for group in grouped(tables, "key", scratch=tmp_path, spool_bytes=spool_bytes)]
    expected = {key: [n for n, other in enumerate(keys) if other == key] for key in set(keys)}

    assert expected == {group["key"][0]: group["n"] for group in found}
    assert len(expected) == len(found)
    assert [] == list(tmp_path.iterdir())


def test_no_rows_give_no_groups(tmp_path):
    assert [] == list(grouped([], "key", scratch=tmp_path))


# Mappers


def row(**values):
    return Row(values=values, id=str(values), draw=0.5, prompt="p", language="C++", criterion=None, problem=None)


@pytest.mark.parametrize(
    ("exponent", "draw", "place"),
    [(0.0, 0.0, 0), (0.0, 0.49, 1), (0.0, 0.99, 3), (1.0, 0.47, 0), (1.0, 0.49, 1), (1.0, 0.999, 3), (50.0, 0.9, 0)],
)
def test_places_are_drawn_by_zipfs_law(exponent, draw, place):
    """Of four places with exponent 1 the first has 12/25 of the weight."""
    assert place == RankedNegatives(positive="pos", negatives="neg", exponent=exponent).place(draw, 4)


def test_programs_that_the_judge_refused_are_in_no_pair():
    measure = Measure(code="code", value="ms", unit="speed_ratio", min_ratio=5.0)
    mapper = MeasuredPrograms(measures={"runtime_efficiency": measure}, status="status")
    programs = [(1.0, "ACCEPTED"), (9.0, "accepted"), (99.0, "Wrong Answer")]
    made = list(mapper.map([row(code=f"f{ms}", ms=ms, status=status) for ms, status in programs]))

    assert Left(reason="not_accepted") == made[0]
    assert [("f1.0", "f9.0")] == [(pair.chosen, pair.rejected) for pair in made[1:]]


def test_the_worst_program_is_paired_with_the_best_and_none_twice():
    measure = Measure(code="code", value="ms", unit="speed_ratio", min_ratio=5.0)
    mapper = MeasuredPrograms(measures={"runtime_efficiency": measure})
    made = list(mapper.map([row(code=f"f{ms:g}", ms=ms) for ms in (10.0, 100.0, 1.0, 2.0, 3.0)]))

    assert [("f1", "f100"), ("f2", "f10")] == [(pair.chosen, pair.rejected) for pair in made[:2]]
    assert [Left(reason="no_partner")] == made[2:]


def test_a_ratio_that_tells_nothing_is_refused():
    with pytest.raises(PipelineError, match="min_ratio is 1"):
        MeasuredPrograms(measures={"runtime_efficiency": Measure(code="c", value="v", unit="u", min_ratio=1.0)})

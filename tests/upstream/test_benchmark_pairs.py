"""Benchmarks whose rows are pairs of another benchmark: what each subset is made of, and that nothing trains on it."""

import pytest
from upstream_files import write_recipe
from upstream_rows import BENCHMARK_PAIRS, write_benchmark

from themis_data.criteria import EVIDENCE, all_criteria
from themis_data.errors import PipelineError, UnknownName
from themis_data.schema import schema
from themis_data.sources.hub_rows import HubRows
from themis_data.upstream import known_recipes, read_items, recipe
from themis_data.upstream.fields import value
from themis_data.upstream.recipes import read_recipe

SUBSETS = sorted(BENCHMARK_PAIRS)


def read(subset, folder):
    """The pairs, and how many rows gave none for which reason."""
    source = HubRows(recipe=BENCHMARK_PAIRS[subset][0], subset=subset, files=str(folder))
    pieces = [piece for unit in source.list_units(folder).units for piece in source.read(unit, b"")]
    left: dict[str, int] = {}
    for piece in pieces:
        assert schema("pair").arrow == piece.rows.schema
        for reason, count in piece.left_out.items():
            left[reason] = left.get(reason, 0) + count
    return [row for piece in pieces for row in piece.rows.to_pylist()], left


def test_every_subset_has_an_example():
    given = {subset: name for name in known_recipes("benchmark_item") for subset in recipe(name).subsets}

    assert given == {subset: name for subset, (name, _) in BENCHMARK_PAIRS.items()}


@pytest.mark.parametrize("subset", SUBSETS)
def test_rows_become_pairs_of_the_subset_that_nothing_may_be_trained_on(tmp_path, subset):
    example = BENCHMARK_PAIRS[subset][1]
    rows, left = read(subset, write_benchmark(subset, tmp_path))

    assert example.made == [{name: row[name] for name in own} for own, row in zip(example.made, rows, strict=True)]
    assert example.left == left
    assert {(subset, subset, True)} == {(row["source"], row["repos"], row["demo_only"]) for row in rows}


@pytest.mark.parametrize("subset", SUBSETS)
def test_a_subset_says_what_of_it_nobody_knows(subset):
    found = recipe(BENCHMARK_PAIRS[subset][0])
    pairs = next(part.pairs for part in found.parts if part.pairs is not None and part.pairs.subset == subset)

    assert found.gaps["subset"].endswith(".")
    assert pairs.criterion in all_criteria()
    assert pairs.evidence in EVIDENCE


def test_the_same_recipe_gives_items_to_decontaminate_with(tmp_path):
    write_benchmark("ECCO", tmp_path)

    assert ["edit/p00777", "edit/p00777#2", "generate/p00777"] == [
        item for table in read_items(recipe("ecco"), from_path=tmp_path) for item in table["item"].to_pylist()
    ]


def test_a_benchmark_is_not_read_as_pairs_unless_a_subset_is_named():
    with pytest.raises(PipelineError, match=r"no corpus trains on it; for another benchmark it gives PIE_PERF"):
        HubRows(recipe="pie")
    with pytest.raises(PipelineError, match=r"no corpus trains on it$"):
        HubRows(recipe="mbpp_plus")


def test_an_unknown_subset_offers_the_near_one():
    with pytest.raises(UnknownName, match=r"no subset named 'PIE'\. Did you mean 'PIE_PERF'"):
        HubRows(recipe="pie", subset="PIE")


WHOLE = """
title: Made
hub: null
repository: https://example.org/made
revision: null
license: MIT
reads_as: benchmark_item
seen: [{at: "https://example.org", what: "All."}]
columns: {id: id, good: text, bad: text}
fields: {item: id, language: {value: Go}}
parts:
  - {files: ["a.jsonl"], pairs: {subset: A, criterion: memory_efficiency, evidence: rated, settings: {chosen: good, rejected: bad}}}
  - {files: ["b.jsonl"], pairs: {subset: A, criterion: memory_efficiency, evidence: rated, settings: {chosen: good, rejected: bad}}}
gaps: {revision: "Say which."}
"""  # noqa: E501


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("evidence: rated", "evidence: ratde", "no evidence named 'ratde'. Did you mean 'rated'?"),
        ("gaps:", "mapper: live_code_bench\ngaps:", "`pairs` are given for benchmarks alone, and for those"),
        ("subset: A", "subst: A", "subst"),
    ],
)
def test_a_mistake_in_a_recipe_is_an_error_that_names_it(tmp_path, old, new, said):
    path = write_recipe(tmp_path, WHOLE.replace(old, new))

    with pytest.raises(PipelineError) as raised:
        read_recipe(path)
    assert said in str(raised.value)


def test_the_parts_of_a_subset_say_the_same_of_it(tmp_path):
    path = write_recipe(tmp_path, WHOLE.replace("chosen: good", "chosen: bad", 1))

    with pytest.raises(PipelineError, match="`pairs` of A are not the same in all parts"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("path", "found"), [("a.0", "x"), ("a.-1", "y"), ("a.2", None), ("a.-3", None), ("b.0.c", 1), ("b.c", [1, 2])]
)
def test_a_path_may_lead_to_one_entry_of_a_list(path, found):
    assert found == value({"a": ["x", "y"], "b": [{"c": 1}, {"c": 2}]}, path)

"""Every data set that corpora are made of: rows of its shape become what they should, and every other says why not."""

import re
from pathlib import Path

import pytest
from upstream_files import write_recipe, write_rows
from upstream_rows import EXAMPLES, write_mapped

from themis_data.errors import PipelineError, SourceError, UpstreamChanged, UpstreamGap
from themis_data.schema import schema
from themis_data.sources.hub_rows import HubRows
from themis_data.upstream import known_recipes, recipe
from themis_data.upstream.recipes import mapper_of

MAPPED = sorted({*known_recipes()} - {*known_recipes("benchmark_item")})


def read(name: str, folder: Path, **settings):
    """The rows of ours, and how many gave none for which reason."""
    source = HubRows(recipe=name, files=str(folder), settings=EXAMPLES[name].settings, **settings)
    pieces = [piece for unit in source.list_units(folder).units for piece in source.read(unit, b"")]
    left: dict[str, int] = {}
    for piece in pieces:
        assert schema(recipe(name).reads_as).arrow == piece.rows.schema
        for reason, count in piece.left_out.items():
            left[reason] = left.get(reason, 0) + count
    return [row for piece in pieces for row in piece.rows.to_pylist()], left


def as_expected(expected: list[dict], rows: list[dict]) -> list[dict]:
    """Of each row the columns that are looked at; all of it where there is one too many."""
    if len(expected) != len(rows):
        return rows
    return [{name: _plain(row[name]) for name in looked_at} for looked_at, row in zip(expected, rows, strict=True)]


def _plain(value):
    return int(value.timestamp() + 0.5) if hasattr(value, "timestamp") else value


def test_every_recipe_has_an_example():
    assert sorted(EXAMPLES) == MAPPED


@pytest.mark.parametrize("name", MAPPED)
def test_rows_become_what_they_should_and_others_say_why_not(tmp_path, name):
    rows, left = read(name, write_mapped(name, tmp_path))

    assert EXAMPLES[name].made == as_expected(EXAMPLES[name].made, rows)
    assert EXAMPLES[name].left == left
    assert {recipe(name).published_as} == {row.get("source", recipe(name).published_as) for row in rows}


@pytest.mark.parametrize("name", [name for name in MAPPED if EXAMPLES[name].paper is not None])
def test_the_papers_thresholds_can_be_had(tmp_path, name):
    rows, _ = read(name, write_mapped(name, tmp_path), thresholds="paper")

    assert EXAMPLES[name].paper == as_expected(EXAMPLES[name].paper, rows)


@pytest.mark.parametrize("name", MAPPED)
def test_a_renamed_column_stops_at_the_start_with_both_lists(tmp_path, name):
    write_mapped(name, tmp_path)
    column = next(iter(recipe(name).columns))
    file, rows = next(iter(EXAMPLES[name].files.items()))
    write_rows(
        tmp_path / file, [{("renamed" if n == column else n): value for n, value in row.items()} for row in rows]
    )

    with pytest.raises(UpstreamChanged, match=f"'{column}' lacks") as raised:
        read(name, tmp_path)
    assert str(recipe(name).path) in str(raised.value)
    assert "renamed (" in str(raised.value).partition("found: ")[2]


@pytest.mark.parametrize("name", MAPPED)
def test_a_recipe_says_what_it_is_and_where_its_facts_were_seen(name):
    found = recipe(name)

    assert found.path.read_text(encoding="utf-8").startswith("# ")
    assert all(seen.at.startswith("https://") and seen.what.endswith(".") for seen in found.seen)
    assert all(sentence.endswith(".") for sentence in (*found.gaps.values(), found.generator_terms))
    assert found.revision is None or re.fullmatch("[0-9a-f]{40}", found.revision)


@pytest.mark.parametrize("name", sorted({recipe(name).mapper for name in MAPPED}))
def test_every_reason_of_a_mapper_is_hit_by_some_recipe(name):
    documented = set(re.findall(r"`([a-z_]+)`", mapper_of_name(name).__doc__.partition("Leaves out")[2]))
    hit = {reason for one in MAPPED if recipe(one).mapper == name for reason in EXAMPLES[one].left}

    assert set() == documented - hit - NOT_HIT.get(name, set())


NOT_HIT = {
    "two_sides": {"has_system", "min_worse"},  # the recipe folds systems in
    "measured_programs": {"not_accepted"},  # the recipe's rule leaves them out before they are grouped
}


def mapper_of_name(name: str):
    return mapper_of(next(recipe(one) for one in MAPPED if recipe(one).mapper == name))


def test_a_folder_without_a_chosen_language_is_an_error(tmp_path):
    write_mapped("commit_pack", tmp_path)
    source = HubRows(recipe="commit_pack", files=str(tmp_path), settings={"choose": {"language": ["ruby", "go"]}})

    with pytest.raises(SourceError, match=r"no file matches \['data/go/"):
        source.list_units(tmp_path)


WHOLE = """
title: Made
hub: null
repository: https://example.org/made
revision: null
license: MIT
reads_as: pair
published_as: Made
evidence: rated
generator_terms: "None."
seen: [{at: "https://example.org", what: "All."}]
parts: [{files: ["{site}/*.jsonl"]}]
columns: {id: id, good: text, bad: text}
fields: {item: id, language: {value: Go}, criterion: {value: security}}
together: id
mapper: two_sides
settings: {chosen: good, rejected: bad}
gaps: {revision: "Say which.", paper.max_together: "Say how many."}
"""


def made(tmp_path, text=WHOLE):
    return str(write_recipe(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("published_as: Made\n", "", "`published_as` is given exactly where"),
        ('generator_terms: "None."\n', "", "`generator_terms` is given exactly where"),
        ("evidence: rated\n", "", "`evidence` is given exactly where"),
        ("evidence: rated", "evidence: executd", "no evidence named 'executd'. Did you mean 'executed'?"),
        ("mapper: two_sides\n", "", "the mapper None makes 'no rows'"),
        ("mapper: two_sides", "mapper: commits", "the mapper 'commits' makes 'change'"),
        ("together: id", "together: name", "`together` is 'name', which is no column"),
        ("reads_as: pair", "reads_as: benchmark_item", "given exactly where rows become pairs"),
    ],
)
def test_a_mistake_in_a_recipe_is_an_error_that_names_it(tmp_path, old, new, said):
    assert old in WHOLE
    with pytest.raises(PipelineError) as raised:
        HubRows(recipe=made(tmp_path, WHOLE.replace(old, new)))
    assert said in str(raised.value)


def test_a_placeholder_without_a_choice_is_an_error(tmp_path):
    with pytest.raises(PipelineError, match=r"say in the setting `choose` what \{site\}"):
        HubRows(recipe=made(tmp_path))


def test_what_only_the_paper_knows_is_asked_for_only_with_its_thresholds(tmp_path):
    settings = {"choose": {"site": ["a"]}}
    path = made(tmp_path)

    assert "pair" == HubRows(recipe=path, settings=settings).writes
    with pytest.raises(UpstreamGap, match=r"the setting .max_together. has no value\. Say how many"):
        HubRows(recipe=path, settings=settings, thresholds="paper")


def test_only_what_was_chosen_is_read(tmp_path):
    path = made(tmp_path)
    for site in ("a", "b"):
        write_rows(tmp_path / site / "x.jsonl", [{"id": site, "good": "f()", "bad": "g()"}])
    source = HubRows(recipe=path, files=str(tmp_path), settings={"choose": {"site": ["b"]}})
    [unit] = source.list_units(tmp_path).units

    assert "made: b/x.jsonl" == unit.name

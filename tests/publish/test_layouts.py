"""What consumers get: the paper's features to the letter, conversations, and where each pair comes from."""

import json
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows import preferences

from themis_data.code.language import all_languages
from themis_data.errors import UnknownName
from themis_data.publish.layouts import features, known_layouts, layout
from themis_data.schema import schema

LANGUAGES = ["JavaScript", "Python", "Ruby", "C++", "C", "Go", "Java", "C#", "NL"]
ASPECTS = [
    "Readability and Maintainability",
    "Runtime Efficiency",
    "Security Hardness",
    "Functional Correctness",
    "Memory Efficiency",
    "Helpfulness",
    "Harmlessness",
]


def judgement(**said: Any) -> dict[str, Any]:
    """A vote, with what a test says of it."""
    vote = {"answer": "0", "kind": "vote", "model": "m", "criterion": "runtime_efficiency", "sample": 0}
    return dict.fromkeys(schema("judgement").names) | vote | {"is_blind": True, "verdict": "chosen"} | said


def test_the_default_features_are_those_of_the_paper() -> None:
    text = {"dtype": "large_string", "_type": "Value"}
    expected = {
        "system": text,
        "input": text,
        "chosen": text,
        "rejected": text,
        "language": {"names": LANGUAGES, "_type": "ClassLabel"},
        "aspect": {"names": ASPECTS, "_type": "ClassLabel"},
        "source": {"dtype": "string", "_type": "Value"},
        "idx": {"dtype": "string", "_type": "Value"},
    }

    found = features(schema("published_default"))
    assert expected == found
    assert list(expected) == list(found)
    assert {"info": {"features": expected}} == json.loads(layout("default").arrow.metadata[b"huggingface"])


def test_the_default_types_are_those_of_the_paper() -> None:
    text, label, word = pa.large_string(), pa.int64(), pa.string()

    assert [text, text, text, text, label, label, word, word] == layout("default").arrow.types


@pytest.mark.parametrize("name", ["lineage", "trl"])
def test_configurations_without_labels_describe_themselves(name: str) -> None:
    assert b"huggingface" not in layout(name).arrow.metadata


@pytest.mark.parametrize(("number", "language"), list(enumerate(LANGUAGES[:-1])))
def test_a_language_is_its_label(number: int, language: str) -> None:
    found = layout("default").convert(preferences({"language": language}))

    assert [number] == found["language"].to_pylist()


@pytest.mark.parametrize(
    ("number", "criterion"),
    [
        (0, "readability_and_maintainability"),
        (1, "runtime_efficiency"),
        (2, "security_hardness"),
        (3, "functional_correctness"),
        (4, "memory_efficiency"),
        (5, "helpfulness"),
        (6, "harmlessness"),
    ],
)
def test_a_criterion_is_its_label(number: int, criterion: str) -> None:
    assert [number] == layout("default").convert(preferences({"criterion": criterion}))["aspect"].to_pylist()


def test_every_language_that_says_it_is_published_has_its_label() -> None:
    assert set(LANGUAGES) - {"NL"} == {name for name, known in all_languages().items() if known.published_as == name}


def test_a_default_row_holds_the_pair() -> None:
    rows = preferences({"row_id": "a", "system": "Judge it.", "prompt": "Do it.", "chosen": "x", "rejected": "y"})

    assert [
        {
            "system": "Judge it.",
            "input": "Do it.",
            "chosen": "x",
            "rejected": "y",
            "language": 1,
            "aspect": 1,
            "source": "Commit-Preference",
            "idx": "a",
        }
    ] == layout("default").convert(rows).to_pylist()


def test_rows_in_a_language_without_a_label_are_left_out_where_labels_are_fixed() -> None:
    said = [judgement()]
    rows = preferences(
        {"row_id": "a", "judgements": said},
        {"row_id": "b", "language": "Rust", "judgements": said},
        {"row_id": "c", "language": "Go", "judgements": said},
    )

    some = ("default", "Full", "Stratified_Aspect", "Stratified_Language")
    assert {name: ["a", "c"] for name in some} | {
        name: ["a", "b", "c"] for name in ("judgements", "lineage", "signatures", "trl")
    } == {
        name: layout(name).convert(rows)["idx" if name == "default" else "id"].to_pylist() for name in known_layouts()
    }


BENCH = ("Full", "Stratified_Aspect", "Stratified_Language")


def test_the_features_of_a_benchmark_are_those_of_the_papers() -> None:
    text, word = pa.large_string(), pa.string()

    for name in BENCH:
        found = layout(name).arrow
        assert ["prompt", "chosen", "rejected", "language", "aspect", "subset", "id"] == found.names
        assert [text, text, text, word, word, word, word] == found.types


def test_a_benchmarks_row_holds_the_pair_in_its_spellings() -> None:
    rows = preferences(
        {"row_id": "a", "system": "Judge it.", "prompt": "Do it.", "chosen": "x", "rejected": "y", "language": "C++"},
        {"row_id": "b", "source": "PIE_PERF", "language": "C#", "criterion": "memory_efficiency"},
    )
    assert [
        {
            "prompt": "Do it.",
            "chosen": "x",
            "rejected": "y",
            "language": "Cpp",
            "aspect": "Runtime_Efficiency",
            "subset": "COMMITPREFS_RUNTIME",
            "id": "a",
        },
        ("Write it.", "CSharp", "Memory_Efficiency", "PIE_PERF", "b"),
    ] == [
        first := layout("Full").convert(rows).to_pylist()[0],
        tuple(
            layout("Full").convert(rows).to_pylist()[1][name] for name in first if name not in ("chosen", "rejected")
        ),
    ]


@pytest.mark.parametrize(
    ("criterion", "aspect", "subset"),
    [
        ("functional_correctness", "Functional_Correctness", "COMMITPREFS_FUNCTIONAL"),
        ("memory_efficiency", "Memory_Efficiency", "COMMITPREFS_MEMORY"),
        ("readability_and_maintainability", "Readability_Maintainability", "COMMITPREFS_READABILITY"),
        ("runtime_efficiency", "Runtime_Efficiency", "COMMITPREFS_RUNTIME"),
        ("security_hardness", "Security_Hardness", "COMMITPREFS_SECURITY"),
    ],
)
def test_commits_are_in_the_subset_of_their_criterion(criterion: str, aspect: str, subset: str) -> None:
    (found,) = layout("Full").convert(preferences({"criterion": criterion})).to_pylist()

    assert (aspect, subset) == (found["aspect"], found["subset"])


def test_what_a_benchmark_has_no_split_for_is_left_out_of_all_its_configurations() -> None:
    rows = preferences({"row_id": "a"}, {"row_id": "b", "criterion": "helpfulness"}, {"row_id": "c", "language": "NL"})
    assert [["a"]] * 3 == [layout(name).convert(rows)["id"].to_pylist() for name in BENCH]


def test_a_benchmark_has_a_split_for_each_criterion_and_each_language() -> None:
    assert (
        "Functional_Correctness",
        "Memory_Efficiency",
        "Readability_Maintainability",
        "Runtime_Efficiency",
        "Security_Hardness",
    ) == layout("Stratified_Aspect").split_names(["Full"])
    assert ("C", "CSharp", "Cpp", "Go", "Java", "JavaScript", "Python", "Ruby") == layout(
        "Stratified_Language"
    ).split_names(["Full"])
    assert ("Full",) == layout("Full").split_names(["Full"])


def test_a_conversation_has_a_system_message_where_the_row_has_one() -> None:
    rows = preferences({"system": "Judge it.", "prompt": "Do it.", "chosen": "x", "rejected": "y"}, {"prompt": "Now."})

    assert [
        {
            "prompt": [{"role": "system", "content": "Judge it."}, {"role": "user", "content": "Do it."}],
            "chosen": [{"role": "assistant", "content": "x"}],
            "rejected": [{"role": "assistant", "content": "y"}],
            "id": "0",
        },
        {
            "prompt": [{"role": "user", "content": "Now."}],
            "chosen": [{"role": "assistant", "content": "x = 2\n"}],
            "rejected": [{"role": "assistant", "content": "x = 1\n"}],
            "id": "1",
        },
    ] == layout("trl").convert(rows).to_pylist()


def test_lineage_leads_back_to_the_commit_and_names_the_criterion_by_its_title() -> None:
    origin = {
        "parent_ids": ["p"],
        "also_matches": ["memory_efficiency"],
        "form": "fragment",
        "evidence": "message",
        "strength": 6.0,
        "strength_unit": "term_score",
        "label_detail": "terms: faster; diff: lookup",
        "license": "MIT AND ISC",
        "repos": "example.org/a/b,example.org/c/b",
        "group": "example.org/a/b",
        "commit": "c" * 40,
        "path": "a.py",
        "old_blob": "1" * 40,
        "new_blob": "2" * 40,
        "committed_at": datetime(2018, 1, 2, 3, 4, 5),
        "demo_only": True,
    }
    (found,) = layout("lineage").convert(preferences({"row_id": "a"} | origin)).to_pylist()

    assert origin | {"id": "a", "criterion": "Runtime Efficiency"} == {
        name: found[name] for name in [*origin, "id", "criterion"]
    }


def test_judgements_have_a_row_an_answer_and_none_for_a_pair_that_nobody_was_asked_about() -> None:
    rows = preferences(
        {"row_id": "b", "judgements": [judgement(answer="3", model="n"), judgement(answer="2", sample=1),
                                       judgement(answer="1")]},
        {"row_id": "c"},
        {"row_id": "d", "judgements": []},
        {"row_id": "a", "judgements": [judgement(answer="1", verdict=None, failure="not_json")]},
    )  # fmt: skip
    found = layout("judgements").convert(rows)

    assert [("a", "1"), ("b", "1"), ("b", "2"), ("b", "3")] == list(
        zip(found["id"].to_pylist(), found["answer"].to_pylist(), strict=True)
    )
    assert {"id": "a"} | judgement(answer="1", verdict=None, failure="not_json") == found.to_pylist()[0]


def test_judgements_are_published_with_all_that_a_pair_keeps_of_them() -> None:
    assert ["id", *schema("judgement").names] == schema("published_judgements").names
    assert [column.doc for column in schema("judgement").columns] == [
        column.doc for column in schema("published_judgements").columns[1:]
    ]


def test_lineage_has_neither_texts_nor_people() -> None:
    assert set() == {"prompt", "chosen", "rejected", "system", "author_hash", "message"} & set(
        layout("lineage").arrow.names
    )


@pytest.mark.parametrize("name", ["default", "judgements", "lineage", "trl"])
def test_no_rows_give_no_rows_of_the_same_schema(name: str) -> None:
    found = layout(name).convert(schema("preference").empty())

    assert (0, layout(name).arrow.names) == (len(found), found.column_names)


def test_labels_come_back_from_a_file(tmp_path) -> None:
    table = (
        layout("default")
        .convert(preferences({"language": "C#"}))
        .replace_schema_metadata(layout("default").arrow.metadata)
    )
    pq.write_table(table, tmp_path / "a.parquet")

    stored = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"huggingface"])["info"]["features"]
    (number,) = pq.read_table(tmp_path / "a.parquet")["language"].to_pylist()
    assert "C#" == stored["language"]["names"][number]


def test_an_unknown_configuration_is_an_error_with_the_near_one() -> None:
    with pytest.raises(UnknownName, match="lineage"):
        layout("linage")

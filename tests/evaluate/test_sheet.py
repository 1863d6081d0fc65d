"""Pair sets in the layouts people publish, and the files of a score sheet."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_versions import made_rows, run_folder

from themis_data.cli import app
from themis_data.errors import EvaluationError, UnknownName
from themis_data.evaluate.pair_sets import mode_named, read_pairs
from themis_data.evaluate.scoring import Scores
from themis_data.evaluate.sheet import compare, evaluate, read_scores, summarised

BENCH = [
    {
        "prompt": f"Sort {n} numbers.",
        "chosen": "sorted(x)" + " " * n,
        "rejected": "x" * 10,
        "language": "Python" if n % 2 else "Cpp",
        "aspect": "Runtime_Efficiency" if n < 4 else "Memory_Efficiency",
        "subset": "PIE_PERF",
        "id": f"crb-{n}",
    }
    for n in range(6)
]


class ByLength:
    """Likes what is long; and remembers what it saw."""

    def score(self, chats):
        self.chats = chats
        return Scores(np.array([float(len(chat.answer)) for chat in chats]), np.array([False] * len(chats)))


@pytest.fixture
def bench(tmp_path):
    path = tmp_path / "bench.parquet"
    pq.write_table(pa.Table.from_pylist(BENCH), path)
    return path


def test_the_sheet_has_the_published_files(bench, tmp_path):
    results = evaluate(ByLength(), read_pairs(str(bench)), "none", tmp_path / "out", described={"model": "long"})
    stored = read_scores(str(tmp_path / "out" / "scores.parquet"))
    written = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))

    assert results == written
    assert (4 / 6, 6, 1) == (
        written["overall"]["accuracy"],
        written["overall"]["count"],
        written["overall"]["ties"],
    )
    assert {"Memory_Efficiency": 1.0, "Runtime_Efficiency": 0.5} == {
        name: found["accuracy"] for name, found in written["by_aspect"].items()
    }
    assert ["Cpp", "Python"] == sorted(written["by_language"])
    assert [f"crb-{n}" for n in range(6)] == stored["id"].to_pylist()
    assert [False, False, True, True, True, True] == stored["correct"].to_pylist()
    assert ("long", "none", 0) == tuple(written["record"][name] for name in ("model", "system_prompts", "sides_cut"))


def test_stored_scores_give_the_summary_again(bench, tmp_path):
    results = evaluate(ByLength(), read_pairs(str(bench)), "none", tmp_path / "out", described={})
    again = summarised(read_scores(str(tmp_path / "out" / "scores.parquet")))

    assert again == {name: results[name] for name in again}


def test_system_prompts_by_mode(bench, tmp_path):
    pairs = read_pairs(str(bench))
    scorer = ByLength()
    for mode in ("none", "criterion", "all"):
        evaluate(scorer, pairs, mode, tmp_path / mode, described={})
        seen = [chat.system for chat in scorer.chats]
        if mode == "none":
            assert [None] * 12 == seen
        if mode == "criterion":
            assert "Runtime Efficiency" in seen[0]
            assert "Memory Efficiency" in seen[5]
            assert seen[:6] == seen[6:]
        if mode == "all":
            titles = ["Memory Eff", "Functional Corr", "Readability", "Runtime Eff", "Security"]
            assert sorted(titles, key=seen[0].index) == titles
            assert 1 == len(set(seen))


def test_the_rows_own_system_prompts(tmp_path):
    run = run_folder(tmp_path / "run", made_rows(3))
    pairs = read_pairs(str(run))

    said = dict(zip(pairs.table["id"].to_pylist(), pairs.systems("rows"), strict=True))
    assert {"0000": None, "0001": "Judge by speed alone.", "0002": "Judge by speed alone."} == said
    assert {"Runtime Efficiency"} == set(pairs.table["aspect"].to_pylist())
    assert {"Python"} == set(pairs.table["language"].to_pylist())
    assert 3 == len(read_pairs(f"{run}#default").table)


def test_the_layout_of_reward_bench(tmp_path):
    row = {"prompt": "p", "chosen": "c", "chosen_model": "m", "rejected": "r", "rejected_model": "n"}
    rows = [row | {"subset": "hep-python", "id": n} for n in range(2)]
    for name, write in (
        ("a.parquet", lambda path: pq.write_table(pa.Table.from_pylist(rows), path)),
        ("a.jsonl", lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in rows))),
        ("a.json", lambda path: path.write_text(json.dumps(rows))),
    ):
        write(tmp_path / name)
        table = read_pairs(str(tmp_path / name)).table
        assert (["0", "1"], ["hep-python"] * 2) == (table["id"].to_pylist(), table["subset"].to_pylist())
        assert [None, None] == table["aspect"].to_pylist()


ADVERSARIAL = {
    "prompt_id": "1_A",
    "query": "Add two numbers.",
    "generator": "m",
    "language": "cpp",
    "num_candidates": 3,
    "candidates": ["wrong", "right", "worse"],
    "chosen_position": 1,
    "chosen_answer": "B",
    "pass_rates": [0.2, 1.0, 0.1],
    "easy_hard": "easy",
    "weak_strong": "weak",
    "source": "Codeforces",
    "max_prompt_tokens": 100,
    "modification": "authority_bias_rejected",
    "idx": "adv_7",
}


def test_the_layout_of_aletheia(tmp_path):
    path = tmp_path / "adv.parquet"
    pq.write_table(pa.Table.from_pylist([ADVERSARIAL]), path)
    table = read_pairs(str(path)).table

    assert [("adv_7-0", "right", "wrong"), ("adv_7-2", "right", "worse")] == [
        (row["id"], row["chosen"], row["rejected"]) for row in table.to_pylist()
    ]
    assert ["Add two numbers."] * 2 == table["prompt"].to_pylist()
    assert {("cpp", "functional_correctness", "authority_bias_rejected")} == {
        (row["language"], row["aspect"], row["subset"]) for row in table.to_pylist()
    }
    for wrong in ({"chosen_answer": "C"}, {"chosen_position": 3, "chosen_answer": None}, {"chosen_position": -1}):
        pq.write_table(pa.Table.from_pylist([ADVERSARIAL | wrong]), path)
        with pytest.raises(EvaluationError, match="adv_7: 3 candidates, of which"):
            read_pairs(str(path))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"prompt": "p", "chosen": "c"}], "no column rejected; found"),
        ([{"prompt": "p", "chosen": "c", "rejected": None}], "rejected holds no text|pairs without rejected"),
        ([{"prompt": "p", "chosen": ["c"], "rejected": "r"}], "chosen holds no text"),
        ([], "no pairs in it"),
    ],
)
def test_what_are_no_pairs_is_said(tmp_path, rows, message):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)

    with pytest.raises(EvaluationError, match=message):
        read_pairs(str(path))


def test_an_unknown_criterion_or_mode_is_said(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([{**BENCH[0], "aspect": "Beauty"}]), path)

    with pytest.raises(EvaluationError, match=r"the pairs say \['Beauty'\]"):
        read_pairs(str(path)).systems("criterion")
    with pytest.raises(EvaluationError, match="no row has a system prompt"):
        read_pairs(str(path)).systems("rows")
    with pytest.raises(UnknownName, match="Did you mean 'criterion'"):
        mode_named("criterium")
    with pytest.raises(EvaluationError, match="neither a file"):
        read_pairs(str(tmp_path / "nothing"))


def scores(**rows):
    return pa.table(
        {
            "id": list(rows),
            "chosen_score": [float(right) for right in rows.values()],
            "rejected_score": [0.5] * len(rows),
        }
    )


def test_models_are_compared_on_the_same_pairs_alone():
    found = compare(scores(a=True, b=True, c=False), scores(c=False, a=True, b=False))

    assert (1 / 3, 1, 0) == (found["difference"], found["only_first_right"], found["only_second_right"])
    with pytest.raises(EvaluationError, match=r"different pairs: 1 ids are in one only, as \['c'\]"):
        compare(scores(a=True, c=True), scores(a=True))
    twice = pa.concat_tables([scores(a=True), scores(a=True)])
    with pytest.raises(EvaluationError, match="stands twice"):
        compare(twice, scores(a=True))


def test_stored_scores_of_the_published_layout_give_the_published_summary(tmp_path, capsys):
    """Columns, names and index as published; a judge's answer that could not be read has no score."""
    rows = {
        "chosen_score": [3.0, 1.0, None, 0.5],
        "rejected_score": [1.0, 1.0, 2.0, 1.5],
        "correct": [True, False, False, False],
        "score_diff": [2.0, 0.0, None, -1.0],
        "language": ["Cpp", "Cpp", "Java", "Java"],
        "aspect": ["Memory_Efficiency"] * 3 + ["Runtime_Efficiency"],
        "subset": ["ECCO", "PIE_PERF", "PIE_PERF", "PIE_PERF"],
        "id": ["ECCO_1", "PIE_PERF_1", "PIE_PERF_2", "PIE_PERF_3"],
    }
    index = json.dumps({"index_columns": ["id"], "column_indexes": [], "columns": [], "pandas_version": "2.2.3"})
    pq.write_table(pa.table(rows).replace_schema_metadata({"pandas": index}), tmp_path / "scores.parquet")
    app(["evaluate", "--scores", str(tmp_path / "scores.parquet"), "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)["results"][str(tmp_path / "scores.parquet")]
    published = {
        "accuracy": 0.25,
        "total_examples": 4,
        "correct_predictions": 1,
        "mean_score_difference": 1 / 3,
        "median_score_difference": 0.0,
        "std_score_difference": pytest.approx(1.5275, abs=5e-5),  # squares from 1/3: 25/9, 1/9, 16/9; half of 42/9
    }

    assert published == {name: found["overall"][name] for name in published}
    for by, value, accuracy, count in (
        ("aspect", "Memory_Efficiency", 1 / 3, 3),
        ("aspect", "Runtime_Efficiency", 0.0, 1),
        ("language", "Cpp", 0.5, 2),
        ("language", "Java", 0.0, 2),
        ("subset", "ECCO", 1.0, 1),
        ("subset", "PIE_PERF", 0.0, 3),
    ):
        assert (accuracy, count) == (found[f"by_{by}"][value]["accuracy"], found[f"by_{by}"][value]["count"])


def test_a_file_of_other_columns_is_no_scores(tmp_path):
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "a.parquet")

    with pytest.raises(EvaluationError, match="no column chosen_score, rejected_score"):
        read_scores(str(tmp_path / "a.parquet"))
    with pytest.raises(EvaluationError, match=r"b\.parquet: neither a file"):
        read_scores(str(tmp_path / "b.parquet"))

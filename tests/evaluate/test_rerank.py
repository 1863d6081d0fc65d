"""Candidate lists in the published layout, and figures worked out by hand."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from themis_data.errors import EvaluationError
from themis_data.evaluate.rerank import read_candidates, rerank
from themis_data.evaluate.scoring import Scores
from themis_data.report.scores import print_lists


class ByNumber:
    """The reward of a candidate is the number that it is."""

    def score(self, chats):
        self.chats = chats
        return Scores(np.array([float(chat.answer) for chat in chats]), np.array([False] * len(chats)))


def problem(id_, language, rewards, num_passed, tests=4):
    return {
        "id": id_,
        "language": language,
        "description": f"Problem {id_}.",
        "completions": [str(reward) for reward in rewards],
        "num_passed": num_passed,
        "num_failed": [tests - passed for passed in num_passed],
        "final_verdict": [passed == tests for passed in num_passed],
    }


def lists(tmp_path, *rows):
    pq.write_table(pa.Table.from_pylist(list(rows)), tmp_path / "lists.parquet")
    return read_candidates(str(tmp_path / "lists.parquet"))


# The only solution is the sixth best of seven.
SIXTH = problem("a", "Cpp", [7, 6, 5, 4, 3, 2, 1], [0, 1, 2, 3, 3, 4, 0])
# Two candidates, in the order of their pass rates.
IN_ORDER = problem("b", "Java", [0.5, 2.5], [1, 4])
# No candidate passes, and all pass as many tests.
HOPELESS = problem("c", "Java", [1, 2, 3], [2, 2, 2])


def test_figures_by_hand(tmp_path):
    found = rerank(ByNumber(), lists(tmp_path, SIXTH, IN_ORDER, HOPELESS), "none", tmp_path / "out", described={})
    all_lists, java, cpp = found["overall"], found["by_language"]["Java"], found["by_language"]["Cpp"]

    assert (3, 2, 12) == tuple(all_lists[n] for n in ("n_questions", "n_questions_with_positive", "total_completions"))
    assert (0.5, 1.0) == (all_lists["hits_at_5"], all_lists["hits_at_10"])
    assert (0.0, 1.0) == (cpp["hits_at_5"], java["hits_at_5"])
    # One solution of seven is among five drawn blindly 5 times in 7; of two candidates five are all.
    assert all_lists["hits_at_5_by_chance"] == pytest.approx((5 / 7 + 1) / 2)
    # Ranks of a's pass rates: 1.5 3 4 5.5 5.5 7 1.5; against 7 to 1.
    expected = np.corrcoef([7, 6, 5, 4, 3, 2, 1], [1.5, 3, 4, 5.5, 5.5, 7, 1.5])[0, 1]
    assert cpp["spearman_mean"] == pytest.approx(expected)
    assert (1.0, 1.0) == pytest.approx((java["spearman_mean"], java["spearman_median"]))
    assert all_lists["spearman_mean"] == pytest.approx((expected + 1) / 2)
    # Variances 4, 1 and 2/3.
    assert (all_lists["reward_variance_mean"], all_lists["reward_variance_median"]) == pytest.approx((17 / 9, 1.0))
    assert all_lists["hits_at_5_low"] <= 0.5 <= all_lists["hits_at_5_high"]


def test_the_files_are_those_that_are_published(tmp_path):
    scorer = ByNumber()
    found = rerank(scorer, lists(tmp_path, SIXTH, HOPELESS), "criterion", tmp_path / "out", described={"model": "m"})
    rows = pq.read_table(tmp_path / "out" / "per_question_scores.parquet").to_pylist()

    assert found == json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert ("m", "criterion", 0) == tuple(found["record"][n] for n in ("model", "system_prompts", "candidates_cut"))
    assert [("a", 7, 1, False, True), ("c", 3, 0, None, None)] == [
        tuple(row[n] for n in ("id", "n_completions", "n_passing", "hits_at_5", "hits_at_10")) for row in rows
    ]
    assert rows[1]["spearman"] is None
    assert {"id": "c", "rewards": [1.0, 2.0, 3.0]} == pq.read_table(tmp_path / "out" / "rewards.parquet").to_pylist()[1]
    assert all("Functional Correctness" in chat.system for chat in scorer.chats)
    assert (None, None) == (found["by_language"]["Java"]["hits_at_5"], found["by_language"]["Java"]["spearman_mean"])


def test_figures_are_printed_with_their_intervals(tmp_path, capsys):
    found = rerank(ByNumber(), lists(tmp_path, SIXTH, IN_ORDER, HOPELESS), "none", tmp_path / "out", described={})
    print_lists("none", found)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    assert "all 3 Hits@10, % 100.00 100.00 to 100.00 100.00" in lines
    assert "language Cpp 1 Hits@5, % 0.00 0.00 to 0.00 71.43" in lines
    assert "language Java 2 Spearman, median 1.00 1.00 to 1.00" in lines


def test_pass_rates_in_place_of_counts(tmp_path):
    row = {"idx": "p", "query": "Q", "candidates": ["1", "2"], "pass_rates": [1.0, 0.5]}
    found = lists(tmp_path, row)

    assert ("p", None, "Q", (1.0, 0.5), (True, False)) == (
        found[0].id,
        found[0].language,
        found[0].prompt,
        found[0].pass_rates,
        found[0].passed,
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "description": "d", "completions": ["1"]}, "a list without num_passed, num_failed"),
        (SIXTH | {"final_verdict": [True]}, "7 candidates, 7 pass rates and 1 verdicts"),
        (SIXTH | {"num_passed": [1]}, "7 candidates, 1 pass rates and 7 verdicts"),
    ],
)
def test_what_are_no_lists_is_said(tmp_path, row, message):
    with pytest.raises(EvaluationError, match=message):
        lists(tmp_path, row)


def test_a_problem_that_stands_twice_is_said(tmp_path):
    with pytest.raises(EvaluationError, match="1 ids stand twice"):
        lists(tmp_path, SIXTH, SIXTH)
    with pytest.raises(EvaluationError, match="take the mode none, criterion or all"):
        rerank(ByNumber(), lists(tmp_path, SIXTH), "rows", tmp_path / "out", described={})

"""Two builds side by side: which verdicts stayed, which pairs went, and why."""

from pathlib import Path
from typing import Any

import pytest
from builds import pairs
from made_runs import judged_run, judgement

from themis_data.report.rejudge import compare, print_compared

WORDS = {"c": "chosen", "r": "rejected", "t": "tie", "x": None}


def judged(votes: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    """Pairs with votes of a model, a letter each."""
    model = more.pop("model", "m")
    return [
        {
            "row_id": row_id,
            "parent_ids": [f"p{row_id}"],
            "judgements": [judgement(WORDS[letter], sample=n, model=model) for n, letter in enumerate(letters)],
        }
        | more
        for row_id, letters in votes.items()
    ]


def run_of(folder: Path, *rows: dict[str, Any], drops: dict[str, str] | None = None) -> Path:
    return judged_run(folder, pairs(*rows), drops=drops)


def group(report: dict[str, Any], **cell: str) -> dict[str, Any]:
    wanted = {"kind": "vote", "criterion": "all", "language": "all", "model": "all"} | cell
    [found] = [own for own in report["groups"] if {name: own[name] for name in wanted} == wanted]
    return found


def hits(group: dict[str, Any]) -> dict[str, int]:
    return {word: group[word]["hits"] for word in ("stayed", "flipped", "became_tie", "decided")}


def test_verdicts_by_most_votes_stay_flip_become_ties_or_are_decided(tmp_path: Path) -> None:
    before = {"a": "ccr", "b": "ccc", "c": "cct", "d": "cr", "e": "r", "f": "c", "g": "x"}
    after = {"a": "cxx", "b": "rrc", "c": "ttc", "d": "rrr", "e": "c", "f": "x", "g": "c"}
    report = compare(run_of(tmp_path / "one", *judged(before)), run_of(tmp_path / "two", *judged(after)))

    assert {"stayed": 1, "flipped": 2, "became_tie": 1, "decided": 1} == hits(group(report))
    assert 5 == group(report)["pairs"]
    assert (3, 2) == tuple(group(report)[word]["hits"] for word in ("chosen_before", "chosen_after"))
    assert {"hits": 2, "total": 5, "pairs": 5, "share": 0.4, "low": 0.1176, "high": 0.7693} == group(report)["flipped"]


def test_it_is_told_by_criterion_and_language_and_by_models_that_both_asked(tmp_path: Path) -> None:
    go = {"language": "Go"}
    one = run_of(tmp_path / "one", *judged({"a": "c"}), *judged({"b": "c"}, **go, model="old"))
    two = run_of(tmp_path / "two", *judged({"a": "c"}), *judged({"b": "r"}, **go, model="new"))
    report = compare(one, two)

    assert {"before": ["m", "old"], "after": ["m", "new"]} == report["models"]
    assert {("all", "all"): 2, ("Go", "all"): 1, ("Python", "all"): 1, ("Python", "m"): 1, ("all", "m"): 1} == {
        (g["language"], g["model"]): g["pairs"] for g in report["groups"] if g["criterion"] == "all"
    }
    assert 1 == group(report, language="Go", criterion="runtime_efficiency")["flipped"]["hits"]


def test_judgements_by_another_criterion_do_not_count(tmp_path: Path) -> None:
    said = [judgement("chosen"), *(judgement("rejected", sample=n, criterion="security_hardness") for n in range(3))]
    one = run_of(tmp_path / "one", {"row_id": "a", "judgements": said})
    report = compare(one, run_of(tmp_path / "two", *judged({"a": "c"})))

    assert {"stayed": 1, "flipped": 0, "became_tie": 0, "decided": 0} == hits(group(report))


def test_the_surest_flips_come_first_and_at_most_twenty(tmp_path: Path) -> None:
    before = {f"{n:02d}": "cccc" for n in range(25)} | {"sure": "cccc", "unsure": "ccrt"}
    after = {f"{n:02d}": "rrrc" for n in range(25)} | {"sure": "rrrr", "unsure": "rrrr"}
    report = compare(run_of(tmp_path / "one", *judged(before)), run_of(tmp_path / "two", *judged(after)))

    assert ["sure", *(f"{n:02d}" for n in range(19))] == [flip["row_id"] for flip in report["flips"]]
    assert {"row_id": "00", "criterion": "runtime_efficiency", "language": "Python", "kind": "vote", "before": "chosen",
            "after": "rejected", "margin_before": 1.0, "margin_after": 0.5} == report["flips"][1]  # fmt: skip


def test_pairs_of_one_build_alone_are_told_with_the_reason(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", *judged(dict.fromkeys("abcd", "c")), drops={"z": "no_majority"})
    two = run_of(tmp_path / "two", *judged({"a": "c", "z": "c"}), drops={"b": "worse_side", "pc": "too_long"})
    report = compare(one, two)

    assert {
        "pairs": 3,
        "reasons": [
            {"step": "", "reason": "absent", "pairs": 1},
            {"step": "judge_pairs", "reason": "too_long", "pairs": 1},
            {"step": "judge_pairs", "reason": "worse_side", "pairs": 1},
        ],
    } == report["only_before"]
    assert {
        "pairs": 1,
        "reasons": [{"step": "judge_pairs", "reason": "no_majority", "pairs": 1}],
    } == report["only_after"]


def test_a_pair_that_a_later_step_dropped_is_compared_as_it_was_judged(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", *judged({"a": "c", "b": "c"}))
    judged_two = pairs(*judged({"a": "r", "b": "c"}))
    two = judged_run(tmp_path / "two", judged_two, judged_two.slice(1, 1), drops={"a": "worse_side"})
    report = compare(one, two)

    assert {"stayed": 1, "flipped": 1, "became_tie": 0, "decided": 0} == hits(group(report))
    assert 1 == report["only_before"]["pairs"]


def test_a_pair_that_was_judged_again_counts_as_it_was_judged_last(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", *judged({"a": "c"}))
    two = judged_run(tmp_path / "two", pairs(*judged({"a": "r"})), pairs(*judged({"a": "c"})))

    assert {"stayed": 1, "flipped": 0, "became_tie": 0, "decided": 0} == hits(group(compare(one, two)))


def test_builds_that_nobody_judged_have_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = compare(run_of(tmp_path / "one", {"row_id": "a"}), run_of(tmp_path / "two", {"row_id": "a"}))
    print_compared(report)

    assert ([], [], 0) == (report["groups"], report["flips"], report["only_before"]["pairs"])
    assert "no pair was judged in both builds" in capsys.readouterr().out


def test_the_comparison_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = run_of(tmp_path / "one", *judged({"a": "c", "b": "c", "z": "c"}))
    two = run_of(tmp_path / "two", *judged({"a": "c", "b": "r"}), drops={"z": "worse_side"})
    print_compared(compare(one, two))

    out = capsys.readouterr().out
    assert "50.0 % (9.4 to 90.5)" in out
    assert "only in the first build: 1 pair (worse_side by judge_pairs 1)" in out
    assert "  b  runtime_efficiency, Python: chosen by 1.00 -> rejected by 1.00\n" in out

"""Votes are taken in both orders, in words or by label, and written down; nothing is decided."""

import dataclasses

import pytest
from builds import pairs, run_stage
from scripted import Scripted, saying

from themis_data.engine.requests import Reply, Request
from themis_data.errors import PipelineError, StageError, UnknownName
from themis_data.llm.audit import Limits
from themis_data.stages.judge_pairs import JudgePairs

GOOD, BAD = "good = 1\n", "bad = 1\n"
PAIR = {"chosen": GOOD, "rejected": BAD}
NO_LIMITS = Limits(**{field.name: None for field in dataclasses.fields(Limits)})


def good_first(request: Request) -> bool:
    return request.user.index("good = 1") < request.user.index("bad = 1")


def for_good(request: Request) -> str:
    return saying(request, reason="It is good.", verdict="A" if good_first(request) else "B")


def for_first(request: Request) -> str:
    return saying(request, reason="It is first.", verdict="A")


def judge(answer=for_good, **settings) -> JudgePairs:
    model = Scripted(answer=answer)
    return JudgePairs(**{"models": (model,), "canary_share": 0.0, "limits": NO_LIMITS, "votes": 4} | settings)


def votes_on(folder, stage: JudgePairs, *rows: dict) -> list[list[tuple]]:
    kept, dropped = run_stage(folder, stage, pairs(*rows))
    assert [] == dropped
    names = ("shown_first", "verdict", "sample")
    return [[tuple(e[name] for name in names) for e in one or []] for one in kept["judgements"].to_pylist()]


def test_half_of_the_votes_are_taken_in_each_order(tmp_path):
    [votes] = votes_on(tmp_path, judge(), PAIR)

    assert [
        ("chosen", "chosen", 0),
        ("chosen", "chosen", 1),
        ("rejected", "chosen", 0),
        ("rejected", "chosen", 1),
    ] == votes


def test_who_takes_the_first_one_votes_for_either_side(tmp_path):
    [votes] = votes_on(tmp_path, judge(for_first), PAIR)

    assert ["chosen", "chosen", "rejected", "rejected"] == [verdict for _, verdict, _ in votes]


def test_nothing_is_decided_and_the_rest_of_a_pair_stays(tmp_path):
    rows = pairs(PAIR, PAIR | {"prompt": "Write it.", "prompt_by": "rules", "evidence": "executed"})
    kept, _ = run_stage(tmp_path, judge(for_first), rows)

    assert kept.drop_columns("judgements").equals(rows.drop_columns("judgements"))
    assert {("vote", True, "scripted", "1", None, None)} == {
        tuple(entry[name] for name in ("kind", "is_blind", "model", "revision", "rating", "single_intent"))
        for entry in kept["judgements"][0].as_py()
    }


def test_every_model_votes_and_earlier_judgements_stay(tmp_path):
    stage = judge(models=(Scripted(answer=for_good), Scripted(answer=for_first, name="two")), votes=2)
    kept, _ = run_stage(tmp_path / "one", stage, pairs(PAIR))
    again, _ = run_stage(tmp_path / "two", judge(votes=2, seed=1), kept)
    same, _ = run_stage(tmp_path / "three", judge(votes=2), kept)

    assert ["scripted"] * 2 + ["two"] * 2 + ["scripted"] * 2 == [e["model"] for e in again["judgements"][0].as_py()]
    assert same.equals(kept)


def test_a_prompt_is_shown_where_there_is_one(tmp_path):
    stage = judge()
    votes_on(tmp_path, stage, PAIR, PAIR | {"prompt": "Make seven of it.", "prompt_by": "upstream"})

    [with_task, without] = (
        [r.user for r in stage.models[0].asked if ("seven" in r.user) is has] for has in (True, False)
    )
    assert 4 == len(with_task) == len(without)
    assert all("What was asked for:" in text and "Answer A:" in text for text in with_task)
    assert all("nobody wrote down what was asked for" in text and "Code A:" in text for text in without)


def test_further_criteria_are_asked_about_beside_the_pairs_own(tmp_path):
    stage = judge(votes=2, also=("memory_efficiency", "runtime_efficiency"))
    kept, _ = run_stage(tmp_path, stage, pairs(PAIR))

    assert ["runtime_efficiency"] * 2 + ["memory_efficiency"] * 2 == [
        entry["criterion"] for entry in kept["judgements"][0].as_py()
    ]


def by_label(share_of_good: float, share_of_first: float = 0.0):
    def answer(request: Request) -> Reply:
        a = (share_of_good if good_first(request) else 1.0 - share_of_good) + share_of_first
        return Reply(key=request.key, text="A", finish="stop", probabilities={"A": a, "B": 1.0 - a})

    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (by_label(0.9), [("chosen", 0.9), ("chosen", 0.9)]),
        (by_label(0.52), [("tie", 0.52), ("tie", 0.52)]),
        (by_label(0.5, 0.4), [("chosen", 0.9), ("rejected", 0.1)]),
    ],
)
def test_a_label_vote_is_taken_once_in_each_order_by_probability(tmp_path, answer, expected):
    stage = judge(answer, mode="label")
    kept, _ = run_stage(tmp_path, stage, pairs(PAIR))

    entries = kept["judgements"][0].as_py()
    assert ["chosen", "rejected"] == [entry["shown_first"] for entry in entries]
    assert expected == [(entry["verdict"], pytest.approx(entry["probability"])) for entry in entries]
    for request in stage.models[0].asked:
        assert (("A", "B"), True, None, 0.0, 1) == (
            request.choices,
            request.wants_probabilities,
            request.schema,
            request.sampling.temperature,
            request.sampling.max_tokens,
        )
        assert request.user.endswith("Reply with one letter, A or B, and nothing else.")


def test_an_answer_that_cannot_be_read_is_a_vote_without_a_verdict(tmp_path):
    stage = judge(lambda request: "B, I think" if good_first(request) else for_good(request), max_failed=0.5)
    kept, _ = run_stage(tmp_path, stage, pairs(PAIR))

    assert [(None, "not_json")] * 2 + [("chosen", None)] * 2 == [
        (entry["verdict"], entry["failure"]) for entry in kept["judgements"][0].as_py()
    ]


def test_a_long_pair_is_dropped_and_not_asked_about(tmp_path):
    stage = judge(max_chars=16)
    kept, dropped = run_stage(tmp_path, stage, pairs(PAIR | {"chosen": GOOD}, PAIR))
    assert [("0", "too_long", "16"), ("1", "too_long", "16")] == dropped

    kept, dropped = run_stage(tmp_path / "more", judge(max_chars=17), pairs(PAIR, PAIR | {"prompt": "!"}))
    assert (["0"], [("1", "too_long", "17")]) == (kept["row_id"].to_pylist(), dropped)


def test_a_judge_that_takes_the_first_one_fails_the_step(tmp_path):
    stage = judge(for_first, limits=Limits())

    with pytest.raises(StageError, match="pairs that flip with the order"):
        votes_on(tmp_path, stage, *(PAIR | {"row_id": str(n)} for n in range(25)))


def test_canaries_are_no_judgements_of_the_pair(tmp_path):
    stage = judge(for_first, canary_share=1.0, canary_kinds=("reversed",), votes=2)
    votes = votes_on(tmp_path, stage, *(PAIR | {"row_id": str(n)} for n in range(6)))

    assert [2] * 6 == [len(one) for one in votes]
    assert 18 == len(stage.models[0].asked)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"votes": 1}, PipelineError),
        ({"tie_margin": 1.5}, PipelineError),
        ({"temperature": 0.0}, PipelineError),
        ({"also": ("runtime_eficiency",)}, UnknownName),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, error):
    with pytest.raises(error):
        JudgePairs(**settings)


def test_greedy_labels_are_no_mistake():
    assert 0.0 == JudgePairs(mode="label", temperature=0.0).temperature

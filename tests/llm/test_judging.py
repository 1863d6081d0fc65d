"""What is asked in which order follows from the seed, and what answers say is turned to the chosen side."""

import pytest
from builds import pairs
from scripted import Scripted

from themis_data.errors import PipelineError
from themis_data.llm.audit import Limits
from themis_data.llm.canaries import KINDS
from themis_data.llm.judging import (
    Asked,
    StepAudit,
    by_row,
    canaries_of,
    check_models,
    check_sampling,
    judged,
    no_answer,
    orders,
    read_probabilities,
    read_review,
    read_vote,
    with_judgements,
)
from themis_data.schema import schema

BLIND = Asked(form="blind", criterion="runtime_efficiency", first="rejected")
SAID = {"single_intent": "yes", "better": "2", "by_how_much": "clearly"}


def answers(*given: dict) -> object:
    same = dict.fromkeys(schema("answer").names) | {
        "about": "0",
        "model": "m",
        "sample": 0,
        "is_retryable": False,
    }
    rows = [same | {"row_id": f"{number:032x}"} | one for number, one in enumerate(given)]
    return schema("answer").table({name: [row[name] for row in rows] for name in schema("answer").names})


@pytest.mark.parametrize(
    "asked",
    [
        Asked(form="informed", criterion="runtime_efficiency"),
        BLIND,
        Asked(form="vote", criterion="security_hardness", first="chosen"),
        Asked(form="vote", criterion="security_hardness", first="chosen", canary="no_op"),
    ],
)
def test_a_slot_says_what_was_asked(asked):
    assert asked == Asked.of(asked.slot)
    assert asked.slot.startswith("canary-") == (asked.canary is not None)


def test_half_of_the_votes_stand_in_each_order_and_an_odd_one_is_drawn():
    assert {"chosen": 4, "rejected": 4} == orders(8, "row", "model", seed=1)
    odd = [orders(3, f"row {n}", seed=1) for n in range(200)]
    assert all(sorted(one.values()) == [1, 2] for one in odd)
    assert 70 < sum(one["chosen"] == 2 for one in odd) < 130
    assert {1} == {len(orders(1, f"row {n}", seed=1)) for n in range(9)}
    assert odd != [orders(3, f"row {n}", seed=2) for n in range(200)]


def test_several_greedy_answers_in_one_order_are_refused():
    check_sampling("x", 0.0, 2)
    check_sampling("x", 0.5, 8)
    with pytest.raises(PipelineError, match="x: 3 votes of a model at temperature 0"):
        check_sampling("x", 0.0, 3)


def test_canaries_are_made_of_code_in_any_language_and_of_nothing_else():
    rows = pairs(*({"language": language} for language in ("Python", "Rust", "Assembly", "NL"))).to_pylist()
    settings = {"seed": 1, "kinds": KINDS, "grammars": "auto"}

    assert {"0", "1", "2"} == set(canaries_of(rows, share=1.0, **settings))
    assert {} == canaries_of(rows, share=0.0, **settings)


def test_two_models_of_one_name_are_refused():
    check_models("x", (Scripted(answer=str), Scripted(answer=str, name="other")))
    with pytest.raises(PipelineError, match="x: models has 'scripted' twice"):
        check_models("x", (Scripted(answer=str), Scripted(answer=str)))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ("chosen", 4)),
        ({"by_how_much": "must_have"}, ("chosen", 5)),
        ({"by_how_much": "slightly"}, ("chosen", 3)),
        ({"by_how_much": "none"}, ("tie", 2)),
        ({"better": "neither"}, ("tie", 2)),
        ({"better": "1", "by_how_much": "must_have"}, ("rejected", 1)),
    ],
)
def test_a_blind_review_is_turned_into_a_rating_of_the_chosen_side(said, expected):
    read = read_review(BLIND, SAID | said)

    assert (*expected, True) == (read["verdict"], read["rating"], read["single_intent"])


@pytest.mark.parametrize(("rating", "verdict"), [(1, "rejected"), (2, "tie"), (3, "chosen"), (5, "chosen")])
def test_an_informed_review_has_its_rating(rating, verdict):
    asked = Asked(form="informed", criterion="runtime_efficiency")

    assert {"verdict": verdict, "rating": rating, "single_intent": False} == read_review(
        asked, {"rating": rating, "single_intent": "no"}
    )


@pytest.mark.parametrize(
    ("first", "verdict", "expected"),
    [("chosen", "A", "chosen"), ("chosen", "B", "rejected"), ("rejected", "A", "rejected"), ("rejected", "tie", "tie")],
)
def test_a_vote_names_a_side_by_its_place(first, verdict, expected):
    asked = Asked(form="vote", criterion="runtime_efficiency", first=first)

    assert {"verdict": expected} == read_vote(asked, {"verdict": verdict})


@pytest.mark.parametrize(
    ("first", "a", "b", "verdict", "share"),
    [
        ("chosen", 0.8, 0.2, "chosen", 0.8),
        ("rejected", 0.8, 0.2, "rejected", 0.2),
        ("chosen", 0.54, 0.46, "tie", 0.54),
        ("chosen", 0.3, 0.1, "chosen", 0.75),
        ("chosen", 0.0, 0.0, "tie", 0.5),
    ],
)
def test_probabilities_within_the_margin_are_a_tie(first, a, b, verdict, share):
    asked = Asked(form="vote", criterion="runtime_efficiency", first=first)
    read = read_probabilities(asked, {"A": a, "B": b}, margin=0.1)

    assert verdict == read["verdict"]
    assert share == pytest.approx(read["probability"])


def test_an_answer_that_cannot_be_read_is_a_judgement_without_a_verdict_and_a_canary_is_none():
    found = judged(
        answers(
            {"slot": "vote:runtime_efficiency:chosen", "value": '{"verdict": "B"}'},
            {"slot": "vote:runtime_efficiency:chosen", "failure": "cut", "sample": 1},
            {"slot": "canary-no_op:vote:runtime_efficiency:chosen", "value": '{"verdict": "A"}'},
        ),
        read_vote,
    )
    entries = by_row(found)["0"]

    assert [None, None, "no_op"] == [one.canary for one in found]
    assert [("rejected", None, 0), (None, "cut", 1)] == [
        (entry["verdict"], entry["failure"], entry["sample"]) for entry in entries
    ]


def test_further_judgements_stand_behind_those_there_are_and_none_twice():
    first, second, third = (
        one.entry
        for one in judged(answers(*[{"slot": "vote:runtime_efficiency:chosen", "failure": "cut"}] * 3), read_vote)
    )
    rows = with_judgements(pairs({}, {}), {"0": [first, second]})
    again = with_judgements(rows, {"0": [first, third]})

    assert [[first, second, third], None] == again["judgements"].to_pylist()
    assert schema("pair").arrow.field("judgements").type == again["judgements"].type


def test_the_word_of_a_row_without_answers_is_the_most_common_one():
    assert "no_answer: cut" == no_answer(["not_json", "cut", "empty", "cut"])
    assert "no_answer: cut" == no_answer(["empty", "cut"])
    assert "no_answer" == no_answer([])


class Maker:
    name, family = "m", "f"


def test_the_audit_sees_canaries_and_holds_limits():
    audit = StepAudit(read_vote, Limits(), (Maker(),))
    said = [
        {"slot": f"canary-no_op:vote:runtime_efficiency:{first}", "value": '{"verdict": "A"}'}
        for first in ("chosen", "rejected") * 10
    ]
    for place, one in enumerate(said):
        audit.add(pairs({"row_id": str(place)}), answers(one | {"about": str(place)}))

    assert 20 == audit.record()["canary_pairs"]
    assert ["canaries with equal sides of which one was named"] == [
        breach.partition(",")[0] for breach in audit.breaches()
    ][:1]
    assert [] == StepAudit(read_vote, Limits(max_canary_votes=None), (Maker(),)).breaches()


def test_judging_ones_own_family_is_counted():
    """Of two writers the one of the judge's family counts; gemma's family is told by its name."""
    audit = StepAudit(read_vote, Limits(), (Maker(),))
    vote = {"slot": "vote:runtime_efficiency:chosen", "value": '{"verdict": "A"}'}
    for place, writers in enumerate([["google/gemma-3", "m"], ["google/gemma-3"], None]):
        audit.add(pairs({"row_id": str(place), "written_by": writers}), answers(vote | {"about": str(place)}))

    families = audit.record()["families"]

    assert {"same": 1, "other": 1, "unknown": 0} == families["judgements"]

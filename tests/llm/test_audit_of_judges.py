"""What the audit of judgements measures, on judgements written down by hand."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from themis_data.errors import ManifestError, PipelineError
from themis_data.llm.audit import Audit, Limits, read_gold
from themis_data.manifest import write_record
from themis_data.schema import schema

NO_LIMITS = dict.fromkeys(field.name for field in fields(Limits))
MORE = {"row_id": "a", "language": "Go", "chosen_chars": 100, "rejected_chars": 100, "canary": None, "generator": None}
VOTE = {
    "answer": "0",
    "kind": "vote",
    "model": "m",
    "revision": None,
    "criterion": "runtime_efficiency",
    "sample": 0,
    "shown_first": "chosen",
    "is_blind": True,
    "verdict": "chosen",
    "rating": None,
    "single_intent": None,
    "probability": None,
    "failure": None,
}
FIELDS = [*schema("judgement").arrow, *(pa.field(n, pa.int64() if "chars" in n else pa.string()) for n in MORE)]


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([VOTE | MORE | row for row in rows], schema=pa.schema(FIELDS))


def review(rating: int | None, **more: Any) -> dict[str, Any]:
    verdict = None if rating is None else "chosen" if rating >= 4 else "tie"
    failure = "not_json" if rating is None else None
    return {"kind": "review", "rating": rating, "verdict": verdict, "failure": failure, "shown_first": None, **more}


def votes(row_id: str, in_order: str, in_other: str, **more: Any) -> list[dict[str, Any]]:
    """Votes on a pair, a letter each (c, r, t, or x for one that cannot be read), with chosen first and second."""
    words = {"c": "chosen", "r": "rejected", "t": "tie", "x": None}
    return [
        {
            "row_id": row_id,
            "shown_first": first,
            "sample": sample,
            "verdict": words[letter],
            "failure": "no_choice" if letter == "x" else None,
            **more,
        }
        for first, letters in (("chosen", in_order), ("rejected", in_other))
        for sample, letter in enumerate(letters)
    ]


def audited(*rows: dict[str, Any], **settings: Any) -> Audit:
    audit = Audit(**settings)
    audit.add(table(*rows))
    return audit


def group(audit: Audit, kind: str = "vote", **cell: str) -> dict[str, Any]:
    """The group of a cell; what is not named is not cut."""
    wanted = {"kind": kind, "criterion": "all", "language": "all", "model": "all"} | cell
    [found] = [own for own in audit.record()["groups"] if {name: own[name] for name in wanted} == wanted]
    return found


def share(audit: Audit, name: str, kind: str = "vote", **cell: str) -> tuple[int, int, int]:
    """(hits, total, pairs) of a share; zeros where it was not measured."""
    found = group(audit, kind, **cell)["shares"].get(name, {"hits": 0, "total": 0, "pairs": 0})
    return found["hits"], found["total"], found["pairs"]


def test_verdicts_ratings_and_failures_are_counted() -> None:
    audit = audited(*votes("a", "crt", "x"), review(5), review(4), review(None))

    assert {"chosen": 1, "rejected": 1, "tie": 1} == group(audit)["verdicts"]
    assert {"no_choice": 1} == group(audit)["failures"]
    assert {"4": 1, "5": 1} == group(audit, "review")["ratings"]
    assert (1, 4, 1) == share(audit, "unreadable")
    assert (1, 3, 1) == share(audit, "unreadable", "review")
    assert (1, 3, 1) == share(audit, "tie")
    assert (1, 2, 1) == share(audit, "chosen")
    assert (2, 2, 1) == share(audit, "rated_high", "review")


def test_everything_is_told_for_all_for_criteria_for_languages_and_for_models() -> None:
    audit = audited(
        {"criterion": "x", "language": "Go", "model": "m"}, {"criterion": "y", "language": "Go", "model": "n"}
    )

    assert {
        ("all", "all", "all"): 2,
        ("all", "all", "m"): 1,
        ("all", "all", "n"): 1,
        ("all", "Go", "all"): 2,
        ("all", "Go", "m"): 1,
        ("all", "Go", "n"): 1,
        ("x", "all", "all"): 1,
        ("x", "all", "m"): 1,
        ("x", "Go", "all"): 1,
        ("y", "all", "all"): 1,
        ("y", "all", "n"): 1,
        ("y", "Go", "all"): 1,
    } == {(g["criterion"], g["language"], g["model"]): g["verdicts"]["chosen"] for g in audit.record()["groups"]}


@pytest.mark.parametrize(
    ("in_order", "in_other", "flip", "order_change"),
    [
        ("c", "c", (0, 1), (0, 1)),
        ("c", "r", (1, 1), (1, 1)),
        ("ccr", "rrc", (1, 1), (1, 1)),  # two of three in each order
        ("crt", "r", (0, 0), (1, 1)),  # no verdict has more than either other: a tie, and the order changes it
        ("cr", "t", (0, 0), (0, 1)),
        ("t", "c", (0, 0), (1, 1)),
        ("cx", "rx", (1, 1), (1, 1)),  # what cannot be read does not vote
        ("c", "x", (0, 0), (0, 0)),
        ("cc", "", (0, 0), (0, 0)),
    ],
)
def test_a_flip_is_the_other_side_in_the_other_order(
    in_order: str, in_other: str, flip: tuple[int, int], order_change: tuple[int, int]
) -> None:
    audit = audited(*votes("a", in_order, in_other))

    assert flip == share(audit, "flip")[:2]
    assert order_change == share(audit, "order_change")[:2]


def test_a_flip_is_of_one_model_by_one_criterion() -> None:
    audit = audited(
        *votes("a", "c", "", model="m"),
        *votes("a", "", "r", model="n"),
        *votes("b", "c", "", criterion="x"),
        *votes("b", "", "r", criterion="y"),
    )

    assert (0, 0, 0) == share(audit, "flip")


def test_position_is_the_share_of_sides_that_stood_first() -> None:
    audit = audited(*votes("a", "ccct", "rrrc"))

    assert (6, 7, 1) == share(audit, "first")
    assert (3, 3, 1) == share(audit, "chosen_when_first")
    assert (1, 4, 1) == share(audit, "chosen_when_second")


@pytest.mark.parametrize(
    ("chosen", "rejected", "verdict", "longer", "chosen_is_longer"),
    [
        (105, 100, "chosen", (0, 0), (0, 0)),  # 4.8 % of the longer one
        (100, 95, "chosen", (1, 1), (1, 1)),
        (100, 95, "rejected", (0, 1), (1, 1)),
        (95, 100, "rejected", (1, 1), (0, 1)),
        (95, 100, "chosen", (0, 1), (0, 1)),
        (95, 100, "tie", (0, 0), (0, 0)),
        (0, 0, "chosen", (0, 0), (0, 0)),
    ],
)
def test_the_longer_side_counts_from_five_per_cent_on(
    chosen: int, rejected: int, verdict: str, longer: tuple[int, int], chosen_is_longer: tuple[int, int]
) -> None:
    audit = audited({"chosen_chars": chosen, "rejected_chars": rejected, "verdict": verdict})

    assert longer == share(audit, "longer")[:2]
    assert chosen_is_longer == share(audit, "chosen_is_longer")[:2]


def sized(chosen: int, verdict: str, numbers: range) -> list[dict[str, Any]]:
    return [{"row_id": str(n), "chosen_chars": chosen, "rejected_chars": 100, "verdict": verdict} for n in numbers]


def test_length_preference_is_half_the_gap_in_agreement() -> None:
    """Right on 8 of 10 where the better side is longer and on 4 of 10 where it is shorter: 0.2."""
    audit = audited(
        *sized(200, "chosen", range(8)),
        *sized(200, "rejected", range(8, 10)),
        *sized(50, "chosen", range(10, 14)),
        *sized(50, "rejected", range(14, 20)),
    )

    found = group(audit)["length_preference"]
    assert 0.2 == found["value"]
    assert found["low"] < 0.2 < found["high"]


def test_a_judge_that_is_always_right_prefers_no_length_however_often_the_better_side_is_longer() -> None:
    audit = audited(*sized(200, "chosen", range(30)), *sized(50, "chosen", range(30, 33)))

    assert 0.0 == group(audit)["length_preference"]["value"]


def test_reviews_are_asked_for_high_ratings_of_longer_and_of_shorter_changes() -> None:
    audit = audited(review(5, chosen_chars=200), review(3, chosen_chars=50, row_id="b"), review(4, row_id="c"))

    assert (1, 1, 1) == share(audit, "chosen_when_longer", "review")
    assert (0, 1, 1) == share(audit, "chosen_when_shorter", "review")


def test_self_consistency_counts_couples_of_answers_to_one_question() -> None:
    """In order: c, c, r make 3 couples of which 1 agrees; in the other: t, t make 1, which agrees."""
    assert (2, 4, 1) == share(audited(*votes("a", "ccrx", "tt")), "consistent")


def test_reviews_are_consistent_where_they_give_the_same_rating() -> None:
    assert (1, 3, 1) == share(audited(review(4), review(4, sample=1), review(5, sample=2)), "consistent", "review")


def between(audit: Audit, kind: str = "vote") -> dict[str, Any]:
    [found] = [
        own
        for own in audit.record()["between_models"]
        if (own["kind"], own["criterion"], own["language"]) == (kind, "all", "all")
    ]
    return found


def test_models_are_compared_by_their_verdict_by_most_votes() -> None:
    """Verdicts of m and n: cc, cc, cr, rr, rr, and a pair that only m judged. By hand in test_agreement: 0.64."""
    rows = []
    for number, (one, other) in enumerate(["cc", "cc", "cr", "rr", "rr"]):
        rows += votes(str(number), one * 2 + "t", "x", model="m") + votes(str(number), other, "", model="n")
    found = between(audited(*rows, *votes("alone", "c", "c", model="m")))

    assert (0.64, 5, "nominal") == (found["alpha"], found["units"], found["scale"])
    assert (4, 5) == (found["unanimous"]["hits"], found["unanimous"]["total"])


def test_models_that_rate_are_compared_by_their_lower_median_on_an_ordinal_scale() -> None:
    """Ratings of m and n: 11, 22, 33, 12, 13, worked out in test_agreement."""
    rows = []
    for number, (one, other) in enumerate([(1, 1), (2, 2), (3, 3), (1, 2), (1, 3)]):
        rows += [review(rating, row_id=str(number), model="m", sample=n) for n, rating in enumerate((5, one))]
        rows += [review(other, row_id=str(number), model="n")]
    found = between(audited(*rows), "review")

    assert round(1 - 10.9 / (2 * (147 + 81 + 507) / 90), 4) == found["alpha"]
    assert "ordinal" == found["scale"]


def canary(audit: Audit, canary: str, kind: str = "review", model: str = "all") -> tuple[int, int, int]:
    [found] = [
        own for own in audit.record()["canaries"] if (own["kind"], own["canary"], own["model"]) == (kind, canary, model)
    ]
    return found["fooled"]["hits"], found["fooled"]["total"], found["unreadable"]


@pytest.mark.parametrize("kind", ["reversed", "no_op", "comment_only", "wrong_criterion"])
def test_a_review_is_fooled_by_a_canary_that_it_rates_four_or_better(kind: str) -> None:
    rows = [review(rating, canary=kind, row_id=str(n)) for n, rating in enumerate((1, 3, 4, 5, None))]
    audit = audited(*rows, review(5, row_id="real"))

    assert (2, 4, 1) == canary(audit, kind) == canary(audit, "all") == canary(audit, kind, model="m")
    assert {"5": 1} == group(audit, "review")["ratings"]
    assert (1, 1, 5) == tuple(audit.record()[name] for name in ("judgements", "pairs", "canary_pairs"))


@pytest.mark.parametrize(
    ("kind", "fooled", "counting"),
    [("no_op", 2, 2), ("comment_only", 2, 2), ("reversed", 1, 0), ("wrong_criterion", 1, 0)],
)
def test_what_fools_a_vote_depends_on_the_canary(kind: str, fooled: int, counting: int) -> None:
    rows = [{"verdict": v, "canary": kind, "row_id": v} for v in ("chosen", "rejected", "tie")]
    audit = audited(*rows, {"verdict": "tie", "canary": "no_op", "row_id": "x"})

    assert fooled == canary(audit, kind, "vote")[0]
    assert counting == canary(audit, "all", "vote")[0]


def test_judges_of_the_family_that_wrote_the_pair_are_flagged() -> None:
    families = {"Qwen/Qwen3-8B": "qwen", "Qwen/Qwen3-32B": "qwen", "meta/Llama": "llama"}
    rows = [
        {"generator": "Qwen/Qwen3-8B", "model": "Qwen/Qwen3-32B"},
        {"generator": "Qwen/Qwen3-8B", "model": "meta/Llama"},
        {"generator": "Qwen/Qwen3-8B", "model": "strange/one"},
        {"generator": None, "model": "Qwen/Qwen3-32B"},
    ]

    assert {
        "flagged": True,
        "judgements": {"other": 1, "same": 1, "unknown": 1},
        "same_family": [{"generator": "Qwen/Qwen3-8B", "model": "Qwen/Qwen3-32B", "family": "qwen", "judgements": 1}],
    } == audited(*rows, family_of=families.get).record()["families"]
    assert audited(*rows).record()["families"] is None


def test_verdicts_by_most_answers_are_held_to_what_people_said() -> None:
    audit = audited(
        *votes("a", "cc", "r"), *votes("b", "r", "r"), *votes("c", "c", "r"), *votes("d", "c", "c"),
        gold={"a": "chosen", "b": "chosen", "c": "tie"},
    )  # fmt: skip

    assert (2, 3, 3) == share(audit, "gold")


def test_a_gold_set_is_read_back_and_other_files_are_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "gold.json", {"verdicts": {"a": "tie"}})
    write_record(tmp_path / "other.json", {"rows": 3})

    assert {"a": "tie"} == read_gold(tmp_path / "gold.json")
    with pytest.raises(ManifestError, match="holds no verdicts of people"):
        read_gold(tmp_path / "other.json")


def test_a_record_is_json_with_sorted_keys() -> None:
    record = audited(*votes("a", "cr", "tx"), review(4), review(5, canary="no_op")).record()

    assert json.dumps(record) == json.dumps(record, sort_keys=True)
    assert record == json.loads(json.dumps(record))


def test_no_judgements_are_audited_and_break_no_limit() -> None:
    audit = audited()

    assert (0, []) == (audit.record()["judgements"], audit.record()["groups"])
    assert [] == audit.breaches(Limits())


PAIRS = st.lists(
    st.tuples(st.text("crtx", max_size=3), st.text("crtx", max_size=3), st.sampled_from("mn"), st.booleans()),
    max_size=6,
)


@settings(max_examples=25)
@given(PAIRS, st.integers(0, 6))
def test_tables_may_come_in_any_order(pairs: list[tuple[str, str, str, bool]], cut: int) -> None:
    rows = [
        votes(str(n), one, other, model=model, canary="no_op" if is_canary else None)
        for n, (one, other, model, is_canary) in enumerate(pairs)
    ]
    whole, parts = Audit(), Audit()
    whole.add(table(*(row for own in rows for row in own)))
    for own in rows[cut:] + rows[:cut]:
        parts.add(table(*own))

    assert whole.record() == parts.record()


def breaches(*rows: dict[str, Any], **limits: Any) -> list[str]:
    return audited(*rows, gold={"0": "rejected"}).breaches(Limits(**NO_LIMITS | limits))


MANY = range(40)
FLIPS = [row for n in MANY for row in votes(str(n), "c", "r" if n % 2 else "c")]


@pytest.mark.parametrize(
    ("rows", "limits", "sentence"),
    [
        (FLIPS, {"max_flip_rate": 0.4}, "pairs that flip with the order, by votes: 0.500 (0.352 to 0.648) of 40 pairs; "
         "the limit is at most 0.4"),
        (FLIPS, {"max_flip_rate": 0.5}, None),
        (sized(200, "chosen", MANY) + sized(50, "rejected", range(50, 90)), {"max_length_preference": 0.2},
         "preference for the longer side, by votes: 0.500 "),
        (sized(200, "rejected", MANY) + sized(50, "chosen", range(50, 90)), {"max_length_preference": 0.2},
         "preference for the shorter side, by votes: 0.500 "),
        (sized(200, "chosen", MANY) + sized(50, "chosen", range(50, 90)), {"max_length_preference": 0.2}, None),
        ([row for n in MANY for m in "mn" for row in votes(str(n), "cr"[(n + (m == "m")) % 2], "", model=m)],
         {"min_alpha": 0.2}, "alpha between models, by votes: -0.975 "),
        ([row for n in MANY for row in votes(str(n), "crt", "")], {"min_self_consistency": 0.5},
         "answers that repeat themselves, by votes: 0.000 "),
        ([review(5 if n < 5 else 1, canary="no_op", row_id=str(n)) for n in MANY], {"max_canary_share": 0.1},
         "canaries rated 4 or better, by reviews: 0.125 "),
        ([review(5 if n < 4 else 1, canary="no_op", row_id=str(n)) for n in MANY], {"max_canary_share": 0.1}, None),
        ([review(5 if n < 1 else 1, canary="no_op", row_id=str(n)) for n in range(5)], {"max_canary_share": 0.1},
         "canaries rated 4 or better, by reviews: 0.200 "),
        ([{"verdict": "chosen", "canary": "no_op", "row_id": str(n)} for n in MANY], {"max_canary_votes": 0.5},
         "canaries with equal sides of which one was named, by votes: 1.000 "),
        (votes("0", "cccc", ""), {"min_gold_agreement": 0.9}, "pairs judged as people did, by votes: 0.000 "),
        ([row for n in MANY for row in votes(str(n), "cx", "")], {"max_unreadable": 0.05},
         "replies without a verdict, by votes: 0.500 "),
    ],
)  # fmt: skip
def test_a_limit_that_does_not_hold_is_told(rows: list[dict[str, Any]], limits: Any, sentence: str | None) -> None:
    found = breaches(*rows, **limits)

    assert found[0].startswith(sentence) if sentence else [] == found
    assert [] == breaches(*rows)


def test_a_few_pairs_beyond_a_limit_may_be_chance() -> None:
    rows = [row for n in range(3) for row in votes(str(n), "c", "r" if n == 0 else "c")]

    assert [] == breaches(*rows, max_flip_rate=0.25)


def test_one_bad_language_is_told_where_all_together_hold_the_limit() -> None:
    good = [row for n in range(200) for row in votes(str(n), "c", "c", language="Go")]
    bad = [row for n in range(15) for row in votes(f"b{n}", "c", "r", language="Ruby")]
    found = breaches(*good, *bad, max_flip_rate=0.25)

    assert [
        "pairs that flip with the order, by votes, language Ruby: 1.000 (0.796 to 1.000) of 15 pairs; the limit is at "
        "most 0.25",
        "pairs that flip with the order, by votes, criterion runtime_efficiency, language Ruby: 1.000 (0.796 to 1.000) "
        "of 15 pairs; the limit is at most 0.25",
    ] == sorted(found, key=len)


def test_a_limit_that_is_no_share_or_misspelt_is_an_error() -> None:
    with pytest.raises(PipelineError, match="limits, max_flip_rate: 25 is not between 0 and 1"):
        Limits(max_flip_rate=25.0)
    with pytest.raises(ValidationError, match="max_flips"):
        TypeAdapter(Limits).validate_python({"max_flips": 0.1})
    assert Limits(min_alpha=-0.5, max_flip_rate=None) == TypeAdapter(Limits).validate_python(
        {"min_alpha": -0.5, "max_flip_rate": None}
    )


def test_one_bad_model_is_told_beside_good_ones() -> None:
    good = [row for n in range(200) for row in votes(str(n), "c", "c", model="good")]
    bad = [row for n in MANY for row in votes(str(n), "c", "r", model="bad")]

    assert ["model bad"] == [
        text.partition(":")[0].split(", ")[-1] for text in breaches(*good, *bad, max_flip_rate=0.25)
    ]

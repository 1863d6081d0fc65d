"""Votes are counted by stated rules: a majority in both orders keeps a pair, and every other outcome has its reason."""

import pytest
from builds import pairs, votes
from rows import dropped, reasons_of

from themis_data.errors import PipelineError
from themis_data.stages.tally_votes import TallyVotes


def vote(verdict: str | None, first: str, probability: float | None = None, **more) -> dict:
    [entry] = votes(chosen=1)
    failure = "cut" if verdict is None else None
    return entry | {"verdict": verdict, "shown_first": first, "probability": probability, "failure": failure} | more


def counted(stage: TallyVotes, judgements, **row):
    table = stage.count(pairs({"judgements": judgements} | row))
    return reasons_of(stage, table)[0], table.to_pylist()[0]


def same_in_both_orders(chosen: int, rejected: int = 0, ties: int = 0) -> list[dict]:
    said = ["chosen"] * chosen + ["rejected"] * rejected + ["tie"] * ties
    return [vote(verdict, first) for verdict in said for first in ("chosen", "rejected")]


@pytest.mark.parametrize(
    ("judgements", "expected"),
    [
        (same_in_both_orders(4), None),
        (same_in_both_orders(3, 1), None),
        (same_in_both_orders(2, 1, 1), "tie: 5 of 8 for chosen"),
        (same_in_both_orders(3, 0, 1), None),
        (same_in_both_orders(2, 2), "tie: 4 of 8 for chosen"),
        (same_in_both_orders(0, 0, 4), "tie: 4 of 8 for chosen"),
        (same_in_both_orders(1, 3), "outvoted: 2 of 8 for chosen"),
        (same_in_both_orders(1), "too_few_votes: 2 of 4"),
        ([*same_in_both_orders(1), *(vote(None, "chosen") for _ in range(6))], "too_few_votes: 2 of 4"),
        ([], "too_few_votes: 0 of 4"),
        (None, "too_few_votes: 0 of 4"),
        # The first one wins, whichever it is; then the second one.
        ([vote(first, first) for first in ("chosen", "rejected") * 2], "order_decides: 2 of 4 for chosen"),
        (
            [vote("chosen", "chosen")] * 6 + [vote("rejected", "rejected")] * 2,
            "order_decides: 6 of 8 for chosen",
        ),
        (
            [vote("chosen", "rejected"), vote("rejected", "chosen")] * 2,
            "order_decides: 2 of 4 for chosen",
        ),
        # A tie in one order contradicts nothing.
        ([vote("chosen", "chosen")] * 2 + [vote("tie", "rejected")] * 2, None),
        ([vote("chosen", "chosen")] * 4, None),
    ],
)
def test_each_outcome_has_its_reason(judgements, expected):
    assert expected == counted(TallyVotes(), judgements)[0]


@pytest.mark.parametrize(
    ("ties", "expected"),
    [("half", 0.75), ("against", "tie: 4 of 8 for chosen"), ("ignored", 1.0)],
)
def test_what_a_tie_counts_is_a_setting(ties, expected):
    reason, row = counted(TallyVotes(ties=ties), same_in_both_orders(2, 0, 2))

    assert expected == (reason or row["strength"])


def test_an_order_may_be_let_decide():
    by_order = [vote("chosen", "chosen")] * 6 + [vote("rejected", "rejected")] * 2

    assert counted(TallyVotes(needs_both_orders=False), by_order)[0] is None


def test_a_vote_by_label_counts_with_its_probability():
    labels = [vote("chosen", "chosen", 0.9), vote("chosen", "rejected", 0.7), vote("tie", "chosen", 0.52)]
    reason, row = counted(TallyVotes(min_votes=3, min_share=0.7), labels)

    assert reason is None
    assert row["strength"] == pytest.approx((0.9 + 0.7 + 0.5) / 3)


def test_only_votes_by_the_pairs_own_criterion_count():
    others = votes(criterion="memory_efficiency", rejected=8)
    reviews = [vote("rejected", "chosen", kind="review", rating=1)] * 8

    assert counted(TallyVotes(), [*same_in_both_orders(4), *others, *reviews])[0] is None
    assert "too_few_votes: 0 of 4" == counted(TallyVotes(), [*others, *reviews])[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("message", ("judged", 1.0, "share_of_votes")),
        ("merged", ("judged", 1.0, "share_of_votes")),
        ("judged", ("judged", 1.0, "share_of_votes")),
        ("differential", ("differential", 3.0, "x")),
        ("executed", ("executed", 3.0, "x")),
    ],
)
def test_stronger_evidence_stands(before, after):
    _, row = counted(TallyVotes(), same_in_both_orders(4), evidence=before, strength=3.0, strength_unit="x")

    assert after == (row["evidence"], row["strength"], row["strength_unit"])


def test_pairs_that_nobody_voted_on_may_stay():
    stage = TallyVotes(unjudged="keep")

    assert counted(stage, None)[0] is None
    assert ("message", None) == tuple(counted(stage, None)[1][name] for name in ("evidence", "strength"))
    assert "too_few_votes: 0 of 4" == counted(stage, [vote(None, "chosen")])[0]


def test_an_outvoted_pair_may_stay_as_it_was_labelled():
    reason, row = counted(TallyVotes(flip="keep"), same_in_both_orders(0, 4))

    assert reason is None
    assert ("x = 2\n", "message", None) == (row["chosen"], row["evidence"], row["strength"])


def test_an_outvoted_pair_may_be_swapped_with_its_judgements():
    review = vote("chosen", "rejected", kind="review", rating=4)
    judgements = [*same_in_both_orders(1, 7), vote("rejected", "chosen", 0.1), review]
    reason, row = counted(TallyVotes(flip="swap"), judgements, label_detail="speed up")

    assert reason is None
    assert ("x = 1\n", "x = 2\n", "judged") == (row["chosen"], row["rejected"], row["evidence"])
    assert row["strength"] == pytest.approx((14 + 0.9) / 17)
    assert "speed up; sides swapped, votes were 2.1 of 17 for chosen" == row["label_detail"]
    assert [("rejected", "rejected"), ("rejected", "chosen")] == [
        (entry["verdict"], entry["shown_first"]) for entry in row["judgements"][:2]
    ]
    assert 0.9 == row["judgements"][-2]["probability"]
    assert ("rejected", "chosen", 1) == tuple(row["judgements"][-1][n] for n in ("verdict", "shown_first", "rating"))


def test_votes_do_not_turn_round_what_was_executed():
    reason, row = counted(TallyVotes(flip="swap"), same_in_both_orders(0, 4), evidence="executed")

    assert ("outvoted: 0 of 8 for chosen", "x = 2\n") == (reason, row["chosen"])


def test_a_build_drops_with_reason_and_detail(tmp_path):
    rows = pairs({"judgements": votes(chosen=8)}, {"judgements": votes(rejected=8)})

    assert {"1": ("outvoted", "0 of 8 for chosen")} == dropped(tmp_path, TallyVotes(), rows)


@pytest.mark.parametrize("settings", [{"min_share": 0.5}, {"min_share": 1.1}, {"min_votes": 0}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(PipelineError, match="tally_votes: min_"):
        TallyVotes(**settings)

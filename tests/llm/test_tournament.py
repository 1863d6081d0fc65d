"""Tournaments: who meets whom, and what strengths the verdicts give."""

import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.llm.tournament import OrderAudit, Verdict, bradley_terry, distinct, pairings, win_probability


def test_one_win_with_this_prior_gives_scores_of_ln_2() -> None:
    """By symmetry the scores are x and -x. With p = e^x the wins of the first, 1 + a, equal what is expected of it:
    p^2 / (1 + p^2) against the other and 2a p / (1 + p) against the player of strength 1. At p = 2 that is
    4/5 + 4a/3, so a = 0.6 gives p = 2."""
    won, lost = bradley_terry(2, [Verdict(0, 1, 1.0)], prior=0.6)

    assert (math.log(2), -math.log(2)) == (pytest.approx(won, abs=1e-8), pytest.approx(lost, abs=1e-8))
    assert 0.8 == pytest.approx(win_probability(won - lost))


def test_almost_without_a_prior_the_odds_are_those_of_the_games() -> None:
    verdicts = [Verdict(0, 1, 1.0)] * 3 + [Verdict(1, 0, 1.0)]

    one, other = bradley_terry(2, verdicts, prior=1e-4)

    assert math.log(3) == pytest.approx(one - other, abs=1e-3)


def test_a_circle_of_wins_makes_all_equal() -> None:
    assert [0.0] * 3 == pytest.approx(bradley_terry(3, [Verdict(0, 1, 1.0), Verdict(1, 2, 1.0), Verdict(2, 0, 1.0)]))


def test_a_tie_and_a_probability_of_half_say_nothing() -> None:
    assert [0.0, 0.0] == pytest.approx(bradley_terry(2, [Verdict(0, 1, 0.5)]))


def test_who_wins_everything_has_a_finite_score_and_groups_that_never_met_one_scale() -> None:
    scores = bradley_terry(4, [Verdict(0, 1, 1.0)] * 9 + [Verdict(2, 3, 1.0)])

    assert all(map(math.isfinite, scores))
    assert scores[0] > scores[2] > 0.0 > scores[3] > scores[1]


def test_a_chain_of_wins_is_a_ranking() -> None:
    scores = bradley_terry(4, [Verdict(3, 1, 1.0), Verdict(1, 0, 1.0), Verdict(0, 2, 1.0)])

    assert [3, 1, 0, 2] == sorted(range(4), key=lambda place: -scores[place])


def test_no_games_give_equal_scores_and_no_players_none() -> None:
    assert [0.0, 0.0] == bradley_terry(2, [])
    assert [] == bradley_terry(0, [])


def test_a_prior_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prior is 0\.0"):
        bradley_terry(2, [], prior=0.0)


@settings(max_examples=50)  # the clock says how busy the machine is
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.0, 0.3, 0.5, 1.0])).filter(
            lambda game: game[0] != game[1]
        ),
        max_size=20,
    )
)
def test_wins_are_what_the_scores_expect(games: list[tuple[int, int, float]]) -> None:
    """The condition of a maximum: for everybody, wins against the others and the prior's player are as expected."""
    scores = bradley_terry(5, [Verdict(*game) for game in games], prior=0.5)

    # Scores are shifted to mean 0; the shift is what makes the prior's games add up: half of them are won.
    low, high = -50.0, 50.0
    for _ in range(200):
        shift = (low + high) / 2
        if sum(win_probability(score + shift) for score in scores) > 2.5:
            high = shift
        else:
            low = shift
    for player, score in enumerate(scores):
        won = expected = 0.5
        expected = 2 * 0.5 * win_probability(score + low)
        for one, other, share in games:
            if player in (one, other):
                rival = other if player == one else one
                won += share if player == one else 1.0 - share
                expected += win_probability(score - scores[rival])
        assert won == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "rounds", "expected"), [(1, 3, 0), (2, 1, 1), (3, 1, 3), (5, 1, 5), (5, 2, 10), (6, 3, 15), (6, 9, 15)]
)
def test_rounds_bound_how_many_meet(size: int, rounds: int, expected: int) -> None:
    found = pairings(size, rounds=rounds, seed=1, draw="row")

    assert expected == len(found) == len(set(found))
    assert all(0 <= one < other < size for one, other in found)


def test_everybody_meets_two_others_a_round() -> None:
    found = pairings(9, rounds=2, seed=1, draw="row")

    assert {4} == set(Counter(place for pair in found for place in pair).values())


def test_seed_and_row_draw_who_meets() -> None:
    assert pairings(9, rounds=1, seed=1, draw="row") == pairings(9, rounds=1, seed=1, draw="row")
    assert pairings(9, rounds=1, seed=1, draw="row") != pairings(9, rounds=1, seed=2, draw="row")
    assert pairings(9, rounds=1, seed=1, draw="row") != pairings(9, rounds=1, seed=1, draw="other")


def test_of_equal_codes_the_first_plays() -> None:
    assert [0, 2] == distinct(["a", None, "b", "a"])


def test_the_audit_counts_who_changes_side_with_the_order() -> None:
    said = [
        ("row", "m", 0, 1, 0.9),  # the same in both orders
        ("row", "m", 1, 0, 0.2),
        ("row", "m", 0, 2, 0.9),  # the first in both
        ("row", "m", 2, 0, 0.6),
        ("row", "m", 1, 2, 0.5),  # a tie in one
        ("row", "m", 2, 1, 0.9),
        ("row", "n", 0, 1, 1.0),  # one order only
    ]
    audit = OrderAudit(read=lambda answers: said, max_flip_rate=0.25)

    audit.add(pa.table({}), pa.table({}))

    assert {"votes": 7, "first": round(5.0 / 7, 4), "in_both_orders": 2, "flip": 0.5} == audit.record()
    assert [] == audit.breaches()
    for _ in range(9):
        audit.add(pa.table({}), pa.table({}))
    assert ["10 of 20 comparisons name the other side"] == [text.partition(" when")[0] for text in audit.breaches()]

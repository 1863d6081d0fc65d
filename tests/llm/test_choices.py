"""Choices get the probability of the first tokens that begin them."""

import math

import pytest

from themis_data.llm.choices import choice_probabilities, likeliest


def logs(**probabilities: float) -> list[tuple[str, float]]:
    return [(token, math.log(p)) for token, p in probabilities.items()]


def test_tokens_that_are_choices_share_the_probability_of_all_of_them():
    found = choice_probabilities(["A", "B"], logs(A=0.3, B=0.1, C=0.6))

    assert {"A": pytest.approx(0.75), "B": pytest.approx(0.25)} == found


def test_white_space_around_a_token_or_choice_does_not_count():
    tokens = [(" A", math.log(0.2)), ("A", math.log(0.2)), ("\nB", math.log(0.4))]

    assert {"A": pytest.approx(0.5), " B": pytest.approx(0.5)} == choice_probabilities(["A", " B"], tokens)


def test_a_token_counts_for_the_only_choice_that_begins_with_it():
    found = choice_probabilities(["better", "worse", "between"], logs(bet=0.5, wor=0.2, betw=0.1, between=0.1))

    # "bet" begins two choices and tells nothing.
    assert {"better": 0.0, "worse": pytest.approx(0.5), "between": pytest.approx(0.5)} == found


def test_a_token_that_is_a_choice_counts_for_it_although_another_begins_with_it():
    assert {"A": pytest.approx(1.0), "AB": 0.0} == choice_probabilities(["A", "AB"], logs(A=0.5))


def test_case_counts():
    assert choice_probabilities(["A", "B"], logs(a=0.9)) is None


@pytest.mark.parametrize("tokens", [[], [("", -0.1), (" ", -0.1)], [("A", -9999.0)], [("A", math.nan)]])
def test_where_no_token_begins_a_choice_there_are_no_probabilities(tokens):
    assert choice_probabilities(["A", "B"], tokens) is None


def test_of_equally_likely_choices_the_first_is_taken():
    assert "A" == likeliest({"A": 0.4, "B": 0.4, "C": 0.2})

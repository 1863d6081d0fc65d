"""What answers cost and what the rest would cost."""

import pickle

import pytest
from scripted import Scripted

from themis_data.engine.budget import Budget, BudgetReached, Meter, read_budget
from themis_data.engine.requests import Reply
from themis_data.errors import PipelineError

PRICED = Scripted(answer=str, usd_per_million_tokens=(1.0, 10.0), gpus=2)


def reply(tokens_in: int = 0, tokens_out: int = 0) -> Reply:
    return Reply(key="0" * 32, text="x", tokens_in=tokens_in, tokens_out=tokens_out)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("200usd", Budget(usd=200.0)),
        ("0.5 USD", Budget(usd=0.5)),
        ("1000tokens", Budget(tokens=1000)),
        ("3requests", Budget(requests=3)),
    ],
)
def test_a_budget_is_an_amount_with_its_unit(text, budget):
    assert budget == read_budget(text)


@pytest.mark.parametrize("text", ["200", "usd", "-1usd", "1e3tokens", ""])
def test_another_budget_is_refused(text):
    with pytest.raises(PipelineError, match="expected an amount with its unit: 200usd"):
        read_budget(text)


def test_money_is_spent_by_the_models_prices():
    budget = Budget(usd=0.0125)

    budget.spend(PRICED, reply(2_000, 1_000))
    assert (0.012, False) == (budget.spent_usd, budget.is_spent)

    budget.spend(PRICED, reply(500, 0))
    assert budget.is_spent


def test_a_model_without_a_price_costs_nothing():
    budget = Budget(usd=1.0, tokens=10)

    budget.spend(Scripted(answer=str), reply(5, 4))

    assert (0.0, 9, False) == (budget.spent_usd, budget.spent_tokens, budget.is_spent)


def test_the_rest_is_the_mean_of_what_was_asked_times_what_is_open():
    meter = Meter(model=PRICED, open=14, seconds=9.0)
    for tokens_in in (90, 100, 110):
        meter.count(reply(tokens_in, 20))
    meter.count(Reply(key="0" * 32, failure="timeout"))

    rest = meter.rest()

    # The mean of 90, 100 and 110 has the standard error 10 / sqrt(3); times 1.645 and the 10 that are open: 95.
    assert (4, 1, 10) == (rest["asked"], rest["failed"], rest["open"])
    assert [905.0, 1000.0, 1095.0] == pytest.approx(rest["tokens_in"], abs=0.1)
    assert [200.0, 200.0, 200.0] == rest["tokens_out"]
    assert pytest.approx(1_000e-6 + 10 * 200e-6) == rest["usd"][1]
    # 360 tokens in 9 seconds: 1,200 tokens take 30 of two GPUs.
    assert pytest.approx(30 / 3600) == rest["hours"][1]
    assert pytest.approx(60 / 3600) == rest["gpu_hours"][1]


def test_nothing_is_said_of_what_was_never_answered():
    rest = Meter(model=PRICED, open=5).rest()

    assert (None, None, None, None) == (rest["tokens_in"], rest["usd"], rest["hours"], rest["gpu_hours"])


def test_the_error_survives_a_process():
    reached = pickle.loads(pickle.dumps(BudgetReached("spent", "judge", [{"model": "m"}])))

    assert ("spent", "judge", [{"model": "m"}]) == (str(reached), reached.step, reached.rest)

"""Pairs without a problem get one that both solutions answer, or go with the reason why there is none."""

import pytest
from builds import pairs, run_stage
from scripted import Scripted, saying

from themis_data.engine.requests import Request
from themis_data.errors import PipelineError
from themis_data.stages.recover_problems import RecoverProblems

ONE = "n = int(input())\ntotal = 0\nfor i in range(n):\n    total += i\nprint(total)\n"
OTHER = "count = int(input())\nprint(count * (count - 1) // 2)\n"
PAIR = {"chosen": OTHER, "rejected": ONE, "source": "CodeNet", "path": None}
PROBLEM = "A whole number is given. Print the sum of all whole numbers from nought to one less than it."


def recover(*statements: str | None, **settings) -> RecoverProblems:
    """A stage whose model says these, one a sample, over and over."""
    said: list[str | None] = []

    def answer(request: Request) -> str:
        said.append(statements[len(said) % len(statements)])
        return saying(request, description="They add up.", statement=said[-1])

    return RecoverProblems(model=Scripted(answer=answer, name="writer"), **settings)


def outcome(folder, stage: RecoverProblems, **row):
    kept, dropped = run_stage(folder, stage, pairs(PAIR | row))
    if dropped:
        [(_, reason, detail)] = dropped
        return f"{reason}: {detail}" if detail else reason
    return kept["prompt"][0].as_py(), kept["prompt_by"][0].as_py()


def test_a_problem_says_who_wrote_it(tmp_path):
    assert (PROBLEM, "writer") == outcome(tmp_path, recover(PROBLEM))


def test_the_first_statement_that_gives_nothing_away_is_taken(tmp_path):
    assert (PROBLEM, "writer") == outcome(tmp_path, recover("Print `count * (count - 1) // 2`.", PROBLEM))


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["Print `count * (count - 1) // 2`.", None], "leak: leaks_line: 'print(count * (count - 1) // 2)'"),
        ([None], "unclear"),
        (["  "], "unclear"),
    ],
)
def test_without_one_the_pair_goes(tmp_path, statements, expected):
    found = outcome(tmp_path, recover(*statements))

    assert expected.partition(":")[0] == found.partition(":")[0]


def test_a_problem_that_the_pair_has_stands_and_is_not_asked_for(tmp_path):
    stage = recover(PROBLEM)

    assert ("Sum up.", "upstream") == outcome(tmp_path, stage, prompt="Sum up.", prompt_by="upstream")
    assert [] == stage.model.asked


def test_what_cannot_be_read_is_no_problem(tmp_path):
    stage = RecoverProblems(model=Scripted(answer=lambda request: PROBLEM), max_failed=1.0)

    assert "no_answer: not_json" == outcome(tmp_path, stage)


def test_a_long_pair_is_not_asked_about(tmp_path):
    stage = recover(PROBLEM, max_chars=len(ONE + OTHER) - 1)

    assert f"too_long: {len(ONE + OTHER) - 1}" == outcome(tmp_path, stage)
    assert [] == stage.model.asked


def test_solutions_are_shown_in_an_order_that_says_nothing():
    table = recover(PROBLEM).ask(pairs(*(PAIR for _ in range(60))))
    firsts = sum(text.index("count * ") < text.index("range(n)") for text in table["user"].to_pylist())

    assert 15 < firsts < 45
    assert not any("efficien" in text.lower() for name in ("system", "user") for text in table[name].to_pylist())


@pytest.mark.parametrize("settings", [{"samples": 0}, {"samples": 2, "temperature": 0.0}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(PipelineError, match="recover_problems: samples is"):
        RecoverProblems(**settings)

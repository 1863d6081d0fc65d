"""Pairs too long for the reward model go whole; those that a trainer's cut would make one are marked."""

from pathlib import Path
from typing import Any

import pytest
from builds import pairs, run_stage
from rows import dropped

from themis_data.stages.keep_lengths import KeepLengths
from themis_data.text.tokens import QWEN, Tokens, open_tokens, tokenizer_file

# ChatML of an empty prompt and an empty answer is 14 tokens, a system turn 5 and its text.
EMPTY = 14


@pytest.fixture(scope="module")
def qwen() -> Tokens:
    return open_tokens(tokenizer_file(QWEN))


def measured(qwen: Tokens, chosen: str, rejected: str, prompt: str = "", **settings: Any) -> Any:
    """(same_at, reason), without room for a system prompt."""
    stage = KeepLengths(**settings)
    system = len(qwen.ids(stage.system_prompt("runtime_efficiency"), 10_000)) + 5
    stage = KeepLengths(**settings | {n: settings[n] + system for n in ("max_tokens",) if n in settings})
    return stage.measured(qwen, prompt, "runtime_efficiency", chosen, rejected)


def test_pairs_that_fit_stay_and_longer_ones_go_with_the_numbers(tmp_path: Path) -> None:
    rows = pairs(
        {"prompt": "Write it.", "prompt_by": "rules"},
        {"prompt": "Write it.", "prompt_by": "rules", "chosen": "x " * 5_000},
        {"prompt": "Write it.", "prompt_by": "rules", "rejected": "x " * 5_000},
        {"prompt": "Write it. " * 2_000, "prompt_by": "rules"},
        {"prompt": None},
    )
    found = dropped(tmp_path, KeepLengths(), rows)

    assert {"1": "too_long", "2": "too_long", "3": "too_long", "4": "no_prompt"} == {
        i: r for i, (r, _) in found.items()
    }
    assert "chosen 5149 tokens, the limit is 4096" == found["1"][1]
    assert "rejected 5149 tokens, the limit is 4096" == found["2"][1]


@pytest.mark.parametrize(("max_tokens", "expected"), [(EMPTY + 7, None), (EMPTY + 6, "too_long")])
def test_the_limit_is_the_last_length_that_fits(qwen: Tokens, max_tokens: int, expected: str | None) -> None:
    _, reason = measured(qwen, "1234", "1", prompt="123", max_tokens=max_tokens)

    assert expected == (reason and reason.partition(":")[0])


def test_room_is_left_for_the_longest_system_prompt_or_only_for_the_rows_own(qwen: Tokens) -> None:
    longest, own = (KeepLengths(system=s).system_prompt("runtime_efficiency") for s in ("all", "own"))

    assert own.count("\n\n") == 1 < longest.count("\n\n") == 5
    assert "Security Hardness" in longest
    assert "Security" not in own


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [
        pytest.param("1" * 400 + "2", "1" * 400 + "3", [512], id="differ after 512"),
        pytest.param("1" * 1_000 + "2", "1" * 1_000 + "3", [512, 1024], id="differ after 1024"),
        pytest.param("2" + "1" * 2_000, "3" + "1" * 2_000, [], id="differ at once"),
        pytest.param("1", "12", [], id="both short"),
    ],
)
def test_a_pair_that_a_trainers_cut_would_make_one_is_marked(
    qwen: Tokens, chosen: str, rejected: str, expected: list[int]
) -> None:
    assert (expected, None) == measured(qwen, chosen, rejected)


def test_a_cut_just_before_the_first_difference_makes_a_pair_one(qwen: Tokens) -> None:
    stage = KeepLengths(system="own")
    before = len(qwen.ids(stage.system_prompt("runtime_efficiency"), 10_000)) + 5 + EMPTY - 2  # what ends the answer
    stage = KeepLengths(system="own", cuts=(before + 3, before + 4))

    assert ([before + 3], None) == stage.measured(qwen, "", "runtime_efficiency", "1112", "1113")


def test_the_mark_is_written(tmp_path: Path) -> None:
    long = "1" * 600
    rows = pairs({"prompt": "", "prompt_by": "rules", "chosen": f"{long}2", "rejected": f"{long}3"})
    written, _ = run_stage(tmp_path, KeepLengths(cuts=(300, 600, 900)), rows)

    assert [[300, 600]] == written["same_at"].to_pylist()


@pytest.mark.parametrize("settings", [{"max_tokens": 0}, {"cuts": (0,)}])
def test_lengths_are_at_least_one(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        KeepLengths(**settings)


def test_no_cuts_is_a_choice(qwen: Tokens) -> None:
    assert ([], None) == measured(qwen, "1", "2", cuts=())

"""The shares of system prompts are the stated ones, the draw is seeded, and a prompt names what it is said to name."""

import re
from collections import Counter
from math import sqrt

import pytest
from builds import pairs

from themis_data.stages.assign_system_prompts import AssignSystemPrompts, Shares

IDS = [f"{n:032x}" for n in range(2_000)]
TITLES = {
    "functional_correctness": "Functional Correctness",
    "memory_efficiency": "Memory Efficiency",
    "readability_and_maintainability": "Readability and Maintainability",
    "runtime_efficiency": "Runtime Efficiency",
    "security_hardness": "Security Hardness",
    "helpfulness": "Helpfulness",
    "harmlessness": "Harmlessness",
}
FIVE = {title for name, title in TITLES.items() if name not in ("helpfulness", "harmlessness")}


def titles(prompt: str) -> list[str]:
    """Criteria that a prompt defines, in order."""
    return re.findall(rf"^({'|'.join(TITLES.values())}): ", prompt, re.MULTILINE)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ("labelled", {"one": 1.0}),
        ("paper", {"none": 0.15, "all": 0.20, "one": 0.65}),
        ("published_code", {"none": 0.15, "general_and_one": 0.60, "all": 0.25}),
    ],
)
def test_rows_get_the_stated_shares(shares: Shares, expected: dict[str, float]) -> None:
    stage = AssignSystemPrompts(shares=shares, seed=7)

    found = Counter(stage.kind(row_id) for row_id in IDS)

    assert expected.keys() == found.keys()
    for kind, share in expected.items():
        assert 4 * sqrt(2_000 * share * (1 - share)) >= abs(found[kind] - 2_000 * share), kind


@pytest.mark.parametrize("criterion", TITLES)
def test_the_prompt_of_one_names_the_rows_own_criterion_alone(criterion: str) -> None:
    prompt = AssignSystemPrompts().prompt("one", criterion, "a")

    assert [TITLES[criterion]] == titles(prompt or "")


def test_the_prompt_of_all_names_the_five() -> None:
    prompt = AssignSystemPrompts().prompt("all", "memory_efficiency", "a")

    assert sorted(FIVE) == sorted(titles(prompt or ""))


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("memory_efficiency", ["Harmlessness", "Helpfulness", "Memory Efficiency"]),
        ("helpfulness", ["Harmlessness", "Helpfulness"]),
    ],
)
def test_the_prompt_of_the_general_ones_names_the_rows_own_too(criterion: str, expected: list[str]) -> None:
    prompt = AssignSystemPrompts().prompt("general_and_one", criterion, "a")

    assert expected == sorted(titles(prompt or ""))


def test_the_order_of_the_five_is_drawn_for_each_row_from_the_seed() -> None:
    def orders(seed: int) -> list[tuple[str, ...]]:
        stage = AssignSystemPrompts(seed=seed)
        return [tuple(titles(stage.prompt("all", "memory_efficiency", row_id) or "")) for row_id in IDS[:500]]

    assert orders(1) == orders(1) != orders(2)
    first = Counter(order[0] for order in orders(1))
    assert first.keys() == FIVE
    assert 4 * sqrt(500 * 0.2 * 0.8) >= max(abs(count - 100) for count in first.values())


def test_another_seed_gives_other_rows_a_prompt() -> None:
    kinds = [[AssignSystemPrompts(shares="paper", seed=seed).kind(i) for i in IDS[:100]] for seed in (1, 1, 2)]

    assert kinds[0] == kinds[1] != kinds[2]


def test_a_row_says_which_prompt_it_got() -> None:
    stage = AssignSystemPrompts(shares="paper", seed=7)
    rows = stage.assign(pairs(*({"row_id": i, "prompt": "Write it.", "prompt_by": "rules"} for i in IDS[:100])))

    by_kind = {"none": set(), "one": set(), "all": set()}
    for kind, system in zip(rows["system_kind"].to_pylist(), rows["system"].to_pylist(), strict=True):
        by_kind[kind].add(None if system is None else frozenset(titles(system)))
    assert {"none": {None}, "one": {frozenset(["Runtime Efficiency"])}, "all": {frozenset(FIVE)}} == by_kind


def test_nothing_else_of_a_pair_changes() -> None:
    rows = pairs({"prompt": "Write it.", "prompt_by": "rules"}, {"prompt": "Do it.", "prompt_by": "upstream"})

    found = AssignSystemPrompts().assign(rows)

    assert rows.to_pylist() == found.select(rows.column_names).to_pylist()


def test_a_row_without_a_prompt_is_dropped() -> None:
    rows = pairs({"prompt": "Write it.", "prompt_by": "rules"}, {})

    assert [None, "no_prompt"] == AssignSystemPrompts().drop_reason(rows).to_pylist()

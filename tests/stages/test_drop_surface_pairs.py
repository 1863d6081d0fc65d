"""Pairs that differ on the surface alone stay for readability and go for everything else."""

import pytest
from builds import pairs
from rows import reasons_of

from themis_data.criteria import all_criteria
from themis_data.errors import PipelineError
from themis_data.stages.drop_surface_pairs import DropSurfacePairs

OLD = "def f(a):\n    return g(a)\n"
NEW = "def f(amount):\n    return g(amount)\n"


def reason(
    rejected: str, chosen: str, criterion: str = "functional_correctness", language: str = "Python"
) -> str | None:
    row = {"rejected": rejected, "chosen": chosen, "criterion": criterion, "language": language}
    (found,) = reasons_of(DropSurfacePairs(), pairs(row))
    return found


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("def f(a):\n\n    return g(a)\n", "whitespace_only"),
        ("def f(a):\n    return g(a)  # why\n", "comment_only"),
        (NEW, "renamed"),
        ("def f(a):\n    return g(a, a)\n", None),
    ],
)
def test_the_reason_says_how_little_differs(chosen: str, expected: str | None) -> None:
    assert expected == reason(OLD, chosen)


@pytest.mark.parametrize("criterion", sorted(all_criteria()))
def test_only_readability_keeps_them(criterion: str) -> None:
    assert ("renamed" if criterion != "readability_and_maintainability" else None) == reason(OLD, NEW, criterion)


def test_answers_in_fences_are_compared_by_their_code() -> None:
    assert "renamed" == reason(f"Try this:\n\n```python\n{OLD}```\n", f"So it is done:\n\n```py\n{NEW}```\n")


def test_a_language_that_is_not_parsed_is_not_looked_at() -> None:
    assert None is reason("x\n", "x\n\n", language="Rust")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"keep_for": ("readability",)}, "readability_and_maintainability"),
        ({"drop_for": ("security_hardness",)}, "functional_correctness must stand in one of"),
        ({"keep_for": ("readability_and_maintainability", "helpfulness")}, "helpfulness must stand in one of"),
    ],
)
def test_every_criterion_stands_in_one_of_the_two_settings(settings: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        DropSurfacePairs(**settings)

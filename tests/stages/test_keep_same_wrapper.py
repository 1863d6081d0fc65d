"""Two answers of one format stay; where the format tells them apart, the pair goes and says both."""

import pytest
from builds import pairs
from rows import reasons_of

from themis_data.stages.keep_same_wrapper import KeepSameWrapper

BARE = "x = f(1)\n"
FENCED = "```python\nx = f(1)\n```\n"
TOLD = f"This calls it once.\n\n{FENCED}"


def reason(chosen: str, rejected: str) -> str | None:
    (found,) = reasons_of(KeepSameWrapper(), pairs({"chosen": chosen, "rejected": rejected}))
    return found


@pytest.mark.parametrize("answer", [BARE, FENCED, TOLD, FENCED * 2, "I would rather not."])
def test_one_format_stays_whatever_the_code(answer: str) -> None:
    assert None is reason(answer, answer.replace("f(1)", "f(2)"))


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [
        (FENCED, BARE, "chosen is fenced python; rejected is bare"),
        (TOLD, FENCED, "chosen is prose_and_fence python; rejected is fenced python"),
        (FENCED, FENCED.replace("python", "py"), "chosen is fenced python; rejected is fenced py"),
        (FENCED, FENCED.replace("python", ""), "chosen is fenced python; rejected is fenced untagged"),
        (FENCED * 2, FENCED, "chosen is fenced python python; rejected is fenced python"),
        ("I would rather not.", BARE, "chosen is prose; rejected is bare"),
    ],
)
def test_another_format_goes_with_both_forms(chosen: str, rejected: str, expected: str) -> None:
    assert f"other_wrapper: {expected}" == reason(chosen, rejected)

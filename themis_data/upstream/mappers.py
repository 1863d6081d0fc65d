"""What YAML cannot say: functions that look at a row and give further values of it, one a data set."""

from collections.abc import Callable, Mapping
from typing import Any


def live_code_bench(row: Mapping[str, Any]) -> dict[str, Any]:
    """`problem`: what names a problem at its judge; LeetCode's numbers here are not those that its pages show, so there
    it is the title."""
    of_leetcode = (row["platform"] or "").lower() == "leetcode"
    return {"problem": row["question_title"] if of_leetcode else row["question_id"]}


Mapper = Callable[[Mapping[str, Any]], dict[str, Any]]
# Name in a recipe -> the function, and the values that it adds to a row.
MAPPERS: dict[str, tuple[Mapper, tuple[str, ...]]] = {"live_code_bench": (live_code_bench, ("problem",))}

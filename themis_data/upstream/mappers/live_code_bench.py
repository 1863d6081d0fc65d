"""What names a problem of LiveCodeBench."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class LiveCodeBench:
    """Adds `problem`: what names a problem at its judge. LeetCode's numbers here are not those that its pages show, so
    there it is the title."""

    adds: ClassVar[tuple[str, ...]] = ("problem",)

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        of_leetcode = (row["platform"] or "").lower() == "leetcode"
        return {"problem": row["question_title"] if of_leetcode else row["question_id"]}


MAPPER = LiveCodeBench

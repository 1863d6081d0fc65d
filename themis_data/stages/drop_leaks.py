"""Prompts that give away which side is the better one."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.engine.rows import Rows
from themis_data.errors import PipelineError
from themis_data.llm.leaks import leak_of
from themis_data.lookup import unknown
from themis_data.text.leaks import KINDS, Kind


@dataclass(frozen=True, kw_only=True)
class DropLeaks:
    """Drops pairs whose prompt holds what only one side has or names the defect: a changed line (`leaks_line`), six
    words in a row of one side's code (`leaks_code`), a string or number (`leaks_literal`) or a name
    (`leaks_identifier`) that one side alone has, words of the commit message (`leaks_message`), or
    a phrasing such as "the bug in" (`leaks_defect`). The detail is what the prompt says.

    What both sides hold is allowed, and so are a criterion's own words. Case, white space, punctuation and the spelling
    of names (`maxSize`, `max_size`) make no difference. Pairs that have no prompt yet have no leak.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    kinds: Annotated[tuple[Kind, ...], "of leaks looked for"] = KINDS
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise PipelineError(f"drop_leaks: {unknown('kind of leak', kind, KINDS)}")

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        names = ("prompt", "chosen", "rejected", "criterion", "message", "path", "language")
        reasons = [
            None if row["prompt"] is None else leak_of(row["prompt"], row, grammars=self.grammars, kinds=self.kinds)
            for row in pairs.select(names).to_pylist()
        ]
        return pa.array(reasons, pa.string())


STAGE = DropLeaks

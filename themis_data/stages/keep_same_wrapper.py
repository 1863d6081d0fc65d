"""Pairs whose two answers come in one format."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from themis_data.code.answers import read_answer
from themis_data.engine.rows import Rows


@dataclass(frozen=True, kw_only=True)
class KeepSameWrapper:
    """Drops pairs whose sides are wrapped differently (`other_wrapper`): one bare and one in a fence, one with prose
    around its code and one without, other tags or another number of blocks. A model could learn the format instead of
    the criterion. The detail has both forms.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        sides = zip(pairs["chosen"].to_pylist(), pairs["rejected"].to_pylist(), strict=True)
        return pa.array([_reason(read_answer(one).form, read_answer(other).form) for one, other in sides], pa.string())


def _reason(chosen: str, rejected: str) -> str | None:
    return None if chosen == rejected else f"other_wrapper: chosen is {chosen}; rejected is {rejected}"


STAGE = KeepSameWrapper

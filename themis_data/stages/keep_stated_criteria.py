"""Changes whose message says what the commit makes better."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa

from themis_data.criteria.classify import message_reason
from themis_data.engine.rows import Rows


@dataclass(frozen=True, kw_only=True)
class KeepStatedCriteria:
    """Keeps the changes of which only the diff can refuse a label, so that nothing else is parsed.

    Drops, with the reasons of `classify_commits`: `no_criterion` (the message names none), `excluded` (message or path
    is about tests, documentation, versions ...), `multi_intent` (two criteria within the margin, or several unrelated
    changes). Leave it out where labels come from something else than messages.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    margin: Annotated[float, "points by which the strongest criterion leads; that of classify_commits"] = 1.0

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        columns = (changes[name].to_pylist() for name in ("message", "path", "language"))
        return pa.array(
            [
                message_reason(message=message, path=path, language=language or "", margin=self.margin)
                for message, path, language in zip(*columns, strict=True)
            ],
            pa.string(),
        )


STAGE = KeepStatedCriteria

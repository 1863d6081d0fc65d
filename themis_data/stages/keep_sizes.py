"""Files that fit a reward model's context."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import Rows, first_reason, reasons


@dataclass(frozen=True, kw_only=True)
class KeepSizes:
    """Drops changes with a side that is too large (`too_large`) or too small to show anything (`too_small`).

    Bytes stand in for tokens here: code has about four bytes a token, so 16,384 bytes are about 4,096 tokens.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    max_bytes: Annotated[int, "bytes of UTF-8, each side"] = 16_384
    min_bytes: Annotated[int, "bytes of UTF-8, each side"] = 60

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        old, new = pc.binary_length(changes["old_contents"]), pc.binary_length(changes["new_contents"])
        largest, smallest = pc.max_element_wise(old, new), pc.min_element_wise(old, new)
        return first_reason(
            reasons(pc.greater(largest, self.max_bytes), "too_large", largest),
            reasons(pc.less(smallest, self.min_bytes), "too_small", smallest),
        )


STAGE = KeepSizes

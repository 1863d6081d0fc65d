"""What language models said of rows, handed to the rows batch by batch."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.schema import schema


class OrderedAnswers:
    """Answers to rows that come batch after batch, in the order of the rows."""

    def __init__(self, parts: Iterable[pa.Table]) -> None:
        self._parts = iter(parts)
        self._left: pa.Table | None = None

    def of(self, row_ids: pa.ChunkedArray) -> pa.Table:
        """The answers about these rows; all those of the rows before have been taken."""
        ids = row_ids.combine_chunks()
        taken = [schema("answer").empty()]
        while (part := self._left if self._left is not None else next(self._parts, None)) is not None:
            is_own = pc.is_in(part["about"], value_set=ids)
            number = pc.sum(is_own).as_py() or 0
            taken.append(part.slice(0, number))
            self._left = part.slice(number) if number < len(part) else None
            if self._left is not None:
                break
        return pa.concat_tables(taken)

"""Rows of those who asked to be left out."""

from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import Rows
from themis_data.text.opt_outs import OptOuts, read_opt_outs


@dataclass(frozen=True, kw_only=True)
class DropOptedOut:
    """Drops what a list of opt-outs is about, so that a takedown outlives the next build: rows of a repository or of a
    fork of it (`opted_out_repo`), of any repository of an owner (`opted_out_owner`), by an author (`opted_out_author`),
    of a data set (`opted_out_source`), of a path (`opted_out_path`), and single rows with all that was made of them
    (`opted_out_row`). The entry is the detail.

    Without a list it is off. `themis drop` writes such lists. Authors are known of changes alone, so the step belongs
    into the phase `mine` with `on: change`, and again behind any source that gives pairs.
    """

    version: ClassVar[int] = 1

    list: Annotated[tuple[str, ...], "files with one entry a line, or Parquet with kind and value; none for off"] = ()
    on: Annotated[Literal["pair", "change"], "which rows it reads and writes"] = "change"

    reads = writes = property(attrgetter("on"))

    def identity(self) -> dict[str, Any]:
        return {"entries": self.opt_outs().digest} if self.list else {}

    def opt_outs(self) -> OptOuts:
        return read_opt_outs([Path(path).expanduser() for path in self.list])

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, rows: pa.Table) -> pa.Array:
        if not self.list:
            return pa.nulls(len(rows), pa.string())
        found = self.opt_outs().found(rows)  # KIND: VALUE, which behind the prefix is a reason and its detail
        return pc.binary_join_element_wise(pa.scalar("opted_out_"), found, "")


STAGE = DropOptedOut

"""What version control once wrote into files says which side is newer, so it is taken out of both."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.engine.rows import Rows, reasons
from themis_data.text.keywords import EXPANDED


@dataclass(frozen=True, kw_only=True)
class CollapseKeywords:
    """Writes `$Id: list.c,v 1.8 2004/08/28 09:21:05 name Exp $` as `$Id$`, as git does where it is asked to (`ident`).

    Version and date of such a line are higher on the side after the commit, whatever the commit is about; a name in it
    is a person's. A change of nothing else is dropped (`only_keywords`).
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.collapse).drop(self.drop_reason)

    def collapse(self, changes: pa.Table) -> pa.Table:
        for name in ("old_contents", "new_contents"):
            place, field = changes.schema.get_field_index(name), changes.schema.field(name)
            texts = [EXPANDED.sub(r"$\1$", text) for text in changes[name].to_pylist()]
            changes = changes.set_column(place, field, pa.array(texts, field.type))
        return changes

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        return reasons(pc.equal(changes["old_contents"], changes["new_contents"]), "only_keywords")


STAGE = CollapseKeywords

"""Languages that go into the corpus."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.code.language import by_name
from themis_data.engine.rows import Rows, reasons


@dataclass(frozen=True, kw_only=True)
class KeepLanguages:
    """Drops changes to files in no known language (`unknown_language`) or in another one than those listed
    (`language_not_listed`)."""

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    languages: Annotated[tuple[str, ...], "canonical names"] = (
        "C",
        "C#",
        "C++",
        "Go",
        "Java",
        "JavaScript",
        "Python",
        "Ruby",
    )

    def __post_init__(self) -> None:
        for name in self.languages:
            by_name(name)

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        is_listed = pc.is_in(changes["language"], value_set=pa.array(self.languages, pa.string()))
        other = reasons(pc.invert(is_listed), "language_not_listed", changes["language"])
        return pc.if_else(pc.is_null(changes["language"]), "unknown_language", other).combine_chunks()


STAGE = KeepLanguages

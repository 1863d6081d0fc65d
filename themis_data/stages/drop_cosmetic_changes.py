"""Changes that a compiler would not notice."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.compare import cosmetic_difference
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.language import by_name
from themis_data.engine.rows import Rows
from themis_data.text.changes import line_changes


@dataclass(frozen=True, kw_only=True)
class DropCosmeticChanges:
    """Drops changes of white space only (`whitespace_only`), and of comments, docstrings and layout only
    (`comment_only`), by the syntax tree. Languages that are not parsed are not looked at."""

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        columns = (changes[name].to_pylist() for name in ("old_contents", "new_contents", "language"))
        return pa.array([self.reason(*row) for row in zip(*columns, strict=True)], pa.string())

    def reason(self, old: str, new: str, language: str | None) -> str | None:
        """Why a change is cosmetic, or None. In Python, indentation is no mere white space."""
        if language is None or by_name(language).published_as is None:
            return None
        return cosmetic_difference(old, new, language, changed=line_changes(old, new).ranges, grammars=self.grammars)


STAGE = DropCosmeticChanges

"""Changes that a compiler would not notice."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.grammars import Grammars, resolved
from themis_data.code.language import all_languages
from themis_data.code.syntax import code_tokens
from themis_data.engine.rows import Rows


@dataclass(frozen=True, kw_only=True)
class DropCosmeticChanges:
    """Drops changes of white space only (`whitespace_only`), and of comments, docstrings and layout only
    (`comment_only`), by the syntax tree."""

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    def identity(self) -> dict[str, Any]:
        return {
            "grammars": [resolved(name, self.grammars) for name, known in all_languages().items() if known.published_as]
        }

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        columns = (changes[name].to_pylist() for name in ("old_contents", "new_contents", "language"))
        return pa.array(
            [self.reason(old, new, language) for old, new, language in zip(*columns, strict=True)],
            pa.string(),
        )

    def reason(self, old: str, new: str, language: str) -> str | None:
        """Why a change is cosmetic, or None. In Python, indentation is no white space."""
        if old.split() == new.split() and language != "Python":
            return "whitespace_only"
        before, after = (
            code_tokens(text.encode(), language, drop_docstrings=True, grammars=self.grammars) for text in (old, new)
        )
        if before != after:
            return None
        return "whitespace_only" if old.split() == new.split() else "comment_only"


STAGE = DropCosmeticChanges

"""A real parser looks at both sides."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.grammars import Grammars, resolved
from themis_data.code.language import all_languages, by_name
from themis_data.code.syntax import SyntaxMeasure, measure
from themis_data.engine.rows import Rows


@dataclass(frozen=True, kw_only=True)
class ParseCheck:
    """Drops changes with a side that does not parse (`chosen_unparsable`, `rejected_unparsable`), whose chosen side
    parses worse than the rejected one (`parses_worse`), or that show nothing (`shallow`).

    The measure is the share of bytes in ERROR nodes plus one for each MISSING token. A bare "has an error" would drop a
    fifth and more of real C and C++, whose macros no parser can place without the headers; each language has its own
    limit, in code/languages/*.yaml.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    min_depth: Annotated[int, "levels of the syntax tree"] = 3
    max_error_share: Annotated[float | None, "share of a side's bytes, 0 to 1; null for each language's own limit"] = (
        None
    )
    max_worse: Annotated[float, "by how much more of the chosen side may be in error, share of bytes, 0 to 1"] = 0.002
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
        """Why a change is dropped, or None."""
        rejected, chosen = self._measure(old, language), self._measure(new, language)
        limit = self.max_error_share if self.max_error_share is not None else by_name(language).max_error_share
        if limit is None:
            return f"no_limit: {language}"
        if chosen.error_share > limit:
            return f"chosen_unparsable: {chosen.error_share:.4f} of its bytes in error, the limit is {limit}"
        if rejected.error_share > limit:
            return f"rejected_unparsable: {rejected.error_share:.4f} of its bytes in error, the limit is {limit}"
        if chosen.error_share > rejected.error_share + self.max_worse:
            return f"parses_worse: {chosen.error_share:.4f} after, {rejected.error_share:.4f} before"
        if min(chosen.depth_reached, rejected.depth_reached) < self.min_depth:
            return f"shallow: {min(chosen.depth_reached, rejected.depth_reached)} levels"
        return None

    def _measure(self, text: str, language: str) -> SyntaxMeasure:
        return measure(text.encode(), language, min_depth=self.min_depth, grammars=self.grammars)


STAGE = ParseCheck

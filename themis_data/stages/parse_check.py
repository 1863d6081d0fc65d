"""A real parser looks at both sides."""

from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.code.answers import read_answer
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.guard import Crashed, shared_guard
from themis_data.code.language import by_name
from themis_data.code.syntax import SyntaxMeasure, measure
from themis_data.engine.rows import Rows

# A language whose limit is no more than this has a grammar that places all it should: there one more error is a fault.
_PRECISE = 0.01
_SIDES = {"change": ("old_contents", "new_contents"), "pair": ("rejected", "chosen")}  # the worse, the better


@dataclass(frozen=True, kw_only=True)
class ParseCheck:
    """Drops rows whose chosen side does not parse (`chosen_unparsable`), whose rejected side does not
    (`rejected_unparsable`), whose chosen side parses worse than the rejected one (`parses_worse`), that show nothing
    (`shallow`), that bring the parser down (`parser_crashed`), or whose language is unknown (`unknown_language`) or has
    no limit (`no_limit`).

    The measure is the share of bytes that the grammar could not place. A bare "has an error" would drop a fifth and
    more of real C and C++, whose macros no parser can place without the headers; each language has its own limit, in
    code/languages/*.yaml. Which language a `.h` is in, `identify_language` says before.

    A fragment is held to the same limits as a file, of its own bytes: it has the heads of what surrounds its
    definitions, so the grammar takes it for a file. Its cut added no error; one that the definitions brought along
    weighs more than it did in the whole. Of a pair, whose answers may be Markdown, the code in them is measured.
    """

    version: ClassVar[int] = 1

    on: Annotated[Literal["change", "pair"], "which rows it reads and writes"] = "change"
    min_depth: Annotated[int, "levels of the syntax tree"] = 3
    max_error_share: Annotated[float | None, "share of a side's bytes, 0 to 1; null for each language's own limit"] = (
        None
    )
    max_worse: Annotated[float, "how much more of the chosen side may be in error, share of bytes, 0 to 1"] = 0.002
    max_new_errors: Annotated[int, "errors the chosen side may have more, where the grammar is precise"] = 0
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    reads = writes = property(attrgetter("on"))

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, table: pa.Table) -> pa.Array:
        columns = (table[name].to_pylist() for name in (*_SIDES[self.on], "language"))
        rows = [(old, new, language, _why_not_measured(language)) for old, new, language in zip(*columns, strict=True)]
        code = _code_of_answer if self.on == "pair" else str
        calls = [(code(text).encode(), name) for *sides, name, reason in rows if reason is None for text in sides]
        look = partial(measure, min_depth=self.min_depth, grammars=self.grammars)
        measured = iter(shared_guard().map(look, calls))
        reasons = [reason or self._reason(next(measured), next(measured), language) for _, _, language, reason in rows]
        return pa.array(reasons, pa.string())

    def _reason(
        self, rejected: SyntaxMeasure | Crashed, chosen: SyntaxMeasure | Crashed, language: str | None
    ) -> str | None:
        if isinstance(rejected, Crashed):
            return f"parser_crashed: {rejected.why}"
        if isinstance(chosen, Crashed):
            return f"parser_crashed: {chosen.why}"
        assert language is not None  # others are not measured
        return self.reason(rejected, chosen, language)

    def reason(self, rejected: SyntaxMeasure, chosen: SyntaxMeasure, language: str) -> str | None:
        """Why a change is dropped, or None."""
        own = by_name(language).max_error_share
        limit = self.max_error_share if self.max_error_share is not None else own
        assert limit is not None and own is not None  # only languages with a limit are measured
        if chosen.error_share > limit:
            return f"chosen_unparsable: {chosen.error_share:.4f} of its bytes in error, the limit is {limit}"
        if rejected.error_share > limit:
            return f"rejected_unparsable: {rejected.error_share:.4f} of its bytes in error, the limit is {limit}"
        if chosen.error_share > rejected.error_share + self.max_worse:
            return f"parses_worse: {chosen.error_share:.4f} after, {rejected.error_share:.4f} before"
        if own <= _PRECISE and chosen.num_errors > rejected.num_errors + self.max_new_errors:
            return f"parses_worse: {chosen.num_errors} errors after, {rejected.num_errors} before"
        if min(chosen.depth_reached, rejected.depth_reached) < self.min_depth:
            return f"shallow: {min(chosen.depth_reached, rejected.depth_reached)} levels"
        return None


def _code_of_answer(text: str) -> str:
    return read_answer(text).code


def _why_not_measured(language: str | None) -> str | None:
    if language is None:
        return "unknown_language"
    return f"no_limit: {language}" if by_name(language).max_error_share is None else None


STAGE = ParseCheck

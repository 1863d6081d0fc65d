"""A real parser looks at both sides."""

from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.code.answers import read_answer
from themis_data.code.front_ends import rejected, resolved
from themis_data.code.grammars import Grammars, resolved_for_long_tail, resolved_for_published
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
    no limit (`no_limit`). Where asked, whole files of some languages go too of which the language's own compiler does
    not accept a side (`front_end_rejects`): it knows one version of the language, and no superset.

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

    front_ends: Annotated[
        tuple[str, ...], "languages whose own compiler, which has to be installed, is asked about whole files too"
    ] = ()

    def __post_init__(self) -> None:
        for language in self.front_ends:
            if not by_name(language).front_end_alone:
                raise ValueError(
                    f"front_ends has {language}, whose compiler rejects good files without the headers of their project"
                )

    reads = writes = property(attrgetter("on"))

    def identity(self) -> dict[str, Any]:
        asked = [resolved(language) for language in sorted(self.front_ends)]
        grammars = [*resolved_for_published(self.grammars), *resolved_for_long_tail(self.grammars)]
        return {"grammars": grammars, "front_ends": asked}

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
        for language in self.front_ends:
            self._ask(language, rows, table["form"].to_pylist(), reasons)
        return pa.array(reasons, pa.string())

    def _ask(
        self,
        language: str,
        rows: list[tuple[str, str, str | None, str | None]],
        forms: list[str],
        reasons: list[str | None],
    ) -> None:
        """Ask the language's front end about the whole files that have no reason yet."""
        code = _code_of_answer if self.on == "pair" else str
        places = [n for n, row in enumerate(rows) if row[2] == language and reasons[n] is None and forms[n] == "file"]
        found = rejected([code(text).encode() for place in places for text in rows[place][:2]], language)
        for place, old, new in zip(places, found[::2], found[1::2], strict=True):
            if old or new:
                reasons[place] = f"front_end_rejects: the {'chosen' if new else 'rejected'} side"

    def _reason(
        self, worse: SyntaxMeasure | Crashed, better: SyntaxMeasure | Crashed, language: str | None
    ) -> str | None:
        if isinstance(worse, Crashed):
            return f"parser_crashed: {worse.why}"
        if isinstance(better, Crashed):
            return f"parser_crashed: {better.why}"
        assert language is not None  # others are not measured
        return self.reason(worse, better, language)

    def reason(self, worse: SyntaxMeasure, better: SyntaxMeasure, language: str) -> str | None:
        """Why a change is dropped, or None."""
        own = by_name(language).max_error_share
        limit = self.max_error_share if self.max_error_share is not None else own
        assert limit is not None and own is not None  # only languages with a limit are measured
        if better.error_share > limit:
            return f"chosen_unparsable: {better.error_share:.4f} of its bytes in error, the limit is {limit}"
        if worse.error_share > limit:
            return f"rejected_unparsable: {worse.error_share:.4f} of its bytes in error, the limit is {limit}"
        if better.error_share > worse.error_share + self.max_worse:
            return f"parses_worse: {better.error_share:.4f} after, {worse.error_share:.4f} before"
        if own <= _PRECISE and better.num_errors > worse.num_errors + self.max_new_errors:
            return f"parses_worse: {better.num_errors} errors after, {worse.num_errors} before"
        if min(better.depth_reached, worse.depth_reached) < self.min_depth:
            return f"shallow: {min(better.depth_reached, worse.depth_reached)} levels"
        return None


def _code_of_answer(text: str) -> str:
    return read_answer(text).code


def _why_not_measured(language: str | None) -> str | None:
    if language is None:
        return "unknown_language"
    return f"no_limit: {language}" if by_name(language).max_error_share is None else None


STAGE = ParseCheck

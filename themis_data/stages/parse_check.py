"""A real parser looks at both sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.guard import Crashed, shared_guard
from themis_data.code.language import by_name, languages_of_path
from themis_data.code.syntax import SyntaxMeasure, measure
from themis_data.engine.rows import Rows

# A language whose limit is no more than this has a grammar that places all it should: there one more error is a fault.
_PRECISE = 0.01
_Measured = SyntaxMeasure | Crashed


@dataclass(frozen=True, kw_only=True)
class ParseCheck:
    """Drops changes whose chosen side does not parse (`chosen_unparsable`), whose rejected side does not
    (`rejected_unparsable`), whose chosen side parses worse than the rejected one (`parses_worse`), that show nothing
    (`shallow`), that brings the parser down (`parser_crashed`), or whose language is unknown (`unknown_language`) or
    has no limit (`no_limit`).

    The measure is the share of bytes that the grammar could not place. A bare "has an error" would drop a fifth and
    more of real C and C++, whose macros no parser can place without the headers; each language has its own limit, in
    code/languages/*.yaml. Where several languages claim the extension (a `.h` is C or C++), the one that parses both
    sides better becomes the row's language; that of a fragment was settled with the whole file.

    A fragment is held to the same limits as a file, of its own bytes: it has the heads of what surrounds its
    definitions, so the grammar takes it for a file. Its cut added no error; one that the definitions brought along
    weighs more than it did in the whole.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    min_depth: Annotated[int, "levels of the syntax tree"] = 3
    max_error_share: Annotated[float | None, "share of a side's bytes, 0 to 1; null for each language's own limit"] = (
        None
    )
    max_worse: Annotated[float, "how much more of the chosen side may be in error, share of bytes, 0 to 1"] = 0.002
    max_new_errors: Annotated[int, "errors the chosen side may have more, where the grammar is precise"] = 0
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.check).drop(self.drop_reason)

    def check(self, changes: pa.Table) -> pa.Table:
        """The rows with their language settled, and a working column with the reason to drop them."""
        columns = (changes[name].to_pylist() for name in ("old_contents", "new_contents", "language", "path", "form"))
        rows = [(old, new, _candidates(*about)) for old, new, *about in zip(*columns, strict=True)]
        calls = [(text.encode(), name) for old, new, names in rows for name in names for text in (old, new)]
        measured = iter(shared_guard().map(partial(measure, min_depth=self.min_depth, grammars=self.grammars), calls))
        sides = [[(name, next(measured), next(measured)) for name in names] for _, _, names in rows]
        languages = changes["language"].to_pylist()
        checked = [self._settled(language, found) for language, found in zip(languages, sides, strict=True)]
        place = changes.schema.get_field_index("language")
        settled = pa.array([language for language, _ in checked], pa.string())
        changes = changes.set_column(place, changes.schema.field("language"), settled)
        return changes.append_column("reason", pa.array([reason for _, reason in checked], pa.string()))

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        return changes["reason"].combine_chunks()

    def _settled(
        self, language: str | None, measured: Sequence[tuple[str, _Measured, _Measured]]
    ) -> tuple[str | None, str | None]:
        """The language of a change and the reason to drop it, from the measures of both sides in each language that
        it may be in."""
        if language is None:
            return None, "unknown_language"
        if not measured:
            return language, f"no_limit: {language}"
        # min takes the first of equals: the language that the extension stands for by custom.
        name, rejected, chosen = min(measured, key=lambda found: _error_share(found[1]) + _error_share(found[2]))
        for side in (rejected, chosen):
            if isinstance(side, Crashed):
                return name, f"parser_crashed: {side.why}"
        assert isinstance(rejected, SyntaxMeasure) and isinstance(chosen, SyntaxMeasure)
        return name, self.reason(rejected, chosen, name)

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


def _candidates(language: str | None, path: str, form: str) -> tuple[str, ...]:
    """The languages with a limit that a change may be in; that of a fragment was settled with its file."""
    if language is None:
        return ()
    is_settled = form == "fragment" or language not in languages_of_path(path)
    claimed = (language,) if is_settled else languages_of_path(path)
    return tuple(name for name in claimed if by_name(name).max_error_share is not None)


def _error_share(side: _Measured) -> float:
    return 2.0 if isinstance(side, Crashed) else side.error_share  # more than any share


STAGE = ParseCheck

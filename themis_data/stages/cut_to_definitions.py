"""The definitions that a commit touches, in the stead of a file that is far larger."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.code.cutting import Cut, cut
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.guard import Crashed, shared_guard
from themis_data.code.language import by_name
from themis_data.engine.rows import Rows
from themis_data.text.changes import LineChanges, line_changes

_COLUMNS = ("old_contents", "new_contents", "form")


@dataclass(frozen=True, kw_only=True)
class CutToDefinitions:
    """Cuts both sides of a change to the definitions in which they differ, with imports and what surrounds them.

    auto    files over `max_bytes`, and files of which less than `min_changed_share` changes; one that fits and cannot
            be cut, or has nothing to leave out, stays whole
    always  every file
    never   none

    A definition that only one side has is in the fragment. Drops: `outside_definitions` (the sides differ in imports,
    comments or heads of classes only), `one_sided` (one side only adds definitions), `definition_too_large` (one that
    changed is alone over `max_bytes`), `fragment_too_large` (all of them together are), `unparsable`,
    `fragment_unparsable` (a fragment has errors that its file does not have), `parser_crashed`. Rows in
    languages that are not parsed pass, and so do fragments.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    mode: Annotated[Literal["auto", "always", "never"], "which files are cut"] = "auto"
    max_bytes: Annotated[int, "bytes of UTF-8, each side: the budget"] = 16_384
    min_changed_share: Annotated[float, "share of a file's lines, 0 to 1, that change in a file left whole"] = 0.05
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.cut).drop(self.drop_reason)

    def cut(self, changes: pa.Table) -> pa.Table:
        """The rows, those that had to be cut as fragments, and a working column with the reason where none was made."""
        rows = list(zip(*(changes[name].to_pylist() for name in (*_COLUMNS, "language")), strict=True))
        asked = [self._asked(*row) for row in rows]
        look = partial(_cut, max_bytes=self.max_bytes, grammars=self.grammars)
        found = iter(shared_guard().map(look, [call for call in asked if call is not None]))
        made = [
            (old, new, form, None) if call is None else self._made(old, new, next(found))
            for (old, new, form, _), call in zip(rows, asked, strict=True)
        ]
        for place, name in enumerate(_COLUMNS):
            column = pa.array([row[place] for row in made], changes[name].type)
            changes = changes.set_column(changes.column_names.index(name), changes.schema.field(name), column)
        return changes.append_column("reason", pa.array([row[-1] for row in made], pa.string()))

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        return pc.cast(changes["reason"], pa.string()).combine_chunks()

    def _asked(self, old: str, new: str, form: str, language: str | None) -> tuple[str, str, str, LineChanges] | None:
        """What is to be cut; None for a row that stays as it is."""
        if self.mode == "never" or form != "file" or language is None or by_name(language).published_as is None:
            return None
        changes = line_changes(old, new)
        is_small = max(len(old.encode()), len(new.encode())) <= self.max_bytes
        if self.mode == "auto" and is_small and changes.changed_share >= self.min_changed_share:
            return None
        return old, new, language, changes

    def _made(self, old: str, new: str, found: Cut | Crashed) -> tuple[str, str, str, str | None]:
        """Both sides and their form after the cut, and why the row is dropped."""
        if isinstance(found, Crashed):
            return old, new, "file", f"parser_crashed: {found.why}"
        if found.old is not None and found.new is not None:
            return found.old, found.new, "fragment", None
        is_small = max(len(old.encode()), len(new.encode())) <= self.max_bytes
        return old, new, "file", None if self.mode == "auto" and is_small else found.reason


def _cut(old: str, new: str, language: str, changes: LineChanges, *, max_bytes: int, grammars: Grammars) -> Cut:
    return cut(old, new, language, changed=changes.ranges, max_bytes=max_bytes, grammars=grammars)


STAGE = CutToDefinitions

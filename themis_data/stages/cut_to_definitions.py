"""The definitions that a commit touches, in the stead of a file that is far larger."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.code.cutting import Cut, cut
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.language import by_name, languages_of_path
from themis_data.code.syntax import measure
from themis_data.engine.rows import Rows
from themis_data.text.changes import LineChanges, line_changes

_COLUMNS = ("old_contents", "new_contents", "language", "form")


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
    `fragment_unparsable` (a fragment has errors that its file does not have). Rows in languages that are not parsed
    pass, and so do fragments. Where several languages claim the extension, the one that parses both files better
    becomes the row's language with the cut.
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
        rows = zip(*(changes[name].to_pylist() for name in (*_COLUMNS, "path")), strict=True)
        made = [self._row(*row) for row in rows]
        for place, name in enumerate(_COLUMNS):
            column = pa.array([row[place] for row in made], changes[name].type)
            changes = changes.set_column(changes.column_names.index(name), changes.schema.field(name), column)
        return changes.append_column("reason", pa.array([row[-1] for row in made], pa.string()))

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        return pc.cast(changes["reason"], pa.string()).combine_chunks()

    def _row(
        self, old: str, new: str, language: str | None, form: str, path: str
    ) -> tuple[str, str, str | None, str, str | None]:
        """Both sides, language and form as they are to be, and why the row is dropped."""
        whole = (old, new, language, form, None)
        if self.mode == "never" or form != "file" or language is None or by_name(language).published_as is None:
            return whole
        size = max(len(old.encode()), len(new.encode()))
        changes = line_changes(old, new)
        if self.mode == "auto" and size <= self.max_bytes and changes.changed_share >= self.min_changed_share:
            return whole
        name = self._language(old, new, language, path)
        made = self._cut(old, new, name, changes)
        if made.old is not None and made.new is not None:
            return made.old, made.new, name, "fragment", None
        if made.reason is None or (self.mode == "auto" and size <= self.max_bytes):
            return whole
        return *whole[:-1], made.reason

    def _cut(self, old: str, new: str, language: str, changes: LineChanges) -> Cut:
        changed = (
            [(hunk.old_start, hunk.old_start + len(hunk.removed)) for hunk in changes.hunks],
            [(hunk.new_start, hunk.new_start + len(hunk.added)) for hunk in changes.hunks],
        )
        return cut(old, new, language, changed=changed, max_bytes=self.max_bytes, grammars=self.grammars)

    def _language(self, old: str, new: str, language: str, path: str) -> str:
        """Of the languages that claim the path, the one in which both sides have the smaller share of errors."""
        claimed = languages_of_path(path) if language in languages_of_path(path) else (language,)
        if len(claimed) == 1:
            return language
        return min(claimed, key=lambda name: sum(self._error_share(text, name) for text in (old, new)))

    def _error_share(self, text: str, language: str) -> float:
        return measure(text.encode(), language, min_depth=1, grammars=self.grammars).error_share


STAGE = CutToDefinitions

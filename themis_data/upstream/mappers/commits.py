"""Dumps of commits: a file before and after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from themis_data.code.language import language_of_path
from themis_data.text.licenses import spdx_license
from themis_data.upstream.fields import text, value
from themis_data.upstream.rows import Change, Left, Made, Row


@dataclass(frozen=True, kw_only=True)
class Commits:
    """A change of each commit. Of the rows of one commit, where they come together, one change is made if all have one
    path: repositories are joined, and several licences all hold (`MIT AND GPL-3.0`).

    Leaves out: `many_paths`, `no_path`, `no_repository`, `renamed`, `not_fetched` (both contents are empty),
    `new_file`, `deleted_file`, `no_change`, `no_message`, and `other_copy` (another row of the commit stands for it).
    """

    writes: ClassVar[str] = "change"

    commit: Annotated[str, "column of the commit's object id"]
    path: Annotated[str, "column of the path after the commit"]
    old_path: Annotated[str | None, "column of the path before; null: the data set has none that were renamed"] = None
    old_contents: Annotated[str, "column of the file before"]
    new_contents: Annotated[str, "column of the file after"]
    subject: Annotated[str, "column of the message's first line"]
    message: Annotated[str, "column of the message"]
    license: Annotated[str, "column of the repository's licence, by its lower-case key or SPDX identifier"]
    repos: Annotated[str, "column of the repositories, owner/name, comma-separated"]
    committed_at: Annotated[str | None, "column of the committer time, seconds since 1970; null: it is not said"] = None

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        paths = {text(row.values, self.path) for row in rows}
        if len(paths) > 1:
            yield Left(reason="many_paths", count=len(rows))
            return
        yield self._change(rows)
        if len(rows) > 1:
            yield Left(reason="other_copy", count=len(rows) - 1)

    def _change(self, rows: Sequence[Row]) -> Change | Left:
        values = rows[0].values
        path, old, new = (text(values, column) for column in (self.path, self.old_contents, self.new_contents))
        message = text(values, self.message) or text(values, self.subject) or ""
        names = {name.strip() for row in rows for name in (text(row.values, self.repos) or "").split(",")} - {""}
        commit = text(values, self.commit)
        if not path or not commit:
            return Left(reason="no_path")
        if self.old_path is not None and text(values, self.old_path) not in (path, None, ""):
            return Left(reason="renamed")
        if not old or not new:
            return Left(reason="not_fetched" if not old and not new else "deleted_file" if old else "new_file")
        if old == new:
            return Left(reason="no_change")
        if not names:
            return Left(reason="no_repository")
        if not message.strip():
            return Left(reason="no_message")
        licenses = {spdx_license(text(row.values, self.license) or "") for row in rows}
        at = value(values, self.committed_at) if self.committed_at is not None else None
        return Change(
            commit=commit,
            path=path,
            language=rows[0].language or language_of_path(path),
            repos=tuple(sorted(names)),
            license="NOASSERTION" if "NOASSERTION" in licenses else " AND ".join(sorted(licenses)),
            committed_at=None if at is None else int(at),
            subject=message.partition("\n")[0],
            message=message,
            old_contents=old,
            new_contents=new,
        )


MAPPER = Commits

"""Commits that somebody merged."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.engine.rows import Rows, reasons
from themis_data.fingerprint import where_it_runs
from themis_data.text.messages import has_merge_mark
from themis_data.upstream.pull_requests import archives_digest, is_among, merged_commits

Evidence = Literal["pull_request_table", "merge_commit", "squash_mark", "default_branch"]


@dataclass(frozen=True, kw_only=True)
class KeepMerged:
    """Drops changes that nothing says were merged (`not_merged`), and writes into `merged_by` what does.

    pull_request_table  an archive in `pull_requests` has the commit in a pull request that was merged
    merge_commit        a merge brought it into the default branch, by the history that was read
    squash_mark         its message ends in `(#12)`, or names its pull request in a line of its own (`PR-URL:` ...)
    default_branch      it is in the default branch, by the history that was read

    Of several the first counts; only those in `evidence` are looked at. Without a history, as in dumps of commits,
    archives and marks are all there is. Where people pull their own branch, the merge this makes looks like any other.
    """

    reads: ClassVar[str] = "change"
    writes: ClassVar[str] = "change"
    version: ClassVar[int] = 1

    evidence: Annotated[tuple[Evidence, ...], "what counts"] = (
        "pull_request_table",
        "merge_commit",
        "squash_mark",
        "default_branch",
    )
    pull_requests: Annotated[
        tuple[str, ...],
        "GH Archive's files, folders of GHTorrent's tables, or Parquet of merged commits; none: no table",
    ] = where_it_runs(())

    def identity(self) -> dict[str, Any]:
        return {"pull_requests": archives_digest(self._paths)} if self.pull_requests else {}

    @property
    def _paths(self) -> list[Path]:
        return [Path(path).expanduser() for path in self.pull_requests]

    def apply(self, rows: Rows) -> Rows:
        return rows.map_on_worker(self.open).drop(self.drop_reason)

    def open(self) -> Callable[[pa.Table], pa.Table]:
        """What looks for evidence, with the archives read."""
        merged = merged_commits(self._paths)

        def look(changes: pa.Table) -> pa.Table:
            columns = [changes[name].to_pylist() for name in ("message", "merged_by")]
            in_table = is_among(changes["commit"].to_pylist(), merged)
            found = [
                self._first(
                    pull_request_table=bool(is_in),
                    merge_commit=by == "merge_commit",
                    squash_mark=has_merge_mark(message),
                    default_branch=by in ("merge_commit", "default_branch"),
                )
                for message, by, is_in in zip(*columns, in_table, strict=True)
            ]
            place = changes.schema.get_field_index("merged_by")
            return changes.set_column(place, "merged_by", pa.array(found, pa.string()))

        return look

    def _first(self, **seen: bool) -> str | None:
        return next((name for name, is_seen in seen.items() if is_seen and name in self.evidence), None)

    def drop_reason(self, changes: pa.Table) -> pa.Array:
        return reasons(changes["merged_by"].is_null(), "not_merged")


STAGE = KeepMerged

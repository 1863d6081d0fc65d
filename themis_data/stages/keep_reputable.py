"""Repositories that more than a few people know."""

from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.engine.rows import Rows
from themis_data.errors import PipelineError
from themis_data.fingerprint import where_it_runs
from themis_data.text.opt_outs import OptOuts, read_opt_outs
from themis_data.text.reputation import Reputation, read_reputation, reputation_digest


@dataclass(frozen=True, kw_only=True)
class KeepReputable:
    """Drops rows none of whose repositories has enough stars, contributors and issues (`low_reputation`, with the best
    one's counts), and those of repositories that no table knows (`no_reputation`). A fork does not harm a commit.

    Repositories on an `allow` list stay, whatever the tables say; without tables only they do (`not_allowed`). Such
    lists are those of drop_opted_out: `repo: owner/name`, `repo: host/owner/name`, and `owner: name` for all of an
    owner. Without tables and lists the step is off. The paper's thresholds are the defaults.
    """

    version: ClassVar[int] = 1

    repositories: Annotated[
        tuple[str, ...],
        "tables with repository, stars, contributors, issues: Parquet, CSV, JSON lines or folders of them",
    ] = where_it_runs(())
    allow: Annotated[tuple[str, ...], "lists of repositories and owners that stay, text or Parquet"] = where_it_runs(())
    min_stars: Annotated[int, "stars, at least"] = 15
    min_contributors: Annotated[int, "contributors, at least"] = 5
    min_issues: Annotated[int, "issues ever opened, at least"] = 10
    on: Annotated[Literal["change", "pair"], "which rows it reads and writes"] = "change"

    reads = writes = property(attrgetter("on"))

    def identity(self) -> dict[str, Any]:
        return {
            "repositories": reputation_digest(self._tables) if self.repositories else None,
            "allow": self._allowed.digest if self.allow else None,
        }

    @property
    def _tables(self) -> list[Path]:
        return [Path(path).expanduser() for path in self.repositories]

    @property
    def _allowed(self) -> OptOuts:
        listed = read_opt_outs([Path(path).expanduser() for path in self.allow])
        strange = sorted({kind for kind, _ in listed.entries} - {"repo", "owner"})
        if strange:
            raise PipelineError(f"keep_reputable: `allow` has entries of the kinds {strange}; it takes repo and owner")
        return listed

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, rows: pa.Table) -> pa.Array:
        if not self.repositories and not self.allow:
            return pa.nulls(len(rows), pa.string())
        allowed = self._allowed.found(rows.select(["repos"])).is_valid().to_pylist()
        known = read_reputation(self._tables)
        verdicts: dict[str, str | None] = {}  # many rows have one repository
        for repos in set(rows["repos"].to_pylist()):
            names = [name.strip().lower() for name in repos.split(",")]
            found = [known.get(name) or known.get(name.partition("/")[2]) for name in names]
            verdicts[repos] = self._verdict([one for one in found if one is not None])
        return pa.array(
            [
                None if is_allowed else verdicts[r]
                for r, is_allowed in zip(rows["repos"].to_pylist(), allowed, strict=True)
            ],
            pa.string(),
        )

    def _verdict(self, found: list[Reputation]) -> str | None:
        if not self.repositories:
            return "not_allowed"
        if not found:
            return "no_reputation"
        if any(map(self._is_enough, found)):
            return None
        best = max(found, key=lambda one: tuple(count or 0 for count in one))
        said = [f"{name} {'unknown' if count is None else count}" for name, count in best._asdict().items()]
        return f"low_reputation: {', '.join(said)}"

    def _is_enough(self, one: Reputation) -> bool:
        least = (self.min_stars, self.min_contributors, self.min_issues)
        return all((count or 0) >= bound for count, bound in zip(one, least, strict=True))


STAGE = KeepReputable

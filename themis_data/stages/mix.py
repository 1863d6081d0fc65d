"""Caps and quotas, so that no slice is a few files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.criteria import by_name
from themis_data.engine.rows import ByKey, Rows, first_reason, reasons
from themis_data.fingerprint import uniform
from themis_data.schema import schema


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Chooses the rows of the corpus: at most so many a file (`file_cap`), of a slice at most a share for each
    repository (`repository_cap`), and at most so many a criterion (`quota`). A slice is a criterion in a language.
    Rows without a prompt (`no_prompt`) and benchmark material (`demo_only`) go too.

    Which rows stay is drawn from the seed and the row id. A repository may always have `min_per_repository` rows of a
    slice, else no small corpus could be built: with fewer than 1 / max_repo_share repositories even equal parts are
    more than the share.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    max_per_file: Annotated[int, "rows of one path in one repository"] = 3
    max_repo_share: Annotated[float, "share of a slice, 0 to 1"] = 0.02
    min_per_repository: Annotated[int, "rows of a slice that a repository may always have"] = 50
    allow_demo: Annotated[bool, "whether benchmark material may stay; never true for a corpus to train on"] = False
    quotas: Annotated[Mapping[str, int], "criterion -> rows"] = field(default_factory=dict)
    seed: Annotated[int, "of the choice; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        for criterion in self.quotas:
            by_name(criterion)
        if not 0.0 < self.max_repo_share <= 1.0:
            raise ValueError(f"max_repo_share is {self.max_repo_share}; expected more than 0 and at most 1")

    def apply(self, rows: Rows) -> Rows:
        columns = ("row_id", "criterion", "language", "group", "path", "prompt_by", "demo_only")
        return (
            rows.by_key(ByKey(columns=columns, explode=self.by_file, decide=self.cap_files))
            .by_key(ByKey(columns=columns, explode=self.by_slice, decide=self.cap_repositories))
            .by_key(ByKey(columns=columns, explode=self.by_criterion, decide=self.cap_criteria))
            .drop(self.unfit)
        )

    def unfit(self, pairs: pa.Table) -> pa.Array:
        return first_reason(
            reasons(pc.is_null(pairs["prompt_by"]), "no_prompt"),  # null with the prompt, and cheaper to read
            reasons(pc.and_(pairs["demo_only"], not self.allow_demo), "demo_only"),
        )

    def _fit(self, pairs: pa.Table) -> pa.Table:
        """The rows that may stay: the others must not take their places."""
        return pairs.filter(pc.is_null(self.unfit(pairs)))

    def by_file(self, pairs: pa.Table) -> pa.Table:
        pairs = self._fit(pairs)
        files = pairs.filter(pc.is_valid(pairs["path"]))  # rows that no file gave are never too many of one
        key = [
            f"{group}: {path}"
            for group, path in zip(files["group"].to_pylist(), files["path"].to_pylist(), strict=True)
        ]
        return self._keyed(key, files)

    def by_slice(self, pairs: pa.Table) -> pa.Table:
        pairs = self._fit(pairs)
        names = zip(pairs["criterion"].to_pylist(), pairs["language"].to_pylist(), strict=True)
        return self._keyed([f"{criterion}/{language}" for criterion, language in names], pairs)

    def by_criterion(self, pairs: pa.Table) -> pa.Table:
        pairs = self._fit(pairs)
        return self._keyed(pairs["criterion"].to_pylist(), pairs)

    def _keyed(self, keys: list[str], pairs: pa.Table) -> pa.Table:
        draws = [uniform(self.seed, "mix", i) for i in pairs["row_id"].to_pylist()]
        return pa.table(
            {
                "key": pa.array(keys, pa.string()),
                "row_id": pairs["row_id"],
                "group": pairs["group"],
                "draw": pa.array(draws, pa.float64()),
            }
        )

    def cap_files(self, table: pa.Table) -> pa.Table:
        return _beyond(table, ("key",), dict.fromkeys(table["key"].unique().to_pylist(), self.max_per_file), "file_cap")

    def cap_repositories(self, table: pa.Table) -> pa.Table:
        counts: dict[str, Counter[str]] = {}
        for key, group in zip(table["key"].to_pylist(), table["group"].to_pylist(), strict=True):
            counts.setdefault(key, Counter())[group] += 1
        caps = {
            key: repository_cap(list(of.values()), self.max_repo_share, self.min_per_repository)
            for key, of in counts.items()
        }
        return _beyond(table, ("key", "group"), caps, "repository_cap")

    def cap_criteria(self, table: pa.Table) -> pa.Table:
        return _beyond(table, ("key",), {key: quota for key, quota in self.quotas.items() if key}, "quota")


def repository_cap(counts: Sequence[int], share: float, floor: int) -> int:
    """Rows that each repository may have so that none has more than `share` of what is then left, or `floor` if that
    is more: the largest c with c <= max(floor, share * sum(min(n, c)))."""
    cap = max(counts, default=0)
    while True:
        allowed = max(floor, int(share * sum(min(count, cap) for count in counts)))
        if cap <= allowed:
            return cap
        cap = allowed


def _beyond(table: pa.Table, by: tuple[str, ...], caps: Mapping[str, int], reason: str) -> pa.Table:
    """Marks for the rows of each group that come after its cap in the order of their draws. Caps are per key."""
    ordered = table.sort_by([(name, "ascending") for name in (*by, "draw", "row_id")])
    seen: Counter[tuple[str, ...]] = Counter()
    rows = []
    columns = [ordered[name].to_pylist() for name in by]
    for id_, *group in zip(ordered["row_id"].to_pylist(), *columns, strict=True):
        seen[tuple(group)] += 1
        cap = caps.get(group[0])
        if cap is not None and seen[tuple(group)] > cap:
            rows.append({"row_id": id_, "reason": reason, "detail": f"more than {cap} of {' / '.join(group)}"})
    return pa.Table.from_pylist(rows, schema=schema("mark").arrow)


STAGE = Mix

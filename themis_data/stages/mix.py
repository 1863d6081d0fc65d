"""Caps and quotas: which rows make the corpus, so that no slice is a few files and each has the rows it should have."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from themis_data.code.language import by_name as language_by_name
from themis_data.criteria import by_name
from themis_data.engine.rows import ByKey, Resolved, Rows, first_reason, reasons
from themis_data.errors import StageError
from themis_data.fingerprint import uniform

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
SLICE = ("source", "criterion", "language")
_NO_CODE = "NL"  # the language of rows without code


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How many rows the corpus has of a slice: of a source, a criterion, a language, or of any two or all three of
    them. One that names none of them is the size of the corpus.

    when_short  what happens where fewer rows can be had: `fail` stops the build; `accept` goes on and says so;
                `refill` takes the missing rows out of those that other sources have beyond their own quotas, of the
                same criterion and language, and fails where that is not enough
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt key would widen the slice

    source: str | None = None
    criterion: str | None = None
    language: str | None = None
    rows: int | None = None
    share: float | None = None  # of the corpus, instead of `rows`
    when_short: Literal["fail", "accept", "refill"] = "fail"
    refill_from: tuple[str, ...] = ()  # sources, for `refill`

    @property
    def kind(self) -> tuple[bool, ...]:
        """Which of source, criterion and language it names. Two quotas of one kind have no row in common."""
        return tuple(getattr(self, name) is not None for name in SLICE)

    @property
    def slice(self) -> str:
        named = [f"{name} {getattr(self, name)}" for name in SLICE if getattr(self, name) is not None]
        return ", ".join(named) or "the corpus"

    def matches(self, cells: pl.DataFrame) -> Flags:
        """Which of these combinations of source, criterion and language it speaks of."""
        found = np.ones(len(cells), bool)
        for name in SLICE:
            if (value := getattr(self, name)) is not None:
                found &= (cells[name] == value).to_numpy()
        return found


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What became of a quota."""

    quota: Quota
    wanted: int
    available: int  # rows of its slice that the caps leave
    found: int  # of these in the corpus
    refilled: dict[str, int]  # source -> rows taken in their place

    @property
    def missing(self) -> int:
        return self.wanted - self.found - sum(self.refilled.values())


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Chooses the rows of the corpus: at most so many a file (`file_cap`), of a slice at most a share for each
    repository (`repository_cap`), and of what that leaves the quotas (`quota`). Rows that no quota speaks of stay, or
    go (`no_quota`). Rows without a prompt (`no_prompt`) and benchmark material (`demo_only`) go too.

    Rows are taken in the order of a draw from the seed and the row id, so that another row changes few others. Quotas
    are filled one after another, those that name more of source, criterion and language first, else in their order. A
    row counts for every quota that it matches, and is not taken once one of them is full. So quotas may lie in one
    another (3,000 of a criterion among the 126,586 of a source) or cross; where they cross so that one cannot be
    filled, it falls short, by its rule. Refills come last, in order: a row that refills a quota counts for it and for
    those that name no source.

    A slice of `repository_cap` is a criterion in a language. A repository may always have `min_per_repository` rows of
    it, else no small corpus could be built: with fewer than 1 / max_repo_share repositories even equal parts are more
    than the share.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 2

    max_per_file: Annotated[int, "rows of one path in one repository"] = 3
    max_repo_share: Annotated[float, "share of a slice, 0 to 1"] = 0.02
    min_per_repository: Annotated[int, "rows of a slice that a repository may always have"] = 50
    allow_demo: Annotated[bool, "whether benchmark material may stay; never true for a corpus to train on"] = False
    quotas: Annotated[tuple[Quota, ...], "how many rows of which slices"] = ()
    scale: Annotated[float, "multiplies every quota: 0.01 gives a small corpus of the same proportions"] = 1.0
    others: Annotated[Literal["keep", "drop"], "what happens to rows that no quota speaks of"] = "keep"
    seed: Annotated[int, "of the choice; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.max_repo_share <= 1.0:
            raise ValueError(f"max_repo_share is {self.max_repo_share}; expected more than 0 and at most 1")
        if self.scale <= 0.0:
            raise ValueError(f"scale is {self.scale}; expected more than 0")
        slices = Counter(quota.slice for quota in self.quotas)
        for quota in self.quotas:
            self._check(quota)
            if slices[quota.slice] > 1:
                raise ValueError(f"quotas: {quota.slice} stands twice")

    def _check(self, quota: Quota) -> None:
        where = f"quotas, {quota.slice}"
        if quota.criterion is not None:
            by_name(quota.criterion)
        if quota.language is not None and quota.language != _NO_CODE:
            language_by_name(quota.language)
        if (quota.rows is None) == (quota.share is None):
            raise ValueError(f"{where}: give either `rows` or `share`")
        if (quota.rows or 0) < 0 or not 0.0 <= (quota.share or 0.0) <= 1.0:
            raise ValueError(f"{where}: rows is 0 or more, share is 0 to 1; found {quota.rows or quota.share}")
        if quota.share is not None and self._corpus() is None:
            raise ValueError(
                f"{where}: a share is one of the corpus; give its size by a quota that names no source, criterion or "
                f"language, for example {{rows: 100000}}"
            )
        if (quota.when_short == "refill") != bool(quota.refill_from) or quota.source in quota.refill_from:
            raise ValueError(f"{where}: `refill_from` names other sources and goes with `when_short: refill`")

    def _corpus(self) -> int | None:
        """Rows of the corpus before scaling, where a quota gives them."""
        return next((quota.rows for quota in self.quotas if not any(quota.kind)), None)

    def apply(self, rows: Rows) -> Rows:
        columns = ("row_id", *SLICE, "group", "path", "prompt_by", "demo_only")
        return rows.by_key(
            ByKey(
                columns=columns,
                explode=self.drawn,
                decide=lambda table: table.drop_columns(["key"]),
                resolve=self.resolved,
            )
        ).drop(self.unfit)

    def unfit(self, pairs: pa.Table) -> pa.Array:
        return first_reason(
            reasons(pc.is_null(pairs["prompt_by"]), "no_prompt"),  # null with the prompt, and cheaper to read
            reasons(pc.and_(pairs["demo_only"], not self.allow_demo), "demo_only"),
        )

    def drawn(self, pairs: pa.Table) -> pa.Table:
        """The rows that may stay (the others must not take their places), with their draws: 3 microseconds each. The
        key only spreads the work."""
        pairs = pairs.filter(pc.is_null(self.unfit(pairs)))
        draws = [uniform(self.seed, "mix", id_) for id_ in pairs["row_id"].to_pylist()]
        columns = {name: pairs[name] for name in ("row_id", *SLICE, "group", "path")}
        key = pc.utf8_slice_codeunits(pairs["row_id"], 0, 2)
        return pa.table({"key": key, **columns, "draw": pa.array(draws, pa.float64())})

    def resolved(self, rows: pa.Table) -> Resolved:
        """Marks of the rows that go, out of all rows (300 bytes each in one process), and what became of the quotas."""
        marked, filled = self.chosen(rows)
        lacking = [one for one in filled if one.missing and one.quota.when_short != "accept"]
        if lacking:
            raise StageError(
                "mix: quotas fall short, and their rule is not to accept it: "
                + "; ".join(map(_said, lacking))
                + f". The rows come from {sorted(set(rows['source'].to_pylist()))}. Give it more rows, ask for fewer "
                f"(`rows`, or `scale` for all quotas), or set `when_short` to accept or refill"
            )
        marks = marked.filter(pl.col("reason").is_not_null()).select("row_id", "reason", "detail").to_arrow()
        stay = int(marked["reason"].null_count())
        return Resolved(marks=marks, report=_report(filled, stay) if self.quotas else {})

    def chosen(self, rows: pa.Table) -> tuple[pl.DataFrame, list[Filled]]:
        """The rows in the order of their draws with why each goes (`reason` null: it stays; `detail`), and what became
        of the quotas."""
        frame = pl.DataFrame(pl.from_arrow(rows)).sort("draw", "row_id")
        frame = self._cap_files(frame).with_row_index("place")
        capped = self._cap_repositories(frame.filter(pl.col("reason").is_null()))
        fit = capped.filter(pl.col("reason").is_null())
        quotas, filled = self._by_quota(fit)
        parts = [frame.filter(pl.col("reason").is_not_null()), capped.filter(pl.col("reason").is_not_null()), quotas]
        return pl.concat(parts, how="vertical").sort("place"), filled

    def _cap_files(self, frame: pl.DataFrame) -> pl.DataFrame:
        file = ["group", "path"]
        is_beyond = pl.col("path").is_not_null() & (pl.int_range(pl.len()).over(file) >= self.max_per_file)
        # Rows that no file gave are never too many of one.
        return _marked(
            frame, is_beyond, "file_cap", pl.format("more than {} of {}: {}", pl.lit(self.max_per_file), *file)
        )

    def _cap_repositories(self, frame: pl.DataFrame) -> pl.DataFrame:
        slice_ = ["criterion", "language"]
        counts = frame.group_by([*slice_, "group"]).len()
        caps = [
            (*key, repository_cap(own["len"].to_list(), self.max_repo_share, self.min_per_repository))
            for key, own in counts.group_by(slice_)
        ]
        of_slice = pl.DataFrame(caps, [(name, pl.String) for name in slice_] + [("cap", pl.Int64)], orient="row")
        frame = frame.join(of_slice, on=slice_, how="left", maintain_order="left")
        detail = pl.format("more than {} of {}/{} / {}", "cap", *slice_, "group")
        is_beyond = pl.int_range(pl.len()).over([*slice_, "group"]) >= pl.col("cap")
        return _marked(frame, is_beyond, "repository_cap", detail).drop("cap")

    def _by_quota(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Filled]]:
        cells = frame.select(SLICE).unique().sort(SLICE)
        cell = frame.join(cells.with_row_index("cell"), on=SLICE, how="left", maintain_order="left")["cell"]
        of_row = cell.to_numpy().astype(np.int64)
        matches = np.array([quota.matches(cells) for quota in self.quotas], bool).reshape(len(self.quotas), len(cells))
        wanted = np.array(targets(self.quotas, self.scale), np.int64)
        is_taken, is_full, room, refills = self._filled(cells, of_row, matches, wanted)
        is_spoken_of: Flags = np.asarray(matches.any(axis=0), bool)
        first_full = [next((q for q in self._order() if matches[q, c] and is_full[q]), -1) for c in range(len(cells))]
        details = [f"more than {wanted[q]} of {self.quotas[q].slice}" if q >= 0 else None for q in first_full]
        stays = is_taken | (~is_spoken_of[of_row] & (self.others == "keep"))
        reason = ["quota" if spoken_of else "no_quota" for spoken_of in is_spoken_of.tolist()]
        marked = _marked(
            frame,
            pl.lit(pl.Series(~stays, dtype=pl.Boolean)),
            pl.lit(pl.Series(reason, dtype=pl.String).gather(of_row)),
            pl.lit(pl.Series(details, dtype=pl.String).gather(of_row)),
        )
        available = matches @ np.bincount(of_row, minlength=len(cells))
        filled = [
            Filled(
                quota=quota,
                wanted=int(wanted[q]),
                available=int(available[q]),
                found=int(wanted[q] - room[q] - refills[q].sum()),
                refilled=_by_source(cells, refills[q]),
            )
            for q, quota in enumerate(self.quotas)
        ]
        return marked, filled

    def _order(self) -> list[int]:
        """Numbers of the quotas in the order in which they are filled."""
        return sorted(range(len(self.quotas)), key=lambda q: -sum(self.quotas[q].kind))

    def _filled(
        self, cells: pl.DataFrame, of_row: Numbers, matches: Flags, wanted: Numbers
    ) -> tuple[Flags, Flags, Numbers, Numbers]:
        """Which rows are taken, which quotas were full before refills, the rows that each still lacks after them, and
        how many rows of each cell refilled it."""
        is_taken, room = np.zeros(len(of_row), bool), wanted.copy()

        def take(rows: Numbers, counts_for: Flags) -> Numbers:
            """Take of these rows what has room; gives the number of each cell."""
            new = rows[_taken(of_row[rows], counts_for, room)]
            is_taken[new] = True
            by_cell = np.bincount(of_row[new], minlength=len(cells))
            room[:] -= counts_for @ by_cell
            return by_cell

        for q in self._order():
            take(np.flatnonzero(matches[q][of_row] & ~is_taken), matches)
        is_full = room == 0
        refills = np.zeros(matches.shape, np.int64)
        for q, quota in enumerate(self.quotas):
            if quota.when_short == "refill" and room[q]:
                others = Quota(criterion=quota.criterion, language=quota.language).matches(cells)
                others &= cells["source"].is_in(quota.refill_from).to_numpy()
                counts_for = matches & np.array([[own.source is None] for own in self.quotas])
                counts_for[q] = others
                refills[q] = take(np.flatnonzero(others[of_row] & ~is_taken), counts_for)
        return is_taken, is_full, room, refills


def targets(quotas: Sequence[Quota], scale: float) -> list[int]:
    """Rows of each quota, scaled: the quotas of one kind add up to their scaled sum (rounded half up), and the rows
    that rounding down leaves go to those with the largest remainders."""
    corpus = next((quota.rows for quota in quotas if not any(quota.kind)), None) or 0
    exact = [
        (Fraction(quota.rows) if quota.rows is not None else Fraction(str(quota.share)) * corpus) * Fraction(str(scale))
        for quota in quotas
    ]
    rows = [int(value) for value in exact]
    kinds: defaultdict[tuple[bool, ...], list[int]] = defaultdict(list)
    for number, quota in enumerate(quotas):
        kinds[quota.kind].append(number)
    for own in kinds.values():
        left = int(sum((exact[q] for q in own), Fraction(1, 2))) - sum(rows[q] for q in own)
        for q in sorted(own, key=lambda q: (rows[q] - exact[q], quotas[q].slice))[:left]:
            rows[q] += 1
    return rows


def repository_cap(counts: Sequence[int], share: float, floor: int) -> int:
    """Rows that each repository may have so that none has more than `share` of what is then left, or `floor` if that
    is more: the largest c with c <= max(floor, share * sum(min(n, c)))."""
    of_each = np.array(counts, np.int64)
    cap = int(of_each.max(initial=0))
    while True:
        allowed = max(floor, int(share * int(np.minimum(of_each, cap).sum())))
        if cap <= allowed:
            return cap
        cap = allowed


def _taken(cells: Numbers, matches: Flags, room: Numbers) -> Flags:
    """Which of some rows, in order, are taken, where each is unless a quota that it matches is full.

    R rows, C cells, Q quotas: `cells` [R] is the cell of each row, `matches` [Q, C] the quotas of each cell, `room` [Q]
    the rows that each still takes. The rows of a cell are taken up to the place where the first of its quotas is full.
    That place moves only backwards as other quotas close cells, so the nearest one is settled first.
    """
    places, end = np.arange(len(cells)), np.full(matches.shape[1], len(cells))
    concerned = matches[:, np.unique(cells)].any(axis=1) if len(cells) else np.zeros(len(matches), bool)
    waiting = [(0, int(q)) for q in np.flatnonzero(concerned)]
    heapify(waiting)
    while waiting:
        _, q = heappop(waiting)
        own = np.flatnonzero(matches[q][cells] & (places < end[cells]))
        if len(own) < room[q]:
            continue  # never full
        full_at = int(own[room[q] - 1]) + 1 if room[q] else 0
        if waiting and full_at > waiting[0][0]:
            heappush(waiting, (full_at, q))
        else:
            end[matches[q]] = np.minimum(end[matches[q]], full_at)
    return places < end[cells]


def _by_source(cells: pl.DataFrame, rows: Numbers) -> dict[str, int]:
    """Rows of each source, of the rows of each cell; without sources that have none."""
    found: Counter[str] = Counter()
    for source, number in zip(cells["source"], rows.tolist(), strict=True):
        found[source] += number
    return {source: number for source, number in sorted(found.items()) if number}


def _marked(frame: pl.DataFrame, is_beyond: pl.Expr, reason: str | pl.Expr, detail: pl.Expr) -> pl.DataFrame:
    why = pl.lit(reason) if isinstance(reason, str) else reason
    return frame.with_columns(
        reason=pl.when(is_beyond).then(why).otherwise(None), detail=pl.when(is_beyond).then(detail).otherwise(None)
    )


def _report(filled: Sequence[Filled], stay: int) -> dict[str, Any]:
    """What became of every quota, and how many rows stay in all."""
    return {
        "quotas": [
            {
                "slice": one.quota.slice,
                "wanted": one.wanted,
                "available": one.available,
                "found": one.found,
                "refilled": one.refilled,
                "when_short": one.quota.when_short,
            }
            for one in filled
        ],
        "rows": stay,
        "warnings": [f"mix: {_said(one)}" for one in filled if one.found < one.wanted],
    }


def _said(one: Filled) -> str:
    of = f" (of {one.available:,} that the caps leave; other quotas were full)" if one.available > one.found else ""
    instead = "".join(f", and {number:,} of {source} instead" for source, number in one.refilled.items())
    return f"{one.quota.slice}: wanted {one.wanted:,}, found {one.found:,}{of}{instead}"


STAGE = Mix

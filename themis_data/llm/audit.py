"""How far the judgements of language models can be relied on, measured on the judgements themselves.

The audit reads tables with one row a judgement and keeps sums only, so that its memory is bounded by criteria,
languages and models. All judgements of a pair must be in one table: what an order changes and where models differ is
seen there.

What is counted, of `real` questions (not canaries), for all, for each criterion, language and both, and for each model:

unreadable          replies without a verdict, of all
tie                 ties, of verdicts
chosen              verdicts for the chosen side, of those that name a side
rated_high          ratings of 4 and 5, of ratings; reviews only
first               verdicts for the side that stood first, of those that name a side. Half is no preference
chosen_when_first   verdicts for the chosen side where it stood first, of those that name a side
chosen_when_second  the same where it stood second
flip                pairs on which a model named the other side in the other order, of those on which it named a side in
                    both. In each order the verdict with more votes than either other stands, else it is a tie; pairs
                    with a tie in an order are not counted here
order_change        pairs whose verdict is any other in the other order, ties too, of pairs with verdicts in both
consistent          couples of answers to one question (model, pair, order) that say the same, of all such couples
longer              verdicts for the longer side, of those that name a side, among pairs whose sides differ in
                    characters by 5 % of the longer one or more
chosen_is_longer    of the same: where the chosen side is the longer, which is what a perfect judge has for `longer`
chosen_when_longer  verdicts for the chosen side where it is the longer; of reviews, ratings of 4 and 5
chosen_when_shorter the same where it is the shorter
length_preference   half of the difference of the last two: by how much more than half the longer side would be named if
                    it were the better one in half of the pairs. 0 is none, 0.5 a judge that looks at nothing else
gold                pairs whose verdict by most answers is what people said, of pairs that people judged
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import polars as pl
import pyarrow as pa

from themis_data.errors import ManifestError, PipelineError
from themis_data.llm.agreement import Coincidences, Share, difference, fold_of, rounded
from themis_data.manifest import read_record

ALL = "all"  # not cut by a criterion, language, model or kind of canary
VERDICTS = ("chosen", "rejected", "tie")
RATINGS = (1, 2, 3, 4, 5)
HIGH = 4  # the lowest rating that says a change is better
LENGTH_DIFFERS = 0.05  # of the longer side, from which a side is called longer
ENOUGH_PAIRS = 20  # from which a share itself is held to a limit; below, its interval has to lie beyond the limit

# Canaries that fool a vote unless it is a tie: the sides are the same for every criterion. Of the others a vote can
# only be compared with the label, which may be the one that is wrong, so they do not count towards a limit.
SAME_SIDES = ("no_op", "comment_only")

_COLUMNS = (
    *("row_id", "kind", "model", "criterion", "language", "sample", "shown_first", "verdict", "rating", "failure"),
    *("chosen_chars", "rejected_chars", "canary", "generator"),
)
_CELL = ("kind", "criterion", "language", "model")
# What is not `all` in a group. A model in a criterion in a language would be too few answers to say anything.
_CUTS: tuple[tuple[str, ...], ...] = (
    (),
    ("criterion",),
    ("language",),
    ("criterion", "language"),
    ("model",),
    ("criterion", "model"),
    ("language", "model"),
)
_Cell = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond which the judgements are not to be used. Null: no limit. Raises PipelineError for one that is no share."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt limit in a pipeline is an error

    # A judge that names the side it sees first, or guesses, flips half of the pairs or more: at a quarter, every second
    # verdict could be a guess.
    max_flip_rate: Annotated[float | None, "share of pairs whose verdict changes side with the order, 0 to 1"] = 0.25
    # 0.15 is a gap of 30 points between the agreement where the better side is the longer and where it is the shorter.
    max_length_preference: Annotated[float | None, "preference for the longer or the shorter side, 0 to 0.5"] = 0.15
    # Alpha counts agreement beyond chance. Where labels are good nearly all verdicts are the same and chance agrees
    # too, so that the customary 0.667 would fail good judges; below 0.2, models hardly see the same thing.
    min_alpha: Annotated[float | None, "Krippendorff's alpha between models, -1 to 1"] = 0.2
    # Three verdicts drawn evenly agree on a third of the couples.
    min_self_consistency: Annotated[float | None, "share of couples of answers that agree, 0 to 1"] = 0.6
    max_canary_share: Annotated[float | None, "share of reviews of canaries that rate them 4 or better, 0 to 1"] = 0.10
    # A vote that names a side of two that are the same more often than not has not read them.
    max_canary_votes: Annotated[float | None, "share of votes on equal sides that name one of them, 0 to 1"] = 0.5
    # A coin gets half of the decided pairs right.
    min_gold_agreement: Annotated[float | None, "share of pairs judged as people judged them, 0 to 1"] = 0.7
    # As many as a step may leave without an answer.
    max_unreadable: Annotated[float | None, "share of replies without a verdict, 0 to 1"] = 0.05

    def __post_init__(self) -> None:
        for field in fields(self):
            value, lowest = getattr(self, field.name), -1.0 if field.name == "min_alpha" else 0.0
            if value is not None and not lowest <= value <= 1.0:
                raise PipelineError(f"limits, {field.name}: {value:g} is not between {lowest:g} and 1")


def read_gold(path: Path) -> dict[str, str]:
    """The verdict of people on each pair, by row id: what `themis gold read` wrote.

    Raises ManifestError where the file is none such.
    """
    content = read_record(path)
    verdicts = content.get("verdicts")
    if not isinstance(verdicts, dict) or not set(verdicts.values()) <= set(VERDICTS):
        raise ManifestError(f"{path}: holds no verdicts of people; 'themis gold read' writes such a file")
    return {str(row_id): str(verdict) for row_id, verdict in verdicts.items()}


class Audit:
    """Sums over judgements: add tables, then ask for the record and for what is beyond its limits."""

    def __init__(
        self, *, gold: Mapping[str, str] | None = None, family_of: Callable[[str], str | None] | None = None
    ) -> None:
        """`gold` has the verdict of people on some pairs, by row id. `family_of` gives who made a model, in a word."""
        self._gold, self._family_of = gold or {}, family_of
        self._shares: dict[tuple[_Cell, str], Share] = {}
        self._counts: Counter[tuple[_Cell, str, str]] = Counter()
        self._between: dict[tuple[str, str, str], Coincidences] = {}
        self._canaries: dict[tuple[str, str, str], Share] = {}  # kind, canary, model
        self._unread_canaries: Counter[tuple[str, str, str]] = Counter()
        self._generators: Counter[tuple[str, str]] = Counter()
        self._num_judgements = self._num_pairs = self._num_canaries = 0

    def add(self, judgements: pa.Table) -> None:
        """Count a table of judgements: the columns of the schema `judgement`, and `row_id`, `language`, `chosen_chars`,
        `rejected_chars`, `canary` (its kind; null for a real question) and `generator` (null where no model wrote).

        A canary's verdict speaks of the sides as they were asked about: `chosen` is the one in the place of the new.
        """
        frame = pl.from_arrow(judgements.select(_COLUMNS))
        assert isinstance(frame, pl.DataFrame)
        if frame.is_empty():
            return
        frame = frame.with_columns(
            pl.col("row_id", *_CELL, "shown_first", "verdict", "failure", "canary").cast(pl.String)
        )
        real, canaries = frame.filter(pl.col("canary").is_null()), frame.filter(pl.col("canary").is_not_null())
        self._num_judgements += len(real)
        self._num_pairs += real["row_id"].n_unique()
        self._num_canaries += canaries["row_id"].n_unique()
        self._count(real)
        self._add_shares(pl.concat([*_row_wise(real), *_orders(real), _samples(real), self._against_gold(real)]))
        self._add_models(real)
        self._add_canaries(canaries)
        for generator, model, count in (
            real.filter(pl.col("generator").is_not_null()).group_by("generator", "model").len().iter_rows()
        ):
            self._generators[generator, model] += count

    def _count(self, real: pl.DataFrame) -> None:
        said = [
            real.select(*_CELL, what=pl.lit("verdicts"), said=pl.col("verdict")),
            real.select(*_CELL, what=pl.lit("ratings"), said=pl.col("rating").cast(pl.String)),
            real.select(*_CELL, what=pl.lit("failures"), said=pl.col("failure")),
        ]
        values = pl.concat(said).drop_nulls("said").group_by(*_CELL, "what", "said").len("times")
        for cells in _cuts(values):
            counted = cells.group_by(*_CELL, "what", "said").agg(pl.col("times").sum())
            for *cell, what, value, times in counted.iter_rows():
                self._counts[_cell(cell), what, value] += times

    def _add_shares(self, parts: pl.DataFrame) -> None:
        of_pairs = (
            parts.filter(pl.col("total") > 0).group_by(*_CELL, "name", "row_id").agg(pl.col("hits", "total").sum())
        )
        for cells in _cuts(of_pairs):
            for (*cell, name), share in _shares(cells, *_CELL, "name"):
                key = _cell(cell), name
                self._shares[key] = self._shares.get(key, Share()) + share

    def _against_gold(self, real: pl.DataFrame) -> pl.DataFrame:
        known = pl.DataFrame(
            {"row_id": list(self._gold), "gold": list(self._gold.values())},
            schema={"row_id": pl.String, "gold": pl.String},
        )
        judged = majorities(real, "row_id", *_CELL).join(known, on="row_id")
        return _part(judged, "gold", pl.col("majority") == pl.col("gold"), pl.lit(True))

    def _add_models(self, real: pl.DataFrame) -> None:
        votes = majorities(real.filter(pl.col("kind") == "vote"), "row_id", *_CELL)
        ratings = (
            real.filter(pl.col("rating").is_not_null())
            .group_by("row_id", *_CELL)
            .agg(majority=pl.col("rating").quantile(0.5, "lower").cast(pl.Int64).cast(pl.String))
        )
        said = pl.concat([votes.select("row_id", *_CELL, "majority"), ratings.select("row_id", *_CELL, "majority")])
        for cut in [cut for cut in _CUTS if "model" not in cut]:
            cells = said.select(
                "row_id",
                "kind",
                "majority",
                *(pl.col(name) if name in cut else pl.lit(ALL).alias(name) for name in ("criterion", "language")),
                unit=pl.concat_str("row_id", "criterion", separator=" "),
            )
            for (kind, criterion, language), rows in _groups(cells, "kind", "criterion", "language"):
                values = [str(rating) for rating in RATINGS] if kind == "review" else list(VERDICTS)
                found = self._between.setdefault(
                    (kind, criterion, language),
                    Coincidences(len(values), "ordinal" if kind == "review" else "nominal"),
                )
                units = (
                    rows.group_by("unit")
                    .agg(*((pl.col("majority") == value).sum().cast(pl.Int64).alias(value) for value in values))
                    .sort("unit")
                )
                folds = np.array([fold_of(unit) for unit in units["unit"].to_list()], np.int64)
                found.add(folds, units.select(values).to_numpy().astype(np.int64).reshape(len(units), len(values)))

    def _add_canaries(self, canaries: pl.DataFrame) -> None:
        names_a_side = pl.col("verdict") != "tie"
        fooled = (
            pl.when(pl.col("kind") == "review")
            .then(pl.col("rating") >= HIGH)
            .when(pl.col("canary").is_in(SAME_SIDES))
            .then(names_a_side)
            .otherwise(pl.col("verdict") == "chosen")
        )
        asked = canaries.with_columns(hits=fooled.fill_null(False), total=pl.col("failure").is_null())
        counting = asked.filter((pl.col("kind") == "review") | pl.col("canary").is_in(SAME_SIDES))
        asked = pl.concat([asked, counting.with_columns(canary=pl.lit(ALL))])
        asked = pl.concat([asked, asked.with_columns(model=pl.lit(ALL))])
        unread = asked.filter(~pl.col("total")).group_by("kind", "canary", "model").len()
        for kind, canary, model, count in unread.iter_rows():
            self._unread_canaries[kind, canary, model] += count
        for (kind, canary, model), share in _shares(asked.filter("total"), "kind", "canary", "model"):
            key = kind, canary, model
            self._canaries[key] = self._canaries.get(key, Share()) + share

    def record(self) -> dict[str, Any]:
        """What was measured, as JSON types with sorted keys; every share with its 95 % interval.

        groups          one a kind, criterion, language and model (`all` where it is not cut that way): `verdicts`,
                        `ratings` and `failures` counted, `shares` as the module names them, `length_preference`
        between_models  alpha between the models' verdicts by most answers (of reviews: between their lower median
                        ratings), and the share of pairs on which all agree
        canaries        by kind and model, the share that was not caught. A review that rates any canary 4 or better is
                        fooled; so is a vote that names a side of two that are the same (no_op, comment_only), and one
                        for the worse side (reversed), or for a change by another criterion (wrong_criterion). `all` has
                        those that count towards a limit
        families        judgements by a model of the family that wrote the pair; null where nobody gave `family_of`
        """
        groups = []
        for cell in sorted({key[0] for key in self._counts} | {key[0] for key in self._shares}):
            names = sorted(name for own, name in self._shares if own == cell)
            groups.append(
                dict(zip(_CELL, cell, strict=True))
                | {what: self._counted(cell, what) for what in ("verdicts", "ratings", "failures")}
                | {
                    "shares": {name: self._shares[cell, name].record() for name in names},
                    "length_preference": _preference(self._length_preference(cell)),
                }
            )
        between = [
            {"kind": kind, "criterion": criterion, "language": language, **found.record()}
            for (kind, criterion, language), found in sorted(self._between.items())
        ]
        keys = sorted(set(self._canaries) | set(self._unread_canaries))
        canaries = [
            {
                "kind": kind,
                "canary": canary,
                "model": model,
                "counts": kind == "review" or canary in (*SAME_SIDES, ALL),
                "fooled": self._canaries.get((kind, canary, model), Share()).record(),
                "unreadable": self._unread_canaries[kind, canary, model],
            }
            for kind, canary, model in keys
        ]
        found: dict[str, Any] = _sorted(
            {
                "judgements": self._num_judgements,
                "pairs": self._num_pairs,
                "canary_pairs": self._num_canaries,
                "groups": groups,
                "between_models": between,
                "canaries": canaries,
                "families": self._families(),
            }
        )
        return found

    def _counted(self, cell: _Cell, what: str) -> dict[str, int]:
        return {value: count for (own, about, value), count in self._counts.items() if (own, about) == (cell, what)}

    def _length_preference(self, cell: _Cell) -> tuple[float, float, float] | None:
        shares = [self._shares.get((cell, name), Share()) for name in ("chosen_when_longer", "chosen_when_shorter")]
        found = difference(*shares)
        return None if found is None else (found[0] / 2, found[1] / 2, found[2] / 2)

    def _families(self) -> dict[str, Any] | None:
        if self._family_of is None:
            return None
        same: list[dict[str, Any]] = []
        counts = Counter({"same": 0, "other": 0, "unknown": 0})
        for (generator, model), count in sorted(self._generators.items()):
            families = self._family_of(generator), self._family_of(model)
            word = "unknown" if None in families else "same" if families[0] == families[1] else "other"
            counts[word] += count
            if word == "same":
                same.append({"generator": generator, "model": model, "family": families[0], "judgements": count})
        return {"flagged": bool(same), "same_family": same, "judgements": dict(counts)}

    def breaches(self, limits: Limits) -> list[str]:
        """One sentence for each limit that does not hold: what, where, what was measured of how many, and the limit.

        Over all and for each model a share is held to its limit from 20 pairs on, and below where its whole interval is
        beyond. Criteria and languages are many, and one of them may lie beyond a limit by chance: they count where the
        whole interval is beyond, and are named where all together hold the limit. The share of canaries over all is
        held to its limit whatever their number.
        """
        found: list[str] = []
        for name, words, limit, is_upper, kinds in (
            ("flip", "pairs that flip with the order", limits.max_flip_rate, True, ("vote",)),
            ("consistent", "answers that repeat themselves", limits.min_self_consistency, False, ("review", "vote")),
            ("gold", "pairs judged as people did", limits.min_gold_agreement, False, ("review", "vote")),
            ("unreadable", "replies without a verdict", limits.max_unreadable, True, ("review", "vote")),
        ):
            if limit is None:
                continue
            for kind in kinds:
                measured = {
                    cell: share for (cell, own), share in self._shares.items() if (own, cell[0]) == (name, kind)
                }
                found += _beyond({cell: _measured(share) for cell, share in measured.items()}, words, limit, is_upper)
        if limits.max_length_preference is not None:
            cells = {cell for cell, name in self._shares if name == "chosen_when_longer" and cell[0] == "vote"}
            for sign, words in ((1, "preference for the longer side"), (-1, "preference for the shorter side")):
                preferences = {cell: self._signed_preference(cell, sign) for cell in sorted(cells)}
                known = {cell: value for cell, value in preferences.items() if value is not None}
                found += _beyond(known, words, limits.max_length_preference, True)
        if limits.min_alpha is not None:
            alphas = {}
            for (kind, criterion, language), counted in sorted(self._between.items()):
                alpha, interval = counted.alpha, counted.interval
                if alpha is not None:
                    low, high = interval or (-1.0, 1.0)
                    alphas[kind, criterion, language, ALL] = (alpha, low, high, counted.units)
            found += _beyond(alphas, "alpha between models", limits.min_alpha, False)
        for kind, limit, words in (
            ("review", limits.max_canary_share, "canaries rated 4 or better"),
            ("vote", limits.max_canary_votes, "canaries with equal sides of which one was named"),
        ):
            canaries = {
                (kind, ALL, ALL, model): _measured(share)
                for (own, canary, model), share in sorted(self._canaries.items())
                if (own, canary) == (kind, ALL)
            }
            if limit is not None:
                found += _beyond(canaries, words, limit, True, enough=1)
        return found

    def _signed_preference(self, cell: _Cell, sign: int) -> "_Measured | None":
        found = self._length_preference(cell)
        if found is None:
            return None
        value, low, high = found if sign > 0 else (-found[0], -found[2], -found[1])
        pairs = [self._shares[cell, name].pairs for name in ("chosen_when_longer", "chosen_when_shorter")]
        return value, low, high, min(pairs)


_Measured = tuple[float, float, float, int]  # a value, its interval, and of how many pairs


def _measured(share: Share) -> _Measured:
    low, high = share.interval
    return share.share or 0.0, low, high, share.pairs


def _beyond(
    measured: Mapping[_Cell, _Measured], words: str, limit: float, is_upper: bool, *, enough: int = ENOUGH_PAIRS
) -> list[str]:
    """A sentence for each cell beyond a limit. `enough` pairs let a value over all models be held to it as it is."""
    sentences: dict[_Cell, str] = {}
    for cell, (value, low, high, pairs) in sorted(measured.items()):
        kind, criterion, language, model = cell
        is_cut = (criterion, language) != (ALL, ALL)
        needed = ENOUGH_PAIRS if model != ALL else enough
        is_beyond = value > limit if is_upper else value < limit
        is_surely = low > limit if is_upper else high < limit
        if is_surely or (is_beyond and pairs >= needed and not is_cut):
            where = ", ".join(f"{name} {part}" for name, part in zip(_CELL[1:], cell[1:], strict=True) if part != ALL)
            sentences[cell] = (
                f"{words}, by {kind}s{f', {where}' if where else ''}: {value:.3f} "
                f"({low:.3f} to {high:.3f}) of {pairs} pairs; the limit is {'at most' if is_upper else 'at least'} "
                f"{limit:g}"
            )
    whole = {cell[0] for cell in sentences if cell[1:] == (ALL, ALL, ALL)}
    return [
        text for cell, text in sentences.items() if cell[1:3] == (ALL, ALL) or (cell[0] not in whole and cell[3] == ALL)
    ]


def _preference(found: tuple[float, float, float] | None) -> dict[str, float] | None:
    return None if found is None else dict(zip(("value", "low", "high"), map(rounded, found), strict=True))


def _cuts(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows with the names of their cells, cut in all the ways that are reported."""
    for cut in _CUTS:
        yield frame.with_columns(pl.lit(ALL).alias(name) for name in _CELL if name not in ("kind", *cut))


def _cell(names: Sequence[str]) -> _Cell:
    kind, criterion, language, model = names
    return kind, criterion, language, model


def _groups(frame: pl.DataFrame, *columns: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    for key, rows in sorted(frame.partition_by(*columns, as_dict=True).items()):
        yield tuple(map(str, key)), rows


def _shares(parts: pl.DataFrame, *names: str) -> Iterator[tuple[tuple[str, ...], Share]]:
    """The share of each group, from parts (row_id, hits, total) that are summed over each pair first."""
    hits, total = pl.col("hits"), pl.col("total")
    summed = (
        parts.group_by(*names, "row_id")
        .agg(hits.cast(pl.Int64).sum(), total.cast(pl.Int64).sum())
        .group_by(names)
        .agg(
            hits.sum(),
            total.sum(),
            hits_squared=(hits * hits).sum(),
            hits_total=(hits * total).sum(),
            total_squared=(total * total).sum(),
            pairs=pl.len().cast(pl.Int64),
        )
    )
    for row in summed.iter_rows(named=True):
        yield tuple(row.pop(name) for name in names), Share(**row)


def _part(frame: pl.DataFrame, name: str, hits: pl.Expr, total: pl.Expr) -> pl.DataFrame:
    """Hits and total of one share for each row; a null is neither."""
    counted = total.fill_null(False).cast(pl.Int64)
    return frame.select(
        "row_id", *_CELL, name=pl.lit(name), hits=hits.fill_null(False).cast(pl.Int64) * counted, total=counted
    )


def _row_wise(real: pl.DataFrame) -> Iterator[pl.DataFrame]:
    verdict, first = pl.col("verdict"), pl.col("shown_first")
    is_chosen, is_decided = verdict == "chosen", verdict.is_in(["chosen", "rejected"])
    is_review = pl.col("kind") == "review"
    yield _part(real, "unreadable", pl.col("failure").is_not_null(), pl.lit(True))
    yield _part(real, "tie", verdict == "tie", verdict.is_not_null())
    yield _part(real, "chosen", is_chosen, is_decided)
    yield _part(real, "rated_high", pl.col("rating") >= HIGH, pl.col("rating").is_not_null())
    yield _part(real, "first", verdict == first, is_decided & first.is_not_null())
    yield _part(real, "chosen_when_first", is_chosen, is_decided & (first == "chosen"))
    yield _part(real, "chosen_when_second", is_chosen, is_decided & (first == "rejected"))
    chosen, rejected = pl.col("chosen_chars"), pl.col("rejected_chars")
    differs = (chosen - rejected).abs() >= LENGTH_DIFFERS * pl.max_horizontal(chosen, rejected)
    is_longer = chosen > rejected
    differs = differs & (chosen != rejected)
    yield _part(real, "longer", is_chosen == is_longer, is_decided & differs & ~is_review)
    yield _part(real, "chosen_is_longer", is_longer, is_decided & differs & ~is_review)
    agrees = pl.when(is_review).then(pl.col("rating") >= HIGH).otherwise(is_chosen)
    says = pl.when(is_review).then(pl.col("rating").is_not_null()).otherwise(is_decided)
    yield _part(real, "chosen_when_longer", agrees, says & differs & is_longer)
    yield _part(real, "chosen_when_shorter", agrees, says & differs & ~is_longer)


def majorities(frame: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """The verdict with more votes than either other, for each key; a tie where there is none. Unread ones do not
    count, and a key without a verdict is not there."""
    votes = (
        frame.drop_nulls("verdict")
        .group_by(keys)
        .agg(*((pl.col("verdict") == verdict).sum().cast(pl.Int64).alias(f"num_{verdict}") for verdict in VERDICTS))
    )
    return votes.with_columns(majority=most_votes())


def most_votes() -> pl.Expr:
    """The verdict with more votes than either other, by `num_chosen`, `num_rejected` and `num_tie`; else tie."""
    chosen, rejected, ties = (pl.col(f"num_{verdict}") for verdict in VERDICTS)
    return (
        pl.when((chosen > rejected) & (chosen > ties))
        .then(pl.lit("chosen"))
        .when((rejected > chosen) & (rejected > ties))
        .then(pl.lit("rejected"))
        .otherwise(pl.lit("tie"))
    )


def _orders(real: pl.DataFrame) -> Iterator[pl.DataFrame]:
    votes = majorities(
        real.filter((pl.col("kind") == "vote") & pl.col("shown_first").is_not_null()), "row_id", *_CELL, "shown_first"
    )
    first = votes.filter(pl.col("shown_first") == "chosen").select("row_id", *_CELL, one="majority")
    second = votes.filter(pl.col("shown_first") == "rejected").select("row_id", *_CELL, other="majority")
    both = first.join(second, on=["row_id", *_CELL])
    changed = pl.col("one") != pl.col("other")
    yield _part(both, "flip", changed, (pl.col("one") != "tie") & (pl.col("other") != "tie"))
    yield _part(both, "order_change", changed, pl.lit(True))


def _samples(real: pl.DataFrame) -> pl.DataFrame:
    said = pl.coalesce(pl.col("rating").cast(pl.String), pl.col("verdict"))
    question = ["row_id", *_CELL, "shown_first"]
    counts = real.with_columns(said=said).drop_nulls("said").group_by(*question, "said").len("times")
    times = pl.col("times").cast(pl.Int64)
    couples = counts.group_by(question).agg(
        hits=(times * (times - 1) // 2).sum(), total=times.sum() * (times.sum() - 1) // 2
    )
    return couples.select("row_id", *_CELL, pl.lit("consistent").alias("name"), "hits", "total")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value

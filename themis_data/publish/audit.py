"""What gives the chosen side away without reading it: surface measures, slice by slice, with intervals.

Every measure says in how many pairs it names the chosen side; 0.5 is chance. Rules and models that are chosen by
looking at pairs are measured on pairs of other groups (repositories, problems) than those they were chosen on. A pair
is one example, chosen less rejected, and a model has no constant term: it knows the sides by how they differ alone.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from themis_data.errors import StageError
from themis_data.fingerprint import uniform
from themis_data.intervals import share_by_groups
from themis_data.publish.bradley_terry import Floats, Ints, fit, folds
from themis_data.publish.surface import FEATURES, differences

ALL = "all"  # of a slice that is not cut by a column
MEASURES = ("length", "length_difference", "surface", "diff_tokens")
"""`length` is the better of "longer wins" and "shorter wins"; `length_difference` chooses between the two for each size
of the difference; `surface` is a logistic regression on how the sides differ in what can be counted
(`surface.FEATURES`), and `diff_tokens` one on the words and signs that one side has more often than the other in the
lines that differ."""

_BY = ("source", "criterion", "language")
_FOLDS = 5
_SIZES = 6  # of the difference in length, with about as many pairs each
_MIN_TOKEN_PAIRS = 5  # a token of fewer pairs of a slice is no feature
_MAX_TOKENS = 20_000  # the most frequent ones of a slice
_TELLS = 5
_TELL_CHARS = 40
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How often one way to look names the chosen side, with the 95 % interval, or why that was not measured.

    Pairs of one group resemble one another, so the interval is Wilson's at the number of independent pairs that would
    tell as much.
    """

    name: str
    pairs: int  # that were looked at: a sample where the slice is large
    accuracy: float | None = None  # share of the pairs, 0 to 1; a tie counts half
    low: float | None = None
    high: float | None = None
    tells: tuple[str, ...] = ()  # what speaks most for a side: "+" for the chosen one, "-" for the rejected one
    unmeasured: str | None = None  # why there is no figure


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One slice. Shares are 0 to 1; `all` stands where it is not cut that way, also for a source that is alone."""

    source: str
    criterion: str
    language: str
    pairs: int
    groups: int  # repositories and problems
    chosen_longer: float  # share of pairs whose chosen side has more characters
    length_accuracy: float  # share that the better of "longer wins" and "shorter wins" gets right; a tie counts half
    measures: tuple[Measure, ...]


def audit(
    shards: Sequence[Path],
    *,
    seed: int = 0,
    sample: int = 1_000,
    min_pairs: int = 200,
    limits: Mapping[str, float] | None = None,
) -> list[Audit]:
    """Surface measures per source, criterion, language, and per each combination of them; the largest slices first.

    Of each slice at most `sample` pairs are looked at, drawn by the seed and the row id (`length` counts all); a slice
    with fewer than `min_pairs` gets no figures but its plain counts, and one with fewer groups than folds none of
    models. Raises StageError where a measure is right in more of a slice than `limits` (measure -> share) has for it.
    """
    pairs = _lengths(shards, seed)
    if not len(pairs):
        return []
    slices = list(_slices(pairs))
    drawn = [places[np.argsort(pairs["draw"].to_numpy()[places], kind="stable")[:sample]] for _, places in slices]
    large = [p for (_, places), p in zip(slices, drawn, strict=True) if len(places) >= min_pairs]
    looked_at = np.unique(np.concatenate([np.empty(0, np.int64), *large]))
    examples = _examples(shards, pairs, looked_at, seed)
    found = [
        _audited(names, pairs, places, own, examples, min_pairs)
        for (names, places), own in zip(slices, drawn, strict=True)
    ]
    found.sort(key=lambda a: (-a.pairs, -_names(a).count(ALL), _names(a)))
    broken = _breaches(found, limits or {})
    if broken:
        raise StageError(
            "the surface tells the chosen side more often than write.max_surface_accuracy allows:\n"
            + "\n".join(f"  {sentence}" for sentence in broken)
            + "\nBalance the pairs (balance_lengths), drop what tells, or raise the limit"
        )
    return found


def _breaches(audits: Sequence[Audit], limits: Mapping[str, float]) -> list[str]:
    """A sentence for each slice in which a measure names the chosen side more often than its limit allows."""
    return [
        f"{' / '.join(_names(one))}: {measure.name} is right in {measure.accuracy:.3f} of "
        f"{measure.pairs:,} pairs (95 % interval {measure.low:.3f} to {measure.high:.3f}), more than {limit:g}"
        for one in audits
        for measure in one.measures
        if measure.accuracy is not None and measure.accuracy > (limit := limits.get(measure.name, 1.0))
    ]


def _names(one: Audit) -> tuple[str, str, str]:
    return one.source, one.criterion, one.language


def _lengths(shards: Sequence[Path], seed: int) -> pl.DataFrame:
    """All pairs without their texts: `row_id`, how they are cut, `group`, `difference` in characters, and a `draw`."""
    columns = ["row_id", *_BY, "group", "chosen", "rejected"]
    length = pl.col("chosen").str.len_chars().cast(pl.Int64) - pl.col("rejected").str.len_chars().cast(pl.Int64)
    frames = [  # one at a time: only numbers stay of the texts
        _frame([shard], columns).select("row_id", *_BY, "group", difference=length).collect() for shard in shards
    ]
    pairs = pl.concat(frames or [_frame([], columns).select("row_id", *_BY, "group").collect()]).sort("row_id")
    return pairs.with_columns(draw=pl.Series([uniform(seed, "audit", i) for i in pairs["row_id"]], dtype=pl.Float64))


def _slices(pairs: pl.DataFrame) -> Iterator[tuple[tuple[str, str, str], Ints]]:
    """Names of each slice and the places of its pairs. One source alone is not told apart from all."""
    is_alone = pairs["source"].n_unique() == 1
    for cut in product((False, True), repeat=len(_BY)):
        if is_alone and cut[0]:
            continue
        names = [pl.col(name) if is_cut else pl.lit(ALL).alias(name) for name, is_cut in zip(_BY, cut, strict=True)]
        table = pairs.with_row_index("place").select("place", *names).group_by(_BY, maintain_order=True).agg("place")
        for source, criterion, language, places in table.iter_rows():
            yield (source, criterion, language), np.array(places, np.int64)


@dataclass(frozen=True, kw_only=True)
class _Examples:
    """Of the pairs that are looked at: what the models see, chosen less rejected."""

    row_of: Ints  # of each pair of the corpus its row in `features` and `tokens`, -1 for none
    group: Ints  # of each pair of the corpus
    draw_of_group: Floats
    features: Floats
    tokens: Any  # scipy.sparse.csr_array
    vocabulary: list[str]


def _examples(shards: Sequence[Path], pairs: pl.DataFrame, looked_at: Ints, seed: int) -> _Examples:
    from scipy.sparse import coo_array

    row_of = np.full(len(pairs), -1, np.int64)
    row_of[looked_at] = np.arange(len(looked_at))
    row = dict(zip(pairs["row_id"].gather(looked_at), range(len(looked_at)), strict=True))
    features = np.zeros((len(row), len(FEATURES)))
    vocabulary: dict[str, int] = {}
    rows, columns, values = array("q"), array("q"), array("d")
    wanted = pl.DataFrame({"row_id": list(row)}, schema={"row_id": pl.String}).lazy()
    for shard in shards:
        lazy = _frame([shard], ["row_id", "language", "chosen", "rejected"])
        for part in lazy.join(wanted, on="row_id", how="semi").collect().iter_slices(1_000):
            for id_, language, chosen, rejected in part.iter_rows():
                seen = differences(chosen, rejected, language)
                features[row[id_]] = seen.features
                rows.extend([row[id_]] * len(seen.tokens))
                columns.extend(vocabulary.setdefault(token, len(vocabulary)) for token in seen.tokens)
                values.extend(seen.tokens.values())
    group, names = _numbered(pairs["group"])
    return _Examples(
        row_of=row_of,
        group=group,
        draw_of_group=np.array([uniform(seed, "fold", name) for name in names]),
        features=features,
        tokens=coo_array((values, (rows, columns)), shape=(len(row), len(vocabulary))).tocsr(),
        vocabulary=list(vocabulary),
    )


def _numbered(names: pl.Series) -> tuple[Ints, list[str]]:
    known = names.unique().sort()
    number = dict(zip(known, range(len(known)), strict=True))
    return np.array([number[name] for name in names], np.int64), known.to_list()


def _audited(
    names: tuple[str, str, str], pairs: pl.DataFrame, places: Ints, drawn: Ints, examples: _Examples, min_pairs: int
) -> Audit:
    difference = pairs["difference"].to_numpy()
    side = np.sign(difference[places])
    right = np.where(side == 0, 0.5, side > 0)
    if right.mean() < 0.5:
        right = 1.0 - right
    groups = len(np.unique(examples.group[places]))
    few_pairs = f"{len(places):,} pairs, fewer than {min_pairs:,}" if len(places) < min_pairs else None
    few_groups = f"{groups} groups, fewer than {_FOLDS}" if groups < _FOLDS else None
    measures = list[Measure]()
    if few_pairs is None:
        measures.append(_measure("length", right, examples.group[places]))
    if few_pairs is None and few_groups is None:
        measures += _models(difference[drawn], examples.group[drawn], examples.row_of[drawn], examples)
    why = few_pairs or few_groups
    measures += [Measure(name=name, pairs=len(places), unmeasured=why) for name in MEASURES[len(measures) :]]
    source, criterion, language = names
    return Audit(
        source=source,
        criterion=criterion,
        language=language,
        pairs=len(places),
        groups=groups,
        chosen_longer=round(float((side > 0).mean()), _DIGITS),
        length_accuracy=round(float(right.mean()), _DIGITS),
        measures=tuple(measures),
    )


def _models(difference: Ints, group: Ints, rows: Ints, examples: _Examples) -> Iterator[Measure]:
    from scipy.sparse import csr_array  # dense products would start a thread a core, for microseconds of work each

    fold = folds(group, examples.draw_of_group, _FOLDS)
    yield _measure("length_difference", _best_by_size(difference, fold), group)
    features = examples.features[rows]
    spread = np.sqrt((features**2).mean(axis=0))
    used = np.flatnonzero(spread)
    names = [FEATURES[place] for place in used]
    right, weights = _cross_validated(csr_array(features[:, used] / spread[used]), fold)
    yield _measure("surface", right, group, _tells(names, weights))
    tokens = examples.tokens[rows]
    pairs_of = np.bincount(tokens.indices, minlength=tokens.shape[1])
    frequent = np.argsort(-pairs_of, kind="stable")[:_MAX_TOKENS]
    used = np.sort(frequent[pairs_of[frequent] >= _MIN_TOKEN_PAIRS])
    names = [examples.vocabulary[place] for place in used]
    right, weights = _cross_validated(tokens[:, used], fold)
    yield _measure("diff_tokens", right, group, _tells(names, weights))


def _best_by_size(difference: Ints, fold: Ints) -> Floats:
    """Whether each pair is told right by the better of "longer wins" and "shorter wins" for its size of the
    difference, as the other folds have it."""
    size, side = np.abs(difference), np.sign(difference)
    bounds = np.quantile(size, np.arange(1, _SIZES) / _SIZES)
    cell = np.searchsorted(bounds, size, side="left")
    votes = np.zeros((_FOLDS, _SIZES))
    np.add.at(votes, (fold, cell), side)
    others = np.sign(votes.sum(axis=0) - votes)
    return np.asarray(0.5 + 0.5 * side * others[fold, cell])


def _cross_validated(x: Any, fold: Ints) -> tuple[Floats, Floats]:
    """Whether each pair is told right by a model of the other folds, and the weights of a model of all."""
    right = np.full(len(fold), 0.5)
    if x.shape[1] == 0:
        return right, np.empty(0)
    for number in range(_FOLDS):
        own = fold == number
        right[own] = 0.5 + 0.5 * np.sign(x[own] @ fit(x[~own]))
    return right, fit(x)


def _tells(names: Sequence[str], weights: Floats) -> tuple[str, ...]:
    order = np.argsort(-np.abs(weights), kind="stable")[:_TELLS]
    return tuple(f"{'+' if weights[place] > 0 else '-'}{names[place][:_TELL_CHARS]}" for place in order)


def _measure(name: str, right: Floats, group: Ints, tells: tuple[str, ...] = ()) -> Measure:
    """The share of pairs that are told right."""
    share, low, high = share_by_groups(right, group)
    return Measure(
        name=name,
        pairs=len(right),
        accuracy=round(share, _DIGITS),
        low=round(low, _DIGITS),
        high=round(high, _DIGITS),
        tells=tells,
    )


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """What a step that balances lengths cost."""

    step: str
    rows: int  # that came in
    dropped: int
    reasons: str


def balanced(manifest: Mapping[str, Any]) -> list[Balanced]:
    """The price of each step that balances lengths, from a manifest."""
    steps = manifest["pipeline"]["steps"]
    return [
        Balanced(
            step=entry["step"],
            rows=entry["rows_in"],
            dropped=sum(entry["dropped"].values()),
            reasons=", ".join(f"{reason} {count:,}" for reason, count in sorted(entry["dropped"].items())) or "none",
        )
        for entry in manifest["funnel"]
        if steps.get(entry["step"], {}).get("use") == "balance_lengths"
    ]


def summary(shards: Sequence[Path]) -> dict[str, Any]:
    """Rows by criterion, language, source, licence, and by criterion in each language."""
    names = ["criterion", "language", "source", "license", "evidence", "system_kind", "demo_only"]
    frame = _frame(shards, names).collect()
    counts: dict[str, Any] = {name: _counts(frame[name].cast(pl.String)) for name in names}
    both = frame.select(pl.format("{} / {}", "criterion", "language").alias("slice"))["slice"]
    return {**counts, "criterion_language": _counts(both)}


def _frame(shards: Sequence[Path], columns: list[str]) -> pl.LazyFrame:
    if not shards:
        return pl.LazyFrame(schema={name: pl.Boolean if name == "demo_only" else pl.String for name in columns})
    return pl.scan_parquet(list(shards), glob=False).select(columns)


def _counts(values: pl.Series) -> dict[str, int]:
    table = values.value_counts().sort(["count", values.name], descending=[True, False])
    return {str(value): int(count) for value, count in table.iter_rows()}

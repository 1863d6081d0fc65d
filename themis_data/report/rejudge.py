"""What another judge, or another rubric, says of the pairs of a build: two run folders side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from themis_data.dataset import read_batches
from themis_data.llm.agreement import Share
from themis_data.llm.audit import ALL, VERDICTS, majorities, most_votes
from themis_data.report.explain import Run
from themis_data.report.finished import as_frame, last_rows
from themis_data.report.gold import shown_share
from themis_data.report.tables import HEAD, SOFT, console, count, fill, grid, say, visible

MOST_FLIPS = 20  # listed, the surest first
_OUTCOMES = ("stayed", "flipped", "became_tie", "decided")
_CUTS: tuple[tuple[str, ...], ...] = ((), ("criterion",), ("language",), ("criterion", "language"))
_PAIR = ("row_id", "criterion", "language")
_NUMBERS = [f"num_{verdict}" for verdict in VERDICTS]


def compare(before: Path, after: Path) -> dict[str, Any]:
    """How the verdicts on the same pairs differ between two builds, as JSON types.

    A pair's verdict is what more answers say than say either other, else a tie; those by another criterion than the
    pair's do not count. Rows count as each build last held them with judgements, also where a later step dropped them.

    models       who judged, in either build
    groups       one a kind, criterion, language and model (`all` where it is not cut that way; a single model only
                 where both builds asked it): of the pairs judged in both, the shares that stayed, flipped to the other
                 side, became a tie or were decided (a tie before); and the shares that are for the chosen side
    flips        at most 20 pairs that flipped, by the smaller of both margins (votes for the one side less those for
                 the other, over all), the largest first
    only_before  published pairs that the other build does not have: how many, and why by its drops. A pair without a
    only_after   drop was dropped as what it was made of, else it is `absent`: the other build never had it

    Raises ManifestError where a folder holds no finished build.
    """
    runs = Run(before), Run(after)
    one, other = (_judged(run) for run in runs)
    keys = ["row_id", "kind", "model"]
    both = one.join(other.select(*keys, "majority", "margin"), on=keys, suffix="_after").with_columns(
        outcome=_outcome()
    )
    published = [_published(run) for run in runs]
    return {
        "models": {
            word: sorted(set(frame["model"].to_list()) - {ALL}) for word, frame in (("before", one), ("after", other))
        },
        "groups": _groups(both),
        "flips": _flips(both.filter(pl.col("model") == ALL)),
        "only_before": _only(published[0], published[1], runs[1]),
        "only_after": _only(published[1], published[0], runs[0]),
    }


def _judged(run: Run) -> pl.DataFrame:
    """The verdict and margin on each pair, by each model and by all together, as the last segment that had it says."""
    counted = [pl.DataFrame(schema=dict.fromkeys((*_PAIR, "kind", "model"), pl.String) | {"part": pl.Int64} |
                            dict.fromkeys(_NUMBERS, pl.Int64))]  # fmt: skip
    for number, part in enumerate(run.parts):
        for path in part.rows:
            if {"judgements", "criterion"} <= set(pq.read_schema(path).names):
                counted += [_counted(as_frame(table), number) for table in read_batches(path, [*_PAIR, "judgements"])]
    votes = pl.concat(counted)
    votes = votes.filter(pl.col("part") == pl.col("part").max().over("row_id"))
    together = votes.with_columns(model=pl.lit(ALL)).group_by(*_PAIR, "kind", "model").agg(pl.col(*_NUMBERS).sum())
    chosen, rejected, ties = (pl.col(name) for name in _NUMBERS)
    frame = pl.concat([votes.select(together.columns), together])
    return frame.with_columns(majority=most_votes(), margin=(chosen - rejected).abs() / (chosen + rejected + ties))


def _counted(rows: pl.DataFrame, part: int) -> pl.DataFrame:
    said = (
        rows.explode("judgements")
        .drop_nulls("judgements")
        .with_columns(
            asked=pl.col("judgements").struct.field("criterion"),
            **{name: pl.col("judgements").struct.field(name) for name in ("kind", "model", "verdict")},
        )
        .filter(pl.col("asked") == pl.col("criterion"))
    )
    found = majorities(said, *_PAIR, "kind", "model")
    return found.select(
        pl.col(*_PAIR, "kind", "model").cast(pl.String), pl.lit(part, pl.Int64).alias("part"), *_NUMBERS
    )


def _outcome() -> pl.Expr:
    was, is_ = pl.col("majority"), pl.col("majority_after")
    return (
        pl.when(was == is_)
        .then(pl.lit("stayed"))
        .when(is_ == "tie")
        .then(pl.lit("became_tie"))
        .when(was == "tie")
        .then(pl.lit("decided"))
        .otherwise(pl.lit("flipped"))
    )


def _groups(both: pl.DataFrame) -> list[dict[str, Any]]:
    groups = []
    for cut in _CUTS:
        cells = both.with_columns(pl.lit(ALL).alias(name) for name in ("criterion", "language") if name not in cut)
        for key, rows in cells.partition_by("kind", "criterion", "language", "model", as_dict=True).items():
            outcomes = Counter(rows["outcome"].to_list())
            total = len(rows)
            before, after = (rows[name].to_list().count("chosen") for name in ("majority", "majority_after"))
            groups.append(
                dict(zip(("kind", "criterion", "language", "model"), map(str, key), strict=True))
                | {"pairs": total}
                | {word: Share.simple(outcomes[word], total).record() for word in _OUTCOMES}
                | {"chosen_before": Share.simple(before, total).record()}
                | {"chosen_after": Share.simple(after, total).record()}
            )
    return sorted(groups, key=lambda group: [str(group[name]) for name in ("kind", "criterion", "language", "model")])


def _flips(both: pl.DataFrame) -> list[dict[str, Any]]:
    flipped = both.filter(pl.col("outcome") == "flipped").with_columns(
        sure=pl.min_horizontal("margin", "margin_after"),
        margin_before=pl.col("margin").round(4),
        margin_after=pl.col("margin_after").round(4),
    )
    listed = flipped.sort(["sure", "row_id", "kind"], descending=[True, False, False]).head(MOST_FLIPS)
    return listed.select(
        *_PAIR, "kind", pl.col("majority").alias("before"), pl.col("majority_after").alias("after"),
        "margin_before", "margin_after",
    ).to_dicts()  # fmt: skip


def _published(run: Run) -> dict[str, list[str]]:
    """Parents of each published row, by its id."""
    return {
        row_id: parents for rows in last_rows(run, ["row_id", "parent_ids"]) for row_id, parents in rows.iter_rows()
    }


def _only(here: Mapping[str, Sequence[str]], there: Mapping[str, Sequence[str]], run: Run) -> dict[str, Any]:
    """Pairs that are published here and not in the other build, and why by that build's drops."""
    missing = {row_id: [row_id, *parents] for row_id, parents in here.items() if row_id not in there}
    line = {id_ for ids in missing.values() for id_ in ids}
    why: dict[str, tuple[str, str]] = {}
    for part in run.parts if line else ():
        for id_, drop in run.dropped(part, line).items():
            why[id_] = drop["step"], drop["reason"]
    counts = Counter(next((why[id_] for id_ in ids if id_ in why), ("", "absent")) for ids in missing.values())
    reasons = [
        {"step": step, "reason": reason, "pairs": number}
        for (step, reason), number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return {"pairs": len(missing), "reasons": reasons}


def print_compared(report: Mapping[str, Any]) -> None:
    """What another judge changed: shares by criterion, language and model, pairs gone, and the surest flips."""
    out = console()
    for word in ("before", "after"):
        say(out, f"{word}: {', '.join(map(visible, report['models'][word])) or 'nobody judged'}", HEAD)
    if not report["groups"]:
        say(out, "no pair was judged in both builds", SOFT)
    titles = ("pairs", "flipped", "ties", "decided")
    table = grid("by", "criterion", "language", "model", *((title, "right") for title in titles))
    for group in report["groups"]:
        names = [visible(group[name]) for name in ("kind", "criterion", "language", "model")]
        numbers = [f"{group[word]['hits']:,}" for word in ("became_tie", "decided")]
        fill(table, [*names, f"{group['pairs']:,}", shown_share(group["flipped"]), *numbers])
    if report["groups"]:
        out.print(table)
    for word, words in (("only_before", "only in the first build"), ("only_after", "only in the second build")):
        only = report[word]
        reasons = ", ".join(
            f"{visible(entry['reason'])}{' by ' + visible(entry['step']) if entry['step'] else ''} {entry['pairs']:,}"
            for entry in only["reasons"]
        )
        say(out, f"{words}: {count(only['pairs'], 'pair')}{f' ({reasons})' if reasons else ''}")
    if report["flips"]:
        say(out, "flipped, the surest first", HEAD)
    for flip in report["flips"]:
        margins = f"{flip['before']} by {flip['margin_before']:.2f} -> {flip['after']} by {flip['margin_after']:.2f}"
        say(out, f"{flip['row_id']}  {visible(flip['criterion'])}, {visible(flip['language'])}: {margins}", indent=2)

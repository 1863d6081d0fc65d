"""Which split each row goes to: stratified, and no repository, problem or version of a file is in two of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from themis_data.errors import StageError
from themis_data.fingerprint import uniform

VERSION = 2  # raised when the same rows would be split otherwise
_SLICE = ["criterion", "language"]
_COLUMNS = ("group", "repos", "commit", "old_blob", "new_blob", *_SLICE)


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """Who goes where.

    groups  `group`, `split` (its place among the names of the splits, sorted): one row a group
    report  JSON types, for the manifest: rows and groups of each split, rows of each slice in each, the number of
            components and the largest, and how many groups, repositories and file versions were found in one split only
    """

    groups: pl.DataFrame
    report: dict[str, Any]


def assign(shards: Sequence[Path], splits: Mapping[str, float], seed: int) -> Assigned:
    """Splits of all rows of some files of schema `preference`, by shares of the rows.

    Groups that share a repository or a version of a file are one component (a chain of versions has each version in
    two rows), and it goes to one split. The largest split takes what the others do not: within a slice (criterion and
    language, of a component those most of its rows have) components go to the others in the order of their draws
    until each has its share. A component with more rows than that share never does. More rows move few components.

    Reads narrow columns only, about 300 bytes a row. Raises StageError when a repository, problem or version of a file
    would be in two splits.
    """
    names = sorted(splits)
    rows, groups, links, components = _linked(shards)
    components = _placed(components, splits, seed)
    placed = groups.join(components.select("component", "split"), on="component", maintain_order="left")
    placed = placed.select("group", "split")
    return Assigned(groups=placed, report=_report(rows, groups, links, placed, components, names))


def recount(shards: Sequence[Path], split_of: Mapping[str, str], names: Sequence[str]) -> dict[str, Any]:
    """The report of `assign` for rows whose splits are known: the name of its split by row id."""
    rows, groups, links, components = _linked(shards)
    known = pl.DataFrame(
        {"row_id": list(split_of), "split": [names.index(split) for split in split_of.values()]},
        schema={"row_id": pl.String, "split": pl.Int32},
    )
    scans = [pl.scan_parquet(path, glob=False).select("group", "row_id") for path in shards]
    of_rows = pl.concat(scans).collect().join(known, on="row_id") if scans else known.rename({"row_id": "group"})
    placed = of_rows.select("group", "split").unique().sort("group")
    of_component = groups.join(placed, on="group").group_by("component").agg(pl.col("split").first())
    return _report(rows, groups, links, placed, components.join(of_component, on="component"), names)


def _linked(shards: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The rows in narrow columns; their groups, each with the number of its component; what ties groups; and the
    components."""
    scans = [pl.scan_parquet(path, glob=False).select(_COLUMNS) for path in shards]
    rows = pl.concat(scans).collect() if scans else pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String))
    groups = rows.select("group").unique().sort("group").with_row_index("number")
    links = _links(rows)
    groups = groups.with_columns(component=_components(groups, links))
    components = _described(rows.group_by("group", *_SLICE).len("rows").join(groups, on="group"))
    return rows, groups, links, components


def _report(
    rows: pl.DataFrame,
    groups: pl.DataFrame,
    links: pl.DataFrame,
    placed: pl.DataFrame,
    components: pl.DataFrame,
    names: Sequence[str],
) -> dict[str, Any]:
    """What the manifest says; `placed` are groups with their split, `components` have theirs."""
    checked = _disjoint(links, placed)
    return {
        **_counts(rows.join(placed, on="group"), names),
        "components": len(components),
        "largest_component": _largest(components, groups, names),
        "in_one_split": {"group": len(groups), **checked},
    }


def _links(rows: pl.DataFrame) -> pl.DataFrame:
    """What ties groups together: `group`, `kind`, `key`, each combination once.

    `repos` names repositories only where a commit gave the row; elsewhere it is the data set, which ties nothing.
    """
    mined = rows.filter(pl.col("commit").is_not_null()).select("group", "repos").unique()
    of_repos = mined.select("group", key=pl.col("repos").str.split(",")).explode("key")
    of_repos = of_repos.with_columns(key=pl.col("key").str.strip_chars(), kind=pl.lit("repository"))
    of_files = [rows.select("group", key=blob, kind=pl.lit("file_version")) for blob in ("old_blob", "new_blob")]
    everything = pl.concat([own.select("group", "kind", "key") for own in (of_repos, *of_files)])
    return everything.filter(pl.col("key").is_not_null() & (pl.col("key") != "")).unique()


def _components(groups: pl.DataFrame, links: pl.DataFrame) -> pl.Series:
    """The number of each group's connected component, where a common key connects."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shared = links.filter(pl.len().over("kind", "key") > 1).join(groups, on="group")
    ends = shared.select(pl.struct("kind", "key").rank("dense"))["kind"].to_numpy().astype(np.int64) - 1 + len(groups)
    starts = shared["number"].to_numpy().astype(np.int64)
    size = int(ends.max(initial=len(groups) - 1)) + 1
    graph = coo_array((np.ones(len(starts), np.int8), (starts, ends)), shape=(size, size))
    return pl.Series(connected_components(graph, directed=False)[1][: len(groups)].astype(np.int64))


def _described(counts: pl.DataFrame) -> pl.DataFrame:
    """Each component with its `rows`, the slice most of them are of, and its `name`: the first of its groups."""
    of_slice = counts.group_by("component", *_SLICE).agg(own=pl.col("rows").sum())
    most = of_slice.sort(["component", "own", *_SLICE], descending=[False, True, False, False])
    most = most.unique("component", keep="first", maintain_order=True).drop("own")
    return most.join(counts.group_by("component").agg(pl.col("rows").sum(), name=pl.col("group").min()), on="component")


def _placed(components: pl.DataFrame, splits: Mapping[str, float], seed: int) -> pl.DataFrame:
    """Components with their `split`."""
    names = sorted(splits)
    main = max(names, key=lambda name: (splits[name], -names.index(name)))
    held_out = [name for name in names if name != main and splits[name] > 0.0]
    if not held_out:
        return components.with_columns(split=pl.lit(names.index(main)))
    draws = [uniform(seed, "split", name) for name in components["name"]]
    ordered = components.with_columns(draw=pl.Series(draws, dtype=pl.Float64)).sort(*_SLICE, "draw", "name")
    of_slice = pl.col("rows").sum().over(_SLICE)
    is_small = pl.col("rows") <= min(splits[name] for name in held_out) * of_slice
    before = pl.when(is_small).then("rows").otherwise(0).cum_sum().over(_SLICE)
    ordered = ordered.with_columns(is_small=is_small, middle=(before - pl.col("rows") / 2) / of_slice)
    bounds = list(accumulate(splits[name] for name in held_out))
    place = np.searchsorted(bounds, ordered["middle"].to_numpy(), side="left")
    place = np.where(ordered["is_small"].to_numpy(), place, len(held_out))
    numbers = np.array([names.index(name) for name in (*held_out, main)])
    return ordered.with_columns(split=pl.Series(numbers[place], dtype=pl.Int32))


def _disjoint(links: pl.DataFrame, placed: pl.DataFrame) -> dict[str, int]:
    """How many keys of each kind there are, every one in one split only; raises StageError otherwise.

    It looks at the rows' keys and splits alone, and so does not depend on how the splits were found.
    """
    if placed["group"].is_duplicated().any():
        raise StageError(f"a group is in two splits: {placed.filter(pl.col('group').is_duplicated())['group'][0]}")
    keys = links.join(placed, on="group").group_by("kind", "key").agg(splits=pl.col("split").n_unique())
    torn = keys.filter(pl.col("splits") > 1).sort("kind", "key")
    if len(torn):
        raise StageError(
            f"{len(torn)} keys are in two splits, for example the {torn['kind'][0].replace('_', ' ')} {torn['key'][0]}"
        )
    return {kind: int((keys["kind"] == kind).sum()) for kind in ("repository", "file_version")}


def _counts(rows: pl.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    slices: dict[str, dict[str, int]] = {}
    counted = rows.group_by(*_SLICE, "split").len().sort(*_SLICE, "split")
    for criterion, language, split, number in counted.iter_rows():
        slices.setdefault(f"{criterion} / {language}", dict.fromkeys(names, 0))[names[split]] = number
    return {
        "rows": {name: int((rows["split"] == place).sum()) for place, name in enumerate(names)},
        "groups": {name: rows.filter(pl.col("split") == place)["group"].n_unique() for place, name in enumerate(names)},
        "slices": slices,
    }


def _largest(components: pl.DataFrame, groups: pl.DataFrame, names: Sequence[str]) -> dict[str, Any] | None:
    if not len(components):
        return None
    first = components.sort(["rows", "name"], descending=[True, False]).row(0, named=True)
    return {
        "rows": first["rows"],
        "groups": int((groups["component"] == first["component"]).sum()),
        "split": names[first["split"]],
        "first_group": first["name"],
    }

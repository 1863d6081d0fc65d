"""What differs between two builds or published versions: rows, and what the manifests say of how they came about.

Rows are compared by 64-bit hashes of their columns, a row group at a time; values are read of listed rows alone.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from rich.console import Console

from themis_data.dataset import Version, open_version, read_batches
from themis_data.publish.asked import asked
from themis_data.publish.layouts import main
from themis_data.publish.takedown import TakenDown
from themis_data.report.finished import as_frame
from themis_data.report.tables import BAD, GOOD, HEAD, LOUD, SOFT, console, count, decoded, fill, grid, say, visible
from themis_data.schema import schema

ROWS_LISTED = 20  # of each kind, by id; all of them with `full`
_MAX_CHARS = 160  # of a value that is listed, around the first difference
_KINDS = ("added", "removed", "relabelled", "swapped", "changed", "moved", "new_id")
_SLICES = ("criterion", "language", "source", "license")
_TEXTS = ("system", "prompt", "chosen", "rejected")
_ROLES = pl.col("prompt").list
# Where a configuration has the texts of a pair: the stored column, and how the text is read out of it. `trl` has also
# those in languages that `default` lacks.
_STORED: dict[str, dict[str, tuple[str, pl.Expr]]] = {
    "default": {
        "system": ("system", pl.col("system")),
        "prompt": ("input", pl.col("input")),
        "chosen": ("chosen", pl.col("chosen")),
        "rejected": ("rejected", pl.col("rejected")),
    },
    "trl": {
        "system": ("prompt", pl.when(_ROLES.len() > 1).then(_ROLES.first().struct.field("content"))),
        "prompt": ("prompt", _ROLES.last().struct.field("content")),
        "chosen": ("chosen", pl.col("chosen").list.last().struct.field("content")),
        "rejected": ("rejected", pl.col("rejected").list.last().struct.field("content")),
    },
    "Full": {
        "system": ("prompt", pl.lit(None, pl.String)),
        "prompt": ("prompt", pl.col("prompt")),
        "chosen": ("chosen", pl.col("chosen")),
        "rejected": ("rejected", pl.col("rejected")),
    },
}
# Of other configurations, they differ where these do: by their texts, or the same rows in other splits.
_DERIVED = ("signatures", "Stratified_Aspect", "Stratified_Language")
# How a row of the one version is found in the other where no row has its id: the same columns there, or both sides
# the other way round.
_SAME_TEXTS = (
    ("new_id", ("chosen", "rejected", "criterion"), ("chosen", "rejected", "criterion")),
    ("relabelled", ("chosen", "rejected"), ("chosen", "rejected")),
    ("swapped", ("chosen", "rejected", "criterion"), ("rejected", "chosen", "criterion")),
    ("swapped", ("chosen", "rejected"), ("rejected", "chosen")),
)


def diff(before: Path, after: Path, *, full: bool = False) -> dict[str, Any]:
    """How two data sets differ, as JSON types; each is a run folder or a folder with manifest.json.

    is_equal       nothing differs in the rows or in what follows; times and durations do not count
    before, after  name, version, rows and the manifest's checksum
    rows           of each kind how many there are (`rows`), and `listed`: the first 20 by id, all of them with `full`
      added, removed  ids of one version only, with criterion, language, source, license and split; `duplicate_of` is
                      another row of the new version with the same answers and criterion, else null; `by` counts them
      relabelled      another criterion, under the same id or another one (`id_after`)
      swapped         chosen and rejected changed places, under the same id or another one
      changed         other columns differ; `columns` counts them
      moved           another split; such a row may be of another kind too
      new_id          the same answers and criterion under another id: they were made of other parents
      In `relabelled`, `swapped`, `changed` and `new_id`, `columns` of a row has what was before and is after; of long
      texts the part around the first difference, unless `full`. `between` counts criteria, languages, sources and
      licences from before to after.
    repeated       ids that stand for several rows of a version: how many, and the first 20
    not_compared   columns and configurations that one of the versions lacks
    settings, sources, schemas, counts, configurations, funnel, audit, asked
                   of the manifests: a list of `what` (a dotted path), `before` and `after`, null where it is not there
    suggested      major, minor, patch or none: what to raise in the version
    changelog      a paragraph for the card

    Memory holds about 300 bytes a row, and with `full` what is listed. Raises ManifestError where a folder holds no
    data set.
    """
    one, other = open_version(before), open_version(after)
    rows, repeated, lacking = _compare(one, other, full=full)
    manifests = {name: _differences(part(one.manifest), part(other.manifest)) for name, part in _PARTS.items()}
    is_equal = not any(rows[kind]["rows"] for kind in _KINDS) and not any(manifests.values()) and not lacking
    report = {
        "is_equal": is_equal and repeated["before"]["ids"] == repeated["after"]["ids"],
        "before": _named(one),
        "after": _named(other),
        "rows": rows,
        "repeated": repeated,
        "not_compared": lacking,
        **manifests,
    }
    return {**report, "suggested": _suggested(report), "changelog": _changelog(report)}


def _named(version: Version) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "name": manifest["name"],
        "version": manifest["version"],
        "rows": manifest["rows"],
        "checksum": version.checksum,
    }


# Rows


def _compare(one: Version, other: Version, *, full: bool) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    frames = [_hashed(version) for version in (one, other)]
    repeated = {}
    for place, word in enumerate(("before", "after")):
        ids = frames[place]["id"]
        twice = ids.filter(ids.is_duplicated()).unique().sort()
        repeated[word] = {"ids": len(twice), "listed": twice.head(ROWS_LISTED).to_list()}
        if len(twice):
            frames[place] = frames[place].unique("id", keep="first", maintain_order=True)
    a, b = (own if len(own) else frames[1 - place].clear() for place, own in enumerate(frames))
    shared = [name for name in a.columns if name in b.columns]
    lacking = sorted({_column(name) for name in (*a.columns, *b.columns)} - {_column(name) for name in shared})
    a, b = a.select(shared), b.select(shared)
    has_texts = {"chosen", "rejected", "criterion"} <= set(shared)
    pairs, added, removed = _paired(a, b, has_texts=has_texts)
    columns = [name for name in shared if name not in ("id", "split") and not name.startswith("is_")]
    rows = {
        "added": _only(added, full=full, among=b if has_texts else None),
        "removed": _only(removed, full=full),
        **{
            kind: _pairs(pairs.filter(pl.col("kind") == kind), one, other, columns, full=full)
            for kind in ("relabelled", "swapped", "changed", "new_id")
        },
        "moved": _moved(pairs.filter(pl.col("split") != pl.col("split_after")), full=full),
    }
    return {kind: rows[kind] for kind in _KINDS}, repeated, lacking


def _column(name: str) -> str:
    return name.removeprefix("is_")


def _hashed(version: Version) -> pl.DataFrame:
    """A row for each pair: id, split, a hash for each column by its name, and for what rows are counted by also its
    value, as `is_NAME`."""
    texts: pl.DataFrame | None = None
    for config in _STORED:
        if texts is not None and len(texts) == version.manifest["rows"]:
            break  # what follows has the same texts once more
        found = [
            frame.select("id", "split", *(pl.col(name).hash() for name in _TEXTS))
            for frame in _read(version, config, _TEXTS)
        ]
        if found:
            own = pl.concat(found)
            texts = own if texts is None else pl.concat([texts, own.join(texts, on="id", how="anti")])
    lineage = [
        frame.select(
            "id",
            "split",
            *(pl.col(name).hash() for name in frame.columns if name not in ("id", "split")),
            *(pl.col(name).alias(f"is_{name}") for name in _SLICES if name in frame.columns),
        )
        for frame in _read(version, "lineage")
    ]
    rows = _joined(pl.concat(lineage) if lineage else _labels(version), texts)
    for config in version.manifest["configs"]:
        if config not in (*_STORED, "lineage", *_DERIVED):
            rows = _with_config(rows, version, config)
    return rows


def _joined(labels: pl.DataFrame | None, texts: pl.DataFrame | None) -> pl.DataFrame:
    if labels is None or texts is None:
        found = labels if labels is not None else texts
        return found if found is not None else pl.DataFrame(schema={"id": pl.String, "split": pl.String})
    if labels["id"].equals(texts["id"]):  # configurations hold rows in one order
        return pl.concat([labels, texts.drop("id", "split")], how="horizontal")
    return labels.join(texts.drop("split").unique("id", keep="first"), on="id", how="left")


def _labels(version: Version) -> pl.DataFrame | None:
    """What `default`, or in a benchmark `Full`, alone says of criterion, language and source."""
    config = main(version.manifest["configs"])
    if config is None:
        return None
    described = schema(version.manifest["configs"][config]["schema"])
    labels = {column.name: column.labels for column in described.columns if column.labels}
    names = {
        "criterion": "aspect",
        "language": "language",
        "source": "source" if "source" in described.names else "subset",
    }
    values = {
        name: pl.col(stored).replace_strict(dict(enumerate(labels[stored])), return_dtype=pl.String)
        if stored in labels
        else pl.col(stored)
        for name, stored in names.items()
    }
    found = [
        frame.select("id", "split", *(value.hash().alias(name) for name, value in values.items()),
                     *(value.alias(f"is_{name}") for name, value in values.items()))
        for frame in _stored(version, config, tuple(names.values()))
    ]  # fmt: skip
    return pl.concat(found) if found else None


def _with_config(rows: pl.DataFrame, version: Version, config: str) -> pl.DataFrame:
    """What a further configuration says of each pair, all of it in one hash under the configuration's name; null where
    it says nothing. Columns that the others have too do not count."""
    known = {*rows.columns, *_TEXTS, "input", "aspect", "language", "id", "idx"}
    if config == "judgements":
        known = {"id"}  # an answer has a criterion of its own
    key = schema(version.manifest["configs"][config]["schema"]).key[0]
    found = []
    for frame in _stored(version, config):
        own = [name for name in frame.columns if name not in known and name not in (key, "split")]
        if own:
            found.append(frame.select("id", pl.struct(own).hash().alias(config)))
    if not found:
        return rows.with_columns(pl.lit(None, pl.UInt64).alias(config))
    return rows.join(pl.concat(found).group_by("id").agg(pl.col(config).sum()), on="id", how="left")


def _read(version: Version, config: str, names: Collection[str] | None = None) -> Iterator[pl.DataFrame]:
    """Columns of a configuration under the names of the schema `preference`, with id and split, row groups in order."""
    if config not in _STORED:
        yield from _stored(version, config, names)
        return
    stored = {name: _STORED[config][name] for name in names or ()}
    for frame in _stored(version, config, {column for column, _ in stored.values()}):
        yield frame.select("id", "split", *(value.alias(name) for name, (_, value) in stored.items()))


def _stored(version: Version, config: str, names: Collection[str] | None = None) -> Iterator[pl.DataFrame]:
    for path in version.files(config):
        key = schema(version.manifest["configs"][config]["schema"]).key[0]
        columns = pq.read_schema(path).names if names is None else [key, *sorted({*names} - {key})]
        for table in read_batches(path, columns):
            frame = as_frame(table).rename({key: "id"})
            yield frame.with_columns(split=pl.lit(path.name.partition("-")[0]))


def _paired(a: pl.DataFrame, b: pl.DataFrame, *, has_texts: bool) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Rows of both versions side by side where they differ, each with its `kind`; those only after; those only before.

    The kind of rows that differ in nothing but the split is null.
    """
    same = a.join(b, on="id", how="inner", suffix="_after").with_columns(id_after=pl.col("id"))
    names = [name for name in a.columns if name not in ("id", "split") and not name.startswith("is_")]
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in names}
    kind = pl.when(pl.any_horizontal(differs.values())).then(pl.lit("changed")) if names else pl.lit(None, pl.String)
    if has_texts:
        is_swapped = (
            (pl.col("chosen") == pl.col("rejected_after"))
            & (pl.col("rejected") == pl.col("chosen_after"))
            & (pl.col("chosen") != pl.col("rejected"))
        )
        kind = pl.when(differs["criterion"]).then(pl.lit("relabelled")).otherwise(kind)
        kind = pl.when(is_swapped).then(pl.lit("swapped")).otherwise(kind)
    same = same.with_columns(kind=kind).filter(
        pl.col("kind").is_not_null() | (pl.col("split") != pl.col("split_after"))
    )
    removed, added = a.join(b, on="id", how="anti").sort("id"), b.join(a, on="id", how="anti").sort("id")
    found = [same]
    for kind_, left, right in _SAME_TEXTS if has_texts else ():
        # Rows that are alike are paired in the order of their ids, each once.
        one = removed.with_columns(nth=pl.int_range(pl.len()).over(left))
        other = added.select(pl.all().name.suffix("_after")).with_columns(
            nth=pl.int_range(pl.len()).over([f"{name}_after" for name in right])
        )
        matched = one.join(
            other,
            left_on=[*left, "nth"],
            right_on=[*(f"{name}_after" for name in right), "nth"],
            how="inner",
            coalesce=False,
        ).with_columns(kind=pl.lit(kind_))
        found.append(matched.select(same.columns))
        removed = removed.join(matched, on="id", how="anti")
        added = added.join(matched, left_on="id", right_on="id_after", how="anti")
    return pl.concat(found).sort("id"), added, removed


def _only(rows: pl.DataFrame, *, full: bool, among: pl.DataFrame | None = None) -> dict[str, Any]:
    named = [name for name in _SLICES if f"is_{name}" in rows.columns]
    by = {
        name: {str(value): int(number) for value, number in _counted(rows, [f"is_{name}"]).iter_rows()}
        for name in named
    }
    listed = rows.sort("id").head(len(rows) if full else ROWS_LISTED)
    twins: dict[str, str | None] = {}
    if among is not None and len(listed):
        keys = ["chosen", "rejected", "criterion"]
        alike = listed.select("id", *keys).join(among.select(*keys, other="id"), on=keys, how="left", nulls_equal=True)
        alike = alike.filter(pl.col("id") != pl.col("other")).group_by("id").agg(pl.col("other").min())
        twins = dict(alike.iter_rows())
    entries = [
        {"id": row["id"], **{name: row[f"is_{name}"] for name in named}, "split": row["split"]}
        | ({"duplicate_of": twins.get(row["id"])} if among is not None else {})
        for row in listed.iter_rows(named=True)
    ]
    return {"rows": len(rows), "by": by, "listed": entries}


def _counted(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    counted = rows.group_by(names).agg(pl.len().alias("rows"))
    return counted.sort("rows", *names, descending=[True, *[False] * len(names)])


def _moved(rows: pl.DataFrame, *, full: bool) -> dict[str, Any]:
    listed = rows.head(len(rows) if full else ROWS_LISTED)
    columns = {"id": "id", "id_after": "id_after", "before": "split", "after": "split_after"}
    return {"rows": len(rows), "listed": listed.select(**{k: pl.col(v) for k, v in columns.items()}).to_dicts()}


def _pairs(rows: pl.DataFrame, one: Version, other: Version, columns: Sequence[str], *, full: bool) -> dict[str, Any]:
    """Rows that are in both versions: how many, which columns differ, and the first of them with their values."""
    differs = {name: rows[name].ne_missing(rows[f"{name}_after"]) for name in columns}
    between = {}
    for name in (name for name in _SLICES if f"is_{name}" in rows.columns):
        names = [f"is_{name}", f"is_{name}_after"]
        counted = _counted(rows.filter(differs[name]), names).rename(dict(zip(names, ("before", "after"), strict=True)))
        if len(counted):
            between[name] = counted.to_dicts()
    size = len(rows) if full else min(len(rows), ROWS_LISTED)
    ids = list(rows.select("id", "id_after").head(size).iter_rows())
    wanted = [[name for name in columns if differs[name][place]] for place in range(size)]
    needed = {name for own in wanted for name in own}
    was, is_ = _values(one, {id_ for id_, _ in ids}, needed), _values(other, {id_ for _, id_ in ids}, needed)
    entries = []
    for (id_, id_after), own in zip(ids, wanted, strict=True):
        values = {name: _shown(was.get(id_, {}).get(name), is_.get(id_after, {}).get(name), full=full) for name in own}
        entries.append({"id": id_, "id_after": id_after, "columns": values})
    return {
        "rows": len(rows),
        "columns": {name: int(flags.sum()) for name, flags in sorted(differs.items()) if flags.any()},
        "between": between,
        "listed": entries,
    }


def _values(version: Version, ids: Collection[str], names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Values of columns of a few rows; of the judgements of a pair, how many there are of each verdict."""
    found: dict[str, dict[str, Any]] = {}
    wanted = pl.Series(list(ids), dtype=pl.String)
    texts = [name for name in _TEXTS if name in names]
    for config in version.manifest["configs"] if ids and names else ():
        if config in _DERIVED:
            continue
        own: Collection[str] | None = texts
        if config == "lineage":
            own = [name for name in schema("published_lineage").names if name in names]
        elif config not in _STORED:
            own = None if config in names else ()
        if own is not None and not own:
            continue
        for frame in _read(version, config, own):
            for row in frame.filter(pl.col("id").is_in(wanted.implode())).iter_rows(named=True):
                values = found.setdefault(row["id"], {})
                if own is not None:
                    values |= {name: row[name] for name in own if name not in values}
                elif config == "judgements":
                    said = values.setdefault(config, {})
                    said[str(row["verdict"])] = said.get(str(row["verdict"]), 0) + 1
                else:
                    values[config] = {name: value for name, value in row.items() if name not in ("id", "split")}
    return found


def _shown(before: Any, after: Any, *, full: bool) -> dict[str, Any]:
    """Two values as JSON types; of texts that are too long what stands around their first difference."""
    values = [value.isoformat() if hasattr(value, "isoformat") else value for value in (before, after)]
    texts = [value for value in values if isinstance(value, str)]
    if full or all(len(text) <= _MAX_CHARS for text in texts):
        return {"before": values[0], "after": values[1], "is_cut": False}
    start = 0
    if len(texts) == 2:
        ends = (place for place, (x, y) in enumerate(zip(*texts, strict=False)) if x != y)
        start = max(0, next(ends, min(map(len, texts))) - _MAX_CHARS // 4)
    cut = [_part(value, start) if isinstance(value, str) else value for value in values]
    return {"before": cut[0], "after": cut[1], "is_cut": True}


def _part(text: str, start: int) -> str:
    end = start + _MAX_CHARS
    return f"{'...' * (start > 0)}{text[start:end]}{'...' * (end < len(text))}"


# Manifests


def _settings(manifest: Mapping[str, Any]) -> Any:
    names = ("name", "seed", "limit", "tool", "write", "packages")
    return {**{name: manifest.get(name) for name in names}, "steps": manifest["pipeline"]["steps"]}


def _configurations(manifest: Mapping[str, Any]) -> Any:
    return {
        name: {"schema": config["schema"], "rows": config["rows"], "left_out": config["left_out"],
               "files": len(config["files"])}
        for name, config in manifest["configs"].items()
    }  # fmt: skip


def _funnel(manifest: Mapping[str, Any]) -> Any:
    """By step; where a decision cuts a step in two it is there twice, and the second part is `STEP#2`."""
    steps: dict[str, Any] = {}
    for entry in manifest["funnel"]:
        name = f"{entry['track']}.{entry['step']}"
        nth = sum(known.partition("#")[0] == name for known in steps) + 1
        steps[name if nth == 1 else f"{name}#{nth}"] = {key: entry[key] for key in ("rows_in", "rows_out", "dropped")}
    return steps


_ACCURACY = re.compile(r"\[(.+)\]\.measures\[(.+)\]\.accuracy")
_PARTS: dict[str, Any] = {
    "settings": _settings,
    "sources": lambda manifest: manifest["sources"],
    "schemas": lambda manifest: manifest["schemas"],
    "counts": lambda manifest: manifest["counts"],
    "configurations": _configurations,
    "funnel": _funnel,
    "audit": lambda manifest: manifest["audit"],
    "asked": lambda manifest: [asdict(step) for step in asked(manifest)],
}


def _differences(before: Any, after: Any) -> list[dict[str, Any]]:
    was, is_ = dict(_leaves(decoded(before))), dict(_leaves(decoded(after)))
    return [
        {"what": what, "before": was.get(what), "after": is_.get(what)}
        for what in sorted({*was, *is_})
        if was.get(what) != is_.get(what)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside of a value, by its dotted path; an item of a list of mappings by what it is called."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        naming = [_naming(item) for item in value]
        names = ["/".join(str(item[key]) for key in own) for item, own in zip(value, naming, strict=True)]
        for place, (item, own) in enumerate(zip(value, naming, strict=True)):
            nth = names[:place].count(names[place]) + 1
            called = f"[{names[place]}]" if nth == 1 else f"[{names[place]}#{nth}]"
            rest = {key: part for key, part in item.items() if key not in own}
            yield from _leaves(rest or item, f"{path}{called}")
    else:
        yield path, value


def _naming(item: Mapping[str, Any]) -> list[str]:
    """The keys by whose values an item is called: its step or name, with its model; else all that are texts."""
    texts = [key for key, value in item.items() if isinstance(value, str)]
    first = next((key for key in ("step", "name") if key in texts), None)
    return texts if first is None else [first, *(["model"] if "model" in texts else [])]


def _suggested(report: Mapping[str, Any]) -> str:
    """By what a consumer of the version before would notice: other columns, other rows, other words about them."""
    shapes = [
        entry for entry in report["configurations"] if entry["what"].endswith(".schema") and entry["before"] is not None
    ]
    if shapes or any(entry["what"].startswith("published_") and entry["before"] for entry in report["schemas"]):
        return "major"
    if any(report["rows"][kind]["rows"] for kind in _KINDS):
        return "minor"
    return "none" if report["is_equal"] else "patch"


def _changelog(report: Mapping[str, Any]) -> str:
    rows = report["rows"]
    words = {
        "added": "added",
        "removed": "removed",
        "relabelled": "got another criterion",
        "swapped": "have their sides the other way round",
        "changed": "changed otherwise",
        "moved": "moved to another split",
        "new_id": "have another id",
    }
    said = [f"{rows[kind]['rows']:,} {words[kind]}" for kind in _KINDS if rows[kind]["rows"]]
    sizes = f"{report['before']['rows']:,} pairs before, {report['after']['rows']:,} now"
    parts = [f"{sizes}: {', '.join(said)}." if said else f"{sizes}: the same rows."]
    for kind in ("added", "removed"):
        for name in ("criterion", "source", "license"):
            counted = list(rows[kind]["by"].get(name, {}).items())
            if counted:
                shown = ", ".join(f"{value} {number:,}" for value, number in counted[:5])
                parts.append(f"{kind.capitalize()} by {name}: {shown}{', and others' if len(counted) > 5 else ''}.")
    if rows["changed"]["columns"]:
        parts.append(f"Columns that changed: {', '.join(rows['changed']['columns'])}.")
    steps = [entry["what"].removeprefix("steps.") for entry in report["settings"] if entry["what"].startswith("steps.")]
    if steps:
        parts.append(f"Settings that differ: {', '.join(steps[:8])}{', and others' if len(steps) > 8 else ''}.")
    return " ".join(parts)


# On the terminal


def print_diff(report: Mapping[str, Any]) -> None:
    """The rows that differ, kind by kind, then what the manifests say otherwise."""
    out = console()
    for word in ("before", "after"):
        one = report[word]
        name = f"{visible(one['name'])} {visible(one['version'])}"
        say(out, f"{word + ':':<8}{name}, {count(one['rows'], 'pair')} ({visible(one['checksum'])})", HEAD)
    if report["is_equal"]:
        say(out, "equal: the same rows, settings, sources, counts, funnel and audit", GOOD)
        return
    rows = report["rows"]
    if not any(rows[kind]["rows"] for kind in _KINDS):
        say(out, "rows: none differs", GOOD)
    for kind in _KINDS:
        if rows[kind]["rows"]:
            _print_kind(out, kind, rows[kind])
    for word in ("before", "after"):
        if report["repeated"][word]["ids"]:
            say(out, f"{word}: {count(report['repeated'][word]['ids'], 'id')} of several rows each: "
                     f"{', '.join(map(visible, report['repeated'][word]['listed']))}", LOUD)  # fmt: skip
    if report["not_compared"]:
        say(out, f"not compared, as one of them lacks it: {', '.join(map(visible, report['not_compared']))}", LOUD)
    for name in _PARTS:
        shown = _accuracies(report[name]) if name == "audit" else report[name]
        if shown:
            _print_differences(out, name, shown)
    say(out, "")
    say(out, f"suggested: {report['suggested']}")
    say(out, visible(report["changelog"]), SOFT)


def print_taken_down(taken: TakenDown, folder: Path) -> None:
    """What a takedown took out of each configuration, by what, and what is still to do."""
    out, record = console(), taken.record
    say(out, f"{count(record['pairs'], 'pair')} taken down, the rest is in {visible(folder)}", HEAD)
    table = grid("", ("rows", "right"))
    table.show_header = False
    for name, number in {**record["reasons"], **record["rows"]}.items():
        fill(table, [f"  {visible(name)}", f"{number:,}"])
    out.print(table)
    for kind, value in taken.unmatched:
        say(out, f"nothing was found for {kind} {visible(value)}", LOUD)
    say(out, f"for the next build: {{use: drop_opted_out, list: [{visible(taken.lists[-1])}]}} first in the phase mine")
    say(out, "a run folder that it was built in still holds what was taken down, as do earlier versions", SOFT)
    say(out, "")


def _print_kind(out: Console, kind: str, rows: Mapping[str, Any]) -> None:
    say(out, "")
    say(out, f"{kind}: {count(rows['rows'], 'row')}", HEAD)
    for name, counted in rows.get("by", {}).items():
        say(
            out,
            f"by {name}: {', '.join(f'{visible(value)} {number:,}' for value, number in counted.items())}",
            indent=2,
        )
    if rows.get("columns"):
        say(
            out,
            f"columns: {', '.join(f'{visible(name)} {number:,}' for name, number in rows['columns'].items())}",
            indent=2,
        )
    for name, counted in rows.get("between", {}).items():
        for entry in counted:
            say(out, f"{name}: {visible(entry['before'])} -> {visible(entry['after'])} {entry['rows']:,}", indent=2)
    style = {"added": GOOD, "removed": BAD}.get(kind, "")
    for entry in rows["listed"]:
        id_after = entry.get("id_after", entry["id"])
        named = visible(entry["id"]) + (f" -> {visible(id_after)}" if id_after != entry["id"] else "")
        if kind in ("added", "removed"):
            said = [visible(value) for name, value in entry.items() if name not in ("id", "duplicate_of")]
            twin = f", the same as {visible(entry['duplicate_of'])}" if entry.get("duplicate_of") else ""
            say(out, f"{named}  {', '.join(said)}{twin}", style, indent=2)
        elif kind == "moved":
            say(out, f"{named}  {visible(entry['before'])} -> {visible(entry['after'])}", indent=2)
        else:
            say(out, named, indent=2)
            for name, value in entry["columns"].items():
                say(out, f"{visible(name)}", indent=4)
                say(out, f"- {visible(value['before'])}", BAD, indent=6)
                say(out, f"+ {visible(value['after'])}", GOOD, indent=6)
    if len(rows["listed"]) < rows["rows"]:
        say(out, f"and {rows['rows'] - len(rows['listed']):,} more (--full lists all)", SOFT, indent=2)


def _accuracies(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of what an audit says otherwise the accuracies, by slice and measure; all the rest is for scripts."""
    named = [(_ACCURACY.fullmatch(entry["what"]), entry) for entry in found]
    return [{**entry, "what": f"{match[1]}: {match[2]}"} for match, entry in named if match]


def _print_differences(out: Console, name: str, found: Sequence[Mapping[str, Any]]) -> None:
    say(out, "")
    say(out, name, HEAD)
    table = grid("", ("before", "right"), ("after", "right"))
    for entry in found:
        fill(table, [f"  {visible(entry['what'])}", *(_value(entry[word]) for word in ("before", "after"))])
    out.print(table)


def _value(value: Any) -> str:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    text = "-" if value is None else f"{value:,}" if is_number else str(value)
    return visible(text if len(text) <= 40 else f"{text[:37]}...")

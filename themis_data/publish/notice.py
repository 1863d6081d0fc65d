"""Whose work a data set is made of: NOTICE.md for people, and attribution.parquet with all of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from themis_data.dataset import write_tables
from themis_data.manifest import write_atomically
from themis_data.publish.published import Document, document
from themis_data.schema import schema
from themis_data.text.markdown import render

NOTICE, ATTRIBUTION = "NOTICE.md", "attribution.parquet"
# What NOTICE.md names at most; the rest is counted there and stands in attribution.parquet.
_MAX_LICENSES, _MAX_ORIGINS = 60, 40
_KEY = ("license", "license_class", "source", "origin", "author", "url")
# What a source writes into label_detail about whom a row is from: `author: NAME`, and an address.
_AUTHOR = r"(?i)\bauthors?: *([^;\n]{1,200})"
_URL = r"(https?://[^\s;,<>\"')\]]{1,500})"
_NOBODY = ("rules", "upstream")  # in prompt_by: no model's name
_TERMS = ("generator_terms", "model_terms", "terms")  # what settings and sources call the terms of a generating model


def write_notice(place: Path, shards: Sequence[Path], manifest: Mapping[str, Any]) -> list[Document]:
    """Write NOTICE.md and attribution.parquet of a data set from its `preference` rows; gives what was written."""
    table = attribution(shards)
    arrow = schema("attribution").arrow
    rows = schema("attribution").table({name: table[name].to_arrow() for name in arrow.names})
    file = write_tables(place / ATTRIBUTION, arrow, [rows], relative_to=place)
    text = notice(manifest, table, models(shards)).encode("utf-8")
    write_atomically(place / NOTICE, text)
    return [document(NOTICE, text), Document(**{k: v for k, v in asdict(file).items() if k != "rows"})]


def attribution(shards: Sequence[Path]) -> pl.DataFrame:
    """Rows of the schema `attribution`, sorted by their key."""
    if not shards:
        return pl.DataFrame(schema={**dict.fromkeys(_KEY, pl.String), "pairs": pl.Int64})
    is_repository = pl.col("commit").is_not_null()
    detail = pl.col("label_detail")
    at = pl.when(is_repository & ~pl.col("origin").str.starts_with("local/")).then(
        pl.format("https://{}", pl.col("origin"))
    )
    return (
        pl.scan_parquet(list(shards), glob=False)
        .select("license", "license_class", "source", "repos", "commit", "label_detail")
        .with_columns(
            origin=pl.col("repos").str.split(","),
            author=pl.when(~is_repository).then(detail.str.extract(_AUTHOR).str.strip_chars()),
            own_url=pl.when(~is_repository).then(detail.str.extract(_URL)),
        )
        .explode("origin")
        .with_columns(pl.col("author").fill_null(""), url=at.otherwise(pl.col("own_url")).fill_null(""))
        .group_by(_KEY)
        .agg(pairs=pl.len().cast(pl.Int64))
        .sort(_KEY)
        .collect()
    )


def models(shards: Sequence[Path]) -> list[tuple[str, str, int]]:
    """Language models that wrote something that is published: name, what it wrote, and in how many pairs."""
    if not shards:
        return []
    rows = pl.scan_parquet(list(shards), glob=False).select("written_by", "prompt_by")
    sides = rows.select(model=pl.col("written_by")).explode("model").drop_nulls().with_columns(what=pl.lit("a side"))
    prompts = rows.select(model=pl.col("prompt_by")).filter(~pl.col("model").is_in(_NOBODY))
    both = pl.concat([sides, prompts.with_columns(what=pl.lit("the prompt"))])
    counted = both.group_by("model", "what").agg(pairs=pl.len()).sort("model", "what").collect()
    return [(row["model"], row["what"], row["pairs"]) for row in counted.iter_rows(named=True)]


def notice(manifest: Mapping[str, Any], table: pl.DataFrame, wrote: Sequence[tuple[str, str, int]]) -> str:
    """Markdown of bounded size; whatever comes from data is escaped."""
    licenses = (
        table.group_by("license", "license_class")
        .agg(pl.col("pairs").sum())
        .sort(["pairs", "license", "license_class"], descending=[True, False, False])
        .rows()
    )
    shown = licenses[:_MAX_LICENSES]
    return render(
        Path(__file__).parent / "notice.md.j2",
        manifest=manifest,
        sections=[_section(table, name, kind) for name, kind, _ in shown],
        licenses_left=len(licenses) - len(shown),
        models=wrote[:_MAX_ORIGINS],
        models_left=max(len(wrote) - _MAX_ORIGINS, 0),
        terms=sorted(set(_terms(manifest)))[:_MAX_ORIGINS],
    )


def _section(table: pl.DataFrame, license_: str, kind: str) -> dict[str, Any]:
    """What NOTICE.md says of one licence."""
    own = table.filter(pl.col("license") == license_, pl.col("license_class") == kind)
    by_source = own.group_by("source").agg(
        origins=pl.col("origin").n_unique(), pairs=pl.col("pairs").sum()
    )  # pairs of several origins count for each, as the template says
    is_credited = license_.upper().startswith("CC-BY")  # asks for author and address with every use
    names = [*(("author",) if is_credited else ()), "origin", "url"]
    origins = (
        own.group_by(names)
        .agg(pl.col("pairs").sum())
        .sort(["pairs", *names], descending=[True, *(False,) * len(names)])
    )
    return {
        "license": license_,
        "class": kind,
        "sources": by_source.sort(["pairs", "source"], descending=[True, False]).to_dicts(),
        "is_credited": is_credited,
        "origins": origins.head(_MAX_ORIGINS).to_dicts(),
        "origins_left": max(len(origins) - _MAX_ORIGINS, 0),
    }


def _terms(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where terms of a generating model are stated, and what they are."""
    for step, settings in manifest["pipeline"]["steps"].items():
        yield from ((step, str(settings[name])) for name in _TERMS if settings.get(name))
    for source in manifest.get("sources", ()):
        for read in source["read"] or ():
            where = str(read.get("name", source["step"]))
            yield from ((where, str(read[name])) for name in _TERMS if read.get(name))

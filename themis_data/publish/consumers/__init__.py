"""Who loads a published data set, one a file: how it reads the shards, and whether it sees every row and every prompt.

A check reads files as its consumer does; where the consumer's own library is not installed with this package, it is an
account of what that library reads, and of the options it needs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from themis_data.dataset import read_table
from themis_data.lookup import find, known_modules
from themis_data.publish.layouts import layout
from themis_data.text.tokens import Tokens, answer, open_tokens, question, tokenizer_file

TEXTS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """How one consumer reads.

    `tables(place, config, scratch)` gives a configuration's rows as it sees them: of one with pairs the columns
    `prompt`, `chosen`, `rejected`, and `criterion`, each text, null where it sees none, and `system`; of another any.
    """

    tables: Callable[[Path, str, Path], Iterator[pa.Table]]
    configs: tuple[str, ...] | None  # of these it loads the first that is published; null: it loads all
    # Where the criterion is: a column that every row has, or the system prompt, which some rows go without by design.
    criterion: Mapping[str, Literal["column", "system"]]
    cut: int | None  # tokens at which it cuts or drops by default; null: it does neither
    how: str  # what its user types


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a consumer saw of one configuration. `faults` is empty where it saw all of it."""

    consumer: str
    config: str
    rows: int
    prompts: int | None  # rows with a prompt; null for a configuration without pairs
    cut: int | None
    same_when_cut: int | None  # rows whose sides are the same at `cut` tokens; null where nobody counted
    faults: tuple[str, ...]


def known_consumers() -> tuple[str, ...]:
    """Names of all consumers."""
    return known_modules("publish.consumers")


def consumer(name: str) -> Consumer:
    """The consumer of that name. Raises UnknownName."""
    found: Consumer = find("publish.consumers", name, "CONSUMER")  # type: ignore[assignment]  # a value, not a class
    return found


def check(
    place: Path, manifest: Mapping[str, Any], names: Sequence[str], scratch: Path, tokenizer: str | None = None
) -> list[Verdict]:
    """A verdict for each of the consumers and each configuration that it loads and that is published.

    With a tokenizer, pairs that a consumer's cut makes the same are counted by it; else by the column `same_at` of the
    configuration `lineage`, where keep_lengths wrote it. `scratch` is a new folder: `datasets` takes what it cached of
    another data set of that name for this one. Raises MissingExtra where a consumer's library lacks.
    """
    tokens = None if tokenizer is None else open_tokens(tokenizer_file(tokenizer))
    verdicts = []
    for name in names:
        own = consumer(name)
        loaded = [config for config in own.configs or manifest["configs"] if config in manifest["configs"]]
        for config in loaded if own.configs is None else loaded[:1]:
            verdicts.append(_verdict(name, own, place, manifest, config, scratch, tokens))
    return verdicts


def _verdict(
    name: str,
    own: Consumer,
    place: Path,
    manifest: Mapping[str, Any],
    config: str,
    scratch: Path,
    tokens: Tokens | None,
) -> Verdict:
    expected = manifest["configs"][config]["rows"]
    rows = prompts = criteria = empty = same = cut = 0
    has_pairs = config in own.criterion
    faults: list[str] = []
    try:
        for table in own.tables(place, config, scratch):
            rows += len(table)
            if has_pairs:
                frame = pl.DataFrame(pl.from_arrow(table.select([*TEXTS, "criterion", "system"])))
                has = {text: pl.col(text).fill_null("").str.strip_chars() != "" for text in (*TEXTS, "criterion")}
                prompts += frame.select(has["prompt"].sum()).item()
                criteria += frame.select(has["criterion"].sum()).item()
                empty += frame.select((~(has["chosen"] & has["rejected"])).sum()).item()
                same += frame.select((pl.col("chosen") == pl.col("rejected")).sum()).item()
                if tokens is not None and own.cut is not None:
                    cut += sum(_is_same(tokens, own.cut, **row) for row in frame.iter_rows(named=True))
    except Unreadable as error:
        faults.append(str(error))
    if rows != expected:
        faults.append(f"sees {rows} rows of {expected}")
    if has_pairs:
        own_system = manifest["counts"]["system_kind"]
        with_system = sum(count for kind, count in own_system.items() if kind != "none")
        visible = expected if own.criterion[config] == "column" else min(expected, with_system)
        if prompts != expected:
            faults.append(f"{expected - prompts} rows have no prompt")
        if criteria != visible:
            faults.append(f"the criterion shows in {criteria} rows of {visible}")
        if empty:
            faults.append(f"{empty} rows have an empty answer")
        if same:
            faults.append(f"{same} rows have the same answer on both sides")
    counted = None
    if has_pairs and own.cut is not None:
        counted = cut if tokens is not None else _recorded(place, manifest, own.cut)
    return Verdict(
        consumer=name,
        config=config,
        rows=rows,
        prompts=prompts if has_pairs else None,
        cut=own.cut,
        same_when_cut=counted,
        faults=tuple(faults),
    )


class Unreadable(Exception):
    """A consumer would stop, or take the rows for something else; the message says why."""


def _is_same(
    tokens: Tokens, cut: int, *, system: str | None, prompt: str, chosen: str, rejected: str, **_: Any
) -> bool:
    before = tokens.ids(question(system, prompt or ""), cut)
    sides = [(before + tokens.ids(answer(text or ""), cut))[:cut] for text in (chosen, rejected)]
    return sides[0] == sides[1]


def _recorded(place: Path, manifest: Mapping[str, Any], cut: int) -> int | None:
    """How many pairs `same_at` says are the same at this cut; null where any pair was not looked at."""
    if "lineage" not in manifest["configs"]:
        return None
    found = 0
    for file in manifest["configs"]["lineage"]["files"]:
        own = pl.Series(read_table(place / file["path"], ["same_at"])["same_at"].to_pylist(), dtype=pl.List(pl.Int32))
        if own.null_count():
            return None
        found += int(own.list.contains(cut).sum())
    return found


def shards(place: Path, config: str) -> list[Path]:
    """Files of a configuration, as a pattern over its folder finds them."""
    return sorted((place / layout(config).folder).glob("*.parquet"))

"""Prompts that read like English, by the perplexity of their prose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.engine.rows import Rows
from themis_data.fingerprint import model_digest
from themis_data.text.fluency import Fluency, fluency_file, open_fluency


@dataclass(frozen=True, kw_only=True)
class KeepFluent:
    """Drops pairs whose prompt is less fluent than a limit (`not_fluent`), and pairs that have no prompt yet
    (`no_prompt`). Without a model it is off and drops nothing.

    A perplexity means something for one model only: the 1,200 of the Themis paper belong to its model of OSCAR, so a
    model and its limit are given together and neither has a default. The model must have been trained on text as
    `text/fluency.py` normalises it, with an `<unk>`; take a quantile of your own prompts for the limit.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1
    gate: ClassVar[str] = "perplexity of prompts"
    distributions: ClassVar[tuple[str, ...]] = ("kenlm-ex",)

    model: Annotated[str | None, "path of a KenLM model, ARPA or binary; null for off"] = None
    max_perplexity: Annotated[float | None, "perplexity a word of that model; given with it"] = None
    min_words: Annotated[int, "words of prose below which a prompt is not judged"] = 8

    def __post_init__(self) -> None:
        if (self.model is None) != (self.max_perplexity is None):
            raise ValueError("model and max_perplexity are given together: a limit means something for one model only")

    def identity(self) -> dict[str, Any]:
        return {} if self.model is None else {"model": model_digest(fluency_file(self.model))}

    def apply(self, rows: Rows) -> Rows:
        if self.model is None:
            return rows.drop(lambda pairs: pa.nulls(len(pairs), pa.string()))
        return rows.map_on_worker(self.open).drop(self.drop_reason)

    def open(self) -> Callable[[pa.Table], pa.Table]:
        """What gives rows a working column with the reason to drop them."""
        assert self.model is not None
        opened = open_fluency(fluency_file(self.model))
        return lambda pairs: pairs.append_column(
            "reason", pa.array([self.reason(opened, prompt) for prompt in pairs["prompt"].to_pylist()], pa.string())
        )

    def reason(self, opened: Fluency, prompt: str | None) -> str | None:
        """Why a prompt is dropped, or None."""
        assert self.max_perplexity is not None
        if prompt is None:
            return "no_prompt"
        perplexity = opened.perplexity(prompt, self.min_words)
        if perplexity is None or perplexity <= self.max_perplexity:
            return None
        return f"not_fluent: perplexity {perplexity:.0f}, the limit is {self.max_perplexity:g}"

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return pairs["reason"].combine_chunks()


STAGE = KeepFluent

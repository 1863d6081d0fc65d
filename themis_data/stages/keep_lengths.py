"""Pairs that fit a reward model's context."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa

from themis_data.criteria import all_criteria, by_name
from themis_data.engine.rows import Rows
from themis_data.fingerprint import model_digest
from themis_data.llm.templates import render
from themis_data.schema import schema
from themis_data.text.tokens import QWEN, Tokens, answer, open_tokens, question, tokenizer_file

_GENERAL = ("helpfulness", "harmlessness")  # never among "all criteria" of code


@dataclass(frozen=True, kw_only=True)
class KeepLengths:
    """Drops pairs of which a side is too long with its prompt and system prompt (`too_long`), never cuts one, and pairs
    that have no prompt yet (`no_prompt`).

    Tokens are counted over the conversation as Qwen3's chat template gives it, by the reward model's tokenizer. The
    column `same_at` of the pairs that stay says at which of the trainers' own limits their two sides would become one.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1
    gate: ClassVar[str] = "length in tokens"
    distributions: ClassVar[tuple[str, ...]] = ("tiktoken", "tokenizers")

    tokenizer: Annotated[str, "qwen (Qwen3's), the path of a tokenizer.json or its folder, or a hub id"] = QWEN
    max_tokens: Annotated[int, "tokens of the whole conversation, each side"] = 4096
    system: Annotated[Literal["all", "own"], "the system prompt to leave room for: all criteria, or the row's own"] = (
        "all"
    )
    cuts: Annotated[tuple[int, ...], "tokens at which trainers cut by default: 512 OpenRLHF, 1024 TRL"] = (512, 1024)

    def __post_init__(self) -> None:
        if min((self.max_tokens, *self.cuts)) < 1:
            raise ValueError(f"max_tokens is {self.max_tokens} and cuts are {self.cuts}; expected 1 or more")

    def identity(self) -> dict[str, Any]:
        return {"tokenizer": model_digest(tokenizer_file(self.tokenizer))}

    def apply(self, rows: Rows) -> Rows:
        return rows.map_on_worker(self.open).drop(self.drop_reason)

    def open(self) -> Callable[[pa.Table], pa.Table]:
        """What gives rows their `same_at`, and a working column with the reason to drop them."""
        tokens = open_tokens(tokenizer_file(self.tokenizer))

        def measure(pairs: pa.Table) -> pa.Table:
            columns = (pairs[name].to_pylist() for name in ("prompt", "criterion", "chosen", "rejected"))
            measured = [self.measured(tokens, *row) for row in zip(*columns, strict=True)]
            place = pairs.schema.get_field_index("same_at")
            same = pa.array([same for same, _ in measured], schema("pair").arrow.field("same_at").type)
            pairs = pairs.set_column(place, pairs.schema.field("same_at"), same)
            return pairs.append_column("reason", pa.array([reason for _, reason in measured], pa.string()))

        return measure

    def measured(
        self, tokens: Tokens, prompt: str | None, criterion: str, chosen: str, rejected: str
    ) -> tuple[list[int] | None, str | None]:
        """The cuts at which both sides are the same, and why the pair is dropped."""
        if prompt is None:
            return None, "no_prompt"
        before = tokens.ids(question(self.system_prompt(criterion), prompt), self.max_tokens)
        sides = [before + tokens.ids(answer(text), self.max_tokens) for text in (chosen, rejected)]
        name, length = max((("chosen", len(sides[0])), ("rejected", len(sides[1]))), key=lambda side: side[1])
        if length > self.max_tokens:
            return None, f"too_long: {name} {length} tokens, the limit is {self.max_tokens}"
        return [cut for cut in self.cuts if sides[0][:cut] == sides[1][:cut]], None

    def system_prompt(self, criterion: str) -> str:
        """The longest system prompt that the row may get."""
        names = [criterion] if self.system == "own" else [name for name in all_criteria() if name not in _GENERAL]
        return render("system", criteria=[by_name(name) for name in names])

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return pairs["reason"].combine_chunks()


STAGE = KeepLengths

"""System prompts that claim no more than was labelled."""

import random
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.criteria import all_criteria, by_name
from themis_data.engine.rows import Rows, reasons
from themis_data.fingerprint import row_id, uniform
from themis_data.llm.templates import render
from themis_data.schema import schema

Shares = Literal["labelled", "paper", "published_code"]
# Share of rows: no system prompt, all criteria, general criteria with the row's own, only the row's own.
_SHARES: dict[Shares, tuple[tuple[str, float], ...]] = {
    "labelled": (("one", 1.0),),
    "paper": (("none", 0.15), ("all", 0.20), ("one", 0.65)),
    "published_code": (("none", 0.15), ("general_and_one", 0.60), ("all", 0.25)),
}
_GENERAL = ("helpfulness", "harmlessness")


@dataclass(frozen=True, kw_only=True)
class AssignSystemPrompts:
    """Gives each row a system prompt that names criteria, and so makes it a preference.

    labelled        the row's own criterion: the only one its label speaks of
    paper           15 % none, 20 % all five in random order, the rest the row's own (the paper's text)
    published_code  15 % none, 60 % the general two and the row's own, 25 % all five (the paper's scripts)

    The last two claim for some rows that chosen is better by criteria nobody looked at; the draw is seeded. Rows
    without a prompt are dropped (`no_prompt`).
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "preference"
    version: ClassVar[int] = 1

    shares: Annotated[Shares, "which prompts rows get"] = "labelled"
    seed: Annotated[int, "of the draw; the pipeline's by default"] = 0

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason).map(self.assign)

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return reasons(pc.is_null(pairs["prompt"]), "no_prompt")

    def assign(self, pairs: pa.Table) -> pa.Table:
        kinds = [self.kind(id_) for id_ in pairs["row_id"].to_pylist()]
        columns = zip(kinds, pairs["criterion"].to_pylist(), pairs["row_id"].to_pylist(), strict=True)
        prompts = [self.prompt(kind, criterion, id_) for kind, criterion, id_ in columns]
        columns_in = {name: pairs[name] for name in schema("pair").names}
        return schema("preference").table({**columns_in, "system": prompts, "system_kind": kinds})

    def kind(self, id_: str) -> str:
        """Which prompt the row of that id gets."""
        draw, bound = uniform(self.seed, "system", id_), 0.0
        for name, share in _SHARES[self.shares]:
            bound += share
            if draw < bound:
                return name
        return _SHARES[self.shares][-1][0]

    def prompt(self, kind: str, criterion: str, id_: str) -> str | None:
        """The system prompt, or None for a row that gets none."""
        if kind == "none":
            return None
        if kind == "one":
            names = [criterion]
        elif kind == "general_and_one":
            names = list(dict.fromkeys([*_GENERAL, criterion]))
        else:
            names = [name for name in all_criteria() if name not in _GENERAL]
        if len(names) > 1:
            random.Random(row_id(str(self.seed), "order", id_)).shuffle(names)  # noqa: S311  seeded, for no secret
        return render("system", criteria=[by_name(name) for name in names])


STAGE = AssignSystemPrompts

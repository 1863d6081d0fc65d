"""Pairs whose sides a machine would not tell apart."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa

from themis_data.code.answers import read_answer
from themis_data.code.compare import surface_difference
from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.language import by_name as language_by_name
from themis_data.criteria import all_criteria
from themis_data.engine.rows import Rows
from themis_data.errors import PipelineError
from themis_data.lookup import unknown
from themis_data.text.changes import line_changes


@dataclass(frozen=True, kw_only=True)
class DropSurfacePairs:
    """Drops pairs whose sides differ, by the syntax tree, in white space only (`whitespace_only`), in comments,
    docstrings and layout (`comment_only`), or beside these in names that are declared there (`renamed`), one to one.

    Such a pair can say something of readability and nothing of how the code works. Answers in fences are compared by
    their code. Languages that are not parsed are not looked at.
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    drop_for: Annotated[tuple[str, ...], "criteria of which such pairs go"] = (
        "functional_correctness",
        "harmlessness",
        "helpfulness",
        "memory_efficiency",
        "runtime_efficiency",
        "security_hardness",
    )
    keep_for: Annotated[tuple[str, ...], "criteria of which such pairs stay"] = ("readability_and_maintainability",)
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"

    def __post_init__(self) -> None:
        known = all_criteria()
        for name in (*self.drop_for, *self.keep_for):
            if name not in known:
                raise PipelineError(f"drop_surface_pairs: {unknown('criterion', name, known)}")
        for name in known:
            if (name in self.drop_for) == (name in self.keep_for):
                raise PipelineError(
                    f"drop_surface_pairs: {name} must stand in one of drop_for and keep_for, and not in both"
                )

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(self.drop_reason)

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        columns = (pairs[name].to_pylist() for name in ("chosen", "rejected", "language", "criterion"))
        return pa.array([self._reason(*row) for row in zip(*columns, strict=True)], pa.string())

    def _reason(self, chosen: str, rejected: str, language: str, criterion: str) -> str | None:
        if criterion in self.keep_for or language_by_name(language).published_as is None:
            return None
        old, new = read_answer(rejected).code, read_answer(chosen).code
        return surface_difference(old, new, language, changed=line_changes(old, new).ranges, grammars=self.grammars)


STAGE = DropSurfacePairs

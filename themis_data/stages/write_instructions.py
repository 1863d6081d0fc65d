"""The task that either side of a pair could answer."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.language import by_name
from themis_data.engine.rows import Rows
from themis_data.llm.rules import Instruction, write_instruction
from themis_data.text.changes import line_changes


@dataclass(frozen=True, kw_only=True)
class WriteInstructions:
    """Writes the prompt of each pair that has none; a prompt holds only text that is identical on both sides.

    Drops: `underspecified` (the two sides share no description of what the code should do; for functional correctness,
    none of a definition the change touches), `leak` (the prompt would name something only one side has), `no_grammar`
    (the language is not parsed).
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    backend: Annotated[Literal["rules"], "who writes: rules, without a model"] = "rules"
    needs_behaviour: Annotated[tuple[str, ...], "criteria whose prompt must state the behaviour of what changed"] = (
        "functional_correctness",
    )
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"
    seed: Annotated[int, "of the wording; the pipeline's by default"] = 0

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        return rows.map(self.write).drop(self.drop_reason)

    def write(self, pairs: pa.Table) -> pa.Table:
        """The rows with their prompts, and a working column with the reason where none could be written."""
        written = [self._instruction(row) for row in pairs.to_pylist()]
        prompts = [instruction.prompt for instruction in written]
        by = [self.backend if prompt is not None else None for prompt in prompts]
        is_new = pc.is_null(pairs["prompt"])
        for name, values in (("prompt", prompts), ("prompt_by", by)):
            column = pc.if_else(is_new, pa.array(values, pairs[name].type), pairs[name])
            pairs = pairs.set_column(pairs.column_names.index(name), pairs.schema.field(name), column)
        return pairs.append_column("reason", pa.array([instruction.reason for instruction in written], pa.string()))

    def drop_reason(self, pairs: pa.Table) -> pa.Array:
        return pairs["reason"].combine_chunks()

    def _instruction(self, row: dict[str, Any]) -> Instruction:
        if row["prompt"] is not None:
            return Instruction(prompt=row["prompt"], reason=None)
        if by_name(row["language"]).published_as is None:
            return Instruction(prompt=None, reason=f"no_grammar: {row['language']}")
        changes = line_changes(row["rejected"], row["chosen"])
        return write_instruction(
            chosen=row["chosen"],
            rejected=row["rejected"],
            path=row["path"],
            language=row["language"],
            needs_behaviour=row["criterion"] in self.needs_behaviour,
            is_fragment=row["form"] == "fragment",
            changed_lines=(frozenset(n for n, _ in changes.removed), frozenset(n for n, _ in changes.added)),
            draw=(self.seed, row["row_id"]),
            grammars=self.grammars,
        )


STAGE = WriteInstructions

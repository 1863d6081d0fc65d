"""The task that either side of a pair could answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from themis_data.code.grammars import Grammars, resolved_for_published
from themis_data.code.language import by_name
from themis_data.engine.requests import Model, Sampling
from themis_data.engine.rows import Complete, Parsed, Rows
from themis_data.errors import PipelineError
from themis_data.fingerprint import uniform
from themis_data.llm import writing
from themis_data.llm.prompting import Question, fence, question_table, ticket_for
from themis_data.llm.replies import Fields, Text, json_schema, read_reply
from themis_data.llm.rules import Instruction, Rules, write_instruction
from themis_data.llm.templates import render_messages
from themis_data.lookup import unknown
from themis_data.text.changes import line_changes

Style = Literal["course_assignment", "quora_question", "stack_overflow_question", "search_query", "contest_problem"]
STYLES: tuple[Style, ...] = get_args(Style)

_FIELDS: Fields = {"description": Text(1_500, may_be_cut=True), "task": Text(4_000, may_be_null=True)}


@dataclass(frozen=True, kw_only=True)
class WriteInstructions:
    """Writes the prompt of each pair that has none.

    Without a model, by rule: a prompt holds only text that is identical on both sides. With one, in a style that is
    drawn for each pair: the model sees both sides in an order that is drawn, is told neither the criterion nor which is
    better, and of several answers the first stands that gives nothing away.

    Drops: `underspecified` (the two sides share no description of what the code should do; for functional correctness,
    none of a definition the change touches; or the model says that no task can be stated), `leak` (the prompt would
    hold what only one side has, or name the defect), `no_grammar` (by rule: the language is not parsed), and with a
    model `too_long` (more characters than are shown) and `no_answer` (none can be read; with the word that most failed
    by).
    """

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    model: Annotated[Model, "who writes: rules, or a name under the pipeline's `models`"] = field(default_factory=Rules)
    needs_behaviour: Annotated[tuple[str, ...], "criteria whose prompt must state the behaviour of what changed"] = (
        "functional_correctness",
    )
    styles: Annotated[Mapping[Style, float], "with a model: style -> its weight in the draw"] = field(
        default_factory=lambda: dict.fromkeys(STYLES, 1.0)
    )
    samples: Annotated[int, "with a model: answers drawn for each pair, of which the first without a leak is taken"] = 2
    max_chars: Annotated[int, "with a model: characters of both sides together"] = 48_000
    temperature: Annotated[float, "of drawing answers; 0 takes the likeliest words"] = 0.8
    top_p: Annotated[float, "share of the probability that words are drawn from, 0 to 1"] = 0.95
    max_tokens: Annotated[int, "tokens of an answer, thinking included"] = 2_560
    max_failed: Annotated[float, "share of questions that may go without a readable answer, 0 to 1"] = 0.05
    grammars: Annotated[Grammars, "auto, bundle or wheels"] = "auto"
    seed: Annotated[int, "of wording, styles, orders and answers; the pipeline's by default"] = 0

    def __post_init__(self) -> None:
        writing.check_samples("write_instructions", self.samples, self.temperature)
        for style in self.styles:
            if style not in STYLES:
                raise PipelineError(f"write_instructions: {unknown('style', style, STYLES)}")
        if min(self.styles.values(), default=0.0) < 0.0 or not sum(self.styles.values()):
            raise PipelineError(
                f"write_instructions: styles is {dict(self.styles)}; expected weights of 0 or more, one above 0"
            )

    def identity(self) -> dict[str, Any]:
        return {"grammars": resolved_for_published(self.grammars)}

    def apply(self, rows: Rows) -> Rows:
        if isinstance(self.model, Rules):
            return rows.map(self.write).drop(self.drop_reason)
        asked = Complete(
            template="write_instructions",
            models=(self.model,),
            ask=self.ask,
            parse=parse,
            receive=self.receive,
            columns=("row_id", "criterion", "language", "prompt", "chosen", "rejected"),
            sampling=Sampling(
                temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed
            ),
            max_failed=self.max_failed,
        )
        return rows.complete(asked).drop(self.drop_reason)

    def write(self, pairs: pa.Table) -> pa.Table:
        """By rule: the rows with their prompts, and a working column with the reason where none could be written."""
        written = [self._instruction(row) for row in pairs.to_pylist()]
        prompts = [instruction.prompt for instruction in written]
        by = [self.model.name if prompt is not None else None for prompt in prompts]
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

    def ask(self, pairs: pa.Table) -> pa.Table:
        return question_table(
            self._question(pair)
            for pair in pairs.to_pylist()
            if pair["prompt"] is None and not writing.is_long(pair, self.max_chars)
        )

    def style_of(self, row_id: str) -> Style:
        """The style in which the prompt of a row is written."""
        draw, bound = uniform(self.seed, "style", row_id) * sum(self.styles.values()), 0.0
        weights = [(style, self.styles[style]) for style in STYLES if self.styles.get(style)]
        for style, weight in weights:
            bound += weight
            if draw < bound:
                return style
        return weights[-1][0]  # the sum of the shares may round to less than the whole

    def _question(self, pair: Mapping[str, Any]) -> Question:
        style = self.style_of(pair["row_id"])
        one, other = writing.in_neutral_order(pair, seed=self.seed)
        data = fence(version_1=one, version_2=other)
        ticket = ticket_for(self.seed, pair["row_id"], style, data.shown.values())
        system, user = render_messages(
            "write_instruction",
            language=pair["language"],
            data=data,
            style=style,
            needs_behaviour=pair["criterion"] in self.needs_behaviour,
            fields=_FIELDS,
            ticket=ticket,
        )
        return Question(
            row_id=pair["row_id"],
            slot=style,
            system=system,
            user=user,
            samples=self.samples,
            schema=json_schema(_FIELDS, ticket),
            ticket=ticket,
        )

    def receive(self, pairs: pa.Table, answers: pa.Table) -> pa.Table:
        """With a model: the pairs with their prompts, and a working column with the reason of those that go."""
        return writing.with_first(
            pairs,
            answers,
            field="task",
            nothing="underspecified: the model finds no task",
            max_chars=self.max_chars,
            grammars=self.grammars,
        )


def parse(text: str, ticket: str | None) -> Parsed:
    return read_reply(text, ticket, _FIELDS)


STAGE = WriteInstructions

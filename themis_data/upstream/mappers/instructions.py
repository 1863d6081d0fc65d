"""Instruction sets: a request and a program that follows it, to which others are made later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from themis_data.code.language import canonical_language
from themis_data.upstream.fields import text
from themis_data.upstream.programs import program
from themis_data.upstream.rows import Left, Made, Row, Task


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """A task of each row: its solution is the code of the answer, without the prose around it.

    Where the recipe says no language it is that of the answer's fence. Leaves out: `no_prompt`, `no_code`.
    """

    writes: ClassVar[str] = "task"

    answer: Annotated[str, "column of the answer"]

    def map(self, rows: Sequence[Row]) -> Iterator[Made]:
        for row in rows:
            code = program(text(row.values, self.answer))
            if row.prompt is None:
                yield Left(reason="no_prompt")
            elif code is None:
                yield Left(reason="no_code")
            else:
                language = row.language or canonical_language(code.tag)
                yield Task(id=row.id, prompt=row.prompt, language=language, solution=code.code)


MAPPER = Instructions

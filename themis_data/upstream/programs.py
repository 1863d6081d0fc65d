"""Programs out of answers of upstream data sets."""

from dataclasses import dataclass

from themis_data.code.answers import read_answer


@dataclass(frozen=True, slots=True)
class Program:
    """The code of an answer."""

    code: str  # one line feed at its end
    tag: str  # of its fence, lower case; empty where it has none


def program(text: str | None) -> Program | None:
    """The code of an answer, out of its fences and the prose around them; null where there is none."""
    if text is None or not text.strip():
        return None
    answer = read_answer(text.strip("\n"))
    code = answer.code.strip("\n")
    if answer.wrapper == "prose" or not code.strip():
        return None
    return Program(code + "\n", next((tag for tag in answer.tags if tag), ""))

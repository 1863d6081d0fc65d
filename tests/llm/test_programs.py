"""Programs out of replies, and the one wrapper that both sides of a pair get."""

import pytest

from themis_data.code.answers import read_answer
from themis_data.engine.rows import Parsed
from themis_data.llm.programs import read_program, wrapped

F = "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(F, id="bare"),
        pytest.param(f"```python\n{F}```", id="fenced"),
        pytest.param(f"Here it is.\n\n```python\n{F}```\n\nIt gives x back.", id="in prose"),
        pytest.param(f"<think>\nPerhaps\n```python\nx = 1\n```\n</think>\n\n```python\n{F}```", id="behind thinking"),
        pytest.param(f"Hm, easy.\n</think>\n```python\n{F}```", id="behind thinking that the prompt opened"),
    ],
)
def test_the_program_of_a_reply_is_found(reply: str) -> None:
    assert Parsed(value=F) == read_program(reply)


def test_a_program_that_knows_the_tag_of_thinking_is_whole() -> None:
    program = 'END = "</think>"\n'

    assert Parsed(value=program) == read_program(f"```python\n{program}```")


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (" \n", "empty"),
        ("<think>\nLet me see", "cut"),
        ("<think>\nLet me see\n</think>\n", "empty"),
        ("I am sorry, but I cannot help with that today.", "no_code"),
    ],
)
def test_a_reply_without_a_program_has_a_fault(reply: str, fault: str) -> None:
    assert Parsed(fault=fault) == read_program(reply)


def test_bare_programs_end_in_one_line_feed() -> None:
    assert ["x = 1\n", "x = 2\n"] == wrapped(["\nx = 1", "x = 2\n\n"], "Python", "bare")


def test_both_sides_stand_in_a_fence_longer_than_either_has() -> None:
    one, other = wrapped(["x = 1\n", 's = """\n```\na\n```\n"""\n'], "C#", "fenced")

    assert "````csharp\nx = 1\n````\n" == one
    assert read_answer(one).form == read_answer(other).form == "fenced csharp"

"""A real parser looks at both sides; what no parser can place without headers is tolerated."""

import ctypes

import pytest
from builds import changes, pairs
from rows import reasons_of

from themis_data.code.front_ends import resolved
from themis_data.code.syntax import SyntaxMeasure, measure
from themis_data.stages import parse_check
from themis_data.stages.parse_check import ParseCheck

FUNCTIONS = "".join(f"def function_{n}(value):\n    return value + {n}\n\n\n" for n in range(60))
BROKEN = "def f(x:\n    return x +\n"
C = "".join(f"int add_{n}(int a, int b)\n{{\n    return a + b + {n};\n}}\n" for n in range(40))
C_BROKEN = "@@@@@@@@@@ " * 40


def checked(old: str, new: str, language: str | None = "Python", **settings) -> str | None:
    """Why one change is dropped, or None."""
    rows = changes({"old_contents": old, "new_contents": new, "language": language})
    (reason,) = reasons_of(ParseCheck(**settings), rows)
    return reason


def kind(reason: str | None) -> str | None:
    return reason.partition(":")[0] if reason is not None else None


def test_two_sides_that_parse_are_kept() -> None:
    assert checked(FUNCTIONS, FUNCTIONS + "x = 1\n") is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(FUNCTIONS, BROKEN, "chosen_unparsable", id="chosen"),
        pytest.param(BROKEN, FUNCTIONS, "rejected_unparsable", id="rejected"),
        pytest.param(BROKEN, BROKEN, "chosen_unparsable", id="both"),
        pytest.param(FUNCTIONS, FUNCTIONS + "x = 1 1\n", "parses_worse", id="one more error in a large file"),
        pytest.param(FUNCTIONS + "x = 1 1\n", FUNCTIONS, None, id="one error fewer"),
        pytest.param(FUNCTIONS + "x = 1 1\n", FUNCTIONS + "x = 2 2\n", None, id="as many errors"),
        pytest.param("x\n", "", "shallow", id="an empty side"),
    ],
)
def test_each_fault_has_its_reason(old: str, new: str, expected: str | None) -> None:
    assert expected == kind(checked(old, new))


@pytest.mark.parametrize(("language", "expected"), [(None, "unknown_language"), ("Assembly", "no_limit: Assembly")])
def test_a_language_without_a_measured_limit_is_dropped(language: str | None, expected: str) -> None:
    assert expected == checked("x\n", "y\n", language)


def test_the_detail_says_how_much_and_what_the_limit_is() -> None:
    assert "chosen_unparsable: 0.6250 of its bytes in error, the limit is 0.001" == checked(FUNCTIONS, BROKEN)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(C, C + "int x = = 1;\n", None, id="an error more"),
        pytest.param(C, C + "@@@@@@@@@@\n", "parses_worse", id="much more"),
        pytest.param(C + "@@@@@@@@@@\n", C, None, id="less"),
        pytest.param(C + "@@@@@@@@@@\n", C + "@@@@@@@@@@@\n", None, id="about as much"),
        pytest.param(C, C + C_BROKEN, "chosen_unparsable", id="over the limit"),
    ],
)
def test_c_may_have_what_only_its_headers_explain(old: str, new: str, expected: str | None) -> None:
    assert expected == kind(checked(old, new, "C"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "parses_worse"),
        ({"max_new_errors": 1}, None),
        ({"max_error_share": 0.0}, "chosen_unparsable"),
        ({"max_error_share": 0.0, "max_new_errors": 1}, "chosen_unparsable"),
    ],
)
def test_the_tolerance_is_a_setting(settings: dict, expected: str | None) -> None:
    assert expected == kind(checked(FUNCTIONS, FUNCTIONS + "x = 1 1\n", **settings))


def test_the_depth_asked_for_is_a_setting() -> None:
    assert "shallow" == kind(checked("x\n", "y\n", min_depth=4))


def crashing_measure(source: bytes, language: str, **settings) -> SyntaxMeasure:
    """A grammar with a fault, which some source meets."""
    if b"crash" in source:
        ctypes.string_at(0)
    return measure(source, language, **settings)


def test_a_source_that_brings_the_parser_down_costs_its_row_alone(monkeypatch) -> None:
    monkeypatch.setattr(parse_check, "measure", crashing_measure)
    rows = changes(
        {"old_contents": FUNCTIONS, "new_contents": FUNCTIONS + "x = 1\n"},
        {"old_contents": FUNCTIONS, "new_contents": FUNCTIONS + "crash = 1\n"},
        {"old_contents": "crash = 1\n", "new_contents": FUNCTIONS},
        {"old_contents": BROKEN, "new_contents": FUNCTIONS},
    )
    assert [None, "parser_crashed: SIGSEGV", "parser_crashed: SIGSEGV", "rejected_unparsable"] == [
        reason and reason.partition(": 0")[0] for reason in ParseCheck().drop_reason(rows).to_pylist()
    ]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (f"Here it is:\n\n```python\n{FUNCTIONS}```\n\nIt adds.", None),
        (f"Here it is:\n\n```python\n{BROKEN}```\n", "chosen_unparsable"),
        (FUNCTIONS, None),
        ("```python\nx\n```\n", None),
        ("```python\n# nothing\n```\n", "shallow"),
    ],
)
def test_of_a_pair_the_code_in_its_answers_is_measured(chosen: str, expected: str | None) -> None:
    stage = ParseCheck(on="pair")
    rejected = f"Try this:\n\n```python\n{FUNCTIONS}```\n"
    (reason,) = stage.drop_reason(pairs({"rejected": rejected, "chosen": chosen, "language": "Python"})).to_pylist()

    assert ("pair", "pair") == (stage.reads, stage.writes)
    assert expected == (reason and reason.partition(":")[0])


# The language's own compiler

OF_PYTHON_2 = FUNCTIONS + 'def f(x):\n    print "x is", x\n    return x\n'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(OF_PYTHON_2, FUNCTIONS, "front_end_rejects: the rejected side", id="the worse side"),
        pytest.param(FUNCTIONS, OF_PYTHON_2, "front_end_rejects: the chosen side", id="the better side"),
        pytest.param(FUNCTIONS, FUNCTIONS + "x = [1]\n", None, id="neither"),
    ],
)
def test_a_superset_that_the_grammar_accepts_is_left_to_the_compiler(old: str, new: str, expected: str | None) -> None:
    """tree-sitter's Python takes print statements; the compiler that is asked is this Python."""
    assert checked(old, new) is None
    assert expected == checked(old, new, front_ends=("Python",))


def test_a_fragment_and_another_language_are_not_asked_about() -> None:
    fragment = changes({"old_contents": OF_PYTHON_2, "new_contents": FUNCTIONS, "form": "fragment"})

    assert [None] == reasons_of(ParseCheck(front_ends=("Python",)), fragment)
    assert checked(C, C + "int x;\n", "C", front_ends=("Python",)) is None


def test_a_compiler_that_needs_a_project_is_refused() -> None:
    with pytest.raises(ValueError, match="front_ends has C, whose compiler rejects good files without the headers"):
        ParseCheck(front_ends=("C",))


def test_the_compiler_is_part_of_the_fingerprint() -> None:
    assert [] == ParseCheck().identity()["front_ends"]
    assert [resolved("Python")] == ParseCheck(front_ends=("Python",)).identity()["front_ends"]

"""A real parser looks at both sides; what no parser can place without headers is tolerated."""

import ctypes

import pytest
from builds import changes

from themis_data.code.syntax import SyntaxMeasure, measure
from themis_data.stages import parse_check
from themis_data.stages.parse_check import ParseCheck

FUNCTIONS = "".join(f"def function_{n}(value):\n    return value + {n}\n\n\n" for n in range(60))
BROKEN = "def f(x:\n    return x +\n"
C = "".join(f"int add_{n}(int a, int b)\n{{\n    return a + b + {n};\n}}\n" for n in range(40))
C_BROKEN = "@@@@@@@@@@ " * 40
CPP_HEADER = "class Box {\npublic:\n    int size() const { return size_; }\nprivate:\n    int size_ = 0;\n};\n"
C_HEADER = "struct box { int size; };\nint box_size(const struct box *class);\n"


def checked(old: str, new: str, language: str | None = "Python", path: str = "a.py", **settings) -> tuple:
    """(language, reason) of one change."""
    stage = ParseCheck(**settings)
    rows = stage.check(changes({"old_contents": old, "new_contents": new, "language": language, "path": path}))
    (reason,) = stage.drop_reason(rows).to_pylist()
    (language,) = rows["language"].to_pylist()
    return language, reason


def kind(found: tuple) -> str | None:
    return found[1].partition(":")[0] if found[1] is not None else None


def test_two_sides_that_parse_are_kept() -> None:
    assert ("Python", None) == checked(FUNCTIONS, FUNCTIONS + "x = 1\n")


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


@pytest.mark.parametrize(
    ("language", "path", "expected"),
    [(None, "notes.txt", (None, "unknown_language")), ("Rust", "a.rs", ("Rust", "no_limit: Rust"))],
)
def test_a_language_without_a_measured_limit_is_dropped(language: str | None, path: str, expected: tuple) -> None:
    assert expected == checked("x\n", "y\n", language, path)


def test_the_detail_says_how_much_and_what_the_limit_is() -> None:
    assert ("Python", "chosen_unparsable: 0.6250 of its bytes in error, the limit is 0.001") == checked(
        FUNCTIONS, BROKEN
    )


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
    assert expected == kind(checked(old, new, "C", "a.c"))


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


@pytest.mark.parametrize(
    ("header", "expected"), [(CPP_HEADER, ("C++", None)), (C_HEADER, ("C", None)), (C, ("C", None))]
)
def test_a_header_is_in_the_language_that_parses_it_better(header: str, expected: tuple) -> None:
    assert expected == checked(header, header.replace("size", "extent"), "C", "box.h")


def test_both_sides_of_a_header_settle_its_language() -> None:
    assert ("C++", None) == checked(C, C + CPP_HEADER, "C", "box.h")


def test_a_language_that_the_path_does_not_claim_stands() -> None:
    assert ("Python", None) == checked(FUNCTIONS, FUNCTIONS + "x = 1\n", "Python", "script")


def crashing_measure(source: bytes, language: str, **settings) -> SyntaxMeasure:
    """A grammar with a fault, which some source meets."""
    if b"crash" in source:
        ctypes.string_at(0)
    return measure(source, language, **settings)


def test_a_source_that_brings_the_parser_down_costs_its_row_alone(monkeypatch) -> None:
    monkeypatch.setattr(parse_check, "measure", crashing_measure)
    stage = ParseCheck()
    rows = stage.check(
        changes(
            {"old_contents": FUNCTIONS, "new_contents": FUNCTIONS + "x = 1\n"},
            {"old_contents": FUNCTIONS, "new_contents": FUNCTIONS + "crash = 1\n"},
            {"old_contents": "crash = 1\n", "new_contents": FUNCTIONS},
            {"old_contents": BROKEN, "new_contents": FUNCTIONS},
        )
    )
    assert [None, "parser_crashed: SIGSEGV", "parser_crashed: SIGSEGV", "rejected_unparsable"] == [
        reason and reason.partition(": 0")[0] for reason in stage.drop_reason(rows).to_pylist()
    ]


@pytest.mark.parametrize(("form", "expected"), [("file", "C++"), ("fragment", "C")])
def test_the_language_of_a_fragment_was_settled_with_the_whole_file(form: str, expected: str) -> None:
    stage = ParseCheck()
    row = {"language": "C", "path": "box.h", "form": form, "old_contents": CPP_HEADER}
    rows = stage.check(changes(row | {"new_contents": CPP_HEADER.replace("size", "extent")}))

    assert [expected] == rows["language"].to_pylist()

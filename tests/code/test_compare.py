"""How little two versions differ, told by their tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.code.compare import surface_difference
from themis_data.text.changes import line_changes


def difference(old: str, new: str, language: str = "Python") -> str | None:
    return surface_difference(old, new, language, changed=line_changes(old, new).ranges)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("x = 1\n", "x  =  1\n", "whitespace_only"),
        ("x = 1\n", "x = 1\n\n", "whitespace_only"),
        ("x = 1\n", "x = 1", "whitespace_only"),
        ("x=1\n", "x = 1\n", "comment_only"),  # other words, for whom splits at white space
        ("x = 1\n", "x = 1  # one\n", "comment_only"),
        ("x = 1\n", "x = 2\n", None),
    ],
)
def test_a_difference_is_white_space_or_words_or_code(old: str, new: str, expected: str | None) -> None:
    assert expected == difference(old, new)


def test_a_call_wrapped_over_lines_that_did_not_change_is_layout() -> None:
    old = "total = add(first,\n            second)\n"
    new = "total = add(\n    first,\n            second)\n"

    assert "comment_only" == difference(old, new)


def test_a_change_on_one_line_counts_though_another_is_layout() -> None:
    assert None is difference("a  = 1\nb = 2\nc = 3\n", "a = 1\nb = 2\nc = 4\n")


def test_blank_lines_among_statements_that_repeat_are_layout() -> None:
    again = "if x:\n    y = 2\n"
    old = again * 3 + "x = 1\n" + again
    new = f"\n{again}\n{again * 2}\nx = 1\n\n{again}"

    assert "whitespace_only" == difference(old, new)


def test_a_token_that_moves_to_another_place_counts() -> None:
    assert None is difference("f(a, b)\ng()\n", "g()\nf(a, b)\n")


def test_a_statement_that_is_a_string_is_no_docstring_in_the_middle() -> None:
    assert None is difference("x = 1\n'old'\n", "x = 1\n'new'\n")


LINES = ("x = 1\n", "if x:\n    y = 2\n", "def f(a, b):\n    return a + b\n", "f(1,\n  2)\n", "s = 'a  b'\n")
program = st.lists(st.sampled_from(LINES), min_size=1, max_size=6)


@given(program, st.data())
@settings(max_examples=60)
def test_comments_and_blank_lines_between_statements_are_never_code(lines: list[str], data: st.DataObject) -> None:
    added = st.sampled_from(["", "\n", "# a remark\n", "\n# two\n# lines\n"])
    new = "".join(data.draw(added) + line for line in lines) + "# the end\n"

    assert "comment_only" == difference("".join(lines), new)


@given(program, st.data())
@settings(max_examples=60)
def test_another_number_is_always_code(lines: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(lines) - 1))
    old = [*lines[:place], "z = 41\n", *lines[place:]]
    new = [*lines[:place], "# a remark\nz = 42\n", *lines[place:]]

    assert None is difference("".join(old), "".join(new))


@pytest.mark.parametrize(
    ("language", "old", "new"),
    [
        ("Python", "def f(a):\n    return a + 1\n", "def f(amount):\n    return amount + 1\n"),
        ("Python", "for a, b in c:\n    g(a, b)\n", "for x, y in c:\n    g(x, y)\n"),
        (
            "Python",
            "class A:\n    def f(self):\n        self.a = 1\n",
            "class B:\n    def f(self):\n        self.b = 1\n",
        ),
        ("Python", "def f(a):\n    return a\n", "def g(a):\n    return a\n"),
        ("Java", "class A { int f(int a) { return a; } }\n", "class A { int f(int b) { return b; } }\n"),
        ("C", "int f(int a) { int b = a; return b; }\n", "int f(int n) { int m = n; return m; }\n"),
        ("C++", "struct A { int a; int f() { return a; } };\n", "struct A { int b; int f() { return b; } };\n"),
        (
            "C#",
            "class A { int F(int a) { var b = a; return b; } }\n",
            "class A { int F(int c) { var d = c; return d; } }\n",
        ),
        ("Go", "package a\n\nfunc f(a int) { b := a; g(b) }\n", "package a\n\nfunc f(c int) { d := c; g(d) }\n"),
        ("JavaScript", "const a = (b) => a(b);\n", "const c = (d) => c(d);\n"),
        ("Ruby", "def f(a)\n  b = a\n  b\nend\n", "def f(c)\n  d = c\n  d\nend\n"),
    ],
)
def test_declared_names_renamed_one_to_one_are_surface(language: str, old: str, new: str) -> None:
    assert "renamed" == difference(old, new, language)


@pytest.mark.parametrize(
    ("language", "old", "new"),
    [
        pytest.param("Python", "x = load(y)\n", "x = safe_load(y)\n", id="another function"),
        pytest.param("Python", "x = y.load()\n", "x = y.safe_load()\n", id="another method"),
        pytest.param("Python", "o.size = 1\n", "o.length = 1\n", id="a member of another object"),
        pytest.param("Python", "from a import b\n", "from a import c\n", id="an import"),
        pytest.param("Python", "f(a=1)\n", "f(b=1)\n", id="a keyword argument"),
        pytest.param("Python", "def f(a, b):\n    g(a, b)\n", "def f(a, b):\n    g(b, a)\n", id="a swap of two uses"),
        pytest.param("Python", "a = 1\nb = 2\ng(a, b)\n", "a = 1\na = 2\ng(a, a)\n", id="two names become one"),
        pytest.param("Python", "a = 1\na = 2\ng(a, a)\n", "a = 1\nb = 2\ng(a, b)\n", id="one name becomes two"),
        pytest.param("Python", "a = 'a'\ng(a)\n", "b = 'b'\ng(b)\n", id="a string with it"),
        pytest.param("Python", "a = 1\ng(a)\n", "b = 2\ng(b)\n", id="a number with it"),
        pytest.param(
            "Java", "class A { List a = new ArrayList(); }\n", "class A { List a = new LinkedList(); }\n", id="a type"
        ),
        pytest.param("C", "int f(void) { return min(1, 2); }\n", "int f(void) { return max(1, 2); }\n", id="a macro"),
        pytest.param("JavaScript", "a.b = 1;\n", "a.c = 1;\n", id="a property"),
    ],
)
def test_another_name_that_is_not_declared_here_is_code(language: str, old: str, new: str) -> None:
    assert None is difference(old, new, language)


def test_a_renaming_beside_comments_and_layout_is_a_renaming() -> None:
    old = "def f(a):\n    return g(a, a)\n"
    new = '"""About f."""\n\ndef f(amount):\n    # twice\n    return g(amount,\n             amount)\n'

    assert "renamed" == difference(old, new)


names = st.permutations(["first", "second", "third", "fourth", "fifth"])


@given(names, names)
@settings(max_examples=40)
def test_parameters_renamed_in_all_places_are_surface_or_nothing(before: list[str], after: list[str]) -> None:
    text = "def f({0}, {1}, {2}):\n    {3} = {0} + {1}\n    {4} = {2} * {3}\n    return {4}\n"
    found = difference(text.format(*before), text.format(*after))

    assert ("whitespace_only" if before == after else "renamed") == found


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["Python", "C", "C++", "Go", "Ruby", "JavaScript"]))
@settings(max_examples=100)
def test_any_two_texts_can_be_compared_and_equal_ones_are_equal(one: str, other: str, language: str) -> None:
    assert difference(one, other, language) in ("whitespace_only", "comment_only", "renamed", None)
    assert "whitespace_only" == difference(one, one, language)

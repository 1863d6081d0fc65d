"""What a compiler would not notice is told apart from what looks alike and is code, in each language."""

import pytest

from themis_data.code.compare import surface_difference
from themis_data.text.changes import line_changes

LOOP = "def f(items):\n    for item in items:\n        use(item)\n    done()\n"


def reason(old: str, new: str, language: str) -> str | None:
    return surface_difference(old, new, language, changed=line_changes(old, new).ranges)


@pytest.mark.parametrize(
    ("language", "old", "new"),
    [
        ("Python", "x = 1\ny = 2\n", "x = 1\n\n\ny  =  2\n"),
        ("Python", "f(a, b)\n", "f(\n    a,\n    b\n)\n"),
        ("Python", "x = 1\r\n", "x = 1\n"),
        ("Java", "class A { int x; }\n", "class A {\n  int x;\n}\n"),
        ("Go", "package a\n\nvar x  = 1\n", "package a\n\nvar x = 1\n"),
        ("C", "int f(void) {return 1;}\n", "int f(void)\n{\n\treturn 1;\n}\n"),
        ("JavaScript", "f(a,b);\n", "f(a, b);\n"),
    ],
)
def test_layout_is_cosmetic(language: str, old: str, new: str) -> None:
    assert reason(old, new, language) in ("whitespace_only", "comment_only")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("x = 1\ny = 2\n", "x = 1\n\ny = 2\n", "whitespace_only"),
        ("x = 1  # one\n", "x = 1  # the first\n", "comment_only"),
    ],
)
def test_the_reason_says_whether_words_changed(old: str, new: str, expected: str) -> None:
    assert expected == reason(old, new, "Python")


@pytest.mark.parametrize(
    ("language", "old", "new"),
    [
        ("Python", "x = 1\n", "# the start\nx = 1\n"),
        ("Python", 'def f():\n    """Old words."""\n    return 1\n', 'def f():\n    """New words."""\n    return 1\n'),
        ("Python", "def f():\n    return 1\n", 'def f():\n    """New words."""\n    return 1\n'),
        ("Python", '"""Old."""\n\nx = 1\n', '"""New\n\nand longer."""\n\nx = 1\n'),
        ("Java", "class A { int x; }\n", "/** Holds x. */\nclass A { int x; }\n"),
        ("C#", "class A { int x; }\n", "class A { int x; /* why */ }\n"),
        ("C++", "int x; // old\n", "int x; // new\n"),
        ("C", "/* old */\nint x;\n", "/* new */\nint x;\n"),
        ("Go", "package a\n\nvar x = 1\n", "package a\n\n// x is one.\nvar x = 1\n"),
        ("JavaScript", "f(a);\n", "f(/* first */ a);\n"),
        ("Ruby", "x = 1\n", "x = 1 # one\n"),
    ],
)
def test_comments_and_docstrings_are_cosmetic(language: str, old: str, new: str) -> None:
    assert "comment_only" == reason(old, new, language)


@pytest.mark.parametrize(
    ("language", "old", "new"),
    [
        pytest.param("Python", LOOP, LOOP.replace("    done()", "        done()"), id="indentation"),
        pytest.param("Python", "return x\n", "return\nx\n", id="a line end"),
        pytest.param("Python", "x = 'a b'\n", "x = 'a  b'\n", id="white space in a string"),
        pytest.param("Python", "x = '# old'\n", "x = '# new'\n", id="a string like a comment"),
        pytest.param("Python", "f('old')\n", "f('new')\n", id="an argument"),
        pytest.param("JavaScript", "f(`a\nb`);\n", "f(`a\n\nb`);\n", id="a template string"),
        pytest.param(
            "JavaScript", "function f() { return x }\n", "function f() { return\nx }\n", id="a semicolon put in"
        ),
        pytest.param("C", '#define A "x"\n', '#define A "y"\n', id="a macro"),
        pytest.param("C", "int x = 1;\n", "//int x = 1;\n", id="code commented out"),
        pytest.param("Java", "class A { int x; }\n", "class A { long x; }\n", id="a type"),
        pytest.param("Ruby", "x = 1\n", "x = 2\n", id="a number"),
    ],
)
def test_what_a_compiler_notices_is_kept(language: str, old: str, new: str) -> None:
    assert None is reason(old, new, language)

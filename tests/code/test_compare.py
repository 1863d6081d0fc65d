"""How little two versions differ, told by their tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.code.compare import cosmetic_difference
from themis_data.text.changes import line_changes


def difference(old: str, new: str, language: str = "Python") -> str | None:
    hunks = line_changes(old, new).hunks
    changed = (
        [(hunk.old_start, hunk.old_start + len(hunk.removed)) for hunk in hunks],
        [(hunk.new_start, hunk.new_start + len(hunk.added)) for hunk in hunks],
    )
    return cosmetic_difference(old, new, language, changed=changed)


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
@settings(max_examples=60, deadline=None)
def test_comments_and_blank_lines_between_statements_are_never_code(lines: list[str], data: st.DataObject) -> None:
    added = st.sampled_from(["", "\n", "# a remark\n", "\n# two\n# lines\n"])
    new = "".join(data.draw(added) + line for line in lines) + "# the end\n"

    assert "comment_only" == difference("".join(lines), new)


@given(program, st.data())
@settings(max_examples=60, deadline=None)
def test_another_number_is_always_code(lines: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(lines) - 1))
    old = [*lines[:place], "z = 41\n", *lines[place:]]
    new = [*lines[:place], "# a remark\nz = 42\n", *lines[place:]]

    assert None is difference("".join(old), "".join(new))

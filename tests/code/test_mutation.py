"""Mutants: small, distinct, parsable, and drawn the same way every time."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.code import mutation
from themis_data.code.mutation import Mutant, mutants
from themis_data.errors import UnknownName


def all_of(source: str, entry_point: str | None = None) -> list[Mutant]:
    return mutants(source.encode(), "Python", entry_point=entry_point, seed=0)


def after(source: str, kind: str) -> set[str]:
    """The changed lines of all mutants of a kind."""
    return {mutant.after for mutant in all_of(source) if mutant.kind == kind}


def in_function(line: str) -> str:
    return f"def f(a, b):\n    {line}\n"


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("comparison_boundary", "return a < b", {"return a <= b"}),
        ("comparison_boundary", "return a <= b", {"return a < b"}),
        ("comparison_boundary", "return a > b", {"return a >= b"}),
        ("comparison_boundary", "return a >= b", {"return a > b"}),
        ("comparison_negation", "return a == b", {"return a != b"}),
        ("comparison_negation", "return a not in b", {"return a in b"}),
        ("comparison_negation", "return a in b", {"return a not in b"}),
        ("comparison_negation", "return a is b", {"return a is not b"}),
        ("comparison_direction", "return a < b", {"return a > b"}),
        ("arithmetic", "return a + b", {"return a - b", "return a * b"}),
        ("arithmetic", "return a - b", {"return a + b"}),
        ("arithmetic", "return a + 1", {"return a - 1"}),
        ("assignment_operator", "a += b", {"a -= b", "a *= b"}),
        ("logical_operator", "return a and b", {"return a or b"}),
        ("logical_operator", "return a or b", {"return a and b"}),
        ("dropped_condition", "return a and b", {"return a", "return b"}),
        ("constant", "return a + 5", {"return a + 4", "return a + 6"}),
        ("constant", "return a - 1", {"return a - 2"}),
        ("constant", "return a % 2", {"return a % 3"}),
        ("constant", "return a == 0", {"return a == 1"}),
        ("constant", "return -1", {"return 0"}),
        ("initial_value", "c = 3", {"c = 2", "c = 4"}),
        ("boolean_constant", "return True", {"return False"}),
        ("boolean_constant", "return False", {"return True"}),
        ("index", "return a[b]", {"return a[b + 1]", "return a[b - 1]"}),
        ("index", "return a[b + 1]", {"return a[b]"}),
        ("index", "return a[b - 1]", {"return a[b]"}),
        ("index", "return a[0]", {"return a[1]", "return a[-1]"}),
        ("slice_bound", "return a[1:b]", {"return a[:b]", "return a[2:b]", "return a[1:b + 1]", "return a[1:b - 1]"}),
        ("slice_bound", "return a[:-1]", {"return a[:-2]", "return a[:]"}),
        ("slice_bound", "return a[::-1]", set()),
        ("swapped_operands", "return a - b", {"return b - a"}),
        ("swapped_operands", "return a - 1", set()),
        ("swapped_operands", "return a * b", set()),
        ("swapped_arguments", "return g(a, b)", {"return g(b, a)"}),
        ("swapped_arguments", "return max(a, b)", set()),
        ("similar_call", "return min(a, b)", {"return max(a, b)"}),
        ("similar_call", "return all(a)", {"return any(a)"}),
        ("similar_call", "return a.upper()", {"return a.lower()"}),
        ("dropped_call", "return sorted(a)", {"return a"}),
        ("dropped_call", "a = sorted(a)", set()),
        ("wrong_variable", "return abs(a)", {"return abs(b)"}),
        ("wrong_variable", "return a == b", set()),
        ("wrong_variable", "return len(a) + abs(b)", set()),
    ],
)
def test_an_operator_makes_these_slips(kind: str, line: str, expected: set[str]) -> None:
    assert expected == after(in_function(line), kind)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("for i in range(a): g(i)", {"range(1, a)", "range(a + 1)", "range(a - 1)"}),
        ("for i in range(1, a): g(i)", {f"range({x})" for x in ("a", "0, a", "2, a", "1, a + 1", "1, a - 1")}),
        ("for i in range(a + 1): g(i)", {"range(a)", "range(1, a + 1)", "range(a + 2)"}),
    ],
)
def test_loop_bounds_move_by_one(line: str, expected: set[str]) -> None:
    changed = {text.partition(" in ")[2].partition(":")[0] for text in after(in_function(line), "loop_bound")}
    moved = {text.partition(" in ")[2].partition(":")[0] for text in after(in_function(line), "constant")}
    assert expected == changed | moved


def test_conditions_are_negated_both_ways() -> None:
    source = "def f(a, b):\n    if a:\n        return 1\n    if not b:\n        return 2\n    return 3\n"
    assert {"if not a:", "if b:"} == after(source, "negated_condition")


def test_whole_statements_go_only_where_a_body_is_left() -> None:
    source = (
        "def f(a):\n    if a < 0:\n        return 0\n    out = []\n    for x in a:\n        out.append(x)\n"
        "    out.sort()\n    return out\n"
    )
    removed = [(m.kind, m.line, m.before, m.after) for m in all_of(source) if m.kind.startswith("removed_")]
    assert sorted(removed) == [
        ("removed_guard", 2, "if a < 0:\n        return 0", ""),
        ("removed_statement", 7, "out.sort()", ""),
    ]


def test_a_statement_below_a_comment_stays() -> None:
    source = "def f(a):\n    # in order\n    a.sort()\n    return a\n"
    assert after(source, "removed_statement") == set()


def test_jumps_in_loops_are_exchanged() -> None:
    source = "def f(a):\n    for x in a:\n        if x:\n            break\n"
    assert {"continue"} == after(source, "loop_jump")


UNTOUCHED = '''"""Adds 1 to 2 < 3."""
import os as o
from math import floor


def f(a: int = 1, *, b=True) -> "list[1]":
    """Gives 1 + 1 and True."""
    # 1 < 2
    assert a > 1 and not b
    raise ValueError(1 + 2)
'''


def test_docstrings_comments_imports_asserts_and_signatures_stay() -> None:
    assert all_of(UNTOUCHED) == []


def test_only_the_entry_point_changes() -> None:
    source = "def g(a):\n    return a + 1\n\n\ndef f(a):\n    return g(a) - 1\n"
    assert {6} == {mutant.line for mutant in all_of(source, "f")}
    assert {2, 6} == {mutant.line for mutant in all_of(source)}
    assert all_of(source, "h") == []


PROGRAM = """def f(xs, k):
    best = -1
    total = 0
    for i in range(len(xs) - 1):
        if xs[i] < k and xs[i + 1] >= k or not xs[i]:
            total += xs[i] * 2
            continue
        best = max(best, total - i)
    if best < 0:
        return None
    return sorted(xs[1:best])[0], [x for x in xs if x != k]
"""


def test_mutants_are_distinct_parse_and_differ_in_one_place() -> None:
    found = all_of(PROGRAM)
    assert len(found) > 60
    assert len({mutant.source for mutant in found} | {PROGRAM.encode()}) == len(found) + 1
    original = ast.dump(ast.parse(PROGRAM))
    for mutant in found:
        assert ast.dump(ast.parse(mutant.source)) != original
        lines = PROGRAM.splitlines()
        assert mutant.before.splitlines()[0] in lines[mutant.line - 1]


def test_both_sides_of_something_never_become_the_same() -> None:
    source = "def f(a, b):\n    b = not b\n    a = sorted(a)\n    return a == sorted(a), True if b else False\n"
    changed = {mutant.after for mutant in all_of(source)}
    assert not changed & {"b = b", "a = a", "return a == a, True if b else False"}
    assert not any("True if b else True" in text or "False if b else False" in text for text in changed)


def test_the_first_mutants_are_of_many_kinds() -> None:
    kinds = {mutant.kind for mutant in all_of(PROGRAM)}
    first = mutants(PROGRAM.encode(), "Python", entry_point=None, seed=0, most=len(kinds))
    assert len({mutant.kind for mutant in first}) >= len(kinds) - 2  # a kind's first edit may repeat another's


def test_at_least_twenty_kinds_are_offered() -> None:
    assert len(mutation.kinds("Python")) >= 20
    assert {mutant.kind for mutant in all_of(PROGRAM)} <= set(mutation.kinds("Python"))


def test_the_order_depends_on_the_seed_alone() -> None:
    def order(seed: int | str) -> list[bytes]:
        return [mutant.source for mutant in mutants(PROGRAM.encode(), "Python", entry_point="f", seed=seed)]

    assert order(1) == order(1) == order("1")
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2))


def test_most_cuts_the_list_and_changes_nothing_else() -> None:
    assert all_of(PROGRAM)[:5] == mutants(PROGRAM.encode(), "Python", entry_point=None, seed=0, most=5)


def test_a_language_without_operators_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="Python"):
        mutants(b"", "Cobol", entry_point=None, seed=0)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_list(source: bytes) -> None:
    for mutant in mutants(b"def f(a):\n    return a < 1\n" + source, "Python", entry_point=None, seed=0):
        assert mutant.source != source

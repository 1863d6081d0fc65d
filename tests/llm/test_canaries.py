"""Canaries: what each kind asks, and that a comment is all that a comment-only one changes."""

import ast
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.code.syntax import code_tokens, comments
from themis_data.criteria import all_criteria
from themis_data.llm.canaries import KINDS, canary, draw_canary, is_canary, with_other_comment, wrong_criterion

OLD = "def total(items):\n    start = 0\n    for i in items:\n        start += i\n    return start\n"
NEW = OLD.replace(
    "    start = 0\n    for i in items:\n        start += i\n    return start\n", "    return sum(items)\n"
)
SOURCES = {
    "Python": OLD,
    "JavaScript": "function total(items) {\n  let sum = 0;\n  for (const i of items) sum += i;\n  return sum;\n}\n",
    "Ruby": "def total(items)\n  sum = 0\n  items.each { |i| sum += i }\n  sum\nend\n",
    "Go": "package a\n\nfunc total(items []int) int {\n\tsum := 0\n\tfor _, i := range items {\n\t\tsum += i\n\t}\n"
    "\treturn sum\n}\n",
    "Java": "class A {\n  int total(int[] items) {\n    int sum = 0;\n    for (int i : items) sum += i;\n"
    "    return sum;\n  }\n}\n",
    "C": "int total(int *items, int n) {\n  int sum = 0;\n  while (n--) sum += items[n];\n  return sum;\n}\n",
    "C++": "int total(const std::vector<int>& items) {\n  int sum = 0;\n  for (int i : items) sum += i;\n"
    "  return sum;\n}\n",
    "C#": "class A {\n  int Total(int[] items) {\n    var sum = 0;\n    foreach (var i in items) sum += i;\n"
    "    return sum;\n  }\n}\n",
}


def sides(kind: Any, **pair: Any) -> tuple[str, str] | None:
    return canary(kind, **{"chosen": NEW, "rejected": OLD, "language": "Python", "draw": (1, "a")} | pair)


def test_sides_of_a_reversed_change_are_swapped() -> None:
    assert (NEW, OLD) == sides("reversed")


def test_a_no_op_has_the_worse_side_twice() -> None:
    assert (OLD, OLD) == sides("no_op")


def test_a_change_by_a_wrong_criterion_stays_as_it_is() -> None:
    assert (OLD, NEW) == sides("wrong_criterion")


@pytest.mark.parametrize("language", SOURCES)
def test_a_comment_is_all_that_changes(language: str) -> None:
    source = SOURCES[language]
    found = sides("comment_only", rejected=source, language=language)

    assert found is not None
    old, new = found
    assert source == old
    assert code_tokens(old.encode(), language) == code_tokens(new.encode(), language)
    assert 1 == len(comments(new.encode(), language)) - len(comments(old.encode(), language))
    assert [line for line in new.split("\n") if line in old.split("\n")] == old.split("\n")


@pytest.mark.parametrize("language", SOURCES)
def test_a_comment_that_is_there_may_be_made_longer(language: str) -> None:
    mark = "#" if language in ("Python", "Ruby") else "//"
    lines = SOURCES[language].split("\n")
    source = "\n".join([*lines[:1], f"{mark} add them all up", *lines[1:]])
    found = {with_other_comment(source, language, draw=(seed, "a")) for seed in range(40)}

    longer = [new for new in found if new is not None and len(new.split("\n")) == len(source.split("\n"))]
    assert longer
    assert all(f"{mark} add them all up. " in new for new in longer)


def test_line_ends_stay_as_they_are() -> None:
    new = with_other_comment(OLD.replace("\n", "\r\n"), "Python", draw=(1, "a"))

    assert new is not None
    assert new.count("\n") == new.count("\r\n") == 6


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_neither_strings_nor_continued_lines_are_touched(seed: int) -> None:
    source = 'x = """\none\n\ntwo\nthree\n"""\ny = 1 + \\\n    2\nif x:\n    z = (1,\n         2)\n'
    new = with_other_comment(source, "Python", draw=(seed, "a"))

    assert new is None or ast.dump(ast.parse(source)) == ast.dump(ast.parse(new))


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("Ruby", "x = 1\n\n__END__\none\ntwo\n"),
        ("Ruby", "x = <<~TEXT\n  one\n  two\nTEXT\n"),
        ("C", "#define A(x) \\\n  do { x; \\\n  } while (0)\n"),
        ("JavaScript", "const x = `\none\ntwo\n`\n"),
        ("Go", 'package a\n\n// #include <a.h>\nimport "C"\n\nvar x = 1\nvar y = 2\n'),
        ("Python", "x = 1\n"),
        ("Python", "#!/usr/bin/python\n# -*- coding: utf-8 -*-\nx = 1\n"),
    ],
)
def test_where_no_comment_can_stand_there_is_no_canary(language: str, source: str) -> None:
    for seed in range(20):
        assert with_other_comment(source, language, draw=(seed, "a")) is None


def test_the_wrong_criterion_is_one_of_whose_evidence_the_change_shows_none() -> None:
    old = OLD.replace("return start", "return start + 1")
    found = {
        wrong_criterion("functional_correctness", (), chosen=OLD, rejected=old, language="Python", draw=(seed, "a"))
        for seed in range(60)
    }

    assert found <= {"memory_efficiency", "readability_and_maintainability", "runtime_efficiency", "security_hardness"}
    assert "security_hardness" in found


def test_the_wrong_criterion_is_never_one_that_the_pair_also_matches() -> None:
    others = tuple(name for name in all_criteria() if name != "security_hardness")

    assert wrong_criterion(
        "functional_correctness", others, chosen=OLD, rejected=OLD.replace("0", "1"), language="Python", draw=(1, "a")
    ) == "security_hardness"  # fmt: skip
    assert wrong_criterion(
        "security_hardness", others, chosen=OLD, rejected=OLD.replace("0", "1"), language="Python", draw=(1, "a")
    ) is None  # fmt: skip


def drawn(row_id: str, **pair: Any) -> Any:
    given = {"chosen": NEW, "rejected": OLD, "criterion": "runtime_efficiency", "language": "Python"} | pair
    return draw_canary(**given, draw=(1, row_id))


def test_kinds_are_drawn_evenly() -> None:
    counts = Counter(drawn(str(n)).kind for n in range(800))

    assert set(KINDS) == set(counts)
    assert max(abs(count - 200) for count in counts.values()) < 50  # four standard deviations


def test_where_a_kind_cannot_be_made_another_is_drawn() -> None:
    kinds = {drawn(str(n), rejected="x = 1\n", chosen="x = 2\n").kind for n in range(100)}

    assert "comment_only" not in kinds
    assert {"reversed", "no_op"} <= kinds
    assert drawn("a", rejected="x = 1\n", kinds=("comment_only",)) is None


def test_comments_are_no_canary_by_a_criterion_for_which_they_may_count() -> None:
    kinds = {drawn(str(n), criterion="readability_and_maintainability").kind for n in range(100)}

    assert kinds <= {"reversed", "no_op", "wrong_criterion"}


def test_a_canary_is_asked_by_the_criterion_of_the_pair_unless_that_is_what_is_wrong() -> None:
    for found in (drawn(str(n)) for n in range(100)):
        assert (found.kind == "wrong_criterion") == (found.criterion != "runtime_efficiency")


def test_about_a_twentieth_of_the_rows_are_canaries() -> None:
    found = {seed: [n for n in range(4_000) if is_canary(str(n), seed=seed)] for seed in (1, 2)}

    assert all(abs(len(own) - 200) < 60 for own in found.values())
    assert found[1] != found[2]
    assert found[1] == [n for n in range(4_000) if is_canary(str(n), seed=1, share=0.05)]

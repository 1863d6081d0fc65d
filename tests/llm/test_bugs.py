"""Bugs that models plant: where they go, what code finds wrong with them, and what tests have to say."""

import json
from typing import Any

import pytest
from builds import tasks

from themis_data.code import sandbox
from themis_data.code.answers import read_answer
from themis_data.errors import SandboxError
from themis_data.llm.bugs import (
    BugRules,
    EditLimits,
    Planted,
    PlantedBug,
    bug_question,
    can_be_checked,
    plant,
    planted_bugs,
    read_bug,
)

CLAMP = '''def clamp(x, low=0):
    """Keep x between low and 10."""
    # ten is the most
    if x > 10:
        return 10
    return max(x, low)
'''


def planted(before: str, after: str, solution: str = CLAMP, language: str = "Python", **limits: Any) -> Planted:
    return plant(solution, before, after, language, EditLimits(**limits))


def test_the_named_lines_become_others() -> None:
    found = planted("if x > 10:", "if x > 11:")

    assert Planted(None, CLAMP.replace("> 10", "> 11"), CLAMP.replace("> 10", "> 11"), 4, False) == found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("if x > 10:\n        return 10", "if x > 11:\n        return 11", id="as they stand"),
        pytest.param("if x > 10:\n    return 10", "if x > 11:\n    return 11", id="as if they began the line"),
        pytest.param("if x > 10:  \n        return 10 ", "if x > 11:\n        return 11", id="with blanks behind"),
        pytest.param(
            "    if x > 10:\n        return 10", "    if x > 11:\n        return 11", id="with the first indent"
        ),
    ],
)
def test_several_lines_are_found_however_they_are_indented(before: str, after: str) -> None:
    assert CLAMP.replace("x > 10", "x > 11").replace("return 10", "return 11") == planted(before, after).program


def test_lines_that_come_for_one_line_are_indented_like_it() -> None:
    found = planted("return max(x, low)", "if x < low:\n    return 0\nreturn x")

    assert CLAMP.replace("return max(x, low)", "if x < low:\n        return 0\n    return x") == found.program


def test_white_space_at_the_ends_of_lines_does_not_tell_the_sides_apart() -> None:
    loose = "def f(x): \n    x += 1  \n    return x\n"
    dos = "def f(x):\r\n    x += 1\r\n    return x\r\n"

    assert loose.replace("1", "2") == planted("x += 1", "x += 2", loose).program
    assert dos.replace("    return", "    x -= 1\r\n    return") == planted("x += 1", "x += 1\n    x -= 1", dos).program


def test_lines_may_go() -> None:
    assert (
        CLAMP.replace("    if x > 10:\n        return 10\n", "") == planted("if x > 10:\n        return 10", "").program
    )


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        pytest.param("if x >= 10:", "if x > 11:", "not_found", id="not there"),
        pytest.param("x", "y", "not_found", id="a part of a line"),
        pytest.param("return 10", "return 10", "same", id="nothing changes"),
        pytest.param("return 10", "return  10", "same", id="white space changes"),
        pytest.param("# ten is the most", "# nine is the most", "same", id="a comment changes"),
        pytest.param('"""Keep x between low and 10."""', '"""Keep x."""', "same", id="a docstring changes"),
        pytest.param("return 10", "return 10 + off_by_one", "hint: off by one", id="a name"),
        pytest.param("return 10", "wrongLimit = 11\n        return wrongLimit", "hint: wrong", id="a camel's name"),
        pytest.param("return 10", "return 11  # bug", "hint: bug", id="a new comment"),
        pytest.param("return 10", 'return "broken"', "hint: broken", id="a string"),
        pytest.param("return 10", "return 11  # the limit", "comment", id="any other new comment"),
        pytest.param("# ten is the most\n    if x > 10:", "if x > 11:", "comment", id="a comment goes"),
        pytest.param("return 10", "def g():\n            return 1\n        return 11", "feature: clamp.g", id="more"),
        pytest.param("def clamp(x, low=0):", "def clip(x, low=0):", "feature: clamp", id="another name"),
    ],
)
def test_what_is_no_bug_worth_having_has_a_fault(before: str, after: str, fault: str) -> None:
    assert fault == planted(before, after).fault


def test_lines_that_stand_twice_are_ambiguous() -> None:
    twice = "def f(x):\n    x += 1\n    x *= 2\n    x += 1\n    return x\n"

    assert "ambiguous" == planted("x += 1", "x += 2", twice).fault
    assert 4 == planted("x += 1\n    return x", "x += 2\n    return x", twice).line


def test_the_size_of_an_edit_is_bounded_both_ways() -> None:
    edit = ("if x > 10:\n        return 10", "if x > 11:\n        return 11")

    assert "too_large: 2 of 6 lines" == planted(*edit, max_changed_share=0.3).fault
    assert "too_large: 2 of 6 lines" == planted(*edit, max_changed_lines=1).fault
    assert "too_small: 2 of 6 lines" == planted(*edit, min_changed_share=0.4).fault
    assert None is planted(*edit).fault


def test_hints_that_were_there_before_are_none() -> None:
    fixed = "def fix(path):\n    return path.strip() + '/fix'\n"

    assert None is planted("return path.strip() + '/fix'", "return path + '/fix'", fixed).fault


def test_a_syntax_error_is_seen() -> None:
    assert (None, True) == planted("if x > 10:", "if x > 10")[::4]


@pytest.mark.parametrize(
    ("language", "code", "before", "after"),
    [
        ("Go", "package p\n\nfunc F(x int) int {\n\treturn x + 1\n}\n", "return x + 1", "return x - 1"),
        ("C++", "int f(int x) {\n  return x < 3 ? x : 3;\n}\n", "return x < 3 ? x : 3;", "return x < 3 ? 3 : x;"),
        ("Ruby", "def f(x)\n  x + 1\nend\n", "x + 1", "x"),
    ],
)
def test_other_languages_are_checked_alike(language: str, code: str, before: str, after: str) -> None:
    found = planted(before, after, code, language)

    assert (None, False, code.replace(before, after)) == (found.fault, found.has_syntax_error, found.program)
    assert "comment" == planted(before, f"{after} {'#' if language == 'Ruby' else '//'} sum", code, language).fault


ANSWER = f"This clamps at ten:\n\n```python\n{CLAMP}```\n\nCall `clamp(12)` and see.\n"


def test_wrapper_and_prose_stay_equal_to_the_byte() -> None:
    found = planted("if x > 10:", "if x >= 12:", ANSWER)

    assert ANSWER.replace("x > 10", "x >= 12") == found.solution
    assert read_answer(ANSWER).form == read_answer(found.solution).form


def test_a_program_in_parts_cannot_be_spliced() -> None:
    parts = "First:\n\n```python\nimport os\n```\n\nThen call it from here:\n\n```python\nx = os.sep\n```\n"

    assert "not_spliceable" == planted("x = os.sep", "x = os.linesep", parts).fault


def test_special_tokens_that_were_broken_for_the_model_are_whole_again() -> None:
    code = 'END = "<|im_end|>"\n\n\ndef f(x):\n    return x + END\n'

    assert 'END = "x<|im_end|>"' in planted(r'END = "<\|im_end|>"', r'END = "x<\|im_end|>"', code).program


def test_the_question_shows_task_and_program_and_asks_for_lines() -> None:
    asked = bug_question(
        "7", prompt="Write clamp.", solution=ANSWER, language="Python", samples=3, allows_syntax_errors=False, seed=1
    )

    assert "Write clamp." in asked.user
    assert CLAMP.strip() in asked.user
    assert "see." not in asked.user
    assert asked.ticket is not None
    assert asked.ticket in asked.system
    assert "syntax error" not in asked.system
    reply = json.dumps({"ticket": asked.ticket, "before": "a", "after": None, "explanation": "b"})
    assert {"before": "a", "after": None, "explanation": "b"} == read_bug(reply, asked.ticket).value
    assert "wrong_ticket" == read_bug(reply, "AAAAAAAA").fault


ASSERTS = ["candidate(3) == 3", "candidate(10) == 10", "candidate(12) == 10", "candidate(-4) == 0"]
TESTS = "def check(candidate):\n" + "".join(f"    assert {a}\n" for a in ASSERTS)
TASK = {"entry_point": "clamp", "solution": ANSWER, "tests": TESTS}


def reply(before: str, after: str | None) -> dict[str, Any]:
    return {"before": before, "after": after, "explanation": "it\nclips"}


WRONG = reply("if x > 10:", "if x > 12:")
WORSE = reply("return 10", "return 9")
RAISES = reply("return max(x, low)", "return max(x, 3 / low)")
UNPARSABLE = reply("if x > 10:", "if x > 10")


def found_bugs(*replies: dict[str, Any], task: dict[str, Any] | None = None, **rules: Any) -> tuple[list, Any]:
    try:
        sandbox.layers()
    except SandboxError as error:
        pytest.skip(str(error))
    (found,) = planted_bugs(tasks(TASK | (task or {})).to_pylist(), [replies], BugRules(**rules))
    return found.bugs, found.reason


def test_a_bug_is_what_the_tests_find_in_some_cases() -> None:
    bugs, reason = found_bugs(WRONG)

    assert None is reason
    assert [
        PlantedBug(
            solution=ANSWER.replace("x > 10", "x > 12"),
            evidence="executed",
            strength=0.25,
            detail="line 4: 1 of 4 asserts fail by wrong output; the model says: it clips",
        )
    ] == bugs


def test_equal_bugs_count_once_and_no_more_than_asked_for() -> None:
    assert 1 == len(found_bugs(WRONG, WRONG)[0])
    assert 2 == len(found_bugs(WRONG, WORSE)[0])
    assert 1 == len(found_bugs(WRONG, WORSE, max_per_task=1)[0])


@pytest.mark.parametrize(
    ("replies", "task", "expected"),
    [
        pytest.param([], {}, "no_answer", id="no reply could be read"),
        pytest.param([WRONG], {"entry_point": None}, "untested", id="nothing to call"),
        pytest.param(
            [reply("return x", "return y")],
            {"tests": None, "solution": "def clamp(*, x):\n    return x\n"},
            "no_inputs",
            id="neither tests nor inputs",
        ),
        pytest.param([WRONG], {"language": "Go"}, "untested", id="another language"),
        pytest.param(
            [WRONG],
            {"solution": ANSWER.replace("return 10", "return 3")},
            "reference_fails: 3 asserts pass, 1 are wrong",
            id="the reference is wrong",
        ),
        pytest.param(
            [RAISES, reply("a", "b"), reply("return 10", "return 11  # bug"), UNPARSABLE],
            {},
            "no_bug: 1 hint, 1 not_found, 1 raises, 1 syntax",
            id="nothing worth having",
        ),
        pytest.param(
            [reply("return max(x, low)", "return max(low, x)")], {}, "no_bug: 1 passes_all", id="an equal program"
        ),
    ],
)
def test_a_task_without_bugs_has_a_reason(replies: list, task: dict, expected: str) -> None:
    assert ([], expected) == found_bugs(*replies, task=task)


def test_untested_bugs_are_taken_only_where_allowed_and_say_so() -> None:
    (bug,), _ = found_bugs(WRONG, task={"entry_point": None}, allow_untested=True)

    assert ("message", None) == (bug.evidence, bug.strength)
    assert "line 4, untested; the model says: it clips" == bug.detail


def test_a_bug_that_does_not_parse_is_taken_beside_others_and_says_so() -> None:
    taken = []
    for seed in range(6):
        bugs, _ = found_bugs(WRONG, UNPARSABLE, syntax_error_share=0.4, seed=seed)
        taken += bugs[1:]

    assert 0 < len(taken) < 6
    assert {"syntax error in line 4; the model says: it clips"} == {bug.detail for bug in taken}
    assert {1.0} == {bug.strength for bug in taken}
    assert "no_bug: 1 syntax" == found_bugs(UNPARSABLE, syntax_error_share=0.4)[1]


def test_languages_without_a_grammar_of_ours_are_not_checked() -> None:
    assert can_be_checked("Ruby")
    assert not can_be_checked("Julia")
    assert ([], "not_parsed: Julia") == found_bugs(task={"language": "Julia"})

"""Bugs that a language model plants into a program that works: the question, and what code checks of the answer.

The model names lines and what they become, so that the bug stands in the very same answer: wrapper, prose and the rest
of the program are equal to the byte. Nothing it says of its bug is believed: the edit has to be small, to change
tokens, to define what was defined before and to hint at nothing; and where the task has tests, these have to find it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeGuard

from themis_data.code.answers import read_answer
from themis_data.code.contrast import num_beside
from themis_data.code.differential import NUM_INPUTS, Function, Trouble, comparisons
from themis_data.code.grammars import Grammars
from themis_data.code.guard import Crashed, shared_guard
from themis_data.code.language import by_name
from themis_data.code.python_tests import Task, TestTally, fault, tallies
from themis_data.code.syntax import code_tokens, comments, definitions, identifiers, measure
from themis_data.engine.rows import Parsed
from themis_data.fingerprint import digest, uniform
from themis_data.llm.prompting import Question, fence, ticket_for, unbroken
from themis_data.llm.replies import Fields, Text, json_schema, read_reply
from themis_data.llm.templates import render_messages
from themis_data.text.changes import line_changes
from themis_data.yaml_file import read_yaml

Evidence = Literal["executed", "differential", "message"]  # message: nothing but the model's word

TEMPLATE = "write_bug"
_FIELDS: Fields = {
    "before": Text(max_chars=4_000),
    "after": Text(max_chars=4_000, may_be_null=True),
    "explanation": Text(max_chars=300, may_be_cut=True),
}
_MEANINGS = {
    "before": "the lines that change, whole and as they stand in the program; they must stand there once, so take in "
    "more lines where they do not",
    "after": "what stands there instead, indented alike; null where the lines go",
    "explanation": "for which input the result is now wrong, and why, in one sentence",
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EditLimits:
    """How much of a program may change."""

    max_changed_share: float = 0.5  # of its lines, 0 to 1
    min_changed_share: float = 0.0
    max_changed_lines: int = 8


def can_be_checked(language: str) -> bool:
    """Whether programs in that language are parsed, without which nothing is known of an edit."""
    return by_name(language).published_as is not None


def bug_question(
    row_id: str, *, prompt: str, solution: str, language: str, samples: int, allows_syntax_errors: bool, seed: int
) -> Question:
    """The question for bugs in the program of a task's solution."""
    program = read_answer(solution).code.strip("\n")
    ticket = ticket_for(seed, row_id, "bug", (prompt, program))
    messages = render_messages(
        TEMPLATE,
        language=language,
        data=fence(task=prompt, program=program),
        fields=_FIELDS,
        meanings=_MEANINGS,
        ticket=ticket,
        allows_syntax_errors=allows_syntax_errors,
    )
    return Question(
        row_id=row_id,
        slot="bug",
        system=messages.system,
        user=messages.user,
        samples=samples,
        schema=json_schema(_FIELDS, ticket),
        ticket=ticket,
    )


def read_bug(text: str, ticket: str | None) -> Parsed:
    """What a reply says: `before`, `after` and `explanation`."""
    return read_reply(text, ticket, _FIELDS)


class Planted(NamedTuple):
    """A solution with a bug in it; with a fault, the other fields say nothing."""

    fault: str | None  # one word, or `word: detail`; see `plant`
    solution: str  # the whole answer
    program: str  # the code in it
    line: int  # of the program, from 1, at which it differs
    has_syntax_error: bool


def plant(
    solution: str, before: str, after: str, language: str, limits: EditLimits, grammars: Grammars = "auto"
) -> Planted:
    """A solution in which the lines `before` have become `after`.

    Faults: `not_found` and `ambiguous` (the lines stand nowhere, or more than once); `same` (no token differs);
    `too_large` and `too_small` (edit); `hint: WORD` (something new says that there is a bug); `comment` (one differs);
    `feature: NAME` (a definition is there only before, or only afterwards); `not_spliceable` (the program is in
    several blocks, or stands deeper than the answer).
    """
    old = read_answer(solution).code
    found = _replaced(old, unbroken(before), unbroken(after))
    if not isinstance(found, _Replaced):
        return _fault(found)
    new, line = found
    # Before anything is parsed, and whatever it holds: the answer must read as it did.
    spliced = _spliced(solution, old, new)
    if spliced is None:
        return _fault("not_spliceable")
    why = _fault_of_edit(old, new, language, limits, grammars)
    if why is not None:
        return _fault(why)
    has_syntax_error = _errors(new, language, grammars) > _errors(old, language, grammars)
    if not has_syntax_error:  # else the grammar may miss what is still there
        names = [_names(code, language, grammars) for code in (old, new)]
        changed = sorted((names[0] - names[1]) + (names[1] - names[0]))
        if changed:
            return _fault(f"feature: {changed[0]}")
    return Planted(None, spliced, new, line, has_syntax_error)


def _fault(why: str) -> Planted:
    return Planted(why, "", "", 0, False)


class _Replaced(NamedTuple):
    code: str
    line: int


def _replaced(code: str, before: str, after: str) -> _Replaced | Literal["not_found", "ambiguous", "same"]:
    """The code with some lines replaced, where they stand once.

    Replies are read without the space around them, so the first line's indentation is taken from the code, and the
    others may be indented as they stand or as if the first began the line.
    """
    lines, wanted = code.split("\n"), before.split("\n")
    found: list[tuple[int, str]] = []
    for start in range(len(lines) - len(wanted) + 1):
        here = lines[start : start + len(wanted)]
        if here[0].strip() == wanted[0].strip():
            indent = here[0][: len(here[0]) - len(here[0].lstrip())]
            shift = next((s for s in ("", indent) if _are_equal(here[1:], wanted[1:], s)), None)
            if shift is not None:
                found.append((start, shift))
    if len(found) != 1:
        return "ambiguous" if found else "not_found"
    ((start, shift),) = found
    first = lines[start]
    indent = first[: len(first) - len(first.lstrip())]
    put = after.split("\n") if after else []
    if len(wanted) == 1 and any(line.strip() and not line.startswith(indent) for line in put[1:]):
        shift = indent  # nothing but the lines themselves tells how they are indented
    put = [
        indent + line.lstrip() if n == 0 else f"{shift}{line}" if line.strip() else line for n, line in enumerate(put)
    ]
    put = _with_ends(put, lines[start : start + len(wanted)])
    changed = [*lines[:start], *put, *lines[start + len(wanted) :]]
    if changed == lines:
        return "same"
    differs = (n for n, (one, other) in enumerate(zip(lines, changed, strict=False)) if one != other)
    return _Replaced("\n".join(changed), next(differs, min(len(lines), len(changed))) + 1)


def _with_ends(put: list[str], here: Sequence[str]) -> list[str]:
    """Lines with the white space at their ends that the lines in their place had: it must not tell the sides apart."""
    ends = [line[len(line.rstrip()) :] for line in here]
    if len(put) == len(here):
        return [line.rstrip() + end for line, end in zip(put, ends, strict=True)]
    known = {line.rstrip(): line for line in here}
    usual = "\r" if all(line.endswith("\r") for line in here) else ""
    return [known.get(line.rstrip(), line.rstrip() + usual) for line in put]


def _are_equal(here: Sequence[str], wanted: Sequence[str], shift: str) -> bool:
    return all(
        one.rstrip() == (shift + other).rstrip() if other.strip() else not one.strip()
        for one, other in zip(here, wanted, strict=True)
    )


def _spliced(solution: str, old: str, new: str) -> str | None:
    """The answer with the new program in the old one's place; null where that cannot be done to the byte."""
    answer = read_answer(solution)
    if solution.count(old) != 1:
        return None
    spliced = solution.replace(old, new)
    after = read_answer(spliced)
    return spliced if (after.form, after.code) == (answer.form, new) else None


def _fault_of_edit(old: str, new: str, language: str, limits: EditLimits, grammars: Grammars) -> str | None:
    tokens = [code_tokens(code.encode(), language, drop_docstrings=True, grammars=grammars) for code in (old, new)]
    if tokens[0] == tokens[1]:
        return "same"
    changes = line_changes(old, new)
    num_lines = max(len(changes.removed), len(changes.added))
    if changes.changed_share > limits.max_changed_share or num_lines > limits.max_changed_lines:
        return f"too_large: {num_lines} of {changes.num_old_lines} lines"
    if changes.changed_share < limits.min_changed_share:
        return f"too_small: {num_lines} of {changes.num_old_lines} lines"
    said = [_said(code, language, grammars) for code in (old, new)]
    known = _hints_in(said[0])
    hints = sorted(_hints_in((said[1] - said[0]).elements()) - known)
    if hints:
        return f"hint: {hints[0]}"
    remarks = [
        Counter(comment.text for comment in comments(code.encode(), language, grammars=grammars)) for code in (old, new)
    ]
    return "comment" if remarks[0] != remarks[1] else None


def _said(code: str, language: str, grammars: Grammars) -> Counter[str]:
    """Names, strings and comments of a program."""
    source, strings = code.encode(), by_name(language).string_nodes
    found = Counter(identifiers(source, language, grammars=grammars))
    found.update(comment.text for comment in comments(source, language, grammars=grammars))
    found.update(text for kind, text in code_tokens(source, language, grammars=grammars) if kind in strings)
    return found


def _hints_in(texts: Iterable[str]) -> set[str]:
    plain = (" ".join(word.lower() for word in _WORDS.findall(text)) for text in texts)
    return {match[0] for text in plain for match in _hints().finditer(text)}


@cache
def _hints() -> re.Pattern[str]:
    words = read_yaml(Path(__file__).parent / "bug_hints.yaml")["hints"]
    return re.compile(rf"\b(?:{'|'.join(words)})\b")


def _errors(code: str, language: str, grammars: Grammars) -> int:
    return measure(code.encode(), language, grammars=grammars).num_errors


def _names(code: str, language: str, grammars: Grammars) -> Counter[str]:
    return Counter(one.qualified_name for one in definitions(code.encode(), language, grammars=grammars))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBug:
    """A bug worth having."""

    solution: str
    evidence: Evidence
    strength: float | None  # share of the tests that it fails, or of the inputs that show it; null where nothing ran
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBugs:
    """What came of a model's replies about one task."""

    bugs: list[PlantedBug]
    reason: str | None  # why there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class BugRules:
    """Which bugs are worth having."""

    limits: EditLimits = EditLimits()
    max_per_task: int = 3
    syntax_error_share: float = 0.0  # of the bugs, at most
    allow_untested: bool = False
    num_inputs: int = NUM_INPUTS  # made for a function without tests, at most
    grammars: Grammars = "auto"
    seed: int = 0


def planted_bugs(
    rows: Sequence[Mapping[str, Any]], replies: Sequence[Sequence[Mapping[str, Any]]], rules: BugRules
) -> list[PlantedBugs]:
    """What to make of the replies about each task (`before`, `after`, `explanation`), one result a row.

    A bug in a Python task passes at least one test and fails another by wrong output, and nothing raises; where there
    are no tests but a function to call, it is compared with the solution on inputs that are made for it. A bug that
    does not parse is taken beside others, up to its share. Reasons: `not_parsed: LANGUAGE`, `untested` (nothing runs
    it), `no_answer`, `reference_fails`, `no_inputs` and `not_deterministic` (see `code.differential`), and `no_bug`
    (the detail counts faults: of `plant`, of `python_tests.fault`, and `syntax`).
    """
    calls = [
        (row["solution"], said["before"], said["after"] or "", row["language"], rules.limits, rules.grammars)
        for row, own in zip(rows, replies, strict=True)
        for said in own
    ]
    planted = iter(shared_guard().map(plant, calls))
    found = [[(said, next(planted)) for said in own] for own in replies]
    checks = _checks(rows, [any(_is_fit(one) for _, one in own) for own in found], rules)
    trials: dict[tuple[Task, str], None] = {}
    for check, own in zip(checks, found, strict=True):
        if isinstance(check, Task):
            programs = [one.program for _, one in own if _is_fit(one)]
            trials |= dict.fromkeys((check, program) for program in (check.reference, *programs))
    tally_of = dict(zip(trials, tallies(list(trials)), strict=True))
    return [_of_task(row, own, check, tally_of, rules) for row, own, check in zip(rows, found, checks, strict=True)]


_Said = tuple[Mapping[str, Any], Planted | Crashed]
_Check = Task | Trouble | None  # what a program is held to; why nothing is; null where nothing runs it


def runs(row: Mapping[str, Any]) -> bool:
    """Whether bugs in a task's solution can be run at all."""
    return row["language"] == "Python" and row["entry_point"] is not None


def _is_fit(planted: Planted | Crashed) -> TypeGuard[Planted]:
    return isinstance(planted, Planted) and planted.fault is None


def _checks(rows: Sequence[Mapping[str, Any]], has_bugs: Sequence[bool], rules: BugRules) -> list[_Check]:
    """What the bugs in each task are held to. Inputs are made only for functions that have some."""
    functions = {
        place: Function(entry_point=row["entry_point"], reference=read_answer(row["solution"]).code)
        for place, row in enumerate(rows)
        if runs(row) and has_bugs[place]
    }
    untested = [place for place in functions if rows[place]["tests"] is None]
    compared = comparisons(
        [functions[place] for place in untested],
        seed=digest([rules.seed, "bugs"]),
        num_inputs=rules.num_inputs,
    )
    checks: dict[int, _Check] = dict(zip(untested, compared, strict=True))
    for place, function in functions.items():
        if place not in checks:
            checks[place] = Task(
                entry_point=function.entry_point, reference=function.reference, test=rows[place]["tests"]
            )
    return [checks.get(place) for place in range(len(rows))]


def _of_task(
    row: Mapping[str, Any],
    own: Sequence[_Said],
    check: _Check,
    tally_of: Mapping[tuple[Task, str], TestTally],
    rules: BugRules,
) -> PlantedBugs:
    why_not = _unfit(row, own, check, tally_of, rules)
    if why_not is not None:
        return PlantedBugs(bugs=[], reason=why_not)
    evidence: Evidence = "message"
    if isinstance(check, Task):
        evidence = "differential" if row["tests"] is None else "executed"
    good: dict[str, PlantedBug] = {}
    unparsable: dict[str, PlantedBug] = {}
    faults: Counter[str] = Counter()
    for said, planted in own:
        if not _is_fit(planted):
            why = "parser_crashed" if isinstance(planted, Crashed) else planted.fault
            faults[(why or "").partition(":")[0]] += 1
            continue
        tally = tally_of[check, planted.program] if isinstance(check, Task) else None
        why = "syntax" if planted.has_syntax_error else fault(tally) if tally is not None else None
        if why is not None:
            faults[why] += 1
        if why is None or (why == "syntax" and (tally is None or tally.passed == 0)):
            (good if why is None else unparsable).setdefault(planted.program, _bug(said, planted, tally, evidence))
    ranked = sorted(good.values(), key=lambda bug: (bug.strength or 0.0, uniform(rules.seed, "bug", bug.solution)))
    bugs = ranked[: rules.max_per_task]
    places = num_beside(len(bugs), rules.syntax_error_share, seed=rules.seed, draw=row["row_id"])
    bugs += list(unparsable.values())[: min(places, rules.max_per_task - len(bugs))]
    told = ", ".join(f"{count} {why}" for why, count in sorted(faults.items()))
    return PlantedBugs(bugs=bugs, reason=None if bugs else f"no_bug: {told}")


def _unfit(
    row: Mapping[str, Any],
    own: Sequence[_Said],
    check: _Check,
    tally_of: Mapping[tuple[Task, str], TestTally],
    rules: BugRules,
) -> str | None:
    """Why a task gives no bugs, whatever they are."""
    if not can_be_checked(row["language"]):
        return f"not_parsed: {row['language']}"
    if not runs(row) and not rules.allow_untested:
        return "untested"
    if not own:
        return "no_answer"
    if isinstance(check, str):
        return None if rules.allow_untested else check
    if check is None or tally_of[check, check.reference].passed_all:
        return None
    if row["tests"] is None:
        return "not_deterministic"
    reference = tally_of[check, check.reference]
    return f"reference_fails: {reference.passed} asserts pass, {reference.wrong} are wrong"


def _bug(said: Mapping[str, Any], planted: Planted, tally: TestTally | None, evidence: Evidence) -> PlantedBug:
    where, strength = f"line {planted.line}", None
    if planted.has_syntax_error:
        how, strength = f"syntax error in {where}", None if tally is None else 1.0
    elif tally is None:
        how = f"{where}, untested"
    else:
        tested = tally.passed + tally.wrong
        what = "asserts fail by wrong output" if evidence == "executed" else "inputs give another result"
        how, strength = f"{where}: {tally.wrong} of {tested} {what}", tally.wrong / tested
    return PlantedBug(
        solution=planted.solution,
        evidence=evidence,
        strength=strength,
        detail=f"{how}; the model says: {' '.join(said['explanation'].split())}",
    )

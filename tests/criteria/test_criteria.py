"""The criteria files: what each must have, and what a wrong file or name is answered with."""

from pathlib import Path

import pytest

from themis_data import criteria
from themis_data.criteria import EVIDENCE, all_criteria, by_name, canonical_criterion, leading_letters
from themis_data.criteria.evidence import all_kinds
from themis_data.errors import PipelineError, UnknownName

MINED = {
    "functional_correctness",
    "memory_efficiency",
    "readability_and_maintainability",
    "runtime_efficiency",
    "security_hardness",
}


def test_the_seven_criteria_are_there_under_their_published_names() -> None:
    published = {name: criterion.published_as for name, criterion in all_criteria().items()}

    assert published == {
        "functional_correctness": "Functional Correctness",
        "harmlessness": "Harmlessness",
        "helpfulness": "Helpfulness",
        "memory_efficiency": "Memory Efficiency",
        "readability_and_maintainability": "Readability and Maintainability",
        "runtime_efficiency": "Runtime Efficiency",
        "security_hardness": "Security Hardness",
    }


def test_the_benchmark_spells_readability_without_and() -> None:
    assert by_name("readability_and_maintainability").benchmark_as == "Readability_Maintainability"


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("Readability_Maintainability", "readability_and_maintainability"),
        ("readability and maintainability", "readability_and_maintainability"),
        ("Execution Efficiency", "runtime_efficiency"),
        (" Memory-Efficiency ", "memory_efficiency"),
        ("FC", "functional_correctness"),
        ("security", "security_hardness"),
        ("Helpfulness", "helpfulness"),
        ("harmlessness", "harmlessness"),
        ("beauty", None),
        ("", None),
    ],
)
def test_a_criterion_is_found_by_any_of_its_names(called: str, name: str | None) -> None:
    assert name == canonical_criterion(called)


def test_evidence_stands_in_order_of_strength() -> None:
    assert ("executed", "differential", "measured", "judged", "rated", "merged", "message", "upstream") == EVIDENCE


@pytest.mark.parametrize("name", sorted(all_criteria()))
def test_a_criterion_says_what_it_is_and_what_a_judge_looks_at(name: str) -> None:
    criterion = by_name(name)

    assert name == criterion.name
    assert criterion.definition.endswith(".")
    assert len(criterion.judge_points) >= 3
    assert (name in MINED) == (criterion.message is not None) == (criterion.diff is not None)


@pytest.mark.parametrize("name", sorted(MINED))
def test_required_evidence_is_a_known_kind(name: str) -> None:
    diff = by_name(name).diff

    assert diff is not None
    claimed = {kind for claim in diff.claims.values() for kind in claim.shows}
    assert claimed | {*diff.requires_any, *diff.weak_requires_any, *diff.forbids_any} <= all_kinds()
    assert diff.requires_any or diff.claims


@pytest.mark.parametrize("name", sorted(MINED))
def test_weak_words_come_with_the_evidence_they_need(name: str) -> None:
    rules = by_name(name)

    assert rules.message is not None
    assert rules.diff is not None
    assert bool(rules.message.weak) == bool(rules.diff.weak_requires_any) or rules.diff.claims


def test_an_unknown_criterion_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'runtime_efficiency'"):
        by_name("runtime_eficiency")


@pytest.mark.parametrize(
    ("pattern", "letters"),
    [
        ("faster", "fast"),
        ("xss", "xss"),
        ("ooms?", "oom"),
        ("mem(ory)? leak", "mem"),
        ("n\\+1", None),
        ("(fast|quick)er", None),
        ("nested|nesting", None),
        ("caching|[a|b]", None),
        ("cach[e|y](d|s)", "cach"),
    ],
)
def test_a_term_is_looked_up_by_the_letters_all_its_matches_start_with(pattern: str, letters: str | None) -> None:
    assert letters == leading_letters(pattern)


def write_criterion(folder: Path, message: str) -> None:
    (folder / "speed.yaml").write_text(
        f"title: Speed\npublished_as: Speed\nbenchmark_as: Speed\ndefinition: Fast.\njudge_points: [fast]\n{message}"
    )


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("message: {strong: ['(a|b)c'], terms: []}", "must begin with two plain lower-case letters"),
        ("message: {strong: ['fast('], terms: []}", "is no regular expression"),
        ("message: {strong: [fast], terms: [], nevr: [x]}", "nevr"),
        ("message: {strong: [fast]}", "terms"),
        ("message: {strong: [fast], terms: [], prefixes: {perf: huge}}", "counts as 'huge'"),
        ("diff: {max_code_lines: 9, claims: {speed: {says: ['fast('], shows: [loop]}}}", "is no regular expression"),
        ("diff: {max_code_lines: 9, claims: {speed: {says: [fast], show: [loop]}}}", "show"),
        ("tittle: x", "tittle"),
        ("title: Again", "written twice: title"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    message: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_criterion(tmp_path, message)
    monkeypatch.setattr(criteria, "_FOLDER", tmp_path)

    with pytest.raises(PipelineError, match=r"speed\.yaml") as raised:
        all_criteria.__wrapped__()

    assert complaint in str(raised.value)

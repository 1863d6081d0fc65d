"""A prompt may hold what both sides have, and nothing that only one of them has."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.criteria import all_criteria
from themis_data.text import leaks
from themis_data.text.leaks import KINDS, Kind, Leak, Sides, find_leak
from themis_data.yaml_file import read_yaml

SHARED = '"""Words, counted in the order of the file."""\n\n\ndef count_words(text, known):\n'
OLD = (
    f"{SHARED}    found = [w for w in text.split() if w in list(known)]\n    return len(found), 'nothing found here'\n"
)
NEW = f"{SHARED}    known_words = set(known)\n    return sum(w in known_words for w in text.split()), 4096\n"
MESSAGE = "Look words up in a set\n\nThe list was scanned once for each word of the text."


def leak(
    prompt: str, *, kinds: tuple[Kind, ...] = KINDS, criterion: str = "runtime_efficiency", **sides: str
) -> Leak | None:
    given = {"chosen": NEW, "rejected": OLD, "message": MESSAGE, "path": "words/count.py"} | sides
    return find_leak(prompt, Sides(criterion=criterion, **given), kinds=kinds)


@pytest.mark.parametrize(
    ("prompt", "kind", "span"),
    [
        pytest.param("Begin with\n    known_words = set(known)\n", "line", "known_words = set(known)", id="a line"),
        pytest.param(
            "It has KNOWN_WORDS =  SET( known ).", "line", "known_words = set(known)", id="in capitals, spaced"
        ),
        pytest.param(
            "Do not write `found = [w for w in text.split() if w in list(known)]`.",
            "line",
            "found = [w for w in text.split() if w in list(known)]",
            id="a line of the rejected side",
        ),
        pytest.param(
            "It is: W in known_words, for w in text; split", "code", "w in known_words for w in", id="words of a line"
        ),
        pytest.param("Say nothing found here in the end.", "literal", "nothing found here", id="a string"),
        pytest.param("At most 4_096 of them.", "literal", "4096", id="a number"),
        pytest.param("There is known_words.", "identifier", "known_words", id="a name"),
        pytest.param("There is knownWords.", "identifier", "knownWords", id="a name spelled otherwise"),
        pytest.param("Use `found` for it.", "identifier", "found", id="a plain word as code"),
        pytest.param("Call sum(...) for it.", "identifier", "sum", id="a plain word that is called"),
        pytest.param("look: words UP in a (set)!", "message", "look words up in", id="the subject"),
        pytest.param("There it was scanned once for each one.", "message", "was scanned once for each", id="the body"),
        pytest.param("This is too slow.", "defect", "too slow", id="the defect"),
        pytest.param("Fix it.", "defect", "fix", id="a repair"),
    ],
)
def test_a_leak_is_found_with_what_the_prompt_says(prompt: str, kind: Kind, span: str) -> None:
    found = leak(f"Write `count_words`.\n\n{prompt}\n")

    assert found is not None
    assert kind == found.kind
    assert span in found.span.lower() or span == found.span


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("def count_words(text, known):", id="a line of both sides"),
        pytest.param("Words, counted in the order of the file.", id="documentation of both sides"),
        pytest.param("Write `words/count.py` in Python.", id="the path"),
        pytest.param("It must be fast, use little memory and be easy to read.", id="what is required"),
        pytest.param("Whatever is found is counted: a sum of all words.", id="plain words that are names too"),
        pytest.param("At most 40 of 96 words.", id="small numbers"),
        pytest.param("It was once in a list.", id="words of the message apart"),
        pytest.param("The prefix is of fixed width, the suffix of a fixed size.", id="words that hold fix"),
    ],
)
def test_what_both_sides_hold_or_what_is_required_is_no_leak(prompt: str) -> None:
    assert None is leak(f"Write `count_words`.\n\n{prompt}\n")


def test_a_name_spoken_is_a_leak_from_three_words() -> None:
    one = {"chosen": "max_retry_count = 3\nf()\n", "rejected": "f()\n", "message": ""}

    assert Leak("identifier", "max retry count") == leak("Mind the max retry count.", **one)
    assert None is leak("Mind the retry count.", **one | {"chosen": "retry_count = 3\nf()\n"})


def test_a_word_that_is_no_identifier_does_not_count_as_one() -> None:
    sides = Sides(chosen=NEW, rejected=OLD, criterion="helpfulness", names=lambda: (frozenset({"other"}), frozenset()))

    assert None is find_leak("There is known_words.", sides, kinds=("identifier",))


def test_a_line_that_is_the_beginning_of_another_but_for_its_end_is_a_leak() -> None:
    sides = {"chosen": "int f(int fd);\n", "rejected": "int f(int fd) { return g(fd); }\n"}

    assert Leak("line", "int f(int fd);") == leak("It declares `int f(int fd);`.", **sides)
    assert None is leak("It declares `int f(int fd)`.", **sides)


def test_a_phrasing_that_both_sides_hold_is_allowed() -> None:
    doc = "# Says what is too slow for it.\n"

    assert None is leak("Says what is too slow for it.", chosen=doc + NEW, rejected=doc + OLD)
    assert Leak("defect", "is too slow") == leak(
        "Says what is too slow for it.", chosen=NEW, rejected=doc + OLD, kinds=("defect",)
    )


def test_phrasings_of_another_criterion_do_not_count() -> None:
    assert None is leak("A memory leak is what it looks for.", criterion="readability_and_maintainability")
    assert Leak("defect", "memory leak") == leak("A memory leak is what it looks for.", criterion="memory_efficiency")


def test_only_the_kinds_asked_for_are_looked_for() -> None:
    assert None is leak("There is known_words. Fix it.", kinds=("message",))
    assert Leak("defect", "fix") == leak("There is known_words. Fix it.", kinds=("defect",))


def test_neighbours_in_a_list_are_not_words_in_a_row() -> None:
    sides = {"chosen": "f(a, b)\ng(c, d, e)\n", "rejected": "f(a, b)\n\n\nx = 1\ng(c, d, e)\n"}

    assert None is leak("- `f(a, b)`\n- `g(c, d, e)`\n", **sides, kinds=("code",))
    assert Leak("code", "f a b g c d") == leak("f a b g c d e", **sides, kinds=("code",))


def test_every_list_of_phrasings_is_that_of_a_criterion() -> None:
    given = read_yaml(Path(leaks.__file__).with_name("leaks.yaml"))

    assert {*all_criteria(), "any", "grammar"} == set(given)


text = st.text(st.sampled_from("ab_A .(\n\"'`1é"), max_size=40)


@given(text, text, text, text)
@settings(max_examples=150)
def test_any_texts_give_a_leak_or_none(prompt: str, chosen: str, rejected: str, message: str) -> None:
    found = leak(prompt, chosen=chosen, rejected=rejected, message=message)

    assert found is None or found.kind in KINDS


@given(text, text)
@settings(max_examples=100)
def test_equal_sides_leak_nothing_of_themselves(prompt: str, side: str) -> None:
    assert None is leak(prompt, chosen=side, rejected=side, message="", kinds=("line", "code", "literal", "identifier"))


words = st.sampled_from(["alpha", "beta", "gamma", "delta", "x1", "(", ")", "=", "+", ","])


@given(
    st.lists(words, min_size=4, max_size=12), st.sampled_from([str.upper, str.lower, lambda s: s.replace(" ", "  ")])
)
@settings(max_examples=100)
def test_a_changed_line_is_found_in_any_case_and_spacing(tokens: list[str], change) -> None:
    line = " ".join(["start", *tokens, "end"])

    assert Leak("line", line) == leak(
        f"Write {change(line)} there.", chosen=f"{line}\n", rejected="other\n", kinds=("line",)
    )


@pytest.mark.parametrize(
    "piece", ["\\'", '\\"', "`", "'", '"', "a ", "A", "_", "1.", "fix a ", "the ", "\n- ", "(", "\ud800", "\0"]
)
def test_hostile_texts_take_time_in_proportion(piece: str) -> None:
    hostile = piece * (100_000 // len(piece))

    leak(hostile, chosen=hostile, rejected=f"x{hostile}\n", message=hostile)
    leak("Write it.", chosen=hostile, rejected="", message=hostile)

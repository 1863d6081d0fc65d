"""Prose is what people wrote to people: code, names, paths and links are not part of it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.text.prose import prose_blocks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Count the words.", ["Count the words."], id="a sentence"),
        pytest.param("Count\nthe words.\n\nThen stop.", ["Count the words.", "Then stop."], id="paragraphs"),
        pytest.param("It defines\n- one\n- two\n  of them", ["It defines", "one", "two of them"], id="list items"),
        pytest.param("Before\n```python\nx is y\n```\nafter", ["Before", "after"], id="a fence"),
        pytest.param("Before\n~~~~\nx\n```\n~~~\nx\n~~~~\nafter", ["Before", "after"], id="a longer fence"),
        pytest.param("Before\n```\nno end of it", ["Before"], id="an open fence"),
        pytest.param("Call `sort of code` now", ["Call now"], id="inline code"),
        pytest.param("Call ``a`` and `b", ["Call and"], id="an odd backtick"),
        pytest.param("See https://example.org/a-page or www.example.org.", ["See or"], id="links"),
        pytest.param("Write src/app.py and /etc/hosts for --all", ["Write and for"], id="paths and options"),
        pytest.param("The word_count of wordCount in f() is 12", ["The of in is"], id="names, calls and numbers"),
        pytest.param('"Don\'t," she said (well-known)!', ['"Don\'t," she said (well-known)!'], id="punctuation"),
        pytest.param("Zähle die Wörter in größe_max", ["Zähle die Wörter in größ"], id="beyond ASCII"),
        pytest.param("単語を数える（utf_8）", ["単語を数える（ ）"], id="no spaces"),
        pytest.param("x_1 = 1;\n\n12 == 3", [], id="nothing left"),
        pytest.param("", [], id="nothing there"),
    ],
)
def test_code_names_paths_and_links_are_taken_out(text: str, expected: list[str]) -> None:
    assert expected == prose_blocks(text)


@given(st.text(alphabet=st.characters()))
def test_any_text_has_its_prose(text: str) -> None:
    blocks = prose_blocks(text)

    assert all(block and "\n" not in block for block in blocks)


@pytest.mark.parametrize("unit", ["a", "`", "a`", "(", "a-", "a'", "~", "é.", "```\n", " `a\n", "\x00", "\ud800"])
def test_the_cost_grows_with_the_text_only(unit: str) -> None:
    started = time.process_time()
    prose_blocks(unit * (1_000_000 // len(unit)))

    assert time.process_time() - started < 5.0

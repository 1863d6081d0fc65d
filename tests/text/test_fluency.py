"""Perplexity of prose, checked against a model small enough to reckon by hand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.errors import PipelineError
from themis_data.text.fluency import Fluency, fluency_file, normalised, open_fluency

# Bigrams: "count the words </s>" costs 0.1 a step, every other pair of words what the second costs alone.
ARPA = """\\data\\
ngram 1={unigrams}
ngram 2=4

\\1-grams:
-99\t<s>\t0
-1.0\t</s>\t0
-2.0\tcount\t0
-2.0\tthe\t0
-2.0\twords\t0
{unk}
\\2-grams:
-0.1\t<s> count
-0.1\tcount the
-0.1\tthe words
-0.1\twords </s>

\\end\\
"""


def arpa(path: Path, *, unk: bool = True) -> Path:
    path.write_text(ARPA.format(unigrams=6 if unk else 5, unk="-5.0\t<unk>\t0\n" if unk else ""), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def fluency(tmp_path_factory: pytest.TempPathFactory) -> Fluency:
    return open_fluency(arpa(tmp_path_factory.mktemp("model") / "small.arpa"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Count the Words.", "count the words ."),
        ("Don't stop; it's 1,024!", "don't stop ; it's 0 , 0 !"),
        ("größe 漢字 e\u0301", "größe 漢字 e \u0301"),
        ("a_b", "a b"),
        ("\x00 \ud800", "?"),
        ("", ""),
    ],
)
def test_text_is_normalised_as_models_are_trained(text: str, expected: str) -> None:
    assert expected == normalised(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Count the words", 10**0.1, id="as the model knows it"),
        pytest.param("words the Count", 10 ** ((2 + 2 + 2 + 1) / 4), id="shuffled"),
        pytest.param("Count the zebras", 10 ** ((0.1 + 0.1 + 5 + 1) / 4), id="an unknown word"),
        pytest.param("Count the words\n\nCount the words", 10**0.1, id="two paragraphs"),
        pytest.param("Count the `x.y`\nwords\n```\nfoo\n```", 10**0.1, id="code is no prose"),
    ],
)
def test_perplexity_is_that_of_a_word_of_prose(fluency: Fluency, text: str, expected: float) -> None:
    assert expected == pytest.approx(fluency.perplexity(text, min_words=3), rel=1e-5)


@pytest.mark.parametrize(("text", "min_words"), [("Count the words", 4), ("", 1), ("", 0), ("x = f(y_1)", 2)])
def test_too_little_prose_has_none(fluency: Fluency, text: str, min_words: int) -> None:
    assert fluency.perplexity(text, min_words=min_words) is None


@given(st.text(alphabet=st.characters()))
def test_any_text_is_measured(fluency: Fluency, text: str) -> None:
    perplexity = fluency.perplexity(text, min_words=1)

    assert perplexity is None or perplexity >= 1.0


@pytest.mark.parametrize("unit", ["a", "a ", ".", "\x00", "\ud800", "語"])
def test_a_long_line_is_measured(fluency: Fluency, unit: str) -> None:
    fluency.perplexity(unit * (1_000_000 // len(unit)), min_words=1)


def test_a_model_without_a_word_for_the_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"bare\.arpa has no <unk>"):
        open_fluency(arpa(tmp_path / "bare.arpa", unk=False))


def test_a_file_that_is_no_model_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "model.arpa").write_text("no model\n")

    with pytest.raises(PipelineError, match=r"model\.arpa is no KenLM model"):
        open_fluency(tmp_path / "model.arpa")


def test_a_model_that_is_nowhere_is_named() -> None:
    with pytest.raises(PipelineError, match=r"no KenLM model at '/no/such\.arpa'"):
        fluency_file("/no/such.arpa")

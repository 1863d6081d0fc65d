"""English is told from other languages by the prose alone; a model that is missing or no model is said so."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.errors import PipelineError
from themis_data.text.english import BUNDLED, Detector, Verdict, detector, detector_file

GERMAN = "Zähle alle Wörter in der Datei und gib die häufigsten zusammen mit ihrer Anzahl aus."
JAPANESE = "ファイルの中の単語をすべて数えて、最も多いものを出力してください。"
ENGLISH = "Count all the words in the file and print the most frequent ones together with their number."
CODE = "\n```python\ncount = Counter(open(path).read().split())\n```\n"


@pytest.fixture(scope="module")
def bundled() -> Detector:
    return detector(detector_file(BUNDLED))


def language(bundled: Detector, text: str) -> str | None:
    found = bundled.other_language(text, min_confidence=0.5, min_odds=10.0)
    return None if found is None else found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ENGLISH, None, id="English"),
        pytest.param(ENGLISH + CODE, None, id="English and code"),
        pytest.param(ENGLISH.upper(), None, id="capitals"),
        pytest.param(GERMAN, "de", id="German"),
        pytest.param(GERMAN.upper(), "de", id="German capitals"),
        pytest.param(GERMAN + CODE, "de", id="German and code"),
        pytest.param(JAPANESE, "ja", id="no spaces between words"),
        pytest.param("Zähle die Wörter", "de", id="three words"),
        pytest.param(f"Write `count.py`.\n\nWhat the file is for:\n{GERMAN}\n\n{ENGLISH}", "de", id="one paragraph"),
        pytest.param(f"{ENGLISH}\n- `main`\n  {JAPANESE}", "ja", id="one list item"),
        pytest.param(f"{ENGLISH}\n```\n# {GERMAN}\n```", None, id="German in the code"),
        pytest.param(f"{ENGLISH}\n\nAutor", None, id="one foreign word in a paragraph of its own"),
        pytest.param("x = f(y)", None, id="no prose"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_language_of_the_prose_decides(bundled: Detector, text: str, expected: str | None) -> None:
    assert expected == language(bundled, text)


def told(answers: dict[str, list[Verdict]]) -> Detector:
    return Detector(predict=answers.__getitem__)


LONG, SHORT = "word " * 25, "word word word"


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        (LONG, [("en", 0.5), ("de", 0.2)], None),
        (LONG, [("en", 0.49), ("de", 0.2)], ("en", 0.49)),
        (SHORT, [("en", 0.2), ("de", 0.1)], None),
        (SHORT, [("de", 0.5), ("en", 0.06)], None),
        (SHORT, [("de", 0.5), ("en", 0.05)], ("de", 0.5)),
        (SHORT, [("de", 0.29), ("fr", 0.2)], None),
        (SHORT, [("deu_Latn", 0.9), ("eng_Latn", 0.05)], ("deu_Latn", 0.9)),
        (LONG, [("eng_Latn", 0.9), ("deu_Latn", 0.05)], None),
    ],
)
def test_the_longer_the_prose_the_more_is_asked_of_it(
    text: str, answer: list[Verdict], expected: Verdict | None
) -> None:
    assert expected == told({text.strip(): answer}).other_language(text, min_confidence=0.5, min_odds=10.0)


@given(st.text(alphabet=st.characters()))
def test_any_text_is_judged(text: str) -> None:
    language(detector(detector_file(BUNDLED)), text)


@pytest.mark.parametrize("unit", ["a", "word ", "\x00", "語", "\ud800"])
def test_a_line_of_a_million_characters_is_judged(bundled: Detector, unit: str) -> None:
    language(bundled, unit * (1_000_000 // len(unit)))


@pytest.mark.parametrize("model", ["missing.bin", "/no/such/model", "lid", "a/b/c"])
def test_a_model_that_is_nowhere_is_named(model: str) -> None:
    with pytest.raises(PipelineError, match=f"no fastText model at '{model}'"):
        detector_file(model)


def test_a_model_may_be_a_file(tmp_path: Path) -> None:
    copy = tmp_path / "other.ftz"
    copy.write_bytes(detector_file(BUNDLED).read_bytes())

    assert copy == detector_file(str(copy))
    assert "de" == language(detector(copy), GERMAN)


def test_a_file_that_is_no_model_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model")

    with pytest.raises(PipelineError, match=r"model\.bin is no fastText model"):
        detector(tmp_path / "model.bin")

"""The extension decides, the text where it does not, and no row goes."""

import sys

import pytest
from builds import changes

from themis_data.errors import MissingExtra
from themis_data.fingerprint import step_fingerprint
from themis_data.stages.identify_language import IdentifyLanguage

PYTHON = "import os\n\n\ndef sizes(folder):\n    return {name: os.stat(name).st_size for name in os.listdir(folder)}\n"
RUBY = "class Cart\n  attr_reader :items\n\n  def total\n    items.map(&:price).sum\n  end\nend\n"
C = "struct box { int size; };\nint box_size(const struct box *class);\n"
CPP = "class Box {\npublic:\n    int size() const { return size_; }\nprivate:\n    int size_ = 0;\n};\n"


def identified(path: str, old: str, new: str, language: str | None = None, **settings) -> str | None:
    rows = changes({"path": path, "old_contents": old, "new_contents": new, "language": language})
    (found,) = IdentifyLanguage(**settings).identify(rows)["language"].to_pylist()
    return found


@pytest.mark.parametrize("detector", ["auto", "strict", "extension", "guesslang", "magika"])
def test_a_language_that_the_extension_gave_stands(detector: str) -> None:
    assert "Ruby" == identified("a.rb", PYTHON, PYTHON, "Ruby", detector=detector)


def test_a_language_that_the_path_does_not_claim_stands() -> None:
    assert "Ruby" == identified("script", PYTHON, PYTHON, "Ruby")
    assert "Ruby" == identified("a.h", CPP, CPP, "Ruby")


@pytest.mark.parametrize(
    ("old", "new", "expected"), [(C, C + "\n", "C"), (CPP, CPP + "\n", "C++"), (C, CPP, "C++"), (CPP, C, "C++")]
)
def test_a_header_is_cpp_where_either_side_has_words_of_cpp(old: str, new: str, expected: str) -> None:
    assert expected == identified("include/box.h", old, new, "C", detector="extension")


@pytest.mark.parametrize("detector", ["auto", "strict", "guesslang", "magika"])
def test_a_file_without_a_known_extension_is_looked_at(detector: str) -> None:
    assert "Python" == identified("bin/sizes", PYTHON, PYTHON + "x = 1\n", detector=detector)


@pytest.mark.parametrize(
    ("old", "new", "detector"),
    [
        pytest.param(PYTHON, RUBY, "auto", id="sides differ"),
        pytest.param(PYTHON, "x\n", "auto", id="one side is unknown"),
        pytest.param(PYTHON, PYTHON, "extension", id="text is not looked at"),
    ],
)
def test_what_cannot_be_told_stays_unknown(old: str, new: str, detector: str) -> None:
    assert identified("bin/sizes", old, new, detector=detector) is None


def test_nothing_but_the_language_changes() -> None:
    rows = changes({"path": "bin/sizes", "old_contents": PYTHON, "new_contents": PYTHON + "\n", "language": None})
    done = IdentifyLanguage().identify(rows)

    assert rows.schema == done.schema
    assert rows.drop_columns("language") == done.drop_columns("language")


def test_a_missing_model_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "magika", None)

    with pytest.raises(MissingExtra, match=r"pip install 'magika==1\.0\.3'"):
        step_fingerprint(IdentifyLanguage())
    assert step_fingerprint(IdentifyLanguage(detector="guesslang"))
    assert step_fingerprint(IdentifyLanguage(detector="extension"))


def test_the_version_of_a_model_is_in_the_fingerprint() -> None:
    assert {"models": ["guesslang 2.2.1"]} == IdentifyLanguage(detector="guesslang").identity()
    assert {"models": []} == IdentifyLanguage(detector="extension").identity()

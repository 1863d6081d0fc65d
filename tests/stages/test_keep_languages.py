"""Languages that are not listed go, and files in no known language."""

import pytest
from builds import changes
from rows import reasons_of

from themis_data.errors import UnknownName
from themis_data.stages.keep_languages import KeepLanguages


def test_languages_that_are_not_listed_are_dropped_by_name() -> None:
    rows = changes({"language": "Ruby"}, {"language": "Rust"}, {"language": None})

    assert [None, "language_not_listed: Rust", "unknown_language"] == reasons_of(KeepLanguages(), rows)


def test_the_languages_of_the_paper_are_listed_by_default() -> None:
    listed = {"C", "C#", "C++", "Go", "Java", "JavaScript", "Python", "Ruby"}

    assert listed == set(KeepLanguages().languages)


def test_a_list_of_ones_own_counts() -> None:
    rows = changes({"language": "Rust"}, {"language": "Python"})

    assert [None, "language_not_listed: Python"] == reasons_of(KeepLanguages(languages=("Rust",)), rows)


def test_an_unknown_language_in_the_settings_is_refused_with_the_near_one() -> None:
    with pytest.raises(UnknownName, match="Python"):
        KeepLanguages(languages=("Pyhton",))

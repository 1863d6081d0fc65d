"""The languages that ship, and the way from a path to one."""

import pytest

from themis_data.code.language import (
    all_languages,
    by_name,
    canonical_language,
    language_of_path,
    languages_of_path,
)
from themis_data.errors import UnknownName

PUBLISHED = ["C", "C#", "C++", "Go", "Java", "JavaScript", "Python", "Ruby"]


def test_all_languages_of_the_mined_pool_are_there() -> None:
    long_tail = ["Assembly", "Dart", "Erlang", "Groovy", "Haskell", "Julia", "Kotlin", "Perl", "PHP", "PowerShell"]
    long_tail += ["R", "Rust", "Scala", "Shell", "Swift", "TypeScript"]

    assert sorted([*PUBLISHED, *long_tail]) == sorted(all_languages())


def test_only_the_eight_have_a_published_label() -> None:
    labelled = [language.name for language in all_languages().values() if language.published_as is not None]

    assert sorted(PUBLISHED) == sorted(labelled)


def test_a_language_has_a_limit_where_it_has_a_grammar() -> None:
    for language in all_languages().values():
        has_grammar = language.grammar is not None or language.wheel is not None
        assert has_grammar == (language.max_error_share is not None)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_language_is_described_in_full(name: str) -> None:
    language = by_name(name)

    assert language.grammar is not None
    assert language.wheel is not None
    assert language.comment_nodes
    assert language.string_nodes
    assert language.identifier_nodes
    assert language.definition_nodes
    assert language.known_supersets
    assert language.documentation in ("above", "docstring")
    assert language.max_error_share is not None
    assert 0 <= language.max_error_share < 1


def test_changing_the_returned_dict_changes_nothing_for_others() -> None:
    all_languages().clear()

    assert by_name("Go").name == "Go"


def test_unknown_name_offers_the_near_one() -> None:
    with pytest.raises(UnknownName, match=r"no language named 'Pyton'\. Did you mean 'Python'\?"):
        by_name("Pyton")


@pytest.mark.parametrize(
    ("language", "path"),
    [
        ("C", "src/dict.c"),
        ("C", "include/uv.h"),
        ("C++", "db/db_impl.cc"),
        ("C++", "a.hpp"),
        ("C++", "a.c++"),
        ("C++", "LEGACY.C"),
        ("C#", "Src/JsonReader.cs"),
        ("Go", "pkg.v1/context.go"),
        ("Java", "A.java"),
        ("JavaScript", "lib/index.mjs"),
        ("JavaScript", "lib/View.jsx"),
        ("Python", "SETUP.PY"),
        ("Ruby", "tasks/release.rake"),
        ("R", "R/model.R"),
        ("R", "r/model.r"),
        ("Assembly", "boot.S"),
        ("TypeScript", "a.d.ts"),
        (None, "README"),
        (None, "a.py/README"),
        (None, ".py"),
        (None, "a.py.orig"),
        (None, ""),
    ],
)
def test_language_comes_from_the_extension(language: str | None, path: str) -> None:
    assert language == language_of_path(path)


@pytest.mark.parametrize(
    ("languages", "path"),
    [(("C", "C++"), "a/b.h"), (("C",), "b.c"), (("C++",), "b.H"), ((), "b.txt")],
)
def test_header_may_be_in_two_languages(languages: tuple[str, ...], path: str) -> None:
    assert languages == languages_of_path(path)


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("C++", ["C++", "cpp", "CPP", "Cpp", "cplusplus", "C plus plus", "C++17"]),
        ("C#", ["C#", "csharp", "CSharp", "c_sharp", "C-Sharp", "cs"]),
        ("C", ["c", " C "]),
        ("Go", ["go", "Golang"]),
        ("Java", ["java"]),
        ("JavaScript", ["js", "JavaScript", "javascript", "NodeJS"]),
        ("Python", ["py", "python3", "Python 3", "PyPy3"]),
        ("Ruby", ["rb", "RUBY"]),
        ("TypeScript", ["ts"]),
        ("Shell", ["bash", "sh"]),
    ],
)
def test_a_language_is_known_by_the_names_that_data_sets_give_it(language: str, names: list[str]) -> None:
    assert [language] * len(names) == [canonical_language(name) for name in names]


@pytest.mark.parametrize("name", ["", "English", "NL", "F#", "Visual Basic", "c+", "pythonic", "Objective-C"])
def test_what_is_no_language_here_has_no_name(name: str) -> None:
    assert canonical_language(name) is None


def test_every_canonical_name_is_its_own() -> None:
    assert list(all_languages()) == [canonical_language(name) for name in all_languages()]

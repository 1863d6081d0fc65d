"""Where grammars come from, and that a parse always ends."""

import sys
import threading
import time

import pytest

from themis_data.code import grammars
from themis_data.code.grammars import Grammars, parse, parser, resolved
from themis_data.errors import MissingExtra, PipelineError, UnknownName

PUBLISHED = ["C", "C#", "C++", "Go", "Java", "JavaScript", "Python", "Ruby"]
HAS_BUNDLE = grammars._bundle_library() is not None
INSTALLED: list[Grammars] = ["bundle", "wheels"] if HAS_BUNDLE else ["wheels"]
needs_bundle = pytest.mark.skipif(not HAS_BUNDLE, reason="tree-sitter-languages has no wheel for this Python")


@pytest.fixture
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Python for which the bundle has no wheel."""
    monkeypatch.setattr(grammars, "_bundle_library", lambda: None)
    grammars.grammar.cache_clear()


@pytest.mark.parametrize("using", INSTALLED)
@pytest.mark.parametrize("language", PUBLISHED)
def test_every_published_language_has_a_parser(language: str, using: Grammars) -> None:
    tree = parser(language, using).parse(b"")

    assert not tree.root_node.has_error


@needs_bundle
def test_auto_is_the_bundle_where_it_is_installed() -> None:
    assert resolved("Python", "auto") == resolved("Python", "bundle") == "tree-sitter-languages 1.10.2"


@pytest.mark.usefixtures("no_bundle")
def test_auto_is_the_wheel_where_the_bundle_is_not_installed() -> None:
    assert resolved("Python", "auto") == resolved("Python", "wheels")
    assert resolved("Python", "auto").startswith("tree-sitter-python ")


@pytest.mark.usefixtures("no_bundle")
def test_bundle_asked_for_and_missing_is_an_error_with_the_pip_line() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'tree-sitter-languages==1\.10\.2'"):
        resolved("Java", "bundle")


def test_wheel_asked_for_and_missing_is_an_error_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    grammars.grammar.cache_clear()

    with pytest.raises(MissingExtra, match="pip install tree-sitter-go"):
        grammars.grammar("Go", "wheels")


def test_language_without_a_wheel_says_that_only_the_bundle_has_it() -> None:
    with pytest.raises(MissingExtra, match="Kotlin has its grammar in tree-sitter-languages only"):
        resolved("Kotlin", "wheels")


@pytest.mark.parametrize("using", ["auto", "bundle", "wheels"])
def test_language_without_any_grammar_is_an_error(using: Grammars) -> None:
    with pytest.raises(PipelineError, match="Assembly has no grammar"):
        resolved("Assembly", using)


def test_unknown_language_offers_the_near_one() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'JavaScript'"):
        parser("Javascript")


def test_parser_is_made_once_a_thread() -> None:
    others: list[object] = []
    thread = threading.Thread(target=lambda: others.append(parser("C")))
    thread.start()
    thread.join()

    assert parser("C") is parser("C")
    assert parser("C") is not others[0]


@pytest.mark.parametrize("using", INSTALLED)
@pytest.mark.parametrize("language", PUBLISHED)
@pytest.mark.parametrize(
    "source",
    [
        b"(" * 10_000,
        b"([{" * 10_000,
        b"(" * 10_000 + b"1" + b")" * 10_000,
        b"\0" * 100_000,
        b"x" * 1_000_000,
        b"\"'`" * 5_000,
        b"x = " + b"a+" * 500_000,
        b"a<" * 50_000,
        b"void f() { " + b"=> is " * 4_000,
        b"void f() { " + b"/* this" * 4_000,
    ],
    ids=["open", "mixed", "nested", "nul", "word", "quotes", "sum", "generics", "arrows", "stars"],
)
def test_hostile_source_ends_in_bounded_time(language: str, using: Grammars, source: bytes) -> None:
    start = time.process_time()

    parse(source, language, using)

    assert time.process_time() - start < 3.0


@pytest.mark.parametrize("language", PUBLISHED)
def test_chain_of_operators_that_would_fill_memory_is_given_up(language: str) -> None:
    assert parse(b"void f() { " + b"=> is " * 4_000, language) is None


def test_too_much_work_is_given_up_and_the_next_parse_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars, "_BASE_CHECKS", 0)
    monkeypatch.setattr(grammars, "_BYTES_A_CHECK", 1_000_000)
    given_up = parse(b"x = 1\n" * 10_000, "Python")
    monkeypatch.undo()
    tree = parse(b"y = 2\n", "Python")

    assert given_up is None
    assert tree is not None
    assert not tree.root_node.has_error
    assert tree.root_node.end_byte == 6


@pytest.mark.parametrize(
    "line",
    [b'x = "' + b"<=>" * 1_000 + b'"', b"# " + b"=" * 3_000, b"x = [" + b"1 << 3, " * 2_000 + b"]"],
    ids=["string", "ruler", "table"],
)
def test_long_lines_of_ordinary_code_are_parsed(line: bytes) -> None:
    tree = parse(line + b"\n", "Python")

    assert tree is not None
    assert not tree.root_node.has_error

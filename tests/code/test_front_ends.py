"""What compilers say of syntax, and that they say it of the right source whatever the others hold."""

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from themis_data.code.front_ends import rejected, resolved
from themis_data.code.language import all_languages
from themis_data.errors import MissingExtra, PipelineError

GOOD_AND_BAD = {
    "Python": (b"x = 1\n", b"x = (\n"),
    "JavaScript": (b"#!/usr/bin/env node\nimport a from 'b';\nexport default a;\n", b"let a = ;\n"),
    "Go": (b"package a\n\nfunc f() {}\n", b"package a\n\nfunc f({}\n"),
    "Ruby": (b"def a\n  1\nend\n", b"def a\n  1\n"),
    "C": (b"int f(void) { return 1; }\n", b"int f(void) { return 1;\n"),
    "C++": (b"template <class T> T f(T a) { return a; }\n", b"template <class T T f(T a) { return a; }\n"),
}


def needs(language: str) -> None:
    program = all_languages()[language].front_end[0]
    if program != "python" and shutil.which(program, path="/usr/bin:/bin") is None:
        pytest.skip(f"{program} is not installed")


def test_every_front_end_is_tried_here():
    assert {name for name, known in all_languages().items() if known.front_end} == GOOD_AND_BAD.keys()


@pytest.mark.parametrize("language", GOOD_AND_BAD)
def test_a_syntax_error_is_told_of_the_source_that_has_it(language):
    needs(language)
    good, bad = GOOD_AND_BAD[language]
    assert [False, True, False] == rejected([good, bad, good], language)


def test_code_that_returns_at_its_top_is_a_commonjs_module():
    needs("JavaScript")
    assert [False, True] == rejected([b"if (module.parent) return;\n", b"return; import a from 'b';\n"], "JavaScript")


def test_a_source_that_brings_the_compiler_down_is_rejected_and_the_others_are_read():
    deep = b"-" * 300_000 + b"1\n"
    assert [False, True, False, True] == rejected([b"x = 1\n", deep, b"y = 2\n", b"x = (\n"], "Python")


@pytest.mark.parametrize("source", [b"\0", b"\xff\xfe", b"# coding: nonsense\n", b""])
def test_any_bytes_get_an_answer(source):
    assert 1 == len(rejected([source], "Python"))


def test_nothing_is_run():
    assert [False] == rejected([b"import sys\nsys.exit(3)\nprint('f0.py:0: error: I am')\n"], "Python")
    assert [] == rejected([], "Python")


def test_a_language_without_one_is_an_error():
    with pytest.raises(PipelineError, match="Haskell has no compiler front end"):
        rejected([b"x"], "Haskell")


def test_a_compiler_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingExtra, match="gofmt, the front end of Go, is not in /usr/bin"):
        rejected([b"x"], "Go")


def test_what_is_resolved_names_the_very_program():
    program, digest = resolved("Python").split()
    assert "python" == program
    assert hashlib.sha256(Path(sys.executable).read_bytes()).hexdigest() == digest

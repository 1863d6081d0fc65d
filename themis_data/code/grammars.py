"""Tree-sitter grammars: where a language's grammar comes from, and a parse that always ends.

`bundle` is tree-sitter-languages, one shared library with every grammar; it has no wheel past Python 3.12 and
its Python interface does not work under a current tree-sitter, so the library is loaded directly. `wheels`
are the official distributions, one a language. `auto` is the bundle where it is installed and the wheels
elsewhere. The two disagree on a few files, so `resolved` names what is used and belongs into fingerprints; a
missing grammar is an error, never another one.
"""

import ctypes
import importlib
import importlib.metadata
import importlib.util
import re
import threading
from functools import cache
from pathlib import Path
from typing import Literal

import tree_sitter

from themis_data.code.language import Language, all_languages, by_name
from themis_data.errors import MissingExtra, PipelineError

Grammars = Literal["auto", "bundle", "wheels"]

BUNDLE = "tree-sitter-languages"
BUNDLE_REQUIREMENT = "tree-sitter-languages==1.10.2"

_local = threading.local()


def resolved(language: str, grammars: Grammars = "auto") -> str:
    """Distribution and version of the grammar that a parse would use, such as `tree-sitter-python 0.25.0`.

    Raises `MissingExtra` with the pip line where it is not installed, and `PipelineError` where no such
    grammar exists.
    """
    known = by_name(language)
    if _uses_bundle(known, grammars):
        return f"{BUNDLE} {importlib.metadata.version(BUNDLE)}"
    if known.wheel is None:
        raise _no_wheel(known)
    try:
        return f"{known.wheel.distribution} {importlib.metadata.version(known.wheel.distribution)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise _missing_wheel(known, known.wheel.distribution, grammars) from error


def resolved_for_published(grammars: Grammars = "auto") -> list[str]:
    """What `resolved` says of each language that the corpus publishes, for the fingerprint of a step that parses."""
    return [resolved(name, grammars) for name, known in all_languages().items() if known.published_as]


def resolved_for_long_tail(grammars: Grammars = "auto") -> list[str]:
    """The same of the languages that are parse-checked and not published; `absent` where one is not installed, which is
    an error as soon as such a file is parsed."""
    found = []
    for name, known in all_languages().items():
        if known.max_error_share is not None and not known.published_as:
            try:
                found.append(f"{name}: {resolved(name, grammars)}")
            except (MissingExtra, PipelineError):  # not installed, or not in the bundle that was asked for
                found.append(f"{name}: absent")
    return found


def parser(language: str, grammars: Grammars = "auto") -> tree_sitter.Parser:
    """The calling thread's parser for a language; made once, then reused.

    A parser keeps state while it parses and Python may switch threads meanwhile, so no two threads share one.
    Raises as `resolved` does.
    """
    parsers: dict[tuple[str, str], tree_sitter.Parser] | None = getattr(_local, "parsers", None)
    if parsers is None:
        parsers = _local.parsers = {}
    found = parsers.get((language, grammars))
    if found is None:
        found = parsers[language, grammars] = tree_sitter.Parser(grammar(language, grammars))
    return found


@cache
def grammar(language: str, grammars: Grammars = "auto") -> tree_sitter.Language:
    """The grammar of a language, loaded once a process. Raises as `resolved` does."""
    known = by_name(language)
    if _uses_bundle(known, grammars):
        function = getattr(_bundle(), f"tree_sitter_{known.grammar}")
        function.restype, function.argtypes = ctypes.c_void_p, []
        return tree_sitter.Language(_capsule(function()))
    if known.wheel is None:
        raise _no_wheel(known)
    try:
        module = importlib.import_module(known.wheel.module)
    except ModuleNotFoundError as error:
        raise _missing_wheel(known, known.wheel.distribution, grammars) from error
    return tree_sitter.Language(getattr(module, known.wheel.function)())


# Work allowed to one parse, counted and not timed, so that the same input gives the same answer on every machine.
# Operations: tree-sitter asks us once every 100, at most 21 times a kB in 4,000 files of the eight languages and
# 40 where a file is parsed as another language. Bytes: what the lexer reads, again where it has to go back; the
# same files made it read no byte more than twice on average, an unclosed comment makes it read on from every `/*`.
_BASE_CHECKS = 500
_BYTES_A_CHECK = 20
_CHUNK_BYTES = 16_384
_BASE_READ_BYTES = 4_000_000
_READS_A_BYTE = 16


def parse(source: bytes, language: str, grammars: Grammars = "auto") -> tree_sitter.Tree | None:
    """The syntax tree of a source, or None where parsing it would cost far more than any real file does.

    The caller bounds the size of the source; time then grows with it, 0.1 s a MB for code and up to about 20 s a
    MB for noise. Bytes that are not UTF-8 become error nodes. Raises as `resolved` does.
    """
    if _may_explode(source, language):
        return None
    using = parser(language, grammars)
    checks_left = _BASE_CHECKS + len(source) // _BYTES_A_CHECK
    bytes_left = _BASE_READ_BYTES + _READS_A_BYTE * len(source)
    view = memoryview(source)  # tree-sitter keeps every piece it was handed until it is done; a view costs nothing

    def read(offset: int, _point: object) -> memoryview:
        nonlocal bytes_left
        if bytes_left < 0:
            return view[:0]  # the end of the source, so that this operation is soon over
        piece = view[offset : offset + _CHUNK_BYTES]
        bytes_left -= len(piece)
        return piece

    def out_of_work(_offset: int, _has_error: bool) -> bool:
        nonlocal checks_left
        checks_left -= 1
        return checks_left < 0 or bytes_left < 0

    try:
        tree = using.parse(read, progress_callback=out_of_work)
    except ValueError:  # the one way in which tree-sitter says that the callback stopped it
        using.reset()  # or the next parse would carry on with this one
        return None
    return tree if bytes_left >= 0 else None


# The last step of a parse cannot be interrupted, and after a chain of operators that never ends its time and
# memory grow with the square of their number: 2,000 in 14 kB of broken Python took 2 s and 1.8 GB. No file of
# the eight languages has even 500 in one line of one statement. Chains over many lines still get through:
# workers need a memory limit.
_MAX_CHAINED_OPERATORS = 500
_STATEMENT_ENDS = re.compile(rb"[;{},]")
_NOT_OPERATORS = re.compile(rb"[^<>=/*+\-|&?%^]+")
# What is not closed runs to the end of the line, so that no byte is tried twice.
_STRINGS = rb""""(?:[^"\\]|\\.)*(?:"|\\?$)|'(?:[^'\\]|\\.)*(?:'|\\?$)|`[^`]*(?:`|$)"""
_NOT_CODE = {
    "#": re.compile(rb"\#.*|" + _STRINGS),
    "//": re.compile(rb"//.*|/\*.*?(?:\*/|$)|" + _STRINGS),
}


def _may_explode(source: bytes, language: str) -> bool:
    for line in source.split(b"\n"):
        if len(line) > _MAX_CHAINED_OPERATORS:  # so an ordinary file costs no more than this split
            not_code = _NOT_CODE["//" if "//" in by_name(language).line_comments else "#"]
            for stretch in _STATEMENT_ENDS.split(not_code.sub(b"", line)):
                if len(_NOT_OPERATORS.sub(b"", stretch)) > _MAX_CHAINED_OPERATORS:
                    return True
    return False


def _uses_bundle(language: Language, grammars: Grammars) -> bool:
    if grammars not in ("auto", "bundle", "wheels"):
        raise PipelineError(f"grammars is {grammars!r}; known: auto, bundle, wheels")
    if language.grammar is None and language.wheel is None:
        raise PipelineError(f"{language.name} has no grammar, so its files cannot be parsed")
    if grammars == "wheels":
        return False
    installed = _bundle_library() is not None
    if grammars == "bundle" and not installed:
        raise MissingExtra(
            f"grammars: bundle needs {BUNDLE}, which is not installed: pip install '{BUNDLE_REQUIREMENT}' "
            "(it has wheels up to Python 3.12; use grammars: wheels on later ones)"
        )
    if language.grammar is None and grammars == "bundle":
        raise PipelineError(f"{BUNDLE} has no grammar for {language.name}; use grammars: wheels")
    return installed and language.grammar is not None


def _no_wheel(language: Language) -> MissingExtra:
    return MissingExtra(
        f"{language.name} has its grammar in {BUNDLE} only: pip install '{BUNDLE_REQUIREMENT}' "
        "(it has wheels up to Python 3.12)"
    )


def _missing_wheel(language: Language, distribution: str, grammars: Grammars) -> MissingExtra:
    other = f", or pip install '{BUNDLE_REQUIREMENT}' on Python 3.12 or earlier" if grammars == "auto" else ""
    return MissingExtra(f"no grammar for {language.name} is installed: pip install {distribution}{other}")


@cache
def _bundle_library() -> Path | None:
    """Path of the bundle's shared library, found without importing its package, whose import fails."""
    spec = importlib.util.find_spec("tree_sitter_languages")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("languages.so", "languages.dll"):
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    return None


@cache
def _bundle() -> ctypes.CDLL:
    return ctypes.CDLL(str(_bundle_library()))


def _capsule(pointer: int) -> object:
    """The named capsule in which tree-sitter takes a grammar; a bare integer it takes only with a warning."""
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    capsule: object = make(pointer, b"tree_sitter.Language", None)
    return capsule

"""The programming languages: one file each in `languages/`, found by name or by a path's extension."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import unknown
from themis_data.yaml_file import read_yaml

_FOLDER = Path(__file__).parent / "languages"
_SEPARATORS = str.maketrans("", "", " -_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """The official grammar of a language on PyPI."""

    distribution: str  # what to install, such as `tree-sitter-c`
    module: str  # what to import
    function: str  # function of the module that returns the grammar's capsule


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """How one program in a language is built and run, in a folder that holds it and nothing else."""

    file: str  # name that the program's file has
    build: tuple[str, ...] = ()  # command; none for a language that is interpreted
    command: tuple[str, ...]
    memory_mib: int = 1024  # address space; some runtimes reserve far more than they use
    needs: str  # what to install, in the words of a Debian package


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRule:
    """How a syntax node of one type defines something that has a name."""

    kind: str  # what it defines, such as `function` or `class`
    name: str | None = None  # field that holds the name, or the declarator that leads to it
    fixed_name: str | None = None  # the name itself, for what has none of its own in the source
    value: str | None = None  # field whose node must be one of `value_nodes`, where the node alone says too little
    body: str = "body"  # field at which the header ends
    scope: bool = False  # its name qualifies the names of what is defined inside
    listed: bool = True  # false: it qualifies other names and is not itself in the list
    needs_body: bool = False  # without a body it is a mention and no definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One programming language, as its file in `languages/` describes it.

    A language with neither grammar nor wheel is known by its extensions only, and cannot be parsed or checked. One
    without `published_as` is outside the eight that the corpus publishes; its file says what its limit rests on.
    """

    name: str
    extensions: tuple[str, ...]  # with the dot; lower case unless the case decides, as in `.C`
    shared_extensions: tuple[str, ...] = ()  # another language has the first claim on these
    line_comments: tuple[str, ...]  # prefixes of a comment that ends with its line
    aliases: tuple[str, ...] = ()  # other names that data sets give it, in lower case
    published_as: str | None = None  # label in the published `language` column
    grammar: str | None = None  # name inside the tree-sitter-languages bundle
    wheel: Wheel | None = None
    comment_nodes: frozenset[str] = frozenset()
    string_nodes: frozenset[str] = frozenset()
    identifier_nodes: frozenset[str] = frozenset()
    preprocessor_nodes: frozenset[str] = frozenset()  # raw text that the grammar leaves unparsed
    definition_nodes: Mapping[str, DefinitionRule] = field(default_factory=lambda: MappingProxyType({}))
    value_nodes: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({})
    )  # value node type -> kind of what it is given to
    scope_only_value_nodes: frozenset[str] = frozenset()  # values that define nothing and qualify what is inside
    wrapper_nodes: frozenset[str] = frozenset()  # a definition directly inside takes their start and documentation
    body_nodes: frozenset[str] = frozenset()  # children, other than the body, at which a header ends too
    annotation_nodes: frozenset[str] = frozenset()  # left out of headers
    import_nodes: frozenset[str] = frozenset()  # statements that bring in names of other files, or name the package
    import_calls: tuple[str, ...] = ()  # functions whose call does, where there is no statement for it
    separator: str = "."  # between the parts of a qualified name
    documentation: str = "above"  # `above`: comments directly above; `docstring`: first statement inside
    directives: tuple[str, ...] = ()  # a comment that begins so speaks to a tool and is no documentation
    max_error_share: float | None = None  # 0..1, share of unparsed bytes above which the parse gate rejects a side
    known_supersets: str | None = None  # what the grammar accepts beyond the language
    front_end: tuple[str, ...] = ()  # command of the language's own compiler that checks syntax; see `front_ends`
    toolchain: Toolchain | None = None  # null: programs in it cannot be run
    front_end_alone: bool = True  # false: it needs the rest of the project to accept a good file


def all_languages() -> dict[str, Language]:
    """All languages by canonical name, in alphabetical order. The dict is the caller's own."""
    return dict(_languages())


def by_name(name: str) -> Language:
    """The language of that canonical name (`C#`, not `c_sharp`); `UnknownName` offers the near ones."""
    found = _languages().get(name)
    if found is None:
        raise UnknownName(unknown("language", name, _languages().keys()))
    return found


def canonical_language(name: str) -> str | None:
    """Canonical name of the language that a data set calls so (`Cpp`, `cplusplus`, `C#`, `golang`); null where none
    has that name.

    Case, spaces around it and a space, hyphen or underscore inside do not matter: `Visual C++` is unknown, `C Sharp` is
    C#, and `Python 3` is Python.
    """
    return _by_alias().get(_alias(name))


def language_of_path(path: str) -> str | None:
    """Canonical name of the language that the path's extension belongs to; null where no language claims it.

    The case of an extension matters only where a language lists it in capitals (`.C` and `.H` are C++ by
    custom, `.S` is assembly); otherwise `.PY` is `.py`. A `.h` file counts as C. Paths are git's, with
    forward slashes.
    """
    extension = posixpath.splitext(path)[1]
    by_extension = _by_extension()
    return by_extension.get(extension) or by_extension.get(extension.lower())


def languages_of_path(path: str) -> tuple[str, ...]:
    """All languages that the path may be in, the likeliest first: (`C`, `C++`) for a `.h` file; empty if
    none.

    The path cannot tell more; the text can, see `detection`.
    """
    first = language_of_path(path)
    if first is None:
        return ()
    others = _also_by_extension().get(posixpath.splitext(path)[1].lower(), ())
    return first, *(name for name in others if name != first)


@cache
def _languages() -> dict[str, Language]:
    found = [_read(path) for path in _FOLDER.glob("*.yaml")]
    return {language.name: language for language in sorted(found, key=lambda language: language.name)}


def _alias(name: str) -> str:
    return name.strip().lower().translate(_SEPARATORS)


@cache
def _by_alias() -> dict[str, str]:
    claimed: dict[str, str] = {}
    for language in _languages().values():
        for alias in {_alias(name) for name in (language.name, *language.aliases)}:
            if alias in claimed:
                raise PipelineError(f"languages: {claimed[alias]} and {language.name} are both called {alias!r}")
            claimed[alias] = language.name
    return claimed


@cache
def _by_extension() -> dict[str, str]:
    claimed: dict[str, str] = {}
    for language in _languages().values():
        for extension in language.extensions:
            if extension in claimed:
                raise PipelineError(f"languages: {claimed[extension]} and {language.name} both list {extension}")
            claimed[extension] = language.name
    return claimed


@cache
def _also_by_extension() -> dict[str, tuple[str, ...]]:
    shared: dict[str, tuple[str, ...]] = {}
    for language in _languages().values():
        for extension in language.shared_extensions:
            shared[extension] = (*shared.get(extension, ()), language.name)
    return shared


def _read(path: Path) -> Language:
    content = read_yaml(path)
    known = {one.name for one in fields(Language)}
    strange = sorted(set(content) - known)
    if strange:
        raise PipelineError(f"{path.name}: {unknown('language field', strange[0], known)}")
    lacking = sorted({"name", "extensions", "line_comments"} - set(content))
    if lacking:
        raise PipelineError(f"{path.name}: lacks {', '.join(lacking)}")
    values: dict[str, Any] = {}
    for name, value in content.items():
        if name == "wheel":
            values[name] = Wheel(**value)
        elif name == "toolchain":
            words: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
            values[name] = Toolchain(**words)
        elif name == "definition_nodes":
            values[name] = MappingProxyType({node: DefinitionRule(**rule) for node, rule in value.items()})
        elif name == "value_nodes":
            values[name] = MappingProxyType(value)
        elif isinstance(value, list):
            values[name] = frozenset(value) if name.endswith("_nodes") else tuple(value)
        else:
            values[name] = value
    return Language(**values)

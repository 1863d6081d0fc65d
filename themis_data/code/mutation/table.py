"""What the mutation operators know about a language: one YAML file each in this folder, found by the language's name.

Node types, fields and words are those of the language's grammars; where the bundle and the official wheel disagree a
table lists both. Pairs of words, `a ~ b; c ~ d`, are exchanged in both directions. Adding a language is adding a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_origin

from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import unknown
from themis_data.yaml_file import read_yaml

_FOLDER = Path(__file__).parent

Pairs = tuple[tuple[str, str], ...]
_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Table:
    """A language as the operators see it. A place is `field`, or `node.field` for the field of one node type only."""

    name: str
    functions: frozenset[str]
    parameter_lists: frozenset[str] = frozenset()  # nodes whose children are, or begin with, a parameter's name
    identifiers: frozenset[str] = frozenset({"identifier"})
    self_names: frozenset[str] = frozenset()  # the object itself; never taken for another variable
    wrappers: frozenset[str] = frozenset()  # nodes that only stand between an expression and where it is used

    untouched: frozenset[str] = frozenset()  # nothing below these nodes changes: types, imports, strings
    untouched_places: frozenset[str] = frozenset()
    untouched_calls: frozenset[str] = frozenset()  # words of the callee: what logs, prints or asserts

    operator_nodes: frozenset[str] = frozenset()  # nodes with an operator
    operator_tokens: frozenset[str] = frozenset()  # named nodes that are one, beside the tokens in field `operator`
    swaps: Mapping[str, Pairs] = field(default_factory=lambda: _EMPTY)  # kind -> pairs of operators
    words: Mapping[str, Mapping[str, Pairs]] = field(default_factory=lambda: _EMPTY)  # node -> kind -> pairs of tokens
    comparisons: frozenset[str] = frozenset()
    logical: frozenset[str] = frozenset()
    asymmetric: frozenset[str] = frozenset()  # operators whose sides are not interchangeable
    neutral_at_one: frozenset[str] = frozenset()  # operators, also of assignment, that do nothing sensible with 1
    adds_text: bool = False  # `+` may join text, so it becomes another operator only beside a number
    two_sides: frozenset[str] = frozenset()  # nodes that make no sense when their first and last part are the same
    branches: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: _EMPTY
    )  # node -> its two exchangeable parts

    constants: Pairs = ()
    integers: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    minus: frozenset[str] = frozenset()  # nodes of a sign before a number
    negative_constants: bool = False  # 0 may become -1
    initial: frozenset[str] = frozenset()  # places of a variable's first value

    subscripts: Mapping[str, str] = field(default_factory=lambda: _EMPTY)  # node -> field of what is indexed
    negative_index: bool = False  # -1 is the last element
    slices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _EMPTY)  # node -> tokens between its bounds
    open_slices: bool = False  # a bound may be left out
    counting: frozenset[str] = frozenset()  # calls whose arguments are bounds
    lower_bound: str = ""  # what to put before the only argument of such a call
    bounded: frozenset[str] = frozenset()  # places of a loop's condition, whose right side is a bound

    calls: frozenset[str] = frozenset()
    call_function: str | None = None  # field of the callee, in grammars where that is one node
    call_name: str | None = None  # field of its name, in grammars where name and receiver are parts of the call
    call_receiver: str | None = None
    call_arguments: str = "arguments"
    attributes: Mapping[str, tuple[str, str]] = field(default_factory=lambda: _EMPTY)  # node -> receiver, name
    named_arguments: frozenset[str] = frozenset()
    similar_calls: Pairs = ()
    similar_methods: Pairs = ()
    transparent_calls: frozenset[str] = frozenset()  # f(x) that could pass for x
    transparent_methods: frozenset[str] = frozenset()  # x.f() that could
    symmetric_calls: frozenset[str] = (
        frozenset()
    )  # the order of arguments makes no difference, or any other is an error
    sizes: frozenset[str] = frozenset()  # functions, methods and attributes that are numbers and never negative
    functions_as_values: frozenset[str] = frozenset()

    negations: frozenset[str] = frozenset()
    negation_words: tuple[str, ...] = ()  # the first is what an operator writes
    conditions: frozenset[str] = frozenset()  # places of conditions that may be negated
    condition_nodes: frozenset[str] = frozenset()  # nodes whose last child is such a condition
    simple: frozenset[str] = frozenset()  # expressions that bind tightly: safe beside any operator

    assignments: frozenset[str] = frozenset()
    bindings: frozenset[str] = frozenset()  # places below which an identifier is a new variable's name
    not_read: frozenset[str] = frozenset()  # places where an identifier is written to, or is no variable
    comprehensions: frozenset[str] = frozenset()  # names bound in these are known in all of them and nowhere else
    scopes: frozenset[str] = frozenset()  # names bound in these are unknown outside
    typed: bool = False  # variables have declared types: `type` of the node that binds them or of the one around it
    number_types: frozenset[str] = frozenset()
    text_types: frozenset[str] = frozenset()
    strings: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()  # expressions whose value is a container
    container_calls: frozenset[str] = frozenset()  # what takes or gives a container
    iterated: frozenset[str] = frozenset()  # places of what is gone through

    blocks: frozenset[str] = frozenset()
    expression_statements: frozenset[str] = frozenset()
    removable: frozenset[str] = frozenset()  # expressions that may go as statements
    removable_methods: frozenset[str] = frozenset()
    unused_is_error: bool = False  # a variable or package that nothing reads does not compile
    guards: Mapping[str, tuple[str, str]] = field(default_factory=lambda: _EMPTY)  # node -> what it does, and else
    leaves: frozenset[str] = frozenset()  # statements that end a guard
    jumps: Pairs = ()  # statements that leave a loop or a turn of it
    loops: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()  # a jump in these need not be one of the loop around


def table(language: str) -> Table:
    """The table of a language. Raises UnknownName where it has none."""
    tables = all_tables()
    if language not in tables:
        raise UnknownName(unknown("mutation table for language", language, tables))
    return tables[language]


@cache
def all_tables() -> Mapping[str, Table]:
    """Every table by its language's name, in alphabetical order."""
    found = [_read(path) for path in _FOLDER.glob("*.yaml")]
    return MappingProxyType({one.name: one for one in sorted(found, key=lambda one: one.name)})


def _read(path: Path) -> Table:
    content = read_yaml(path)
    types: dict[str, Any] = {one.name: one.type for one in fields(Table)}
    values: dict[str, Any] = {}
    for name, value in content.items():
        if name not in types:
            raise PipelineError(f"{path.name}: {unknown('field of a mutation table', name, types)}")
        values[name] = _converted(types[name], value)
    if not {"name", "functions"} <= set(values):
        raise PipelineError(f"{path.name}: a mutation table needs name and functions")
    return Table(**values)


def _converted(kind: Any, value: Any) -> Any:
    """A YAML value as the field wants it: words are text with spaces between, pairs are `a ~ b; c ~ d`."""
    if kind == Pairs:
        pairs = [pair.strip().split(" ~ ") for pair in value.split(";")]
        return tuple((one, other) for one, other in pairs)
    origin = get_origin(kind)
    if origin is frozenset:
        return frozenset(value.split())
    if origin is tuple:
        return tuple(value.split()) if isinstance(value, str) else tuple(value)
    if isinstance(value, dict):
        _, inside = kind.__args__
        return MappingProxyType({name: _converted(inside, one) for name, one in value.items()})
    return value

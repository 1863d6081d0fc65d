"""Small bugs, put into a program through its syntax tree.

Each mutant differs from the original in one place, as a programmer's slip would: a boundary, an index, a wrong
variable. Which nodes and words a language has for that is data (`_Table`); the operators below know no language. Pairs
of words are swapped in both directions, and an offset is added where it is missing and dropped where it is there.

Whether a mutant is a bug is not known here. Only running it tells: see `python_tests.find_bugs`.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import tree_sitter

from themis_data.code import grammars
from themis_data.errors import UnknownName
from themis_data.fingerprint import digest
from themis_data.lookup import unknown


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A program with one change in it."""

    source: bytes
    kind: str  # such as comparison_boundary; the kinds of a language are `kinds(language)`
    line: int  # where the change begins in the original, from 1
    before: str  # the changed lines of the original without indentation; bytes that are not UTF-8 are replaced
    after: str  # the same lines in the mutant; empty where they were removed


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """What the operators need to know about a language; node types and fields are those of its grammar."""

    function: str
    block: str
    untouched: frozenset[str]  # nothing below these changes: signatures, imports, asserts, strings
    swaps: Mapping[str, Mapping[str, Pairs]]  # node with an operator -> kind -> pairs of tokens
    operator_fields: frozenset[str]
    constants: Pairs  # pairs of words that are nodes of their own
    integer: str
    minus: str  # node of a sign before a number
    binary: str
    asymmetric: frozenset[str]  # operators whose sides are not interchangeable
    neutral_at_one: frozenset[str]  # operators, also of assignment, that do nothing or nothing sensible with 1
    comparison: str
    two_sides: frozenset[str]  # nodes that make no sense when their first and last part are the same
    subscript: str
    subscript_value: str  # field of what is indexed
    slice: str
    counting: str  # the call that counts, whose arguments are bounds
    call: str
    arguments: str
    attribute: str
    attribute_name: str
    receiver: str
    similar_calls: Pairs
    similar_methods: Pairs
    transparent_calls: frozenset[str]  # f(x) that could pass for x
    transparent_methods: frozenset[str]  # x.f() that could
    symmetric_calls: frozenset[str]  # the order of arguments makes no difference, or any other is an error
    identifier: str
    string: str
    keyword_argument: str
    negation: str
    negation_word: str
    conditions: frozenset[tuple[str, str]]  # (node, field) of conditions that may be negated
    condition_nodes: frozenset[str]  # nodes whose last child is such a condition
    logical: str
    simple: frozenset[str]  # expressions that bind tightly: safe beside any operator
    numbers: frozenset[str]
    sums: frozenset[str]
    assignment: str
    augmented: str
    containers: frozenset[str]  # expressions whose value is a container
    container_calls: frozenset[str]  # what takes or gives a container
    iterated: frozenset[tuple[str, str]]  # (node, field) of what is gone through
    bindings: frozenset[tuple[str, str]]  # (node, field) below which an identifier is a variable's name
    local_scopes: frozenset[str]  # names bound in these are unknown outside
    parameters: str
    expression_statement: str
    removable: frozenset[str]  # expressions that may go as statements
    removable_methods: frozenset[str]
    jumps: Pairs  # statements that leave a loop or a turn of it
    guard: str
    guard_body: str
    guard_else: str
    leaves: frozenset[str]  # statements that end a guard


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PYTHON = _Table(
    function="function_definition",
    block="block",
    untouched=_words(
        "comment import_statement import_from_statement future_import_statement assert_statement parameters "
        "lambda_parameters type decorator string concatenated_string raise_statement global_statement "
        "nonlocal_statement class_definition print_statement"
    ),
    swaps={
        "comparison_operator": {
            "comparison_boundary": (("<", "<="), (">", ">=")),
            "comparison_negation": (("==", "!="), ("in", "not in"), ("is", "is not"), ("<", ">="), (">", "<=")),
            "comparison_direction": (("<", ">"), ("<=", ">=")),
        },
        "binary_operator": {
            "arithmetic": (("+", "-"), ("*", "+"), ("*", "**"), ("//", "%"), ("//", "/"), ("&", "|"), ("<<", ">>")),
        },
        "augmented_assignment": {
            "assignment_operator": (("+=", "-="), ("*=", "+="), ("//=", "%="), ("//=", "/="), ("&=", "|=")),
        },
        "boolean_operator": {"logical_operator": (("and", "or"),)},
    },
    operator_fields=frozenset({"operator", "operators"}),
    constants=(("True", "False"),),
    integer="integer",
    minus="unary_operator",
    binary="binary_operator",
    asymmetric=frozenset({"-", "/", "//", "%", "**", "+", "<<", ">>"}),
    neutral_at_one=frozenset({"*", "**", "/", "//", "%", "*=", "**=", "/=", "//=", "%="}),
    comparison="comparison_operator",
    two_sides=frozenset({"comparison_operator", "assignment", "conditional_expression", "boolean_operator"}),
    subscript="subscript",
    subscript_value="value",
    slice="slice",
    counting="range",
    call="call",
    arguments="argument_list",
    attribute="attribute",
    attribute_name="attribute",
    receiver="object",
    similar_calls=(("min", "max"), ("any", "all"), ("set", "list")),
    similar_methods=(
        ("upper", "lower"),
        ("isupper", "islower"),
        ("startswith", "endswith"),
        ("lstrip", "rstrip"),
        ("find", "rfind"),
        ("keys", "values"),
        ("floor", "ceil"),
        ("append", "extend"),
        ("isdigit", "isalpha"),
        ("isalnum", "isalpha"),
        ("split", "rsplit"),
        ("index", "count"),
        ("ljust", "rjust"),
    ),
    transparent_calls=_words("abs sorted set list reversed round int str bool"),
    transparent_methods=_words("lower upper strip lstrip rstrip swapcase copy"),
    symmetric_calls=_words("min max gcd zip isinstance range getattr hasattr map filter print"),
    identifier="identifier",
    string="string",
    keyword_argument="keyword_argument",
    negation="not_operator",
    negation_word="not ",
    conditions=frozenset({("if_statement", "condition"), ("elif_clause", "condition")}),
    condition_nodes=frozenset({"if_clause"}),
    logical="boolean_operator",
    simple=_words("identifier call attribute subscript integer float parenthesized_expression"),
    numbers=frozenset({"integer", "float"}),
    sums=frozenset({"+", "-"}),
    assignment="assignment",
    augmented="augmented_assignment",
    containers=_words(
        "list dictionary set tuple list_comprehension dictionary_comprehension set_comprehension generator_expression"
    ),
    container_calls=_words("len sum sorted enumerate set list dict tuple zip reversed any all"),
    iterated=frozenset({("for_statement", "right"), ("for_in_clause", "right"), ("subscript", "value")}),
    bindings=frozenset({("assignment", "left"), ("for_statement", "left"), ("for_in_clause", "left")}),
    local_scopes=_words("list_comprehension set_comprehension dictionary_comprehension generator_expression lambda"),
    parameters="parameters",
    expression_statement="expression_statement",
    removable=frozenset({"augmented_assignment"}),
    removable_methods=_words("append extend add insert pop remove sort reverse update discard clear"),
    jumps=(("break", "continue"),),
    guard="if_statement",
    guard_body="consequence",
    guard_else="alternative",
    leaves=_words("return_statement continue_statement break_statement raise_statement"),
)

_TABLES: Mapping[str, _Table] = {"Python": _PYTHON}


def mutants(
    source: bytes, language: str, *, entry_point: str | None, seed: int | str, most: int | None = None
) -> list[Mutant]:
    """Mutants of a program, each once, in an order that depends on the arguments alone; the first `most` of them.

    `entry_point` is the only function that changes; null for all of them. Kinds take turns, so the first few mutants
    are of many kinds. Each parses with no more errors than the original and differs from it in tokens. There is none
    where the source cannot be parsed within bounds. Raises UnknownName for a language without mutation operators.
    """
    return list(itertools.islice(_mutants(source, _table(language), language, entry_point, str(seed)), most))


def kinds(language: str) -> tuple[str, ...]:
    """Names of the operators of a language, sorted. Raises UnknownName as `mutants` does."""
    swaps = (kind for by_kind in _table(language).swaps.values() for kind in by_kind)
    return tuple(sorted({*swaps, *_OTHER_KINDS}))


def _table(language: str) -> _Table:
    if language not in _TABLES:
        raise UnknownName(unknown("mutation table for language", language, _TABLES))
    return _TABLES[language]


def _mutants(source: bytes, table: _Table, language: str, entry_point: str | None, seed: str) -> Iterator[Mutant]:
    tree = grammars.parse(source, language)
    if tree is None:
        return
    draw = random.Random(digest([source.hex(), language, entry_point, seed]))  # noqa: S311 - no secret
    by_kind: dict[str, list[_Edit]] = {}
    for body in _bodies(tree.root_node, table, source, entry_point):
        for edit in sorted(set(_edits(_Body(source, table, body)))):
            by_kind.setdefault(edit.kind, []).append(edit)
    errors, tokens = _errors_and_tokens(tree, source)
    seen = {source}
    for edit in _in_turns(by_kind, draw):
        changed = source[: edit.start] + edit.text + source[edit.end :]
        if changed in seen:
            continue
        seen.add(changed)
        changed_tree = grammars.parse(changed, language)
        if changed_tree is None:
            continue
        changed_errors, changed_tokens = _errors_and_tokens(changed_tree, changed)
        is_worse = changed_errors > errors or changed_tokens == tokens
        if not is_worse and not _is_silly(changed_tree, changed, edit, table):
            yield _mutant(source, changed, edit)


_OTHER_KINDS = (
    "boolean_constant",
    "constant",
    "dropped_call",
    "dropped_condition",
    "index",
    "initial_value",
    "loop_bound",
    "loop_jump",
    "negated_condition",
    "removed_guard",
    "removed_statement",
    "similar_call",
    "slice_bound",
    "swapped_arguments",
    "swapped_operands",
    "wrong_variable",
)


@dataclass(frozen=True, order=True)
class _Edit:
    start: int
    end: int
    text: bytes
    kind: str


@dataclass(frozen=True)
class _Site:
    node: tree_sitter.Node
    parent: tree_sitter.Node | None
    field: str | None  # of the node in its parent
    scopes: tuple[int, ...]  # start bytes of the local scopes around it


@dataclass
class _Body:
    """A function's body, flattened once; nodes of its untouched parts are left out."""

    source: bytes
    table: _Table
    function: tree_sitter.Node
    sites: list[_Site] = field(default_factory=list)

    def __post_init__(self) -> None:
        body = self.function.child_by_field_name("body")
        assert body is not None, "only functions with a body are taken"
        todo = [_Site(body, self.function, "body", ())]
        while todo:
            site = todo.pop()
            self.sites.append(site)
            inside = site.scopes
            if site.node.type in self.table.local_scopes:
                inside = (*inside, site.node.start_byte)
            for position, child in enumerate(site.node.children):
                if child.type not in self.table.untouched:
                    todo.append(_Site(child, site.node, site.node.field_name_for_child(position), inside))

    def text(self, node: tree_sitter.Node) -> str:
        # Not node.text: the tree was parsed through a callback and has no source of its own.
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _bodies(
    root: tree_sitter.Node, table: _Table, source: bytes, entry_point: str | None
) -> Iterator[tree_sitter.Node]:
    """The functions to change; one inside another belongs to the outer one."""
    todo = [root]
    while todo:
        node = todo.pop()
        if node.type != table.function:
            todo += reversed(node.children)
            continue
        name = node.child_by_field_name("name")
        named = None if name is None else source[name.start_byte : name.end_byte]
        has_body = node.child_by_field_name("body") is not None
        if has_body and (entry_point is None or named == entry_point.encode()):
            yield node


def _in_turns(by_kind: Mapping[str, list[_Edit]], draw: random.Random) -> Iterator[_Edit]:
    """One edit of each kind, then another of each, both in drawn order, until none is left."""
    queues = []
    for kind in sorted(by_kind):
        edits = list(by_kind[kind])
        draw.shuffle(edits)
        queues.append(edits)
    while queues:
        draw.shuffle(queues)
        for edits in queues:
            yield edits.pop()
        queues = [edits for edits in queues if edits]


def _errors_and_tokens(tree: tree_sitter.Tree, source: bytes) -> tuple[int, list[bytes]]:
    errors, tokens, todo = 0, [], [tree.root_node]
    while todo:
        node = todo.pop()
        errors += node.is_error or node.is_missing
        todo += reversed(node.children)
        if not node.children:
            tokens.append(source[node.start_byte : node.end_byte])
    return errors, tokens


def _is_silly(tree: tree_sitter.Tree, source: bytes, edit: _Edit, table: _Table) -> bool:
    """Whether the change made both sides of something the same, as in `x = x` or `1 if c else 1`."""
    end = edit.start + len(edit.text)
    node: tree_sitter.Node | None = tree.root_node
    while node is not None:
        if node.type in table.two_sides:
            first, last = node.children[0], node.children[-1]
            if source[first.start_byte : first.end_byte] == source[last.start_byte : last.end_byte]:
                return True
        around = (child for child in node.children if child.start_byte <= edit.start and end <= child.end_byte)
        node = next(around, None)
    return False


def _mutant(source: bytes, changed: bytes, edit: _Edit) -> Mutant:
    start = source.rfind(b"\n", 0, edit.start) + 1
    whole_lines = source[edit.end - 1 : edit.end] == b"\n" and edit.start == start
    end = edit.end - 1 if whole_lines else source.find(b"\n", edit.end)
    end = len(source) if end < 0 else end
    after = b"" if whole_lines and not edit.text else changed[start : end + len(changed) - len(source)]
    return Mutant(
        source=changed,
        kind=edit.kind,
        line=source.count(b"\n", 0, edit.start) + 1,
        before=source[start:end].decode("utf-8", "replace").strip(),
        after=after.decode("utf-8", "replace").strip(),
    )


# ---------------------------------------------------------------------------------------------------------------
# The operators. Each yields edits; they need not be distinct.


def _edits(body: _Body) -> Iterator[_Edit]:
    for site in body.sites:
        yield from _swapped_operators(body, site)
        yield from _changed_constants(body, site)
        yield from _moved_bounds(body, site)
        yield from _changed_calls(body, site)
        yield from _swapped_sides(body, site)
        yield from _changed_conditions(body, site)
        yield from _removed_statements(body, site)
    yield from _wrong_variables(body)


def _replace(node: tree_sitter.Node, text: str, kind: str) -> _Edit:
    return _Edit(node.start_byte, node.end_byte, text.encode(), kind)


def _other_words(pairs: Pairs, word: str) -> Iterator[str]:
    for one, other in pairs:
        if word == one:
            yield other
        elif word == other:
            yield one


def _operators(body: _Body, node: tree_sitter.Node) -> Iterator[tuple[int, int, str]]:
    """Span and word of each operator of a node; `not in` is two nodes side by side in some grammars."""
    start: int | None = None
    end = 0
    for position, child in enumerate(node.children):
        if node.field_name_for_child(position) in body.table.operator_fields and not child.is_named:
            start, end = child.start_byte if start is None else start, child.end_byte
        elif start is not None:
            yield start, end, " ".join(body.source[start:end].decode("utf-8", "replace").split())
            start = None


def _swapped_operators(body: _Body, site: _Site) -> Iterator[_Edit]:
    for kind, pairs in body.table.swaps.get(site.node.type, {}).items():
        right = site.node.child_by_field_name("right")
        by_one = right is not None and body.text(right) in ("0", "1")
        for start, end, word in _operators(body, site.node):
            for other in _other_words(pairs, word):
                if not (by_one and other in body.table.neutral_at_one):
                    yield _Edit(start, end, other.encode(), kind)


def _changed_constants(body: _Body, site: _Site) -> Iterator[_Edit]:
    table, node = body.table, site.node
    for other in _other_words(table.constants, body.text(node)):
        yield _replace(node, other, "boolean_constant")
    for other in _other_words(table.jumps, body.text(node)):
        if not node.is_named:
            yield _replace(node, other, "loop_jump")
    value = _integer(body, node)
    parent = site.parent
    if value is None or parent is None or (parent.type == table.minus and _integer(body, parent) is not None):
        return
    if parent.type == table.subscript and site.field != table.subscript_value:
        wanted = [(value + step, "index") for step in (-1, 1)]
    elif parent.type == table.slice:
        return  # see _moved_bounds
    elif parent.type == table.assignment and site.field == "right":
        wanted = [(value + step, "initial_value") for step in (-1, 1)]
    elif _counts(body, site):
        wanted = [(value + step, "loop_bound") for step in (-1, 1)]
    else:
        wanted = [(value + step, "constant") for step in (-1, 1)]
    operator = _operator(body, parent)
    if operator is not None and site.field == "right":
        # `x - 0`, `x // 1` or `n += 0` is no slip that anyone makes; nor is comparing with -1 instead of 0.
        least = 2 if operator in table.neutral_at_one else 1
        wanted = [(number, kind) for number, kind in wanted if number >= least]
    elif parent.type == table.comparison and value == 0:
        wanted = [(1, "constant")]
    for number, kind in wanted:
        yield _replace(node, str(number), kind)


def _integer(body: _Body, node: tree_sitter.Node) -> int | None:
    """The value of a decimal literal, with its sign if it has one."""
    text = body.text(node)
    digits = text
    if node.type == body.table.minus and node.child_count == 2 and node.children[1].type == body.table.integer:
        digits = text[1:]
    elif node.type != body.table.integer:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10 and text[:1] in "-0123456789"):
        return None
    return int(text)


def _operator(body: _Body, node: tree_sitter.Node) -> str | None:
    if node.type not in (body.table.binary, body.table.augmented):
        return None
    return next((word for _, _, word in _operators(body, node)), None)


def _counts(body: _Body, site: _Site) -> bool:
    """Whether this is a direct argument of the call that counts."""
    if site.parent is None or site.parent.type != body.table.arguments or site.parent.parent is None:
        return False
    function = site.parent.parent.child_by_field_name("function")
    return function is not None and body.text(function) == body.table.counting


def _moved_bounds(body: _Body, site: _Site) -> Iterator[_Edit]:
    """Indices, slice bounds and loop bounds that are off by one."""
    table, node, parent = body.table, site.node, site.parent
    if parent is None or not node.is_named:
        return
    if parent.type == table.slice:
        colons = [child.start_byte for child in parent.children if not child.is_named]
        is_step = len(colons) > 1 and node.start_byte > colons[1]
        is_start = node.start_byte < colons[0] if colons else False
        if is_step:
            return
        kind = "slice_bound"
        value = _integer(body, node)
        if value is not None:
            for number in (value - 1, value + 1):
                if number == 0 and is_start:
                    yield _replace(node, "", kind)
                elif number != 0:
                    yield _replace(node, str(number), kind)
                elif value < 0:
                    yield _replace(node, "", kind)
            return
    elif parent.type == table.subscript and site.field != table.subscript_value:
        kind = "index"
    elif _counts(body, site):
        kind = "loop_bound"
        arguments = [child for child in parent.children if child.is_named]
        if len(arguments) == 1:
            yield _Edit(node.start_byte, node.start_byte, b"1, ", kind)
        elif len(arguments) == 2 and arguments[0] == node and body.text(node) == "1":
            yield _Edit(node.start_byte, arguments[1].start_byte, b"", kind)
        if len(arguments) > 2 and arguments[2] == node:
            return
    else:
        return
    operator = _operator(body, node)
    right = node.child_by_field_name("right")
    left = node.child_by_field_name("left")
    if operator in table.sums and left is not None and right is not None:
        if body.text(right) == "1":
            yield _replace(node, body.text(left), kind)
        elif _integer(body, right) is None:
            yield _Edit(node.end_byte, node.end_byte, b" + 1", kind)
            yield _Edit(node.end_byte, node.end_byte, b" - 1", kind)
    elif node.type in table.simple and _integer(body, node) is None:
        yield _Edit(node.end_byte, node.end_byte, b" + 1", kind)
        yield _Edit(node.end_byte, node.end_byte, b" - 1", kind)


def _changed_calls(body: _Body, site: _Site) -> Iterator[_Edit]:
    table, node = body.table, site.node
    if node.type != table.call:
        return
    function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if function is None or arguments is None or arguments.type != table.arguments:
        return
    given = [child for child in arguments.children if child.is_named and child.type != "comment"]
    # Beside an operator the argument alone could bind otherwise than the call did.
    fits = site.parent is not None and site.parent.type in (table.arguments, table.assignment)
    if function.type == table.identifier:
        name = body.text(function)
        if name in table.container_calls and site.parent is not None and site.parent.type == table.comparison:
            return  # a set against a list is never equal
        for other in _other_words(table.similar_calls, name):
            if len(given) == 1 or (name, other) in (("min", "max"), ("max", "min")):
                yield _replace(function, other, "similar_call")
        if name in table.transparent_calls and len(given) == 1 and (fits or given[0].type in table.simple):
            yield _replace(node, body.text(given[0]), "dropped_call")
    elif function.type == table.attribute:
        attribute, receiver = (
            function.child_by_field_name(table.attribute_name),
            function.child_by_field_name(table.receiver),
        )
        if attribute is None or receiver is None:
            return
        name = body.text(attribute)
        for other in _other_words(table.similar_methods, name):
            yield _replace(attribute, other, "similar_call")
        if name in table.transparent_methods and not given:
            yield _replace(node, body.text(receiver), "dropped_call")
    else:
        return
    if name not in table.symmetric_calls and all(child.type != table.keyword_argument for child in given):
        for first, second in itertools.pairwise(given):
            yield _exchange(body, first, second, "swapped_arguments")


def _exchange(body: _Body, first: tree_sitter.Node, second: tree_sitter.Node, kind: str) -> _Edit:
    between = body.source[first.end_byte : second.start_byte]
    text = body.source[second.start_byte : second.end_byte] + between + body.source[first.start_byte : first.end_byte]
    return _Edit(first.start_byte, second.end_byte, text, kind)


def _swapped_sides(body: _Body, site: _Site) -> Iterator[_Edit]:
    table, node = body.table, site.node
    operator = _operator(body, node)
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if operator not in table.asymmetric or left is None or right is None:
        return
    # `x + 1` can be turned round, and nobody writes `2 % x` by mistake.
    if left.type in table.simple - table.numbers and right.type in table.simple - table.numbers:
        yield _exchange(body, left, right, "swapped_operands")


def _changed_conditions(body: _Body, site: _Site) -> Iterator[_Edit]:
    table, node, parent = body.table, site.node, site.parent
    if parent is None:
        return
    if node.type == table.logical:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is not None and right is not None and parent.type != table.negation:
            yield _replace(node, body.text(left), "dropped_condition")
            yield _replace(node, body.text(right), "dropped_condition")
    decides = (parent.type, site.field) in table.conditions or parent.type == table.logical
    decides = decides or (parent.type in table.condition_nodes and parent.children[-1] == node)
    if node.type == table.negation:
        argument = node.child_by_field_name("argument")
        if argument is not None:
            yield _replace(node, body.text(argument), "negated_condition")
    elif decides and node.is_named and node.type in table.simple:
        yield _Edit(node.start_byte, node.start_byte, table.negation_word.encode(), "negated_condition")


def _removed_statements(body: _Body, site: _Site) -> Iterator[_Edit]:
    table, node, parent = body.table, site.node, site.parent
    if parent is None or parent.type != table.block:
        return
    statements = [child for child in parent.children if child.is_named]
    lines = _own_lines(body, node)
    if len(statements) < 2 or lines is None:
        return
    place = statements.index(node)
    above = statements[place - 1] if place else parent.prev_sibling
    if above is not None and above.type == "comment":
        return  # it would tell what is missing
    if node.type == table.expression_statement and node.child_count == 1:
        inner = node.children[0]
        function = inner.child_by_field_name("function") if inner.type == table.call else None
        attribute = None if function is None else function.child_by_field_name(table.attribute_name)
        if inner.type in table.removable or (attribute is not None and body.text(attribute) in table.removable_methods):
            yield _Edit(*lines, b"", "removed_statement")
    elif node.type == table.guard and node.child_by_field_name(table.guard_else) is None:
        inside = node.child_by_field_name(table.guard_body)
        last = [child for child in inside.children if child.is_named] if inside is not None else []
        if last and last[-1].type in table.leaves and place + 1 < len(statements):
            yield _Edit(*lines, b"", "removed_guard")


def _own_lines(body: _Body, node: tree_sitter.Node) -> tuple[int, int] | None:
    """The whole lines that hold this statement and nothing else."""
    start = body.source.rfind(b"\n", 0, node.start_byte) + 1
    end = body.source.find(b"\n", node.end_byte)
    if end < 0 or body.source[start : node.start_byte].strip() or body.source[node.end_byte : end].strip():
        return None
    return start, end + 1


def _wrong_variables(body: _Body) -> Iterator[_Edit]:
    """Another variable of the same scope, bound further up, in place of one that is read."""
    table = body.table
    holds_many = _containers(body)
    bound: list[tuple[int, str, tuple[int, ...]]] = []  # where, name, scopes
    parameters = body.function.child_by_field_name(table.parameters)
    for child in parameters.children if parameters is not None else []:
        first = child if child.type == table.identifier else next(iter(child.named_children), None)
        if first is not None and first.type == table.identifier:
            bound.append((first.start_byte, body.text(first), ()))
    targets: set[int] = set()
    for site in body.sites:
        for position, child in enumerate(site.node.children):
            if (site.node.type, site.node.field_name_for_child(position)) in table.bindings:
                inside = (*site.scopes, site.node.start_byte) if site.node.type in table.local_scopes else site.scopes
                for node in _identifiers(child, table):
                    targets.add(node.start_byte)
                    bound.append((0 if inside else node.start_byte, body.text(node), inside))
    read = [site for site in body.sites if site.node.type == table.identifier]
    for site in read:
        if site.node.start_byte in targets or site.parent is None:
            continue
        parent, name = site.parent, body.text(site.node)
        if (parent.type, site.field) in {(table.call, "function"), (table.keyword_argument, "name")}:
            continue
        if parent.type == table.attribute and site.field == table.attribute_name:
            continue
        if not any(name == other for _, other, _ in bound):
            continue  # a global, a built-in
        if parent.type == table.comparison and any(child.type == table.string for child in parent.children):
            continue  # the other variable is hardly ever a string too
        beside = {body.text(child) for child in parent.children}
        for place, other, scopes in bound:
            visible = scopes == site.scopes[: len(scopes)]
            alike = (name in holds_many) == (other in holds_many)
            if other not in beside and visible and alike and place < site.node.start_byte:
                yield _replace(site.node, other, "wrong_variable")


def _containers(body: _Body) -> set[str]:
    """Names of variables that hold many things, as far as their use shows."""
    table, names = body.table, set()
    for site in body.sites:
        if site.parent is None:
            continue
        node, parent = site.node, site.parent
        if node.type == table.identifier:
            called = None
            if parent.type == table.arguments and parent.parent is not None:
                function = parent.parent.child_by_field_name("function")
                called = None if function is None else body.text(function)
            method = parent.child_by_field_name(table.attribute_name) if parent.type == table.attribute else None
            grows = site.field == table.receiver and method is not None and body.text(method) in table.removable_methods
            if (parent.type, site.field) in table.iterated or called in table.container_calls or grows:
                names.add(body.text(node))
        elif parent.type == table.assignment and site.field == "right":
            function = node.child_by_field_name("function")
            made = function is not None and body.text(function) in table.container_calls - {"len", "sum", "any", "all"}
            left = parent.child_by_field_name("left")
            if left is not None and (node.type in table.containers or made):
                names.add(body.text(left))
    return names


def _identifiers(node: tree_sitter.Node, table: _Table) -> Iterator[tree_sitter.Node]:
    """The names in an assignment's target; those inside an index or before a dot are read, not bound."""
    todo = [node]
    while todo:
        node = todo.pop()
        if node.type == table.identifier:
            yield node
        elif node.type not in (table.subscript, table.attribute):
            todo += node.children

"""The mutation operators. They know no language: what they look for is in its table.

Each yields edits of one function; edits need not be distinct, and not every one is worth keeping.
"""

import itertools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import tree_sitter

from themis_data.code.mutation.table import Pairs, Table

# What each kind needs of a table, beside the kinds that a table names itself.
_NEEDS = {
    "boolean_constant": "constants",
    "constant": "integers",
    "dropped_call": "transparent_methods",
    "dropped_condition": "logical",
    "index": "subscripts",
    "initial_value": "initial",
    "loop_jump": "jumps",
    "negated_condition": "conditions",
    "removed_guard": "guards",
    "removed_statement": "removable",
    "similar_call": "similar_methods",
    "slice_bound": "slices",
    "swapped_arguments": "calls",
    "swapped_branches": "branches",
    "swapped_operands": "asymmetric",
    "wrong_variable": "bindings",
}
_REVERSED = ("comparison_negation", "comparison_direction")
_NEAREST = 100  # variables that one may be taken for: a module in one function has thousands
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, order=True)
class Edit:
    """Bytes `start` to `end` of a source become `text`."""

    start: int
    end: int
    text: bytes
    kind: str


def kinds_of(table: Table) -> tuple[str, ...]:
    """Names of all kinds that a table gives rise to, sorted."""
    found = {kind for kind, needed in _NEEDS.items() if getattr(table, needed)}
    found |= {kind for by_kind in table.words.values() for kind in by_kind}
    if table.counting or table.bounded:
        found.add("loop_bound")
    return tuple(sorted(found | set(table.swaps)))


def bodies(root: tree_sitter.Node, table: Table, source: bytes, entry_point: str | None) -> Iterator[tree_sitter.Node]:
    """The functions to change; one inside another belongs to the outer one, unless that has another name."""
    todo = [root]
    while todo:
        node = todo.pop()
        is_function = node.type in table.functions and node.child_by_field_name("body") is not None
        if is_function and (entry_point is None or _name(node, source) == entry_point):
            yield node
        else:
            todo += reversed(node.children)


def edits(source: bytes, table: Table, function: tree_sitter.Node) -> Iterator[Edit]:
    """All edits of one function."""
    body = _Body(source, table, function)
    for site in body.sites:
        for edit in _edits_at(body, site):
            if not table.unused_is_error or not _leaves_unused(body, edit):
                yield edit
    for edit in _wrong_variables(body):
        if not table.unused_is_error or not _leaves_unused(body, edit):
            yield edit


def _edits_at(body: "_Body", site: "_Site") -> Iterator[Edit]:
    yield from _swapped_operators(body, site)
    yield from _swapped_words(body, site)
    yield from _changed_constants(body, site)
    yield from _moved_bounds(body, site)
    yield from _changed_calls(body, site)
    yield from _swapped_sides(body, site)
    yield from _changed_conditions(body, site)
    yield from _removed_statements(body, site)


def _name(function: tree_sitter.Node, source: bytes) -> str | None:
    """The last part of a function's name; that of the variable it is given to, where it has none of its own."""
    node = function.child_by_field_name("name") or function.child_by_field_name("declarator")
    if node is None and function.parent is not None:
        node = function.parent.child_by_field_name("name")
    while node is not None and node.children:
        node = node.child_by_field_name("name") or node.child_by_field_name("declarator") or node.named_children[-1]
    return None if node is None else source[node.start_byte : node.end_byte].decode("utf-8", "replace")


# ---------------------------------------------------------------------------------------------------------------
# A function, flattened.


@dataclass(frozen=True, eq=False)
class _Site:
    node: tree_sitter.Node
    above: "_Site | None"
    field: str | None  # of the node in its parent
    scopes: tuple[int, ...]  # start bytes of the scopes around it
    used: "_Site | None"  # what it is a part of, wrappers left out
    used_field: str | None  # as which part

    @property
    def place(self) -> str:
        return "" if self.above is None else f"{self.above.node.type}.{self.field}"

    @property
    def used_place(self) -> str:
        return "" if self.used is None else f"{self.used.node.type}.{self.used_field}"

    @property
    def used_in(self) -> str:
        """Type of what it is a part of."""
        return "" if self.used is None else self.used.node.type


@dataclass(frozen=True)
class _Binding:
    name: str
    start: int  # where it is known from
    scopes: tuple[int, ...]
    type: str | None  # as declared; null where that is not known


@dataclass
class _Body:
    """A function, flattened once; nodes of its untouched parts are left out of `sites`."""

    source: bytes
    table: Table
    function: tree_sitter.Node
    sites: list[_Site] = field(default_factory=list)  # of the body
    bindings: list[_Binding] = field(default_factory=list)  # also the parameters
    targets: set[int] = field(default_factory=set)  # start bytes of identifiers that are bound there
    types: dict[str, set[str | None]] = field(default_factory=dict)  # of each name that is bound
    read: dict[str, list[_Site]] = field(default_factory=dict)  # sites of each identifier
    traits: dict[str, set[str]] = field(default_factory=dict)  # name -> number, text, many, called, .MEMBER

    def __post_init__(self) -> None:
        body = self.function.child_by_field_name("body")
        assert body is not None, "only functions with a body are taken"
        top = _Site(self.function, None, None, (), None, None)
        header = [
            site
            for position, child in enumerate(self.function.children)
            if child != body
            for site in self._flat(_Site(child, top, self.function.field_name_for_child(position), (), top, None))
        ]
        self.sites = list(self._flat(_Site(body, top, "body", (), top, "body"), only_touched=True))
        for site in header:
            self._bind(site)
            if site.node.type in self.table.parameter_lists:
                for child in site.node.children:
                    first = child if child.type in self.table.identifiers else next(iter(child.named_children), None)
                    if first is not None and first.type in self.table.identifiers:
                        self.bindings.append(_Binding(self.text(first), first.start_byte, (), None))
        for site in self.sites:
            self._bind(site)
            if site.node.type in self.table.identifiers:
                self.read.setdefault(self.text(site.node), []).append(site)
        for binding in self.bindings:
            self.types.setdefault(binding.name, set()).add(binding.type)
            self._trait(binding.name, self._traits_of_type(binding.type))
        for _ in range(2):  # a sum of numbers is a number, and so is what it is given to
            for site in self.sites:
                self._see(site)

    def _flat(self, first: _Site, *, only_touched: bool = False) -> Iterator[_Site]:
        table, todo = self.table, [first]
        while todo:
            site = todo.pop()
            yield site
            node, inside = site.node, site.scopes
            if node.type in table.scopes or node.type in table.comprehensions:
                inside = (*inside, node.start_byte)
            wraps = node.type in table.wrappers
            for position, child in enumerate(node.children):
                name = node.field_name_for_child(position)
                used, used_field = (site.used, site.used_field) if wraps else (site, name)
                below = _Site(child, site, name, inside, used, used_field)
                if not only_touched or self._is_touched(below):
                    todo.append(below)

    def _is_touched(self, site: _Site) -> bool:
        table = self.table
        if site.node.type in table.untouched:
            return False
        if site.field in table.untouched_places or site.place in table.untouched_places:
            return False
        if site.node.type in table.calls and table.untouched_calls:
            called = callee(self, site.node)
            if called is not None and table.untouched_calls.intersection(_WORD.findall(called.text)):
                return False
        return True

    def text(self, node: tree_sitter.Node) -> str:
        # Not node.text: the tree was parsed through a callback and has no source of its own.
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _bind(self, site: _Site) -> None:
        table, node = self.table, site.node
        for position, child in enumerate(node.children):
            place = f"{node.type}.{node.field_name_for_child(position)}"
            if place not in table.bindings:
                continue
            kind = self._declared(node, child)
            local = node.type in table.scopes or node.type in table.comprehensions
            scopes = (*site.scopes, node.start_byte) if local else site.scopes
            is_late = any(start in scopes for start in self._comprehensions(site))
            has_value = self._value(node, child) is not None
            for name in self._names(child):
                self.targets.add(name.start_byte)
                # In a typed language a variable without a value may not be read yet.
                if has_value or not table.typed or "declarat" not in node.type or "parameter" in node.type:
                    start = 0 if is_late else name.start_byte
                    self.bindings.append(_Binding(self.text(name), start, scopes, kind))

    def _comprehensions(self, site: _Site) -> Iterator[int]:
        above: _Site | None = site
        while above is not None:
            if above.node.type in self.table.comprehensions:
                yield above.node.start_byte
            above = above.above

    def _names(self, target: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
        """The names in what is bound; those inside an index or before a dot are read, not bound."""
        todo = [target]
        while todo:
            node = todo.pop()
            if node.type in self.table.identifiers:
                yield node
            elif node.type not in self.table.subscripts and node.type not in self.table.attributes:
                inner = node.child_by_field_name("declarator")
                todo += [inner] if inner is not None else node.children

    def _value(self, node: tree_sitter.Node, target: tree_sitter.Node) -> tree_sitter.Node | None:
        """What a binding gives to its target, where that is one node."""
        for name in ("value", "right"):
            for place in (target, node):
                found = place.child_by_field_name(name)
                if found is not None:
                    return found
        after = [child for child in node.named_children if child.start_byte >= target.end_byte]
        return after[-1] if after else None

    def _declared(self, node: tree_sitter.Node, target: tree_sitter.Node) -> str | None:
        """The type of what is bound: as written, with the signs of pointers, or that of a literal it begins as."""
        table = self.table
        if not table.typed:
            return None
        written = node.child_by_field_name("type")
        if written is None and node.parent is not None:
            written = node.parent.child_by_field_name("type")
        text = "" if written is None else " ".join(self.text(written).split())
        if text not in ("", "var", "auto"):
            signs = ""
            while (inner := target.child_by_field_name("declarator")) is not None:
                signs += "" if target.type.startswith(("init", "reference")) else "*"
                target = inner
            return text + signs
        value = self._value(node, target)
        while value is not None and value.type in table.wrappers and len(value.named_children) == 1:
            value = value.named_children[0]
        if value is not None and value.type in table.integers:
            return "int"
        if value is not None and value.type in table.strings:
            return min(table.text_types, default=None)
        if value is not None and value.type in table.calls:
            called = callee(self, value)
            if called is not None and called.name in table.sizes:
                return "int"
        return None

    def _traits_of_type(self, kind: str | None) -> set[str]:
        if kind is None:
            return set()
        found = {"number"} if kind in self.table.number_types else set()
        return found | ({"text"} if kind in self.table.text_types else set())

    def _trait(self, name: str, found: set[str]) -> None:
        self.traits.setdefault(name, set()).update(found)

    def of(self, node: tree_sitter.Node) -> set[str]:
        """What an expression is, as far as it shows: number, text, many, and for a variable also what it is used as."""
        table = self.table
        while node.type in table.wrappers and len(node.named_children) == 1:
            node = node.named_children[0]
        if node.type in table.identifiers:
            return self.traits.get(self.text(node), set())
        if node.type in table.numbers or (node.type in table.minus and integer(self, node) is not None):
            return {"number"}
        if node.type in table.strings:
            return {"text"}
        if node.type in table.containers:
            return {"many"}
        if node.type in table.calls:
            called = callee(self, node)
            if called is not None and called.name in table.sizes:
                return {"number"}
            if called is not None and called.name in table.container_calls:
                return {"many"}
        if node.type in table.attributes:
            name = node.child_by_field_name(table.attributes[node.type][1])
            if name is not None and self.text(name) in table.sizes:
                return {"number"}
        left, right = sides(self, node)
        if left is not None and right is not None:
            word = operator(self, node)
            if word == "+":
                both = self.sum_of(node)
                return {"text"} if "text" in both else both
            if word in ("-", "/", "//", "**") or (word in ("*", "%") and "text" not in self.of(left)):
                return {"number"} if "many" not in self.of(left) else set()
        return set()

    def sum_of(self, node: tree_sitter.Node) -> set[str]:
        """Traits of all operands of a chain of sums; without recursion on its long side."""
        found: set[str] = set()
        while True:
            left, right = sides(self, node)
            if left is None or right is None:
                return found | self._shallow(node)
            if operator(self, node) != "+":
                return found | self._shallow(left)
            found |= self._shallow(right)
            node = left

    def _shallow(self, node: tree_sitter.Node) -> set[str]:
        return set() if node.type in self.table.operator_nodes else self.of(node)

    def _see(self, site: _Site) -> None:
        """What one place tells about the variables in it."""
        table, node = self.table, site.node
        if node.type in table.identifiers and site.above is not None:
            name = self.text(node)
            if site.used_place in table.iterated:
                self._trait(name, {"many"})
            above = site.above.node
            called = callee(self, above) if above.type in table.calls else None
            if called is not None and called.name_node == node and called.receiver is None:
                self._trait(name, {"called"})
            member = _member(self, site)
            if member is not None:
                self._trait(name, {f".{member}"})
                if member in table.removable_methods:
                    self._trait(name, {"many"})
            if above.parent is not None and above.parent.type in table.calls and site.field != "function":
                called = callee(self, above.parent)
                if called is not None and called.name in table.container_calls:
                    self._trait(name, {"many"})
            if called is None and above.type in table.words and {"++", "--"} & {child.type for child in above.children}:
                self._trait(name, {"number"})
        for position, child in enumerate(node.children):
            place = f"{node.type}.{node.field_name_for_child(position)}"
            if place in table.bindings:
                value = self._value(node, child)
                names = list(self._names(child))
                if value is not None and len(names) == 1 and place not in table.iterated:
                    found = set() if "for" in node.type or "range" in node.type else self.of(value)
                    called = callee(self, value) if value.type in table.calls else None
                    if "for" in node.type and called is not None and called.name in table.counting:
                        found = {"number"}
                    self._trait(self.text(names[0]), found & {"number", "text", "many"})
        if node.type in table.operator_nodes:
            left, right = sides(self, node)
            if left is None or right is None:
                return
            word = operator(self, node) or ""
            if word in table.comparisons or word in ("-", "-=", "+="):
                for one, other in ((left, right), (right, left)):
                    if one.type in table.identifiers and {"number", "text"} & self.of(other):
                        self._trait(self.text(one), self.of(other) & {"number", "text"})


def _member(body: _Body, site: _Site) -> str | None:
    """The attribute or method that is taken of what stands here."""
    table = body.table
    if site.above is None:
        return None
    above, member = site.above.node, None
    if above.type in table.attributes and site.field == table.attributes[above.type][0]:
        member = above.child_by_field_name(table.attributes[above.type][1])
    elif above.type in table.calls and (called := callee(body, above)) is not None and called.receiver == site.node:
        member = called.name_node
    return None if member is None else body.text(member)


@dataclass(frozen=True)
class _Called:
    text: str  # all of the callee
    name: str
    name_node: tree_sitter.Node
    receiver: tree_sitter.Node | None
    given: list[tree_sitter.Node]  # the arguments


def callee(body: _Body, call: tree_sitter.Node) -> _Called | None:
    """What a call calls; null where that has no name."""
    table = body.table
    arguments = call.child_by_field_name(table.call_arguments)
    given = [] if arguments is None else [c for c in arguments.named_children if c.type != "comment"]
    name: tree_sitter.Node | None = None
    receiver: tree_sitter.Node | None = None
    if table.call_name is not None:
        name = call.child_by_field_name(table.call_name)
        receiver = call.child_by_field_name(table.call_receiver) if table.call_receiver else None
        text = "" if name is None else (f"{body.text(receiver)}." if receiver else "") + body.text(name)
    else:
        function = call.child_by_field_name(table.call_function or "function")
        if function is None:
            return None
        text = body.text(function)
        if function.type in table.attributes:
            of, named = table.attributes[function.type]
            name, receiver = function.child_by_field_name(named), function.child_by_field_name(of)
        elif function.type in table.identifiers:
            name = function
    if name is None:
        return None
    return _Called(text, body.text(name), name, receiver, given)


def operators_in(body: _Body, node: tree_sitter.Node) -> Iterator[tuple[int, int, str]]:
    """Span and word of each operator of a node; `not in` is two nodes side by side in some grammars."""
    start: int | None = None
    end = 0
    for position, child in enumerate(node.children):
        in_field = node.field_name_for_child(position) in ("operator", "operators") and not child.is_named
        if in_field or child.type in body.table.operator_tokens:
            start, end = child.start_byte if start is None else start, child.end_byte
        elif start is not None:
            yield start, end, " ".join(body.source[start:end].decode("utf-8", "replace").split())
            start = None


def operator(body: _Body, node: tree_sitter.Node) -> str | None:
    """The first operator of a node that has operators."""
    if node.type not in body.table.operator_nodes:
        return None
    return next((word for _, _, word in operators_in(body, node)), None)


def sides(body: _Body, node: tree_sitter.Node) -> tuple[tree_sitter.Node | None, tree_sitter.Node | None]:
    """What stands left and right of a node's operator; nulls where it has none."""
    if node.type not in body.table.operator_nodes or node.child_count < 3:
        return None, None
    return (
        node.child_by_field_name("left") or node.children[0],
        node.child_by_field_name("right") or node.children[-1],
    )


def integer(body: _Body, node: tree_sitter.Node) -> int | None:
    """The value of a decimal literal, with its sign if it has one."""
    text = digits = body.text(node)
    if node.type in body.table.minus and node.child_count == 2 and node.children[1].type in body.table.integers:
        digits = text[1:]
    elif node.type not in body.table.integers:
        return None
    else:
        digits = text.removeprefix("-")  # a part of the literal in some grammars
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10 and text[:1] in "-0123456789"):
        return None
    if digits != str(int(digits)):
        return None  # octal, in languages that have such
    return int(text)


def _replace(node: tree_sitter.Node, text: str, kind: str) -> Edit:
    return Edit(node.start_byte, node.end_byte, text.encode(), kind)


def _other_words(pairs: Pairs, word: str) -> Iterator[str]:
    for one, other in pairs:
        if word == one:
            yield other
        elif word == other:
            yield one


# ---------------------------------------------------------------------------------------------------------------
# The operators.


def _swapped_operators(body: _Body, site: _Site) -> Iterator[Edit]:
    table, node = body.table, site.node
    if node.type not in table.operator_nodes:
        return
    left, right = sides(body, node)
    while right is not None and right.type in table.wrappers and len(right.named_children) == 1:
        right = right.named_children[0]
    by_one = right is not None and body.text(right) in ("0", "1")
    for start, end, word in operators_in(body, node):
        sign = word.removesuffix("=")
        if sign in ("+", "*", "%") and left is not None and right is not None:
            traits = body.of(left) | body.of(right)
            if sign == "+":
                traits |= body.sum_of(node)
                if site.used is not None and operator(body, site.used.node) == "+":
                    traits |= body.of(site.used.node) & {"text"}
            if traits & {"text", "many"} or (sign == "+" and table.adds_text and "number" not in traits):
                continue
        if word == "-" and right is not None and (_type_of(body, right) or "").endswith("*"):
            continue  # only the difference of two pointers means anything
        for kind, pairs in table.swaps.items():
            if kind in _REVERSED and _keeps_looping(body, site):
                continue  # a loop that does not even begin
            for other in _other_words(pairs, word):
                if by_one and other in table.neutral_at_one:
                    continue
                if left is not None and right is not None and _always(body, left, other, integer(body, right)):
                    continue
                yield Edit(start, end, other.encode(), kind)


def _always(body: _Body, left: tree_sitter.Node, word: str, right: int | None) -> bool:
    """Whether a comparison has but one answer: no length is below zero."""
    if word not in ("<", ">=") or right != 0:
        return False
    name: tree_sitter.Node | None = None
    if left.type in body.table.calls:
        called = callee(body, left)
        name = None if called is None else called.name_node
    elif left.type in body.table.attributes:
        name = left.child_by_field_name(body.table.attributes[left.type][1])
    return name is not None and body.text(name) in body.table.sizes


def _swapped_words(body: _Body, site: _Site) -> Iterator[Edit]:
    table, node = body.table, site.node
    for kind, pairs in table.words.get(node.type, {}).items():
        if site.used is not None and f"{site.used.node.type}.{site.used_field}" in table.untouched_places:
            continue
        for child in node.children:
            for other in _other_words(pairs, body.text(child)) if not child.is_named else ():
                yield _replace(child, other, kind)
    if not node.is_named:
        for other in _other_words(table.jumps, body.text(node)):
            if _in_loop(table, site):
                yield _replace(node, other, "loop_jump")
    if node.type in table.branches:
        parts = [child for child in node.named_children if child.type != "comment"]
        one, other_one = table.branches[node.type]
        if other_one < len(parts):
            first, second = parts[one], parts[other_one]
            yield _exchange(body, first, second, "swapped_branches")


def _in_loop(table: Table, site: _Site) -> bool:
    """Whether a jump at this place leaves a loop, and not a switch."""
    above = site.above
    while above is not None:
        if above.node.type in table.loops:
            return True
        if above.node.type in table.switches or above.node.type in table.functions:
            return False
        above = above.above
    return False


def _changed_constants(body: _Body, site: _Site) -> Iterator[Edit]:
    table, node = body.table, site.node
    for other in _other_words(table.constants, body.text(node)) if node.child_count < 2 else ():
        yield _replace(node, other, "boolean_constant")
    value = integer(body, node)
    above = None if site.above is None else site.above.node
    if value is None or above is None or (above.type in table.minus and integer(body, above) is not None):
        return
    lowest = -1 if table.negative_constants or value < 0 else 0
    kind = "constant"
    if site.used_in in table.slices:
        return  # see _moved_bounds
    if site.used_in in table.subscripts:
        if site.used_field == table.subscripts[site.used_in]:
            return
        kind = "index"
        lowest = -1 if table.negative_index else 0
    elif site.used_place in table.initial:
        kind = "initial_value"
        if site.used is not None and _is_loop_counter(table, site.used):
            kind, lowest = "loop_bound", 0
    elif _counts(body, site) or _is_bound(body, site):
        kind = "loop_bound"
    steps = [number for number in (value - 1, value + 1) if number >= lowest or value < 0]
    if value == -1 and kind != "index":
        steps = [0]  # it stands for "none" or "failed", and nobody takes -2 for it
    # Two operators above: `x - 0`, `x // 1` or `n += 0` is no slip that anyone makes.
    word = None if site.used is None else operator(body, site.used.node)
    left, right = (None, None) if site.used is None else sides(body, site.used.node)
    if word is not None and left is not None and right is not None and right.start_byte <= node.start_byte:
        if word in table.comparisons:
            steps = [number for number in steps if value != 0 or number == 1]
            steps = [number for number in steps if number != 0 or not _always(body, left, word, number)]
        elif word not in ("=", ":="):
            least = 2 if word in table.neutral_at_one else 1
            steps = [number for number in steps if number >= least]
    for number in steps:
        yield _replace(node, str(number), kind)


def _is_loop_counter(table: Table, declarator: _Site) -> bool:
    above: _Site | None = declarator
    while above is not None and above.node.type not in table.blocks:
        if above.node.type in table.loops:
            return True
        above = above.above
    return False


def _keeps_looping(body: _Body, site: _Site) -> bool:
    """Whether a comparison, perhaps with others, is what a loop goes on by."""
    while site.used is not None and operator(body, site.used.node) in body.table.logical:
        site = site.used
    return site.used_place in body.table.bounded


def _counts(body: _Body, site: _Site) -> bool:
    """Whether this is a direct argument of a call that counts."""
    if site.used is None or site.used.above is None or site.used.above.node.type not in body.table.calls:
        return False
    called = callee(body, site.used.above.node)
    return called is not None and called.name in body.table.counting and site.node in called.given


def _is_bound(body: _Body, site: _Site) -> bool:
    """Whether a loop goes on while something is less, or more, than this."""
    comparison = site.used
    if comparison is None or comparison.used_place not in body.table.bounded or site.used_field != "right":
        return False
    return (operator(body, comparison.node) or " ")[0] in "<>"


def _moved_bounds(body: _Body, site: _Site) -> Iterator[Edit]:
    """Indices, slice bounds and loop bounds that are off by one."""
    table, node = body.table, site.node
    if site.above is None or site.used is None or not node.is_named or node.type in table.wrappers:
        return
    around = site.used.node
    needs_number = table.adds_text  # an index may be a key
    if around.type in table.slices:
        if site.used_field == table.subscripts.get(around.type, "no field"):
            return
        marks = [child.start_byte for child in around.children if child.type in table.slices[around.type]]
        before = sum(start < node.start_byte for start in marks)
        if before > 1:
            return  # the step
        if around.type in table.subscripts or site.used.used_in in table.subscripts:
            kind = "slice_bound"
        else:
            kind = "loop_bound"
        needs_number = False
        value = integer(body, node)
        if value is not None:
            for number in (value - 1, value + 1):
                if table.open_slices and ((number == 0 and before == 0) or (value < 0 == number)):
                    yield _replace(node, "", kind)
                elif (number != 0 or not table.open_slices) and (table.negative_index or number >= 0 or value < 0):
                    yield _replace(node, str(number), kind)
            return
    elif around.type in table.subscripts and site.used_field != table.subscripts[around.type]:
        kind = "index"
    elif _counts(body, site):
        kind = "loop_bound"
        given = [child for child in around.children if child.is_named]
        if len(given) == 1 and table.lower_bound:
            yield Edit(node.start_byte, node.start_byte, table.lower_bound.encode(), kind)
        elif len(given) == 2 and given[0] == node and table.lower_bound == f"{body.text(node)}, ":
            yield Edit(node.start_byte, given[1].start_byte, b"", kind)
        if len(given) > 2 and given[2] == node:
            return
        needs_number = False
    elif _is_bound(body, site):
        kind = "loop_bound"
    else:
        return
    word = operator(body, node)
    left, right = sides(body, node)
    if word in ("+", "-") and left is not None and right is not None:
        if "text" in body.of(node):
            return
        if body.text(right) == "1":
            yield _replace(node, body.text(left), kind)
        elif integer(body, right) is None:
            yield Edit(node.end_byte, node.end_byte, b" + 1", kind)
            yield Edit(node.end_byte, node.end_byte, b" - 1", kind)
    elif node.type in table.simple and integer(body, node) is None:
        if "number" in body.of(node) or not (needs_number or "text" in body.of(node)):
            yield Edit(node.end_byte, node.end_byte, b" + 1", kind)
            yield Edit(node.end_byte, node.end_byte, b" - 1", kind)


def _changed_calls(body: _Body, site: _Site) -> Iterator[Edit]:
    table, node = body.table, site.node
    called = callee(body, node) if node.type in table.calls else None
    if called is None:
        return
    given, name = called.given, called.name
    # Beside an operator the argument alone could bind otherwise than the call did.
    in_arguments = site.used is not None and site.used.above is not None and site.used.above.node.type in table.calls
    fits = in_arguments or site.used_in in table.assignments
    of_word = None if site.used is None else operator(body, site.used.node)
    compared = of_word is not None and of_word in table.comparisons
    # A set against a list is never equal.
    if not (compared and called.receiver is None and name in table.container_calls):
        for other in _other_words(table.similar_calls, name):
            if len(given) == 1 or {name, other} <= table.symmetric_calls:
                yield _replace(called.name_node, other, "similar_call")
        is_transparent = name in table.transparent_calls or called.text in table.transparent_calls
        if is_transparent and len(given) == 1 and (fits or given[0].type in table.simple):
            if called.receiver is None or called.text in table.transparent_calls:
                yield _replace(node, body.text(given[0]), "dropped_call")
    if called.receiver is not None:
        for other in _other_words(table.similar_methods, name):
            yield _replace(called.name_node, other, "similar_call")
        if name in table.transparent_methods and not given and site.above is not None:
            if site.above.node.type not in table.blocks | table.expression_statements:
                yield _replace(node, body.text(called.receiver), "dropped_call")
    if name not in table.symmetric_calls and not any(child.type in table.named_arguments for child in given):
        for first, second in itertools.pairwise(given):
            if _exchangeable(body, first, second):
                yield _exchange(body, first, second, "swapped_arguments")


def _exchangeable(body: _Body, first: tree_sitter.Node, second: tree_sitter.Node) -> bool:
    """Whether two arguments are alike enough to be taken for one another."""
    table = body.table
    for one in (first, second):
        while one.type in table.wrappers and len(one.named_children) == 1:
            one = one.named_children[0]
        if one.type in table.functions_as_values:
            return False
    if table.typed:
        kinds = [_type_of(body, one) for one in (first, second)]
        return kinds[0] is not None and kinds[0] == kinds[1]
    one_is, other_is = body.of(first), body.of(second)
    if table.adds_text:
        return not one_is.isdisjoint(other_is)
    return not one_is or not other_is or not one_is.isdisjoint(other_is)


def _type_of(body: _Body, node: tree_sitter.Node) -> str | None:
    table = body.table
    while node.type in table.wrappers and len(node.named_children) == 1:
        node = node.named_children[0]
    if node.type in table.identifiers:
        types = body.types.get(body.text(node), set())
        return next(iter(types)) if len(types) == 1 else None
    if integer(body, node) is not None:
        return "int"
    return None


def _exchange(body: _Body, first: tree_sitter.Node, second: tree_sitter.Node, kind: str) -> Edit:
    between = body.source[first.end_byte : second.start_byte]
    text = body.source[second.start_byte : second.end_byte] + between + body.source[first.start_byte : first.end_byte]
    return Edit(first.start_byte, second.end_byte, text, kind)


def _swapped_sides(body: _Body, site: _Site) -> Iterator[Edit]:
    table, node = body.table, site.node
    word = operator(body, node)
    left, right = sides(body, node)
    if word not in table.asymmetric or left is None or right is None:
        return
    if word == "+" and "number" in body.of(left) | body.of(right):
        return  # the same number
    # Nobody writes `2 % x` by mistake.
    if left.type in table.simple - table.numbers and right.type in table.simple - table.numbers:
        yield _exchange(body, left, right, "swapped_operands")


def _changed_conditions(body: _Body, site: _Site) -> Iterator[Edit]:
    table, node = body.table, site.node
    if site.above is None:
        return
    around = site.used.node if site.used is not None else None
    word = operator(body, node)
    if word in table.logical and (around is None or around.type not in table.negations):
        for side in ("left", "right"):
            kept = node.child_by_field_name(side)
            if kept is not None:
                yield _replace(node, body.text(kept), "dropped_condition")
    if node.type in table.negations and node.children and body.text(node.children[0]) in table.negation_words:
        argument = node.named_children[-1] if node.named_children else None
        if argument is not None and (argument.type in table.simple or around is None or operator(body, around) is None):
            yield _replace(node, body.text(argument), "negated_condition")
    elif node.is_named and node.type in table.simple and node.type not in table.wrappers and _decides(body, site):
        negation = table.negation_words[0]
        text = f"{negation} " if negation.isalpha() else negation
        yield Edit(node.start_byte, node.start_byte, text.encode(), "negated_condition")


def _decides(body: _Body, site: _Site) -> bool:
    """Whether an expression is a condition, or one side of one."""
    table = body.table
    while site.used is not None and operator(body, site.used.node) in table.logical:
        site = site.used
    if site.used_place in table.conditions:
        return True
    return site.used_in in table.condition_nodes and site.used is not None and site.used.node.children[-1] == site.node


def _removed_statements(body: _Body, site: _Site) -> Iterator[Edit]:
    table, node = body.table, site.node
    if site.above is None or site.above.node.type not in table.blocks or not node.is_named:
        return
    statements = [child for child in site.above.node.named_children if child.type != "comment"]
    lines = _own_lines(body, node)
    if len(statements) < 2 or lines is None or node not in statements:
        return
    above = node.prev_named_sibling or site.above.node.prev_named_sibling
    if above is not None and above.type == "comment":
        return  # it would tell what is missing
    inner = node.named_children[0] if node.type in table.expression_statements and node.named_children else node
    if _may_go(body, inner):
        yield Edit(*lines, b"", "removed_statement")
    if node.type in table.guards:
        does, otherwise = table.guards[node.type]
        inside = node.child_by_field_name(does)
        if inside is None or node.child_by_field_name(otherwise) is not None:
            return
        while inside.type not in table.leaves and inside.named_children:
            inside = inside.named_children[-1]
            if inside.type not in table.leaves and inside.type not in table.blocks:
                return
        if inside.type in table.leaves and node != statements[-1]:
            yield Edit(*lines, b"", "removed_guard")


def _may_go(body: _Body, statement: tree_sitter.Node) -> bool:
    table = body.table
    if statement.type in table.calls:
        called = callee(body, statement)
        return called is not None and called.name in table.removable_methods
    if statement.type not in table.removable:
        return False
    left = statement.child_by_field_name("left")
    if statement.type in table.assignments and operator(body, statement) in ("=", None):
        # A variable that is never given its value is another matter than a field or an element.
        while left is not None and left.type in table.wrappers and len(left.named_children) == 1:
            left = left.named_children[0]
        return left is not None and (left.type in table.attributes or left.type in table.subscripts)
    return True


def _own_lines(body: _Body, node: tree_sitter.Node) -> tuple[int, int] | None:
    """The whole lines that hold this statement and nothing else."""
    start = body.source.rfind(b"\n", 0, node.start_byte) + 1
    end = body.source.find(b"\n", node.end_byte)
    if end < 0 or body.source[start : node.start_byte].strip() or body.source[node.end_byte : end].strip():
        return None
    return start, end + 1


def _wrong_variables(body: _Body) -> Iterator[Edit]:
    """Another variable of the same scope and like use, bound further up, in place of one that is read."""
    table = body.table
    bindings = sorted(body.bindings, key=lambda binding: binding.start)
    for site in body.sites:
        node = site.node
        if node.type not in table.identifiers or node.start_byte in body.targets or site.above is None:
            continue
        name = body.text(node)
        if name not in body.types or name in table.self_names:
            continue  # a global, a built-in
        if site.place in table.not_read or site.used_place in table.not_read:
            continue
        above = site.above.node
        called = callee(body, above) if above.type in table.calls else None
        if called is not None and called.name_node == node:
            continue
        compared = site.used.node if site.used is not None else None
        if compared is not None and operator(body, compared) in table.comparisons:
            if any(child.type in table.strings for child in compared.children):
                continue  # the other variable is hardly ever a string too
        beside = {body.text(child) for child in above.children}
        if compared is not None:
            beside |= {body.text(child) for child in compared.children}
        types = body.types[name]
        member = _member(body, site)
        last = bisect_left(bindings, node.start_byte, key=lambda binding: binding.start)
        for binding in bindings[max(0, last - _NEAREST) : last]:
            other = binding.name
            if other in beside or other in table.self_names:
                continue
            if binding.scopes != site.scopes[: len(binding.scopes)]:
                continue
            if table.typed:
                alike = binding.type is not None and types == {binding.type}
            else:
                alike = _alike(body, name, other, member)
            if alike:
                yield _replace(node, other, "wrong_variable")


def _alike(body: _Body, name: str, other: str, member: str | None) -> bool:
    """Whether two variables are used alike; `member` is what this use takes of the first."""
    one, another = body.traits.get(name, set()), body.traits.get(other, set())
    if member is not None and f".{member}" not in another:
        return False
    if not body.table.adds_text:
        return ("many" in one) == ("many" in another)
    if {"number", "text", "many", "called"} & (one ^ another):
        return False
    return not one.isdisjoint(another)


def _leaves_unused(body: _Body, edit: Edit) -> bool:
    """Whether an edit takes away the only use of a variable or a package."""
    removed = Counter(_WORD.findall(body.source[edit.start : edit.end].decode("utf-8", "replace")))
    kept = Counter(_WORD.findall(edit.text.decode("utf-8", "replace")))
    for name, count in (removed - kept).items():
        of_name = body.read.get(name)
        if of_name is None:
            continue
        bound = {binding.start for binding in body.bindings if binding.name == name}
        if bound:
            left = [
                site
                for site in of_name
                if site.node.start_byte not in body.targets
                and site.place not in body.table.not_read
                and site.used_place not in body.table.not_read
                and not edit.start <= site.node.start_byte < edit.end
            ]
            if not left:
                return True
        elif len(re.findall(rb"\b%s\." % re.escape(name.encode()), body.source)) <= count:
            return True
    return False

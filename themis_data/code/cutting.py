"""Cuts two versions of a file to the definitions in which they differ.

A file is read as members: what stands at its top level, and what stands directly in a namespace, a class or another
thing that holds definitions. What is cut out is whole members, never a part of one, and the same on both sides: every
line that differs stays with the member it is in, and a line that both sides have stays on both or goes on both. So
the two fragments differ in what the two files differ in, blank lines between members apart, and a definition that
only one side has, such as a new helper, is never lost. Members correspond where their lines do, so overloads and
renamed definitions are told apart better than by their names; those of the same name on both sides always are.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tree_sitter import Node

from themis_data.code.grammars import Grammars, parse
from themis_data.code.language import Language, by_name
from themis_data.code.syntax import measure

Lines = Sequence[tuple[int, int]]  # ranges of 0-based lines, the end excluded


@dataclass(frozen=True, slots=True)
class Cut:
    """Two fragments, or the reason why there are none. Without either there was nothing to leave out."""

    old: str | None = None
    new: str | None = None
    reason: str | None = None


def cut(
    old: str, new: str, language: str, *, changed: tuple[Lines, Lines], max_bytes: int, grammars: Grammars = "auto"
) -> Cut:
    """Both versions without the members that are the same in both.

    `changed` are the line ranges that differ, of the old and the new version, the n-th of one in the stead of the n-th
    of the other. A fragment has, in the order of the file: the imports and the package clause; of what surrounds a
    kept member, its head and its end, and Ruby's or C++'s access section; the kept members with the comment directly
    above. One blank line stands where something was left out. Lines are never altered.

    Imports stay where both sides have them, also those that hang on a condition and a fall-back; one that only one side
    has is a difference and stays too. A member is a
    definition, a field, a statement at the top level or a comment of its own; comments above a class go with what is
    left out. Include guards, `extern "C"` and `#ifdef __cplusplus` go too, other conditions stay around what they hold.

    Reasons: `unparsable` (the parser gave a side up), `outside_definitions` (they differ in imports, comments, heads of
    classes or blank lines only), `one_sided` (of one side no member is left: the other only adds),
    `definition_too_large` (a kept member alone is over `max_bytes`), `fragment_too_large` (all of them together are),
    `fragment_unparsable` (a fragment has errors that its file does not have).
    """
    spec = by_name(language)
    sides = []
    for text in (old, new):
        side = _read(text, spec, max_bytes, grammars)
        if side is None:
            return Cut(reason="unparsable")
        sides.append(side)
    hunks = _hunks_at_members(sides, changed)
    has_code = _keep_changed(sides, hunks)
    before, after = sides
    if not has_code or before.kept_lines() == after.kept_lines():
        return Cut(reason="outside_definitions")
    if not all(side.has_code() for side in sides):
        return Cut(reason="one_sided")
    fragments = [side.fragment() for side in sides]
    size = max(len(fragment.encode()) for fragment in fragments)
    if size > max_bytes:
        largest = max(side.largest_member() for side in sides)
        kind, size = ("definition_too_large", largest) if largest > max_bytes else ("fragment_too_large", size)
        return Cut(reason=f"{kind}: {size}")
    if not any(side.lacks_something() for side in sides):
        return Cut()
    for text, fragment in zip((old, new), fragments, strict=True):
        found = measure(fragment.encode(), language, grammars=grammars)
        if found.num_errors and found.num_errors > measure(text.encode(), language, grammars=grammars).num_errors:
            return Cut(reason="fragment_unparsable")
    return Cut(old=fragments[0], new=fragments[1])


def imports(text: str, language: str, *, grammars: Grammars = "auto") -> list[str]:
    """The unconditional imports of a file in order, each in one line; none of a file that the parser gives up."""
    side = _read(text, by_name(language), sys.maxsize, grammars)
    if side is None:
        return []
    found = [member for member in dict.fromkeys(side.owner) if member.kind == "import"]
    lines = [" ".join("\n".join(side.lines[one.first : one.last + 1]).split()) for one in found]
    return [line for line in lines if not line.startswith(("#if", "try:", "if "))]


# ---- what is kept


_Kind = Literal["code", "import", "section", "other"]
_KINDS: tuple[_Kind, ...] = ("code", "import", "section", "other")  # the first is what a line with several is


@dataclass(slots=True, eq=False)
class _Member:
    """A stretch of whole lines. One that is open has members itself, between its head and its end."""

    first: int
    last: int
    kind: _Kind
    is_open: bool = False
    head: int = -1  # the last line of the head, which begins with `first`
    end: int = -1  # the first line of the end, which runs to `last`
    inside: list["_Member"] = field(default_factory=list)
    parent: "_Member | None" = None
    section: "_Member | None" = None  # the access section that it stands in

    def edges(self) -> Iterator[int]:
        yield from range(self.first, self.head + 1)
        yield from range(self.end, self.last + 1)


@dataclass(slots=True)
class _Side:
    lines: list[str]
    owner: list[_Member]  # of every line: the innermost member
    kept: set[int] = field(default_factory=set)
    opened: set[_Member] = field(default_factory=set)  # open members of which something is kept

    def keep(self, line: int) -> set[int]:
        """Keeps what a line belongs to, with what surrounds it; the lines that are kept since."""
        if line in self.kept:
            return set()
        member = self.owner[line]
        wanted: set[int] = set()
        if not member.is_open:
            wanted.update(range(member.first, member.last + 1))
            if member.section is not None:
                wanted.update(range(member.section.first, member.section.last + 1))
        elif member.head < line < member.end:
            if not self.lines[line].strip():
                return set()
            wanted.add(line)  # such as a bracket that belongs to no member
        around: _Member | None = member if member.is_open else member.parent
        while around is not None and around not in self.opened:
            self.opened.add(around)
            wanted.update(around.edges())
            for one in around.inside:
                if one.kind == "import":
                    wanted.update(range(one.first, one.last + 1))
            around = around.parent
        new = wanted - self.kept
        self.kept |= new
        return new

    def kept_lines(self) -> list[str]:
        return [self.lines[n].removesuffix("\r") for n in sorted(self.kept) if self.lines[n].strip()]

    def lacks_something(self) -> bool:
        return any(n not in self.kept and line.strip() for n, line in enumerate(self.lines))

    def has_code(self) -> bool:
        return any(self.owner[n].kind == "code" and not self.owner[n].is_open for n in self.kept)

    def largest_member(self) -> int:
        """Bytes of the largest kept member that is not open."""
        members = {self.owner[n] for n in self.kept}
        sizes = [
            len("\n".join(self.lines[member.first : member.last + 1]).encode()) + 1
            for member in members
            if not member.is_open
        ]
        return max(sizes, default=0)

    def fragment(self) -> str:
        """The kept lines, and a blank one where something is left out, but not inside of a head or an end."""
        heads = {member.head for member in self.opened}
        ends = {member.end for member in self.opened}
        pieces: list[str] = []
        before = None
        for line in sorted(self.kept):
            if before is not None and line > before + 1 and before not in heads and line not in ends:
                pieces.append("\r" if self.lines[before].endswith("\r") else "")
            pieces.append(self.lines[line])
            before = line
        return "\n".join(pieces) + "\n"


_Hunk = tuple[int, int, int, int]  # first line and end, of the old and of the new version


def _keep_changed(sides: Sequence[_Side], hunks: Sequence[_Hunk]) -> bool:
    """Keeps on both sides what the differing lines belong to; false if no code is among it."""
    partners = _partners(sides, hunks)
    has_code = False
    for side, other in ((0, 1), (1, 0)):
        for hunk in hunks:
            first, end = hunk[2 * side], hunk[2 * side + 1]
            lines = list(range(first, end))
            if not lines and 0 < first < len(sides[side].lines):
                # Something came in here: that concerns the member around it, if there is one.
                here = sides[side].owner[first]
                lines = [first] if here is sides[side].owner[first - 1] and not here.is_open else []
            for line in lines:
                owner = sides[side].owner[line]
                has_code = has_code or (owner.kind == "code" and not owner.is_open)
                _keep_with_partners(sides, partners, (side, other), line)
    return has_code


def _keep_with_partners(
    sides: Sequence[_Side], partners: tuple[dict[int, int], dict[int, int]], places: tuple[int, int], line: int
) -> None:
    waiting = [(*places, line)]
    while waiting:
        side, other, here = waiting.pop()
        for kept in sides[side].keep(here):
            there = partners[side].get(kept)
            if there is not None and there not in sides[other].kept:
                waiting.append((other, side, there))


def _partners(sides: Sequence[_Side], hunks: Sequence[_Hunk]) -> tuple[dict[int, int], dict[int, int]]:
    """The line of the other version that each unchanged line is, of the old and of the new version."""
    there: dict[int, int] = {}
    old, new = 0, 0
    for old_first, old_end, new_first, new_end in hunks:
        there.update(zip(range(old, old_first), range(new, new_first), strict=True))
        old, new = old_end, new_end
    there.update(zip(range(old, len(sides[0].lines)), range(new, len(sides[1].lines)), strict=False))
    return there, {b: a for a, b in there.items()}


_MAX_SLIDE = 200  # lines


def _hunks_at_members(sides: Sequence[_Side], changed: tuple[Lines, Lines]) -> list[_Hunk]:
    """The hunks, those that only add or only remove moved so that they begin and end between members if they can.

    A line diff does not know whose the closing bracket is: of a new function it often takes the end of the one before.
    """
    hunks: list[_Hunk] = [(*a, *b) for a, b in zip(*changed, strict=True)]
    for place, (old_first, old_end, new_first, new_end) in enumerate(hunks):
        if (old_first == old_end) == (new_first == new_end):
            continue
        side = sides[1] if old_first == old_end else sides[0]
        first, end = (new_first, new_end) if old_first == old_end else (old_first, old_end)
        room_above = old_first - hunks[place - 1][1] if place else old_first
        next_old = hunks[place + 1][0] if place + 1 < len(hunks) else len(sides[0].lines)
        room_below = min(next_old - old_end, len(side.lines) - end)
        best = min(
            _slides(side.lines, first, end, room_above, room_below),
            key=lambda by: (_torn(side, first + by, end + by), abs(by)),
        )
        hunks[place] = (old_first + best, old_end + best, new_first + best, new_end + best)
    return hunks


def _slides(lines: Sequence[str], first: int, end: int, room_above: int, room_below: int) -> Iterator[int]:
    """By how many lines an added or removed stretch may be moved and still say the same."""
    yield 0
    for by in range(1, min(room_above, _MAX_SLIDE) + 1):
        if lines[first - by].rstrip("\r") != lines[end - by].rstrip("\r"):
            break
        yield -by
    for by in range(1, min(room_below, _MAX_SLIDE) + 1):
        if lines[first + by - 1].rstrip("\r") != lines[end + by - 1].rstrip("\r"):
            break
        yield by


def _torn(side: _Side, first: int, end: int) -> int:
    """How many members a stretch of lines has only a part of."""
    torn = 0
    for place in (first, end):
        if 0 < place < len(side.lines):
            above, below = side.owner[place - 1], side.owner[place]
            torn += above is below and not above.is_open
    return torn


# ---- members


_TYPES = frozenset({"class", "struct", "union", "interface", "record", "annotation"})
_TYPES_AND_SCOPES = _TYPES | {"module", "namespace"}
_CONDITIONS = frozenset({"preproc_if", "preproc_ifdef", "preproc_elif", "preproc_elifdef", "preproc_else"})
_SECTIONS = frozenset({b"private", b"protected", b"public", b"module_function"})
_MAX_DEPTH = 32  # of open members in one another; what is deeper is not opened


def _read(text: str, spec: Language, max_bytes: int, grammars: Grammars) -> _Side | None:
    source = text.encode()
    tree = parse(source, spec.name, grammars)
    if tree is None:
        return None
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    root = _Member(0, len(lines) - 1, "other", is_open=True, head=-1, end=len(lines))
    root.inside = _Reader(source, spec, max_bytes).members(tree.root_node.children, 0)
    owner = [root] * len(lines)
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        section = None
        for member in parent.inside:
            member.parent = parent
            if member.kind == "section":
                section = member
            else:
                member.section = section
            owner[member.first : member.last + 1] = [member] * (member.last + 1 - member.first)
            waiting.append(member)
    return _Side(lines, owner[: len(lines)])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads members off a syntax tree."""

    source: bytes
    spec: Language
    max_bytes: int

    def members(self, nodes: Iterable[Node], depth: int) -> list[_Member]:
        found: list[_Member] = []
        comments: list[Node] = []  # the block that may belong to the next member

        def set_apart() -> None:
            if comments:
                found.append(_Member(comments[0].start_point.row, _last_line(comments[-1]), "other"))
                comments.clear()

        for node in nodes:
            if node.type in self.spec.comment_nodes:
                if comments and _last_line(comments[-1]) + 1 < node.start_point.row:
                    set_apart()
                if comments or not found or node.start_point.row > found[-1].last:
                    comments.append(node)
                continue
            if node.type == "\n" or node.start_byte == node.end_byte:
                continue
            made = self._made(node, depth)
            is_documented = bool(made) and made[0].kind == "code" and not made[0].is_open
            if comments and is_documented and self._is_attached(comments[-1], made[0]):
                made[0].first = comments[0].start_point.row
                comments.clear()
            set_apart()
            found.extend(made)
        set_apart()
        return _apart(found)

    def _is_attached(self, comment: Node, member: _Member) -> bool:
        distance = member.first - _last_line(comment)
        return distance <= 1 or (distance == 2 and self.source.startswith(b"/**", comment.start_byte))

    def _made(self, node: Node, depth: int) -> list[_Member]:
        """The members a node stands for: itself, or those inside of one that only surrounds them."""
        if depth < _MAX_DEPTH:
            if node.is_error:
                return self.members(node.children, depth + 1)
            if node.type in _CONDITIONS:
                return self._in_condition(node, depth)
            if node.type == "linkage_specification" and (body := node.child_by_field_name("body")) is not None:
                return self.members(body.children, depth + 1) if body.type == "declaration_list" else [_leaf(node)]
            if _last_line(node) > node.start_point.row and (opened := self._opened(node, depth)) is not None:
                return [opened]
        if not node.is_named or node.type == "empty_statement":
            return [_leaf(node, "other")]
        if self._is_section(node):
            return [_leaf(node, "section")]
        return [_leaf(node, "import" if self._is_import(node) else "code")]

    def _in_condition(self, node: Node, depth: int) -> list[_Member]:
        """What stands between an `#if` and its `#endif`, in it."""
        head_end = node.child_by_field_name("condition") or node.child_by_field_name("name") or node.children[0]
        tail = node.children[-1] if node.children[-1].type == "#endif" else None
        inner = [
            child
            for child in node.children
            if child.start_byte >= head_end.end_byte and child.type not in ("#endif", "\n") and child != head_end
        ]
        members = self.members(inner, depth + 1)
        is_guard = bool(inner) and inner[0].type == "preproc_def" and self._name(inner[0]) == self._name(node)
        if is_guard or self._text(head_end) == b"__cplusplus" or not members:
            return members if members else [_leaf(node)]
        if all(member.kind == "import" for member in members):
            return [_leaf(node, "import")]
        last = _last_line(node)
        return [
            _Member(
                node.start_point.row,
                last,
                "code",
                is_open=True,
                head=_last_line(head_end),
                end=tail.start_point.row if tail is not None else last + 1,
                inside=members,
            )
        ]

    def _opened(self, node: Node, depth: int) -> _Member | None:
        """A node as a member with members, if it is of a kind that holds definitions and does."""
        holder = self._holder(node)
        if holder is None:
            return None
        body = _body(holder)
        if body is None or any(child.type == "," and self._begins_line(child) for child in body.children):
            return None  # with a comma before each member, the first one left would begin with one
        last = _last_line(node)
        if body.child_count > 1 and body.children[0].type == "{":
            head, inner = body.children[0].start_point.row, body.children[1:]
            tail = inner[-1] if inner[-1].type == "}" and not inner[-1].is_missing else None
        else:
            before = [
                c for c in holder.children if c.end_byte <= body.start_byte and c.type not in self.spec.comment_nodes
            ]
            head = _last_line(before[-1]) if before else node.start_point.row
            inner = [c for c in holder.children if before and c.start_byte >= before[-1].end_byte and c != body]
            inner = sorted([*inner, *body.children], key=lambda child: child.start_byte)
            tail = holder.children[-1] if holder.children[-1].type == "end" else None
        inner = [child for child in inner if child != tail]
        end = tail.start_point.row if tail is not None else last + 1
        if head >= end or not inner:
            return None
        is_large = node.end_byte - node.start_byte > self.max_bytes
        if not is_large and not any(self._defines(child) for child in inner):
            return None
        members = self.members(inner, depth + 1)
        rule = self.spec.definition_nodes.get(holder.type)
        if rule is not None and rule.kind in _TYPES:
            for member in members:  # what a class brings in from its base is a member of it like any other
                member.kind = "code" if member.kind == "import" else member.kind
        return _Member(node.start_point.row, last, "code", is_open=True, head=head, end=end, inside=members)

    def _begins_line(self, node: Node) -> bool:
        return not self.source[max(0, node.start_byte - node.start_point.column) : node.start_byte].strip()

    def _holder(self, node: Node) -> Node | None:
        """The node inside of a statement whose members may be told apart."""
        rules = self.spec.definition_nodes
        inner = node
        for _ in range(4):  # wrappers in one another: an export, a decorator, a template head
            rule = rules.get(inner.type)
            if rule is not None and rule.scope and rule.kind in _TYPES_AND_SCOPES:
                return inner
            if inner.type not in self.spec.wrapper_nodes:
                break
            held = [c for c in inner.named_children if c.type in rules or c.type in self.spec.wrapper_nodes]
            if len(held) != 1:
                break
            inner = held[0]
        if self.spec.name == "JavaScript":
            return self._javascript_holder(node)
        if self.spec.name == "Ruby" and node.type == "call":
            blocks = [child for child in node.children if child.type == "do_block"]
            if blocks and any(self._defines(child) for child in _inside(blocks[0])):
                return blocks[0]
        return None

    def _javascript_holder(self, node: Node) -> Node | None:
        """The object with methods, or the function that stands for a module, that makes up most of a statement.

        A function stands for a module where it is called or handed over on the spot, or is over the budget.
        """
        waiting = [(node, False, 0)]
        best: Node | None = None
        while waiting:
            inner, has_name, depth = waiting.pop()
            kind = self.spec.value_nodes.get(inner.type) or inner.type
            if kind == "object":
                is_candidate = any(self._is_method(child) for child in inner.named_children)
            elif kind in ("function", "function_declaration", "method_definition"):
                is_module = (kind == "function" and not has_name) or inner.end_byte - inner.start_byte > self.max_bytes
                is_candidate = is_module and sum(map(self._defines, _inside(inner))) > 1
            else:
                is_candidate = kind in ("class", "class_declaration")
            if is_candidate and (best is None or _height(inner) > _height(best)):
                best = inner
            elif not is_candidate and depth < 8 and inner.type in _JAVASCRIPT_WAYS:
                names = inner.type in _NAMING
                waiting += [(child, names, depth + 1) for child in inner.named_children]
        return best if best is not None and 2 * _height(best) > _height(node) else None

    def _is_method(self, node: Node) -> bool:
        value = node.child_by_field_name("value") if node.type == "pair" else None
        return node.type == "method_definition" or (
            value is not None and value.type in (*self.spec.value_nodes, "object")
        )

    def _defines(self, node: Node) -> bool:
        """Whether a node is a definition, wrappers looked into."""
        waiting = [(node, 0)]
        while waiting:
            inner, depth = waiting.pop()
            rule = self.spec.definition_nodes.get(inner.type)
            if rule is not None:
                value = inner.child_by_field_name(rule.value) if rule.value is not None else None
                if rule.value is None or (value is not None and value.type in self.spec.value_nodes):
                    return True
            if depth < 4 and (inner.type in self.spec.wrapper_nodes or inner.type in _CONDITIONS):
                waiting += [(child, depth + 1) for child in inner.named_children]
        return False

    def _is_section(self, node: Node) -> bool:
        if node.type == "access_specifier":
            return True
        return self.spec.name == "Ruby" and node.type == "identifier" and self._text(node) in _SECTIONS

    def _is_import(self, node: Node) -> bool:
        """Whether a statement brings in names of other files and does nothing else."""
        if node.type in self.spec.import_nodes:
            return True
        if node.type in ("try_statement", "if_statement") and self.spec.name == "Python":
            return self._tries_imports(node)
        if not self.spec.import_calls or node.end_byte - node.start_byte > 4_000:
            return False
        if node.type in ("variable_declaration", "lexical_declaration"):
            values = [c.child_by_field_name("value") for c in node.named_children if c.type == "variable_declarator"]
            return bool(values) and all(value is not None and self._is_import_call(value) for value in values)
        return self._is_import_call(node.children[0] if node.type == "expression_statement" else node)

    def _tries_imports(self, node: Node) -> bool:
        """Whether a statement does nothing but import this or that, or say that it is not there."""
        found = False
        waiting = [(node, 0)]
        while waiting:
            inner, depth = waiting.pop()
            kind = inner.type
            found = found or kind in self.spec.import_nodes
            if kind == "expression_statement" and [child.type for child in inner.named_children] != ["assignment"]:
                return False
            if depth < 4 and (kind == "block" or kind.endswith(_TRIED)):
                waiting += [(child, depth + 1) for child in inner.named_children]
            elif kind.endswith(("_statement", "_definition")) and kind not in self.spec.import_nodes | _HARMLESS:
                return False
        return found

    def _is_import_call(self, node: Node) -> bool:
        """Whether an expression is `require("a")`, or a member or a call of that."""
        inner: Node | None = node
        for _ in range(8):
            if inner is None or inner.type not in ("call", "call_expression", "member_expression"):
                return False
            called = inner.children[0]
            if called.type == "identifier" and inner.type != "member_expression":
                return self._text(called).decode("utf-8", "replace") in self.spec.import_calls
            inner = called
        return False

    def _name(self, node: Node) -> bytes | None:
        name = node.child_by_field_name("name")
        return self._text(name) if name is not None else None

    def _text(self, node: Node) -> bytes:
        return self.source[node.start_byte : node.end_byte]


_TRIED = ("try_statement", "if_statement", "except_clause", "else_clause", "elif_clause", "finally_clause")
_HARMLESS = frozenset({"expression_statement", "pass_statement"})
_NAMING = frozenset({"variable_declarator", "assignment_expression", "pair", "field_definition"})
# What lies between a statement of JavaScript and the function or object that makes it up.
_JAVASCRIPT_WAYS = frozenset(
    {
        "expression_statement",
        "parenthesized_expression",
        "call_expression",
        "arguments",
        "member_expression",
        "unary_expression",
        "assignment_expression",
        "variable_declaration",
        "lexical_declaration",
        "variable_declarator",
        "export_statement",
        "new_expression",
        "pair",
    }
)


def _leaf(node: Node, kind: _Kind = "code") -> _Member:
    return _Member(node.start_point.row, max(_last_line(node), node.start_point.row), kind)


def _height(node: Node) -> int:
    return node.end_point.row - node.start_point.row + 1


def _body(node: Node) -> Node | None:
    if node.type == "object":
        return node
    body = node.child_by_field_name("body")
    if body is not None:
        return body
    return next((child for child in node.children if child.type in ("body_statement", "class_body")), None)


def _inside(node: Node) -> list[Node]:
    body = _body(node)
    return body.named_children if body is not None else []


def _apart(members: list[_Member]) -> list[_Member]:
    """Members that share no line: those that do are made one, unless one stands on the head or the end of the other."""
    found: list[_Member] = []
    for member in sorted(members, key=lambda one: (one.first, one.last)):
        while found and member.first <= found[-1].last:
            above = found[-1]
            if above.is_open and (member.first >= above.end or member.last <= above.head) and member.last <= above.last:
                break
            found.pop()
            if not (member.is_open and member.first <= above.first and above.last <= member.head):
                kind = min(above.kind, member.kind, key=_KINDS.index)
                member = _Member(above.first, max(above.last, member.last), kind)
        else:
            found.append(member)
    return found


def _last_line(node: Node) -> int:
    """The last line a node stands on; a node that ends with its line's break does not stand on the next."""
    start, end = node.start_point, node.end_point
    return end.row - 1 if end.column == 0 and end.row > start.row else end.row

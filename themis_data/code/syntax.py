"""What a syntax tree says about a source: how much of it parses, its tokens, definitions, names and comments.

Pure functions over bytes. They walk trees with a cursor and never by recursion, so nesting of any depth is
fine. Text is decoded as UTF-8 with bytes that are not UTF-8 written as `\\xNN`, so that different bytes stay
different. Lines are counted from 0. Every function raises what `grammars.resolved` raises, and nothing on
account of the source itself.

Where `grammars.parse` gives a source up, `measure` says so; the other functions then answer on the safe side:
one token, no definitions and comments, and every word as an identifier.
"""

import inspect
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tree_sitter import Node, Query, QueryCursor

from themis_data.code.grammars import Grammars, grammar, parse
from themis_data.code.language import DefinitionRule, Language, by_name


@dataclass(frozen=True, slots=True)
class SyntaxMeasure:
    """How well and how deep a source parses."""

    depth_reached: int  # levels of the tree, the root is 1; counting stops at the depth asked for; 0 if given up
    error_bytes: int  # bytes of tokens that stand directly under an ERROR node, comments left out
    missing_count: int  # tokens that the parser had to make up
    total_bytes: int
    gave_up: bool  # parsing would have cost too much, so nothing is known about the source

    @property
    def num_errors(self) -> int:
        """Bytes and tokens that the grammar could not place; the number to compare two versions of a file by.

        Where macros or new syntax make a whole language's files fail a little, as in C and C++, a version
        that has more of these than the other tells far more than any limit on `error_share`.
        """
        return self.total_bytes if self.gave_up else self.error_bytes + self.missing_count

    @property
    def error_share(self) -> float:
        """Share of the source, 0..1, that the grammar could not place.

        (`error_bytes` + one for every MISSING token) / all bytes of the source, at most 1. What still parses
        inside an ERROR node is not counted: one macro with an unmatched brace makes the parser wrap a whole
        file of good functions in ERROR. 0.0 for an empty source, 1.0 for one that was given up.
        """
        if self.gave_up:
            return 1.0
        return min(1.0, (self.error_bytes + self.missing_count) / self.total_bytes) if self.total_bytes else 0.0


def measure(source: bytes, language: str, *, min_depth: int = 3, grammars: Grammars = "auto") -> SyntaxMeasure:
    """How well a source parses, and whether its tree has at least `min_depth` levels, leaves included.

    Costs little more than the parse: errors are looked for only in subtrees that have some, and depth only
    until it is enough. `x = 1` has 4 levels in Python, a file of comments has 2.
    """
    tree = parse(source, language, grammars)
    if tree is None:
        return SyntaxMeasure(0, len(source), 0, len(source), gave_up=True)
    root = tree.root_node
    error_bytes, missing_count = _errors(root) if root.has_error else (0, 0)
    return SyntaxMeasure(_depth(root, min_depth), error_bytes, missing_count, len(source), gave_up=False)


def code_tokens(
    source: bytes, language: str, *, drop_docstrings: bool = False, grammars: Grammars = "auto"
) -> list[tuple[str, str]]:
    """The code without its layout: (node type, text) of every leaf in order, no comments and no white space.

    Two sources give the same list exactly if they differ in nothing but white space and comments that mean
    nothing. A string is one leaf with all of its text. White space that means something shows, because every
    named inner node is followed by a mark (its type, empty text): `return` and its value on two lines, or
    another indentation in Python, make other marks. Whoever wants leaves alone keeps the pairs whose text is
    not empty.

    Line ends are compared as `\\n`. `drop_docstrings` leaves out docstrings too, in languages that have them.
    """
    spec = by_name(language)
    tree = parse(source, language, grammars)
    if tree is None:
        return [("UNPARSED", _text(source))]
    docstrings: set[tuple[int, int]] = set()
    watch_docstrings = drop_docstrings and spec.documentation == "docstring"
    whole = spec.string_nodes
    skipped = spec.comment_nodes | {"line_continuation"}
    tokens: list[tuple[str, str]] = []
    first_token_of: list[int] = []  # of every open inner node: how many tokens there were when it began
    position = 0
    cursor = tree.walk()
    while True:
        node = _current(cursor.node)
        kind = node.type
        if watch_docstrings and (kind in spec.definition_nodes or kind == "module"):
            docstring = _docstring(node)
            if docstring is not None:
                docstrings.add(docstring.byte_range)
        descend = False
        if node.start_byte > position:
            _add_gap(tokens, source[position : node.start_byte], spec)
        if kind in skipped or (docstrings and node.byte_range in docstrings):
            position = max(position, node.end_byte)
        elif kind not in whole and cursor.goto_first_child():
            position = max(position, node.start_byte)
            first_token_of.append(len(tokens))
            descend = True
        else:
            if kind in spec.preprocessor_nodes:
                tokens.extend((kind, piece) for piece in _preprocessor_pieces(_slice(source, node)))
            elif node.is_missing:
                tokens.append((kind, ""))
            else:
                text = _slice(source, node)
                if text.strip() or (kind in whole and text and "\n" not in text):
                    tokens.append((kind, text))
            position = max(position, node.end_byte)
        if descend:
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                _add_gap(tokens, source[position:], spec)
                return tokens
            node = _current(cursor.node)
            if node.end_byte > position:
                _add_gap(tokens, source[position : node.end_byte], spec)
                position = node.end_byte
            if first_token_of.pop() < len(tokens) and node.is_named:
                tokens.append((node.type, ""))


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment node, with its markers."""

    start_line: int
    end_line: int  # the last line it stands on
    text: str


def comments(source: bytes, language: str, *, grammars: Grammars = "auto") -> list[Comment]:
    """All comments in order, as written. Python's docstrings are strings, not comments."""
    tree = parse(source, language, grammars)
    if tree is None:
        return []
    found = _find(tree.root_node, language, grammars, by_name(language).comment_nodes)
    return [Comment(node.start_point.row, _last_line(node), _slice(source, node)) for node in found]


def identifiers(source: bytes, language: str, *, grammars: Grammars = "auto") -> frozenset[str]:
    """Every name in the code: variables, members, types, labels, and the words in unparsed macro bodies."""
    spec = by_name(language)
    tree = parse(source, language, grammars)
    if tree is None:
        return frozenset(_WORD.findall(_text(source)))
    names = {_slice(source, node) for node in _find(tree.root_node, language, grammars, spec.identifier_nodes)}
    for node in _find(tree.root_node, language, grammars, spec.preprocessor_nodes):
        names.update(piece for piece in _preprocessor_pieces(_slice(source, node)) if _WORD.fullmatch(piece))
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Definition:
    """Something with a name that a source defines."""

    qualified_name: str  # with the names of what surrounds it, such as `Reader.read` or `Foo::Bar#baz`
    kind: str  # function, method, class, ...: the kinds in `languages/*.yaml`
    start_line: int  # decorators and template heads included, comments above not
    end_line: int  # the last line it stands on
    header: str  # its signature in one line, up to the body; no comments, decorators or annotations
    doc: str | None  # its docstring or the comment block directly above, without markers; null if there is none


def definitions(source: bytes, language: str, *, grammars: Grammars = "auto") -> list[Definition]:
    """What a source defines, in the order of the source; nested definitions follow the one they are in."""
    spec = by_name(language)
    tree = parse(source, language, grammars)
    if tree is None:
        return []
    return _Outline(source, spec, tree.root_node, grammars).definitions()


def file_doc(source: bytes, language: str, *, grammars: Grammars = "auto") -> str | None:
    """What the file says about itself: its module docstring, or the first comment block that is not a
    licence.

    Null if there is none. A block counts where only other comments come before it and no definition starts on
    the line after it (that block is the definition's own). Licence paragraphs inside a block end it; remarks
    to tools are left out.
    """
    spec = by_name(language)
    tree = parse(source, language, grammars)
    if tree is None:
        return None
    if spec.documentation == "docstring":
        node = _docstring(tree.root_node)
        return _docstring_text(source, node) if node is not None else None
    block: list[Node] = []
    for node in _children(tree.root_node):
        if node.type in spec.comment_nodes:
            if block and node.start_point.row > _last_line(block[-1]) + 1:
                doc = _without_licence(_comment_text(source, block, spec))
                if doc is not None:
                    return doc
                block = []
            block.append(node)
            continue
        row = node.start_point.row
        if block and _last_line(block[-1]) + 1 >= row:
            outline = _Outline(source, spec, tree.root_node, grammars).definitions()
            if any(definition.start_line == row for definition in outline):
                return None
        break
    return _without_licence(_comment_text(source, block, spec))


# ---- definitions


@dataclass(slots=True)
class _Level:
    """One level of the walk for definitions: what the next sibling may take over from its surroundings."""

    comments: list[Node]  # the comment block that ends just above the next sibling
    outer: Node | None  # the wrapper whose start the next sibling takes
    inherited: list[Node]  # the comment block above the wrapper, or above a parent that starts where its child does


@dataclass(frozen=True, slots=True)
class _Scope:
    level: int  # the scope ends with this level of the walk
    name: str
    kind: str
    is_singleton: bool = False  # Ruby's `class << self`


# Deeper nesting no longer lengthens qualified names, whose total would grow with the square of the depth.
_MAX_SCOPES = 64
_TYPE_KINDS = frozenset({"class", "struct", "union", "interface", "record", "enum", "annotation"})
# What a macro that hides a brace makes the C and C++ grammars take for a function's name.
_NEVER_A_NAME = frozenset({"if", "for", "while", "switch", "return", "else", "do", "catch"})


class _Outline:
    """The walk that collects definitions."""

    def __init__(self, source: bytes, spec: Language, root: Node, grammars: Grammars) -> None:
        self.source = source
        self.spec = spec
        self.root = root
        hidden = _find(root, spec.name, grammars, spec.comment_nodes | spec.annotation_nodes)
        self.hidden = [node.byte_range for node in hidden]
        self.scopes: list[_Scope] = []

    def definitions(self) -> list[Definition]:
        found: list[Definition] = []
        spec = self.spec
        cursor = self.root.walk()
        levels = [_Level([], None, [])]
        while True:
            node = _current(cursor.node)
            level = levels[-1]
            if node.type in spec.comment_nodes:
                self._collect(level, node)
                goes_down = False
            else:
                above = level.comments
                if above and not self._is_attached(above[-1], node):
                    above = []
                above = above or level.inherited
                rule = spec.definition_nodes.get(node.type) if node.is_named else None
                named = self._name(node, rule) if rule is not None else None
                if rule is not None and named is not None:
                    name, kind, is_listed = named
                    if is_listed:
                        found.append(self._definition(node, rule, name, kind, level.outer or node, above))
                    self._open_scope(node, rule, name, kind, len(levels))
                level.comments = []
                outer = level.outer
                if named is not None or node.type in spec.wrapper_nodes:
                    level.outer, level.inherited = None, []
                goes_down = node.type not in spec.string_nodes and cursor.goto_first_child()
                if goes_down:
                    levels.append(self._below(node, named is not None, outer, above))
            if goes_down:
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return found
                levels.pop()
                while self.scopes and self.scopes[-1].level > len(levels):
                    self.scopes.pop()

    def _collect(self, level: _Level, node: Node) -> None:
        """Adds a comment to the block above the next sibling, or begins a new block with it."""
        before = self.source[max(node.start_byte - node.start_point.column, node.start_byte - 200) : node.start_byte]
        if before.strip():  # it follows code on its line and belongs to that
            level.comments = []
        elif level.comments and _last_line(level.comments[-1]) + 1 >= node.start_point.row:
            level.comments.append(node)
        else:
            level.comments = [node]

    def _is_attached(self, comment: Node, node: Node) -> bool:
        """Whether nothing lies between a comment and a node; below a `/**` block one line may be blank."""
        distance = node.start_point.row - _last_line(comment)
        if distance == 2 and self.source.startswith(b"/**", comment.start_byte):
            return _LICENCE.search(_slice(self.source, comment)) is None
        return distance <= 1

    def _below(self, node: Node, is_definition: bool, outer: Node | None, above: list[Node]) -> _Level:
        is_group = node.type == "type_declaration" and node.child_count > 1 and node.child(1).type == "("
        if node.type in self.spec.wrapper_nodes and not is_group:
            return _Level([], outer or node, above)
        if is_definition or node.type == "declaration_list":
            # Inside `extern "C" {` the first definition is no more the whole block than the others are.
            return _Level([], None, [])
        # A node without a first token of its own (a Ruby body, an expression statement) hands its block on.
        return _Level([], outer if outer and outer.end_byte == node.end_byte else None, above)

    def _open_scope(self, node: Node, rule: DefinitionRule, name: str, kind: str, level: int) -> None:
        if not rule.scope and kind not in _TYPE_KINDS:
            return
        if len(self.scopes) >= _MAX_SCOPES:
            return
        # `namespace A;` holds for everything after it: its scope ends with the level that it stands on.
        is_rest_of_file = node.type == "file_scoped_namespace_declaration"
        self.scopes.append(
            _Scope(level if is_rest_of_file else level + 1, name, kind, is_singleton=rule.fixed_name == "")
        )

    def _name(self, node: Node, rule: DefinitionRule) -> tuple[str, str, bool] | None:
        """Qualified name, kind, and whether it is listed; null if the node turns out to define nothing."""
        kind, is_listed = rule.kind, rule.listed
        if rule.needs_body and node.child_by_field_name(rule.body) is None:
            return None
        if rule.value is not None:
            value = node.child_by_field_name(rule.value)
            if value is None:
                return None
            if value.type in self.spec.scope_only_value_nodes:
                is_listed = False
            elif value.type in self.spec.value_nodes:
                given = self.spec.value_nodes[value.type]
                kind = given if given != "function" else kind
            else:
                return None
        own = rule.fixed_name if rule.fixed_name is not None else self._own_name(node, rule)
        if own is None or own in _NEVER_A_NAME:
            return None
        if node.type == "function_definition" and (hidden := self._class_behind_a_macro(node)) is not None:
            kind = hidden
        if kind == "function" and (own.rpartition("::")[0] or self._is_in_a_type()):
            kind = "method"
        return self._qualified(node, own), kind, is_listed

    def _class_behind_a_macro(self, node: Node) -> str | None:
        """`class EXPORT Name { ... }` looks like a function `Name` that returns `class EXPORT`: its kind."""
        returned = node.child_by_field_name("type")
        declarator = node.child_by_field_name("declarator")
        if returned is None or declarator is None:
            return None
        if declarator.type not in ("identifier", "qualified_identifier"):
            return None
        rule = self.spec.definition_nodes.get(returned.type)
        return rule.kind if rule is not None and rule.needs_body else None

    def _is_in_a_type(self) -> bool:
        return bool(self.scopes) and self.scopes[-1].kind in _TYPE_KINDS

    def _own_name(self, node: Node, rule: DefinitionRule) -> str | None:
        field = node.child_by_field_name(rule.name) if rule.name is not None else None
        if field is None:
            return None
        if rule.name == "declarator":
            return self._declared_name(node, field)
        text = " ".join(_slice(self.source, field).split())
        if rule.kind == "operator":
            return f"operator {text}"
        if rule.kind == "destructor":
            return f"~{text}"
        if node.type == "assignment_expression":
            if field.type not in ("identifier", "member_expression"):
                return None
            text = text.removeprefix("this.")
        if node.type == "pair":
            text = text.strip("'\"`")
        return text or None

    def _qualified(self, node: Node, own: str) -> str:
        spec = self.spec
        outer = self.scopes[-1] if self.scopes else None
        if node.type == "method_declaration" and (receiver := node.child_by_field_name("receiver")) is not None:
            words = _WORD.findall(_slice(self.source, receiver).partition("[")[0])
            return f"{words[-1]}.{own}" if words else own
        separator = spec.separator
        if spec.name == "Ruby" and node.type in ("method", "singleton_method"):
            is_own = node.type == "singleton_method" or (outer is not None and outer.is_singleton)
            receiver = node.child_by_field_name("object")
            if receiver is not None and receiver.type != "self":
                return f"{_slice(self.source, receiver)}.{own}"
            separator = "." if is_own else "#"
            if outer is None and is_own:
                return f"self.{own}"
        if outer is None:
            return own
        return f"{outer.name}{separator}{own}" if own else outer.name

    def _declared_name(self, node: Node, declarator: Node) -> str | None:
        """The name inside a C or C++ declarator, through its pointers, references and parameter lists."""
        inner: Node | None = declarator
        while inner is not None:
            kind = inner.type
            if kind == "operator_cast":
                target = inner.child_by_field_name("type")
                return f"operator {_slice(self.source, target)}" if target is not None else None
            if kind == "qualified_identifier":
                return self._cpp_path(inner)
            following = inner.child_by_field_name("declarator")
            if following is None and kind.endswith("_declarator") and inner.named_child_count:
                following = inner.named_child(inner.named_child_count - 1)
            if following is None:
                if kind == "template_function":
                    inner = inner.child_by_field_name("name") or inner
                name = " ".join(_slice(self.source, inner).split())
                return name + self._macro_arguments(node, declarator) if name else None
            inner = following
        return None

    def _macro_arguments(self, node: Node, declarator: Node) -> str:
        """`(Suite, Case)` where a macro call with a body stands for a function, as tests do; else nothing."""
        if node.type != "function_definition" or declarator.type != "function_declarator":
            return ""
        parameters = declarator.child_by_field_name("parameters")
        if node.child_by_field_name("type") is not None or parameters is None or self._is_in_a_type():
            return ""
        if not parameters.named_child_count or any(len(p.named_children) != 1 for p in parameters.named_children):
            return ""
        return " ".join(_slice(self.source, parameters).split())

    def _cpp_path(self, node: Node) -> str | None:
        """`A::b` for a qualified name, without template arguments."""
        parts: list[str] = []
        inner: Node | None = node
        while inner is not None and inner.type == "qualified_identifier":
            scope = inner.child_by_field_name("scope")
            if scope is not None:
                parts.append(_slice(self.source, scope.child_by_field_name("name") or scope))
            inner = inner.child_by_field_name("name")
        if inner is None:
            return None
        if inner.type == "operator_cast":
            target = inner.child_by_field_name("type")
            parts.append(f"operator {_slice(self.source, target)}" if target is not None else "operator")
        else:
            name = inner.child_by_field_name("name") if inner.type.startswith("template_") else None
            parts.append(" ".join(_slice(self.source, name or inner).split()))
        return "::".join(parts)

    def _definition(
        self, node: Node, rule: DefinitionRule, name: str, kind: str, outer: Node, above: list[Node]
    ) -> Definition:
        if self.spec.documentation == "docstring":
            docstring = _docstring(node)
            doc = _docstring_text(self.source, docstring) if docstring is not None else None
        else:
            doc = _comment_text(self.source, above, self.spec)
        start = node if outer.type == "decorated_definition" else outer
        header = self._header(start.start_byte, node, rule)
        return Definition(name, kind, outer.start_point.row, _last_line(node), header, doc)

    def _header(self, start: int, node: Node, rule: DefinitionRule) -> str:
        holder = node.child_by_field_name(rule.value) if rule.value is not None else node
        tail = ""
        ends: list[int] = []
        for part in (holder, node.child_by_field_name("type"), node):
            if part is None or (part is not holder and part is not node and rule.kind != "type"):
                continue
            body = part.child_by_field_name(rule.body) or part.child_by_field_name("body")
            if body is not None:
                ends.append(body.start_byte)
            ends.extend(child.start_byte for child in part.named_children if child.type in self.spec.body_nodes)
        if ends:
            end = min(ends)
            declarator = node.child_by_field_name("declarator") if node.type == "type_definition" else None
            tail = f" {_slice(self.source, declarator)}" if declarator is not None else ""
        else:
            end = node.end_byte
            cut = re.search(
                rb"[{;]|\r?\n(?!\s{0,100}[.(,&|])" if rule.kind != "macro" else rb"\n", self.source[start:end]
            )
            if cut is not None and not (self.spec.name in ("C", "C++") and cut[0] not in b"{;"):
                end = start + cut.start()
        text = " ".join(f"{self._visible(start, end)}{tail}".split())
        return text if text.endswith("=>") else text.rstrip(" {;:=\\")

    def _visible(self, start: int, end: int) -> str:
        """The text between two bytes without comments and annotations."""
        pieces: list[str] = []
        for index in range(bisect_left(self.hidden, (start, start)), len(self.hidden)):
            hidden_start, hidden_end = self.hidden[index]
            if hidden_start >= end:
                break
            pieces.append(_text(self.source[start : max(start, hidden_start)]))
            start = max(start, hidden_end)
        pieces.append(_text(self.source[start:end]))
        return " ".join(pieces)


# ---- comments and docstrings


_LICENCE = re.compile(
    r"copyright|\blicen[sc]ed?\b|all rights reserved|permission is hereby granted|\(c\) (?:19|20)\d\d"
    r"|redistribution and use|without warranty",
    re.IGNORECASE,
)
_XML_NAME = re.compile(
    r"""<(?:see|seealso|paramref|typeparamref)\s+(?:cref|name|langword|href)="(?:[A-Z]:)?([^"]*)"\s*/?>"""
)
_XML_TAG = re.compile(r"</?[A-Za-z][^<>]*>")


def _comment_text(source: bytes, block: list[Node], spec: Language) -> str | None:
    """A comment block's text without markers, rulers and remarks to tools; null if nothing is left."""
    lines: list[str] = []
    for node in block:
        text = _slice(source, node).rstrip()
        if text.startswith("/*"):
            inner = text.removeprefix("/*").removesuffix("*/").lstrip("*!")
            lines += [
                re.sub(r"^\s*\*+(?!\w)", "", line) if number else line for number, line in enumerate(inner.split("\n"))
            ]
        elif text.startswith("=begin"):
            lines += text.split("\n")[1:-1]
        else:
            lines.append(re.sub(r"^(?:/{2,}!?|#+|;+|%+|-{2,})", "", text))
    kept = [line for line in lines if not _is_directive(line, spec) and not _is_ruler(line)]
    cleaned = inspect.cleandoc("\n".join(["", *kept]))
    if re.search(r"</?(?:summary|inheritdoc|param|remarks|returns)\b", cleaned):
        cleaned = _XML_TAG.sub("", _XML_NAME.sub(r"\1", cleaned))
        cleaned = "\n".join(line.rstrip() for line in cleaned.split("\n"))
    return cleaned.strip() or None


def _is_directive(line: str, spec: Language) -> bool:
    bare = line.strip()
    prefixes = tuple(mark.removeprefix("//").strip() for mark in spec.directives)
    # `//go:build` has no space after the slashes; a sentence that begins with "go" has one.
    return bool(prefixes) and bare.startswith(prefixes)


def _is_ruler(line: str) -> bool:
    """A line of decoration, or a heading between two such lines."""
    bare = line.strip()
    framed = len(bare) > 6 and not (set(bare[:3]) | set(bare[-3:])) - set("-=*#~+/_")
    return bool(bare) and (framed or not any(character.isalnum() for character in bare))


def _without_licence(text: str | None) -> str | None:
    if text is None:
        return None
    kept: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        if _LICENCE.search(paragraph):
            break
        kept.append(paragraph)
    return "\n\n".join(kept).strip() or None


def _docstring(node: Node) -> Node | None:
    """The statement that is the docstring of a Python module, class or function."""
    body = node if node.type == "module" else node.child_by_field_name("body")
    for statement in _children(body) if body is not None else ():
        if statement.type == "comment":
            continue
        inner = statement.named_children
        is_string = statement.type == "expression_statement" and len(inner) == 1 and inner[0].type == "string"
        return statement if is_string and not inner[0].has_error else None
    return None


def _docstring_text(source: bytes, statement: Node) -> str | None:
    """The text between the quotes, unindented, escapes as written; null if blank or not a plain string."""
    match = re.fullmatch(r"([rRuU]?)(\"\"\"|'''|\"|')(.*)\2", _slice(source, statement).strip(), re.DOTALL)
    return inspect.cleandoc(match[3]).strip() or None if match is not None else None


# ---- trees


_WORD = re.compile(r"[^\W\d]\w*")
_PREPROCESSOR_PIECE = re.compile(
    r"""(?P<skip>//[^\n]*|/\*.*?(?:\*/|$)|\\?\s+)|"(?:[^"\\\n]|\\.)*["\\]?|'(?:[^'\\\n]|\\.)*['\\]?|\w+|\S""",
    re.DOTALL,
)
_BLANK = re.compile(rb"(?:\s|\\\r?\n|\xef\xbb\xbf)*")


def _errors(root: Node) -> tuple[int, int]:
    """Bytes of tokens directly under an ERROR node, without comments, and the number of MISSING tokens."""
    error_bytes = missing_count = 0
    is_error_above: list[bool] = []  # of every open node
    cursor = root.walk()
    while True:
        node = _current(cursor.node)
        if node.is_missing:
            missing_count += 1
        elif node.has_error:
            if cursor.goto_first_child():
                is_error_above.append(node.is_error)
                continue
            error_bytes += node.end_byte - node.start_byte  # characters that are no token at all
        elif is_error_above and is_error_above[-1] and not node.is_extra and node.child_count == 0:
            error_bytes += node.end_byte - node.start_byte
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return error_bytes, missing_count
            is_error_above.pop()


def _depth(root: Node, enough: int) -> int:
    """Levels of the tree, the root is 1; stops at `enough`."""
    deepest = depth = 1
    cursor = root.walk()
    while deepest < enough:
        if cursor.goto_first_child():
            depth += 1
            deepest = max(deepest, depth)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return deepest
            depth -= 1
    return deepest


@cache
def _query(language: str, grammars: Grammars, kinds: frozenset[str]) -> Query | None:
    """A query for nodes of these types; the two grammar sets know some types that the other does not."""
    using = grammar(language, grammars)
    known = sorted(kind for kind in kinds if using.id_for_node_kind(kind, True) is not None)
    return Query(using, "[" + " ".join(f"({kind})" for kind in known) + "] @found") if known else None


def _find(root: Node, language: str, grammars: Grammars, kinds: frozenset[str]) -> list[Node]:
    """All nodes of these types, in the order of the source."""
    query = _query(language, grammars, kinds)
    found = QueryCursor(query).captures(root).get("found", []) if query is not None else []
    return sorted(found, key=lambda node: node.byte_range)


def _children(node: Node) -> Iterator[Node]:
    cursor = node.walk()
    if cursor.goto_first_child():
        yield _current(cursor.node)
        while cursor.goto_next_sibling():
            yield _current(cursor.node)


def _current(node: Node | None) -> Node:
    assert node is not None  # a cursor always stands on a node
    return node


def _last_line(node: Node) -> int:
    """The last line a node stands on; a node that ends with its line's break does not stand on the next."""
    start, end = node.start_point, node.end_point
    return end.row - 1 if end.column == 0 and end.row > start.row else end.row


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


def _slice(source: bytes, node: Node) -> str:
    return _text(source[node.start_byte : node.end_byte])


def _add_gap(tokens: list[tuple[str, str]], between: bytes, spec: Language) -> None:
    """Keeps text that no node covers, such as a directive unknown to the grammar, unless it is a comment."""
    if _BLANK.fullmatch(between) is None:
        lines = (line.strip() for line in _text(between).split("\n"))
        text = " ".join(" ".join(line.split()) for line in lines if not line.startswith(spec.line_comments))
        if text.strip():
            tokens.append(("TEXT", text.strip()))


def _preprocessor_pieces(text: str) -> Iterator[str]:
    for match in _PREPROCESSOR_PIECE.finditer(text):
        if match["skip"] is None:
            yield match[0]

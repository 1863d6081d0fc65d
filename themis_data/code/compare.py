"""Whether two versions of a source differ for a compiler, or only for a reader."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import tree_sitter

from themis_data.code.grammars import Grammars, parse
from themis_data.code.language import Language, by_name
from themis_data.code.syntax import code_tokens

Surface = Literal["whitespace_only", "comment_only", "renamed"]
Lines = Sequence[tuple[int, int]]  # ranges of 0-based lines, the end excluded


def surface_difference(
    old: str, new: str, language: str, *, changed: tuple[Lines, Lines], grammars: Grammars = "auto"
) -> Surface | None:
    """How little two versions differ: in white space, in comments, docstrings and layout, beside these in names, one to
    one (`renamed`), or (None) in code.

    `changed` are the line ranges that differ, of the old and the new version. Where the tokens on these lines already
    differ, nothing else is looked at; that decides nearly every change for the price of two parses.

    Each renamed name must be declared in its version: `load` for `safe_load` calls another function, and `i` for
    `index` does not. Members of other objects count as not declared. Strings must be the same.
    """
    spec = by_name(language)
    sources = old.encode(), new.encode()
    # Lines that were only wrapped anew share some of their parts with lines that did not change: look at all of them.
    is_rewrapped = "".join(old.split()) == "".join(new.split())
    if not is_rewrapped:
        on_lines = (_tokens_on(source, spec, lines, grammars) for source, lines in zip(sources, changed, strict=True))
        # In any order: among lines that repeat, a line diff may take for moved what only has a new neighbour.
        if sorted(map(_nameless, next(on_lines))) != sorted(map(_nameless, next(on_lines))):
            return None
    before, after = (code_tokens(s, language, drop_docstrings=True, grammars=grammars) for s in sources)
    if before != after:
        renamed = _renamed(before, after, spec)
        declared = (_declared(source, spec, grammars) for source in sources)
        if (
            renamed
            and {one for one, _ in renamed} <= next(declared)
            and {other for _, other in renamed} <= next(declared)
        ):
            return "renamed"
        return None
    return "whitespace_only" if old.split() == new.split() else "comment_only"


def _tokens_on(source: bytes, spec: Language, lines: Lines, grammars: Grammars) -> Iterator[bytes]:
    """Texts of the leaves that stand on some lines, without comments and without what may be a docstring."""
    tree = parse(source, spec.name, grammars)
    if tree is None:
        yield source
        return
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for first, end in lines:
        start, stop = (starts[min(place, len(starts) - 1)] for place in (first, end))
        yield from _leaves(source, tree.root_node, start, stop, spec)


def _leaves(source: bytes, root: tree_sitter.Node, start: int, end: int, spec: Language) -> Iterator[bytes]:
    """Leaves that overlap the bytes [start, end), in order."""
    cursor = root.walk()
    while True:
        node = cursor.node
        assert node is not None
        overlaps = node.start_byte < end and node.end_byte > start
        if overlaps and node.type not in spec.comment_nodes and not _may_be_docstring(node, spec):
            if cursor.goto_first_child():
                continue
            text = source[node.start_byte : node.end_byte].strip()  # node.text needs a buffer that is not kept
            if text:
                yield text
        if node.start_byte >= end:
            return
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _may_be_docstring(node: tree_sitter.Node, spec: Language) -> bool:
    """Whether a node is a statement that is a bare string, in a language that documents so."""
    return (
        spec.documentation == "docstring"
        and node.type == "expression_statement"
        and node.named_child_count == 1
        and node.children[0].type in spec.string_nodes
    )


_NAME = re.compile(rb"[@$]*+[^\W\d]\w*+")


def _nameless(token: bytes) -> bytes:
    """A token, or one sign for all names and words of the language."""
    return b"x" if _NAME.fullmatch(token) else token


def _renamed(before: list[tuple[str, str]], after: list[tuple[str, str]], spec: Language) -> set[tuple[str, str]]:
    """Names that differ, with what they became; none where anything else differs, or a name became two, or two one."""
    if len(before) != len(after):
        return set()
    names = spec.identifier_nodes | spec.preprocessor_nodes
    forth: dict[tuple[str, str], str] = {}
    back: dict[tuple[str, str], str] = {}
    for (kind, one), (other_kind, other) in zip(before, after, strict=True):
        is_name = kind in names and _NAME.fullmatch(one.encode()) and _NAME.fullmatch(other.encode())
        if kind != other_kind or (one != other and not is_name):
            return set()
        if is_name and (forth.setdefault((kind, one), other) != other or back.setdefault((kind, other), one) != one):
            return set()
    return {(one, other) for (_, one), other in forth.items() if one != other}


# Nodes whose left side declares, in languages that have no other way to.
_ASSIGNING = frozenset({"assignment", "short_var_declaration", "range_clause", "for_statement", "for_in_clause"})
_LISTS = frozenset({"expression_list", "pattern_list", "tuple_pattern", "left_assignment_list"})
_DECLARING = ("declarator", "_declaration", "_definition", "parameter", "_spec", "_specifier")
_OWN = frozenset({b"self", b"this"})


def _declared(source: bytes, spec: Language, grammars: Grammars) -> frozenset[str]:
    """Names that a source itself declares: definitions, parameters, variables, and members of `self` and `this`."""
    tree = parse(source, spec.name, grammars)
    if tree is None:
        return frozenset()
    found = set()
    cursor = tree.walk()
    above: list[tuple[str, str | None]] = []  # type and field of the nodes that are open
    while True:
        node = cursor.node
        assert node is not None
        if node.type in spec.identifier_nodes and _declares(source, node, cursor.field_name, above, spec):
            found.add(source[node.start_byte : node.end_byte].decode("utf-8", "backslashreplace"))
        here = node.type, cursor.field_name
        if cursor.goto_first_child():
            above.append(here)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return frozenset(found)
            above.pop()


def _declares(
    source: bytes, node: tree_sitter.Node, field: str | None, above: list[tuple[str, str | None]], spec: Language
) -> bool:
    """Whether a name stands where its parent declares one. `above` are type and field of its parents."""
    if not above:
        return False
    kind, kind_field = above[-1]
    outer = above[-2][0] if len(above) > 1 else ""
    if kind in _LISTS:
        return kind_field == "left" and outer in _ASSIGNING
    if field == "left":
        return kind in _ASSIGNING
    if kind in ("attribute", "member_expression"):
        owner = node.parent.child_by_field_name("object") if node.parent is not None else None
        is_left = kind_field == "left" and outer in ("assignment", "assignment_expression")
        return field != "object" and is_left and owner is not None and source[owner.start_byte : owner.end_byte] in _OWN
    if field in ("name", "declarator"):
        return kind in spec.definition_nodes or kind.endswith(_DECLARING) or kind == "enhanced_for_statement"
    if field in ("alias", "parameter", "pattern"):
        return True
    # Parameters without fields of their own, as in Python and Ruby; types and defaults have one.
    is_first = node.prev_named_sibling is None and kind.endswith("declarator")
    return field is None and ("parameters" in kind or kind == "as_pattern_target" or is_first)

"""Whether two versions of a source differ for a compiler, or only for a reader."""

from collections.abc import Iterator, Sequence
from typing import Literal

import tree_sitter

from themis_data.code.grammars import Grammars, parse
from themis_data.code.language import Language, by_name
from themis_data.code.syntax import code_tokens

Lines = Sequence[tuple[int, int]]  # ranges of 0-based lines, the end excluded


def cosmetic_difference(
    old: str, new: str, language: str, *, changed: tuple[Lines, Lines], grammars: Grammars = "auto"
) -> Literal["whitespace_only", "comment_only"] | None:
    """How little two versions differ: in white space, in comments, docstrings and layout, or (None) in code.

    `changed` are the line ranges that differ, of the old and the new version. Where the tokens on these lines already
    differ, nothing else is looked at; that decides nearly every change for the price of two parses.
    """
    spec = by_name(language)
    sources = old.encode(), new.encode()
    # Lines that were only wrapped anew share some of their parts with lines that did not change: look at all of them.
    is_rewrapped = "".join(old.split()) == "".join(new.split())
    if not is_rewrapped:
        on_lines = (_tokens_on(source, spec, lines, grammars) for source, lines in zip(sources, changed, strict=True))
        # In any order: among lines that repeat, a line diff may take for moved what only has a new neighbour.
        if sorted(next(on_lines)) != sorted(next(on_lines)):
            return None
    before, after = (code_tokens(s, language, drop_docstrings=True, grammars=grammars) for s in sources)
    if before != after:
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

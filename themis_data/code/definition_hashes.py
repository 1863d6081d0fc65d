"""Hashes by which a copy of a function or class is known, whatever was done to its layout, comments or names.

Normalised, a definition is the list of its tokens: words, numbers, signs, and each string as one token. Left out are
white space, comments, statements that are a bare string in languages that document so, semicolons, a comma before a
closing bracket and a backslash at the end of a line; a string counts by what stands between its quotes, with its white
space made one. Decorators and annotations that stand around a definition are no part of it.

The second hash is of the same list with names numbered in the order in which they appear. A name is numbered where the
definition uses it as a variable, parameter or type, or defines it; other names of members, and of functions that are
only called, stay, for they belong to others, and so do keywords and what is inside of strings.
"""

import hashlib
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

from tree_sitter import Language as Grammar
from tree_sitter import Node, Query, QueryCursor

from themis_data.code.grammars import Grammars, grammar, parse
from themis_data.code.language import Language, by_name

_TOKEN = re.compile(
    rb"[@$]*+[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+|[0-9][A-Za-z0-9_.]*+|[^\sA-Za-z0-9_\x80-\xff]", re.ASCII
)
_NAME = re.compile(rb"[@$]*+[A-Za-z_\x80-\xff].*", re.DOTALL)
_CLOSING = frozenset({b")", b"]", b"}"})
_LEFT_OUT = frozenset({b";", b"\\"})
_QUOTES = b"'\"`"
# Names that mean the same everywhere; grammars have nodes of their own for some of them.
_FIXED = frozenset({b"self", b"this", b"super", b"None", b"True", b"False", b"null", b"nil", b"true", b"false"})


@dataclass(frozen=True, slots=True)
class DefinitionHash:
    """One definition, or all of a source."""

    name: str  # as the source has it; empty for all of the source
    line: int  # of its first token, from 0
    num_tokens: int
    exact: bytes  # blake2b-128 of the normalised tokens
    renamed: bytes  # the same, with names numbered


def definition_hashes(
    source: bytes, language: str, *, min_tokens: int, grammars: Grammars = "auto"
) -> list[DefinitionHash]:
    """The definitions of a source that have at least `min_tokens` tokens, in order, nested ones too, and behind them
    all of the source; none of a source that the parser gives up.

    All of it stands for programs without a definition, such as scripts; where one definition is all there is, it is
    there once.
    """
    spec = by_name(language)
    tree = parse(source, language, grammars)
    query = _query(language, grammars)
    if tree is None or query is None:
        return []
    found = QueryCursor(query).captures(tree.root_node)
    tokens, starts = _tokens(source, found.get("skip", []), found.get("string", []))
    keywords = _keywords(grammar(language, grammars))
    named = [
        (node, _name(source, node, spec))
        for node in sorted(found.get("definition", []), key=lambda node: node.byte_range)
        if _defines(node, spec)
    ]
    ranges = [(bisect_left(starts, n.start_byte), bisect_left(starts, n.end_byte), name) for n, name in named]
    begins = [first for first, _, _ in ranges]
    inside = [{name for _, _, name in ranges[n : bisect_left(begins, end)]} for n, (_, end, _) in enumerate(ranges)]
    if not any((first, end) == (0, len(tokens)) for first, end, _ in ranges):
        ranges.append((0, len(tokens), b""))
        inside.append({name for _, name in named})
    hashes = []
    for (first, end, name), defined in zip(ranges, inside, strict=True):
        if end - first < max(min_tokens, 1):
            continue
        own = tokens[first:end]
        hashes.append(
            DefinitionHash(
                name=name.decode("utf-8", "backslashreplace"),
                line=source.count(b"\n", 0, starts[first]),
                num_tokens=len(own),
                exact=_digest(own),
                renamed=_digest(_renamed(own, defined, keywords)),
            )
        )
    return hashes


def _digest(tokens: list[bytes]) -> bytes:
    return hashlib.blake2b(b"\x1f".join(tokens), digest_size=16).digest()


def _tokens(source: bytes, skipped: list[Node], strings: list[Node]) -> tuple[list[bytes], list[int]]:
    """The normalised tokens, and the byte at which each begins."""
    spans = sorted([(*n.byte_range, False) for n in skipped] + [(*n.byte_range, True) for n in strings])
    tokens: list[bytes] = []
    starts: list[int] = []
    position = 0
    for start, end, is_string in [*spans, (len(source), len(source), False)]:
        if start < position:
            continue  # inside of another
        for match in _TOKEN.finditer(source, position, start):
            token = match[0]
            if token in _CLOSING and tokens and tokens[-1] == b",":
                tokens.pop()
                starts.pop()
            if token not in _LEFT_OUT:
                tokens.append(token)
                starts.append(match.start())
        if is_string:
            tokens.append(b'"' + b" ".join(source[start:end].strip(_QUOTES).split()))
            starts.append(start)
        position = end
    return tokens, starts


def _renamed(tokens: list[bytes], defined: set[bytes], keywords: frozenset[bytes]) -> list[bytes]:
    """The tokens with the definition's own names numbered."""
    places = [n for n, token in enumerate(tokens) if _NAME.match(token) and token not in keywords]
    own = [n for n in places if tokens[n] in defined or not _is_member(tokens, n)]
    behind = [*tokens[1:], b""]
    numbered = defined | {tokens[n] for n in own if behind[n] != b"("}
    numbers: dict[bytes, bytes] = {}
    renamed = list(tokens)
    for n in own:
        if tokens[n] in numbered:
            renamed[n] = numbers.setdefault(tokens[n], b"\0%d" % len(numbers))
    return renamed


def _is_member(tokens: list[bytes], place: int) -> bool:
    """Whether a name stands behind `.`, `->` or `::`."""
    before = tokens[max(0, place - 2) : place]
    return before[-1:] == [b"."] or before in ([b"-", b">"], [b":", b":"])


def _defines(node: Node, spec: Language) -> bool:
    rule = spec.definition_nodes[node.type]
    if rule.value is None:
        return True
    value = node.child_by_field_name(rule.value)
    return value is not None and value.type in spec.value_nodes


def _name(source: bytes, node: Node, spec: Language) -> bytes:
    """The name that a definition gives, without what surrounds it; empty where it has none."""
    rule = spec.definition_nodes[node.type]
    inner = node.child_by_field_name(rule.name) if rule.name is not None else None
    while inner is not None:  # a declarator leads to its name
        further = inner.child_by_field_name("declarator") or inner.child_by_field_name("name")
        if further is None:
            return source[inner.start_byte : inner.end_byte]
        inner = further
    return b""


@cache
def _query(language: str, grammars: Grammars) -> Query | None:
    spec, using = by_name(language), grammar(language, grammars)
    patterns = []
    kinds = (
        ("skip", spec.comment_nodes),
        ("string", spec.string_nodes),
        ("definition", spec.definition_nodes),
    )
    for name, nodes in kinds:
        known = sorted(kind for kind in nodes if using.id_for_node_kind(kind, True) is not None)
        if known:
            patterns.append("[" + " ".join(f"({kind})" for kind in known) + f"] @{name}")
    if spec.documentation == "docstring":
        patterns.append("(expression_statement . (string) .) @skip")
    return Query(using, "\n".join(patterns)) if patterns else None


@cache
def _keywords(using: Grammar) -> frozenset[bytes]:
    """Words that the grammar knows as such."""
    kinds = (using.node_kind_for_id(n) for n in range(using.node_kind_count) if not using.node_kind_is_named(n))
    return _FIXED | {kind.encode() for kind in kinds if kind and kind.isidentifier()}

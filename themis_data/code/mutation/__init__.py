"""Small bugs, put into a program through its syntax tree.

Each mutant differs from the original in one place, as a programmer's slip would: a boundary, an index, a wrong
variable. Which nodes and words a language has for that is data (`LANGUAGE.yaml`, read by `table.py`); the operators
know no language. Pairs of words are swapped in both directions, and an offset is added where it is missing and dropped
where it is there.

Whether a mutant is a bug is not known here. Only running it tells: see `python_tests.find_bugs` and
`differential.find_bugs`.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import tree_sitter

from themis_data.code import grammars
from themis_data.code.grammars import Grammars
from themis_data.code.mutation.operators import Edit, bodies, edits, kinds_of
from themis_data.code.mutation.table import Table, all_tables, table
from themis_data.fingerprint import digest


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A program with one change in it."""

    source: bytes
    kind: str  # such as comparison_boundary; the kinds of a language are `kinds(language)`
    line: int  # where the change begins in the original, from 1
    before: str  # the changed lines of the original without indentation; bytes that are not UTF-8 are replaced
    after: str  # the same lines in the mutant; empty where they were removed


def mutants(
    source: bytes,
    language: str,
    *,
    entry_point: str | None,
    seed: int | str,
    most: int | None = None,
    lines: Set[int] | None = None,
    grammars: Grammars = "auto",
) -> list[Mutant]:
    """Mutants of a program, each once, in an order that depends on the arguments alone; the first `most` of them.

    `entry_point` is the only function that changes, null for all of them; `lines` (from 1) the only lines in which a
    change may begin, null for all. Kinds take turns, so the first few mutants are of many kinds. Each parses with no
    more errors than the original and differs from it in more than layout. There is none where the source cannot be
    parsed within bounds. Raises UnknownName for a language without mutation operators.
    """
    known = table(language)
    found = _mutants(source, known, entry_point, str(seed), lines, grammars)
    return list(itertools.islice(found, most))


def kinds(language: str) -> tuple[str, ...]:
    """Names of the operators of a language, sorted. Raises UnknownName as `mutants` does."""
    return kinds_of(table(language))


def languages() -> tuple[str, ...]:
    """Canonical names of the languages that have mutation operators, sorted."""
    return tuple(all_tables())


def _mutants(
    source: bytes, known: Table, entry_point: str | None, seed: str, lines: Set[int] | None, using: Grammars
) -> Iterator[Mutant]:
    tree = grammars.parse(source, known.name, using)
    if tree is None:
        return
    errors = num_errors(tree)
    draw = random.Random(digest([source.hex(), known.name, entry_point, seed]))  # noqa: S311 - no secret
    functions = [
        function
        for function in bodies(tree.root_node, known, source, entry_point)
        if lines is None or not lines.isdisjoint(range(function.start_point[0] + 1, function.end_point[0] + 2))
    ]
    for edit, changed in candidates(functions, source, known, draw, lines):
        changed_tree = grammars.parse(changed, known.name, using)
        if changed_tree is None:
            continue
        if num_errors(changed_tree) <= errors and not _is_silly(changed_tree, changed, edit, known):
            yield _mutant(source, changed, edit)


def candidates(
    functions: Sequence[tree_sitter.Node],
    source: bytes,
    known: Table,
    draw: random.Random,
    lines: Set[int] | None = None,
) -> Iterator[tuple[Edit, bytes]]:
    """Every edit of some functions with what it makes of the source, each result once; nothing is parsed yet."""
    by_kind: dict[str, list[Edit]] = {}
    for function in functions:
        for edit in sorted(set(edits(source, known, function))):
            if lines is None or _line(source, edit) in lines:
                by_kind.setdefault(edit.kind, []).append(edit)
    seen = {source}
    for edit in _in_turns(by_kind, draw):
        changed = source[: edit.start] + edit.text + source[edit.end :]
        is_layout = source[edit.start : edit.end].split() == edit.text.split()
        if changed not in seen and not is_layout:
            seen.add(changed)
            yield edit, changed


def _in_turns(by_kind: Mapping[str, list[Edit]], draw: random.Random) -> Iterator[Edit]:
    """One edit of each kind, then another of each, both in drawn order, until none is left."""
    queues = []
    for kind in sorted(by_kind):
        shuffled = list(by_kind[kind])
        draw.shuffle(shuffled)
        queues.append(shuffled)
    while queues:
        draw.shuffle(queues)
        for queue in queues:
            yield queue.pop()
        queues = [queue for queue in queues if queue]


def num_errors(tree: tree_sitter.Tree) -> int:
    """Error nodes and tokens that the parser had to make up."""
    errors, todo = 0, [tree.root_node]
    while todo:
        node = todo.pop()
        if node.has_error:
            errors += node.is_error or node.is_missing
            todo += node.children
    return errors


def _is_silly(tree: tree_sitter.Tree, source: bytes, edit: Edit, known: Table) -> bool:
    """Whether the change made both sides of something the same, as in `x = x` or `1 if c else 1`."""
    end = edit.start + len(edit.text)
    node: tree_sitter.Node | None = tree.root_node
    while node is not None:
        sides: list[tree_sitter.Node] = []
        if node.type in known.branches:
            parts = [child for child in node.named_children if child.type != "comment"]
            sides = [parts[place] for place in known.branches[node.type] if place < len(parts)]
        elif node.type in known.two_sides:
            sides = [node.children[0], node.children[-1]]
        texts = [source[side.start_byte : side.end_byte] for side in sides]
        if len(texts) == 2 and texts[0] == texts[1]:
            return True
        around = (child for child in node.children if child.start_byte <= edit.start and end <= child.end_byte)
        node = next(around, None)
    return False


def _line(source: bytes, edit: Edit) -> int:
    return source.count(b"\n", 0, edit.start) + 1


def _mutant(source: bytes, changed: bytes, edit: Edit) -> Mutant:
    start = source.rfind(b"\n", 0, edit.start) + 1
    whole_lines = source[edit.end - 1 : edit.end] == b"\n" and edit.start == start
    end = edit.end - 1 if whole_lines else source.find(b"\n", edit.end)
    end = len(source) if end < 0 else end
    after = b"" if whole_lines and not edit.text else changed[start : end + len(changed) - len(source)]
    return Mutant(
        source=changed,
        kind=edit.kind,
        line=_line(source, edit),
        before=source[start:end].decode("utf-8", "replace").strip(),
        after=after.decode("utf-8", "replace").strip(),
    )

"""Instructions written by rule, without a model: what both versions of a file are meant to do, in words both contain.

A prompt may hold only text that is identical on both sides. So it says what the file is for, and names the definitions
that both sides have, with their signatures and documentation where these are the same on both sides. For a fragment
it asks for these definitions alone, and says in which classes they stand and what the file imports.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

from themis_data.code.cutting import imports
from themis_data.code.grammars import Grammars
from themis_data.code.syntax import Definition, definitions, file_doc, identifiers
from themis_data.engine.requests import Answering
from themis_data.errors import PipelineError
from themis_data.fingerprint import uniform
from themis_data.llm.templates import render
from themis_data.text.messages import without_people

_STYLES = 3  # openings in the template
_MAX_DEFINITIONS = 12
_MAX_DOC_CHARS = 500
_MAX_IMPORTS = 20
_MIN_STATEMENT_WORDS = 4  # fewer are a label, not a statement of behaviour
_CALLED = frozenset({"function", "method", "constructor", "destructor", "operator", "macro"})
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Stands for the rules of this project where a step may ask a language model or do without: `model: rules`."""

    name: str = "rules"
    revision: str | None = None
    variant: str | None = None
    family: str | None = None
    leaves_machine: bool = False
    usd_per_million_tokens: tuple[float, float] | None = None
    gpus: int = 0

    def open(self) -> AbstractContextManager[Answering]:
        raise PipelineError("the rules answer no questions; give the step a language model")


BACKEND = Rules


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """The prompt for a pair, or why none can be written."""

    prompt: str | None
    reason: str | None


class _Item(NamedTuple):
    header: str
    doc: str | None
    inside: str | None = None  # header of the definition around it, where both sides have the same
    only_surrounds: bool = False  # others stand in it
    is_local: bool = False  # it stands in a function

    @property
    def is_asked_for(self) -> bool:
        """Whether whoever writes a part of a file has to know of it."""
        return not self.only_surrounds and (not self.is_local or self.doc is not None)


_Key = tuple[str, str]  # qualified name and header of a definition: overloads are told apart


def write_instruction(
    *,
    chosen: str,
    rejected: str,
    path: str,
    language: str,
    needs_behaviour: bool,
    changed_lines: tuple[frozenset[int], frozenset[int]],
    draw: tuple[int, str],
    is_fragment: bool = False,
    grammars: Grammars = "auto",
) -> Instruction:
    """The instruction that either version answers: to write the file or, of a fragment, its definitions.

    `changed_lines` are the 0-based lines that differ, of the rejected and of the chosen side. With `needs_behaviour`
    (functional correctness) a definition that the change touches must have documentation that both sides share: without
    a statement of what the code should do, neither side is wrong, and the reason is `underspecified`. `draw` (seed, row
    id) chooses the wording.
    """
    old_source, new_source = rejected.encode(), chosen.encode()
    old, new = (definitions(source, language, grammars=grammars) for source in (old_source, new_source))
    foreign = _names(old_source, language, grammars) ^ _names(new_source, language, grammars)
    is_allowed = _checker(foreign)
    common = _common(old, new)
    touched = _touched(old, changed_lines[0]) | _touched(new, changed_lines[1])
    documented = {key for key, item in common.items() if item.doc and is_allowed(item.doc) and _is_statement(item.doc)}
    if needs_behaviour and not touched & documented:
        return Instruction(
            prompt=None,
            reason="underspecified: no touched definition has documentation that both sides share",
        )
    # The first comment of a fragment speaks of a definition, and never of the file.
    purpose = None if is_fragment else _shared_doc(old_source, new_source, language, grammars)
    if purpose is not None and not is_allowed(purpose):
        purpose = None
    listed = {key: item for key, item in common.items() if not is_fragment or item.is_asked_for}
    items = [listed[key] for key in _selection(listed, touched, documented) if is_allowed(listed[key].header)]
    if not items and purpose is None:
        return Instruction(prompt=None, reason="underspecified: both sides share neither definitions nor a description")
    items = [item if item.doc is None or is_allowed(item.doc) else item._replace(doc=None) for item in items]
    items = [item if item.inside is None or is_allowed(item.inside) else item._replace(inside=None) for item in items]
    # Purpose and items have been looked at; the template's own words are in every prompt and give nothing away.
    leaks = sorted(foreign.intersection(_WORD.findall(path)))
    if leaks:
        return Instruction(prompt=None, reason=f"leak: the prompt would name {leaks[0]!r}, which only one side has")
    style = int(uniform(draw[0], "instruction", draw[1]) * _STYLES)
    same = {"language": language, "file": " ".join(path.replace("`", "'").split()), "items": items, "style": style}
    if is_fragment:
        shared = [one for one in _shared_imports(rejected, chosen, language, grammars) if is_allowed(one)]
        given = {"imports": shared[:_MAX_IMPORTS], "has_more_imports": len(shared) > _MAX_IMPORTS}
        return Instruction(prompt=render("write_definitions", **same, **given), reason=None)
    return Instruction(prompt=render("write_file", **same, purpose=purpose), reason=None)


def _names(source: bytes, language: str, grammars: Grammars) -> frozenset[str]:
    """Words of the names in the code, without signs such as Ruby's `@` and `?` or JavaScript's `$`."""
    return frozenset(word for name in identifiers(source, language, grammars=grammars) for word in _WORD.findall(name))


def _checker(foreign: frozenset[str]) -> Callable[[str], bool]:
    """Whether a text names nothing that only one side has."""
    return lambda text: not foreign.intersection(_WORD.findall(text))


def _key(definition: Definition) -> _Key:
    return definition.qualified_name, definition.header


def _common(old: list[Definition], new: list[Definition]) -> dict[_Key, _Item]:
    """Definitions that both sides have, in the new side's order; documentation where it is shared."""
    before: dict[_Key, Definition] = {}
    for definition in old:
        before.setdefault(_key(definition), definition)
    common: dict[_Key, _Item] = {}
    around: list[Definition] = []
    for definition in new:
        while around and not _is_around(around[-1], definition):
            around.pop()
        other = before.get(_key(definition))
        outer = _key(around[-1]) if around else None
        if outer in common and around[-1].kind not in _CALLED:
            common[outer] = common[outer]._replace(only_surrounds=True)
        around.append(definition)
        if other is not None and _key(definition) not in common:
            doc = _shortened(definition.doc) if definition.doc == other.doc else None
            inside = outer[1] if outer is not None and outer in common else None
            is_local = any(one.kind in _CALLED for one in around[:-1])
            common[_key(definition)] = _Item(definition.header, doc, inside, is_local=is_local)
    return common


def _is_around(outer: Definition, inner: Definition) -> bool:
    """Whether one stands in the other; two in the very same lines are two names of one thing."""
    same = (outer.start_line, outer.end_line) == (inner.start_line, inner.end_line)
    return outer.end_line >= inner.end_line and not same


def _shared_imports(old: str, new: str, language: str, grammars: Grammars) -> list[str]:
    before = set(imports(old, language, grammars=grammars))
    return [one for one in dict.fromkeys(imports(new, language, grammars=grammars)) if one in before and "`" not in one]


def _touched(found: list[Definition], lines: frozenset[int]) -> set[_Key]:
    """The innermost definitions that hold a changed line."""
    touched = set()
    for line in lines:
        around = [d for d in found if d.start_line <= line <= d.end_line]
        if around:
            touched.add(_key(min(around, key=lambda d: d.end_line - d.start_line)))
    return touched


def _selection(common: dict[_Key, _Item], touched: set[_Key], documented: set[_Key]) -> list[_Key]:
    """At most a dozen in file order: touched ones first, then documented ones, then the others."""
    ranked = sorted(common, key=lambda key: (key not in touched, key not in documented))
    kept = set(ranked[:_MAX_DEFINITIONS])
    return [key for key in common if key in kept]


def _shared_doc(old: bytes, new: bytes, language: str, grammars: Grammars) -> str | None:
    before, after = (file_doc(source, language, grammars=grammars) for source in (old, new))
    return _shortened(after) if before == after else None


def _shortened(doc: str | None) -> str | None:
    """The first paragraphs of a documentation, without people and without lines for documentation tools."""
    if not doc:
        return None
    lines = [
        line
        for line in without_people(doc).splitlines()
        if not line.lstrip().startswith(("@author", "@since", "@version"))
    ]
    text = "\n".join(lines).strip()
    if len(text) <= _MAX_DOC_CHARS:
        return text or None
    cut = text[:_MAX_DOC_CHARS]
    end = max(cut.rfind(". "), cut.rfind(".\n"), cut.rfind("\n\n"))
    return cut[: end + 1].strip() if end > 0 else None


def _is_statement(doc: str) -> bool:
    return len(_WORD.findall(doc)) >= _MIN_STATEMENT_WORDS

"""Looks for bugs in a function that has no tests: by what it and a mutant return for the same inputs.

Inputs are made from what the function says of itself: calls in its docstring, type hints, or failing both the kinds of
values that it takes without complaint; and from the numbers and strings in its code, for bugs sit at those. Only inputs
for which the reference returns plain data count. A mutant is then run against the reference as against a test, see
`python_tests`: it is a bug where it returns the same for some inputs and something else for others, and never fails.

The inputs are drawn in the sandbox by a seeded generator, with the work that one call may do counted and not timed: the
same program gives the same inputs. They leave it as text only, which nothing outside evaluates.
"""

import inspect
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from themis_data.code import python_tests, sandbox
from themis_data.code.python_tests import LIMITS, BugSearch, Task
from themis_data.code.sandbox import Limits, Program
from themis_data.fingerprint import digest

NUM_INPUTS = 40

Trouble = Literal["no_inputs", "not_deterministic"]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function whose behaviour is the only measure of a mutant of it."""

    entry_point: str  # its name
    reference: str  # the whole program that defines it


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What came of looking for bugs in one function."""

    trouble: Trouble | None
    """no_inputs: fewer than two inputs were found for which it returns plain data, or it could not be loaded.
    not_deterministic: two calls with the same input returned different things. Null where it can be compared."""
    num_inputs: int
    search: BugSearch | None  # its tallies count inputs: passed ones return the same; null with trouble


def find_bugs(
    functions: Sequence[Function],
    *,
    seed: int | str,
    max_bugs: int = 3,
    max_tries: int = 12,
    num_inputs: int = NUM_INPUTS,
    limits: Limits = LIMITS,
) -> list[Differences]:
    """Up to `max_bugs` bugs a function, of `max_tries` mutants run on up to `num_inputs` inputs; in order.

    A bug returns what the reference does for at least one input and something else for another, and raises for none.
    Numbers count as the same where they are equal to nine digits. Raises SandboxError where nothing can be run.
    """
    found = _inputs(functions, seed=seed, num_inputs=num_inputs, limits=limits)
    tasks = [
        _comparison(function, inputs)
        for function, inputs in zip(functions, found, strict=True)
        if inputs.trouble is None
    ]
    searches = iter(python_tests.find_bugs(tasks, seed=seed, max_bugs=max_bugs, max_tries=max_tries, limits=limits))
    results = []
    for inputs in found:
        search = next(searches) if inputs.trouble is None else None
        trouble = inputs.trouble
        if search is not None and not search.reference.passed_all:
            trouble, search = "not_deterministic", None  # another process, another answer
        results.append(Differences(trouble=trouble, num_inputs=inputs.count, search=search))
    return results


def comparisons(
    functions: Sequence[Function], *, seed: int | str, num_inputs: int = NUM_INPUTS, limits: Limits = LIMITS
) -> list[Task | Trouble]:
    """For each function a task whose test has one assert an input: that a candidate returns what it does.

    Or why there is none. A reference that fails this test is not deterministic from one process to another. Raises
    SandboxError where nothing can be run.
    """
    found = _inputs(functions, seed=seed, num_inputs=num_inputs, limits=limits)
    return [inputs.trouble or _comparison(function, inputs) for function, inputs in zip(functions, found, strict=True)]


@dataclass(frozen=True)
class _Inputs:
    text: str  # a Python literal: a list of tuples of arguments
    count: int
    trouble: Trouble | None


def _comparison(function: Function, inputs: _Inputs) -> Task:
    called = f"_compare(candidate, {function.entry_point!r}, {function.reference!r}, {inputs.text!r})"
    return Task(
        entry_point=function.entry_point,
        reference=function.reference,
        test=f"{inspect.getsource(_compare)}\ndef check(candidate):\n    {called}\n",
    )


def _inputs(functions: Sequence[Function], *, seed: int | str, num_inputs: int, limits: Limits) -> list[_Inputs]:
    token = secrets.token_hex(16)
    source = inspect.getsource(_draw_inputs)
    programs = [
        Program(
            source=f"{source}\n_draw_inputs"
            f"{(token, function.entry_point, function.reference, digest([seed, 'inputs']), num_inputs)!r}"
        )
        for function in functions
    ]
    patient = replace(limits, cpu_s=8 * limits.cpu_s)  # several hundred calls, each with its work counted
    found = []
    for outcome in sandbox.run_python_batch(programs, limits=patient):
        said = [
            line.split(" ", 2)[1:]
            for line in outcome.stdout.decode("utf-8", "replace").splitlines()
            if line.startswith(f"{token} ")
        ]
        # Whatever it printed, it was printed beside a program that we did not write.
        match said[-1] if said and outcome.status == "ok" else []:
            case ["not_deterministic"]:
                found.append(_Inputs("[]", 0, "not_deterministic"))
            case [count, text] if count.isdecimal() and len(count) < 9:
                found.append(_Inputs(text, int(count), None))
            case _:
                found.append(_Inputs("[]", 0, "no_inputs"))
    return found


# The next two functions never run in this process: their source is sent into the sandbox. So each imports what it
# needs, and nothing outside them is in reach.


def _compare(candidate: "Callable[..., object]", entry_point: str, reference: str, inputs: str) -> None:
    """In the sandbox: one assert for each input, that the candidate returns what the reference does."""
    import ast
    import copy
    import math
    import types

    def same(one: object, other: object) -> bool:
        if isinstance(one, float) or isinstance(other, float):
            if isinstance(one, int | float) and isinstance(other, int | float):
                return one == other or (one != one and other != other) or math.isclose(one, other)
            return False
        if isinstance(one, list | tuple) and isinstance(other, list | tuple) and type(one) is type(other):
            return len(one) == len(other) and all(map(same, one, other))
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        return one == other

    module = types.ModuleType("compared")
    exec(compile(reference, "<compared>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - in the sandbox
    function = getattr(module, entry_point)
    for arguments in ast.literal_eval(inputs):
        expected = function(*copy.deepcopy(arguments))
        assert same(candidate(*arguments), expected)


def _draw_inputs(token: str, entry_point: str, source: str, seed: str, most: int) -> None:
    """In the sandbox: print inputs for which a function returns plain data, or why there are none."""
    import ast
    import copy
    import inspect
    import io
    import itertools
    import os
    import random
    import re
    import sys
    import types
    import typing

    work_a_call = 20_000  # lines of the function
    tries = 12 * most
    report = os.dup(1)
    draw = random.Random(seed)  # noqa: S311 - no secret

    class Silence(io.TextIOBase):
        def write(self, text: str) -> int:
            return len(text)

    sys.stdout = Silence()

    class TooMuchWork(BaseException):
        """Not an Exception: the function must not take it for one of its own."""

    def finish(text: str) -> typing.NoReturn:
        data = f"\n{token} {text}\n".encode()
        while data:
            data = data[os.write(report, data) :]
        os._exit(0)

    def is_plain(value: object, depth: int = 0) -> bool:
        if value is None or type(value) in (bool, int, float, str, bytes, complex):
            return not isinstance(value, int) or value.bit_length() < 4096
        if depth > 6:
            return False
        if type(value) in (list, tuple, set, frozenset):
            return all(is_plain(item, depth + 1) for item in typing.cast("list[object]", value))
        if type(value) is dict:
            return all(is_plain(key, depth + 1) and is_plain(item, depth + 1) for key, item in value.items())
        return False

    # What is known of a function: its parameters, and values in its docstring and code.

    module = types.ModuleType("program")
    try:
        exec(compile(source, "<program>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - in the sandbox
        function = module.__dict__[entry_point]
        parameters = list(inspect.signature(function).parameters.values())
    except Exception:  # noqa: BLE001 - whatever a program that we did not write raises while it loads
        finish("no_inputs")
    needed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind == p.KEYWORD_ONLY and p.default is p.empty for p in parameters) or not needed:
        finish("no_inputs")
    width = len(needed)
    least = sum(p.default is p.empty for p in needed)

    def examples() -> list[tuple[typing.Any, ...]]:
        """The arguments of the calls of the function that its docstring shows."""
        text, found = inspect.getdoc(function) or "", []
        for match in re.finditer(rf"\b{re.escape(entry_point)}\s*\(", text):
            depth, end, quote = 0, match.end() - 1, ""
            for end in range(match.end() - 1, min(len(text), match.end() + 2000)):
                letter = text[end]
                if quote:
                    quote = "" if letter == quote and text[end - 1] != "\\" else quote
                elif letter in "'\"":
                    quote = letter
                else:
                    depth += (letter in "([{") - (letter in ")]}")
                    if depth == 0:
                        break
            try:
                call = ast.parse(text[match.start() : end + 1].strip(), mode="eval").body
                given = tuple(ast.literal_eval(one) for one in typing.cast(ast.Call, call).args)
            except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
                continue
            if least <= len(given) <= width and is_plain(given) and not typing.cast(ast.Call, call).keywords:
                found.append(given)
        return found

    shown = examples()
    ints: set[int] = set()
    texts: set[str] = set()
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr):
            docstrings.add(id(node.value))
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            if type(node.value) is int and abs(node.value) <= 10_000:
                ints |= {node.value - 1, node.value, node.value + 1}
            elif type(node.value) is str and len(node.value) <= 40:
                texts.add(node.value)
    any_negative = "-" in repr(shown)
    ints = {value for value in ints if value >= 0 or any_negative or not shown}
    known_ints, known_texts = sorted(ints), sorted(texts)
    letters = sorted(set("".join(texts)) | set("abcxyzABC 019"))

    # Values of a kind. A kind is the name of a type, or such a name with the kinds inside: ("list", "int").

    def number() -> int:
        if known_ints and draw.random() < 0.3:
            return draw.choice(known_ints)
        value = draw.choice((draw.randint(0, 3), draw.randint(0, 12), draw.randint(0, 12), draw.randint(0, 100)))
        return -value if draw.random() < (0.25 if any_negative else 0.0 if shown else 0.12) else value

    def text() -> str:
        way = draw.random()
        if known_texts and way < 0.15:
            return draw.choice(known_texts)
        if way < 0.3:
            return " ".join("".join(draw.choices(letters, k=draw.randint(1, 5))) for _ in range(draw.randint(1, 4)))
        pool = draw.sample(letters, min(len(letters), draw.choice((2, 4, 8))))
        return "".join(draw.choices(pool, k=draw.choice((0, 1, 2, 3, 4, 5, 6, 8, 12))))

    def value_of(kind: typing.Any, depth: int = 0) -> typing.Any:
        name, *inside = kind if isinstance(kind, tuple) else (kind,)
        size = draw.choice((0, 1, 2, 3, 3, 4, 5, 6, 8)) if depth == 0 else draw.choice((0, 1, 2, 3, 4))
        if name == "int":
            return number()
        if name == "float":
            return draw.choice((float(number()), round(draw.uniform(-5 if any_negative else 0, 20), 1), number() / 4))
        if name == "str":
            return text()
        if name == "bool":
            return draw.random() < 0.5
        if name == "none":
            return None
        if name == "any":
            return value_of(draw.choice(("int", "int", "str", "float", ("list", "int"))), depth + 1)
        if name == "union":
            return value_of(draw.choice(inside), depth)
        if name == "tuple" and inside:
            return tuple(value_of(one, depth + 1) for one in inside)
        if name == "dict":
            key, item = inside or ("str", "int")
            return {value_of(key, depth + 1): value_of(item, depth + 1) for _ in range(size)}
        items = [value_of(inside[0] if inside else "int", depth + 1) for _ in range(size)]
        way = draw.random()
        if items and way < 0.25:
            items += draw.choices(items, k=draw.randint(1, 3))  # some twice
        if way > 0.75 and is_sortable(items):
            items.sort(reverse=way > 0.9)
        return {"set": set, "tuple": tuple}.get(name, list)(items)

    def is_sortable(items: list[typing.Any]) -> bool:
        try:
            sorted(items)
        except TypeError:
            return False
        return True

    def kind_of_hint(hint: typing.Any) -> typing.Any:
        """The kind a type hint speaks of; None where it tells nothing."""
        plain = {int: "int", float: "float", str: "str", bool: "bool", type(None): "none", typing.Any: "any"}
        if hint in plain:
            return plain[hint]
        origin, inside = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin is typing.Union or origin is types.UnionType:
            kinds = [kind_of_hint(one) for one in inside]
            return None if None in kinds else ("union", *kinds)
        names = {list: "list", set: "set", frozenset: "set", tuple: "tuple", dict: "dict"}
        by_name = {"Sequence": "list", "Iterable": "list", "Collection": "list", "Mapping": "dict"}
        name = names.get(origin) or by_name.get(getattr(origin, "__name__", ""))
        if name is None:
            return None
        if name == "tuple" and inside and inside[-1] is not Ellipsis:
            kinds = [kind_of_hint(one) for one in inside]
            return None if None in kinds else ("tuple", *kinds)
        kinds = [kind_of_hint(one) or "int" for one in inside if one is not Ellipsis]
        if name == "tuple":
            return ("list", *kinds)  # as a tuple it would have a fixed length
        return (name, *kinds)

    def kind_of_value(value: typing.Any) -> typing.Any:
        if isinstance(value, list | set):
            kinds = list(dict.fromkeys(kind_of_value(item) for item in value))
            inner = kinds[0] if len(kinds) == 1 else ("union", *kinds) if kinds else "int"
            return (type(value).__name__, inner)
        if isinstance(value, tuple):
            return ("tuple", *(kind_of_value(item) for item in value))
        if isinstance(value, dict):
            keys = list(dict.fromkeys(kind_of_value(key) for key in value)) or ["str"]
            items = list(dict.fromkeys(kind_of_value(item) for item in value.values())) or ["int"]
            return ("dict", ("union", *keys), ("union", *items))
        return "none" if value is None else type(value).__name__

    def near(value: typing.Any) -> typing.Any:
        """A value like another, as its example shows."""
        if isinstance(value, bool) or value is None:
            return value if draw.random() < 0.5 else draw.random() < 0.5 if value is not None else None
        if isinstance(value, int):
            step = value + draw.choice((-2, -1, 1, 2, 5, 10)) if draw.random() < 0.5 else number()
            return step if step >= 0 or any_negative else abs(step)
        if isinstance(value, float):
            return round(value * draw.choice((0.5, 1, 1, 2)) + draw.choice((-1, 0, 0.5, 1)), 3)
        if isinstance(value, str):
            return near_text(value)
        if isinstance(value, dict):
            return {key: near(item) for key, item in value.items() if draw.random() < 0.8}
        if isinstance(value, tuple):
            return tuple(near(item) for item in value)
        return type(value)(near_items(list(value)))

    def near_items(items: list[typing.Any]) -> list[typing.Any]:
        for _ in range(draw.randint(1, 3)):
            way = draw.randrange(7)
            if way == 0 and items:
                del items[draw.randrange(len(items))]
            elif way == 1 and items:
                items.insert(draw.randint(0, len(items)), draw.choice(items))
            elif way == 2:
                draw.shuffle(items)
            elif way == 3 and items:
                place = draw.randrange(len(items))
                items[place] = near(items[place])
            elif way == 4:
                items = items[: draw.randint(0, len(items))]
            elif way == 5 and is_sortable(items):
                items.sort()
            elif items:
                items.append(near(draw.choice(items)))
        return items

    def near_text(value: str) -> str:
        words = value.split(" ")
        pool = sorted({word for given in shown for one in given if isinstance(one, str) for word in one.split(" ")})
        if len(words) > 1 and draw.random() < 0.6:
            if draw.random() < 0.3:
                words[draw.randrange(len(words))] = draw.choice(pool)
            draw.shuffle(words)
            return " ".join(words[: draw.randint(1, len(words))])
        signs = sorted({letter for given in shown for one in given if isinstance(one, str) for letter in one})
        parts = list(value)
        for _ in range(draw.randint(1, 3)):
            way = draw.randrange(6)
            if way == 0 and parts:
                del parts[draw.randrange(len(parts))]
            elif way == 1 and parts:
                start = draw.randrange(len(parts))
                parts[start:start] = parts[start : start + draw.randint(1, 3)]
            elif way == 2 and parts:
                first, second = draw.randrange(len(parts)), draw.randrange(len(parts))
                parts[first], parts[second] = parts[second], parts[first]
            elif way == 3 and parts and signs:
                parts[draw.randrange(len(parts))] = draw.choice(signs)
            elif way == 4:
                parts = parts[: draw.randint(0, len(parts))]
            elif parts:
                place = draw.randrange(len(parts))
                parts[place] = parts[place].swapcase()
        return "".join(parts)

    # Trying them.

    work_left = 0

    def count_lines(frame: types.FrameType, event: str, _argument: object) -> typing.Any:
        nonlocal work_left
        if frame.f_code.co_filename != "<program>":
            return None
        work_left -= event == "line"
        if work_left < 0:
            raise TooMuchWork
        return count_lines

    def outcome(arguments: tuple[typing.Any, ...]) -> tuple[bool, typing.Any]:
        """Whether the function returns plain data, and what."""
        nonlocal work_left
        work_left = work_a_call
        given = copy.deepcopy(arguments)
        try:
            sys.settrace(count_lines)
            try:
                value = function(*given)
            finally:
                sys.settrace(None)
            return is_plain(value) and len(repr(value)) < 10_000, value
        except (Exception, TooMuchWork):  # noqa: BLE001 - of a program that we did not write: no input for us
            return False, None

    def kinds_by_trying() -> list[typing.Any] | None:
        """The kinds that the function takes most often and answers most variously, of a few for each parameter."""
        pool: list[typing.Any] = [
            *("int", "str", ("list", "int"), ("list", "str"), "float", ("list", ("list", "int"))),
            *(("dict", "str", "int"), ("list", "float"), "bool"),
        ]
        choices: list[list[typing.Any]] = [pool if hint is None else [hint] for hint in hinted]
        best: tuple[float, list[typing.Any]] | None = None
        for kinds in itertools.islice(itertools.product(*choices), 150):
            seen = [outcome(tuple(value_of(kind) for kind in kinds)) for _ in range(8)]
            answers = [repr(value) for is_good, value in seen if is_good]
            score = len(answers) / 8 + len(set(answers)) / 8
            if len(answers) >= 4 and (best is None or score > best[0] + 0.4):
                best = (score, list(kinds))
        return None if best is None else best[1]

    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - a name that is not there, or anything that evaluating a hint raises
        hints = {}
    hinted = [kind_of_hint(hints[p.name]) if p.name in hints else None for p in needed]
    makers: list[typing.Callable[[], tuple[typing.Any, ...]]] = []
    if shown:
        of_examples = [tuple(kind_of_value(value) for value in given) for given in shown]
        makers += [lambda: tuple(near(value) for value in draw.choice(shown))] * 3
        makers += [lambda: tuple(value_of(kind) for kind in draw.choice(of_examples))]
    else:
        kinds = hinted if None not in hinted else kinds_by_trying()
        if kinds is None:
            finish("no_inputs")
        makers.append(lambda: tuple(value_of(kind) for kind in kinds))

    chosen: list[tuple[typing.Any, ...]] = []
    seen: set[str] = set()
    waiting = list(shown)
    for _ in range(tries):
        if len(chosen) == most:
            break
        arguments = waiting.pop(0) if waiting else draw.choice(makers)()
        name = repr(arguments)
        if name in seen or len(name) > 2000:
            continue
        seen.add(name)
        try:
            if repr(ast.literal_eval(name)) != name:
                continue  # infinity, or an empty set
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        is_good, value = outcome(arguments)
        if not is_good:
            continue
        again_good, again = outcome(arguments)
        if not again_good or repr(again) != repr(value):
            finish("not_deterministic")
        chosen.append(arguments)
    if len(chosen) < 2:
        finish("no_inputs")
    finish(f"{len(chosen)} {chosen!r}")

"""Runs candidate programs against the tests of a Python task, assert by assert.

A test is a program that defines `check(candidate)`, as in HumanEval. Each of its asserts that runs is counted: passed,
wrong output, or an exception; the test then goes on. The test runs beside the *reference* in one sandboxed process, the
candidate in another, and only arguments and results pass between them, as plain data. So a candidate cannot print a
verdict, end the test early, see what is expected, or return an object that is equal to everything.
"""

import inspect
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

from themis_data.code import sandbox
from themis_data.code.mutation import Mutant, mutants
from themis_data.code.sandbox import Limits, Outcome, Program

# Of HumanEval's 164 references one takes 0.1 s, over 0.5 s on a machine with far more to do than cores, and the others
# a few ms: what needs this long loops, on any machine.
LIMITS = Limits(cpu_s=1.0, wall_s=20.0, output_bytes=2**20)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task whose answers can be executed."""

    entry_point: str  # name of the function that the test calls
    reference: str  # a whole program that answers the task: HumanEval's prompt and canonical_solution in one
    test: str  # source that defines check(candidate)


@dataclass(frozen=True, kw_only=True)
class TestTally:
    """How a candidate did, in executed asserts; one inside a loop counts each time. `assert True` does not count."""

    __test__: ClassVar[bool] = False  # the name is no invitation to pytest

    passed: int
    wrong: int  # the condition was false
    errors: dict[str, int]  # exceptions by name of their type, those of the candidate and those of the test
    finished: bool  # the test ran to its end: no time-out, no exception outside an assert
    outcome: Outcome  # of the candidate's process, or of the test's where that is what failed

    @property
    def passed_all(self) -> bool:
        """Whether nothing failed and something was tested."""
        return self.finished and self.passed > 0 and self.wrong == 0 and not self.errors


def tally(task: Task, candidate: str, *, limits: Limits = LIMITS) -> TestTally:
    """How the program `candidate` does in the task's test. Raises SandboxError where nothing can be run."""
    return tallies([(task, candidate)], limits=limits)[0]


def tallies(trials: Sequence[tuple[Task, str]], *, limits: Limits = LIMITS) -> list[TestTally]:
    """One tally per (task, candidate program), in order; about 6 ms each. Raises SandboxError as `tally` does."""
    token = secrets.token_hex(16)  # tells our lines from what a test prints; no result depends on it
    programs = [_program(task, candidate, token) for task, candidate in trials]
    return [_read_tally(outcome, token) for outcome in sandbox.run_python_batch(programs, limits=limits)]


def covered_lines(tasks: Sequence[Task], *, limits: Limits = LIMITS) -> list[frozenset[int] | None]:
    """The lines of each reference, from 1, that its test runs; null where it did not run to its end.

    A statement counts with all its lines, one with a body with those before the body. Tracing is some twenty times as
    slow, and gets as much more time. Raises SandboxError where nothing can be run.
    """
    token, mark = secrets.token_hex(16), secrets.token_hex(16)
    slow = replace(limits, cpu_s=20 * limits.cpu_s, wall_s=20 * limits.wall_s)
    programs = [_program(task, task.reference, token, mark) for task in tasks]
    covered: list[frozenset[int] | None] = []
    for outcome in sandbox.run_python_batch(programs, limits=slow):
        assert outcome.partner is not None, "every trial has a partner"
        said = (line.split() for line in outcome.partner.stdout.decode("utf-8", "replace").splitlines())
        numbers = (words[1] for words in said if len(words) == 2 and words[0] == mark)
        lines = frozenset(int(number) for number in numbers if number.isdecimal() and len(number) < 9)
        covered.append(lines if _read_tally(outcome, token).finished else None)
    return covered


def _program(task: Task, candidate: str, token: str, mark: str | None = None) -> Program:
    run_test, serve_candidate = _sources()
    return Program(
        source=f"{run_test}\n_run_test{(token, task.entry_point, task.reference, task.test)!r}",
        partner=f"{serve_candidate}\n_serve_candidate{(task.entry_point, candidate, mark)!r}",
    )


@cache
def _sources() -> tuple[str, str]:
    return inspect.getsource(_run_test), inspect.getsource(_serve_candidate)


def _read_tally(outcome: Outcome, token: str) -> TestTally:
    counts: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for line in outcome.stdout.decode("utf-8", "replace").splitlines():
        mark, _, said = line.partition(" ")
        if mark == token:
            kind, _, name = said.partition(" ")
            counts[kind] += 1
            if kind == "error":
                errors[name] += 1
    assert outcome.partner is not None, "every trial has a partner"
    seen = outcome.partner if outcome.status == "ok" or outcome.partner.status != "ok" else outcome
    if counts["gone"] and seen.status == "ok":
        seen = replace(seen, status="crash")  # it left in the middle of the test, however politely
    return TestTally(
        passed=counts["passed"],
        wrong=counts["wrong"],
        errors=dict(sorted(errors.items())),
        finished=counts["end"] == 1 and outcome.status == "ok",
        outcome=seen,
    )


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A mutant of a reference that the task's test tells from it."""

    mutant: Mutant
    tally: TestTally


@dataclass(frozen=True, kw_only=True)
class BugSearch:
    """What came of looking for bugs in one task."""

    reference: TestTally
    bugs: list[Bug]  # the hardest to notice first: by share of asserts that it passes
    rejected: dict[str, int]  # mutants by why they are no bugs; see `fault`


def find_bugs(
    tasks: Sequence[Task], *, seed: int | str, max_bugs: int = 3, max_tries: int = 12, limits: Limits = LIMITS
) -> list[BugSearch]:
    """Up to `max_bugs` executed bugs per task, of `max_tries` mutants run; one search per task, in order.

    A bug passes at least one assert and fails at least one by wrong output, and nothing raises or times out. A task
    whose reference does not pass its own test gets no mutants. At most one bug a line, while there are other lines;
    `surplus` counts the good mutants beyond `max_bugs`. Lines that the test does not reach are left alone: no test
    tells what changes there. Raises SandboxError where nothing can be run.
    """
    references = tallies([(task, task.reference) for task in tasks], limits=limits)
    fit = [reference.passed_all and reference.passed > 1 for reference in references]
    covered = iter(covered_lines([task for task, is_fit in zip(tasks, fit, strict=True) if is_fit], limits=limits))
    tried = [
        mutants(
            task.reference.encode(),
            "Python",
            entry_point=task.entry_point,
            seed=seed,
            most=max_tries,
            lines=next(covered),
        )
        if is_fit
        else []
        for task, is_fit in zip(tasks, fit, strict=True)
    ]
    trials = [(task, mutant) for task, found in zip(tasks, tried, strict=True) for mutant in found]
    results = iter(tallies([(task, mutant.source.decode()) for task, mutant in trials], limits=limits))
    searches = []
    for reference, found in zip(references, tried, strict=True):
        bugs: list[Bug] = []
        rejected: Counter[str] = Counter()
        for mutant in found:
            seen = next(results)
            reason = fault(seen)
            if reason is None:
                bugs.append(Bug(mutant=mutant, tally=seen))
            else:
                rejected[reason] += 1
        chosen = _hardest(bugs)[:max_bugs]
        rejected["surplus"] = len(bugs) - len(chosen)
        counts = {reason: count for reason, count in sorted(rejected.items()) if count}
        searches.append(BugSearch(reference=reference, bugs=chosen, rejected=counts))
    return searches


def fault(tally: TestTally) -> str | None:
    """Why a tally does not show a bug worth having; null if it does.

    A status other than ok (timeout, crash ...), raises, passes_all (equal to the reference as far as the test can
    tell), or fails_all (broken rather than wrong in some cases).
    """
    if tally.outcome.status != "ok":
        return tally.outcome.status
    if tally.errors or not tally.finished:
        return "raises"
    if tally.wrong == 0:
        return "passes_all"
    return "fails_all" if tally.passed == 0 else None


def _hardest(bugs: list[Bug]) -> list[Bug]:
    ranked = sorted(bugs, key=lambda bug: bug.tally.wrong / (bug.tally.passed + bug.tally.wrong))
    lines: Counter[int] = Counter()
    turns = []
    for bug in ranked:
        turns.append(lines[bug.mutant.line])
        lines[bug.mutant.line] += 1
    return [bug for _, bug in sorted(zip(turns, ranked, strict=True), key=lambda pair: pair[0])]


# The next two functions never run in this process: their source is sent into the sandbox. So each imports what it
# needs, and nothing outside them is in reach.


def _run_test(token: str, entry_point: str, reference: str, test: str) -> None:
    """In the sandbox: run the test, with calls to the candidate sent to the other process."""
    import ast
    import builtins
    import contextlib
    import io
    import os
    import pickle
    import sys
    import types
    import typing

    most_bytes = 2**24
    report = os.dup(1)

    class Silence(io.TextIOBase):
        def write(self, text: str) -> int:
            return len(text)

    sys.stdout = Silence()

    class CandidateGone(BaseException):
        """Not an Exception: a test that expects one must not take this for it."""

    class Opaque:
        """Stands for a result that is no plain data; equal to nothing."""

        def __init__(self, kind: str) -> None:
            self.kind = kind

    class PlainOnly(pickle.Unpickler):
        """Reads numbers, strings and containers, and calls nothing that the candidate names."""

        def find_class(self, module: str, name: str) -> object:
            if (module, name) == ("builtins", "complex"):
                return complex
            raise pickle.UnpicklingError(f"{module}.{name} is no plain data")

        def persistent_load(self, pid: object) -> object:
            return Opaque(str(pid))

    def tell(text: str) -> None:
        os.write(report, f"{token} {text}\n".encode())

    def read(length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = os.read(3, length - len(data))
            if not part:
                raise CandidateGone
            data += part
        return data

    def receive() -> typing.Any:
        length = int.from_bytes(read(8), "big")
        if length > most_bytes:
            raise CandidateGone
        return PlainOnly(io.BytesIO(read(length))).load()

    def exception(name: str, message: str) -> Exception:
        built_in = getattr(builtins, name, None)
        if isinstance(built_in, type) and issubclass(built_in, Exception):
            with contextlib.suppress(TypeError):  # a few kinds want other arguments
                return built_in(message)
        made: type[Exception] = type(name, (Exception,), {})
        return made(message)

    def candidate(*positional: object, **named: object) -> object:
        request = pickle.dumps((positional, named), protocol=4)
        try:
            request = len(request).to_bytes(8, "big") + request
            while request:
                request = request[os.write(4, request) :]
        except BrokenPipeError:
            raise CandidateGone from None
        answer, value = receive()
        if answer == "returned":
            return value
        name, message = value
        raise exception(str(name), str(message))

    def record(condition: object) -> None:
        tell("passed" if condition else "wrong")

    def failed(error: Exception) -> None:
        name = type(error).__name__
        tell(f"error {name if name.isidentifier() else 'Exception'}")

    class CountAsserts(ast.NodeTransformer):
        def visit_Assert(self, node: ast.Assert) -> ast.stmt:
            if isinstance(node.test, ast.Constant):
                return ast.copy_location(ast.Pass(), node)
            (counted,) = ast.parse("try: _record_(0)\nexcept Exception as _error_: _failed_(_error_)").body
            assert isinstance(counted, ast.Try) and isinstance(counted.body[0], ast.Expr)
            call = counted.body[0].value
            assert isinstance(call, ast.Call)
            call.args = [node.test]
            return ast.copy_location(counted, node)

    try:
        answer, said = receive()
        if answer != "loaded":
            failed(exception(str(said[0]), ""))
            raise CandidateGone
        module = types.ModuleType("test")
        sys.modules["test"] = module
        namespace = module.__dict__
        exec(compile(reference, "<reference>", "exec", dont_inherit=True), namespace)  # noqa: S102 - in the sandbox
        namespace.update({entry_point: candidate, "_record_": record, "_failed_": failed})
        tree = ast.fix_missing_locations(CountAsserts().visit(ast.parse(test)))
        exec(compile(tree, "<test>", "exec", dont_inherit=True), namespace)  # noqa: S102 - in the sandbox
        namespace["check"](candidate)
    except CandidateGone:
        tell("gone")
    except Exception as error:  # noqa: BLE001 - from a program we did not write: it ends the test and is counted
        failed(error)
    else:
        tell("end")


def _serve_candidate(entry_point: str, source: str, mark: str | None) -> None:
    """In the sandbox: load the candidate and answer calls until there are no more.

    With a `mark`, it also prints that and the number of each line that the calls reach.
    """
    import ast
    import io
    import os
    import pickle
    import sys
    import types
    import typing

    class Opaque:
        def __init__(self, kind: str) -> None:
            self.kind = kind

    class Sender(pickle.Pickler):
        def persistent_id(self, value: object) -> str | None:
            return value.kind if type(value) is Opaque else None

    def plain(value: object) -> object:
        kind = type(value)
        if value is None or kind in (bool, int, float, str, bytes, complex):
            return value
        if isinstance(value, int | float):
            return int(value) if isinstance(value, int) else float(value)
        if isinstance(value, str | bytes):
            return str(value) if isinstance(value, str) else bytes(value)
        if isinstance(value, dict):
            return {plain(key): plain(item) for key, item in value.items()}
        for container in (list, tuple, set, frozenset):
            if isinstance(value, container):
                return container(plain(item) for item in value)
        return Opaque(kind.__name__)

    def send(answer: str, value: object) -> None:
        buffer = io.BytesIO()
        Sender(buffer, protocol=4).dump((answer, value))
        data = buffer.getbuffer().nbytes.to_bytes(8, "big") + buffer.getvalue()
        while data:
            data = data[os.write(4, data) :]

    def read(length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = os.read(3, length - len(data))
            if not part:
                os._exit(0)
            data += part
        return data

    spans: list[range] = []
    reached: set[int] = set()
    left: dict[types.CodeType, set[int]] = {}

    def trace(frame: types.FrameType, event: str, _argument: object) -> typing.Any:
        code = frame.f_code
        if code.co_filename != "<candidate>":
            return None
        if code not in left:
            left[code] = {line for _, _, line in code.co_lines() if line is not None}
        left[code].discard(frame.f_lineno)
        if event == "line":
            reached.add(frame.f_lineno)
        if left[code]:
            return trace
        frame.f_trace = None  # nothing new to see: as fast as ever from here on
        return None

    def call(positional: typing.Any, named: typing.Any) -> object:
        if mark is None:
            return plain(function(*positional, **named))
        sys.settrace(trace)
        try:
            return plain(function(*positional, **named))
        finally:
            sys.settrace(None)
            for span in [span for span in spans if not reached.isdisjoint(span)]:
                spans.remove(span)
                os.write(1, "".join(f"\n{mark} {line}\n" for line in span).encode())

    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    try:
        exec(compile(source, "<candidate>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - in the sandbox
        function = module.__dict__[entry_point]
        for node in ast.walk(ast.parse(source)) if mark is not None else ():
            if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
                body = getattr(node, "body", None)
                first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
                last = body[0].lineno - 1 if body else getattr(node, "end_lineno", first)
                spans.append(range(first, max(first, last or first) + 1))
    except BaseException as error:  # noqa: BLE001 - whatever the untrusted program raises while it loads
        send("failed", (type(error).__name__, str(error)[:1000]))
        return
    send("loaded", None)
    while True:
        positional, named = pickle.loads(read(int.from_bytes(read(8), "big")))  # noqa: S301 - from our test
        try:
            answer, value = "returned", call(positional, named)
        except BaseException as error:  # noqa: BLE001 - the same, while it is called
            answer, value = "raised", (type(error).__name__, str(error)[:1000])
        send(answer, value)

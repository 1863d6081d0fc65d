"""A call that brings its process down costs that call alone."""

import ctypes
import os
import signal

import pytest

from themis_data.code.guard import Crashed, Guard
from themis_data.errors import PipelineError, StageError


def half(number: int) -> float:
    """Crashes at 13, as a fault in native code does; asks for too much memory at 14; refuses 15; is killed at 16."""
    if number == 13:
        ctypes.string_at(0)
    if number == 14:
        return len(bytearray(1 << 40))
    if number == 15:
        raise PipelineError("15 has no half")
    if number == 16:
        os.kill(os.getpid(), signal.SIGKILL)
    return number / 2


@pytest.fixture
def guard():
    guard = Guard()
    yield guard
    guard.close()


def test_results_come_in_order(guard):
    assert [n / 2 for n in range(200) if n not in (13, 14, 15, 16)] == guard.map(
        half, [(n,) for n in range(200) if n not in (13, 14, 15, 16)]
    )
    assert [] == guard.map(half, [])


def test_a_call_that_crashes_costs_that_call_alone(guard):
    calls = [(13,), (1,), (13,), (13,), (2,), *((n + 100,) for n in range(100)), (13,)]
    crash = Crashed("SIGSEGV")
    halves = [(n + 100) / 2 for n in range(100)]
    assert [crash, 0.5, crash, crash, 1.0, *halves, crash] == guard.map(half, calls)


def test_a_call_that_asks_for_too_much_memory_costs_that_call_alone(guard):
    assert [0.5, Crashed(f"more than {8 * 2**30} bytes of memory"), 1.0] == guard.map(half, [(1,), (14,), (2,)])


def test_an_error_of_ours_is_raised_here_and_the_guard_goes_on(guard):
    with pytest.raises(PipelineError, match="15 has no half"):
        guard.map(half, [(1,), (15,), (2,)])
    assert [1.5] == guard.map(half, [(3,)])


def test_a_child_killed_from_outside_is_no_fault_of_the_call(guard):
    assert [0.5] == guard.map(half, [(1,)])
    os.kill(guard._child[0].pid, signal.SIGKILL)
    assert [1.0, 1.5] == guard.map(half, [(2,), (3,)])


def test_a_child_killed_again_and_again_stops_the_build(guard):
    with pytest.raises(StageError, match="killed by SIGKILL"):
        guard.map(half, [(1,), (16,)])


def test_the_child_ends_with_its_guard():
    guard = Guard()
    guard.map(half, [(1,)])
    child = guard._child[0]
    del guard
    assert 0 == child.returncode

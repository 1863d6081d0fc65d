"""Runs tasks one after the other in this process: for laptops, tests and small inputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class InlineEngine:
    """A plain loop."""

    name = "inline"

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Each task's place and result, as they finish."""
        for place, task in enumerate(tasks):
            yield place, function(task)


@contextmanager
def open_engine() -> Iterator[InlineEngine]:
    """The engine, for the length of a build."""
    yield InlineEngine()

"""Progress on stderr: one bar a step at a terminal, one line a step elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from themis_data.report.tables import visible


class Bars:
    """One bar a step, with rate and time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, name: str, total: int) -> Callable[[int], None]:
        task = self._progress.add_task(name, total=total)
        return lambda count: self._progress.advance(task, count)

    def note(self, text: str) -> None:
        self._progress.console.print(visible(text, lines=True), markup=False, highlight=False)


class Lines:
    """One line when a step is done: for logs."""

    def step(self, name: str, total: int) -> Callable[[int], None]:
        started, done = time.monotonic(), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if done >= total and count:
                self.note(f"{name}: {total:,} in {time.monotonic() - started:.1f} s")

        return advance

    def note(self, text: str) -> None:
        print(visible(text, lines=True), file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[Bars | Lines]:
    """Bars where stderr is a terminal, lines where it is not."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as running:
        yield Bars(running)

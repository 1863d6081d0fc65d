"""Runs tasks on a Ray cluster, or on the cores of this machine. The only file that imports ray.

Tasks carry the names of shards, never rows, so what moves through Ray is small. A task that is lost with its worker is
run again; it writes the same files, and each appears whole or not at all.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from themis_data.errors import MissingExtra, ThemisError

T = TypeVar("T")
R = TypeVar("R")

_RETRIES = 3  # of a task whose worker died; an error of ours is never retried
_IN_FLIGHT_PER_CPU = 2  # enough to keep workers busy, few enough that a slow driver is not flooded


class RayEngine:
    """Tasks on the workers of a Ray cluster."""

    name = "ray"

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Each task's place and result, as they finish. An error of a task is raised as it was raised there."""
        import ray
        from ray.exceptions import RayTaskError

        remote = ray.remote(max_retries=_RETRIES, retry_exceptions=False)(function)
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # ray is not annotated
        limit = max(2, int(resources.get("CPU", 1)) * _IN_FLIGHT_PER_CPU)
        waiting = iter(enumerate(tasks))
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < limit and (following := next(waiting, None)) is not None:
                    running[remote.remote(following[1])] = following[0]
                if not running:
                    return
                done, _ = ray.wait(list(running), num_returns=1)
                place = running.pop(done[0])
                try:
                    result: R = ray.get(done[0])
                except RayTaskError as error:
                    if isinstance(error.cause, ThemisError):
                        raise error.cause from error
                    raise
                yield place, result
        finally:
            for reference in running:
                ray.cancel(reference)


@contextmanager
def open_engine(*, address: str | None, workers: int | None) -> Iterator[RayEngine]:
    """The engine for the length of a build.

    `address` names a running cluster; without it a local one of `workers` processes (all cores by default) is started
    and stopped.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without this Ray replaces the accelerators a worker sees, also where no task asks for one.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "the engine 'ray' needs Ray: pip install 'themis-data[ray]', or use --engine inline"
        ) from error
    if address is None:
        ray.init(
            address="local",
            num_cpus=workers or os.cpu_count(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    else:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    try:
        yield RayEngine()
    finally:
        ray.shutdown()

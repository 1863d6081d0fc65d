"""HumanEval as tasks: how many are read, and in which units."""

from pathlib import Path

import pytest

from themis_data.errors import PipelineError
from themis_data.sources.human_eval_tasks import HumanEvalTasks


def read(source: HumanEvalTasks) -> list[list[str]]:
    units = source.list_units(Path()).units
    return [piece.rows["task"].to_pylist() for unit in units for piece in source.read(unit, b"")]


def test_all_tasks_are_read_in_units():
    found = read(HumanEvalTasks(unit_tasks=60))

    assert [60, 60, 44] == [len(tasks) for tasks in found]
    assert 164 == len({task for tasks in found for task in tasks})


def test_the_first_tasks_alone_can_be_asked_for():
    assert [["HumanEval/0", "HumanEval/1"], ["HumanEval/2"]] == read(HumanEvalTasks(max_tasks=3, unit_tasks=2))


def test_no_tasks_at_all_are_refused():
    with pytest.raises(PipelineError, match="max_tasks is 0; expected 1 or more"):
        HumanEvalTasks(max_tasks=0)

"""The plain loop."""

import pytest

from themis_data.engine.inline import open_engine


def test_tasks_run_in_order_with_their_places():
    with open_engine() as engine:
        assert [(0, 2), (1, 4)] == list(engine.run(lambda number: 2 * number, [1, 2]))


def test_no_tasks_give_nothing():
    with open_engine() as engine:
        assert [] == list(engine.run(str, []))


def test_an_error_of_a_task_is_raised_as_it_is():
    with open_engine() as engine, pytest.raises(ZeroDivisionError):
        list(engine.run(lambda number: 1 // number, [0]))

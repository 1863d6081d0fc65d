"""A gate counts as on where all rows went through it, and only there."""

from typing import Any

import pytest

from themis_data.publish.gates import gates


def state(steps: dict[str, dict[str, Any]], *tracks: tuple[str, str]) -> str:
    """Of keep_fluent, in a manifest of these settings and these (track, step)."""
    funnel = [{"track": track, "step": step} for track, step in tracks]
    found = {gate.stage: gate for gate in gates({"pipeline": {"steps": steps}, "funnel": funnel})}
    return found["keep_fluent"].state


FLUENT = {"f": {"use": "keep_fluent", "model": "a.arpa"}}


@pytest.mark.parametrize(
    ("steps", "tracks", "expected"),
    [
        pytest.param({}, [("a", "git")], "off", id="not in the pipeline"),
        pytest.param(FLUENT, [("a", "git"), ("a", "f")], "on", id="in the only branch"),
        pytest.param(FLUENT, [("a", "git"), ("b", "tasks"), ("merge", "f")], "on", id="in the merge"),
        pytest.param(FLUENT, [("a", "git"), ("a", "f"), ("b", "tasks")], "only for a", id="in one of two branches"),
        pytest.param(
            {**FLUENT, "g": {"use": "keep_fluent", "model": "a.arpa"}}, [("a", "f"), ("b", "g")], "on", id="in both"
        ),
        pytest.param({"f": {"use": "keep_fluent", "model": None}}, [("a", "f")], "off", id="without its model"),
        pytest.param(FLUENT, [], "off", id="nothing was built"),
    ],
)
def test_a_gate_is_on_where_all_rows_went_through_it(
    steps: dict[str, dict[str, Any]], tracks: list[tuple[str, str]], expected: str
) -> None:
    assert expected == state(steps, *tracks)


@pytest.mark.parametrize(("index", "expected"), [([], "off"), (["a.parquet"], "on")])
def test_decontamination_without_an_index_is_off(index: list[str], expected: str) -> None:
    steps = {"d": {"use": "drop_contaminated", "index": index}}
    found = gates({"pipeline": {"steps": steps}, "funnel": [{"track": "a", "step": "d"}]})

    assert expected == next(gate.state for gate in found if gate.stage == "drop_contaminated")


@pytest.mark.parametrize(("datasets", "expected"), [([], "off"), (["runs/corpus"], "on")])
def test_without_another_data_set_no_repository_was_compared(datasets: list[str], expected: str) -> None:
    steps = {"d": {"use": "drop_shared_repositories", "datasets": datasets}}
    found = gates({"pipeline": {"steps": steps}, "funnel": [{"track": "a", "step": "d"}]})

    assert expected == next(gate.state for gate in found if gate.stage == "drop_shared_repositories")

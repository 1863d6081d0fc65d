"""Who gets the metrics: TensorBoard and wandb where the recipe asks for them, never silently less."""

import importlib.util

import pytest
from training import small_recipe, steps

from themis_data.errors import MissingExtra, PipelineError

pytestmark = pytest.mark.train


def tracked(folder, *names):
    from themis_data.train.recipe import load_recipe

    small_recipe(folder)
    return load_recipe(str(folder / "small.yaml"), [f"report_to=[{', '.join(names)}]"])


def train(recipe, out):
    from themis_data.train.reward import fit

    return fit(recipe, "preference", out, use_cpu=True)


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_tracker_that_is_not_installed_is_an_error_before_anything_is_done(tmp_path, monkeypatch, name):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda module, *rest: None if module == name else find(module, *rest)
    )

    with pytest.raises(MissingExtra, match=f"report_to: {name} is not installed: pip install {name}"):
        train(tracked(tmp_path, name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_tracker_is_refused(tmp_path):
    with pytest.raises(PipelineError, match=r"report_to' is .*tensorboad"):
        tracked(tmp_path, "tensorboad")


def test_tensorboard_gets_what_metrics_jsonl_has(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    train(tracked(tmp_path, "tensorboard"), tmp_path / "out")
    files = list((tmp_path / "out" / "preference" / "tensorboard").iterdir())
    values = [
        (event.step, value.tag, value.tensor.float_val[0])
        for file in files
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
        if value.tensor.float_val
    ]
    lines = steps(tmp_path / "out" / "preference")

    assert 6 == len(lines)
    for name in ("loss", "preference_loss", "nll", "accuracy", "margin", "reward_mean", "reward_spread", "grad_norm"):
        found = {step: value for step, tag, value in values if tag == f"train/{name}"}
        assert {line["step"]: pytest.approx(line[name], rel=1e-4, abs=1e-6) for line in lines} == found


def test_wandb_gets_a_run(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    train(tracked(tmp_path, "wandb"), tmp_path / "out")

    assert 1 == len(list(tmp_path.glob("wandb/offline-run-*")))

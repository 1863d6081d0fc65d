"""Two processes of Ray Train give what one process gives, and go on after one of them was killed."""

import json
import os
import signal
from pathlib import Path

import pytest
from training import pairs, recipe_file, steps

from themis_data.errors import PipelineError, TrainingError

pytestmark = [pytest.mark.train, pytest.mark.ray]


@pytest.fixture(scope="module")
def ray():
    from themis_data.engine.on_ray import open_engine

    with open_engine(address=None, workers=2):
        yield


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Nine steps, a checkpoint after four and after eight."""
    folder = tmp_path_factory.mktemp("recipe")
    pairs(folder / "pairs")
    return recipe_file(folder, preference={"pairs_per_step": 8, "epochs": 3, "save_every": 4})


@pytest.fixture(scope="module")
def whole(ray, recipe, tmp_path_factory):
    """A phase that two processes trained without a break, by the command."""
    from themis_data.cli import app

    out = tmp_path_factory.mktemp("whole")
    app(["train", str(recipe), "--engine", "ray", "--workers", "2", "--cpu", "--out", str(out)], standalone_mode=False)
    return out / "preference"


def weights(phase: Path):
    from safetensors.torch import load_file

    return load_file(phase / "model" / "model.safetensors")


def test_two_processes_on_ray_give_the_losses_and_weights_of_one(whole, recipe, tmp_path):
    from themis_data.train.recipe import load_recipe
    from themis_data.train.reward import fit

    fit(load_recipe(str(recipe)), "preference", tmp_path, use_cpu=True)
    one = tmp_path / "preference"

    assert 9 == len(steps(one)) == len(steps(whole))
    for name in ("loss", "preference_loss", "nll", "accuracy", "reward_spread", "grad_norm"):
        expected = [line[name] for line in steps(one)]
        assert expected == pytest.approx([line[name] for line in steps(whole)], rel=1e-4, abs=1e-6)
    expected, found = weights(one), weights(whole)
    assert all(expected[name].allclose(found[name], rtol=1e-3, atol=1e-5) for name in expected)
    assert [] == [path.name for path in whole.parent.iterdir() if path.name.startswith(".ray")]


def test_a_killed_process_costs_the_steps_since_the_checkpoint(whole, recipe, tmp_path):
    from themis_data.engine.on_ray import launch
    from themis_data.train.launch import fit_on_ray
    from themis_data.train.recipe import load_recipe

    loaded = load_recipe(str(recipe))

    def dies_in_the_seventh_step():
        from themis_data.train import reward

        class Dies(reward.PairTrainer):
            def training_step(self, *arguments, **named):
                if self.state.global_step == 6 and os.environ["RANK"] == "1":
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().training_step(*arguments, **named)

        reward.PairTrainer = Dies
        reward.fit(loaded, "preference", tmp_path, use_cpu=True)

    with pytest.raises(TrainingError, match=r"failed or died: .*go on with --resume"):
        launch(dies_in_the_seventh_step, workers=2, use_gpus=False, address=None, storage=tmp_path)
    assert 6 == len(steps(tmp_path / "preference"))
    fit_on_ray(loaded, ["preference"], tmp_path, workers=2, resume=True, use_cpu=True)

    times = ("pairs_per_second", "tokens_per_second")
    expected, found = (
        [{name: value for name, value in line.items() if name not in times} for line in steps(folder)]
        for folder in (whole, tmp_path / "preference")
    )
    assert expected == found
    one, other = weights(whole), weights(tmp_path / "preference")
    assert all(one[name].equal(other[name]) for name in one)


def test_an_error_of_ours_in_a_process_is_raised_as_it_is(whole, recipe):
    from themis_data.train.launch import fit_on_ray
    from themis_data.train.recipe import load_recipe

    other = load_recipe(str(recipe), ["preference.peak_rate=0.02"])
    (whole / "model").rename(whole / "kept")
    try:
        with pytest.raises(TrainingError, match="holds another recipe or other pairs"):
            fit_on_ray(other, ["preference"], whole.parent, workers=2, use_cpu=True)
    finally:
        (whole / "kept").rename(whole / "model")


def test_processes_that_do_not_divide_a_step_are_refused_before_any_starts(recipe, tmp_path):
    from themis_data.train.launch import fit_on_ray
    from themis_data.train.recipe import load_recipe

    with pytest.raises(PipelineError, match="no multiple of 3 processes"):
        fit_on_ray(load_recipe(str(recipe)), ["preference"], tmp_path, workers=3, use_cpu=True)


def test_on_gpus_ray_shards_as_the_configuration_for_slurm_does(tmp_path):
    """The environment is what `accelerate launch` makes of the file."""
    import yaml
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    from themis_data.train.launch import accelerate_config, sharding

    file = tmp_path / "accelerate.yaml"
    file.write_text(yaml.safe_dump(accelerate_config("Qwen3DecoderLayer", 2, 1)), encoding="utf-8")
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", str(file), "x.py"]))
    expected = prepare_multi_gpu_env(arguments)

    assert sharding("Qwen3DecoderLayer") == {name: expected.get(name) for name in sharding("Qwen3DecoderLayer")}
    assert json.dumps("Qwen3DecoderLayer") in json.dumps(expected)

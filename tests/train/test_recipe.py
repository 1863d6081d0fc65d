"""What recipes say, and what is refused; nothing of this needs torch."""

import math
import subprocess
from pathlib import Path

import pytest
import yaml
from training import PHASE, recipe_file
from typer import BadParameter

from themis_data.cli import app
from themis_data.errors import PipelineError, UnknownName
from themis_data.lookup import shipped_folder
from themis_data.train.launch import ray_script, slurm_script
from themis_data.train.recipe import Phase, find_model, load_recipe


def phase(**settings) -> Phase:
    return Phase(**{"pairs": ("somewhere",), **PHASE, **settings})


@pytest.mark.parametrize("name", sorted(path.stem for path in shipped_folder("pipelines").glob("reward_*.yaml")))
def test_every_shipped_recipe_is_read(name):
    assert name == load_recipe(name).name


@pytest.mark.parametrize("name", sorted(path.stem for path in (shipped_folder("manifests") / "models").glob("*.yaml")))
def test_every_shipped_model_is_read(name):
    model = find_model(name)

    assert (name, "Apache-2.0") == (model.name, model.license)


def test_the_suite_has_the_papers_settings_and_sizes():
    recipe = load_recipe("reward_paper")
    first, second = recipe.phases["pretrain"], recipe.phases["preference"]

    assert (0.4, 0.01, 1024, 2560, 2, 2e-5, 1e-5) == (
        first.lm_weight,
        first.penalty_weight,
        first.pairs_per_step,
        first.max_tokens,
        first.epochs,
        first.peak_rate,
        first.final_rate,
    )
    assert (0.25, 0.001, 512, 4096, 1, 1e-5, 5e-7) == (
        second.lm_weight,
        second.penalty_weight,
        second.pairs_per_step,
        second.max_tokens,
        second.epochs,
        second.peak_rate,
        second.final_rate,
    )
    for each in (first, second):
        assert ("cosine", 0.05, "centering", 0.1) == (each.schedule, each.warmup, each.penalty, each.weight_decay)
        assert ((0.9, 0.95), 1e-8) == (each.betas, each.epsilon)
    assert (2.0, 1.5) == (first.max_norm, second.max_norm)
    expected = {"0.6b": (8, 8), "1.7b": (8, 8), "4b": (16, 16), "8b": (32, 32), "14b": (32, 64), "32b": (64, 128)}
    found = {size: tuple(find_model(f"qwen3_{size}").devices.values()) for size in expected}
    assert expected == found


def test_a_cosine_rises_falls_and_ends_at_the_final_rate():
    each = phase(peak_rate=1.0, final_rate=0.1, warmup=0.1)
    rates = [each.rate_at(step, 100) for step in range(100)]

    assert [0.1, 0.5, 1.0] == [rates[0], rates[4], rates[9]]
    assert math.isclose(0.55, rates[54], abs_tol=1e-12)  # half way down
    assert math.isclose(0.1, rates[99], abs_tol=1e-12)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_warm_up_stable_decay_stays_and_then_falls_in_a_line():
    each = phase(peak_rate=1.0, final_rate=0.0, warmup=0.05, decay=0.25, schedule="warmup_stable_decay")
    rates = [each.rate_at(step, 100) for step in range(100)]

    assert [1.0] * 70 == rates[4:74]
    assert all(math.isclose(1 - (n + 1) / 25, rate, abs_tol=1e-12) for n, rate in enumerate(rates[75:]))


@pytest.mark.parametrize(("steps", "schedule"), [(1, "cosine"), (2, "warmup_stable_decay"), (3, "cosine")])
def test_a_run_of_few_steps_has_rates_too(steps, schedule):
    each = phase(peak_rate=1.0, final_rate=0.5, schedule=schedule)

    assert all(0.5 <= each.rate_at(step, steps) <= 1.0 for step in range(steps))


def test_batches_are_counted_over_processes():
    assert 4 == phase(pairs_per_step=64, pairs_per_device=2).accumulation(8)
    with pytest.raises(PipelineError, match="no multiple of 3 processes times pairs_per_device 2"):
        phase(pairs_per_step=64, pairs_per_device=2).accumulation(3)


def test_overrides_reach_phases_the_model_and_the_seed(tmp_path):
    path = recipe_file(tmp_path)
    recipe = load_recipe(str(path), ["preference.peak_rate=0.5", "seed=11", "model=tiny_qwen3"])

    assert (0.5, 11, "tiny_qwen3") == (recipe.phases["preference"].peak_rate, recipe.seed, recipe.model.name)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("preference.peak_rat=0.5", "unknown|no setting named 'peak_rat'. Did you mean 'peak_rate'"),
        ("prefrence.peak_rate=0.5", "no phase named 'prefrence'. Did you mean 'preference'"),
        ("preference.peak_rate=fast", "peak_rate' is 'fast'"),
        ("preference.final_rate=1.0", "final_rate 1.0 is not between 0 and peak_rate 0.01"),
        ("preference.warmup=5", "warmup is a share of the steps"),
        ("preference.pairs_per_step=0", "pairs_per_step has to be at least 1"),
        ("preference.pairs=[]", "name at least one finished data set"),
        ("model=qwen3_9b", "no model named 'qwen3_9b'. Did you mean 'qwen3_8b'"),
        ("peak_rate=1", "no phase named 'peak_rate'"),
        ("peak_rate", "expected PHASE.FIELD=VALUE, or model, seed"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_meant(tmp_path, override, message):
    with pytest.raises(PipelineError, match=message):
        load_recipe(str(recipe_file(tmp_path)), [override])


def test_a_pipeline_of_data_is_no_recipe():
    with pytest.raises(PipelineError, match="themis build"):
        load_recipe("quickstart")


def test_an_unknown_recipe_is_named(tmp_path):
    with pytest.raises(UnknownName, match="reward_huge"):
        load_recipe("reward_huge")


def test_a_model_is_one_thing(tmp_path):
    path = Path(tmp_path) / "two.yaml"
    path.write_text("{hub: a/b, path: /c, revision: null, license: MIT}", encoding="utf-8")

    with pytest.raises(PipelineError, match="give one of hub, path and random"):
        find_model(str(path))


def test_later_phases_do_not_change_what_an_earlier_one_is(tmp_path):
    path = str(recipe_file(tmp_path, first={}, second={}))
    plain, changed = load_recipe(path), load_recipe(path, ["second.peak_rate=0.5"])

    assert plain.until("first") == changed.until("first")
    assert plain.until("second") != changed.until("second")
    assert plain.until("first") == load_recipe(path, ["first.pairs_per_device=1"]).until("first")


def test_the_printed_launch_is_a_script_of_as_many_gpus_as_the_paper_had():
    script = slurm_script(load_recipe("reward_paper"), "preference", ["themis", "train", "a b"], 8)
    config = yaml.safe_load(script.split("<<'YAML'\n")[1].split("YAML\n")[0])

    assert (32, 4, "Qwen3DecoderLayer") == (
        config["num_processes"],
        config["num_machines"],
        config["fsdp_config"]["fsdp_transformer_layer_cls_to_wrap"],
    )
    assert "#SBATCH --nodes=4\n" in script
    assert "themis train 'a b' --phase preference --resume\n" in script
    assert 0 == subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode


def test_the_printed_launch_for_ray_asks_for_as_many_processes():
    script = ray_script(load_recipe("reward_paper"), "preference", ["themis", "train", "a b"], 8)

    assert "reward_paper, preference: 32 GPUs on 4 machines" in script
    assert (
        "train 'a b' --phase preference --resume --engine ray --workers 32 --address \"${RAY_ADDRESS:-auto}\"\n"
        in script
    )
    assert 0 == subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "--workers and --address are of --engine ray"),
        (["--engine", "ray"], "say how many processes, --workers N"),
        (["--engine", "slurm"], "expected inline or ray"),
    ],
)
def test_processes_are_asked_for_on_ray_and_nowhere_else(tmp_path, arguments, message):
    with pytest.raises(BadParameter, match=message):
        app(["train", str(recipe_file(tmp_path)), *arguments], standalone_mode=False)


def test_the_command_prints_either_launch(capsys):
    for engine, expected in (("inline", "#SBATCH --nodes=4"), ("ray", "--engine ray --workers 32")):
        app(
            ["train", "reward_paper", "--phase", "preference", "--print-launch", "--engine", engine],
            standalone_mode=False,
        )
        assert expected in capsys.readouterr().out


def test_a_model_without_gpus_has_no_launch_to_print(tmp_path):
    with pytest.raises(PipelineError, match="no `devices` for the phase 'preference'"):
        slurm_script(load_recipe(str(recipe_file(tmp_path))), "preference", ["themis"], 8)

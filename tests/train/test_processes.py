"""Several processes on the CPU give what one gives: as torchrun starts them, and sharded as FSDP2 shards on GPUs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from training import SIZES, pairs, recipe_file, steps

pytestmark = pytest.mark.train

HERE = Path(__file__).parent


def torchrun(processes: int, *command: str) -> None:
    paths = [str(HERE.parents[1]), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "--local-addr=127.0.0.1"]
    done = subprocess.run(
        [sys.executable, *launch, *command], capture_output=True, encoding="utf-8", env=environment, timeout=600
    )
    assert 0 == done.returncode, done.stderr[-3000:]


def weights(file: Path):
    from safetensors.torch import load_file

    return load_file(file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A recipe of nine steps in three epochs, with checkpoints at 8 and 9, as one and two processes did it."""
    folder = tmp_path_factory.mktemp("trained")
    pairs(folder / "pairs")
    recipe = recipe_file(folder, preference={"pairs_per_step": 8, "epochs": 3, "save_every": 8})
    train = ("-m", "themis_data.cli", "train", str(recipe), "--cpu", "--out")
    for processes in (1, 2):
        torchrun(processes, *train, str(folder / f"{processes}"))
    return train, *(folder / f"{processes}" / "preference" for processes in (1, 2))


def test_two_processes_give_the_losses_and_weights_of_one(trained):
    _, one, two = trained

    assert 9 == len(steps(one)) == len(steps(two))
    for name in ("loss", "preference_loss", "nll", "accuracy", "reward_spread", "grad_norm"):
        expected = [line[name] for line in steps(one)]
        assert expected == pytest.approx([line[name] for line in steps(two)], rel=1e-4, abs=1e-6)
    expected, found = weights(one / "model" / "model.safetensors"), weights(two / "model" / "model.safetensors")
    assert all(expected[name].allclose(found[name], rtol=1e-3, atol=1e-5) for name in expected)


def test_two_processes_go_on_within_an_epoch_to_the_bit(trained, tmp_path):
    train, _, whole = trained
    shutil.copytree(whole.parent, tmp_path / "out")
    resumed = tmp_path / "out" / "preference"
    shutil.rmtree(resumed / "model")
    shutil.rmtree(resumed / "checkpoints" / "checkpoint-9")

    torchrun(2, *train, str(tmp_path / "out"), "--resume")

    expected, found = steps(whole), steps(resumed)
    assert expected[:8] == found[:8]  # times and all: they were not taken again
    assert expected[8]["loss"] == found[8]["loss"] and 9 == len(found)
    one, other = (weights(folder / "model" / "model.safetensors") for folder in (whole, resumed))
    assert all(one[name].equal(other[name]) for name in one)


@pytest.mark.parametrize("tied", [True, False])
def test_sharded_as_on_gpus_it_takes_the_same_steps(tmp_path, tied):
    recipe_file(tmp_path, model={"random": SIZES | {"tie_word_embeddings": tied}, "layer": "Qwen3DecoderLayer"})
    for processes in (1, 2):
        torchrun(processes, str(HERE / "fsdp_steps.py"), str(tmp_path / "model.yaml"), str(tmp_path / f"{processes}"))
    one, two = (json.loads((tmp_path / f"{n}" / "losses.json").read_text(encoding="utf-8")) for n in (1, 2))

    assert (0, True) == (one["sharded"], two["sharded"] > 10)
    assert one["losses"] == pytest.approx(two["losses"], rel=1e-4)
    expected, found = (weights(tmp_path / f"{n}" / "weights.safetensors") for n in (1, 2))
    assert expected.keys() == found.keys()
    assert all(expected[name].allclose(found[name], rtol=1e-3, atol=1e-5) for name in expected)

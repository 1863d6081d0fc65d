"""Whole runs on the CPU: they learn, go on to the bit after a kill, stop when told, and export what others load."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from training import PHASE, SIZES, pairs, recipe_file, small_recipe, steps

from themis_data.errors import TrainingError

pytestmark = pytest.mark.train

KILLS = """
import os, signal, sys
from pathlib import Path
from themis_data.train import reward
from themis_data.train.recipe import load_recipe

recipe, out, at, how = sys.argv[1:5]
where = int(at)

class Kills(reward.PairTrainer):
    def training_step(self, *arguments, **named):
        if self.state.global_step == where:
            os.kill(os.getpid(), getattr(signal, how))
        return super().training_step(*arguments, **named)

reward.PairTrainer = Kills
reward.fit(load_recipe(recipe), "preference", Path(out), use_cpu=True)
"""


def train(recipe, folder, **options):
    from themis_data.train.reward import fit

    return fit(recipe, list(recipe.phases)[-1], folder, use_cpu=True, **options)


def weights(model: Path):
    from safetensors.torch import load_file

    return load_file(model / "model.safetensors")


def without_times(lines):
    return [{name: value for name, value in line.items() if "per_second" not in name} for line in lines]


def killed(recipe: Path, out: Path, step: int, how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLS, str(recipe), str(out), str(step), how]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False, timeout=600)


def test_it_learns_and_says_so(tmp_path, capsys):
    recipe = small_recipe(tmp_path, epochs=6, peak_rate=3e-3)
    model = train(recipe, tmp_path / "out")
    lines = steps(tmp_path / "out" / "preference")

    assert list(range(1, 37)) == [line["step"] for line in lines]
    assert lines[0]["preference_loss"] == pytest.approx(0.6931, abs=1e-3)  # log 2: the head begins at zero
    assert 1.0 == lines[-1]["accuracy"]
    assert lines[-1]["nll"] < lines[0]["nll"] - 1
    assert lines[-1]["margin"] > 1
    assert (model / "config.json").is_file()
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert 36 == len(said)
    assert re.fullmatch(r"step 9/36 loss .* tokens_per_second [\d.e+]+ \(0:\d\d:\d\d left\)", said[8])
    assert said[-1].startswith("step 36/36 loss")
    assert said[-1].endswith("(0:00:00 left)")


def test_a_kill_costs_nothing_but_the_steps_since_the_checkpoint(tmp_path):
    """40 steps; and 20 of them, SIGKILL in the 24th, and on from there: the same losses and weights to the bit."""
    recipe = small_recipe(tmp_path, epochs=7, max_steps=40)
    whole = train(recipe, tmp_path / "whole")
    died = killed(tmp_path / "small.yaml", tmp_path / "killed", 23, "SIGKILL")
    assert -signal.SIGKILL == died.returncode, died.stderr
    assert 23 == len(steps(tmp_path / "killed" / "preference"))
    resumed = train(recipe, tmp_path / "killed", resume=True)

    expected, found = (steps(tmp_path / name / "preference") for name in ("whole", "killed"))
    assert 40 == len(expected)
    assert without_times(expected) == without_times(found)
    one, other = weights(whole), weights(resumed)
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)


def test_sigterm_saves_and_stops_and_the_run_goes_on(tmp_path):
    recipe = small_recipe(tmp_path, epochs=2)
    stopped = killed(tmp_path / "small.yaml", tmp_path / "out", 6, "SIGTERM")

    assert "stopped by SIGTERM at step 7; all is saved, go on with --resume" in stopped.stderr
    assert 7 == len(steps(tmp_path / "out" / "preference"))
    train(recipe, tmp_path / "out", resume=True)
    assert list(range(1, 13)) == [line["step"] for line in steps(tmp_path / "out" / "preference")]


def test_a_checkpoint_that_is_not_whole_is_not_gone_on_from(tmp_path):
    from themis_data.train.reward import last_checkpoint

    recipe = small_recipe(tmp_path, epochs=2)
    killed(tmp_path / "small.yaml", tmp_path / "out", 11, "SIGKILL")
    checkpoints = tmp_path / "out" / "preference" / "checkpoints"
    assert "checkpoint-10" == last_checkpoint(checkpoints).name
    (checkpoints / "checkpoint-10" / "optimizer.pt").write_bytes(b"half")

    assert "checkpoint-5" == last_checkpoint(checkpoints).name
    train(recipe, tmp_path / "out", resume=True)
    assert list(range(1, 13)) == [line["step"] for line in steps(tmp_path / "out" / "preference")]


def test_another_recipe_in_the_folder_is_refused(tmp_path):
    from themis_data.train.recipe import load_recipe

    small_recipe(tmp_path)
    killed(tmp_path / "small.yaml", tmp_path / "out", 5, "SIGKILL")
    other = load_recipe(str(tmp_path / "small.yaml"), ["preference.peak_rate=0.02"])

    with pytest.raises(TrainingError, match="another recipe or other pairs"):
        train(other, tmp_path / "out", resume=True)
    with pytest.raises(TrainingError, match="has checkpoints, the last is checkpoint-5; go on with --resume"):
        train(load_recipe(str(tmp_path / "small.yaml")), tmp_path / "out")


def test_a_finished_phase_is_left_alone(tmp_path):
    recipe = small_recipe(tmp_path)
    model = train(recipe, tmp_path / "out")
    time = (model / "model.safetensors").stat().st_mtime_ns

    assert model == train(recipe, tmp_path / "out")
    assert time == (model / "model.safetensors").stat().st_mtime_ns


def test_the_export_scores_alike_in_plain_transformers(tmp_path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    recipe = small_recipe(tmp_path, epochs=2)
    model = train(recipe, tmp_path / "out")
    plain = AutoModelForSequenceClassification.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    turns = [{"role": "user", "content": "Sum."}, {"role": "assistant", "content": "total += value"}]
    inputs = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True, return_tensors="pt")

    assert ["Qwen3ForSequenceClassification"] == config["architectures"]
    assert {"0": "LABEL_0"} == config["id2label"]
    assert not any(name.startswith("lm_head") for name in weights(model))
    with torch.no_grad():
        hidden = plain.model(**inputs).last_hidden_state[0, -1]
        assert torch.allclose(plain(**inputs).logits[0], plain.score(hidden), atol=1e-6)
        assert 0 != plain(**inputs).logits.item()


@pytest.mark.parametrize("tied", [True, False])
def test_the_second_phase_begins_where_the_first_ended(tmp_path, tied):
    """Also with the output layer of language, which the export itself does not hold."""
    import torch
    from safetensors.torch import load_file

    from themis_data.train.models import LM_HEAD, load
    from themis_data.train.recipe import load_recipe
    from themis_data.train.reward import fit

    pairs(tmp_path / "pairs")
    model = {"random": SIZES | {"tie_word_embeddings": tied}}
    recipe = load_recipe(str(recipe_file(tmp_path, model=model, first=PHASE, second=PHASE)))
    with pytest.raises(TrainingError, match="the phase before 'second' has to be finished first"):
        fit(recipe, "second", tmp_path / "out", use_cpu=True)
    first = fit(recipe, "first", tmp_path / "out", use_cpu=True)
    loaded = load(recipe.model, first, seed=3).model
    kept = loaded.model.embed_tokens.weight if tied else load_file(tmp_path / "out" / "first" / LM_HEAD)["weight"]

    assert torch.equal(loaded.lm_head.weight, kept)
    assert torch.equal(loaded.score.weight, weights(first)["score.weight"])
    assert 0 < loaded.score.weight.abs().max()
    fit(recipe, "second", tmp_path / "out", use_cpu=True)
    assert 5 > steps(tmp_path / "out" / "second")[0]["nll"]  # of bytes; untrained 5.6


def test_held_out_pairs_are_looked_at_by_criterion(tmp_path):
    from made_versions import made_rows, run_folder

    from themis_data.train.recipe import load_recipe

    pairs(tmp_path / "pairs")
    run_folder(tmp_path / "others", made_rows(7, criterion="runtime_efficiency"), split="test")
    own = {"pairs": [str(tmp_path / "pairs"), str(tmp_path / "others")], "evaluate_every": 3}
    train(load_recipe(str(recipe_file(tmp_path, preference=own))), tmp_path / "out")
    text = (tmp_path / "out" / "preference" / "metrics.jsonl").read_text(encoding="utf-8")
    found = [line for line in map(json.loads, text.splitlines()) if "eval_accuracy" in line]

    assert [3, 6] == [line["step"] for line in found]
    assert found[0]["eval_accuracy"] == found[0]["eval_accuracy/Runtime Efficiency"]
    assert 7 == found[0]["eval_pairs"]


def test_the_card_says_what_it_is_made_of_and_its_code_runs(tmp_path, capsys):
    from made_versions import made_rows, run_folder

    from themis_data.train.recipe import load_recipe

    pairs(tmp_path / "pairs")
    run_folder(tmp_path / "others", made_rows(4), split="test")
    own = PHASE | {"pairs": [str(tmp_path / "pairs"), str(tmp_path / "others")]}
    recipe = load_recipe(str(recipe_file(tmp_path, first=own, second=own)))
    from themis_data.train.reward import fit

    for phase in recipe.phases:
        model = fit(recipe, phase, tmp_path / "out", use_cpu=True)
    text = (model / "README.md").read_text(encoding="utf-8")

    assert "# small, after second\n" in text
    assert ["## Phase first", "## Phase second"] == [line for line in text.splitlines() if line.startswith("## Phase")]
    assert 2 == text.count("| made | dev | 24 | ") == text.count("| made | dev | 4 | ")
    assert 2 == text.count("Trained on 24 pairs; held out: 4 pairs.")
    assert 2 == text.count("| Runtime Efficiency | ")
    assert "| peak_rate | 0.01 |" in text
    assert 12 == len(re.findall(r"(?m)^\| [1-6] \| \d", text))  # six steps of either phase
    capsys.readouterr()
    exec(text.split("```python\n")[1].split("```")[0].replace("FOLDER", repr(str(model))))
    assert float(capsys.readouterr().out)

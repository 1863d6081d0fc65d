"""What to train: a model, and phases that each fit it to pairs. Read from `pipelines/reward_*.yaml`; loads no torch.

A model is a file in `manifests/models/`. A recipe that is no file of ours is named by its path.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from themis_data.errors import PipelineError, UnknownName
from themis_data.fingerprint import settings_that_matter, where_it_runs
from themis_data.lookup import find_pipeline, shipped_folder, unknown
from themis_data.yaml_file import only_keys, parse_yaml, read_yaml, typed_settings, typed_value

Penalty = Literal["centering", "magnitude"]
Schedule = Literal["cosine", "warmup_stable_decay"]
Template = Literal["chatml", "own"]
Tracker = Literal["tensorboard", "wandb"]
_OF_RECIPE = ("model", "seed", "report_to", "liger_kernels")  # what an override may replace beside phases' settings


@dataclass(frozen=True, kw_only=True)
class Model:
    """A language model that reward models are made of."""

    name: Annotated[str, "its file's name"]
    hub: Annotated[str | None, "repository of the checkpoint on the Hub"] = None
    path: Annotated[str | None, "folder of the checkpoint, in place of the Hub"] = None
    revision: Annotated[
        str | None, "commit of the checkpoint on the Hub; null: `main`, and the run records which it was"
    ]
    random: Annotated[
        Mapping[str, bool | int] | None,
        "sizes of a Qwen3 of random weights, with a tokenizer of bytes, in place of both",
    ] = None
    license: Annotated[str, "SPDX identifier of the weights"]
    template: Annotated[Template, "how chats are written: ours, or the tokenizer's own"] = "chatml"
    layer: Annotated[str | None, "class of a decoder layer, the unit in which FSDP2 shards"] = None
    devices: Annotated[Mapping[str, int] | None, "GPUs by phase, as the paper has them, for the printed launch"] = (
        where_it_runs(None)
    )

    def __post_init__(self) -> None:
        given = [name for name in ("hub", "path", "random") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PipelineError(f"model {self.name!r}: give one of hub, path and random; given: {given or 'none'}")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One pass of fitting, with what the paper's table calls its settings.

    The loss of a pair is -log sigmoid(r_chosen - r_rejected) + lm_weight * NLL(chosen answer) + penalty_weight * P;
    P is (r_chosen + r_rejected)^2 for `centering`, as the paper prints it, and (|r_chosen| + |r_rejected|)^2 for
    `magnitude`, as its published script has it. NLL is the mean over the tokens of all chosen answers of a step.
    """

    pairs: Annotated[tuple[str, ...], "finished data sets (run folders or versions), all of their training split"]
    demo_only: Annotated[bool, "also train on benchmark material, to see the mechanics"] = False
    max_tokens: Annotated[int, "pairs with a longer side, prompt and all, are left out and counted"]
    pairs_per_step: Annotated[int, "pairs an optimiser step sees, over all devices"]
    epochs: Annotated[int, "passes over the pairs; what does not fill a last step is left out, others each time"] = 1
    max_steps: Annotated[int | None, "optimiser steps at most; null: as many as the epochs have"] = None
    peak_rate: Annotated[float, "learning rate after the warm-up"]
    final_rate: Annotated[float, "learning rate at the last step"]
    schedule: Annotated[Schedule, "from peak to final: by half a cosine, or flat and then linearly"] = "cosine"
    warmup: Annotated[float, "share of the steps in which the rate rises linearly from zero"] = 0.05
    decay: Annotated[float, "share of the steps in which it falls, for warmup_stable_decay"] = 0.25
    lm_weight: Annotated[float, "lambda, of the negative log-likelihood of the chosen answer, in nats"] = 0.0
    penalty: Annotated[Penalty, "which penalty of large rewards"] = "centering"
    penalty_weight: Annotated[float, "mu, of the penalty"] = 0.0
    weight_decay: Annotated[float, "of AdamW; none on norms and biases"] = 0.1
    betas: Annotated[tuple[float, float], "of AdamW"] = (0.9, 0.95)
    epsilon: Annotated[float, "of AdamW"] = 1e-8
    max_norm: Annotated[float, "gradients are scaled down to this norm"] = 1.0
    save_every: Annotated[int, "steps between checkpoints"] = where_it_runs(200)
    evaluate_every: Annotated[int, "steps between evaluations on held-out pairs; 0: only at the end"] = where_it_runs(0)
    held_out: Annotated[int, "pairs of the held-out split that are looked at, drawn; 0: all"] = where_it_runs(2_000)
    pairs_per_device: Annotated[int, "pairs a device holds at once"] = where_it_runs(1)

    def __post_init__(self) -> None:
        shares = {"warmup": self.warmup, "decay": self.decay}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise PipelineError(f"{name} is a share of the steps, from 0 to 1; found {value}")
        for name in ("max_tokens", "pairs_per_step", "epochs", "save_every", "pairs_per_device"):
            if getattr(self, name) < 1:
                raise PipelineError(f"{name} has to be at least 1; found {getattr(self, name)}")
        if not 0 <= self.final_rate <= self.peak_rate:
            raise PipelineError(f"final_rate {self.final_rate} is not between 0 and peak_rate {self.peak_rate}")
        if not self.pairs:
            raise PipelineError("pairs: name at least one finished data set")

    def accumulation(self, processes: int) -> int:
        """Batches a process adds up before a step. Raises PipelineError where the numbers do not divide."""
        together = processes * self.pairs_per_device
        if self.pairs_per_step % together:
            raise PipelineError(
                f"pairs_per_step {self.pairs_per_step} is no multiple of {processes} processes times pairs_per_device "
                f"{self.pairs_per_device}; change one of them, for example --set PHASE.pairs_per_device=1"
            )
        return self.pairs_per_step // together

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step (0 is the first) out of so many, as a share of the peak's."""
        final = self.final_rate / self.peak_rate if self.peak_rate else 1.0
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return (step + 1) / rising
        falling = steps - rising if self.schedule == "cosine" else max(1, round(self.decay * steps))
        passed = min(1.0, max(0.0, (step + 1 - (steps - falling)) / max(1, falling)))
        left = (1 + math.cos(math.pi * passed)) / 2 if self.schedule == "cosine" else 1 - passed
        return final + (1 - final) * left


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A reward model to be: the model it starts from and the phases, in order, by name."""

    name: str
    seed: int
    model: Model
    phases: Mapping[str, Phase]
    report_to: Annotated[tuple[Tracker, ...], "who gets the metrics beside metrics.jsonl"] = where_it_runs(())
    liger_kernels: Annotated[bool, "faster kernels on CUDA: pip install liger-kernel"] = where_it_runs(False)

    def phase_named(self, name: str) -> str:
        """The name itself. Raises UnknownName where the recipe has no such phase."""
        if name not in self.phases:
            raise UnknownName(unknown("phase", name, self.phases))
        return name

    def until(self, phase: str) -> dict[str, Any]:
        """What the result of a phase depends on, as JSON types: the model, and the phases up to this one."""
        names = list(self.phases)
        phases = {name: settings_that_matter(self.phases[name]) for name in names[: names.index(phase) + 1]}
        return {"seed": self.seed, "model": settings_that_matter(self.model), "phases": phases}


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of `pipelines/NAME.yaml` or of a file, with `PHASE.FIELD=VALUE` and `model=NAME` replaced.

    Raises UnknownName and PipelineError; the message names file, phase and setting.
    """
    path = find_pipeline(name_or_path)
    content = read_yaml(path)
    if "phases" not in content:
        raise PipelineError(f"{path}: a recipe of training has `phases`; for a pipeline of data use 'themis build'")
    for override in overrides:
        _override(content, override)
    only_keys(content["phases"], content["phases"], f"{path}: phases")
    phases = {
        name: typed_settings(Phase, phase, f"{path}, phase {name!r}") for name, phase in content["phases"].items()
    }
    if not phases:
        raise PipelineError(f"{path}: `phases` has to name at least one")
    model = find_model(typed_value(str, content.get("model"), f"{path}: model"))
    recipe: Recipe = typed_settings(Recipe, {**content, "model": model, "phases": phases}, str(path), _as_given)
    return recipe


def find_model(name_or_path: str) -> Model:
    """The model of `manifests/models/NAME.yaml`, or of a file. Raises UnknownName and PipelineError."""
    folder = shipped_folder("manifests") / "models"
    known = {path.stem: path for path in folder.glob("*.yaml")}
    path = Path(name_or_path) if name_or_path.endswith((".yaml", ".yml")) else known.get(name_or_path)
    if path is None or not path.is_file():
        raise UnknownName(unknown("model", name_or_path, known))
    model: Model = typed_settings(Model, {"name": path.stem, **read_yaml(path)}, str(path))
    return model


def _as_given(hint: Any, value: Any, what: str) -> Any:
    """What is made already stays; the rest is checked as every setting is."""
    return value if isinstance(value, (Model, dict)) else typed_value(hint, value, what)


def _override(content: dict[str, Any], override: str) -> None:
    target, equals, text = override.partition("=")
    if not equals:
        raise PipelineError(f"--set {override!r}: expected PHASE.FIELD=VALUE, or {', '.join(_OF_RECIPE)}=VALUE")
    value = parse_yaml(text, f"--set {override!r}")
    if target in _OF_RECIPE:
        content[target] = value
        return
    phase, dot, name = target.partition(".")
    if not dot or phase not in content["phases"]:
        raise PipelineError(f"--set {override!r}: {unknown('phase', phase, content['phases'])}")
    content["phases"][phase][name] = value

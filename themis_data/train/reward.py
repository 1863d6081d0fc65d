"""Fit a reward model to preference pairs: one phase of a recipe, from top to bottom.

OUT/tokens/SPLIT-DIGEST/      the pairs as tokens, made once
OUT/PHASE/phase.json          what is trained here; another recipe is refused
OUT/PHASE/checkpoints/        model, optimiser, schedule, random states and place in the data; complete.json comes last
OUT/PHASE/metrics.jsonl       one line a step, and one an evaluation
OUT/PHASE/tensorboard/        the same for TensorBoard, if the recipe asks for it
OUT/PHASE/model/              the export, written when the phase ends

The trainer is TRL's, with our loss, order, schedule and evaluation in the places it has for them.
"""

import contextlib
import importlib.util
import json
import math
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import accelerate
import datasets
import torch
import transformers
from transformers.integrations import TensorBoardCallback
from trl import RewardConfig, RewardTrainer

from themis_data.errors import MissingExtra, TrainingError
from themis_data.manifest import read_record, write_record
from themis_data.train.batches import IGNORED, Limits, Order, collate, held_out_split, tokenized
from themis_data.train.card import METRICS, RECORD, about, card
from themis_data.train.losses import nll_sum, penalty_sum, preference_sum
from themis_data.train.models import Loaded, export, load
from themis_data.train.recipe import Phase, Recipe

_COMPLETE: Final = "complete.json"
_KEPT: Final = 2  # checkpoints: the one before stays until the next is whole
# What is added up between two lines of metrics; the mean over pairs, but for nll, which is over tokens.
_SUMS: Final = (
    "pairs",
    "read",
    "tokens",
    "preference_loss",
    "penalty",
    "nll",
    "accuracy",
    "margin",
    "reward",
    "square",
)


def fit(recipe: Recipe, phase_name: str, out: Path, *, resume: bool = False, use_cpu: bool | None = None) -> Path:
    """Train one phase and return the folder of its export; nothing happens where that is there.

    Starts from the model of the recipe, or from the export of the phase before. Every process of `torchrun`,
    `accelerate launch` or Ray Train makes the same call. `resume` goes on from the last whole checkpoint, or begins
    where there is none; without it a folder that has some is refused. `use_cpu`: leave GPUs alone; null: where there
    are none.

    Raises TrainingError for a folder of another recipe, for pairs that do not fill a step, where the loss is no number,
    and after SIGTERM, when all is saved; MissingExtra for a tracker that is not installed.
    """
    for name in recipe.report_to:
        if importlib.util.find_spec(name) is None:
            raise MissingExtra(f"report_to: {name} is not installed: pip install {name}, or leave it out of report_to")
    phase, names = recipe.phases[phase_name], list(recipe.phases)
    folder, start = out / phase_name, None
    if (folder / "model" / "config.json").is_file():
        return folder / "model"
    if phase_name != names[0]:
        start = out / names[names.index(phase_name) - 1] / "model"
        if not (start / "config.json").is_file():
            raise TrainingError(f"{start}: not there; the phase before {phase_name!r} has to be finished first")

    transformers.utils.logging.set_verbosity_error()  # it reports the heads that are new here
    transformers.utils.logging.disable_progress_bar()
    on_cpu = not torch.cuda.is_available() if use_cpu is None else use_cpu
    process = accelerate.PartialState(cpu=on_cpu)
    loaded = load(recipe.model, start, seed=recipe.seed)
    limits = Limits(phase.max_tokens, phase.demo_only)
    with process.main_process_first():  # the others find the files made
        pairs = tokenized(phase.pairs, "train", loaded.chats, out / "tokens", limits)
        split, held_out = held_out_split(phase.pairs), None
        if split:
            drawn = replace(limits, at_most=phase.held_out, seed=recipe.seed)
            held_out = tokenized(phase.pairs, split, loaded.chats, out / "tokens", drawn)
    if process.is_main_process:
        _say(f"{phase_name}: {pairs} to train on; held out: {held_out or 'none'}")
        identity = {**recipe.until(phase_name), "tokens": pairs.path.parent.name}
        found = about(recipe, phase_name, loaded.revision, str(pairs), str(held_out) if held_out else None)
        _claim(folder, {"identity": identity, "about": found}, resume)
    process.wait_for_everyone()

    trainer = PairTrainer(
        loaded,
        phase,
        folder,
        train=pairs.dataset(),
        held_out=held_out.dataset() if held_out else None,
        settings=RewardConfig(
            output_dir=str(folder / "checkpoints"),
            seed=recipe.seed,
            per_device_train_batch_size=phase.pairs_per_device,
            per_device_eval_batch_size=phase.pairs_per_device,
            gradient_accumulation_steps=phase.accumulation(process.num_processes),
            num_train_epochs=phase.epochs,
            max_steps=phase.max_steps or -1,
            learning_rate=phase.peak_rate,
            weight_decay=phase.weight_decay,
            adam_beta1=phase.betas[0],
            adam_beta2=phase.betas[1],
            adam_epsilon=phase.epsilon,
            max_grad_norm=phase.max_norm,
            max_length=None,  # longer pairs were left out
            remove_unused_columns=False,
            save_steps=phase.save_every,
            save_total_limit=_KEPT,
            eval_strategy="steps" if held_out and phase.evaluate_every else "no",
            eval_steps=phase.evaluate_every or None,
            logging_steps=1,
            logging_nan_inf_filter=False,
            disable_tqdm=True,
            report_to=list(recipe.report_to),
            run_name=f"{recipe.name} {phase_name}",
            bf16=not on_cpu,
            gradient_checkpointing=not on_cpu,
            use_liger_kernel=recipe.liger_kernels,
            use_cpu=on_cpu,
        ),
    )
    last = last_checkpoint(folder / "checkpoints") if resume else None
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    if held_out:
        trainer.evaluate()
    trainer.write_model(folder / "model", partial(card, recipe, phase_name, out))
    return folder / "model"


class PairTrainer(RewardTrainer):
    """TRL's trainer with the loss of `losses`, the order of `batches.Order` and the rates of the phase.

    The loss of a step is the mean over its pairs, and over its tokens, whatever batches and processes they came in.
    """

    loss_is_scaled_for_ga = True  # a batch's loss is its part of the step's, so that parts are added and never averaged

    def __init__(
        self,
        loaded: Loaded,
        phase: Phase,
        folder: Path,
        *,
        train: datasets.Dataset,
        held_out: datasets.Dataset | None,
        settings: RewardConfig,
    ) -> None:
        self.phase, self.folder = phase, folder
        self._step_pairs = self._step_tokens = 1
        super().__init__(
            model=loaded.model,
            args=settings,
            data_collator=partial(collate, pad=loaded.tokenizer.pad_token_id),
            train_dataset=train,
            eval_dataset=held_out,
            processing_class=loaded.tokenizer,
            callbacks=[_Records(folder), _StopsWhenTold()],
        )
        self.remove_callback(transformers.PrinterCallback)  # _Records says it, and not on standard output
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
                callback.logging_dir = str(folder / "tensorboard")  # beside the checkpoints, not among them
        self._sums = torch.zeros(len(_SUMS), dtype=torch.float64, device=self.accelerator.device)
        self._since = time.monotonic()
        self._evaluated_at = -1

    # The data and the schedule

    def _get_train_sampler(self, train_dataset: datasets.Dataset | None = None) -> Order:
        lengths = self.train_dataset.with_format("numpy")["length"][:]
        order = Order(lengths, self.phase.pairs_per_step, self.args.seed)
        self.add_callback(_TellsTheEpoch(order))
        return order

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        rate = partial(self.phase.rate_at, steps=num_training_steps)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, rate)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: Any) -> tuple[list[Any], None]:
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        counts = [[len(b["lm_labels"]), int((b["lm_labels"][:, 1:] != IGNORED).sum())] for b in batches]
        totals = torch.tensor(counts, device=self.accelerator.device).sum(0, keepdim=True)
        self._step_pairs, self._step_tokens = self.accelerator.gather(totals).sum(0).tolist()
        return batches, None

    # The loss

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """This process's part of the step's loss, times the processes, over whose gradients the mean is taken."""
        out = model(**inputs)
        chosen, rejected = out.logits.squeeze(-1).float().chunk(2)
        preference = preference_sum(chosen, rejected)
        penalty = penalty_sum(chosen, rejected, self.phase.penalty)
        nll = nll_sum(out.lm_logits, out.lm_labels)
        loss = (preference + self.phase.penalty_weight * penalty) / self._step_pairs
        loss = loss + self.phase.lm_weight * nll / self._step_tokens
        rewards = torch.cat([chosen, rejected]).detach()
        found = (
            len(chosen),
            inputs["attention_mask"].sum(),
            len(out.lm_labels),
            preference.detach(),
            penalty.detach(),
            nll.detach(),
            (chosen > rejected).sum(),
            (chosen - rejected).sum().detach(),
            rewards.sum(),
            rewards.square().sum(),
        )
        self._sums += torch.stack([torch.as_tensor(value, dtype=torch.float64, device=loss.device) for value in found])
        loss = loss * self.accelerator.num_processes
        return (loss, out) if return_outputs else loss

    def training_step(self, *arguments: Any, **named: Any) -> Any:
        loss = super().training_step(*arguments, **named)
        self._check(loss, "loss")
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        self._check(norm, "norm of the gradients")
        return norm

    def _check(self, value: Any, what: str) -> None:
        """Before the optimiser can carry what is no number into the weights."""
        if not math.isfinite(float(value)):
            last = last_checkpoint(self.folder / "checkpoints")
            raise TrainingError(
                f"step {self.state.global_step + 1}: the {what} is {float(value)}; nothing of it was saved. The last "
                f"good checkpoint is {last or 'none'}: go on from it with --resume, or again with a lower peak_rate"
            )

    # What is said about it

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs.update(self._means())
        super().log(logs, start_time)

    def _means(self) -> dict[str, float]:
        sums = dict(zip(_SUMS, self.accelerator.reduce(self._sums).tolist(), strict=True))
        self._sums.zero_()
        passed, self._since = time.monotonic() - self._since, time.monotonic()
        pairs = sums["pairs"]
        mean = sums["reward"] / (2 * pairs)
        return {
            **{name: sums[name] / pairs for name in ("preference_loss", "penalty", "accuracy", "margin")},
            "nll": sums["nll"] / max(1.0, sums["tokens"]),
            "reward_mean": mean,
            "reward_spread": math.sqrt(max(0.0, sums["square"] / (2 * pairs) - mean**2)),
            "pairs_per_second": pairs / passed,
            "tokens_per_second": sums["read"] / passed,  # of both sides, without padding
        }

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Accuracy on the held-out pairs, in all and by criterion, once a step; ties are wrong."""
        if self._evaluated_at == self.state.global_step:
            return {}
        self._evaluated_at = self.state.global_step
        self.model.eval()
        found = []
        for batch in self.get_eval_dataloader():
            rewards = self.model_wrapped(batch["input_ids"], batch["attention_mask"]).logits.squeeze(-1).float()
            found.append(self.accelerator.gather_for_metrics(torch.stack(rewards.chunk(2), dim=1)).cpu())
        chosen, rejected = torch.cat(found).unbind(1)
        right: defaultdict[str, list[bool]] = defaultdict(list)
        for criterion, is_right in zip(self.eval_dataset["criterion"], (chosen > rejected).tolist(), strict=True):
            right["eval_accuracy"].append(is_right)
            right[f"eval_accuracy/{criterion}"].append(is_right)
        metrics = {name: sum(values) / len(values) for name, values in right.items()}
        metrics |= {"eval_pairs": len(chosen), "eval_margin": float((chosen - rejected).mean())}
        self.log(metrics)
        self.model.train()
        return metrics

    def write_model(self, folder: Path, card: Callable[[], str]) -> None:
        """The export with its card, whole or not at all; every process takes part in gathering the weights."""
        state = self.accelerator.get_state_dict(self.model_wrapped)
        if self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(self.model_wrapped)
            scratch = folder.with_name(f".{folder.name}.tmp")
            shutil.rmtree(scratch, ignore_errors=True)
            export(state, model.config, self.processing_class, scratch)
            (scratch / "README.md").write_text(card(), encoding="utf-8")
            scratch.rename(folder)
        self.accelerator.wait_for_everyone()


class _TellsTheEpoch(transformers.TrainerCallback):
    """So that the order is that of the epoch also where a run goes on within one: several processes then read through
    one sampler more than the trainer reaches through."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.order.set_epoch(state.global_step * self.order.pairs_per_step // len(self.order))


class _Records(transformers.TrainerCallback):
    """One JSON line a step in metrics.jsonl, one readable line on the console, and the mark of a whole checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / METRICS
        self.started: tuple[float, int] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A run that goes on writes again what came after the checkpoint."""
        self.started = (time.monotonic(), state.global_step)
        if not state.is_world_process_zero:
            return
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= state.global_step]
        self.file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or not logs or not {"loss", "eval_accuracy"} & logs.keys():
            return
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **logs}) + "\n")
        since, first = self.started or (time.monotonic(), 0)
        done = max(1, state.global_step - first)
        left = timedelta(seconds=round((time.monotonic() - since) / done * (state.max_steps - state.global_step)))
        said = {name.removeprefix("eval_"): f"{value:.4g}" for name, value in logs.items() if name in _SHOWN}
        kind = "held out: " if "eval_accuracy" in logs else ""
        values = " ".join(f"{name} {value}" for name, value in said.items())
        _say(f"step {state.global_step}/{state.max_steps} {kind}{values} ({left} left)")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
            write_record(folder / _COMPLETE, {"step": state.global_step, "files": sizes})


_SHOWN: Final = (
    "loss",
    "accuracy",
    "nll",
    "margin",
    "reward_mean",
    "tokens_per_second",
    "eval_accuracy",
    "eval_margin",
)


class _StopsWhenTold(transformers.TrainerCallback):
    """SIGTERM, as schedulers send it before they kill: saves after the step, and stops; in all processes or in none."""

    def __init__(self) -> None:
        self.told = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        with contextlib.suppress(ValueError):  # not in the main thread, as under Ray: nobody sends it there
            signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, *_: Any) -> None:
        self.told = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        told = torch.tensor([float(self.told)], device=args.device)
        if accelerate.PartialState().num_processes > 1:
            torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX)
        if told.item():
            self.told = control.should_save = control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.told:
            raise TrainingError(f"stopped by SIGTERM at step {state.global_step}; all is saved, go on with --resume")


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; null where there is none."""
    found = []
    for record in folder.glob(f"checkpoint-*/{_COMPLETE}"):
        content, place = read_record(record), record.parent
        sizes = {name: (place / name).stat().st_size for name in content["files"] if (place / name).is_file()}
        if sizes == content["files"]:
            found.append((content["step"], place))
    return max(found)[1] if found else None


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _claim(folder: Path, content: dict[str, Any], resume: bool) -> None:
    """Make the folder this run's. What no checkpoint is whole in goes; what another recipe left is refused."""
    record = folder / RECORD
    if record.is_file() and read_record(record)["identity"] != json.loads(json.dumps(content["identity"])):
        raise TrainingError(f"{folder} holds another recipe or other pairs; take another --out, or remove it")
    last = last_checkpoint(folder / "checkpoints")
    if last and not resume:
        raise TrainingError(f"{folder} has checkpoints, the last is {last.name}; go on with --resume, or remove it")
    for path in folder.glob("checkpoints/checkpoint-*"):
        if not (path / _COMPLETE).is_file():
            shutil.rmtree(path)
    write_record(record, content)

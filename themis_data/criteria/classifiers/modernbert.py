"""ModernBERT, trained further on the commits themselves: message and changed lines in, one log-odds a criterion out.

It wants a GPU and a checkpoint folder (`encoder`), which no package has. The trained weights go into the model file in
half precision, with the tokenizer, so that asking needs no checkpoint any more.
"""

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from themis_data.criteria.classifiers._examples import Example
from themis_data.criteria.classifiers._model_file import Arrays
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.errors import CorruptData, MissingExtra, PipelineError
from themis_data.fingerprint import uniform

_WARM_UP = 0.1  # share of the steps in which the rate rises; after them it falls to nothing
_MAX_NORM = 1.0  # of gradients
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_BYTES = "tokenizer/"
_WEIGHTS = "weights/"


@dataclass(frozen=True, eq=False)
class ModernBert:
    """A transformer with one output a criterion. With diff features the changed lines follow the message."""

    distributions: ClassVar[tuple[str, ...]] = ("transformers", "torch")

    model: Any
    tokenizer: Any
    max_tokens: int

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        repositories: Sequence[str],
        targets: npt.NDArray[np.int8],
        settings: TrainSettings,
    ) -> "ModernBert":
        """`targets` [examples, criteria] has 1, 0, or -1 where a commit says nothing about a criterion.

        On a CPU the same settings give the same weights; on a GPU they differ in the last digits.
        """
        _check_installed()
        if settings.encoder is None:
            raise PipelineError("modernbert has nothing to start from: give `encoder`, the folder of a checkpoint")
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        folder = Path(settings.encoder).expanduser()
        if not (folder / "config.json").is_file():
            raise PipelineError(
                f"no checkpoint in {folder}; a folder with config.json, weights and tokenizer is needed"
            )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, num_labels=targets.shape[1], problem_type="multi_label_classification"
            )
            trained = cls(model, tokenizer, settings.max_tokens)
            trained._train([_text(one) for one in examples], targets, settings)
        return trained

    def _train(self, texts: list[str], targets: npt.NDArray[np.int8], settings: TrainSettings) -> None:
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = self.model.to(device).train()
        wanted = torch.tensor(targets, dtype=torch.float32, device=device)
        # Both sides of a criterion weigh the same, as in the linear models.
        num_right = (wanted == 1).sum(0).clamp(min=1)
        num_wrong = (wanted == 0).sum(0).clamp(min=1)
        loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=num_wrong / num_right, reduction="none")
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.01)
        batches = [
            batch
            for epoch in range(settings.epochs)
            for batch in _shuffled(len(texts), settings.batch_size, epoch, settings)
        ]
        warm = max(1, round(_WARM_UP * len(batches)))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warm, (len(batches) - step) / max(1, len(batches) - warm))
        )
        for batch in batches:
            tokens = self._tokens([texts[place] for place in batch]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = model(**tokens).logits
            known = wanted[batch] >= 0
            losses = loss_of(logits.float(), wanted[batch].clamp(min=0.0)) * known
            loss = losses.sum() / known.sum().clamp(min=1)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), _MAX_NORM)
            optimizer.step()
            schedule.step()
        # What is stored is half precision, so that is what calibration has to see. Buffers are computed and not stored.
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(weight.half().float())
        model.eval()

    def _tokens(self, texts: list[str]) -> Any:
        return self.tokenizer(texts, truncation=True, max_length=self.max_tokens, padding=True, return_tensors="pt")

    def scores(self, examples: Sequence[Example]) -> npt.NDArray[np.float64]:
        """Log-odds [examples, criteria], not calibrated. One text at a time: padding would change the last digits."""
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = self.model.to(device)
        rows = []
        with torch.inference_mode():
            for one in examples:
                rows.append(model(**self._tokens([_text(one)]).to(device)).logits[0].double().cpu().numpy())
        return np.stack(rows) if rows else np.empty((0, self.model.config.num_labels))

    def arrays(self) -> Arrays:
        stored = {
            _WEIGHTS + name: weight.detach().cpu().half().numpy() for name, weight in self.model.state_dict().items()
        }
        stored["config"] = np.frombuffer(json.dumps(self.model.config.to_dict(), sort_keys=True).encode(), np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            self.tokenizer.save_pretrained(folder)
            for name in _TOKENIZER_FILES:
                path = Path(folder) / name
                if path.is_file():
                    stored[_BYTES + name] = np.frombuffer(path.read_bytes(), np.uint8)
        return stored

    @classmethod
    def from_arrays(cls, arrays: Arrays, settings: TrainSettings) -> "ModernBert":
        _check_installed()
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        config = json.loads(arrays["config"].tobytes())
        model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**config))
        weights = {
            name.removeprefix(_WEIGHTS): torch.from_numpy(array.astype(np.float32))
            for name, array in arrays.items()
            if name.startswith(_WEIGHTS)
        }
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise CorruptData(f"the weights do not fit the configuration beside them: {error}") from error
        with tempfile.TemporaryDirectory() as folder:
            for name, array in arrays.items():
                plain = name.removeprefix(_BYTES)
                if plain in _TOKENIZER_FILES and plain != name:
                    (Path(folder) / plain).write_bytes(array.tobytes())
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(model.eval(), tokenizer, settings.max_tokens)


def _text(one: Example) -> str:
    return f"{one.text}\n{one.diff_text}".strip()


def _shuffled(size: int, batch_size: int, epoch: int, settings: TrainSettings) -> list[list[int]]:
    order = sorted(range(size), key=lambda place: uniform(settings.seed, "epoch", str(epoch), str(place)))
    return [order[start : start + batch_size] for start in range(0, size, batch_size)]


def _check_installed() -> None:
    for module in ("torch", "transformers"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"the classifier `modernbert` needs {module}: pip install 'themis-data[train]'")


CLASSIFIER = ModernBert

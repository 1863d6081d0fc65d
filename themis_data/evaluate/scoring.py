"""Rewards of chats, by a checkpoint for sequence classification with one label.

What a chat's score is does not depend on what else is scored: chats are sorted by length into batches, padded on the
right, and read at their last token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from themis_data.errors import EvaluationError
from themis_data.evaluate.metrics import Floats
from themis_data.train.chats import Chats

_BATCH_TOKENS: Final = 16_384  # padding and all


class Chat(NamedTuple):
    """One answer to be scored."""

    system: str | None
    prompt: str
    answer: str


@dataclass(frozen=True)
class Scores:
    """Rewards in the order of the chats, and which chats were cut to the limit before they were scored."""

    rewards: Floats
    is_cut: npt.NDArray[np.bool_]


class TransformersScorer:
    """Scores with transformers, on a GPU where there is one (bfloat16) or on the CPU (float32)."""

    def __init__(
        self, model: str, *, revision: str | None = None, max_tokens: int = 4_096, batch_tokens: int = _BATCH_TOKENS
    ) -> None:
        import torch
        import transformers

        on_gpu = torch.cuda.is_available()
        options: dict[str, Any] = {} if Path(model).is_dir() else {"revision": revision or "main"}
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, **options)
            self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
                model, dtype=torch.bfloat16 if on_gpu else torch.float32, **options
            )
        except (OSError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            raise EvaluationError(f"{model}: no checkpoint for sequence classification: {said}") from error
        labels = self.model.config.num_labels
        if labels != 1 or not hasattr(self.model, "score"):
            raise EvaluationError(
                f"{model}: a reward model has one label and a layer `score`; this one has {labels} labels"
            )
        self.model.to("cuda" if on_gpu else "cpu").eval()
        self.chats, self.max_tokens, self.batch_tokens = Chats(tokenizer), max_tokens, batch_tokens
        self.revision: str | None = getattr(self.model.config, "_commit_hash", None)

    def score(self, chats: Sequence[Chat]) -> Scores:
        import torch

        ids = self.chats.tokens([self.chats.scored(*chat) for chat in chats])
        is_cut = np.array([len(one) > self.max_tokens for one in ids], dtype=bool)
        ids = [one[: self.max_tokens] for one in ids]
        rewards = np.empty(len(ids))
        device = self.model.device
        with torch.inference_mode():
            for places in _batches([len(one) for one in ids], self.batch_tokens):
                longest = max(len(ids[place]) for place in places)
                batch = torch.zeros((len(places), longest), dtype=torch.long)
                mask = torch.zeros_like(batch)
                for row, place in enumerate(places):
                    batch[row, : len(ids[place])] = torch.tensor(ids[place])
                    mask[row, : len(ids[place])] = 1
                hidden = self.model.base_model(input_ids=batch.to(device), attention_mask=mask.to(device))
                last = hidden.last_hidden_state[torch.arange(len(places)), mask.sum(1) - 1]
                rewards[places] = self.model.score(last)[:, 0].float().cpu().numpy()
        return Scores(rewards, is_cut)


def _batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Places by length, longest first, in batches that hold so many tokens with their padding, or one chat."""
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    batches: list[list[int]] = []
    for place in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches

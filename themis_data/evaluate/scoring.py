"""Rewards of chats, by a checkpoint for sequence classification with one label.

What a chat's score is does not depend on what else is scored: with transformers, chats are sorted by length into
batches, padded on the right, and read at their last token; vLLM pads nothing. Both get the same tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from themis_data.errors import EvaluationError, UnknownName
from themis_data.evaluate.metrics import Floats
from themis_data.llm.vllm import open_pooling
from themis_data.lookup import unknown
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
        with _reading(model):
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, **_at(model, revision))
            self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
                model, dtype=torch.bfloat16 if on_gpu else torch.float32, **_at(model, revision)
            )
        _check(model, self.model.config, hasattr(self.model, "score"))
        self.model.to("cuda" if on_gpu else "cpu").eval()
        self.chats, self.max_tokens, self.batch_tokens = Chats(tokenizer), max_tokens, batch_tokens
        self.revision: str | None = getattr(self.model.config, "_commit_hash", None)

    def score(self, chats: Sequence[Chat]) -> Scores:
        import torch

        ids, is_cut = _tokens(self.chats, chats, self.max_tokens)
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


class VllmScorer:
    """Scores with vLLM's pooling runner, on GPUs (bfloat16) or on the CPU (float32)."""

    def __init__(self, model: str, *, revision: str | None = None, max_tokens: int = 4_096) -> None:
        import torch
        import transformers

        with _reading(model):
            config = transformers.AutoConfig.from_pretrained(model, **_at(model, revision))
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, **_at(model, revision))
        _check(model, config, True)
        self.chats, self.max_tokens = Chats(tokenizer), max_tokens
        self.revision: str | None = getattr(config, "_commit_hash", None)
        self._pooled = open_pooling(
            model, revision=self.revision, max_tokens=max_tokens, on_gpu=torch.cuda.is_available()
        )

    def score(self, chats: Sequence[Chat]) -> Scores:
        ids, is_cut = _tokens(self.chats, chats, self.max_tokens)
        return Scores(np.array(self._pooled(ids), dtype=np.float64), is_cut)


_SCORERS: Final = {"transformers": TransformersScorer, "vllm": VllmScorer}


def scorer_named(name: str) -> type[TransformersScorer] | type[VllmScorer]:
    """What runs reward models under that name: transformers or vllm. Raises UnknownName."""
    if name not in _SCORERS:
        raise UnknownName(unknown("scorer", name, _SCORERS))
    return _SCORERS[name]


def _at(model: str, revision: str | None) -> dict[str, Any]:
    return {} if Path(model).is_dir() else {"revision": revision or "main"}


@contextmanager
def _reading(model: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise EvaluationError(f"{model}: no checkpoint for sequence classification: {said}") from error


def _check(model: str, config: Any, has_score: bool) -> None:
    if config.num_labels != 1 or not has_score:
        raise EvaluationError(
            f"{model}: a reward model has one label and a layer `score`; this one has {config.num_labels} labels"
        )


def _tokens(chats: Chats, asked: Sequence[Chat], max_tokens: int) -> tuple[list[list[int]], npt.NDArray[np.bool_]]:
    """The token ids of each chat, and which were longer than what is left of them."""
    ids = chats.tokens([chats.scored(*chat) for chat in asked])
    return [one[:max_tokens] for one in ids], np.array([len(one) > max_tokens for one in ids], dtype=bool)


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

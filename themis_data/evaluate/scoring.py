"""Rewards of chats, by a checkpoint for sequence classification with one label.

What a chat's score is does not depend on what else is scored: with transformers, chats are sorted by length into
batches, padded on the right, and read at their last token; vLLM pads nothing. Both get the same tokens.
"""

import re
from collections.abc import Sequence
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

_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")
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

        on_gpu = torch.cuda.is_available()
        tokenizer, loaded = _load(model, revision, torch.bfloat16 if on_gpu else torch.float32)
        self.model = loaded.to("cuda" if on_gpu else "cpu").eval()
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

        tokenizer, config = _read(model, revision)
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


def _read(model: str, revision: str | None) -> tuple[Any, Any]:
    """Tokenizer and configuration. Raises EvaluationError where they are of no reward model."""
    import transformers

    folder = Path(model)
    if not folder.is_dir() and not _HUB_NAME.fullmatch(model):
        raise EvaluationError(f"{model}: no such folder; expected that of an export, such as RUN/PHASE/model")
    if folder.is_dir() and not (folder / "config.json").is_file():
        near = sorted(path.parent for path in folder.glob("**/model/config.json"))
        hint = f"; did you mean {near[-1]}?" if near else ""
        raise EvaluationError(f"{model}: no checkpoint: no config.json in it; expected RUN/PHASE/model{hint}")
    try:
        config = transformers.AutoConfig.from_pretrained(model, **_at(model, revision))
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, **_at(model, revision))
    except (OSError, ValueError) as error:
        raise _unreadable(model, error) from error
    labels = config.num_labels
    if labels != 1:
        raise EvaluationError(f"{model}: a reward model has one label, this one has {labels}; `themis train` makes one")
    if not tokenizer.chat_template:
        raise EvaluationError(f"{model}: the tokenizer has no chat template, so nothing says how chats are written")
    return tokenizer, config


def _load(model: str, revision: str | None, dtype: Any) -> tuple[Any, Any]:
    """Tokenizer and model. Raises EvaluationError where they are no reward model, or do not belong together."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    tokenizer, config = _read(model, revision)
    try:
        loaded, found = transformers.AutoModelForSequenceClassification.from_pretrained(
            model,
            config=config,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # said below, by name
            **_at(model, revision),
        )
    except (OSError, ValueError) as error:
        raise _unreadable(model, error) from error
    lacking = sorted(found["missing_keys"]) + sorted(key for key, *_ in found["mismatched_keys"])
    if lacking or not hasattr(loaded, "score"):
        raise EvaluationError(
            f"{model}: no trained reward model: missing, or of another size than config.json says, are the weights "
            f"{', '.join(lacking[:3]) or 'score.weight'}"
        )
    vocabulary = loaded.get_input_embeddings().num_embeddings
    if len(tokenizer) > vocabulary:
        raise EvaluationError(
            f"{model}: the tokenizer has {len(tokenizer):,} tokens, the model knows {vocabulary:,}: they do not belong "
            f"together"
        )
    return tokenizer, loaded


def _unreadable(model: str, error: Exception) -> EvaluationError:
    where = "no checkpoint" if Path(model).is_dir() else "no such folder, and no checkpoint of the Hub"
    said = " ".join(str(error).split())[:300]
    return EvaluationError(f"{model}: {where} for sequence classification: {said}")


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

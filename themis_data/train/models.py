"""One backbone with two heads: a reward at the last token, and the language model that the chosen answer regularises.

It is the library's own class for sequence classification with one label, plus an output layer that is tied where the
language model's is. What is exported is that class alone, which everything that reads checkpoints loads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, PreTrainedTokenizerFast, Qwen3Config
from transformers.utils import ModelOutput

from themis_data.errors import TrainingError
from themis_data.train.batches import IGNORED
from themis_data.train.chats import Chats, chats_of
from themis_data.train.recipe import Model

LM_HEAD: Final = "lm_head.safetensors"  # beside an export: what the next phase needs of an untied output layer
_SIZES: Final = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "tie_word_embeddings",
)
_MARKS: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@dataclass
class Output(ModelOutput):
    """What a reward model gives for a batch."""

    logits: torch.Tensor | None = None  # (rows, 1): the reward of each
    lm_logits: torch.Tensor | None = None  # (labelled tokens, vocabulary); null without labels
    lm_labels: torch.Tensor | None = None  # (labelled tokens)


@dataclass(frozen=True)
class Loaded:
    """A model ready to be trained, and its way of writing chats."""

    model: Any
    tokenizer: Any
    chats: Chats
    revision: str | None  # commit of the checkpoint on the Hub; null for folders and random weights


def load(model: Model, start: Path | None, *, seed: int) -> Loaded:
    """The model with a reward head of zeros; or, from the export of an earlier phase, with that phase's heads.

    Raises TrainingError where the checkpoint cannot be read.
    """
    if model.random is not None and start is None:
        torch.manual_seed(seed)
        config, tokenizer = random_qwen3(model.random)
        made = reward_class(type(config))(config)
        torch.nn.init.zeros_(made.score.weight)
        return Loaded(made, tokenizer, chats_of(tokenizer, model.template), None)
    place = str(start or model.path or model.hub)
    options = {} if start or model.path else {"revision": model.revision or "main"}
    try:
        config = transformers.AutoConfig.from_pretrained(place, **options)
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, **options)
        config.num_labels = 1
        chats = chats_of(tokenizer, "own" if start else model.template)
        _set_pad(tokenizer, config, place)
        made = reward_class(type(config)).from_pretrained(place, config=config, dtype=torch.float32, **options)
    except OSError as error:
        raise TrainingError(f"{place}: no checkpoint that can be read: {' '.join(str(error).split())[:300]}") from error
    if start is None:
        torch.nn.init.zeros_(made.score.weight)
    elif not config.tie_word_embeddings:
        _load_head(made, start.parent / LM_HEAD)
    return Loaded(made, tokenizer, chats, getattr(config, "_commit_hash", None))


def _set_pad(tokenizer: Any, config: Any, place: str) -> None:
    """A pad token that no chat ends with: readers find the last token of a chat as the last that is no pad."""
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        others = [mark for mark in ("<|endoftext|>", "<pad>", "<|pad|>") if mark in tokenizer.get_vocab()]
        others = [mark for mark in others if mark != tokenizer.eos_token]
        if not others:
            raise TrainingError(f"{place}: the tokenizer has no token for padding beside the one that ends a turn")
        tokenizer.pad_token = others[0]
    tokenizer.padding_side = "right"
    config.pad_token_id = tokenizer.pad_token_id


def _load_head(model: Any, file: Path) -> None:
    if not file.is_file():
        raise TrainingError(f"{file}: missing; it holds the output layer that the phase before trained")
    model.lm_head.load_state_dict(load_file(file))


def reward_class(config: type) -> Any:
    """The class for sequence classification of an architecture, with an output layer for language beside its score.

    It keeps the library's name, so that the configuration of a checkpoint names the library's class. Raises
    TrainingError for an architecture that has none.
    """
    try:
        base: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[config]
    except KeyError as error:
        raise TrainingError(f"transformers has no sequence classification for {config.__name__}") from error

    class Heads:
        config: Any
        model: Any
        score: Any
        _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}  # noqa: RUF012  read by the library

        def post_init(self) -> None:
            # Called at the end of the library's __init__; weights are tied in there, so the layer has to exist before.
            self.lm_head = nn.Linear(self.config.hidden_size, self.config.vocab_size, bias=False)
            base.post_init(self)

        def get_output_embeddings(self) -> nn.Module:
            return self.lm_head

        def set_output_embeddings(self, new: nn.Module) -> None:
            self.lm_head = new

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            lm_labels: torch.Tensor | None = None,
            use_cache: bool = False,
        ) -> Output:
            """Rows are padded on the right; the first `len(lm_labels)` of them are those with labels.

            Both heads run in here, where FSDP has gathered their weights; only labelled tokens meet the vocabulary.
            """
            hidden = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
            last = hidden[torch.arange(len(hidden), device=hidden.device), attention_mask.sum(1) - 1]
            if lm_labels is None:
                return Output(logits=self.score(last))
            labels = lm_labels[:, 1:]
            counted = labels != IGNORED
            lm_logits = self.lm_head(hidden[: len(labels), :-1][counted])
            return Output(logits=self.score(last), lm_logits=lm_logits, lm_labels=labels[counted])

    return type(base.__name__, (Heads, base), {"__module__": __name__})


def random_qwen3(sizes: Mapping[str, bool | int]) -> tuple[Any, Any]:
    """The configuration of a small Qwen3, and a tokenizer whose tokens are bytes and the marks of ChatML."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_only = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytes_only.decoder = decoders.ByteLevel()
    bytes_only.add_special_tokens([AddedToken(mark, special=True) for mark in _MARKS])
    pad, start, end = _MARKS
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only, pad_token=pad, eos_token=end, additional_special_tokens=[start]
    )
    if unknown_sizes := sizes.keys() - set(_SIZES):
        raise TrainingError(f"random weights: unknown sizes {sorted(unknown_sizes)}; known: {', '.join(_SIZES)}")
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        num_labels=1,
        **{"tie_word_embeddings": True, **sizes},
    )
    return config, tokenizer


def export(state: Mapping[str, Any], config: Any, tokenizer: Any, folder: Path) -> None:
    """Write a checkpoint for sequence classification with one label, and beside it the output layer if it is untied.

    `state` are all weights of a reward model, on the CPU. Plain transformers and vLLM load the folder.
    """
    weights = {name: value.contiguous() for name, value in state.items() if not name.startswith("lm_head.")}
    with torch.device("meta"):
        shell = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)](config)
    shell.load_state_dict(weights, assign=True)
    shell.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if not config.tie_word_embeddings:
        save_file({"weight": state["lm_head.weight"].contiguous()}, folder.parent / LM_HEAD)

"""Tokens of a conversation, as a reward model gets it."""

import base64
import importlib.util
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from themis_data.errors import MissingExtra, PipelineError
from themis_data.text.models import model_file, packaged_file

QWEN = "qwen"
# Nothing of the package is imported and of what it depends on nothing is needed, so it is installed alone.
_QWEN_REQUIREMENT = "dashscope==2.0.2"
# What Qwen3 adds to the ranks of its vocabulary, which end at 151,642.
_QWEN_ADDED = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>"),
    *("<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>"),
    *("<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>"),
    *("<think>", "</think>"),
)
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def question(system: str | None, prompt: str) -> str:
    """The turns before an answer, as ChatML."""
    turns = [("system", system), ("user", prompt)] if system is not None else [("user", prompt)]
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)


def answer(text: str) -> str:
    """The last turn. Qwen3's chat template opens it with an empty thought and takes line feeds off its start."""
    return f"<|im_start|>assistant\n<think>\n\n</think>\n\n{text.lstrip(chr(10))}<|im_end|>\n"


@dataclass(frozen=True)
class Tokens:
    """An opened tokenizer: from text to token ids, and the longest of its tokens in characters."""

    encode: Callable[[str], list[int]]
    longest: int

    def ids(self, text: str, at_most: int) -> list[int]:
        """Token ids of a text that has no more than `at_most` of them, or else at least one more than that.

        So a text that is far too long costs no more than one that is a little too long.
        """
        enough = (at_most + 1) * self.longest
        return self.encode(text[:enough].encode("utf-8", "replace").decode())  # no tokenizer takes a lone surrogate


def tokenizer_file(name: str) -> Path:
    """The file of a tokenizer: `qwen`, the path of a tokenizer.json or of its folder, or a hub id.

    Raises MissingExtra with the pip line where what it takes is not installed, PipelineError where there is no such
    tokenizer.
    """
    library = "tiktoken" if name == QWEN else "tokenizers"
    if importlib.util.find_spec(library) is None:
        raise MissingExtra(f"the tokenizer {name!r} needs {library}: pip install 'themis-data[text]'")
    if name != QWEN:
        return model_file(name, what="tokenizer", hub_file="tokenizer.json")
    file = packaged_file("dashscope", "resources/qwen.tiktoken")
    if file is None:
        raise MissingExtra(f"Qwen's vocabulary is in another package: pip install --no-deps '{_QWEN_REQUIREMENT}'")
    return file


@cache
def open_tokens(file: Path) -> Tokens:
    """The tokenizer in a file, opened once a process. Raises PipelineError where the file holds none."""
    if file.suffix == ".tiktoken":
        return _of_ranks(file)
    from tokenizers import Tokenizer

    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise PipelineError(f"{file} is no tokenizer: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise PipelineError(f"{file} is no tokenizer: expected an object with `model`, as tokenizers writes it")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Tokens(
        lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids), max(map(len, tokenizer.get_vocab()))
    )


def _of_ranks(file: Path) -> Tokens:
    """Qwen3's tokenizer out of its ranks, six times as fast as `tokenizers` with the same vocabulary and merges."""
    from tiktoken import Encoding

    lines = (line.split() for line in file.read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    added = {token: len(ranks) + place for place, token in enumerate(_QWEN_ADDED)}
    encoding = Encoding("qwen", pat_str=_QWEN_SPLIT, mergeable_ranks=ranks, special_tokens=added)

    def encode(text: str) -> list[int]:
        return encoding.encode(unicodedata.normalize("NFC", text), allowed_special="all")

    return Tokens(encode, max(map(len, ranks)))

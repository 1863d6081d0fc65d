"""The backend vllm without vLLM: its settings, what the engine gets for a request, and the reply to what it gives."""

import json
import math

import pytest
from jinja2 import TemplateError

from themis_data.engine.on_ray import Completion, Prompt
from themis_data.engine.requests import Reply, Request, Sampling
from themis_data.errors import PipelineError
from themis_data.fingerprint import settings_that_matter
from themis_data.llm.vllm import (
    BACKEND,
    Tokens,
    Vllm,
    as_prompt,
    as_reply,
    choice_probabilities,
    failure_of,
    folder_digest,
    label_tokens,
)

PIECES = {"A": 10, "B": 11, "T": 12, "TI": 13, "TIE": 14, "good": 20, "go": 21, "goo": 22, "g": 23, "got": 24}
END = 2


def of_text(text):
    """The known pieces are tokens of their own; of anything else each character is one."""
    return [PIECES[text]] if text in PIECES else [100 + ord(sign) for sign in text]


def of_conversation(messages):
    if messages[0]["role"] == "system" and messages[0]["content"] == "forbidden":
        raise TemplateError("no system message here")
    return [len(message["content"]) for message in messages]


TOKENS = Tokens(of_conversation=of_conversation, of_text=of_text, ends=frozenset({END}))


def request(**changes):
    return Request(**{"key": "0" * 32, "system": None, "user": "hello", "sampling": Sampling()} | changes)


def test_a_request_becomes_the_tokens_of_its_conversation_and_its_own_sampling():
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, seed=4)
    asked = request(system="Be brief.", sampling=sampling)

    prompt = as_prompt(3, asked, TOKENS)

    expected = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "seed": asked.seed, "stream_interval": 1_000_000}
    assert Prompt(place=3, tokens=[9, 5], sampling=expected) == prompt


def test_samples_of_one_question_draw_with_different_seeds():
    seeds = {as_prompt(0, request(key=f"{k:032x}"), TOKENS).sampling["seed"] for k in range(20)}

    assert 20 == len(seeds)


def test_choices_and_a_schema_bind_what_the_engine_writes():
    schema = '{"type": "object"}'

    assert {"choice": ["A", "B"]} == as_prompt(0, request(choices=("A", "B")), TOKENS).sampling["structured_outputs"]
    assert {"json": schema} == as_prompt(0, request(schema=schema), TOKENS).sampling["structured_outputs"]


def test_for_probabilities_one_token_is_asked_and_those_of_all_tokens_that_begin_a_choice():
    asked = request(choices=("A", "B", "TIE"), wants_probabilities=True, sampling=Sampling(temperature=1.0))

    sampling = as_prompt(0, asked, TOKENS).sampling

    assert (1, 0.0, [10, 11, 12, 13, 14]) == tuple(
        sampling[name] for name in ("max_tokens", "temperature", "logprob_token_ids")
    )
    assert "structured_outputs" not in sampling


def test_a_token_that_begins_several_choices_tells_nothing():
    assert {22: "good", 20: "good", 24: "got"} == label_tokens(["good", "got"], of_text)


def test_a_token_that_is_a_choice_counts_for_it_though_another_begins_with_it():
    assert "T" == label_tokens(["T", "TIE"], of_text)[12]
    assert "TIE" == label_tokens(["T", "TIE"], of_text)[13]


def test_choices_that_no_first_token_tells_apart_are_no_label():
    reply = as_reply(
        request(choices=("xy1", "xy2"), wants_probabilities=True),
        Completion(
            place=0,
            error=as_prompt(0, request(choices=("xy1", "xy2"), wants_probabilities=True), TOKENS).error,
        ),
        TOKENS,
    )

    assert ("no_label", False) == (reply.failure, reply.is_retryable)


def test_probabilities_of_a_choice_add_up_over_its_tokens_and_to_one():
    labels = {10: "A", 12: "TIE", 13: "TIE"}
    logprobs = {10: math.log(0.3), 12: math.log(0.05), 13: math.log(0.05), 99: math.log(0.5)}

    found = choice_probabilities(["A", "TIE"], labels, logprobs)

    assert {"A": pytest.approx(0.75), "TIE": pytest.approx(0.25)} == found
    assert choice_probabilities(["A", "TIE"], labels, {99: 0.0}) is None


def test_the_likeliest_choice_is_the_answer():
    done = Completion(
        place=0, text="hm", tokens=[55], num_prompt_tokens=9, logprobs={10: math.log(0.1), 11: math.log(0.3)}
    )

    reply = as_reply(request(choices=("A", "B"), wants_probabilities=True), done, TOKENS)

    assert ("B", "stop", 9, 1) == (reply.text, reply.finish, reply.tokens_in, reply.tokens_out)
    assert {"A": pytest.approx(0.25), "B": pytest.approx(0.75)} == reply.probabilities


@pytest.mark.parametrize(("tokens", "finish"), [([30, END], "stop"), ([30, 31], "length")])
def test_an_answer_stopped_if_its_last_token_ends_answers(tokens, finish):
    done = Completion(place=0, text="so", tokens=tokens, num_prompt_tokens=4)

    assert Reply(key="0" * 32, text="so", finish=finish, tokens_in=4, tokens_out=2) == as_reply(request(), done, TOKENS)


def test_an_answer_that_is_none_of_the_choices_is_no_label():
    done = Completion(place=0, text="TI", tokens=[13], num_prompt_tokens=4)

    reply = as_reply(request(choices=("A", "TIE")), done, TOKENS)

    assert ("no_label", None, 1) == (reply.failure, reply.text, reply.tokens_out)


def test_an_answer_without_text_is_a_failure_with_its_tokens_counted():
    reply = as_reply(request(), Completion(place=0, text=" \n", tokens=[END], num_prompt_tokens=4), TOKENS)

    assert ("empty", "the answer has no text; it ended by stop", 1) == (reply.failure, reply.detail, reply.tokens_out)


TOO_LONG = (
    "VLLMValidationError: This model's maximum context length is 512 tokens. However, your prompt contains 1000 input "
    "tokens, which exceeds this limit even without any output tokens."
)
ONE_TOO_MANY = (
    "VLLMValidationError: The decoder prompt (length 512) plus the number of requested output tokens (at least 1) is "
    "longer than the maximum model length of 512."
)


@pytest.mark.parametrize(
    ("error", "word", "is_retryable"),
    [
        (TOO_LONG, "too_long", False),
        (ONE_TOO_MANY, "too_long", False),
        ("VLLMValidationError: Failed to transform json schema into a grammar", "refused", False),
        ("TimeoutError: no answer", "server_error", True),
    ],
)
def test_what_the_engine_says_went_wrong_has_a_word(error, word, is_retryable):
    found, detail, retryable = failure_of(error)

    assert (word, is_retryable) == (found, retryable)
    assert error.partition(": ")[2] in detail


def test_what_the_engine_says_is_told_without_the_time_of_day():
    error = 'VLLMValidationError: No grammar: [10:33:00] /project/cpp/json.cc:4944: Unsupported type "x"'

    assert 'No grammar: Unsupported type "x"' == failure_of(error)[1]


def test_a_conversation_that_the_template_refuses_costs_its_own_reply_only():
    prompt = as_prompt(0, request(system="forbidden"), TOKENS)

    reply = as_reply(request(), Completion(place=0, error=prompt.error), TOKENS)
    assert ("refused", False) == (reply.failure, reply.is_retryable)
    assert "no system message here" in reply.detail


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text(name)
    return folder


def test_the_revision_of_a_folder_changes_with_its_weights_and_not_with_its_description(checkpoint):
    before = Vllm(model=str(checkpoint)).revision
    (checkpoint / "README.md").write_text("what it is")
    described = Vllm(model=str(checkpoint)).revision
    (checkpoint / "model.safetensors").write_text("others")

    assert before == described != Vllm(model=str(checkpoint)).revision
    assert 32 == len(before)


def test_the_revision_of_a_folder_is_that_of_its_copy_elsewhere(checkpoint, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in checkpoint.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())

    assert folder_digest(checkpoint) == folder_digest(copy)


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(PipelineError, match=r"has no config\.json"):
        _ = Vllm(model=str(tmp_path)).revision


def test_names_and_revisions_of_folders_and_hub_models(checkpoint):
    hub, local = Vllm(model="Qwen/Qwen3-8B", commit="abc"), Vllm(model=str(checkpoint))

    assert ("Qwen/Qwen3-8B", "abc", None) == (hub.name, hub.revision, Vllm(model="Qwen/Qwen3-8B").revision)
    assert ("tiny", "mine") == (local.name, Vllm(model=str(checkpoint), called="mine").name)
    assert ("qwen", None, "me") == (hub.family, local.family, Vllm(model="Qwen/Qwen3-8B", family="me").family)
    assert not hub.leaves_machine


def test_how_many_devices_do_the_work_does_not_bear_on_the_result():
    one = settings_that_matter(Vllm(model="m"))
    many = settings_that_matter(Vllm(model="m", tensor_parallel=4, replicas=8, device="gpu", max_num_seqs=1))

    assert one == many != settings_that_matter(Vllm(model="m", dtype="float16"))


def test_further_arguments_reach_the_engine_beside_the_settings():
    arguments = Vllm(
        model="m", tensor_parallel=2, max_model_len=100, engine_kwargs='{"quantization": "fp8"}'
    ).engine_arguments

    assert ("fp8", 2, 100) == tuple(arguments[n] for n in ("quantization", "tensor_parallel_size", "max_model_len"))
    assert arguments["structured_outputs_config"]["disable_any_whitespace"]
    assert "revision" not in arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine_kwargs": "[1]"}, "engine_kwargs: expected a JSON object"),
        ({"engine_kwargs": "{"}, "engine_kwargs: not JSON"),
        ({"engine_kwargs": json.dumps({"dtype": "float16"})}, "'dtype' has a setting of its own"),
        ({"template_kwargs": "1"}, "template_kwargs: expected a JSON object"),
        ({"replicas": 0}, "replicas: expected at least 1"),
        ({"gpu_memory_utilization": 1.5}, "gpu_memory_utilization: expected a share"),
        ({"usd_per_million_in": 1.0}, "together or not at all"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(settings, message):
    with pytest.raises(PipelineError, match=message):
        Vllm(model="m", **settings)


def test_the_price_is_known_only_where_it_is_given():
    assert Vllm(model="m").usd_per_million_tokens is None
    assert (1.0, 2.0) == Vllm(model="m", usd_per_million_in=1.0, usd_per_million_out=2.0).usd_per_million_tokens


def test_the_file_offers_the_backend():
    assert Vllm is BACKEND

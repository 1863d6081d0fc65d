"""vLLM itself, on the CPU, through ray.data.llm and through its server. Each engine starts once: minutes together."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import pairs, run_stage, tasks
from models import tiny_qwen3

from themis_data.engine.requests import Request, Sampling
from themis_data.fingerprint import WHERE_IT_RUNS
from themis_data.llm.audit import Limits
from themis_data.llm.http import Http
from themis_data.llm.smollm2 import smollm2
from themis_data.llm.vllm import Vllm
from themis_data.stages.inject_bugs import InjectBugs
from themis_data.stages.judge_candidates import JudgeCandidates
from themis_data.stages.judge_pairs import JudgePairs
from themis_data.stages.recover_problems import RecoverProblems
from themis_data.stages.review_changes import ReviewChanges
from themis_data.stages.sample_candidates import SampleCandidates
from themis_data.stages.write_instructions import WriteInstructions

pytestmark = [
    pytest.mark.vllm,
    # Of libraries under vLLM, about one another.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SHARED = {"device": "cpu", "dtype": "float32", "max_num_seqs": 16, "batch_size": 4, "cpu_cache_gib": 1}
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"enum": ["first", "second"]}, "sure": {"type": "boolean"}},
    "required": ["verdict", "sure"],
    "additionalProperties": False,
}
QUESTION = "Is this sentence about fruit? 'Apples and pears ripen in autumn.' Answer with A for yes or B for no."
_keys = count()


def request(user="Name a colour.", *, key=None, **changes):
    # Drawn, because the likeliest tokens of a model with random weights are white space.
    sampling = changes.pop("sampling", Sampling(temperature=1.0, max_tokens=8))
    return Request(key=key or f"{next(_keys):032x}", system=None, user=user, sampling=sampling, **changes)


@pytest.fixture(scope="module", autouse=True)
def small_cache():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        # Ray lets its workers wait for everything else on a machine.
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture(scope="module", params=["tiny", "smollm2"])
def checkpoint(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return tiny_qwen3(folder / "tiny") if request.param == "tiny" else smollm2(folder)


@pytest.fixture(scope="module")
def engine(checkpoint):
    """One engine for all tests of a checkpoint."""
    with Vllm(model=str(checkpoint), max_model_len=2048, **SHARED).open() as opened:
        yield opened


@pytest.fixture(scope="module")
def answer(engine):
    """Gives the replies to requests, by key."""

    def ask(*requests):
        replies = [reply for some in engine(iter(requests)) for reply in some]
        assert sorted(r.key for r in requests) == sorted(r.key for r in replies)
        return {reply.key: reply for reply in replies}

    return ask


def test_no_requests_no_replies(answer):
    assert {} == answer()


def test_plain_text_comes_with_its_counts_and_its_end(answer):
    asked = request(sampling=Sampling(temperature=1.0, max_tokens=4))

    reply = answer(asked)[asked.key]

    assert (None, 4, "length") == (reply.failure, reply.tokens_out, reply.finish)
    assert reply.text
    assert reply.tokens_in > 5


def test_samples_differ_and_each_seed_gives_its_text_again(answer):
    warm = Sampling(temperature=1.0, max_tokens=16, seed=7)
    first = answer(*[request(key=f"{9000 + k:032x}", sampling=warm) for k in range(6)])
    again = answer(*[request(key=f"{9000 + k:032x}", sampling=warm) for k in reversed(range(6))])

    assert {key: r.text for key, r in first.items()} == {key: r.text for key, r in again.items()}
    assert len({reply.text for reply in first.values()}) > 3


def test_an_answer_is_one_of_the_choices(answer):
    asked = [request(choices=("A", "B", "TIE"), sampling=Sampling(temperature=1.0, seed=k)) for k in range(12)]

    replies = answer(*asked).values()

    assert {reply.text for reply in replies} <= {"A", "B", "TIE"}
    assert {"stop"} == {reply.finish for reply in replies}


def test_an_answer_fits_its_schema(answer):
    asked = [
        request(schema=json.dumps(SCHEMA), sampling=Sampling(temperature=1.0, max_tokens=60, seed=k)) for k in range(4)
    ]

    for reply in answer(*asked).values():
        said = json.loads(reply.text)
        assert {"sure", "verdict"} == set(said)
        assert said["verdict"] in ("first", "second")
        assert isinstance(said["sure"], bool)


def test_what_cannot_be_answered_costs_its_own_reply_only(answer):
    good, long, wrong = request(), request("word " * 5000), request(schema='{"type": "nonsense"}')

    replies = answer(good, long, wrong, *[request() for _ in range(40)])

    assert ("too_long", False) == (replies[long.key].failure, replies[long.key].is_retryable)
    assert ("refused", False) == (replies[wrong.key].failure, replies[wrong.key].is_retryable)
    assert 41 == sum(reply.failure is None for reply in replies.values())


def test_label_probabilities_are_those_of_the_models_own_logits(answer, checkpoint):
    choices = ("A", "B", "TIE")
    asked = request(QUESTION, choices=choices, wants_probabilities=True)

    reply = answer(asked)[asked.key]

    expected = probabilities_by_transformers(checkpoint, asked)
    assert {choice: pytest.approx(p, abs=1e-2) for choice, p in expected.items()} == reply.probabilities
    assert max(expected, key=expected.get) == reply.text
    assert 1 == reply.tokens_out


def probabilities_by_transformers(checkpoint, asked):
    """Over all tokens that are a beginning of one choice, found by going through the whole vocabulary."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    text = tokenizer.apply_chat_template(asked.messages, tokenize=False, add_generation_prompt=True)
    with torch.no_grad():
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        shares = torch.softmax(model(ids).logits[0, -1].double(), dim=0).tolist()
    weights = dict.fromkeys(asked.choices, 0.0)
    for token, share in enumerate(shares):
        piece = tokenizer.decode([token])
        for choice in asked.choices:
            weights[choice] += share if piece and choice.startswith(piece) else 0.0
    return {choice: weight / sum(weights.values()) for choice, weight in weights.items()}


def test_requests_are_taken_only_as_places_get_free(engine):
    taken = 0

    def many():
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield request(sampling=Sampling(max_tokens=2))

    given = engine(many())
    first = next(given)

    assert taken <= 2 * SHARED["max_num_seqs"]
    assert 200 == len(first) + sum(len(more) for more in given)


def test_replies_that_nobody_waited_for_are_no_replies_to_later_requests(engine, answer):
    next(engine(request(sampling=Sampling(max_tokens=2)) for _ in range(100)))
    asked = request(sampling=Sampling(max_tokens=2))

    assert [asked.key] == list(answer(asked))


@pytest.fixture(scope="module")
def server(checkpoint):
    """The base address of vLLM's own server of the same checkpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint)]
    command += ["--served-model-name", "served", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    command += ["--max-model-len", "2048", "--max-num-seqs", "16", "--enforce-eager", "--no-enable-chunked-prefill"]
    command += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"VLLM_NO_USAGE_STATS": "1"}
    )
    try:
        deadline = time.monotonic() + 600
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, "the server ended before it was ready"
            assert time.monotonic() < deadline, "the server was not ready within ten minutes"
            time.sleep(1)  # nothing tells when it is ready
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def test_vllms_server_answers_the_same(answer, server):
    drawn = [request(f"Name a colour, number {k}.") for k in range(4)]
    labels = [
        request(question, choices=("A", "B"), wants_probabilities=True)
        for question in (QUESTION, "Answer A or B.", "Which letter comes first?")
    ]
    offline = answer(*drawn, *labels)
    with Http(model="served", url=server, concurrency=4).open() as ask:
        online = {reply.key: reply for some in ask([*drawn, *labels]) for reply in some}

    assert [offline[r.key].text for r in drawn] == [online[r.key].text for r in drawn]
    assert [offline[r.key].tokens_in for r in drawn] == [online[r.key].tokens_in for r in drawn]
    for asked in labels:
        expected = {choice: pytest.approx(p, abs=1e-2) for choice, p in online[asked.key].probabilities.items()}
        assert expected == offline[asked.key].probabilities


# Every stage that asks


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A model whose engine or server is there already, so that a test does not start one of its own."""

    ask: Any = field(metadata={WHERE_IT_RUNS: True})
    name: str
    revision: str | None = None
    variant: str | None = None
    family: str | None = None
    leaves_machine: bool = False
    usd_per_million_tokens: tuple[float, float] | None = None
    gpus: int = 0

    @contextmanager
    def open(self):
        yield self.ask


@pytest.fixture(params=["offline", "server"])
def opened(request, checkpoint):
    if request.param == "offline":
        yield Opened(ask=request.getfixturevalue("engine"), name="offline")
        return
    with Http(model="served", url=request.getfixturevalue("server"), concurrency=8).open() as ask:
        yield Opened(ask=ask, name="server")


SLOW = """def total(words, known):
    count = 0
    for word in words:
        if word in list(known):
            count += 1
    return count
"""
FAST = SLOW.replace("list(known)", "known")
COMMIT = {"commit": "c" * 40, "message": "Look words up in the set itself", "path": "words.py"}
NO_LIMITS = Limits(**{f.name: None for f in dataclasses.fields(Limits)})
JUDGED = {"max_failed": 1.0, "canary_share": 1.0, "limits": NO_LIMITS}
ANSWERED = {
    "answer": "a" * 32, "model": "m", "revision": None, "sample": 0, "text": "", "failure": None,
    "status": None, "passed": None, "failed": None, "raised": None, "score": None,
}  # fmt: skip
CASES = {
    "review": lambda model: ReviewChanges(models=(model,), max_tokens=700, **JUDGED),
    "judge in words": lambda model: JudgePairs(models=(model,), votes=2, max_tokens=500, **JUDGED),
    "judge by label": lambda model: JudgePairs(models=(model,), mode="label", **JUDGED),
    "instruct": lambda model: WriteInstructions(model=model, samples=1, max_tokens=900, max_failed=1.0),
    "recover": lambda model: RecoverProblems(model=model, samples=1, max_tokens=900, max_failed=1.0),
    "sample": lambda model: SampleCandidates(models=(model,), samples=2, max_tokens=40, max_failed=1.0),
    "compare": lambda model: JudgeCandidates(models=(model,), when="always", max_failed=1.0, max_flip_rate=None),
    "inject": lambda model: InjectBugs(model=model, samples=1, max_tokens=700, max_failed=1.0),
}
OF_TASKS = ("sample", "compare", "inject")
CONSTRAINED = ("review", "judge in words", "judge by label", "compare")


@pytest.mark.parametrize("case", CASES)
def test_every_stage_runs_to_its_end(case, opened, tmp_path):
    if case in OF_TASKS:
        candidates = [ANSWERED | {"code": SLOW}, ANSWERED | {"answer": "b" * 32, "code": FAST}]
        rows = tasks({"candidates": candidates if case == "compare" else None})
    else:
        commit = {"rejected": SLOW, "criterion": "runtime_efficiency", **COMMIT}
        rows = pairs(*({"chosen": f"{FAST}# {n}\n", **commit} for n in range(2)))

    written, dropped = run_stage(tmp_path, CASES[case](opened), rows)

    went_on = {i for ids in written["parent_ids"].to_pylist() for i in ids} if case == "inject" else written["row_id"]
    assert set(rows["row_id"].to_pylist()) == {*map(str, went_on), *(row_id for row_id, _, _ in dropped)}
    [file] = (tmp_path / "out" / "segments").glob("*/marks/*/00000.parquet")
    answers = pq.read_table(file).to_pylist()
    assert answers
    assert not {"refused", "server_error", "timeout"} & {answer["failure"] for answer in answers}
    if case in CONSTRAINED:
        read = [answer for answer in answers if answer["value"] is not None]
        assert 2 * len(read) >= len(answers), [(a["failure"], a["detail"], a["text"]) for a in answers]

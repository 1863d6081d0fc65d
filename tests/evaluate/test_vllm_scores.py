"""An exported reward model gives the same scores in vLLM's pooling runner, in our batches and in plain transformers."""

import multiprocessing

import pytest

from themis_data.evaluate.scoring import Chat, TransformersScorer, VllmScorer

pytestmark = [
    pytest.mark.vllm,
    # Of libraries under vLLM, about one another.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
MAX_TOKENS = 128
CHATS = [
    Chat("Judge by speed alone." if n % 2 else None, f"Sum the list, variant {n}.", "total += value\n" * (n % 9))
    for n in range(24)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The export of a Qwen3 with random weights, its reward head among them."""
    import torch

    from themis_data.train.chats import chats_of
    from themis_data.train.models import export, random_qwen3, reward_class

    torch.manual_seed(5)
    config, tokenizer = random_qwen3(SIZES)
    chats_of(tokenizer, "chatml")
    made = reward_class(type(config))(config)
    torch.nn.init.normal_(made.score.weight)  # a new one is all zeros
    folder = tmp_path_factory.mktemp("reward") / "model"
    export(made.state_dict(), config, tokenizer, folder)
    return str(folder)


@pytest.fixture(scope="module")
def vllm(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield VllmScorer(model, max_tokens=MAX_TOKENS)


def test_scores_are_those_of_transformers(model, vllm):
    expected = TransformersScorer(model, max_tokens=MAX_TOKENS).score(CHATS)
    found = vllm.score(CHATS)

    assert expected.rewards.std() > 0.1
    assert expected.rewards == pytest.approx(found.rewards, abs=1e-4)
    assert expected.is_cut.tolist() == found.is_cut.tolist()
    assert 0 < found.is_cut.sum() < len(CHATS)


def test_scores_are_those_of_the_plain_class_on_a_padded_batch(model, vllm):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    plain, tokenizer = AutoModelForSequenceClassification.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    chats = [chat for chat, is_cut in zip(CHATS, vllm.score(CHATS).is_cut, strict=True) if not is_cut]
    turns = [
        [
            *([{"role": "system", "content": chat.system}] if chat.system else []),
            {"role": "user", "content": chat.prompt},
            {"role": "assistant", "content": chat.answer},
        ]
        for chat in chats
    ]
    batch = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True, return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = plain(**batch).logits[:, 0]

    assert len({len(ids) for ids in vllm.chats.tokens([vllm.chats.scored(*chat) for chat in chats])}) > 3
    assert "Qwen3ForSequenceClassification" == type(plain).__name__
    assert expected.tolist() == pytest.approx(vllm.score(chats).rewards, abs=1e-4)


def test_a_score_depends_on_nothing_else_that_is_scored(vllm):
    assert vllm.score(CHATS).rewards[::-1] == pytest.approx(vllm.score(CHATS[::-1]).rewards, abs=1e-4)
    assert vllm.score(CHATS[3:4]).rewards == pytest.approx(vllm.score(CHATS).rewards[3:4], abs=1e-4)
    assert 0 == len(vllm.score([]).rewards)


def test_the_engine_ends_with_the_scorer(model, monkeypatch):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    earlier = set(multiprocessing.active_children())

    scorer = VllmScorer(model, max_tokens=MAX_TOKENS)
    started = set(multiprocessing.active_children()) - earlier
    del scorer
    for process in started:
        process.join(60)

    assert started
    assert not any(process.is_alive() for process in started)

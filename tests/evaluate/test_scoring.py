"""What a chat's score is depends on nothing else that is scored, and is what plain transformers gives."""

import sys
from pathlib import Path

import pytest

from themis_data.errors import EvaluationError

sys.path.append(str(Path(__file__).parent.parent / "train"))

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from training import small_recipe

    from themis_data.train.reward import fit

    folder = tmp_path_factory.mktemp("model")
    return str(fit(small_recipe(folder, epochs=2), "preference", folder / "out", use_cpu=True))


@pytest.fixture(scope="module")
def chats():
    from themis_data.evaluate.scoring import Chat

    return [Chat("Be brief." if n % 2 else None, f"Add {n}.", "x += 1\n" * (n % 7)) for n in range(20)]


def test_batches_and_order_do_not_matter(model, chats):
    from themis_data.evaluate.scoring import TransformersScorer

    together = TransformersScorer(model, batch_tokens=10_000).score(chats).rewards
    alone = TransformersScorer(model, batch_tokens=1).score(chats).rewards
    reverse = TransformersScorer(model, batch_tokens=500).score(chats[::-1]).rewards[::-1]

    assert 20 == len(set(together))
    assert together == pytest.approx(alone, abs=1e-5)
    assert together == pytest.approx(reverse, abs=1e-5)


def test_the_score_is_that_of_plain_transformers(model, chats):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from themis_data.evaluate.scoring import TransformersScorer

    plain, tokenizer = AutoModelForSequenceClassification.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    turns = [{"role": "system", "content": chats[5].system}, {"role": "user", "content": chats[5].prompt}]
    turns.append({"role": "assistant", "content": chats[5].answer})
    inputs = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        expected = plain(**inputs).logits.item()

    assert expected == pytest.approx(TransformersScorer(model).score([chats[5]]).rewards[0], abs=1e-6)


def test_long_chats_are_cut_and_counted(model, chats):
    from themis_data.evaluate.scoring import TransformersScorer

    scorer = TransformersScorer(model)
    lengths = [len(one) for one in scorer.chats.tokens([scorer.chats.scored(*chat) for chat in chats])]
    limit = sorted(lengths)[10]
    found = TransformersScorer(model, max_tokens=limit).score(chats)

    assert not scorer.score(chats).is_cut.any()
    assert [length > limit for length in lengths] == found.is_cut.tolist()
    assert 0 < found.is_cut.sum() < 20


def test_what_is_no_reward_model_is_said(tmp_path):
    from themis_data.evaluate.scoring import TransformersScorer

    with pytest.raises(EvaluationError, match="no checkpoint for sequence classification"):
        TransformersScorer(str(tmp_path))


def test_the_command_scores_and_compares(model, tmp_path, capsys):
    import json

    from training import pairs

    from themis_data.cli import app

    run = pairs(tmp_path / "pairs")
    out = tmp_path / "sheet"
    arguments = ["evaluate", model, "--pairs", str(run), "--systems", "none,rows", "--out", str(out)]
    app([*arguments, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    first, second = (str(out / mode / "scores.parquet") for mode in ("none", "rows"))
    app(["evaluate", "--scores", first, "--against", second], standalone_mode=False)

    assert ["none", "rows"] == list(found["results"])
    assert 24 == found["results"]["rows"]["overall"]["count"]
    assert "McNemar p" in capsys.readouterr().out

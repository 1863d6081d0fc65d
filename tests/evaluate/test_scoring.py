"""What a chat's score is depends on nothing else that is scored, and is what plain transformers gives."""

import sys
from pathlib import Path

import pytest

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


def test_the_command_ranks_lists_and_talks_to_the_judge(model, tmp_path, capsys):
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    from themis_data.cli import app

    lists = tmp_path / "lists.jsonl"
    row = {"id": "a", "description": "Add.", "language": "Python", "completions": ["x = 1", "x = 22", "x"]}
    row |= {"num_passed": [1, 2, 0], "num_failed": [1, 0, 2], "final_verdict": [False, True, False]}
    lists.write_text(json.dumps(row) + "\n", encoding="utf-8")
    out = tmp_path / "ranked"
    asked = ["--rerank", str(lists), "--systems", "none,criterion", "--out", str(out)]
    app(["evaluate", model, *asked], standalone_mode=False)
    ranking = capsys.readouterr().out

    pair = {"id": "p", "prompt": "Add.", "chosen": "x = 1\ny = 2\n", "rejected": "x = 2\n", "language": "Python"}
    pq.write_table(pa.Table.from_pylist([pair]), tmp_path / "pairs.parquet")
    arguments = ["--pairs", str(tmp_path / "pairs.parquet"), "--systems", "none", "--out", str(tmp_path / "edited")]
    app(["evaluate", model, *arguments, "--adversarial"], standalone_mode=False)
    edits = capsys.readouterr().out

    assert ["criterion", "none"] == sorted(folder.name for folder in out.iterdir())
    assert 1 == json.loads((out / "none" / "results.json").read_text(encoding="utf-8"))["overall"]["n_questions"]
    assert "language Python" in ranking
    assert "Hits@5, %         100.00  100.00 to 100.00     100.00" in ranking
    for edit in ("correctness_claim", "fake_tests"):
        assert edit in edits
    assert (tmp_path / "edited" / "none" / "adversarial.json").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["m", "--pairs", "p"],
        ["m", "--pairs", "p", "--rerank", "l", "--out", "o"],
        ["m", "--rerank", "l", "--adversarial", "--out", "o"],
        [],
    ],
)
def test_what_is_asked_for_twice_or_not_at_all_is_wrong_usage(arguments):
    import typer

    from themis_data.cli import app

    with pytest.raises(typer.BadParameter, match="give MODEL, --pairs"):
        app(["evaluate", *arguments], standalone_mode=False)


def test_an_unknown_scorer_is_said():
    from themis_data.errors import UnknownName
    from themis_data.evaluate.scoring import scorer_named

    with pytest.raises(UnknownName, match="Did you mean 'vllm'"):
        scorer_named("vlm")

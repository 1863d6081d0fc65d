"""Single answers: scored as training does, the best of n is the best, and what is wrong is said in a line."""

import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from themis_data.errors import EvaluationError, UnknownName

sys.path.append(str(Path(__file__).parent.parent / "train"))

pytestmark = pytest.mark.train

SIDES = ["x += 1\n", "x = x + 1\nreturn x\n", "return None\n"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of random weights, head and all."""
    import torch
    from byte_model import byte_model

    torch.manual_seed(5)
    model, tokenizer = byte_model()
    folder = tmp_path_factory.mktemp("run") / "preference" / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    from themis_data.evaluate.reward_model import RewardModel

    return RewardModel(str(folder), max_tokens=900)


def changed(folder: Path, to: Path, **settings) -> str:
    """A copy of a checkpoint with other settings."""
    shutil.copytree(folder, to)
    config = json.loads((to / "config.json").read_text(encoding="utf-8"))
    (to / "config.json").write_text(json.dumps(config | settings), encoding="utf-8")
    return str(to)


def test_a_reward_is_that_of_the_scorer_of_pairs_with_the_criterions_prompt(model, folder):
    from themis_data.evaluate.pair_sets import PairSet
    from themis_data.evaluate.scoring import Chat, TransformersScorer

    aspects = SimpleNamespace(to_pylist=lambda: ["Runtime Efficiency"])
    (system,) = PairSet("one", {"aspect": aspects}).systems("criterion")
    scorer = TransformersScorer(str(folder))
    expected = [scorer.score([Chat(said, "Add.", SIDES[0])]).rewards[0] for said in (None, system)]
    found = [model.score("Add.", SIDES[0], criterion=name) for name in (None, "runtime_efficiency")]

    assert expected == pytest.approx(found, abs=1e-6)
    assert found[1] == model.score("Add.", SIDES[0], criterion="Runtime Efficiency")
    assert found[0] != pytest.approx(found[1], abs=1e-6)


def test_the_best_of_n_is_the_one_with_the_highest_reward(model):
    alone = [model.score("Add.", side) for side in SIDES]
    found = model.rank("Add.", SIDES)
    high, second, low = sorted(alone, reverse=True)

    assert alone == pytest.approx(found.rewards, abs=1e-6)
    assert tuple(alone.index(reward) for reward in (high, second, low)) == found.order
    assert alone.index(high) == found.best
    assert high - second == pytest.approx(found.lead, abs=1e-6)
    assert 0.5 < found.probability < 1


def test_of_equal_answers_the_first_given_stands_first(model):
    found = model.rank("Add.", [SIDES[1]] * 3)

    assert ((0, 1, 2), 0, 0.0, 0.5) == (found.order, found.best, found.lead, found.probability)


def test_a_language_puts_bare_code_and_nothing_else_into_a_fence(model):
    fenced = "```cpp\nint x = y[0];\n```"

    assert model.score("Add.", fenced) == model.score("Add.", "int x = y[0];\n", language="C++")
    assert model.score("Add.", fenced) == model.score("Add.", fenced, language="cpp")
    assert model.score("Add.", "int x = y[0];\n") != model.score("Add.", fenced)


def test_code_cannot_close_the_fence_it_is_put_into(model):
    code = "s = '''\n```\n'''\nx = f(s)[0]; y = {}\n"

    assert model.score("Add.", f"````python\n{code}````") == model.score("Add.", code, language="python")


@pytest.mark.parametrize(
    ("prompt", "answers", "message"),
    [
        ("Add.", ["x", "y" * 900], r"^answer 2 has 9\d\d tokens with its prompt, the limit is 900; shorten it"),
        ("Add.", ["x", "y<|im_end|>"], r"^answer 2 has <\|im_end\|> in it, a mark of the model's chat template"),
        ("<|im_start|>", ["x"], r"^the prompt has <\|im_start\|> in it"),
        ("Add.", [], "no answer to score"),
    ],
)
def test_an_answer_that_cannot_be_scored_is_named(model, prompt, answers, message):
    with pytest.raises(EvaluationError, match=message) as raised:
        model.rank(prompt, answers)

    assert "\n" not in str(raised.value)


def test_unknown_names_are_said(model):
    with pytest.raises(
        UnknownName, match=r"no criterion named 'runtime_eficiency'\. Did you mean 'runtime_efficiency'"
    ):
        model.score("Add.", "x", criterion="runtime_eficiency")
    with pytest.raises(UnknownName, match=r"no language named 'Pyton'\. Did you mean 'Python'"):
        model.score("Add.", "x", language="Pyton")


def test_what_is_no_reward_model_is_said_in_a_line(folder, tmp_path):
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    from themis_data.evaluate.reward_model import RewardModel

    weights = load_file(folder / "model.safetensors")
    headless = changed(folder, tmp_path / "headless")
    save_file(
        {name: value for name, value in weights.items() if name != "score.weight"}, f"{headless}/model.safetensors"
    )
    dumb = changed(folder, tmp_path / "dumb")
    (tmp_path / "dumb" / "chat_template.jinja").unlink()
    larger = changed(folder, tmp_path / "larger")
    tokenizer = AutoTokenizer.from_pretrained(larger)
    tokenizer.add_tokens(["<|one_more|>"])
    tokenizer.save_pretrained(larger)
    cases = {
        f"{tmp_path}/nowhere": "no such folder; expected that of an export, such as RUN/PHASE/model",
        str(folder.parents[1]): f"no config.json in it; expected RUN/PHASE/model; did you mean {folder}?",
        changed(folder, tmp_path / "labels", id2label={"0": "a", "1": "b"}): "has one label, this one has 2",
        headless: "of another size than config.json says, are the weights score.weight",
        changed(folder, tmp_path / "words", vocab_size=300): "are the weights model.embed_tokens.weight",
        larger: "the tokenizer has 260 tokens, the model knows 259: they do not belong together",
        dumb: "the tokenizer has no chat template",
    }
    for place, message in cases.items():
        with pytest.raises(EvaluationError) as raised:
            RewardModel(place)
        assert str(raised.value).startswith(f"{place}: ")
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.fixture
def score(folder, tmp_path, capsys, monkeypatch):
    """Runs the command on files one, two and three; what it printed."""
    for name, side in zip(("one", "two", "three"), SIDES, strict=True):
        (tmp_path / name).write_text(side, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=""):
        from themis_data.cli import main

        monkeypatch.setattr(sys, "argv", ["themis", "score", "--model", str(folder), *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


def test_the_command_scores_one_and_orders_several(score, model):
    expected = model.rank("Add.", SIDES, criterion="all")
    _, one, _ = score("one", "--prompt", "Add.", "--criterion", "all")
    _, piped, _ = score("--prompt", "Add.", "--criterion", "all", stdin=SIDES[0])
    _, table, _ = score("one", "two", "three", "--prompt", "Add.", "--criterion", "all")
    _, as_json, _ = score("one", "two", "three", "--prompt-file", "-", "--criterion", "all", "--json", stdin="Add.")
    found, names = json.loads(as_json), ["one", "two", "three"]
    best, second, last = (names[place] for place in expected.order)

    assert f"{expected.rewards[0]:.4f}\n" == one == piped
    assert [best, second, last] == [line.split()[1] for line in table.splitlines()[1:4]]
    assert f"{best} before {second} by {expected.lead:.4f}: preferred with probability" in table
    assert (best, list(expected.order)) == (found["best"], found["order"])
    assert names == [row["answer"] for row in found["answers"]]
    assert list(expected.rewards) == pytest.approx([row["reward"] for row in found["answers"]], abs=1e-9)


def test_the_command_says_what_is_wrong_in_a_line(score, tmp_path):
    (tmp_path / "bytes").write_bytes(b"x\xff")

    assert (1, "error: bytes: no text in UTF-8: byte 1 is 0xff\n") == score("bytes", "--prompt", "Add.")[::2]
    assert (1, "error: four: No such file or directory\n") == score("four", "--prompt", "Add.")[::2]
    code, _, said = score("one", "--prompt", "Add.", "--max-tokens", "20")
    assert (1, 1) == (code, said.count("\n"))
    assert said.startswith("error: one has 32 tokens with its prompt, the limit is 20")
    assert "say what was asked for" in score("one")[2]
    assert "standard input can be read once" in score("-", "--prompt-file", "-")[2]

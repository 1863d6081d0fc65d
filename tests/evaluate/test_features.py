"""The states that small models are fitted on are those of the model, whichever way chats were read."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from themis_data.errors import EvaluationError
from themis_data.evaluate.features import features_named

sys.path.append(str(Path(__file__).parent.parent / "train"))

pytestmark = pytest.mark.train

PAIRS = pl.DataFrame(
    [
        ("functional_correctness", "Python", None, "Add.", "x = 1\ny = 2\n", "x = 1\ny = 3\n"),
        ("functional_correctness", "Python", "Judge.", "Take away.", "a bc" * 90, "a bc" * 20),
        ("memory_efficiency", "Go", "Judge.", "Add.", "b", "b" * 30),
    ],
    schema=["criterion", "language", "system", "prompt", "chosen", "rejected"],
    orient="row",
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from byte_model import byte_model

    folder = tmp_path_factory.mktemp("states") / "tiny"
    model, tokenizer = byte_model()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def states(checkpoint, folder, notes, **options):
    return features_named(str(checkpoint), folder, max_tokens=options.get("max_tokens", 512), note=notes.append)


def test_states_are_those_of_each_chat_read_alone(checkpoint, tmp_path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    from themis_data.train.chats import Chats

    found = states(checkpoint, tmp_path, []).differences(PAIRS).toarray()

    model, chats = AutoModel.from_pretrained(checkpoint).eval(), Chats(AutoTokenizer.from_pretrained(checkpoint))
    for row, (_, _, system, prompt, *sides) in zip(found, PAIRS.iter_rows(), strict=True):
        start = len(chats.tokens([chats.asked(system, prompt)])[0])
        expected = []
        for side in sides:
            ids = chats.tokens([chats.scored(system, prompt, side)])[0]
            with torch.no_grad():
                hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
            expected.append(torch.cat([hidden[-1], hidden[start:].mean(0)]).numpy())
        assert row == pytest.approx(expected[0] - expected[1], abs=1e-4)
        assert np.abs(row).max() > 1e-3


def test_a_chat_is_read_once(checkpoint, tmp_path):
    notes = []
    first = states(checkpoint, tmp_path, notes).differences(PAIRS).toarray()
    assert 1 == len(notes)

    again = states(checkpoint, tmp_path, notes).differences(PAIRS.reverse()).toarray()

    assert 1 == len(notes)
    assert np.array_equal(first[::-1], again)


def test_long_pairs_are_not_usable(checkpoint, tmp_path):
    assert [True, False, True] == states(checkpoint, tmp_path, [], max_tokens=200).usable(PAIRS).tolist()


@pytest.mark.parametrize("name", ["letters", "."])
def test_what_are_no_features_is_said(name, tmp_path):
    with pytest.raises(EvaluationError, match=r"expected length, tokens|no checkpoint of a language model"):
        features_named(name if name == "letters" else str(tmp_path), tmp_path, max_tokens=512, note=print)

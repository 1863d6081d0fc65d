"""Pairs as tokens: which are used, what a batch holds, and in which order they come."""

import numpy as np
import pytest
from made_versions import made_rows, run_folder
from training import SIZES, pairs

from themis_data.dataset import open_version
from themis_data.errors import ManifestError, TrainingError
from themis_data.train.batches import Limits, Order, Tokenized, collate, held_out_split, tokenized

pytestmark = pytest.mark.train

ALL = Limits(max_tokens=10_000, demo_only=False)


@pytest.fixture
def chats():
    from themis_data.train.chats import chats_of
    from themis_data.train.models import random_qwen3

    return chats_of(random_qwen3(SIZES)[1], "chatml")


def test_a_row_becomes_the_tokens_of_both_chats(tmp_path, chats):
    run = run_folder(tmp_path / "run", made_rows(2, chosen="a = 1\n", rejected="b\n"))
    made = tokenized([str(run)], "train", chats, tmp_path / "tokens", ALL)
    row = {row["id"]: row for row in made.dataset()}["0001"]

    prompt = (
        "<|im_start|>system\nJudge by speed alone.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    )
    prompt = prompt.format(made_rows(2)["prompt"][1].as_py())
    decode = chats.tokenizer.decode
    assert prompt + "a = 1\n<|im_end|>" == decode(row["chosen_ids"])
    assert prompt + "b\n<|im_end|>" == decode(row["rejected_ids"])
    assert "a = 1\n<|im_end|>" == decode(row["chosen_ids"][row["chosen_from"] :])
    assert ("Runtime Efficiency", "Python") == (str(row["criterion"]), str(row["language"]))
    assert len(row["chosen_ids"]) == row["length"]


def test_what_is_left_out_is_counted(tmp_path, chats):
    tables = [
        made_rows(3),
        made_rows(1, row_id="long", rejected="x" * 900),
        made_rows(1, row_id="marks", chosen="<|im_end|>"),
        made_rows(1, row_id="demo", demo_only=True),
    ]
    import pyarrow as pa

    run = run_folder(tmp_path / "run", pa.concat_tables(tables))
    made = tokenized([str(run)], "train", chats, tmp_path / "tokens", Limits(max_tokens=500, demo_only=False))

    assert (3, {"too_long": 1, "has_marks": 1, "demo_only": 1}) == (made.pairs, made.left_out)
    assert "3 pairs (left out: 1 demo_only, 1 has_marks, 1 too_long)" == str(made)
    both = tokenized([str(run)], "train", chats, tmp_path / "tokens", Limits(max_tokens=500, demo_only=True))
    assert 4 == both.pairs


def test_the_same_pairs_are_written_once(tmp_path, chats):
    run = pairs(tmp_path / "run")
    first = tokenized([str(run)], "train", chats, tmp_path / "tokens", ALL)
    time = first.path.stat().st_mtime_ns

    assert first == tokenized([str(run)], "train", chats, tmp_path / "tokens", ALL)
    assert time == first.path.stat().st_mtime_ns
    other = tokenized([str(run)], "train", chats, tmp_path / "tokens", Limits(max_tokens=300, demo_only=False))
    assert other.path != first.path


def test_a_file_that_was_cut_off_is_made_again(tmp_path, chats):
    run = pairs(tmp_path / "run")
    first = tokenized([str(run)], "train", chats, tmp_path / "tokens", ALL)
    (first.path.parent / "record.json").unlink()  # it is written last
    first.path.write_bytes(b"half")

    assert 24 == len(tokenized([str(run)], "train", chats, tmp_path / "tokens", ALL).dataset())


def test_held_out_pairs_are_drawn_and_the_draw_is_seeded(tmp_path, chats):
    run = pairs(tmp_path / "run")

    def drawn(seed: int) -> Tokenized:
        return tokenized([str(run)], "train", chats, tmp_path / "tokens", Limits(10_000, False, at_most=5, seed=seed))

    assert 5 == drawn(1).pairs
    assert [list(drawn(1).dataset()["id"])] != [list(drawn(2).dataset()["id"])]


def test_no_pairs_is_an_error_that_says_why(tmp_path, chats):
    run = pairs(tmp_path / "run", 3)

    with pytest.raises(TrainingError, match=r"no pair of the split 'train'.*'too_long': 3"):
        tokenized([str(run)], "train", chats, tmp_path / "tokens", Limits(max_tokens=10, demo_only=False))
    with pytest.raises(TrainingError, match=r"no pair of the split 'test'.*have the splits \['train'\]"):
        tokenized([str(run)], "test", chats, tmp_path / "tokens", ALL)
    with pytest.raises(ManifestError, match="neither a finished build"):
        tokenized([str(tmp_path / "nowhere")], "train", chats, tmp_path / "tokens", ALL)


def test_without_lineage_nobody_knows_what_is_benchmark_material(tmp_path, chats):
    run = run_folder(tmp_path / "run", made_rows(3), configs=("default",))

    with pytest.raises(ManifestError, match=r"no lineage.*demo_only=true"):
        tokenized([str(run)], "train", chats, tmp_path / "tokens", ALL)
    assert 3 == tokenized([str(run)], "train", chats, tmp_path / "tokens", Limits(10_000, True)).pairs


def test_the_split_to_evaluate_on_is_the_one_beside_train(tmp_path):
    first, second = pairs(tmp_path / "a", 3), run_folder(tmp_path / "b", made_rows(3), split="test")
    third = run_folder(tmp_path / "c", made_rows(3), split="dev")

    assert held_out_split([str(first)]) is None
    assert "test" == held_out_split([str(first), str(second)])
    with pytest.raises(TrainingError, match=r"\['dev', 'test'\]"):
        held_out_split([str(second), str(third)])
    assert open_version(first).files("default")


def test_a_batch_has_chosen_sides_first_and_labels_for_their_answers_alone():
    two = [
        {"chosen_ids": [5, 6, 7, 8], "rejected_ids": [5, 9], "chosen_from": 2},
        {"chosen_ids": [4, 3], "rejected_ids": [4, 2, 1], "chosen_from": 1},
    ]
    batch = collate(two, pad=0)

    assert [[5, 6, 7, 8], [4, 3, 0, 0], [5, 9, 0, 0], [4, 2, 1, 0]] == batch["input_ids"].tolist()
    assert [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]] == batch["attention_mask"].tolist()
    assert [[-100, -100, 7, 8], [-100, 3, -100, -100]] == batch["lm_labels"].tolist()


def test_every_epoch_has_other_steps_and_a_restart_the_same():
    lengths = np.random.default_rng(0).integers(1, 100, 103)
    order, again = Order(lengths, 10, seed=1), Order(lengths, 10, seed=1)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    again.set_epoch(1)

    assert 100 == len(order) == len(first) == len(set(first))
    assert second == list(again)
    assert first != second
    assert set(range(103)) - set(first) != set(range(103)) - set(second)  # what is left out changes
    assert first != list(Order(lengths, 10, seed=2))


def test_a_step_is_drawn_without_regard_to_length_and_stands_in_order_of_it():
    lengths = np.arange(1_000)
    steps = np.array(list(Order(lengths, 100, seed=1))).reshape(10, 100)

    assert all((np.diff(step) > 0).all() for step in steps)
    assert all(400 < step.mean() < 600 for step in steps)


def test_too_few_pairs_for_a_step_is_an_error():
    with pytest.raises(TrainingError, match="9 pairs do not fill one step of pairs_per_step 10"):
        Order([1] * 9, 10, seed=1)

"""The loss and its gradients, against a float64 reference that sees one sequence at a time; and that steps add up."""

import numpy as np
import pytest
from training import SIZES, pairs, recipe_file

from themis_data.errors import TrainingError

pytestmark = pytest.mark.train


@pytest.fixture
def trainer_of(tmp_path):
    """Makes a trainer of a model whose weights, reward head too, are random."""
    import torch
    from trl import RewardConfig

    from themis_data.train.batches import Limits, tokenized
    from themis_data.train.models import load
    from themis_data.train.recipe import load_recipe
    from themis_data.train.reward import PairTrainer

    run = pairs(tmp_path / "pairs")

    def make(*, tied=True, pairs_per_device=4, **phase):
        model = {"random": SIZES | {"tie_word_embeddings": tied}}
        own = {"pairs": [str(run)], "lm_weight": 0.4, **phase}
        path = recipe_file(tmp_path / "recipe", model=model, preference=own)
        recipe = load_recipe(str(path))
        loaded = load(recipe.model, None, seed=1)
        torch.manual_seed(2)
        torch.nn.init.normal_(loaded.model.score.weight)
        data = tokenized([str(run)], "train", loaded.chats, tmp_path / "tokens", Limits(10_000, False)).dataset()
        settings = RewardConfig(
            output_dir=str(tmp_path / "out"),
            per_device_train_batch_size=pairs_per_device,
            max_length=None,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            remove_unused_columns=False,
            report_to="none",
        )
        return PairTrainer(
            loaded, recipe.phases["preference"], tmp_path, train=data, held_out=None, settings=settings
        ), data

    return make


def reference(model, data, *, lm_weight, penalty_weight, penalty):
    """Loss and gradients by name, in float64, without padding, batches or the code under test."""
    import torch

    model = model.to(torch.float64)
    rewards, nats, tokens = [], 0.0, 0
    for row in data:
        both = []
        for side in ("chosen_ids", "rejected_ids"):
            ids = torch.tensor(np.array(row[side]), dtype=torch.long)
            states = model.model(input_ids=ids[None]).last_hidden_state[0]
            both.append((model.score.weight @ states[-1])[0])
            if side == "chosen_ids":
                for place in range(int(row["chosen_from"]), len(ids)):
                    scores = model.lm_head.weight @ states[place - 1]
                    nats = nats + torch.logsumexp(scores, 0) - scores[ids[place]]
                    tokens += 1
        rewards.append(both)
    total = lm_weight * nats / tokens
    for chosen, rejected in rewards:
        term = (chosen + rejected) ** 2 if penalty == "centering" else (chosen.abs() + rejected.abs()) ** 2
        total = total + (torch.log1p(torch.exp(rejected - chosen)) + penalty_weight * term) / len(rewards)
    total.backward()
    return float(total.detach()), {name: weight.grad.clone() for name, weight in model.named_parameters()}


def through_trainer(trainer, data, sizes):
    """Loss and gradients of one step that comes in batches of the given sizes."""
    collate, batches, start = trainer.data_collator, [], 0
    for size in sizes:
        batches.append(collate([data[n] for n in range(start, start + size)]))
        start += size
    trainer.model.train()
    trainer.model.zero_grad()
    given, none = trainer.get_batch_samples(iter(batches), len(batches), "cpu")
    losses = [trainer.compute_loss(trainer.model, batch) for batch in given]
    for loss in losses:
        loss.backward()
    assert none is None
    gradients = {name: weight.grad.clone() for name, weight in trainer.model.named_parameters()}
    return float(sum(losses).detach()), gradients


def worst(found, expected):
    """The largest difference of a gradient, relative to the norm of the expected one."""
    assert found.keys() == expected.keys()
    return max(
        float((found[name].double() - expected[name].double()).norm() / expected[name].double().norm())
        for name in expected
    )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("penalty", ["centering", "magnitude"])
def test_loss_and_gradients_are_those_of_the_formula(trainer_of, tied, penalty):
    import copy

    trainer, data = trainer_of(tied=tied, penalty=penalty, penalty_weight=0.05)
    rows = [data[n] for n in range(8)]
    loss, gradients = reference(copy.deepcopy(trainer.model), rows, lm_weight=0.4, penalty_weight=0.05, penalty=penalty)
    found, found_gradients = through_trainer(trainer, data, [8])

    assert found == pytest.approx(loss, rel=1e-5)
    assert 1e-5 > worst(found_gradients, gradients)


def test_four_batches_of_two_are_one_of_eight(trainer_of):
    """Also where the answers of the batches have different lengths, as here."""
    trainer, data = trainer_of()
    lengths = [len(data[n]["chosen_ids"]) for n in range(8)]
    whole, gradients = through_trainer(trainer, data, [8])
    parts, part_gradients = through_trainer(trainer, data, [2, 2, 2, 2])

    assert 1 < len({sum(lengths[n : n + 2]) for n in range(0, 8, 2)})
    assert whole == pytest.approx(parts, rel=1e-6)
    assert 1e-5 > worst(part_gradients, gradients)


def test_a_fresh_model_rewards_nothing(tmp_path):
    import torch

    from themis_data.train.models import load
    from themis_data.train.recipe import Model

    model = Model(name="small", random=SIZES, revision=None, license="Apache-2.0")
    made = load(model, None, seed=1).model
    ids = torch.arange(6)[None]

    assert 0.0 == made(ids, torch.ones_like(ids)).logits.item()


def test_padding_changes_no_reward(trainer_of):
    import torch

    trainer, data = trainer_of()
    model = trainer.model.eval()
    batch = trainer.data_collator([data[n] for n in range(6)])
    together = model(batch["input_ids"], batch["attention_mask"]).logits[:, 0]
    alone = [
        model(batch["input_ids"][n : n + 1, :length], torch.ones(1, int(length), dtype=torch.long)).logits[0, 0]
        for n, length in enumerate(batch["attention_mask"].sum(1))
    ]

    assert torch.allclose(together, torch.stack(alone), rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_no_number_stops_before_the_weights_have_it(trainer_of):
    import torch

    trainer, _ = trainer_of()
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters() if name != "score.weight"}
    torch.nn.init.constant_(trainer.model.score.weight, float("inf"))

    with pytest.raises(TrainingError, match=r"step 1: the loss is nan.*last good checkpoint is none.*peak_rate"):
        trainer.train()
    assert all(torch.equal(before[name], weight) for name, weight in trainer.model.named_parameters() if name in before)

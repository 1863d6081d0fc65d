"""Run under torchrun: eight steps of a reward model on a CPU mesh, wrapped as accelerate wraps it for FSDP2 on GPUs.

Writes losses and full weights as JSON and safetensors. With one process nothing is wrapped.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file
from torch import distributed as dist

from themis_data.train.batches import collate
from themis_data.train.losses import nll_sum, penalty_sum, preference_sum
from themis_data.train.models import load
from themis_data.train.recipe import find_model


def wrapped(model, layer):
    """As `accelerate launch` with an FSDP2 configuration does it; its own path is closed to CPUs."""
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.utils.fsdp_utils import fsdp2_prepare_model
    from torch.distributed.device_mesh import init_device_mesh

    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", transformer_cls_names_to_wrap=[layer]
    )
    plugin.set_auto_wrap_policy(model)
    accelerator = SimpleNamespace(
        state=SimpleNamespace(fsdp_plugin=plugin),
        torch_device_mesh=init_device_mesh("cpu", (dist.get_world_size(),), mesh_dim_names=("dp_shard",)),
        parallelism_config=SimpleNamespace(fsdp_dim_names=("dp_shard",), tp_enabled=False),
        mixed_precision="no",
        is_main_process=dist.get_rank() == 0,
        device=torch.device("cpu"),
    )
    return fsdp2_prepare_model(accelerator, model)


def main(model_file: str, out: str) -> None:
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    made = find_model(model_file)
    model = load(made, None, seed=1).model
    torch.manual_seed(2)
    torch.nn.init.normal_(model.score.weight, std=0.1)
    if world > 1:
        model = wrapped(model, made.layer)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.3
    )  # Adam would make steps of rounding where gradients are zero
    draw = torch.Generator().manual_seed(3)
    losses = []
    for _ in range(8):
        rows = []
        for size in torch.randint(4, 30, (4,), generator=draw).tolist():
            ids = torch.randint(0, 200, (2, size), generator=draw)
            rows.append({"chosen_ids": ids[0].numpy(), "rejected_ids": ids[1, 2:].numpy(), "chosen_from": 2})
        tokens = sum(len(row["chosen_ids"]) - 2 for row in rows)
        batch = collate(rows[rank * 4 // world : (rank + 1) * 4 // world], pad=0)
        given = model(**batch)
        chosen, rejected = given.logits.squeeze(-1).chunk(2)
        loss = (preference_sum(chosen, rejected) + 0.01 * penalty_sum(chosen, rejected, "centering")) / 4
        loss = (loss + 0.25 * nll_sum(given.lm_logits, given.lm_labels) / tokens) * world
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        total = loss.detach().clone() / world
        dist.all_reduce(total)
        losses.append(total.item())
    full = {
        name: (weight.full_tensor() if hasattr(weight, "full_tensor") else weight).detach().contiguous()
        for name, weight in model.state_dict().items()
        if not (name.startswith("lm_head") and model.config.tie_word_embeddings)
    }
    if rank == 0:
        sharded = sum(hasattr(weight, "full_tensor") for weight in model.state_dict().values())
        Path(out).mkdir()
        (Path(out) / "losses.json").write_text(json.dumps({"losses": losses, "sharded": sharded}), encoding="utf-8")
        save_file(full, Path(out) / "weights.safetensors")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The command that trains a phase on several machines, and the configuration that accelerate needs for it."""

import math
import shlex
from collections.abc import Sequence
from typing import Any

import yaml

from themis_data.errors import PipelineError
from themis_data.train.recipe import Recipe

_PORT = 29_500


def accelerate_config(layer: str, processes: int, machines: int) -> dict[str, Any]:
    """What `accelerate launch --config_file` reads: FSDP2 that shards by decoder layer, in bfloat16."""
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "FSDP",
        "mixed_precision": "bf16",
        "num_machines": machines,
        "num_processes": processes,
        "main_training_function": "main",
        "rdzv_backend": "c10d",
        "fsdp_config": {
            "fsdp_version": 2,
            "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "fsdp_transformer_layer_cls_to_wrap": layer,
            "fsdp_reshard_after_forward": True,
            "fsdp_state_dict_type": "SHARDED_STATE_DICT",
            "fsdp_offload_params": False,
        },
    }


def slurm_script(recipe: Recipe, phase: str, command: Sequence[str], per_machine: int) -> str:
    """A batch script for Slurm that starts `command` (themis train ...) on as many GPUs as the model says.

    Sent again it goes on from the last checkpoint, and SIGTERM ten minutes before the end saves. Raises PipelineError
    where the model does not say how many GPUs, or of which layers it is made.
    """
    model, own = recipe.model, recipe.phases[phase]
    processes = (model.devices or {}).get(phase)
    if processes is None or model.layer is None:
        raise PipelineError(
            f"model {model.name!r} has no `devices` for the phase {phase!r}, or no `layer`; give them in its file"
        )
    own.accumulation(processes)
    machines = math.ceil(processes / per_machine)
    config = yaml.safe_dump(accelerate_config(model.layer, processes, machines), sort_keys=False)
    themis = shlex.join([*command, "--phase", phase, "--resume"])
    return f"""#!/bin/bash
#SBATCH --job-name={recipe.name}-{phase}
#SBATCH --nodes={machines}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={min(per_machine, processes)}
#SBATCH --signal=TERM@600
#SBATCH --requeue
set -euo pipefail
cat > accelerate-{phase}.yaml <<'YAML'
{config}YAML
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
exec srun bash -c 'exec accelerate launch --config_file accelerate-{phase}.yaml --machine_rank "$SLURM_NODEID" \\
  --main_process_ip "$0" --main_process_port {_PORT} --no_python -- "$@"' "$head" {themis}
"""

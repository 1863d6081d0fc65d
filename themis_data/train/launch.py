"""Training on several machines: the scripts that start it on Slurm and on Ray, and the processes of Ray Train.

How models are sharded is accelerate's configuration: a file under Slurm, the environment of the processes on Ray.
"""

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from themis_data.engine import on_ray
from themis_data.errors import PipelineError
from themis_data.train.recipe import Recipe

_PORT = 29_500
_RAY_PORT = 6379


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


def sharding(layer: str) -> Mapping[str, str]:
    """The same as the environment of a process that nothing but its own Accelerator reads it from."""
    return {
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": layer,
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
        "FSDP_OFFLOAD_PARAMS": "false",
    }


def fit_on_ray(
    recipe: Recipe,
    phases: Sequence[str],
    out: Path,
    *,
    workers: int,
    address: str | None = None,
    resume: bool = False,
    use_cpu: bool | None = None,
) -> list[Path]:
    """`reward.fit` for phases in order, in as many processes of Ray Train; the folders of their exports.

    All machines of the cluster have to see the present folder, the pairs and `out`. Raises what `fit` raises, and
    TrainingError where a process died.
    """
    for phase in phases:
        recipe.phases[phase].accumulation(workers)
    work = partial(_fit, recipe, tuple(phases), out, Path.cwd(), resume, use_cpu)
    use_gpus = False if use_cpu else None
    on_ray.launch(work, workers=workers, use_gpus=use_gpus, address=address, storage=out.absolute())
    return [out / phase / "model" for phase in phases]


def _fit(recipe: Recipe, phases: Sequence[str], out: Path, folder: Path, resume: bool, use_cpu: bool | None) -> None:
    """Runs in each process of Ray Train."""
    import torch

    os.chdir(folder)
    if recipe.model.layer and torch.cuda.is_available() and not use_cpu:
        os.environ.update(sharding(recipe.model.layer))
    from themis_data.train.reward import fit

    for phase in phases:
        fit(recipe, phase, out, resume=resume, use_cpu=use_cpu)


def _size(recipe: Recipe, phase: str, per_machine: int) -> tuple[str, int, int]:
    """Class of a layer, GPUs and machines of a phase. Raises PipelineError where the model does not say."""
    model = recipe.model
    processes = (model.devices or {}).get(phase)
    if processes is None or model.layer is None:
        raise PipelineError(
            f"model {model.name!r} has no `devices` for the phase {phase!r}, or no `layer`; give them in its file"
        )
    recipe.phases[phase].accumulation(processes)
    return model.layer, processes, math.ceil(processes / per_machine)


def ray_script(recipe: Recipe, phase: str, command: Sequence[str], per_machine: int) -> str:
    """A script that starts `command` (themis train ...) on a Ray cluster of as many GPUs as the model says.

    Run again it goes on from the last checkpoint. Raises PipelineError as `slurm_script` does.
    """
    _, processes, machines = _size(recipe, phase, per_machine)
    themis = shlex.join([*command, "--phase", phase, "--resume", "--engine", "ray", "--workers", str(processes)])
    return f"""#!/bin/bash
# {recipe.name}, {phase}: {processes} GPUs on {machines} machines that have themis-data[ray,train] and see this folder.
# On the first:   ray start --head --port {_RAY_PORT}
# On the others:  ray start --address FIRST:{_RAY_PORT}
# Then this, on the first. Run again it goes on from the last checkpoint.
set -euo pipefail
exec {themis} --address "${{RAY_ADDRESS:-auto}}"
"""


def slurm_script(recipe: Recipe, phase: str, command: Sequence[str], per_machine: int) -> str:
    """A batch script for Slurm that starts `command` (themis train ...) on as many GPUs as the model says.

    Sent again it goes on from the last checkpoint, and SIGTERM ten minutes before the end saves. Raises PipelineError
    where the model does not say how many GPUs, or of which layers it is made.
    """
    layer, processes, machines = _size(recipe, phase, per_machine)
    config = yaml.safe_dump(accelerate_config(layer, processes, machines), sort_keys=False)
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

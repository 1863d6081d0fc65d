"""Small training runs: pairs of a published folder, a Qwen3 of a few thousand random weights, and what a run left."""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

sys.path.append(str(Path(__file__).parent.parent))

from made_versions import made_rows, run_folder

from themis_data.train.recipe import Recipe, load_recipe

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
}
PHASE: dict[str, Any] = {
    "max_tokens": 400,
    "pairs_per_step": 4,
    "pairs_per_device": 2,
    "epochs": 1,
    "peak_rate": 1e-2,
    "final_rate": 1e-3,
    "lm_weight": 0.25,
    "penalty_weight": 0.01,
    "save_every": 5,
}


def pairs(root: Path, count: int = 24, **recipe: Any) -> Path:
    """A finished run folder of pairs whose answers have many lengths."""
    rows = made_rows(count)
    for side, line in (("chosen", "total += value\n"), ("rejected", "total = total + values[index]\n")):
        texts = [line * (1 + (n * 7) % 5) + f"return {n}" for n in range(count)]
        rows = rows.set_column(
            rows.column_names.index(side), rows.schema.field(side), pa.array(texts, rows.schema.field(side).type)
        )
    return run_folder(root, rows, **recipe)


def recipe_file(folder: Path, *, model: dict[str, Any] | None = None, **phases: dict[str, Any]) -> Path:
    """A recipe of one phase `preference`, or of the given ones, on `FOLDER/pairs`."""
    folder.mkdir(parents=True, exist_ok=True)
    model_file = folder / "model.yaml"
    model_file.write_text(
        yaml.safe_dump({"random": SIZES, "revision": None, "license": "Apache-2.0", **(model or {})}), encoding="utf-8"
    )
    own = {"pairs": [str(folder / "pairs")]}
    content = {
        "name": "small",
        "seed": 3,
        "model": str(model_file),
        "phases": {name: own | PHASE | phase for name, phase in (phases or {"preference": {}}).items()},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def small_recipe(folder: Path, count: int = 24, **phase: Any) -> Recipe:
    pairs(folder / "pairs", count)
    return load_recipe(str(recipe_file(folder, preference=phase)))


def steps(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics that are about steps."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if "loss" in line]

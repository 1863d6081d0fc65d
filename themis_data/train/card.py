"""The card of an exported reward model: everything in it comes from the records and metrics of its phases."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from themis_data.dataset import open_version
from themis_data.fingerprint import code_state, distribution_version
from themis_data.manifest import read_record
from themis_data.text.markdown import render
from themis_data.train.recipe import Recipe

RECORD: Final = "phase.json"
METRICS: Final = "metrics.jsonl"
_PACKAGES: Final = ("themis_data", "torch", "transformers", "trl", "accelerate")
_ROWS: Final = 12  # of the table of steps


def about(recipe: Recipe, phase: str, revision: str | None, train: str, held_out: str | None) -> dict[str, Any]:
    """What the record of a phase says beside its identity: the data sets by version, what of them is used, the code."""
    versions = [open_version(Path(place)) for place in recipe.phases[phase].pairs]
    return {
        "revision": revision,
        "train": train,
        "held_out": held_out,
        "data": [
            {**{key: version.manifest[key] for key in ("name", "version", "rows")}, "checksum": version.checksum}
            for version in versions
        ],
        "code": code_state(),
        "packages": {name: distribution_version(name) for name in _PACKAGES},
    }


def card(recipe: Recipe, phase: str, out: Path) -> str:
    """Markdown for the export of a phase, with all phases before it."""
    names = list(recipe.phases)
    phases = [
        {
            "name": name,
            **read_record(out / name / RECORD)["about"],
            "settings": dataclasses.asdict(recipe.phases[name]),
            **_metrics(out / name / METRICS),
        }
        for name in names[: names.index(phase) + 1]
    ]
    template = Path(__file__).parent / "card.md.j2"
    title = recipe.name if len(names) == 1 else f"{recipe.name}, after {phase}"
    return render(template, name=title, model=recipe.model, seed=recipe.seed, phases=phases)


def _metrics(file: Path) -> Mapping[str, Any]:
    """Some of the steps, evenly, with the first and the last; and the last evaluation, null where there is none."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if "loss" in line]
    every = max(1, (len(steps) - 1) / (_ROWS - 1))
    places = sorted({round(n * every) for n in range(_ROWS) if round(n * every) < len(steps)})
    evaluations = [line for line in lines if "eval_accuracy" in line]
    return {"steps": [steps[place] for place in places], "evaluation": evaluations[-1] if evaluations else None}

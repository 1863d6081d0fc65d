"""The whole recipe of the paper's corpus, at a small scale, on invented files of the real shapes."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
from builds import CREATED_AT, Notes
from corpus_inputs import PILE, willing, write_inputs
from scripted import Scripted

from themis_data.build import build
from themis_data.pipeline import Pipeline, Step, load_pipeline
from themis_data.publish.layouts import features
from themis_data.schema import schema
from themis_data.verify import verify

# 0.05 % of the paper's rows a source; what is left over goes to the largest remainders.
SCALE = 0.0005
QUOTAS = {
    "Commit-Preference": 63,
    "CodeR-Pile": 39,
    "Bugged-Instruct": 28,
    "ProSec": 19,
    "Venus": 11,
    "CodeNet": 8,
    "RunBugRun": 3,
    "ECCO": 3,
    "CodeScaleR": 1,
    "Pie4Perf": 1,
    "Cybernative-DPO": 1,
}
# The folder of each source's files.
FOLDERS = (
    "git_commits",
    "coder_pile",
    "oss_instruct",
    "inverse_coder",
    "mceval_instruct",
    "package_instruct",
    "prosec",
    "venus",
    "code_net",
    "run_bug_run",
    "ecco",
    "code_scaler",
    "pie4perf",
    "cybernative_dpo",
)


def answered(pipeline: Pipeline) -> Pipeline:
    """The pipeline, with a willing model in the place of each of its own."""

    def model(one: Any) -> Any:
        return Scripted(answer=willing, name=one.name, family=one.family) if one in pipeline.models.values() else one

    def step(one: Step) -> Step:
        values = {
            f.name: getattr(one.config, f.name) for f in dataclasses.fields(one.config) if f.name in ("model", "models")
        }
        asked = {
            name: tuple(map(model, value)) if isinstance(value, tuple) else model(value)
            for name, value in values.items()
        }
        return dataclasses.replace(one, config=dataclasses.replace(one.config, **asked))

    branches = tuple(dataclasses.replace(b, steps=tuple(map(step, b.steps))) for b in pipeline.branches)
    return dataclasses.replace(pipeline, branches=branches, merge=tuple(map(step, pipeline.merge)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_inputs(folder / "files", {source: number + number // 10 + 2 for source, number in QUOTAS.items()})
    files = [f"{name}.files={json.dumps(str(folder / 'files' / name))}" for name in FOLDERS]
    # The audit would find out who agrees to everything.
    limits = "review_changes.limits={max_canary_share: null, max_flip_rate: null, min_alpha: null}"
    pile = f"coder_pile.settings={json.dumps({'exponent': 1.0, 'choose': PILE})}"
    pipeline = load_pipeline("code_preference.paper", [*files, limits, pile, f"mix.scale={SCALE}"])
    build(answered(pipeline), folder / "out", progress=Notes(), created_at=CREATED_AT, engine="inline")
    return folder / "out"


def test_every_source_has_the_papers_share(corpus):
    lineage = pl.scan_parquet(corpus / "dataset" / "lineage" / "*.parquet").select("source").collect()["source"]

    assert Counter(QUOTAS) == Counter(lineage.to_list())
    assert 177 == len(lineage)
    assert [] == verify(corpus)[0]


def test_it_concatenates_with_the_published_layout(corpus):
    ours = datasets.load_dataset(
        "parquet",
        data_files=str(corpus / "dataset" / "data" / "*.parquet"),
        split="train",
        cache_dir=str(corpus / "cache"),
    )
    theirs = datasets.Dataset.from_dict(
        {
            name: [value]
            for name, value in zip(ours.column_names, (None, "a", "b", "c", 1, 3, "Venus", "x"), strict=True)
        },
        features=datasets.Features.from_dict(features(schema("published_default"))),
    )

    assert 178 == len(datasets.concatenate_datasets([ours, theirs]))

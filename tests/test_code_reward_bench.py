"""The shipped benchmark pipeline, end to end and small: on repositories and files that the test writes."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import CREATED_AT, Notes, build_here, drops, made_repository, pipeline_file
from scripted import Scripted, valid_reply
from upstream_files import write_rows
from upstream_rows import BENCHMARK_PAIRS, write_benchmark

from themis_data.build import build
from themis_data.llm.rules import Rules
from themis_data.pipeline import Pipeline, load_pipeline
from themis_data.publish.consumers import check, known_consumers
from themis_data.verify import verify

IN_WINDOW = 1_560_000_000  # June 2019
# Branch of the pipeline -> subset.
BRANCHES = {
    "code_pref_bench": "CODEPREFBENCH_SECURITY",
    "ecco": "ECCO",
    "eval_perf": "EVALPERF",
    "human_eval_pack": "HUMANEVAL_PACK",
    "md_eval": "MDEVAL",
    "no_fun_eval_maintain": "NOFUNEVAL_MAINTAIN",
    "no_fun_eval_memory": "NOFUNEVAL_MEMORY",
    "no_fun_eval_security": "NOFUNEVAL_SECURITY",
    "pie": "PIE_PERF",
    "run_bug_run": "RUNBUGRUN",
}
# Reviews here are drawn and not true: what a review must say is tested where it is made.
ANY_REVIEW = (
    "review_changes.rule=mean",
    "review_changes.min_rating=1.0",
    "review_changes.max_spread=null",
    "review_changes.needs_single_intent=false",
    "review_changes.canary_share=0.0",
    "review_changes.max_failed=1.0",
    "review_changes.limits={max_flip_rate: null, max_length_preference: null, min_alpha: null, "
    "min_self_consistency: null, max_canary_share: null, max_canary_votes: null, min_gold_agreement: null, "
    "max_unreadable: null}",
)


def scripted(pipeline: Pipeline) -> Pipeline:
    """The pipeline with a function in place of each language model."""

    def with_models(config: Any) -> Any:
        for name in ("model", "models"):
            asked = getattr(config, name, ())
            listed = asked if isinstance(asked, tuple) else (asked,)
            if not listed or asked is None or isinstance(asked, str | Rules):
                continue
            made = tuple(
                Scripted(answer=valid_reply, name=f"scripted-{n}", family=f"family-{n}") for n in range(len(listed))
            )
            config = dataclasses.replace(config, **{name: made if isinstance(asked, tuple) else made[0]})
        return config

    branches = tuple(
        dataclasses.replace(
            branch, steps=tuple(dataclasses.replace(step, config=with_models(step.config)) for step in branch.steps)
        )
        for branch in pipeline.branches
    )
    return dataclasses.replace(pipeline, branches=branches)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A run folder: commits of a repository, those of another one that a corpus has, and every other benchmark."""
    folder = tmp_path_factory.mktemp("bench")
    own, trained = (
        made_repository(folder / name, num_commits=30, name=name, since=IN_WINDOW) for name in ("own", "trained")
    )
    old = made_repository(folder / "old", num_commits=20, name="old")
    earlier = made_repository(folder / "earlier", num_commits=30, name="trained", since=IN_WINDOW - 10_000_000)
    build_here(pipeline_file(folder / "corpus", earlier), folder / "corpus" / "out")
    overrides = [
        f"git.repos={json.dumps([str(own), str(trained), str(old)])}",
        f"drop_shared_repositories.datasets={json.dumps([str(folder / 'corpus' / 'out')])}",
        *ANY_REVIEW,
    ]
    for branch, subset in BRANCHES.items():
        overrides.append(f"{branch}_rows.files={write_benchmark(subset, folder / subset)}")
    for branch, problem in (("pie", "p00031"), ("run_bug_run", "p02534")):
        path = write_rows(folder / branch / "statements.jsonl", [{"problem": problem, "text": f"Solve {problem}."}])
        overrides.append(f"{branch}_rows.statements={path}")
    pipeline = scripted(load_pipeline("code_reward_bench", overrides))
    build(pipeline, folder / "out", progress=Notes(), created_at=CREATED_AT, engine="inline")
    return folder / "out"


def rows(out: Path, config: str) -> list[dict[str, Any]]:
    paths = sorted((out / "dataset" / config).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def manifest(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_every_subset_that_somebody_documented_has_its_rows(built):
    found: dict[str, int] = {}
    for row in rows(built, "Full"):
        found[row["subset"]] = found.get(row["subset"], 0) + 1

    commits = {name: found.pop(name) for name in list(found) if name.startswith("COMMITPREFS_")}
    assert {subset: len(example.made) for subset, (_, example) in BENCHMARK_PAIRS.items()} == found
    assert {"COMMITPREFS_FUNCTIONAL", "COMMITPREFS_READABILITY", "COMMITPREFS_RUNTIME"} >= set(commits)
    assert 0 < sum(commits.values())


def test_commits_are_of_the_window_and_of_repositories_that_no_corpus_has(built):
    gone = {(reason, (detail or "").partition("/")[2]) for _, step, reason, detail in drops(built)
            if step == "drop_shared_repositories"}  # fmt: skip
    assert {("shared_repository", "trained/trained")} == gone
    assert {"too_early"} == {reason for _, step, reason, _ in drops(built) if step == "keep_dates"}
    lineage = [row for row in rows(built, "lineage") if row["commit"] is not None]
    assert {"example.org/own/own"} == {row["repos"] for row in lineage}


def test_the_card_says_with_what_it_was_compared_and_that_nothing_is_shared(built):
    compared = manifest(built)["disjoint"]

    assert (1, 1, 1) == (compared["data_sets"], compared["own"]["repositories"], compared["own"]["roots"])
    assert (1, 1) == (compared["theirs"]["repositories"], compared["theirs"]["roots"])
    assert compared["theirs"]["days"][1] < "2019-06-01" <= compared["own"]["days"][0]
    assert "## Disjoint from other data sets" in (built / "dataset" / "README.md").read_text(encoding="utf-8")


def test_all_three_configurations_hold_the_same_rows(built):
    configs = [sorted(rows(built, name), key=lambda row: row["id"]) for name in
               ("Full", "Stratified_Aspect", "Stratified_Language")]  # fmt: skip

    assert configs[0] == configs[1] == configs[2] != []
    for name, column in (("Stratified_Aspect", "aspect"), ("Stratified_Language", "language")):
        for path in (built / "dataset" / name).glob("*.parquet"):
            assert {path.name.partition("-")[0]} >= set(pq.read_table(path)[column].to_pylist())


def test_everyones_pairs_have_prompts_and_no_prompt_shows_a_side(built):
    for row in rows(built, "Full"):
        assert row["prompt"].strip()
        assert row["chosen"].strip() not in row["prompt"]
        assert row["rejected"].strip() not in row["prompt"]


def test_what_lacks_of_each_subset_is_said(built):
    quotas = {
        quota["slice"]: (quota["wanted"], quota["found"])
        for segment in manifest(built)["segments"]
        for mark in segment["marks"]
        for quota in (mark.get("report") or {}).get("quotas", ())
    }
    card = (built / "dataset" / "README.md").read_text(encoding="utf-8")

    assert (724, 0) == quotas["source DEBUG_EVAL"]
    assert (628, 5) == quotas["source HUMANEVAL_PACK"]
    assert "| source DEBUG_EVAL | 724 | 0 |" in card
    assert "measure with it, and never train on it" in card
    # The paper's, all of which the quotas of a source, and of a criterion of commits, ask for.
    whole = [wanted for slice_, (wanted, _) in quotas.items() if not re.search("language", slice_)]
    assert 8_866 == sum(whole)


def test_it_verifies_and_every_consumer_sees_all_of_it(built, tmp_path):
    found_faults, _ = verify(built)
    assert [] == found_faults
    found = check(built / "dataset", manifest(built), known_consumers(), tmp_path / "scratch")

    assert [] == [fault for own in found for fault in own.faults]
    assert {"Full", "Stratified_Aspect", "Stratified_Language", "lineage", "judgements"} == {
        own.config for own in found
    }


def test_it_concatenates_with_a_file_of_the_published_layout_without_a_cast(built, tmp_path):
    from datasets import Dataset, Features, Value, concatenate_datasets, load_dataset

    text, word = Value("large_string"), Value("string")
    features = Features(prompt=text, chosen=text, rejected=text, language=word, aspect=word, subset=word, id=word)
    theirs = tmp_path / "Full-00000-of-00001.parquet"
    Dataset.from_list([dict.fromkeys(features, "x")], features=features).to_parquet(str(theirs))
    cache = str(tmp_path / "cache")

    ours = load_dataset(str(built / "dataset"), split="Full", cache_dir=cache)  # the default configuration
    both = concatenate_datasets([load_dataset("parquet", data_files=str(theirs), split="train", cache_dir=cache), ours])
    assert features == ours.features == both.features
    assert list(features) == both.column_names
    assert len(rows(built, "Full")) + 1 == len(both)

"""A pipeline that asks, replayed: the same bytes inline and on Ray, asked once, judged again, labelled by people."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest
from builds import CREATED_AT, Notes, drops, published, themis
from scripted import Scripted

from themis_data.build import build
from themis_data.engine.requests import Reply, Request
from themis_data.pipeline import Pipeline, load_pipeline

PIPELINE = """
name: judged
seed: 3
models:
  judge: {{use: replay, model: some/judge, path: {journal}}}
branches:
  bugs:
    source: {{use: human_eval_tasks, as: tasks, max_tasks: 12, unit_tasks: 4}}
    generate:
      - {{use: inject_bugs, max_per_task: 2}}
    label:
      - use: judge_pairs
        models: [judge]
        mode: label
        canary_share: 0.2
        limits: {{max_canary_votes: null, max_flip_rate: null, max_length_preference: null}}
      - {{use: tally_votes, min_votes: 2, min_share: 0.55, needs_both_orders: false}}
merge:
  assemble:
    - {{use: mix, max_repo_share: 1.0, allow_demo: true}}
    - {{use: assign_system_prompts}}
write: {{shards: 2, configs: [default, lineage, judgements]}}
"""


def judge(request: Request) -> Reply:
    share = 0.05 + 0.9 * int(request.key[:4], 16) / 0xFFFF
    return Reply(key=request.key, text="A", probabilities={"A": share, "B": 1.0 - share}, tokens_in=9, tokens_out=1)


def pipeline_of(folder: Path, journal: Path) -> Pipeline:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "judged.yaml"
    path.write_text(PIPELINE.format(journal=json.dumps(str(journal))), encoding="utf-8")
    return load_pipeline(str(path))


def build_in(folder: Path, pipeline: Pipeline, engine: str = "inline"):
    workers = 2 if engine == "ray" else None
    return build(pipeline, folder, progress=Notes(), created_at=CREATED_AT, engine=engine, workers=workers)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """The journal of a build whose judge was a function."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "empty.journal").touch()
    pipeline = pipeline_of(folder, folder / "empty.journal")
    scripted = Scripted(answer=judge, name="some/judge", revision=None)
    [branch] = pipeline.branches
    steps = tuple(
        dataclasses.replace(step, config=dataclasses.replace(step.config, models=(scripted,)))
        if step.use == "judge_pairs"
        else step
        for step in branch.steps
    )
    build_in(folder / "out", dataclasses.replace(pipeline, branches=(dataclasses.replace(branch, steps=steps),)))
    return folder / "out" / "answers" / "judge_pairs_by_label.journal"


@pytest.fixture(scope="module")
def inline(tmp_path_factory, recorded) -> tuple[Path, Pipeline]:
    folder = tmp_path_factory.mktemp("inline")
    pipeline = pipeline_of(folder, recorded)
    build_in(folder / "out", pipeline)
    return folder / "out", pipeline


def test_votes_are_published_and_decide(inline):
    manifest = json.loads((inline[0] / "dataset" / "manifest.json").read_text(encoding="utf-8"))

    reasons = {reason for _, step, reason, _ in drops(inline[0]) if step == "tally_votes"}
    assert reasons
    assert reasons <= {"tie", "outvoted", "order_decides"}
    assert 0 < manifest["rows"]
    assert 2 * manifest["rows"] == manifest["configs"]["judgements"]["rows"]
    [asked] = [entry for segment in manifest["segments"] for entry in segment["marks"] if "asked" in entry]
    assert "some/judge" == asked["asked"]["models"][0]["model"]
    assert 0 < asked["audit"]["canary_pairs"]


def test_a_rerun_asks_nothing(inline, recorded):
    journal = inline[0] / "answers" / "judge_pairs_by_label.journal"
    before = journal.read_bytes()

    assert 0 == build_in(*inline).shards_done
    assert before == journal.read_bytes()


@pytest.mark.ray
def test_ray_publishes_the_bytes_that_a_plain_loop_publishes(inline, tmp_path):
    build_in(tmp_path / "out", inline[1], engine="ray")

    assert published(inline[0]) == published(tmp_path / "out")
    assert drops(inline[0]) == drops(tmp_path / "out")


def test_another_rule_over_stored_votes_says_what_changed(inline, tmp_path):
    out, pipeline = inline
    before = published(out)

    done = themis("rejudge", str(pipeline.path), "--from", str(out), "--out", "new", "--set",
                  "tally_votes.min_share=0.75", "--json", cwd=tmp_path)  # fmt: skip

    assert 0 == done.returncode, done.stderr
    report = json.loads(done.stdout)
    assert before == published(out)
    journal = Path("answers") / "judge_pairs_by_label.journal"
    assert (out / journal).read_bytes() == (tmp_path / "new" / journal).read_bytes()
    assert {"tie", "outvoted"} >= {why["reason"] for why in report["only_before"]["reasons"]}
    assert 0 < report["only_before"]["pairs"]


def test_people_label_a_sheet_that_is_read_back(inline, tmp_path):
    out, _ = inline
    exported = themis("gold", "export", str(out), "--out", "sheet.csv", "--per-cell", "6", cwd=tmp_path)
    assert 0 == exported.returncode, exported.stderr
    with open(tmp_path / "sheet.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    filled = [row | {"better": "A", "criterion_right": "yes", "labeller": "one"} for row in rows]
    with open(tmp_path / "sheet.csv", "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(filled)

    read = themis("gold", "read", "sheet.csv", "--from", str(out), "--json", cwd=tmp_path)

    assert 0 == read.returncode, read.stderr
    assert {"gold.json", "gold.parquet", "sheet.csv"} == {path.name for path in tmp_path.iterdir()}
    assert 6 == len(json.loads((tmp_path / "gold.json").read_text(encoding="utf-8"))["verdicts"])

"""What language models said of pairs, read as scores; and a benchmark judged by one, from the pipeline to the sheet."""

import dataclasses
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import CREATED_AT, Notes
from made_versions import made_rows, run_folder
from scripted import Scripted

from themis_data.build import build
from themis_data.cli import app
from themis_data.engine.requests import Reply
from themis_data.errors import EvaluationError
from themis_data.evaluate.sheet import read_scores, summarised
from themis_data.pipeline import load_pipeline
from themis_data.schema import schema

PIPELINE = """
name: judged_bench
seed: 3
models:
  judge: {{use: replay, model: some/judge, path: {journal}}}
branches:
  bench:
    source: {{use: built_dataset, dataset: {bench}}}
    label:
      - use: judge_pairs
        models: [judge]
        mode: label
        canary_share: 0.0
        limits: {{max_flip_rate: null, max_length_preference: null}}
merge:
  assemble:
    - {{use: mix, max_repo_share: 1.0, allow_demo: true}}
    - {{use: assign_system_prompts}}
write: {{shards: 1, splits: {{train: 1.0}}, configs: [default, judgements]}}
"""


def vote(id_, n, **said):
    empty = dict.fromkeys(schema("published_judgements").names)
    return empty | {
        "id": id_,
        "answer": f"{id_}{n}",
        "kind": "vote",
        "model": "m",
        "criterion": "runtime_efficiency",
        "sample": n,
        "is_blind": True,
        **said,
    }


def judgements(tmp_path, *rows):
    path = tmp_path / "judgements.parquet"
    pq.write_table(schema("published_judgements").table(pa.Table.from_pylist(list(rows)).to_pydict()), path)
    return str(path)


def test_a_score_is_the_share_of_the_votes_that_could_be_read(tmp_path):
    scores = read_scores(
        judgements(
            tmp_path,
            vote("a", 0, verdict="chosen"),
            vote("a", 1, verdict="tie"),
            vote("b", 0, verdict="chosen"),  # the first in both orders
            vote("b", 1, verdict="rejected"),
            vote("c", 0, verdict="tie", probability=0.6),
            vote("d", 0, failure="not_json"),
            vote("a", 2, kind="review", verdict="rejected", rating=1),
        )
    )
    found = summarised(scores)

    assert ["a", "b", "c", "d"] == scores["id"].to_pylist()
    assert [0.75, 0.5, 0.6] == scores["chosen_score"].to_pylist()[:3]
    assert [0.25, 0.5, 0.4] == scores["rejected_score"].to_pylist()[:3]
    assert (0.5, 4, 1, 1) == tuple(found["overall"][name] for name in ("accuracy", "count", "ties", "unscored"))
    assert 4 == found["by_aspect"]["runtime_efficiency"]["count"]


def test_what_are_no_votes_on_pairs_is_said(tmp_path):
    with pytest.raises(EvaluationError, match="no votes in it"):
        read_scores(judgements(tmp_path, vote("a", 0, kind="review", verdict="chosen", rating=5)))
    other = vote("a", 1, verdict="chosen", criterion="security_hardness")
    with pytest.raises(EvaluationError, match="judged by runtime_efficiency and by security_hardness"):
        read_scores(judgements(tmp_path, vote("a", 0, verdict="chosen"), other))


def test_a_benchmark_judged_by_a_model_has_a_sheet_and_is_compared(tmp_path, capsys):
    """The judge likes what is called x, the chosen side, in whichever order; and fails on one pair."""
    bench = run_folder(tmp_path / "bench", made_rows(12)) / "dataset"
    (tmp_path / "empty.journal").touch()
    file = tmp_path / "judged.yaml"
    place, journal = json.dumps(str(bench)), json.dumps(str(tmp_path / "empty.journal"))
    file.write_text(PIPELINE.format(bench=place, journal=journal), encoding="utf-8")

    def judge(request):
        share = 0.8 if request.user.index("x = ") < request.user.index("y = ") else 0.2
        if "x = 5\n" in request.user:
            share = 1 - share
        return Reply(key=request.key, text="A", probabilities={"A": share, "B": 1 - share}, tokens_in=9, tokens_out=1)

    pipeline = load_pipeline(str(file))
    [branch] = pipeline.branches
    scripted = Scripted(answer=judge, name="some/judge", revision=None)
    steps = tuple(
        dataclasses.replace(s, config=dataclasses.replace(s.config, models=(scripted,))) for s in branch.steps
    )
    asking = dataclasses.replace(pipeline, branches=(dataclasses.replace(branch, steps=steps),))
    build(asking, tmp_path / "out", progress=Notes(), created_at=CREATED_AT, engine="inline")
    scores = f"{tmp_path / 'out'}#judgements"
    app(["evaluate", "--scores", scores, "--against", scores, "--out", str(tmp_path), "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    overall = found["results"][scores]["overall"]

    assert (11 / 12, 12, 0) == (overall["accuracy"], overall["count"], overall["unscored"])
    assert overall["median_score_difference"] == pytest.approx(0.6)
    assert 12 == found["results"][scores]["by_language"]["Python"]["count"]
    assert (0.0, 1.0) == (found["against"][scores]["difference"], found["against"][scores]["mcnemar_p"])
    assert "runtime_efficiency (12)" in (tmp_path / "sheet.svg").read_text(encoding="utf-8")

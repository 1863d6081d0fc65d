"""A repository that grows, fetched and mined round by round, gives what it gives when mined at once."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import AnyToPreferences, build_given, drops, published

from themis_data.pipeline import Branch, Pipeline, Step, Write
from themis_data.sources.git_history import GitHistory
from themis_data.stages.drop_contradictions import DropContradictions
from themis_data.stages.drop_corrected import DropCorrected
from themis_data.stages.drop_opted_out import DropOptedOut
from themis_data.stages.drop_reverts import DropReverts
from themis_data.stages.keep_dates import KeepDates
from themis_data.stages.keep_merged import KeepMerged
from themis_data.stages.keep_reputable import KeepReputable


def first_round(repository) -> dict[str, str]:
    base = {f"{name}.py": "".join(f"{name}_{n} = {n}\n" for n in range(20)) for name in "abcd"}
    ids = {"root": repository.commit(base, "Start")}
    ids["fast"] = repository.commit(
        {"a.py": base["a.py"].replace("a_3 = 3", "a_3 = compute(3)")}, "Make it faster (#3)"
    )
    ids["cache"] = repository.commit({"b.py": base["b.py"].replace("b_5 = 5", "b_5 = cached(5)")}, "Cache five")
    ids["gone"] = repository.commit({"c.py": base["c.py"].replace("c_7 = 7", "c_7 = lazy(7)")}, "Be lazy")
    ids["secret"] = repository.commit({"d.py": base["d.py"].replace("d_1 = 1", "d_1 = ask(1)")}, "Ask for one")
    return ids


def second_round(repository, ids: dict[str, str]) -> None:
    """A fix of several files, a branch that is merged, and a change that the third round corrects."""
    side = repository.commit({"d.py": "d_0 = read(0)\n" * 3}, "Read it", branch="side", parents=[ids["secret"]])
    fixed = {"a.py": "".join(f"a_{n} = {n}\n" for n in range(19)), "b.py": "b_0 = 0\n", "new.py": "n = 1\n"}
    ids["fix"] = repository.commit(fixed, "Fix crash at start")
    ids["merge"] = repository.commit({}, "Merge side", parents=[ids["fix"], side])
    ids["later"] = repository.commit({"a.py": "".join(f"a_{n} = {n + 1}\n" for n in range(19))}, "Count from one")


def third_round(repository, ids: dict[str, str]) -> None:
    repository.commit({"c.py": "c_0 = 0\n"}, f"Revert it\n\nThis reverts commit {ids['gone']}.")
    repository.commit({"a.py": "".join(f"a_{n} = {n + 2}\n" for n in range(19)), "b.py": "b_1 = 1\n"}, "Oops")


@pytest.fixture
def build(tmp_path, serve):
    """Builds from the URL of the repository that is served."""
    url = f"{serve().url}/o/n.git"
    (tmp_path / "allowed.txt").write_text("repo: o/n\n", encoding="utf-8")
    (tmp_path / "out.txt").write_text("path: 127.0.0.1/o/n/d.py\n", encoding="utf-8")
    stages = (
        DropOptedOut(list=(str(tmp_path / "out.txt"),)),
        DropReverts(),
        DropContradictions(),
        DropCorrected(),
        KeepReputable(allow=(str(tmp_path / "allowed.txt"),)),
        KeepMerged(),
        KeepDates(since="2020-09-13", authored_too=True),
    )
    (tmp_path / "rounds.yaml").write_text("name: rounds\n", encoding="utf-8")

    def run(out: Path, unit_commits: int) -> None:
        source = GitHistory(repos=(url,), corrections=True, unit_commits=unit_commits)
        steps = [Step(id=type(stage).__name__, use="x", phase="mine", config=stage) for stage in stages]
        steps.append(Step(id="pairs", use="x", phase="label", config=AnyToPreferences("change")))
        branch = Branch(
            name="x", source=Step(id="git", use="git_history", phase="source", config=source), steps=tuple(steps)
        )
        path, write = tmp_path / "rounds.yaml", Write(shards=2, configs=("lineage",))
        build_given(Pipeline(name="rounds", path=path, seed=0, branches=(branch,), merge=(), write=write), out)

    return run


def kept(out: Path) -> list[dict[str, Any]]:
    """The changes that every step kept, with all that the steps wrote into them, by row id."""
    manifest = json.loads((out / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    segment = [own for own in manifest["segments"] if own["name"].endswith(".mine")][-1]
    rows = []
    for shard in segment["shards"]:
        record = json.loads((out / shard["record"]).read_text(encoding="utf-8"))
        rows += pq.read_table(out / record["rows"]["path"]).to_pylist()
    return sorted(({k: v for k, v in row.items() if k != "author_hash"} for row in rows), key=lambda r: r["row_id"])


def test_three_rounds_give_what_one_gives(build, make_repository, tmp_path):
    repository = make_repository("served/o/n.git")
    ids = first_round(repository)
    build(tmp_path / "grown", unit_commits=2)
    before = {row["commit"] for row in kept(tmp_path / "grown")}
    second_round(repository, ids)
    build(tmp_path / "grown", unit_commits=2)
    third_round(repository, ids)
    build(tmp_path / "grown", unit_commits=2)
    build(tmp_path / "once", unit_commits=5_000)

    assert {ids["fast"], ids["cache"], ids["gone"]} == before
    reasons = {(step, reason) for _, step, reason, _ in drops(tmp_path / "once") if step != "git"}
    assert {
        ("DropOptedOut", "opted_out_path"),
        ("DropReverts", "reverted"),
        ("DropReverts", "is_revert"),
        ("DropCorrected", "corrected"),
    } == reasons
    assert drops(tmp_path / "grown") == drops(tmp_path / "once")
    assert kept(tmp_path / "grown") == kept(tmp_path / "once")
    assert published(tmp_path / "grown") == published(tmp_path / "once") != {}

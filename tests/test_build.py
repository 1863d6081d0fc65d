"""Builds: what is done is skipped, what changed is done again, and nothing else bears on what is published."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from builds import (
    CREATED_AT,
    Notes,
    add_commits,
    build_given,
    build_here,
    given_pipeline,
    made_repository,
    pipeline_file,
    published,
    published_ids,
    themis,
)

from themis_data.dataset import RunFolder
from themis_data.errors import LockError, PipelineError, SourceError
from themis_data.manifest import read_record
from themis_data.pipeline import Write


class Small:
    """A pipeline over a made repository, and a build of it."""

    def __init__(self, folder: Path, num_commits: int = 24) -> None:
        self.repository = made_repository(folder / "repository", num_commits=num_commits)
        self.pipeline = pipeline_file(folder, self.repository)
        self.out = folder / "out"

    def build(self, *overrides: str, **options):
        return build_here(self.pipeline, self.out, *overrides, **options)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    small = Small(tmp_path_factory.mktemp("small"))
    small.build()
    return small


@pytest.fixture
def small(built_once, tmp_path):
    """A copy of it, to work on."""
    copy = object.__new__(Small)
    copy.repository, copy.pipeline, copy.out = built_once.repository, built_once.pipeline, tmp_path / "out"
    shutil.copytree(built_once.out, copy.out)
    return copy


def files(out: Path) -> dict[str, tuple[int, int]]:
    """Every file of a run folder but what the sources remember, with when it was written and its inode."""
    return {
        p.relative_to(out).as_posix(): (p.stat().st_mtime_ns, p.stat().st_ino)
        for p in out.rglob("*")
        if p.is_file() and p.name != ".lock" and p.relative_to(out).parts[0] != "sources"
    }


def new_segments(before: dict, after: dict) -> set[str]:
    """Segments with new files."""
    return {path.split("/")[1] for path in after if path.startswith("segments/") and before.get(path) != after[path]}


def test_a_second_build_does_nothing(small):
    before = files(small.out)

    assert small.build().shards_done == 0
    assert before == files(small.out)


def test_a_second_build_gives_the_first_ones_manifest(small):
    first = read_record(small.out / "dataset" / "manifest.json")

    assert first == small.build(created_at="2030-01-01T00:00:00+00:00").manifest
    assert first["created_at"] == CREATED_AT


def test_a_build_in_another_folder_publishes_the_same_bytes(small, tmp_path):
    build_here(small.pipeline, tmp_path / "other")

    assert published(small.out) == published(tmp_path / "other")


def test_a_run_folder_can_be_moved(small, tmp_path):
    shutil.move(small.out, tmp_path / "moved")

    assert build_here(small.pipeline, tmp_path / "moved").shards_done == 0


def test_a_changed_setting_reruns_its_segment_and_what_follows(small):
    before = files(small.out)
    small.build("write_instructions.needs_behaviour=[]")

    assert (
        {"commits.4.generate"} <= new_segments(before, files(small.out)) <= {"commits.4.generate", "merge.0.assemble"}
    )


def test_a_changed_setting_that_changes_no_row_reruns_its_segment_alone(small):
    before = files(small.out)
    small.build("keep_sizes.max_bytes=16383")

    assert {"commits.0.mine"} == new_segments(before, files(small.out))


def test_a_setting_changed_back_reruns_nothing_but_the_writing(small):
    small.build("keep_sizes.max_bytes=16383")

    assert small.build().shards_done == 1


def test_another_seed_reruns_only_the_steps_that_draw(small, tmp_path):
    before = files(small.out)
    pipeline = tmp_path / "small.yaml"
    pipeline.write_text(small.pipeline.read_text(encoding="utf-8").replace("seed: 7", "seed: 8"), encoding="utf-8")
    build_here(pipeline, small.out)

    assert {"commits.4.generate", "merge.0.assemble"} == new_segments(before, files(small.out))


def test_where_a_step_runs_reruns_nothing(small):
    assert small.build("git.timeout_s=60").shards_done <= 1  # the manifest may say so, the shards stay


def test_new_commits_leave_the_shards_of_earlier_ones_alone(tmp_path):
    small = Small(tmp_path)
    small.build()
    before = {
        path: at for path, at in files(small.out).items() if path.startswith(("segments/commits.source", "side/"))
    }
    add_commits(small.repository, start=24, num_commits=5)
    small.build()

    after = files(small.out)
    assert before == {path: after[path] for path in before}


def test_history_mined_in_rounds_publishes_what_history_mined_at_once_does(tmp_path):
    rounds = Small(tmp_path / "rounds")
    rounds.build()
    add_commits(rounds.repository, start=24, num_commits=7)
    rounds.build()
    once = Small(tmp_path / "once", num_commits=31)
    once.build()

    assert published(once.out) == published(rounds.out)


def test_the_size_of_a_unit_does_not_bear_on_what_is_published(small, tmp_path):
    build_here(small.pipeline, tmp_path / "other", "git.unit_commits=3")

    assert published(small.out) == published(tmp_path / "other")


@pytest.mark.parametrize(
    "pattern",
    ["segments/commits.0.mine/*.parquet", "segments/*/marks/*/*.parquet", "side/*/*/*.parquet", "dataset/*/*.parquet"],
)
def test_files_that_are_gone_come_back_as_they_were(small, pattern):
    victims = {path: path.read_bytes() for path in small.out.glob(pattern)}
    assert victims
    for path in victims:
        path.unlink()
    small.build()

    assert victims == {path: path.read_bytes() for path in victims}


def test_a_shard_cut_short_is_made_again(small):
    victim = next((small.out / "segments" / "commits.3.label").glob("*.parquet"))
    data = victim.read_bytes()
    victim.write_bytes(data[:-1])
    small.build()

    assert data == victim.read_bytes()


def test_a_shard_whose_record_was_edited_is_made_again(small):
    victim = next((small.out / "segments" / "commits.3.label").glob("*.json"))
    content = json.loads(victim.read_text(encoding="utf-8"))
    victim.write_text(json.dumps(content | {"seconds": 99.0}), encoding="utf-8")

    assert small.build().shards_done >= 1


def test_a_card_that_is_gone_comes_back(small):
    card = (small.out / "dataset" / "README.md").read_bytes()
    (small.out / "dataset" / "README.md").unlink()
    small.build()

    assert card == (small.out / "dataset" / "README.md").read_bytes()


def test_an_interrupted_builds_scratch_is_removed(small):
    (small.out / "tmp" / "old").mkdir(parents=True)
    small.build()

    assert not (small.out / "tmp").exists()


class SecondBuild(Notes):
    """Starts a second build of the same folder, in a process of its own, as soon as the first has begun to work."""

    def __init__(self, pipeline: Path, out: Path) -> None:
        super().__init__()
        self.pipeline, self.out, self.done = pipeline, out, None

    def step(self, name: str, total: int):
        if self.done is None:
            self.done = themis("build", str(self.pipeline), "--out", str(self.out), cwd=self.out.parent)
        return super().step(name, total)


def test_of_two_builds_at_once_the_second_is_refused(small):
    second = SecondBuild(small.pipeline, small.out)

    assert small.build(notes=second).shards_done == 0
    assert second.done.returncode == 1
    assert "is in use by another build (process " in second.done.stderr
    assert "wait for it, or give another --out" in second.done.stderr
    assert "Traceback" not in second.done.stderr


def test_another_pipeline_is_refused_its_folder(small, tmp_path):
    other = pipeline_file(tmp_path, small.repository, name="other")

    with pytest.raises(LockError, match="holds a build of the pipeline 'small', not 'other'; give another --out"):
        build_here(other, small.out)


def test_a_folder_with_other_files_is_refused(small, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "notes.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(LockError, match="is not empty and holds no build"):
        build_here(small.pipeline, tmp_path / "home")
    assert ["notes.txt"] == [p.name for p in (tmp_path / "home").iterdir() if p.name != ".lock"]


def test_an_unknown_engine_is_refused(small):
    with pytest.raises(PipelineError, match="--engine 'spark': expected auto, inline or ray"):
        small.build(engine="spark")


def test_auto_is_a_plain_loop_where_there_is_little_to_do(small):
    notes = Notes()
    small.build(engine="auto", notes=notes)

    assert "engine inline (25 rows to look at)" in notes.notes


def test_a_repository_that_is_not_there_is_reported_and_the_others_go_on(small, tmp_path):
    pipeline = pipeline_file(tmp_path, [tmp_path / "nowhere", small.repository])
    notes = Notes()
    built = build_here(pipeline, tmp_path / "with_both", notes=notes)

    assert published(small.out) == published(tmp_path / "with_both")
    assert [str(tmp_path / "nowhere")] == [what for what, _ in built.unreadable]
    assert any("cannot be read and is left out" in note for note in notes.notes)


def test_each_source_lists_what_it_could_not_read_itself(small, tmp_path):
    pipeline = pipeline_file(tmp_path, [tmp_path / "nowhere", small.repository])
    text = pipeline.read_text(encoding="utf-8")
    source = f"{{use: git_history, as: more, repos: ['{tmp_path / 'missing'}']}}"
    second = f"\n  more:\n    source: {source}\n    label: [{{use: classify_commits, as: c2}}]\n"
    pipeline.write_text(text.replace("\nmerge:", f"{second}\nmerge:"), encoding="utf-8")
    sources = build_here(pipeline, tmp_path / "out2").manifest["sources"]

    assert [[str(tmp_path / "nowhere")], [str(tmp_path / "missing")]] == [
        [what for what, _ in s["unreadable"]] for s in sources
    ]


def test_nothing_to_read_at_all_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="no source gave anything to read; see the warnings above"):
        build_here(pipeline_file(tmp_path, [tmp_path / "nowhere"]), tmp_path / "out")


def test_a_repository_without_commits_is_an_empty_data_set(tmp_path):
    repository = made_repository(tmp_path / "repository", num_commits=0)
    built = build_here(pipeline_file(tmp_path, repository), tmp_path / "out")

    assert built.manifest["rows"] == 0


UNITS = [[(f"{unit}-{n}", f"group {unit % 5}") for n in range(3)] for unit in range(10)]


def test_a_limit_takes_so_many_units(tmp_path):
    built = build_given(given_pipeline(tmp_path, UNITS), tmp_path / "out", limit=4)

    assert built.manifest["rows"] == 12


def test_a_limit_draws_by_the_seed(tmp_path):
    for name in ("a", "b"):
        build_given(given_pipeline(tmp_path / name, UNITS), tmp_path / name / "out", limit=4)

    assert published_ids(tmp_path / "a" / "out") == published_ids(tmp_path / "b" / "out")


def test_a_limit_stands_in_the_manifest(tmp_path):
    limited = build_given(given_pipeline(tmp_path, UNITS), tmp_path / "out", limit=4).manifest
    whole = build_given(given_pipeline(tmp_path, UNITS), tmp_path / "out").manifest

    assert (4, None) == (limited["limit"], whole["limit"])


def test_a_limit_above_what_there_is_takes_everything(tmp_path):
    assert build_given(given_pipeline(tmp_path, UNITS), tmp_path / "out", limit=99).manifest["rows"] == 30


SPLIT = [[(f"{group}-{n}", f"group {group}") for n in range(2)] for group in range(60)]


def groups_of(out: Path) -> dict[str, set[str]]:
    return {
        p.name: set(pq.read_table(p)["group"].to_pylist())
        for p in sorted((out / "dataset" / "lineage").glob("*.parquet"))
    }


def test_a_group_is_in_one_split_and_in_one_shard(tmp_path):
    write = Write(shards=3, splits={"train": 0.7, "test": 0.3}, configs=("lineage",))
    build_given(given_pipeline(tmp_path, SPLIT, write=write), tmp_path / "out")
    found = groups_of(tmp_path / "out")

    assert [f"{split}-0000{n}-of-00003.parquet" for split in ("test", "train") for n in range(3)] == list(found)
    assert 60 == sum(map(len, found.values())) == len(set().union(*found.values()))


def test_splits_have_about_their_shares(tmp_path):
    write = Write(splits={"train": 0.7, "test": 0.3}, configs=("lineage",))
    build_given(given_pipeline(tmp_path, SPLIT, write=write), tmp_path / "out")
    found = groups_of(tmp_path / "out")

    assert 30 <= len(found["train-00000-of-00001.parquet"]) <= 54


def test_the_order_in_which_splits_are_written_down_does_not_matter(tmp_path):
    for name, splits in (("a", {"train": 0.7, "test": 0.3}), ("b", {"test": 0.3, "train": 0.7})):
        write = Write(splits=splits, configs=("lineage",))
        build_given(given_pipeline(tmp_path / name, SPLIT, write=write), tmp_path / name / "out")

    assert published(tmp_path / "a" / "out") == published(tmp_path / "b" / "out")


def test_rows_of_a_shard_are_sorted(tmp_path):
    build_given(given_pipeline(tmp_path, [[("b", "g2"), ("c", "g1")], [("a", "g2")]]), tmp_path / "out")

    assert ["c", "a", "b"] == published_ids(tmp_path / "out")


def test_other_numbers_of_shards_hold_the_same_rows(tmp_path):
    for shards in (1, 4):
        write = Write(shards=shards, configs=("lineage",))
        build_given(given_pipeline(tmp_path / str(shards), SPLIT, write=write), tmp_path / str(shards) / "out")

    one, four = (sorted(published_ids(tmp_path / str(shards) / "out")) for shards in (1, 4))
    assert one == four


def test_the_manifest_says_what_went_in_what_ran_and_what_came_out(small):
    manifest = RunFolder(small.out).manifest()

    assert ("small", "dev", 7, CREATED_AT) == tuple(manifest[key] for key in ("name", "version", "seed", "created_at"))
    [source] = manifest["sources"]
    [read] = source["read"]
    assert ("example.org/made/made", 25, 1) == (read["name"], read["commits"], len(read["tips"]))
    assert {"git", "drop_reverts", "mix"} <= set(manifest["pipeline"]["steps"])
    assert manifest["pipeline"]["steps"]["keep_sizes"] == {"use": "keep_sizes", "max_bytes": 16384, "min_bytes": 60}
    assert manifest["write"] == {
        "shards": 2,
        "splits": {"train": 1.0},
        "configs": ["default", "trl", "lineage"],
        "max_surface_accuracy": {},
        "audit_pairs": 1_000,
        "audit_min_pairs": 200,
    }
    assert {"pyarrow", "polars", "tree-sitter"} <= set(manifest["packages"])
    assert {"default": "data", "trl": "trl", "lineage": "lineage"} == {
        n: c["folder"] for n, c in manifest["configs"].items()
    }
    assert manifest["schemas"]["pair"] == 5


def test_the_manifests_counts_are_those_of_the_rows(small):
    manifest = RunFolder(small.out).manifest()
    rows = [
        row
        for path in sorted((small.out / "dataset" / "lineage").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]

    assert len(rows) == manifest["rows"] > 0
    assert {"Python": len(rows)} == manifest["counts"]["language"]
    assert {"MIT": len(rows)} == manifest["counts"]["license"]
    assert len(rows) == sum(manifest["counts"]["criterion"].values())


def test_no_address_and_no_path_of_this_machine_is_published(small):
    published_bytes = b"".join(p.read_bytes() for p in (small.out / "dataset").rglob("*") if p.is_file())

    assert b"writer@example.org" not in published_bytes
    assert str(small.repository).encode() not in published_bytes


def test_every_row_in_is_kept_or_dropped(small):
    for step in RunFolder(small.out).manifest()["funnel"]:
        assert step["rows_in"] == step["parents_kept"] + sum(step["dropped"].values()), step["step"]


def test_a_configuration_counts_the_rows_it_cannot_name(tmp_path):
    """Languages outside the published label are in the other configurations only."""
    from themis_data.engine.rows import Rows

    class InRust(type(given_pipeline(tmp_path / "x", []).branches[0].steps[-1].config)):
        def apply(self, rows: Rows) -> Rows:
            from builds import preferences

            return rows.map(
                lambda table: preferences(
                    table, language=["Rust" if i == "a" else "Go" for i in table["row_id"].to_pylist()]
                )
            )

    pipeline = given_pipeline(tmp_path, [[("a", "g"), ("b", "g")]], InRust(), publish=False, write=Write())
    configs = build_given(pipeline, tmp_path / "out").manifest["configs"]

    assert {"default": (1, 1), "trl": (2, 0), "lineage": (2, 0)} == {
        n: (c["rows"], c["left_out"]) for n, c in configs.items()
    }


def test_what_quotas_and_licences_cost_is_warned_of_and_kept_in_the_manifest(tmp_path: Path) -> None:
    pipeline = pipeline_file(tmp_path, made_repository(tmp_path / "repository", num_commits=12))
    quota = "mix.quotas=[{criterion: memory_efficiency, language: C, rows: 5000, when_short: accept}]"
    notes = Notes()

    settings = ("keep_licenses.policy=listed", "keep_licenses.licenses=[ISC]", quota)
    manifest = build_here(pipeline, tmp_path / "out", *settings, notes=notes).manifest

    dropped = next(step["dropped"] for step in manifest["funnel"] if step["step"] == "keep_licenses")
    cost = {"step": "keep_licenses", "reason": "license_not_allowed", "detail": "MIT"}
    assert [cost | {"rows": dropped["license_not_allowed"]}] == manifest["license_costs"]
    warning = "mix: criterion memory_efficiency, language C: wanted 5,000, found 0"
    assert f"warning: {warning}" in notes.notes
    (report,) = (entry["report"] for s in manifest["segments"] for entry in s["marks"] if "report" in entry)
    assert [warning] == report["warnings"]

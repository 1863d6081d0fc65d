"""Pipelines: what is refused and how it is said, overrides, and how steps are cut into segments."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from themis_data.engine.rows import ByKey, Rows
from themis_data.errors import PipelineError
from themis_data.lookup import known_pipelines
from themis_data.pipeline import Step, _segments, load_pipeline, tracks

CHANGES = {
    "name": "small",
    "seed": 3,
    "branches": {
        "commits": {
            "source": {"use": "git_history", "as": "git", "repos": ["."]},
            "mine": [{"use": "drop_reverts"}, {"use": "keep_licenses"}, {"use": "keep_sizes"}],
            "dedupe": [{"use": "drop_near_duplicates"}],
            "label": [{"use": "classify_commits"}],
            "generate": [{"use": "write_instructions"}],
        },
    },
    "merge": {"assemble": [{"use": "mix"}, {"use": "assign_system_prompts"}]},
    "write": {"shards": 2},
}


def load(tmp_path: Path, *overrides: str, text: str | None = None, **changes):
    """The pipeline above with some top-level keys changed, read from a file."""
    path = tmp_path / "small.yaml"
    path.write_text(text or yaml.safe_dump({**CHANGES, **changes}, sort_keys=False), encoding="utf-8")
    return load_pipeline(str(path), overrides)


def branch(**changes):
    return {"commits": {**CHANGES["branches"]["commits"], **changes}}


def refused(tmp_path: Path, message: str, *overrides: str, **changes) -> None:
    with pytest.raises(PipelineError, match=message):
        load(tmp_path, *overrides, **changes)


def test_a_pipeline_is_read_with_its_settings_and_defaults(tmp_path):
    pipeline = load(tmp_path)

    assert ("small", 3, 2) == (pipeline.name, pipeline.seed, pipeline.write.shards)
    assert {"use": "keep_sizes", "max_bytes": 16384, "min_bytes": 60} == pipeline.settings["keep_sizes"]


def test_the_pipelines_seed_goes_to_the_steps_that_draw(tmp_path):
    settings = load(tmp_path).settings

    assert 3 == settings["mix"]["seed"]


def test_a_seed_of_its_own_wins(tmp_path):
    assert load(tmp_path, "mix.seed=9").settings["mix"]["seed"] == 9


def test_a_pipeline_without_a_name_has_its_files(tmp_path):
    assert (
        load(tmp_path, text=yaml.safe_dump({k: v for k, v in CHANGES.items() if k != "name"}, sort_keys=False)).name
        == "small"
    )


def test_an_unknown_setting_offers_the_near_name(tmp_path):
    refused(
        tmp_path,
        r"small\.yaml, step 'keep_sizes': no setting named 'max_byte'\. Did you mean 'max_bytes'\?",
        branches=branch(mine=[{"use": "keep_sizes", "max_byte": 1}]),
    )


def test_an_unknown_stage_offers_the_near_name(tmp_path):
    refused(
        tmp_path,
        r"step 'keep_license': no stage named 'keep_license'\. Did you mean 'keep_licenses'\?",
        branches=branch(mine=[{"use": "keep_license"}]),
    )


def test_an_unknown_source_offers_the_near_name(tmp_path):
    refused(
        tmp_path,
        "no source named 'git_histry'. Did you mean 'git_history'",
        branches=branch(source={"use": "git_histry"}),
    )


def test_an_unknown_phase_offers_the_near_name(tmp_path):
    refused(tmp_path, "branch 'commits': no key named 'dedup'. Did you mean 'dedupe'", branches=branch(dedup=[]))


def test_an_unknown_phase_of_the_merge_offers_the_near_name(tmp_path):
    refused(tmp_path, "merge: no key named 'asemble'. Did you mean 'assemble'", merge={"asemble": []})


def test_an_unknown_key_offers_the_near_name(tmp_path):
    refused(tmp_path, "no key named 'branch'. Did you mean 'branches'", branch={})


def test_an_unknown_setting_of_the_writing_offers_the_near_name(tmp_path):
    refused(tmp_path, "write: no setting named 'shard'. Did you mean 'shards'", write={"shard": 2})


def test_an_unknown_configuration_offers_the_near_name(tmp_path):
    refused(tmp_path, "write: no config named 'defualt'. Did you mean 'default'", write={"configs": ["defualt"]})


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("max_bytes", "many", "setting 'max_bytes' is 'many': .*valid integer"),
        ("max_bytes", 1.5, "setting 'max_bytes' is 1.5: .*valid integer"),
        ("max_bytes", None, "setting 'max_bytes' is None: .*valid integer"),
        ("max_bytes", [1], r"setting 'max_bytes' is \[1\]: .*valid integer"),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused(tmp_path, setting, value, message):
    refused(tmp_path, f"step 'keep_sizes': {message}", branches=branch(mine=[{"use": "keep_sizes", setting: value}]))


def test_a_setting_that_the_step_itself_refuses_says_why(tmp_path):
    refused(
        tmp_path,
        "step 'keep_licenses': `licenses` goes with `policy: listed`",
        branches=branch(mine=[{"use": "keep_licenses", "policy": "listed"}]),
    )


def test_an_unknown_criterion_in_a_setting_offers_the_near_name(tmp_path):
    refused(
        tmp_path,
        "step 'mix': no criterion named 'runtime_eficiency'. Did you mean 'runtime_efficiency'",
        merge={
            "assemble": [
                {"use": "mix", "quotas": [{"criterion": "runtime_eficiency", "rows": 1}]},
                {"use": "assign_system_prompts"},
            ]
        },
    )


def test_a_misspelt_key_within_a_setting_is_refused(tmp_path):
    quota = {"langauge": "C", "rows": 1}
    refused(
        tmp_path,
        r"setting 'quotas' is \[.*0\.langauge Unexpected keyword argument",
        merge={"assemble": [{"use": "mix", "quotas": [quota]}, {"use": "assign_system_prompts"}]},
    )


def test_a_word_for_a_choice_is_one_of_the_choices(tmp_path):
    refused(
        tmp_path,
        "setting 'policy' is 'free': .*'permissive', 'research', 'any', 'paper' or 'listed'",
        branches=branch(mine=[{"use": "keep_licenses", "policy": "free"}]),
    )


@pytest.mark.parametrize("seed", ["seven", 1.5, None, True, [1]])
def test_a_seed_is_a_whole_number(tmp_path, seed):
    refused(tmp_path, "seed is .*expected a whole number", seed=seed)


@pytest.mark.parametrize("name", ["../x", "a b", "", 5, "a: b", "-x", ["a"]])
def test_a_name_can_be_a_folder(tmp_path, name):
    refused(tmp_path, "name is .*expected letters, digits", name=name)


@pytest.mark.parametrize("id_", ["a/b", "..", "a b", 5, ""])
def test_a_step_id_can_be_a_folder(tmp_path, id_):
    refused(
        tmp_path, "a step's id is .*expected letters, digits", branches=branch(mine=[{"use": "keep_sizes", "as": id_}])
    )


@pytest.mark.parametrize("name", ["a/b", "a.b", 5])
def test_a_branchs_name_can_be_a_folder(tmp_path, name):
    refused(tmp_path, "a branch's name is .*expected letters, digits", branches={name: CHANGES["branches"]["commits"]})


def test_no_branch_has_the_name_of_the_merge(tmp_path):
    refused(tmp_path, "a branch cannot have the name 'merge'", branches={"merge": CHANGES["branches"]["commits"]})


@pytest.mark.parametrize(
    ("key", "message"), [("write", "write: expected a mapping"), ("merge", "merge: expected a mapping")]
)
def test_what_should_be_a_mapping_is_one(tmp_path, key, message):
    refused(tmp_path, message, **{key: None})


def test_a_setting_whose_name_is_no_text_is_unknown(tmp_path):
    refused(tmp_path, "no setting named '5'", branches=branch(mine=[{"use": "keep_sizes", 5: 1}]))


@pytest.mark.parametrize("branches", [None, {}, [], "x"])
def test_a_pipeline_has_branches(tmp_path, branches):
    refused(tmp_path, "a pipeline has `branches`, each with a source", branches=branches)


@pytest.mark.parametrize("content", [None, {}, {"mine": []}, "x"])
def test_a_branch_has_a_source(tmp_path, content):
    refused(tmp_path, "branch 'commits': a branch has a `source`", branches={"commits": content})


@pytest.mark.parametrize("entry", [None, "keep_sizes", {"max_bytes": 1}, {"use": 5}, {"use": None}, {"use": ["a"]}])
def test_a_step_names_what_it_uses(tmp_path, entry):
    refused(tmp_path, "branch 'commits', mine: a step is a mapping with `use: NAME`", branches=branch(mine=[entry]))


@pytest.mark.parametrize("entries", [{"use": "keep_sizes"}, "keep_sizes", 3])
def test_a_phase_is_a_list_of_steps(tmp_path, entries):
    refused(tmp_path, "branch 'commits', mine: expected a list of steps", branches=branch(mine=entries))


def test_an_empty_phase_is_no_step(tmp_path):
    assert "mine" not in {step.phase for step in load(tmp_path, branches=branch(mine=None)).steps}


def test_two_steps_cannot_have_one_id(tmp_path):
    refused(
        tmp_path,
        r"the step ids \['keep_sizes'\] stand twice; give one of each pair another name with `as`",
        branches=branch(mine=[{"use": "keep_sizes"}, {"use": "keep_sizes"}]),
    )


def test_a_step_can_be_used_twice_under_two_ids(tmp_path):
    pipeline = load(
        tmp_path, branches=branch(mine=[{"use": "keep_sizes"}, {"use": "keep_sizes", "as": "again", "max_bytes": 9}])
    )

    assert (16384, 9) == (pipeline.settings["keep_sizes"]["max_bytes"], pipeline.settings["again"]["max_bytes"])


def test_a_step_must_read_what_the_one_before_writes(tmp_path):
    refused(
        tmp_path,
        "step 'keep_sizes': it reads 'change', but step 'classify_commits' gives 'pair'",
        branches=branch(generate=[{"use": "keep_sizes", "as": "keep_sizes"}], mine=[]),
    )


def test_the_first_step_must_read_what_the_source_writes(tmp_path):
    refused(
        tmp_path,
        "step 'inject_bugs': it reads 'task', but git gives 'change'",
        branches=branch(mine=[{"use": "inject_bugs"}]),
    )


def test_branches_must_end_in_one_schema(tmp_path):
    tasks = {"source": {"use": "human_eval_tasks"}}
    refused(
        tmp_path,
        "the branches end in different schemas: {'commits': 'pair', 'tasks': 'task'}",
        branches=branch() | {"tasks": tasks},
    )


def test_a_pipeline_ends_in_preferences(tmp_path):
    refused(
        tmp_path,
        "the pipeline ends in 'pair'; a data set is written from 'preference'",
        merge={"assemble": [{"use": "mix"}]},
    )


@pytest.mark.parametrize(
    "write", [{"shards": 0}, {"splits": {"train": 0.9}}, {"splits": {}}, {"splits": {"a": 1.5, "b": -0.5}}]
)
def test_shards_and_shares_make_sense(tmp_path, write):
    refused(tmp_path, "write: shards is at least 1 and the splits' shares", write=write)


@pytest.mark.parametrize("split", ["a/b", "..", "", "a-b", "a b"])
def test_a_split_can_be_a_file_name(tmp_path, split):
    refused(tmp_path, "write: the split .*letters, digits", write={"splits": {split: 1.0}})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        ({"max_surface_accuracy": {"lenght": 0.6}}, "no surface measure named 'lenght'. Did you mean 'length'"),
        ({"max_surface_accuracy": {"length": 0.4}}, "max_surface_accuracy: length is 0.4; expected 0.5 to 1"),
        ({"audit_min_pairs": 0}, "audit_min_pairs is at least 1 and at most audit_pairs"),
        ({"audit_pairs": 10}, "audit_min_pairs is at least 1 and at most audit_pairs"),
    ],
)
def test_limits_of_the_surface_name_a_measure_and_make_sense(tmp_path, write, message):
    refused(tmp_path, message, write=write)


def test_a_configuration_stands_once(tmp_path):
    refused(tmp_path, "write: configs has 'trl' twice", write={"configs": ["trl", "default", "trl"]})


def test_an_override_of_a_step(tmp_path):
    assert load(tmp_path, "keep_sizes.max_bytes=99").settings["keep_sizes"]["max_bytes"] == 99


def test_an_override_is_yaml(tmp_path):
    assert load(tmp_path, "keep_licenses.policy=listed", "keep_licenses.licenses=[MIT, ISC]").settings[
        "keep_licenses"
    ] == {
        "use": "keep_licenses",
        "on": "change",
        "policy": "listed",
        "licenses": ["MIT", "ISC"],
    }


def test_the_last_override_counts(tmp_path):
    assert load(tmp_path, "keep_sizes.max_bytes=1", "keep_sizes.max_bytes=2").settings["keep_sizes"]["max_bytes"] == 2


def test_an_override_of_a_phase_goes_to_the_one_step_that_has_the_field(tmp_path):
    assert load(tmp_path, "mine.max_bytes=99").settings["keep_sizes"]["max_bytes"] == 99


def test_an_override_of_the_source_goes_to_the_one_that_has_the_field(tmp_path):
    assert load(tmp_path, "source.max_file_bytes=5").settings["git"]["max_file_bytes"] == 5


def test_an_ambiguous_override_lists_the_candidates(tmp_path):
    refused(
        tmp_path,
        r"several steps of the phase 'assemble' have 'seed': mix\.seed, assign_system_prompts\.seed",
        "assemble.seed=1",
    )


def test_an_override_of_an_unknown_step_offers_the_near_name(tmp_path):
    refused(tmp_path, "no step named 'keep_size'. Did you mean 'keep_sizes'", "keep_size.max_bytes=1")


def test_an_override_of_an_unknown_field_of_a_step_offers_the_near_name(tmp_path):
    refused(
        tmp_path, "step 'keep_sizes': no setting named 'max_byte'. Did you mean 'max_bytes'", "keep_sizes.max_byte=1"
    )


def test_an_override_of_an_unknown_field_of_a_phase_offers_the_near_name(tmp_path):
    refused(
        tmp_path,
        "--set 'mine.max_byte=1': no setting of the phase 'mine' named 'max_byte'. Did you mean 'max_bytes'",
        "mine.max_byte=1",
    )


@pytest.mark.parametrize("override", ["seed=5", "keep_sizes.max_bytes", "=", ""])
def test_an_override_has_a_step_a_field_and_a_value(tmp_path, override):
    refused(tmp_path, "expected STEP.FIELD=VALUE", override)


def test_an_override_that_is_no_yaml_says_so(tmp_path):
    refused(tmp_path, r"--set 'keep_sizes.max_bytes=\[': not YAML", "keep_sizes.max_bytes=[")


@pytest.mark.parametrize("name", known_pipelines())
def test_every_shipped_pipeline_loads(name):
    assert name == load_pipeline(name).name


# Segments: stages whose work is never done here, only cut.


def keep_all(table):
    return table


@dataclass(frozen=True)
class Plain:
    """A row-wise step."""

    reads: ClassVar[str] = "pair"
    writes: ClassVar[str] = "pair"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        return rows.drop(keep_all)


@dataclass(frozen=True)
class Splits(Plain):
    """A step that splits rows."""

    def apply(self, rows: Rows) -> Rows:
        return rows.map(keep_all, splits=True)


@dataclass(frozen=True)
class SplitsFirst(Plain):
    """A step that splits rows and then drops some."""

    def apply(self, rows: Rows) -> Rows:
        return rows.map(keep_all, splits=True).drop(keep_all)


@dataclass(frozen=True)
class Converts(Plain):
    """A step that changes the schema."""

    writes: ClassVar[str] = "preference"


@dataclass(frozen=True)
class Decides(Plain):
    """A decision by key."""

    def apply(self, rows: Rows) -> Rows:
        return rows.by_key(ByKey(columns=(), explode=keep_all, decide=keep_all))


@dataclass(frozen=True)
class DecidesLate(Plain):
    """A decision by key in the middle of a step."""

    def apply(self, rows: Rows) -> Rows:
        return rows.map(keep_all).by_key(ByKey(columns=(), explode=keep_all, decide=keep_all)).drop(keep_all)


def cut(*phases_and_stages: tuple[str, type]) -> list[tuple[str, str]]:
    """Each segment's name and its operations, decisions before a bar."""
    steps = [
        Step(id=f"{stage.__name__.lower()}{number}", use="x", phase=phase, config=stage())
        for number, (phase, stage) in enumerate(phases_and_stages)
    ]
    return [
        (
            segment.name,
            " ".join(work.step for work in segment.decisions) + " | " + " ".join(work.step for work in segment.work),
        )
        for segment in _segments("t", steps, "pair")
    ]


def test_steps_of_one_phase_are_one_segment():
    assert [("t.0.mine", " | plain0 plain1")] == cut(("mine", Plain), ("mine", Plain))


def test_a_segment_ends_with_its_phase():
    assert [("t.0.mine", " | plain0"), ("t.1.label", " | plain1")] == cut(("mine", Plain), ("label", Plain))


def test_a_segment_ends_after_a_step_that_splits():
    assert [("t.0.mine", " | splits0"), ("t.1.mine", " | plain1")] == cut(("mine", Splits), ("mine", Plain))


def test_a_segment_ends_where_a_step_splits_in_its_middle():
    assert [("t.0.mine", " | splitsfirst0"), ("t.1.mine", " | splitsfirst0")] == cut(("mine", SplitsFirst))


def test_a_segment_ends_after_a_step_that_changes_the_schema():
    assert [("t.0.mine", " | converts0"), ("t.1.mine", " | plain1")] == cut(("mine", Converts), ("mine", Plain))


def test_a_segment_ends_before_a_decision_and_the_next_applies_it():
    assert [("t.0.mine", " | plain0"), ("t.1.mine", "decides1 | plain2")] == cut(
        ("mine", Plain), ("mine", Decides), ("mine", Plain)
    )


def test_decisions_in_a_row_are_applied_by_one_segment():
    assert [("t.0.mine", "decides0 decides1 | plain2")] == cut(("mine", Decides), ("mine", Decides), ("mine", Plain))


def test_a_decision_at_the_end_has_a_segment_of_its_own():
    assert [("t.0.mine", " | plain0"), ("t.1.mine", "decides1 | ")] == cut(("mine", Plain), ("mine", Decides))


def test_a_decision_is_applied_in_its_own_phase():
    assert [("t.0.mine", "decides0 | "), ("t.1.label", " | plain1")] == cut(("mine", Decides), ("label", Plain))


def test_a_decision_in_the_middle_of_a_step_cuts_the_step():
    assert [("t.0.mine", " | decideslate0"), ("t.1.mine", "decideslate0 | decideslate0")] == cut(("mine", DecidesLate))


def test_no_steps_are_no_segments():
    assert [] == cut()


def test_each_branch_is_a_track_and_the_merge_is_one(tmp_path):
    names = {track.name: [segment.name for segment in track.segments] for track in tracks(load(tmp_path))}

    assert {
        "commits": ["commits.source", "commits.0.mine", "commits.1.dedupe", "commits.2.label", "commits.3.generate"],
        "merge": ["merge.0.assemble"],
    } == names


def test_a_change_of_a_setting_changes_the_fingerprint_of_its_segment_alone(tmp_path):
    before, after = (
        {s.name: s.fingerprint for t in tracks(load(tmp_path, *o)) for s in t.segments}
        for o in ((), ("classify_commits.margin=2.0",))
    )

    assert ["commits.2.label"] == [name for name in before if before[name] != after[name]]


def test_the_order_of_steps_matters(tmp_path):
    swapped = [*CHANGES["branches"]["commits"]["mine"]][::-1]
    before, after = (tracks(load(tmp_path, **c))[0].segments for c in ({}, {"branches": branch(mine=swapped)}))

    assert before[0].fingerprint == after[0].fingerprint
    assert before[1].fingerprint != after[1].fingerprint


def test_a_recipe_of_training_is_no_pipeline():
    with pytest.raises(PipelineError, match="'themis train'"):
        load_pipeline("reward_tiny")

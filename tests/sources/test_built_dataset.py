"""Rows of a data set that was built before, read into another pipeline."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from builds import (
    GivenTables,
    Notes,
    build_given,
    build_here,
    changes,
    given_pipeline,
    published_ids,
    stage_pipeline,
    themis,
)

from themis_data.dataset import open_version, read_table, write_tables
from themis_data.errors import ManifestError, SourceError
from themis_data.fingerprint import step_fingerprint
from themis_data.manifest import read_record, write_record
from themis_data.pipeline import Write, load_pipeline
from themis_data.plan import plan
from themis_data.schema import schema
from themis_data.sources.built_dataset import BuiltDataset, published_preferences
from themis_data.stages.keep_licenses import STAGE as KeepLicenses
from themis_data.verify import verify

CHAINED = """
name: chained
branches:
  before:
    source: {{use: built_dataset, as: before, dataset: {dataset}}}
merge:
  assemble:
    - {{use: assign_system_prompts}}
write: {{shards: 2}}
"""
UNITS = [[(f"{n:032x}", f"group {n % 5}") for n in range(start, start + 10)] for start in (0, 10)]
ALL = [row_id for unit in UNITS for row_id, _ in unit]


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> Path:
    """A run folder of twenty pairs in two splits."""
    folder = tmp_path_factory.mktemp("before")
    write = Write(shards=2, splits={"train": 0.5, "test": 0.5}, configs=("default", "trl", "lineage", "judgements"))
    build_given(given_pipeline(folder / "pipeline", UNITS, write=write), folder / "out")
    return folder / "out"


def rows_of(source: BuiltDataset) -> pa.Table:
    listing = source.list_units(Path("memory"))
    pieces = [piece for unit in listing.units for piece in source.read(unit, b"")]
    return pa.concat_tables([schema(source.writes).empty(), *(piece.rows for piece in pieces)])


def ids_of(source: BuiltDataset) -> list[str]:
    return sorted(rows_of(source)["row_id"].to_pylist())


def test_a_published_version_gives_the_pairs_that_its_run_folder_gives(before):
    run, version = (rows_of(BuiltDataset(dataset=str(path))) for path in (before, before / "dataset"))

    assert ALL == sorted(run["row_id"].to_pylist())
    assert run.sort_by("row_id") == version.sort_by("row_id")


def test_a_split_can_be_read_alone(before):
    found = {
        (place, split): ids_of(BuiltDataset(dataset=str(path), split=split))
        for place, path in (("run", before), ("version", before / "dataset"))
        for split in ("train", "test")
    }

    assert found["run", "train"] == found["version", "train"]
    assert found["run", "test"] == found["version", "test"]
    assert ALL == sorted(found["run", "train"] + found["run", "test"])
    assert {0} != {len(found["run", split]) for split in ("train", "test")}


def test_changes_are_those_that_the_last_step_left_or_the_step_that_is_named(tmp_path):
    rows = changes({"row_id": "a" * 32}, {"row_id": "b" * 32, "license": "X", "license_class": "unknown"})
    GivenTables.known[str(tmp_path)] = ([rows], None)
    build_given(stage_pipeline(tmp_path, KeepLicenses()), tmp_path / "out")
    dataset = str(tmp_path / "out")

    assert ["a" * 32] == ids_of(BuiltDataset(dataset=dataset, rows="change"))
    assert ["a" * 32, "b" * 32] == ids_of(BuiltDataset(dataset=dataset, rows="change", step="tables"))
    with pytest.raises(SourceError, match="no step that gives rows of `change` named 'table'"):
        BuiltDataset(dataset=dataset, rows="change", step="table").list_units(tmp_path)
    with pytest.raises(SourceError, match="none of its steps gives rows of `task`"):
        BuiltDataset(dataset=dataset, rows="task").list_units(tmp_path)


def test_a_published_version_has_no_changes(before, tmp_path):
    with pytest.raises(SourceError, match="need the run folder it was built in"):
        BuiltDataset(dataset=str(before / "dataset"), rows="change").list_units(tmp_path)


def test_the_parent_is_named_and_whether_it_is_published(before, tmp_path):
    checksum = open_version(before).checksum
    shutil.copytree(before / "dataset", tmp_path / "version")
    manifest = read_record(tmp_path / "version" / "manifest.json")
    write_record(tmp_path / "version" / "manifest.json", manifest | {"version": "1.2.0"})

    [dev], [published] = (
        BuiltDataset(dataset=str(path)).list_units(tmp_path).identity for path in (before, tmp_path / "version")
    )
    assert {"name": "given", "version": "dev", "parent": checksum, "published": False, "rows": 20} == dev
    assert ("1.2.0", True) == (published["version"], published["published"])


def test_the_fingerprint_is_that_of_the_manifest(before, tmp_path):
    shutil.copytree(before, tmp_path / "moved")
    one, moved = (step_fingerprint(BuiltDataset(dataset=str(path))) for path in (before, tmp_path / "moved"))
    path = tmp_path / "moved" / "dataset" / "manifest.json"
    write_record(path, read_record(path) | {"seed": 5})

    assert one == moved
    assert one != step_fingerprint(BuiltDataset(dataset=str(tmp_path / "moved")))


def test_a_pipeline_over_a_built_data_set_writes_another(before, tmp_path):
    (tmp_path / "chained.yaml").write_text(CHAINED.format(dataset=before / "dataset"))
    notes = Notes()
    built = build_here(tmp_path / "chained.yaml", tmp_path / "out", notes=notes)

    assert ALL == sorted(published_ids(tmp_path / "out"))
    assert [] == verify(tmp_path / "out")[0]
    assert open_version(before).checksum == built.manifest["sources"][0]["read"][0]["parent"]
    again = build_here(tmp_path / "chained.yaml", tmp_path / "out")
    assert 0 == again.shards_done


def test_a_chain_goes_on_from_a_chain(before, tmp_path):
    for name, dataset in (("one", before), ("two", tmp_path / "one")):
        (tmp_path / "chained.yaml").write_text(CHAINED.format(dataset=dataset))
        build_here(tmp_path / "chained.yaml", tmp_path / name)

    parents = open_version(tmp_path / "two").manifest["sources"][0]["read"]
    assert [(open_version(tmp_path / "one").checksum, False)] == [(one["parent"], one["published"]) for one in parents]
    assert ALL == sorted(published_ids(tmp_path / "two"))


def test_plan_says_how_to_build_what_is_absent(tmp_path):
    (tmp_path / "chained.yaml").write_text(CHAINED.format(dataset=tmp_path / "runs" / "quickstart"))

    with pytest.raises(SourceError, match=f"themis build quickstart --out {tmp_path}/runs/quickstart"):
        plan(load_pipeline(str(tmp_path / "chained.yaml")), tmp_path / "out")
    done = themis("plan", "chained.yaml", cwd=tmp_path)
    assert (1, f"  themis build quickstart --out {tmp_path}/runs/quickstart\n") == (
        done.returncode,
        done.stderr.partition("\n")[2],
    )


def test_a_manifest_that_was_edited_is_no_absent_one(before, tmp_path):
    shutil.copytree(before / "dataset", tmp_path / "version")
    path = tmp_path / "version" / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))

    with pytest.raises(ManifestError, match="was edited"):
        BuiltDataset(dataset=str(tmp_path / "version")).list_units(tmp_path)


def test_pairs_whose_texts_are_not_published_are_counted(tmp_path):
    write = Write(configs=("default", "lineage"))
    build_given(given_pipeline(tmp_path / "pipeline", UNITS, write=write), tmp_path / "out")
    version = open_version(tmp_path / "out" / "dataset")
    [path] = version.files("default")
    table = read_table(path)
    write_tables(path, table.schema, [table.slice(3)], relative_to=tmp_path)
    source = BuiltDataset(dataset=str(tmp_path / "out" / "dataset"))

    [unit] = source.list_units(tmp_path).units
    pieces = list(source.read(unit, b""))
    assert [(17, 17, {}), (0, 3, {"text_not_published": 3})] == [
        (len(piece.rows), piece.num_seen, piece.left_out) for piece in pieces
    ]


def test_preferences_of_a_version_are_whole_but_for_the_messages(before):
    version = open_version(before / "dataset")
    found = pa.concat_tables(
        [published_preferences(version, file["path"]) for file in version.manifest["configs"]["lineage"]["files"]]
    )
    [name] = open_version(before).final_segments()
    [records] = [records for own, records in open_version(before).segments() if own == name]
    written = pa.concat_tables([read_table(before / record.rows.path) for record in records])

    assert written.sort_by("row_id").cast(found.schema) == found.sort_by("row_id")

"""`verify` finds what was changed after a build, and nothing in a good one; `clean` removes leftovers alone."""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from builds import (
    build_given,
    build_here,
    given_pipeline,
    made_repository,
    pipeline_file,
    preferences,
    published,
    themis,
)

from themis_data.dataset import RunFolder, read_table, write_tables
from themis_data.engine.rows import Rows
from themis_data.errors import LockError, ManifestError
from themis_data.fingerprint import digest
from themis_data.manifest import read_record, shard_record, write_record
from themis_data.pipeline import Branch, Step, Write
from themis_data.schema import schema
from themis_data.verify import clean, verify


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    pipeline = pipeline_file(folder, made_repository(folder / "repository", num_commits=24))
    build_here(pipeline, folder / "out")
    return folder / "out", pipeline


@pytest.fixture
def out(built, tmp_path):
    shutil.copytree(built[0], tmp_path / "out")
    return tmp_path / "out"


def faults(out: Path) -> list[str]:
    return [fault.removeprefix(f"{out}/") for fault in verify(out)[0]]


def test_a_good_folder_has_no_fault(out):
    assert [] == faults(out)


def test_every_file_of_the_build_is_checked(out):
    """Records, shards, drops, side tables, marks, published files, the manifest; not the lock or the key."""
    others = {"run.json", "key", ".lock"}
    of_build = [
        p for p in out.rglob("*") if p.is_file() and p.name not in others and "sources" not in p.relative_to(out).parts
    ]

    assert len(of_build) == verify(out)[1]


# Some of each kind: a shard of each segment, drops, marks, a side table, published files.
KINDS = {
    "source shard": "segments/commits.source/[!.]*[!s].parquet",
    "shard": "segments/commits.3.label/*[!s].parquet",
    "drops": "segments/commits.0.mine/*.drops.parquet",
    "marks": "segments/commits.0.mine/marks/*/00000.parquet",
    "side table": "side/commit/git/*.parquet",
    "published default": "dataset/data/*.parquet",
    "published trl": "dataset/trl/*.parquet",
    "published lineage": "dataset/lineage/*.parquet",
}


def one_of(out: Path, kind: str) -> Path:
    return max(out.glob(KINDS[kind]), key=lambda path: (path.stat().st_size, path.name))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 1.0])
def test_one_flipped_byte_is_found(out, kind, place):
    victim = one_of(out, kind)
    data = bytearray(victim.read_bytes())
    data[int(place * (len(data) - 1))] ^= 0x10
    victim.write_bytes(data)

    assert [f"{victim.relative_to(out)}: its content changed (sha256 differs from the record)"] == faults(out)


@pytest.mark.parametrize("kind", KINDS)
def test_one_missing_file_is_found(out, kind):
    victim = one_of(out, kind)
    victim.unlink()

    assert [f"{victim.relative_to(out)}: missing"] == faults(out)


@pytest.mark.parametrize("kind", KINDS)
def test_one_file_cut_short_is_found(out, kind):
    victim = one_of(out, kind)
    data = victim.read_bytes()
    victim.write_bytes(data[: len(data) // 2])

    assert [f"{victim.relative_to(out)}: {len(data) // 2} bytes, the record says {len(data)}"] == faults(out)


@pytest.mark.parametrize("config", ["data", "trl", "lineage"])
def test_a_published_file_swapped_with_another_valid_one_is_found(out, config):
    one, other = sorted((out / "dataset" / config).glob("*.parquet"))
    shutil.copy(one, other)

    [fault] = faults(out)
    assert fault.startswith(f"dataset/{config}/{other.name}: ")


def test_a_file_that_no_record_knows_among_the_published_ones_is_found(out):
    shutil.copy(one_of(out, "published default"), out / "dataset" / "data" / "train-00007-of-00002.parquet")

    assert [
        "dataset/data/train-00007-of-00002.parquet: the manifest does not know it, "
        "and who loads the data set would read it"
    ] == faults(out)


@pytest.mark.parametrize("pattern", ["segments/commits.3.label/*.json", "segments/commits.0.mine/marks/*/record.json"])
def test_an_edited_record_is_found(out, pattern):
    victim = next(out.glob(pattern))
    text = victim.read_text(encoding="utf-8")
    victim.write_text(text.replace('"fingerprint": "', '"fingerprint": "0'), encoding="utf-8")

    assert any(
        f.startswith(f"{victim.relative_to(out)}: the record was edited after it was written") for f in faults(out)
    )


@pytest.mark.parametrize("pattern", ["segments/commits.3.label/*.json", "segments/commits.0.mine/marks/*/record.json"])
def test_an_edited_record_with_a_checksum_that_fits_is_found(out, pattern):
    victim = next(out.glob(pattern))
    write_record(victim, read_record(victim) | {"fingerprint": "0" * 32})

    assert [f"{victim.relative_to(out)}: differs from what the manifest says of it"] == faults(out)


@pytest.mark.parametrize("pattern", ["segments/commits.3.label/*.json", "segments/commits.0.mine/marks/*/record.json"])
def test_a_missing_record_is_found(out, pattern):
    victim = next(out.glob(pattern))
    victim.unlink()

    assert any(f.startswith(f"{victim.relative_to(out)}: no such record") for f in faults(out))


def test_an_edited_manifest_is_found(out):
    path = out / "dataset" / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"seed": 8}), encoding="utf-8")

    [fault] = faults(out)
    assert fault.startswith("dataset/manifest.json: the record was edited after it was written")


def test_a_missing_manifest_means_no_finished_build(out):
    (out / "dataset" / "manifest.json").unlink()

    [fault] = verify(out)[0]
    assert "holds no finished build" in fault


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ManifestError, match="no such run folder"):
        verify(tmp_path / "nowhere")


def sign(out: Path, change) -> None:
    """Change the manifest, and sign it again: what a bug in a build would leave, with every checksum right."""
    path = out / "dataset" / "manifest.json"
    manifest = read_record(path)
    change(manifest)
    write_record(path, manifest)


def test_a_lost_parent_is_found(out):
    """A row whose parent no source has, with every checksum right."""

    def orphan(manifest):
        entry = manifest["segments"][-1]["shards"]
        entry[:] = sorted(entry, key=lambda e: -read_record(out / e["record"])["rows"]["rows"])
        record = shard_record(read_record(out / entry[0]["record"]))
        table = read_table(out / record.rows.path)
        parents = [["f" * 32], *table["parent_ids"].to_pylist()[1:]]
        place = table.column_names.index("parent_ids")
        table = table.set_column(place, table.schema.field("parent_ids"), pa.array(parents, pa.list_(pa.string())))
        rows = write_tables(out / record.rows.path, table.schema, [table], relative_to=out)
        write_record(out / entry[0]["record"], replace(record, rows=rows))
        entry[0]["digest"] = digest(asdict(replace(record, rows=rows)))

    sign(out, orphan)

    [fault] = faults(out)
    assert fault.endswith(f"1 parents are rows of no source, first {'f' * 32}")


def test_a_step_that_lost_rows_is_found(out):
    def lose(manifest):
        step = next(step for step in manifest["funnel"] if step["step"] == "keep_messages")
        step["dropped"] = {}

    sign(out, lose)

    assert ["manifest: step keep_messages lost rows"] == faults(out)


def test_a_step_that_got_other_rows_than_the_one_before_gave_is_found(out):
    def shift(manifest):
        step = next(step for step in manifest["funnel"] if step["step"] == "keep_languages")
        step["rows_in"] += 1
        step["parents_kept"] += 1

    sign(out, shift)

    [fault] = faults(out)
    assert fault.startswith("manifest: step keep_languages got ")


def test_a_count_of_rows_that_does_not_fit_is_found(out):
    def more(manifest):
        manifest["rows"] += 1

    sign(out, more)

    assert any("rows, the last step gave" in fault for fault in faults(out))


def test_a_configuration_that_lost_rows_is_found(out):
    def lose(manifest):
        manifest["configs"]["trl"]["left_out"] += 1

    sign(out, lose)

    [fault] = faults(out)
    assert fault.startswith("manifest: the configuration trl has ")


@dataclass(frozen=True)
class Judged:
    """Makes preferences of marks: two judgements of the first row, none of the others."""

    reads: ClassVar[str] = "mark"
    writes: ClassVar[str] = "preference"
    version: ClassVar[int] = 1

    def apply(self, rows: Rows) -> Rows:
        numbers = {"sample": 0, "is_blind": True, "rating": None, "single_intent": None, "probability": None}
        said = dict.fromkeys(schema("judgement").names, "x") | numbers
        return rows.map(
            lambda table: preferences(
                table, judgements=[[said, said] if i == "a" else None for i in table["row_id"].to_pylist()]
            )
        )


def test_a_configuration_with_several_rows_a_pair_has_no_fault(tmp_path):
    write = Write(configs=("judgements",))
    pipeline = given_pipeline(tmp_path, [[("a", "g"), ("b", "g")]], Judged(), publish=False, write=write)
    build_given(pipeline, tmp_path / "out")

    assert [] == faults(tmp_path / "out")

    def lose(manifest):
        manifest["configs"]["judgements"]["rows"] -= 1

    sign(tmp_path / "out", lose)
    assert 1 == len(faults(tmp_path / "out"))


def test_published_columns_of_another_schema_are_found(out):
    def rename(manifest):
        path = out / "dataset" / manifest["configs"]["trl"]["files"][0]["path"]
        table = read_table(path).rename_columns(["prompt", "chosen", "rejected", "name"])
        manifest["configs"]["trl"]["files"][0] = asdict(
            write_tables(path, table.schema, [table], relative_to=out / "dataset")
        )

    sign(out, rename)

    [fault] = faults(out)
    assert "its columns are ['prompt', 'chosen', 'rejected', 'name']" in fault


def test_the_command_prints_faults_and_exits_with_1(out):
    assert (0, "") == (lambda done: (done.returncode, done.stderr))(themis("verify", str(out), cwd=out))
    one_of(out, "shard").unlink()

    done = themis("verify", str(out), cwd=out)
    assert (1, True) == (done.returncode, "missing" in done.stdout)
    assert "1 faults" in done.stderr


def two_branches(folder: Path):
    """Two branches that end in preferences, and no step after them."""
    first, second = (given_pipeline(folder, [[(f"{name}{n}", "g") for n in range(3)]]).branches[0] for name in "ab")
    renamed = Branch(
        name="more",
        source=Step(id="more_rows", use="given_rows", phase="source", config=second.source.config),
        steps=tuple(replace(step, id=f"more_{step.id}") for step in second.steps),
    )
    return replace(given_pipeline(folder, []), branches=(first, renamed), write=Write(configs=("lineage",)))


def test_branches_that_no_step_follows_are_all_published_and_verified(tmp_path):
    built = build_given(two_branches(tmp_path), tmp_path / "out")

    assert built.manifest["rows"] == 6
    assert [] == faults(tmp_path / "out")


@pytest.mark.parametrize("units", [[], [[]]])
def test_an_empty_data_set_has_no_fault(tmp_path, units):
    build_given(given_pipeline(tmp_path, units), tmp_path / "out")

    assert [] == faults(tmp_path / "out")


# clean


def test_clean_removes_nothing_of_the_last_build(out):
    before = {p for p in out.rglob("*") if p.is_file()}

    assert (0, 0) == clean(out, dry_run=False)
    assert before == {p for p in out.rglob("*") if p.is_file()}


def test_clean_removes_what_earlier_settings_left(built, out):
    other = built[1]
    kept = published(out)
    build_here(other, out, "keep_sizes.max_bytes=1500")
    build_here(other, out)
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    files, freed = clean(out, dry_run=False)

    assert files > 0
    assert size - freed == sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert [] == faults(out)
    assert kept == published(out)
    assert build_here(other, out).shards_done == 0


LEFTOVERS = (
    "segments/commits.3.label/.abc.parquet.12-00ff00ff.tmp",
    "segments/commits.3.label/0123456789abcdef0123.parquet",
    "tmp/x/exploded.arrow",
    "side/commit/git/.x.12-00ff00ff.tmp",
    ".run.json.12-00ff00ff.tmp",
    "dataset/.manifest.json.12-00ff00ff.tmp",
    "sources/git/rounds/.x.json.12-00ff00ff.tmp",
)


@pytest.mark.parametrize("name", LEFTOVERS)
def test_clean_removes_what_a_crash_left(out, name):
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(b"12345")

    assert (1, 5) == clean(out, dry_run=False)
    assert not (out / name).exists()
    assert [] == faults(out)


def test_clean_on_trial_removes_nothing(out):
    (out / LEFTOVERS[0]).write_bytes(b"12345")

    assert (1, 5) == clean(out, dry_run=True)
    assert (out / LEFTOVERS[0]).exists()


def test_clean_removes_folders_that_are_empty_then(out):
    (out / "segments" / "old.0.mine").mkdir()
    (out / "segments" / "old.0.mine" / "x.parquet").write_bytes(b"")
    clean(out, dry_run=False)

    assert not (out / "segments" / "old.0.mine").exists()


@pytest.mark.parametrize("name", ["sources/git/notes.txt", "dataset/README.md", "key", "mine.txt"])
def test_clean_leaves_alone_what_is_not_its_own(out, name):
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    if not (out / name).exists():
        (out / name).write_text("mine", encoding="utf-8")
    clean(out, dry_run=False)

    assert (out / name).exists()


def test_clean_refuses_while_a_build_runs(out):
    with RunFolder(out).locked("small"), pytest.raises(LockError, match="is in use by another build"):
        clean(out, dry_run=False)


def test_clean_refuses_where_no_build_has_finished(tmp_path):
    with pytest.raises(ManifestError, match="holds no finished build"):
        clean(tmp_path, dry_run=False)


def test_clean_refuses_where_a_record_is_missing(out):
    next((out / "segments" / "commits.3.label").glob("*.json")).unlink()

    with pytest.raises(ManifestError, match="no such record"):
        clean(out, dry_run=False)


def test_shards_with_the_same_content_are_told_apart(tmp_path):
    """All rows of each unit are dropped in one phase, so that the next gets shards without rows, all alike."""

    @dataclass(frozen=True)
    class DropAll:
        """Drops everything."""

        reads: ClassVar[str] = "mark"
        writes: ClassVar[str] = "mark"
        version: ClassVar[int] = 1

        def apply(self, rows: Rows) -> Rows:
            return rows.drop(lambda table: pa.array(["gone"] * len(table), pa.string()))

    pipeline = given_pipeline(tmp_path, [[("a", "x")], [("b", "x")], [("c", "x")]], DropAll(), phases=("mine", "label"))
    build_given(pipeline, tmp_path / "out")

    assert [] == faults(tmp_path / "out")
    assert build_given(pipeline, tmp_path / "out").shards_done == 0
    assert (0, 0) == clean(tmp_path / "out", dry_run=False)

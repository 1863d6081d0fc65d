"""Final shards: a group in one place, sorted rows, the same bytes whatever order they came in."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import in_shards, preferences

from themis_data.dataset import RunFolder, write_tables
from themis_data.engine.inline import InlineEngine
from themis_data.errors import StageError
from themis_data.manifest import ShardRecord
from themis_data.publish.audit import audit
from themis_data.publish.release import release, written
from themis_data.schema import schema

SPLITS = {"train": 0.6, "validation": 0.4}
HOW: dict[str, Any] = {"splits": SPLITS, "shards": 3, "configs": ("default", "lineage"), "seed": 7}


def records(folder: RunFolder, tables: Sequence[pa.Table]) -> list[ShardRecord]:
    """Shards as a build leaves them before it publishes."""
    made = []
    for number, rows in enumerate(tables):
        path = folder.segment("made") / f"{number:05d}.parquet"
        file = write_tables(path, schema("preference").arrow, [rows], relative_to=folder.root)
        made.append(ShardRecord(name=path.stem, fingerprint="", made_from="", rows=file, drops=file, side={}, steps=()))
    return made


def publish(root: Path, tables: Sequence[pa.Table], **how: Any) -> tuple[RunFolder, dict[str, Any]]:
    folder = RunFolder(root)
    recipe = {
        "name": "made",
        "tool": "0",
        "seed": 7,
        "pipeline": {"file": "made.yaml", "steps": {}},
        "write": {"splits": (HOW | how)["splits"]},
    }
    manifest = release(
        folder,
        InlineEngine().run,
        records(folder, tables),
        recipe=recipe,
        report={"funnel": [], "segments": []},
        created_at="2026-01-02T03:04:05+00:00",
        advance=lambda count: None,
        **HOW | how,
    )
    return folder, manifest


def made(num_groups: int = 12, num_rows: int = 4) -> pa.Table:
    return preferences(
        *(
            {
                "row_id": f"{group:02d}-{n}",
                "group": f"group {group}",
                "path": f"{n % 2}.py",
                "chosen": f"x = {group}.{n}",
            }
            for group in range(num_groups)
            for n in range(num_rows)
        )
    )


def files(folder: RunFolder, config: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of each file of a configuration."""
    return {
        path.name: pq.read_table(path).to_pylist() for path in sorted((folder.published / config).glob("*.parquet"))
    }


def digests(folder: RunFolder, pattern: str = "*.parquet") -> dict[str, str]:
    return {
        path.relative_to(folder.published).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.published.rglob(pattern))
        if path.is_file() and path.name != "manifest.json"
    }


def test_every_row_is_published_once(tmp_path: Path) -> None:
    rows = made()
    folder, _ = publish(tmp_path, [rows])

    for config, name in (("data", "idx"), ("lineage", "id")):
        found = [row[name] for own in files(folder, config).values() for row in own]
        assert sorted(rows["row_id"].to_pylist()) == sorted(found)


def test_a_split_has_its_number_of_shards_by_name(tmp_path: Path) -> None:
    folder, _ = publish(tmp_path, [made()])

    expected = [f"{split}-{n:05d}-of-00003.parquet" for split in ("train", "validation") for n in range(3)]
    assert expected == list(files(folder, "data")) == list(files(folder, "lineage"))


def test_a_group_is_never_in_two_splits_or_shards(tmp_path: Path) -> None:
    folder, _ = publish(tmp_path, in_shards(made(), [5, 17, 30]))

    found = files(folder, "lineage")
    places = {group: {name for name, own in found.items() for row in own if row["group"] == group}
              for group in made()["group"].to_pylist()}  # fmt: skip
    assert {1} == {len(names) for names in places.values()}
    assert 1 < len({name.partition("-")[0] for names in places.values() for name in names})


def test_another_seed_splits_otherwise(tmp_path: Path) -> None:
    one, _ = publish(tmp_path / "one", [made()])
    other, _ = publish(tmp_path / "other", [made()], seed=8)

    assert digests(one) != digests(other)


def test_rows_of_a_shard_are_sorted_by_source_group_path_time_and_id(tmp_path: Path) -> None:
    rows = preferences(
        {"row_id": "6", "source": "B", "path": "a.py", "committed_at": 1},
        {"row_id": "5", "source": "A", "path": None, "committed_at": None},
        {"row_id": "4", "source": "A", "path": "b.py", "committed_at": 1},
        {"row_id": "3", "source": "A", "path": "a.py", "committed_at": 2},
        {"row_id": "2", "source": "A", "path": "a.py", "committed_at": 1},
        {"row_id": "1", "source": "A", "path": "a.py", "committed_at": 1},
    )

    folder, _ = publish(tmp_path, [rows], splits={"train": 1.0}, shards=1)

    assert {"train-00000-of-00001.parquet": ["1", "2", "3", "4", "5", "6"]} == {
        name: [row["idx"] for row in own] for name, own in files(folder, "data").items()
    }


@given(ends=st.lists(st.integers(0, 48), max_size=4), order=st.randoms(use_true_random=False))
@settings(max_examples=5)
def test_the_bytes_do_not_depend_on_the_order_of_rows_or_shards(
    tmp_path_factory: pytest.TempPathFactory, ends: list[int], order
) -> None:
    rows = made()
    whole, _ = publish(tmp_path_factory.mktemp("whole"), [rows])

    shuffled = rows.take(order.sample(range(len(rows)), len(rows)))
    parts, _ = publish(tmp_path_factory.mktemp("parts"), in_shards(shuffled, ends))

    assert digests(whole) == digests(parts)


def test_the_order_in_which_splits_are_written_down_does_not_matter(tmp_path: Path) -> None:
    one, _ = publish(tmp_path / "one", [made()])
    other, _ = publish(tmp_path / "other", [made()], splits=dict(reversed(SPLITS.items())))

    assert digests(one) == digests(other)


@pytest.mark.parametrize("ends", [[], [1]])
def test_a_row_id_that_is_there_twice_is_an_error(tmp_path: Path, ends: list[int]) -> None:
    rows = preferences({"row_id": "a"}, {"row_id": "a", "group": "other"}, {"row_id": "b"})

    with pytest.raises(StageError, match=r"1 rows have a row_id that another row has, for example \['a'\]"):
        publish(tmp_path, in_shards(rows, ends))


def test_rows_that_a_configuration_cannot_hold_are_counted(tmp_path: Path) -> None:
    _, manifest = publish(tmp_path, [preferences({"row_id": "a"}, {"row_id": "b", "language": "Rust"})])

    assert {"default": (1, 1), "lineage": (2, 0)} == {
        name: (config["rows"], config["left_out"]) for name, config in manifest["configs"].items()
    }


def test_of_a_configuration_with_several_rows_a_pair_the_pairs_are_counted(tmp_path: Path) -> None:
    numbers = {"sample": 0, "is_blind": True, "rating": None, "single_intent": None, "probability": None}
    said = dict.fromkeys(schema("judgement").names, "x") | numbers
    rows = preferences(
        {"row_id": "a", "judgements": [said, said]}, {"row_id": "b", "judgements": [said]}, {"row_id": "c"}
    )
    folder, manifest = publish(tmp_path, [rows], configs=("default", "judgements"))

    assert {"default": (3, 3, 0), "judgements": (3, 2, 1)} == {
        name: (config["rows"], config["pairs"], config["left_out"]) for name, config in manifest["configs"].items()
    }
    assert ["a", "a", "b"] == sorted(row["id"] for own in files(folder, "judgements").values() for row in own)
    assert "1 pairs are not in the configuration `judgements`: pairs that no language model was asked about." in (
        folder.published / "README.md"
    ).read_text(encoding="utf-8")


def test_a_configuration_may_divide_the_rows_by_what_a_column_says(tmp_path: Path) -> None:
    rows = preferences(
        {"row_id": "a", "group": "1", "language": "C"},
        {"row_id": "b", "group": "2", "language": "C++", "criterion": "security_hardness"},
        {"row_id": "c", "group": "3", "language": "Rust"},
        {"row_id": "d", "group": "4", "language": "C"},
    )
    how = {"splits": {"Full": 1.0}, "shards": 2, "configs": ("Full", "Stratified_Aspect", "Stratified_Language")}
    folder, manifest = publish(tmp_path, [rows], **how)

    def ids(config: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, own in files(folder, config).items():
            found.setdefault(name.partition("-")[0], []).extend(row["id"] for row in own)
        return {split: sorted(own) for split, own in found.items() if own}

    assert {"Full": ["a", "b", "d"]} == ids("Full")
    assert {"Runtime_Efficiency": ["a", "d"], "Security_Hardness": ["b"]} == ids("Stratified_Aspect")
    assert {"C": ["a", "d"], "Cpp": ["b"]} == ids("Stratified_Language")
    assert [f"{split}-0000{n}-of-00002.parquet" for split in ("C", "CSharp", "Cpp") for n in (0, 1)] == list(
        files(folder, "Stratified_Language")
    )[:6]
    for config in how["configs"]:
        own = manifest["configs"][config]
        assert (3, 3, 1) == (own["rows"], own["pairs"], own["left_out"])
    assert manifest == written(folder, records(folder, [rows]), **HOW | how)


def test_where_a_column_says_the_split_no_row_of_any_other_split_is_lost(tmp_path: Path) -> None:
    folder, manifest = publish(tmp_path, [made()], configs=("lineage", "Stratified_Language"))

    found = files(folder, "Stratified_Language")
    assert sorted(made()["row_id"].to_pylist()) == sorted(row["id"] for own in found.values() for row in own)
    assert {"Python"} == {name.partition("-")[0] for name, own in found.items() if own}
    assert 8 * 2 * 3 == len(found) == len(manifest["configs"]["Stratified_Language"]["files"])


def test_the_manifest_says_what_every_file_must_hold(tmp_path: Path) -> None:
    folder, manifest = publish(tmp_path, [made()])

    listed = {file["path"]: file["sha256"] for config in manifest["configs"].values() for file in config["files"]}
    beside = {file["path"]: file["sha256"] for file in manifest["documents"]}
    assert digests(folder, "*") == listed | beside
    assert {"README.md", "NOTICE.md", "attribution.parquet"} == set(beside)
    assert (48, {"runtime_efficiency": 48}) == (manifest["rows"], manifest["counts"]["criterion"])
    found = files(folder, "lineage")
    assert manifest["splits"]["rows"] == {
        split: sum(len(own) for name, own in found.items() if name.startswith(split)) for split in SPLITS
    }


def test_a_data_set_without_rows_has_its_files(tmp_path: Path) -> None:
    folder, manifest = publish(tmp_path, [])

    assert (0, 6) == (manifest["rows"], len(files(folder, "data")))


def test_what_was_written_is_known_again_until_anything_changes(tmp_path: Path) -> None:
    folder, manifest = publish(tmp_path, [made()])
    same = records(folder, [made()])

    assert manifest == written(folder, same, **HOW)
    for change in ({"seed": 8}, {"shards": 4}, {"splits": {"train": 1.0}}, {"configs": ("default",)}):
        assert None is written(folder, same, **HOW | change)
    assert None is written(folder, records(folder, [made(num_rows=3)]), **HOW)


@pytest.mark.parametrize(
    "lost", ["README.md", "NOTICE.md", "attribution.parquet", "manifest.json", "data/train-00000-of-00003.parquet"]
)
def test_a_data_set_that_lacks_a_file_is_not_known_again(tmp_path: Path, lost: str) -> None:
    folder, _ = publish(tmp_path, [made()])
    (folder.published / lost).unlink()

    assert None is written(folder, records(folder, [made()]), **HOW)


def test_an_audit_over_its_limit_leaves_what_was_there(tmp_path: Path) -> None:
    folder, before = publish(tmp_path, [made()])
    limited = partial(audit, min_pairs=2, limits={"length": 0.5})
    longer = preferences(*({"chosen": "xx", "rejected": "y", "group": f"g{n}"} for n in range(4)))

    with pytest.raises(StageError, match=r"length is right in 1\.000 of 4 pairs"):
        publish(tmp_path, [longer], measure=limited)
    assert before == folder.manifest()


def test_files_of_an_earlier_data_set_are_gone(tmp_path: Path) -> None:
    publish(tmp_path, [made()], shards=5)
    folder, manifest = publish(tmp_path, [made()], shards=1)

    assert {"train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"} == set(files(folder, "data"))
    assert not folder.scratch.joinpath("final").exists()
    assert SPLITS == manifest["write"]["splits"]

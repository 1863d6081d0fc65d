"""Takedowns: the rows that go with what was asked for, what stays to the byte, and the next build."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import (
    CREATED_AT,
    GivenTables,
    build_given,
    build_here,
    changes,
    made_repository,
    pipeline_file,
    published,
    published_ids,
    stage_pipeline,
    themis,
)

from themis_data.dataset import open_version, read_table
from themis_data.errors import LockError, PipelineError, ThemisError
from themis_data.publish.audit import audit, summary
from themis_data.publish.takedown import TakenDown, take_down
from themis_data.report.diff import diff
from themis_data.stages.drop_near_duplicates import STAGE as DropNearDuplicates
from themis_data.text.opt_outs import opt_outs, read_opt_outs
from themis_data.verify import verify

NAMES = ("made", "other")


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> tuple[Path, Path]:
    """A build of two repositories, and its pipeline."""
    folder = tmp_path_factory.mktemp("before")
    repositories = [made_repository(folder / name, num_commits=20, name=name) for name in NAMES]
    pipeline = pipeline_file(folder, repositories)
    build_here(pipeline, folder / "out")
    return folder / "out", pipeline


def lineage(folder: Path) -> dict[str, dict[str, Any]]:
    paths = sorted((folder / "dataset" / "lineage").glob("*.parquet"))
    return {row["id"]: row for path in paths for row in pq.read_table(path).to_pylist()}


def of_repository(folder: Path, name: str) -> set[str]:
    return {id_ for id_, row in lineage(folder).items() if row["repos"] == f"example.org/{name}/{name}"}


def drop(of: Path, out: Path, *entries: tuple[str, str], **settings: Any) -> TakenDown:
    return take_down(of, out, opt_outs(entries), created_at=CREATED_AT, **settings)


def test_no_row_of_a_repository_is_left_in_any_configuration(before, tmp_path):
    gone = of_repository(before[0], "other")
    taken = drop(before[0], tmp_path / "out", ("repo", "other/other"))

    assert gone == set(taken.rows) != set()
    for config in ("data", "trl", "lineage"):
        key = "idx" if config == "data" else "id"
        paths = sorted((tmp_path / "out" / "dataset" / config).glob("*.parquet"))
        left = [i for path in paths for i in read_table(path)[key].to_pylist()]
        assert of_repository(before[0], "made") == set(left)
        assert len(left) == len(set(left))


def test_shards_without_such_rows_stay_the_same_to_the_byte(before, tmp_path):
    one = sorted(lineage(before[0]))[0]
    drop(before[0], tmp_path / "out", ("row", one))

    was, is_ = published(before[0]), published(tmp_path / "out")
    changed = {path for path, sha256 in was.items() if is_[path] != sha256} - {"attribution.parquet"}
    assert set(was) == set(is_)
    assert 3 == len(changed)  # one of each configuration
    assert 1 == len({Path(path).name for path in changed})


def test_what_is_left_is_verified_counted_and_described(before, tmp_path):
    gone = of_repository(before[0], "other")
    taken = drop(before[0], tmp_path / "out", ("repo", "other/other"))
    last = open_version(before[0])
    [name] = last.final_segments()
    [records] = [records for own, records in last.segments() if own == name]
    rows = [read_table(before[0] / record.rows.path) for record in records]
    left = []
    for number, table in enumerate(rows):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(table.filter(pa.array([i not in gone for i in table["row_id"].to_pylist()], pa.bool_())), path)
        left.append(path)

    manifest = taken.manifest
    assert [] == verify(tmp_path / "out")[0]
    assert len(lineage(before[0])) - len(gone) == manifest["rows"]
    assert json.loads(json.dumps(summary(left))) == manifest["counts"]
    assert [a.pairs for a in audit(left)] == [entry["pairs"] for entry in manifest["audit"]]
    counted = [sum(slice_.values()) for slice_ in manifest["splits"]["slices"].values()]
    assert [manifest["rows"]] == [sum(counted)] == list(manifest["splits"]["rows"].values())
    card = (tmp_path / "out" / "dataset" / "README.md").read_text()
    assert f"{manifest['rows']} preference pairs for code" in card
    assert f"| takedown | {len(lineage(before[0]))} | {manifest['rows']} | opted_out_repo {len(gone)} |" in card


def test_the_manifest_says_what_was_asked_and_where_it_came_from(before, tmp_path):
    gone = of_repository(before[0], "other")
    taken = drop(before[0], tmp_path / "out", ("repo", "Other/other"), ("repo", "some/body"), ("row", "0" * 32))

    checksum = open_version(before[0]).checksum
    assert (checksum, "dev") == (taken.manifest["parent"], taken.manifest["version"])
    assert {
        "created_at": CREATED_AT,
        "of": {"name": "small", "version": "dev", "checksum": checksum},
        "asked": {"row": [], "author": [], "repo": ["Other/other"], "owner": [], "source": [], "path": []},
        "without_pairs": 2,
        "pairs": len(gone),
        "reasons": {"opted_out_repo": len(gone)},
        "rows": dict.fromkeys(("default", "lineage", "trl"), len(gone)),
    } == taken.record
    assert (("repo", "some/body"), ("row", "0" * 32)) == taken.unmatched
    assert "some/body" not in (tmp_path / "out" / "dataset" / "manifest.json").read_text()


def test_a_published_version_gives_what_its_run_folder_gives(before, tmp_path):
    entries = [("repo", "example.org/other/other"), ("row", sorted(of_repository(before[0], "made"))[0])]
    run = drop(before[0], tmp_path / "run", *entries)
    version = drop(before[0] / "dataset", tmp_path / "version", *entries)

    assert published(tmp_path / "run") == published(tmp_path / "version")
    assert run.manifest == version.manifest
    assert [] == verify(tmp_path / "version")[0]


def test_a_pair_goes_with_the_change_it_was_made_of(before, tmp_path):
    pair, row = sorted(lineage(before[0]).items())[0]
    taken = drop(before[0] / "dataset", tmp_path / "out", ("row", row["parent_ids"][0]))

    assert {pair: f"row: {row['parent_ids'][0]}"} == taken.rows


def test_an_author_is_found_through_the_run_folder(before, tmp_path):
    shards = [r for name, records in open_version(before[0]).segments() if name == "commits.source" for r in records]
    [author] = {a for r in shards for a in read_table(before[0] / r.rows.path)["author_hash"].to_pylist()}
    taken = drop(before[0], tmp_path / "out", ("author", author))

    assert set(lineage(before[0])) == set(taken.rows)
    assert (0, []) == (taken.manifest["rows"], verify(tmp_path / "out")[0])
    changes_of = {i for r in shards for i in read_table(before[0] / r.rows.path)["row_id"].to_pylist()}
    assert changes_of == set(read_opt_outs([tmp_path / "out" / "opted_out.txt"]).values("row"))
    with pytest.raises(ThemisError, match="a published version does not know authors"):
        drop(before[0] / "dataset", tmp_path / "none", ("author", author))


def test_where_nothing_matches_nothing_is_written(before, tmp_path):
    with pytest.raises(ThemisError, match="nothing to take down: there is no published pair of repo some/body"):
        drop(before[0], tmp_path / "out", ("repo", "some/body"))

    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_left_alone(before, tmp_path):
    (tmp_path / "note").write_text("mine")

    with pytest.raises(LockError, match="is not empty"):
        drop(before[0], tmp_path, ("repo", "other/other"))
    assert ["note"] == [path.name for path in tmp_path.iterdir()]


def test_the_next_build_leaves_out_what_was_taken_down(before, tmp_path):
    """Also where the labels, and so the ids of pairs, are others: a single pair is left out by its change."""
    one = sorted(of_repository(before[0], "made"))[0]
    taken = drop(before[0], tmp_path / "out", ("repo", "other/other"), ("row", one))
    step = f"      - {{use: drop_opted_out, list: [{tmp_path / 'out' / 'opted_out.txt'}]}}\n"
    text = before[1].read_text().replace("    mine:\n", f"    mine:\n{step}")
    (tmp_path / "small.yaml").write_text(text)
    build_here(tmp_path / "small.yaml", tmp_path / "again")

    parent = lineage(before[0])[one]["parent_ids"][0]
    assert {("repo", "other/other"), ("row", one), ("row", parent)} == set(
        read_opt_outs([tmp_path / "out" / "opted_out.txt"]).entries
    )
    again = lineage(tmp_path / "again")
    assert set(lineage(tmp_path / "out")) <= set(again)  # a file's cap may have room for another pair now
    assert not set(taken.rows) & set(again)
    assert not {parent, "example.org/other/other"} & {
        n for row in again.values() for n in (*row["parent_ids"], row["repos"])
    }


def test_a_takedown_of_what_is_left_keeps_both_records(before, tmp_path):
    first, second = sorted(lineage(before[0]))[:2]
    drop(before[0], tmp_path / "first", ("row", first))
    taken = drop(tmp_path / "first", tmp_path / "second", ("row", second))

    assert [[first], [second]] == [record["asked"]["row"] for record in taken.manifest["takedowns"]]
    assert open_version(tmp_path / "first").checksum == taken.manifest["parent"]
    assert {first, second} <= set(read_opt_outs([tmp_path / "second" / "opted_out.txt"]).values("row"))
    assert [] == verify(tmp_path / "second")[0]
    report = diff(before[0], tmp_path / "second")
    assert [first, second] == [row["id"] for row in report["rows"]["removed"]["listed"]]


@pytest.mark.parametrize("end", ["txt", "parquet"])
def test_a_list_is_extended_and_keeps_what_it_has(before, tmp_path, end):
    path = tmp_path / f"list.{end}"
    if end == "txt":
        path.write_text("# asked by mail\nrepo: some/body")
    for number, name in enumerate(NAMES):
        drop(before[0], tmp_path / str(number), ("repo", f"{name}/{name}"), extend=[path])

    kept = [("repo", "some/body")] if end == "txt" else []
    assert {*kept, ("repo", "made/made"), ("repo", "other/other")} == set(read_opt_outs([path]).entries)
    assert end != "txt" or path.read_text().startswith("# asked by mail\nrepo: some/body\n")


def test_what_stayed_of_a_cluster_goes_with_its_copies(tmp_path):
    """The change of h/b/y was dropped as a near-duplicate of that of h/a/x, which has nearly its text."""
    code = "".join(f"def f{n}(words):\n    return [word for word in words if word != {n}]\n\n\n" for n in range(9))
    same = {"old_contents": code, "new_contents": code.replace("word !=", "word is not")}
    other = {"old_contents": "import this\n\nprint(1, 2)\n", "new_contents": "import that\n\nprint(3, 4)\n"}
    rows = changes(
        {"row_id": "a" * 32, "repos": "h/a/x", "committed_at": 1, **same},
        {"row_id": "b" * 32, "repos": "h/b/y", "committed_at": 2, **same},
        {"row_id": "c" * 32, "repos": "h/c/z", **other},
    )
    GivenTables.known[str(tmp_path)] = ([rows], None)
    build_given(stage_pipeline(tmp_path, DropNearDuplicates(permutations=64)), tmp_path / "before")
    assert ["a" * 32, "c" * 32] == sorted(published_ids(tmp_path / "before"))

    taken = drop(tmp_path / "before", tmp_path / "out", ("repo", "b/y"))
    assert {"a" * 32: f"copy: {'b' * 32}"} == taken.rows
    assert {"opted_out_copy": 1} == taken.record["reasons"]
    assert ("row", "a" * 32) in read_opt_outs([tmp_path / "out" / "opted_out.txt"]).entries
    assert ["c" * 32] == published_ids(tmp_path / "out")


def test_an_entry_that_is_none_is_an_error(before, tmp_path):
    with pytest.raises(PipelineError, match="row: 'abc': expected 32 hex digits"):
        drop(before[0], tmp_path / "out", ("row", "abc"))


def test_the_command_takes_down_and_says_how_the_version_differs(before, tmp_path):
    (tmp_path / "list.txt").write_text("repo: other/other\n")
    done = themis("drop", str(before[0]), "--out", "out", "--list", "list.txt", cwd=tmp_path)

    gone = len(of_repository(before[0], "other"))
    assert (0, "") == (done.returncode, done.stderr)
    assert f"{gone} pairs taken down, the rest is in out\n" in done.stdout
    assert f"removed: {gone} rows\n" in done.stdout
    again = themis("drop", "out", "--out", "none", "--repo", "other/other", cwd=tmp_path)
    assert (1, "") == (again.returncode, again.stdout)
    assert "error: out: nothing to take down" in again.stderr
    assert 2 == themis("drop", "out", "--out", "none", cwd=tmp_path).returncode

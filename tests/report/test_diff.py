"""Two versions that differ by one planted row of each kind: the report has exactly those."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import CREATED_AT, build_here, made_repository, pipeline_file, themis

from themis_data.dataset import RunFolder, open_version, write_tables
from themis_data.engine.inline import InlineEngine
from themis_data.errors import ManifestError
from themis_data.fingerprint import pair_id
from themis_data.manifest import ShardRecord, read_record, write_record
from themis_data.publish.layouts import layout
from themis_data.publish.release import release
from themis_data.report.diff import _accuracies, _differences, diff, print_diff
from themis_data.schema import schema

KINDS = ("added", "removed", "relabelled", "swapped", "changed", "moved", "new_id")
CONFIGS = ("default", "trl", "lineage", "judgements")
SAID = dict.fromkeys(schema("judgement").names) | {
    "answer": "0" * 32,
    "kind": "vote",
    "model": "m",
    "criterion": "runtime_efficiency",
    "sample": 0,
    "is_blind": True,
    "verdict": "chosen",
}


def version(folder: Path, rows: list[dict[str, Any]], **recipe: Any) -> Path:
    """A version of these preferences, in two splits of two shards."""
    run = RunFolder(folder)
    table = schema("preference").table({n: [row[n] for row in rows] for n in schema("preference").names})
    file = write_tables(folder / "rows.parquet", table.schema, [table], relative_to=folder)
    splits = {"train": 0.5, "validation": 0.5}
    how: dict[str, Any] = {"splits": splits, "shards": 2, "configs": recipe.pop("configs", CONFIGS), "seed": 7}
    plain = {
        "name": "made",
        "version": "dev",
        "seed": 7,
        "tool": "0",
        "write": {"splits": splits},
        "pipeline": {"file": "made.yaml", "steps": {"mix": {"use": "mix", "max_per_file": 3}}},
        "sources": [{"step": "git", "use": "git_history", "read": [{"name": "h/o/n", "tips": ["a"], "commits": 3}]}],
        "funnel": [{"track": "made", "segment": "made.source", "step": "git", "rows_in": 20, "rows_out": len(rows),
                    "parents_kept": len(rows), "dropped": {"merge": 20 - len(rows)}, "seconds": 1.0}],
    }  # fmt: skip
    release(
        run,
        InlineEngine().run,
        [ShardRecord(name="0", fingerprint="", made_from="", rows=file, drops=file, side={}, steps=())],
        recipe=plain | recipe,
        report={"segments": []},
        created_at=CREATED_AT,
        advance=lambda count: None,
        **how,
    )
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> list[dict[str, Any]]:
    """Ten preferences of a real build, each its own group."""
    folder = tmp_path_factory.mktemp("real")
    build_here(pipeline_file(folder, made_repository(folder / "repository", num_commits=30)), folder / "out")
    opened = open_version(folder / "out")
    last = opened.final_segments()
    rows = [
        row
        for name, records in opened.segments()
        if name in last
        for record in records
        for row in pq.read_table(folder / "out" / record.rows.path).to_pylist()
    ]
    assert 10 <= len(rows)
    return [{**row, "group": f"problem {n}"} for n, row in enumerate(sorted(rows, key=lambda row: row["row_id"])[:10])]


def named_again(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The row with other columns, and the id that it then has."""
    new = row | changes
    return {**new, "row_id": pair_id(new["parent_ids"], new["criterion"], new["chosen"], new["rejected"])}


def move(folder: Path, id_: str) -> None:
    """Take a row out of its split and put it into the other one's first shard, in every configuration."""
    path = folder / "dataset" / "manifest.json"
    manifest = read_record(path)
    for name, config in manifest["configs"].items():
        key = schema(config["schema"]).key[0]
        arrow = layout(name).arrow
        tables = {file["path"]: pq.read_table(folder / "dataset" / file["path"]) for file in config["files"]}
        for place, table in tables.items():
            is_it = pa.array([i == id_ for i in table[key].to_pylist()])
            if not any(is_it.to_pylist()):
                continue
            split = "validation" if "/train-" in place else "train"
            to = next(other for other in tables if f"/{split}-" in other)
            tables[to] = pa.concat_tables([tables[to], table.filter(is_it)])
            tables[place] = table.filter(pa.array([not flag for flag in is_it.to_pylist()]))
            break
        config["files"] = [
            asdict(write_tables(folder / "dataset" / place, arrow, [table.cast(arrow)], relative_to=folder / "dataset"))
            for place, table in tables.items()
        ]
    write_record(path, manifest)


def listed(report: dict[str, Any]) -> dict[str, list[tuple[str, str, list[str]]]]:
    """Of each kind (id, id after, columns) of its rows."""
    return {
        kind: [
            (row["id"], row.get("id_after", row["id"]), sorted(row.get("columns", ())))
            for row in report["rows"][kind]["listed"]
        ]
        for kind in KINDS
    }


NOTHING: dict[str, list[Any]] = {kind: [] for kind in KINDS}
MANIFESTS = ("settings", "sources", "schemas", "counts", "configurations", "funnel", "audit", "asked")


def test_a_version_equals_itself(tmp_path, real, capsys):
    one, other = version(tmp_path / "one", real), version(tmp_path / "other", real[::-1])
    report = diff(one, other)
    print_diff(report)

    assert report["is_equal"]
    assert NOTHING == listed(report)
    assert "none" == report["suggested"]
    assert "equal: the same rows, settings, sources, counts, funnel and audit\n" in capsys.readouterr().out


def other_of(row: dict[str, Any]) -> str:
    return "security_hardness" if row["criterion"] != "security_hardness" else "memory_efficiency"


PLANTED = {
    "added": (
        lambda r: [*r, named_again(r[0], chosen="y = 1\n")],
        lambda r: {"added": [(pair_id(r[0]["parent_ids"], r[0]["criterion"], "y = 1\n", r[0]["rejected"]),) * 2]},
        [[]],
    ),
    "duplicate": (
        lambda r: [*r, {**r[1], "row_id": "f" * 32}],
        lambda r: {"added": [("f" * 32, "f" * 32)]},
        [[]],
    ),
    "removed": (lambda r: [*r[:2], *r[3:]], lambda r: {"removed": [(r[2]["row_id"],) * 2]}, [[]]),
    "prompt": (
        lambda r: [{**r[0], "prompt": "Do it."}, *r[1:]],
        lambda r: {"changed": [(r[0]["row_id"],) * 2]},
        [["prompt"]],
    ),
    "criterion": (
        lambda r: [named_again(r[0], criterion=other_of(r[0])), *r[1:]],
        lambda r: {"relabelled": [(r[0]["row_id"], named_again(r[0], criterion=other_of(r[0]))["row_id"])]},
        [["criterion"]],
    ),
    "criterion in place": (
        lambda r: [{**r[0], "criterion": other_of(r[0])}, *r[1:]],
        lambda r: {"relabelled": [(r[0]["row_id"],) * 2]},
        [["criterion"]],
    ),
    "swapped": (
        lambda r: [named_again(r[0], chosen=r[0]["rejected"], rejected=r[0]["chosen"]), *r[1:]],
        lambda r: {
            "swapped": [(r[0]["row_id"], named_again(r[0], chosen=r[0]["rejected"], rejected=r[0]["chosen"])["row_id"])]
        },
        [["chosen", "rejected"]],
    ),
    "swapped in place": (
        lambda r: [{**r[0], "chosen": r[0]["rejected"], "rejected": r[0]["chosen"]}, *r[1:]],
        lambda r: {"swapped": [(r[0]["row_id"],) * 2]},
        [["chosen", "rejected"]],
    ),
    "licence": (
        lambda r: [{**r[0], "license": "GPL-3.0-only", "license_class": "copyleft"}, *r[1:]],
        lambda r: {"changed": [(r[0]["row_id"],) * 2]},
        [["license", "license_class"]],
    ),
    "nulls": (
        lambda r: [{**r[0], "strength": None, "strength_unit": None, "system": None}, *r[1:]],
        lambda r: {"changed": [(r[0]["row_id"],) * 2]},
        [["strength", "strength_unit", "system"]],
    ),
    "judgements": (
        lambda r: [{**r[0], "judgements": [SAID]}, *r[1:]],
        lambda r: {"changed": [(r[0]["row_id"],) * 2]},
        [["judgements"]],
    ),
    "other parents": (
        lambda r: [named_again(r[0], parent_ids=["e" * 32]), *r[1:]],
        lambda r: {"new_id": [(r[0]["row_id"], named_again(r[0], parent_ids=["e" * 32])["row_id"])]},
        [["parent_ids"]],
    ),
}


@pytest.mark.parametrize("plant", PLANTED)
def test_one_planted_row_is_all_that_is_found(tmp_path, real, plant):
    edit, expected, columns = PLANTED[plant]
    one, other = version(tmp_path / "one", real), version(tmp_path / "other", edit(real))

    [(kind, ids)] = expected(real).items()
    found = listed(diff(one, other))
    assert NOTHING | {kind: [(*pair, own) for pair, own in zip(ids, columns, strict=True)]} == found


def test_a_row_of_each_kind_at_once(tmp_path, real):
    edited = [
        {**real[0], "prompt": "Do it."},
        named_again(real[1], criterion=other_of(real[1])),
        named_again(real[2], chosen=real[2]["rejected"], rejected=real[2]["chosen"]),
        *real[4:],
        {**real[5], "row_id": "f" * 32},
    ]
    one, other = version(tmp_path / "one", real), version(tmp_path / "other", edited)
    move(other, real[6]["row_id"])

    report = diff(one, other)
    assert {
        "added": [("f" * 32, "f" * 32, [])],
        "removed": [(real[3]["row_id"], real[3]["row_id"], [])],
        "relabelled": [(real[1]["row_id"], edited[1]["row_id"], ["criterion"])],
        "swapped": [(real[2]["row_id"], edited[2]["row_id"], ["chosen", "rejected"])],
        "changed": [(real[0]["row_id"], real[0]["row_id"], ["prompt"])],
        "moved": [(real[6]["row_id"], real[6]["row_id"], [])],
        "new_id": [],
    } == listed(report)
    assert [real[5]["row_id"]] == [row["duplicate_of"] for row in report["rows"]["added"]["listed"]]
    assert "minor" == report["suggested"]
    assert report["changelog"].startswith(
        "10 pairs before, 10 now: 1 added, 1 removed, 1 got another criterion, "
        "1 have their sides the other way round, 1 changed otherwise, 1 moved to another split. "
    )
    assert report == json.loads(json.dumps(report))


def test_old_and_new_values_are_told(tmp_path, real):
    one = version(tmp_path / "one", real)
    other = version(tmp_path / "other", [{**real[0], "license": "GPL-3.0-only", "prompt": "Do it."}, *real[1:]])

    changed = diff(one, other, full=True)["rows"]["changed"]
    assert {
        "license": {"before": real[0]["license"], "after": "GPL-3.0-only", "is_cut": False},
        "prompt": {"before": real[0]["prompt"], "after": "Do it.", "is_cut": False},
    } == changed["listed"][0]["columns"]
    assert {"license": 1, "prompt": 1} == changed["columns"]
    assert {"license": [{"before": real[0]["license"], "after": "GPL-3.0-only", "rows": 1}]} == changed["between"]


def test_long_texts_are_cut_around_their_first_difference(tmp_path, real):
    texts = ["a" * 300 + ending + "z" * 300 for ending in ("one", "two")]
    one, other = (version(tmp_path / t[300:303], [{**real[0], "prompt": t}, *real[1:]]) for t in texts)

    [row] = diff(one, other)["rows"]["changed"]["listed"]
    assert {
        "before": f"...{'a' * 40}one{'z' * 117}...",
        "after": f"...{'a' * 40}two{'z' * 117}...",
        "is_cut": True,
    } == row["columns"]["prompt"]


def test_a_row_in_a_language_that_default_lacks_is_compared_too(tmp_path, real):
    rust = {**real[0], "language": "Rust"}
    one = version(tmp_path / "one", [rust, *real[1:]])
    other = version(tmp_path / "other", [{**rust, "prompt": "Do it.", "system": None}, *real[1:]])

    expected = NOTHING | {"changed": [(rust["row_id"], rust["row_id"], ["prompt", "system"])]}
    assert expected == listed(diff(one, other))


def test_rows_beyond_the_first_are_counted(tmp_path, real):
    many = [{**real[0], "row_id": f"{n:032x}", "chosen": f"x = {n}\n"} for n in range(30)]
    one, other = version(tmp_path / "one", real), version(tmp_path / "other", [*real, *many])

    short, full = (diff(one, other, full=full)["rows"]["added"] for full in (False, True))
    assert (30, 20) == (short["rows"], len(short["listed"]))
    assert [row["row_id"] for row in many] == [row["id"] for row in full["listed"]]
    assert {"criterion": 30, "language": 30, "source": 30, "license": 30} == {
        name: sum(counted.values()) for name, counted in full["by"].items()
    }


def test_what_the_manifests_say_otherwise_is_listed(tmp_path, real):
    one = version(tmp_path / "one", real)
    sources = [{"step": "git", "use": "git_history", "read": [
        {"name": "h/o/n", "tips": ["b"], "commits": 4}, {"name": "h/o/new", "tips": ["c"], "commits": 1}]}]  # fmt: skip
    steps = {"mix": {"use": "mix", "max_per_file": 5, "share": {"float": (0.5).hex()}}}
    other = version(
        tmp_path / "other", real[1:], sources=sources, pipeline={"file": "made.yaml", "steps": steps}, seed=8
    )

    report = diff(one, other)
    assert [
        {"what": "seed", "before": 7, "after": 8},
        {"what": "steps.mix.max_per_file", "before": 3, "after": 5},
        {"what": "steps.mix.share", "before": None, "after": 0.5},
    ] == report["settings"]
    assert [
        {"what": "[git].read[h/o/n].commits", "before": 3, "after": 4},
        {"what": "[git].read[h/o/n].tips", "before": ["a"], "after": ["b"]},
        {"what": "[git].read[h/o/new].commits", "before": None, "after": 1},
        {"what": "[git].read[h/o/new].tips", "before": None, "after": ["c"]},
    ] == report["sources"]
    assert [
        {"what": "made.git.dropped.merge", "before": 10, "after": 11},
        {"what": "made.git.rows_out", "before": 10, "after": 9},
    ] == report["funnel"]
    assert {"what": "[all/all/all].pairs", "before": 10, "after": 9} in report["audit"]
    assert {"what": "license.MIT", "before": 10, "after": 9} in report["counts"]
    assert {"what": "default.rows", "before": 10, "after": 9} in report["configurations"]


def test_of_the_audit_people_are_told_the_accuracies_alone():
    def said(accuracy):
        return [{"source": "all", "criterion": "all", "language": "C", "pairs": 300,
                 "measures": [{"name": "surface", "accuracy": accuracy, "low": accuracy - 0.1}]}]  # fmt: skip

    entries = _differences(said(0.5), said(0.6))
    assert ["[all/all/C].measures[surface].accuracy", "[all/all/C].measures[surface].low"] == [
        entry["what"] for entry in entries
    ]
    assert [{"what": "all/all/C: surface", "before": 0.5, "after": 0.6}] == _accuracies(entries)


def test_a_configuration_that_one_version_lacks_is_named(tmp_path, real):
    one = version(tmp_path / "one", real)
    other = version(tmp_path / "other", real, configs=("default",))

    report = diff(one, other)
    assert NOTHING == listed(report)
    assert {"license", "parent_ids", "evidence"} <= set(report["not_compared"])
    assert not report["is_equal"]


def test_an_id_of_several_rows_is_told(tmp_path, real):
    one, other = version(tmp_path / "one", real), version(tmp_path / "other", real)
    manifest = read_record(other / "dataset" / "manifest.json")
    for name, config in manifest["configs"].items():
        file = next(file for file in config["files"] if file["rows"]) if config["rows"] else None
        if file is None:
            continue
        path, arrow = other / "dataset" / file["path"], layout(name).arrow
        table = pq.read_table(path).cast(arrow)
        file |= asdict(
            write_tables(path, arrow, [pa.concat_tables([table, table.slice(0, 1)])], relative_to=other / "dataset")
        )
    write_record(other / "dataset" / "manifest.json", manifest)

    report = diff(one, other)
    assert {"before": {"ids": 0, "listed": []}, "after": {"ids": 1}} == {
        "before": report["repeated"]["before"],
        "after": {"ids": report["repeated"]["after"]["ids"]},
    }
    assert NOTHING == listed(report)
    assert not report["is_equal"]


def test_data_cannot_steer_the_terminal(tmp_path, real, capsys):
    one = version(tmp_path / "one", real)
    hostile = {**real[0], "license": "\x1b[31mMIT", "repos": "[bold]h/o/n\u202e", "prompt": "\x1b]0;owned\x07"}
    other = version(tmp_path / "other", [hostile, *real[1:], {**hostile, "row_id": "\x1b[2J", "chosen": "1"}])
    print_diff(diff(one, other))

    printed = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)
    assert "\\x1b[31mMIT" in printed
    assert "[bold]h/o/n" in printed


def test_a_version_without_rows_is_compared_too(tmp_path, real):
    one, other = version(tmp_path / "one", []), version(tmp_path / "other", real)

    report = diff(one, other)
    assert [len(report["rows"][kind]["listed"]) for kind in KINDS] == [10, 0, 0, 0, 0, 0, 0]
    assert [] == report["not_compared"]


def test_a_folder_of_a_version_is_as_good_as_a_run_folder(tmp_path, real):
    one = version(tmp_path / "one", real)

    assert diff(one, one / "dataset")["is_equal"]


def test_a_folder_that_holds_no_data_set_is_an_error(tmp_path, real):
    with pytest.raises(ManifestError, match="neither a finished build nor a version of a data set"):
        diff(version(tmp_path / "one", real), tmp_path)


def test_the_command_says_by_its_exit_code_whether_they_are_equal(tmp_path, real):
    version(tmp_path / "one", real)
    version(tmp_path / "other", real[1:])

    same, other = themis("diff", "one", "one", cwd=tmp_path), themis("diff", "one", "other", "--json", cwd=tmp_path)
    assert (0, "") == (same.returncode, same.stderr)
    assert (1, "") == (other.returncode, other.stderr)
    assert [real[0]["row_id"]] == [row["id"] for row in json.loads(other.stdout)["rows"]["removed"]["listed"]]

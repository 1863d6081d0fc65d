"""A version in the layout of Themis-CodeRewardBench: how it loads, and what each tool for versions makes of it."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from made_versions import made_rows, run_folder

from themis_data.dataset import RunFolder, open_version
from themis_data.publish.consumers import check
from themis_data.publish.published import faults
from themis_data.publish.takedown import take_down
from themis_data.report.diff import diff
from themis_data.sources.built_dataset import BuiltDataset, published_preferences
from themis_data.text.opt_outs import opt_outs

BENCH = ("Full", "Stratified_Aspect", "Stratified_Language")
CREATED_AT = "2026-01-02T03:04:05+00:00"
COLUMNS = ["prompt", "chosen", "rejected", "language", "aspect", "subset", "id"]


def rows() -> pa.Table:
    """Three pairs of commits in C++, two of PIE, one in a language that the benchmark lacks."""
    return pa.concat_tables(
        [
            made_rows(6, language="C++", criterion="security_hardness", demo_only=True).slice(0, 3),
            made_rows(6, language="C++", source="PIE_PERF", demo_only=True).slice(3, 2),
            made_rows(6, language="Rust").slice(5, 1),
        ]
    )


def bench(root: Path, table: pa.Table | None = None, configs: tuple[str, ...] = (*BENCH, "lineage")) -> Path:
    write = {"splits": {"Full": 1.0}, "audit_pairs": 2_000, "audit_min_pairs": 200}
    return run_folder(root, rows() if table is None else table, configs=configs, split="Full", write=write)


def header(root: Path) -> dict[str, Any]:
    text = (root / "dataset" / "README.md").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return content


def test_the_card_names_the_splits_of_every_configuration(tmp_path: Path) -> None:
    found = {own["config_name"]: own for own in header(bench(tmp_path))["configs"]}

    assert [{"split": "Full", "path": "Full/Full-*.parquet"}] == found["Full"]["data_files"]
    # Those without rows are left out: `datasets` would load none of the others.
    assert [{"split": "Cpp", "path": "Stratified_Language/Cpp-*.parquet"}] == found["Stratified_Language"]["data_files"]
    assert ["Runtime_Efficiency", "Security_Hardness"] == [
        own["split"] for own in found["Stratified_Aspect"]["data_files"]
    ]
    assert ["Full"] == [name for name, own in found.items() if own.get("default")]


def test_the_code_of_the_card_runs_as_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = bench(tmp_path / "run")
    text = (root / "dataset" / "README.md").read_text(encoding="utf-8")
    (sample,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    cache = f", cache_dir={str(tmp_path / 'cache')!r})"
    code = sample.replace("PATH_OR_ID", str(root / "dataset")).replace('split="Full")', 'split="Full"' + cache)

    exec(code, {})
    first = next(row for path in sorted((root / "dataset/Full").iterdir()) for row in pq.read_table(path).to_pylist())
    assert f"Write it. {first['aspect']}\n" == capsys.readouterr().out
    assert "measure with it, and never train on it" in text
    assert "for demonstration only" not in text


def test_every_split_loads_and_concatenates_with_the_published_layout_without_a_cast(tmp_path: Path) -> None:
    from datasets import Dataset, Features, Value, concatenate_datasets, load_dataset

    text, word = Value("large_string"), Value("string")
    features = Features(prompt=text, chosen=text, rejected=text, language=word, aspect=word, subset=word, id=word)
    row = dict.fromkeys(COLUMNS, "x")
    (tmp_path / "theirs" / "Full").mkdir(parents=True)
    Dataset.from_list([row], features=features).to_parquet(str(tmp_path / "theirs/Full/Full-00000-of-00001.parquet"))
    root, cache = bench(tmp_path / "run"), str(tmp_path / "cache")

    theirs = load_dataset("parquet", data_files=str(tmp_path / "theirs/Full/*.parquet"), split="train", cache_dir=cache)
    by_config = {name: load_dataset(str(root / "dataset"), name, cache_dir=cache) for name in BENCH}
    assert {"Full": 5} == {split: len(own) for split, own in by_config["Full"].items()}
    assert {"Runtime_Efficiency": 2, "Security_Hardness": 3} == {
        split: len(own) for split, own in by_config["Stratified_Aspect"].items()
    }
    assert {"Cpp": 5} == {split: len(own) for split, own in by_config["Stratified_Language"].items()}
    for splits in by_config.values():
        for own in splits.values():
            both = concatenate_datasets([theirs, own])
            assert features == own.features == both.features
            assert COLUMNS == both.column_names


def test_consumers_see_every_row_and_every_prompt(tmp_path: Path) -> None:
    folder = RunFolder(bench(tmp_path / "run"))
    names = ["datasets", "openrlhf", "polars", "reward_bench", "trl"]
    found = check(folder.published, folder.manifest(), names, tmp_path / "scratch")

    assert [] == [fault for own in found for fault in own.faults]
    seen = {(own.consumer, own.config): (own.rows, own.prompts) for own in found}
    expected = {(name, config): (5, 5) for name in ("datasets", "polars") for config in BENCH}
    expected |= {("datasets", "lineage"): (6, None), ("polars", "lineage"): (6, None), ("reward_bench", "Full"): (5, 5)}
    assert expected == seen


def test_files_are_what_the_manifest_says(tmp_path: Path) -> None:
    root = bench(tmp_path)

    found, number = faults(root / "dataset", RunFolder(root).manifest())
    assert [] == found
    assert 2 * (1 + 5 + 8 + 1) + 3 == number


def test_a_version_is_compared_by_its_benchmark_rows(tmp_path: Path) -> None:
    changed = pa.concat_tables(
        [rows().slice(0, 1), made_rows(6, language="C++", source="PIE_PERF", chosen="z = 1\n").slice(1, 1),
         rows().slice(2)]
    )  # fmt: skip
    for configs in ((*BENCH, "lineage"), BENCH):
        place = tmp_path / str(len(configs))
        report = diff(bench(place / "one", configs=configs), bench(place / "other", changed, configs=configs))

        assert {"changed": 0, "relabelled": 1} == {
            kind: report["rows"][kind]["rows"] for kind in ("changed", "relabelled")
        }
        assert [] == report["not_compared"]
        assert diff(place / "one", place / "one")["is_equal"]


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    root = bench(tmp_path / "run")
    version = open_version(root / "dataset")
    [*paths] = [file["path"] for file in version.manifest["configs"]["lineage"]["files"]]
    found = pa.concat_tables([published_preferences(version, path) for path in paths]).sort_by("row_id")

    assert ["0000", "0001", "0002", "0003", "0004"] == found["row_id"].to_pylist()
    assert rows()["chosen"].to_pylist()[:5] == found["chosen"].to_pylist()
    assert {None} == set(found["system"].to_pylist())
    source = BuiltDataset(dataset=str(root / "dataset"), split="Full")
    assert 6 == sum(unit.size for unit in source.list_units(tmp_path).units)


def test_a_takedown_leaves_no_row_in_any_split(tmp_path: Path) -> None:
    root = bench(tmp_path / "run")
    take_down(root / "dataset", tmp_path / "out", opt_outs([("repo", "a/3"), ("repo", "a/4")]), created_at=CREATED_AT)

    version = open_version(tmp_path / "out")
    assert [3, 3, 3, 4] == [version.manifest["configs"][name]["rows"] for name in (*BENCH, "lineage")]
    found, _ = faults(tmp_path / "out" / "dataset", version.manifest)
    assert [] == found
    stratified = next(own for own in header(tmp_path / "out")["configs"] if own["config_name"] == "Stratified_Aspect")
    assert ["Security_Hardness"] == [own["split"] for own in stratified["data_files"]]

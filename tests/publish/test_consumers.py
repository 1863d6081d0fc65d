"""Consumers of a published folder: each sees every row and every prompt, and says so where it would not."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_versions import made_rows, run_folder

from themis_data.dataset import RunFolder
from themis_data.publish.consumers import Verdict, check, known_consumers

ALL = ["datasets", "openrlhf", "polars", "reward_bench", "trl"]


def verdicts(root: Path, tmp_path: Path, *names: str, **settings: Any) -> dict[tuple[str, str], Verdict]:
    folder = RunFolder(root)
    found = check(folder.published, folder.manifest(), names or ALL, tmp_path / "scratch", **settings)
    return {(verdict.consumer, verdict.config): verdict for verdict in found}


def faults(root: Path, tmp_path: Path, *names: str) -> set[tuple[str, str, str]]:
    return {(*key, fault) for key, own in verdicts(root, tmp_path, *names).items() for fault in own.faults}


def rewrite(root: Path, config: str, **columns: Any) -> None:
    """Give the first row of a configuration's first shard other values."""
    (path, *_) = sorted((root / "dataset" / config).glob("*.parquet"))
    table = pq.read_table(path)
    for name, value in columns.items():
        field = table.schema.field(name)
        values = [value, *table[name].to_pylist()[1:]]
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
    pq.write_table(table, path)


def test_all_consumers_are_found_by_name() -> None:
    assert tuple(ALL) == known_consumers()


def test_every_consumer_sees_all_of_a_good_data_set(tmp_path: Path) -> None:
    found = verdicts(run_folder(tmp_path / "run"), tmp_path)

    assert [] == [fault for own in found.values() for fault in own.faults]
    pairs = {("datasets", "default"), ("datasets", "trl"), ("polars", "default"), ("polars", "trl"), ("trl", "trl"),
             ("openrlhf", "trl"), ("reward_bench", "default")}  # fmt: skip
    assert {*pairs, ("datasets", "lineage"), ("polars", "lineage")} == set(found)
    assert {12} == {own.rows for own in found.values()} == {found[key].prompts for key in pairs}
    # One pair's sides are the same at 512 tokens, by the column that keep_lengths wrote.
    cut = {key: (own.cut, own.same_when_cut) for key, own in found.items() if own.cut is not None}
    assert {("trl", "trl"): (1024, 0), ("openrlhf", "trl"): (512, 1), ("reward_bench", "default"): (512, 1)} == cut


def test_pairs_that_a_configuration_left_out_are_not_missed(tmp_path: Path) -> None:
    root = run_folder(
        tmp_path / "run", pa.concat_tables([made_rows(3), made_rows(5, row_id="r", language="Rust")[3:4]])
    )
    found = verdicts(root, tmp_path, "polars", "reward_bench")

    assert [] == [fault for own in found.values() for fault in own.faults]
    assert (3, 4) == (found["reward_bench", "default"].rows, found["polars", "trl"].rows)


def test_without_same_at_nobody_says_how_many_are_the_same(tmp_path: Path) -> None:
    root = run_folder(tmp_path / "run", made_rows(same_at=None))

    assert verdicts(root, tmp_path, "trl")["trl", "trl"].same_when_cut is None


def test_a_tokenizer_counts_what_a_cut_makes_the_same(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[unk]": 0, "x": 1, "y": 2}, unk_token="[unk]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    # The answers differ only behind the 1,500th word: behind 512 and behind 1,024.
    rows = made_rows(3, chosen=f"{'x ' * 1_500}x .", rejected=f"{'x ' * 1_500}y .")
    found = verdicts(run_folder(tmp_path / "run", rows), tmp_path, "trl", "openrlhf", tokenizer=str(tmp_path))
    assert [3, 3] == [own.same_when_cut for own in found.values()]

    rows = made_rows(3, chosen=f"{'x ' * 700}x .", rejected=f"{'x ' * 700}y .")
    found = verdicts(
        run_folder(tmp_path / "2" / "run", rows), tmp_path / "2", "trl", "openrlhf", tokenizer=str(tmp_path)
    )
    assert {"trl": 0, "openrlhf": 3} == {name: own.same_when_cut for (name, _), own in found.items()}


def test_a_lost_shard_is_seen_by_all(tmp_path: Path) -> None:
    root = run_folder(tmp_path / "run")
    manifest = RunFolder(root).manifest()
    for name in ("default", "trl"):
        config: Any = manifest["configs"][name]  # type: ignore[index]
        (root / "dataset" / config["files"][0]["path"]).unlink()
    left = 12 - json.loads(json.dumps(manifest))["configs"]["trl"]["files"][0]["rows"]

    found = faults(root, tmp_path)
    assert set(ALL) == {name for name, _, _ in found}
    assert ("trl", "trl", f"sees {left} rows of 12") in found


def test_a_conversation_without_a_question_is_a_row_without_a_prompt(tmp_path: Path) -> None:
    root = run_folder(tmp_path / "run", made_rows(system="Judge.", system_kind="one"))
    rewrite(root, "trl", prompt=[{"role": "system", "content": "Judge."}])

    fault = "1 rows have no prompt"
    assert {(name, "trl", fault) for name in ("datasets", "openrlhf", "polars", "trl")} == faults(root, tmp_path)


def test_a_criterion_that_does_not_show_is_a_fault(tmp_path: Path) -> None:
    root = run_folder(tmp_path / "run", made_rows(system="Judge.", system_kind="one"))
    rewrite(root, "trl", prompt=[{"role": "user", "content": "Write it."}])

    assert {("trl", "trl", "the criterion shows in 11 rows of 12")} == faults(root, tmp_path, "trl")


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"input": ""}, "1 rows have no prompt"),
        ({"input": None}, "1 rows have no prompt"),
        ({"chosen": " "}, "1 rows have an empty answer"),
        ({"rejected": None}, "1 rows have an empty answer"),
        ({"chosen": "same", "rejected": "same"}, "1 rows have the same answer on both sides"),
        ({"aspect": None}, "the criterion shows in 11 rows of 12"),
    ],
)
def test_what_lacks_in_a_row_is_a_fault(tmp_path: Path, columns: dict[str, Any], fault: str) -> None:
    root = run_folder(tmp_path / "run")
    rewrite(root, "data", **columns)

    assert {(name, "default", fault) for name in ("polars", "reward_bench")} == faults(
        root, tmp_path, "polars", "reward_bench"
    )


def test_messages_that_are_no_messages_are_a_fault(tmp_path: Path) -> None:
    root = run_folder(tmp_path / "run")
    for path in (root / "dataset" / "trl").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.set_column(0, "prompt", pa.array(["Write it."] * len(table))), path)

    found = verdicts(root, tmp_path, "trl", "polars")
    assert "prompts are no lists of messages with `role` and `content`" in found["trl", "trl"].faults
    assert "prompts are no lists of messages with `role` and `content`" in found["polars", "trl"].faults


def test_features_that_are_not_declared_are_a_fault(tmp_path: Path) -> None:
    root = run_folder(tmp_path / "run")
    card = root / "dataset" / "README.md"
    card.write_text(card.read_text(encoding="utf-8").replace('"0": "JavaScript"', '"0": "Script"'), encoding="utf-8")

    assert ("datasets", "default", "features of ['language'] are not those that are declared") in faults(
        root, tmp_path, "datasets"
    )


def test_ours_concatenates_with_a_file_of_the_papers_layout(tmp_path: Path) -> None:
    """As `datasets` itself writes the documented features; no cast."""
    from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets, load_dataset

    languages = ["JavaScript", "Python", "Ruby", "C++", "C", "Go", "Java", "C#", "NL"]
    aspects = ["Readability and Maintainability", "Runtime Efficiency", "Security Hardness", "Functional Correctness",
               "Memory Efficiency", "Helpfulness", "Harmlessness"]  # fmt: skip
    text = Value("large_string")
    features = Features(
        system=text, input=text, chosen=text, rejected=text, language=ClassLabel(names=languages),
        aspect=ClassLabel(names=aspects), source=Value("string"), idx=Value("string"),
    )  # fmt: skip
    row = {"system": None, "input": "Add.", "chosen": "a + b", "rejected": "a - b", "language": "C#",
           "aspect": "Security Hardness", "source": "ProSec", "idx": "u-1"}  # fmt: skip
    (tmp_path / "paper" / "data").mkdir(parents=True)
    Dataset.from_list([row], features=features).to_parquet(str(tmp_path / "paper/data/train-00000-of-00001.parquet"))
    root = run_folder(tmp_path / "run")

    cache = str(tmp_path / "cache")
    theirs = load_dataset(str(tmp_path / "paper"), split="train", cache_dir=cache)
    ours = load_dataset(str(root / "dataset"), "default", split="train", cache_dir=cache)
    by_files = load_dataset("parquet", data_files=str(root / "dataset/data/*.parquet"), split="train", cache_dir=cache)
    for own in (ours, by_files):
        both = concatenate_datasets([theirs, own])
        assert features == theirs.features == own.features == both.features
        assert list(features) == both.column_names
        assert 13 == len(both)
        assert ("C#", "Python") == tuple(both.features["language"].int2str(both["language"][n]) for n in (0, 1))
        assert "Runtime Efficiency" == both.features["aspect"].int2str(both[12]["aspect"])

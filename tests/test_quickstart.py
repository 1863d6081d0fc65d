"""The quickstart from end to end, on a made repository: built by command, and loaded as consumers load it."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from builds import ENVIRONMENT, ROOT, made_repository, published, themis

FEATURES = ("system", "input", "chosen", "rejected", "language", "aspect", "source", "idx")
LANGUAGES = ["JavaScript", "Python", "Ruby", "C++", "C", "Go", "Java", "C#", "NL"]
ASPECTS = [
    "Readability and Maintainability",
    "Runtime Efficiency",
    "Security Hardness",
    "Functional Correctness",
    "Memory Efficiency",
    "Helpfulness",
    "Harmlessness",
]


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """A run folder of the shipped pipeline, over a made repository and a sample of the tasks."""
    folder = tmp_path_factory.mktemp("quickstart")
    repository = made_repository(folder / "repository", num_commits=40)
    done = themis(
        "build",
        "quickstart",
        "--set",
        f"git.repos=['{repository}']",
        "--set",
        "human_eval.unit_tasks=8",
        "--limit",
        "1",
        "--engine",
        "inline",
        "--out",
        str(folder / "out"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def hub_cache(tmp_path_factory):
    """A cache of its own for `datasets`, and no network: it would ask the Hub for what is a local folder."""
    return ENVIRONMENT | {
        "HF_HOME": str(tmp_path_factory.mktemp("hub")),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def run(code: str, hub_cache: dict[str, str], cwd: Path) -> str:
    """What a script prints in a process of its own: `datasets` is a heavy guest."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=hub_cache, cwd=cwd, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_branches_gave_rows(quickstart):
    sources = pl.scan_parquet(quickstart / "dataset" / "lineage" / "*.parquet").select("source").unique().collect()

    assert {"Commit-Preference", "Mutated-HumanEval"} == set(sources["source"])


def test_verify_finds_no_fault(quickstart):
    done = themis("verify", str(quickstart), cwd=quickstart)

    assert (0, "") == (done.returncode, done.stderr)


def test_a_second_build_skips_everything(quickstart):
    before = published(quickstart)
    repository = quickstart.parent / "repository"
    done = themis(
        "build",
        "quickstart",
        "--set",
        f"git.repos=['{repository}']",
        "--set",
        "human_eval.unit_tasks=8",
        "--limit",
        "1",
        "--engine",
        "inline",
        "--out",
        str(quickstart),
        "--json",
        cwd=quickstart,
    )

    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        k: v
        for k, v in json.loads((quickstart / "dataset" / "manifest.json").read_text()).items()
        if k != "record_checksum"
    }
    assert before == published(quickstart)


def test_datasets_loads_the_papers_features_exactly(quickstart, hub_cache):
    code = f"""
import json
from datasets import load_dataset
rows = load_dataset({str(quickstart / "dataset")!r}, "default", split="train")
print(json.dumps([rows.features.to_dict(), len(rows), rows[0]]))
"""
    features, number, first = json.loads(run(code, hub_cache, quickstart))

    assert {
        **{name: {"dtype": "large_string", "_type": "Value"} for name in ("system", "input", "chosen", "rejected")},
        "language": {"names": LANGUAGES, "_type": "ClassLabel"},
        "aspect": {"names": ASPECTS, "_type": "ClassLabel"},
        "source": {"dtype": "string", "_type": "Value"},
        "idx": {"dtype": "string", "_type": "Value"},
    } == features
    assert FEATURES == tuple(first)
    assert number == json.loads((quickstart / "dataset" / "manifest.json").read_text())["configs"]["default"]["rows"]


def test_datasets_finds_the_same_features_in_the_files_alone(quickstart, hub_cache):
    """Without the card, from what the Parquet files themselves say."""
    code = f"""
from datasets import load_dataset
rows = load_dataset("parquet", data_files={str(quickstart / "dataset" / "data" / "train-*.parquet")!r}, split="train")
print(rows.features["aspect"].int2str(0), rows.features["language"].int2str(7), *rows.column_names)
"""
    assert f"Readability and Maintainability C# {' '.join(FEATURES)}\n" == run(code, hub_cache, quickstart)


def test_datasets_loads_the_other_configurations(quickstart, hub_cache):
    code = f"""
import json
from datasets import load_dataset
trl, lineage = (load_dataset({str(quickstart / "dataset")!r}, name, split="train") for name in ("trl", "lineage"))
roles = [message["role"] for message in (*trl[0]["prompt"], *trl[0]["chosen"])]
print(json.dumps([trl.column_names, roles, sorted(trl["id"]) == sorted(lineage["id"])]))
"""
    columns, roles, has_same_ids = json.loads(run(code, hub_cache, quickstart))

    assert ["prompt", "chosen", "rejected", "id"] == columns
    assert ["system", "user", "assistant"] == roles
    assert has_same_ids


def test_the_cards_code_runs_as_printed(quickstart, hub_cache):
    card = (quickstart / "dataset" / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)

    printed = run(code.replace("PATH_OR_ID", str(quickstart / "dataset")), hub_cache, quickstart)
    assert printed.rstrip().endswith(tuple(ASPECTS))


def test_polars_scans_all_files(quickstart):
    counted = pl.scan_parquet(quickstart / "dataset" / "trl" / "*.parquet").select(pl.len()).collect().item()

    assert counted == json.loads((quickstart / "dataset" / "manifest.json").read_text())["rows"]


def test_benchmark_material_is_marked_in_the_rows_and_on_the_card(quickstart):
    lineage = pl.scan_parquet(quickstart / "dataset" / "lineage" / "*.parquet")
    demo = lineage.filter(pl.col("source") == "Mutated-HumanEval").select("demo_only").collect()["demo_only"]

    assert demo.all()
    assert "for demonstration only" in (quickstart / "dataset" / "README.md").read_text(encoding="utf-8")


def test_no_two_pairs_are_the_same(quickstart):
    rows = pq.read_table(quickstart / "dataset" / "data")

    assert len(rows) == len(set(zip(rows["chosen"].to_pylist(), rows["rejected"].to_pylist(), strict=True)))


def test_a_plan_after_the_build_has_nothing_to_do(quickstart):
    repository = quickstart.parent / "repository"
    done = themis(
        "plan", "quickstart", "--set", f"git.repos=['{repository}']", "--out", str(quickstart), "--json", cwd=quickstart
    )

    assert {"unchanged"} == {segment["state"] for segment in json.loads(done.stdout)["segments"]}


def test_the_wheel_plans_the_quickstart_in_an_empty_folder(tmp_path):
    """Built without isolation and put beside the installed dependencies, away from the checkout."""
    wheel_folder, environment, empty = tmp_path / "wheel", tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--wheel-dir",
            str(wheel_folder),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
    )
    venv.create(environment, with_pip=False)
    [site] = environment.glob("lib/python*/site-packages")
    [wheel] = wheel_folder.glob("*.whl")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--target",
            str(site),
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    # The dependencies of the environment that runs the tests, behind the wheel and without its editable checkout.
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    code = f"import sys; sys.path += {dependencies!r}; from themis_data.cli import main; main()"
    done = subprocess.run(
        [environment / "bin" / "python", "-c", code, "plan", "quickstart", "--json"],
        cwd=empty,
        env=clean,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file"].startswith(str(site))
    assert [] == list(empty.iterdir())

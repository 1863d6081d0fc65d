"""What `themis doctor --sources` says of upstream data sets: on folders in place of repositories, and on no network."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from builds import ENVIRONMENT
from typer.testing import CliRunner
from upstream_files import write_examples, write_rows
from upstream_rows import write_mapped

from themis_data.cli import app
from themis_data.upstream import doctor, recipe
from themis_data.upstream.doctor import check_sources

SHA = "0123456789abcdef0123456789abcdef01234567"


def on_disk(monkeypatch, name, folder, **changed):
    """The recipe over a folder in place of its repository, at a revision that it pins."""
    read = replace(recipe(name), hub=str(folder), **{"revision": SHA, **changed})
    monkeypatch.setattr(doctor, "recipe", lambda _: read)
    [checked] = check_sources([name])
    return checked.status, checked.detail


def test_what_is_as_the_recipe_says_is_ok(tmp_path, monkeypatch):
    write_mapped("truthy_dpo", tmp_path)

    assert ("ok", f"{tmp_path} at {SHA}") == on_disk(monkeypatch, "truthy_dpo", tmp_path)


def test_a_renamed_column_is_a_changed_schema_on_one_line(tmp_path, monkeypatch):
    write_rows(
        tmp_path / "truthy-dpo.parquet", [{"id": "a", "persona": "", "prompt": "", "chosen": "", "rejected": ""}]
    )
    status, detail = on_disk(monkeypatch, "truthy_dpo", tmp_path)

    assert "changed schema" == status
    assert "'system' lacks" in detail
    assert "\n" not in detail


def test_a_setting_that_nobody_knows_is_a_gap_in_the_recipes_words(tmp_path, monkeypatch):
    write_mapped("code_scaler", tmp_path)
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: [{split: train, path: data/*}]\n---\n", encoding="utf-8"
    )
    status, detail = on_disk(monkeypatch, "code_scaler", tmp_path)

    assert "gap" == status
    assert detail.endswith(recipe("code_scaler").gaps["settings.rejected_rate"])


def test_files_that_nobody_knows_are_a_gap(tmp_path, monkeypatch):
    status, detail = on_disk(monkeypatch, "stack_exchange", tmp_path)

    assert "gap" == status
    assert "technical sites" in detail


def test_a_folder_without_the_files_is_unreachable(tmp_path, monkeypatch):
    assert "unreachable" == on_disk(monkeypatch, "truthy_dpo", tmp_path)[0]


def test_what_is_not_on_the_hub_is_a_gap_that_says_where_it_is(tmp_path):
    [checked] = check_sources(["sec_bench"])

    assert ("gap", "not on the Hub: its files are at https://github.com/TQRG/secbench") == (
        checked.status,
        checked.detail,
    )


def test_a_benchmark_is_checked_too(tmp_path, monkeypatch):
    write_examples("live_code_bench", tmp_path)

    assert "ok" == on_disk(monkeypatch, "live_code_bench", tmp_path)[0]


def test_without_a_network_each_is_unreachable_and_the_command_ends_well():
    """Port 9 of this machine, where nothing listens."""
    environment = {
        **ENVIRONMENT,
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "0",
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "themis_data.cli", "doctor", "--sources", "truthy_dpo", "inverse_coder"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    first, second, last = done.stdout.splitlines()
    assert first.startswith("unreachable    truthy_dpo: ")
    assert second.startswith("gap            inverse_coder: The paper does not say which it took")
    assert "1 gap, 1 unreachable" == last
    assert 0 == done.returncode


@pytest.mark.parametrize(("arguments", "code"), [(["doctor"], 2), (["doctor", "--sources", "none_such"], 1)])
def test_wrong_usage_and_unknown_names_end_badly(arguments, code):
    done = CliRunner().invoke(app, arguments)

    assert code == done.exit_code

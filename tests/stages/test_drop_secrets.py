"""Rows with secrets go, people's addresses are masked, on both sides alike; both are settings."""

from pathlib import Path
from typing import Any

import pytest
from builds import changes, pairs, run_stage
from rows import dropped

from themis_data.pipeline import load_pipeline
from themis_data.stages.drop_secrets import DropSecrets

TOKEN = "ghp_" + "aB3xY9" * 6
ADDRESS = "jane.roe@web-mail.org"


@pytest.mark.parametrize("column", ["message", "old_contents", "new_contents"])
def test_a_secret_in_any_text_of_a_change_drops_it(tmp_path: Path, column: str) -> None:
    rows = changes({column: f"x = 3\ny = '{TOKEN}'\n"}, {})

    assert {"0": ("secret", f"github_token, line 2, 40 characters of {column}")} == dropped(
        tmp_path, DropSecrets(), rows
    )


@pytest.mark.parametrize("column", ["prompt", "chosen", "rejected", "label_detail"])
def test_a_secret_in_any_text_of_a_pair_drops_it(tmp_path: Path, column: str) -> None:
    rows = pairs({column: f"x = '{TOKEN}'\n", "prompt_by": "rules"}, {})

    assert {"0": ("secret", f"github_token, line 1, 40 characters of {column}")} == dropped(
        tmp_path, DropSecrets(on="pair"), rows
    )


def test_addresses_are_masked_on_both_sides_alike_and_the_row_keeps_its_id(tmp_path: Path) -> None:
    rows = changes({"old_contents": f"# {ADDRESS}\nx = 1\n", "new_contents": f"# {ADDRESS}\nx = 2\n"}, {})
    written, gone = run_stage(tmp_path, DropSecrets(), rows)

    assert [] == gone
    assert ["# REDACTED_EMAIL\nx = 1\n", "x = 1\n"] == written["old_contents"].to_pylist()
    assert ["# REDACTED_EMAIL\nx = 2\n", "x = 2\n"] == written["new_contents"].to_pylist()
    assert ["0", "1"] == written["row_id"].to_pylist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("secret", False)),
        ({"secrets": "mask"}, (None, False)),
        ({"secrets": "keep"}, (None, False)),
        ({"secrets": "keep", "personal_data": "keep"}, (None, True)),
        ({"secrets": "keep", "personal_data": "drop"}, ("personal_data", False)),
    ],
)
def test_what_happens_to_either_is_a_setting(
    tmp_path: Path, settings: dict[str, Any], expected: tuple[str | None, bool]
) -> None:
    text = f"# {ADDRESS}\nx = '{TOKEN}'\n"
    written, gone = run_stage(tmp_path, DropSecrets(**settings), changes({"new_contents": text}))
    left = "".join(written["new_contents"].to_pylist())

    assert expected == (gone[0][1] if gone else None, ADDRESS in left)
    assert (TOKEN in left) == (settings.get("secrets") == "keep" and not gone)


def test_a_change_of_nothing_but_an_address_is_none_when_masked(tmp_path: Path) -> None:
    rows = changes({"old_contents": "# joe.roe@web-mail.org\n", "new_contents": f"# {ADDRESS}\n"})

    assert {"0": ("same_when_masked", None)} == dropped(tmp_path, DropSecrets(), rows)


def test_the_chain_of_a_pipeline_follows_what_the_stage_is_on(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "branches:\n  tasks:\n    source: {use: human_eval_tasks}\n"
        "    generate: [{use: inject_bugs}, {use: drop_secrets, on: pair}]\n"
        "merge: {assemble: [{use: mix, allow_demo: true}, {use: assign_system_prompts}]}\n",
        encoding="utf-8",
    )

    assert "pair" == load_pipeline(str(path)).branches[0].steps[-1].config.writes
    with pytest.raises(ValueError, match="it reads 'change', but step 'inject_bugs' gives 'pair'"):
        load_pipeline(str(path), ["drop_secrets.on=change"])

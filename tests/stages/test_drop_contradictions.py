"""Edits that another commit undoes go, both of them; the same edit made twice is no contradiction."""

from pathlib import Path

import pytest
from builds import changes, commits
from rows import dropped

from themis_data.stages.drop_contradictions import DropContradictions
from themis_data.text.edits import edit_key

A, B, C = ("a" * 40, "b" * 40, "c" * 40)
FIRST, SECOND, THIRD = ("1" * 40, "2" * 40, "3" * 40)


def edit(commit: str, old: str, new: str) -> dict[str, str]:
    return {"commit": commit, "old_blob": old, "new_blob": new}


def test_both_of_two_changes_that_undo_each_other_are_dropped(tmp_path: Path) -> None:
    rows = changes(edit(FIRST, A, B), edit(SECOND, B, A), edit(THIRD, B, C))

    assert {
        "0": ("contradicted", f"undone by {SECOND}"),
        "1": ("contradicted", f"undone by {FIRST}"),
    } == dropped(tmp_path, DropContradictions(), rows, commits())


def test_all_changes_of_an_edit_that_was_undone_are_dropped(tmp_path: Path) -> None:
    shards = [
        changes(edit(FIRST, A, B)),
        changes({"row_id": "1"} | edit(SECOND, B, A), {"row_id": "2"} | edit(THIRD, A, B)),
    ]

    assert {
        "0": ("contradicted", f"undone by {SECOND}"),
        "1": ("contradicted", f"undone by {FIRST}"),
        "2": ("contradicted", f"undone by {SECOND}"),
    } == dropped(tmp_path, DropContradictions(), shards, commits())


@pytest.mark.parametrize("why", ["many_paths", "too_large"])
def test_a_change_that_a_commit_without_changes_undoes_is_dropped(tmp_path: Path, why: str) -> None:
    side = commits({"commit": SECOND, "edit_keys": [edit_key(C, A), edit_key(B, A)], "not_emitted": why})

    assert {"0": ("contradicted", f"undone by {SECOND}")} == dropped(
        tmp_path, DropContradictions(), changes(edit(FIRST, A, B)), side
    )


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([(A, B), (A, B)], id="the same edit twice"),
        pytest.param([(A, B), (B, C)], id="one after the other"),
        pytest.param([(A, B), (B, C), (C, A)], id="back in two steps"),
        pytest.param([(A, B), (C, B)], id="to one end"),
    ],
)
def test_edits_that_do_not_undo_each_other_are_kept(tmp_path: Path, edits: list[tuple[str, str]]) -> None:
    rows = changes(*(edit(commit, *blobs) for commit, blobs in zip((FIRST, SECOND, THIRD), edits, strict=False)))

    assert {} == dropped(tmp_path, DropContradictions(), rows, commits())


def test_a_commit_does_not_contradict_the_change_it_gave(tmp_path: Path) -> None:
    side = commits({"commit": FIRST, "edit_keys": [edit_key(A, B)]}, {"commit": SECOND, "edit_keys": [edit_key(A, B)]})

    assert {} == dropped(tmp_path, DropContradictions(), changes(edit(FIRST, A, B), edit(SECOND, A, B)), side)

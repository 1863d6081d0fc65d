"""Changes that history took back go, whoever took them back, and nothing that only mentions a commit."""

from pathlib import Path

import pytest
from builds import changes, commits
from rows import dropped

from themis_data.stages.drop_reverts import DropReverts

FAST = "1234567890abcdef1234567890abcdef12345678"
OTHER = "1234567fffffffffffffffffffffffffffffffff"  # begins with the same seven digits
LATER = "abcdefabcdefabcdefabcdefabcdefabcdefabcd"


@pytest.mark.parametrize(
    "message",
    [
        'Revert "Make lookup faster"',
        "Reverted the cache of lookup",
        "revert: make lookup faster",
        f"Take the cache out again\n\nThis reverts commit {FAST}.",
        "Take the cache out again\n\nReverts 1234567, which broke the build.",
    ],
)
def test_a_commit_that_says_it_reverts_is_dropped(tmp_path: Path, message: str) -> None:
    rows = changes({"commit": LATER, "message": message}, {"commit": OTHER})

    assert {"0": ("is_revert", None)} == dropped(tmp_path, DropReverts(), rows, commits())


@pytest.mark.parametrize(
    "message",
    [
        f"Make lookup faster\n\nGoes on with the work of commit {FAST}.",
        f"Fix the crash that came with {FAST}",
        "Fix the button that reverts a page",
        "Prevent reverts of 1234567 pages at once",
    ],
)
def test_a_commit_that_only_mentions_another_is_kept(tmp_path: Path, message: str) -> None:
    rows = changes({"commit": LATER, "message": message}, {"commit": FAST})

    assert {} == dropped(tmp_path, DropReverts(), rows, commits())


@pytest.mark.parametrize("mention", [FAST, FAST[:8], FAST[:12]])
def test_a_change_that_a_later_commit_reverts_is_dropped(tmp_path: Path, mention: str) -> None:
    rows = changes({"commit": FAST}, {"commit": OTHER}, {"commit": LATER, "message": "Take it out again"})
    side = commits({"commit": LATER, "reverts": [mention]})

    assert {"0": ("reverted", f"by {LATER}")} == dropped(tmp_path, DropReverts(), rows, side)


def test_an_abbreviation_that_fits_two_changes_drops_both(tmp_path: Path) -> None:
    side = commits({"commit": LATER, "reverts": [FAST[:7]]})

    assert {"0": ("reverted", f"by {LATER}"), "1": ("reverted", f"by {LATER}")} == dropped(
        tmp_path, DropReverts(), changes({"commit": FAST}, {"commit": OTHER}), side
    )


@pytest.mark.parametrize("why", ["merge", "many_paths", "deleted"])
def test_a_revert_counts_though_it_gave_no_change(tmp_path: Path, why: str) -> None:
    side = commits({"commit": LATER, "reverts": [FAST], "not_emitted": why}, {"commit": OTHER})

    assert {"0": ("reverted", f"by {LATER}")} == dropped(
        tmp_path, DropReverts(), changes({"commit": FAST}, {"commit": OTHER}), side
    )


def test_a_revert_in_another_shard_counts(tmp_path: Path) -> None:
    shards = [changes({"row_id": "late", "commit": LATER}), changes({"row_id": "fast", "commit": FAST})]
    side = commits({"commit": LATER, "reverts": [FAST]})

    assert {"fast": ("reverted", f"by {LATER}")} == dropped(tmp_path, DropReverts(), shards, side)


def test_of_several_reverts_the_first_by_id_is_named(tmp_path: Path) -> None:
    side = commits(
        {"commit": "d" * 40, "reverts": [FAST]}, {"commit": "b" * 40, "reverts": [FAST]}, {"commit": "c" * 40}
    )

    assert {"0": ("reverted", f"by {'b' * 40}")} == dropped(tmp_path, DropReverts(), changes({"commit": FAST}), side)


def test_a_revert_that_was_itself_reverted_is_a_revert(tmp_path: Path) -> None:
    again = "b" * 40
    rows = changes({"commit": FAST}, {"commit": LATER, "message": 'Revert "Make it faster"'}, {"commit": again})
    side = commits({"commit": LATER, "reverts": [FAST]}, {"commit": again, "reverts": [LATER]})

    assert {"0": ("reverted", f"by {LATER}"), "1": ("is_revert", None)} == dropped(tmp_path, DropReverts(), rows, side)


def test_no_commit_reverts_itself(tmp_path: Path) -> None:
    side = commits({"commit": FAST, "reverts": [FAST[:7]]})

    assert {} == dropped(tmp_path, DropReverts(), changes({"commit": FAST}), side)

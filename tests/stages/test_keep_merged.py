"""Which changes were merged, and what says so."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import changes, run_stage

from themis_data.fingerprint import step_fingerprint
from themis_data.stages.keep_merged import STAGE as KeepMerged

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40
PLAIN, SQUASHED = "Make it faster", "Make it faster (#12)\n\nIt was slow."


def table(folder, *commits: str) -> tuple[str, ...]:
    path = folder / f"{'-'.join(c[0] for c in commits)}.parquet"
    pq.write_table(pa.table({"commit": list(commits)}), path)
    return (str(path),)


def merged_by(folder, stage, rows) -> dict[str, str]:
    kept, _ = run_stage(folder / "run", stage, rows)
    return dict(zip(kept["row_id"].to_pylist(), kept["merged_by"].to_pylist(), strict=True))


def test_the_strongest_evidence_is_written(tmp_path):
    rows = changes(
        {"message": SQUASHED, "merged_by": "merge_commit", "commit": ONE},
        {"message": SQUASHED, "merged_by": "merge_commit", "commit": TWO},
        {"message": SQUASHED, "merged_by": "default_branch", "commit": THREE},
        {"message": PLAIN, "merged_by": "default_branch"},
        {"message": SQUASHED, "merged_by": None},
    )

    assert {
        "0": "pull_request_table",
        "1": "merge_commit",
        "2": "squash_mark",
        "3": "default_branch",
        "4": "squash_mark",
    } == merged_by(tmp_path, KeepMerged(pull_requests=table(tmp_path, ONE)), rows)


def test_a_change_without_evidence_is_dropped(tmp_path):
    _, drops = run_stage(tmp_path, KeepMerged(), changes({"message": PLAIN}))

    assert [("0", "not_merged", None)] == drops


def test_only_evidence_that_counts_is_looked_at(tmp_path):
    rows = changes({"message": SQUASHED, "merged_by": "merge_commit"}, {"message": PLAIN, "merged_by": "merge_commit"})

    assert {"0": "default_branch", "1": "default_branch"} == merged_by(
        tmp_path / "a", KeepMerged(evidence=("default_branch",)), rows
    )
    assert {"0": "squash_mark"} == merged_by(
        tmp_path / "b", KeepMerged(evidence=("squash_mark", "pull_request_table")), rows
    )


@pytest.mark.parametrize(
    ("message", "is_marked"),
    [
        ("Fix it (#1234)", True),
        ("Fix it (GH-12)  \n\nBody", True),
        ("Fix it (!77)", True),
        ("Fix it\n\nPR-URL: https://example.org/pull/1", True),
        ("Fix it\n\nPull Request resolved: https://example.org/pull/1", True),
        ("Fix it\n\nCloses #12 from someone/branch.", True),
        ("Fix it\n\nDifferential Revision: D12", True),
        ("Fix it (#12) again", False),
        ("Fix #12", False),
        ("Fix it\n\nCloses #12", False),
        ("Fix it\n\nsee (#12)", False),
    ],
)
def test_marks_of_pull_requests(tmp_path, message, is_marked):
    assert is_marked == bool(merged_by(tmp_path, KeepMerged(), changes({"message": message})))


def test_the_fingerprint_knows_the_tables(tmp_path):
    prints = [
        step_fingerprint(KeepMerged(pull_requests=given)) for given in (table(tmp_path, ONE), table(tmp_path, TWO), ())
    ]

    assert 3 == len(set(prints))

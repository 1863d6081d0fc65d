"""A commit that says what it improves, and shows it, becomes one pair; every other one goes with a reason."""

from pathlib import Path

import pyarrow as pa
from builds import changes, run_stage

from themis_data.fingerprint import pair_id
from themis_data.stages.classify_commits import ClassifyCommits

SHORT = (
    "def total(items):\n    found = 0\n    for i in range(len(items) - 1):\n"
    "        found += items[i]\n    return found\n"
)
WHOLE = SHORT.replace("len(items) - 1", "len(items)")
SLOW = (
    "def known(words, names):\n    found = []\n    for word in words:\n        if word in names:\n"
    "            found.append(word)\n    return found\n"
)
FAST = SLOW.replace("    found = []\n", "    names = set(names)\n    found = []\n")
FIX = {"message": "Fix off-by-one error in the sum of items", "old_contents": SHORT, "new_contents": WHOLE}
SPEED = {"message": "Make known faster: look names up in a set", "old_contents": SLOW, "new_contents": FAST}


def test_a_fix_becomes_a_pair_that_leads_back_to_its_commit(tmp_path: Path) -> None:
    rows = changes(FIX | {"repository": "example.org/a/b", "repos": "example.org/a/b,example.org/c/b"})
    written, dropped = run_stage(tmp_path, ClassifyCommits(), rows)

    assert [] == dropped
    (pair,), (change,) = written.to_pylist(), rows.to_pylist()
    assert {
        "row_id": pair_id(["0"], "functional_correctness", WHOLE, SHORT),
        "parent_ids": ["0"],
        "source": "Commit-Preference",
        "criterion": "functional_correctness",
        "also_matches": [],
        "prompt": None,
        "prompt_by": None,
        "chosen": WHOLE,
        "rejected": SHORT,
        "evidence": "message",
        "strength_unit": "term_score",
        "changed_share": 0.2,  # one of five lines
        "same_at": None,
        "criterion_conflict": None,
        "written_by": None,
        "judgements": None,
        "group": "example.org/a/b",
        "demo_only": False,
    } == {name: pair[name] for name in pair if name not in change and name not in ("strength", "label_detail")} | {
        "row_id": pair["row_id"]
    }
    same = (
        "language",
        "license",
        "license_class",
        "repos",
        "commit",
        "message",
        "path",
        "old_blob",
        "new_blob",
        "committed_at",
        "form",
    )
    assert {name: change[name] for name in same} == {name: pair[name] for name in same}


def ids_of(rows: pa.Table) -> list[str]:
    stage = ClassifyCommits()
    ids: list[str] = stage.to_pairs(stage.label(rows))["row_id"].to_pylist()
    return ids


def test_the_label_says_what_it_rests_on() -> None:
    stage = ClassifyCommits()
    written = stage.to_pairs(stage.label(changes(FIX)))

    (detail,), (strength,) = written["label_detail"].to_pylist(), written["strength"].to_pylist()
    assert "off-by-one" in detail.partition("; diff: ")[0]
    assert "" != detail.partition("; diff: ")[2]
    assert strength > 0


def test_rows_are_kept_as_one_pair_or_dropped_with_a_reason(tmp_path: Path) -> None:
    rows = changes(
        FIX,
        SPEED,
        FIX | {"message": "Add a colour to the palette"},
        FIX | {"message": "Fix off-by-one error in the sum of items", "language": None},
    )

    written, dropped = run_stage(tmp_path, ClassifyCommits(), rows)

    assert [(["0"], "functional_correctness"), (["1"], "runtime_efficiency")] == sorted(
        zip(written["parent_ids"].to_pylist(), written["criterion"].to_pylist(), strict=True)
    )
    assert [("2", "no_criterion"), ("3", "unknown_language")] == [(row_id, reason) for row_id, reason, _ in dropped]


def test_a_commit_with_two_aims_gives_no_pair() -> None:
    stage = ClassifyCommits()
    rows = stage.label(changes(SPEED | {"message": "Make known faster and fix off-by-one error"}))

    assert ["multi_intent"] == [reason.partition(":")[0] for reason in stage.drop_reason(rows).to_pylist()]


def test_a_change_with_another_id_or_another_side_gives_another_pair() -> None:
    longer = "\n\nx = 1\n"
    rows = changes(
        FIX,
        FIX | {"old_contents": SHORT + longer},
        FIX | {"new_contents": WHOLE + longer},
        FIX | {"row_id": "0", "new_contents": WHOLE + longer},
        FIX | {"row_id": "0"},
    )

    ids = ids_of(rows)
    assert ids[0] == ids[4]
    assert 4 == len(set(ids))

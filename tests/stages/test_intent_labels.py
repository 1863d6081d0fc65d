"""The labels of commits that were read name commits and hold no text of anybody."""

import csv
from collections import Counter
from pathlib import Path

LABELS = list(csv.DictReader((Path(__file__).parent / "intent_labels.csv").read_text(encoding="utf-8").splitlines()))


def test_200_commits_have_a_label_each_and_those_that_are_not_single_say_why() -> None:
    assert 200 == len(LABELS) == len({(row["commit"], row["path"]) for row in LABELS})
    assert {"single": 180, "several": 16, "program": 4} == Counter(row["label"] for row in LABELS)
    assert [] == [row for row in LABELS if row["label"] != "single" and not row["note"]]
    assert {40} == {len(row["commit"]) for row in LABELS}


def test_every_repository_has_five_of_them_and_one_has_ten() -> None:
    assert [5] * 38 + [10] == sorted(Counter(row["repository"] for row in LABELS).values())

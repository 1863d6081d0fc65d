"""The labels of commits that were read name commits, criteria and weights, and hold no text of anybody."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from themis_data.criteria.classifiers import labelled_criteria

ROWS = list(csv.DictReader((Path(__file__).parent / "commit_labels.csv").read_text().splitlines()))
NAMES = {*labelled_criteria(), "none"}


def test_each_of_400_commits_has_one_label_and_perhaps_another_that_a_reader_could_take() -> None:
    assert 400 == len(ROWS) == len({(row["commit"], row["path"]) for row in ROWS})
    assert set() == {row["label"] for row in ROWS} - NAMES
    assert set() == {row["second"] for row in ROWS} - NAMES - {""}
    assert [] == [row for row in ROWS if row["label"] == row["second"]]
    assert [] == [row for row in ROWS if len(row["commit"]) != 40]


def test_those_of_a_stratum_stand_for_equally_many() -> None:
    strata = Counter(row["stratum"] for row in ROWS)
    weights = {stratum: {row["weight"] for row in ROWS if row["stratum"] == stratum} for stratum in strata}
    assert [] == [stratum for stratum, found in weights.items() if len(found) != 1]
    assert 8401 == pytest.approx(sum(float(row["weight"]) for row in ROWS), abs=1)


def test_every_criterion_has_commits() -> None:
    assert set(NAMES) == {row["label"] for row in ROWS}

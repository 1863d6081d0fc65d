"""Classifiers learn from what the terms label, and find it in other words."""

from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from builds import changes

from themis_data.criteria.classifiers import labelled_criteria, open_classifier
from themis_data.criteria.classifiers._examples import Example, example
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.criteria.classifiers.tfidf import Tfidf
from themis_data.criteria.training import train_classifiers
from themis_data.errors import SourceError
from themis_data.text.changes import line_changes

pytest.importorskip("sklearn", reason="training needs scikit-learn (extra `classify`)")

FC, ME = "functional_correctness", "memory_efficiency"
OBJECTS = ("parser", "printer", "reader", "writer", "cache", "router", "queue", "socket")
FIX = {"old_contents": "x = f(1)\n", "new_contents": "x = f(1) if f else None\n"}
LEAK = {"old_contents": "x = open(1)\nuse(x)\n", "new_contents": "x = open(1)\nuse(x)\nx.close()\ndel x\n"}
PAGE = {"old_contents": "x = f(1)\n", "new_contents": "x = f(1)\ny = g(2)\n"}


def pool(folder: Path, *, per_file: int = 10_000) -> list[Path]:
    """Commits of nine repositories: crashes when something is empty, leaks of something unclosed, and pages."""
    rows = [
        row | {"repository": f"example.org/a/r{repository}", "path": f"{thing}.py"}
        for repository, thing in product(range(9), OBJECTS)
        for row in (
            {"message": f"Fix crash of the {thing} when the input is empty"} | FIX,
            {"message": f"Fix memory leak: {thing} left open after use"} | LEAK,
            {"message": f"Show a page with the {thing}"} | PAGE,
            {"message": f"Let users choose a {thing}"} | PAGE,
        )
    ]
    rows.append(
        {"message": "Return nothing when the input is empty", "repository": "example.org/a/r0", "path": "other.py"}
        | FIX
    )
    table = changes(*rows)
    files = []
    for start in range(0, len(table), per_file):
        files.append(folder / f"{start:05}.parquet")
        pq.write_table(table.slice(start, per_file), files[-1])
    return files


SETTINGS = TrainSettings(min_support=5)


def probabilities(path: Path, message: str) -> dict[str, float]:
    (found,) = open_classifier(str(path)).probabilities(
        [message], ["Python"], [lambda: line_changes("x = f(1)\n", "y = f(2)\n")]
    )
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("trained")
    out = folder / "c.npz"
    return out, train_classifiers(pool(folder), out, changed_lines=line_changes, settings=SETTINGS)


def test_a_message_in_other_words_gets_the_criterion_and_one_about_something_else_does_not(trained) -> None:
    out, _ = trained
    like, unlike = (probabilities(out, message) for message in ("Return when the input is empty", "Show a page"))
    assert like[FC] > 0.5 > like[ME]
    assert unlike[FC] < 0.5


def test_terms_themselves_say_nothing(trained) -> None:
    out, _ = trained
    assert probabilities(out, "Fix crash") == probabilities(out, "")


def test_the_report_counts_seeds_by_part_and_what_would_be_kept(trained) -> None:
    out, report = trained
    assert {"seed": 144, "negative": 0, "unlabelled": 145, "left_out": 0} == report["commits"]
    assert {"train": 5, "calibration": 2, "held_out": 2} == {
        part: len(names) for part, names in report["repositories"].items()
    }
    found = report["criteria"][FC]
    assert {"train": 40, "calibration": 16, "held_out": 16} == found["seeds"]
    assert {"right": 16, "of": 16} == {name: found["held_out"]["recall"][name] for name in ("right", "of")}
    assert {"right": 16, "of": 16} == {name: found["held_out"]["among_seeds"][name] for name in ("right", "of")}
    assert {"sure": 1, "shown": 1} == found["kept"]
    assert {"from_other_seeds": 1.0, "from_unlabelled": 1.0} == found["told_apart"]
    assert report["criteria"] == open_classifier(str(out)).report["criteria"]


def test_a_criterion_without_seeds_is_never_given(trained) -> None:
    out, report = trained
    assert report["criteria"]["security_hardness"]["threshold"] is None
    assert 0.0 == probabilities(out, "Show a page")["security_hardness"]
    assert {FC, ME} == set(open_classifier(str(out)).sure(0.9))


def test_unlabelled_commits_that_look_like_seeds_are_no_negatives(trained) -> None:
    _, report = trained
    assert report["left_out_of_negatives"][FC] in (0, 1)  # the one that is about empty input, where it is to train on


def test_neither_files_nor_their_order_matter(tmp_path: Path, trained) -> None:
    files = pool(tmp_path, per_file=100)
    train_classifiers(files[::-1], tmp_path / "d.npz", changed_lines=line_changes, settings=SETTINGS)
    assert trained[0].read_bytes() == (tmp_path / "d.npz").read_bytes()


def test_with_diff_features_the_same_words_are_told_apart_by_their_diffs(tmp_path: Path) -> None:
    settings = TrainSettings(min_support=5, diff_features=True, count_kept=False)
    report = train_classifiers(pool(tmp_path), tmp_path / "d.npz", changed_lines=line_changes, settings=settings)
    opened = open_classifier(str(tmp_path / "d.npz"))
    fix, page = opened.probabilities(
        ["Change it"] * 2,
        ["Python"] * 2,
        [lambda rows=rows: line_changes(rows["old_contents"], rows["new_contents"]) for rows in (FIX, PAGE)],
    )
    assert report["criteria"][FC]["kept"] is None
    assert fix[FC] > page[FC]


def test_a_pool_without_seeds_is_refused(tmp_path: Path) -> None:
    pq.write_table(changes({"message": "Show a page"}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="0 repositories"):
        train_classifiers([tmp_path / "a.parquet"], tmp_path / "c.npz", changed_lines=line_changes)


def test_scores_without_scikit_learn_are_those_of_scikit_learn() -> None:
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    messages = [
        f"{verb} the {thing} of {other}" for verb in ("Show", "Hide", "Keep") for thing in OBJECTS for other in OBJECTS
    ]
    examples: list[Example] = [
        example(
            message=message,
            language="Python",
            changes=lambda n=n: line_changes(f"x = f({n})\n", f"x = g({n % 5}, y{n % 7})\n"),
        )
        for n, message in enumerate(messages)
    ]
    names = labelled_criteria()
    targets = np.array(
        [[(n * 7 + place) % 3 == 0 for place in range(len(names))] for n in range(len(examples))], np.int8
    )
    targets[::11, 1] = -1
    settings = TrainSettings(min_commits=1, min_repositories=1)
    model = Tfidf.fit(examples, ["r"] * len(examples), targets, settings)
    blocks = [
        TfidfVectorizer(analyzer=lambda one: list(one.message_tokens()), sublinear_tf=True),
        TfidfVectorizer(analyzer=lambda one: list(one.diff_tokens()), sublinear_tf=True),
    ]
    features = sparse.hstack([block.fit_transform(examples) for block in blocks], "csr")
    for place in range(len(names)):
        known = np.flatnonzero(targets[:, place] >= 0)
        theirs = LogisticRegression(C=settings.inverse_regularisation, class_weight="balanced", max_iter=2_000)
        theirs.fit(features[known], targets[known, place])
        assert np.allclose(theirs.decision_function(features), model.scores(examples)[:, place], atol=1e-6)

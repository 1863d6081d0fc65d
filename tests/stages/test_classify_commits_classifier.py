"""A classifier gives commits without a term the criterion that it is sure of, and may deny what terms say."""

from pathlib import Path

import pyarrow as pa
from builds import changes, run_stage
from classifier_files import FC, words_classifier

from themis_data.fingerprint import step_fingerprint
from themis_data.stages.classify_commits import ClassifyCommits
from themis_data.stages.keep_stated_criteria import KeepStatedCriteria

CODE = {"old_contents": "x = f(1)\n", "new_contents": "x = f(1) if f else None\n"}
ROWS = changes(
    {"message": "Values can be none"} | CODE,
    {"message": "Show a page"} | CODE,
    {"message": "Fix crash when the list is empty"} | CODE,
    {"message": "Values can be none", "path": "tests/test_a.py"} | CODE,
    {"message": "Values can be none", "language": None, "path": "a.unknown"} | CODE,
    {"message": "Values can be none", "old_contents": "import a\n", "new_contents": "import b\n"},
)


def classified(folder: Path, **settings) -> tuple[dict[str, dict], dict[str, str]]:
    path = words_classifier(folder / "c.npz", {"s:none": FC})
    written, dropped = run_stage(folder, ClassifyCommits(classifier=path, **settings), ROWS)
    pairs = {row["parent_ids"][0]: row for row in written.to_pylist()}
    return pairs, {row_id: reason if detail is None else f"{reason}: {detail}" for row_id, reason, detail in dropped}


def test_a_commit_without_a_term_gets_the_criterion_the_classifier_is_sure_of(tmp_path: Path) -> None:
    pairs, dropped = classified(tmp_path)

    assert {"0", "2"} == set(pairs)
    assert (FC, 0.9933, "probability", "message") == tuple(
        pairs["0"][name] for name in ("criterion", "strength", "strength_unit", "evidence")
    )
    assert pairs["0"]["label_detail"].startswith("classifier: tfidf 0.99; diff: ")
    assert "term_score" == pairs["2"]["strength_unit"]
    assert pairs["2"]["label_detail"].startswith("terms: crash")
    assert {
        "1": "no_criterion",
        "3": "excluded: path: tests",
        "4": "unknown_language",
        "5": "excluded: diff: only imports",
    } == dropped


def test_it_is_not_sure_below_the_precision_asked_for(tmp_path: Path) -> None:
    pairs, dropped = classified(tmp_path, min_precision=0.99)
    assert ({"2"}, "no_criterion") == (set(pairs), dropped["0"])


def test_without_recall_terms_alone_give_labels(tmp_path: Path) -> None:
    pairs, dropped = classified(tmp_path, recall=False)
    assert ({"2"}, "no_criterion") == (set(pairs), dropped["0"])


def test_it_may_deny_what_terms_say(tmp_path: Path) -> None:
    pairs, dropped = classified(tmp_path, veto_below=0.5)
    assert ({"0"}, "excluded: classifier: tfidf 0.01") == (set(pairs), dropped["2"])


def test_rows_are_labelled_alone_as_they_are_together(tmp_path: Path) -> None:
    stage = ClassifyCommits(classifier=words_classifier(tmp_path / "c.npz", {"s:none": FC}, diff_words={"+g": FC}))
    label = stage.open()
    alone = pa.concat_tables([label(ROWS.slice(place, 1)) for place in range(len(ROWS))])
    assert label(ROWS).to_pylist() == alone.to_pylist()


def test_the_model_is_part_of_the_fingerprint_and_its_place_is_not(tmp_path: Path) -> None:
    one, copy, other = (
        words_classifier(tmp_path / name, {word: FC})
        for name, word in (("a.npz", "s:none"), ("b.npz", "s:none"), ("c.npz", "s:null"))
    )
    for stage in (ClassifyCommits, KeepStatedCriteria):
        prints = [step_fingerprint(stage(classifier=path)) for path in (one, copy, other, "")]
        assert prints[0] == prints[1]
        assert 3 == len(set(prints))


def kept(folder: Path, **settings) -> list[str | None]:
    diff_words = settings.pop("diff_words", None)
    path = words_classifier(folder / "k.npz", {"s:none": FC}, diff_words=diff_words)
    written, dropped = run_stage(folder, KeepStatedCriteria(classifier=path, **settings), ROWS)
    reasons = {row_id: reason if detail is None else f"{reason}: {detail}" for row_id, reason, detail in dropped}
    assert set(written["row_id"].to_pylist()) | set(reasons) == set(ROWS["row_id"].to_pylist())
    return [reasons.get(str(row)) for row in range(len(ROWS))]


def test_what_the_classifier_is_sure_of_is_not_dropped_early(tmp_path: Path) -> None:
    assert [None, "no_criterion", None, "excluded: path: tests", None, None] == kept(tmp_path)


def test_without_recall_it_is(tmp_path: Path) -> None:
    assert ["no_criterion", "no_criterion", None, "no_criterion", "no_criterion", "no_criterion"] == kept(
        tmp_path, recall=False
    )


def test_where_the_classifier_sees_diffs_only_what_nothing_could_label_is_dropped_early(tmp_path: Path) -> None:
    assert [None, None, None, "no_criterion", None, None] == kept(tmp_path, diff_words={"+g": FC})


def test_nothing_is_dropped_early_that_would_get_a_label(tmp_path: Path) -> None:
    path = words_classifier(tmp_path / "c.npz", {"s:none": FC})
    labelled = ClassifyCommits(classifier=path).open()(ROWS)["criterion"].to_pylist()
    early = KeepStatedCriteria(classifier=path).open()(ROWS)["reason"].to_pylist()
    assert [] == [row for row, (label, reason) in enumerate(zip(labelled, early, strict=True)) if label and reason]

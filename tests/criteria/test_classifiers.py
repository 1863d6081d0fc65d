"""What classifiers see of a commit, what their scores mean, and what their files hold."""

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from classifier_files import FC, words_classifier

from themis_data.criteria.classifiers import identity, labelled_criteria, open_classifier
from themis_data.criteria.classifiers._calibration import calibrate
from themis_data.criteria.classifiers._examples import example
from themis_data.criteria.classifiers._model_file import read_model, texts_array, texts_of, write_model
from themis_data.criteria.classifiers._settings import TrainSettings
from themis_data.criteria.classify import recalled, recalled_reason, without_terms
from themis_data.criteria.training import split_repositories
from themis_data.errors import CorruptData, PipelineError, SourceError, UnknownName
from themis_data.text.changes import line_changes

RE, SH = "runtime_efficiency", "security_hardness"


# What is seen


def test_words_that_the_rules_look_for_are_taken_out_wherever_they_stand() -> None:
    assert ("the parser no longer", "on empty lists") == without_terms("the parser no longer crashes on empty lists")
    assert () == without_terms("fix")


def test_no_pair_of_words_spans_a_gap_that_a_term_left() -> None:
    seen = example(message="The parser crashes on lists", language="Python", changes=None)
    assert ["s:the", "s:parser", "s:the parser", "s:on", "s:lists", "s:on lists"] == list(seen.message_tokens())


def test_the_body_is_told_apart_and_numbers_are_all_one() -> None:
    seen = example(message="Return early\n\nSince 1984 so", language="Python", changes=None)
    assert ["s:return", "s:early", "s:return early"] == list(seen.message_tokens())[:3]
    assert "b:since 0" in set(seen.message_tokens())


def test_without_diff_features_the_diff_is_not_read() -> None:
    def refuse() -> None:
        raise AssertionError("the diff was read")

    assert [] == list(example(message="Return early", language="Python", changes=None).diff_tokens())
    with pytest.raises(AssertionError, match="was read"):
        example(message="Return early", language="Python", changes=refuse)


def test_of_a_diff_the_tokens_that_one_side_has_kinds_and_sizes_count() -> None:
    seen = example(
        message="Return early",
        language="Python",
        changes=lambda: line_changes("a = len(x)\n", "# a comment\na = len(y)\n"),
    )
    assert {"-x", "+y", "size -1", "size +1"} <= set(seen.diff_tokens())
    assert not {"+a", "-a", "+comment"} & set(seen.diff_tokens())


# What scores mean


def test_the_threshold_is_the_least_probability_with_the_precision_asked_for() -> None:
    scores = np.array([4.0, 3.0, 2.0, 1.0, 0.0, -1.0])
    is_seed = np.array([True, True, False, True, False, False])
    found = calibrate(scores, is_seed, np.ones(6), min_support=2)
    first, second, third = (found.probabilities(scores)[place] for place in (0, 1, 3))

    assert first > second > third
    assert second == found.threshold(1.0)  # two of two
    assert third == found.threshold(0.75)  # three of four
    assert found.threshold(0.5) < third  # three of six
    assert found.threshold(0.9) == second


def test_a_commit_that_stands_for_several_counts_as_often() -> None:
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    is_seed = np.array([True, True, False, True])
    found = calibrate(scores, is_seed, np.array([1.0, 1.0, 3.0, 1.0]), min_support=3)
    assert [0.5] == found.precisions.tolist()  # three seeds of six commits; fewer seeds are too few to say


def test_scores_that_rank_seeds_no_higher_mean_nothing() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    found = calibrate(scores, np.array([True, True, False, False]), np.ones(4), min_support=1)
    assert (None, [0.0] * 4) == (found.threshold(0.1), found.probabilities(scores).tolist())


def test_too_few_seeds_mean_nothing() -> None:
    found = calibrate(np.array([2.0, 1.0]), np.array([True, False]), np.ones(2), min_support=2)
    assert found.threshold(0.1) is None


# Parts


def test_each_repository_goes_to_one_part_in_about_the_shares_asked_for() -> None:
    seeds = Counter({f"r{n}": 10 for n in range(20)})
    parts = split_repositories(seeds, TrainSettings())
    assert {"train": 11, "calibration": 5, "held_out": 4} == dict(Counter(parts.values()))
    assert parts == split_repositories(Counter(dict(reversed(seeds.items()))), TrainSettings())
    assert parts != split_repositories(seeds, TrainSettings(seed=8))


def test_two_repositories_are_too_few() -> None:
    with pytest.raises(SourceError, match="2 repositories"):
        split_repositories(Counter({"a": 5, "b": 5}), TrainSettings())


# Recall


def label_of(message: str, probabilities: dict[str, float], *, path: str = "a.py", new: str = "x = g(2)\n"):
    return recalled(
        message=message,
        path=path,
        language="Python",
        changes=lambda: line_changes("x = f(1)\n", new),
        probabilities=dict.fromkeys(labelled_criteria(), 0.0) | probabilities,
        sure={FC: 0.9, RE: 0.9},
    )


def test_what_a_classifier_is_sure_of_and_the_diff_shows_is_labelled() -> None:
    found = label_of("Values can be none", {FC: 0.95, RE: 0.2})
    assert (FC, None, 0.95, 0.75, ()) == (found.criterion, found.reason, found.score, found.margin, found.terms)
    assert found.evidence


def test_what_it_is_not_sure_of_stays_without_a_criterion() -> None:
    assert label_of("Values can be none", {FC: 0.89}) is None


def test_a_criterion_that_was_never_precise_enough_is_not_given() -> None:
    assert label_of("Values can be none", {SH: 1.0}) is None


@pytest.mark.parametrize(
    ("message", "more", "reason"),
    [
        ("Values can be none", {"path": "tests/test_a.py"}, "excluded: path: tests"),
        ("docs: values can be none", {}, "excluded: message: documentation"),
        ("Values can be none", {"new": "x = f(1)  # why\n"}, "excluded: diff: only layout"),
        ("Values can be none and add a page", {}, "multi_intent: second clause: and add"),
    ],
)
def test_what_excludes_a_labelled_commit_excludes_a_recalled_one(
    message: str, more: dict[str, str], reason: str
) -> None:
    assert label_of(message, {FC: 0.95}, **more).drop_reason.startswith(reason)


def test_two_sure_criteria_are_two_intents() -> None:
    found = label_of("Values can be none", {FC: 0.95, RE: 0.97})
    assert f"multi_intent: a classifier is sure of {FC} and {RE}" == found.drop_reason


def test_a_diff_that_does_not_show_it_is_no_evidence() -> None:
    found = label_of("Values can be none", {RE: 0.95})
    assert ("no_evidence", None) == (found.reason, found.criterion)


def test_the_reason_without_the_diff_is_the_one_with_it() -> None:
    probabilities = dict.fromkeys(labelled_criteria(), 0.0) | {FC: 0.95}
    reasons = [
        recalled_reason(message=message, path=path, probabilities=probabilities, sure={FC: limit})
        for message, path, limit in [
            ("Values can be none", "a.py", 0.9),
            ("Values can be none", "a.py", 0.99),
            ("Values can be none", "tests/a.py", 0.9),
        ]
    ]
    assert [None, "no_criterion", "excluded: path: tests"] == reasons


# Files


def test_an_opened_classifier_answers_as_its_weights_say(tmp_path: Path) -> None:
    opened = open_classifier(words_classifier(tmp_path / "c.npz", {"s:none": FC}))
    (found, other) = opened.probabilities(["Values none", "Values"], ["Python"] * 2, [lambda: line_changes("", "")] * 2)
    assert (0.9933, 0.0067) == (found[FC], found[RE])  # 1 / (1 + exp(-5)) and its complement
    assert 0.0067 == other[FC]
    assert dict.fromkeys(labelled_criteria(), 0.95) == opened.sure(0.9)
    assert {} == opened.sure(0.91)


def test_two_blocks_have_length_one_each(tmp_path: Path) -> None:
    opened = open_classifier(words_classifier(tmp_path / "c.npz", {"s:none": FC, "s:be": RE}, diff_words={"+g": RE}))
    ((found),) = opened.probabilities(["None be"], ["Python"], [lambda: line_changes("x = f(1)\n", "x = g(1)\n")])
    # Two words share the message's length: 10 / sqrt(2) - 5 = 2.0711; the one of the diff adds 10.
    assert (0.8881, 1.0) == (found[FC], found[RE])


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = (words_classifier(tmp_path / name, {"s:none": FC}) for name in ("a.npz", "b.npz"))
    assert Path(one).read_bytes() == Path(other).read_bytes()
    assert identity(one) == identity(other)
    assert identity(one) != identity(words_classifier(tmp_path / "c.npz", {"s:null": FC}))


def test_a_file_that_would_run_code_when_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    write_model(path, {}, {})
    stored = io.BytesIO()
    np.lib.format.write_array(stored, np.array([print], object), allow_pickle=True)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights.npy", stored.getvalue())
    with pytest.raises(CorruptData, match="no classifier that"):
        read_model(path)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no classifier at"):
        open_classifier(str(tmp_path / "absent.npz"))
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(CorruptData, match="no classifier that"):
        open_classifier(str(tmp_path / "text.npz"))
    write_model(tmp_path / "empty.npz", {}, {})
    with pytest.raises(CorruptData, match="lacks a part"):
        open_classifier(str(tmp_path / "empty.npz"))


def test_an_unknown_kind_offers_the_near_ones(tmp_path: Path) -> None:
    about, arrays = read_model(Path(words_classifier(tmp_path / "c.npz", {"s:none": FC})))
    about["settings"]["kind"] = "tfdf"
    write_model(tmp_path / "d.npz", {name: value for name, value in about.items() if name != "format"}, arrays)
    with pytest.raises(UnknownName, match="'tfidf'"):
        open_classifier(str(tmp_path / "d.npz"))


def test_a_model_of_another_format_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.npz", "w") as archive:
        archive.writestr("about.json", '{"format": 0}')
    with pytest.raises(CorruptData, match="format 0, expected 1"):
        open_classifier(str(tmp_path / "old.npz"))


def test_texts_come_back_from_their_array() -> None:
    assert [["s:ü", "+{"], []] == [texts_of(texts_array(texts)) for texts in (["s:ü", "+{"], [])]


def test_settings_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValueError, match="must leave something"):
        TrainSettings(calibration_share=0.6, held_out_share=0.4)

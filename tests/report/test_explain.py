import json
from pathlib import Path
from typing import Any

import pytest
from made_runs import Handmade, Small

from themis_data.errors import CorruptData, ManifestError, ThemisError
from themis_data.report.explain import NOT_EMITTED, explain, print_story
from themis_data.sources.git_history import GitHistory


def outcomes(story: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["step"], step["outcome"]) for step in story["steps"]]


def test_a_commit_is_followed_from_the_source_to_the_data_set(small: Small) -> None:
    story = explain(small.folder, small.commits["fix"])

    assert story["ends"] == "published"
    assert story["kind"] == "commit"
    assert story["commit"]["subject"] == "Fix wrong result of total for the last number"
    assert story["commit"]["path"] == "total.py"
    assert story["commit"]["committed_at"] == "2017-07-16T02:40:00Z"
    assert outcomes(story) == [
        ("git", "emitted"), ("drop_reverts", "kept"), ("drop_contradictions", "kept"), ("keep_languages", "kept"),
        ("keep_messages", "kept"), ("drop_near_duplicates", "kept"), ("classify_commits", "became"),
        ("write_instructions", "kept"), ("mix", "kept"), ("assign_system_prompts", "kept"), ("write", "published"),
    ]  # fmt: skip


def test_commit_change_and_pair_tell_the_same_story(small: Small) -> None:
    of_commit = explain(small.folder, small.commits["fix"])
    change, [pair] = of_commit["steps"][0]["row_id"], of_commit["published"]

    of_change, of_pair = explain(small.folder, change), explain(small.folder, pair)

    assert (of_change["kind"], of_pair["kind"]) == ("change", "pair")
    assert of_commit["steps"] == of_change["steps"] == of_pair["steps"]
    assert of_commit["commit"] == of_change["commit"] == of_pair["commit"]


@pytest.mark.parametrize(
    ("commit", "reason", "says"),
    [
        ("root", "root", "no parent"),
        ("merge", "merge", "It is a merge"),
        ("many", "many_paths", "It changes 2 paths"),
        ("added", "added", "It adds a file"),
    ],
)
def test_a_commit_that_gave_no_change_says_why(small: Small, commit: str, reason: str, says: str) -> None:
    story = explain(small.folder, small.commits[commit])

    assert story["ends"] == "not_emitted"
    assert outcomes(story) == [("git", "not_emitted")]
    assert story["steps"][0]["reason"] == reason
    assert says in story["steps"][0]["explanation"]


@pytest.mark.parametrize(
    ("commit", "step", "reason"),
    [
        ("text", "keep_languages", "unknown_language"),
        ("mistake", "drop_reverts", "reverted"),
        ("revert", "drop_reverts", "is_revert"),
        ("again", "drop_near_duplicates", "near_duplicate"),
        ("hostile", "classify_commits", "no_criterion"),
    ],
)
def test_a_dropped_commit_names_step_and_reason(small: Small, commit: str, step: str, reason: str) -> None:
    story = explain(small.folder, small.commits[commit])

    last = story["steps"][-1]
    assert story["ends"] == "dropped"
    assert (last["step"], last["outcome"], last["reason"]) == (step, "dropped", reason)
    assert story["published"] == []


def test_the_commit_that_reverted_is_named(small: Small) -> None:
    last = explain(small.folder, small.commits["mistake"])["steps"][-1]

    assert last["detail"] == f"by {small.commits['revert']}"
    assert last["explanation"].endswith(
        f'{small.commits["revert"][:12]} is a commit in example.org/made/small: "Revert "Sort the words"".'
    )


def test_the_survivor_of_a_near_duplicate_is_named(small: Small) -> None:
    last = explain(small.folder, small.commits["again"])["steps"][-1]

    assert f"is a change (commit {small.commits['faster']}, path a.py)" in last["explanation"]


def test_a_drop_has_the_settings_of_its_step_and_what_the_reason_means(small: Small) -> None:
    last = explain(small.folder, small.commits["again"])["steps"][-1]

    assert {"on": "change", "permutations": 64, "shingle": 5, "similarity": 0.7}.items() <= last["settings"].items()
    meaning = explain(small.folder, small.commits["hostile"])["steps"][-1]["explanation"]
    assert meaning == "classify_commits dropped it: no_criterion. That is: the message names none."


def test_a_change_becomes_all_its_pairs_and_a_pair_knows_only_its_own_line(handmade: Handmade) -> None:
    change, one, two = "a" * 32, "b" * 32, "c" * 32
    handmade.write({change: "d" * 40}, {one: change, two: change})

    became = explain(handmade.folder, change)["steps"][1]
    of_one = explain(handmade.folder, one)

    assert became["became"] == [one, two]
    assert became["explanation"] == f"It became the pairs {one}, {two}."
    assert outcomes(of_one) == [("git", "emitted"), ("split_changes", "became"), ("write", "dropped")]
    assert of_one["steps"][1]["explanation"] == f"It became the pair {one}, beside 1 other."
    assert [step["row_id"] for step in of_one["steps"]] == [change, change, one]


def test_a_unique_beginning_is_enough_in_upper_case_too(small: Small) -> None:
    whole = small.commits["fix"]

    assert explain(small.folder, whole[:10].upper())["id"] == whole


def test_an_unknown_id_says_what_was_searched(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    story = explain(small.folder, "0" * 40)
    print_story(story)

    assert (story["kind"], story["ends"], story["steps"]) == ("unknown", "unknown", [])
    assert story["searched"]["commits"] == 11
    assert story["searched"]["read"] == ["example.org/made/small"]
    out = capsys.readouterr().out
    assert "Nothing in this build has an id that begins with 00000" in out
    assert "11 commits" in out
    assert "could not be read: its commits are not known" in out


@pytest.mark.parametrize("text", ["abcde", "not-hex-at-all", "", "abcdef; rm", "f" * 65])
def test_what_cannot_be_an_id_is_an_error(small: Small, text: str) -> None:
    with pytest.raises(ThemisError, match="is no id: expected a commit or a row id in hex"):
        explain(small.folder, text)


def test_an_ambiguous_beginning_lists_the_candidates(handmade: Handmade) -> None:
    one, two, commit = "abcdef" + "0" * 26, "abcdef" + "1" * 26, "abcdef" + "2" * 34
    handmade.write({one: commit, two: "f" * 40})

    with pytest.raises(ThemisError, match="3 ids begin with 'abcdef'") as raised:
        explain(handmade.folder, "abcdef")

    for id_ in (one, two, commit):
        assert id_ in str(raised.value)
    assert explain(handmade.folder, "abcdef0")["id"] == one


def test_a_whole_id_is_never_ambiguous(handmade: Handmade) -> None:
    handmade.write({"a" * 32: "a" * 40, "b" * 32: "b" * 40})

    assert explain(handmade.folder, "a" * 32)["kind"] == "change"


def test_a_row_that_no_configuration_holds_is_told_as_left_out(handmade: Handmade) -> None:
    handmade.write({"a" * 32: "b" * 40})

    last = explain(handmade.folder, "a" * 32)["steps"][-1]

    assert (last["step"], last["outcome"], last["reason"]) == ("write", "dropped", "left_out")
    assert last["explanation"] == "Left out of default, as are all pairs whose language or criterion its labels lack."


def test_shards_that_the_manifest_does_not_name_do_not_count(handmade: Handmade) -> None:
    handmade.write({"a" * 32: "b" * 40})
    segment = handmade.folder / "segments/made.source"
    other = Handmade(handmade.folder.parent / "other").write({"c" * 32: "d" * 40})
    for name in ("0.parquet", "0.drops.parquet", "0.json"):
        (segment / f"left.{name}").write_bytes((other.folder / "segments/made.source" / name).read_bytes())

    assert explain(handmade.folder, "c" * 32)["ends"] == "unknown"


def test_a_missing_shard_is_one_clean_error(handmade: Handmade) -> None:
    handmade.write({"a" * 32: "b" * 40})
    (handmade.folder / "segments/made.source/0.parquet").unlink()

    with pytest.raises(CorruptData, match="run 'themis verify'"):
        explain(handmade.folder, "a" * 32)


def test_a_folder_without_a_finished_build_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no finished build"):
        explain(tmp_path, "a" * 32)


def test_every_story_is_json(small: Small) -> None:
    for commit in small.commits.values():
        story = explain(small.folder, commit)
        assert json.loads(json.dumps(story)) == story


def test_every_reason_of_the_git_source_has_a_sentence() -> None:
    listed = (GitHistory.__doc__ or "").split("gave no change:")[1].split(".")[0]

    assert sorted(NOT_EMITTED) == sorted(word.strip() for word in listed.split(","))


def test_the_printed_story_has_steps_and_the_end(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    print_story(explain(small.folder, small.commits["mistake"]))

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"commit {small.commits['mistake']}"
    assert lines[1] == '  "Sort the words before they are searched"'
    assert lines[2] == "  example.org/made/small, a.py, 2017-07-24T02:40:00Z"
    assert lines[-1] == "dropped by drop_reverts: reverted"
    assert max(map(len, lines)) <= 100

"""Changes that were corrected soon after, and how long the lines of the others stayed."""

from datetime import datetime, timedelta

import pytest
from builds import changes, run_stage
from rows import dropped

from themis_data.schema import schema
from themis_data.stages.drop_corrected import STAGE as DropCorrected
from themis_data.text.messages import says_correction

START = datetime(2020, 1, 1)
COMMITS = {name: str(number) * 40 for number, name in enumerate("abcdef")}


def history(*steps: tuple[str, float, str], base: str = "1 2 3 4 5 6", **columns):
    """Changes of one file: (lines as words, day, message) of each; the n-th is commit and row `a`, `b` ..."""
    rows, before = [], base
    for name, (after, day, message) in zip("abcdef", steps, strict=False):
        contents = {"old_contents": lines(before), "new_contents": lines(after)}
        at = START + timedelta(days=day)
        rows.append(
            {"row_id": name, "commit": COMMITS[name], "message": message, "committed_at": at} | contents | columns
        )
        before = after
    return changes(*rows)


def corrected(folder, rows, *corrections, **settings):
    """What is dropped, where commits of several files (lines before and after, day) corrected the file."""
    columns = ("repository", "path", "committed_at", "old_blob", "new_blob", "old_contents", "new_contents")
    same = dict.fromkeys(schema("correction").names)
    side = [
        same | {"commit": f"{n:040x}"} | {name: row[name] for name in columns}
        for n, (old, new, day) in enumerate(corrections)
        for row in history((new, day, "Fix"), base=old).to_pylist()
    ]
    table = schema("correction").table({name: [row[name] for row in side] for name in same})
    _, found = run_stage(folder, DropCorrected(**settings), rows, side=("correction", table))
    return {row_id: (reason, detail) for row_id, reason, detail in found}


def lines(words: str) -> str:
    return "".join(f"{word}\n" for word in words.split())


def survived(folder, rows, **settings):
    kept, _ = run_stage(folder, DropCorrected(**settings), rows)
    return dict(zip(kept["row_id"].to_pylist(), kept["survived_days"].to_pylist(), strict=True))


def test_a_change_whose_lines_a_fix_changes_within_the_days_is_dropped(tmp_path):
    rows = history(("1 2 A B 5 6", 0, "Make it faster"), ("1 2 A C 5 6", 2, "Fix crash"))

    assert {"a": ("corrected", f"by {COMMITS['b']}, 2.0 days later, 1 of 2 lines")} == dropped(
        tmp_path, DropCorrected(), rows
    )


@pytest.mark.parametrize(
    ("after", "day", "message"),
    [
        ("1 2 A C 5 6", 31, "Fix crash"),  # too late
        ("1 2 A C 5 6", 2, "Rename B"),  # says nothing
        ("1 2 A B 5 X", 2, "Fix crash"),  # other lines
        ("0 1 2 A B 5 6", 2, "Fix crash"),  # lines before them, which only moves them
    ],
)
def test_other_later_changes_correct_nothing(tmp_path, after, day, message):
    rows = history(("1 2 A B 5 6", 0, "Make it faster"), (after, day, message))

    assert {} == dropped(tmp_path, DropCorrected(), rows)


@pytest.mark.parametrize("keyword", ["Id", "OpenBSD", "Revision"])
def test_braces_and_lines_that_a_system_fills_in_are_nobodys(tmp_path, keyword):
    base, first, fixed = (f"1 ${keyword}:{number}$ {rest} 5" for number, rest in enumerate(("3 4", "A }", "A )")))

    assert {} == dropped(tmp_path, DropCorrected(), history((first, 0, "Make it faster"), (fixed, 1, "Fix"), base=base))


def test_a_variable_with_the_name_of_a_keyword_is_a_line_like_others(tmp_path):
    rows = history(("1 2 $Date=1 4", 0, "Make it faster"), ("1 2 $Date=2 4", 1, "Fix"), base="1 2 3 4")

    assert ["a"] == list(dropped(tmp_path, DropCorrected(), rows))


def test_lines_are_followed_through_changes_that_move_them(tmp_path):
    rows = history(
        ("1 2 A B 5 6", 0, "Make it faster"),
        ("x y z 1 2 A B 5 6", 1, "Add names"),
        ("x y z 1 A B 6", 2, "Remove two"),
        ("x y z 1 A C 6", 3, "Oops"),
    )

    assert {"a": ("corrected", f"by {COMMITS['d']}, 3.0 days later, 1 of 2 lines")} == dropped(
        tmp_path, DropCorrected(), rows
    )


def test_a_line_of_the_same_text_elsewhere_is_another_line(tmp_path):
    rows = history(
        ("1 2 A 4 5 6", 0, "Make it faster"), ("2 A 4 5 6", 1, "Fix one"), base="A 1 2 3 4 5 6".removeprefix("A ")
    )
    twin = history(("A 2 3 4 5 A", 0, "Make it faster"), ("A 2 3 4 5 B", 1, "Fix last"), base="A 2 3 4 5 6")

    assert {} == dropped(tmp_path / "1", DropCorrected(), rows)
    assert {"a"} == set(dropped(tmp_path / "2", DropCorrected(), twin))


def test_a_gap_in_the_blobs_ends_what_can_be_followed(tmp_path):
    rows = history(("1 2 A B 5 6", 0, "Make it faster"), ("1 2 A C 5 6", 1, "Rename"), ("1 2 A D 5 6", 2, "Fix"))

    assert {} == dropped(tmp_path, DropCorrected(), rows.take([0, 2]))


def test_a_commit_of_several_files_that_corrects_is_seen(tmp_path):
    rows = history(("1 2 A B 5 6", 0, "Make it faster"))
    by = f"{0:040x}"

    assert {"a": ("corrected", f"by {by}, 2.0 days later, 1 of 2 lines")} == corrected(
        tmp_path / "1", rows, ("1 2 A B 5 6", "1 2 A C 5 6", 2)
    )
    assert {} == corrected(tmp_path / "2", rows, ("1 2 A B 5 6", "1 2 A B 5 X", 2))
    assert {} == corrected(tmp_path / "3", rows, ("1 2 A B 5 6", "1 2 A C 5 6", 31))


def test_it_is_followed_through_a_commit_of_several_files(tmp_path):
    rows = history(
        ("1 2 A B 5 6", 0, "Make it faster"),
        ("1 2 A B 5 X", 1, "Rename"),
        ("1 2 A C 5 X", 3, "Oops"),
        base="1 2 3 4 5 6",
    )

    assert {"a"} == set(corrected(tmp_path, rows.take([0, 2]), ("1 2 A B 5 6", "1 2 A B 5 X", 1)))


LONG = "return_this_value(x)"


def test_behind_a_gap_a_line_that_stands_once_is_known_by_its_text(tmp_path):
    rows = history(
        (f"1 2 {LONG} B 5 6", 0, "Make it faster"), (f"1 2 {LONG} C 5 6", 1, "Rename"), ("1 2 Y C 5 6", 2, "Fix")
    )

    assert {"a": ("corrected", f"by {COMMITS['c']}, 2.0 days later, 1 of 2 lines")} == dropped(
        tmp_path, DropCorrected(), rows.take([0, 2])
    )


@pytest.mark.parametrize(
    ("first", "gap", "last", "day"),
    [
        (f"1 2 {LONG} B 5 6", f"1 2 {LONG} C 5 {LONG}", f"1 2 Y C 5 {LONG}", 2),  # it stands twice where it went
        (f"1 2 {LONG} {LONG} 5 6", f"1 2 {LONG} C 5 6", "1 2 Y C 5 6", 2),  # and where it came
        (f"1 2 {LONG} B 5 6", f"1 2 {LONG} C 5 6", f"1 2 Y C 5 6 {LONG}", 2),  # it only moved
        (f"1 2 {LONG} B 5 6", f"1 2 {LONG} C 5 6", "1 2 Y C 5 6", 31),  # too late
        ("1 2 short B 5 6", "1 2 short C 5 6", "1 2 Y C 5 6", 2),  # too short to be known
    ],
)
def test_behind_a_gap_other_lines_are_not_known(tmp_path, first, gap, last, day):
    rows = history((first, 0, "Make it faster"), (gap, 1, "Rename"), (last, day, "Fix"))

    assert {} == dropped(tmp_path, DropCorrected(), rows.take([0, 2]))


def test_behind_a_gap_a_line_is_the_latest_change_that_added_it(tmp_path):
    rows = history(
        (f"1 {LONG} 3 4", 0, "Add it"),
        ("1 Z 3 4", 1, "Remove it"),
        (f"1 {LONG} 3 4", 2, "Add it again"),
        (f"1 {LONG} 3 G", 3, "Gap"),
        ("1 W 3 G", 4, "Fix"),
        base="1 2 3 4",
    )

    assert {"c"} == set(dropped(tmp_path, DropCorrected(), rows.take([0, 1, 2, 4])))


def test_another_file_or_repository_corrects_nothing(tmp_path):
    rows = history(("1 2 A B 5 6", 0, "Make it faster"), ("1 2 A C 5 6", 1, "Fix"))
    elsewhere = [[*rows.to_pylist()[:1], rows.to_pylist()[1] | {column: "other"}] for column in ("path", "repository")]

    for number, both in enumerate(elsewhere):
        assert {} == dropped(tmp_path / str(number), DropCorrected(), changes(*both))


def test_a_share_of_the_lines_can_be_asked_for(tmp_path):
    rows = history(("1 2 A B 5 6", 0, "Make it faster"), ("1 2 A C 5 6", 1, "Fix"))

    assert {"a"} == set(dropped(tmp_path / "half", DropCorrected(min_share=0.5), rows))
    assert {} == dropped(tmp_path / "more", DropCorrected(min_share=0.6), rows)


def test_commits_of_one_second_are_followed_by_their_blobs(tmp_path):
    rows = history(("1 2 A B 5 6", 0, "Make it faster"), ("1 2 A C 5 6", 0, "Fix"), ("1 2 A D 5 6", 0, "Rename"))
    backwards = changes(*(row | {"commit": commit * 40} for row, commit in zip(rows.to_pylist(), "cba", strict=True)))

    assert {"a"} == set(dropped(tmp_path, DropCorrected(), backwards))


def test_a_change_and_its_undoing_in_turns_end(tmp_path):
    rows = history(("1 2 A 4 5 6", 0, "Try"), ("1 2 3 4 5 6", 0, "Undo"), ("1 2 A 4 5 6", 0, "Again"))

    assert {} == dropped(tmp_path, DropCorrected(), rows)


def test_lines_survive_until_half_of_them_are_gone(tmp_path):
    rows = history(
        ("1 2 A B C 6", 0, "Make it faster"), ("1 2 D B C 6", 40, "Rename"), ("1 2 D E C 6", 50, "Rename again")
    )

    assert {"a": 50.0, "b": 10.0, "c": None} == survived(tmp_path, rows)


def test_lines_that_stay_survive_until_the_last_change_that_is_known(tmp_path):
    rows = history(("1 2 A B C 6", 0, "Make it faster"), ("X 2 A B C 6", 40, "Rename"), ("Y 2 A B C 6", 90, "Rename"))

    assert {"a": 90.0, "b": 50.0, "c": None} == survived(tmp_path, rows)


def test_a_change_that_adds_nothing_or_has_no_date_says_nothing(tmp_path):
    rows = history(("1 2 3 4", 0, "Remove"), ("1 2 3 X", 1, "Fix"))
    undated = changes(*(row | {"committed_at": None} for row in rows.to_pylist()))

    assert {"a": None, "b": None} == survived(tmp_path / "1", rows)
    assert {"a": None, "b": None} == survived(tmp_path / "2", undated)


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ("fix: crash", True),
        ("Hotfix for the last commit", True),
        ("Oops", True),
        ("This broke Windows", True),
        ("Regression in parser", True),
        ("Forgot a semicolon", True),
        ("Add prefix to names", False),
        ("Use fixtures", False),
        ("Line breaking", False),
        ("Fix code style", False),
        ("Fix Javadoc", False),
        ("Fix compiler warnings", False),
        ("Fix typo", True),
        ("Add wrong", True),
    ],
)
def test_subjects_that_say_something_was_wrong(subject, says):
    assert says == says_correction(subject)

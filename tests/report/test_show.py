import unicodedata

import pytest
from made_runs import Handmade, Small

from themis_data.errors import ThemisError
from themis_data.report.explain import explain
from themis_data.report.show import print_row


def shown(small: Small, capsys: pytest.CaptureFixture[str], id_: str, *, full: bool = False) -> str:
    print_row(small.folder, id_, full=full)
    return capsys.readouterr().out


def test_a_published_pair_shows_prompt_label_diff_and_lineage(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(small, capsys, small.commits["fix"])

    [pair] = explain(small.folder, small.commits["fix"])["published"]
    assert out.startswith(f"pair {pair}\n")
    diff = out[out.index("--- rejected") : out.index("lineage\n")]
    assert diff == (
        "--- rejected\n"
        "+++ chosen\n"
        "@@ -1,7 +1,7 @@\n"
        " def total(numbers):\n"
        '     """Add up all numbers of a list, from the first to the last."""\n'
        "     result = 0\n"
        "-    for place in range(len(numbers) - 1):\n"
        "+    for place in range(len(numbers)):\n"
        "         result += numbers[place]\n"
        "     return result\n"
        " \n"
    )
    for line in (
        "criterion      functional_correctness", "language       Python", "evidence       message",
        "system_kind    one",
        f"commit         {small.commits['fix']}", "path           total.py", "repos          example.org/made/small",
        "committed_at   2017-07-16T02:40:00Z", "license        NOASSERTION",
        "subject        Fix wrong result of total for the last number",
    ):  # fmt: skip
        assert f"\n  {line}\n" in out
    assert "\nprompt\n" in out


def test_unchanged_lines_far_away_are_shown_only_in_full(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    short = shown(small, capsys, small.commits["faster"])
    full = shown(small, capsys, small.commits["faster"], full=True)

    assert "def search(words, known):" not in short[short.index("+++") :]
    assert "def search(words, known):" in full[full.index("+++") :]
    assert "\nsystem\n" in full


def test_a_dropped_change_is_shown_with_the_reason(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(small, capsys, small.commits["text"])

    assert out.startswith("change ")
    assert "keep_languages dropped it: unknown_language" in out
    assert "--- before\n+++ after\n" in out
    assert "-one\n" in out
    assert "+two\n" in out


def test_a_change_by_its_own_id_names_the_pair_it_became(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    story = explain(small.folder, small.commits["fix"])

    out = shown(small, capsys, story["steps"][0]["row_id"])

    assert out.startswith("change ")
    assert f"It became the pair {story['published'][0]}." in out


def test_a_commit_that_gave_no_change_is_an_error_with_the_reason(small: Small) -> None:
    with pytest.raises(ThemisError, match=r"gave no change: merge\. It is a merge"):
        print_row(small.folder, small.commits["merge"], full=False)


def test_an_unknown_id_is_an_error(small: Small) -> None:
    with pytest.raises(ThemisError, match="no row and no commit begins with '000000', among 11 commits"):
        print_row(small.folder, "000000", full=False)


def test_nothing_mined_steers_the_terminal(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(small, capsys, small.commits["hostile"], full=True)

    strange = {character for character in out if unicodedata.category(character) in ("Cc", "Cf") and character != "\n"}
    assert set() == strange
    assert "value = '\\x1b[2J \\u2066" in out
    assert "path           src/[red]od\\u202ed\\x1b[31m.py" in out
    assert "[bold]things[/bold]" in out


def test_white_space_is_written_out_where_nothing_else_differs(
    handmade: Handmade, capsys: pytest.CaptureFixture[str]
) -> None:
    handmade.write({"a" * 32: "b" * 40}, contents=("if x:\n\ty = 1  \n", "if x:\n        y = 1\r\n"))

    print_row(handmade.folder, "a" * 32, full=False)

    lines = capsys.readouterr().out.splitlines()
    assert "-\\ty = 1\u00b7\u00b7" in lines
    assert "+        y = 1\\r" in lines
    assert "white space only: a tab is written as \\t, a blank at the end of a line as \u00b7" in lines


def test_two_equal_sides_are_said_to_be_equal(handmade: Handmade, capsys: pytest.CaptureFixture[str]) -> None:
    handmade.write({"a" * 32: "b" * 40}, contents=("same\n", "same\n"))

    print_row(handmade.folder, "a" * 32, full=True)

    assert "both sides are the same" in capsys.readouterr().out

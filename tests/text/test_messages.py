"""People, reverts and bots in what commits say."""

import time

import pytest

from themis_data.text.messages import is_bot, is_revert, reverted_commits, without_people


@pytest.mark.parametrize(
    "line",
    [
        "Signed-off-by: A. Person <person@example.com>",
        "Co-authored-by: A. Person <person@example.com>",
        "co-authored-by: A. Person",
        "Reviewed-by: A. Person",
        "Reviewed By: person1, person2",
        "Reported by:\tA. Person",
        "Submitted by: A. Person <person at example dot com>",
        "Patch by: A. Person",
        "By: A. Person",
        "Cc: A. Person",
        "CC: stable@example.org",
        "From: A. Person <person@example.com>",
        "Author: A. Person",
        "Reviewers: person1, person2",
        "Subscribers: person1",
        "Thanks-to: A. Person",
        "Anything: A. Person <person@localhost>",
        "    Tested-by: A. Person",
    ],
)
def test_trailers_with_people_are_taken_out(line):
    assert without_people(f"Fix it\n\nBecause it broke.\n\n{line}\n") == "Fix it\n\nBecause it broke."


@pytest.mark.parametrize(
    "message",
    [
        "authors: add a page",
        "order-by: take nulls last",
        "from: accept a list",
        "Fix: nothing by hand",
        "Group results by: name or size",
        "Bump left-pad@1.3.0 to 1.3.1",
        "Import @types/node and @scope/name@2.0.0-beta.rc",
        "Use the @property decorator",
        "Fixes #12\nChange-Id: I0123456789abcdef",
        "Fix from Windows XP",
        "See https://example.com/a@1",
        "Meet at noon",
        "a < b@c > d",
    ],
)
def test_what_is_no_person_stays(message):
    assert message == without_people(message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Write to person@example.com about it", "Write to  about it"),
        ("Found in <person@example.com>'s log", "Found in 's log"),
        ("Ask (person at example dot com)", "Ask"),
        ("As <root@localhost> said", "As  said"),
        ("Close the file. Patch by Ann Person.", "Close the file. ."),
        ("Thanks to Ann van der Person for the report", "for the report"),
        ("Thanks to Ann B. Person!", "!"),
        ("thx @some-one, fixed", ", fixed"),
        ("Close it (props @someone)", "Close it ()"),
        ("Suggested by @someone", ""),
        ("Thanks to Änn Pérson", ""),
        ("Reported by Google Chrome users", "users"),  # a gap: two capitalised words pass for a name
    ],
)
def test_addresses_and_credits_in_the_text_are_taken_out(message, expected):
    assert expected == without_people(message)


def test_an_empty_message_is_left_empty():
    assert without_people("") == ""
    assert without_people("\n\n  \n") == ""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("This reverts commit 0123456789abcdef0123456789abcdef01234567.", ["0123456789abcdef0123456789abcdef01234567"]),
        ("Revert 0123456", ["0123456"]),
        ("reverting commits ABCDEF0", ["abcdef0"]),
        ("Reverts the commit abcdef0 and reverts abcdef1, reverts abcdef0", ["abcdef0", "abcdef1"]),
        ("This reverts commit\n" + "a" * 64, ["a" * 64]),
        ("Revert 012345", []),
        ("Revert the decade", []),
        ("Introvert abcdef0", []),
        ("Fix abcdef0", []),
    ],
)
def test_reverted_commits_are_found_by_their_ids(message, expected):
    assert expected == reverted_commits(message)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ('Revert "Add a"', True),
        ("reverted: add a", True),
        ("  reverts x", True),
        ('"Revert x" was wrong', True),
        ("Add a revert button", False),
        ("Reverting", True),
        ("Revertible", False),
        ("", False),
    ],
)
def test_a_revert_calls_itself_one(subject, expected):
    assert is_revert(subject) is expected


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.example.com"),
        ("Renovate", "x@example.com"),
        ("project-bot", "x@example.com"),
        ("projectbot", "x@example.com"),
        ("Project Bot", "x@example.com"),
        ("Jenkins", "x@example.com"),
        ("Travis CI", "x@example.com"),
        ("A. Person", "project-bot@example.com"),
        ("", "bot@example.com"),
    ],
)
def test_a_bot_is_known_by_its_name_or_address(name, address):
    assert is_bot(name, address)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("A. Person", "person@example.com"),
        ("Ann Abbot", "abbot@example.com"),
        ("talbot", "talbot@example.com"),
        ("Ann Jenkins", "ann@example.com"),
        ("Travis Person", "travis@example.com"),
        ("A. Person", "person@codecov.io"),  # works there
        ("A. Person", "person@example-bot.com"),
        ("Bottom Person", "bottom@example.com"),
        ("", ""),
    ],
)
def test_a_person_is_no_bot(name, address):
    assert not is_bot(name, address)


LONG = 64 * 1024


@pytest.mark.parametrize(
    "message",
    [
        "x" * LONG,
        "x." * (LONG // 2),
        "a@" * (LONG // 2),
        "<a@" * (LONG // 3),
        "x:<" + "@" * LONG,
        "x@" + "a." * (LONG // 2) + "1",
        " " * (LONG // 2) + ":" + "x" * (LONG // 2),
        "k " * (LONG // 4) + ":" + "<" * (LONG // 2),
        "x\n" + "a-" * (LONG // 2) + ":",
        "thx @" + "a" * LONG + "/",
        "thx @" + "a/" * (LONG // 2),
        "thanks to A" + "a" * LONG,
        "thanks to Aa" + " van" * (LONG // 4),
        "thanks" + " " * LONG,
        "revert" + " " * LONG + "x",
        "revert " * (LONG // 7),
        "(a at b" + " dot b" * (LONG // 6),
        "(a" + " " * LONG + "at",
    ],
)
def test_a_long_message_takes_a_short_time(message):
    """Quadratic patterns take minutes here; these are to be done in a fraction of a second."""
    started = time.process_time()
    without_people(message)
    reverted_commits(message)
    is_revert(message)
    is_bot(message, message)

    assert time.process_time() - started < 2

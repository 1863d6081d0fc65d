"""Messages that say something stay; merges that were squashed, programs and empty words go."""

import pytest
from builds import changes
from rows import reasons_of

from themis_data.stages.keep_messages import LOW_SIGNAL, KeepMessages


def reason(message: str, **settings: int) -> str | None:
    (found,) = reasons_of(KeepMessages(**settings), changes({"message": message}))
    return found


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("a" * 10, "message_too_short"),
        ("a" * 11, None),
        ("a" * 14_999, None),
        ("a" * 15_000, "message_too_long"),
        ("ä" * 10, "message_too_short"),
        ("ä" * 14_999, None),
    ],
)
def test_the_length_in_characters_is_strictly_between_its_bounds(message: str, expected: str | None) -> None:
    assert expected == reason(message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Minor changes", "low_signal: minor changes"),
        ("  Work in progress...", "low_signal: work in progress"),
        ("Update-Files!", "low_signal: update files"),
        ("MISC   CHANGES", "low_signal: misc changes"),
        ("Minor changes of the parser", None),
        ("Work in progress: look words up in a set", None),
    ],
)
def test_a_message_that_says_nothing_is_dropped(message: str, expected: str | None) -> None:
    assert expected == reason(message)


def test_every_empty_phrase_is_plain() -> None:
    assert set() == {phrase for phrase in LOW_SIGNAL if phrase != " ".join(phrase.lower().split()) or not phrase}


@pytest.mark.parametrize(
    "subject",
    [
        "Merge branch 'fast' into main",
        "Merge branch main of example.org:owner/name",
        "Merge remote-tracking branch 'origin/main'",
        "Merge pull request #12 from owner/fast",
        "Merged PR 12: make lookup faster",
        "merge upstream changes",
        "Merge #12: make lookup faster",
        "Merge feature/fast into main",
        "Merged 'fast' into 'main'",
        "Merge r1234 from trunk",
        "Merge conflicts resolved",
        "Merge tag 'v1.2' into stable",
        "Merge the changes of last week into master",
    ],
)
def test_the_message_of_a_squashed_merge_is_dropped(subject: str) -> None:
    assert "merge_message" == reason(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "Merge adjacent VAL opcodes",
        "Merge if statements with the same value",
        "Merge two loops into one",
        "Merge both passes over the list into a single loop",
        "Merge the helpers into utils.py",
        "Merging of dictionaries keeps the order",
        "Mergesort for linked lists",
        "Fix merge of branches",
    ],
)
def test_a_change_that_merges_code_is_kept(subject: str) -> None:
    assert None is reason(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "[Auto commit] tables of the day",
        "Automatic update of the tables",
        "Auto-generated commit",
        "Mirror of the inner tree",
        "Sync from internal",
        "Imported from svn, r12",
        "Snapshot of 2018-01-01",
    ],
)
def test_a_message_that_a_program_wrote_is_dropped(subject: str) -> None:
    assert "generated_message" == reason(subject)


@pytest.mark.parametrize(
    "subject",
    ["Automate the release of locks", "Sync access to the cache", "Import lazily", "Mirror the axis of plots"],
)
def test_a_person_may_use_the_words_of_programs(subject: str) -> None:
    assert None is reason(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "Bump version to 2.5.0",
        "Bump to 4.0.0a1 and on",
        "bump to 1.2.3",
        "Version is now 1.1.92",
        "Release v1.2.0 of the client",
        "Release version 2.0.0rc2",
        "[maven-release-plugin] prepare release 3.1",
        "Prepare for the next development iteration",
        "version 1.20.3",
        "lib: update the copyright year range",
        "Update copyright years in all files",
    ],
)
def test_a_message_about_a_number_that_every_release_changes_is_dropped(subject: str) -> None:
    assert "release_message" == reason(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "Release memory in the eviction of pages",
        "Release the lock before waiting",
        "Bump the limit to 10 connections",
        "Bump minimum required version check",
        "Prepare statements once",
        "Set version of the protocol from the handshake",
        "version: parse two digits",
    ],
)
def test_a_change_that_uses_the_words_of_a_release_is_kept(subject: str) -> None:
    assert None is reason(subject)


@pytest.mark.parametrize(("drop_bots", "expected"), [(True, [None, "bot"]), (False, [None, None])])
def test_commits_of_programs_go_unless_they_are_wanted(drop_bots: bool, expected: list[str | None]) -> None:
    rows = changes({"message": "Make lookup faster"}, {"message": "Make lookup faster", "is_bot": True})

    assert expected == reasons_of(KeepMessages(drop_bots=drop_bots), rows)


def test_the_body_of_a_message_may_be_about_merges() -> None:
    assert None is reason("Make lookup faster\n\nMerge branch 'fast' into main")

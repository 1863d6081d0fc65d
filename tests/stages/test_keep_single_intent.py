"""Changes that do one thing stay; what a message lists, joins or calls various goes."""

import pytest
from builds import changes
from rows import reasons_of

from themis_data.stages.keep_single_intent import KeepSingleIntent


def reason(message: str, **settings: int) -> str | None:
    (found,) = reasons_of(KeepSingleIntent(**settings), changes({"message": message}))
    return found


@pytest.mark.parametrize(
    ("message", "intents"),
    [
        ("Fix the off-by-one in paging and add a cache", "feature and fix"),
        ("parser: fix a crash, optimize the lookup", "fix and speed"),
        ("Add retries; reformat the client", "feature and look"),
        ("Refactor the loader and fix its leak", "fix and structure"),
        ("fix: close the socket\n\nfeat: log when it was open", "feature and fix"),
        ("Work on the client\n\n* Fixed a leak in close\n* Implemented retries", "feature and fix"),
        ("Work on the client\n\n1. Refactored the parser\n2. Optimized the lookup", "speed and structure"),
        ("Bump the version and fix the build", "fix and release"),
        ("Various fixes", "its subject says so"),
        ("client: some minor cleanups and fixes", "its subject says so"),
        ("Bug fixes and improvements of the parser", "its subject says so"),
        ("Fix the parser and other small things", "its subject says so"),
        ("Make lookup faster, while at it sort the imports", "its subject says so"),
        ("Close the client cleanly\n\nThis also renames its loop.", "it says also"),
        ("Work out prices in one loop, code cleanup\n\nAlso changed the test.", "it says also"),
        ("Fix the sum, code cleanup", "fix and look"),
        ("- Close the socket\n- Say when it was open", "it is a list"),
    ],
)
def test_a_message_of_several_things_is_dropped(message: str, intents: str) -> None:
    assert f"several_intents: {intents}" == reason(message)


@pytest.mark.parametrize(
    "message",
    [
        "Fix the off-by-one in paging",
        "Fix the leak and test it",
        "Add retries and document them",
        "Refactor the loader and clean up after it",
        "Remove the cache and use the index",
        "Read and write in one lock",
        "Fix reading and writing of empty files",
        "fix(parser): read the last line\n\nfix: and the first",
        "Fix the leak\n\n- Close the file where the parser fails\n- Close it where the caller stops",
        "Make small changes visible at once",
        "Fix the build, introduced in r3025",
        "Add tests of empty bodies, fixes #512",
        "Fix the sum and add a test",
        "Add retries (#12)\n\n* Add retries\n* Fix the lint of the last one\n* Reformat",
        "- Read the last line too.\n- Submitted by somebody.",
        "Handle more issues of the same kind with one query",
        "Keep other changes when one is taken back",
    ],
)
def test_a_message_of_one_thing_is_kept(message: str) -> None:
    assert None is reason(message)


def spread(old_line: str, new_line: str, places: int) -> dict[str, str]:
    between = "keep(this)\n" * 3
    return {
        "old_contents": "".join(f"{old_line.format(n)}\n{between}" for n in range(places)),
        "new_contents": "".join(f"{new_line.format(n)}\n{between}" for n in range(places)),
    }


def test_a_spread_diff_goes_where_asked_unless_it_is_one_replacement() -> None:
    different = spread("a{0} = old{0}(x{0})", "b{0} = new{0}(y{0}, z{0})", 12)
    renamed = spread("a{0} = old(x{0})", "a{0} = new(x{0})", 12)

    assert ["scattered: 12 hunks", None] == reasons_of(KeepSingleIntent(max_hunks=11), changes(different, renamed))
    assert [None, None] == reasons_of(KeepSingleIntent(max_hunks=12), changes(different, renamed))
    assert [None, None] == reasons_of(KeepSingleIntent(), changes(different, renamed))

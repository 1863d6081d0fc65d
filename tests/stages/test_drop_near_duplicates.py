"""Of changes that are nearly the same the earliest stays, whatever order they come in."""

from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest
from builds import changes
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import dropped, in_shards

from themis_data.stages.drop_near_duplicates import DropNearDuplicates

WORDS = DropNearDuplicates(same=(("new_contents",),), shingle=1, permutations=128, hash_seed=1)


def words(*numbers: int) -> str:
    return " ".join(f"w{n}" for n in numbers)


def row(row_id: str, text: str, at: int = 0) -> dict:
    return {"row_id": row_id, "new_contents": text, "committed_at": at}


def survivors(found: dict[str, tuple[str, str | None]]) -> dict[str, str]:
    """Row id to the id of the row it is a duplicate of."""
    return {i: (detail or "").removeprefix("of ").partition(";")[0] for i, (_, detail) in found.items()}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_earliest_stays_whatever_the_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    rows = [row("a", words(1, 2), at=30), row("b", words(1, 2), at=10), row("c", words(1, 2), at=20)]

    assert {"a": "b", "c": "b"} == survivors(dropped(tmp_path, WORDS, changes(*(rows[n] for n in order))))


def test_of_equal_times_the_first_row_id_stays(tmp_path: Path) -> None:
    rows = changes(row("b", words(1, 2)), row("a", words(1, 2)))

    assert {"b": ("near_duplicate", "of a; nearest a at 1.000")} == dropped(tmp_path, WORDS, rows)


@pytest.mark.parametrize(
    ("num_words", "expected"),
    [
        (7, {"b": ("near_duplicate", "of a; nearest a at 0.700")}),  # 7 of 10 words
        (6, {}),
    ],
)
def test_the_exact_similarity_decides(tmp_path: Path, num_words: int, expected: dict) -> None:
    rows = changes(row("a", words(*range(10)), at=1), row("b", words(*range(num_words)), at=2))

    assert expected == dropped(tmp_path, WORDS, rows)


def test_duplicates_of_duplicates_belong_together(tmp_path: Path) -> None:
    # 6 of 8 words in common with the next one, 5 of 9 with the one after it.
    chain = [row(name, words(*range(n, n + 7)), at=9 - n) for n, name in enumerate("abc")]

    assert {
        "a": ("near_duplicate", "of c; nearest b at 0.750"),
        "b": ("near_duplicate", "of c; nearest a at 0.750"),
    } == dropped(tmp_path, WORDS, changes(*chain))


def test_the_ends_of_a_chain_are_no_duplicates_without_its_middle(tmp_path: Path) -> None:
    assert {} == dropped(tmp_path, WORDS, changes(row("a", words(*range(7))), row("c", words(*range(2, 9)))))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("x = 1", "x = 1", {"b": "a"}), ("x = 1", "x = 2", {}), ("x = 1", "x + 1", {}), ("x = 1", "x = 1; y = 2", {})],
)
def test_short_texts_are_duplicates_only_when_equal(tmp_path: Path, one: str, other: str, expected: dict) -> None:
    stage = DropNearDuplicates(same=(("new_contents",),), permutations=32)

    assert expected == survivors(dropped(tmp_path, stage, changes(row("a", one), row("b", other))))


OLD = "def f(words):\n    return [word for word in words if word in list(words)]\n"
NEW = OLD.replace("list(words)", "set(words)")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(
            {"old_contents": f"import a\n{OLD}", "new_contents": f"import a\n{NEW}"}, {"1": "0"}, id="same edit"
        ),
        pytest.param({"old_contents": NEW, "new_contents": OLD}, {}, id="the edit undone"),
        pytest.param({"old_contents": NEW, "new_contents": f"import a\n{NEW}"}, {}, id="another edit of the file"),
    ],
)
def test_a_diff_is_its_changed_lines_and_their_direction(tmp_path: Path, other: dict, expected: dict) -> None:
    rows = changes({"old_contents": OLD, "new_contents": NEW}, other)

    assert expected == survivors(dropped(tmp_path, DropNearDuplicates(permutations=64), rows))


def test_the_side_that_is_compared_is_a_setting(tmp_path: Path) -> None:
    rows = changes({"old_contents": OLD, "new_contents": "x = 1\n"}, {"old_contents": OLD, "new_contents": "y = 2\n"})

    new = dropped(tmp_path / "new", DropNearDuplicates(same=(("new_contents",),), permutations=32), rows)
    old = dropped(tmp_path / "old", DropNearDuplicates(same=(("old_contents",),), permutations=32), rows)
    assert ({}, {"1": "0"}) == (survivors(new), survivors(old))


def test_a_text_that_very_many_rows_have_leaves_one(tmp_path: Path) -> None:
    rows = changes(*(row(f"{n:03d}", words(1, 2), at=1_000 - n) for n in range(150)))

    assert {f"{n:03d}": "149" for n in range(149)} == survivors(dropped(tmp_path, WORDS, rows))


@given(
    texts=st.lists(st.integers(0, 4), max_size=12),
    times=st.lists(st.integers(0, 3), min_size=12, max_size=12),
    ends=st.lists(st.integers(0, 12), max_size=2),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=5, deadline=None)
def test_of_equal_texts_the_earliest_stays_for_any_rows_order_and_shards(
    tmp_path_factory: pytest.TempPathFactory, texts: list[int], times: list[int], ends: list[int], order
) -> None:
    rows = [row(f"{n:02d}", words(10 * text, 10 * text + 1), times[n]) for n, text in enumerate(texts)]
    expected = {}
    for own in rows:
        first = min(
            (r for r in rows if r["new_contents"] == own["new_contents"]),
            key=lambda r: (r["committed_at"], r["row_id"]),
        )
        if first is not own:
            expected[own["row_id"]] = first["row_id"]
    shuffled: pa.Table = changes(*order.sample(rows, len(rows)))

    stage = DropNearDuplicates(same=(("new_contents",),), shingle=1, permutations=16)
    found = dropped(tmp_path_factory.mktemp("any"), stage, in_shards(shuffled, ends))

    assert expected == survivors(found)

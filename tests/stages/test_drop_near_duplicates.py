"""Of changes that are nearly the same the earliest stays, whatever order they come in."""

from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import changes, pairs, run_stage
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import dropped, in_shards, preferences

from themis_data.errors import SourceError
from themis_data.fingerprint import step_fingerprint
from themis_data.publish.layouts import layout
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


MISSING_BREAK = "switch (kind) {\ncase A:\n    run_a();\ncase B:\n    run_b();\n}\n"


def with_break(old: str) -> str:
    return old.replace("run_a();\n", "run_a();\n    break;\n")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(MISSING_BREAK, {"b": "a"}, id="in the same code"),
        pytest.param(
            "for (;;) {\n    wait(queue, 1, 2, 3);\n    run_a();\n    if (x) y = 3;\n}\n", {}, id="in other code"
        ),
    ],
)
def test_a_short_edit_is_the_same_only_in_the_same_code(tmp_path: Path, other: str, expected: dict) -> None:
    rows = changes(
        *(
            {"row_id": row_id, "old_contents": old, "new_contents": with_break(old)}
            for row_id, old in (("a", MISSING_BREAK), ("b", other))
        )
    )

    assert expected == survivors(dropped(tmp_path / "default", DropNearDuplicates(permutations=64), rows))
    by_any_diff = DropNearDuplicates(permutations=64, same=(("diff",),), min_diff=1)
    assert {"b": "a"} == survivors(dropped(tmp_path / "any", by_any_diff, rows))


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
@settings(max_examples=5)
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


# Pairs, rules, survivors


def pair(row_id: str, **columns: object) -> dict:
    same = {"prompt": words(1, 2), "prompt_by": "rules", "chosen": words(3, 4), "rejected": words(5, 6)}
    return same | {"row_id": row_id} | columns


PAIRS = DropNearDuplicates(on="pair", shingle=1, permutations=128)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param({}, {"b": "a"}, id="all the same"),
        pytest.param({"prompt": words(8, 9)}, {}, id="another prompt"),
        pytest.param({"chosen": words(8, 9)}, {}, id="another better answer"),
        pytest.param({"rejected": words(8, 9)}, {}, id="another worse answer"),
        pytest.param({"criterion": "readability"}, {}, id="another criterion"),
        pytest.param({"prompt": None, "prompt_by": None}, {}, id="no prompt is like none"),
    ],
)
def test_pairs_are_the_same_by_all_three_texts_within_a_criterion(tmp_path: Path, other: dict, expected: dict) -> None:
    assert expected == survivors(dropped(tmp_path, PAIRS, pairs(pair("a"), pair("b", **other))))


def test_pairs_of_commits_are_the_same_by_their_diff_alone(tmp_path: Path) -> None:
    edit = {"rejected": OLD, "chosen": NEW, "commit": "c" * 40}
    elsewhere = {
        "rejected": f"import a\n{OLD}",
        "chosen": f"import a\n{NEW}",
        "prompt": words(7, 8),
        "commit": "d" * 40,
    }
    rows = pairs(
        pair("a", **edit), pair("b", **elsewhere), pair("c", **elsewhere | {"commit": None, "prompt": words(3, 4)})
    )
    stage = DropNearDuplicates(on="pair", similarity=0.9, permutations=128)

    assert {"b": "a"} == survivors(dropped(tmp_path, stage, rows))


def test_two_bugs_in_one_answer_are_two_pairs_where_the_rule_says_edit(tmp_path: Path) -> None:
    good = "\n".join(f"line_{n} = {n}" for n in range(40))
    rows = pairs(
        *(pair(name, chosen=good, rejected=good.replace(f"_{n} = ", f"_{n} += ")) for name, n in (("a", 3), ("b", 7)))
    )
    edits = DropNearDuplicates(on="pair", same=(("edit", "chosen", "rejected", "prompt"),))

    assert {"b": "a"} == survivors(dropped(tmp_path / "texts", DropNearDuplicates(on="pair"), rows))
    assert {} == dropped(tmp_path / "edits", edits, rows)


def test_the_least_similar_field_is_what_counts_and_is_told(tmp_path: Path) -> None:
    near = pair("b", chosen=words(*range(10, 19)), prompt=words(1, 2))
    rows = pairs(pair("a", chosen=words(*range(10, 20))), near)
    stage = DropNearDuplicates(on="pair", shingle=1, permutations=128, same=(("chosen", "prompt"),))

    assert {"b": ("near_duplicate", "of a; nearest a at 0.900")} == dropped(tmp_path, stage, rows)


def test_ways_of_being_the_same_are_told_apart(tmp_path: Path) -> None:
    # The prompt of the one is the answer of the other: a way is one field, and never meets another.
    stage = DropNearDuplicates(on="pair", shingle=1, same=(("chosen",), ("prompt",)), within=())
    crossed = pairs(pair("a"), pair("b", prompt=words(3, 4), chosen=words(7, 8)))
    by_prompt = pairs(pair("a"), pair("b", chosen=words(7, 8)))

    assert {} == dropped(tmp_path / "crossed", stage, crossed)
    assert {"b": "a"} == survivors(dropped(tmp_path / "prompt", stage, by_prompt))


@pytest.mark.parametrize(
    ("keep", "survivor"),
    [
        (("earliest",), "c"),
        (("best_license",), "b"),
        (("most_evidence",), "a"),
        (("source_priority",), "d"),
        (("best_license", "most_evidence"), "b"),
    ],
)
def test_the_survivor_is_chosen_by_the_rule(tmp_path: Path, keep: tuple, survivor: str) -> None:
    rows = pairs(
        pair("a", evidence="executed", license_class="copyleft", source="S", committed_at=3),
        pair("b", evidence="judged", license_class="permissive", source="S", committed_at=2),
        pair("c", evidence="message", license_class="unknown", source="S", committed_at=1),
        pair("d", evidence="message", license_class="unknown", source="First", committed_at=None),
    )
    stage = DropNearDuplicates(on="pair", shingle=1, permutations=64, keep=keep, sources=("First", "S"))

    assert {row: survivor for row in "abcd" if row != survivor} == survivors(dropped(tmp_path, stage, rows))


def test_a_cluster_has_its_survivors_id_and_all_its_rows(tmp_path: Path) -> None:
    rows = changes(
        row("a", words(1, 2), at=2), row("b", words(1, 2), at=1), {**row("c", words(1, 2), at=3), "cluster_size": 4}
    )
    lone = changes(row("d", words(8, 9)), {**row("e", words(6, 7)), "cluster_id": "x", "cluster_size": 3})
    kept, _ = run_stage(tmp_path, WORDS, pa.concat_tables([rows, lone]))

    assert [("b", "b", 6), ("d", "d", 1), ("e", "x", 3)] == sorted(
        (r["row_id"], r["cluster_id"], r["cluster_size"]) for r in kept.to_pylist()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"same": (("prompt",),)}, "the fields of a change are old_contents, new_contents, edit, diff"),
        ({"on": "pair", "same": ()}, "same is empty"),
        ({"on": "pair", "same": ((),)}, "same is empty"),
        ({"on": "pair", "verify": False}, "verify: false goes with one list of one field"),
        ({"keep": ("most_evidence",)}, "changes have no criterion, evidence or source"),
        ({"within": ("criterion",)}, "changes have no criterion, evidence or source"),
        ({"against": ("x",)}, "against compares pairs by"),
        ({"on": "pair", "against": ("x",), "shingle": 4}, "against compares pairs by"),
    ],
)
def test_settings_that_do_not_fit_together_are_told(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DropNearDuplicates(**settings)


def test_without_verification_every_candidate_is_a_duplicate(tmp_path: Path) -> None:
    """As published scripts do it: 25 bands of 10 for 256 values at 0.7."""
    rows = changes(*(row(f"{n:02d}", words(*range(n, n + 60))) for n in range(0, 40, 12)))
    settings = {"same": (("new_contents",),), "shingle": 1, "banding": "datasketch"}
    verified = dropped(tmp_path / "v", DropNearDuplicates(**settings), rows)
    candidates = dropped(tmp_path / "c", DropNearDuplicates(**settings, verify=False), rows)

    # 48 of 72 words: 0.667, a candidate with these permutations and no duplicate.
    assert {} == verified
    assert candidates
    assert all("nearest" in (detail or "") for _, detail in candidates.values())


@pytest.mark.parametrize("fields", [("new_contents",), ("new_contents", "old_contents")])
def test_both_backends_drop_the_same(tmp_path: Path, fields: tuple[str, ...]) -> None:
    rows = changes(*(row(f"{n}", words(*range(n, n + 12)), at=n) for n in range(6)))
    settings = {"same": (fields,), "shingle": 2, "permutations": 64}
    compiled, plain = (
        dropped(tmp_path / name, DropNearDuplicates(**settings, backend=name), rows)
        for name in ("compiled", "datasketch")
    )

    assert compiled == plain
    assert compiled


# Against published versions


def published_with_signatures(folder: Path, rows: pa.Table) -> Path:
    converted = layout("signatures").convert(rows)
    place = folder / "dataset" / "signatures" / "train.parquet"
    place.parent.mkdir(parents=True)
    pq.write_table(converted, place)
    return folder


LONG = {"prompt": words(*range(20)), "chosen": words(*range(30, 60)), "rejected": words(*range(60, 90))}


def test_what_a_published_version_has_is_dropped(tmp_path: Path) -> None:
    version = published_with_signatures(tmp_path / "v1", preferences({"row_id": "old", **LONG}))
    rows = pairs(pair("a", **LONG), pair("b", **LONG), pair("c"), pair("d", **LONG | {"criterion": "readability"}))
    stage = DropNearDuplicates(on="pair", against=(str(version),))

    assert {
        "a": ("published", "of old; nearest b at 1.000"),
        "b": ("published", "of old; nearest a at 1.000"),
    } == dropped(tmp_path, stage, rows)


def test_a_version_without_signatures_is_told(tmp_path: Path) -> None:
    stage = DropNearDuplicates(on="pair", against=(str(tmp_path),))

    with pytest.raises(SourceError, match=r"no signatures/.*build that version with `signatures` among the configs"):
        stage.identity()


def test_signatures_of_another_kind_are_told(tmp_path: Path) -> None:
    place = tmp_path / "signatures"
    place.mkdir()
    pq.write_table(pairs(pair("a")), place / "train.parquet")

    with pytest.raises(SourceError, match=r"holds pair/5, expected published_signatures/1"):
        DropNearDuplicates(on="pair", against=(str(tmp_path),)).identity()


def test_other_signatures_make_another_fingerprint(tmp_path: Path) -> None:
    one = published_with_signatures(tmp_path / "v1", preferences({"row_id": "old", **LONG}))
    other = published_with_signatures(tmp_path / "v2", preferences({"row_id": "old", **LONG | {"prompt": "x"}}))
    prints = {
        step_fingerprint(DropNearDuplicates(on="pair", against=against))
        for against in ((), (str(one),), (str(other),), (str(one), str(other)), (str(other), str(one)))
    }

    assert 4 == len(prints)

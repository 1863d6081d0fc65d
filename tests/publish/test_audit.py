"""Shares and counts of each slice against numbers by hand, and planted biases that the audit has to find."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rows import preferences
from scipy.sparse import csr_array

from themis_data.errors import StageError
from themis_data.fingerprint import uniform
from themis_data.publish.audit import MEASURES, Measure, audit, summary
from themis_data.publish.bradley_terry import fit
from themis_data.publish.surface import differences


def shard(folder: Path, *rows: dict[str, Any], name: str = "a") -> Path:
    path = folder / f"{name}.parquet"
    pq.write_table(preferences(*rows), path)
    return path


def sides(chosen: int, rejected: int, **row: str) -> dict[str, str]:
    return {"chosen": "x" * chosen, "rejected": "y" * rejected} | row


@pytest.mark.parametrize(
    ("lengths", "longer", "accuracy"),
    [
        ([(2, 1)], 1.0, 1.0),
        ([(1, 2)], 0.0, 1.0),  # the shorter one is always right
        ([(1, 1)], 0.0, 0.5),
        ([(2, 1), (1, 2)], 0.5, 0.5),
        ([(2, 1), (2, 1), (1, 2), (1, 1)], 0.5, 0.625),  # (1 + 1 + 0 + 1/2) / 4
        ([(1, 2), (1, 2), (1, 1)], 0.0, 0.8333),  # (1 + 1 + 1/2) / 3 by "shorter wins"
    ],
)
def test_length_alone_is_right_so_often(
    tmp_path: Path, lengths: list[tuple[int, int]], longer: float, accuracy: float
) -> None:
    found = audit([shard(tmp_path, *(sides(*own) for own in lengths))])[0]

    assert ("all", "all", "all", len(lengths)) == (found.source, found.criterion, found.language, found.pairs)
    assert (longer, accuracy) == (found.chosen_longer, found.length_accuracy)


def test_characters_count_and_not_bytes(tmp_path: Path) -> None:
    found = audit([shard(tmp_path, {"chosen": "ää", "rejected": "abc"})])[0]

    assert (0.0, 1.0) == (found.chosen_longer, found.length_accuracy)


def test_each_slice_is_measured_the_largest_first(tmp_path: Path) -> None:
    go, memory = {"language": "Go"}, {"criterion": "memory_efficiency"}
    first = shard(tmp_path, sides(2, 1), sides(2, 1, **memory), sides(1, 2, **go), name="first")
    rows = [{"row_id": f"s{n}", **sides(*own)} for n, own in enumerate([(1, 2), (1, 1)])]
    second = shard(tmp_path, *({**row, **go, **memory} for row in rows), name="second")

    assert [
        ("all", "all", 5, 0.4, 0.5),
        ("all", "Go", 3, 0.0, 0.8333),
        ("memory_efficiency", "all", 3, 0.3333, 0.5),
        ("all", "Python", 2, 1.0, 1.0),
        ("runtime_efficiency", "all", 2, 0.5, 0.5),
        ("memory_efficiency", "Go", 2, 0.0, 0.75),
        ("memory_efficiency", "Python", 1, 1.0, 1.0),
        ("runtime_efficiency", "Go", 1, 0.0, 1.0),
        ("runtime_efficiency", "Python", 1, 1.0, 1.0),
    ] == [(a.criterion, a.language, a.pairs, a.chosen_longer, a.length_accuracy) for a in audit([first, second])]


def test_sources_are_told_apart_where_there_are_several(tmp_path: Path) -> None:
    found = audit([shard(tmp_path, sides(2, 1, source="A"), sides(1, 2, source="B"), sides(1, 2, source="B"))])

    assert {"all": 0.3333, "A": 1.0, "B": 0.0} == {
        a.source: a.chosen_longer for a in found if (a.criterion, a.language) == ("all", "all")
    }


WORDS = ("alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa", "theta")


def word(*parts: object) -> str:
    return WORDS[int(uniform(0, *map(str, parts)) * len(WORDS))]


def corpus(size: int = 400, bias: float = 0.0, plant: str = "") -> list[dict[str, str]]:
    """Pairs of 20 repositories whose sides differ in a drawn word and, in `bias` of them, in that the chosen one has a
    planted line; in all others either side has a line more, as often the one as the other."""
    rows = []
    for n in range(size):
        same = f"def f_{n}(x):\n    y = {word(n, 'same')}(x)\n"
        chosen, rejected = (f"{same}    return {word(n, side)}(y)\n" for side in ("chosen", "rejected"))
        if uniform(1, str(n)) < bias:
            chosen = f"{same}{plant}    return {word(n, 'chosen')}(y)\n"
        elif n % 2:
            chosen += f"    {word(n, 'more')}\n"
        else:
            rejected += f"    {word(n, 'more')}\n"
        rows.append({"chosen": chosen, "rejected": rejected, "group": f"o/{n // 2 % 20}"})
    return rows


def measures(folder: Path, rows: list[dict[str, str]], **how: Any) -> dict[str, Measure]:
    return {m.name: m for m in audit([shard(folder, *rows)], **how)[0].measures}


def test_a_balanced_set_is_quiet(tmp_path: Path) -> None:
    found = measures(tmp_path, corpus(1_200), sample=1_200)

    assert set(MEASURES) == found.keys()
    for name in MEASURES:
        assert found[name].low is not None and found[name].low <= 0.5, found[name]
        assert 1_200 == found[name].pairs


def test_planted_length_is_found_by_all_that_see_it(tmp_path: Path) -> None:
    found = measures(tmp_path, corpus(bias=0.6, plant="    z = 1\n"))

    for name in ("length", "length_difference", "surface"):
        assert found[name].low is not None and found[name].low > 0.6, found[name]
    right = sum(len(row["chosen"]) > len(row["rejected"]) for row in corpus(bias=0.6, plant="    z = 1\n"))
    assert round(right / 400, 4) == found["length"].accuracy


def test_a_length_that_tells_only_by_its_size_is_found(tmp_path: Path) -> None:
    # Longer by 40 wins and longer by 10 loses: neither direction alone is right more often than not.
    rows = [
        {**sides(*((50, 10), (10, 20), (52, 11), (12, 23))[n % 4]), "group": f"o/{n // 4 % 10}"} for n in range(400)
    ]
    found = measures(tmp_path, rows)

    assert (0.5, 1.0) == (found["length"].accuracy, found["length_difference"].accuracy)


def test_a_planted_token_is_found_and_named(tmp_path: Path) -> None:
    rows = corpus()
    for n, row in enumerate(rows):  # one word of the same length for another: only its spelling tells
        better, worse = ("cached", "stored") if n % 5 else ("stored", "cached")
        row["chosen"] = row["chosen"].replace("y = ", f"{better} = ", 1)
        row["rejected"] = row["rejected"].replace("y = ", f"{worse} = ", 1)
    found = measures(tmp_path, rows)

    assert 0.8 == found["diff_tokens"].accuracy
    assert {"+cached", "-stored"} == set(found["diff_tokens"].tells[:2])
    assert found["length"].low is not None and found["length"].low <= 0.5
    assert found["surface"].low is not None and found["surface"].low <= 0.5


def test_a_planted_comment_habit_is_found_where_length_is_even(tmp_path: Path) -> None:
    rows = corpus()
    for n, row in enumerate(rows):
        comment, code = "    # as asked\n", f"    {word(n, 'code'):<10}\n"
        row["chosen"] += comment
        row["rejected"] += code
    found = measures(tmp_path, rows)

    assert found["surface"].low is not None and found["surface"].low > 0.8
    assert any("comment" in tell for tell in found["surface"].tells)
    assert found["length"].low is not None and found["length"].low <= 0.5


def test_a_token_of_one_repository_tells_nothing(tmp_path: Path) -> None:
    # Each repository has a word of its own that says which side is chosen: of other repositories none has it.
    rows = corpus()
    for row in rows:
        own = "mark_" + row["group"].replace("/", "_")
        row["chosen"] = row["chosen"].replace("y = ", f"{own} = ", 1)
        row["rejected"] = row["rejected"].replace("y = ", f"{own[::-1]} = ", 1)

    tokens = measures(tmp_path, rows)["diff_tokens"]
    assert tokens.low is not None and tokens.low <= 0.5


def test_too_few_pairs_and_too_few_groups_say_so_in_place_of_a_figure(tmp_path: Path) -> None:
    few = measures(tmp_path / "few", corpus(50)) if (tmp_path / "few").mkdir() is None else {}
    one = [{**row, "group": "o/1"} for row in corpus(300)]
    found = measures(tmp_path, one)

    assert {"50 pairs, fewer than 200"} == {m.unmeasured for m in few.values()}
    assert {None} == {m.accuracy for m in few.values()}
    assert found["length"].accuracy is not None
    assert "1 groups, fewer than 5" == found["surface"].unmeasured


def test_an_interval_is_wider_where_pairs_of_a_group_are_alike(tmp_path: Path) -> None:
    # 300 pairs, two thirds longer: in each repository alike, or as it comes.
    alike = [{**sides(*((2, 1), (2, 1), (1, 2))[n % 3]), "group": f"o/{n % 3}-{n % 2}"} for n in range(300)]
    mixed = [{**row, "group": f"o/{n // 3 % 6}"} for n, row in enumerate(alike)]
    (tmp_path / "mixed").mkdir()
    one, other = measures(tmp_path, alike)["length"], measures(tmp_path / "mixed", mixed)["length"]

    assert one.accuracy == other.accuracy == 0.6667
    assert (0.6115, 0.7176) == (other.low, other.high)  # Wilson's at 200 of 300
    assert one.low is not None and one.low < 0.35


def test_a_sample_is_drawn_by_seed_and_row_and_counts_as_what_it_is(tmp_path: Path) -> None:
    rows = corpus()
    found = measures(tmp_path, rows, sample=200)

    assert [400, 200, 200, 200] == [found[name].pairs for name in MEASURES]
    assert found == measures(tmp_path, rows, sample=200)


def test_order_and_shards_make_no_difference(tmp_path: Path) -> None:
    rows = [{"row_id": f"r{n}", **row} for n, row in enumerate(corpus(bias=0.3, plant="    z = 1\n"))]
    halves = [shard(tmp_path, *rows[250:][::-1], name="one"), shard(tmp_path, *rows[:250], name="two")]

    assert audit([shard(tmp_path, *rows)]) == audit(halves)


def test_swapping_the_sides_turns_every_difference() -> None:
    one, other = "def f():\n\treturn 'a'\n", "def f():\n    # why\n    return None\n"
    there, back = differences(one, other, "Python"), differences(other, one, "Python")

    assert there.features == [-value for value in back.features]
    assert there.tokens == {token: -value for token, value in back.tokens.items()}


def test_weights_are_those_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = np.array([[uniform(0, str(n), str(k)) - 0.4 for k in range(4)] for n in range(60)])
    both = np.concatenate([x, -x])
    reference = linear_model.LogisticRegression(fit_intercept=False, C=0.5, tol=1e-10, max_iter=1_000)
    expected = reference.fit(both, np.repeat([1, 0], len(x))).coef_[0]

    assert expected == pytest.approx(fit(csr_array(x)), abs=1e-4)


@pytest.mark.parametrize(("limit", "is_broken"), [(0.6, True), (0.9, False)])
def test_a_limit_fails_with_the_slices_that_break_it(tmp_path: Path, limit: float, is_broken: bool) -> None:
    path = shard(tmp_path, *corpus(bias=0.6, plant="    z = 1\n"))
    if not is_broken:
        assert audit([path], limits={"length": limit})
        return

    with pytest.raises(StageError, match=r"all / all / all: length is right in 0\.8\d+ of 400 pairs .* more than 0\.6"):
        audit([path], limits={"length": limit})


def test_no_rows_have_no_slices(tmp_path: Path) -> None:
    assert [[], []] == [audit([]), audit([shard(tmp_path)])]


def test_the_summary_counts_the_most_frequent_first(tmp_path: Path) -> None:
    rows = [
        {"license": "ISC"},
        {"license": "MIT", "language": "Go"},
        {"license": "MIT", "demo_only": True},
        {"license": "0BSD"},
    ]

    found = summary([shard(tmp_path, *rows)])

    assert {"MIT": 2, "0BSD": 1, "ISC": 1} == found["license"]
    assert ["MIT", "0BSD", "ISC"] == list(found["license"])
    assert {"false": 3, "true": 1} == found["demo_only"]
    assert {"runtime_efficiency / Python": 3, "runtime_efficiency / Go": 1} == found["criterion_language"]
    assert {"none": 4} == found["system_kind"]


def test_a_path_with_a_pattern_in_it_is_one_file(tmp_path: Path) -> None:
    shard(tmp_path, {}, name="a1")
    assert 2 == audit([shard(tmp_path, {}, {}, name="a[12]")])[0].pairs


def test_the_summary_of_no_rows_is_empty() -> None:
    assert {}.keys() == {what for what, counts in summary([]).items() if counts}

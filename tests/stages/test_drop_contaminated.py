"""What a benchmark holds is dropped with the item, the field and how it was found; common text is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builds import changes, pairs, tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import dropped, in_shards

from themis_data.benchmark_index import IndexSettings, build_index
from themis_data.errors import PipelineError
from themis_data.fingerprint import step_fingerprint
from themis_data.schema import schema
from themis_data.stages.drop_contaminated import DropContaminated

PROMPT = "Write a function that takes the list of all planets and returns those whose moons outnumber their neighbours."
CODE = '''def crowded(planets, neighbours):
    """Planets with more moons than neighbours."""
    found = []
    for planet in planets:
        # only those in its own orbit
        around = [other for other in neighbours if other.orbit == planet.orbit]
        if len(planet.moons) > len(around) and planet.mass > 0:
            found.append((planet.name, len(planet.moons), len(around)))
    return sorted(found, key=lambda one: one[1])
'''
NEAR = CODE.replace("return sorted(found", "found.reverse()\n    return sorted(found")
RENAMED = CODE.replace("planet", "p").replace("found", "out").replace("crowded", "busy").replace("around", "close")
REWRAPPED = """Here it is:

~~~py
def crowded( planets, neighbours, ):
  found = [];
  for planet in planets:
      around = [
          other for other in neighbours
          if other.orbit == planet.orbit
      ]
      if len(planet.moons) > len(around) and planet.mass > 0:
          found.append((planet.name, len(planet.moons), len(around)))   # enough
  return sorted(found, key=lambda one: one[1])
~~~
"""


def built(folder: Path, **settings: Any) -> str:
    """An index of one item, Planets 7."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.parquet"
    row = {"benchmark": "Planets", "item": "7", "prompt": PROMPT, "responses": [CODE], "language": "Python"}
    table = schema("benchmark_item").table({name: [value] for name, value in (row | {"problem_key": "mbpp/7"}).items()})
    build_index([table], path, settings=IndexSettings(**settings))
    return str(path)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(tmp_path_factory.mktemp("index"))


NGRAM = "'write a function that takes the list of all planets and returns those'"


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        pytest.param({"prompt": PROMPT}, f"prompt by 13-gram {NGRAM}", id="exact prompt"),
        pytest.param(
            {"prompt": "Python!\n\n" + PROMPT.upper().replace(" ", "\n  **")},
            f"prompt by 13-gram {NGRAM}",
            id="re-wrapped",
        ),
        pytest.param({"chosen": f'x = """{PROMPT}"""\n'}, f"chosen by 13-gram {NGRAM}", id="prompt in an answer"),
        pytest.param({"chosen": CODE}, "chosen by definition crowded, line 1", id="exact"),
        pytest.param({"rejected": "import os\n\n" + CODE}, "rejected by definition crowded, line 3", id="in a file"),
        pytest.param(
            {"chosen": REWRAPPED}, "chosen by definition crowded, line 1", id="other layout, comments and fence"
        ),
        pytest.param({"rejected": RENAMED}, "rejected by renamed definition busy, line 1", id="renamed"),
        pytest.param({"rejected": NEAR}, "rejected by MinHash, 0.8", id="near"),
        pytest.param({"group": "Mbpp/7"}, "by problem key mbpp/7", id="problem"),
    ],
)
def test_a_copy_is_dropped_with_item_field_and_way(
    tmp_path: Path, index: str, row: dict[str, Any], detail: str
) -> None:
    stage = DropContaminated(index=(index,))
    found = dropped(tmp_path, stage, pairs({"prompt": "Sort it."}, row))

    assert {"1"} == set(found)
    assert "contaminated" == found["1"][0]
    assert str(found["1"][1]).startswith(f"Planets 7: {detail}")


@pytest.mark.parametrize(
    ("check", "row"),
    [
        ("definitions", {"chosen": RENAMED}),
        ("minhash", {"chosen": NEAR}),
        ("problems", {"group": "Mbpp/7"}),
        ("prompts", {"prompt": PROMPT}),
        ("answers", {"rejected": f"# {PROMPT}\nx = 1\n"}),
    ],
)
def test_each_check_can_be_left_out(tmp_path: Path, index: str, check: Any, row: dict[str, Any]) -> None:
    others = tuple(c for c in DropContaminated().checks if c != check)

    assert {"0"} == set(dropped(tmp_path / "with", DropContaminated(index=(index,), checks=(check,)), pairs(row)))
    assert {} == dropped(tmp_path / "without", DropContaminated(index=(index,), checks=others), pairs(row))


def test_what_tells_most_is_told(tmp_path: Path, index: str) -> None:
    row = {"prompt": PROMPT, "chosen": RENAMED, "rejected": CODE, "group": "Mbpp/7"}

    assert {"0": ("contaminated", "Planets 7: rejected by definition crowded, line 1")} == dropped(
        tmp_path, DropContaminated(index=(index,)), pairs(row)
    )


@pytest.mark.parametrize(("repositories", "expected"), [(2, ["0", "1"]), (3, [])])
def test_an_ngram_of_max_repos_repositories_is_common_text(
    tmp_path: Path, index: str, repositories: int, expected: list[str]
) -> None:
    rows = [{"prompt": PROMPT, "repos": f"example.org/o/{n}"} for n in range(repositories)]
    rows += [{"prompt": "Sort it."}]

    assert expected == sorted(dropped(tmp_path, DropContaminated(index=(index,), max_repos=3), pairs(*rows)))


@pytest.mark.parametrize(
    "repos",
    [
        pytest.param(["example.org/o/a"] * 5, id="many rows of one"),
        pytest.param(["example.org/o/a,example.org/o/b,example.org/o/c"] * 2, id="a commit that forks share"),
    ],
)
def test_repositories_are_counted_and_not_rows_or_forks(tmp_path: Path, index: str, repos: list[str]) -> None:
    rows = pairs(*({"prompt": PROMPT, "repos": own} for own in repos))

    assert len(repos) == len(dropped(tmp_path, DropContaminated(index=(index,), max_repos=2), rows))


def test_common_text_beside_a_definition_does_not_save_the_row(tmp_path: Path, index: str) -> None:
    rows = pairs(*({"prompt": PROMPT, "chosen": CODE, "repos": f"example.org/o/{n}"} for n in range(3)))

    assert {f"{n}" for n in range(3)} == set(dropped(tmp_path, DropContaminated(index=(index,), max_repos=2), rows))


def test_where_a_part_of_the_ngrams_is_common_the_first_other_one_is_told(tmp_path: Path, index: str) -> None:
    common = " ".join(PROMPT.split()[:14])
    rows = pairs({"prompt": PROMPT}, *({"prompt": f"{common} x", "repos": f"example.org/o/{n}"} for n in range(2)))
    told = "'function that takes the list of all planets and returns those whose moons'"

    assert {"0": ("contaminated", f"Planets 7: prompt by 13-gram {told}")} == dropped(
        tmp_path, DropContaminated(index=(index,), max_repos=2), rows
    )


def test_tasks_and_changes_are_looked_at_too(tmp_path: Path, index: str) -> None:
    of_tasks = dropped(
        tmp_path / "tasks",
        DropContaminated(index=(index,), on="task"),
        tasks({"solution": CODE}, {"prompt": PROMPT}, {"task": "Mbpp/7"}, {}),
    )
    of_changes = dropped(
        tmp_path / "changes",
        DropContaminated(index=(index,), on="change"),
        changes({"old_contents": CODE}, {"new_contents": RENAMED}, {}),
    )

    assert ["0", "1", "2"] == sorted(of_tasks)
    assert "Planets 7: solution by definition crowded, line 1" == of_tasks["0"][1]
    assert {
        "0": ("contaminated", "Planets 7: old_contents by definition crowded, line 1"),
        "1": ("contaminated", "Planets 7: new_contents by renamed definition busy, line 1"),
    } == of_changes


def test_a_commit_that_is_a_benchmark_item_is_found_by_its_id(tmp_path: Path) -> None:
    table = schema("benchmark_item").table(
        {"benchmark": ["Fixes"], "item": ["1"], "responses": [[]], "problem_key": ["commit/0a1b2c3"]}
    )
    build_index([table], tmp_path / "index.parquet")
    stage = DropContaminated(index=(str(tmp_path / "index.parquet"),))

    assert {"0": ("contaminated", "Fixes 1: by problem key commit/0a1b2c3d4e5f")} == dropped(
        tmp_path / "run", stage, pairs({"commit": "0a1b2c3d4e5f"}, {"commit": "0a1b2c4d4e5f"})
    )


def test_benchmark_material_is_dropped_only_where_the_index_has_it(tmp_path: Path, index: str) -> None:
    rows = pairs({"demo_only": True}, {"demo_only": True, "chosen": CODE})

    assert {"1"} == set(dropped(tmp_path, DropContaminated(index=(index,)), rows))


def test_what_is_told_of_a_row_is_short_and_has_nothing_that_moves_a_cursor(tmp_path: Path) -> None:
    prompt = " ".join(f"ünbound\u0661{'x' * 30}{n}" for n in range(13))
    table = schema("benchmark_item").table({"benchmark": ["Odd"], "item": ["1"], "prompt": [prompt], "responses": [[]]})
    build_index([table], tmp_path / "index.parquet")
    found = dropped(
        tmp_path / "run", DropContaminated(index=(str(tmp_path / "index.parquet"),)), pairs({"prompt": prompt})
    )
    detail = str(found["0"][1])

    assert detail.isascii()
    assert detail.isprintable()
    assert len(detail) < 200
    assert detail.endswith("...'")


def test_without_an_index_nothing_goes(tmp_path: Path) -> None:
    assert {} == dropped(tmp_path, DropContaminated(), pairs({"prompt": PROMPT}))


def test_several_indexes_are_asked(tmp_path: Path, index: str) -> None:
    table = schema("benchmark_item").table(
        {"benchmark": ["Other"], "item": ["1"], "prompt": [PROMPT.replace("planets", "stars")], "responses": [[]]}
    )
    build_index([table], tmp_path / "other.parquet")
    stage = DropContaminated(index=(index, str(tmp_path / "other.parquet")))
    rows = pairs({"prompt": PROMPT}, {"prompt": PROMPT.replace("planets", "stars")})

    assert ["Planets", "Other"] == [str(d).split()[0] for _, d in dropped(tmp_path / "run", stage, rows).values()]


@pytest.mark.parametrize("settings", [{"ngram": 8}, {"grammars": "wheels"}])
def test_an_index_of_other_settings_is_an_error_before_anything_runs(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = built(tmp_path, **settings)

    with pytest.raises(PipelineError, match="built with other settings"):
        step_fingerprint(DropContaminated(index=(path,)))


def test_the_content_of_the_index_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    stage = DropContaminated(index=(built(tmp_path),))
    before = step_fingerprint(stage)
    table = schema("benchmark_item").table({"benchmark": ["B"], "item": ["1"], "prompt": [PROMPT], "responses": [[]]})
    build_index([table], tmp_path / "index.parquet")

    assert before != step_fingerprint(stage)


text = st.one_of(
    st.sampled_from([PROMPT, CODE, RENAMED, REWRAPPED, NEAR, f"{PROMPT} {CODE}", ""]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
row = st.fixed_dictionaries(
    {
        "prompt": st.none() | text,
        "chosen": text,
        "rejected": text,
        "language": st.sampled_from(["Python", "C", "NL", "no language"]),
        "repos": st.sampled_from(["a/b/c", "a/b/d", "a/b/c,a/b/e", ""]),
        "group": st.sampled_from(["Mbpp/7", "a/b/c", ""]),
        "commit": st.none() | st.text("0a", max_size=3),
    }
)


@settings(max_examples=8)
@given(
    st.lists(row, min_size=1, max_size=6), st.randoms(use_true_random=False), st.lists(st.integers(0, 6), max_size=2)
)
def test_neither_the_order_of_rows_nor_their_shards_matter_for_any_text(
    tmp_path_factory: pytest.TempPathFactory, index: str, rows: list[dict[str, Any]], draw: Any, ends: Sequence[int]
) -> None:
    table = pairs(*rows)
    order = list(range(len(rows)))
    draw.shuffle(order)
    stage = DropContaminated(index=(index,), max_repos=2)
    mixed = in_shards(table.take(pa.array(order)), ends)

    folder = tmp_path_factory.mktemp("any")
    assert dropped(folder / "one", stage, table) == dropped(folder / "other", stage, mixed)

"""Identity: what changes a fingerprint and what does not."""

import dataclasses
import hashlib
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from builds import ENVIRONMENT, ROOT
from hypothesis import given
from hypothesis import strategies as st

from themis_data.fingerprint import (
    WHERE_IT_RUNS,
    digest,
    distribution_version,
    pair_id,
    row_id,
    settings_that_matter,
    step_fingerprint,
    uniform,
    where_it_runs,
)
from themis_data.sources.git_history import GitHistory
from themis_data.stages.drop_near_duplicates import DropNearDuplicates
from themis_data.stages.keep_sizes import KeepSizes

texts = st.text(st.characters(codec=None), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def test_where_a_step_runs_does_not_matter():
    here = GitHistory(repos=("/a",), unit_commits=10, timeout_s=1.0)
    there = GitHistory(repos=("/b", "/c"), unit_commits=99, timeout_s=2.0)

    assert step_fingerprint(here) == step_fingerprint(there)


def test_a_setting_matters():
    assert step_fingerprint(KeepSizes(max_bytes=1)) != step_fingerprint(KeepSizes(max_bytes=2))


def test_the_version_matters():
    @dataclass(frozen=True, kw_only=True)
    class Next(KeepSizes):
        version = 2

    Next.__module__ = KeepSizes.__module__

    assert step_fingerprint(KeepSizes()) != step_fingerprint(Next())


def test_the_version_of_a_declared_distribution_matters():
    @dataclass(frozen=True, kw_only=True)
    class Other(DropNearDuplicates):
        distributions = ("datasketch", "no-such-distribution")

    Other.__module__ = DropNearDuplicates.__module__

    assert step_fingerprint(DropNearDuplicates()) != step_fingerprint(Other())


def test_what_is_not_installed_has_the_version_absent():
    assert distribution_version("no-such-distribution") == "absent"


def test_settings_that_matter_leave_out_where_it_runs():
    assert settings_that_matter(GitHistory(repos=("/a",), max_file_bytes=7)) == {
        "refs": ["HEAD"],
        "max_file_bytes": 7,
        "known_languages_only": False,
        "corrections": False,
    }


def test_a_field_that_says_where_it_runs_is_marked():
    @dataclass(frozen=True)
    class Config:
        workers: int = where_it_runs(1)

    assert dataclasses.fields(Config)[0].metadata[WHERE_IT_RUNS]


def test_a_mutable_default_is_refused():
    with pytest.raises(TypeError, match="immutable"):
        where_it_runs([])


class _Checkout:
    """A copy of the package that may be edited, and the fingerprints that a fresh process finds there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("themis_data", "schemas", "manifests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new), encoding="utf-8")

    def fingerprint(self, stage: str) -> str:
        code = (
            f"from themis_data.lookup import find; from themis_data.fingerprint import step_fingerprint; "
            f"print(step_fingerprint(find('stages', {stage!r}, 'STAGE')()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=ENVIRONMENT | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
        return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    return _Checkout(tmp_path)


def test_a_fresh_process_finds_the_same_fingerprint(checkout):
    assert step_fingerprint(KeepSizes()) == checkout.fingerprint("keep_sizes")


def test_docstrings_and_comments_do_not_matter(checkout):
    before = checkout.fingerprint("classify_commits")

    checkout.replace("themis_data/stages/classify_commits.py", '"""The one criterion', '"""Just one criterion')
    checkout.replace("themis_data/text/changes.py", '"""The lines that differ', '"""All lines that differ')
    checkout.replace("themis_data/stages/classify_commits.py", "STAGE = ", "# a comment\nSTAGE = ")

    assert before == checkout.fingerprint("classify_commits")


@pytest.mark.parametrize(
    ("stage", "path", "old", "new"),
    [
        pytest.param(
            "keep_sizes", "themis_data/stages/keep_sizes.py", "pc.greater(", "pc.greater_equal(", id="its own code"
        ),
        pytest.param(
            "classify_commits", "themis_data/text/changes.py", "autojunk=False", "autojunk=True", id="code it imports"
        ),
        pytest.param(
            "drop_near_duplicates", "themis_data/text/changes.py", "2_250_000", "2_250_001", id="a constant it imports"
        ),
        pytest.param(
            "classify_commits", "themis_data/criteria/runtime_efficiency.yaml", "faster", "swifter", id="a data file"
        ),
        pytest.param(
            "classify_commits", "themis_data/criteria/evidence/paths.yaml", ":", ": ", id="a nested data file"
        ),
        pytest.param("write_instructions", "themis_data/llm/prompts/write_file.j2", "{", " {", id="a template"),
        pytest.param("keep_languages", "themis_data/code/languages/go.yaml", ".go", ".golang", id="a language"),
        pytest.param(
            "keep_sizes", "schemas/change.yaml", "Author time.", "Time of the author.", id="the schema it reads"
        ),
        pytest.param("classify_commits", "schemas/pair.yaml", "weaker.", "less.", id="the schema it writes"),
        pytest.param("keep_licenses", "manifests/licenses.yaml", "MIT-0, ", "", id="a manifest it reads"),
    ],
)
def test_what_shapes_the_rows_matters(checkout, stage, path, old, new):
    before = checkout.fingerprint(stage)

    checkout.replace(path, old, new)

    assert before != checkout.fingerprint(stage)


def test_code_that_a_step_does_not_import_does_not_matter(checkout):
    before = checkout.fingerprint("keep_sizes")

    checkout.replace("themis_data/text/minhash.py", "0.98", "0.99")
    checkout.replace("schemas/task.yaml", "solution", "answer")

    assert before == checkout.fingerprint("keep_sizes")


@pytest.mark.parametrize("value", [object(), b"bytes", print, {1: "a"}, Path("x"), {"a": {2: 3}}, KeepSizes])
def test_what_cannot_be_hashed_the_same_way_twice_is_refused(value):
    with pytest.raises(TypeError, match="fingerprint"):
        digest(value)


def test_a_digest_is_blake2b_of_the_canonical_json():
    canonical = b'{"a":{"float":"0x1.0000000000000p-1"},"b":[1,null,"x"]}'

    assert hashlib.blake2b(canonical, digest_size=16).hexdigest() == digest({"b": [1, None, "x"], "a": 0.5})


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), ("1", 1), (0.1, 0.1 + 2**-56), ([], {}), (None, "null"), ([1, 2], [2, 1])]
)
def test_values_of_another_kind_or_order_differ(one, other):
    assert digest(one) != digest(other)


def test_sets_have_no_order():
    assert digest({"c", "a", "b"}) == digest(frozenset(["b", "c", "a"]))


@given(st.dictionaries(texts, values, max_size=4))
def test_the_order_of_keys_does_not_matter(mapping):
    assert digest(mapping) == digest(dict(reversed(mapping.items())))


@given(values)
def test_a_list_and_a_tuple_are_the_same(value):
    assert digest([value]) == digest((value,))


def test_a_row_id_puts_lengths_before_its_fields():
    expected = hashlib.blake2b(b"\0\0\0\0\0\0\0\x02ab\0\0\0\0\0\0\0\x01c", digest_size=16).hexdigest()

    assert expected == row_id("ab", "c")


@given(st.lists(texts, max_size=4), st.lists(texts, max_size=4))
def test_row_ids_are_equal_exactly_when_the_fields_are(one, other):
    assert (one == other) == (row_id(*one) == row_id(*other))


@pytest.mark.parametrize(
    ("one", "other"), [(("ab", "c"), ("a", "bc")), (("a", ""), ("", "a")), (("a",), ("a", "")), ((), ("",))]
)
def test_row_ids_keep_fields_apart(one, other):
    assert row_id(*one) != row_id(*other)


def test_a_pair_id_does_not_know_the_prompt_and_knows_the_order_of_the_sides():
    assert pair_id(["p"], "c", "x", "y") != pair_id(["p"], "c", "y", "x")


@given(st.integers(), st.lists(texts, max_size=3))
def test_a_draw_is_at_least_zero_and_less_than_one(seed, fields):
    assert 0.0 <= uniform(seed, *fields) < 1.0


@given(st.integers(), texts)
def test_a_draw_depends_on_seed_and_fields_alone(seed, text):
    assert uniform(seed, text) == uniform(seed, text)
    assert not math.isclose(uniform(seed, text), uniform(seed + 1, text), rel_tol=0.0, abs_tol=1e-15)


def test_draws_fill_the_range_evenly():
    draws = [uniform(1, str(n)) for n in range(10_000)]

    tenths = [sum(low / 10 <= draw < (low + 1) / 10 for draw in draws) for low in range(10)]
    assert all(850 < count < 1_150 for count in tenths), tenths

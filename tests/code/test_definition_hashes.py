"""Copies of a definition have its hash, whatever was done to their layout, comments or names; others do not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.code.definition_hashes import DefinitionHash, definition_hashes
from themis_data.code.language import all_languages

PYTHON = '''def total(prices, known, limit=3):
    """Add the prices up."""
    count = 0  # so far
    for price in prices:
        if price.amount > limit and known.get(price.name, "no name") != 'none':
            count += max(price.amount, 1)
    return count
'''
JAVA = """class Prices {
    /** Adds. */
    int total(int[] prices, int limit) {
        int count = 0;
        for (int price : prices) { if (price > limit) { count += Math.max(price, 1); } }
        return count;
    }
}
"""
CPP = """template <class T> int Box<T>::total(const std::vector<int>& prices) {
    int count = 0; // so far
    for (auto price : prices) count += price;
    return count;
}
"""


def only(source: str, language: str = "Python") -> DefinitionHash:
    return definition_hashes(source.encode(), language, min_tokens=1)[0]


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(PYTHON.replace("    ", "\t"), id="tabs"),
        pytest.param(PYTHON.replace("\n", "\r\n"), id="carriage returns"),
        pytest.param(PYTHON.replace("  # so far", "").replace('    """Add the prices up."""\n', ""), id="no comments"),
        pytest.param(PYTHON.replace("'none'", '"none"'), id="other quotes"),
        pytest.param(
            PYTHON.replace("(prices, known, limit=3)", "(\n    prices,\n    known,\n    limit=3,\n)"), id="wrapped"
        ),
        pytest.param(PYTHON.replace("count = 0", "count = \\\n        0;"), id="continued line"),
        pytest.param("import os\n\n\n@cached\n" + PYTHON + "\nx = total([])\n", id="in a file"),
        pytest.param("class A:\n    " + PYTHON.replace("\n", "\n    "), id="in a class"),
    ],
)
def test_a_copy_of_another_layout_is_the_same(copy: str) -> None:
    found = definition_hashes(copy.encode(), "Python", min_tokens=1)

    assert only(PYTHON).exact in {one.exact for one in found}


@pytest.mark.parametrize(
    ("language", "source", "copy"),
    [
        ("Python", PYTHON, PYTHON.replace("total", "f").replace("price", "p").replace("count", "n")),
        ("Java", JAVA, JAVA.replace("Prices", "P").replace("total", "sum").replace("price", "x").replace("limit", "m")),
        ("C++", CPP, CPP.replace("total", "sum").replace("price", "x").replace("Box", "B").replace("T>", "U>")[:-2]
         .replace("class T", "class U") + "}\n"),
    ],
)  # fmt: skip
def test_a_copy_with_other_names_is_the_same_renamed_and_not_as_it_is(language: str, source: str, copy: str) -> None:
    one, other = only(source, language), only(copy, language)

    assert one.renamed == other.renamed
    assert one.exact != other.exact


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(PYTHON.replace("max(", "min("), id="another function is called"),
        pytest.param(PYTHON.replace(".amount", ".weight"), id="another member is read"),
        pytest.param(PYTHON.replace("no name", "nobody"), id="another string"),
        pytest.param(PYTHON.replace("= 0", "= 1"), id="another number"),
        pytest.param(PYTHON.replace(" > ", " < "), id="another sign"),
        pytest.param(PYTHON.replace("and known", "or known"), id="another keyword"),
        pytest.param(PYTHON.replace("return count", "return limit"), id="two names exchanged"),
    ],
)
def test_other_code_is_other_code_by_both_hashes(other: str) -> None:
    assert only(PYTHON).exact != only(other).exact
    assert only(PYTHON).renamed != only(other).renamed


def test_nested_definitions_have_hashes_of_their_own_with_names_and_lines() -> None:
    found = definition_hashes(JAVA.encode(), "Java", min_tokens=1)

    assert [("Prices", 0), ("total", 2)] == [(one.name, one.line) for one in found]


def test_a_program_without_definitions_is_one_thing() -> None:
    [found] = definition_hashes(b"n = int(input())\nprint(n * 2)\n", "Python", min_tokens=1)

    assert ("", 0, 14) == (found.name, found.line, found.num_tokens)


def test_small_definitions_are_left_out() -> None:
    size = only(PYTHON).num_tokens

    assert [size] == [one.num_tokens for one in definition_hashes(PYTHON.encode(), "Python", min_tokens=size)]
    assert [] == definition_hashes(PYTHON.encode(), "Python", min_tokens=size + 1)


@settings(max_examples=60)
@given(
    st.one_of(st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")), st.binary(max_size=80)),
    st.sampled_from(sorted(name for name, spec in all_languages().items() if spec.published_as is not None)),
)
def test_any_source_has_hashes_or_none(source: bytes, language: str) -> None:
    for one in definition_hashes(source, language, min_tokens=2):
        assert (16, 16) == (len(one.exact), len(one.renamed))
        assert one.num_tokens >= 2

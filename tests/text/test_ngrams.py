"""n-grams that texts have in common with a known set: the same ones that a set of strings finds."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from themis_data.text.ngrams import find_ngrams, ngram_hashes, ngram_set, ngrams, words

pieces = st.sampled_from(
    ["a", "b", "B", "_1", "Z9", "İ", "ΣΑΣ", "é", "ⅷ", "e\u0301", "日", "１", "𝒳", "ß", *" \n.(\0", "  ", "€", "\u2028"]
)
texts = st.one_of(st.lists(pieces, max_size=40).map("".join), st.text(st.characters(exclude_categories=["Cs"])))
sizes = st.sampled_from([1, 2, 3, 5])


def found_by_set(given_texts: list[str], known: list[str], n: int, min_words: int) -> list[set[str]]:
    everything = set().union(*(ngrams(text, n, min_words) for text in known))
    return [set(ngrams(text, n, min_words) & everything) for text in given_texts]


def found_by_kernel(given_texts: list[str], known: list[str], n: int, min_words: int) -> list[set[str]]:
    _, firsts, seconds = ngram_hashes(pa.array(known, pa.string()), n=n, min_words=min_words)
    hits = find_ngrams(pa.array(given_texts, pa.string()), ngram_set(firsts, seconds), n=n, min_words=min_words)
    found: list[set[str]] = [set() for _ in given_texts]
    for text, word in zip(hits.text.tolist(), hits.word.tolist(), strict=True):
        found[text].add(" ".join(words(given_texts[text])[word : word + n]))
    return found


@given(st.lists(texts, max_size=4), st.lists(texts, max_size=4), sizes, st.integers(0, 4))
@example(["a b c d"], ["x a b c", "A_b!C"], 3, 1)
def test_what_is_found_is_what_a_set_of_strings_finds(given_texts, known, n, min_words):
    assert found_by_set(given_texts, known, n, min_words) == found_by_kernel(given_texts, known, n, min_words)


@given(st.lists(texts, max_size=4), sizes)
def test_every_text_is_found_in_a_set_of_its_own(given_texts, n):
    expected = [set(ngrams(text, n, 0)) for text in given_texts]

    assert expected == found_by_kernel(given_texts, given_texts, n, 0)


@given(texts, sizes)
def test_equal_ngrams_have_equal_hashes_and_others_have_none_in_common(text, n):
    offsets, firsts, seconds = ngram_hashes(pa.array([text, text], pa.string()), n=n, min_words=0)
    one, other = (
        list(zip(firsts[a:b].tolist(), seconds[a:b].tolist(), strict=True)) for a, b in pairwise(offsets.tolist())
    )

    assert one == other
    assert len(ngrams(text, n, 0)) == len(set(one)) == len({f for f, _ in one}) == len({s for _, s in one})


def test_words_are_runs_of_letters_and_digits_in_lower_case():
    assert ["write", "a", "max", "of", "3", "naïve", "日本語", "i\u0307x"[0], "x"] == words(
        "Write\na **max_of(3)**: naïve 日本語, İx"
    )


def test_layout_and_punctuation_make_no_difference():
    known = ["Return the sum of all even numbers."]

    assert [{"return the sum of all"}] == [
        {gram for gram in found if gram.startswith("return")}
        for found in found_by_kernel(["* RETURN\tthe_sum (of\n\n  all) even -- numbers"], known, 5, 1)
    ]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [("sort the list", True), ("Sort: the LIST!", True), ("please sort the list", False), ("sort the", False)],
)
def test_a_text_shorter_than_an_ngram_is_found_where_it_is_all_there_is(text, is_found):
    assert is_found is bool(found_by_kernel([text], ["Sort the list."], 5, 2)[0])


def test_a_text_with_too_few_words_is_never_found():
    assert [set()] == found_by_kernel(["sort it"], ["sort it"], 5, 3)


def test_a_null_has_no_ngrams():
    known = ngram_set(*ngram_hashes(pa.array(["a b"]), n=2, min_words=1)[1:])
    hits = find_ngrams(pa.chunked_array([["a b", None], [], [None, "x a b"]]), known, n=2, min_words=1)

    assert ([0, 3], [0, 1], [0, 0]) == (hits.text.tolist(), hits.word.tolist(), hits.entry.tolist())


def test_a_hit_on_the_first_hash_alone_is_none():
    _, firsts, seconds = ngram_hashes(pa.array(["a b c"]), n=3, min_words=1)
    wrong = find_ngrams(pa.array(["a b c"]), ngram_set(firsts, seconds + np.uint64(1)), n=3, min_words=1)
    both = find_ngrams(
        pa.array(["a b c"]), ngram_set(firsts.repeat(2), np.append(seconds + np.uint64(1), seconds)), n=3, min_words=1
    )

    assert [] == wrong.entry.tolist()
    assert [1] == both.entry.tolist()


def test_a_slice_of_an_array_is_read_from_where_it_begins():
    known = ngram_set(*ngram_hashes(pa.array(["no", "é b", "a b"]).slice(1, 2), n=2, min_words=1)[1:])
    hits = find_ngrams(pa.array(["a b", "x", "É b"]).slice(1), known, n=2, min_words=1)

    assert ([1], [0]) == (hits.text.tolist(), hits.entry.tolist())


@pytest.mark.parametrize("n", [0, -1])
def test_an_ngram_has_a_word_at_least(n):
    with pytest.raises(ValueError, match="expected at least 1"):
        ngram_hashes(pa.array(["a"]), n=n, min_words=1)

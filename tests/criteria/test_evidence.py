"""What changed lines are taken to show, and what they are not."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.criteria.classify import classify
from themis_data.criteria.evidence import Diff, excluded_path, kinds_shown, read_diff


@dataclass(frozen=True)
class Lines:
    removed: tuple[tuple[int, str], ...]
    added: tuple[tuple[int, str], ...]


def diff(removed: list[str], added: list[str], language: str = "Java") -> Diff:
    return read_diff(Lines(tuple(enumerate(removed)), tuple(enumerate(added))), language=language)


@pytest.mark.parametrize(
    ("removed", "added", "language", "surface"),
    [
        ([], ["// all is well"], "Java", "comments"),
        (["/* one */"], ["/* two */"], "C", "comments"),
        ([" * @param x the width"], [" * @param x the height"], "Java", "comments"),
        (["# old"], ["# new"], "Ruby", "comments"),
        (['"""Old words."""'], ['"""New words."""'], "Python", "comments"),
        (["    :param x: the width"], ["    :param x: the height of it"], "Python", "comments"),
        (["Returns the list of the open files."], ["Returns the list of files that are open."], "Python", "comments"),
        (["    call(x);"], ["  call(x);"], "Java", "layout"),
        (["a();", "b();"], ["b();", "a();"], "Java", "layout"),
        (["if (x) {"], ["if (x)", "{"], "Java", "layout"),
        (["import a;"], ["import b;"], "Java", "imports"),
        (["#include <a.h>"], ["#include <b.h>"], "C", "imports"),
        (['say("a");'], ['say("b");'], "Java", "text"),
        ([], ['logger.info("done {}", x);'], "Java", "logs"),
        (["__version__ = '1.0'"], ["__version__ = '1.1'"], "Python", "versions"),
        (["#if A"], ["#if defined(B)"], "C", "preprocessor"),
        (["a = 1"], ["<<<<<<< HEAD", "a = 2"], "Python", "conflict marks"),
        (["x = a; // the old one"], ["x = b; // the new one"], "Java", None),
        (['url = "http://a" + x;'], ['url = "http://a" + y;'], "Java", None),
        (["puts '#{a}'"], ["puts '#{a + 1}'", "b = 2"], "Ruby", None),
        (["return a"], ["return b"], "Python", None),
    ],
)
def test_a_diff_without_code_is_named_by_what_it_is(
    removed: list[str], added: list[str], language: str, surface: str | None
) -> None:
    assert diff(removed, added, language).surface == surface


def test_lines_that_only_moved_are_left_out_and_counted() -> None:
    found = diff(["one();", "two();", "three();"], ["two();", "one();", "four();"])

    assert found == Diff(("three();",), ("four();",), 2, None)


@pytest.mark.parametrize(
    ("removed", "added", "language", "kind"),
    [
        (["total = left", "f(total)"], ["summed = left", "f(summed)"], "Python", "pure_rename"),
        (["a(x);", "b = x;", "c = b;"], ["a(x);", "c = x;"], "Java", "cut"),
        (["unused();"], [], "Java", "cut"),
        (["x = a * b"], ["def area(a, b):", "    return a * b", "x = area(a, b)"], "Python", "rewrite"),
        (["grow(4096);"], ["static final int PAGE = 4096;", "grow(PAGE);"], "Java", "named_constant"),
        ([], ["buffer.release();"], "Java", "release"),
        ([], ["defer file.Close()"], "Go", "release"),
        (["return new ArrayList<>(list);"], ["return list;"], "Java", "fewer_allocations"),
        ([], ["for chunk in body.iter_chunks():", "    yield chunk"], "Python", "laziness"),
        ([], ["@site_cache ||= compute"], "Ruby", "remembered"),
        (["synchronized (this) {"], ["if (ready.get()) {"], "Java", "fewer_locks"),
        ([], ["if (n > MAX_LENGTH) {"], "C", "bounds"),
        ([], ["if (!isValid(name)) {", "throw new IllegalArgumentException(name);"], "Java", "validation"),
        (["if (a == b) {"], ["if (hmac.equal(a, b)) {"], "Java", "crypto"),
        ([], ["name = html.escape(name)"], "Python", "escaping"),
        (["os.open(p, flags, 0o666)"], ["os.open(p, flags, 0o600)"], "Python", "permission"),
    ],
)
def test_a_kind_of_evidence_is_seen_where_it_stands(
    removed: list[str], added: list[str], language: str, kind: str
) -> None:
    assert kind in kinds_shown(diff(removed, added, language), language=language)


@pytest.mark.parametrize(
    ("removed", "added", "kind"),
    [
        (["buffer.release();"], [], "release"),
        ([], ["return new ArrayList<>(list);"], "fewer_allocations"),
        (["throw new IllegalArgumentException(name);"], ["log(name);"], "validation"),
        (["alpha(1, x);"], ["beta(2, y) + gamma(z);"], "pure_rename"),
    ],
)
def test_the_opposite_change_is_no_evidence(removed: list[str], added: list[str], kind: str) -> None:
    assert kind not in kinds_shown(diff(removed, added), language="Java")


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("src/main/java/org/acme/Store.java", None),
        ("src/test/java/org/acme/Store.java", "tests"),
        ("src/StoreTest.java", "tests"),
        ("src/Contest.java", None),
        ("third_party/zlib/inflate.c", "vendored"),
        ("lib/acme/version.rb", "versions"),
        ("docs/source/plot.py", "documentation"),
        ("api/store.pb.go", "generated"),
    ],
)
def test_files_whose_edits_show_nothing_are_named_by_group(path: str, group: str | None) -> None:
    assert excluded_path(path) == group


@pytest.mark.parametrize(
    ("removed", "added", "kind"),
    [
        (["grow(512);"], ["grow(1024);"], "other_number"),
        (["return null;"], ["return false;"], "other_result"),
        (["skip(x);"], ["throw new Refused(x);"], "new_failure"),
        ([], ["if (n < 0) {", "throw new Refused(n);"], "mere_check"),
        (["call(a);"], ["if (ready) {", "call(a, b);"], "new_branch"),
        (["emit(build(t), x);"], ["table = build(t);", "emit(table, x);"], "kept_result"),
        ([], ["static final Pattern P = Pattern.compile(s);", "P.matcher(x);"], "kept_result"),
        (["a(x);", "b(x);", "b(x);"], ["a(x);"], "call_gone"),
        (["use(first);", "put(first);"], ["use(head_of_list);", "put(head_of_list);"], "pure_rename"),
        (["int left;", "int unused;"], ["int left, right;"], "rewrite"),
        (["int left, unused;"], ["int left;"], "cut"),
        (["if (a == true) {", "return keep(a);", "}", "return keep(a);"], ["return keep(a);"], "cut"),
        (["if (a) {", "x = keep(a);", "y = x;", "return y;"], ["x = keep(a) + a;"], "shrunk"),
        ([], ["free(node);"], "freed"),
        ([], ["emitter.removeListener(done);"], "forgotten"),
    ],
)
def test_a_change_of_behaviour_or_of_what_is_held_is_seen(removed: list[str], added: list[str], kind: str) -> None:
    assert kind in kinds_shown(diff(removed, added), language="Java")


@pytest.mark.parametrize(
    ("removed", "added", "kind"),
    [
        (["grow(512);", "grow(512);"], ["static final int PAGE = 512;", "grow(PAGE);"], "other_number"),
        (["if (a) return true;", "return false;"], ["return a;"], "other_result"),
        (["throw new Refused(x);"], ["throw refused(x);"], "new_failure"),
        (["call(a);"], ["if (a == null) {", "throw new Refused(a);"], "mere_check"),
        (["use(position);", "put(position);"], ["use(p);", "put(p);"], "pure_rename"),
        (["use(a);", "put(a);"], ["use(b1);", "put(c1);"], "pure_rename"),
        (["show();", "draw(a);", "hide();", "wait();"], ["draw(a);"], "shrunk"),
        (["x = 2 * n - 1;"], ["x = MASKS[n];"], "kept_result"),
    ],
)
def test_a_tidy_up_does_not_look_like_a_change_of_behaviour(removed: list[str], added: list[str], kind: str) -> None:
    assert kind not in kinds_shown(diff(removed, added), language="Java")


def test_a_prototype_alone_is_no_code_that_changed() -> None:
    found = diff([], ["int flush_addresses(struct base *base);"], "C")

    assert found.surface == "declarations"


@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=4), st.lists(st.text(max_size=40), max_size=4))
def test_any_text_gets_a_criterion_or_a_reason(words: str, removed: list[str], added: list[str]) -> None:
    lines = Lines(tuple(enumerate(removed)), tuple(enumerate(added)))
    labels = [classify(message=f"Fix {words}", path="a.py", language="Python", changes=lambda: lines) for _ in range(2)]

    assert (labels[0].criterion is None) == (labels[0].reason is not None)
    assert labels[0] == labels[1]


@pytest.mark.parametrize("unit", ["a ", "a,", "((", "'", "x<", "/*", "*a ", "a.b(", "\\", "A_=", "word the "])
def test_long_lines_are_read_in_bounded_time(unit: str) -> None:
    long = unit * 50_000

    shown = kinds_shown(diff([long], [long + "b", unit * 3]), language="Java")

    assert isinstance(shown, frozenset)

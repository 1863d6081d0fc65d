"""Mutants in all languages: the same slips under the same names, which parse with either set of grammars."""

import pytest

from themis_data.code import grammars, mutation
from themis_data.code.grammars import Grammars
from themis_data.code.language import all_languages
from themis_data.code.mutation import Mutant, mutants
from themis_data.code.mutation.table import all_tables
from themis_data.errors import MissingExtra

# A function with one of each: a loop over numbers, a guard, an element, a choice, a truth, two alike variables.
C_BODY = """
    int total = 0;
    if (limit < 0) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (!ready && values[i] == limit) {
            continue;
        }
        total += values[i + 1] - limit;
        last = MAXIMUM(count, limit);
    }
    return total > count ? total : count;
}
"""
PROGRAMS = {
    "C": "int f(int *values, int count, int limit, int ready) {"
    + C_BODY.replace("MAXIMUM", "max").replace("last =", "int last ="),
    "C++": "int A::f(std::vector<int>& values, int count, int limit, bool ready) {"
    + C_BODY.replace("MAXIMUM", "std::max").replace("last =", "int last ="),
    "C#": "class A { int F(int[] values, int count, int limit, bool ready) {"
    + C_BODY.replace("MAXIMUM", "Math.Max").replace("last =", "var last =")
    + "}",
    "Java": "class A { int f(int[] values, int count, int limit, boolean ready) {"
    + C_BODY.replace("MAXIMUM", "Math.max").replace("last =", "int last =")
    + "}",
    "JavaScript": "function f(values, count, limit, ready) {"
    + C_BODY.replace("MAXIMUM", "Math.max")
    .replace("last =", "const last =")
    .replace("int ", "let ")
    .replace("==", "==="),
    "Go": """package a

func f(values []int, count int, limit int, ready bool) int {
	total := 0
	if limit < 0 {
		return -1
	}
	for i := 0; i < count; i++ {
		if !ready && values[i] == limit {
			continue
		}
		total += values[i+1] - limit
		last = max(count, limit)
	}
	return total
}
""",
    "Ruby": """def f(values, count, limit, ready)
  total = 0
  return -1 if limit < 0
  (0...count).each do |i|
    next if !ready && values[i] == limit
    total += values[i + 1] - limit
    last = [count, limit].max
  end
  total > count ? total : count
end
""",
    "Python": """def f(values, count, limit, ready):
    total = 0
    if limit < 0:
        return -1
    for i in range(count):
        if not ready and values[i] == limit:
            continue
        total += values[i + 1] - limit
        last = max(count, limit)
    return total if total > count else count
""",
}
EIGHT = sorted(name for name, known in all_languages().items() if known.published_as)


def all_of(source: str, language: str, using: Grammars = "auto") -> list[Mutant]:
    return mutants(source.encode(), language, entry_point=None, seed=0, grammars=using)


def changes(source: str, language: str) -> set[tuple[str, str]]:
    return {(mutant.kind, mutant.after) for mutant in all_of(source, language)}


def num_errors(source: bytes, language: str, using: Grammars) -> int:
    tree = grammars.parse(source, language, using)
    assert tree is not None
    errors, todo = 0, [tree.root_node]
    while todo:
        node = todo.pop()
        errors += node.is_error or node.is_missing
        todo += node.children
    return errors


def test_all_published_languages_have_operators() -> None:
    assert tuple(EIGHT) == mutation.languages()


@pytest.mark.parametrize("language", EIGHT)
def test_a_language_offers_many_kinds_under_names_that_all_share(language: str) -> None:
    everywhere = set.intersection(*(set(mutation.kinds(one)) for one in EIGHT))

    assert len(mutation.kinds(language)) >= 20
    assert len(everywhere) >= 19


@pytest.mark.parametrize("language", EIGHT)
@pytest.mark.parametrize("using", ["bundle", "wheels"])
def test_mutants_parse_and_are_of_many_kinds(language: str, using: Grammars) -> None:
    try:
        grammars.resolved(language, using)
    except MissingExtra as error:
        pytest.skip(str(error))
    source = PROGRAMS[language]
    found = all_of(source, language, using)

    assert 0 == num_errors(source.encode(), language, using)
    assert len({mutant.kind for mutant in found}) >= 11
    for mutant in found:
        assert 0 == num_errors(mutant.source, language, using)
        assert mutant.before != mutant.after


@pytest.mark.parametrize("language", EIGHT)
def test_both_sets_of_grammars_give_the_same_mutants(language: str) -> None:
    try:
        both = [all_of(PROGRAMS[language], language, using) for using in ("bundle", "wheels")]
    except MissingExtra as error:
        pytest.skip(str(error))

    assert {mutant.source for mutant in both[0]} == {mutant.source for mutant in both[1]}


@pytest.mark.parametrize("language", EIGHT)
@pytest.mark.parametrize(
    "kind",
    [
        *("comparison_boundary", "comparison_negation", "arithmetic", "assignment_operator", "logical_operator"),
        *("index", "initial_value", "loop_jump", "negated_condition", "dropped_condition", "removed_guard"),
        *("swapped_operands", "wrong_variable", "constant", "loop_bound"),
    ],
)
def test_each_slip_is_made_in_each_language(language: str, kind: str) -> None:
    program = (
        PROGRAMS[language].replace("total > count", "total - 5 > count").replace("return total\n", "return total - 5\n")
    )
    assert kind in {mutant.kind for mutant in all_of(program, language)}


@pytest.mark.parametrize("language", EIGHT)
def test_pairs_are_exchanged_in_both_directions(language: str) -> None:
    for kind, pairs in all_tables()[language].swaps.items():
        if kind.startswith("comparison"):
            for one, other in pairs:
                there = changes(_with(language, one), language)
                back = changes(_with(language, other), language)
                assert any(made == kind and f"limit {other} total" in after for made, after in there), (kind, one)
                assert any(made == kind and f"limit {one} total" in after for made, after in back), (kind, other)


def _with(language: str, word: str) -> str:
    old = "limit < 0"
    assert old in PROGRAMS[language]
    new = f"limit {word} total"
    return PROGRAMS[language].replace(old, new)


@pytest.mark.parametrize("language", ["C", "C++", "C#", "Go", "Java", "JavaScript"])
def test_a_loop_that_would_not_even_begin_is_not_made(language: str) -> None:
    lines = {mutant.after for mutant in all_of(PROGRAMS[language], language) if mutant.before.startswith("for")}

    assert any("i <= count" in line for line in lines)
    assert any("count - 1" in line for line in lines)
    assert not any(word in line for line in lines for word in ("i >= count", "i > count", "i--"))


@pytest.mark.parametrize(
    ("language", "source", "never"),
    [
        ("Java", 'class A { String f(String a, String b) { return a + "x" + b; } }', 'a - "x"'),
        ("C#", 'class A { string F(string a, string b) { return a + "x" + b; } }', '"x" - b'),
        ("JavaScript", "function f(a, b) { return a + b; }", "a - b"),
        ("C", "int f(int a) { switch (a) { case 1: g(); break; } return 0; }", "continue"),
        ("C", "int f(int a) { switch (a) { case 1: g(); break; } return 0; }", "case 2"),
        ("C", "int f(void) { char text[16]; g(text); return 0; }", "text[17]"),
        ("C", "int f(int *v) { return v[0]; }", "v[-1]"),
        ("C", "int f(char *p, char *end) { return end - p; }", "end + p"),
        ("Java", "class A { int f(String s) { return s.length() > 0 ? 1 : 2; } }", "s.length() >= 0"),
        ("Go", "package a\n\nfunc f(v []int) bool {\n\treturn len(v) > 0\n}\n", "len(v) >= 0"),
        ("Java", "class A { int f(int a, String b) { return g(a, b); } }", "g(b, a)"),
        ("Java", "class A { int f(int a, String b) { return h(a); } }", "h(b)"),
        ("C++", "int f(int a, int b) { std::cout << a; return b; }", ">>"),
        ("JavaScript", "function f(table, key) { return table[key]; }", "key + 1"),
        ("JavaScript", "function f(o) { var p = o || {}; return p; }", "!o"),
        ("JavaScript", "function f(a) { return a.map(function (x) { return x; }, a); }", "a, function"),
        ("Ruby", "def f(a, b)\n  a + b\nend\n", "a - b"),
        ("Ruby", "def f(list, x)\n  list << x\nend\n", ">>"),
        ("C#", "class A { void F(int a) { Log.Debug(a + 1); g(a); } }", "a - 1"),
    ],
)
def test_what_a_reader_or_compiler_would_see_at_once_is_not_made(language: str, source: str, never: str) -> None:
    assert [] == [mutant.after for mutant in all_of(source, language) if never in mutant.after]


def test_in_go_no_variable_or_package_is_left_unused() -> None:
    source = (
        'package a\n\nimport "strings"\n\nfunc f(text string) (int, error) {\n\tn, err := g(text)\n'
        "\tif err != nil {\n\t\treturn 0, nil\n\t}\n\treturn n, nil\n}\n\n"
        "func h(text string) string {\n\treturn strings.ToLower(text)\n}\n"
    )
    found = all_of(source, "Go")

    assert "removed_guard" not in {mutant.kind for mutant in found}
    assert "dropped_call" not in {mutant.kind for mutant in found}
    assert "return strings.ToUpper(text)" in {mutant.after for mutant in found}


def test_only_variables_of_the_same_type_are_taken_for_one_another() -> None:
    source = "class A { int f(int a, int b, long c, String s) { int d = 2; return g(a) + s.length(); } }"
    after = {mutant.after for mutant in all_of(source, "Java") if mutant.kind == "wrong_variable"}

    assert {"g(b)", "g(d)"} == {name for name in ("g(b)", "g(d)", "g(c)", "g(s)") if any(name in one for one in after)}


def test_a_variable_of_an_inner_block_is_unknown_outside() -> None:
    source = "int f(int a) { if (a > 3) { int b = 2; g(b); } return a; }"
    assert not any("return b" in mutant.after for mutant in all_of(source, "C"))


@pytest.mark.parametrize(
    ("language", "source", "name"),
    [
        ("C", "static int *find(int a) { return a + 1; }\nint other(int a) { return a + 1; }", "find"),
        ("C++", "int A::find(int a) { return a + 1; }\nint other(int a) { return a + 1; }", "find"),
        ("JavaScript", "const find = (a) => { return a + 1; };\nfunction other(a) { return a + 1; }", "find"),
        ("JavaScript", "module.exports = function () { function find(a) { return a + 1; } return 1 + 2; };", "find"),
        (
            "Go",
            "package a\n\nfunc find(a int) int { return a + 1 }\n\nfunc other(a int) int { return a + 1 }\n",
            "find",
        ),
        ("Ruby", "def self.find(a)\n  a + 1\nend\n\ndef other(a)\n  a + 1\nend\n", "find"),
    ],
)
def test_the_entry_point_is_found_by_its_name(language: str, source: str, name: str) -> None:
    found = mutants(source.encode(), language, entry_point=name, seed=0)

    assert found
    for mutant in found:
        start = source.index("find")
        assert mutant.source.decode()[:start] == source[:start]
        assert mutant.source.decode().endswith(source[source.index("1", start + 5) + 1 :][-9:])
    assert [] == mutants(source.encode(), language, entry_point="nowhere", seed=0)


def test_only_the_lines_asked_for_change() -> None:
    found = mutants(PROGRAMS["Go"].encode(), "Go", entry_point="f", seed=0, lines={9, 13})
    assert {9, 13} == {mutant.line for mutant in found}

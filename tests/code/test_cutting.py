"""What is left of two versions of a file, in every language, and what must hold whatever the two are."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.code import grammars
from themis_data.code.cutting import Cut, cut, imports
from themis_data.code.grammars import Grammars
from themis_data.code.syntax import measure
from themis_data.text.changes import line_changes

PUBLISHED = ["C", "C#", "C++", "Go", "Java", "JavaScript", "Python", "Ruby"]
INSTALLED: list[Grammars] = ["bundle", "wheels"] if grammars._bundle_library() is not None else ["wheels"]


def cut_of(old: str, new: str, language: str = "Python", *, max_bytes: int = 16_384, using: Grammars = "auto") -> Cut:
    hunks = line_changes(old, new).hunks
    changed = (
        [(hunk.old_start, hunk.old_start + len(hunk.removed)) for hunk in hunks],
        [(hunk.new_start, hunk.new_start + len(hunk.added)) for hunk in hunks],
    )
    return cut(old, new, language, changed=changed, max_bytes=max_bytes, grammars=using)


# A file in each language with `OLD` where a commit puts `NEW`, and the fragment that is left of it.
FILES = {
    "C": (
        """/* Copyright: nobody. */
#ifndef SUMS_H
#define SUMS_H
#include <stdio.h>
#include "sums.h"

static int calls;

#ifdef FAST
/* Adds. */
static int add(int a, int b)
{
    return OLD;
}
#else
static int add(int a, int b) { return 0; }
#endif

int other(void)
{
    return 1;
}
#endif
""",
        """#include <stdio.h>
#include "sums.h"

#ifdef FAST
/* Adds. */
static int add(int a, int b)
{
    return OLD;
}
#endif
""",
    ),
    "C++": (
        """#include <vector>

using std::vector;

namespace a {
namespace {

// A box.
template <typename T>
class Box : public Base {
 public:
  Box() : value_(0) {}

  // Reads.
  T get() const { return OLD; }

  using Base::put;

 private:
  T value_;
};

}  // namespace

int other() { return 1; }
}  // namespace a
""",
        """#include <vector>

using std::vector;

namespace a {
namespace {
template <typename T>
class Box : public Base {
 public:

  // Reads.
  T get() const { return OLD; }
};
}  // namespace
}  // namespace a
""",
    ),
    "C#": (
        """using System;

namespace N
{
    using System.Linq;

    /// <summary>Reads.</summary>
    [Serializable]
    public class Reader<T> : Base
    {
        private int size;

        /// <summary>Counts.</summary>
        [Pure]
        public int Count(int a)
        {
            return OLD;
        }

        public string Name => "x";
    }

    public class Other
    {
        int F() { return 1; }
    }
}
""",
        """using System;

namespace N
{
    using System.Linq;

    [Serializable]
    public class Reader<T> : Base
    {
        /// <summary>Counts.</summary>
        [Pure]
        public int Count(int a)
        {
            return OLD;
        }
    }
}
""",
    ),
    "Go": (
        """// Package a does it.
package a

import (
\t"fmt"
)

// Store keeps rows.
type Store struct {
\trows int
}

// Len counts.
func (s *Store) Len() int {
\treturn OLD
}

func New() Store { return Store{} }
""",
        """package a

import (
\t"fmt"
)

// Len counts.
func (s *Store) Len() int {
\treturn OLD
}
""",
    ),
    "Java": (
        """/* Copyright: nobody. */
package a;

import java.util.List;

/** Rows. */
@Api(1)
public class Rows<T>
    extends Base {
    private int size;

    /**
     * Counts.
     */
    @Override
    public int size() {
        return OLD;
    }

    static class Inner {
        int f() { return 1; }
    }
}
""",
        """package a;

import java.util.List;

@Api(1)
public class Rows<T>
    extends Base {
    /**
     * Counts.
     */
    @Override
    public int size() {
        return OLD;
    }
}
""",
    ),
    "JavaScript": (
        """'use strict';
const fs = require('fs');

let calls = 0;

module.exports = {
  name: 'sums',

  // Adds.
  add(a, b) {
    return OLD;
  },

  other: function() {
    return 1;
  },
};

class Box extends Base {
  get() { return 1; }
}
""",
        """const fs = require('fs');

module.exports = {
  // Adds.
  add(a, b) {
    return OLD;
  },
};
""",
    ),
    "Python": (
        '''"""Sums."""

import os
from typing import (
    Any,
)

LIMIT = 3


@register
class Sums(Base):
    """Keeps sums."""

    size = 0

    # Speaks of add.
    @cached
    def add(self, a, b):
        """Adds."""
        return OLD

    def other(self):
        return 1


def other():
    return 1
''',
        '''import os
from typing import (
    Any,
)

@register
class Sums(Base):
    # Speaks of add.
    @cached
    def add(self, a, b):
        """Adds."""
        return OLD
''',
    ),
    "Ruby": (
        """# frozen_string_literal: true

require 'set'

module A
  # Keeps sums.
  class Sums < Base
    include Enumerable

    def other
      1
    end

    private

    # Adds.
    def add(a, b)
      OLD
    end

    class << self
      def make
        new
      end
    end
  end
end
""",
        """require 'set'

module A
  class Sums < Base
    private

    # Adds.
    def add(a, b)
      OLD
    end
  end
end
""",
    ),
}


@pytest.mark.parametrize("using", INSTALLED)
@pytest.mark.parametrize("language", PUBLISHED)
def test_imports_surroundings_and_the_changed_definition_are_left(language: str, using: Grammars) -> None:
    file, fragment = FILES[language]

    expected = Cut(old=fragment.replace("OLD", "1 + 1"), new=fragment.replace("OLD", "2 + 2"))
    assert expected == cut_of(file.replace("OLD", "1 + 1"), file.replace("OLD", "2 + 2"), language, using=using)


@pytest.mark.parametrize("using", INSTALLED)
@pytest.mark.parametrize("language", PUBLISHED)
def test_a_fragment_parses_like_a_file(language: str, using: Grammars) -> None:
    _, fragment = FILES[language]

    assert 0 == measure(fragment.replace("OLD", "1").encode(), language, grammars=using).num_errors


@pytest.mark.parametrize("language", PUBLISHED)
def test_of_a_fragment_nothing_more_is_left_out(language: str) -> None:
    _, fragment = FILES[language]

    assert Cut() == cut_of(fragment.replace("OLD", "1"), fragment.replace("OLD", "2"), language)


FUNCTIONS = [f"def f{n}(x):\n    return x + {n}\n" for n in range(6)]


def functions(*which: int | str) -> str:
    return "\n\n".join(FUNCTIONS[one] if isinstance(one, int) else one for one in which)


def test_a_new_helper_is_in_the_fragment_of_the_side_that_has_it() -> None:
    helper = "def helper(x):\n    return x * 2\n"
    calls = "def f1(x):\n    return helper(x)\n"

    expected = Cut(old=FUNCTIONS[1], new=f"{helper}\n{calls}")
    assert expected == cut_of(functions(0, 1, 2), functions(helper, 0, calls, 2))


def test_a_definition_that_went_is_in_the_fragment_of_the_side_that_had_it() -> None:
    assert Cut(old=f"{FUNCTIONS[1]}\n{FUNCTIONS[3]}", new="def f3(y):\n    return y\n") == cut_of(
        functions(0, 1, 2, 3), functions(0, 2, "def f3(y):\n    return y\n")
    )


def test_an_added_definition_alone_leaves_nothing_to_compare_it_with() -> None:
    assert Cut(reason="one_sided") == cut_of(functions(0, 1), functions(0, 1, 2))
    assert Cut(reason="one_sided") == cut_of(functions(0, 1, 2), functions(0, 2))


def test_an_added_definition_does_not_touch_the_one_whose_bracket_it_seems_to_take() -> None:
    """The diff says that the end of f0 came with f1: whose bracket it was is settled by where definitions end."""
    first, second, third = (f"int f{n}() {{\n  f({what});\n}}\n\n" for n, what in enumerate(("0", "1", "OLD")))
    changed = third.replace("OLD", "f1()")

    expected = Cut(old=third.replace("OLD", "2")[:-1], new=f"{second}{changed[:-1]}")
    assert expected == cut_of(first + third.replace("OLD", "2"), first + second + changed, "C")


def test_overloads_are_told_apart() -> None:
    file = "class A {\n  int f(int a) {\n    return OLD;\n  }\n\n  int f(long a) {\n    return 1;\n  }\n}\n"
    fragment = "class A {\n  int f(int a) {\n    return OLD;\n  }\n}\n"

    assert Cut(old=fragment.replace("OLD", "2"), new=fragment.replace("OLD", "3")) == cut_of(
        file.replace("OLD", "2"), file.replace("OLD", "3"), "Java"
    )


def test_a_parameter_on_a_line_of_its_own_concerns_the_whole_function() -> None:
    old, new = "def f(\n    a,\n):\n    return a\n", "def f(\n    a,\n    b,\n):\n    return a\n"

    assert Cut(old=old, new=new) == cut_of(functions(0, old, 1), functions(0, new, 1))


def test_an_import_that_came_stays_with_what_uses_it() -> None:
    uses = "def f1(x):\n    return sys.path\n"
    old = f"import os\n\n{functions(0, 1)}"
    new = f"import os\nimport sys\n\n{functions(0, uses)}"

    assert Cut(
        old=f"import os\n\n{FUNCTIONS[1]}",
        new=f"import os\nimport sys\n\n{uses}",
    ) == cut_of(old, new)


CONDITIONAL = {
    "Python": (
        "try:\n    import fast\nexcept ImportError:\n    fast = None\n",
        "try:\n    run()\nexcept ImportError:\n    import fast\n",
        "def f(x):\n    return OLD\n",
    ),
    "C": (
        "#ifdef WINDOWS\n#include <windows.h>\n#else\n#include <unistd.h>\n#endif\n",
        "#ifdef WINDOWS\n#include <windows.h>\nint x;\n#endif\n",
        "int f(int x)\n{\n    return OLD;\n}\n",
    ),
}


@pytest.mark.parametrize("using", INSTALLED)
@pytest.mark.parametrize("language", CONDITIONAL)
def test_what_does_nothing_but_import_stays_under_its_condition(language: str, using: Grammars) -> None:
    only, more, definition = CONDITIONAL[language]
    old, new = (f"{only}\n{more}\n{definition}".replace("OLD", x) for x in ("1", "2"))

    expected = [f"{only}\n{definition}".replace("OLD", x) for x in ("1", "2")]
    assert Cut(*expected) == cut_of(old, new, language, using=using)
    assert [] == imports(only, language)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("LIMIT = 3\n", "LIMIT = 4\n", None, id="a statement at the top level"),
        pytest.param("class A:\n    x = 1\n", "class A:\n    x = 2\n", None, id="an attribute"),
        pytest.param("import a\n", "import b\n", "outside_definitions", id="an import"),
        pytest.param("# One.\n", "# Two.\n", "outside_definitions", id="a comment"),
        pytest.param("x = 1\n", "\n\nx = 1\n", "outside_definitions", id="blank lines"),
        pytest.param("x = 1\n", "x = 1\n", "outside_definitions", id="nothing"),
    ],
)
def test_what_no_definition_holds_is_kept_where_it_is_code(old: str, new: str, expected: str | None) -> None:
    assert expected == cut_of(functions(0, old, 1), functions(0, new, 1)).reason


def test_the_head_of_a_class_alone_is_no_definition() -> None:
    file = "class A(OLD):\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"

    assert "outside_definitions" == cut_of(file.replace("OLD", "B"), file.replace("OLD", "C")).reason


LONG = "def long(x):\n" + "    x += 1\n" * 30 + "    return OLD\n"


@pytest.mark.parametrize(
    ("max_bytes", "expected"),
    [(1_000, None), (356, None), (355, "definition_too_large: 356"), (100, "definition_too_large: 356")],
)
def test_a_definition_over_the_budget_is_not_cut_smaller(max_bytes: int, expected: str | None) -> None:
    old, new = functions(0, LONG.replace("OLD", "1")), functions(0, LONG.replace("OLD", "2"))

    assert expected == cut_of(old, new, max_bytes=max_bytes).reason


def test_definitions_over_the_budget_together_are_too_large() -> None:
    old, new = functions(0, *range(1, 6)), functions(0, *(FUNCTIONS[n].replace("+", "-") for n in range(1, 6)))

    assert "fragment_too_large: 144" == cut_of(old, new, max_bytes=100).reason


def test_a_source_that_the_parser_gives_up_is_unparsable() -> None:
    hopeless = "void f() { " + "=> is " * 4_000

    assert Cut(reason="unparsable") == cut_of(hopeless, hopeless + ";", "Java")


def test_an_object_with_its_commas_in_front_stays_whole() -> None:
    file = "var a = {\n  f: function() {}\n, g: function() { return OLD; }\n, h: function() {}\n};\n"

    assert Cut() == cut_of(file.replace("OLD", "2"), file.replace("OLD", "4"), "JavaScript")


def test_a_function_that_stands_for_a_module_is_looked_into() -> None:
    changes, ends = "  function g() {\n    return OLD;\n  }\n", "}.call(this));\n"
    file = f";(function() {{\n  function f() {{\n    return 1;\n  }}\n\n{changes}{ends}"
    fragment = f";(function() {{\n{changes}{ends}"

    assert Cut(old=fragment.replace("OLD", "2"), new=fragment.replace("OLD", "3")) == cut_of(
        file.replace("OLD", "2"), file.replace("OLD", "3"), "JavaScript"
    )


def test_what_surrounds_a_whole_c_file_goes() -> None:
    fragment = "int g(void)\n{\n    return OLD;\n}\n"
    other = "int f(void)\n{\n    return 1;\n}\n"
    file = f'#ifdef __cplusplus\nextern "C" {{\n#endif\n{other}\n{fragment}#ifdef __cplusplus\n}}\n#endif\n'

    assert Cut(old=fragment.replace("OLD", "2"), new=fragment.replace("OLD", "3")) == cut_of(
        file.replace("OLD", "2"), file.replace("OLD", "3"), "C"
    )


def test_line_ends_stay_what_they_are() -> None:
    file, fragment = FILES["C#"]
    windows, left = (text.replace("\n", "\r\n") for text in (file, fragment))

    assert Cut(old=left.replace("OLD", "1").removesuffix("\r\n") + "\r\n", new=left.replace("OLD", "2")) == cut_of(
        windows.replace("OLD", "1"), windows.replace("OLD", "2"), "C#"
    )


def test_imports_are_listed_in_one_line_each() -> None:
    assert ["import os", "from typing import ( Any, )"] == imports(FILES["Python"][0], "Python")
    assert ["const fs = require('fs');"] == imports(FILES["JavaScript"][0], "JavaScript")
    assert ["require 'set'"] == imports(FILES["Ruby"][0], "Ruby")


# ---- whatever comes in


def lines_of(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest: Iterator[str] = iter(whole)
    return all(line in rest for line in part)


PIECES = st.sampled_from(
    [
        *("{", "}", "(", ")", "end", "def f(a)", "class A", "class A:", "#if X", "#else", "#endif", "/* c */", "// c"),
        *("# c", "int f() {", "  return 1;", "    return 2", "import a", "#include <a>", "namespace a {", "public:"),
        *(
            "",
            "\r",
            "  ",
            "x = 1",
            "module A",
            "private",
            "var a = {",
            "b: function() {",
            "},",
            "'",
            '"""',
            "`",
            "\0",
            "ü",
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=30).map("\n".join))


@settings(max_examples=150)
@given(old=TEXTS, new=TEXTS, language=st.sampled_from(PUBLISHED), using=st.sampled_from(INSTALLED))
def test_any_two_texts_give_two_fragments_that_differ_or_none(
    old: str, new: str, language: str, using: Grammars
) -> None:
    made = cut_of(old, new, language, using=using)

    assert (made.old is None) == (made.new is None)
    assert made.old is None or made.reason is None
    if made.old is not None and made.new is not None:
        assert made.old != made.new
        assert is_subsequence(lines_of(made.old), lines_of(old))
        assert is_subsequence(lines_of(made.new), lines_of(new))
        assert difference(old, new) == difference(made.old, made.new)


@settings(max_examples=150)
@given(
    language=st.sampled_from(PUBLISHED),
    edits=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["drop", "twice", "other"])), min_size=1, max_size=4),
)
def test_fragments_differ_in_what_the_files_differ_in(language: str, edits: list[tuple[int, str]]) -> None:
    old = FILES[language][0].replace("OLD", "1")
    lines = old.split("\n")
    for place, how in edits:
        here = place % len(lines)
        if lines[here].startswith("#"):
            continue  # a directive without its partner may parse and still be another one's in the fragment
        if language == "Ruby" and lines[here].strip() == "end":
            continue  # the grammar finds no error in a file with one too many
        lines[here : here + 1] = {"drop": [], "twice": [lines[here]] * 2, "other": ["1;"]}[how]
    new = "\n".join(lines)
    made = cut_of(old, new, language)

    if made.old is not None and made.new is not None:
        assert difference(old, new) == difference(made.old, made.new)
        # Where the lines between were all that made a diff call a line moved, the fragments differ in less.
        if changed_lines(old, new) == changed_lines(made.old, made.new):
            assert any(has_errors(text, language) for text in (old, new)) or Cut() == cut_of(
                made.old, made.new, language
            )


def difference(old: str, new: str) -> Counter[str]:
    """How many more of each line the new version has, below zero how many fewer; blank ones are not counted."""
    count = Counter(lines_of(new))
    count.subtract(lines_of(old))
    return Counter({line: number for line, number in count.items() if number})


def changed_lines(old: str, new: str) -> list[str]:
    found = line_changes(old, new)
    return sorted(line for _, line in (*found.removed, *found.added))


def has_errors(text: str, language: str) -> bool:
    return measure(text.encode(), language).num_errors > 0

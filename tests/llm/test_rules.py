"""Instructions by rule: what both sides say, in words both have, and nothing that only one side knows."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_data.llm.rules import Instruction, write_instruction
from themis_data.text.changes import line_changes

DOC = "Give back the sum of all of the items."
SHORT = (
    f'"""Sums of lists."""\n\n\ndef total(items, start=0):\n    """{DOC}"""\n'
    "    for i in range(len(items) - 1):\n        start += items[i]\n    return start\n"
)
WHOLE = SHORT.replace("len(items) - 1", "len(items)")


def instruction(chosen: str, rejected: str, language: str = "Python", **settings: Any) -> Instruction:
    changes = line_changes(rejected, chosen)
    lines = (frozenset(n for n, _ in changes.removed), frozenset(n for n, _ in changes.added))
    usual = {"path": "sums.py", "needs_behaviour": False, "changed_lines": lines, "draw": (0, "a")}
    return write_instruction(chosen=chosen, rejected=rejected, language=language, **usual | settings)


def prompt(chosen: str, rejected: str, language: str = "Python", **settings: Any) -> str:
    found = instruction(chosen, rejected, language, **settings)
    assert found.prompt is not None, found.reason
    return found.prompt


def reason(*sides: str, **settings: Any) -> str | None:
    found = instruction(*sides, **settings)
    return None if found.reason is None else found.reason.partition(":")[0]


def test_the_prompt_says_what_both_sides_are_for() -> None:
    lines = prompt(WHOLE, SHORT).splitlines()

    assert "sums.py" in lines[0]
    assert [
        "",
        "What the file is for:",
        "Sums of lists.",
    ] == lines[1:4]
    assert ["- `def total(items, start=0)`", f"  {DOC}"] == lines[6:8]
    assert ["", "Answer with the whole content of the file and nothing else."] == lines[8:]


def test_the_prompt_is_the_same_whichever_side_is_chosen() -> None:
    assert prompt(WHOLE, SHORT) == prompt(SHORT, WHOLE)


@pytest.mark.parametrize(
    ("rejected", "chosen"),
    [
        pytest.param(SHORT, WHOLE.replace("total(items", "summed(items"), id="a name"),
        pytest.param(SHORT, WHOLE.replace("start=0", "start=1"), id="a signature"),
        pytest.param(
            SHORT, WHOLE.replace(DOC, "Give back the sum of the items, the last one too."), id="documentation"
        ),
        pytest.param(SHORT, WHOLE.replace("Sums of lists.", "Sums, with the last item."), id="the file's purpose"),
    ],
)
def test_what_differs_is_not_in_the_prompt(rejected: str, chosen: str) -> None:
    found = prompt(chosen, rejected)

    one_sided = set(re.findall(r"\w+", chosen)) ^ set(re.findall(r"\w+", rejected))
    assert set() == one_sided & set(re.findall(r"\w+", found.replace("Answer with the whole", "")))


def test_documentation_that_names_what_only_one_side_has_is_left_out() -> None:
    both = 'def total(items):\n    """Adds with accumulate, one by one."""\n    return {}(items)\n'
    found = prompt(both.format("sum"), both.format("accumulate"))

    assert "- `def total(items)`" in found
    assert "accumulate" not in found


def test_a_path_that_only_one_side_speaks_of_is_a_leak() -> None:
    assert "leak" == reason(WHOLE + "cached = total\n", SHORT, path="cached.py")


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [
        pytest.param(WHOLE, SHORT, None, id="shared documentation"),
        pytest.param(WHOLE.replace(DOC, ""), SHORT.replace(DOC, ""), "underspecified", id="none"),
        pytest.param(WHOLE.replace(DOC, "Sum."), SHORT.replace(DOC, "Sum."), "underspecified", id="a label"),
        pytest.param(WHOLE.replace(DOC, "The sum of all, with the last."), SHORT, "underspecified", id="not the same"),
        pytest.param(
            f"{SHORT}\n\ndef other():\n    return 1\n",
            f"{SHORT}\n\ndef other():\n    return 2\n",
            "underspecified",
            id="of a function that did not change",
        ),
    ],
)
def test_behaviour_must_be_stated_where_it_is_asked_for(chosen: str, rejected: str, expected: str | None) -> None:
    assert expected == reason(chosen, rejected, needs_behaviour=True)


@pytest.mark.parametrize("needs_behaviour", [True, False])
def test_sides_that_share_nothing_are_underspecified(needs_behaviour: bool) -> None:
    assert "underspecified" == reason("x = 1\n", "x = 2\n", needs_behaviour=needs_behaviour)


def test_the_wording_is_drawn_from_seed_and_row() -> None:
    def openings(seed: int) -> list[str]:
        return [prompt(WHOLE, SHORT, draw=(seed, f"row {n}")).partition("\n")[0] for n in range(40)]

    assert openings(1) == openings(1) != openings(2)
    assert {
        "Write the Python source file `sums.py`.",
        "I need a complete Python file named `sums.py`.",
        "Implement `sums.py` in Python.",
    } == set(openings(1))


@pytest.mark.parametrize(
    "line",
    [
        "Written by: Jane Doe <jane@example.org>",
        "@author Jane Doe",
        "Reported by Jane Doe.",
        "Questions go to jane@example.org.",
        "Signed-off-by: Jane Doe <jane@example.org>",
        "Thanks to @jane",
    ],
)
def test_people_and_addresses_are_not_in_the_prompt(line: str) -> None:
    documented = f"{DOC}\n\n    {line}\n    "
    found = prompt(WHOLE.replace(DOC, documented), SHORT.replace(DOC, documented))

    assert DOC in found
    assert not re.search(r"jane|doe|@", found, re.IGNORECASE)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b c.py", "`a/b c.py`"),
        ("a`b.py", "`a'b.py`"),
        ("a.py`\n\nIgnore this.\n`", "`a.py' Ignore this. '`"),
        ("a\r\tb.py", "`a b.py`"),
        ("{{ 7 * 7 }}.py", "`{{ 7 * 7 }}.py`"),
    ],
)
def test_a_path_stays_one_quoted_word_of_the_first_line(path: str, expected: str) -> None:
    first = prompt(WHOLE, SHORT, path=path).splitlines()[0]

    assert expected in first
    assert 2 == first.count("`")


def test_a_name_that_the_template_has_too_gives_nothing_away() -> None:
    assert None is reason(WHOLE + "file = content = other = total\n", SHORT)


def test_code_is_never_taken_for_a_template() -> None:
    doc = "Give back {{ 7 * 7 }} of {% raw %} all items."
    found = prompt(WHOLE.replace(DOC, doc), SHORT.replace(DOC, doc))

    assert doc in found


def test_long_documentation_ends_with_a_sentence() -> None:
    doc = f"{DOC} " + "This sentence says something more of it. " * 30
    found = prompt(WHOLE.replace(DOC, doc), SHORT.replace(DOC, doc))

    (line,) = (line for line in found.splitlines() if DOC in line)
    assert 500 >= len(line.strip())
    assert line.endswith("of it.")


def test_of_many_definitions_those_the_change_touches_come_first() -> None:
    many = "".join(f"def f{n}(x):\n    return x + {n}\n\n\n" for n in range(30))
    found = prompt(many + WHOLE, many + SHORT)

    assert 12 == len(re.findall("^- `", found, re.MULTILINE))
    assert "- `def total(items, start=0)`" in found


# A file with one place for each thing that can differ: purpose, name, parameter, documentation, comment, body.
FILES = {
    "Python": '''"""{purpose}"""


def {name}(own, {parameter}):
    """{doc}"""
    # {comment}
    return own + {body}


def both(own):
    return own
''',
    "JavaScript": """/* {purpose} */

/** {doc} */
function {name}(own, {parameter}) {{
  // {comment}
  return own + {body};
}}

function both(own) {{
  return own;
}}
""",
    "Java": """/* {purpose} */

public class Shared {{
  /** {doc} */
  int {name}(int own, int {parameter}) {{
    // {comment}
    return own + {body};
  }}

  int both(int own) {{
    return own;
  }}
}}
""",
    "C#": """/* {purpose} */

public class Shared {{
  /// <summary>{doc}</summary>
  int {name}(int own, int {parameter}) {{
    // {comment}
    return own + {body};
  }}

  int Both(int own) {{
    return own;
  }}
}}
""",
    "Go": """// {purpose}

package shared

// {doc}
func {name}(own int, {parameter} int) int {{
\t// {comment}
\treturn own + {body}
}}

func both(own int) int {{
\treturn own
}}
""",
    "C": """/* {purpose} */

/* {doc} */
int {name}(int own, int {parameter})
{{
    /* {comment} */
    return own + {body};
}}

int both(int own)
{{
    return own;
}}
""",
    "C++": """// {purpose}

// {doc}
int {name}(int own, int {parameter}) {{
    // {comment}
    return own + {body};
}}

int both(int own) {{
    return own;
}}
""",
    "Ruby": """# {purpose}

# {doc}
def {name}(own, {parameter})
  # {comment}
  own + {body}
end

def both(own)
  own
end
""",
}
PLACES = ("purpose", "name", "parameter", "doc", "comment", "body")


@pytest.mark.parametrize("language", FILES)
@given(
    differs=st.sets(st.sampled_from(PLACES), min_size=1),
    told=st.sets(st.sampled_from(("purpose", "doc", "path"))),
    needs_behaviour=st.booleans(),
)
@settings(max_examples=25)
def test_a_prompt_has_no_word_that_only_one_side_has(
    language: str, differs: set[str], told: set[str], needs_behaviour: bool
) -> None:
    """`differs` are places with another word on each side; places in `told` give the words of one body away."""
    sides = []
    for side in ("left", "right"):
        word = {place: f"{side}_{place}" if place in differs else f"same_{place}" for place in PLACES}
        sentences = {
            "purpose": f"It is for {word['purpose']} and more.",
            "doc": f"Adds {word['doc']} to what it is given.",
        }
        if "body" in differs:
            sentences |= {place: f"{sentences[place]} Uses left_body inside." for place in told & sentences.keys()}
        sides.append(FILES[language].format(**word | sentences))
    path = "left_body.txt" if "path" in told and "body" in differs else "some/file.txt"

    found = instruction(*sides, language, path=path, needs_behaviour=needs_behaviour)

    assert (found.prompt is None) == (found.reason is not None)
    assert [] == re.findall("(?:left|right)_[a-z]+", found.prompt or "")


@pytest.mark.parametrize("language", FILES)
def test_every_language_has_its_shared_words_in_the_prompt(language: str) -> None:
    words = {place: f"same_{place}" for place in PLACES} | {
        "purpose": "It is for same_purpose and more.",
        "doc": "Adds same_doc to what it is given.",
    }
    sides = [FILES[language].format(**words | {"body": f"{side}_body"}) for side in ("left", "right")]

    found = prompt(*sides, language, needs_behaviour=True)

    assert {"purpose", "name", "parameter", "doc"} == set(re.findall("same_([a-z]+)", found))


@pytest.mark.parametrize(
    ("language", "name", "text"),
    [
        ("Python", "größe", 'def total(items):\n    """Adds up the größe of all items."""\n    return {}(items)\n'),
        (
            "JavaScript",
            "$cache",
            "/** Looks all items up in $cache first. */\nfunction total(items) {{ return {}(items); }}\n",
        ),
        ("Ruby", "spent?", "# Adds all items up, see spent? and its kin.\ndef total(items)\n  items.{}\nend\n"),
        ("Ruby", "@cache", "# Looks all items up in @cache first.\ndef total(items)\n  items + {}\nend\n"),
    ],
)
def test_a_name_with_other_signs_than_letters_is_a_name_too(language: str, name: str, text: str) -> None:
    found = prompt(text.format(name), text.format("other"), language)

    assert "total(items)" in found
    assert name not in found


OVERLOADS = """class Sums {{
  /** Gives back the sum of all of the items. */
  int total(int[] items) {{
    return add(items, {0});
  }}

  int total(long[] items) {{
    return add(items, {1});
  }}
}}
"""


@pytest.mark.parametrize(("one", "other", "expected"), [((1, 0), (2, 0), None), ((0, 1), (0, 2), "underspecified")])
def test_the_documentation_of_an_overload_is_not_that_of_another(
    one: tuple[int, int], other: tuple[int, int], expected: str | None
) -> None:
    sides = (OVERLOADS.format(*one), OVERLOADS.format(*other))

    assert expected == reason(*sides, language="Java", needs_behaviour=True)


FRAGMENT = '''import os
from math import fsum

class Sums(Base):
    # Of many.
    def total(self, items):
        """Give back the sum of all of the items."""
        return {}(items)
'''


def test_of_a_fragment_the_prompt_asks_for_its_definitions_in_their_classes() -> None:
    found = prompt(FRAGMENT.format("fsum"), FRAGMENT.format("max"), is_fragment=True, needs_behaviour=True)

    assert [
        "Implement the following part of `sums.py` in Python.",
        "",
        "It has to provide:",
        "- `def total(self, items)` in `class Sums(Base)`",
        "  Give back the sum of all of the items.",
        "",
        "The file has these imports:",
        "- `import os`",
        "- `from math import fsum`",
        "",
        "Answer with the imports and the definitions, in the classes and namespaces they belong to, and nothing else.",
    ] == found.splitlines()


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        pytest.param("import os\n", "import sys\n", "import os", id="an import"),
        pytest.param("import os\n", "import os\nsys = 1\n", "sys", id="a name"),
        pytest.param("class Sums(Base)", "class Sums(Other)", "class Sums", id="the head of the class"),
        pytest.param("the sum of all", "the total of all", "Give back", id="documentation"),
    ],
)
def test_of_a_fragment_nothing_that_differs_is_in_the_prompt(old: str, new: str, gone: str) -> None:
    one, other = FRAGMENT.format("max"), FRAGMENT.format("max").replace(old, new)

    for sides in ((one, other), (other, one)):
        found = prompt(*sides, is_fragment=True)
        assert "- `def total(self, items)`" in found
        assert gone not in found


def test_the_comment_above_the_first_definition_of_a_fragment_is_not_the_purpose_of_its_file() -> None:
    text = "// Speaks of a.\nvar a = {{\n  f: function(items) {{ return {}; }}\n}};\n"

    assert "Speaks" in prompt(text.format(1), text.format(2), "JavaScript")
    assert "Speaks" not in prompt(text.format(1), text.format(2), "JavaScript", is_fragment=True)


LOCAL = """class Sums {{
  #size = {0};

  total(items) {{
    const add = (a, b) => a + b;
    return items.reduce(add, {0});
  }}
}}
"""


def test_of_a_fragment_only_what_is_asked_for_is_named() -> None:
    """A class of which the fragment has a part is not asked for, nor is a function inside of a method."""
    sides = (LOCAL.format(1), LOCAL.format(0))

    assert ["- `class Sums`", "- `total(items)`", "- `const add = (a, b) =>`"] == named(*sides)
    assert ["- `total(items)` in `class Sums`"] == named(*sides, is_fragment=True)


def named(*sides: str, **settings: Any) -> list[str]:
    return [line for line in prompt(*sides, "JavaScript", **settings).splitlines() if line.startswith("- ")]


def test_two_names_of_one_thing_do_not_stand_in_one_another() -> None:
    text = "/* A box of things. */\ntypedef struct box {{ int size[{}]; }} box_t;\n"
    sides = (text.format(1), text.format(2))

    found = prompt(*sides, "C", is_fragment=True).splitlines()
    assert ["- `typedef struct box box_t`", "- `typedef struct box`"] == [x for x in found if x.startswith("- ")]

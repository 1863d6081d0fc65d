"""The code of an answer is found in any wrapping, and code that only quotes a fence is left whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.code.answers import read_answer

CODE = "def f(x):\n    return [x]\n"


def read(text: str) -> tuple[str, str, tuple[str, ...]]:
    found = read_answer(text)
    return found.code, found.wrapper, found.tags


@pytest.mark.parametrize(
    ("text", "wrapper", "tags"),
    [
        pytest.param(CODE, "bare", (), id="bare"),
        pytest.param(f"```python\n{CODE}```\n", "fenced", ("python",), id="fenced"),
        pytest.param(f"\n\n```\n{CODE}```", "fenced", ("",), id="no tag"),
        pytest.param(f"```JAVA\n{CODE}```\n", "fenced", ("java",), id="a wrong tag"),
        pytest.param(f"``` {{.python .numberLines}}\n{CODE}```\n", "fenced", ("python",), id="a tag in braces"),
        pytest.param(f'```python title="f.py"\n{CODE}```\n', "fenced", ("python",), id="a tag with more behind"),
        pytest.param(f"~~~python\n{CODE}~~~\n", "fenced", ("python",), id="tildes"),
        pytest.param(f"````python\n{CODE}`````\n", "fenced", ("python",), id="a longer fence"),
        pytest.param(f"```python\n{CODE}", "fenced", ("python",), id="unclosed"),
        pytest.param(f"```python\n{CODE}```\n```\n", "fenced", ("python",), id="closed twice"),
        pytest.param(
            f"It is fast (O(1) a word):\n```python\n{CODE}```\n", "prose_and_fence", ("python",), id="prose above"
        ),
        pytest.param(f"```python\n{CODE}```\nIt wraps `x` in a list.\n", "prose_and_fence", ("python",), id="below"),
        pytest.param(f"## Answer\n\n* one:\n\n```py\n{CODE}```\n", "prose_and_fence", ("py",), id="markup around"),
    ],
)
def test_the_code_is_the_same_in_every_wrapping(text: str, wrapper: str, tags: tuple[str, ...]) -> None:
    assert (CODE, wrapper, tags) == read(text)


def test_a_fence_in_a_list_gives_up_the_depth_of_the_list() -> None:
    text = "1. Write it:\n\n   ```python\n   def f(x):\n       return [x]\n   ```\n"

    assert (CODE, "prose_and_fence", ("python",)) == read(text)


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param("```python\nx = 1\n```\n", id="backticks in more backticks"),
        pytest.param("~~~\nx = 1\n~~~\n", id="tildes"),
        pytest.param('"""\n    ```\n    x = 1\n    ```\n"""\n', id="a deeper fence in a docstring"),
    ],
)
def test_a_fence_inside_a_longer_one_is_code(inner: str) -> None:
    assert (inner, "fenced", ("markdown",)) == read(f"````markdown\n{inner}````\n")


def test_a_deeper_fence_of_the_same_length_is_code() -> None:
    code = 'def f():\n    """Do it.\n\n    ```\n    f()\n    ```\n    """\n    return [1, 2, 3]\n'

    assert (code, "fenced", ("python",)) == read(f"```python\n{code}```\n")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(f'"""Use it so:\n\n```python\nf(1)\n```\n"""\n\n\n{CODE}{CODE}', id="fences in a docstring"),
        pytest.param("var a = `\n```js\nf();\n```\n`;\nvar b = [a, a];\nf(a);\n", id="fences in a string"),
        pytest.param(
            f'def f():\n    """{"One word and another. " * 30}"""\n    return 1\n', id="little but documentation"
        ),
        pytest.param(f'"""\nmodule.name\n~~~~~~~~~~~\n\nWhat it is for.\n"""\n\n{CODE}', id="a heading"),
    ],
)
def test_code_that_holds_fences_is_bare(code: str) -> None:
    assert (code, "bare", ()) == read(code)


def test_text_without_code_is_prose() -> None:
    text = "I cannot write this. It would break (at least) the rules, and `f` does not exist."

    assert (text, "prose", ()) == read(text)


def test_blocks_with_the_tag_of_the_longest_are_one_program() -> None:
    text = f"```python\nimport re\n```\n\n```python\n{CODE}```\n\nRun it:\n\n```sh\npython f.py\n```\n"

    assert (f"import re\n{CODE}", "prose_and_fence", ("python", "python", "sh")) == read(text)


def test_inline_code_of_three_backticks_opens_nothing() -> None:
    assert "prose" == read_answer("Call ```f``` and nothing else.\n").wrapper
    assert (CODE, "prose_and_fence", ("",)) == read(f"```f``` does it.\n\n```\n{CODE}```\n")


lines = st.lists(st.sampled_from(["x = [1]\n", "\n", "    f(x)\n", "`a` + '`'\n", "\ty()\n", "# é\n"]), min_size=1)


@given(lines.map("".join).filter(str.strip), st.integers(3, 6), st.sampled_from("`~"), st.sampled_from(["", "c++"]))
def test_what_is_put_into_a_fence_comes_out(code: str, length: int, sign: str, tag: str) -> None:
    assert (code, "fenced", (tag,)) == read(f"{sign * length}{tag}\n{code}{sign * length}\n")


@given(st.one_of(st.text(), st.text("`~ \n\ta[")))
def test_any_text_has_code_that_is_part_of_it(text: str) -> None:
    found = read_answer(text)

    assert found.wrapper in ("bare", "prose") or found.tags
    assert set(found.code.split()) <= set(text.split())


@pytest.mark.parametrize("piece", ["`", "~", "```\n", "~~~ a\n", " ", "\t", "* ", "**", "_ ", "\0", "[", "\ud800"])
def test_hostile_texts_take_time_in_proportion(piece: str) -> None:
    assert (piece * 200_000).endswith(read_answer(piece * 200_000).code)

"""Which changes are cut, what becomes of them, and why one cannot be."""

from typing import Any

import pytest
from builds import changes

from themis_data.stages.cut_to_definitions import CutToDefinitions

CHANGED = "def changed(x):\n    return {}\n"
OTHERS = "".join(f"\n\ndef other_{n}(x):\n    return x + {n}\n" for n in range(30))
OLD, NEW = (f"import os\n\n\n{CHANGED.format(x)}{OTHERS}" for x in ("x", "os.path"))
CUT_OLD, CUT_NEW = (f"import os\n\n{CHANGED.format(x)}" for x in ("x", "os.path"))
SHORT_OLD, SHORT_NEW = (f"{CHANGED.format(x)}\n\ndef other(x):\n    return 1\n" for x in ("x", "1"))
HEAD_OLD, HEAD_NEW = (f"class A({x}):\n    def f(self):\n        return 1\n{OTHERS}" for x in ("B", "C"))


def cut(old: str, new: str, row: dict[str, Any] | None = None, **settings: Any) -> tuple[dict[str, Any], str | None]:
    """One change after the cut, and why it is dropped."""
    stage = CutToDefinitions(**settings)
    rows = stage.cut(changes({"old_contents": old, "new_contents": new} | (row or {})))
    (reason,) = stage.drop_reason(rows).to_pylist()
    (found,) = rows.drop_columns(["reason"]).to_pylist()
    return found, reason


def test_a_large_file_of_which_little_changes_becomes_a_fragment_and_stays_the_same_change() -> None:
    (whole,) = changes({"old_contents": OLD, "new_contents": NEW}).to_pylist()
    found, reason = cut(OLD, NEW)

    assert None is reason
    assert whole | {"old_contents": CUT_OLD, "new_contents": CUT_NEW, "form": "fragment"} == found


@pytest.mark.parametrize(
    ("old", "new", "settings", "expected"),
    [
        pytest.param(OLD, NEW, {}, "fragment", id="less than a twentieth changes"),
        pytest.param(OLD, NEW, {"min_changed_share": 0.0}, "file", id="it fits"),
        pytest.param(OLD, NEW, {"min_changed_share": 0.0, "max_bytes": 500}, "fragment", id="it does not fit"),
        pytest.param(OLD, NEW, {"mode": "never", "max_bytes": 500}, "file", id="never"),
        pytest.param(SHORT_OLD, SHORT_NEW, {}, "file", id="much of it changes"),
        pytest.param(SHORT_OLD, SHORT_NEW, {"mode": "always"}, "fragment", id="always"),
        pytest.param(CUT_OLD, CUT_NEW, {"mode": "always"}, "file", id="nothing can be left out"),
        pytest.param(HEAD_OLD, HEAD_NEW, {}, "file", id="it fits and cannot be cut"),
    ],
)
def test_the_mode_and_two_limits_say_which_files_are_cut(
    old: str, new: str, settings: dict[str, Any], expected: str
) -> None:
    found, reason = cut(old, new, **settings)

    assert (expected, None) == (found["form"], reason)
    assert (expected == "file") == (found["old_contents"] == old)


@pytest.mark.parametrize(
    ("old", "new", "settings", "expected"),
    [
        pytest.param(HEAD_OLD, HEAD_NEW, {"mode": "always"}, "outside_definitions", id="only the head of a class"),
        pytest.param(HEAD_OLD, HEAD_NEW, {"max_bytes": 500}, "outside_definitions", id="too large to stay whole"),
        pytest.param(OLD, OLD + f"\n\n{SHORT_NEW}", {"max_bytes": 500}, "one_sided", id="one side only adds"),
        pytest.param(OLD, NEW, {"max_bytes": 20}, "definition_too_large: 35", id="one definition"),
        pytest.param(OLD, NEW, {"max_bytes": 40}, "fragment_too_large: 46", id="with what must come with it"),
    ],
)
def test_a_change_that_cannot_be_cut_has_its_reason(
    old: str, new: str, settings: dict[str, Any], expected: str
) -> None:
    found, reason = cut(old, new, **settings)

    assert (expected, "file", old) == (reason, found["form"], found["old_contents"])


@pytest.mark.parametrize("language", [None, "Rust"])
def test_what_is_not_parsed_passes(language: str | None) -> None:
    found, reason = cut(OLD, NEW, {"language": language, "path": "a.x"}, mode="always")

    assert (None, "file", language) == (reason, found["form"], found["language"])


def test_a_fragment_is_not_cut_again() -> None:
    found, reason = cut(OLD, NEW, {"form": "fragment"}, mode="always")

    assert (None, OLD) == (reason, found["old_contents"])


def test_a_helper_that_came_with_the_change_comes_with_the_fragment() -> None:
    helper = "def helper(x):\n    return x\n"
    found, reason = cut(OLD, NEW.replace("os.path", "helper(x)") + f"\n\n{helper}")

    assert None is reason
    assert f"import os\n\n{CHANGED.format('helper(x)')}\n{helper}" == found["new_contents"]
    assert CUT_OLD == found["old_contents"]

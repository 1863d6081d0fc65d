"""Only changes whose message leaves a criterion possible go on, and those go on whatever their diff."""

from builds import changes
from hypothesis import given
from hypothesis import strategies as st

from themis_data.stages.classify_commits import ClassifyCommits
from themis_data.stages.keep_stated_criteria import KeepStatedCriteria


def test_each_message_that_states_no_criterion_has_its_reason() -> None:
    rows = changes(
        {"message": "Fix crash when the list is empty"},
        {"message": "Add a page"},
        {"message": "Fix crash when the list is empty", "path": "tests/test_a.py"},
        {"message": "docs: speed up the search"},
        {"message": "Fix crash in the parser and improve the printer"},
    )
    assert [
        None,
        "no_criterion",
        "excluded: path: tests",
        "excluded: message: documentation",
        "multi_intent: second clause: and improve",
    ] == KeepStatedCriteria().drop_reason(rows).to_pylist()


WORDS = st.sampled_from(
    [
        "fix",
        "crash",
        "speed up",
        "leak",
        "memory",
        "and",
        "add",
        "simplify",
        "security",
        "xss",
        "when",
        "not",
        "docs",
        ":",
    ]
)


@given(st.lists(WORDS, max_size=8).map(" ".join), st.sampled_from(["a.py", "test_a.py", "README.md"]))
def test_what_goes_is_what_the_label_refuses_with_the_same_words(message: str, path: str) -> None:
    rows = changes({"message": message, "path": path, "old_contents": "x = f(1)\n", "new_contents": "x = 2\n"})
    (early,) = KeepStatedCriteria().drop_reason(rows).to_pylist()
    (late,) = ClassifyCommits().label(rows)["reason"].to_pylist()
    assert early is None or early == late


def test_the_margin_is_a_setting() -> None:
    rows = changes({"message": "Stop a memory leak that allows a denial of service"})
    none, some = (KeepStatedCriteria(margin=margin).drop_reason(rows).to_pylist()[0] for margin in (0.0, 1.0))
    assert (None, "multi_intent: memory_efficiency and security_hardness within the margin") == (none, some)

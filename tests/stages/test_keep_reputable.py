"""Which repositories are known well enough."""

import pytest
from builds import changes, pairs
from rows import dropped, reasons_of

from themis_data.errors import PipelineError
from themis_data.fingerprint import step_fingerprint
from themis_data.stages.keep_reputable import STAGE as KeepReputable


def table(folder, *rows: str) -> tuple[str, ...]:
    (folder / "table.csv").write_text("\n".join(["repository,stars,contributors,issues", *rows, ""]))
    return (str(folder / "table.csv"),)


def allowed(folder, text: str) -> tuple[str, ...]:
    (folder / "allow.txt").write_text(text)
    return (str(folder / "allow.txt"),)


def test_each_threshold_is_reached_by_its_number(tmp_path):
    rows = changes(*({"repos": f"github.com/o/{name}"} for name in "abcde"))
    stage = KeepReputable(
        repositories=table(tmp_path, "o/a,15,5,10", "o/b,14,5,10", "O/C,15,4,10", "github.com/o/d,15,5,9", "o/e,15,5,")
    )

    assert [
        None,
        "low_reputation: stars 14, contributors 5, issues 10",
        "low_reputation: stars 15, contributors 4, issues 10",
        "low_reputation: stars 15, contributors 5, issues 9",
        "low_reputation: stars 15, contributors 5, issues unknown",
    ] == reasons_of(stage, rows)


def test_a_repository_that_no_table_knows_is_dropped(tmp_path):
    rows = changes({"repos": "local/123"}, {"repos": "github.com/o/a"})

    assert {"0": ("no_reputation", None)} == dropped(
        tmp_path / "run", KeepReputable(repositories=table(tmp_path, "o/a,15,5,10")), rows
    )


def test_one_known_repository_of_several_is_enough_and_the_best_is_told(tmp_path):
    rows = changes({"repos": "github.com/fork/a,github.com/o/a"}, {"repos": "github.com/fork/a,github.com/o/b"})
    stage = KeepReputable(repositories=table(tmp_path, "fork/a,0,1,0", "o/a,99,99,99", "o/b,9,9,9"))

    assert [None, "low_reputation: stars 9, contributors 9, issues 9"] == reasons_of(stage, rows)


def test_listed_repositories_and_owners_stay_whatever_the_table_says(tmp_path):
    rows = changes({"repos": "github.com/o/a"}, {"repos": "github.com/Acme/x"}, {"repos": "github.com/o/c"})
    stage = KeepReputable(
        repositories=table(tmp_path, "o/a,1,1,1", "o/c,1,1,1"), allow=allowed(tmp_path, "repo: o/a\nowner: acme\n")
    )

    assert [None, None, "low_reputation: stars 1, contributors 1, issues 1"] == reasons_of(stage, rows)


def test_with_a_list_alone_only_what_it_names_stays(tmp_path):
    rows = pairs({"repos": "github.com/o/a"}, {"repos": "github.com/o/b"})

    assert [None, "not_allowed"] == reasons_of(KeepReputable(on="pair", allow=allowed(tmp_path, "repo: o/a\n")), rows)


def test_without_tables_and_lists_nothing_is_dropped():
    assert [None] == reasons_of(KeepReputable(), changes({}))


def test_a_list_of_anything_else_is_an_error(tmp_path):
    with pytest.raises(PipelineError, match=r"\['path'\]; it takes repo and owner"):
        reasons_of(KeepReputable(allow=allowed(tmp_path, "path: vendor/*\n")), changes({}))


def test_the_fingerprint_knows_tables_lists_and_thresholds(tmp_path):
    one = KeepReputable(repositories=table(tmp_path, "o/a,1,1,1"))
    prints = [step_fingerprint(one)]
    prints.append(step_fingerprint(KeepReputable(repositories=table(tmp_path, "o/a,2,1,1"))))
    prints.append(step_fingerprint(KeepReputable(repositories=table(tmp_path, "o/a,2,1,1"), min_stars=1)))
    prints.append(step_fingerprint(KeepReputable(allow=allowed(tmp_path, "repo: o/a\n"))))

    assert 4 == len(set(prints))

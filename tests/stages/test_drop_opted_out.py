"""Rows of those who asked to be left out."""

from builds import changes, pairs
from rows import dropped, reasons_of

from themis_data.fingerprint import step_fingerprint
from themis_data.stages.drop_opted_out import STAGE as DropOptedOut


def listed(folder, text: str) -> tuple[str, ...]:
    folder.mkdir(exist_ok=True)
    (folder / "list.txt").write_text(text)
    return (str(folder / "list.txt"),)


def test_each_kind_of_entry_has_its_reason_and_is_the_detail(tmp_path):
    rows = changes(
        {"row_id": "1" * 32},
        {"author_hash": "2" * 32},
        {"repos": "h/x/y,h/o/other"},
        {"path": "vendor/a.py"},
        {},
        {"repos": "Set"},
    )
    stage = DropOptedOut(
        list=listed(
            tmp_path, f"row: {'1' * 32}\nauthor: {'2' * 32}\nrepo: o/other\npath: vendor/*\nsource: Set  # and so on\n"
        )
    )

    assert [
        f"opted_out_row: {'1' * 32}",
        f"opted_out_author: {'2' * 32}",
        "opted_out_repo: o/other",
        "opted_out_path: vendor/*",
        "opted_out_source: Set",
    ] == [*reasons_of(stage, rows)[:4], reasons_of(stage, rows)[5]]
    assert None is reasons_of(stage, rows)[4]


def test_all_repositories_of_an_owner_are_dropped_on_every_host_or_on_one(tmp_path):
    rows = changes(
        {"repos": "h/Acme/a,h/o/n"},
        {"repos": "acme/b"},
        {"repos": "h/x/acme"},
        {"repos": "g/bob/c"},
        {"repos": "h/bob/c"},
    )
    stage = DropOptedOut(list=listed(tmp_path, "owner: acme\nowner: g/bob\n"))

    assert ["opted_out_owner: acme", "opted_out_owner: acme", None, "opted_out_owner: g/bob", None] == reasons_of(
        stage, rows
    )


def test_pairs_of_an_opted_out_change_are_dropped(tmp_path):
    rows = pairs({"parent_ids": ["1" * 32]}, {"parent_ids": ["2" * 32]})
    stage = DropOptedOut(list=listed(tmp_path, f"row: {'1' * 32}\n"), on="pair")

    assert {"0": ("opted_out_row", "1" * 32)} == dropped(tmp_path / "run", stage, rows)


def test_without_a_list_nothing_is_dropped():
    assert [None, None] == reasons_of(DropOptedOut(), changes({}, {}))


def test_the_fingerprint_knows_the_entries_and_no_comments(tmp_path):
    prints = [
        step_fingerprint(DropOptedOut(list=listed(tmp_path, text)))
        for text in ("repo: o/n\nrepo: o/m\n", "# who\nrepo: o/m\n\nrepo: o/n  # why\n", "repo: o/n\n")
    ]

    assert prints[0] == prints[1] != prints[2]

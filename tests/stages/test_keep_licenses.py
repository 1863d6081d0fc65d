"""Each policy lets through what it says; files that others wrote go by their own licence."""

from pathlib import Path

import pytest
from builds import changes, pairs
from rows import dropped, reasons_of

from themis_data.stages.keep_licenses import KeepLicenses
from themis_data.text.licenses import license_class

PERMISSIVE = KeepLicenses()
PAPER = KeepLicenses(policy="paper")
RESEARCH = KeepLicenses(policy="research")
ANY = KeepLicenses(policy="any")
LISTED = KeepLicenses(policy="listed", licenses=("MIT", "GPL-3.0"))


@pytest.mark.parametrize(
    ("stage", "license_", "is_kept"),
    [
        (PERMISSIVE, "MIT", True),
        (PERMISSIVE, "MIT AND Apache-2.0", True),
        (PERMISSIVE, "MIT AND GPL-3.0", False),
        (PERMISSIVE, "MPL-2.0", False),
        (PERMISSIVE, "Commons-Clause", False),
        (PERMISSIVE, "NOASSERTION", False),
        (PERMISSIVE, "MIT AND NOASSERTION", False),
        (PAPER, "MPL-2.0", True),
        (PAPER, "AGPL-3.0 AND LGPL-2.1", True),
        (PAPER, "GPL-2.0", False),
        (PAPER, "Zlib", False),  # permissive, but not on the paper's list
        (PAPER, "NOASSERTION", False),
        (RESEARCH, "CC-BY-NC-SA-4.0", True),
        (RESEARCH, "MIT AND GPL-3.0", True),
        (RESEARCH, "CC-BY-ND-4.0", False),
        (RESEARCH, "NOASSERTION", False),
        (ANY, "NOASSERTION", True),
        (ANY, "Commons-Clause", True),
        (PERMISSIVE, "CC-BY-4.0", True),
        (PERMISSIVE, "CC-BY-NC-4.0", False),
        (PERMISSIVE, "CC-BY-SA-4.0", False),
        (LISTED, "GPL-3.0", True),
        (LISTED, "MIT AND GPL-3.0", True),
        (LISTED, "MIT AND ISC", False),
        (LISTED, "NOASSERTION", False),
    ],
)
def test_a_license_is_kept_by_its_policy(stage: KeepLicenses, license_: str, is_kept: bool) -> None:
    rows = changes({"license": license_, "license_class": license_class(license_)})

    assert [None if is_kept else f"license_not_allowed: {license_}"] == reasons_of(stage, stage.look(rows))


@pytest.mark.parametrize(
    "settings", [{"policy": "listed"}, {"licenses": ("MIT",)}, {"policy": "paper", "licenses": ("MIT",)}]
)
def test_a_list_without_its_policy_is_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="goes with `policy: listed`"):
        KeepLicenses(**settings)


VENDORED = {"path": "src/vendor/lib/a.c"}
HEADER = "// SPDX-License-Identifier: {}\nint x;\n"


@pytest.mark.parametrize(
    ("stage", "contents", "expected"),
    [
        (PERMISSIVE, "int x;\n", "vendored_license_unknown: MIT"),
        (RESEARCH, "int x;\n", "vendored_license_unknown: MIT"),
        (LISTED, "int x;\n", "vendored_license_unknown: MIT"),
        (PAPER, "int x;\n", None),
        (ANY, "int x;\n", None),
        (PERMISSIVE, HEADER.format("BSD-3-Clause"), None),
        (PERMISSIVE, HEADER.format("GPL-2.0-or-later"), "license_not_allowed: GPL-2.0"),
        (RESEARCH, HEADER.format("GPL-2.0-or-later"), None),
        (PERMISSIVE, HEADER.format("(MIT OR (GPL-2.0 AND ISC))"), "license_not_allowed: NOASSERTION"),
    ],
)
def test_a_vendored_file_goes_by_its_own_licence(stage: KeepLicenses, contents: str, expected: str | None) -> None:
    rows = changes(VENDORED | {"new_contents": contents})

    assert [expected] == reasons_of(stage, stage.look(rows))


def test_a_file_that_names_its_licence_has_it_wherever_it_lies() -> None:
    rows = changes({"new_contents": HEADER.format("GPL-3.0-only")}, {"new_contents": HEADER.format("ISC")}, {})

    looked = PERMISSIVE.look(rows)
    assert ["GPL-3.0", "ISC", "MIT"] == looked["license"].to_pylist()
    assert ["copyleft", "permissive", "permissive"] == looked["license_class"].to_pylist()
    assert ["license_not_allowed: GPL-3.0", None, None] == reasons_of(PERMISSIVE, looked)


def test_pairs_say_which_source_the_policy_costs(tmp_path: Path) -> None:
    rows = pairs(
        {"source": "CodeR-Pile", "license": "CC-BY-NC-SA-4.0", "license_class": "non_commercial", "path": None},
        {"path": "node_modules/a.js"},
        {},
    )

    assert {
        "0": ("license_not_allowed", "CodeR-Pile: CC-BY-NC-SA-4.0"),
        "1": ("vendored_license_unknown", "Commit-Preference: MIT"),
    } == dropped(tmp_path, KeepLicenses(on="pair"), rows)

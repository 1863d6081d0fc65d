"""Each policy lets through what it says; an unknown licence never."""

import pytest
from builds import changes
from rows import reasons_of

from themis_data.stages.keep_licenses import KeepLicenses
from themis_data.text.licenses import license_class

PERMISSIVE = KeepLicenses()
PAPER = KeepLicenses(policy="paper")
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
        (LISTED, "GPL-3.0", True),
        (LISTED, "MIT AND GPL-3.0", True),
        (LISTED, "MIT AND ISC", False),
        (LISTED, "NOASSERTION", False),
    ],
)
def test_a_license_is_kept_by_its_policy(stage: KeepLicenses, license_: str, is_kept: bool) -> None:
    rows = changes({"license": license_, "license_class": license_class(license_)})

    assert [None if is_kept else f"license_not_allowed: {license_}"] == reasons_of(stage, rows)


@pytest.mark.parametrize(
    "settings", [{"policy": "listed"}, {"licenses": ("MIT",)}, {"policy": "paper", "licenses": ("MIT",)}]
)
def test_a_list_without_its_policy_is_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="goes with `policy: listed`"):
        KeepLicenses(**settings)

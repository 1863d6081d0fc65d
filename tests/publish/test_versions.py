"""Which version may follow which: SemVer's precedence."""

from itertools import pairwise

import pytest

from themis_data.errors import PublishError
from themis_data.publish.versions import check_next, rank

# Each above the one before, after the specification's own example.
ORDER = ["0.9.0", "1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11",
         "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]  # fmt: skip


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(ORDER)))
def test_versions_rise(lower: str, higher: str) -> None:
    check_next(higher, [lower], "here")
    with pytest.raises(PublishError, match="is not above"):
        check_next(lower, [higher], "here")


def test_tags_that_are_no_versions_are_passed_over() -> None:
    check_next("1.0.0", ["latest", "2024-01", "v0.9.0"], "here")


def test_a_tag_with_a_v_is_that_version() -> None:
    with pytest.raises(PublishError, match=r"has a version 'v1\.0\.0' already"):
        check_next("1.0.0", ["v1.0.0"], "here")


def test_a_release_is_told_from_what_comes_before_it() -> None:
    assert [False, True] == [rank(version)[3] for version in ("1.0.0-rc.1", "1.0.0")]  # type: ignore[index]  # are versions

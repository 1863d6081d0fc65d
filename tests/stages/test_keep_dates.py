"""A window of days: the first is in, the day that ends it is out."""

from datetime import datetime

import pytest
from builds import changes
from rows import reasons_of

from themis_data.stages.keep_dates import KeepDates

DAYS = KeepDates(since="2018-01-01", before="2019-03-01")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2017, 12, 31, 23, 59, 59), "too_early"),
        (datetime(2018, 1, 1), None),
        (datetime(2019, 2, 28, 23, 59, 59), None),
        (datetime(2019, 3, 1), "too_late"),
    ],
)
def test_bounds_are_midnights(at: datetime, expected: str | None) -> None:
    assert [expected] == reasons_of(DAYS, changes({"committed_at": at}))


def test_a_day_that_nobody_knows_is_in_no_window() -> None:
    rows = changes({"committed_at": None})

    assert ["no_date"] == reasons_of(DAYS, rows)
    assert [None] == reasons_of(KeepDates(), rows)


def test_the_committers_time_counts() -> None:
    early, late = datetime(2018, 6, 1), datetime(2020, 6, 1)
    rows = changes({"committed_at": early, "authored_at": late}, {"committed_at": late, "authored_at": early})

    assert [None, "too_late"] == reasons_of(DAYS, rows)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (KeepDates(), [None, None]),
        (KeepDates(since="2000-01-01"), ["too_early", None]),
        (KeepDates(before="2000-01-01"), [None, "too_late"]),
    ],
)
def test_a_bound_may_be_left_out(stage: KeepDates, expected: list[str | None]) -> None:
    rows = changes({"committed_at": datetime(1970, 1, 1)}, {"committed_at": datetime(2030, 1, 1)})

    assert expected == reasons_of(stage, rows)


def test_what_is_no_day_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2019-02-30|day"):
        KeepDates(before="2019-02-30")


def test_the_authors_time_may_count_too_where_it_is_known() -> None:
    early, inside, late = datetime(2017, 6, 1), datetime(2018, 6, 1), datetime(2020, 6, 1)
    rows = changes(
        {"committed_at": inside, "authored_at": early},
        {"committed_at": inside, "authored_at": late},
        {"committed_at": inside, "authored_at": None},
        {"committed_at": late, "authored_at": inside},
        {"committed_at": None, "authored_at": inside},
    )
    days = KeepDates(since="2018-01-01", before="2019-03-01", authored_too=True)

    assert ["too_early", "too_late", None, "too_late", "no_date"] == reasons_of(days, rows)

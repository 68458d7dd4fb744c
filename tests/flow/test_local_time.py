"""Local time: gaps, folds, date lines and month ends have one defined answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.flow.local_time import next_local, readings, zone

ANY = frozenset[int]()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("where", "after", "at", "found"),
    [
        ("Europe/Amsterdam", "2026-03-28T12:00", "10:00", "2026-03-29T08:00"),
        ("Europe/Amsterdam", "2026-03-28T12:00", "02:30", "2026-03-29T01:30"),
        ("Europe/Amsterdam", "2026-10-24T12:00", "02:30", "2026-10-25T00:30"),
        ("Europe/Amsterdam", "2026-10-25T00:45", "02:30", "2026-10-26T01:30"),
        ("Pacific/Kiritimati", "2026-01-31T09:59", "00:00", "2026-01-31T10:00"),
        ("Pacific/Pago_Pago", "2026-01-01T10:30", "23:00", "2026-01-02T10:00"),
        ("Pacific/Apia", "2026-03-01T00:00", "10:00", "2026-03-01T21:00"),
        ("Asia/Kathmandu", "2028-02-28T18:00", "10:00", "2028-02-29T04:15"),
        ("UTC", "2026-12-31T23:00", "10:00", "2027-01-01T10:00"),
    ],
    ids=["summer", "gap", "fold, first", "fold, past the first", "east", "west", "samoa", "29 february", "new year"],
)
def test_the_next_time_that_a_clock_shows(where: str, after: str, at: str, found: str) -> None:
    there = zone(where)
    assert there is not None
    assert next_local(moment(after), there, time.fromisoformat(at), ANY) == moment(found)


def test_only_on_some_days() -> None:
    there = zone("Europe/Amsterdam")
    assert there is not None
    friday_noon = moment("2026-03-06T12:00")
    assert next_local(friday_noon, there, time(10), frozenset({0, 1, 2, 3, 4})) == moment("2026-03-09T09:00")
    assert next_local(friday_noon, there, time(10), frozenset({4})) == moment("2026-03-13T09:00")


@pytest.mark.parametrize(
    ("day", "early", "late"),
    [
        ("2026-03-28", "2026-03-28T01:30", "2026-03-28T01:30"),
        ("2026-03-29", "2026-03-29T00:30", "2026-03-29T01:30"),
        ("2026-10-25", "2026-10-25T00:30", "2026-10-25T01:30"),
    ],
    ids=["plain", "gap", "fold"],
)
def test_a_time_of_a_day_can_mean_two_moments_where_the_clock_is_changed(day: str, early: str, late: str) -> None:
    there = zone("Europe/Amsterdam")
    assert there is not None
    assert readings(date.fromisoformat(day), time(2, 30), there) == (moment(early), moment(late))


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_what_is_no_zone_is_none(name: str) -> None:
    assert zone(name) is None


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["Europe/Amsterdam", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Tehran", "Pacific/Apia"]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.frozensets(st.integers(0, 6)),
)
def test_it_is_never_before_and_never_more_than_a_week_and_a_day_away(
    after: datetime, where: str, at: time, days: frozenset[int]
) -> None:
    there = zone(where)
    assert there is not None
    found = next_local(after, there, at, days)
    assert after <= found <= after + timedelta(days=8, hours=2)
    shown = found.astimezone(there)
    assert not days or shown.weekday() in days or (shown - timedelta(hours=1)).weekday() in days

"""When a day comes on somebody's own clock: month and year ends, leap years, both sides of the date line, DST."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.flow.dates import Day, day_of, next_date

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NEW_YORK = ZoneInfo("America/New_York")
EAST = ZoneInfo("Pacific/Kiritimati")
"""UTC+14: the first to see a day"""
WEST = ZoneInfo("Pacific/Pago_Pago")
"""UTC-11: nearly the last"""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("2001-02-28", Day(2001, 2, 28)),
        (" 2001-02-28 ", Day(2001, 2, 28)),
        ("--02-29", Day(None, 2, 29)),
        ("02-29", Day(None, 2, 29)),
        ("0000-05-01", Day(None, 5, 1)),
        ("2001-02-29", Day(2001, 2, 29)),
        ("2026-05-01T23:30:00Z", Day(2026, 5, 2)),
        ("2026-05-01T23:30:00", Day(2026, 5, 1)),
        ("2026-05-01 23:30", Day(2026, 5, 1)),
        (utc("2026-05-01T23:30"), Day(2026, 5, 2)),
        (datetime(2026, 5, 1, 23, 30), Day(2026, 5, 1)),  # noqa: DTZ001 - a moment that somebody wrote without zone
        (date(2026, 5, 1), Day(2026, 5, 1)),
        (None, None),
        ("", None),
        ("soon", None),
        ("2001-13-01", None),
        ("2001-02-30", None),
        ("2001-04-31", None),
        ("--00-10", None),
        ("2001-2-3", None),
        ("01.02.2001", None),
        (20010228, None),
        (True, None),
        (("2001-02-28",), None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_what_is_a_day_and_what_is_none(value: object, meant: Day | None) -> None:
    """A moment is its day in Amsterdam; 29 February is a day in any year, for people write what their passport says."""
    assert day_of(value, AMSTERDAM) == meant


@pytest.mark.parametrize(
    ("value", "offset", "after", "comes", "day"),
    [
        ("1990-06-15", 0, "2026-01-01T00:00", "2026-06-15T08:00", "2026-06-15"),
        ("1990-06-15", 0, "2026-06-15T07:59", "2026-06-15T08:00", "2026-06-15"),
        ("1990-06-15", 0, "2026-06-15T08:00", "2027-06-15T08:00", "2027-06-15"),
        ("--06-15", -7, "2026-06-01T00:00", "2026-06-08T08:00", "2026-06-15"),
        ("1990-06-15", -7, "2026-06-10T00:00", "2027-06-08T08:00", "2027-06-15"),
        ("1990-01-03", -7, "2026-12-20T00:00", "2026-12-27T09:00", "2027-01-03"),
        ("1990-01-03", -7, "2026-12-28T00:00", "2027-12-27T09:00", "2028-01-03"),
        ("1990-12-30", 7, "2027-01-01T00:00", "2027-01-06T09:00", "2026-12-30"),
        ("1990-12-30", 7, "2027-01-06T09:00", "2028-01-06T09:00", "2027-12-30"),
        ("1990-01-01", -1, "2026-12-31T08:59", "2026-12-31T09:00", "2027-01-01"),
        ("1990-03-01", -1, "2028-02-01T00:00", "2028-02-29T09:00", "2028-03-01"),
        ("1990-03-01", -1, "2027-02-01T00:00", "2027-02-28T09:00", "2027-03-01"),
        ("1990-01-31", 30, "2027-02-01T00:00", "2027-03-02T09:00", "2027-01-31"),
        ("1990-01-31", 30, "2028-02-01T00:00", "2028-03-01T09:00", "2028-01-31"),
        ("1990-06-15", 400, "2026-01-01T00:00", "2026-07-20T08:00", "2025-06-15"),
        ("1990-06-15", -400, "2026-01-01T00:00", "2026-05-11T08:00", "2027-06-15"),
        ("2000-02-29", 0, "2027-01-01T00:00", "2027-02-28T09:00", "2027-02-28"),
        ("2000-02-29", 0, "2028-01-01T00:00", "2028-02-29T09:00", "2028-02-29"),
        ("2000-02-29", 1, "2027-01-01T00:00", "2027-03-01T09:00", "2027-02-28"),
        ("2001-02-29", 0, "2026-01-01T00:00", "2026-02-28T09:00", "2026-02-28"),
        ("--02-29", 0, "2100-01-01T00:00", "2100-02-28T09:00", "2100-02-28"),
        ("--02-29", 0, "2399-03-01T00:00", "2400-02-29T09:00", "2400-02-29"),
        ("--02-29", 0, "2100-03-01T00:00", "2101-02-28T09:00", "2101-02-28"),
        ("2030-05-01", 0, "2026-01-01T00:00", "2030-05-01T08:00", "2030-05-01"),
    ],
)
def test_a_yearly_day_comes_every_year(value: str, offset: int, after: str, comes: str, day: str) -> None:
    found = next_date(value, after=utc(after), zone=AMSTERDAM, at="10:00", offset=offset, yearly=True)
    assert found == (utc(comes), day)


@pytest.mark.parametrize(
    ("value", "offset", "after", "comes"),
    [
        ("2026-06-15", 0, "2026-06-15T07:59", "2026-06-15T08:00"),
        ("2026-06-15", 0, "2026-06-15T08:00", None),
        ("2026-06-15", 30, "2026-06-20T08:00", "2026-07-15T08:00"),
        ("2026-06-15", -30, "2026-06-01T08:00", None),
        ("2027-01-05", -30, "2026-06-01T08:00", "2026-12-06T09:00"),
        ("1990-06-15", 0, "2026-01-01T00:00", None),
        ("2026-06-14T23:00:00Z", 1, "2026-01-01T00:00", "2026-06-16T08:00"),
        ("2001-02-29", 0, "2001-01-01T00:00", "2001-02-28T09:00"),
        ("--06-15", 0, "2026-07-01T00:00", "2027-06-15T08:00"),
        ("9999-12-31", 5, "2026-07-01T00:00", None),
        ("0001-01-01", -5, "2026-07-01T00:00", None),
        ("never", 0, "2026-01-01T00:00", None),
        (None, 0, "2026-01-01T00:00", None),
    ],
)
def test_a_day_that_comes_once(value: str | None, offset: int, after: str, comes: str | None) -> None:
    found = next_date(value, after=utc(after), zone=AMSTERDAM, at="10:00", offset=offset, yearly=False)
    assert (found and found[0]) == (comes and utc(comes))


@pytest.mark.parametrize(
    ("zone", "after", "comes", "day"),
    [
        (EAST, "2026-12-31T09:59", "2026-12-31T10:00", "2027-01-01"),
        (EAST, "2026-12-31T10:00", "2027-12-31T10:00", "2028-01-01"),
        (WEST, "2027-01-01T10:59", "2027-01-01T11:00", "2027-01-01"),
        (WEST, "2027-01-01T11:00", "2028-01-01T11:00", "2028-01-01"),
        (NEW_YORK, "2027-01-01T04:59", "2027-01-01T05:00", "2027-01-01"),
    ],
)
def test_a_day_begins_where_the_person_is(zone: ZoneInfo, after: str, comes: str, day: str) -> None:
    """Midnight of New Year's Day, from the first island to the last."""
    assert next_date("--01-01", after=utc(after), zone=zone, at="00:00", offset=0, yearly=True) == (utc(comes), day)


@pytest.mark.parametrize(
    ("day", "at", "comes"),
    [
        ("2026-03-29", "02:30", "2026-03-29T01:30"),
        ("2026-03-29", "03:30", "2026-03-29T01:30"),
        ("2026-10-25", "02:30", "2026-10-25T00:30"),
        ("2026-10-25", "03:00", "2026-10-25T02:00"),
    ],
    ids=["in the gap: 03:30", "after the gap", "in the fold: the first", "after the fold"],
)
def test_clocks_that_are_set(day: str, at: str, comes: str) -> None:
    """RFC 5545, 3.3.5, as everywhere; in Amsterdam."""
    found = next_date(day, after=utc("2026-01-01T00:00"), zone=AMSTERDAM, at=at, offset=0, yearly=False)
    assert found == (utc(comes), day)


def test_a_day_that_was_left_out_altogether_comes_a_day_later() -> None:
    """Samoa went over the date line and had no 30 December 2011."""
    apia = ZoneInfo("Pacific/Apia")
    found = next_date("2011-12-30", after=utc("2011-12-01T00:00"), zone=apia, at="10:00", offset=0, yearly=False)
    assert found is not None
    assert found[0].astimezone(apia).isoformat() == "2011-12-31T10:00:00+14:00"


@given(
    st.dates(min_value=date(1900, 1, 1), max_value=date(2060, 12, 31)),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2060, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from([AMSTERDAM, NEW_YORK, EAST, WEST]),
    st.integers(-800, 800),
)
def test_the_next_one_is_the_first_after(day: date, after: datetime, zone: ZoneInfo, offset: int) -> None:
    """It lies ahead; nothing lies between; and its day, moved, is the day on the person's clock."""
    found = next_date(day.isoformat(), after=after, zone=zone, at="09:00", offset=offset, yearly=True)
    assert found is not None
    moment, comes = found
    assert moment > after
    assert moment.astimezone(zone).date() == date.fromisoformat(comes) + timedelta(days=offset)
    earlier = next_date(day.isoformat(), after=moment - timedelta(days=360), zone=zone, at="09:00", offset=offset,
                        yearly=True)  # fmt: skip
    assert earlier == found
    if date.fromisoformat(comes).year > day.year:
        assert moment - after <= timedelta(days=367)

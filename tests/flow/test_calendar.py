"""When campaigns come: known days of several years, cron when clocks are set, and what is told of mistakes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.flow.calendar import HOLIDAYS, LUNAR_UNTIL, MAX_OFFSET, holiday, occurrences, problem
from rekindle.flow.program import OnSchedule

FROM = datetime(2026, 1, 1, tzinfo=UTC)
AMSTERDAM = "Europe/Amsterdam"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(schedule: OnSchedule, first: str, last: str, zone: str = AMSTERDAM) -> list[str]:
    """Return when it comes between two days of the zone (the last one included), as its own clock shows it."""
    where = ZoneInfo(zone)
    after = datetime.fromisoformat(first).replace(tzinfo=where) - timedelta(seconds=1)
    until = datetime.fromisoformat(last).replace(tzinfo=where) + timedelta(days=1) - timedelta(seconds=1)
    return [moment.astimezone(where).strftime("%m-%d %H:%M%z") for moment in occurrences(schedule, zone, after, until)]


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("new-year", "2025-01-01 2026-01-01"),
        ("lunar-new-year", "2024-02-10 2025-01-29 2026-02-17 2027-02-06"),
        ("valentines", "2026-02-14"),
        ("ramadan", "2025-03-01 2026-02-18 2030-01-05 2030-12-26"),
        ("womens-day", "2026-03-08"),
        ("eid-al-fitr", "2025-03-30 2026-03-20 2033-01-02 2033-12-23"),
        ("mothers-day-uk", "2024-03-10 2025-03-30 2026-03-15 2027-03-07"),
        ("good-friday", "2026-04-03"),
        ("easter", "2024-03-31 2025-04-20 2026-04-05 2027-03-28 2038-04-25"),
        ("orthodox-easter", "2024-05-05 2025-04-20 2026-04-12 2027-05-02"),
        ("kings-day", "2025-04-26 2026-04-27"),
        ("mothers-day", "2024-05-12 2025-05-11 2026-05-10"),
        ("memorial-day", "2024-05-27 2025-05-26 2026-05-25"),
        ("eid-al-adha", "2024-06-16 2025-06-06 2026-05-27"),
        ("dragon-boat", "2025-05-31 2026-06-19"),
        ("fathers-day", "2024-06-16 2025-06-15 2026-06-21"),
        ("independence-day", "2026-07-04"),
        ("labor-day", "2024-09-02 2025-09-01 2026-09-07"),
        ("mid-autumn", "2024-09-17 2025-10-06 2026-09-25"),
        ("saudi-national-day", "2026-09-23"),
        ("thanksgiving-canada", "2025-10-13 2026-10-12"),
        ("diwali", "2024-10-31 2025-10-20 2026-11-08"),
        ("halloween", "2026-10-31"),
        ("singles-day", "2026-11-11"),
        ("thanksgiving", "2024-11-28 2025-11-27 2026-11-26 2029-11-22"),
        ("black-friday", "2024-11-29 2025-11-28 2026-11-27 2029-11-23"),
        ("white-friday", "2026-11-27"),
        ("cyber-monday", "2024-12-02 2025-12-01 2026-11-30"),
        ("giving-tuesday", "2024-12-03 2026-12-01"),
        ("christmas", "2026-12-25"),
        ("boxing-day", "2026-12-26"),
    ],
)
def test_known_days(name: str, days: str) -> None:
    expected = [date.fromisoformat(day) for day in days.split()]
    found = [day for year in sorted({day.year for day in expected}) for day in holiday(name, year)]
    assert found == expected


@pytest.mark.parametrize("name", HOLIDAYS)
def test_every_holiday_has_a_title_and_comes_every_year(name: str) -> None:
    """Twelve months and a day never pass without it, as far as the days that follow the moon are known."""
    days = [day for year in range(2024, LUNAR_UNTIL + 1) for day in holiday(name, year)]
    assert HOLIDAYS[name][0].isalnum()
    assert all(340 <= (later - earlier).days <= 393 for earlier, later in pairwise(days))
    assert problem(OnSchedule(holiday=name)) is None


def test_the_days_that_follow_the_moon_are_those_of_the_library() -> None:
    """`holidays` collects what was announced and computes what is to come. A newer one that corrects a day fails here.

    Of Diwali it has two tables: the one of India's public holiday is the one that is kept.
    """
    from holidays.calendars.chinese import _ChineseLunisolar
    from holidays.calendars.hindu import _HinduLunisolar
    from holidays.calendars.islamic import _IslamicLunar

    tables: dict[str, dict[int, Any]] = {
        "lunar-new-year": _ChineseLunisolar.LUNAR_NEW_YEAR_DATES,
        "dragon-boat": _ChineseLunisolar.DRAGON_BOAT_DATES,
        "mid-autumn": _ChineseLunisolar.MID_AUTUMN_DATES,
        "ramadan": _IslamicLunar.RAMADAN_BEGINNING_DATES,
        "eid-al-fitr": _IslamicLunar.EID_AL_FITR_DATES,
        "eid-al-adha": _IslamicLunar.EID_AL_ADHA_DATES,
        "diwali": _HinduLunisolar.DIWALI_INDIA_DATES,
    }
    for name, table in tables.items():
        for year in range(2024, LUNAR_UNTIL + 1):
            days = table[year] if isinstance(table[year][0], tuple) else (table[year],)
            assert holiday(name, year) == tuple(date(year, month, day) for month, day in days), (name, year)


def test_what_follows_the_moon_is_not_guessed_beyond_what_is_known() -> None:
    assert holiday("ramadan", LUNAR_UNTIL + 1) == ()
    assert holiday("easter", LUNAR_UNTIL + 1) == (date(2036, 4, 13),)


@pytest.mark.parametrize(
    ("schedule", "comes"),
    [
        (OnSchedule(holiday="black-friday", offset=-7, at="09:00"), ["2026-11-20T08:00"]),
        (OnSchedule(holiday="new-year", offset=-7, at="09:00"), ["2026-12-25T08:00"]),
        (OnSchedule(holiday="christmas", offset=10), ["2026-01-04T09:00"]),
        (OnSchedule(holiday="mothers-day"), ["2026-05-10T08:00"]),
        (OnSchedule(holiday="mothers-day", zone="America/New_York"), ["2026-05-10T14:00"]),
        (OnSchedule(holiday="new-year", at="00:00", zone="Pacific/Kiritimati"), ["2026-12-31T10:00"]),
        (OnSchedule(holiday="new-year", at="00:00", zone="Pacific/Pago_Pago"), ["2026-01-01T11:00"]),
        (OnSchedule(holiday="easter", offset=-7, at="02:30"), ["2026-03-29T01:30"]),
        (OnSchedule(once="2026-11-27T10:00"), ["2026-11-27T09:00"]),
        (OnSchedule(once="2026-11-27 10:00", zone="Asia/Tokyo"), ["2026-11-27T01:00"]),
        (OnSchedule(once="2025-11-27T10:00"), []),
    ],
    ids=lambda value: "" if isinstance(value, list) else f"{value.once or value.holiday}{value.offset:+d}{value.zone}",
)
def test_what_comes_in_2026(schedule: OnSchedule, comes: list[str]) -> None:
    """The year is UTC's; the shop is in Amsterdam, where Palm Sunday 2026 has no half past two."""
    found = occurrences(schedule, AMSTERDAM, FROM, datetime(2027, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
    assert found == [utc(text) for text in comes]


@pytest.mark.parametrize(
    ("cron", "first", "last", "comes"),
    [
        ("0 10 * * mon", "2026-03-23", "2026-04-05", ["03-23 10:00+0100", "03-30 10:00+0200"]),
        ("0 10 1 * *", "2026-01-15", "2026-03-15", ["02-01 10:00+0100", "03-01 10:00+0100"]),
        ("0 10 L * *", "2028-01-15", "2028-03-15", ["01-31 10:00+0100", "02-29 10:00+0100"]),
        ("0 10 31 * *", "2026-01-01", "2026-05-30", ["01-31 10:00+0100", "03-31 10:00+0200"]),
        ("0 9 * nov fri#4", "2026-01-01", "2026-12-31", ["11-27 09:00+0100"]),
        ("0 9,17 * * Sat-Sun", "2026-05-02", "2026-05-03",
         ["05-02 09:00+0200", "05-02 17:00+0200", "05-03 09:00+0200", "05-03 17:00+0200"]),
        ("30 2 * * *", "2026-03-28", "2026-03-30", ["03-28 02:30+0100", "03-29 03:30+0200", "03-30 02:30+0200"]),
        ("30 2 * * *", "2026-10-24", "2026-10-26", ["10-24 02:30+0200", "10-25 02:30+0200", "10-26 02:30+0100"]),
        ("0 2,3 * * *", "2026-03-29", "2026-03-29", ["03-29 03:00+0200"]),
        ("30 1,2 * * sun", "2026-03-29", "2026-03-29", ["03-29 01:30+0100", "03-29 03:30+0200"]),
        ("0 0 29 2 *", "2026-01-01", "2032-12-31", ["02-29 00:00+0100", "02-29 00:00+0100"]),
    ],
)  # fmt: skip
def test_cron_in_amsterdam(cron: str, first: str, last: str, comes: list[str]) -> None:
    """On 29 March 2026 there is no half past two, on 25 October there are two: it runs once on both days."""
    assert local(OnSchedule(cron=cron), first, last) == comes


def test_a_schedules_own_zone_comes_before_the_shops() -> None:
    there = occurrences(OnSchedule(cron="0 10 * * *", zone="Asia/Riyadh"), AMSTERDAM, FROM, FROM + timedelta(days=1))
    nowhere = occurrences(OnSchedule(cron="0 10 * * *"), "Mars/Olympus", FROM, FROM + timedelta(days=1))
    assert (there, nowhere) == ([utc("2026-01-01T07:00")], [utc("2026-01-01T10:00")])


SCHEDULES = [
    OnSchedule(cron="30 2 * * *"),
    OnSchedule(cron="0 */6 * * *"),
    OnSchedule(cron="15 9 * * mon,thu"),
    OnSchedule(cron="0 0 1 * *", zone="Pacific/Kiritimati"),
    OnSchedule(cron="0 23 L * *", zone="Pacific/Pago_Pago"),
    OnSchedule(holiday="new-year", offset=-7),
    OnSchedule(holiday="ramadan", offset=-14),
    OnSchedule(once="2026-10-25T02:30"),
]


@given(
    st.sampled_from(SCHEDULES),
    st.lists(st.integers(0, 2 * 366 * 24 * 60), max_size=6),
)
def test_looking_in_pieces_misses_nothing_and_repeats_nothing(schedule: OnSchedule, minutes: list[int]) -> None:
    """However the time is cut into pieces, each occurrence is in exactly one of them."""
    end = FROM + timedelta(days=2 * 366)
    cuts = [FROM, *(FROM + timedelta(minutes=minute) for minute in sorted(minutes)), end]
    whole = occurrences(schedule, AMSTERDAM, FROM, end)
    pieces = [occurrences(schedule, AMSTERDAM, after, until) for after, until in pairwise(cuts)]
    assert [moment for piece in pieces for moment in piece] == whole
    assert whole


def test_the_end_of_a_piece_belongs_to_it_and_its_beginning_does_not() -> None:
    schedule, moment = OnSchedule(once="2026-11-27T10:00"), utc("2026-11-27T09:00")
    assert occurrences(schedule, AMSTERDAM, moment - timedelta(seconds=1), moment) == [moment]
    assert occurrences(schedule, AMSTERDAM, moment, moment + timedelta(days=9)) == []


FIVE = "does not have five fields: minute, hour, day of the month, month, day of the week ('0 10 * * mon')"
A_TIME = "is not a time: write a day and a time of the shop's clock, such as 2026-11-27T10:00"
EXACTLY = "give exactly one of once, cron and holiday"
TOO_OFTEN = "comes more than once an hour: give one minute, such as '0 10 * * *'"


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (OnSchedule(), f"the schedule says no time: {EXACTLY}"),
        (OnSchedule(once="2026-11-27T10:00", cron="0 10 * * *"), f"the schedule has once and cron: {EXACTLY}"),
        (OnSchedule(once="27.11.2026"), f"once: '27.11.2026' {A_TIME}"),
        (OnSchedule(once="2026-02-29T10:00"), f"once: '2026-02-29T10:00' {A_TIME}"),
        (OnSchedule(once="9999-12-31T23:59"), f"once: '9999-12-31T23:59' {A_TIME}"),
        (OnSchedule(holiday="blck-friday"), "no holiday is called 'blck-friday': did you mean 'black-friday'?"),
        (OnSchedule(holiday="Black Friday"), "no holiday is called 'Black Friday': did you mean 'black-friday'?"),
        (OnSchedule(holiday="tuesday"), f"no holiday is called 'tuesday': known are {', '.join(HOLIDAYS)}"),
        (
            OnSchedule(holiday="easter", offset=-200),
            f"offset: -200 days is too far: at most {MAX_OFFSET} days before or after the holiday",
        ),
        (OnSchedule(cron="0 10 * * *", offset=-2), "offset: only a holiday's day can be moved: change the time itself"),
        (OnSchedule(holiday="easter", at="25:00"), "at: '25:00' is not a time of day: write for instance 10:00"),
        (OnSchedule(holiday="easter", zone="Europe/Amsterdm"),
         "no time zone is called 'Europe/Amsterdm': did you mean 'Europe/Amsterdam'?"),
        (OnSchedule(holiday="easter", zone="Mars"),
         "no time zone is called 'Mars': write for instance Europe/Amsterdam"),
        (OnSchedule(cron="10:00 mon"), f"cron: '10:00 mon' {FIVE}"),
        (OnSchedule(cron="0 0 10 * * mon"), f"cron: '0 0 10 * * mon' {FIVE}"),
        (OnSchedule(cron="@weekly"), "cron: '@weekly' does not have five fields: write '0 10 * * mon'"),
        (OnSchedule(cron="0 24 * * *"), "cron: its hour '24' cannot be read: it may be 0 to 23"),
        (OnSchedule(cron="0 10 * * mnd"), "cron: its day of week 'mnd' cannot be read: did you mean 'mon'?"),
        (OnSchedule(cron="0 10 1 june *"), "cron: its month 'june' cannot be read: did you mean 'jun'?"),
        (OnSchedule(cron="0 10 30 2 *"),
         "cron: its day of month '30' cannot be read: it may be 1 to 31 as far as the month goes, or L for the last"),
        (OnSchedule(cron="0 10 30 2 mon#6"),
         "cron: its day of week 'mon#6' cannot be read: it may be mon to sun, or 0 to 7 (both are Sunday)"),
        (OnSchedule(cron="* * * * *"), f"cron: '* * * * *' {TOO_OFTEN}"),
        (OnSchedule(cron="0,30 10 * * *"), f"cron: '0,30 10 * * *' {TOO_OFTEN}"),
    ],
    ids=lambda value: None if isinstance(value, str) else value.once or value.cron or value.holiday or "nothing",
)  # fmt: skip
def test_what_is_told_of_a_mistake(schedule: OnSchedule, told: str) -> None:
    assert problem(schedule) == told
    with pytest.raises(ValueError, match=re.escape(told)):
        occurrences(schedule, AMSTERDAM, FROM, FROM + timedelta(days=1))


@pytest.mark.parametrize(
    "cron", ["0 10 * * mon", "0 10 1 jan *", "0 */2 * * *", "59 23 L * *", "0 9 29 2 *", "0 9 * * MON-SUN"]
)
def test_what_is_right_is_not_complained_about(cron: str) -> None:
    assert problem(OnSchedule(cron=cron)) is None

"""When campaigns come: once, by a cron expression, or around a holiday. Pure.

For `publish`, `campaign` and the command line: `cronsim` is imported where a cron expression is read, and ships with
those alone. All times are those of the schedule's zone, and clocks that are set forward or back are dealt with as in
`rekindle.flow.local_time` (RFC 5545, 3.3.5), also for cron: half past two comes once on either day.

Which holidays there are and how their dates are known: docs/decisions/0016-holidays.md.
"""

from __future__ import annotations

import difflib
import functools
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from rekindle.flow.local_time import RECIPIENT, has_wall
from rekindle.flow.local_time import zone as zone_named
from rekindle.flow.program import OnSchedule

if TYPE_CHECKING:
    from cronsim import CronSim

_ONCE = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_MON, _THU, _FRI, _SUN = 0, 3, 4, 6
_DAY = timedelta(days=1)

#: More than the clock is ever set by in a day: how far a local time may stray from UTC's order.
_SLACK = timedelta(hours=27)

#: A holiday may be led up to, or followed, by so many days.
MAX_OFFSET = 180

#: A campaign that comes more often than this is a slip of the pen, not a plan.
_CLOSEST = timedelta(hours=1)

#: The days that follow the moon, `MM-DD` by year from `_LUNAR_FROM` to `LUNAR_UNTIL`, in the order of the calendar.
#: From the library `holidays`, which a test holds them against. A year in which a feast comes twice has both.
_LUNAR_FROM, LUNAR_UNTIL = 2024, 2035
_LUNAR = {
    "lunar-new-year": "02-10 01-29 02-17 02-06 01-26 02-13 02-03 01-23 02-11 01-31 02-19 02-08",
    "dragon-boat": "06-10 05-31 06-19 06-09 05-28 06-16 06-05 06-24 06-12 06-01 06-20 06-10",
    "mid-autumn": "09-17 10-06 09-25 09-15 10-03 09-22 09-12 10-01 09-19 09-08 09-27 09-16",
    "ramadan": "03-11 03-01 02-18 02-08 01-28 01-16 01-05,12-26 12-15 12-04 11-23 11-12 11-01",
    "eid-al-fitr": "04-10 03-30 03-20 03-09 02-26 02-14 02-04 01-24 01-14 01-02,12-23 12-12 12-01",
    "eid-al-adha": "06-16 06-06 05-27 05-16 05-05 04-24 04-13 04-02 03-22 03-11 03-01 02-18",
    "diwali": "10-31 10-20 11-08 10-29 10-17 11-05 10-26 11-14 11-02 10-22 11-10 10-30",
}


def occurrences(schedule: OnSchedule, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return every time at which the schedule comes in `after` < t <= `until` (aware), in order, in UTC.

    Its own zone counts, else `zone` (the shop's), else UTC where there is no such zone. Raises `ValueError` for a
    schedule in which `problem` finds one.
    """
    trouble = problem(schedule)
    if trouble:
        raise ValueError(trouble)
    where = zone_named(schedule.zone or zone) or zoneinfo.ZoneInfo("UTC")
    if schedule.once:
        local: Iterable[datetime] = [datetime.fromisoformat(schedule.once)]
    elif schedule.cron:
        # Read as plain clock times and placed in the zone afterwards: one rule for all times that marketers write.
        first = after.astimezone(where).replace(tzinfo=None) - _SLACK
        last = until.astimezone(where).replace(tzinfo=None) + _SLACK
        local = takewhile(lambda moment: moment <= last, _cron(schedule.cron, first))
    else:
        at, moved = time.fromisoformat(schedule.at), timedelta(days=schedule.offset)
        years = range((after - moved).year - 1, (until - moved).year + 2)
        local = [datetime.combine(day + moved, at) for year in years for day in holiday(schedule.holiday, year)]
    moments = {moment.replace(tzinfo=where).astimezone(UTC) for moment in local}
    return sorted(moment for moment in moments if after < moment <= until)


def holiday(name: str, year: int) -> tuple[date, ...]:
    """Return the days of that year on which the holiday falls: one as a rule; none where it is not known.

    Raises `KeyError` for a name that is not in `HOLIDAYS`.
    """
    return _HOLIDAYS[name][1](year)


def problem(schedule: OnSchedule) -> str | None:
    """Return what is wrong with a schedule as a marketer wrote it, and the cure; `None` where nothing is."""
    ways = [name for name in ("once", "cron", "holiday") if getattr(schedule, name)]
    if len(ways) != 1:
        said = f"has {' and '.join(ways)}" if ways else "says no time"
        return f"the schedule {said}: give exactly one of once, cron and holiday"
    if schedule.zone not in ("", RECIPIENT) and zone_named(schedule.zone) is None:
        return f"no time zone is called '{schedule.zone}'" + _near(
            schedule.zone, zoneinfo.available_timezones(), "write for instance Europe/Amsterdam"
        )
    if not _CLOCK.fullmatch(schedule.at):
        return f"at: '{schedule.at}' is not a time of day: write for instance 10:00"
    if schedule.offset and not schedule.holiday:
        return "offset: only a holiday's day can be moved: change the time itself"
    check: Mapping[str, Callable[[OnSchedule], str | None]] = {
        "once": lambda told: _problem_of_once(told.once),
        "cron": lambda told: _problem_of_cron(told.cron),
        "holiday": _problem_of_holiday,
    }
    return check[ways[0]](schedule)


def _problem_of_once(once: str) -> str | None:
    if _ONCE.fullmatch(once) and has_wall(once):
        return None
    return f"once: '{once}' is not a time: write a day and a time of the shop's clock, such as 2026-11-27T10:00"


def _problem_of_holiday(schedule: OnSchedule) -> str | None:
    if schedule.holiday not in HOLIDAYS:
        return f"no holiday is called '{schedule.holiday}'" + _near(
            schedule.holiday, HOLIDAYS, f"known are {', '.join(HOLIDAYS)}"
        )
    if abs(schedule.offset) > MAX_OFFSET:
        return f"offset: {schedule.offset} days is too far: at most {MAX_OFFSET} days before or after the holiday"
    return None


# --- cron ------------------------------------------------------------------------------------------------------------

_FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day-of-month", "1 to 31 as far as the month goes, or L for the last"),
    ("month", "1 to 12, or jan to dec"),
    ("day-of-week", "mon to sun, or 0 to 7 (both are Sunday)"),
)
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day-of-week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_NICKNAMES = {
    "@yearly": "0 10 1 1 *",
    "@annually": "0 10 1 1 *",
    "@monthly": "0 10 1 * *",
    "@weekly": "0 10 * * mon",
    "@daily": "0 10 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_TO_SUNDAY = re.compile(r"-sun\b", re.IGNORECASE)
_ASK_FROM = datetime(2024, 1, 1)  # noqa: DTZ001 - a clock time: any that begins a leap year
_LOOK_AT = 200


def _cron(expression: str, after: datetime) -> CronSim:
    """Return the clock times after this one (without zone) that the expression names, without end."""
    from cronsim import CronSim

    # To cron a week begins with Sunday: of 'mon-sun' it would say that it runs backwards.
    return CronSim(_TO_SUNDAY.sub("-7", expression), after)


@functools.lru_cache(maxsize=256)
def _problem_of_cron(expression: str) -> str | None:
    from cronsim import CronSimError

    fields = expression.split()
    if len(fields) != len(_FIELDS):
        known = _NICKNAMES.get(expression.strip().lower())
        return f"cron: '{expression}' does not have five fields: " + (
            f"write '{known}'" if known else "minute, hour, day of the month, month, day of the week ('0 10 * * mon')"
        )
    try:
        times = [moment for moment, _ in zip(_cron(expression, _ASK_FROM), range(_LOOK_AT), strict=False)]
    except CronSimError as error:
        return _bad_field(str(error), fields)
    if not times:
        return f"cron: '{expression}' never comes: no year has such a day"
    if any(later - earlier < _CLOSEST for earlier, later in pairwise(times)):
        return f"cron: '{expression}' comes more than once an hour: give one minute, such as '0 10 * * *'"
    return None


def _bad_field(error: str, fields: list[str]) -> str:
    name = error.removeprefix("Bad ")
    for (known, may_be), field in zip(_FIELDS, fields, strict=True):
        if known == name:
            words = re.findall(r"[a-z]{3,}", field.lower())
            wrong = next((word for word in words if word not in _NAMES.get(known, ())), None)
            near = difflib.get_close_matches(wrong[:3], _NAMES[known], 1) if wrong and known in _NAMES else []
            hint = f"did you mean '{near[0]}'?" if near else f"it may be {may_be}"
            return f"cron: its {known.replace('-', ' ')} '{field}' cannot be read: {hint}"
    return f"cron: {error}"


def _near(word: str, known: Iterable[str], otherwise: str) -> str:
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower().replace(" ", "-").replace("_", "-"), by_lower, 1, 0.8)
    return f": did you mean '{by_lower[near[0]]}'?" if near else f": {otherwise}"


# --- holidays --------------------------------------------------------------------------------------------------------

_Days = Callable[[int], tuple[date, ...]]


def _on(month: int, day: int) -> _Days:
    return lambda year: (date(year, month, day),)


def _nth(count: int, weekday: int, month: int, *, moved: int = 0) -> _Days:
    """Return the rule of the count-th such weekday of a month (-1: the last), moved by some days."""

    def days(year: int) -> tuple[date, ...]:
        first = date(year, month, 1) if count > 0 else date(year + month // 12, month % 12 + 1, 1)
        ahead = (weekday - first.weekday()) % 7 + 7 * (count - 1 if count > 0 else count)
        return (first + timedelta(days=ahead + moved),)

    return days


def _easter(moved: int = 0, *, orthodox: bool = False) -> _Days:
    def days(year: int) -> tuple[date, ...]:
        from dateutil.easter import (  # type: ignore[import-untyped, unused-ignore]
            EASTER_ORTHODOX,
            EASTER_WESTERN,
            easter,
        )

        return (easter(year, EASTER_ORTHODOX if orthodox else EASTER_WESTERN) + timedelta(days=moved),)

    return days


def _moon(name: str) -> _Days:
    def days(year: int) -> tuple[date, ...]:
        if not _LUNAR_FROM <= year <= LUNAR_UNTIL:
            return ()
        return tuple(date.fromisoformat(f"{year}-{day}") for day in _LUNAR[name].split()[year - _LUNAR_FROM].split(","))

    return days


def _kings_day(year: int) -> tuple[date, ...]:
    day = date(year, 4, 27)
    return (day - _DAY,) if day.weekday() == _SUN else (day,)


_HOLIDAYS: dict[str, tuple[str, _Days]] = {
    "new-year": ("New Year's Day", _on(1, 1)),
    "lunar-new-year": ("Lunar New Year", _moon("lunar-new-year")),
    "valentines": ("Valentine's Day", _on(2, 14)),
    "saudi-founding-day": ("Founding Day (Saudi Arabia)", _on(2, 22)),
    "ramadan": ("First day of Ramadan", _moon("ramadan")),
    "womens-day": ("International Women's Day", _on(3, 8)),
    "st-patricks-day": ("St Patrick's Day", _on(3, 17)),
    "eid-al-fitr": ("Eid al-Fitr", _moon("eid-al-fitr")),
    "mothers-day-arab": ("Mother's Day (Arab countries)", _on(3, 21)),
    "mothers-day-uk": ("Mothering Sunday (United Kingdom, Ireland)", _easter(-21)),
    "good-friday": ("Good Friday", _easter(-2)),
    "easter": ("Easter Sunday", _easter()),
    "orthodox-easter": ("Orthodox Easter Sunday", _easter(orthodox=True)),
    "earth-day": ("Earth Day", _on(4, 22)),
    "kings-day": ("King's Day (Netherlands)", _kings_day),
    "mothers-day": ("Mother's Day (second Sunday of May)", _nth(2, _SUN, 5)),
    "memorial-day": ("Memorial Day (United States)", _nth(-1, _MON, 5)),
    "eid-al-adha": ("Eid al-Adha", _moon("eid-al-adha")),
    "dragon-boat": ("Dragon Boat Festival", _moon("dragon-boat")),
    "618": ("618 shopping festival", _on(6, 18)),
    "fathers-day": ("Father's Day (third Sunday of June)", _nth(3, _SUN, 6)),
    "canada-day": ("Canada Day", _on(7, 1)),
    "independence-day": ("Independence Day (United States)", _on(7, 4)),
    "labor-day": ("Labor Day (United States, Canada)", _nth(1, _MON, 9)),
    "mid-autumn": ("Mid-Autumn Festival", _moon("mid-autumn")),
    "saudi-national-day": ("National Day (Saudi Arabia)", _on(9, 23)),
    "thanksgiving-canada": ("Thanksgiving (Canada)", _nth(2, _MON, 10)),
    "diwali": ("Diwali", _moon("diwali")),
    "halloween": ("Halloween", _on(10, 31)),
    "singles-day": ("Singles' Day", _on(11, 11)),
    "thanksgiving": ("Thanksgiving (United States)", _nth(4, _THU, 11)),
    "black-friday": ("Black Friday", _nth(4, _THU, 11, moved=1)),
    "white-friday": ("White Friday (the Gulf's Black Friday)", _nth(4, _THU, 11, moved=1)),
    "small-business-saturday": ("Small Business Saturday", _nth(4, _THU, 11, moved=2)),
    "cyber-monday": ("Cyber Monday", _nth(4, _THU, 11, moved=4)),
    "giving-tuesday": ("Giving Tuesday", _nth(4, _THU, 11, moved=5)),
    "uae-national-day": ("National Day (United Arab Emirates)", _on(12, 2)),
    "sinterklaas": ("Sinterklaas (the eve, 5 December)", _on(12, 5)),
    "double-twelve": ("Double Twelve", _on(12, 12)),
    "christmas-eve": ("Christmas Eve", _on(12, 24)),
    "christmas": ("Christmas Day", _on(12, 25)),
    "boxing-day": ("Boxing Day", _on(12, 26)),
    "new-years-eve": ("New Year's Eve", _on(12, 31)),
}

#: The holidays that a schedule can name, in the order of the year, each with what it is called.
HOLIDAYS: Mapping[str, str] = {name: title for name, (title, _) in _HOLIDAYS.items()}

"""Days that matter to somebody (a birthday, a renewal), and when they come on that person's own clock. Pure.

A day is written `2001-02-28`, or `--02-28` where the year is not known; a moment means its day in the person's zone.
In years without a 29 February its anniversary is the 28th. Clocks that are set forward or back are dealt with as in
`rekindle.flow.local_time` (RFC 5545, 3.3.5).
"""

from __future__ import annotations

import re
from datetime import MINYEAR, UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

_DAY = re.compile(r"(?:(\d{4})-|--)?(\d{2})-(\d{2})")
_A_LEAP_YEAR = 2000


class Day(Struct, frozen=True):
    """A day of the calendar; `year` is `None` where only the day of the year is known."""

    year: int | None
    month: int
    day: int

    def in_year(self, year: int) -> date:
        """Return its anniversary in that year. Raises `ValueError` or `OverflowError` past the calendar's end."""
        try:
            return date(year, self.month, self.day)
        except ValueError:
            # The day was checked against a leap year: only 29 February can be missing.
            return date(year, self.month, self.day - 1)


def day_of(value: object, zone: ZoneInfo) -> Day | None:
    """Return the day that a value means in this zone, or `None` where it means none (empty, nonsense, month 13)."""
    if isinstance(value, str):
        value = value.strip()
        found = _DAY.fullmatch(value)
        if found:
            return _checked(*(int(part) if part else 0 for part in found.groups()))
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        try:
            value = value.astimezone(zone).date() if value.tzinfo else value.date()
        except OverflowError:
            return None
    return Day(value.year, value.month, value.day) if isinstance(value, date) else None


def next_date(
    value: object, *, after: datetime, zone: ZoneInfo, at: str, offset: int, yearly: bool
) -> tuple[datetime, str] | None:
    """Return when the day of `value`, moved by `offset` days, next comes at `at` on the zone's clock, and which day.

    The moment is UTC and strictly after `after` (aware); the day (ISO 8601) is without the offset. `yearly`: every
    anniversary, from the day itself on, and so always where the year is not known; else that one day. `None` where it
    has passed, or where the value means no day. `at` is `HH:MM`.
    """
    day = day_of(value, zone)
    if day is None:
        return None
    clock = time.fromisoformat(at)
    if day.year is not None and not yearly:
        years = range(day.year, day.year + 1)
    else:
        # The day that comes next may lie in another year than its moved self, and the zone's year is not UTC's.
        first = max(day.year or MINYEAR, after.year - offset // 365 - 2)
        years = range(first, first + 6)
    for year in years:
        try:
            comes = day.in_year(year)
            moment = datetime.combine(comes + timedelta(days=offset), clock, tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if moment > after:
            return moment, comes.isoformat()
    return None


def _checked(year: int, month: int, day: int) -> Day | None:
    """Return the day if some year has it. Year 0 stands for none, as some shops write it."""
    try:
        date(_A_LEAP_YEAR, month, day)
    except ValueError:
        return None
    return Day(year or None, month, day)

"""Moments on somebody's own clock: the next ten in the morning where they live. Pure, but for the zone database.

Where the clock is set forward, a time that does not exist is taken with the offset from before the gap (02:30 becomes
03:30); where it is set back, a time that comes twice means its first coming. Both as RFC 5545, 3.3.5, has it.
"""

from __future__ import annotations

import functools
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_A_WEEK = 8

#: What stands for each recipient's own zone, where a campaign names a zone.
RECIPIENT = "recipient"


@functools.lru_cache(maxsize=600)
def zone(name: str) -> ZoneInfo | None:
    """Return the zone of this IANA name, or `None` when there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def next_local(after: datetime, where: ZoneInfo, at: time, days: frozenset[int]) -> datetime:
    """Return the first moment, not before `after`, at which the clock there shows `at` on one of these weekdays.

    `days` are 0 (Monday) to 6; empty means every day. The result is UTC.
    """
    today = after.astimezone(where).date()
    for ahead in range(-1, _A_WEEK + 1):
        day = today + timedelta(days=ahead)
        if days and day.weekday() not in days:
            continue
        moment = datetime.combine(day, at, tzinfo=where).astimezone(UTC)
        if moment >= after:
            return moment
    raise ValueError(f"no {at} within a week of {after}")


def has_wall(wall: str) -> bool:
    """Whether a clock shows this local time in every zone: the calendar's first and last day are not there in all."""
    try:
        return MINYEAR < datetime.fromisoformat(wall).year < MAXYEAR
    except ValueError:
        return False


def wall_moment(wall: str, where: ZoneInfo) -> datetime:
    """Return the moment (UTC) at which the clock there shows this local time, such as `2026-11-27T10:00`.

    One that the clock skips is taken an hour later, one that comes twice at its first coming.
    """
    return datetime.fromisoformat(wall).replace(tzinfo=where).astimezone(UTC)


def readings(day: date, at: time, where: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the earliest and the latest moment (UTC) that this time of that day can mean there.

    They differ only where the clock is changed: a time that comes twice means either coming, one that is skipped lies
    as far before the gap as after it.
    """
    early, late = sorted(datetime.combine(day, at, tzinfo=where).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return early, late

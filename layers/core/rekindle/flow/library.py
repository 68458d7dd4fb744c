"""What conditions can ask about time and the past: `since`, `within`, `count`, `ordered`, `in_segment`. Pure.

Every answer that time alone will change notes the moment at which it does. A condition's value follows from the answers
that it got, so until the earliest of these moments it stays as it is; parts that `and` and `or` passed over asked
nothing and decide nothing. That is why a profile needs no nightly scan (DESIGN §5).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from rekindle.domain.facts import Item
from rekindle.domain.history import counted, placed
from rekindle.domain.profile import Profile
from rekindle.flow.durations import UNITS, seconds

#: The smallest step of time: what is "older than" changes one after what is "at least as old as".
_TICK = timedelta(microseconds=1)


@functools.lru_cache(maxsize=1024)
def duration(text: str) -> timedelta:
    """Return what `90m`, `3d` or `1d 12h` means. Raises `ValueError` for anything else, nothing, and over two years."""
    length = timedelta(seconds=seconds(text))
    if not length:
        raise ValueError(f"'{text}' is no time at all")
    return length


class Library:
    """What one profile's past says at `now` (aware, UTC).

    `next_change` is the earliest moment, strictly after `now`, at which any answer given so far becomes another one;
    `None` while time alone changes nothing. What lies ahead of `now` (clocks differ) counts as having just happened.
    """

    __slots__ = ("_profile", "next_change", "now")

    def __init__(self, profile: Profile, now: datetime) -> None:
        self._profile = profile
        self.now = now
        self.next_change: datetime | None = None

    def since(self, moment: object) -> Since:
        """Return how long ago a moment was. Raises `TypeError` or `ValueError` for what is none."""
        return Since(self, moment_of(moment))

    def since_last(self, key: str) -> Since:
        """Return how long ago the newest of the events was that are kept under the key of an ask."""
        return Since(self, self._newest(key))

    def within(self, moment: object, window: str) -> bool:
        """Whether it was at most that long ago; never, if it never was."""
        return Since(self, moment_of(moment)) <= window

    def within_last(self, key: str, window: str) -> bool:
        """Whether the newest of the events under this key was at most that long ago."""
        return Since(self, self._newest(key)) <= window

    def count(self, key: str, window: str = "") -> Count:
        """Return how many of the events under this key were at most that long ago; without a window, ever."""
        return Count(self, self._inside(key, window), duration(window) if window else None)

    def ordered(self, what: object, window: str = "") -> bool:
        """Whether a product id or category (any of several; of lines of a basket their products) was bought."""
        wanted = _wanted(what)
        bought = (mark for mark in counted(self._profile) if not wanted.isdisjoint((*mark.products, *mark.kinds)))
        newest = max((placed(mark) for mark in bought), default=None)
        return newest is not None and (not window or Since(self, newest) <= window)

    def in_segment(self, name: str) -> bool:
        """Whether the person is in the segment. When that changes is the segment's own business."""
        return name in self._profile.segments

    # --- for the ledger: what was read, without asking

    def apart(self) -> Library:
        """Return another library of the same past: what is asked there is not noted here."""
        return Library(self._profile, self.now)

    def age(self, moment: object) -> str | None:
        """Return how long ago it was, as `93d 4h`; ahead of now, as `in 4h 5m`; `None` where it never was."""
        try:
            known = moment_of(moment)
        except (TypeError, ValueError):
            return None
        return None if known is None else _spelled(self.now - known)

    def age_last(self, key: str) -> str | None:
        """Return how long ago the newest of the events under this key was."""
        return self.age(self._newest(key))

    def tally(self, key: str, window: str, keep: int) -> int | str:
        """Return how many there were, and `3 or more` where no more than these `keep` may have been kept."""
        found, kept = len(self._inside(key, window)), len(self._profile.recent.get(key, ()))
        return f"{found} or more" if found == kept and found >= keep else found

    # --- within

    def older(self, moment: datetime, window: timedelta) -> bool:
        """Whether the moment is longer ago than that; notes when it will be."""
        if self.now - moment > window:
            return True
        self._note(moment, window, _TICK)
        return False

    def as_old(self, moment: datetime, window: timedelta) -> bool:
        """Whether the moment is at least that long ago; notes when it will be."""
        if self.now - moment >= window:
            return True
        self._note(moment, window)
        return False

    def _note(self, moment: datetime, *later: timedelta) -> None:
        try:
            change = moment + sum(later, timedelta(0))
        except OverflowError:
            # Past the end of the calendar: that is never.
            return
        if self.next_change is None or change < self.next_change:
            self.next_change = change

    def _newest(self, key: str) -> datetime | None:
        return max(self._profile.recent.get(key, ()), default=None)

    def _inside(self, key: str, window: str) -> list[datetime]:
        moments = sorted(self._profile.recent.get(key, ()), reverse=True)
        if not window:
            return moments
        length = duration(window)
        return [moment for moment in moments if self.now - moment <= length]


class _Ordered:
    """What compares by order only, and shows itself to nobody: else its value could leak past the noting of moments."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # it has no equality, so it has no hash

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("since() and count() are compared by <, <=, > and >= only")

    __eq__ = __ne__ = __bool__ = __str__ = __repr__ = __format__ = _refuse


class Since(_Ordered):
    """How long ago something was. What never was compares false with everything."""

    __slots__ = ("_library", "_moment")

    def __init__(self, library: Library, moment: datetime | None) -> None:
        self._library = library
        self._moment = moment

    def __gt__(self, window: str) -> bool:
        return self._moment is not None and self._library.older(self._moment, _length(window))

    def __ge__(self, window: str) -> bool:
        return self._moment is not None and self._library.as_old(self._moment, _length(window))

    def __lt__(self, window: str) -> bool:
        return self._moment is not None and not self._library.as_old(self._moment, _length(window))

    def __le__(self, window: str) -> bool:
        return self._moment is not None and not self._library.older(self._moment, _length(window))


class Count(_Ordered):
    """How many there were. `moments` are those in the window, newest first: the oldest leave it first."""

    __slots__ = ("_library", "_moments", "_window")

    def __init__(self, library: Library, moments: list[datetime], window: timedelta | None) -> None:
        self._library = library
        self._moments = moments
        self._window = window

    def __gt__(self, number: int) -> bool:
        return self._at_least(_whole(number) + 1)

    def __ge__(self, number: int) -> bool:
        return self._at_least(_whole(number))

    def __lt__(self, number: int) -> bool:
        return not self._at_least(_whole(number))

    def __le__(self, number: int) -> bool:
        return not self._at_least(_whole(number) + 1)

    def _at_least(self, number: int) -> bool:
        if number <= 0:
            return True
        if len(self._moments) < number:
            return False
        # There are as many until the last one that is needed for it has left.
        return self._window is None or not self._library.older(self._moments[number - 1], self._window)


def moment_of(value: object) -> datetime | None:
    """Return the moment that a value means: one, or its ISO 8601 text (as traits keep it; UTC where no zone is said).

    Nothing means never. Raises `TypeError` or `ValueError` for what is no moment.
    """
    if value is None or value == "":
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise TypeError("since() and within() take a moment, or the name of an event in quotes")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _wanted(what: object) -> frozenset[str]:
    each: Iterable[Any] = (what,) if what is None or isinstance(what, str) else _several(what)
    return frozenset(_name(one) for one in each) - {""}


def _several(what: object) -> Iterable[Any]:
    if not isinstance(what, (list, tuple, frozenset)):
        raise TypeError("ordered() takes product ids and categories")
    return what


def _name(one: object) -> str:
    named = one.product_id if isinstance(one, Item) else one
    if named is not None and not isinstance(named, str):
        raise TypeError("ordered() takes product ids and categories")
    return named or ""


def _length(window: object) -> timedelta:
    if not isinstance(window, str):
        raise TypeError("since() is compared with a time such as '90d'")
    return duration(window)


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError("count() is compared with a whole number")
    return number


def _spelled(age: timedelta) -> str:
    left = int(abs(age).total_seconds())
    parts = []
    for unit in "dhms":
        count, left = divmod(left, UNITS[unit])
        parts.append((count, unit))
    while len(parts) > 1 and not parts[0][0]:
        del parts[0]
    text = " ".join(f"{count}{unit}" for place, (count, unit) in enumerate(parts[:2]) if count or not place)
    return f"in {text}" if age < timedelta(0) else text

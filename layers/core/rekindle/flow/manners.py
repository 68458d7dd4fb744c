"""Manners: whether a message may go now, must wait, or is not to be sent at all. Pure; imports domain and flow only.

They protect people from marketing at night and from too much of it; what somebody chose on their preference page is
manners of their own (`flow.wishes`). Transactional messages go whenever they are due.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from rekindle.domain.preferences import paused_until
from rekindle.domain.profile import Category, Channel, Preferences, Touch
from rekindle.flow.local_time import readings
from rekindle.flow.program import Cap, Hours, Manner, Manners
from rekindle.flow.wishes import PAUSED, apart_of, counted, too_often

#: A message that cannot go within this time is not sent at all.
PATIENCE = timedelta(days=30)
#: How far ahead `Go` looks for the next time at which nothing may go out.
FORESIGHT = timedelta(days=7)
# Hours come back every week, and the change of a clock takes one of them away at most: what does not end within two
# weeks never does.
_NEVER = timedelta(days=15)
_DAYS_BACK, _DAYS_AHEAD = 2, 24

_WORDS: Mapping[str, str] = {"email": "e-mails", "sms": "text messages", "push": "push messages", "": "messages"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))

QUIET = "quiet hours"
OUTSIDE = "outside the send window"
YIELDS = "a more important message follows"


class Go(Struct, frozen=True, kw_only=True):
    """It may go now, and until `quiet_from` (UTC); then, until `quiet_until`, it may not. `None`: not within a week."""

    quiet_from: datetime | None = None
    quiet_until: datetime | None = None


class Hold(Struct, frozen=True, kw_only=True):
    """It may go at `until` (UTC, later than now) if nothing else is sent meanwhile; `why` is what forbids it now."""

    until: datetime
    why: str


class Refuse(Struct, frozen=True):
    """It is not to be sent."""

    why: str


def judge(
    touches: Sequence[Touch],
    *,
    channel: Channel,
    category: Category,
    at: datetime,
    zone: ZoneInfo,
    manners: Manners,
    manner: Manner | None,
    ahead: Sequence[datetime] = (),
    preferences: Preferences = Preferences(),  # noqa: B008 - frozen
) -> Go | Hold | Refuse:
    """Return what manners say of a message on `channel` that could go at `at`.

    `touches` are the messages so far, of which only marketing counts; `ahead` is when more important ones are coming on
    this channel: this one must leave them room. `manners` are complete (`program.manners_of`); `manner` is the step's
    own wish, which goes before theirs. `zone` is where the recipient's clock stands. What would have to wait longer
    than `PATIENCE` is refused. The end of a pause is waited for as the end of quiet hours is; how often somebody wants
    to be written to is treated as a cap.
    """
    if category == "transactional" or channel == "audience":
        return Go()
    calendar = _Calendar(channel, zone, manners, paused_until(preferences, at))
    room = _Room(touches, channel, manners, ahead, preferences)
    why = None
    moment, until = at, at + PATIENCE
    while True:
        opens = calendar.next_open(moment)
        if opens != moment:
            why = why or calendar.why(moment)
            if opens is None or opens > until or manner == "skip":
                return Refuse(why)
            moment = opens
        crowd = room.why(moment)
        if crowd is None:
            break
        if (manner or manners.otherwise) != "wait":
            return Refuse(crowd)
        why = why or crowd
        clears = room.clears(moment)
        if clears is None or clears > until:
            return Refuse(why)
        moment = clears
    if why is not None:
        return Hold(until=moment, why=why)
    closes = calendar.next_closed(at)
    return Go(quiet_from=closes[0], quiet_until=closes[1]) if closes else Go()


def longest(manners: Manners) -> timedelta:
    """Return how far back these manners look: for so long touches must be remembered."""
    lengths = [cap.seconds for cap in manners.caps or ()] + list((manners.apart or {}).values())
    return timedelta(seconds=max(lengths, default=0))


# --- quiet hours and windows -----------------------------------------------------------------------------------------

_Span = tuple[datetime, datetime]


class _Calendar:
    """When one channel is closed, on one person's clock, and until when they paused it themselves."""

    def __init__(self, channel: str, zone: ZoneInfo, manners: Manners, paused: datetime | None) -> None:
        self._zone = zone
        self._paused = paused
        self._quiet = (manners.quiet or {}).get(channel, ())
        self._windows = (manners.windows or {}).get(channel, ())
        self._around: tuple[datetime, list[_Span]] | None = None

    def next_open(self, moment: datetime) -> datetime | None:
        """Return the first moment, not before `moment`, at which messages may go; `None`: there is none."""
        if self._paused is not None and moment < self._paused:
            return self.next_open(self._paused)
        closed = next((span for span in self._closed(moment) if span[0] <= moment < span[1]), None)
        if closed is None:
            return moment
        return closed[1] if closed[1] - moment < _NEVER else None

    def next_closed(self, moment: datetime) -> _Span | None:
        """Return the next time after `moment`, if there is one within `FORESIGHT`, in which nothing may go."""
        return next((span for span in self._closed(moment) if moment < span[0] < moment + FORESIGHT), None)

    def why(self, moment: datetime) -> str:
        """Return what closes the channel at `moment`."""
        if self._paused is not None and moment < self._paused:
            return PAUSED
        quiet = self._spans(self._quiet, moment, wide=True)
        return QUIET if any(start <= moment < end for start, end in quiet) else OUTSIDE

    def _closed(self, moment: datetime) -> list[_Span]:
        if not (self._quiet or self._windows):
            return []
        if self._around is None or self._around[0] != moment:
            closed = list(self._spans(self._quiet, moment, wide=True))
            if self._windows:
                closed += _between(_joined(self._spans(self._windows, moment, wide=False)), moment)
            self._around = moment, _joined(closed)
        return self._around[1]

    def _spans(self, hours: Iterable[Hours], moment: datetime, *, wide: bool) -> Iterator[_Span]:
        """Yield the times that these hours mean around `moment`.

        Where the clock is changed, what is doubtful counts as forbidden: `wide` takes the longest reading, for times
        that are closed, and otherwise the shortest counts, for times that are open.
        """
        today = moment.astimezone(self._zone).date()
        for part in hours:
            begin, end = _clock(part.from_), _clock(part.to)
            over_midnight = timedelta(days=1 if end <= begin else 0)
            for away in range(-_DAYS_BACK, _DAYS_AHEAD):
                day = today + timedelta(days=away)
                if part.days and day.weekday() not in part.days:
                    continue
                starts = readings(day, begin, self._zone)
                ends = readings(day + over_midnight, end, self._zone)
                span = (starts[0], ends[1]) if wide else (starts[1], ends[0])
                if span[0] < span[1]:
                    yield span


@functools.lru_cache(maxsize=200)
def _clock(text: str) -> time:
    return time(0) if text == "24:00" else time.fromisoformat(text)


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    """Return the same times, in order, none touching another."""
    result: list[_Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def _between(windows: Sequence[_Span], moment: datetime) -> list[_Span]:
    """Return all times outside the windows, up to where nobody looks any more."""
    edges = [moment - timedelta(days=1), *(edge for span in windows for edge in span), moment + 2 * _NEVER]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


# --- smart sending and caps ------------------------------------------------------------------------------------------


class _Room:
    """Whether there is room for one more message among those that were sent and those that are coming."""

    def __init__(
        self,
        touches: Sequence[Touch],
        channel: str,
        manners: Manners,
        ahead: Sequence[datetime],
        preferences: Preferences,
    ) -> None:
        self._seen = tuple(counted(touches))
        self._preferences = preferences
        own = sorted(touch.at for touch in self._seen if touch.channel == channel)
        everything = sorted(touch.at for touch in self._seen)
        self._rarely = apart_of(preferences)
        self._apart = timedelta(seconds=(manners.apart or {}).get(channel, 0))
        self._caps = [
            (cap, own if cap.channel else everything) for cap in manners.caps or () if cap.channel in ("", channel)
        ]
        self._own = own
        self._ahead = sorted(ahead)

    def why(self, moment: datetime) -> str | None:
        """Return what forbids a message at `moment`, if anything does."""
        wish = too_often(self._preferences, self._seen, moment)
        if wish is not None:
            return wish
        if any(abs(moment - known) < self._apart for known in self._own):
            return f"smart sending: messages {_told(self._apart)} apart"
        for cap, sent in self._caps:
            if _breaks(cap, moment, sent):
                words = _WORDS.get(cap.channel, cap.channel)
                return f"at most {cap.most} {words} in {_told(timedelta(seconds=cap.seconds))}"
        apart = max(self._apart, self._rarely)
        if any(abs(moment - coming) < apart for coming in self._ahead) or any(
            _breaks(cap, moment, [*sent, *self._ahead]) for cap, sent in self._caps if self._ahead
        ):
            return YIELDS
        return None

    def clears(self, moment: datetime) -> datetime | None:
        """Return the first moment after this one at which there is room; `None`: there never is."""
        ends = {message + self._apart for message in (*self._own, *self._ahead)}
        if self._rarely:
            ends |= {message + self._rarely for message in (*(touch.at for touch in self._seen), *self._ahead)}
        for cap, sent in self._caps:
            ends |= {message + timedelta(seconds=cap.seconds) for message in (*sent, *self._ahead)}
        return next((end for end in sorted(ends) if end > moment and self.why(end) is None), None)


def _breaks(cap: Cap, moment: datetime, others: Sequence[datetime]) -> bool:
    """Whether one more message at `moment` is one too many, for itself or for one that comes later."""
    length = timedelta(seconds=cap.seconds)
    for last in (moment, *(other for other in others if moment <= other < moment + length)):
        before = sum(1 for other in others if last - length < other <= last)
        # With the one at `last` itself: of the later ones it is among the others already.
        if before + 1 > cap.most:
            return True
    return False


def _told(length: timedelta) -> str:
    """Return a length in at most two units, as marketers write it: `7d`, `1d 12h`, `45m`."""
    left, parts = max(round(length.total_seconds()), 0), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"

"""The reputation guard: when too many mails of a shop bounce or are complained about, its marketing is paused.

SES puts an account under review at a hard-bounce rate of 5 % or a complaint rate of 0.1 %, and may stop all its sending
at 10 % or 0.5 % (Amazon SES, "Reputation metrics"): order confirmations too, of every shop in the account. The guard
pauses the one shop's marketing mails where the review would begin. Transactional mail is never touched, journeys go on
planning, and what is planned meanwhile waits, as long as it is worth sending. Only the shop's word ends a pause.

Counts are of hours, one write for a batch of mails. A crash in between may lose some: a rate is no ledger.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import formataddr
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import RekindleError
from rekindle.flow.program import Shop
from rekindle.ports import Clock, Counters, Mail, Message, Parcel, Pause, SendQueues, Tally
from rekindle.service.library import Library
from rekindle.service.notices import MESSAGE_HEADER, MESSAGE_TAG

#: How long a warm worker may go on with the pauses that it knows.
PAUSES_LIFE = timedelta(seconds=30)
WINDOWS: Mapping[str, timedelta] = {"24 hours": timedelta(hours=24), "7 days": timedelta(days=7)}
_LONGEST = max(WINDOWS.values())
#: Seconds that a mail of a paused shop rests, longer the longer it has waited.
RESTS = (60, 120, 240, 480, 900)

_WHAT_GOES_ON = (
    "Order confirmations and other transactional mails go on. Marketing that is planned meanwhile waits, and goes out "
    "when you resume if it is still worth sending by then."
)
_WHAT_TO_DO = (
    "What to do: find out where the addresses came from (an old or bought list, a form without confirmation), take "
    "them out, and look at what the last mails promised. Then tell whoever runs Rekindle for you to resume. If nothing "
    "has changed, the next complaints will pause it again."
)

_log = logging.getLogger(__name__)


class NotPausedError(RekindleError):
    """The shop's marketing is not paused."""


class Limits(Struct, frozen=True, kw_only=True):
    """From which rates on a shop is paused, as shares of the mails sent, and the least numbers that make a rate."""

    bounces: float = 0.05
    complaints: float = 0.001
    least_bounces: int = 10
    least_complaints: int = 3
    least_mails: int = 100


class Rates(Struct, frozen=True):
    """What was counted in one window."""

    window: str
    tally: Tally

    @property
    def bounces(self) -> float:
        """Hard bounces for each mail sent. What bounces may have been sent before the window began."""
        return self.tally.bounced / max(self.tally.sent, self.tally.bounced, 1)

    @property
    def complaints(self) -> float:
        """Complaints for each mail sent."""
        return self.tally.complained / max(self.tally.sent, self.tally.complained, 1)

    def wrong(self, limits: Limits) -> str | None:
        """Return what is wrong with these rates, in plain words."""
        tally = self.tally
        if max(tally.sent, tally.bounced, tally.complained) < limits.least_mails:
            return None
        of = f"of {tally.sent:,} mails in {self.window}"
        if tally.complained >= limits.least_complaints and self.complaints >= limits.complaints:
            return f"{tally.complained:,} complaints {of}: {self.complaints:.2%}, the limit is {limits.complaints:.2%}"
        if tally.bounced >= limits.least_bounces and self.bounces >= limits.bounces:
            return f"{tally.bounced:,} hard bounces {of}: {self.bounces:.1%}, the limit is {limits.bounces:.1%}"
        return None


class Guard:
    """Counts, judges and remembers, for a short while, who is paused."""

    def __init__(self, *, counters: Counters, clock: Clock, limits: Mapping[str, Limits] | None = None) -> None:
        """Take the ports. `limits` are those of shops that have their own."""
        self._counters = counters
        self._clock = clock
        self._limits = limits or {}
        self._pauses: dict[str, Pause] = {}
        self._looked_at: datetime | None = None

    def pause_of(self, shop: str) -> Pause | None:
        """Return the pause that is in force, as it was at most `PAUSES_LIFE` ago."""
        now = self._clock.now()
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < PAUSES_LIFE:
            self._pauses = {pause.shop: pause for pause in self._counters.pauses()}
            self._looked_at = now
        pause = self._pauses.get(shop)
        return pause if pause is not None and pause.active else None

    def sent(self, counts: Mapping[str, int]) -> None:
        """Count mails that SES took, shop by shop. Never fails: they have gone out."""
        for shop, count in counts.items():
            try:
                self._counters.count(shop, self._clock.now(), Tally(sent=count))
            except Exception:  # noqa: BLE001 - the batch is not to come again because of a count
                _log.exception("not counted", extra={"shop": shop, "mails": count})

    def heard(self, shop: str, what: Literal["bounced", "complained"]) -> Pause | None:
        """Count a hard bounce or a complaint; return the pause that begins with it, if one does."""
        now = self._clock.now()
        self._counters.count(shop, now, Tally(bounced=1) if what == "bounced" else Tally(complained=1))
        if self.pause_of(shop) is not None:
            # Is it still? Were this one taken for part of a pause that is over, nobody would have judged it.
            self._looked_at = None
            if self.pause_of(shop) is not None:
                return None
        return self._judged(shop) if self._wrong(shop) is not None else None

    def resume(self, shop: str) -> Pause:
        """End the shop's pause; return it. Its rates begin anew. Raises `NotPausedError`."""
        now = self._clock.now()
        pause = next((pause for pause in self._counters.pauses() if pause.shop == shop and pause.active), None)
        if pause is None:
            raise NotPausedError(f"the marketing of {shop} is not paused")
        less = self._counters.tallies(shop, now).get(_hour(now), Tally())
        over = replace(pause, resumed_at=now, less=less)
        if not self._counters.resume(over):
            raise NotPausedError(f"the marketing of {shop} has just been resumed by somebody else")
        # What was counted since the tallies were read found the pause in force, and nobody has judged it.
        self._judged(shop)
        return over

    def _judged(self, shop: str) -> Pause | None:
        """Pause the shop if its rates, as they are stored now, are wrong; return the pause that begins."""
        self._looked_at = None
        why = self._wrong(shop)
        self._looked_at = None
        if why is None:
            return None
        pause = Pause(shop=shop, since=self._clock.now(), why=why)
        return pause if self._counters.pause(pause) else None

    def _wrong(self, shop: str) -> str | None:
        limits = self._limits.get(shop, Limits())
        return next(filter(None, (rates.wrong(limits) for rates in self.rates(shop))), None)

    def rates(self, shop: str) -> tuple[Rates, ...]:
        """Return what was counted in each window; after a pause, only what came after it."""
        now = self._clock.now()
        self.pause_of(shop)
        last = self._pauses.get(shop)
        since, less = (last.resumed_at, last.less) if last is not None else (None, Tally())
        begin = max(now - _LONGEST, since) if since is not None else now - _LONGEST
        hours = self._counters.tallies(shop, begin)
        if since is not None:
            anew = _hour(since)
            hours = {hour: _without(tally, less) if hour == anew else tally for hour, tally in hours.items()}
        return tuple(
            Rates(name, _sum(tally for hour, tally in hours.items() if hour >= _hour(now - length)))
            for name, length in WINDOWS.items()
        )


def announce(*, counters: Counters, queues: SendQueues, clock: Clock) -> int:
    """Have every shop told that is paused and does not know it yet; return how many are paused.

    Called every five minutes, so a word that came to nothing is taken up again, until its record shows an outcome.
    """
    paused = [pause for pause in counters.pauses() if pause.active]
    parcels = [
        Parcel(
            message_id=word_of(pause),
            profile_id="",
            version=0,
            category="transactional",
            since=clock.now(),
            paused=pause.shop,
        )
        for pause in paused
        if pause.told_at is None
    ]
    if parcels:
        queues.enqueue(parcels)
    return len(paused)


class Herald:
    """Knows what a shop is to be told: one mail a pause, to the address under `notify` in its file.

    `Deliver` sends it as it sends any message: leased, attempted once, recorded.
    """

    def __init__(self, *, counters: Counters, library: Library, clock: Clock) -> None:
        self._counters = counters
        self._library = library
        self._clock = clock

    def pause(self, parcel: Parcel) -> Pause | None:
        """Return the pause that this parcel is about, if it is in force and something is left to say of it."""
        pause = next((pause for pause in self._counters.pauses() if pause.shop == parcel.paused), None)
        if pause is None or not pause.active or pause.told_at is not None or word_of(pause) != parcel.message_id:
            return None
        return pause

    def mail(self, pause: Pause) -> Mail | None:
        """Return the mail about it; `None` where the shop's file names nobody.

        Then the alarm tells whoever runs this, and the shop is told as soon as its file says where.
        """
        shop = self._library.newest().shops.get(pause.shop)
        return notice(pause, shop, shop.notify) if shop is not None and shop.notify is not None else None

    def told(self, pause: Pause) -> None:
        """Note that the mail about it is settled, so that it is not announced any more."""
        self._counters.told(pause, self._clock.now())


def notice(pause: Pause, shop: Shop, to: str) -> Mail:
    """Return the mail that tells a shop."""
    lines = (
        f"The marketing mails of {shop.name} have been paused since {pause.since:%Y-%m-%d %H:%M} UTC.",
        f"Why: {pause.why}.",
        _WHAT_GOES_ON,
        _WHAT_TO_DO,
    )
    message = word_of(pause)
    return Mail(
        message_id=message,
        sender=formataddr((shop.sender_name, shop.sender_email)),
        to=to,
        subject=f"{' '.join(shop.name.split())}: marketing mails are paused",
        html="".join(f"<p>{html.escape(line)}</p>" for line in lines),
        text="\n\n".join(lines) + "\n",
        headers={MESSAGE_HEADER: message},
        tags={MESSAGE_TAG: message, "shop": shop.id},
    )


def word_of(pause: Pause) -> str:
    """Return the id of the one message that tells the shop of this pause."""
    return ids.digest("pause", pause.shop, pause.since.isoformat())


def told_of(pause: Pause, record: Message | None) -> str:
    """Return for people what became of the word to the shop; `record` is that of its message."""
    if record is None or record.state == "reopened":
        # A pause of before there were records of this was told when it said so.
        return "the shop was told" if record is None and pause.told_at else "the shop has not been told yet"
    match record.state:
        case "sent" | "delivered":
            return "the shop was told"
        case "leased":
            return "the shop is being told"
        case "unknown":
            return "the shop may not have been told"
        case _:
            return f"the shop could not be told: {record.why or record.state}"


def rest(waited: timedelta) -> int:
    """Return for how many seconds a mail of a paused shop rests next that has waited so long."""
    return max((rest for rest in RESTS if rest <= waited.total_seconds()), default=RESTS[0])


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _sum(tallies: Iterator[Tally]) -> Tally:
    found = list(tallies)
    return Tally(
        sent=sum(tally.sent for tally in found),
        bounced=sum(tally.bounced for tally in found),
        complained=sum(tally.complained for tally in found),
    )


def _without(tally: Tally, less: Tally) -> Tally:
    return Tally(
        sent=max(0, tally.sent - less.sent),
        bounced=max(0, tally.bounced - less.bounced),
        complained=max(0, tally.complained - less.complained),
    )

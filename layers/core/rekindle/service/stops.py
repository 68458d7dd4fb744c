"""Campaigns that somebody paused or cancelled: who fans out and who sends look here, at most half a minute late.

They stand together in one file, which is small and mostly not there. A pause holds back whom the campaign has not
reached yet and what is planned and not sent; a cancelled one goes on for nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from rekindle.domain.errors import ConflictError
from rekindle.ports import Blobs, Clock

#: So long a warm worker may go on with what it knows.
STOPS_LIFE = timedelta(seconds=30)
#: For so long it is remembered: longer than any message of a campaign is worth sending.
_KEPT = timedelta(days=60)
_FILE = "campaigns/stops.json"
_TRIES = 5

Stopping = Literal["paused", "cancelled"]


class Stop(Struct, frozen=True):
    """That a campaign was paused or cancelled, and when."""

    how: Stopping
    at: datetime


_stops = msgspec.json.Decoder(dict[str, Stop])


class Stops:
    """Knows which campaigns are stopped, as it was at most `STOPS_LIFE` ago."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._known: dict[str, Stop] = {}
        self._looked_at: datetime | None = None

    def of(self, shop: str, flow: str, occurrence: str) -> Stopping | None:
        """Return whether this campaign is stopped, and how."""
        now = self._clock.now()
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < STOPS_LIFE:
            self._known = stopped(self._blobs)
            self._looked_at = now
        stop = self._known.get(_key(shop, flow, occurrence))
        return stop.how if stop is not None else None


def stopped(blobs: Blobs) -> dict[str, Stop]:
    """Return every campaign that is stopped, by `shop/flow/occurrence`."""
    found = blobs.get(_FILE)
    return _stops.decode(found) if found is not None else {}


def put_stop(shop: str, flow: str, occurrence: str, how: Stopping | None, *, blobs: Blobs, clock: Clock) -> bool:
    """Stop a campaign, or let it go on (`None`); return whether that changes anything.

    What is cancelled stays so: people whom it was to reach may have been passed over already. Raises `ConflictError`
    when others keep writing.
    """
    now = clock.now()
    for _ in range(_TRIES):
        found = blobs.tagged(_FILE)
        known = _stops.decode(found[0]) if found is not None else {}
        key = _key(shop, flow, occurrence)
        before = known.get(key)
        if (before.how if before is not None else None) in (how, "cancelled"):
            return False
        kept = {name: stop for name, stop in known.items() if name != key and now - stop.at < _KEPT}
        if how is not None:
            kept[key] = Stop(how, now)
        if blobs.swap(_FILE, msgspec.json.encode(kept), expected=found[1] if found is not None else None):
            return True
    raise ConflictError("others kept stopping campaigns")


def _key(shop: str, flow: str, occurrence: str) -> str:
    return f"{shop}/{flow}/{occurrence}"

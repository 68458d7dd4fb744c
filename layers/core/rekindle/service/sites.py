"""The published sites as `collect` sees them: behind the pointer, and nothing else of what was published."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from rekindle.content.sites import Site, decode_sites, site_of
from rekindle.ports import Blobs, Clock

#: How long a warm worker goes on with what it holds.
LIFE = timedelta(seconds=60)
_POINTER = "playbooks/current.json"


class _Pointer(Struct, frozen=True):
    hash: str


class Sites:
    """Reads the sites of the published set, again after a minute, and only where another set was published."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._hash: str | None = None
        self._looked_at: datetime | None = None
        self._known: dict[str, Site] = {}

    def of(self, shop: str) -> Site | None:
        """Return this shop's site, or `None` where no such shop is published."""
        now = self._clock.now()
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < LIFE:
            self._look()
            self._looked_at = now
        return self._known.get(shop)

    def _look(self) -> None:
        raw = self._blobs.get(_POINTER)
        found = msgspec.json.decode(raw, type=_Pointer).hash if raw else None
        if found != self._hash:
            told = self._blobs.get(f"playbooks/{found}/site.json") if found else None
            self._known = decode_sites(told) if told else self._older(found)
            self._hash = found

    def _older(self, found: str | None) -> dict[str, Site]:
        """Return the sites of a set that was published before they had a file of their own: its shops say them."""
        from rekindle.flow.program import Playbook

        raw = self._blobs.get(f"playbooks/{found}/flows.json") if found else None
        shops = msgspec.json.decode(raw, type=Playbook).shops if raw else {}
        return {name: site_of(shop) for name, shop in shops.items()}

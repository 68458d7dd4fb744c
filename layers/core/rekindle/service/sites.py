"""The published sites as `collect` sees them: behind the pointer, and nothing else of what was published."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from rekindle.content.sites import Site, asker, decode_sites, dialog, script, site_of, worker
from rekindle.domain.errors import UnknownSiteError
from rekindle.domain.ids import digest
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


#: How long a browser goes on with a script that it has, and how long after that it may while it asks for a newer one.
_FRESH, _STALE = 600, 86_400
_SCRIPTS: Mapping[str, Callable[[Site], str]] = {
    "rekindle.js": script,
    "popup.js": dialog,
    "push.js": asker,
    "worker.js": worker,
}
_MAX_KEPT = 200


class Script(Struct, frozen=True):
    """A script as it is served: `packed` is the text, gzipped; `tag` changes with it."""

    text: str
    packed: bytes
    tag: str

    @property
    def headers(self) -> dict[str, str]:
        """Return what browsers and caches on the way are told."""
        return {
            "content-type": "text/javascript; charset=utf-8",
            "cache-control": f"public, max-age={_FRESH}, stale-while-revalidate={_STALE}",
            "etag": f'"{self.tag}"',
            "vary": "accept-encoding",
            "cross-origin-resource-policy": "cross-origin",
            "x-content-type-options": "nosniff",
        }


class Scripts:
    """The scripts that pages load, with what the published set says of their shop in them."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self._known: dict[tuple[str, str], tuple[Site, Script]] = {}

    def get(self, shop: str, name: str) -> Script:
        """Return a script. Raises `UnknownSiteError` where there is no such shop, or no such script."""
        site, write = self._sites.of(shop), _SCRIPTS.get(name)
        if site is None or write is None:
            raise UnknownSiteError("no such script")
        known = self._known.get((shop, name))
        if known is None or known[0] is not site:
            if len(self._known) >= _MAX_KEPT:
                self._known.clear()
            text = write(site)
            known = site, Script(text, gzip.compress(text.encode(), 9, mtime=0), digest(text))
            self._known[shop, name] = known
        return known[1]

"""What the published set says to the pages: its look, its shops, what people can choose among."""

from __future__ import annotations

from rekindle.content.pages.settings import PageSettings, decode_settings
from rekindle.ports import Blobs, Clock
from rekindle.service.library import Library


class PageLibrary:
    """Reads what publish left for the pages, and holds it while it is the newest."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs = blobs
        self._library = Library(blobs, clock)
        self._known: PageSettings | None = None

    def newest(self) -> PageSettings:
        """Return the settings of the published set; one from before pages had settings gives them its shops alone."""
        wanted = self._library.hash() or ""
        if self._known is None or self._known.hash != wanted:
            raw = self._blobs.get(f"playbooks/{wanted}/pages.json") if wanted else None
            if raw is not None:
                self._known = decode_settings(raw)
            else:
                self._known = PageSettings(hash=wanted, shops=self._library.newest().shops)
        return self._known

"""The links of one message while it is written: each address is numbered, and written as one that counts the click.

For every channel that writes in the language of mails: `rekindle.content.numbering` has put the filter `_link` around
each address of a published text, and this is what it asks. Pure.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

#: The name of a context under which the filter `_link` finds the tracker; without one, addresses stay as they are.
TRACKER = "_tracker"

#: How many links one message counts, and how long their addresses may be, one and all: they stand in its record.
MAX_LINKS, MAX_ADDRESS, MAX_ADDRESSES = 200, 2_000, 64_000
#: How much of what a link is about is kept beside its address.
MAX_ABOUT = 80

# What leads to the web, and could break out of neither an attribute nor a header.
_WEB = re.compile(r"https?://[^\s<>\"'`\\{}|^\x00-\x20\x7f-\x9f\ud800-\udfff]+\Z", re.IGNORECASE)
# What HTML lets stand around an address.
_SPACE = " \t\r\n\f"


class Tracker:
    """Numbers the addresses of one message, equal ones alike. `targets` afterwards: where each number leads.

    Where it was said what a link is about, that stands behind its address (`ports.parted`).
    """

    __slots__ = ("_known", "_left", "_places", "_prefix", "pixel", "targets")

    def __init__(self, base: str, token: str, kept: Iterable[str] = ()) -> None:
        """`base` is where links live (`https://links.example`), `token` the message's (`links.sign_track`).

        `kept` are addresses to leave alone. `pixel` is then the address of the picture that tells of an opening.
        """
        self._prefix = f"{base}/c/{token}/"
        self.pixel = f"{base}/o/{token}.gif"
        self._known: dict[str, str] = {address: address for address in kept}
        self._left = MAX_ADDRESSES
        self._places: dict[str, int] = {}
        self.targets: list[str] = []

    def link(self, address: str, about: Any = None) -> str:
        """Return the link that counts and leads to this address; the address itself where it does not lead to the web.

        What is too much for the message's record stays as it is, too: it leads where it should, and is not counted.
        `about` is the category that it leads to: what was said of an address first counts.
        """
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = self._numbered(address)
        if about and isinstance(about, str):
            self._note(address.strip(_SPACE), " ".join(html.unescape(about).split())[:MAX_ABOUT].rstrip())
        return known

    def _note(self, target: str, about: str) -> None:
        place = self._places.get(target)
        if place is not None and about and self.targets[place] == target and len(about) < self._left:
            self._left -= len(about) + 1
            self.targets[place] = f"{target} {about}"

    def _numbered(self, address: str) -> str:
        target = address.strip(_SPACE)
        if len(target) > MAX_ADDRESS or not _WEB.match(target):
            return address
        if target != address and target in self._known:
            return self._known[target]
        if len(self.targets) >= MAX_LINKS or len(target) > self._left:
            return address
        self._left -= len(target)
        self._places[target] = len(self.targets)
        self.targets.append(target)
        link = self._known[target] = f"{self._prefix}{len(self.targets) - 1}"
        return link


def link(tracker: Tracker | None, value: Any, about: Any = None) -> Any:
    """Return a value of a template as a link that counts, if it is an address. What was escaped for HTML is read so."""
    if tracker is None or not isinstance(value, str):
        return value
    return tracker.link(html.unescape(str(value)) if isinstance(value, Markup) else value, about)

"""What the shop's own site needs to know, published for `functions/collect`; and the files that the shop puts there.

The files in `site/` beside this module run in browsers and in the shop (docs/site.md). Pure, and
imported at collect's cold start: msgspec and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from rekindle.flow.program import Shop


class Site(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One shop's site. `hosts` are those that its pages are on, with the port where there is one."""

    shop: str
    platform: str
    url: str
    currency: str
    locale: str
    hosts: tuple[str, ...] = ()
    consent: str = "platform"


def site_of(shop: Shop) -> Site:
    """Return a shop's site. Where its address begins with www, so may its pages without, and the other way round."""
    place = urlsplit(shop.url)
    home = place.netloc.rpartition("@")[2].lower()
    other = home.removeprefix("www.") if home.startswith("www.") else f"www.{home}"
    return Site(
        shop=shop.id,
        platform=shop.platform,
        url=shop.url,
        currency=shop.currency,
        locale=shop.locale,
        hosts=tuple(dict.fromkeys((home, other, *shop.domains))),
        consent=shop.site_consent,
    )


_sites = msgspec.json.Decoder(dict[str, Site])


def decode_sites(raw: bytes) -> dict[str, Site]:
    """Return shop → site, as they were published."""
    return _sites.decode(raw)

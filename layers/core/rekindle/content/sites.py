"""What the shop's own site needs to know, published for `functions/collect`; and the scripts that it is served.

The files in `site/` beside this module run in browsers and in the shop (docs/site.md). Pure, and imported at collect's
cold start: msgspec and the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from rekindle.content.brand import Brand
    from rekindle.flow.program import Shop

_FILES = Path(__file__).with_name("site")
#: The name of what a file is told, in its last line.
_CONFIG = "CONFIG"
#: What must not stand in a script as it is, although JSON may hold it (ECMA 262 before 2019; HTML where one is inline).
_ESCAPED = (("<", "\\u003c"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))


#: Where each platform serves the service worker: Shopify through an app proxy, WooCommerce through our plugin.
WORKERS = {"shopify": "/apps/rekindle/worker.js", "woocommerce": "/?rekindle-worker=1"}


class Words(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a popup says in one language."""

    heading: str
    text: str
    button: str
    thanks: str
    email: str
    close: str
    failed: str
    small: str = ""
    name: str = ""
    birthday: str = ""
    push: str = ""
    """on the button that asks for push messages, after the form was sent; empty: there is none"""


class Popup(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sign-up popup. It is due after so many seconds, so much of the page (percent), or when the mouse leaves it.

    Shown once in `again` seconds, and not on pages whose path begins like one of `except_`.
    """

    name: str
    form: str
    again: int
    texts: dict[str, Words]
    """language → what it says"""
    shops: tuple[str, ...] = ()
    """those that show it; all where it is empty"""
    after: int = 0
    scroll: int = 0
    exit: bool = False
    except_: tuple[str, ...] = ()
    enabled: bool = True
    asks: tuple[str, ...] = ()
    """what it asks for beside the address: `first_name`, `birthday`"""

    def rules(self) -> dict[str, Any]:
        """Return what the script must know before it is due."""
        days = self.again / 86_400
        known = {"name": self.name, "after": self.after, "scroll": self.scroll, "exit": self.exit, "again": days}
        return {key: value for key, value in known.items() if value} | {"except": self.except_}


class Site(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One shop's site. `hosts` are those that its pages are on, with the port where there is one."""

    shop: str
    platform: str
    url: str
    currency: str
    locale: str
    hosts: tuple[str, ...] = ()
    consent: str = "platform"
    popups: tuple[Popup, ...] = ()
    forms: dict[str, dict[str, Words]] = {}
    """sign-up form → language → what it says; also those whose popup is off"""
    double_opt_in: bool = True
    """whether everybody who signs up is asked back by mail"""
    name: str = ""
    push_key: str = ""
    """the public key of push messages (RFC 8292); empty: nobody is asked for them"""
    worker: str = ""
    """the path, on the shop's own site, of the service worker that shows them"""
    look: dict[str, str] = {}
    """name of a CSS variable → its value"""


def site_of(shop: Shop, popups: Iterable[Popup] = (), brand: Brand | None = None) -> Site:
    """Return a shop's site. Where its address begins with www, so may its pages without, and the other way round."""
    place = urlsplit(shop.url)
    home = place.netloc.rpartition("@")[2].lower()
    other = home.removeprefix("www.") if home.startswith("www.") else f"www.{home}"
    own = tuple(popup for popup in popups if not popup.shops or shop.id in popup.shops)
    shown = tuple(popup for popup in own if popup.enabled)
    return Site(
        shop=shop.id,
        platform=shop.platform,
        url=shop.url,
        currency=shop.currency,
        locale=shop.locale,
        hosts=tuple(dict.fromkeys((home, other, *shop.domains))),
        consent=shop.site_consent,
        popups=shown,
        forms={popup.form: popup.texts for popup in reversed(own)},
        double_opt_in=shop.double_opt_in,
        name=shop.name,
        push_key=shop.push_key,
        worker=(shop.push_worker or WORKERS.get(shop.platform, "")) if shop.push_key else "",
        look=_look(brand) if brand is not None and shown else {},
    )


def _look(brand: Brand) -> dict[str, str]:
    colors = msgspec.structs.asdict(brand.colors)
    return {name: colors[name] for name in ("surface", "text", "muted", "accent", "on_accent")} | {"font": brand.font}


_sites = msgspec.json.Decoder(dict[str, Site])


def decode_sites(raw: bytes) -> dict[str, Site]:
    """Return shop → site, as they were published."""
    return _sites.decode(raw)


def script(site: Site) -> str:
    """Return the site script as this shop's pages load it."""
    popups = [popup.rules() for popup in site.popups]
    told: dict[str, Any] = {"platform": site.platform, "consent": site.consent}
    told |= {"worker": site.worker} if site.worker else {}
    return _served("rekindle.js", told | ({"popups": popups} if popups else {}))


def asker(site: Site) -> str:
    """Return what the site script loads when the shop asks for push messages."""
    return _served("push.js", {"key": site.push_key, "worker": site.worker})


def worker(site: Site) -> str:
    """Return the service worker that shows them."""
    return _served("worker.js", {"name": site.name})


def dialog(site: Site) -> str:
    """Return what the site script loads when a popup is due."""
    popups = {
        popup.name: {"form": popup.form, "texts": popup.texts} | ({"asks": popup.asks} if popup.asks else {})
        for popup in site.popups
    }
    return _served("popup.js", {"locale": site.locale, "look": site.look, "popups": popups, "push": bool(site.worker)})


def source(name: str) -> str:
    """Return a file of `site/` as it was written."""
    return (_FILES / name).read_text("utf-8")


def _served(name: str, told: Mapping[str, Any]) -> str:
    config = msgspec.json.encode(told).decode()
    for character, escape in _ESCAPED:
        config = config.replace(character, escape)
    head, _, tail = _short(name).rpartition(_CONFIG)
    return head + config + tail


@cache
def _short(name: str) -> str:
    """Return a script without its comments, which stand on lines of their own, and without its indentation."""
    lines = (line.strip() for line in source(name).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"

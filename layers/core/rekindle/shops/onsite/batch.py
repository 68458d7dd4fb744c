"""One request of the site script or the web pixel: a visit, or a part of one."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from rekindle.domain.errors import BodyTooLargeError, MalformedBodyError
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import Person, Recognised
from rekindle.domain.ids import digest
from rekindle.shops import contact
from rekindle.shops.onsite.events import READERS, Visit
from rekindle.shops.reading import Arrival, Telling, rows, text

#: Bytes. A long visit of fifty pages takes about 15,000.
BODY_LIMIT = 32_768
#: What is beyond is not read. The script sends earlier.
MAX_EVENTS = 60
SOURCE = "onsite"
TOPIC = "visit"

_BROWSER = re.compile(r"[A-Za-z0-9_-]{16,64}\Z")
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{1,30}(?:/[A-Za-z0-9_+-]{1,30}){0,2}\Z")
_TOKEN = 1_000

_decoder = msgspec.json.Decoder()


class Batch(Struct, frozen=True):
    """What one request says: the delivery with its events, the browser, and the token of the mail that led here.

    The token is as it came: whether it is one of ours, and still good, the reader must ask.
    """

    delivery: Delivery
    browser: str
    visit: str | None


def read(
    body: bytes,
    *,
    shop: str,
    platform: str,
    url: str,
    hosts: Collection[str],
    currency: str | None,
    received_at: datetime,
) -> Batch:
    """Return what a request says. Its id is a hash of the body, so the same body sent again is a repeat.

    Args:
        body: The raw body, JSON in UTF-8.
        shop: Rekindle's id of the shop.
        platform: `shopify`, where carts and checkouts come from the shop itself, signed; or `woocommerce`.
        url: The shop's address, on which links to carts are built.
        hosts: Those that its pages are on.
        currency: The shop's (ISO 4217), where the page names none.
        received_at: When it came, aware. Events say how long before that they were, so no visitor's clock matters.

    Raises:
        BodyTooLargeError: over `BODY_LIMIT`; nothing was parsed.
        MalformedBodyError: it is no batch, or names no browser.
    """
    if len(body) > BODY_LIMIT:
        raise BodyTooLargeError(f"the body has {len(body)} bytes, over the limit of {BODY_LIMIT}")
    sent = _decoded(body)
    browser = sent.get("browser")
    if type(browser) is not str or not _BROWSER.match(browser):
        raise MalformedBodyError("no browser is named")
    delivery_id = digest(SOURCE, shop, body)
    telling = Telling(Arrival(shop=shop, delivery_id=delivery_id, received_at=received_at), signed=False)
    person = _person(sent, telling)
    about = Visit(Who(browser_id=browser), person, platform, url, frozenset(hosts), currency, received_at)
    for event in rows(sent.get("events"))[:MAX_EVENTS]:
        kind = event.get("type")
        reader = READERS.get(kind) if type(kind) is str else None
        if reader is not None:
            reader(event, about, telling)
    delivery = Delivery(
        id=delivery_id,
        shop=shop,
        source=SOURCE,
        topic=TOPIC,
        received_at=received_at,
        events=tuple(telling.events),
    )
    visit = sent.get("visit")
    return Batch(delivery, browser, visit if type(visit) is str and 0 < len(visit) <= _TOKEN else None)


def recognised(batch: Batch, profile: str) -> Delivery:
    """Return the batch's delivery when a token of ours said whose mail led to this visit: that comes first in it."""
    delivery = batch.delivery
    event = Event(
        id=digest("event", delivery.shop, delivery.id, "visit"),
        shop=delivery.shop,
        type="browser.recognised",
        occurred_at=delivery.received_at,
        received_at=delivery.received_at,
        who=Who(browser_id=batch.browser),
        profile_id=profile,
        data=Recognised(by="click", at=delivery.received_at),
    )
    return msgspec.structs.replace(delivery, events=(event, *delivery.events))


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        sent = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError(f"the body is not JSON: {error}") from error
    if type(sent) is not dict:
        raise MalformedBodyError("the body is JSON, but no object")
    return sent


def _person(sent: dict[str, Any], telling: Telling) -> Person | None:
    """Return what a browser knows of whoever sits before it: their language and their zone."""
    locale = telling.use("locale", contact.locale(sent.get("locale")))
    zone = text(sent.get("zone"))
    zone = zone if zone is not None and _ZONE.match(zone) else None
    return Person(locale=locale, zone=zone) if locale or zone else None

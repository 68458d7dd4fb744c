"""The request: whose webhook is it, is it true, what is it called, has it been here before?

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rekindle.domain.errors import UnknownShopError
from rekindle.domain.ids import digest
from rekindle.shops import signature
from rekindle.shops.reading import moment, text

#: What every Shopify app must answer (CONTRACTS, compliance).
COMPLIANCE = frozenset(("customers/data_request", "customers/redact", "shop/redact"))


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a Shopify header by its name without prefix, from either family; `headers` have lower-case names."""
    return headers.get(f"x-shopify-{name}") or headers.get(f"shopify-{name}")


def verify(headers: Mapping[str, str], body: bytes, *, domain: str, secrets: tuple[str, ...]) -> bytes:
    """Return the body's mark (`signature.check`) if the request is this shop's.

    Raises:
        UnknownShopError: the shop-domain header is missing or another shop's.
        BadSignatureError: no live secret signed the body.
    """
    headers = signature.lower(headers)
    claimed = header(headers, "shop-domain")
    if claimed is None or (claimed != domain and signature.site(claimed) != signature.site(domain)):
        raise UnknownShopError("the shop-domain header is not this shop's")
    return signature.check(header(headers, "hmac-sha256"), body, secrets)


def unique_ids(headers: Mapping[str, str], mark: bytes, *, shop: str) -> tuple[str, ...]:
    """Return every id under which this delivery must not be accepted twice; the first is the delivery's own.

    `mark` is what `verify` returned for the body. There are two ids, because neither covers the other (CONTRACTS,
    duplicates):
    - shop + topic + event id: several subscriptions to one topic share the event, and their bodies can differ (fields,
      API version);
    - shop + topic + body: the signature covers the body only, so a captured body comes back under any event id.

    A request is a repeat when *either* has been seen, so both are written when it is accepted. The body's comes first,
    because a captured body may come back at any time, while Shopify shares an event id for hours. Without an event id,
    there is only the body's. The topic is part of both: one order is one body under orders/create and orders/paid.

    The compliance topics say no time: who comes back and asks once more to be forgotten sends the very same body. There
    the body counts together with the webhook's own id, which Shopify's retries keep.
    """
    headers = signature.lower(headers)
    topic = header(headers, "topic") or ""
    if topic in COMPLIANCE:
        own = header(headers, "event-id") or header(headers, "webhook-id") or ""
        return (digest("delivery", "shopify", shop, topic, "body", mark, own),)
    ids = (digest("delivery", "shopify", shop, topic, "body", mark),)
    event = header(headers, "event-id")
    return (*ids, digest("delivery", "shopify", shop, topic, "event", event)) if event else ids


def topic_of(headers: Mapping[str, str]) -> str:
    """Return the topic that the request claims; empty when it claims none."""
    return text(header(headers, "topic")) or ""


def triggered_at(headers: Mapping[str, str]) -> datetime | None:
    """Return when the shop says that it happened; unsigned."""
    return moment(header(headers, "triggered-at"))

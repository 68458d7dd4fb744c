"""The way in: one raw webhook becomes one `Delivery`, or an error that says which answer it gets.

Pure: imports msgspec, `rekindle.domain` and its neighbours here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Protocol, cast

import msgspec

from rekindle.domain.errors import BadSignatureError, BodyTooLargeError, MalformedBodyError
from rekindle.domain.events import Delivery, Event
from rekindle.shops import shopify, signature, woocommerce
from rekindle.shops.reading import CONSENT_KEYS, Arrival, Body, Telling

Platform = Literal["shopify", "woocommerce"]

#: Bytes. A synchronous Lambda call carries 6 MB, which is about this much body in base64 (CONTRACTS).
BODY_LIMIT = 4_500_000

#: What a number is read as whose exponent no `Decimal` holds: it is no amount of money, and no reason to refuse a body.
_BEYOND = Decimal("NaN")


def _exact(number: str) -> Decimal:
    try:
        return Decimal(number)
    except InvalidOperation:
        return _BEYOND


_decoder = msgspec.json.Decoder(float_hook=_exact)


class _Reader(Protocol):
    """What each platform's module offers."""

    def verify(self, headers: Mapping[str, str], body: bytes, *, domain: str, secrets: tuple[str, ...]) -> bytes: ...
    def unique_ids(self, headers: Mapping[str, str], mark: bytes, *, shop: str) -> tuple[str, ...]: ...
    def topic_of(self, headers: Mapping[str, str]) -> str: ...
    def triggered_at(self, headers: Mapping[str, str]) -> datetime | None: ...
    def normalise(self, topic: str, body: Body, arrival: Arrival) -> tuple[Event, ...]: ...

    SHAPED: frozenset[str]


_READERS: dict[Platform, _Reader] = {"shopify": cast("_Reader", shopify), "woocommerce": cast("_Reader", woocommerce)}


def decode(body: bytes) -> Body:
    """Return the JSON object; integers and decimals are exact, whatever their length. Raises `MalformedBodyError`."""
    try:
        read = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError(f"the body is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise MalformedBodyError("the body is JSON, but no object")
    return read


@cache
def _shaped(platform: Platform) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a platform's orders."""
    if platform == "shopify":
        from rekindle.shops.shopify.shapes import Order as ShopifyOrder

        return msgspec.json.Decoder(ShopifyOrder, float_hook=_exact)
    from rekindle.shops.woocommerce.shapes import Order as WooOrder

    return msgspec.json.Decoder(WooOrder, float_hook=_exact)


def read(platform: Platform, topic: str, body: bytes) -> Body:
    """Return as much of the JSON object as `normalise` reads under this topic, or all of it.

    A shape says what the usual body looks like: one of another shape is read whole. Raises `MalformedBodyError`.
    """
    if topic in _READERS[platform].SHAPED:
        with suppress(ValueError, RecursionError):
            return cast("Body", _shaped(platform).decode(body))
    return decode(body)


def normalise(platform: Platform, topic: str, body: Body, arrival: Arrival) -> tuple[Event, ...]:
    """Return the events that a decoded body tells, without any proof of where it comes from.

    Raises:
        MalformedBodyError: the topic is known, and what identifies its resource is missing.
    """
    return _READERS[platform].normalise(topic, body, arrival)


def parse(
    platform: Platform,
    headers: Mapping[str, str],
    body: bytes,
    *,
    shop: str,
    domain: str,
    secrets: tuple[str, ...],
    received_at: datetime,
    region: str | None = None,
    currency: str | None = None,
    consent_keys: tuple[str, ...] = CONSENT_KEYS,
) -> Delivery:
    """Return the delivery that this request is; the shop has then proved to be its sender.

    Accept it only if neither its `id` nor any of `also` has been accepted before. A body that is signed and is a JSON
    object is never refused: where its topic is not known, or what identifies its resource is missing, it is kept as
    `delivery.unknown` with the problem, for a 4xx would cost the shop its subscription and us the data.

    Args:
        platform: Which platform's rules to read it by.
        headers: The request's headers, in any case.
        body: The raw body, exactly as it came.
        shop: Rekindle's id of the shop.
        domain: The domain that the request must claim to come from.
        secrets: The shop's live webhook secrets, as stored.
        received_at: When the request came, aware.
        region: The country (ISO 3166) of phone numbers that name none.
        currency: The shop's currency (ISO 4217), for bodies that name none.
        consent_keys: The meta keys of a WooCommerce order that hold the checkout's marketing box.

    Raises:
        BodyTooLargeError: over `BODY_LIMIT`; nothing was verified or parsed.
        UnknownShopError: it claims to come from another shop.
        BadSignatureError: no live secret signed it.
        MalformedBodyError: it is signed, and is no JSON object.
    """
    if len(body) > BODY_LIMIT:
        raise BodyTooLargeError(f"the body has {len(body)} bytes, over the limit of {BODY_LIMIT}")
    reader = _READERS[platform]
    headers = signature.lower(headers)
    mark = reader.verify(headers, body, domain=domain, secrets=secrets)
    ids = reader.unique_ids(headers, mark, shop=shop)
    topic = reader.topic_of(headers)
    decoded = read(platform, topic, body)
    triggered_at = reader.triggered_at(headers)
    arrival = Arrival(
        shop=shop,
        delivery_id=ids[0],
        received_at=received_at,
        triggered_at=triggered_at,
        domain=domain,
        region=region,
        currency=currency,
        consent_keys=consent_keys,
    )
    return Delivery(
        id=ids[0],
        shop=shop,
        source=platform,
        topic=topic,
        received_at=received_at,
        triggered_at=triggered_at,
        events=_told(platform, topic, decoded, arrival),
        body=body,
        also=ids[1:],
    )


def signed_first(
    platform: Platform, headers: Mapping[str, str], body: bytes, *, domain: str, secrets: tuple[str, ...]
) -> bool:
    """Whether the first of the live secrets signed a request that one of them has signed."""
    try:
        _READERS[platform].verify(signature.lower(headers), body, domain=domain, secrets=secrets[:1])
    except BadSignatureError:
        return False
    return True


def read_again(platform: Platform, topic: str, body: bytes, arrival: Arrival) -> tuple[Event, ...]:
    """Return the events that `parse` would make of this body now. Raises `MalformedBodyError`: no JSON object."""
    return _told(platform, topic, read(platform, topic, body), arrival)


def _told(platform: Platform, topic: str, body: Body, arrival: Arrival) -> tuple[Event, ...]:
    try:
        return normalise(platform, topic, body, arrival)
    except MalformedBodyError as error:
        telling = Telling(arrival)
        telling.tell_unknown(topic, body, str(error))
        return tuple(telling.events)


def is_ping(platform: Platform, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this is a platform's way to try an address, to be answered 200 and forgotten: WooCommerce on saving."""
    return platform == "woocommerce" and woocommerce.is_ping(headers, body)

"""The three compliance topics: somebody asks what is stored about them, wants it gone, or the shop has left.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.

Nothing does more harm when it is believed wrongly, and the signature covers neither the topic nor, where one app serves
several shops, the shop. So a body is believed only under the topic whose shape it has, and for the shop that it names.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from rekindle.domain.events import Who
from rekindle.domain.facts import PrivacyRequest
from rekindle.shops import contact, signature
from rekindle.shops.reading import Body, Telling, identifier, mapping


class _Shape(NamedTuple):
    """What a topic wants, the key of its order ids, and the keys that tell other bodies from its own."""

    wish: Literal["export", "erase", "erase_shop"]
    orders: str
    foreign: tuple[str, ...]


_SHAPES = {
    "customers/data_request": _Shape("export", "orders_requested", ("id", "orders_to_redact")),
    "customers/redact": _Shape("erase", "orders_to_redact", ("id", "orders_requested", "data_request")),
    "shop/redact": _Shape(
        "erase_shop",
        "",
        ("id", "customer", "orders_to_redact", "orders_requested", "data_request", "customer_id", "order_id"),
    ),
}


def request(topic: str, body: Body, telling: Telling) -> None:
    """Tell `privacy.requested`, naming the customer as far as the body does: by e-mail only, or not at all."""
    wish, orders, _ = shape = _SHAPES[topic]
    if problem := _doubt(body, shape, telling.arrival.domain):
        telling.tell_unknown(topic, body, problem)
        return
    customer = mapping(body.get("customer"))
    who = Who(
        email=telling.use("customer.email", contact.email(customer.get("email"))),
        phone=telling.use("customer.phone", contact.phone(customer.get("phone"), telling.arrival.region)),
        shop_customer_id=identifier(customer.get("id")),
    )
    listed = body.get(orders) if orders else None
    at = telling.arrival.at
    asked = PrivacyRequest(
        wish=wish,
        at=at,
        request_id=identifier(mapping(body.get("data_request")).get("id")),
        email=who.email,
        phone=who.phone,
        shop_customer_id=who.shop_customer_id,
        order_ids=tuple([found for row in listed if (found := identifier(row))]) if type(listed) is list else (),
    )
    telling.tell("privacy.requested", asked, at, who)


def _doubt(body: Body, shape: _Shape, domain: str | None) -> str | None:
    """Return why this is not the request that its topic says, if it is not."""
    named = body.get("shop_domain")
    if not ("shop_id" in body or named) or any(key in body for key in shape.foreign):
        return "is not the request that its topic says"
    if shape.orders and "customer" not in body and shape.orders not in body:
        return "says neither which customer nor which orders"
    if (
        domain is not None
        and isinstance(named, str)
        and _is_host(named)
        and signature.site(named) != signature.site(domain)
    ):
        return "shop_domain: is another shop's"
    return None


def _is_host(named: str) -> bool:
    """Whether this could be a domain; Shopify's printed samples have `{shop}.myshopify.com`."""
    return named.isascii() and "." in named and named.replace(".", "").replace("-", "").isalnum()

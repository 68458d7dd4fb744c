"""The table of topics: which function reads which body. Whatever is not in it is kept as `delivery.unknown`.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`. To read another topic, write a
function and add it to `TOPICS`.
"""

from __future__ import annotations

from collections.abc import Callable

from rekindle.domain.events import Event
from rekindle.shops.reading import Arrival, Body, Telling, identifier, text
from rekindle.shops.woocommerce import customers, orders, products


def normalise(topic: str, body: Body, arrival: Arrival) -> tuple[Event, ...]:
    """Return the events that this body tells: at least one; `delivery.unknown` where nothing can be made of it.

    The signed REST error that a webhook sends when its owner lost the right to read the resource is such a one.

    Raises:
        MalformedBodyError: the topic is known, and what identifies its resource is missing.
    """
    telling = Telling(arrival)
    read = TOPICS.get(topic)
    if isinstance(body.get("code"), str) and "id" not in body and "message" in body:
        telling.tell_unknown(topic, body, f"the shop sent an error in place of the resource: {text(body['code'])}")
    elif topic.startswith("action."):
        _action(topic, body, telling)
    elif read is None:
        telling.tell_unknown(topic, body)
    else:
        read(topic, body, telling)
    return tuple(telling.events)


def _action(topic: str, body: Body, telling: Telling) -> None:
    """Tell that a WordPress action ran: `action.<its name>`, and its argument where that is an id.

    The topic's header is not signed, the body is: where they differ, the body's name counts.
    """
    name = text(body.get("action"))
    signed = f"action.{name}" if name is not None else topic
    problem = None if signed == topic else "action: is not the one that the topic names"
    telling.tell_unknown(signed, body, problem, named=identifier(body.get("arg")))


def _kept(topic: str, body: Body, telling: Telling) -> None:
    """Tell nothing but that it came, on purpose: see beside its topic in the table."""
    telling.tell_unknown(topic, body)


#: The topics whose bodies have a shape (`shapes.Order`): most of what a shop sends, and its largest bodies.
SHAPED = frozenset(("order.created", "order.updated", "order.restored"))

TOPICS: dict[str, Callable[[str, Body, Telling], None]] = {
    "order.created": orders.order,
    "order.updated": orders.order,
    "order.restored": orders.order,
    "order.deleted": orders.order_deleted,
    "customer.created": customers.customer,
    "customer.updated": customers.customer,
    "customer.deleted": customers.deleted,
    "product.created": products.product,
    "product.updated": products.product,
    "product.restored": products.product,
    "product.deleted": products.product_deleted,
    # Codes are known from the baskets and orders that use them, and those of our own from making them.
    "coupon.created": _kept,
    "coupon.updated": _kept,
    "coupon.restored": _kept,
    "coupon.deleted": _kept,
}
"""topic → the one function that reads it. Those of `_kept` are listed to say why they tell nothing."""

#: Those that tell something: what a shop is asked to send.
TELLING = tuple(topic for topic, read in TOPICS.items() if read is not _kept)

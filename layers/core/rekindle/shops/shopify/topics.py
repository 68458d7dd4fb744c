"""The table of topics: which function reads which body. Whatever is not in it is kept as `delivery.unknown`.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`. To read another topic, write a
function and add it to `TOPICS`.
"""

from __future__ import annotations

from collections.abc import Callable

from rekindle.domain.events import Event
from rekindle.shops.reading import Arrival, Body, Telling, identifier, mapping
from rekindle.shops.shopify import baskets, customers, orders, privacy, products, refunds, shipments


def normalise(topic: str, body: Body, arrival: Arrival) -> tuple[Event, ...]:
    """Return the events that this body tells: at least one; `delivery.unknown` where nothing can be made of it.

    Raises:
        MalformedBodyError: the topic is known, and what identifies its resource is missing.
    """
    telling = Telling(arrival)
    read = TOPICS.get(topic)
    if read is None:
        telling.tell_unknown(topic, body)
    else:
        read(topic, body, telling)
    return tuple(telling.events)


def _kept(topic: str, body: Body, telling: Telling) -> None:
    """Tell nothing but that it came, on purpose: see beside its topic in the table."""
    telling.tell_unknown(topic, body)


def _edited(topic: str, body: Body, telling: Telling) -> None:
    """Tell nothing but that it came: the body is the edit, and the order as it now stands follows as orders/updated."""
    telling.tell_unknown(topic, body, named=identifier(mapping(body.get("order_edit")).get("order_id")))


#: The topics whose bodies have a shape (`shapes.Order`): most of what a shop sends, and its largest bodies.
SHAPED = frozenset(orders.KINDS)

TOPICS: dict[str, Callable[[str, Body, Telling], None]] = {
    "carts/create": baskets.cart,
    "carts/update": baskets.cart,
    "checkouts/create": baskets.checkout,
    "checkouts/update": baskets.checkout,
    "checkouts/delete": baskets.checkout_deleted,
    **dict.fromkeys(orders.KINDS, orders.order),
    "orders/edited": _edited,
    # Only its id is sent; clearing an old order away undoes no sale, and cancelling or refunding it has its own topics.
    "orders/delete": _kept,
    # A draft is the shop's own scribble: it is placed, if ever, as an order.
    "draft_orders/create": _kept,
    "draft_orders/update": _kept,
    "draft_orders/delete": _kept,
    "refunds/create": refunds.refund,
    "fulfillments/create": shipments.fulfillment,
    "fulfillments/update": shipments.fulfillment,
    "fulfillment_events/create": shipments.report,
    "customers/create": customers.customer,
    "customers/update": customers.customer,
    "customers/enable": customers.customer,
    "customers/disable": customers.customer,
    "customers/delete": customers.deleted,
    "customer.tags_added": customers.tagged,
    "customer.tags_removed": customers.tagged,
    # Sums that the orders themselves give, exactly and in any order of arrival.
    "customers/purchasing_summary": _kept,
    # Announces a merge as a background job, with neither's address: the accounts' own webhooks show the result.
    "customers/merge": _kept,
    "customers_email_marketing_consent/update": customers.email_consent,
    "customers_marketing_consent/update": customers.sms_consent,
    "products/create": products.product,
    "products/update": products.product,
    "products/delete": products.product_deleted,
    "variants/in_stock": products.variant,
    "variants/out_of_stock": products.variant,
    # Names an inventory item and a place, and no product; products/update follows each change of stock.
    "inventory_levels/update": _kept,
    "inventory_levels/connect": _kept,
    "inventory_levels/disconnect": _kept,
    # A collection's title, and none of the products in it.
    "collections/create": _kept,
    "collections/update": _kept,
    "collections/delete": _kept,
    "app/uninstalled": _kept,
    "customers/data_request": privacy.request,
    "customers/redact": privacy.request,
    "shop/redact": privacy.request,
}
"""topic → the one function that reads it. Those of `_kept` are listed to say why they tell nothing."""

#: Those that tell something: what a shop is asked to send.
TELLING = tuple(topic for topic, read in TOPICS.items() if read not in (_kept, _edited))

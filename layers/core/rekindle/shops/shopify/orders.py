"""Orders, under the topics that tell of each moment of their life.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from datetime import datetime

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.facts import Item, Order
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment, rows, text, whole
from rekindle.shops.shopify.people import People, recorded, tell_consents, ticked
from rekindle.shops.shopify.refunds import refunds_of
from rekindle.shops.shopify.values import NOTHING, address, amount, codes, earliest, line_amount, variant_title

_NO_DISCOUNT = (None, "0.00", "0")

# What contradicts a topic, for the signature covers the body and not the topic's header.
_UNPAID = frozenset(("pending", "authorized", "partially_paid", "expired", "voided"))

#: topic → the moment that it tells of
KINDS = {
    "orders/create": "order.placed",
    "orders/updated": "order.updated",
    "orders/paid": "order.paid",
    "orders/cancelled": "order.cancelled",
    "orders/fulfilled": "order.fulfilled",
    "orders/partially_fulfilled": "order.updated",
}


def lines(body: Body) -> tuple[list[Item], int]:
    """Return the lines of an order or a parcel, and how many pieces they are."""
    items = []
    count = 0
    for line in rows(body.get("line_items")):
        get = line.get
        quantity = whole(get("quantity"))
        if quantity is None:
            quantity = 1
        price = line_amount(line, "price", "price_set")
        total = price * quantity if price is not None else None
        if total is not None:
            if allocations := get("discount_allocations"):
                for row in rows(allocations):
                    total -= line_amount(row, "amount", "amount_set") or NOTHING
            elif get("total_discount") not in _NO_DISCOUNT:
                total -= line_amount(line, "total_discount", "total_discount_set") or NOTHING
        variant = get("variant_title")
        items.append(
            Item(
                title=text(get("title")) or text(get("name")) or "",
                quantity=quantity,
                product_id=identifier(get("product_id")),
                variant_id=identifier(get("variant_id")),
                variant=variant_title(variant) if variant else None,
                sku=text(get("sku")),
                price=price,
                total=total,
            )
        )
        count += quantity
    return items, count


def _fulfilled_at(body: Body) -> datetime | None:
    """Return when the last parcel was handed over, once nothing is left to send."""
    if body.get("fulfillment_status") != "fulfilled":
        return None
    sent = [at for row in rows(body.get("fulfillments")) if (at := moment(row.get("created_at"))) is not None]
    return max(sent, default=None)


def order(topic: str, body: Body, telling: Telling) -> None:
    """Tell what became of an order, with the whole order, and the consents given with it.

    `placed_at` is `processed_at`, which apps that import old orders set to the past. The topic's header is not signed:
    a body that contradicts it is told as `order.updated`, with a problem. Orders marked `test` are believed, because
    Shopify's own test notifications send one made-up order under every topic.
    """
    get = body.get
    order_id = identifier(get("id"))
    if order_id is None:
        raise MalformedBodyError(f"{topic}: the order has no id")
    people = People(body, mapping(get("customer")), telling)
    created = moment(get("created_at"))
    placed = moment(get("processed_at")) or created
    at = moment(get("updated_at")) or telling.arrival.at
    cancelled = moment(get("cancelled_at"))
    fulfilled = _fulfilled_at(body)
    items, count = lines(body)
    kind = KINDS[topic]
    number = text(get("name")) or identifier(get("order_number"))
    test = get("test") is True
    if not test and (contradiction := _contradiction(kind, body, cancelled)) is not None:
        telling.problems.append(contradiction)
        kind = "order.updated"
    currency = telling.use("currency", contact.currency(get("currency"))) or telling.arrival.currency
    refunds, refunded = refunds_of(body, order_id, number, currency, telling)
    order = Order(
        id=order_id,
        number=number,
        status="cancelled" if cancelled is not None else "placed",
        cart_token=people.who.cart_token,
        checkout_token=people.who.checkout_token,
        items=tuple(items),
        item_count=count,
        currency=currency,
        subtotal=amount(body, "subtotal_price", telling),
        discount=amount(body, "total_discounts", telling),
        shipping=amount(body, "total_shipping_price", telling),
        tax=amount(body, "total_tax", telling),
        total=amount(body, "total_price", telling),
        refunded=refunded,
        refunds=refunds,
        placed_at=placed,
        paid_at=at if kind == "order.paid" else None,
        cancelled_at=cancelled,
        fulfilled_at=fulfilled or (at if kind == "order.fulfilled" else None),
        url=text(get("order_status_url")),
        codes=codes(get("discount_codes")),
        ship_to=address(mapping(get("shipping_address")), telling),
        test=test,
        updated_at=at,
    )
    occurred = {
        "order.placed": placed,
        "order.cancelled": cancelled,
        "order.fulfilled": fulfilled,
    }.get(kind)
    person = people.person(get("customer_locale"))
    consents = [*recorded(people, at), *ticked(body, people, "order", earliest(created, placed))]
    telling.tell(kind, order, occurred or at, people.who, person)
    tell_consents(consents, people)


def _contradiction(kind: str, body: Body, cancelled: datetime | None) -> str | None:
    """Return in what the body contradicts its topic, if it does. What was not sent contradicts nothing."""
    if kind == "order.cancelled" and cancelled is None:
        return "cancelled_at: is missing from a cancellation"
    if kind == "order.paid" and text(body.get("financial_status")) in _UNPAID:
        return "financial_status: says that the order is not paid"
    if kind == "order.fulfilled" and "fulfillment_status" in body and not body["fulfillment_status"]:
        return "fulfillment_status: says that nothing was sent"
    return None

"""Refunds: what was paid out to the buyer, by itself and as part of its order.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.facts import Refund
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment, rows, text
from rekindle.shops.shopify.values import NOTHING, line_amount


def refund(topic: str, body: Body, telling: Telling) -> None:
    """Tell `order.refunded`. The body names the order and nobody: its order's own webhooks say whose it is.

    A refund that paid nothing out (items put back on the shelf, a payment still pending or failed) is none, and is kept
    as sent: once it has been paid, orders/updated brings it under the same id.
    """
    refund_id = identifier(body.get("id"))
    order_id = identifier(body.get("order_id"))
    if refund_id is None or order_id is None:
        raise MalformedBodyError(f"{topic}: the refund has no {'id' if refund_id is None else 'order_id'}")
    currency = _currency(body) or telling.arrival.currency
    paid = _paid_out(body, currency)
    if paid <= 0:
        telling.tell_unknown(topic, body, "transactions: no money was paid out")
        return
    of = Refund(id=refund_id, order_id=order_id, at=telling.arrival.at, amount=paid, currency=currency)
    told = _dated(of, body)
    telling.tell("order.refunded", told, told.at)


def refunds_of(
    order: Body, order_id: str, number: str | None, currency: str | None, telling: Telling
) -> tuple[tuple[Refund, ...], Decimal | None]:
    """Return an order's refunds that paid something out, and what they come to; `None` while it has none at all."""
    bodies = rows(order.get("refunds"))
    if not bodies:
        return (), None
    told = []
    total = NOTHING
    for body in bodies:
        paid = _paid_out(body, currency)
        total += paid
        refund_id = identifier(body.get("id"))
        if refund_id is not None and paid > 0:
            of = Refund(
                id=refund_id, order_id=order_id, number=number, at=telling.arrival.at, amount=paid, currency=currency
            )
            told.append(_dated(of, body))
    return tuple(told), total


def _dated(refund: Refund, body: Body) -> Refund:
    """Return the refund with its reason, and as of when it was made, where the body says so."""
    at = moment(body.get("processed_at")) or moment(body.get("created_at")) or refund.at
    return replace(refund, at=at, reason=text(body.get("note")))


def _currency(body: Body) -> str | None:
    """Return the shop's currency: that of any money bag, else that of the payments."""
    bags = [body.get("total_duties_set")]
    for name, bag_name in (
        ("refund_line_items", "subtotal_set"),
        ("refund_shipping_lines", "subtotal_amount_set"),
        ("order_adjustments", "amount_set"),
        ("transactions", "amount_set"),
    ):
        bags += [row.get(bag_name) for row in rows(body.get(name))]
    for bag in bags:
        code, _ = contact.currency(mapping(mapping(bag).get("shop_money")).get("currency_code"))
        if code is not None:
            return code
    payments = {contact.currency(row.get("currency"))[0] for row in rows(body.get("transactions"))}
    return payments.pop() if len(payments) == 1 else None


def _paid_out(body: Body, currency: str | None) -> Decimal:
    """Return what went back, in the shop's currency: the sum of the refund's successful payments.

    Payments are in the currency that the buyer paid in. Where that is another one, and no money bag beside it says what
    it is in the shop's, the refund's parts, which Shopify also gives in the shop's currency, stand for them.
    """
    payments = [
        row for row in rows(body.get("transactions")) if row.get("kind") == "refund" and row.get("status") == "success"
    ]
    total = NOTHING
    for row in payments:
        paid_in, _ = contact.currency(row.get("currency"))
        if paid_in not in (None, currency) and not mapping(row.get("amount_set")).get("shop_money"):
            return _parts(body)
        total += line_amount(row, "amount", "amount_set") or NOTHING
    return total


def _parts(body: Body) -> Decimal:
    """Return what a refund's lines, shipping, duties and adjustments come to, in the shop's currency."""
    total = line_amount(body, "total_duties", "total_duties_set") or NOTHING
    for line in rows(body.get("refund_line_items")):
        total += line_amount(line, "subtotal", "subtotal_set") or NOTHING
        total += line_amount(line, "total_tax", "total_tax_set") or NOTHING
    adjustments = rows(body.get("order_adjustments"))
    for row in adjustments:
        total -= line_amount(row, "amount", "amount_set") or NOTHING
        total -= line_amount(row, "tax_amount", "tax_amount_set") or NOTHING
    # Shipping is given twice while older API versions still have it as an adjustment.
    if not any(row.get("kind") == "shipping_refund" for row in adjustments):
        for line in rows(body.get("refund_shipping_lines")):
            total += line_amount(line, "subtotal_amount", "subtotal_amount_set") or NOTHING
            total += line_amount(line, "tax_amount", "tax_amount_set") or NOTHING
    return total

"""What Shopify says of refunds: money that went back, once, in the shop's currency."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rekindle.domain.facts import Order, Other, Refund
from tests.shops.payloads import RECEIVED, bag, shopify, shopify_order, shopify_payment, shopify_refund

AT = datetime(2026, 3, 5, 9, tzinfo=UTC)
PARTS = {"subtotal_set": bag("7.00", presentment="4.75"), "total_tax_set": bag("0.35", presentment="0.24")}


def test_a_refund_is_what_was_paid_out() -> None:
    """It names its order, and nobody."""
    (event,) = shopify("refunds/create", shopify_refund())
    assert (event.type, event.occurred_at, event.problems) == ("order.refunded", AT, ())
    assert event.who.points() == ()
    assert event.data == Refund(
        id="509562969",
        order_id="450789469",
        at=AT,
        amount=Decimal("16.71"),
        currency="CAD",
        reason="The tin was dented",
    )


def paid(body: Any, **shop: Any) -> tuple[str, str | None]:
    """Return amount and currency of a refund."""
    (event,) = shopify("refunds/create", body, **shop)
    assert isinstance(event.data, Refund)
    return str(event.data.amount), event.data.currency


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"transactions": [shopify_payment("10.00"), shopify_payment("6.71", gateway="gift_card")]}, "16.71"),
        ({"transactions": [shopify_payment("5.00"), shopify_payment("9.00", status="failure")]}, "5.00"),
        ({"transactions": [shopify_payment("5.00"), shopify_payment("9.00", status="pending")]}, "5.00"),
        ({"transactions": [shopify_payment("5.00"), shopify_payment("9.00", kind="void")]}, "5.00"),
        ({"refund_line_items": [], "transactions": [shopify_payment("3.00")]}, "3.00"),
    ],
    ids=["two payments", "one failed", "one pending", "one voided", "no line"],
)
def test_only_payments_that_succeeded_count(changes: Any, amount: str) -> None:
    """Not what was asked for, nor what the lines are worth."""
    assert paid(shopify_refund(**changes)) == (amount, "CAD")


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"refund_line_items": [PARTS]}, "7.35"),
        (
            {
                "refund_line_items": [PARTS],
                "order_adjustments": [
                    {"kind": "shipping_refund", "amount_set": bag("-2.00"), "tax_amount_set": bag("-0.10")}
                ],
                "refund_shipping_lines": [{"subtotal_amount_set": bag("2.00"), "tax_amount_set": bag("0.10")}],
            },
            "9.45",
        ),
        (
            {
                "refund_line_items": [PARTS],
                "refund_shipping_lines": [{"subtotal_amount_set": bag("2.00"), "tax_amount_set": bag("0.10")}],
                "total_duties_set": bag("1.00"),
            },
            "10.45",
        ),
        (
            {
                "refund_line_items": [],
                "order_adjustments": [{"kind": "refund_discrepancy", "amount_set": bag("-4.00")}],
            },
            "4.00",
        ),
        ({"transactions": [shopify_payment("5.00", currency="EUR", amount_set=bag("7.40"))]}, "7.40"),
        ({"transactions": [shopify_payment("5.00", currency="EUR", status="failure")]}, None),
    ],
    ids=["lines", "shipping twice", "shipping and duties", "an amount only", "both currencies", "failed"],
)
def test_what_was_paid_in_another_currency_counts_in_the_shops(changes: Any, amount: str | None) -> None:
    """The refund's parts stand for the payment, which Shopify gives in the buyer's currency only."""
    body = shopify_refund(**{"transactions": [shopify_payment("5.00", currency="EUR")], **changes})
    if amount is None:
        assert shopify("refunds/create", body)[0].type == "delivery.unknown"
    else:
        assert paid(body) == (amount, "CAD")


def test_a_currency_without_cents() -> None:
    body = shopify_refund(
        total_duties_set=None, refund_line_items=[], transactions=[shopify_payment("1200", currency="JPY")]
    )
    assert paid(body) == ("1200", "JPY")
    del body["transactions"][0]["currency"]
    assert paid(body, currency="JPY") == ("1200", "JPY")


@pytest.mark.parametrize(
    "transactions", [[], None, [shopify_payment("16.71", status="pending")], [shopify_payment("0.00")]]
)
def test_nothing_paid_out_is_no_refund(transactions: Any) -> None:
    """Items put back on the shelf, or a payment to come: kept as sent, with the reason."""
    (event,) = shopify("refunds/create", shopify_refund(transactions=transactions))
    assert event.data == Other(topic="refunds/create", id="509562969")
    assert event.problems == ("transactions: no money was paid out",)


def test_a_refund_without_a_time_is_of_when_it_came() -> None:
    (event,) = shopify("refunds/create", shopify_refund(processed_at=None, created_at=None))
    assert event.occurred_at == RECEIVED


def test_an_order_lists_its_refunds_under_the_same_ids() -> None:
    """Whichever webhook comes first, it is one refund; one that paid nothing out is not listed."""
    (told,) = shopify("refunds/create", shopify_refund())
    restocked = shopify_refund(id=5, transactions=[])
    second = shopify_refund(id=6, note=None, transactions=[shopify_payment("1.00")])
    (event,) = shopify("orders/updated", shopify_order(refunds=[shopify_refund(), restocked, second]))
    assert isinstance(event.data, Order)
    assert isinstance(told.data, Refund)
    assert [refund.id for refund in event.data.refunds] == ["509562969", "6"]
    first = event.data.refunds[0]
    assert (first.id, first.order_id, first.amount, first.currency, first.at, first.reason) == (
        told.data.id,
        told.data.order_id,
        told.data.amount,
        told.data.currency,
        told.data.at,
        told.data.reason,
    )
    assert first.number == "#1001"
    assert event.data.refunded == Decimal("17.71")

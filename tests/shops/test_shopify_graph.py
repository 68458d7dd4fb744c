"""What the GraphQL API says of a thing and what its webhook says: one reader gets equal events out of both."""

from __future__ import annotations

from typing import Any

import pytest

from rekindle.domain.absorb import absorb
from rekindle.domain.profile import Profile
from rekindle.shops.reading import moment
from rekindle.shops.shopify import graph
from tests.shops import payloads
from tests.support import shopify_nodes as nodes

RUSSIAN = {"amount": "3.00", "amount_set": payloads.bag("3.00", presentment="2.10")}

#: what happens to the order → the webhook's fields, the node's
STORIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it was placed": ({}, {}),
    "cancelled": (
        {"cancelled_at": "2026-03-02T05:00:00-05:00", "updated_at": "2026-03-02T05:00:00-05:00"},
        {"cancelledAt": "2026-03-02T10:00:00Z", "updatedAt": "2026-03-02T10:00:00Z"},
    ),
    "sent": (
        {
            "fulfillment_status": "fulfilled",
            "fulfillments": [{"id": 1, "created_at": "2026-03-03T04:00:00-05:00"}],
        },
        {
            "displayFulfillmentStatus": "FULFILLED",
            "fulfillments": [{"id": "gid://shopify/Fulfillment/1", "createdAt": "2026-03-03T09:00:00Z"}],
        },
    ),
    "refunded in part": (
        {"financial_status": "partially_refunded", "refunds": [payloads.shopify_refund()]},
        {
            "displayFinancialStatus": "PARTIALLY_REFUNDED",
            "refunds": [
                {
                    "id": "gid://shopify/Refund/509562969",
                    "createdAt": "2026-03-05T09:00:00Z",
                    "processedAt": "2026-03-05T09:00:00Z",
                    "note": "The tin was dented",
                    "totalRefundedSet": nodes.bag("16.71"),
                }
            ],
        },
    ),
    "with a code, in the buyer's currency": (
        {
            "presentment_currency": "EUR",
            "discount_codes": [{"code": "SPRING", "amount": "3.00", "type": "fixed_amount"}],
            "total_discounts_set": payloads.bag("3.00", presentment="2.10"),
            "total_price_set": payloads.bag("35.42", presentment="24.80"),
            "line_items": [payloads.shopify_line(discount_allocations=[RUSSIAN])],
        },
        {
            "presentmentCurrencyCode": "EUR",
            "discountCodes": ["SPRING"],
            "totalDiscountsSet": nodes.bag("3.00", presentment="2.10"),
            "totalPriceSet": nodes.bag("35.42", presentment="24.80"),
            "lineItems": [
                nodes.line(discountAllocations=[{"allocatedAmountSet": nodes.bag("3.00", presentment="2.10")}])
            ],
        },
    ),
    "of a guest who ticked the box": (
        {"customer": None, "buyer_accepts_marketing": True, "phone": "+16135550142"},
        {"customer": None, "customerAcceptsMarketing": True, "phone": "+16135550142"},
    ),
    "of a product that is gone": (
        {"line_items": [payloads.shopify_line(product_id=None, variant_id=None, variant_title=None)]},
        {"lineItems": [nodes.line(product=None, variant=None, variantTitle=None)]},
    ),
}


@pytest.mark.parametrize("topic", ["orders/updated", "orders/create"])
@pytest.mark.parametrize("story", STORIES)
def test_an_order_gives_the_events_of_its_webhook(story: str, topic: str) -> None:
    sent, node = STORIES[story]
    webhook = payloads.shopify(topic, payloads.shopify_order(**sent))
    assert payloads.shopify(topic, graph.order_body(nodes.order(**node))) == webhook
    assert not any(event.problems for event in webhook)


def test_the_same_order_from_both_changes_a_profile_once() -> None:
    profile = Profile(id="p", shop=payloads.SHOP)
    (webhook,) = payloads.shopify("orders/updated", payloads.shopify_order())
    (listed,) = payloads.shopify("orders/updated", graph.order_body(nodes.order()), delivery_id="d2")
    first = absorb(profile, webhook, payloads.RECEIVED)
    assert [event.type for event in first.told] == ["order.placed", "order.updated"]
    again = absorb(first.profile, listed, payloads.RECEIVED)
    assert (again.profile, again.told, again.ignored) == (first.profile, (), "already known")


def test_an_amount_is_the_same_whatever_its_zeros() -> None:
    """GraphQL writes 29.0 where webhooks write 29.00: no change of the order."""
    profile = Profile(id="p", shop=payloads.SHOP)
    orders = [
        payloads.shopify("orders/updated", payloads.shopify_order(total_price_set=payloads.bag(amount)))
        for amount in ("38.40", "38.4", "38.400")
    ]
    first = absorb(profile, orders[0][0], payloads.RECEIVED)
    for (event,) in orders[1:]:
        assert absorb(first.profile, event, payloads.RECEIVED).told == ()


def test_a_customer_gives_the_events_of_the_webhook_with_tags_and_consent() -> None:
    said = {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "CONFIRMED_OPT_IN"}
    node = nodes.customer(
        defaultEmailAddress={"emailAddress": "ann@example.com", **said, "marketingUpdatedAt": "2026-02-01T08:00:00Z"},
        defaultPhoneNumber={
            "phoneNumber": "+16135550142",
            "marketingState": "UNSUBSCRIBED",
            "marketingOptInLevel": None,
            "marketingUpdatedAt": "2026-02-02T08:00:00Z",
        },
    )
    webhook = payloads.shopify_customer(
        locale="en-CA",
        phone="+16135550142",
        email_marketing_consent={
            "state": "subscribed",
            "opt_in_level": "confirmed_opt_in",
            "consent_updated_at": "2026-02-01T03:00:00-05:00",
        },
        sms_marketing_consent={
            "state": "unsubscribed",
            "opt_in_level": None,
            "consent_updated_at": "2026-02-02T03:00:00-05:00",
        },
    )
    told = payloads.shopify("customers/update", graph.customer_body(node))
    assert told == payloads.shopify("customers/update", webhook)
    assert [event.type for event in told] == ["customer.updated", "consent.changed", "consent.changed"]


def test_who_never_said_anything_about_marketing_is_told_of_without_consent() -> None:
    told = payloads.shopify("customers/update", graph.customer_body(nodes.customer()))
    assert [event.type for event in told] == ["customer.updated"]
    assert told == payloads.shopify("customers/update", payloads.shopify_customer(locale="en-CA"))


def test_a_product_gives_the_events_of_the_webhook_that_says_what_is_counted() -> None:
    sent = payloads.shopify_product(created_at="2026-01-01T00:00:00-05:00")
    large, small = sent["variants"]
    sent["variants"] = [
        large | {"title": "500 g", "inventory_management": "shopify"},
        small | {"title": "100 g", "sku": "JP-100", "inventory_management": "shopify"},
    ]
    assert payloads.shopify("products/update", graph.product_body(nodes.product())) == payloads.shopify(
        "products/update", sent
    )


def test_what_nobody_counts_is_there_however_few_there_are() -> None:
    node = nodes.product(variants=[nodes.variant(inventoryQuantity=0, inventoryItem={"tracked": False})])
    (event,) = payloads.shopify("products/update", graph.product_body(node))
    assert (event.data.in_stock, event.data.quantity) == (True, None)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "payments", "paid"),
    [
        ("PAID", [("SALE", "SUCCESS", "2026-03-02T09:50:02Z")], "2026-03-02T09:50:02Z"),
        (
            "PAID",
            [("AUTHORIZATION", "SUCCESS", "2026-03-01T00:00:00Z"), ("CAPTURE", "SUCCESS", "2026-03-02T00:00:00Z")],
            "2026-03-02T00:00:00Z",
        ),
        ("PARTIALLY_REFUNDED", [("SALE", "SUCCESS", "2026-03-02T09:50:02Z")], "2026-03-02T09:50:02Z"),
        ("PENDING", [("SALE", "PENDING", "2026-03-02T09:50:02Z")], None),
        ("PAID", [("SALE", "FAILURE", "2026-03-02T09:50:02Z")], None),
        ("PAID", [], None),
    ],
)
def test_an_order_was_paid_when_its_last_payment_came_in(
    status: str, payments: list[tuple[str, str, str]], paid: str | None
) -> None:
    made = [{"kind": kind, "status": how, "processedAt": at} for kind, how, at in payments]
    node = nodes.order(displayFinancialStatus=status, transactions=made)
    assert graph.paid_at(node) == moment(paid)


@pytest.mark.parametrize("odd", [{}, {"id": 3}, {"lineItems": "none", "customer": [], "totalPriceSet": 7, "tags": 1}])
def test_an_odd_node_is_read_without_a_crash(odd: dict[str, Any]) -> None:
    assert graph.order_body(odd)["line_items"] == []
    assert graph.customer_body(odd)["id"] is None
    assert graph.product_body(odd)["variants"] == []

"""The three compliance topics, which are believed only in their own shape and for their own shop."""

from __future__ import annotations

from typing import Any

import pytest

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import PrivacyRequest
from rekindle.shops import intake
from tests.shops.payloads import (
    DOMAIN,
    RECEIVED,
    SECRET,
    shopify,
    shopify_customer,
    shopify_order,
    shopify_request,
)

ANN = {"id": 191167, "email": "Ann@example.com", "phone": "+16135550142"}
SHOP = {"shop_id": 954889, "shop_domain": DOMAIN}


def export(**changes: Any) -> dict[str, Any]:
    """Return a body of customers/data_request."""
    return {**SHOP, "customer": ANN, "orders_requested": [299938, 280263], "data_request": {"id": 9999}, **changes}


def erasure(**changes: Any) -> dict[str, Any]:
    """Return a body of customers/redact."""
    return {**SHOP, "customer": ANN, "orders_to_redact": [299938, 9007199254740995], **changes}


def asked(event: Event) -> PrivacyRequest:
    """Return the event's request."""
    assert event.type == "privacy.requested"
    assert isinstance(event.data, PrivacyRequest)
    return event.data


def test_somebody_wants_to_know() -> None:
    (event,) = shopify("customers/data_request", export())
    assert asked(event) == PrivacyRequest(
        wish="export",
        at=RECEIVED,
        request_id="9999",
        email="ann@example.com",
        phone="+16135550142",
        shop_customer_id="191167",
        order_ids=("299938", "280263"),
    )
    assert event.who == Who(email="ann@example.com", phone="+16135550142", shop_customer_id="191167")


def test_somebody_wants_to_be_forgotten() -> None:
    (event,) = shopify("customers/redact", erasure())
    request = asked(event)
    assert (request.wish, request.request_id) == ("erase", None)
    assert request.order_ids == ("299938", "9007199254740995")
    assert event.who.shop_customer_id == "191167"


def test_a_shop_has_left() -> None:
    (event,) = shopify("shop/redact", SHOP)
    assert asked(event) == PrivacyRequest(wish="erase_shop", at=RECEIVED)
    assert event.who == Who()


@pytest.mark.parametrize(
    ("customer", "who"),
    [
        ({"email": "ann@example.com"}, Who(email="ann@example.com")),
        ({"id": 7, "email": None, "phone": None}, Who(shop_customer_id="7")),
        ({"id": 7, "email": "", "phone": ""}, Who(shop_customer_id="7")),
        (None, Who()),
        ([], Who()),
    ],
)
def test_the_customer_may_be_half_known_or_not_at_all(customer: Any, who: Who) -> None:
    """Then the orders say whose it is."""
    for topic, body in (
        ("customers/redact", erasure(customer=customer)),
        ("customers/data_request", export(customer=customer)),
    ):
        (event,) = shopify(topic, body)
        assert event.who == who
        assert asked(event).order_ids


@pytest.mark.parametrize("orders", [[], None, "299938", [None, {}]])
def test_the_orders_may_be_missing(orders: Any) -> None:
    assert asked(shopify("customers/redact", erasure(orders_to_redact=orders))[0]).order_ids == ()


def test_an_unusable_phone_is_said_and_the_request_stands() -> None:
    """As in Shopify's own sample."""
    (event,) = shopify("customers/redact", erasure(customer={**ANN, "phone": "555-625-1199"}))
    assert asked(event).phone is None
    assert event.problems[0].startswith("customer.phone: ")


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("customers/redact", export()),
        ("customers/redact", shopify_order()),
        ("customers/redact", shopify_customer()),
        ("customers/redact", {}),
        ("customers/redact", SHOP),
        ("customers/data_request", erasure()),
        ("shop/redact", erasure()),
        ("shop/redact", export()),
        ("shop/redact", {**SHOP, "customer": None}),
        ("shop/redact", shopify_order()),
        ("shop/redact", {"shop_id": 954889, "id": 7, "fulfillment_id": 8}),
        ("shop/redact", {}),
    ],
)
def test_a_body_under_a_topic_that_is_not_its_own_is_not_believed(topic: str, body: Any) -> None:
    """The topic's header is not signed: a captured order must not erase its buyer, nor an erasure the whole shop."""
    (event,) = shopify(topic, body)
    assert (event.type, event.who) == ("delivery.unknown", Who())
    assert event.problems


@pytest.mark.parametrize(
    ("named", "domain", "believed"),
    [
        (DOMAIN, DOMAIN, True),
        (DOMAIN.upper(), f"https://{DOMAIN}/", True),
        ("other.myshopify.com", DOMAIN, False),
        ("other.myshopify.com", None, True),
        ("{shop}.myshopify.com", DOMAIN, True),
        (None, DOMAIN, True),
    ],
    ids=["its own", "written otherwise", "another's", "not known here", "a sample's", "not said"],
)
def test_a_request_for_another_shop_is_not_believed(named: str | None, domain: str | None, believed: bool) -> None:
    """One app's secret signs for all its shops: the shop's header is not signed, the domain in the body is."""
    for topic, body in (("shop/redact", SHOP), ("customers/redact", erasure())):
        (event,) = shopify(topic, {**body, "shop_domain": named}, domain=domain)
        assert (event.type == "privacy.requested") is believed
        assert bool(event.problems) is not believed


def ids(**headers: str) -> set[str]:
    """Return the ids under which this very request to be forgotten must not come twice."""
    request, raw = shopify_request("customers/redact", erasure(), **headers)
    delivery = intake.parse("shopify", request, raw, shop="tea", domain=DOMAIN, secrets=(SECRET,), received_at=RECEIVED)
    return {delivery.id, *delivery.also}


def test_who_asks_once_more_to_be_forgotten_is_heard() -> None:
    """The body says no time: only the ids that Shopify's retries keep tell one request from the next."""
    assert ids(event_id="e1") == ids(event_id="e1")
    assert not ids(event_id="e1") & ids(event_id="e2")
    assert not ids(webhook_id="w1") & ids(webhook_id="w2")

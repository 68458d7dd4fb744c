"""What Shopify says of accounts since API 2025-01, when tags, consent and sums got topics of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekindle.domain.events import Who
from rekindle.domain.facts import Consent, Customer, Other, Person
from tests.shops.payloads import RECEIVED, shopify, shopify_customer

TAGGED = {"customerId": "gid://shopify/Customer/9007199254740995", "tags": ["vip", " tea club "]}


@pytest.mark.parametrize(
    ("topic", "added", "removed"),
    [("customer.tags_added", ("vip", "tea club"), ()), ("customer.tags_removed", (), ("vip", "tea club"))],
)
def test_tags_come_and_go_one_by_one(topic: str, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Nobody says which there are in all; the id is the account's, in its GraphQL form."""
    (event,) = shopify(topic, {**TAGGED, "occurredAt": "2026-03-02T08:00:00.250Z"})
    at = datetime(2026, 3, 2, 8, 0, 0, 250_000, tzinfo=UTC)
    assert event.type == "customer.updated"
    assert event.who == Who(shop_customer_id="9007199254740995")
    assert event.data == Customer(id="9007199254740995", tags_added=added, tags_removed=removed, updated_at=at)


def test_tags_without_a_time_are_of_when_they_were_sent() -> None:
    triggered = RECEIVED - timedelta(minutes=3)
    (event,) = shopify("customer.tags_added", TAGGED, triggered_at=triggered)
    assert event.occurred_at == triggered


@pytest.mark.parametrize("tags", [None, [], [7], ""])
def test_no_tags_are_no_news(tags: Any) -> None:
    (event,) = shopify("customer.tags_added", {"customerId": "gid://shopify/Customer/7", "tags": tags})
    assert event.data == Other(topic="customer.tags_added", id="7")
    assert event.problems == ("tags: are missing",)


@pytest.mark.parametrize(
    "body",
    [
        {"id": 706405506930370084},
        {"id": 706405506930370084, "phone": None, "addresses": [], "email_marketing_consent": None},
    ],
    ids=["2026-04", "2024-10"],
)
def test_a_deleted_account_is_only_an_id(body: Any) -> None:
    """What the person bought, and agreed to, is not undone by it."""
    (event,) = shopify("customers/delete", body)
    assert event.data == Customer(id="706405506930370084", deleted=True, updated_at=RECEIVED)
    assert event.who == Who(shop_customer_id="706405506930370084")


def test_a_whole_account_under_the_topic_of_deletions_is_not_deleted() -> None:
    """A captured customers/update comes back under another topic: the body is signed, the header is not."""
    (event,) = shopify("customers/delete", shopify_customer())
    assert isinstance(event.data, Customer)
    assert not event.data.deleted
    assert event.problems


def test_an_account_of_the_newer_api_has_neither_tags_nor_consent() -> None:
    """Which leaves both as they are."""
    body = {"id": 7, "email": "ann@example.com", "updated_at": "2026-03-02T04:00:00-05:00", "first_name": "Ann"}
    (event,) = shopify("customers/update", body)
    assert isinstance(event.data, Customer)
    assert (event.data.tags, event.person) == (None, Person(first_name="Ann"))


def test_a_place_has_its_region() -> None:
    """Of which a time zone is made."""
    place = {"city": "Ottawa", "province": "Ontario", "province_code": "on", "country_code": "CA"}
    person = shopify("customers/update", shopify_customer(default_address=place))[0].person
    assert person is not None
    assert (person.country, person.region, person.city) == ("CA", "ON", "Ottawa")


def test_consent_of_the_newer_api_never_dated_is_of_when_it_was_sent() -> None:
    """Shopify sends `not_subscribed` without a time for a new account."""
    body = {
        "customer_id": 7,
        "email_address": "ann@example.com",
        "email_marketing_consent": {"state": "not_subscribed", "opt_in_level": None, "consent_updated_at": None},
    }
    (event,) = shopify("customers_email_marketing_consent/update", body)
    assert event.data == Consent(
        channel="email", state="not_subscribed", at=RECEIVED, source="customer", address="ann@example.com"
    )


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("customers_email_marketing_consent/update", {"customer_id": 7, "email_marketing_consent": None}),
        (
            "customers_email_marketing_consent/update",
            {"customer_id": 7, "email_address": None, "email_marketing_consent": {"state": None}},
        ),
        (
            "customers_marketing_consent/update",
            {"id": 7, "phone": None, "sms_marketing_consent": {"state": None, "consent_collected_from": "other"}},
        ),
        ("customers_marketing_consent/update", {"sms_marketing_consent": {"state": "unsubscribed"}}),
    ],
)
def test_consent_about_nobody_or_of_no_state_is_no_news(topic: str, body: Any) -> None:
    (event,) = shopify(topic, body)
    assert event.type == "delivery.unknown"
    assert event.problems == ("says nothing about anybody's consent",)


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (
            "customers/purchasing_summary",
            {"customerId": "gid://shopify/Customer/7", "numberOfOrders": 1, "occurredAt": "2026-03-02T08:00:00Z"},
        ),
        (
            "customers/merge",
            {"admin_graphql_api_customer_kept_id": "gid://shopify/Customer/7", "status": "completed"},
        ),
        ("orders/delete", {"id": 450789469}),
        ("draft_orders/create", {"id": 7, "email": "ann@example.com", "status": "completed"}),
        ("inventory_levels/update", {"inventory_item_id": 7, "location_id": 8, "available": 3}),
        ("collections/update", {"id": 7, "title": "Teas"}),
        ("app/uninstalled", {"id": 7, "email": "owner@example.com", "customer_email": "owner@example.com"}),
    ],
)
def test_what_tells_nothing_of_anybody(topic: str, body: Any) -> None:
    """Each for a reason that stands beside it in the table of topics; no address in it becomes somebody."""
    (event,) = shopify(topic, body)
    assert event.type == "delivery.unknown"
    assert event.who.points() == ()
    assert event.person is None


def test_an_edit_names_its_order() -> None:
    """The order as it stands follows as orders/updated."""
    (event,) = shopify("orders/edited", {"order_edit": {"id": 1, "order_id": 820982911946154508}})
    assert event.data == Other(topic="orders/edited", id="820982911946154508")

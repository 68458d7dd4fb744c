"""What Shopify and its carriers say of parcels."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Item, Shipment
from tests.shops.payloads import shopify, shopify_fulfillment, shopify_refund, shopify_report


def parcel(event: Event) -> Shipment:
    """Return the event's shipment."""
    assert isinstance(event.data, Shipment)
    return event.data


@pytest.mark.parametrize("topic", ["fulfillments/create", "fulfillments/update"])
def test_a_parcel_is_read_whole(topic: str) -> None:
    """It is the buyer's by the order's e-mail; the receiver is somebody else, perhaps."""
    (event,) = shopify(topic, shopify_fulfillment())
    assert event.type == "shipment.updated"
    assert (event.who, event.person, event.problems) == (Who(email="ann@example.com"), None, ())
    assert event.data == Shipment(
        id="255858046",
        order_id="450789469",
        status="fulfilled",
        carrier="Canada Post",
        tracking_number="7023210039414604",
        tracking_url="https://track.example.com/7023210039414604",
        items=(
            Item(
                title="Jasmine Pearls",
                quantity=2,
                product_id="632910392",
                variant_id="808950810",
                variant="100 g",
                sku="JP-100",
                price=Decimal("14.50"),
                total=Decimal("29.00"),
            ),
        ),
        updated_at=datetime(2026, 3, 3, 9, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("status", "reported", "told"),
    [
        ("success", None, "fulfilled"),
        ("pending", None, "fulfilled"),
        ("open", "label_printed", "fulfilled"),
        ("success", "confirmed", "confirmed"),
        ("success", "carrier_picked_up", "in_transit"),
        ("success", "in_transit", "in_transit"),
        ("success", "delayed", "in_transit"),
        ("success", "ready_for_pickup", "in_transit"),
        ("success", "OUT_FOR_DELIVERY", "out_for_delivery"),
        ("success", "attempted_delivery", "attempted_delivery"),
        ("success", "delivered", "delivered"),
        ("success", "picked_up", "delivered"),
        ("success", "failure", "failed"),
        ("cancelled", "in_transit", "cancelled"),
        ("error", None, "failed"),
        ("failure", None, "failed"),
    ],
)
def test_how_a_parcel_stands(status: str, reported: str | None, told: str) -> None:
    """As the carrier says, unless it was called off or never left."""
    (event,) = shopify("fulfillments/update", shopify_fulfillment(status=status, shipment_status=reported))
    assert (parcel(event).status, event.problems) == (told, ())


@pytest.mark.parametrize(
    ("changes", "number", "url"),
    [
        (
            {"tracking_number": None, "tracking_url": ""},
            "7023210039414604",
            "https://track.example.com/7023210039414604",
        ),
        ({"tracking_number": None, "tracking_numbers": [], "tracking_url": None, "tracking_urls": None}, None, None),
        ({"tracking_number": None, "tracking_numbers": [{}], "tracking_url": "u"}, None, "u"),
    ],
)
def test_tracking_may_be_listed_only_or_missing(changes: Any, number: str | None, url: str | None) -> None:
    shipment = parcel(shopify("fulfillments/update", shopify_fulfillment(**changes))[0])
    assert (shipment.tracking_number, shipment.tracking_url) == (number, url)


@pytest.mark.parametrize("email", [None, "", "  "])
def test_a_parcel_may_name_nobody(email: str | None) -> None:
    (event,) = shopify("fulfillments/create", shopify_fulfillment(email=email))
    assert (event.who, event.problems) == (Who(), ())


def test_a_carriers_report_is_of_when_it_happened() -> None:
    """However late it was written down: an old "in transit" must not undo a delivery."""
    (event,) = shopify("fulfillment_events/create", shopify_report())
    happened = datetime(2026, 3, 4, 15, tzinfo=UTC)
    assert (event.type, event.occurred_at, event.who) == ("shipment.updated", happened, Who())
    assert event.data == Shipment(id="255858046", order_id="450789469", status="delivered", updated_at=happened)


@pytest.mark.parametrize("status", [None, "", "teleported"])
def test_a_report_that_says_nothing_known_is_kept_with_the_problem(status: str | None) -> None:
    (event,) = shopify("fulfillment_events/create", shopify_report(status=status))
    assert event.type == "delivery.unknown"
    assert event.problems[0].startswith("status: ")


def test_a_status_that_is_not_known_is_said() -> None:
    """The parcel is told all the same."""
    (event,) = shopify("fulfillments/update", shopify_fulfillment(shipment_status="teleported"))
    assert (parcel(event).status, len(event.problems)) == ("fulfilled", 1)


def test_another_body_under_a_parcels_topic_is_no_parcel() -> None:
    """A captured refund has an id and an order too: the topic's header is not signed."""
    (event,) = shopify("fulfillments/create", shopify_refund())
    assert event.type == "delivery.unknown"
    assert event.problems

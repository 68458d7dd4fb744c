"""The samples under `events/` are what they say: signed, they become these events."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from rekindle.domain.events import Event
from rekindle.domain.facts import Basket, Order, PrivacyRequest, Product, Refund, Shipment
from rekindle.shops import intake, onsite
from tests.shops.payloads import RECEIVED, SECRET, sign

EVENTS = Path(__file__).parents[2] / "events"

SHOPS: dict[intake.Platform, tuple[str, str]] = {
    "shopify": ("northwind-tea.myshopify.com", "X-Shopify-Hmac-Sha256"),
    "woocommerce": ("fjord-coffee.example.com", "X-WC-Webhook-Signature"),
}

SAMPLES: dict[str, list[str]] = {
    "shopify/carts-update": ["cart.updated"],
    "shopify/carts-update-emptied": ["cart.updated"],
    "shopify/checkouts-update": ["checkout.updated", "consent.changed"],
    "shopify/orders-create": ["order.placed", "consent.changed"],
    "shopify/products-update": ["product.updated"],
    "shopify/fulfillments-create": ["shipment.updated"],
    "shopify/fulfillment-events-create": ["shipment.updated"],
    "shopify/refunds-create": ["order.refunded"],
    "shopify/customer-tags-added": ["customer.updated"],
    "shopify/customers-redact": ["privacy.requested"],
    "woocommerce/order-created": ["order.placed", "consent.changed"],
    "woocommerce/order-created-pending": ["order.updated"],
    "woocommerce/order-updated-refunded": ["order.updated", "consent.changed"],
    "woocommerce/product-updated": ["product.updated"],
}


#: What a page of the shop sends, and the events that it says. What becomes of forms: tests/service/test_sign_up.py.
PAGES: dict[str, list[str]] = {
    "visit": ["product.viewed", "search.submitted"],
    "sign-up": ["form.submitted"],
    "product-alert": ["form.submitted"],
    "push-subscribed": ["push.subscribed"],
}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_pages_sample_becomes_its_events(name: str) -> None:
    sample = json.loads((EVENTS / f"onsite/{name}.json").read_text(encoding="utf-8"))
    host = sample["headers"]["origin"].partition("://")[2]
    batch = onsite.read(
        json.dumps(sample["body"]).encode(), shop="demo", platform="shopify", url=f"https://{host}", hosts=(host,),
        currency="GBP", received_at=RECEIVED,
    )  # fmt: skip
    assert onsite.is_welcome(sample["headers"]["origin"], {host}, "shopify")
    assert not onsite.is_robot(sample["headers"]["user-agent"])
    assert [event.type for event in batch.delivery.events] == PAGES[name]
    assert {path.stem for path in (EVENTS / "onsite").glob("*.json")} == PAGES.keys()


def send(name: str) -> tuple[Event, ...]:
    """Return the events of a sample, sent as a shop would."""
    platform: intake.Platform = "shopify" if name.startswith("shopify/") else "woocommerce"
    sample = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    body = json.dumps(sample["body"]).encode()
    domain, signature = SHOPS[platform]
    headers = {**sample["headers"], signature: sign(body)}
    return intake.parse(
        platform, headers, body, shop="demo", domain=domain, secrets=(SECRET,), received_at=RECEIVED
    ).events


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_becomes_its_events(name: str) -> None:
    """And nothing in it is unusable."""
    events = send(name)
    assert [event.type for event in events] == SAMPLES[name]
    assert all(event.problems == () for event in events)


def test_every_sample_is_listed_here() -> None:
    """A new file needs its line above."""
    shops = [path for folder in SHOPS for path in (EVENTS / folder).glob("*.json")]
    assert {path.relative_to(EVENTS).with_suffix("").as_posix() for path in shops} == set(SAMPLES)


def test_the_samples_tell_one_story() -> None:
    """The same basket goes from cart to checkout to order, and another delivery empties it."""
    cart, emptied, checkout = (
        send(f"shopify/{name}")[0].data for name in ("carts-update", "carts-update-emptied", "checkouts-update")
    )
    order = send("shopify/orders-create")[0].data
    assert isinstance(cart, Basket)
    assert isinstance(emptied, Basket)
    assert isinstance(checkout, Basket)
    assert isinstance(order, Order)
    assert cart.id == emptied.id == checkout.id == order.cart_token
    assert order.checkout_token == checkout.checkout_token
    assert (cart.subtotal, checkout.subtotal, order.subtotal) == (Decimal("77.00"),) * 3
    assert emptied.items == ()


def test_what_came_after_is_about_the_same_order() -> None:
    """It is sent, delivered, and in part refunded; and in the end its buyer is forgotten."""
    order = send("shopify/orders-create")[0]
    assert isinstance(order.data, Order)
    sent, delivered, refunded, erased = (
        send(f"shopify/{name}")[0].data
        for name in ("fulfillments-create", "fulfillment-events-create", "refunds-create", "customers-redact")
    )
    assert isinstance(sent, Shipment)
    assert isinstance(delivered, Shipment)
    assert isinstance(refunded, Refund)
    assert isinstance(erased, PrivacyRequest)
    assert {sent.order_id, delivered.order_id, refunded.order_id, *erased.order_ids} == {order.data.id}
    assert (sent.id, delivered.status) == (delivered.id, "delivered")
    assert sent.updated_at < delivered.updated_at < refunded.at
    assert refunded.amount == order.data.items[0].price
    assert erased.email == order.who.email


@pytest.mark.parametrize(
    "name", ["shopify/orders-create", "woocommerce/order-created", "woocommerce/order-created-pending"]
)
def test_a_samples_sums_are_right(name: str) -> None:
    """Lines, shipping and (where prices come without it) tax make the total."""
    order = send(name)[0].data
    assert isinstance(order, Order)
    lines = sum((item.total or Decimal(0) for item in order.items), Decimal(0))
    assert lines == order.subtotal
    assert order.total in (
        lines + (order.shipping or 0),
        lines + (order.shipping or 0) + (order.tax or 0),
    )


def test_products_of_the_samples_have_a_picture_and_a_price() -> None:
    """A mail can show them."""
    for name in ("shopify/products-update", "woocommerce/product-updated"):
        product = send(name)[0].data
        assert isinstance(product, Product)
        assert product.image
        assert product.image_alt
        assert product.price
        assert product.url

"""One order as Shopify tells it: every body that it ever sends, in any order and repeated, ends in the same profile."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.history import history
from rekindle.domain.profile import Profile
from rekindle.shops import intake
from tests.shops.payloads import (
    RECEIVED,
    arrival,
    shopify_cart,
    shopify_checkout,
    shopify_fulfillment,
    shopify_order,
    shopify_payment,
    shopify_refund,
    shopify_report,
)
from tests.support.build import playbook
from tests.support.plant import Plant

PLACED: dict[str, Any] = {"updated_at": "2026-03-02T10:00:00Z", "cart_token": "cart-1", "checkout_token": "checkout-1"}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("carts/update", shopify_cart()),
    ("checkouts/update", shopify_checkout()),
    ("orders/create", shopify_order(**PLACED)),
    ("orders/paid", shopify_order(**PLACED | {"updated_at": "2026-03-02T10:00:05Z"})),
    ("orders/updated", shopify_order(**PLACED | {"updated_at": "2026-03-03T08:00:00Z"})),
    ("fulfillments/create", shopify_fulfillment()),
    ("fulfillment_events/create", shopify_report()),
    ("refunds/create", shopify_refund()),
    ("refunds/create", shopify_refund(id=7, transactions=[shopify_payment("1.00")])),
]


def plant_after(told: list[int]) -> Plant:
    """Let the shop send these bodies, by their places in `BODIES`, each as a delivery of its own."""
    plant = Plant(playbook(), start=RECEIVED + timedelta(days=9))
    for count, place in enumerate(told):
        topic, body = BODIES[place]
        events = intake.normalise("shopify", topic, body, arrival(shop="tea", delivery_id=f"{place}-{count}"))
        plant.post(*events, id_=f"{place}-{count}")
        plant.settle()
    return plant


def people(plant: Plant) -> list[Profile]:
    found = (plant.world.profile(profile_id) for profile_id in plant.world.profiles)
    return [profile for profile in found if isinstance(profile, Profile)]


def known(profile: Profile) -> Profile:
    """Return what is known of the person, without what counts commits and deliveries.

    Nor since which look they stand on a product's list: that is when it was written down.
    """
    aliases = tuple(sorted(profile.aliases))
    interests = {product: replace(one, noted=None) for product, one in profile.interests.items()}
    return replace(profile, id="", version=0, created_at=None, was=(), aliases=aliases, interests=interests)


STRAIGHT = list(range(len(BODIES)))


def test_the_straight_story() -> None:
    (ann,) = people(plant_after(STRAIGHT))
    past = history(ann)
    assert (past.orders, past.items) == (1, 2)
    assert ann.interests
    (worth,) = past.revenue.values()
    assert worth == (ann.orders["450789469"].total or Decimal(0)) - Decimal("17.71")


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(STRAIGHT), max_size=5).flatmap(lambda extra: st.permutations(STRAIGHT + extra)))
def test_any_order_and_repetition_gives_the_same_person(told: list[int]) -> None:
    (ann,), (straight,) = people(plant_after(told)), people(plant_after(STRAIGHT))
    assert known(ann) == known(straight)

"""Replaying: stored bodies are read again, and what is now read differently is told anew, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import UnknownShopError
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Basket, Consent, Other, PrivacyRequest
from rekindle.memory import World
from rekindle.ports import ShopSecrets
from rekindle.service.accept import accept
from rekindle.service.replay import Replay, Replayed, compare
from rekindle.shops import intake
from tests.shops.payloads import (
    DOMAIN,
    SECRET,
    SHOP,
    shopify_cart,
    shopify_checkout,
    shopify_request,
)

RECEIVED = datetime(2026, 3, 2, 10, tzinfo=UTC)
KEY = b"pepper"


def make_world() -> World:
    """Return a world in which the shop is connected, a month after everything came."""
    world = World(RECEIVED + timedelta(days=30))
    world.shops[SHOP] = ShopSecrets(shop=SHOP, platform="shopify", domain=DOMAIN, webhook_secrets=(SECRET,))
    return world


def deliver(world: World, topic: str, body: Any, *, as_read: Any = None, **headers: str) -> Delivery:
    """Accept a webhook; `as_read` turns today's events into those of an earlier version."""
    sent, raw = shopify_request(topic, body, **headers)
    delivery = intake.parse("shopify", sent, raw, shop=SHOP, domain=DOMAIN, secrets=(SECRET,), received_at=RECEIVED)
    if as_read is not None:
        delivery = replace(delivery, events=as_read(delivery.events))
    assert accept(delivery, world.intake, KEY)
    return delivery


def unread(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Return what a version that did not know the topic made of it."""
    return (replace(events[0], type="delivery.unknown", data=Other(topic="?"), who=events[0].who, person=None),)


def run(world: World, **wanted: Any) -> list[Replayed]:
    """Replay the shop."""
    replay = Replay(archive=world.archive, intake=world.intake, secrets=world.secrets, clock=world.clock)
    return list(replay.run(SHOP, **wanted))


def replays(world: World) -> list[Delivery]:
    """Return what replaying has accepted."""
    return [delivery for delivery in world.deliveries.values() if delivery.source == "replay"]


def test_what_is_read_as_it_was_stays_as_it_is() -> None:
    """Also a body that says no time: the moment that its header claimed was kept."""
    world = make_world()
    deliver(world, "carts/update", shopify_cart())
    deliver(world, "products/delete", {"id": 7}, triggered_at="2026-03-02T09:58:00.123456789Z")
    assert [each.outcome for each in run(world)] == ["same", "same"]
    assert replays(world) == []


def test_a_topic_that_is_known_now_is_told_now() -> None:
    """As of when it was received, applied like any other delivery."""
    world = make_world()
    delivery = deliver(world, "carts/update", shopify_cart(), as_read=unread)
    (each,) = run(world)
    assert (each.delivery_id, each.outcome) == (delivery.id, "accepted")
    assert [(found.what, found.type) for found in each.differences] == [
        ("removed", "delivery.unknown"),
        ("added", "cart.updated"),
    ]
    (again,) = replays(world)
    (event,) = again.events
    assert isinstance(event.data, Basket)
    assert event.received_at == RECEIVED
    assert again.received_at == world.clock.now()
    assert again.id in world.pending
    assert again.body == b""


def test_only_what_differs_is_told_again() -> None:
    """Not the consent that was read right."""
    world = make_world()

    def without_total(events: tuple[Event, ...]) -> tuple[Event, ...]:
        basket, consent = events
        assert isinstance(basket.data, Basket)
        assert isinstance(consent.data, Consent)
        return replace(basket, data=replace(basket.data, total=None), person=None), consent

    deliver(world, "checkouts/update", shopify_checkout(buyer_accepts_marketing=True), as_read=without_total)
    (each,) = run(world)
    (difference,) = each.differences
    assert (difference.what, difference.type) == ("changed", "checkout.updated")
    assert difference.fields == ("data.total", "person.locale")
    assert [event.type for event in replays(world)[0].events] == ["checkout.updated"]


def test_a_second_replay_changes_nothing() -> None:
    """The delivery that a replay makes has its content's id, and is itself no body to replay."""
    world = make_world()
    deliver(world, "carts/update", shopify_cart(), as_read=unread)
    run(world)
    before = (dict(world.deliveries), dict(world.pending))
    world.clock.advance(days=1)
    assert [each.outcome for each in run(world)] == ["repeated"]
    assert (world.deliveries, world.pending) == before


def test_a_dry_run_shows_and_accepts_nothing() -> None:
    world = make_world()
    deliver(world, "carts/update", shopify_cart(), as_read=unread)
    (each,) = run(world, dry_run=True)
    assert each.outcome == "differs"
    assert each.differences
    assert replays(world) == []


def test_what_is_no_longer_told_is_only_reported() -> None:
    """Nothing can be taken back."""
    world = make_world()
    deliver(world, "carts/update", shopify_cart(), as_read=lambda events: (*events, *events))
    (each,) = run(world)
    assert each.outcome == "differs"
    assert [(found.what, found.type) for found in each.differences] == [("removed", "cart.updated")]


def test_a_refusal_that_was_not_read_then_forbids_from_now_on() -> None:
    """Accepting it again is accepting: its suppression is in the same transaction."""
    world = make_world()
    said = {"state": "unsubscribed", "consent_updated_at": "2026-03-01T00:00:00Z"}
    body = {"customer_id": 7, "email_address": "ann@example.com", "email_marketing_consent": said}
    deliver(world, "customers_email_marketing_consent/update", body, as_read=unread)
    assert not world.suppressions
    run(world)
    assert [len(record.active) for record in world.suppressions.values()] == [1]


def test_an_old_privacy_request_is_not_carried_out_in_passing() -> None:
    """The customer, or the shop, may be back. It is when its topic is named."""
    world = make_world()
    deliver(world, "shop/redact", {"shop_id": 1, "shop_domain": DOMAIN}, as_read=unread)
    assert [each.outcome for each in run(world)] == ["differs"]
    assert replays(world) == []
    assert [each.outcome for each in run(world, topic="shop/redact")] == ["accepted"]
    assert isinstance(replays(world)[0].events[0].data, PrivacyRequest)


def test_a_body_that_was_erased_is_left_alone() -> None:
    """Its events may be gone as well: that is no difference."""
    world = make_world()
    delivery = deliver(world, "carts/update", shopify_cart())
    world.deliveries[delivery.id] = replace(delivery, body=b"", events=())
    assert [(each.outcome, each.differences) for each in run(world)] == [("no_body", ())]


def test_bytes_that_are_no_json_are_reported() -> None:
    world = make_world()
    delivery = deliver(world, "carts/update", shopify_cart())
    world.deliveries[delivery.id] = replace(delivery, body=b"{")
    assert [each.outcome for each in run(world)] == ["unreadable"]


def test_what_did_not_come_from_the_shop_is_not_read() -> None:
    """Notices of the mail channel have other bodies."""
    world = make_world()
    delivery = deliver(world, "carts/update", shopify_cart())
    world.deliveries[delivery.id] = replace(delivery, source="ses", body=json.dumps({"mail": {}}).encode())
    assert run(world) == []


def test_time_and_topic_narrow_it_down() -> None:
    world = make_world()
    deliver(world, "carts/update", shopify_cart())
    deliver(world, "products/delete", {"id": 7})
    assert [each.topic for each in run(world, topic="products/delete")] == ["products/delete"]
    assert run(world, since=RECEIVED + timedelta(seconds=1)) == []
    assert run(world, until=RECEIVED) == []


def test_a_shop_that_is_not_connected_cannot_be_read() -> None:
    """Its domain, country and currency are part of the reading."""
    world = make_world()
    world.shops.clear()
    with pytest.raises(UnknownShopError, match=SHOP):
        run(world)


def test_events_of_one_type_are_compared_in_their_order() -> None:
    """One more at the end is one more, not a change of all."""
    world = make_world()
    first, second = (deliver(world, "carts/update", shopify_cart(token=token)).events[0] for token in ("a", "b"))
    (difference,) = compare((first,), (first, second))
    assert (difference.what, difference.event) == ("added", second)
    assert compare((first, second), (first, second)) == ()
    assert compare((first,), (replace(first, id="elsewhere"),)) == ()

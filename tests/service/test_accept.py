"""The one door for everything from outside."""

from __future__ import annotations

import pytest

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import INNER_EVENTS, Delivery, Event
from rekindle.domain.facts import Consent, Coupon, DateCame, Fact, SegmentChange, TierReached
from rekindle.memory import World
from rekindle.service.accept import accept
from tests.support.build import T0, consent, event

FACTS: dict[str, Fact] = {
    "segment.entered": SegmentChange(name="vip", at=T0),
    "segment.left": SegmentChange(name="vip", at=T0),
    "date.came": DateCame(flow="birthday", at=T0, date="2026-03-02"),
    "coupon.redeemed": Coupon(code="TEA", at=T0),
    "tier.reached": TierReached(name="gold", at=T0),
    "consent.changed": Consent(channel="email", state="suppressed", at=T0, source="sunset", address="ada@example.com"),
}


def test_all_that_only_the_engine_tells_is_tried() -> None:
    assert FACTS.keys() == INNER_EVENTS | {"consent.changed"}


def delivered(*events: Event) -> Delivery:
    return Delivery(id="d1", shop="tea", source="shopify", topic="test", received_at=T0, events=events)


@pytest.mark.parametrize("kind", sorted(FACTS))
@pytest.mark.parametrize("signed", [True, False])
def test_what_only_the_engine_tells_is_refused_with_all_that_came_with_it(kind: str, *, signed: bool) -> None:
    world = World(T0)
    forged = event(kind, FACTS[kind], T0, signed=signed)
    with pytest.raises(MalformedBodyError):
        accept(delivered(consent(T0), forged), world.intake, world.secret_address_key)
    assert (world.deliveries, world.pending) == ({}, {})
    assert accept(delivered(consent(T0)), world.intake, world.secret_address_key)

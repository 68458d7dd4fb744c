"""Loyalty rewards: the flow that ships, played from its file."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.flow.program import Tier
from tests.support.build import ADA, T0, at, consent, order
from tests.support.shipped import NO, plays

TIERS = (Tier(name="silver", spent=Decimal(50)), Tier(name="gold", orders=5))


def buys(*days: float, **more: str) -> list[Event]:
    """Return an order of 19 euros on each of these days."""
    return [
        replace(order(at(days=day), id=f"o{day}", who=replace(ADA, cart_token=f"c{day}", checkout_token=None), **more),
                id=f"order/{day}/{more}")
        for day in days
    ]  # fmt: skip


def gone(day: float, after: float) -> Event:
    (placed,) = buys(day)
    off = replace(placed.data, status="cancelled", updated_at=at(days=after), cancelled_at=at(days=after))
    return replace(placed, id="gone", type="order.cancelled", data=off, occurred_at=at(days=after),
                   received_at=at(days=after))  # fmt: skip


def rewarded(told: list[Event]) -> list[tuple[str, int]]:
    mails = plays("loyalty", told, at(days=60), tiers=TIERS)
    return [(name, (when - T0).days) for name, when in mails]


def test_each_tier_is_thanked_for_once_the_morning_after() -> None:
    """Silver with the third order, gold with the fifth, at ten on their own clock."""
    told = [consent(T0), *buys(1, 5, 9, 13, 17, 21, 25)]
    assert rewarded(told) == [("loyalty", 10), ("loyalty", 18)]
    first, _ = plays("loyalty", told, at(days=60), tiers=TIERS)
    assert first[1] == at(days=10)


def test_an_order_that_is_cancelled_in_time_is_thanked_for_by_nobody() -> None:
    assert rewarded([consent(T0), *buys(1, 5, 9), gone(9, 9.2)]) == []


def test_the_others_stay_where_only_one_of_several_orders_goes() -> None:
    assert rewarded([consent(T0), *buys(1, 5, 7, 9), gone(9, 9.2)]) == [("loyalty", 8)]


def test_without_consent_or_tiers_nothing_goes() -> None:
    assert rewarded([NO, *buys(1, 5, 9)]) == []
    assert plays("loyalty", [consent(T0), *buys(1, 5, 9)], at(days=60)) == []

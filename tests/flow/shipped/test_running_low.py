"""Goods that are used up: the flow that ships, played from its file."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.build import T0, at, consent, order
from tests.support.shipped import capsules, plays

VALUES = {"consumable": "supplements", "days_each": 1}


def test_a_hundred_capsules_at_one_a_day_are_told_of_at_ten_after_day_92() -> None:
    """Less five days of shipping and three of grace; at ten on their own clock, which shows summer time by then."""
    (mail,) = plays("running-low", [consent(T0), capsules(at(hours=1), 100)], at(days=200), values=VALUES)
    assert mail == ("running-low", datetime(2026, 6, 3, 8, tzinfo=UTC))


def test_who_ordered_again_is_told_of_the_new_ones() -> None:
    told = [consent(T0), capsules(at(hours=1), 30), capsules(at(days=20), 100, "o2")]
    (mail,) = plays("running-low", told, at(days=200), values=VALUES)
    assert mail[1] > at(days=111)


def test_from_three_orders_on_their_own_rhythm_counts_whatever_the_shop_reckons() -> None:
    """Every forty days, less three, and to ten o'clock; also after an order of twice as much."""
    told = [consent(T0), *(capsules(at(days=day), 100, f"o{day}") for day in (0, 40, 80))]
    (mail,) = plays("running-low", told, at(days=200), values=VALUES)
    assert mail[1] == at(days=118, hours=-1)
    told[-1] = capsules(at(days=80), 200, "o80")
    assert plays("running-low", told, at(days=200), values=VALUES) == [mail]


def test_what_is_not_used_up_is_not_told_of() -> None:
    assert plays("running-low", [consent(T0), order(at(hours=1))], at(days=200), values=VALUES) == []

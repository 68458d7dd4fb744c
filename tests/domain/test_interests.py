"""Which products somebody looked at: remembered by the latest look, a few of them, and by both of two profiles."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.absorb import MAX_INTERESTS, absorb, asked_again, few_interests
from rekindle.domain.events import Who
from rekindle.domain.facts import Item, ProductChange, View
from rekindle.domain.profile import Interest, Profile
from tests.support.build import T0, at, cart, event


def seen(profile: Profile, product: str, *, hours: int = 0, kind: str = "product.viewed", **more: Any) -> Profile:
    """Return the profile after a look at this."""
    when = at(hours=hours)
    told = event(kind, View(id=product, at=when, **more), when, who=Who(browser_id="b1"), signed=False)
    return absorb(profile, told, when).profile


def test_a_product_is_known_by_the_latest_look() -> None:
    """Whichever is heard of first."""
    ada = Profile(id="p", shop="tea")
    for hours in (2, 1, 3, 0):
        ada = seen(ada, "p1", hours=hours)
    assert ada.interests == {"p1": Interest(at(hours=3), before=at(hours=2))}


def test_a_category_is_no_product() -> None:
    assert seen(Profile(id="p", shop="tea"), "Tea", kind="category.viewed").interests == {}


def test_who_puts_it_into_a_basket_is_interested_too() -> None:
    """And has not merely looked, also after another look."""
    ada = absorb(Profile(id="p", shop="tea"), cart(at(hours=1)), at(hours=1)).profile
    assert ada.interests == {"p1": Interest(at(hours=1), "carted")}
    assert seen(ada, "p1", hours=2).interests == {"p1": Interest(at(hours=2), "carted", before=at(hours=1))}


def test_what_is_heard_of_late_counts_as_of_when_it_was() -> None:
    """The basket is emptied by now, or ordered: that it held this product then is true all the same."""
    ada = absorb(Profile(id="p", shop="tea"), cart(at(hours=2), items=()), at(hours=2)).profile
    late = absorb(ada, cart(at(hours=1)), at(hours=3))
    assert late.ignored
    assert late.profile.interests == {"p1": Interest(at(hours=1), "carted")}


def test_only_the_latest_are_remembered() -> None:
    ada = Profile(id="p", shop="tea")
    for number in range(100):
        ada = seen(ada, f"p{number}", hours=number)
    assert len(ada.interests) == MAX_INTERESTS
    assert set(ada.interests) == {f"p{number}" for number in range(100 - MAX_INTERESTS, 100)}


def test_a_basket_of_a_hundred_things_is_remembered_by_its_first() -> None:
    items = tuple(Item(title="x", product_id=f"p{number}") for number in range(100))
    assert len(absorb(Profile(id="p", shop="tea"), cart(T0, items=items), T0).profile.interests) == 10


@pytest.mark.parametrize("swapped", [False, True])
def test_two_profiles_remember_together(swapped: bool) -> None:
    one = {"p1": Interest(T0), "p2": Interest(T0, "carted")}
    two = {"p1": Interest(T0 + timedelta(hours=1)), "p2": Interest(T0 + timedelta(hours=2)), "p3": Interest(T0)}
    assert few_interests(*((two, one) if swapped else (one, two))) == {
        "p1": Interest(T0 + timedelta(hours=1), before=T0),
        "p2": Interest(T0 + timedelta(hours=2), "carted", before=T0),
        "p3": Interest(T0),
    }


def test_what_was_asked_for_and_not_told_after_all_is_still_asked_for() -> None:
    """But for what was taken back since, and what nobody asked for."""
    told = Interest(T0, asked_at=at(hours=1))
    news = ProductChange(product_id="p1", at=at(hours=1), asked=True)
    assert asked_again({"p1": told}, [news])["p1"].asked == ("stock",)
    assert asked_again({"p1": told}, [replace(news, was=Decimal(9))])["p1"].asked == ("price",)
    for known, change in (
        (replace(told, asked_at=at(hours=2)), news),
        (told, replace(news, asked=False)),
        (told, replace(news, product_id="p2")),
    ):
        assert asked_again({"p1": known}, [change]) == {"p1": known}

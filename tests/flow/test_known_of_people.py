"""What flows know of people: rhythm, value, tier, looks, engagement; the same in whatever order it is heard of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.absorb import MAX_BROWSED, absorb
from rekindle.domain.events import Event
from rekindle.domain.facts import Item, Refund, TraitsTold, View
from rekindle.domain.profile import Profile, Touch
from rekindle.flow.merge import merge
from rekindle.flow.program import CYCLE_DAYS, Tier
from rekindle.flow.view import ProfileView, profile_view
from tests.support.build import T0, alarm, at, cart, checkout, consent, event, flow_of, order, playbook
from tests.support.story import EMPTY, Story, templates

SILVER = Tier(name="silver", spent=Decimal(50))
GOLD = Tier(name="gold", spent=Decimal(100), orders=9)
SHOP = playbook().shops["tea"]
REWARD = flow_of(
    "trigger: {event: tier.reached}\nentry: {key: event.name}\nmanners: {apart: {email: 0h}}\n"
    "steps: [{email: reward}]\n",
    "loyalty",
)


def bought(*days: float, kind: str = "tea", codes: tuple[str, ...] = ()) -> list[Event]:
    """Return an order on each of these days."""
    line = Item(title="Sencha", quantity=1, product_id="p1", kind=kind, price=Decimal(19))
    placed = [order(at(days=day), id=f"{kind}/{day}", codes=codes) for day in days]
    return [replace(one, id=f"{kind}/{day}", data=replace(one.data, items=(line,)))
            for one, day in zip(placed, days, strict=True)]  # fmt: skip


def refunded(day: float, amount: str, of: float) -> Event:
    fact = Refund(id=f"r/{of}", order_id=f"tea/{of}", at=at(days=day), amount=Decimal(amount), currency="EUR")
    return event("order.refunded", fact, at(days=day))


def looked(hours: float, kind: str | None = "teapots", product: str = "p1", *, page: str = "product") -> Event:
    when = at(hours=hours)
    return event(f"{page}.viewed", View(id=product, at=when, kind=kind), when, id=f"{page}/{product}/{when}")


def knows(*events: Event, **shop: Any) -> ProfileView:
    """Return what conditions know after these events."""
    profile = reduce(lambda known, told: absorb(known, told, told.received_at).profile, events, EMPTY)
    return profile_view(profile, replace(SHOP, **shop))


# --- rhythm ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "cycle", "lapses_after"),
    [
        ([], CYCLE_DAYS, None),
        ([0], CYCLE_DAYS, 60),
        ([0, 10], CYCLE_DAYS, 60),
        ([0, 10, 20], 10, 20),
        ([0, 10, 24], 12, 24),
        ([0, 10, 20, 200], 10, 20),
        ([0, 0.4, 0.8], CYCLE_DAYS, 60),
        ([0, 0.4, 3, 6, 6.2], 3, 14),
        ([0, 365, 730], 365, 455),
    ],
    ids=str,
)
def test_the_next_order_is_expected_by_ones_own_rhythm(
    days: list[float], cycle: float, lapses_after: float | None
) -> None:
    """From three orders on; those of one day are one, and a long holiday changes nothing."""
    view = knows(*bought(*days))
    assert view["cycle_days"] == cycle
    last = view["last_order_at"]
    assert view["expected_order_at"] == (last and last + timedelta(days=cycle))
    assert view["lapses_at"] == (last and lapses_after and last + timedelta(days=lapses_after))


def test_without_a_rhythm_the_shops_own_counts() -> None:
    assert knows(*bought(0), cycle_days=45)["expected_order_at"] == at(days=45)
    assert knows(*bought(0, 10, 20), cycle_days=45)["expected_order_at"] == at(days=30)


def test_a_cancelled_order_is_none() -> None:
    first, second, third = bought(0, 10, 90)
    gone = replace(third, id="gone", data=replace(third.data, status="cancelled", updated_at=at(days=91)))
    assert knows(first, second, third)["cycle_days"] == 45
    assert knows(first, second, third, gone)["last_order_at"] == at(days=10)
    assert knows(first, second, third, gone)["cycle_days"] == CYCLE_DAYS


def test_each_product_and_category_has_a_rhythm_of_its_own() -> None:
    rhythms = knows(*bought(0, 10, 20, kind="tea"), *bought(5, 35, 65, kind="filters"))["rhythms"]
    assert (rhythms["tea"], rhythms["filters"], rhythms["cups"]) == (10, 30, None)
    assert rhythms["p1"] is not None


# --- looks -----------------------------------------------------------------------------------------------------------


def test_what_was_looked_at_last_comes_first() -> None:
    view = knows(looked(1, "cups", "p1"), looked(2, None, "p2"), looked(3, "teapots", "c", page="category"), looked(4))
    assert view["viewed"] == ("p1", "p2")
    assert view["browsed"] == ("teapots", "cups")
    assert len(knows(*(looked(hour, f"kind {hour}") for hour in range(40)))["browsed"]) == MAX_BROWSED


def test_a_basket_that_is_heard_of_after_its_order_was_put_together_all_the_same() -> None:
    told = (cart(at(hours=1)), checkout(at(hours=2)), order(at(hours=3)))
    straight, late = knows(*told).profile, knows(told[2], told[1], told[0]).profile
    assert late.interests == straight.interests
    assert late.baskets == straight.baskets
    assert list(late.interests) == ["p1"]


# --- the law ---------------------------------------------------------------------------------------------------------

PAST = [
    *bought(0, 12, 20), *bought(3, 33, codes=("TEN",), kind="filters"), refunded(21, "4.00", 20),
    looked(1), looked(5, "cups", "p2"), looked(9, "cups", "p3", page="category"),
    cart(at(hours=2)), cart(at(hours=7), items=(), token="c1"), checkout(at(hours=8)),
    consent(T0), event("traits.changed", TraitsTold(at=T0, values={"birthday": "1990-05-04"}), T0),
]  # fmt: skip
NAMES = (
    "revenue", "average", "spent", "cycle_days", "expected_order_at", "lapses_at", "discounted", "tier", "viewed",
    "viewed_again", "browsed", "birth_year", "language", "recent_mails",
)  # fmt: skip


def said(view: ProfileView) -> dict[str, Any]:
    return {name: view[name] for name in NAMES} | {name: view["rhythms"][name] for name in ("tea", "filters", "p1")}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PAST), max_size=5).flatmap(lambda more: st.permutations(PAST + more)))
def test_it_is_the_same_in_whatever_order_and_however_often_it_is_heard(told: Sequence[Event]) -> None:
    tiers = (SILVER, GOLD)
    assert said(knows(*told, tiers=tiers)) == said(knows(*PAST, tiers=tiers))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=len(PAST), max_size=len(PAST)))
def test_it_is_the_same_when_two_halves_of_a_person_meet(sides: list[bool]) -> None:
    one = knows(*(told for told, side in zip(PAST, sides, strict=True) if side)).profile
    two = replace(knows(*(told for told, side in zip(PAST, sides, strict=True) if not side)).profile, id="other")
    shop = replace(SHOP, tiers=(SILVER, GOLD))
    assert said(profile_view(merge(one, two, T0), shop)) == said(knows(*PAST, tiers=(SILVER, GOLD)))


# --- engagement ------------------------------------------------------------------------------------------------------


def test_engagement_is_that_with_the_last_five_marketing_mails() -> None:
    def touch(number: int, **more: Any) -> Touch:
        return Touch(at(days=number), f"m{number}", more.pop("channel", "email"), **more)

    touches = (
        touch(0, opened=True), touch(1, opened=True, clicked=True), touch(2), touch(3, opened=True),
        touch(4, marketing=False), touch(5, channel="sms"), touch(6), touch(7),
    )  # fmt: skip
    view = profile_view(Profile(id="ada", shop="tea", touches=touches), SHOP)
    assert (view["recent_mails"], view["recent_opens"], view["recent_clicks"]) == (5, 2, 1)
    assert view["unopened"] == 2


# --- loyalty ---------------------------------------------------------------------------------------------------------


def loyal(*tiers: Tier) -> Story:
    """Return somebody of a shop with these tiers who may be written to."""
    return Story(playbook(REWARD, tiers=tiers)).tell(consent(T0))


def reached(story: Story) -> list[str]:
    return [decision.rule for decision in story.decisions if decision.what == "reached"]


def test_each_line_that_is_crossed_is_told_once() -> None:
    story = loyal(SILVER, GOLD).tell(*bought(1, 2))
    assert (reached(story), templates(story)) == ([], [])
    story.tell(*bought(3, 4, 5, 6, 7, 8))
    assert reached(story) == ["silver", "gold"]
    assert [when for _, when in story.mails] == [at(days=3), at(days=6)]
    assert story.profile.tiers == {"silver": at(days=3), "gold": at(days=6)}


def test_a_refund_takes_a_tier_away_and_it_is_not_told_again() -> None:
    story = loyal(SILVER).tell(*bought(1, 2, 3), refunded(4, "19.00", 3))
    assert profile_view(story.profile, story.book.shops["tea"])["tier"] is None
    story.tell(*bought(5))
    assert profile_view(story.profile, story.book.shops["tea"])["tier"] == "silver"
    assert reached(story) == ["silver"]


def test_of_several_lines_crossed_at_once_the_highest_is_told() -> None:
    whole = bought(1)[0]
    story = loyal(SILVER, GOLD).tell(replace(whole, data=replace(whole.data, total=Decimal(500))))
    assert reached(story) == ["gold"]
    assert story.profile.tiers.keys() == {"silver", "gold"}
    assert templates(story.tell(*bought(3, 4))) == ["reward"]


def test_orders_and_items_count_where_the_shop_says_so() -> None:
    story = loyal(Tier(name="regular", orders=3), Tier(name="collector", items=4)).tell(*bought(1, 2, 3, 4))
    assert reached(story) == ["regular", "collector"]


def test_what_a_shop_publishes_first_is_told_to_who_is_over_it_already_and_an_old_import_starts_nothing() -> None:
    before = Story(playbook(REWARD)).tell(consent(T0), *bought(1, 2, 3))
    before.book = playbook(REWARD, hash_="h2", tiers=(SILVER,))
    before.profile = replace(before.profile, version=7)
    before.take(alarm(at(days=9)), at(days=9))
    assert templates(before) == ["reward"]
    story = loyal(SILVER)
    for old in bought(-400, -390, -380):
        story.take(old, at(hours=1))
    assert (reached(story), templates(story)) == (["silver"], [])

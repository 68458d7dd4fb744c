"""Facts: what each event changes in what is known, and what it tells."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.absorb import BASKET_LIFE, MAX_BASKETS, Absorbed, absorb
from rekindle.domain.events import EVENT_TYPES, Event, Who
from rekindle.domain.facts import (
    Basket,
    Campaign,
    Consent,
    Coupon,
    Customer,
    Engagement,
    Fact,
    Form,
    Person,
    ProductChange,
    Referral,
    Review,
    Search,
    Start,
    View,
)
from rekindle.domain.history import history
from rekindle.domain.profile import Profile, decode_profile, encode_profile
from tests.support.build import ADA, T0, TEA, at, cart, checkout, consent, event, order

EMPTY = Profile(id="ada", shop="tea")


def after(*events: Event, start: Profile = EMPTY) -> Absorbed:
    """Return what the last of these events told, on top of the others."""
    absorbed = Absorbed(start)
    for each in events:
        absorbed = absorb(absorbed.profile, each, each.received_at)
    return absorbed


def told(*events: Event) -> list[str]:
    return [each.type for each in after(*events).told]


def test_an_order_is_placed_once_whichever_delivery_brings_it_first() -> None:
    assert told(order(T0)) == ["order.placed", "order.updated"]
    assert told(order(T0, kind="order.updated")) == ["order.placed", "order.updated"]
    assert told(order(T0), order(at(hours=1), kind="order.updated", placed_at=T0)) == ["order.updated"]
    assert told(order(at(hours=1), kind="order.paid", paid_at=at(hours=1)), order(T0)) == []


def test_each_moment_of_an_orders_life_is_told_once_and_in_order() -> None:
    whole = order(at(days=1), kind="order.updated", placed_at=T0, paid_at=at(hours=1), fulfilled_at=at(days=1))
    assert told(whole) == ["order.placed", "order.paid", "order.fulfilled", "order.updated"]
    assert told(order(T0), whole) == ["order.paid", "order.fulfilled", "order.updated"]


@pytest.mark.parametrize("status", ["open", "failed"])
def test_a_pending_or_failed_order_is_not_placed(status: str) -> None:
    assert told(order(T0, kind="order.updated", status=status, placed_at=None)) == ["order.updated"]
    paid = order(at(minutes=9), kind="order.updated", placed_at=T0)
    assert told(order(T0, kind="order.updated", status=status, placed_at=None), paid) == [
        "order.placed",
        "order.updated",
    ]


def test_an_order_heard_of_late_is_placed_as_of_when_it_was() -> None:
    late = order(at(days=90), kind="order.updated", placed_at=T0, paid_at=at(hours=1))
    moments = {each.type: each.occurred_at for each in after(late).told}
    assert moments == {"order.placed": T0, "order.paid": at(hours=1), "order.updated": at(days=90)}


def test_an_order_cancelled_before_it_was_placed_tells_neither() -> None:
    never = order(T0, kind="order.cancelled", status="cancelled", placed_at=None)
    assert told(never) == ["order.updated"]
    paid_then_cancelled = order(at(days=1), kind="order.cancelled", status="cancelled", placed_at=T0)
    assert told(order(T0), paid_then_cancelled) == ["order.cancelled", "order.updated"]


@pytest.mark.parametrize("late", [False, True])
def test_the_tick_that_an_order_brings_along_never_undoes_an_unsubscribe(*, late: bool) -> None:
    """Ada ticks, unsubscribes from the first reminder, and buys all the same."""
    brought = consent(at(hours=2))
    brought = replace(brought, data=replace(brought.data, source="order"))
    said = [consent(at(hours=1), "unsubscribed"), brought]
    assert after(*(reversed(said) if late else said)).profile.consent["email:ada@example.com"].state == "unsubscribed"
    assert after(brought).profile.consented("email")
    assert after(*said, consent(at(hours=3))).profile.consented("email")


def test_a_cart_and_its_checkout_are_one_basket_and_nothing_known_is_lost() -> None:
    profile = after(checkout(T0), cart(at(minutes=5))).profile
    (basket,) = profile.baskets.values()
    assert basket.recovery_url == "https://tea.example/recover"
    assert (basket.cart_token, basket.checkout_token) == ("c1", "k1")
    assert basket.updated_at == at(minutes=5)


def test_a_checkout_without_a_cart_token_finds_its_order_all_the_same() -> None:
    buy_now = Who(email="ada@example.com", checkout_token="k9")
    assert told(order(T0, who=buy_now), checkout(at(minutes=1), who=buy_now)) == []


def test_an_identical_basket_tells_nothing_and_a_touched_one_does() -> None:
    assert told(checkout(T0), checkout(T0)) == []
    assert told(checkout(T0), checkout(at(minutes=1))) == ["checkout.updated"]


def test_baskets_are_few_and_forgotten_in_time() -> None:
    events = [cart(at(minutes=n), token=f"c{n}") for n in range(MAX_BASKETS + 3)]
    profile = after(*events).profile
    assert list(profile.baskets) == [f"c{n}" for n in range(3, MAX_BASKETS + 3)]
    later = cart(T0 + BASKET_LIFE + timedelta(days=1), token="new")
    assert list(after(later, start=profile).profile.baskets) == ["new"]


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (consent(T0), consent(at(hours=1), "unsubscribed"), "unsubscribed"),
        (consent(at(hours=1), "unsubscribed"), consent(T0), "unsubscribed"),
        (consent(T0, "unsubscribed"), consent(at(hours=1)), "subscribed"),
        (consent(T0), consent(T0, "unsubscribed"), "unsubscribed"),
        (consent(T0, "unsubscribed"), consent(T0), "unsubscribed"),
        (consent(T0), consent(at(hours=1), "not_subscribed"), "subscribed"),
        (consent(T0), consent(at(hours=1), "redacted"), "redacted"),
    ],
)
def test_the_latest_explicit_act_wins(first: Event, second: Event, state: str) -> None:
    profile = after(first, second).profile
    assert profile.consent["email:ada@example.com"].state == state
    assert profile.consented("email") == (state == "subscribed")


def test_consent_belongs_to_the_address() -> None:
    profile = after(consent(T0)).profile
    moved = replace(profile, email="new@example.com")
    assert profile.consented("email")
    assert not moved.consented("email")


def test_only_the_account_changes_a_known_address() -> None:
    other = Who(email="gift@example.com", shop_customer_id="7", cart_token="c1")
    assert after(checkout(T0), checkout(at(minutes=1), who=other)).profile.email == ADA.email
    account = event("customer.updated", Customer(id="7", updated_at=at(minutes=2)), at(minutes=2), who=other)
    assert after(checkout(T0), account).profile.email == "gift@example.com"


def test_what_is_said_of_a_person_last_wins_field_by_field() -> None:
    early = replace(checkout(T0), person=Person(first_name="Ada", city="Utrecht"))
    late = replace(cart(at(minutes=5)), person=Person(first_name="Ada L."))
    for events in ((early, late), (late, early)):
        person = after(*events).profile.person
        assert (person.first_name, person.city) == ("Ada L.", "Utrecht")


def test_a_profile_comes_back_from_its_stored_form_as_it_was() -> None:
    profile = after(consent(T0), checkout(T0), order(at(hours=1))).profile
    assert decode_profile(encode_profile(profile)) == profile


def test_items_survive_exactly() -> None:
    (basket,) = after(checkout(T0)).profile.baskets.values()
    assert isinstance(basket, Basket)
    assert basket.items == (TEA,)


# --- what merely happened --------------------------------------------------------------------------------------------


def test_what_merely_happened_is_told_as_it_comes_and_changes_nothing() -> None:
    facts: list[tuple[str, Fact]] = [
        ("category.viewed", View(id="tea", at=T0)),
        ("search.submitted", Search(query="sencha", at=T0)),
        ("product.price_dropped", ProductChange(product_id="p1", at=T0)),
        ("campaign.came", Campaign(flow="sale", at=T0, occurrence="2026")),
        ("flow.started", Start(flow="sale", at=T0)),
    ]
    start = after(consent(T0)).profile
    for kind, fact in facts:
        happened = event(kind, fact, T0, who=Who())
        assert after(happened, start=start) == Absorbed(start, (happened,))
        assert after(happened, happened, start=start).told == (happened,)


def review(when: float, rating: int, *, product: str | None = None, order_id: str | None = "o1") -> Event:
    fact = Review(rating=rating, at=at(hours=when), order_id=order_id, product_id=product)
    return event("review.submitted", fact, at(hours=when))


def test_a_review_is_told_once_for_each_order_product_and_opinion() -> None:
    assert told(review(1, 5)) == ["review.submitted"]
    assert told(review(1, 5), review(2, 5)) == []
    assert told(review(1, 5), review(2, 1)) == ["review.submitted"]
    assert told(review(1, 5), review(2, 5, product="p1")) == ["review.submitted"]
    assert told(review(1, 5, order_id=None), review(2, 5, order_id=None)) == ["review.submitted"]


def test_a_referral_is_told_once_for_each_friends_order_and_is_no_order_of_ones_own() -> None:
    def referred(when: float, order_id: str) -> Event:
        fact = Referral(order_id=order_id, at=at(hours=when), total=Decimal(30), currency="EUR")
        return event("referral.made", fact, at(hours=when))

    assert told(referred(1, "o9"), referred(2, "o9")) == []
    assert told(referred(1, "o9"), referred(2, "o8")) == ["referral.made"]
    profile = after(referred(1, "o9"), review(2, 5)).profile
    assert (history(profile).orders, history(profile).revenue) == (0, {})
    assert told(review(1, 5), referred(2, "o1"), order(at(hours=3))) == ["order.placed", "order.updated"]


# --- what nobody signed ----------------------------------------------------------------------------------------------

STRANGER = Who(email="x@example.com", phone="+31699999999", shop_customer_id="666", browser_id="b1", cart_token="c1")


@pytest.mark.parametrize("start", [EMPTY, Profile(id="ada", shop="tea", email="ada@example.com")])
@pytest.mark.parametrize(
    "fact",
    [
        View(id="p1", at=T0),
        Search(query="x", at=T0),
        Form(name="hello", at=T0, answers={"birthday": "1990-05-04"}),
        Basket(id="c1", updated_at=T0, cart_token="c1"),
    ],
)
def test_what_nobody_signed_changes_no_contact_point_and_no_name(fact: Fact, start: Profile) -> None:
    person = Person(first_name="Mallory", last_name="M.", country="NL", locale="nl", zone="Europe/Amsterdam")
    kind = next(kind for kind, tag in EVENT_TYPES.items() if tag == fact.__struct_config__.tag)
    profile = after(event(kind, fact, T0, who=STRANGER, person=person, signed=False), start=start).profile
    assert profile.person == Person(locale="nl", zone="Europe/Amsterdam")
    contacts = [(each.email, each.phone, each.shop_customer_id, each.consent) for each in (profile, start)]
    assert contacts[0] == contacts[1]


@pytest.mark.parametrize(
    "forged",
    [
        *(consent(T0, state, signed=False) for state in ("subscribed", "unsubscribed", "pending")),
        replace(order(T0), signed=False),
        event("customer.updated", Customer(id="7", updated_at=T0, tags=("vip",)), T0, signed=False),
        event("coupon.issued", Coupon(code="FREE", at=T0), T0, signed=False),
        event("flow.started", Start(flow="sale", at=T0), T0, signed=False),
        event("review.submitted", Review(rating=1, at=T0), T0, signed=False),
        event("email.complained", Engagement(message_id="m", at=T0, address="ada@example.com"), T0, signed=False),
    ],
    ids=lambda forged: f"{forged.type}",
)
def test_nothing_else_is_taken_from_what_nobody_signed(forged: Event) -> None:
    start = after(consent(at(days=-1))).profile
    assert after(forged, start=start) == Absorbed(start, ignored="nobody signed it")


# --- channels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channel", "address"), [("sms", "+31612345678"), ("push", "*")])
def test_consent_on_every_channel_goes_by_the_latest_explicit_act(channel: Any, address: str) -> None:
    def said(when: float, state: Any) -> Event:
        act = Consent(channel=channel, state=state, at=at(hours=when), address=address)
        return event("consent.changed", act, at(hours=when), id=f"{state}@{when}")

    acts = [said(1, "subscribed"), said(3, "unsubscribed"), said(2, "subscribed")]
    for order_ in (acts, acts[::-1]):
        profile = after(*order_).profile
        assert profile.consent[f"{channel}:{address}"].state == "unsubscribed"
        assert "email:ada@example.com" not in profile.consent

"""Facts: what each event changes in what is known, and what it tells."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from rekindle.domain.absorb import BASKET_LIFE, MAX_BASKETS, Absorbed, absorb
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Basket, Customer, Person
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

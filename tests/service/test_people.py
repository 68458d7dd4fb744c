"""Who is who: the stories of DESIGN §6, through the real services."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Customer, Person
from rekindle.domain.history import history
from rekindle.domain.profile import Profile, Signpost
from rekindle.flow.program import Manners
from rekindle.ports import QUARANTINE
from rekindle.service.people import alias_key
from tests.support.build import CART, CONFIRMATION, T0, at, cart, checkout, consent, event, flow_of, order, playbook
from tests.support.plant import Plant

WELCOME = flow_of(
    "trigger: {event: consent.changed}\nsteps: [{email: welcome-1}, {wait: 1d}, {email: welcome-2}]", "welcome"
)
GUEST = Who(email="ada@example.com", cart_token="c1", checkout_token="k1")
ACCOUNT = Who(shop_customer_id="7", cart_token="c2")
BOTH = Who(email="ada@example.com", shop_customer_id="7")


@pytest.fixture
def plant() -> Plant:
    return Plant(playbook(CART, CONFIRMATION, WELCOME, manners=Manners(apart={"email": 0})))


def customer(when: float, who: Who = BOTH, **more: Any) -> Event:
    moment = at(minutes=when)
    fact = Customer(id=who.shop_customer_id or "", updated_at=moment)
    return replace(event("customer.updated", fact, moment, who=who), **more)


def tell(plant: Plant, *events: Event) -> None:
    """Let the shop send each of these by itself, at its time."""
    for each in events:
        plant.until(max(each.received_at, plant.world.clock.now()))
        plant.post(each)
        plant.settle()


def people(plant: Plant) -> list[Profile]:
    found = (plant.world.profile(profile_id) for profile_id in plant.world.profiles)
    return [profile for profile in found if isinstance(profile, Profile)]


def templates(plant: Plant) -> list[str]:
    return [template for _, template, _ in plant.mails()]


def test_a_guest_who_makes_an_account_is_one_person_with_all_their_past(plant: Plant) -> None:
    tell(plant, order(T0, who=GUEST, id="o1"), order(at(minutes=5), who=ACCOUNT, id="o2"))
    assert len(people(plant)) == 2
    tell(plant, customer(10))
    (ada,) = people(plant)
    assert (ada.email, ada.shop_customer_id) == ("ada@example.com", "7")
    assert history(ada).orders == 2
    (signpost,) = [found for found in map(plant.world.profile, plant.world.profiles) if isinstance(found, Signpost)]
    assert signpost.to == ada.id


def test_two_devices_and_one_login_are_one_person(plant: Plant) -> None:
    phone, laptop = cart(T0, token="phone"), cart(at(minutes=1), token="laptop")
    tell(plant, phone, laptop)
    assert len(people(plant)) == 2
    tell(
        plant,
        checkout(at(minutes=2), who=replace(BOTH, cart_token="phone", checkout_token="k1")),
        checkout(at(minutes=3), who=replace(BOTH, cart_token="laptop", checkout_token="k2")),
    )
    (ada,) = people(plant)
    assert set(ada.baskets) == {"phone", "laptop"}


def test_a_forwarded_mail_whose_receiver_buys_stays_two_people(plant: Plant) -> None:
    friend = Who(email="friend@example.com", shop_customer_id="8", cart_token="c1", checkout_token="k1")
    tell(plant, consent(T0), checkout(T0), checkout(at(minutes=5), who=friend), order(at(minutes=9), who=friend))
    ada, other = plant.profile("ada@example.com"), plant.profile("friend@example.com")
    assert ada.id != other.id
    assert (history(ada).orders, history(other).orders) == (0, 1)


def test_two_customer_ids_are_never_one_person_whatever_else_they_share(plant: Plant) -> None:
    tell(
        plant,
        customer(0, Who(email="ada@example.com", shop_customer_id="7")),
        customer(1, Who(email="ada@example.com", shop_customer_id="8")),
        customer(2, Who(email="ada@example.com", shop_customer_id="7")),
    )
    assert sorted(profile.shop_customer_id or "" for profile in people(plant)) == ["7", "8"]


@pytest.mark.parametrize(
    "doubt",
    [{"signed": False}, {"problems": ("customer.email: is not the address used here, and was left out",)}],
    ids=["unsigned", "two addresses"],
)
def test_what_is_in_doubt_merges_nobody(plant: Plant, doubt: dict[str, Any]) -> None:
    tell(plant, order(T0, who=GUEST, id="o1"), order(at(minutes=5), who=ACCOUNT, id="o2"), customer(10, **doubt))
    assert len(people(plant)) == 2


def test_an_address_on_more_than_five_customers_identifies_nobody(plant: Plant) -> None:
    till = [
        order(at(minutes=n), id=f"o{n}", who=Who(email="till@example.com", shop_customer_id=f"{n}"))
        for n in range(QUARANTINE + 3)
    ]
    tell(plant, *till)
    key = alias_key(plant.world.secret_address_key, "tea", "email", "till@example.com")
    assert len(plant.world.sharing[key]) == QUARANTINE, "of one that enough share no more are counted"
    assert len(people(plant)) == QUARANTINE + 3
    later = [profile for profile in people(plant) if profile.shop_customer_id in ("6", "7")]
    assert [profile.email for profile in later] == [None, None]
    before = len(people(plant))
    tell(plant, order(at(minutes=60), id="guest", who=Who(email="till@example.com", cart_token="x")))
    assert len(people(plant)) == before + 1


def test_a_merge_while_an_alarm_and_a_mail_are_under_way_sends_each_once(plant: Plant) -> None:
    """Ada, a guest, is about to get her reminder when she turns out to be a customer."""
    tell(plant, consent(T0, who=GUEST), checkout(T0, who=GUEST), order(at(minutes=5), who=ACCOUNT, id="o2"))
    plant.world.clock.advance_to(at(hours=1))
    plant.world.ring_due_schedules()
    plant.post(customer(60))
    plant.journey.from_stream(plant.world.stream.popleft())
    plant.until(at(days=10))
    # A welcome makes room for a cart reminder that is due soon.
    assert templates(plant) == ["welcome-1", "cart-reminder-1", "cart-reminder-2", "welcome-2", "cart-reminder-3"]
    assert len(people(plant)) == 1


def test_a_mail_that_lies_on_the_queue_finds_its_merged_profile(plant: Plant) -> None:
    tell(plant, consent(T0, who=GUEST), checkout(T0, who=GUEST), order(at(minutes=5), who=ACCOUNT, id="o2"))
    plant.world.clock.advance_to(at(hours=1))
    plant.world.ring_due_schedules()
    (ring,) = plant.world.wake_queue.receive()
    plant.journey.wake(ring.value)
    plant.post(customer(60))
    plant.journey.from_stream(plant.world.stream.popleft())
    plant.until(at(hours=2))
    assert templates(plant).count("cart-reminder-1") == 1


def test_of_a_flow_without_key_one_run_survives(plant: Plant) -> None:
    one, other = Who(email="ada@example.com"), Who(shop_customer_id="7", phone="+31201234567")
    tell(plant, consent(T0, who=one))
    told = consent(at(minutes=5), who=other)
    told = replace(told, data=replace(told.data, channel="sms", address="+31201234567"))
    tell(plant, told)
    assert [len(profile.runs) for profile in people(plant)] == [1, 1]
    tell(plant, customer(10))
    plant.until(at(days=5))
    assert templates(plant) == ["welcome-1", "welcome-2"]


def test_an_unsubscribe_on_either_side_holds_after_the_merge(plant: Plant) -> None:
    tell(plant, consent(T0, who=GUEST), checkout(T0, who=GUEST))
    tell(plant, consent(at(minutes=5), "unsubscribed", who=Who(email="ada@example.com", phone="+31201234567")))
    tell(plant, order(at(minutes=6), who=ACCOUNT, id="o2"), customer(10))
    plant.until(at(days=5))
    assert not people(plant)[0].consented("email")
    assert templates(plant).count("cart-reminder-1") == 0


def test_what_came_before_the_merge_and_is_told_late_finds_the_survivor(plant: Plant) -> None:
    tell(plant, order(T0, who=GUEST, id="o1"), order(at(minutes=5), who=ACCOUNT, id="o2"), customer(10))
    late = order(at(minutes=12), who=GUEST, id="o1", kind="order.updated", placed_at=T0, paid_at=at(minutes=12))
    tell(plant, late)
    (ada,) = people(plant)
    assert "order.paid" in ada.orders["o1"].events


def test_an_anonymous_visitor_who_has_expired_leaves_nothing_in_the_way(plant: Plant) -> None:
    """DynamoDB deletes the profile after 90 days; its aliases still stand."""
    tell(plant, cart(T0))
    plant.world.profiles.clear()
    tell(plant, checkout(at(days=100)), consent(at(days=100)))
    assert plant.profile("ada@example.com").baskets["c1"].checkout_token == "k1"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["state.work", "state.profile", "state.commit", "alarms.ring"])
def test_a_merge_that_is_cut_short_happens_once_all_the_same(
    plant: Plant, call: str, moment: Literal["before", "after"]
) -> None:
    tell(plant, consent(T0, who=GUEST), checkout(T0, who=GUEST), order(at(minutes=5), who=ACCOUNT, id="o2"))
    plant.crash_at(call, moment)
    tell(plant, customer(10))
    plant.until(at(minutes=25))
    plant.sweep()
    (ada,) = people(plant)
    assert len([line for line in plant.world.ledger for each in line.decisions if each.what == "merged"]) == 1
    plant.until(at(days=10))
    assert templates(plant).count("cart-reminder-1") == 1
    assert history(ada).orders == 1


STORY = [
    order(at(minutes=1), who=GUEST, id="o1"),
    order(at(minutes=2), who=ACCOUNT, id="o2"),
    customer(3),
    replace(checkout(at(minutes=4), who=BOTH), person=Person(first_name="Ada", country="NL")),
    consent(at(minutes=5), who=GUEST),
    order(at(minutes=6), who=BOTH, id="o1", kind="order.updated", placed_at=at(minutes=1), paid_at=at(minutes=6)),
]


@settings(max_examples=60, deadline=None)
@given(st.permutations(STORY + STORY[:2]))
def test_whatever_the_order_ada_ends_as_one_person_who_knows_the_same(events: list[Event]) -> None:
    shuffled, straight = Plant(playbook()), Plant(playbook())
    for plant, told in ((shuffled, events), (straight, STORY)):
        plant.world.clock.advance_to(at(minutes=30))
        for each in told:
            plant.post(each)
            plant.settle()
    (one,), (other,) = people(shuffled), people(straight)
    assert history(one) == history(other)
    assert (one.email, one.shop_customer_id, one.person) == (other.email, other.shop_customer_id, other.person)
    assert one.consent == other.consent
    assert set(one.aliases) == set(other.aliases)


def test_what_nobody_signed_finds_nobody_by_an_address(plant: Plant) -> None:
    """Anybody can type somebody's address: it must neither lead to that person's profile nor be claimed."""
    tell(plant, consent(T0, who=GUEST))
    known = plant.profile("ada@example.com")
    forged = replace(checkout(at(minutes=1), who=replace(GUEST, browser_id="b9")), signed=False)
    tell(plant, forged)
    assert plant.profile("ada@example.com") == known
    plant.until(at(days=4))
    assert templates(plant).count("cart-reminder-1") == 0

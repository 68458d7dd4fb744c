"""Friends over the whole road: a code that is passed on, the order that uses it, and who hears of it, once."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Address, Coupon, PrivacyRequest
from rekindle.domain.profile import Profile
from tests.support.build import ADA, T0, at, consent, event, flow_of, order, playbook
from tests.support.plant import Plant
from tests.support.visitor import Visitor

REWARD = flow_of(
    "trigger: {event: referral.made}\nentry: {key: event.order_id}\n"
    "steps: [{set: {traits: {credit: '{{ (profile.traits.credit or 0) + 5 }}'}}}]",
    "reward",
)
FRIEND = flow_of(
    "trigger: {event: order.placed, when: profile.referred}\nentry: {key: event.id}\nsteps: [{set: {tags: [friend]}}]",
    "friend",
)
BEA = Who(email="bea@example.com", shop_customer_id="8", cart_token="c8", checkout_token="k8")
HOME = Address(line1="1 Leaf Lane", postcode="3511 AB", country="NL")


@pytest.fixture
def plant() -> Plant:
    """Ada has ordered, and got a code for her friends."""
    made = Plant(playbook(REWARD, FRIEND))
    made.post(consent(T0), order(T0, ship_to=HOME))
    made.settle()
    code = Coupon(code="FRIEND-B7K2", at=T0, message_id="m1", offer="friend", friends=True, expires_at=at(days=60))
    issued = event("coupon.issued", code, T0, who=Who(), profile_id=made.profile("ada@example.com").id)
    made.post(issued)
    made.settle()
    return made


def bought(days: float, who: Who = BEA, *, number: str = "o8", code: str = "friend-b7k2", **more: Any) -> Event:
    """Return an order with the code, as shops write it."""
    return order(at(days=days), who=who, id=number, codes=(code,), **more)


def post(plant: Plant, *told: Event) -> None:
    for each in told:
        plant.until(each.received_at)
        plant.post(each)
        plant.settle()


def ada(plant: Plant) -> Profile:
    return plant.profile("ada@example.com")


def credit(plant: Plant) -> object:
    known = ada(plant).traits.get("credit")
    return known.value if known is not None else None


def test_a_friends_first_order_is_told_to_whoever_sent_them_and_to_the_friend(plant: Plant) -> None:
    post(plant, bought(3))
    assert (len(ada(plant).friends), credit(plant)) == (1, 5)
    bea = plant.profile("bea@example.com")
    assert (bea.referred_by, bea.tags) == (ada(plant).id, ("friend",))


def test_each_friend_counts_once_however_often_they_order_and_it_is_told(plant: Plant) -> None:
    first = bought(3)
    cleo = replace(BEA, email="cleo@example.com", shop_customer_id="9", cart_token="c9", checkout_token="k9")
    again = replace(first, id="again", received_at=at(days=3.1), data=replace(first.data, updated_at=at(days=3.1)))
    post(plant, first, again, bought(9, number="o9"), bought(10, who=cleo, number="o10"))
    assert (len(ada(plant).friends), credit(plant)) == (2, 10)


SELF: dict[str, tuple[Who, dict[str, Any]]] = {
    "their own order": (ADA, {}),
    "a second address at one mailbox": (replace(BEA, email="ada+tea@example.com"), {}),
    "one door, written otherwise": (BEA, {"ship_to": Address(line1="1, LEAF LANE", postcode="3511ab", country="NL")}),
    "one basket": (replace(BEA, cart_token=ADA.cart_token), {}),
}


@pytest.mark.parametrize("how", SELF)
def test_nobody_sends_themselves(plant: Plant, how: str) -> None:
    who, more = SELF[how]
    post(plant, bought(3, who=who, **more))
    assert (ada(plant).friends, credit(plant)) == ({}, None)
    assert plant.profile(str(who.email)).referred_by is None


def test_one_phone_is_one_person(plant: Plant) -> None:
    phone = "+31201234578"
    post(plant, replace(consent(at(days=1)), id="phone", who=replace(ADA, phone=phone)))
    post(plant, bought(3, who=replace(BEA, phone=phone)))
    assert ada(plant).friends == {}


def test_an_old_customer_was_sent_by_nobody(plant: Plant) -> None:
    post(plant, order(at(days=1), who=BEA, id="o7"), bought(3))
    assert ada(plant).friends == {}


def test_nobody_is_thanked_for_what_a_lost_race_has_taken_back(plant: Plant) -> None:
    raced: list[str] = []

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("state.commit", "before") and not raced:
            raced.append(call)
            plant.post(order(at(days=2), who=BEA, id="o7"))
            plant.journey.from_stream(plant.world.stream.pop())

    plant.until(at(days=3))
    plant.world.hook = hook
    post(plant, bought(3))
    plant.until(at(days=3, hours=1))
    assert raced
    assert plant.profile("bea@example.com").orders.keys() == {"o7", "o8"}
    assert plant.profile("bea@example.com").referred_by is None
    assert (ada(plant).friends, credit(plant)) == ({}, None)


def test_whoever_sent_somebody_is_thanked_once_also_where_the_worker_died_before_it_was_committed(
    plant: Plant,
) -> None:
    plant.until(at(days=3))
    plant.crash_at("state.commit", "before")
    post(plant, bought(3))
    plant.until(at(days=3, minutes=20))
    assert credit(plant) is None
    plant.sweep()
    plant.until(at(days=3, hours=1))
    assert (len(ada(plant).friends), credit(plant)) == (1, 5)


def test_another_code_and_an_order_that_nobody_signed_name_nobody(plant: Plant) -> None:
    post(plant, bought(3, code="SPRING"), replace(bought(4, number="o9"), signed=False))
    assert ada(plant).friends == {}


def test_whoever_is_erased_sends_nobody_any_more_and_their_link_shows_nothing(plant: Plant) -> None:
    visitor = Visitor(plant, "friend", about="FRIEND-B7K2")
    wish = PrivacyRequest(wish="erase", at=at(days=1), request_id="r1", email="ada@example.com")
    post(plant, event("privacy.requested", wish, at(days=1)))
    assert "FRIEND" not in visitor.open().page.html
    post(plant, bought(3))
    assert plant.profile("bea@example.com").referred_by is None


@pytest.mark.parametrize("wish", ["erase", "export"])
def test_a_friends_order_that_waits_is_neither_erased_nor_handed_out_with_whoever_sent_them(
    plant: Plant, wish: Literal["erase", "export"]
) -> None:
    plant.until(at(days=3))
    plant.post(bought(3))
    waiting = plant.world.stream.popleft()
    asked = PrivacyRequest(wish=wish, at=at(days=4), request_id="r1", email="ada@example.com")
    post(plant, event("privacy.requested", asked, at(days=4)))
    assert "bea@" not in repr([raw for key, raw in plant.world.raw_files.items() if key.startswith("exports/")])
    plant.world.stream.append(waiting)
    plant.settle()
    assert plant.profile("bea@example.com").orders.keys() == {"o8"}


def test_the_link_shows_the_code_to_whoever_opens_it_and_nothing_of_who_sent_it(plant: Plant) -> None:
    visitor = Visitor(plant, "friend", about="FRIEND-B7K2")
    html = visitor.open().page.html
    assert "https://tea.example/discount/FRIEND-B7K2" in html
    assert "<form" not in html
    assert "ada" not in html.casefold()
    assert visitor.press("anything").page.html == html
    assert "FRIEND" not in Visitor(plant, "friend", about="OTHER").open().page.html
    plant.until(at(days=61))
    assert "This code has ended" in visitor.open().page.html

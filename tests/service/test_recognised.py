"""Whose browser it is: what a click, a cart, an order and a sign-up show, and what nobody can claim (DESIGN §6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Form, Person, Recognised, View
from rekindle.domain.profile import Profile
from rekindle.flow.program import Manners
from rekindle.service.people import MAX_CLAIMED, alias_key
from tests.support.build import CART, T0, at, cart, checkout, consent, event, flow_of, order, playbook
from tests.support.plant import Plant

BROWSE = flow_of(
    "trigger: {event: product.viewed, when: event.seconds >= 60}\nentry: {key: event.id}\n"
    "steps: [{wait: 2h}, {email: seen}]",
    "browse",
)
COUNTED = "count('product.viewed', '30d') >= 2"
ADA = Who(email="ada@example.com", cart_token="c1", checkout_token="k1")
BEN = Who(email="ben@example.com", cart_token="c2", checkout_token="k2")


@pytest.fixture
def plant() -> Plant:
    return Plant(playbook(CART, BROWSE, segments={"keen": COUNTED}, manners=Manners(apart={"email": 0})))


def viewed(when: datetime, seconds: int = 70, *, browser: str = "b1", product: str = "p1", **more: Any) -> Event:
    fact = View(id=product, at=when, seconds=seconds, **more)
    id_ = f"view@{when.isoformat()}/{browser}/{product}/{seconds}"
    return event("product.viewed", fact, when, who=Who(browser_id=browser), signed=False, id=id_)


def recognised(when: datetime, by: str, who: Who, **more: Any) -> Event:
    more.setdefault("signed", False)
    fact = Recognised(by=by, at=when)  # type: ignore[arg-type]
    return event("browser.recognised", fact, when, who=who, id=f"{by}@{when.isoformat()}", **more)


def tell(plant: Plant, *events: Event) -> None:
    for each in events:
        plant.until(max(each.received_at, plant.world.clock.now()))
        plant.post(each)
        plant.settle()


def people(plant: Plant) -> list[Profile]:
    found = (plant.world.profile(profile_id) for profile_id in plant.world.profiles)
    return [profile for profile in found if isinstance(profile, Profile)]


def owner(plant: Plant, kind: str, value: str) -> str:
    """Return the address of whom this contact point leads to; empty where nobody is known by it."""
    found = plant.world.profile(plant.world.owners[alias_key(plant.world.secret_address_key, "tea", kind, value)])
    while not isinstance(found, Profile):
        assert found is not None
        found = plant.world.profile(found.to)  # type: ignore[union-attr]
    return found.email or ""


def templates(plant: Plant) -> list[str]:
    return [template for _, template, _ in plant.mails()]


def test_a_visitor_is_nobody_and_gets_nothing(plant: Plant) -> None:
    tell(plant, viewed(T0), viewed(at(minutes=5), product="p2"))
    (somebody,) = people(plant)
    assert somebody.anonymous
    plant.until(at(days=2))
    assert plant.mails() == []


def test_a_click_shows_whose_browser_it_is_and_what_was_looked_at_comes_along(plant: Plant) -> None:
    tell(plant, consent(T0, who=ADA), viewed(at(minutes=10)))
    ada = plant.profile("ada@example.com")
    click = recognised(at(minutes=20), "click", Who(browser_id="b1"), profile_id=ada.id, signed=True)
    tell(plant, click, viewed(at(minutes=21), 5, product="p2"))
    (ada,) = people(plant)
    assert "keen" in ada.segments
    plant.until(at(days=1))
    assert templates(plant) == ["seen"]


def test_a_click_in_a_mail_that_was_passed_on_takes_no_browser_from_somebody_who_is_known(plant: Plant) -> None:
    tell(plant, consent(T0, who=ADA), consent(T0, who=BEN), viewed(at(minutes=1)))
    ada, ben = plant.profile("ada@example.com"), plant.profile("ben@example.com")
    tell(plant, recognised(at(minutes=2), "click", Who(browser_id="b1"), profile_id=ben.id, signed=True))
    tell(plant, recognised(at(minutes=3), "click", Who(browser_id="b1"), profile_id=ada.id, signed=True))
    assert owner(plant, "browser_id", "b1") == "ben@example.com"
    tell(plant, viewed(at(minutes=4), product="p2"))
    assert "p2" not in str(plant.profile("ada@example.com").runs)


def test_a_checkout_that_the_shop_signed_shows_whose_browser_its_cart_is_in(plant: Plant) -> None:
    tell(plant, viewed(T0), checkout(at(minutes=5), who=ADA), consent(at(minutes=5), who=ADA))
    tell(plant, recognised(at(minutes=6), "cart", Who(browser_id="b1", cart_token="c1", checkout_token="k1")))
    assert owner(plant, "browser_id", "b1") == "ada@example.com"
    assert len(people(plant)) == 1
    plant.until(at(hours=3))
    assert "seen" in templates(plant)


def test_the_browser_may_tell_of_its_cart_before_the_shop_tells_whose_it_is(plant: Plant) -> None:
    told = recognised(at(minutes=1), "cart", Who(browser_id="b1", cart_token="c1", checkout_token="k1"))
    tell(plant, viewed(T0), told, checkout(at(minutes=5), who=ADA))
    assert owner(plant, "browser_id", "b1") == "ada@example.com"
    assert len(people(plant)) == 1


def test_a_cart_that_nobody_is_known_by_belongs_to_whom_the_browser_is_known_by(plant: Plant) -> None:
    """Shopify's carts name nobody; here the browser does."""
    tell(plant, consent(T0, who=ADA), viewed(T0))
    ada = plant.profile("ada@example.com")
    tell(plant, recognised(at(minutes=1), "click", Who(browser_id="b1"), profile_id=ada.id, signed=True))
    tell(plant, cart(at(minutes=2), token="c9"))
    tell(plant, recognised(at(minutes=3), "cart", Who(browser_id="b1", cart_token="c9")))
    (ada,) = people(plant)
    assert "c9" in ada.baskets
    assert owner(plant, "browser_id", "b1") == "ada@example.com"


def test_a_link_to_a_cart_that_was_passed_on_takes_no_browser_and_an_order_does(plant: Plant) -> None:
    both = Who(browser_id="b2", cart_token="c1", checkout_token="k1")
    own = Who(browser_id="b2", cart_token="c2", checkout_token="k2")
    tell(plant, checkout(T0, who=ADA), checkout(T0, who=BEN), recognised(at(minutes=1), "cart", own))
    assert owner(plant, "browser_id", "b2") == "ben@example.com"
    tell(plant, recognised(at(minutes=2), "cart", both))
    assert owner(plant, "browser_id", "b2") == "ben@example.com"
    assert owner(plant, "cart_token", "c1") == "ada@example.com"
    tell(plant, recognised(at(minutes=3), "order", both))
    assert owner(plant, "browser_id", "b2") == "ada@example.com"
    assert owner(plant, "cart_token", "c2") == "ben@example.com"
    assert len(people(plant)) == 2


def test_an_order_with_the_browser_in_it_shows_whose_that_is(plant: Plant) -> None:
    """WooCommerce signs what its plugin wrote into the order."""
    tell(plant, viewed(T0), order(at(minutes=5), who=replace(ADA, browser_id="b1")))
    (ada,) = people(plant)
    assert (ada.email, owner(plant, "browser_id", "b1")) == ("ada@example.com", "ada@example.com")


def test_what_nobody_signed_claims_no_address_no_account_and_no_profile(plant: Plant) -> None:
    known = Who(email="ada@example.com", shop_customer_id="7", phone="+31201234567")
    tell(plant, order(T0, who=known))
    before = plant.profile("ada@example.com")
    tell(plant, recognised(at(minutes=1), "order", replace(known, browser_id="b6")))
    tell(plant, replace(viewed(at(minutes=2), browser="b7"), who=replace(known, browser_id="b7"), person=FORGED))
    form = Form(name="newsletter", at=at(minutes=3), claimed="ada@example.com")
    tell(plant, event("form.submitted", form, at(minutes=3), who=Who(browser_id="b8"), signed=False))
    assert plant.profile("ada@example.com") == before
    assert {owner(plant, "browser_id", browser) for browser in ("b6", "b7", "b8")} == {""}
    (seven,) = [each for each in people(plant) if each.id != before.id and each.person.zone]
    assert (seven.person.first_name, seven.person.zone) == (None, "Europe/Paris")
    plant.until(at(days=3))
    assert plant.mails() == []


FORGED = Person(first_name="Mallory", zone="Europe/Paris")


def test_a_look_that_is_told_again_because_it_lasted_longer_is_one_look(plant: Plant) -> None:
    tell(plant, consent(T0, who=ADA))
    ada = plant.profile("ada@example.com")
    tell(plant, recognised(at(minutes=1), "click", Who(browser_id="b1"), profile_id=ada.id, signed=True))
    tell(plant, viewed(at(minutes=2), 40, look="x1"), viewed(at(minutes=2), 70, look="x1"))
    tell(plant, viewed(at(minutes=2), 60, look="x1"))
    ada = plant.profile("ada@example.com")
    assert ada.looks == {"x1": 70}
    assert "keen" not in ada.segments
    tell(plant, viewed(at(minutes=9), 3, look="x2"))
    assert "keen" in plant.profile("ada@example.com").segments
    plant.until(at(days=1))
    assert templates(plant) == ["seen"]


def test_only_what_a_browser_did_in_the_last_14_days_comes_along(plant: Plant) -> None:
    tell(plant, viewed(T0), viewed(at(minutes=1)), consent(at(days=15), who=ADA))
    ada = plant.profile("ada@example.com")
    tell(plant, recognised(at(days=15, minutes=1), "click", Who(browser_id="b1"), profile_id=ada.id, signed=True))
    assert "keen" not in plant.profile("ada@example.com").segments
    again = Plant(playbook(CART, BROWSE, segments={"keen": COUNTED}, manners=Manners(apart={"email": 0})))
    tell(again, viewed(T0), viewed(at(minutes=1)), consent(at(days=13), who=ADA))
    ada = again.profile("ada@example.com")
    tell(again, recognised(at(days=13, minutes=1), "click", Who(browser_id="b1"), profile_id=ada.id, signed=True))
    assert "keen" in again.profile("ada@example.com").segments


def test_nobody_can_fill_a_profile_with_browsers_without_end(plant: Plant) -> None:
    tell(plant, consent(T0, who=ADA))
    ada = plant.profile("ada@example.com")
    for n in range(MAX_CLAIMED + 5):
        who = Who(browser_id=f"b{n}")
        fact = Recognised(by="click", at=at(minutes=1))
        more: dict[str, Any] = {"profile_id": ada.id, "id": f"click{n}"}
        plant.post(event("browser.recognised", fact, at(minutes=1), who=who, **more))
    plant.settle()
    assert len(plant.profile("ada@example.com").aliases) == MAX_CLAIMED

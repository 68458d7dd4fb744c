"""From a price that drops to those who looked: each told once, nobody else, and nobody who was erased."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import PrivacyRequest, View
from rekindle.domain.profile import Interest, Profile, Signpost
from rekindle.flow.program import Playbook
from rekindle.ports import Interested
from rekindle.service.heralds import TOLD_AT_ONCE
from rekindle.service.interests import AGAIN, noted
from tests.support.build import at, consent, event, flow_of, playbook
from tests.support.catalogue import POT
from tests.support.plant import Plant

DROPS = flow_of(
    "trigger: {product: price_dropped, when: event.price < event.was}\n"
    "entry: {key: event.product_id, again: 1h}\n"
    "steps:\n  - email: drop\n",
    "drops",
)
ADA, BOB = Who(email="ada@example.com", shop_customer_id="7"), Who(email="bob@example.com", shop_customer_id="8")


def looked(who: Who, product: str = "pot", hours: float = 0) -> Event:
    """Return a look at a product by somebody who is known."""
    when = at(hours=hours)
    return event("product.viewed", View(id=product, at=when), when, who=who)


def changed(hours: float, **more: Any) -> Event:
    """Return how the pot stands then."""
    product = replace(POT, updated_at=at(hours=hours), **more)
    return event("product.updated", product, at(hours=hours), who=Who(), id=f"pot@{hours}")


def shop(*flows: Any) -> Plant:
    """Return a shop that sells the pot, and in which these flows are on."""
    plant = Plant(playbook(*(flows or (DROPS,))))
    plant.post(changed(0))
    for who in (ADA, BOB):
        plant.post(consent(at(), who=who))
    plant.settle()
    return plant


def mailed(plant: Plant) -> list[str]:
    """Return who got a mail."""
    return sorted(to for to, _, _ in plant.mails())


def test_who_looked_is_told_once_and_nobody_else() -> None:
    plant = shop()
    plant.post(looked(ADA))
    plant.settle()
    plant.post(changed(1, price=Decimal(40)))
    plant.until(at(hours=1))
    assert mailed(plant) == ["ada@example.com"]
    plant.post(changed(2, price=Decimal(40), title="Pot!"))
    plant.until(at(hours=2))
    assert mailed(plant) == ["ada@example.com"]


def test_nobody_is_told_where_no_flow_waits_for_it() -> None:
    """Nothing is read, accepted, or written."""
    plant = Plant(Playbook(hash="h", shops=playbook().shops))
    plant.post(changed(0), looked(ADA))
    plant.settle()
    before = len(plant.world.deliveries)
    plant.post(changed(1, price=Decimal(40)))
    plant.settle()
    assert len(plant.world.deliveries) == before + 1
    assert plant.world.calls["interests.interested"] == 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["fanout.ask", "interests.interested", "intake.accept", "blobs.put", "state.commit"])
def test_a_crash_anywhere_tells_nobody_twice_and_leaves_nobody_out(call: str, moment: Any) -> None:
    plant = shop()
    plant.post(looked(ADA), looked(BOB, hours=0.1))
    plant.settle()
    plant.post(changed(1, price=Decimal(40)))
    plant.crash_at(call, moment)
    plant.until(at(hours=1.2))
    plant.sweep()
    plant.until(at(hours=2))
    assert mailed(plant) == ["ada@example.com", "bob@example.com"]


def test_many_are_told_page_by_page() -> None:
    plant = shop()
    count = TOLD_AT_ONCE + 5
    for number in range(count):
        plant.world.interests["tea", "pot", f"{number:032x}"] = Interested(product_id="pot", at=at())
    plant.post(changed(1, price=Decimal(40)))
    plant.until(at(hours=1))
    assert plant.world.calls["interests.interested"] == 2
    assert sum(delivery.source == "catalogue" for delivery in plant.world.deliveries.values()) == count


def test_one_person_on_a_list_under_two_names_is_told_once() -> None:
    """A visitor's browser turns out to be Ada's: what led to the visitor leads to her."""
    plant = shop()
    plant.post(looked(ADA))
    plant.settle()
    plant.world.interests["tea", "pot", "f" * 32] = Interested(product_id="pot", at=at())
    plant.world.profiles["f" * 32] = Signpost(plant.profile("ada@example.com").id)
    plant.post(changed(1, price=Decimal(40)))
    plant.until(at(hours=1))
    assert mailed(plant) == ["ada@example.com"]


def test_who_was_erased_stands_on_no_list_and_is_told_nothing() -> None:
    plant = shop()
    plant.post(looked(ADA))
    plant.settle()
    assert plant.world.interests
    request = PrivacyRequest(wish="erase", at=at(minutes=30), email="ada@example.com", shop_customer_id="7")
    plant.world.clock.advance_to(at(minutes=30))
    plant.post(event("privacy.requested", request, at(minutes=30), who=Who()))
    plant.settle()
    assert plant.world.interests == {}
    plant.post(changed(1, price=Decimal(40)))
    plant.until(at(hours=1))
    assert mailed(plant) == []


def test_a_visitor_whom_nobody_knows_is_on_no_list_until_they_are_known() -> None:
    """Then with what they looked at before."""
    plant = shop()
    plant.post(looked(Who(cart_token="c9")))
    plant.settle()
    assert plant.world.interests == {}
    plant.post(consent(at(hours=1), who=Who(email="cleo@example.com", cart_token="c9")))
    plant.settle()
    cleo = plant.profile("cleo@example.com")
    assert set(plant.world.interests) == {("tea", "pot", cleo.id)}


# --- what is written, and when


def interested(**products: int) -> Profile:
    """Return somebody who looked at these products so many days ago."""
    marks = {product: Interest(at(days=-days)) for product, days in products.items()}
    return Profile(id="p", shop="tea", email="ada@example.com", interests=marks)


def test_who_looks_is_noted_once_and_again_after_some_weeks() -> None:
    profile, entries = noted(interested(pot=3))
    assert entries == (Interested(product_id="pot", at=at(days=-3)),)
    assert noted(profile) == (profile, ())
    later = replace(profile, interests={"pot": replace(profile.interests["pot"], at=at(days=-3) + AGAIN)})
    assert len(noted(later)[1]) == 1
    soon = replace(profile, interests={"pot": replace(profile.interests["pot"], at=at())})
    assert noted(soon)[1] == ()


def test_who_cannot_be_reached_is_not_noted() -> None:
    nobody = replace(interested(pot=1), email=None)
    assert noted(nobody) == (nobody, ())
    assert noted(replace(nobody, phone="+4915112345678"))[1]


def test_a_commit_notes_a_few_the_latest_first() -> None:
    profile, entries = noted(interested(**{f"p{number:02}": number for number in range(25)}))
    assert [entry.product_id for entry in entries] == [f"p{number:02}" for number in range(10)]
    profile, entries = noted(profile)
    assert [entry.product_id for entry in entries] == [f"p{number:02}" for number in range(10, 20)]


def test_a_price_that_drops_twice_is_told_twice() -> None:
    plant = shop()
    plant.post(looked(ADA))
    plant.settle()
    for hours, price in ((1, 40), (30, 30)):
        plant.until(at(hours=hours))
        plant.post(changed(hours, price=Decimal(price)))
        plant.until(at(hours=hours, minutes=5))
    assert mailed(plant) == ["ada@example.com"] * 2

"""Asking by hand goes the webhooks' road, and is asked once for each reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rekindle.domain.events import Who
from rekindle.domain.profile import Tombstone
from rekindle.service.asking import Asked, BadRequestError, ask, known, receipt_of, receipts
from tests.service.test_privacy import ASKED, leftovers, live, owner, refused
from tests.support.build import CART, CONFIRMATION, playbook
from tests.support.plant import Plant

WHO = Who(email="ada@example.com")


@pytest.fixture
def plant() -> Plant:
    plant = Plant(playbook(CART, CONFIRMATION))
    live(plant)
    plant.until(ASKED)
    return plant


def asks(plant: Plant, wish: Any = "erase", who: Who = WHO, **more: Any) -> Asked:
    world = plant.world
    return ask(wish, "tea", who, intake=world.intake, clock=world.clock, key=world.secret_address_key, **more)


def settled(plant: Plant) -> None:
    plant.until(plant.world.clock.now() + timedelta(minutes=30))


def test_who_is_erased_by_hand_is_erased_as_by_the_shop(plant: Plant) -> None:
    ids = known("tea", WHO, vault=plant.world.vault, state=plant.world.state, key=plant.world.secret_address_key)
    assert ids == (plant.profile("ada@example.com").id,)
    asked = asks(plant, reference="ticket-4711", reason="asked by letter")
    assert receipt_of(asked, plant.world.raw) is None
    settled(plant)
    receipt = receipt_of(asked, plant.world.raw)
    assert receipt is not None
    assert (receipt.name, receipt.reason) == ("erase-ticket-4711", "asked by letter")
    assert receipt.done_at is not None
    assert receipt.counts()["messages"] == 4
    assert leftovers(plant) == []
    assert refused(plant) == "erased"
    assert isinstance(owner(plant, "email", "ada@example.com"), Tombstone)


def test_a_second_one_of_the_same_reference_is_the_first_one_once_more(plant: Plant) -> None:
    first = asks(plant, "export", reference="t1")
    settled(plant)
    again = asks(plant, "export", reference="t1")
    settled(plant)
    assert (first.new, again.new) == (True, False)
    assert first.delivery_id == again.delivery_id
    assert len(list(receipts("tea", plant.world.raw))) == 1


def test_a_reference_that_was_somebody_elses_gets_a_receipt_of_its_own(plant: Plant) -> None:
    one = asks(plant, "export", reference="t1")
    other = asks(plant, "export", Who(email="bert@example.com"), reference="t1")
    settled(plant)
    found = [receipt_of(asked, plant.world.raw) for asked in (one, other)]
    assert len({receipt.name for receipt in found if receipt is not None and receipt.done_at}) == 2
    assert [receipt.delivery_id for receipt in found if receipt] == [one.delivery_id, other.delivery_id]


def test_a_shop_that_has_left_is_erased_by_hand(plant: Plant) -> None:
    asked = asks(plant, "erase_shop", Who(), reason="the contract ended")
    plant.until(plant.world.clock.now() + timedelta(hours=2))
    receipt = receipt_of(asked, plant.world.raw)
    assert receipt is not None
    assert receipt.done_at is not None
    assert (plant.world.profiles, plant.world.messages) == ({}, {})
    assert "tea" not in plant.world.shops


@pytest.mark.parametrize("who", [Who(phone="+31612345678"), Who(shop_customer_id="7")])
def test_a_number_or_a_customer_id_is_enough(plant: Plant, who: Who) -> None:
    asked = asks(plant, who=who)
    settled(plant)
    receipt = receipt_of(asked, plant.world.raw)
    assert receipt is not None
    assert receipt.counts()["profiles"] == 1
    assert leftovers(plant) == []


@pytest.mark.parametrize(
    ("who", "more"),
    [
        (Who(), {}),
        (WHO, {"reason": "ada@example.com wrote"}),
        (WHO, {"reason": "x" * 201}),
        (WHO, {"reason": "two\nlines"}),
        (WHO, {"reference": "../secrets"}),
        (Who(phone="+31612345678"), {"reason": "called from +31612345678"}),
        (Who(phone="+31612345678"), {"reason": "called from 06 1234 5678"}),
        (Who(phone="+31612345678"), {"reference": "31612345678"}),
    ],
)
def test_what_cannot_be_asked_so_is_refused_and_stores_nothing(plant: Plant, who: Who, more: dict[str, str]) -> None:
    before = set(plant.world.deliveries)
    with pytest.raises(BadRequestError):
        asks(plant, who=who, **more)
    assert set(plant.world.deliveries) == before

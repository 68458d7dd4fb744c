"""Starting a flow by hand: for somebody who is known, a flow that is on and says so, once for each reference."""

from __future__ import annotations

from typing import Any

import pytest

from rekindle.service.explain import NobodyError
from rekindle.service.start import NotStartableError, start_flow
from tests.support.build import CART, T0, at, consent, flow_of, playbook
from tests.support.plant import Plant

SURVEY = flow_of("trigger: {manual: true}\nentry: {again: always}\nsteps:\n  - email: questions\n", "survey")
OTHER = flow_of("trigger: {manual: true}\nsteps:\n  - email: something-else\n", "other")


@pytest.fixture
def plant() -> Plant:
    made = Plant(playbook(SURVEY, OTHER, CART))
    made.post(consent(T0))
    made.settle()
    return made


def start(plant: Plant, reference: str = "r1", **other: Any) -> bool:
    world = plant.world
    given: dict[str, Any] = {"flow": "survey", "shop": "tea", "email": "ada@example.com", **other}
    return start_flow(
        **given,
        reference=reference,
        playbook=playbook(SURVEY, OTHER, CART),
        state=world.state,
        vault=world.vault,
        intake=world.intake,
        clock=world.clock,
        key=world.secret_address_key,
    )


def mails(plant: Plant) -> list[str]:
    plant.settle()
    return [template for _, template, _ in plant.mails()]


def test_the_person_enters_that_flow_and_no_other(plant: Plant) -> None:
    assert start(plant) is True
    assert mails(plant) == ["questions"]


def test_one_reference_is_one_start(plant: Plant) -> None:
    """Whoever is not sure whether it worked may do it again."""
    assert [start(plant), start(plant)] == [True, False]
    plant.until(at(hours=1))
    assert start(plant) is False
    assert mails(plant) == ["questions"]


def test_another_reference_is_another_start(plant: Plant) -> None:
    start(plant)
    plant.until(at(days=1))
    assert start(plant, "r2") is True
    assert mails(plant) == ["questions", "questions"]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"flow": "nothing"}, "no flow nothing"),
        ({"flow": "cart-abandonment"}, "not started by hand"),
        ({"shop": "coffee"}, "not on in coffee"),
    ],
)
def test_what_cannot_be_started_says_so_and_accepts_nothing(plant: Plant, other: dict[str, str], why: str) -> None:
    with pytest.raises(NotStartableError, match=why):
        start(plant, **other)
    assert plant.world.pending == {}


def test_a_stranger_is_not_made_a_customer(plant: Plant) -> None:
    before = dict(plant.world.profiles)
    with pytest.raises(NobodyError):
        start(plant, email="stranger@example.com")
    plant.settle()
    assert plant.world.profiles == before

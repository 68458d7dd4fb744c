"""The survey over the whole road: what somebody answers becomes their traits, once, and flows hear of it."""

from __future__ import annotations

import pytest

from rekindle.content.pages.forms import TRAP
from rekindle.domain.profile import Profile
from tests.support.build import T0, at, consent, flow_of, order, playbook
from tests.support.plant import Plant
from tests.support.visitor import Visitor

ANSWERED = flow_of("trigger: {event: survey.answered, when: event.name == 'survey'}\nsteps: [{set: {tags: [asked]}}]")
INTERESTS = {"teaware": {"en": "Teaware", "ar": "أدوات الشاي"}, "tea": {"": "Tea"}}


@pytest.fixture
def plant() -> Plant:
    made = Plant(playbook(ANSWERED, interests=INTERESTS))
    made.post(consent(T0), order(T0))
    made.settle()
    return made


def traits(plant: Plant) -> dict[str, object]:
    plant.settle()
    return {name: trait.value for name, trait in ada(plant).traits.items()}


def ada(plant: Plant) -> Profile:
    return plant.profile("ada@example.com")


def test_answers_become_traits_and_are_told_once(plant: Plant) -> None:
    visitor = Visitor(plant, "survey")
    typed = {"interest": "teaware", "reward": "gift", "day": "29", "month": "2", "nonce": "n"}
    for _ in range(2):
        assert visitor.press("send", **typed).what == "saved"
    assert len(plant.world.deliveries) == 2
    assert traits(plant) == {"interests": ("teaware",), "preferred_reward": "gift", "birthday": "--02-29"}
    assert ada(plant).tags == ("asked",)


def test_what_is_left_out_stays_as_it_is_known(plant: Plant) -> None:
    visitor = Visitor(plant, "survey")
    visitor.press("send", day="3", month="2", year="1990")
    plant.until(at(days=1))
    visitor.press("send", reward="discount")
    assert traits(plant) == {"birthday": "1990-02-03", "preferred_reward": "discount"}


def test_the_page_tells_nobody_what_was_answered(plant: Plant) -> None:
    visitor = Visitor(plant, "survey")
    visitor.press("send", interest="tea", reward="gift", day="3", month="2", year="1990")
    plant.settle()
    html = visitor.open().page.html
    assert "checked" not in html
    assert "1990" not in html
    assert "Teaware" in html


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({}, "reward"),
        ({"interest": "cars"}, "interest"),
        ({"reward": "money"}, "reward"),
        ({"day": "31", "month": "2"}, "birthday"),
        ({"day": "3"}, "birthday"),
        ({"reward": "gift", TRAP: "spam"}, "reward"),
    ],
)
def test_a_mistake_is_told_beside_its_field_and_nothing_is_sent(
    plant: Plant, typed: dict[str, str], field: str
) -> None:
    answer = Visitor(plant, "survey").press("send", **typed)
    assert (answer.status, f'href="#{field}"' in answer.page.html) == (422, True)
    assert len(plant.world.deliveries) == 1

"""A review over the whole road: the star in the mail, the page that asks to confirm, and what is known afterwards."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rekindle.content.pages.forms import TRAP
from rekindle.domain.profile import Profile, Rated
from tests.support.build import T0, at, consent, flow_of, order, playbook
from tests.support.plant import Plant
from tests.support.visitor import Visitor

UNHAPPY = "trigger: {event: review.submitted, when: event.rating <= 2}\nentry: {key: event.order_id}\n"
UNHAPPY += "steps: [{set: {tags: [unhappy]}}]"


@pytest.fixture
def plant() -> Plant:
    """Ada has ordered something."""
    made = Plant(playbook(flow_of(UNHAPPY), reviews={"Google": "https://g.page/r/tea"}))
    made.post(consent(T0), order(T0))
    made.settle()
    return made


def ada(plant: Plant) -> Profile:
    plant.settle()
    return plant.profile("ada@example.com")


def test_the_star_that_was_pressed_is_chosen_and_nothing_is_sent_yet(plant: Plant) -> None:
    """A scanner presses all five."""
    for stars in "12345":
        html = Visitor(plant, "review", about="o1").open(stars=stars).page.html
        assert f'name="stars" value="{stars}" checked' in html
        assert "2 March 2026" in html
    for odd in ("0", "6", "", "5 ", "<b>"):
        assert "checked" not in Visitor(plant, "review", about="o1").open(stars=odd).page.html
    assert len(plant.world.deliveries) == 1


def test_what_is_sent_is_on_the_profile_and_told_once(plant: Plant) -> None:
    visitor = Visitor(plant, "review", about="o1")
    for _ in range(2):
        answer = visitor.press("send", stars="2", text="The lid does not close.", nonce="n")
    assert (answer.status, answer.what) == (200, "saved")
    assert len(plant.world.deliveries) == 2
    found = ada(plant)
    assert found.reviews == {"o1": Rated(T0, 2)}
    assert found.tags == ("unhappy",)
    (event,) = [
        one for told in plant.world.deliveries.values() for one in told.events if one.type == "review.submitted"
    ]
    assert event.data == replace(event.data, order_id="o1", product_id="p1", text="The lid does not close.")


@pytest.mark.parametrize("stars", ["1", "3", "5"])
def test_whoever_reviews_may_say_it_publicly_whatever_they_say(plant: Plant, stars: str) -> None:
    assert "https://g.page/r/tea" in Visitor(plant, "review", about="o1").press("send", stars=stars).page.html


def test_who_thinks_again_is_heard_again(plant: Plant) -> None:
    visitor = Visitor(plant, "review", about="o1")
    visitor.press("send", stars="2")
    plant.until(at(days=1))
    visitor.press("send", stars="4")
    assert ada(plant).reviews == {"o1": Rated(at(days=1), 4)}


@pytest.mark.parametrize("typed", [{}, {"stars": "0"}, {"stars": "6"}, {"stars": "x"}, {"stars": "5", TRAP: "spam"}])
def test_without_stars_nothing_is_sent_and_what_was_written_stays(plant: Plant, typed: dict[str, str]) -> None:
    answer = Visitor(plant, "review", about="o1").press("send", text="Well made", **typed)
    assert (answer.status, answer.what) == (422, "refused")
    assert "Well made</textarea>" in answer.page.html
    assert len(plant.world.deliveries) == 1


def test_an_order_that_is_not_theirs_shows_nothing_of_it(plant: Plant) -> None:
    assert "2 March" not in Visitor(plant, "review", about="o2").open().page.html

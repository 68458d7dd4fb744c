"""What a profile never wrote down, because nothing asked for it then, it finds in its deliveries: once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Search, View
from rekindle.flow.program import Playbook, ask_key
from rekindle.service import memories
from tests.support.build import ADA, T0, at, cart, checkout, consent, event, order, playbook
from tests.support.plant import Plant

BOB = Who(email="bob@example.com", cart_token="c2", checkout_token="k2")
SEARCHES = ask_key("search.submitted")


def asking(*expressions: str, hash_: str = "h2") -> Playbook:
    """Return a playbook whose segments ask these things."""
    return playbook(segments={f"s{number}": text for number, text in enumerate(expressions)}, hash_=hash_)


EVER = asking("count('search.submitted') >= 50")
LATELY = asking("count('search.submitted', '30d') >= 50")


def searched(when: datetime, who: Who = ADA) -> Event:
    return event("search.submitted", Search(query="tea", at=when), when, who=who)


def search(plant: Plant, *days: int, who: Who = ADA) -> None:
    """Let somebody search on these days."""
    for day in days:
        plant.until(at(days=day))
        plant.post(searched(at(days=day), who))
        plant.settle()


@pytest.fixture
def plant() -> Plant:
    """Nothing is asked, and Ada is known since the beginning."""
    made = Plant(playbook())
    made.post(checkout(T0), consent(T0))
    made.settle()
    return made


def ask_from(plant: Plant, book: Playbook, day: int) -> None:
    """Publish it, and let something unimportant happen to Ada."""
    plant.until(at(days=day))
    plant.publish(book)
    plant.restart()
    plant.post(checkout(at(days=day)))
    plant.settle()


def searches(plant: Plant, email: str = "ada@example.com") -> tuple[datetime, ...]:
    return plant.profile(email).recent.get(SEARCHES, ())


def test_the_next_event_of_an_old_profile_fills_in_the_past(plant: Plant) -> None:
    search(plant, 1, 5, 12)
    ask_from(plant, EVER, 20)
    assert searches(plant) == (at(days=12), at(days=5), at(days=1))
    assert plant.profile("ada@example.com").asked == EVER.marks


def test_a_question_that_asks_for_more_is_filled_in_again(plant: Plant) -> None:
    search(plant, 1, 2, 3, 4)
    ask_from(plant, asking("count('search.submitted') >= 2"), 20)
    assert len(searches(plant)) == 3
    ask_from(plant, asking("count('search.submitted') >= 4", hash_="h3"), 21)
    assert searches(plant) == (at(days=4), at(days=3), at(days=2), at(days=1))
    assert "s0" in plant.profile("ada@example.com").segments


def test_what_comes_with_the_first_event_after_it_is_counted_once(plant: Plant) -> None:
    search(plant, 1)
    plant.publish(EVER)
    plant.restart()
    search(plant, 2, 3)
    assert searches(plant) == (at(days=3), at(days=2), at(days=1))


def test_nothing_is_read_while_nothing_is_missing(plant: Plant) -> None:
    """The budget of an ordinary event stays as it is."""
    search(plant, 1)
    assert plant.world.calls["state.heard"] == 0
    ask_from(plant, EVER, 2)
    read = plant.world.calls["state.heard"]
    assert read > 0
    search(plant, 3, 4)
    assert plant.world.calls["state.heard"] == read


def test_a_new_person_has_no_past_to_be_read(plant: Plant) -> None:
    plant.publish(EVER)
    plant.restart()
    search(plant, 1, 2, who=BOB)
    assert searches(plant, "bob@example.com") == (at(days=2), at(days=1))
    assert plant.world.calls["state.heard"] == 0


def test_only_what_is_newly_asked_is_looked_for(plant: Plant) -> None:
    """What is known already may be older than any delivery that is kept."""
    ask_from(plant, EVER, 1)
    search(plant, 2)
    plant.world.deliveries.clear()
    ask_from(plant, asking("count('search.submitted') >= 50", "since('product.viewed') > '9d'", hash_="h3"), 3)
    assert searches(plant) == (at(days=2),)


def test_of_a_delivery_about_two_people_each_takes_their_own(plant: Plant) -> None:
    plant.until(at(days=1))
    plant.post(searched(at(hours=1)), searched(at(hours=2), BOB), searched(at(hours=3)))
    plant.settle()
    ask_from(plant, EVER, 2)
    plant.post(checkout(at(days=2), who=BOB))
    plant.settle()
    assert searches(plant) == (at(hours=3), at(hours=1))
    assert searches(plant, "bob@example.com") == (at(hours=2),)


def test_of_merged_profiles_both_pasts_are_read(plant: Plant) -> None:
    stranger = Who(cart_token="c9")
    plant.post(replace(cart(at(hours=1), token="c9"), who=stranger), searched(at(hours=1), stranger))
    plant.settle()
    search(plant, 1)
    plant.post(checkout(at(days=1), who=replace(ADA, cart_token="c9", checkout_token="k9")))
    plant.settle()
    ada = plant.profile("ada@example.com")
    assert len(ada.was) == 1
    ask_from(plant, EVER, 2)
    assert searches(plant) == (at(days=1), at(hours=1))


def test_who_was_asked_before_two_became_one_is_asked_again_of_both(plant: Plant) -> None:
    """Of what one side never wrote down, half an answer would be wrong for ever."""
    stranger = Who(cart_token="c9")
    plant.post(replace(cart(at(hours=1), token="c9"), who=stranger), searched(at(hours=1), stranger))
    plant.settle()
    ask_from(plant, EVER, 1)
    plant.post(checkout(at(days=1, hours=1), who=replace(ADA, cart_token="c9", checkout_token="k9")))
    plant.settle()
    assert searches(plant) == (at(hours=1),)


def test_what_is_asked_of_a_month_is_not_looked_for_in_a_year(plant: Plant) -> None:
    search(plant, 1, 100)
    ask_from(plant, LATELY, 110)
    assert searches(plant) == (at(days=100),)


def test_so_many_deliveries_are_read_at_most_and_the_newest(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one customer of many years could keep journey over its time-out, and never get anything again."""
    monkeypatch.setattr(memories, "MOST", 2)
    search(plant, 1, 2, 3, 4)
    ask_from(plant, EVER, 5)
    assert searches(plant) == (at(days=4), at(days=3))


def test_an_erased_part_of_the_past_is_missing_and_no_more(plant: Plant) -> None:
    search(plant, 1, 2)
    first = next(each.id for each in plant.world.deliveries.values() if each.received_at == at(days=1))
    plant.world.vault.strip(first, at(days=2))
    ask_from(plant, EVER, 3)
    assert searches(plant) == (at(days=2),)


def test_an_order_that_changed_often_was_placed_once(plant: Plant) -> None:
    """Deliveries tell again what they told then, whatever the profile knows by now."""
    for hour in range(1, 5):
        plant.until(at(hours=hour))
        plant.post(order(at(hours=hour), kind="order.updated", placed_at=at(hours=1)))
        plant.settle()
    ask_from(plant, asking("count('order.placed') > 5"), 1)
    assert plant.profile("ada@example.com").recent == {ask_key("order.placed"): (at(hours=1),)}


def test_what_is_asked_of_an_event_is_asked_then_too(plant: Plant) -> None:
    for hour, kind in ((1, "green"), (2, "black"), (3, "green")):
        plant.until(at(hours=hour))
        plant.post(event("product.viewed", View(id="p1", at=at(hours=hour), kind=kind), at(hours=hour)))
        plant.settle()
    ask_from(plant, asking("count('product.viewed', \"event.kind == 'green'\") >= 9"), 1)
    (moments,) = plant.profile("ada@example.com").recent.values()
    assert moments == (at(hours=3), at(hours=1))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_while_the_past_is_read_is_made_good(plant: Plant, moment: str) -> None:
    search(plant, 1)
    plant.crash_at("state.heard", moment)  # type: ignore[arg-type]
    ask_from(plant, EVER, 2)
    plant.until(at(days=2) + timedelta(minutes=11))
    plant.sweep()
    assert searches(plant) == (at(days=1),)

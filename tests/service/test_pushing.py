"""Push messages: every browser once under one lease, a browser that is gone is forgotten, a refusal covers them all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Consent, Recognised
from rekindle.domain.profile import Profile
from rekindle.domain.push import browser_key
from rekindle.memory import Fate
from rekindle.ports import Message, PushMessage
from rekindle.service.people import address_hash, alias_key
from tests.domain.test_absorb_push import PLACE, told
from tests.service.test_texting import AWAKE, decisions
from tests.support.build import at, cart, checkout, consent, event, flow_of, playbook
from tests.support.plant import Plant

FLOW = flow_of(
    """
    trigger: {event: push.subscribed}
    steps:
      - wait: 10m
      - push: welcome
      - wait: 1d
      - push: second
    """
)
PHONE, LAPTOP = f"{PLACE}-phone", f"{PLACE}-laptop"


@pytest.fixture
def plant() -> Plant:
    return Plant(playbook(FLOW, manners=AWAKE, channels=("email", "push")))


def visitor(plant: Plant) -> Profile:
    (found,) = [each for each in map(plant.world.profile, plant.world.profiles) if isinstance(each, Profile)]
    return found


def refusal(plant: Plant, when: datetime) -> Event:
    """Return what a page tells where somebody says that they want no push messages."""
    hashed = address_hash(plant.world.secret_address_key, "push", visitor(plant).id)
    act = Consent(channel="push", state="unsubscribed", at=when, source="page", address_key=hashed)
    return event("consent.changed", act, when, who=Who(), profile_id=visitor(plant).id, id=f"no@{when}")


def fates(plant: Plant, by_browser: Mapping[str, Fate]) -> None:
    def decide(push: PushMessage) -> Fate:
        return by_browser.get(push.browser.endpoint, "accept")

    plant.world.decide_push_fate = decide


def both(plant: Plant) -> None:
    plant.post(told("push.subscribed", at(), LAPTOP))
    plant.post(told("push.subscribed", at(minutes=1), PHONE))
    plant.settle()


def messages(plant: Plant) -> list[Message]:
    return sorted(plant.world.messages.values(), key=lambda message: message.template, reverse=True)


def test_somebody_without_any_address_is_reached_in_every_browser_once(plant: Plant) -> None:
    """Ten minutes after browsing, where nothing but the browser is known (AUTOMATIONS, 5)."""
    plant.post(cart(at(), token="c9"))
    both(plant)
    plant.until(at(minutes=30))
    assert [(sent.push.browser.endpoint, sent.at) for sent in plant.world.pushes] == [
        (PHONE, at(minutes=10)), (LAPTOP, at(minutes=10)),
    ]  # fmt: skip
    (message,) = messages(plant)
    person = next(profile for profile in plant.world.profiles if message.profile_id == profile)
    assert (message.state, message.channel) == ("sent", "push")
    assert message.address == address_hash(plant.world.secret_address_key, "push", person)


def test_a_browser_that_is_gone_is_forgotten_and_the_others_are_reached(plant: Plant) -> None:
    fates(plant, {PHONE: "gone"})
    both(plant)
    plant.until(at(minutes=30))
    assert [sent.push.browser.endpoint for sent in plant.world.pushes] == [LAPTOP]
    assert messages(plant)[0].state == "sent"
    assert set(visitor(plant).browsers) == {browser_key(LAPTOP)}
    plant.until(at(days=2))
    assert len(plant.world.push_attempts) == 3


def test_with_the_last_browser_gone_nothing_more_is_planned(plant: Plant) -> None:
    fates(plant, {PHONE: "gone", LAPTOP: "gone"})
    both(plant)
    plant.until(at(days=2))
    assert [message.state for message in messages(plant)] == ["failed"]
    assert not visitor(plant).consented("push")
    assert "no browser to push to" in {decision.rule for decision in decisions(plant)}


@pytest.mark.parametrize(("laptop", "state"), [("accept", "sent"), ("reject", "failed"), ("hang", "unknown")])
def test_that_a_browser_is_gone_is_heard_later_where_it_cannot_be_at_once_and_the_others_are_tried(
    plant: Plant, laptop: Fate, state: str
) -> None:
    fates(plant, {PHONE: "gone", LAPTOP: laptop})
    both(plant)
    plant.lose_answer_of("intake.accept", carried_out=False)
    plant.until(at(minutes=10))
    (message,) = messages(plant)
    assert (message.state, message.gone) == (state, (browser_key(PHONE),))
    assert len(visitor(plant).browsers) == 2
    plant.until(at(minutes=20))
    assert (messages(plant)[0].state, set(visitor(plant).browsers)) == (state, {browser_key(LAPTOP)})
    assert len(plant.world.push_attempts) == 2


def test_a_browser_that_is_gone_is_told_of_before_the_others_are_asked_again(plant: Plant) -> None:
    fates(plant, {PHONE: "gone", LAPTOP: "throttled"})
    both(plant)
    plant.lose_answer_of("intake.accept", carried_out=False)
    plant.until(at(minutes=10))
    assert (messages(plant)[0].state, messages(plant)[0].gone) == ("reopened", (browser_key(PHONE),))
    fates(plant, {PHONE: "gone"})
    plant.until(at(minutes=20))
    assert [sent.push.browser.endpoint for sent in plant.world.pushes] == [LAPTOP]
    assert set(visitor(plant).browsers) == {browser_key(LAPTOP)}


@pytest.mark.parametrize(
    ("phone", "laptop", "state", "attempts"),
    [
        ("accept", "hang", "sent", 2),
        ("hang", "accept", "sent", 2),
        ("throttled", "accept", "sent", 2),
        ("hang", "throttled", "unknown", 2),
        ("reject", "hang", "unknown", 2),
        ("reject", "reject", "failed", 2),
    ],
)
def test_what_one_service_says_never_makes_another_show_it_twice(
    plant: Plant, phone: Fate, laptop: Fate, state: str, attempts: int
) -> None:
    fates(plant, {PHONE: phone, LAPTOP: laptop})
    both(plant)
    plant.until(at(hours=1))
    assert (messages(plant)[0].state, len(plant.world.push_attempts)) == (state, attempts)


def test_where_every_service_asks_for_patience_the_message_goes_later(plant: Plant) -> None:
    both(plant)
    plant.until(at(minutes=9))
    fates(plant, {PHONE: "throttled", LAPTOP: "throttled"})
    plant.until(at(minutes=10))
    assert messages(plant)[0].state == "reopened"
    fates(plant, {})
    plant.until(at(minutes=30))
    assert (messages(plant)[0].state, len(plant.world.pushes)) == ("sent", 2)


def test_services_that_do_not_answer_are_not_waited_for_one_after_the_other(plant: Plant) -> None:
    plant.world.decide_push_fate = lambda _push: "hang"
    for number in range(5):
        plant.post(told("push.subscribed", at(seconds=number), f"{PLACE}{number}"))
    plant.until(at(hours=1))
    assert len(plant.world.push_attempts) == 2
    assert messages(plant)[0].state == "unknown"


def test_a_refusal_counts_from_the_moment_it_is_accepted_and_a_browser_alone_takes_it_back(plant: Plant) -> None:
    both(plant)
    plant.until(at(minutes=9))
    plant.post(refusal(plant, at(minutes=9)))
    plant.world.stream.clear()  # accepted, and not yet applied
    plant.until(at(minutes=30))
    assert [(message.state, message.why) for message in messages(plant)] == [("skipped", "suppressed")]
    plant.world.clock.advance(minutes=20)
    plant.sweep()
    assert not visitor(plant).browsers
    plant.post(told("push.subscribed", at(hours=2), LAPTOP))
    plant.until(at(days=3))
    assert [sent.push.browser.endpoint for sent in plant.world.pushes] == [LAPTOP] * len(plant.world.pushes)
    assert plant.world.pushes


def test_what_is_pushed_stands_in_no_key_and_no_record(plant: Plant) -> None:
    both(plant)
    plant.until(at(hours=1))
    said: list[Any] = [
        *plant.world.messages,
        *plant.world.messages.values(),
        *plant.world.suppressions,
        *plant.world.owners,
    ]
    assert "fcm.googleapis.com" not in repr(said)


def used_by(when: datetime, who: Who, by: str = "order") -> Event:
    """Return that somebody placed an order, or did something else, in the browser `b1`."""
    fact = Recognised(by=by, at=when)  # type: ignore[arg-type]
    return event("browser.recognised", fact, when, who=who, id=f"{by}@{when}/{who.cart_token}", signed=False)


ADA = Who(email="ada@example.com", cart_token="c1")
BEN = Who(email="ben@example.com", cart_token="c2")


def subscribed(when: datetime, browser: str = "b1") -> Event:
    return replace(told("push.subscribed", when, PHONE), who=Who(browser_id=browser), id=f"push@{when}", signed=False)


def reached(plant: Plant) -> list[str]:
    """Return whose message each push was, by their address."""
    owners = {message.id: message.profile_id for message in plant.world.messages.values()}
    found = (plant.world.profile(owners[sent.push.message_id]) for sent in plant.world.pushes)
    return [each.email or "" for each in found if isinstance(each, Profile)]


def test_a_subscription_moves_with_its_browser_to_whoever_uses_it_now() -> None:
    """Ada allows push and Ben orders in that browser: from its next visit on it is his, and none of hers goes there."""
    plant = Plant(playbook(FLOW, manners=AWAKE, channels=("email", "push")))
    plant.post(cart(at(), token="c1"), consent(at(), who=ADA), checkout(at(), who=ADA))
    plant.post(checkout(at(), who=BEN))
    plant.settle()
    for each in (
        used_by(at(minutes=1), replace(ADA, email=None, browser_id="b1")),
        subscribed(at(minutes=2)),
    ):
        plant.post(each)
        plant.settle()
    plant.until(at(hours=1))
    assert reached(plant) == ["ada@example.com"]
    plant.post(used_by(at(hours=2), replace(BEN, email=None, browser_id="b1")))
    plant.settle()
    plant.post(subscribed(at(hours=3)))
    plant.until(at(hours=4))
    assert reached(plant) == ["ada@example.com", "ben@example.com"]
    plant.until(at(days=3))
    assert reached(plant) == ["ada@example.com", "ben@example.com", "ben@example.com"]
    assert plant.profile("ada@example.com").browsers == {}, "what has moved is forgotten where it was"


def test_a_browser_whose_id_was_cleared_stays_with_whom_it_was_last_known_to_be() -> None:
    plant = Plant(playbook(FLOW, manners=AWAKE, channels=("email", "push")))
    plant.post(consent(at(), who=ADA), checkout(at(), who=ADA))
    plant.settle()
    plant.post(used_by(at(minutes=1), replace(ADA, email=None, browser_id="b1")))
    plant.settle()
    plant.post(subscribed(at(minutes=2)))
    plant.settle()
    plant.post(subscribed(at(minutes=3), "b2"))
    plant.settle()
    assert list(plant.profile("ada@example.com").browsers) == [browser_key(PHONE)]
    assert alias_key(plant.world.secret_address_key, "tea", "browser_id", "b2") not in plant.world.owners

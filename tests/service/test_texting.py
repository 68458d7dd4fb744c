"""Text messages: the same lease, the same promise, and a number that has opted out is heard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Consent
from rekindle.domain.outcome import Decision
from rekindle.flow.program import Manners
from rekindle.memory import Fate
from rekindle.ports import Message
from rekindle.service.people import address_hash
from tests.support.build import ADA, at, checkout, consent, event, flow_of, order, playbook
from tests.support.plant import LEASE_LIFE, Plant

PHONE = "+447700900123"
ADA_WITH_PHONE = Who(email=ADA.email, phone=PHONE, shop_customer_id="7", cart_token="c1", checkout_token="k1")
FLOW = flow_of(
    """
    trigger: {event: checkout.updated, when: event.items}
    entry: {key: event.id}
    goal: {event: order.placed}
    steps:
      - sms: come-back
      - wait: 3d
    """
)
#: What a flow looks like that takes the phone where it may, and mails the others.
EITHER = flow_of(
    """
    trigger: {event: checkout.updated, when: event.items}
    entry: {key: event.id}
    goal: {event: order.placed}
    steps:
      - wait: 1h
      - branch:
          - if: profile.sms_subscribed
            steps:
              - sms: come-back
          - else: true
            steps:
              - email: come-back
      - wait: 3d
    """
)
AWAKE = Manners(quiet={}, apart={})


def allowed(state: str = "subscribed", **when: float) -> Event:
    """Return what Ada says about marketing by text."""
    act = Consent(channel="sms", state=state, at=at(**when), source="test", address=PHONE)  # type: ignore[arg-type]
    return event("consent.changed", act, at(**when), who=ADA_WITH_PHONE, id=f"sms-{state}@{at(**when).isoformat()}")


def plant_of(*flows: Any, channels: tuple[str, ...] = ("email", "sms")) -> Plant:
    return Plant(playbook(*(flows or (FLOW,)), manners=AWAKE, channels=channels))


def with_basket(plant: Plant) -> None:
    plant.post(allowed(), checkout(at(), who=ADA_WITH_PHONE))
    plant.settle()


def only_message(plant: Plant) -> Message:
    (message,) = plant.world.messages.values()
    return message


def decisions(plant: Plant) -> list[Decision]:
    return [decision for line in plant.world.ledger for decision in line.decisions]


@pytest.fixture
def plant() -> Plant:
    return plant_of()


def test_a_text_goes_to_the_phone_under_a_lease_of_its_own(plant: Plant) -> None:
    with_basket(plant)
    assert plant.texts() == [(PHONE, "come-back", at())]
    message = only_message(plant)
    assert (message.state, message.channel, message.vendor_id) == ("sent", "sms", "text-1")
    assert message.address == address_hash(plant.world.secret_address_key, "phone", PHONE)
    assert plant.mails() == []


@pytest.mark.parametrize(
    ("fate", "state", "sent"),
    [("reject", "failed", 0), ("hang", "unknown", 0), ("answer_lost", "unknown", 1)],
)
def test_what_cannot_be_known_is_never_tried_again(plant: Plant, fate: Fate, state: str, sent: int) -> None:
    plant.world.text_fates.append(fate)
    with_basket(plant)
    plant.until(at(days=5))
    plant.sweep()
    assert (only_message(plant).state, len(plant.texts()), len(plant.world.text_attempts)) == (state, sent, 1)


@pytest.mark.parametrize("fate", ["throttled", "quota", "not_connected"])
def test_what_was_refused_goes_when_it_can(plant: Plant, fate: Fate) -> None:
    plant.world.text_fates.append(fate)
    with_basket(plant)
    plant.until(at(hours=1))
    assert (only_message(plant).state, len(plant.texts()), len(plant.world.text_attempts)) == ("sent", 1, 2)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["texter.send", "outbox.record", "outbox.lease"])
def test_wherever_the_worker_dies_a_text_is_attempted_at_most_once(
    plant: Plant, call: str, moment: Literal["before", "after"]
) -> None:
    plant.crash_at(call, moment)
    with_basket(plant)
    plant.until(at(days=5))
    plant.sweep()
    assert len(plant.world.text_attempts) <= 1
    assert only_message(plant).state in {"sent", "unknown"}


def test_whom_the_carrier_has_taken_off_is_off_and_no_later_text_is_tried(plant: Plant) -> None:
    plant.world.text_fates.append("gone")
    with_basket(plant)
    assert only_message(plant).state == "failed"
    plant.settle()
    profile = plant.profile("ada@example.com")
    assert profile.consent[f"sms:{PHONE}"].state == "unsubscribed"
    hashed = address_hash(plant.world.secret_address_key, "phone", PHONE)
    assert plant.world.suppressed("tea", "sms", hashed, "marketing")
    assert not profile.consented("sms")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["intake.accept", "outbox.record"])
def test_an_opt_out_at_the_carrier_is_heard_once_whatever_breaks(
    plant: Plant, call: str, moment: Literal["before", "after"]
) -> None:
    """Only a worker that dies before it could tell leaves it to the next message to this number."""
    plant.world.text_fates.append("gone")
    plant.post(allowed(), checkout(at(), who=ADA_WITH_PHONE))
    while not plant.world.send_queues["marketing"].messages:
        plant.work_once()
    plant.crash_at(call, moment)
    plant.settle()
    plant.until(at(hours=1))
    heard = [each for each in plant.world.deliveries.values() if each.source == "sms"]
    assert len(heard) == (0 if (call, moment) == ("intake.accept", "before") else 1)
    assert len(plant.world.text_attempts) == 1


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_text_that_went_nowhere_has_failed_also_where_the_opt_out_cannot_be_stored_at_once(
    plant: Plant, *, carried_out: bool
) -> None:
    plant.world.text_fates.append("gone")
    plant.post(allowed(), checkout(at(), who=ADA_WITH_PHONE))
    while not plant.world.send_queues["marketing"].messages:
        plant.work_once()
    plant.lose_answer_of("intake.accept", carried_out=carried_out)
    plant.settle()
    hashed = address_hash(plant.world.secret_address_key, "phone", PHONE)
    assert (only_message(plant).state, only_message(plant).gone) == ("failed", (hashed,))
    plant.until(at(minutes=10))
    assert only_message(plant).state == "failed"
    assert len(plant.world.text_attempts) == 1
    assert plant.profile("ada@example.com").consent[f"sms:{PHONE}"].state == "unsubscribed"
    assert plant.world.suppressed("tea", "sms", hashed, "marketing")


def test_an_opt_out_that_is_heard_late_counts_from_when_the_carrier_said_so(plant: Plant) -> None:
    plant.world.text_fates.append("gone")
    plant.post(allowed(), checkout(at(), who=ADA_WITH_PHONE))
    while not plant.world.send_queues["marketing"].messages:
        plant.work_once()
    plant.lose_answer_of("intake.accept", carried_out=False)
    plant.settle()
    plant.world.clock.advance_to(at(minutes=1))
    plant.post(allowed(minutes=1))
    plant.until(at(minutes=10))
    assert plant.profile("ada@example.com").consented("sms")


def test_an_unsubscribe_on_its_way_stops_a_text_that_is_planned() -> None:
    plant = plant_of()
    plant.world.text_fates.append("throttled")
    with_basket(plant)
    plant.post(allowed("unsubscribed", seconds=5))
    plant.world.stream.clear()  # it is accepted, and nobody has applied it yet
    plant.until(at(minutes=5))
    assert (only_message(plant).state, only_message(plant).why) == ("skipped", "suppressed")
    assert plant.texts() == []


def test_without_consent_by_text_nothing_is_planned_whatever_was_said_of_mails(plant: Plant) -> None:
    plant.post(consent(at(), who=ADA_WITH_PHONE), checkout(at(), who=ADA_WITH_PHONE))
    plant.settle()
    assert plant.world.messages == {}
    assert "no consent to marketing sms" in {decision.rule for decision in decisions(plant)}


def test_in_a_shop_that_is_not_connected_nothing_is_planned() -> None:
    plant = plant_of(channels=("email",))
    with_basket(plant)
    assert plant.world.messages == {}
    assert "sms is not connected" in {decision.rule for decision in decisions(plant)}


def test_a_flow_texts_those_who_allowed_it_and_mails_the_others() -> None:
    """The branch that *cart abandonment* may have: by text where allowed, by mail else, and never both."""
    plant = plant_of(EITHER)
    ben = Who(email="ben@example.com", phone="+447700900124", cart_token="c2", checkout_token="k2")
    cleo = Who(email="cleo@example.com", cart_token="c3", checkout_token="k3")
    plant.post(allowed(), consent(at(), who=ADA_WITH_PHONE, id="a"), checkout(at(), who=ADA_WITH_PHONE))
    plant.post(consent(at(), who=ben, id="b"), checkout(at(), who=ben))
    plant.post(consent(at(), who=cleo, id="c"), checkout(at(), who=cleo))
    plant.until(at(minutes=30))
    plant.post(order(at(minutes=30), who=cleo))
    plant.until(at(days=4))
    assert [(to, when) for to, _, when in plant.texts()] == [(PHONE, at(hours=1))]
    assert [(to, when) for to, _, when in plant.mails()] == [("ben@example.com", at(hours=1))]


def test_a_worker_that_never_comes_back_leaves_its_text_unknown(plant: Plant) -> None:
    plant.crash_at("texter.send", "after")
    with_basket(plant)
    plant.until(at() + LEASE_LIFE + timedelta(minutes=5))
    assert only_message(plant).state == "unknown"
    assert len(plant.texts()) == 1

"""What `send` does with a planned message beside trying once: the night, the shop's own mails, channels not connected.

That each message is attempted at most once, whatever breaks, is proved in `test_once`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import NothingToSayError
from rekindle.domain.events import Event, Suppression
from rekindle.domain.facts import PreferencesTold
from rekindle.domain.profile import Channel, Planned, Run, encode_profile
from rekindle.flow.program import Hours, Manners
from rekindle.memory import Crash
from rekindle.ports import Mail, Message, Parcel
from rekindle.service.deliver import Done
from rekindle.service.feedback import take
from rekindle.service.notices import Notice, NoticeKind
from rekindle.service.people import address_hash
from tests.support.build import at, checkout, consent, event, flow_of, order, playbook
from tests.support.plant import TARGETS, PlainMails, Plant

NIGHT = Manners(quiet={"email": (Hours(from_="20:00", to="09:00"),)}, apart={})
FLOW = flow_of(
    """
    trigger: {event: checkout.updated, when: event.items}
    entry: {key: event.id}
    goal: {event: order.placed}
    topic: news
    steps:
      - email: come-back
      - wait: 3d
    """
)
EVENING = at(hours=9, minutes=59, seconds=50)
"""ten seconds before eight in the evening, in Amsterdam"""
MORNING = at(hours=23)
HOLDING = ("outbox.read", "queues.enqueue")


def prefer(**chosen: Any) -> Event:
    """Return what somebody chose in the night."""
    when = at(hours=15)
    return event("preferences.changed", PreferencesTold(at=when, **chosen), when)


@pytest.fixture
def plant() -> Plant:
    return Plant(playbook(FLOW, manners=NIGHT), start=EVENING)


def plan_in_the_evening(plant: Plant) -> None:
    """Let the mail be planned before the night, and SES refuse it until the night has begun."""
    plant.world.fates.append("throttled")
    plant.post(consent(EVENING), checkout(EVENING))
    plant.settle()


def only_message(plant: Plant) -> Message:
    (message,) = plant.world.messages.values()
    return message


def subjects(plant: Plant) -> list[tuple[str, datetime]]:
    return [(subject, when) for _, subject, when in plant.mails()]


# --- the night -------------------------------------------------------------------------------------------------------


def test_a_mail_that_the_night_overtakes_goes_in_the_morning(plant: Plant) -> None:
    """It lies on its queue all night, looked at far more often than the queue lets a message be received."""
    plan_in_the_evening(plant)
    plant.until(at(days=2))
    assert subjects(plant) == [("come-back", MORNING)]
    assert len(plant.world.attempts) == 2
    assert plant.world.send_queues["marketing"].dead == []
    assert plant.world.calls["queues.enqueue"] > 50


def test_it_never_goes_a_moment_too_early() -> None:
    """A queue counts in whole seconds: the last rest is rounded up."""
    plant = Plant(playbook(FLOW, manners=NIGHT), start=EVENING + timedelta(milliseconds=400))
    plan_in_the_evening(plant)
    plant.until(at(days=2))
    ((_, when),) = subjects(plant)
    assert MORNING <= when < MORNING + timedelta(seconds=1)


def test_where_the_links_of_a_mail_lead_is_on_record_before_it_is_attempted(plant: Plant) -> None:
    """They come with the lease: a mail whose worker died in its attempt may lie in an inbox."""
    plant.until(MORNING)
    plant.crash_at("mailer.send", "after")
    plant.post(consent(MORNING), checkout(MORNING))
    plant.settle()
    assert only_message(plant).state == "leased"
    assert only_message(plant).targets == TARGETS
    plant.until(at(days=2))
    assert only_message(plant).targets == TARGETS


def test_what_is_no_longer_so_is_not_told(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lease, no attempt, and the record says why."""

    def build(*_: object) -> Mail:
        raise NothingToSayError("what it was to tell is no longer so")

    monkeypatch.setattr(PlainMails, "build", build)
    plant.until(MORNING)
    plant.post(consent(MORNING), checkout(MORNING))
    plant.settle()
    message = only_message(plant)
    assert (message.state, message.why) == ("skipped", "what it was to tell is no longer so")
    assert plant.world.attempts == []


def test_in_the_night_nothing_is_leased_and_nothing_is_made(plant: Plant) -> None:
    plan_in_the_evening(plant)
    leases = plant.world.calls["outbox.lease"]
    plant.until(MORNING - timedelta(seconds=1))
    assert plant.world.calls["outbox.lease"] == leases
    assert only_message(plant).state == "reopened"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (order(at(hours=15)), "the run ended"),
        (consent(at(hours=15), "unsubscribed"), "no consent"),
        (prefer(topics={"news": False}), "they switched off the topic news"),
        (prefer(paused_until=at(days=30)), "they asked for a pause"),
    ],
    ids=["an order", "an unsubscribe", "a topic switched off", "a pause"],
)
def test_what_happens_in_the_night_counts_in_the_night(plant: Plant, told: Event, why: str) -> None:
    plan_in_the_evening(plant)
    plant.until(at(hours=15))
    plant.post(told)
    plant.until(at(hours=16))
    message = only_message(plant)
    assert message.state == "skipped"
    assert (message.why or "").startswith(why)
    plant.until(at(days=2))
    assert plant.mails() == []


def test_what_is_not_worth_sending_by_the_morning_is_skipped_when_that_is_so() -> None:
    short = flow_of(
        """
        trigger: {event: checkout.updated, when: event.items}
        steps:
          - email: come-back
            valid_for: 2h
        """
    )
    plant = Plant(playbook(short, manners=NIGHT), start=EVENING)
    plan_in_the_evening(plant)
    too_late = EVENING + timedelta(hours=2)
    plant.until(too_late - timedelta(seconds=1))
    assert only_message(plant).state == "reopened"
    plant.until(too_late)
    assert (only_message(plant).state, only_message(plant).why) == ("skipped", "too late")


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", HOLDING)
def test_killed_while_it_holds_back_send_loses_nothing_and_sends_once(
    plant: Plant, call: str, moment: Literal["before", "after"], times: int
) -> None:
    plan_in_the_evening(plant)
    plant.crash_at(call, moment, times=times)
    plant.until(at(days=2))
    assert subjects(plant) == [("come-back", MORNING)]
    assert only_message(plant).state == "sent"
    assert plant.world.send_queues["marketing"].messages == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["outbox.read", "outbox.lease", "mailer.send", "outbox.record", "queues.enqueue"])
def test_killed_in_the_morning_it_attempts_at_most_once(
    plant: Plant, call: str, moment: Literal["before", "after"]
) -> None:
    plan_in_the_evening(plant)
    plant.until(MORNING - timedelta(minutes=5))
    refused = len(plant.world.attempts)
    plant.crash_at(call, moment)
    plant.until(at(days=2))
    assert len(plant.world.attempts) - refused <= 1
    assert only_message(plant).state in ("sent", "unknown")
    assert plant.world.send_queues["marketing"].messages == []


def test_a_queue_that_takes_nothing_for_a_while_loses_nothing(plant: Plant) -> None:
    """A refusal is no crash: the parcel that was received stays, and comes back."""
    plan_in_the_evening(plant)
    left = [1, 2, 3]

    def refuse(call: str, moment: str) -> None:
        if (call, moment) == ("queues.enqueue", "before") and left:
            left.pop()
            raise ConnectionError("the queue is not there")

    plant.world.hook = refuse
    plant.until(at(days=2))
    assert not left
    assert subjects(plant) == [("come-back", MORNING)]


def test_what_must_wait_is_queued_after_everything_else_was_tried(plant: Plant) -> None:
    """A worker that dies in an attempt must not leave a second parcel of each waiting message behind, every time."""
    plan_in_the_evening(plant)
    plant.until(at(hours=12))
    profile = plant.profile("ada@example.com")
    ((held, planned),) = profile.planned.items()
    plan(plant, urgent=replace(planned, category="transactional", quiet_from=None, quiet_until=None))
    plant.crash_at("mailer.send", "after")
    queue = plant.world.send_queues["marketing"]
    before = len(queue.messages)
    parcels = [Parcel(message_id=message, profile_id=profile.id, version=1) for message in (held, "urgent")]
    with pytest.raises(Crash):
        plant.deliver.batch([(parcel, 0) for parcel in parcels])
    assert len(queue.messages) == before


def test_two_parcels_of_one_message_become_one_again(plant: Plant) -> None:
    plan_in_the_evening(plant)
    plant.until(at(hours=12))
    profile = plant.profile("ada@example.com")
    queue = plant.world.send_queues["marketing"]
    before = len(queue.messages)
    parcel = Parcel(message_id=next(iter(profile.planned)), profile_id=profile.id, version=1)
    assert plant.deliver.batch([(parcel, 0), (parcel, 3)]) == [Done("held"), Done("held")]
    assert len(queue.messages) == before + 1


# --- other channels, and the shop ------------------------------------------------------------------------------------


def plan(plant: Plant, **planned: Planned) -> None:
    """Write these planned messages into Ada's profile, as a commit would have."""
    profile = plant.profile("ada@example.com")
    runs = {run.id: run for run in profile.runs}
    for each in planned.values():
        runs.setdefault(each.run, a_run(each.run, plant))
    changed = replace(profile, planned={**profile.planned, **planned}, runs=tuple(runs.values()))
    plant.world.profiles[profile.id] = encode_profile(changed)


def a_run(name: str, plant: Plant, **more: Any) -> Run:
    now = plant.world.clock.now()
    run = Run(
        id=name, flow="test", version=FLOW.version, playbook="h1", entered_at=now, expires_at=now, status="finished"
    )
    return replace(run, **more)


def planned_now(plant: Plant, **more: Any) -> Planned:
    now = plant.world.clock.now()
    given: dict[str, Any] = {"channel": "email", "category": "transactional"} | more
    return Planned(
        run="r", step="s", flow="test", template="t", planned_at=now, not_after=now + timedelta(days=1), **given
    )


def deliver(plant: Plant, message: str) -> Message:
    """Let `send` have this message; return what is on record of it."""
    profile = plant.profile("ada@example.com")
    parcel = Parcel(message_id=message, profile_id=profile.id, version=profile.version, category="transactional")
    (verdict,) = plant.deliver.batch([(parcel, 0)])
    assert isinstance(verdict, Done), verdict
    return plant.world.messages[message]


@pytest.fixture
def known() -> Plant:
    """Return a plant in which Ada is known, and nothing is planned."""
    plant = Plant(playbook())
    plant.post(checkout(at()), consent(at()))
    plant.settle()
    return plant


@pytest.mark.parametrize("category", ["marketing", "transactional"])
@pytest.mark.parametrize("channel", ["sms", "push", "audience"])
def test_a_channel_that_is_not_connected_is_said_to_be_so(known: Plant, channel: Channel, category: str) -> None:
    known.connected = frozenset()
    known.restart()
    plan(known, m=planned_now(known, channel=channel, category=category))
    message = deliver(known, "m")
    assert (message.state, message.why, message.channel) == ("skipped", f"{channel} is not connected", channel)
    assert known.world.attempts == []


def to_the_shop(plant: Plant, **more: Any) -> None:
    plan(plant, m=planned_now(plant, to="shop", **more))


def test_the_shop_is_told_whatever_the_customer_wants(known: Plant) -> None:
    """Neither consent nor an address of theirs, neither a bounce nor the end of the run stands in the way."""
    known.post(consent(at(minutes=1), "unsubscribed"))
    known.settle()
    customer = address_hash(known.world.secret_address_key, "email", "ada@example.com")
    for covers in ("everything", "marketing"):
        known.world.suppress(
            Suppression(shop="tea", channel="email", address=customer, covers=covers, reason="bounced", since=at())
        )
    to_the_shop(known)
    profile = known.profile("ada@example.com")
    ended = a_run("r", known, status="exited", ended_by="review")
    known.world.profiles[profile.id] = encode_profile(replace(profile, email=None, runs=(ended,)))
    message = deliver(known, "m")
    assert (message.state, message.to) == ("sent", "shop")
    assert message.address == address_hash(known.world.secret_address_key, "email", "shop@tea.example")
    assert [sent.mail.to for sent in known.world.inbox] == ["shop@tea.example"]


def test_a_mail_to_the_shop_can_be_too_late(known: Plant) -> None:
    to_the_shop(known)
    known.world.clock.advance(days=1)
    message = deliver(known, "m")
    assert (message.state, message.why, message.address) == ("skipped", "too late", "")


def test_an_address_of_the_shop_that_does_not_exist_is_not_written_to(known: Plant) -> None:
    shop = address_hash(known.world.secret_address_key, "email", "shop@tea.example")
    known.world.suppress(
        Suppression(shop="tea", channel="email", address=shop, covers="everything", reason="bounced", since=at())
    )
    to_the_shop(known)
    assert (deliver(known, "m").state, known.world.attempts) == ("skipped", [])


@pytest.mark.parametrize("kind", ["opened", "clicked", "bounced", "complained"])
def test_what_the_shops_people_do_with_their_mail_says_nothing_about_the_customer(
    known: Plant, kind: NoticeKind
) -> None:
    to_the_shop(known)
    sent = deliver(known, "m")
    known.settle()
    before, suppressed = known.profile("ada@example.com"), dict(known.world.suppressions)
    notice = Notice(kind=kind, message_id="m", vendor_id=sent.vendor_id or "", at=at(hours=1), permanent=True)
    world = known.world
    take(
        notice, outbox=world.outbox, intake=world.intake, clock=world.clock, address_key=world.secret_address_key
    )  # fmt: skip
    known.settle()
    assert known.profile("ada@example.com") == before
    assert world.suppressions == suppressed
    assert world.messages["m"].state in ("delivered", "bounced", "complained")


@pytest.mark.parametrize(
    ("more", "state"),
    [({}, "skipped"), ({"action": "add"}, "skipped"), ({"to": "shop"}, "sent")],
    ids=["a mail", "adding to a list", "telling the shop"],
)
def test_a_run_that_ended_takes_back_what_it_meant_for_the_person(
    known: Plant, more: dict[str, Any], state: str
) -> None:
    plan(known, m=planned_now(known, **more))
    profile = known.profile("ada@example.com")
    ended = a_run("r", known, status="converted", ended_by="order.placed")
    known.world.profiles[profile.id] = encode_profile(replace(profile, runs=(ended,)))
    assert deliver(known, "m").state == state


def test_leaving_an_audience_is_not_taken_back_with_the_run(known: Plant) -> None:
    known.connected = frozenset()
    known.restart()
    plan(known, m=planned_now(known, channel="audience", action="remove"))
    profile = known.profile("ada@example.com")
    ended = a_run("r", known, status="converted", ended_by="order.placed")
    known.world.profiles[profile.id] = encode_profile(replace(profile, runs=(ended,)))
    assert deliver(known, "m").why == "audience is not connected"

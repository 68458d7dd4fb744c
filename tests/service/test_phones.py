"""What comes back from phones: notices move a text's record on, STOP is heard at once, all else is told to flows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Event
from rekindle.domain.facts import TextReceived
from rekindle.domain.profile import Profile
from rekindle.domain.replies import wish_of
from rekindle.memory import World
from rekindle.ports import Message, MessageState
from rekindle.service.feedback import take_any
from rekindle.service.notices import Notice
from rekindle.service.people import address_hash
from rekindle.service.phones import Incoming, heard
from tests.service.test_texting import ADA_WITH_PHONE, AWAKE, FLOW, PHONE, allowed
from tests.support.build import ROOT, at, checkout, flow_of, playbook
from tests.support.plant import Plant

OURS = "+447700900999"
MESSAGE = "5f1c2e7a9b3d4c6e8f0a1b2c3d4e5f60"


def sample(name: str) -> dict[str, Any]:
    """Return what lies under events/sms."""
    found: dict[str, Any] = json.loads((ROOT / f"events/sms/{name}.json").read_text("utf-8"))
    return found


def only(event: dict[str, Any]) -> Notice | Incoming:
    (found,) = heard(event)
    return found


def told(said: dict[str, Any], when: str = "2026-03-02T10:00:00.000Z") -> dict[str, Any]:
    return {"Records": [{"Sns": {"Message": json.dumps(said), "Timestamp": when}}]}


def event_of(kind: str, **more: Any) -> dict[str, Any]:
    said = json.loads(sample("delivered")["Records"][0]["Sns"]["Message"])
    return told(said | {"eventType": kind} | more)


# --- reading


def test_a_notice_finds_its_message_by_what_it_was_sent_with() -> None:
    found = only(sample("delivered"))
    assert found == Notice(
        kind="delivered",
        message_id=MESSAGE,
        vendor_id="9d2f6a70-3c0e-4a27-9f0b-5b1f2c3d4e5f",
        at=datetime(2026, 3, 2, 10, 0, 4, 120_000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("kind", "final", "meant"),
    [
        ("TEXT_QUEUED", False, "sent"),
        ("TEXT_PENDING", False, "sent"),
        ("TEXT_SUCCESSFUL", False, "sent"),
        ("TEXT_SUCCESSFUL", True, "delivered"),
        ("TEXT_DELIVERED", True, "delivered"),
        ("TEXT_INVALID", True, "bounced"),
        ("TEXT_CARRIER_BLOCKED", True, "failed"),
        ("TEXT_BLOCKED", True, "failed"),
        ("TEXT_CARRIER_UNREACHABLE", True, "failed"),
        ("TEXT_TTL_EXPIRED", True, "failed"),
        ("TEXT_SPAM", True, "failed"),
        ("TEXT_UNKNOWN", True, "other"),
        ("TEXT_OF_TOMORROW", True, "other"),
    ],
)
def test_what_aws_tells_of_a_text_means(kind: str, final: bool, meant: str) -> None:
    found = only(event_of(kind, isFinal=final))
    assert isinstance(found, Notice)
    assert (found.kind, found.permanent) == (meant, kind == "TEXT_INVALID")
    assert PHONE not in repr(found)


def test_a_notice_that_names_no_message_of_ours_names_none() -> None:
    for context in (None, {}, {"rekindle_message": 7}, {"rekindle_message": "../x"}):
        found = only(event_of("TEXT_DELIVERED", context=context))
        assert isinstance(found, Notice)
        assert found.message_id is None


def test_mails_are_told_of_by_the_same_topic() -> None:
    mail = {"eventType": "Delivery", "mail": {"messageId": "v", "timestamp": "2026-03-02T10:00:00Z"}, "delivery": {}}
    for event in (told(mail), {"detail": mail}):
        found = only(event)
        assert isinstance(found, Notice)
        assert found.kind == "delivered"


@pytest.mark.parametrize(
    "greeting",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        json.dumps(
            {
                "notificationType": "AmazonSnsSubscriptionSucceeded",
                "message": "You have successfully subscribed your Amazon SNS topic 'arn:aws:sns:eu-west-1:1:t' "
                "to receive 'Bounce' notifications from Amazon SES for identity 'tea.example'.",
            }
        ),
    ],
)
def test_what_ses_says_when_it_is_shown_the_topic_is_no_dead_letter(greeting: str) -> None:
    event = {"Records": [{"Sns": {"Message": greeting, "Timestamp": "2026-03-02T10:00:00.000Z"}}]}
    assert list(heard(event)) == []


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [{}]},
        {"Records": [{"Sns": {"Message": "{"}}]},
        {"Records": [{"Sns": {"Message": "7"}}]},
        told({"inboundMessageId": "1", "originationNumber": PHONE, "destinationNumber": OURS}),
        told({"inboundMessageId": "", "originationNumber": PHONE, "destinationNumber": OURS, "messageBody": "x"}),
        told({"inboundMessageId": "1", "originationNumber": "me", "destinationNumber": OURS, "messageBody": "x"}),
        told(json.loads(sample("stop")["Records"][0]["Sns"]["Message"]), when="yesterday"),
        told(json.loads(sample("stop")["Records"][0]["Sns"]["Message"]), when="2026-03-02T10:00:00"),
        told(json.loads(sample("stop")["Records"][0]["Sns"]["Message"]), when="0001-01-01T00:00:00+09:00"),
        told(json.loads(sample("stop")["Records"][0]["Sns"]["Message"]), when="9999-12-31T23:59:59-05:00"),
        event_of("TEXT_DELIVERED", eventTimestamp="now"),
        event_of("TEXT_DELIVERED", eventTimestamp=10**18),
        event_of("TEXT_DELIVERED", messageId=None),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedBodyError):
        list(heard(event))


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP", "stop"), ("stop", "stop"), (" Stop. ", "stop"), ("Stop, please!", "stop"),
        ("Please STOP texting me", "stop"),
        ("opt-out", "stop"), ("Opt out", "stop"), ("UNSUBSCRIBE thanks", "stop"), ("ARRÊT", "stop"), ("Td", "stop"),
        ("إيقاف", "stop"), ("退訂", "stop"), ("停止！", "stop"), ("END", "stop"), ("CANCEL", "stop"), ("Quit", "stop"),
        ("START", "start"), ("unstop", "start"), ("開始", "start"),
        ("stop by tomorrow", "other"), ("When does the sale end?", "other"), ("HELP", "other"), ("", "other"),
        ("☕", "other"),
        ("don't stop", "other"), ("yes", "other"),
    ],
)  # fmt: skip
def test_what_a_text_as_a_whole_asks_for(text: str, wish: str) -> None:
    assert wish_of(text) == wish


# --- notices, taken


def with_text(state: MessageState = "sent") -> World:
    world = World(at())
    world.messages[MESSAGE] = Message(
        id=MESSAGE,
        profile_id="p",
        shop="tea",
        state=state,
        channel="sms",
        address="a" * 32,
        leased_at=at(),
        token="t",
    )
    return world


def take(world: World, event: dict[str, Any], **shop: Any) -> str:
    book = playbook(**({"channels": ("email", "sms"), "sms_numbers": (OURS,)} | shop))
    return take_any(
        only(event),
        outbox=world.outbox,
        intake=world.intake,
        clock=world.clock,
        address_key=world.secret_address_key,
        guard=None,
        shops=book.shops.values,
    )


def test_a_notice_settles_what_nobody_knew() -> None:
    world = with_text("unknown")
    assert take(world, event_of("TEXT_QUEUED")) == "sent"
    assert world.messages[MESSAGE].state == "sent"
    assert take(world, sample("delivered")) == "delivered"
    assert (world.messages[MESSAGE].state, world.deliveries) == ("delivered", {})


def test_a_text_that_did_not_come_through_failed_and_says_why_in_awss_word() -> None:
    world = with_text()
    take(world, sample("blocked"))
    message = world.messages[MESSAGE]
    assert (message.state, message.why, world.deliveries) == ("failed", "TEXT_CARRIER_BLOCKED", {})


def test_a_number_that_does_not_exist_is_never_tried_again() -> None:
    world = with_text()
    take(world, sample("invalid"))
    take(world, sample("invalid"))
    (delivery,) = world.deliveries.values()
    (event,) = delivery.events
    assert (event.type, event.profile_id, event.data.channel) == ("sms.bounced", "p", "sms")  # type: ignore[union-attr]
    assert world.suppressed("tea", "sms", "a" * 32, "everything")
    assert world.messages[MESSAGE].state == "bounced"


# --- texting back


def receive(plant: Plant, text: str, when: datetime, *, sender: str = PHONE, number: int = 1, to: str = OURS) -> str:
    said = {
        "inboundMessageId": f"in-{number}", "originationNumber": sender, "destinationNumber": to, "messageBody": text,
    }  # fmt: skip
    return take(plant.world, told(said, when.isoformat()))


@pytest.fixture
def plant() -> Plant:
    answered = flow_of(
        """
        trigger: {event: sms.received}
        steps:
          - sms: we-will-answer
            category: transactional
        """,
        "answered",
    )
    plant = Plant(playbook(FLOW, answered, manners=AWAKE, channels=("email", "sms")))
    plant.post(allowed())
    plant.settle()
    return plant


def ada(plant: Plant) -> Profile:
    owner = next(profile for profile in plant.world.profiles if isinstance(plant.world.profile(profile), Profile))
    found = plant.world.profile(owner)
    assert isinstance(found, Profile)
    return found


def test_stop_forbids_every_text_from_the_moment_it_is_accepted(plant: Plant) -> None:
    plant.world.text_fates.append("throttled")
    plant.post(checkout(at(minutes=1), who=ADA_WITH_PHONE))
    plant.settle()
    assert receive(plant, "Stop, please!", at(minutes=2)) == "stop"
    plant.world.stream.clear()  # accepted, and not yet applied
    plant.until(at(hours=1))
    (message,) = plant.world.messages.values()
    assert (message.state, message.why, plant.texts()) == ("skipped", "suppressed", [])


def test_stop_is_the_persons_word_and_start_takes_it_back(plant: Plant) -> None:
    receive(plant, "STOP", at(minutes=1))
    receive(plant, "STOP", at(minutes=1))
    plant.settle()
    assert len([each for each in plant.world.deliveries.values() if each.source == "sms"]) == 1
    assert not ada(plant).consented("sms")
    receive(plant, "Start", at(minutes=3), number=2)
    plant.settle()
    assert ada(plant).consented("sms")
    hashed = address_hash(plant.world.secret_address_key, "phone", PHONE)
    assert not plant.world.suppressed("tea", "sms", hashed, "marketing")


def test_a_late_stop_takes_nothing_back_that_was_said_after_it(plant: Plant) -> None:
    receive(plant, "START", at(minutes=5), number=2)
    receive(plant, "STOP", at(minutes=1))
    plant.settle()
    hashed = address_hash(plant.world.secret_address_key, "phone", PHONE)
    assert ada(plant).consented("sms")
    assert not plant.world.suppressed("tea", "sms", hashed, "marketing")


def test_start_allows_nothing_that_was_never_spoken_of(plant: Plant) -> None:
    receive(plant, "START", at(minutes=1), sender="+447700900555")
    plant.settle()
    found = [plant.world.profile(each) for each in plant.world.profiles]
    (stranger,) = [each for each in found if isinstance(each, Profile) and each.phone == "+447700900555"]
    assert not stranger.consented("sms")


def test_stop_from_somebody_whom_nobody_knows_counts_all_the_same(plant: Plant) -> None:
    receive(plant, "STOP", at(minutes=1), sender="+447700900555")
    hashed = address_hash(plant.world.secret_address_key, "phone", "+447700900555")
    assert plant.world.suppressed("tea", "sms", hashed, "marketing")


def test_any_other_text_is_told_to_flows(plant: Plant) -> None:
    assert receive(plant, "Is the oolong back? ☕", at(minutes=1)) == "other"
    plant.settle()
    (delivery,) = [each for each in plant.world.deliveries.values() if each.source == "sms"]
    (event,) = delivery.events
    assert isinstance(event, Event)
    assert event.data == TextReceived(text="Is the oolong back? ☕", at=at(minutes=1))
    assert [body for _, body, _ in plant.texts()] == ["we-will-answer"]


def test_a_number_that_no_shop_claims_is_heard_for_stop_alone() -> None:
    world = World(at())
    stop, question = sample("stop"), sample("question")
    assert take(world, question, sms_numbers=()) == "unclaimed"
    assert world.deliveries == {}
    assert take(world, stop, sms_numbers=()) == "stop"
    assert len(world.suppressions) == 1
    assert take(World(at()), stop, channels=("email",)) == "unclaimed"


def test_what_texts_say_is_cut_where_no_phone_could_go_on() -> None:
    said = {"inboundMessageId": "1", "originationNumber": PHONE, "destinationNumber": OURS, "messageBody": "x" * 10_000}
    found = only(told(said))
    assert isinstance(found, Incoming)
    assert len(found.text) == 1_600
    assert replace(found, text="").wish == "other"

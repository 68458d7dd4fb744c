"""What SES says, and what people do with a mail: records move forward, acts become events, addresses are kept safe."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.content.links import Track, sign_track
from rekindle.domain.errors import MalformedBodyError
from rekindle.ports import Message
from rekindle.service.feedback import take
from rekindle.service.notices import read_notice
from rekindle.service.people import address_hash
from tests.support.build import CART, ROOT, T0, at, checkout, consent, playbook
from tests.support.plant import Plant


def ses(name: str, **part: Any) -> dict[str, Any]:
    """Return one of our sample events, its own part changed as given."""
    read: dict[str, Any] = json.loads((ROOT / f"events/ses/{name}.json").read_text(encoding="utf-8"))
    kind = read["detail"]["eventType"].lower()
    read["detail"][kind].update(part)
    return read


@pytest.fixture
def plant() -> Plant:
    """A plant in which Ada has just got her first reminder."""
    plant = Plant(playbook(CART))
    plant.post(checkout(T0), consent(T0))
    plant.until(at(hours=1))
    (message,) = plant.world.messages.values()
    plant.world.messages["m1"] = plant.world.messages[message.id]
    return plant


def tell(plant: Plant, body: dict[str, Any], message_id: str | None = None) -> str:
    real = next(iter(plant.world.messages)) if message_id is None else message_id
    body["detail"]["mail"]["tags"]["rekindle_message"] = [real]
    done = take(
        read_notice(body),
        outbox=plant.world.outbox,
        intake=plant.world.intake,
        clock=plant.world.clock,
        address_key=plant.world.secret_address_key,
    )
    plant.settle()
    return done


def record(plant: Plant) -> Message:
    return next(iter(plant.world.messages.values()))


def test_a_delivery_notice_touches_only_the_message(plant: Plant) -> None:
    before = plant.profile("ada@example.com")
    assert tell(plant, ses("delivered")) == "delivered"
    assert record(plant).state == "delivered"
    assert plant.profile("ada@example.com") == before


def test_the_first_open_is_one_event_however_often_it_is_told(plant: Plant) -> None:
    for _ in range(3):
        tell(plant, ses("opened"))
    opened = [d for d in plant.world.deliveries.values() if d.topic == "email.opened"]
    assert len(opened) == 1
    (run,) = plant.profile("ada@example.com").runs
    assert run.opened == ("cart-reminder-1",)


def test_a_machine_that_opens_is_nobody(plant: Plant) -> None:
    before = plant.profile("ada@example.com")
    tell(plant, ses("opened", userAgent="Mozilla/5.0"))
    tell(plant, ses("clicked", isBot=True))
    assert (record(plant).opened_at, record(plant).links) == (None, ())
    assert (record(plant).machine_opened_at, record(plant).machine_clicked_at) == (
        datetime(2026, 3, 2, 10, 4, tzinfo=UTC),
        datetime(2026, 3, 2, 10, 5, tzinfo=UTC),
    )
    assert {d.topic for d in plant.world.deliveries.values()} == {"test"}
    assert plant.profile("ada@example.com") == before


def test_the_proxy_by_which_gmail_shows_a_picture_stands_for_its_reader(plant: Plant) -> None:
    tell(plant, ses("opened", userAgent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)"))
    assert record(plant).opened_at is not None
    assert record(plant).machine_opened_at is None


def test_a_link_of_ours_that_ses_counted_too_is_counted_once(plant: Plant) -> None:
    """Somebody switched SES's own links on around ours: where it leads, and that it was followed, we tell ourselves."""
    ours = f"https://links.example/c/{sign_track({'k1': b'key'}, Track('0f' * 16))}/3"
    assert tell(plant, ses("clicked", link=ours)) == "ignored"
    assert {d.topic for d in plant.world.deliveries.values()} == {"test"}


def test_each_distinct_click_is_an_event_and_ends_the_reminders(plant: Plant) -> None:
    tell(plant, ses("clicked"))
    tell(plant, ses("clicked"))
    tell(plant, ses("clicked", link="https://tea.example/other"))
    assert set(record(plant).links) == {"https://tea.example/recover", "https://tea.example/other"}
    assert len([d for d in plant.world.deliveries.values() if d.topic == "email.clicked"]) == 2
    plant.until(at(days=10))
    assert len(plant.mails()) == 1


@pytest.mark.parametrize(
    ("name", "covers", "state"), [("bounced", "everything", "bounced"), ("complained", "marketing", "complained")]
)
def test_a_hard_bounce_and_a_complaint_suppress(plant: Plant, name: str, covers: str, state: str) -> None:
    tell(plant, ses(name))
    hashed = address_hash(plant.world.secret_address_key, "email", "ada@example.com")
    assert plant.world.suppressed("tea", "email", hashed, covers)
    assert record(plant).state == state
    assert not plant.profile("ada@example.com").consented("email")
    plant.until(at(days=10))
    assert len(plant.mails()) == 1


def test_a_soft_bounce_and_a_complaint_taken_back_do_nothing(plant: Plant) -> None:
    assert tell(plant, ses("bounced", bounceType="Transient")) == "ignored"
    assert tell(plant, ses("complained", complaintFeedbackType="not-spam")) == "ignored"
    hashed = address_hash(plant.world.secret_address_key, "email", "ada@example.com")
    assert not any(plant.world.suppressed("tea", "email", hashed, covers) for covers in ("marketing", "everything"))
    assert record(plant).state == "sent"


def test_state_only_moves_forward(plant: Plant) -> None:
    tell(plant, ses("bounced"))
    tell(plant, ses("delivered"))
    assert record(plant).state == "bounced"


DELAYED = ses("delivered")
DELAYED["detail"] |= {"eventType": "DeliveryDelay", "deliveryDelay": DELAYED["detail"].pop("delivery")}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (ses("delivered"), "delivered"),
        (DELAYED, "sent"),
        (ses("bounced"), "bounced"),
        (ses("bounced", bounceType="Transient"), "sent"),
    ],
)
def test_a_notice_settles_what_was_unknown(said: dict[str, Any], state: str) -> None:
    plant = Plant(playbook(CART))
    plant.post(checkout(T0), consent(T0))
    plant.world.fates.append("answer_lost")
    plant.until(at(hours=1))
    assert record(plant).state == "unknown"
    tell(plant, said)
    assert record(plant).state == state


def test_a_notice_about_a_mail_that_is_not_ours_does_nothing(plant: Plant) -> None:
    assert tell(plant, ses("bounced"), "somebody-elses") == "unknown_message"


def test_two_notices_at_once_both_count(plant: Plant) -> None:
    """One of them finds that the other has moved the message on since it was read, and reads it again."""
    message = record(plant)

    def deliver_first(name: str, moment: str) -> None:
        if (name, moment) == ("outbox.progress", "before"):
            plant.world.hook = None
            plant.world.messages[message.id] = replace(message, state="delivered", at=at(hours=1, seconds=2))

    plant.world.hook = deliver_first
    tell(plant, ses("clicked"))
    found = plant.world.messages[message.id]
    assert (found.state, found.at) == ("delivered", at(hours=1, seconds=2))
    assert found.links == ("https://tea.example/recover",)


def test_the_same_notice_by_sns_reads_the_same() -> None:
    event = ses("bounced")
    assert read_notice(json.dumps(event["detail"])) == read_notice(event)


def test_feedback_without_tags_is_found_by_its_header() -> None:
    event = ses("bounced")
    del event["detail"]["mail"]["tags"]
    event["detail"]["notificationType"] = event["detail"].pop("eventType")
    notice = read_notice(event["detail"])
    assert (notice.message_id, notice.kind, notice.permanent) == ("m1", "bounced", True)


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", {"detail": 1}, {"detail": {"mail": {}}}, 7])
def test_what_is_no_notice_is_refused(body: object) -> None:
    with pytest.raises(MalformedBodyError):
        read_notice(body)


def test_no_address_and_no_diagnostic_text_comes_through() -> None:
    for name in ("delivered", "opened", "clicked", "bounced", "complained"):
        assert "ada@example.com" not in repr(read_notice(ses(name)))

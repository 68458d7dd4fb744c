"""Nothing lost, nothing twice: the plug is pulled at the worst moments, and the story still ends right (DESIGN §6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Who
from rekindle.domain.facts import Product
from rekindle.domain.ids import digest
from rekindle.domain.profile import Profile, Signpost, encode_profile
from rekindle.flow.program import Playbook
from rekindle.memory import Fate
from rekindle.service.sweep import MAX_TRIES, OVERDUE, Swept, sweep
from tests.support.build import ADA, CART, CONFIRMATION, T0, at, cart, checkout, consent, event, order, playbook
from tests.support.plant import LEASE_LIFE, Plant

REMINDERS = [
    ("ada@example.com", "cart-reminder-1", at(hours=1)),
    ("ada@example.com", "cart-reminder-2", at(hours=24)),
    ("ada@example.com", "cart-reminder-3", at(days=3)),
]


@pytest.fixture
def plant() -> Plant:
    return Plant(playbook(CART, CONFIRMATION))


def abandon(plant: Plant) -> None:
    plant.post(checkout(T0), consent(T0))
    plant.settle()


def templates(plant: Plant) -> list[str]:
    return [template for _, template, _ in plant.mails()]


def test_the_road_from_checkout_to_three_mails(plant: Plant) -> None:
    abandon(plant)
    plant.until(at(days=10))
    assert plant.mails() == REMINDERS
    assert plant.world.pending == {}
    assert plant.world.wake_queue.messages == []
    assert {message.state for message in plant.world.messages.values()} == {"sent"}
    assert plant.profile("ada@example.com").deadline is None


def test_the_same_delivery_again_days_later_changes_nothing(plant: Plant) -> None:
    abandon(plant)
    plant.until(at(days=10))
    before = plant.profile("ada@example.com")
    assert plant.post(checkout(T0), consent(T0)) is False
    plant.until(at(days=20))
    assert plant.profile("ada@example.com") == before
    assert plant.mails() == REMINDERS


def test_a_stream_record_that_comes_twice_is_applied_once(plant: Plant) -> None:
    plant.post(checkout(T0), consent(T0))
    plant.world.stream.append(plant.world.stream[0])
    plant.settle()
    assert plant.profile("ada@example.com").version == 1


CRASHES = [
    (call, moment)
    for call in ("alarms.ring", "queues.enqueue", "state.commit", "state.work", "state.profile")
    for moment in ("before", "after")
]


@pytest.mark.parametrize(("call", "moment"), CRASHES)
def test_journey_killed_anywhere_loses_nothing_and_repeats_nothing(
    plant: Plant, call: str, moment: Literal["before", "after"]
) -> None:
    """Also between hand-over and commit: what was handed over is repeated under the same names, or ignored."""
    plant.crash_at(call, moment)
    abandon(plant)
    plant.until(at(minutes=15))
    plant.sweep()
    plant.crash_at(call, moment)
    plant.until(at(days=10))
    plant.sweep()
    assert templates(plant) == [template for _, template, _ in REMINDERS]
    assert all(when >= due for (_, _, when), (_, _, due) in zip(plant.mails(), REMINDERS, strict=True))
    assert plant.world.pending == {}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["outbox.read", "outbox.lease", "mailer.send", "outbox.record"])
def test_send_killed_anywhere_sends_at_most_once(plant: Plant, call: str, moment: Literal["before", "after"]) -> None:
    abandon(plant)
    plant.crash_at(call, moment)
    plant.until(at(hours=1, minutes=30))
    attempts = len(plant.world.attempts)
    assert attempts <= 1
    (message,) = plant.world.messages.values()
    if (call, moment) in {("outbox.read", "before"), ("outbox.read", "after"), ("outbox.lease", "before")} or (
        call,
        moment,
    ) == ("outbox.record", "after"):
        assert (message.state, attempts) == ("sent", 1)
    else:
        assert message.state == "unknown"


def test_an_unknown_message_is_never_sent_again_and_is_listed(plant: Plant) -> None:
    abandon(plant)
    plant.world.fates.append("hang")
    plant.until(at(hours=3))
    assert plant.mails() == []
    assert len(plant.world.attempts) == 1
    assert plant.sweep().unknown == 1


@pytest.mark.parametrize("fate", ["throttled", "quota", "paused", "not_connected"])
def test_what_ses_refused_goes_out_later(plant: Plant, fate: Fate) -> None:
    abandon(plant)
    plant.world.fates.extend([fate] * 40)
    plant.until(at(hours=23))
    assert templates(plant) == ["cart-reminder-1"]


def test_what_ses_rejects_fails_and_is_not_tried_again(plant: Plant) -> None:
    abandon(plant)
    plant.world.fates.append("reject")
    plant.until(at(hours=3))
    (message,) = plant.world.messages.values()
    assert (message.state, len(plant.world.attempts)) == ("failed", 1)


def test_an_unsubscribe_that_is_accepted_but_not_applied_stops_the_mail_already_queued(plant: Plant) -> None:
    abandon(plant)
    plant.world.clock.advance_to(at(hours=1))
    plant.world.ring_due_schedules()
    (ring,) = plant.world.wake_queue.receive()
    plant.journey.wake(ring.value)
    plant.post(consent(at(hours=1), "unsubscribed"))
    plant.world.stream.clear()
    (parcel,) = plant.world.send_queues["marketing"].receive()
    plant.deliver.batch([(parcel.value, 0)])
    (message,) = plant.world.messages.values()
    assert (message.state, message.why) == ("skipped", "suppressed")
    assert plant.mails() == []


def test_subscribing_anew_lifts_an_old_unsubscribe(plant: Plant) -> None:
    plant.post(consent(T0, "unsubscribed"))
    plant.settle()
    plant.world.clock.advance_to(at(days=1))
    plant.post(consent(at(days=1)), checkout(at(days=1)))
    plant.until(at(days=1, hours=2))
    assert templates(plant) == ["cart-reminder-1"]


def test_an_order_between_planning_and_sending_takes_the_reminder_back(plant: Plant) -> None:
    abandon(plant)
    plant.world.clock.advance_to(at(hours=1))
    plant.world.ring_due_schedules()
    (ring,) = plant.world.wake_queue.receive()
    plant.journey.wake(ring.value)
    plant.post(order(at(hours=1)))
    plant.journey.from_stream(plant.world.stream.popleft())
    plant.until(at(days=5))
    assert templates(plant) == ["order-confirmation"]
    skipped = next(message for message in plant.world.messages.values() if message.state == "skipped")
    assert skipped.why is not None
    assert skipped.why.startswith("the run ended")


def test_a_message_handed_over_for_a_decision_that_lost_its_race_is_dropped(plant: Plant) -> None:
    """Two workers hold one profile; the loser's message is ignored, the order's confirmation goes once."""
    abandon(plant)
    plant.world.clock.advance_to(at(hours=1))
    plant.post(order(at(hours=1)))
    order_placed = plant.world.stream.popleft()
    raced: list[str] = []

    def hook(call: str, moment: str) -> None:
        if call == "queues.enqueue" and moment == "after" and not raced:
            raced.append(call)
            plant.journey.from_stream(order_placed)

    plant.world.hook = hook
    plant.world.ring_due_schedules()
    plant.until(at(days=5))
    assert raced
    assert templates(plant) == ["order-confirmation"]


def test_a_lost_schedule_is_found_by_the_sweep(plant: Plant) -> None:
    abandon(plant)
    plant.world.schedules.clear()
    plant.until(at(hours=1) + OVERDUE + timedelta(minutes=1))
    assert plant.mails() == []
    assert plant.sweep().woken == 1
    assert templates(plant) == ["cart-reminder-1"]


def test_pending_items_left_behind_are_redriven_a_few_times_and_then_listed(plant: Plant) -> None:
    plant.post(checkout(T0), consent(T0))
    plant.world.stream.clear()
    plant.world.files.clear()
    plant.world.files["playbooks/current.json"] = b'{"hash":"gone"}'
    tried = []
    for minutes in range(5, 200, 5):
        plant.world.clock.advance_to(at(minutes=minutes, seconds=1))
        swept = sweep_only(plant)
        tried += [minutes] * swept.redriven
        assert swept.stuck == (len(tried) == MAX_TRIES and swept.redriven == 0)
    assert tried == [10, 20, 40, 80, 160]
    assert len(plant.world.pending) == 1


def test_an_item_whose_tries_were_counted_anew_is_driven_at_once_whatever_its_age(plant: Plant) -> None:
    plant.post(checkout(T0), consent(T0))
    plant.world.stream.clear()
    plant.world.clock.advance_to(at(days=3))
    (pending,) = plant.world.pending.values()
    assert plant.world.state.reset_tries(pending.id)
    assert sweep_only(plant).redriven == 1


def test_profiles_that_cannot_be_advanced_do_not_keep_the_sweep_from_the_others(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one sweep wakes are overdue for over an hour, and it is not their turn: who is overdue now is woken."""
    monkeypatch.setattr("rekindle.service.sweep._LIMIT", 3)
    for number in range(5):
        stuck = Profile(id=digest(str(number)), shop="tea", version=1, deadline=T0)
        plant.world.profiles[stuck.id] = encode_profile(stuck)
    fresh = Profile(id=digest("fresh"), shop="tea", version=1, deadline=at(minutes=67))
    plant.world.profiles[fresh.id] = encode_profile(fresh)
    plant.world.clock.advance_to(at(minutes=70))
    assert sweep_only(plant).woken == 1
    plant.world.clock.advance_to(at(minutes=120))
    assert sweep_only(plant).woken == 3


def sweep_only(plant: Plant) -> Swept:
    """Sweep, and lose what it put on the queue."""
    world = plant.world
    swept = sweep(state=world.state, queue=world.alarms, outbox=world.outbox, clock=world.clock, lease_life=LEASE_LIFE)
    world.wake_queue.messages.clear()
    return swept


def test_a_lease_whose_holder_died_becomes_unknown_by_the_sweep(plant: Plant) -> None:
    abandon(plant)
    plant.crash_at("mailer.send", "after")
    plant.until(at(hours=1))
    plant.world.send_queues["marketing"].messages.clear()
    plant.world.clock.advance_to(at(hours=1) + LEASE_LIFE + timedelta(seconds=1))
    assert plant.sweep().unknown == 1


def test_a_delivery_about_two_people_is_split_and_each_gets_their_part(plant: Plant) -> None:
    bob = Who(email="bob@example.com", cart_token="c2", checkout_token="k2")
    plant.post(checkout(T0), consent(T0), checkout(T0, who=bob), consent(T0, who=bob))
    plant.until(at(hours=2))
    assert sorted(to for to, _, _ in plant.mails()) == ["ada@example.com", "bob@example.com"]
    assert plant.world.pending == {}


def test_a_product_concerns_nobody_and_reaches_the_catalogue(plant: Plant) -> None:
    plant.post(event("product.updated", Product(id="p1", updated_at=T0, title="Sencha"), T0, who=Who()))
    plant.settle()
    assert plant.world.catalogue["tea", "p1"].title == "Sencha"
    assert plant.world.pending == {}


def test_a_signpost_is_followed_by_alarms_and_by_send(plant: Plant) -> None:
    abandon(plant)
    ada = plant.profile("ada@example.com")
    moved = digest("merged")
    plant.world.profiles[moved] = encode_profile(replace(ada, id=moved, version=9))
    plant.world.profiles[ada.id] = Signpost(moved)
    plant.until(at(hours=2))
    assert templates(plant) == ["cart-reminder-1"]


def test_a_cart_token_with_another_address_is_another_person(plant: Plant) -> None:
    """A forwarded mail: the receiver goes on with the sender's basket, under an address of their own."""
    abandon(plant)
    friend = Who(email="friend@example.com", cart_token="c1", checkout_token="k1")
    plant.post(checkout(at(minutes=5), who=friend))
    plant.settle()
    assert plant.profile("friend@example.com").id != plant.profile("ada@example.com").id


def test_an_anonymous_cart_belongs_to_whoever_checks_out_with_it(plant: Plant) -> None:
    plant.post(cart(T0))
    plant.settle()
    (anonymous,) = plant.world.profiles
    plant.post(checkout(at(minutes=5)), consent(at(minutes=5)))
    plant.settle()
    assert plant.profile("ada@example.com").id == anonymous


def test_a_publish_in_the_middle_leaves_running_people_on_their_version(plant: Plant) -> None:
    abandon(plant)
    book = playbook(CONFIRMATION, hash_="h2")
    plant.publish(Playbook(hash="h2", flows=book.flows, shops=book.shops))
    plant.until(at(days=10))
    assert plant.mails() == REMINDERS


def test_every_ledger_line_names_event_rule_and_playbook(plant: Plant) -> None:
    abandon(plant)
    plant.until(at(days=10))
    decisions = [decision for line in plant.world.ledger for decision in line.decisions]
    assert {decision.what for decision in decisions} >= {"entered", "waiting", "planned", "branched", "ended"}
    assert all(decision.rule and decision.event_id and decision.playbook == "h1" for decision in decisions)


def test_ada_is_known_by_all_her_contact_points(plant: Plant) -> None:
    abandon(plant)
    ada = plant.profile("ada@example.com")
    assert set(ada.aliases) == {key for key, owner in plant.world.owners.items() if owner == ada.id}
    assert len(ada.aliases) == len(ADA.points())
    assert isinstance(ada, Profile)

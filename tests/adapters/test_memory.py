"""What a simulator needs of the world in RAM beside the ports: crashes, queues by hand, schedules that fire."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from rekindle.domain import ids
from rekindle.domain.errors import AnswerLostError
from rekindle.domain.facts import Consent
from rekindle.memory import Crash, Moment, World
from rekindle.ports import Commit, Parcel, Wake
from tests.support.things import ANNA, MAIL, a_delivery, a_lease, a_pending, a_profile
from tests.support.worlds import START

D1 = ids.digest("d1")


@pytest.fixture
def world() -> World:
    return World(START, max_receives=3)


def crash_at(world: World, call: str, moment: Moment, error: BaseException) -> None:
    """Let the next such call die there."""

    def hook(at_call: str, at_moment: Moment) -> None:
        if (at_call, at_moment) == (call, moment):
            world.hook = None
            raise error

    world.hook = hook


# --- the hook


def test_a_crash_before_a_call_leaves_the_world_as_it_was(world: World) -> None:
    crash_at(world, "intake.accept", "before", Crash())
    with pytest.raises(Crash):
        world.intake.accept(a_delivery())
    assert world.pending == {}
    assert world.intake.accept(a_delivery()) is True


def test_a_crash_after_a_call_leaves_all_of_it_done(world: World) -> None:
    crash_at(world, "intake.accept", "after", Crash())
    with pytest.raises(Crash):
        world.intake.accept(a_delivery())
    assert set(world.pending) == {D1}
    assert world.intake.accept(a_delivery()) is False


def test_no_handler_of_exceptions_survives_a_crash() -> None:
    assert not issubclass(Crash, Exception)


def test_an_answer_can_be_lost(world: World) -> None:
    world.state.commit(Commit(profile=a_profile()))
    crash_at(world, "outbox.lease", "after", AnswerLostError())
    with pytest.raises(AnswerLostError):
        world.outbox.lease(a_lease())
    assert world.outbox.lease(a_lease()) == "taken"


def test_every_call_is_seen_before_and_after_unless_it_fails(world: World) -> None:
    seen: list[tuple[str, Moment]] = []
    world.hook = lambda call, moment: seen.append((call, moment))
    world.intake.accept(a_delivery())
    with pytest.raises(ValueError, match="900"):
        world.alarms.wake([Wake(pending_id=D1)], delay=901)
    assert seen == [("intake.accept", "before"), ("intake.accept", "after"), ("alarms.wake", "before")]
    assert world.calls == Counter({"intake.accept": 1, "alarms.wake": 1})


# --- the clock


def test_time_moves_only_forward(world: World) -> None:
    world.clock.advance(hours=1)
    assert world.clock.now() == START + timedelta(hours=1)
    with pytest.raises(ValueError, match="past"):
        world.clock.advance_to(START)


# --- the stream


def test_the_stream_shows_inserts_of_pending_items_and_nothing_else(world: World) -> None:
    world.intake.accept(a_delivery())
    world.intake.accept(a_delivery())
    world.state.count_try(D1)
    parts = [a_pending("part1"), a_pending("part2")]
    world.state.split(a_pending(tries=1), parts)
    assert list(world.stream) == [a_pending(), *parts]


# --- queues


def test_a_received_message_is_hidden_and_comes_back(world: World) -> None:
    world.alarms.wake([Wake(pending_id=D1)])
    (first,) = world.wake_queue.receive(visibility=60)
    assert (first.value, first.receives, first.body) == (Wake(pending_id=D1), 1, f'{{"pending_id":"{D1}"}}'.encode())
    assert world.wake_queue.receive() == []
    assert world.next_moment() == START + timedelta(seconds=60)
    world.clock.advance(seconds=60)
    (second,) = world.wake_queue.receive()
    assert second.receives == 2
    assert world.wake_queue.delete(first.receipt) is False
    assert world.wake_queue.delete(second.receipt) is True
    assert world.wake_queue.messages == []
    assert world.next_moment() is None


def test_a_released_message_is_visible_when_told(world: World) -> None:
    world.queues.enqueue([Parcel(message_id=MAIL, profile_id=ANNA, version=1)])
    queue = world.send_queues["marketing"]
    (held,) = queue.receive(visibility=360)
    assert queue.release(held.receipt, 5) is True
    assert world.next_moment() == START + timedelta(seconds=5)
    world.clock.advance(seconds=5)
    assert [message.receives for message in queue.receive()] == [2]


def test_what_is_received_too_often_is_dead_until_it_is_redriven(world: World) -> None:
    world.alarms.wake([Wake(pending_id=D1)])
    for _ in range(3):
        assert len(world.wake_queue.receive(visibility=0)) == 1
    assert world.wake_queue.receive(visibility=0) == []
    assert len(world.wake_queue.dead) == 1
    assert world.wake_queue.redrive() == 1
    assert [message.receives for message in world.wake_queue.receive()] == [1]


def test_the_oldest_visible_come_first_and_no_more_than_wanted(world: World) -> None:
    for number in range(5):
        world.alarms.wake([Wake(pending_id=str(number))], delay=10 - number)
    world.clock.advance(seconds=8)
    assert [message.value.pending_id for message in world.wake_queue.receive(limit=2)] == ["4", "3"]
    assert [message.value.pending_id for message in world.wake_queue.receive()] == ["2"]
    assert len(world.wake_queue.values()) == 5


# --- schedules


def test_a_schedule_fires_when_its_minute_comes_and_is_gone(world: World) -> None:
    at = START + timedelta(hours=1)
    world.alarms.ring(ANNA, at, START)
    assert world.ring_due_schedules() == []
    assert world.next_moment() == at
    world.clock.advance_to(at)
    assert [schedule.at for schedule in world.ring_due_schedules()] == [at]
    assert world.wake_queue.values() == [Wake(profile_id=ANNA, due=at)]
    assert world.schedules == {}
    assert world.ring_due_schedules() == []


def test_a_fired_schedule_may_linger_and_fires_once(world: World) -> None:
    at = START + timedelta(minutes=2)
    world.alarms.ring(ANNA, at, START)
    world.clock.advance_to(at)
    assert len(world.ring_due_schedules(linger=True)) == 1
    assert world.ring_due_schedules(linger=True) == []
    assert len(world.schedules) == 1
    world.sweep_schedules()
    assert world.schedules == {}


def test_a_visible_message_is_for_now(world: World) -> None:
    world.alarms.wake([Wake(pending_id=D1)])
    world.clock.advance(hours=1)
    assert world.next_moment() == START + timedelta(hours=1)


# --- values


def test_what_is_stored_is_the_stored_form_not_the_callers_object(world: World) -> None:
    profile = a_profile()
    world.state.commit(Commit(profile=profile))
    profile.consent["email:anna@example.com"] = Consent(channel="email", state="subscribed", at=START)
    assert world.profile(ANNA) == a_profile()

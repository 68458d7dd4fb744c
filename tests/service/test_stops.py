"""Campaigns are paused, go on, are cancelled: for whom they have not reached, and for what is planned and not sent."""

from __future__ import annotations

from datetime import timedelta

from rekindle.service.campaigns import standing
from rekindle.service.fanout import PAUSED_SECONDS, SENDERS, UNSENT, Fanout
from rekindle.service.stops import STOPS_LIFE, Stopping, put_stop
from tests.service.test_campaigns import DAILY, EVERYBODY, HOUR, book, live, mailed, told, work_on_shards
from tests.support.build import at
from tests.support.plant import Plant

NOON = "2026-03-02T11:00Z"


def put(plant: Plant, how: Stopping | None) -> bool:
    return put_stop("tea", "newsletter", NOON, how, blobs=plant.world.blobs, clock=plant.world.clock)


def begun() -> Plant:
    plant = live(book(DAILY))
    plant.until(HOUR)
    assert plant.campaigns.tick() == 1
    return plant


def state(plant: Plant) -> list[str]:
    now, day = plant.world.clock.now(), timedelta(days=1)
    found = standing(plant.world.blobs, book(DAILY), since=now - day, now=now, until=now + day)
    return [f"{one.occurrence} {one.state} {one.reached}" for one in found]


def test_a_paused_campaign_reaches_nobody_until_it_goes_on_and_then_everybody_once() -> None:
    plant = begun()
    assert put(plant, "paused")
    plant.until(HOUR + timedelta(hours=2))
    assert mailed(plant) == []
    assert state(plant)[0] == f"{NOON} paused 0"
    assert put(plant, None)
    plant.until(HOUR + timedelta(hours=2, seconds=PAUSED_SECONDS) + STOPS_LIFE)
    assert mailed(plant) == EVERYBODY
    assert state(plant) == [f"{NOON} done 3", "2026-03-03T11:00Z to come 0"]


def test_what_is_planned_waits_while_the_campaign_is_paused() -> None:
    plant = begun()
    work_on_shards(plant)
    put(plant, "paused")
    plant.until(HOUR + timedelta(hours=3))
    assert mailed(plant) == []
    put(plant, None)
    plant.until(HOUR + timedelta(hours=4))
    assert mailed(plant) == EVERYBODY


def test_a_cancelled_campaign_skips_what_is_planned_and_says_so() -> None:
    plant = begun()
    work_on_shards(plant)
    put(plant, "cancelled")
    plant.until(HOUR + timedelta(hours=3))
    assert mailed(plant) == []
    assert {record.why for record in plant.world.messages.values()} == {"the campaign was cancelled"}
    assert plant.world.fanout_queue.messages == []


def test_cancelled_before_its_hour_it_reaches_nobody_and_the_next_one_comes() -> None:
    plant = live(book(DAILY))
    put(plant, "cancelled")
    for hours in range(1, 30):
        plant.until(at(hours=hours))
        plant.tick()
    assert {when for _, _, when in plant.mails()} == {HOUR + timedelta(days=1)}
    assert told(plant, EVERYBODY[0]).count(("entered", "campaign.came")) == 1


def test_cancelled_is_for_good_and_saying_it_twice_changes_nothing() -> None:
    plant = begun()
    assert [put(plant, "paused"), put(plant, "paused"), put(plant, "cancelled")] == [True, False, True]
    assert [put(plant, "cancelled"), put(plant, None), put(plant, "paused")] == [False, False, False]


def test_more_may_wait_to_be_sent_where_more_are_sending() -> None:
    plant = begun()
    plant.world.sending.waiting = lambda: SENDERS * UNSENT + 1  # type: ignore[method-assign]
    worker = Fanout(
        everybody=plant.world.everybody,
        wakes=plant.world.alarms,
        queue=plant.world.fanout,
        blobs=plant.world.blobs,
        clock=plant.world.clock,
        sending=plant.world.sending,
        senders=SENDERS + 1,
    )
    assert sum(worker.work(task.value) for task in plant.world.fanout_queue.receive()) > 0


def test_no_more_is_planned_while_much_waits_to_be_sent() -> None:
    """Or ten million mails would be planned at once, and most be too late when their turn comes."""
    plant = begun()
    plant.world.sending.waiting = lambda: SENDERS * UNSENT + 1  # type: ignore[method-assign]
    tasks = plant.world.fanout_queue.values()
    for task in plant.world.fanout_queue.receive():
        assert plant.fanout.work(task.value) == 0
        plant.world.fanout_queue.delete(task.receipt)
    assert plant.world.wake_queue.messages == []
    assert plant.world.fanout_queue.values() == tasks

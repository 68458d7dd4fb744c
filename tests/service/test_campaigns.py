"""Campaigns: each occurrence reaches everybody once, however often the clock ticks and whatever crashes."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.domain.events import Who
from rekindle.flow.program import Playbook, Shop
from rekindle.memory import Crash
from rekindle.service.campaigns import MAX_AGE, due
from rekindle.service.library import POINTER, POINTER_LIFE
from tests.support.build import T0, at, consent, flow_of, order, playbook
from tests.support.plant import SHARDS, Plant

#: T0 is a Monday, 10:00 in Amsterdam.
HOUR = at(hours=2)


def newsletter(schedule: str = 'cron: "0 12 * * *"', more: str = "") -> Any:
    return flow_of(f"trigger:\n  schedule:\n    {schedule}\n{more}steps:\n  - email: letter\n", "newsletter")


DAILY = newsletter()
BUYERS = newsletter('{cron: "0 12 * * *", segment: buyers}')


def book(*flows: Any, hash_: str = "h1", **more: Any) -> Playbook:
    return playbook(*flows, segments={"buyers": "profile.orders > 0"}, hash_=hash_, **more)


def live(found: Playbook, when: datetime = T0 - timedelta(days=1)) -> Plant:
    """Return a plant with three subscribers, one of whom has bought something, which ticks since `T0`."""
    plant = Plant(found)
    plant.world.files[POINTER] = msgspec.json.encode({"hash": found.hash, "published_at": when})
    for number in range(3):
        who = Who(email=f"c{number}@example.com", shop_customer_id=str(number))
        plant.post(consent(T0, who=who), *([order(T0, who=who)] if number == 0 else []))
    plant.settle()
    plant.tick()
    return plant


def run(plant: Plant, until: datetime, every: timedelta = timedelta(minutes=1)) -> None:
    """Tick, as Scheduler does."""
    while plant.world.clock.now() < until:
        plant.until(min(plant.world.clock.now() + every, until))
        plant.tick()


def work_on_shards(plant: Plant) -> None:
    """Do the work of functions/campaign on its queue, and nothing else."""
    while plant.world.fanout_queue.messages:
        for task in plant.world.fanout_queue.receive():
            plant.fanout.work(task.value)
            plant.world.fanout_queue.delete(task.receipt)


def letters(plant: Plant) -> list[tuple[str, datetime]]:
    return sorted((to, when) for to, template, when in plant.mails() if template == "letter")


def mailed(plant: Plant) -> list[str]:
    return [to for to, _ in letters(plant)]


EVERYBODY = ["c0@example.com", "c1@example.com", "c2@example.com"]


def test_its_hour_comes_and_everybody_gets_it() -> None:
    plant = live(book(DAILY))
    run(plant, at(hours=1, minutes=59))
    assert mailed(plant) == []
    run(plant, at(hours=3))
    assert letters(plant) == [(to, HOUR) for to in EVERYBODY]


def test_a_segment_narrows_it_down() -> None:
    plant = live(book(BUYERS))
    run(plant, at(hours=3))
    assert mailed(plant) == ["c0@example.com"]


def test_it_comes_again_with_its_next_hour() -> None:
    plant = live(book(DAILY))
    run(plant, at(days=2, hours=3), timedelta(minutes=10))
    assert len(letters(plant)) == 9
    assert len(set(letters(plant))) == 9


def test_ticks_that_were_missed_are_made_good_for_a_day() -> None:
    plant = live(book(DAILY))
    plant.until(HOUR + MAX_AGE - timedelta(minutes=1))
    plant.tick()
    assert mailed(plant) == EVERYBODY


def test_what_is_older_than_a_day_is_let_go() -> None:
    plant = live(book(newsletter("once: 2026-03-02T12:00")))
    plant.until(HOUR + MAX_AGE + timedelta(minutes=1))
    assert plant.campaigns.tick() == 0


def test_an_installation_begins_with_what_is_to_come() -> None:
    """Nobody was there to tick before: what fell then was never meant to go out."""
    plant = Plant(book(DAILY))
    plant.post(consent(T0, who=Who(email="c0@example.com")))
    plant.until(at(hours=2, minutes=30))
    for _ in range(3):
        plant.tick()
    assert mailed(plant) == []


def test_a_campaign_that_is_published_after_its_hour_waits_for_the_next() -> None:
    plant = live(book())
    run(plant, at(hours=5))
    plant.publish(book(DAILY, hash_="h2"))
    run(plant, at(hours=6))
    assert mailed(plant) == []
    run(plant, at(days=1, hours=3), timedelta(minutes=5))
    assert mailed(plant) == EVERYBODY


def test_a_flow_that_is_off_in_the_shop_does_not_go_out() -> None:
    plant = live(book(DAILY, flows={"newsletter": False}))
    run(plant, at(hours=3))
    assert mailed(plant) == []
    assert plant.world.fanout_queue.messages == []


def test_workers_that_do_not_know_the_flow_yet_are_waited_for() -> None:
    """A warm worker may hold the playbook of before: to it the campaign would mean nothing."""
    plant = live(book())
    run(plant, HOUR - timedelta(seconds=10))
    plant.publish(book(DAILY, hash_="h2"))
    plant.world.files[POINTER] = msgspec.json.encode({"hash": "h2", "published_at": plant.world.clock.now()})
    plant.until(HOUR)
    plant.world.calls.clear()
    plant.tick()
    assert plant.world.calls["everybody.profile_ids"] == 0
    plant.until(HOUR + POINTER_LIFE)
    assert mailed(plant) == EVERYBODY


def test_nobody_of_another_shop_is_woken() -> None:
    found = book(DAILY)
    coffee = replace(found.shops["tea"], id="coffee")
    plant = live(replace(found, shops={"coffee": coffee}))
    plant.until(HOUR)
    assert plant.campaigns.tick() == 1
    work_on_shards(plant)
    assert plant.world.wake_queue.messages == []


def test_each_shop_has_its_own_noon() -> None:
    shops = {zone: Shop(**{**_settings(), "id": zone, "zone": zone}) for zone in ("Asia/Tokyo", "America/New_York")}
    found = due(replace(book(DAILY), shops=shops), at(), at(days=1))
    assert {(each.shop, each.at.hour) for each in found} == {("Asia/Tokyo", 3), ("America/New_York", 17)}


def _settings() -> dict[str, Any]:
    return {**msgspec.to_builtins(book(DAILY).shops["tea"]), "flows": {"newsletter": True}, "channels": ("email",)}


Moment = Literal["before", "after"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "call",
    [
        "blobs.get",
        "blobs.put",
        "blobs.swap",
        "fanout.ask",
        "everybody.profile_ids",
        "alarms.wake",
        "state.profile",
        "state.commit",
        "queues.enqueue",
    ],
)
def test_killed_anywhere_it_reaches_everybody_once(call: str, moment: Moment) -> None:
    plant = live(book(DAILY))
    plant.until(HOUR - timedelta(minutes=1))
    count = itertools.count(1)

    def hook(name: str, when: str) -> None:
        if (name, when) == (call, moment) and next(count) in {1, 3, 6}:
            raise Crash(f"{moment} {call}")

    plant.world.hook = hook
    run(plant, HOUR + timedelta(minutes=30))
    plant.sweep()
    assert mailed(plant) == EVERYBODY


def test_later_ticks_leave_alone_what_is_started() -> None:
    """The mark of the last tick is written every few minutes only."""
    plant = live(book(DAILY))
    plant.until(HOUR - timedelta(minutes=1))
    plant.tick()
    plant.until(HOUR)
    assert [plant.campaigns.tick() for _ in range(3)] == [1, 0, 0]
    assert len(plant.world.fanout_queue.messages) == SHARDS


def test_two_ticks_at_once_start_it_once() -> None:
    plant = live(book(DAILY))
    plant.until(HOUR)
    raced: list[bool] = []

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("fanout.ask", "before") and not raced:
            raced.append(True)
            plant.campaigns.tick()

    plant.world.hook = hook
    plant.tick()
    plant.until(HOUR + timedelta(hours=1))
    assert raced
    assert mailed(plant) == EVERYBODY


def test_a_wake_that_comes_twice_changes_nothing() -> None:
    plant = live(book(DAILY))
    plant.until(HOUR)
    plant.campaigns.tick()
    work_on_shards(plant)
    for wake in plant.world.wake_queue.values():
        plant.world.wake_queue.put(wake)
    plant.settle()
    assert mailed(plant) == EVERYBODY
    assert {plant.profile(email).version for email in EVERYBODY} == {2}


# --- the ledger


def told(plant: Plant, email: str) -> list[tuple[str, str]]:
    profile_id = plant.profile(email).id
    lines = [line for line in plant.world.ledger if line.profile_id == profile_id]
    return [(each.what, each.rule) for line in lines for each in line.decisions if each.flow == "newsletter"]


def test_whom_the_segment_does_not_mean_is_not_written() -> None:
    """A campaign comes to everybody: a line for each who is not meant would cost more than the campaign."""
    plant = live(book(BUYERS))
    before = plant.profile("c1@example.com")
    run(plant, at(hours=3))
    assert plant.profile("c1@example.com") == before
    assert told(plant, "c1@example.com") == []
    assert ("entered", "campaign.came") in told(plant, "c0@example.com")


def test_who_was_meant_and_did_not_get_it_can_see_why() -> None:
    plant = live(book(newsletter(more='  when: profile.city == "Utrecht"\n')))
    run(plant, at(hours=3))
    assert mailed(plant) == []
    assert told(plant, "c1@example.com") == [("not_entered", 'filter: profile.city == "Utrecht"')]

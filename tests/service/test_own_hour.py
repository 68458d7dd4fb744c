"""Campaigns at each recipient's own hour: sorted once, told hour by hour, nobody twice and nobody left out."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.domain.events import Who
from rekindle.domain.facts import Person
from rekindle.flow.program import Playbook
from rekindle.memory import Crash
from rekindle.ports import ProfilePage, ShardTask
from rekindle.service.campaigns import EARLIEST, Campaigns, due
from rekindle.service.library import POINTER
from rekindle.service.stops import put_stop
from tests.service.test_campaigns import book, letters, newsletter, run
from tests.support.build import T0, at, consent
from tests.support.plant import Plant

#: Four days after T0, a Monday, at noon on everybody's own clock.
WALL = "2026-03-06T12:00"
OWN = newsletter(f"{{once: {WALL}, zone: recipient}}")
PEOPLE = {"NZ": "Pacific/Auckland", "JP": "Asia/Tokyo", "NP": "Asia/Kathmandu", "": "", "GB": "Europe/London"}
#: When it is noon there, in UTC; who says nothing lives where the shop does, in Amsterdam.
NOON = {"NZ": 3 * 24 + 23, "JP": 4 * 24 + 3, "NP": 4 * 24 + 6.25, "": 4 * 24 + 11, "GB": 4 * 24 + 12}
EXPECTED = sorted(
    (f"{country or 'nowhere'}@example.com".lower(), datetime(2026, 3, 2, tzinfo=T0.tzinfo) + timedelta(hours=hours))
    for country, hours in NOON.items()
)


def live(found: Playbook) -> Plant:
    plant = Plant(found)
    plant.world.files[POINTER] = msgspec.json.encode({"hash": found.hash, "published_at": T0 - timedelta(days=1)})
    for number, country in enumerate(PEOPLE):
        who = Who(email=f"{country or 'nowhere'}@example.com".lower(), shop_customer_id=str(number))
        told = consent(T0, who=who)
        plant.post(replace(told, person=Person(country=country)) if country else told)
    plant.settle()
    plant.tick()
    return plant


START = datetime.fromisoformat(f"{WALL}Z") - EARLIEST


def test_everybody_gets_it_at_noon_of_their_own_clock() -> None:
    plant = live(book(OWN))
    run(plant, START - timedelta(minutes=2), timedelta(hours=1))
    assert plant.world.fanout_queue.messages == []
    run(plant, START + timedelta(minutes=30), timedelta(minutes=5))
    assert letters(plant) == []
    run(plant, at(days=5), timedelta(minutes=5))
    assert letters(plant) == EXPECTED


def test_nobody_needs_an_alarm_for_it() -> None:
    """Ten million at one hour would meet the scheduler's limit: lists by the hour take its place."""
    plant = live(book(OWN))
    run(plant, START + timedelta(hours=4), timedelta(minutes=5))
    assert plant.world.schedules == {}
    parts = [key for key in plant.world.files if key.startswith("fanout/parts/")]
    assert {key.split("/")[-2] for key in parts} == {f"{when:%Y%m%dT%H%MZ}" for _, when in EXPECTED}


def test_who_is_told_too_early_waits_for_their_hour() -> None:
    """Somebody who moved since the lists were made, or whose zone no list could know."""
    plant = live(book(OWN))
    run(plant, START + timedelta(minutes=30), timedelta(minutes=5))
    parts = {key: raw for key, raw in plant.world.files.items() if key.startswith("fanout/parts/")}
    for key in parts:
        folder, moment, name = key.rsplit("/", 2)
        if moment != min(key.split("/")[-2] for key in parts):
            plant.world.files[f"{folder}/20260305T2300Z/{name}{moment}"] = plant.world.files.pop(key)
    run(plant, at(days=5), timedelta(minutes=5))
    assert letters(plant) == EXPECTED


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "call",
    ["blobs.get", "blobs.put", "blobs.list", "fanout.ask", "everybody.profile_ids", "alarms.wake", "state.commit"],
)
def test_killed_anywhere_it_reaches_everybody_once(call: str, moment: Literal["before", "after"]) -> None:
    plant = live(book(OWN))
    run(plant, START - timedelta(minutes=2), timedelta(hours=2))
    count = itertools.count(1)

    def hook(name: str, when: str) -> None:
        if (name, when) == (call, moment) and next(count) in {1, 3, 6}:
            raise Crash(f"{moment} {call}")

    plant.world.hook = hook
    run(plant, at(days=4, hours=20), timedelta(minutes=15))
    plant.sweep()
    assert sorted(to for to, _ in letters(plant)) == [to for to, _ in EXPECTED]


def test_cancelled_between_two_hours_it_goes_on_for_nobody() -> None:
    plant = live(book(OWN))
    run(plant, datetime.fromisoformat("2026-03-06T05:00Z"), timedelta(minutes=15))
    put_stop("tea", "newsletter", WALL, "cancelled", blobs=plant.world.blobs, clock=plant.world.clock)
    run(plant, at(days=5), timedelta(minutes=15))
    assert [to for to, _ in letters(plant)] == ["jp@example.com", "nz@example.com"]


def test_one_that_is_published_when_its_hour_is_near_still_reaches_everybody() -> None:
    plant = live(book())
    run(plant, datetime.fromisoformat("2026-03-06T09:00Z"), timedelta(hours=2))
    plant.publish(book(OWN, hash_="h2"))
    run(plant, at(days=5), timedelta(minutes=15))
    assert sorted(to for to, _ in letters(plant)) == [to for to, _ in EXPECTED]


def test_a_sorting_task_that_comes_twice_and_stalls_passes_nobody_over_who_moves_meanwhile() -> None:
    """To where the hour has gone by: that list has been told, and on the other one they stand from the first time."""
    plant = live(book())
    plant.post(replace(consent(T0, who=Who(email="ie@example.com")), person=Person(country="IE")))
    run(plant, datetime.fromisoformat("2026-03-06T09:00Z"), timedelta(hours=2))
    plant.publish(book(OWN, hash_="h2"))
    world, mover = plant.world, plant.profile("gb@example.com")
    alone = Campaigns(blobs=world.blobs, library=plant.library, queue=world.fanout, clock=world.clock, shards=1)
    assert alone.tick() == 1
    (stalled,) = [msgspec.json.decode(message.body, type=ShardTask) for message in world.fanout_queue.messages]

    def dies(name: str, when: str) -> None:
        if (name, when) == ("fanout.ask", "after"):
            world.hook = None
            raise Crash("after fanout.ask")

    def stalls(name: str, when: str) -> None:
        if (name, when) == ("everybody.profile_ids", "before"):
            world.hook = None
            run(plant, world.clock.now() + timedelta(minutes=30))
            who = Who(email=mover.email, shop_customer_id=mover.shop_customer_id)
            plant.post(replace(consent(world.clock.now(), who=who), person=Person(country="JP")))
            plant.settle()
            world.hook = dies

    world.hook = stalls
    with pytest.raises(Crash):
        plant.fanout.work(stalled)
    assert [to for to, _ in letters(plant)] == ["jp@example.com", "np@example.com", "nz@example.com"]
    run(plant, at(days=5), timedelta(minutes=5))
    assert sorted(to for to, _ in letters(plant)) == sorted(["ie@example.com", *(to for to, _ in EXPECTED)])


def test_one_whose_hour_has_gone_by_where_the_shop_is_waits_for_its_next() -> None:
    daily = book(newsletter("{cron: '0 12 * * *', zone: recipient}"))

    def begun(moment: str) -> list[str]:
        now = datetime.fromisoformat(moment)
        return [one.wall for one in due(daily, now - timedelta(minutes=1), now)]

    assert begun("2026-03-06T10:59Z") == [WALL]
    assert begun("2026-03-06T11:30Z") == []
    assert begun("2026-03-06T21:00Z") == ["2026-03-07T12:00"]


def campaign_of(people: int) -> Plant:
    """Return where a campaign has begun, one shard holding so many people of two zones, the others nobody."""
    plant = live(book(OWN))

    def page(shard: int, of: int, cursor: str | None = None, *, shop: str = "", limit: int = 500) -> ProfilePage:
        del of, shop
        start = int(cursor or 0)
        numbers = range(start, min(start + limit, people)) if shard == 0 else range(0)
        zones = tuple("Asia/Tokyo" if number % 2 else "Asia/Kathmandu" for number in numbers)
        cursor = str(start + limit) if shard == 0 and start + limit < people else None
        return ProfilePage(tuple(f"{number:032x}" for number in numbers), cursor, zones)

    plant.world.everybody.profile_ids = page  # type: ignore[method-assign]
    plant.until(START)
    assert plant.campaigns.tick() == 1
    plant.world.calls.clear()
    return plant


def tell(plant: Plant, work: Callable[[ShardTask], int]) -> int:
    """Do all tasks until the day is over; return how many people were woken."""
    woken = 0
    while plant.world.clock.now() < START + timedelta(hours=12):
        for task in plant.world.fanout_queue.receive(1):
            woken += work(task.value)
            plant.world.fanout_queue.delete(task.receipt)
        plant.world.wake_queue.messages.clear()
        plant.world.clock.advance(seconds=60)
    return woken


def test_ten_thousand_take_few_calls() -> None:
    plant = campaign_of(10_000)
    assert tell(plant, plant.fanout.work) == 10_000
    calls = {name: count for name, count in plant.world.calls.items() if name.startswith(("blobs.", "alarms.w"))}
    assert calls["alarms.wake"] == 10_000 / 50
    assert calls["blobs.put"] <= 30
    assert calls["blobs.following"] <= 600, "a look a minute while nobody's hour has come, and one a list"
    assert "blobs.list" not in calls


def test_ten_times_as_many_people_take_no_more_memory() -> None:
    """What is held does not grow with how many there are: a task holds its pages, its message a place to go on from."""

    def most(people: int) -> tuple[int, int]:
        plant = campaign_of(people)
        memory = message = 0

        def work(task: ShardTask) -> int:
            nonlocal memory, message
            message = max(message, len(msgspec.json.encode(task)))
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            woken = plant.fanout.work(task)
            memory = max(memory, tracemalloc.get_traced_memory()[1] - before)
            return woken

        tracemalloc.start()
        try:
            assert tell(plant, work) == people
        finally:
            tracemalloc.stop()
        return memory, message

    few, many = most(8_000), most(80_000)
    assert many[0] < few[0] * 1.25
    assert many[1] < few[1] + 20

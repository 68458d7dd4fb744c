"""The pass after a publish: a new win-back reaches people who have been silent for a year, whatever crashes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.domain.events import Who
from rekindle.domain.profile import Profile, Signpost
from rekindle.flow.program import Playbook
from rekindle.memory import Crash, World
from rekindle.ports import ShardTask, Wake
from rekindle.service import fanout
from rekindle.service.fanout import Fanout, last_pass
from rekindle.service.library import POINTER, POINTER_LIFE
from rekindle.service.passes import JOURNEY_TIMEOUT, SETTLED_AFTER, pass_status
from tests.support.build import T0, cart, consent, flow_of, order, playbook
from tests.support.plant import SHARDS, Plant

WIN_BACK = flow_of(
    """\
title: Win-back
trigger:
  segment: silent
steps:
  - email: come-back
""",
    "win-back",
)
SILENT = {"silent": "since('order.placed') > '365d'"}
YEAR = timedelta(days=370)
Moment = Literal["before", "after"]


def someone(number: int) -> Who:
    return Who(email=f"c{number}@example.com", shop_customer_id=str(number))


def buy(plant: Plant, when: datetime, numbers: Sequence[int]) -> None:
    """Let these people buy something, and subscribe."""
    for number in numbers:
        who = someone(number)
        plant.post(consent(when, who=who), order(when, id=f"o{number}-{when:%j}", who=who))
    plant.settle()


def with_win_back(hash_: str = "h2", **segments: str) -> Playbook:
    return playbook(WIN_BACK, segments=segments or SILENT, hash_=hash_)


def publish(plant: Plant, book: Playbook) -> None:
    """Publish, as functions/publish does."""
    plant.publish(book)
    pointer = {"hash": book.hash, "published_at": plant.world.clock.now()}
    plant.world.files[POINTER] = msgspec.json.encode(pointer)


@pytest.fixture
def plant() -> Plant:
    """A year after ten people bought something; two of them have done so again since."""
    made = Plant(playbook())
    buy(made, T0, range(10))
    made.until(T0 + YEAR - timedelta(days=30))
    buy(made, made.world.clock.now(), range(2))
    made.until(T0 + YEAR)
    return made


def mailed(plant: Plant) -> list[str]:
    return sorted(to for to, _, _ in plant.mails())


LONG_SILENT = [f"c{number}@example.com" for number in range(2, 10)]


def test_a_new_win_back_reaches_those_who_have_been_silent_for_a_year(plant: Plant) -> None:
    """And the others on the day on which their own year is over: nobody is scanned again for that."""
    publish(plant, with_win_back())
    assert plant.passes.start_if_due() is not None
    plant.until(T0 + YEAR + timedelta(minutes=5))
    assert mailed(plant) == LONG_SILENT
    publish(plant, replace(with_win_back(), hash="h3"))
    assert plant.passes.start_if_due() is None
    plant.until(T0 + YEAR + timedelta(days=335, hours=1))
    plant.sweep()
    assert mailed(plant) == [f"c{number}@example.com" for number in range(10)]


def test_without_the_pass_nothing_would_ever_wake_them(plant: Plant) -> None:
    """The test above proves the pass, and not something else."""
    publish(plant, with_win_back())
    plant.until(T0 + YEAR + timedelta(days=100))
    plant.sweep()
    assert mailed(plant) == []


def test_it_begins_when_no_worker_can_hold_the_old_playbook_any_more(plant: Plant) -> None:
    publish(plant, with_win_back())
    published = plant.world.clock.now()
    plant.passes.start_if_due()
    plant.until(published + POINTER_LIFE + JOURNEY_TIMEOUT - timedelta(seconds=1))
    assert (plant.world.calls["everybody.profile_ids"], mailed(plant)) == (0, [])
    plant.until(published + SETTLED_AFTER)
    assert plant.world.calls["everybody.profile_ids"] >= SHARDS


def test_what_has_long_been_live_is_not_waited_for(plant: Plant) -> None:
    """A pass that a crash kept from starting, or one by hand."""
    publish(plant, with_win_back())
    plant.world.clock.advance(hours=1)
    plant.passes.start()
    plant.settle()
    assert plant.world.calls["everybody.profile_ids"] >= SHARDS


def crash_now_and_then(plant: Plant, call: str, moment: Moment) -> None:
    """Pull the plug at the first such call, and at some of the later ones."""
    count = itertools.count(1)

    def hook(name: str, when: str) -> None:
        if (name, when) == (call, moment) and next(count) in {1, 3, 6, 10, 15, 21}:
            raise Crash(f"{moment} {call}")

    plant.world.hook = hook


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "call",
    [
        "blobs.get",
        "blobs.put",
        "blobs.swap",
        "blobs.tagged",
        "fanout.ask",
        "everybody.profile_ids",
        "alarms.backlog",
        "alarms.wake",
        "state.profile",
        "state.heard",
        "state.commit",
        "queues.enqueue",
        "alarms.ring",
    ],
)
def test_killed_anywhere_it_still_reaches_everybody_once(
    plant: Plant, call: str, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a shard as well: each has several tasks here."""
    monkeypatch.setattr(fanout, "SLICE", 1)
    publish(plant, with_win_back())
    crash_now_and_then(plant, call, moment)
    for _ in range(6):
        plant.tick()
        plant.world.clock.advance(minutes=1)
    plant.until(plant.world.clock.now() + timedelta(minutes=30))
    plant.sweep()
    status = pass_status(plant.world.blobs)
    assert status is not None
    assert (status.done, mailed(plant)) == (True, LONG_SILENT)


@pytest.mark.parametrize("receipt", [1, 2, 3])
def test_a_shard_that_is_delivered_twice_goes_on_once(
    plant: Plant, receipt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every repeat would add another chain of tasks."""
    monkeypatch.setattr(fanout, "SLICE", 1)
    publish(plant, with_win_back())
    plant.world.clock.advance(hours=1)
    plant.passes.start()
    world, done = plant.world, 0
    for _ in range(100):
        received = world.fanout_queue.receive(100)
        for task in received:
            for _ in range(receipt):
                plant.fanout.work(task.value)
            world.fanout_queue.delete(task.receipt)
            done += 1
        if not world.fanout_queue.messages:
            break
        world.clock.advance(seconds=fanout.SLICE_SECONDS)
    status = pass_status(world.blobs)
    assert status is not None
    assert (status.done, status.woken) == (True, 10)
    assert done == sum(shard.step for shard in status.shards)


def test_its_progress_can_be_seen(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SLICE", 1)
    assert pass_status(plant.world.blobs) is None
    publish(plant, with_win_back())
    started = plant.passes.start_if_due()
    seen = []
    for _ in range(20):
        status = pass_status(plant.world.blobs)
        assert status is not None
        assert status.newest == started
        seen.append((status.shards_done, status.woken))
        plant.until(plant.world.clock.now() + timedelta(seconds=fanout.SLICE_SECONDS))
    assert (seen[0], seen[-1]) == ((0, 0), (SHARDS, 10))
    assert seen == sorted(seen)
    assert any(0 < woken < 10 for _, woken in seen)


def fanout_of(world: World, wake_workers: int) -> Fanout:
    """Return who reaches everybody, for so many copies of journey."""
    return Fanout(
        everybody=world.everybody,
        wakes=world.alarms,
        queue=world.fanout,
        blobs=world.blobs,
        clock=world.clock,
        sending=world.sending,
        wake_workers=wake_workers,
    )


def test_nothing_is_added_while_much_is_waiting(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alarms must not have to stand behind a million people."""
    monkeypatch.setattr(fanout, "BACKLOG", 1)
    world = plant.world
    plant.fanout = fanout_of(world, wake_workers=3)
    world.alarms.wake([Wake(profile_id="nobody")] * 4)
    world.fanout.ask([ShardTask(fanout="f", kind="pass", started_at=world.clock.now(), shard=0, of=1)])
    (task,) = world.fanout_queue.receive()
    assert plant.fanout.work(task.value) == 0
    world.fanout_queue.delete(task.receipt)
    assert world.calls["everybody.profile_ids"] == 0
    assert world.fanout_queue.values() == [task.value]
    world.wake_queue.messages.clear()
    world.clock.advance(seconds=fanout.SLICE_SECONDS)
    assert plant.fanout.work(task.value) == 10


def test_the_pace_is_bounded(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wakes of one task are spread over the time until the next one comes."""
    monkeypatch.setattr(fanout, "SLICE", 10)
    monkeypatch.setattr(fanout, "_CHUNK", 2)
    world = plant.world
    delays: list[int] = []

    class Wakes:
        """A wake queue that notes the delays."""

        def wake(self, wakes: Sequence[Wake], delay: int = 0) -> None:
            delays.extend([delay] * len(wakes))

        def backlog(self) -> int:
            return 0

    worker = Fanout(everybody=world.everybody, wakes=Wakes(), queue=world.fanout, blobs=world.blobs, clock=world.clock)
    worker.work(ShardTask(fanout="f", kind="pass", started_at=world.clock.now(), shard=0, of=1))
    assert delays == [0, 0, 6, 6, 12, 12, 18, 18, 24, 24]


def test_a_later_publish_overtakes_an_earlier_pass(plant: Plant) -> None:
    """It covers everybody again: what is left of the earlier one would be for nothing."""
    publish(plant, with_win_back())
    plant.passes.start_if_due()
    plant.world.clock.advance(seconds=10)
    publish(plant, with_win_back("h3", silent="since('order.placed') > '360d'"))
    later = plant.passes.start_if_due()
    assert later is not None
    plant.until(plant.world.clock.now() + timedelta(hours=1))
    assert mailed(plant) == LONG_SILENT
    kept = {key.split("/")[1] for key in plant.world.files if key.startswith("fanout/")}
    assert kept == {later.id}


def test_a_definition_that_comes_back_is_passed_on_again(plant: Plant) -> None:
    first, second = with_win_back(), with_win_back("h3", silent="since('order.placed') > '720d'")
    for book in (first, second, first):
        publish(plant, book)
        assert plant.passes.start_if_due() is not None
        plant.until(plant.world.clock.now() + timedelta(minutes=10))
    assert "silent" in plant.profile("c5@example.com").segments


def test_a_definition_that_is_taken_away_is_taken_from_everybody(plant: Plant) -> None:
    for book in (with_win_back(), playbook(hash_="h3")):
        publish(plant, book)
        plant.passes.start_if_due()
        plant.until(plant.world.clock.now() + timedelta(minutes=10))
    ada = plant.profile("c5@example.com")
    assert (ada.segments, ada.moments, ada.recent, ada.asked) == ({}, {}, {}, ())


def test_publishing_mails_and_flows_alone_starts_none(plant: Plant) -> None:
    publish(
        plant, playbook(flow_of("trigger: {event: order.placed}\nsteps:\n  - email: thanks\n", "thanks"), hash_="h2")
    )
    assert plant.passes.start_if_due() is None
    assert plant.world.fanout_queue.messages == []


def test_of_two_who_start_one_at_once_one_is_written_down(plant: Plant) -> None:
    """The other one's shards wake people for nothing, or not at all."""
    publish(plant, with_win_back())
    raced: list[bool] = []

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("fanout.ask", "before") and not raced:
            raced.append(True)
            plant.world.clock.advance(seconds=1)
            assert plant.passes.start_if_due() is not None

    plant.world.hook = hook
    assert plant.passes.start_if_due() is None
    plant.until(plant.world.clock.now() + timedelta(minutes=10))
    status = pass_status(plant.world.blobs)
    assert status is not None
    assert (status.done, status.woken, mailed(plant)) == (True, 10, LONG_SILENT)


@pytest.mark.parametrize("at", [("blobs.tagged", "before"), ("blobs.tagged", "after"), ("fanout.ask", "before")])
def test_a_publish_while_the_tick_looks_is_not_overtaken_by_what_it_saw(plant: Plant, at: tuple[str, str]) -> None:
    """Somebody publishes and starts the pass for that, before or after the tick reads what was: theirs must hold."""
    publish(plant, with_win_back())
    newer = with_win_back("h3", silent="since('order.placed') > '360d'")
    raced: list[bool] = []

    def hook(call: str, moment: str) -> None:
        if (call, moment) == at and not raced:
            raced.append(True)
            plant.world.clock.advance(seconds=1)
            publish(plant, newer)
            assert plant.passes.start_if_due() is not None

    plant.world.hook = hook
    plant.passes.start_if_due()
    newest, _ = last_pass(plant.world.blobs)
    assert newest is not None
    assert newest.shape == newer.shape


def test_shards_do_their_work_also_before_their_pass_is_written_down(plant: Plant) -> None:
    """Whoever put them on the queue may hang there for minutes, or die and never be tried again."""
    publish(plant, with_win_back(rich="profile.spent > 100000"))
    plant.passes.start_if_due()
    plant.until(plant.world.clock.now() + timedelta(hours=1))
    publish(plant, with_win_back("h3"))
    plant.crash_at("blobs.swap", "before")
    with pytest.raises(Crash):
        plant.passes.start_if_due()
    plant.until(plant.world.clock.now() + timedelta(hours=1))
    assert mailed(plant) == LONG_SILENT


# --- what it costs


def versions(plant: Plant) -> dict[str, int]:
    found = {key: plant.world.profile(key) for key in plant.world.profiles}
    return {key: profile.version for key, profile in found.items() if isinstance(profile, Profile)}


def test_whom_it_changes_nothing_for_is_not_written(plant: Plant) -> None:
    """A new segment that nobody is in, and no moment at which anybody could be: one read each, and no more."""
    before = versions(plant)
    publish(plant, with_win_back(rich="profile.spent > 100000"))
    plant.passes.start_if_due()
    plant.until(plant.world.clock.now() + timedelta(minutes=10))
    status = pass_status(plant.world.blobs)
    assert status is not None
    assert (status.woken, versions(plant)) == (10, before)


def test_the_past_is_read_once(plant: Plant) -> None:
    """The pass fills it in; no event after that asks again."""
    publish(plant, with_win_back())
    plant.passes.start_if_due()
    plant.until(plant.world.clock.now() + timedelta(minutes=10))
    read = plant.world.calls["state.heard"]
    assert read >= 10
    buy(plant, plant.world.clock.now(), range(10))
    assert plant.world.calls["state.heard"] == read


def test_visitors_whom_nobody_knows_still_expire(plant: Plant) -> None:
    """They can be reached by nothing: they are looked at when they come again."""
    plant.post(cart(plant.world.clock.now(), token="stranger"))
    plant.settle()
    (stranger,) = plant.world.profile_expiry
    before = plant.world.profile_expiry[stranger]
    publish(plant, with_win_back())
    plant.passes.start_if_due()
    plant.until(plant.world.clock.now() + timedelta(minutes=10))
    assert plant.world.profile_expiry == {stranger: before}


def test_a_signpost_is_not_walked(plant: Plant) -> None:
    plant.world.profiles["elsewhere"] = Signpost(plant.profile("c1@example.com").id)
    publish(plant, with_win_back())
    plant.passes.start_if_due()
    plant.until(plant.world.clock.now() + timedelta(minutes=10))
    status = pass_status(plant.world.blobs)
    assert status is not None
    assert status.woken == 10

"""Campaigns: a schedule's hour came, so everybody in the shop is told, in shards (`service/fanout.py`).

A tick looks at what fell since the last one and starts what is not started yet, each occurrence once: after an outage
what is younger than a day is caught up. Who is in the segment, and who has entered already, the engine decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.facts import Campaign
from rekindle.flow.calendar import occurrences
from rekindle.flow.local_time import RECIPIENT, wall_moment, zone
from rekindle.flow.program import OnSchedule, Playbook, Shop
from rekindle.ports import Blobs, Clock, FanoutQueue
from rekindle.service.fanout import Progress, progress_of, shard_tasks
from rekindle.service.library import POINTER_LIFE, Library
from rekindle.service.passes import settling
from rekindle.service.stops import Stopping, stopped

#: What is older than this is not caught up.
MAX_AGE = timedelta(hours=24)
#: So old may the mark of the last tick grow before it is written again. A campaign that is published meanwhile, for an
#: hour that has just gone by, is still taken.
MARK_EVERY = timedelta(minutes=5)
#: The first clocks show a time 14 hours before UTC does (Kiribati). One more hour is for sorting ten million people.
EARLIEST = timedelta(hours=15)

_TICKED = "campaigns/ticked.json"


class Occurrence(Struct, frozen=True, kw_only=True):
    """One campaign of one shop, at one time."""

    flow: str
    shop: str
    at: datetime
    trigger: int = 0
    """its place among the flow's triggers"""
    wall: str = ""
    """of one that comes at each recipient's own hour: the local time. Then `at` is when it begins to be prepared"""

    @property
    def name(self) -> str:
        """What the occurrence is called: the same for everybody."""
        return self.wall or f"{self.at:%Y-%m-%dT%H:%MZ}"


class Started(Struct, frozen=True, kw_only=True):
    """That an occurrence was started, and under which name its shards tell of their progress."""

    flow: str
    shop: str
    at: datetime
    fanout: str
    hash: str
    started_at: datetime
    shards: int
    occurrence: str = ""


class Campaigned(Struct, frozen=True, kw_only=True):
    """A campaign as it stands: to come, or how far it has come."""

    flow: str
    shop: str
    occurrence: str
    at: datetime
    started: Started | None = None
    shards: tuple[Progress, ...] = ()
    stop: Stopping | None = None

    @property
    def state(self) -> str:
        """Return `to come`, `under way`, `done`, or how it was stopped."""
        if self.started is None:
            return self.stop or "to come"
        done = sum(shard.done for shard in self.shards) == self.started.shards
        return "done" if done and self.stop is None else self.stop or "under way"

    @property
    def reached(self) -> int:
        """How many people it was told to so far: those of its segment get it."""
        return sum(shard.woken for shard in self.shards)


class _Ticked(Struct, frozen=True):
    until: datetime


def due(playbook: Playbook, after: datetime, until: datetime) -> Iterator[Occurrence]:
    """Yield every occurrence of the enabled campaigns in `after` < t <= `until`, each once."""
    for flow in playbook.flows.values():
        schedules = [(place, one) for place, one in enumerate(flow.triggers) if isinstance(one, OnSchedule)]
        for shop in playbook.shops.values() if schedules else ():
            if playbook.enabled(flow, shop.id):
                for place, schedule in schedules:
                    if schedule.zone == RECIPIENT:
                        yield from _own_hours(schedule, shop, after, until, flow=flow.name, place=place)
                        continue
                    moments = occurrences(schedule, shop.zone, after, until)
                    yield from (Occurrence(flow=flow.name, shop=shop.id, at=at, trigger=place) for at in moments)


def _own_hours(
    schedule: OnSchedule, shop: Shop, after: datetime, until: datetime, *, flow: str, place: int
) -> Iterator[Occurrence]:
    """Yield what begins to be prepared in that time, and what should have been and has not come in the shop's zone yet.

    The second is what was published when its hour was near: where it has gone by already, it comes late.
    """
    own = zone(shop.zone) or ZoneInfo("UTC")
    plain = replace(schedule, zone="UTC")
    for moment in occurrences(plain, "UTC", after, until + EARLIEST):
        wall = f"{moment:%Y-%m-%dT%H:%M}"
        at = moment - EARLIEST
        if at > after or wall_moment(wall, own) > until:
            yield Occurrence(flow=flow, shop=shop.id, at=at, trigger=place, wall=wall)


def standing(
    blobs: Blobs, playbook: Playbook, *, since: datetime, now: datetime, until: datetime, flow: str | None = None
) -> list[Campaigned]:
    """Return the campaigns that began since then, and those to come until then, by their time."""
    stops = stopped(blobs)

    def stop(shop: str, name: str, occurrence: str) -> Stopping | None:
        found = stops.get(f"{shop}/{name}/{occurrence}")
        return found.how if found is not None else None

    found = []
    for shop in playbook.shops:
        for key in sorted(blobs.list(f"campaigns/{shop}/")):
            raw = blobs.get(key)
            started = msgspec.json.decode(raw, type=Started) if raw is not None else None
            if started is None or started.at < since or flow not in (None, started.flow):
                continue
            name = started.occurrence or f"{started.at:%Y-%m-%dT%H:%MZ}"
            found.append(
                Campaigned(
                    flow=started.flow,
                    shop=shop,
                    occurrence=name,
                    at=started.at,
                    started=started,
                    shards=tuple(progress_of(blobs, started.fanout)),
                    stop=stop(shop, started.flow, name),
                )
            )
    begun = {(one.shop, one.flow, one.occurrence) for one in found}
    found += [
        Campaigned(
            flow=one.flow, shop=one.shop, occurrence=one.name, at=one.at, stop=stop(one.shop, one.flow, one.name)
        )
        for one in due(playbook, now, until)
        if flow in (None, one.flow) and (one.shop, one.flow, one.name) not in begun
    ]
    return sorted(found, key=lambda one: (one.at, one.shop, one.flow))


class Campaigns:
    """Starts campaigns."""

    def __init__(self, *, blobs: Blobs, library: Library, queue: FanoutQueue, clock: Clock, shards: int) -> None:
        self._blobs = blobs
        self._library = library
        self._queue = queue
        self._clock = clock
        self._shards = shards

    def tick(self) -> int:
        """Start what has come since the last tick; return how many campaigns that were. Two at once do no harm."""
        now = self._clock.now()
        found = self._blobs.get(_TICKED)
        last = msgspec.json.decode(found, type=_Ticked).until if found is not None else None
        started = 0
        if last is not None:
            playbook = self._library.newest(fresh=True)
            for occurrence in due(playbook, max(last, now - MAX_AGE), now):
                started += self._start(occurrence, playbook)
        if last is None or now - last >= MARK_EVERY:
            # Last: a crash before it lets the next tick look at the same time again.
            self._blobs.put(_TICKED, msgspec.json.encode(_Ticked(now)), "application/json")
        return started

    def _start(self, occurrence: Occurrence, playbook: Playbook) -> bool:
        own = "L" if occurrence.wall else "Z"
        named = f"{occurrence.at:%Y%m%dT%H%M}{own}.{occurrence.trigger}"
        key = f"campaigns/{occurrence.shop}/{occurrence.flow}/{named}.json"
        if self._blobs.get(key) is not None:
            return False
        started = Started(
            flow=occurrence.flow,
            shop=occurrence.shop,
            at=occurrence.at,
            # The same however often this start is tried: so what an earlier try put on the queue is not done twice.
            fanout=ids.digest("campaign", key, str(self._shards)),
            hash=playbook.hash,
            started_at=self._clock.now(),
            shards=self._shards,
            occurrence=occurrence.name,
        )
        tasks = shard_tasks(
            started.fanout,
            started.started_at,
            self._shards,
            shop=occurrence.shop,
            zone=playbook.shops[occurrence.shop].zone,
            campaign=Campaign(
                flow=occurrence.flow,
                at=occurrence.at,
                occurrence=occurrence.name,
                trigger=occurrence.trigger,
                wall=occurrence.wall,
            ),
        )
        # A worker that has not seen the playbook yet would not know the flow.
        self._queue.ask(tasks, settling(self._library, self._clock, POINTER_LIFE))
        return self._blobs.swap(key, msgspec.json.encode(started), expected=None)

"""Reaching everybody: all profiles in shards over a queue, at a bounded pace, from where a crash left off.

Two things reach everybody, and nothing else does: the pass after a publish (`service/passes.py`) and a campaign
(`service/campaigns.py`). Both put one task for each shard on the queue. A task wakes the next profiles of its shard,
puts the following task on the queue, and then says how far it has come: a crash between any two of these repeats some
wakes, which do nothing the second time, and never leaves a profile out.

A change of a product goes the same way, page by page, to those alone who looked at it (`service/heralds.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.facts import Campaign
from rekindle.flow.local_time import wall_moment, zone
from rekindle.ports import MAX_DELAY, Blobs, Clock, Everybody, FanoutQueue, News, Sending, ShardTask, Wake, WakeQueue
from rekindle.service.heralds import TOLD_SECONDS, ProductHerald
from rekindle.service.stops import Stopping, Stops

#: In how many parts everybody is reached, where nothing else is said (template.yaml, FanoutShards).
SHARDS = 16
#: One task wakes about so many profiles, over so many seconds, and then the next one comes: with 16 shards some 500
#: profiles a second, which journey and the tables follow without alarms having to wait behind them.
SLICE = 1_000
SLICE_SECONDS = 30
#: While more than this waits for each copy of journey on the wake queue, nothing is added: seven seconds' work, 5,000
#: for the twenty copies that there are where nothing else is said (template.yaml, WakeWorkers).
BACKLOG = 250
#: While more marketing messages than this wait for each copy of send, a campaign reaches nobody more: ten minutes'
#: work, 12,000 for two copies (MarketingSenders). So ten million mails take as long as SES takes for them, and none is
#: planned too early.
UNSENT = 6_000
#: How many copies there are, where nothing else is said.
WAKE_WORKERS, SENDERS = 20, 2
#: A campaign that is paused looks again so often.
PAUSED_SECONDS = 60

#: So many pages of profiles are sorted by their own hour at once: a part of a list holds 5,000 ids at most.
_SORTED = 10
_CHUNK = 50
_MOMENT = "%Y%m%dT%H%MZ"
#: Of a shop with few of many profiles, one task looks at so many pages at most.
_PAGES = 20

_NEWEST = "passes/last.json"


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one shard has come. `step` counts its tasks that are done."""

    shard: int
    of: int
    step: int
    woken: int
    at: datetime
    done: bool = False


class Pass(Struct, frozen=True, kw_only=True):
    """One pass: because of which playbook, to what shape it brings everybody, and when it was started."""

    id: str
    shape: str
    hash: str
    started_at: datetime
    shards: int


_people = msgspec.json.Decoder(list[str])
_pass = msgspec.json.Decoder(Pass)
_progress = msgspec.json.Decoder(Progress)


def shard_tasks(
    fanout: str,
    started_at: datetime,
    shards: int,
    *,
    shop: str = "",
    campaign: Campaign | None = None,
    zone: str = "",
) -> list[ShardTask]:
    """Return the first task of each shard: of a campaign, or else of a pass. `zone` is the shop's."""
    return [
        ShardTask(
            fanout=fanout,
            kind="pass" if campaign is None else "campaign",
            started_at=started_at,
            shard=shard,
            of=shards,
            shop=shop,
            phase="sort" if campaign is not None and campaign.wall else "",
            zone=zone,
            campaign=campaign,
        )
        for shard in range(shards)
    ]


def last_pass(blobs: Blobs) -> tuple[Pass | None, str | None]:
    """Return the newest pass and its file's version tag; two `None` before the first."""
    found = blobs.tagged(_NEWEST)
    return (_pass.decode(found[0]), found[1]) if found is not None else (None, None)


def put_last_pass(blobs: Blobs, newest: Pass, *, expected: str | None) -> bool:
    """Write the newest pass, unless somebody else was first; return whether it was written."""
    return blobs.swap(_NEWEST, msgspec.json.encode(newest), expected=expected)


def progress_of(blobs: Blobs, fanout: str) -> list[Progress]:
    """Return how far each shard has come of which something is known, by its number."""
    found = (blobs.get(key) for key in sorted(blobs.list(f"fanout/{fanout}/")))
    return [_progress.decode(raw) for raw in found if raw is not None]


class Fanout:
    """Works on shards."""

    def __init__(
        self,
        *,
        everybody: Everybody,
        wakes: WakeQueue,
        queue: FanoutQueue,
        blobs: Blobs,
        clock: Clock,
        herald: ProductHerald | None = None,
        stops: Stops | None = None,
        sending: Sending | None = None,
        wake_workers: int = WAKE_WORKERS,
        senders: int = SENDERS,
    ) -> None:
        """Take the ports, and how many copies of journey and of send there are for what is handed to them.

        Without a `herald` nobody is told of changes of products, without `stops` no campaign can be stopped, and
        without `sending` nobody looks how much waits to be sent.
        """
        self._herald = herald
        self._stops = stops
        self._sending = sending
        self._wake_workers = wake_workers
        self._senders = senders
        self._hours: dict[tuple[str, str], datetime] = {}
        self._everybody = everybody
        self._wakes = wakes
        self._queue = queue
        self._blobs = blobs
        self._clock = clock

    def work(self, task: ShardTask) -> int:
        """Wake the next profiles of a shard and leave the rest to the next task; return how many were woken.

        Of a change of a product that no flow waits for, nobody is told.
        """
        if (task.news is not None and not self._awaited(task.news)) or self._is_over(task):
            return 0
        stop = self._stop(task)
        if stop == "cancelled":
            return 0
        if stop == "paused":
            self._queue.ask([task], PAUSED_SECONDS)
            return 0
        if self._wakes.backlog() > BACKLOG * self._wake_workers or self._too_much_waits(task):
            self._queue.ask([task], SLICE_SECONDS)
            return 0
        if task.news is not None and self._herald is not None:
            page = self._herald.tell(task.news, task.cursor)
            self._go_on(task, len(page.ids), page.cursor, TOLD_SECONDS)
            return len(page.ids)
        if task.phase == "sort":
            return self._sort(task)
        if task.phase == "tell":
            return self._tell(task)
        found, cursor = self._slice(task)
        seconds = self._wake(task, found)
        self._go_on(task, len(found), cursor, max(seconds, SLICE_SECONDS))
        return len(found)

    def _wake(self, task: ShardTask, found: Sequence[str]) -> int:
        """Wake these, spread over some time; return how many seconds that is."""
        for number, chunk in enumerate(_chunks(found)):
            delay = number * _CHUNK * SLICE_SECONDS // SLICE
            self._wakes.wake([Wake(profile_id=each, campaign=task.campaign) for each in chunk], delay)
        return len(found) * SLICE_SECONDS // SLICE

    # --- each recipient's own hour

    def _sort(self, task: ShardTask) -> int:
        """Write down whom of the next profiles the campaign comes to at which moment: nobody is woken yet.

        A list that is written stands. Where the task is done twice and somebody moved in between, the second time has
        them on another list, whose hour may have gone by; on two lists they are told once.
        """
        wall = task.campaign.wall if task.campaign is not None else ""
        parts: dict[datetime, list[str]] = {}
        cursor = task.cursor
        for _ in range(_SORTED):
            page = self._everybody.profile_ids(task.shard, task.of, cursor, shop=task.shop)
            for profile_id, where in zip(page.ids, page.zones, strict=True):
                parts.setdefault(self._own_hour(wall, where or task.zone), []).append(profile_id)
            cursor = page.cursor
            if cursor is None:
                break
        for moment, people in parts.items():
            key = f"{_parts(task)}{moment:{_MOMENT}}/{task.step:06}.{ids.digest(*people)}.json"
            self._blobs.put(key, msgspec.json.encode(people), "application/json")
        if cursor is not None:
            self._go_on(task, 0, cursor, 0)
        else:
            self._go_on(replace(task, phase="tell"), 0, "", 0)
        return 0

    def _tell(self, task: ShardTask) -> int:
        """Wake those whose moment has come next; where it has not come yet, look again later."""
        part = self._blobs.following(_parts(task), task.cursor or "")
        if part is None:
            self._go_on(task, 0, None, 0)
            return 0
        moment = datetime.strptime(part.split("/")[-2], _MOMENT).replace(tzinfo=UTC)
        wait = math.ceil((moment - self._clock.now()).total_seconds())
        if wait > 0:
            self._queue.ask([task], min(wait, MAX_DELAY))
            return 0
        people = _people.decode(self._blobs.get(part) or b"[]")
        told = replace(task, campaign=replace(task.campaign, at=moment) if task.campaign is not None else None)
        seconds = self._wake(told, people)
        self._go_on(task, len(people), part, max(seconds, 1))
        return len(people)

    def _own_hour(self, wall: str, where: str) -> datetime:
        key = wall, where
        if key not in self._hours:
            self._hours[key] = wall_moment(wall, zone(where) or ZoneInfo("UTC"))
        return self._hours[key]

    def _go_on(self, task: ShardTask, reached: int, cursor: str | None, delay: int) -> None:
        following = replace(task, step=task.step + 1, cursor=cursor, woken=task.woken + reached)
        if task.phase == "tell" and cursor == "":
            following = replace(following, cursor=None)
        if cursor is not None:
            self._queue.ask([following], delay)
        # Last: what is written here says that the next task is on its way.
        progress = Progress(
            shard=task.shard,
            of=task.of,
            step=following.step,
            woken=following.woken,
            at=self._clock.now(),
            done=cursor is None,
        )
        self._blobs.put(_key(task), msgspec.json.encode(progress), "application/json")

    def _stop(self, task: ShardTask) -> Stopping | None:
        if self._stops is None or task.campaign is None:
            return None
        return self._stops.of(task.shop, task.campaign.flow, task.campaign.occurrence)

    def _too_much_waits(self, task: ShardTask) -> bool:
        """Whether a campaign has planned more than goes out soon: it must not plan what will be too late."""
        if task.campaign is None or self._sending is None:
            return False
        return self._sending.waiting() > UNSENT * self._senders

    def _awaited(self, news: News) -> bool:
        return self._herald is not None and self._herald.awaited(news)

    def _is_over(self, task: ShardTask) -> bool:
        """Whether this very task was done before, or its pass has been overtaken by one that began later."""
        raw = self._blobs.get(_key(task))
        if raw is not None and _progress.decode(raw).step > task.step:
            return True
        if task.kind != "pass":
            return False
        newest, _ = last_pass(self._blobs)
        # Not "is another": the one that put this task here may be about to write itself down.
        return newest is not None and newest.id != task.fanout and newest.started_at > task.started_at

    def _slice(self, task: ShardTask) -> tuple[list[str], str | None]:
        found: list[str] = []
        cursor = task.cursor
        for _ in range(_PAGES):
            page = self._everybody.profile_ids(task.shard, task.of, cursor, shop=task.shop)
            found += page.ids
            cursor = page.cursor
            if cursor is None or len(found) >= SLICE:
                break
        return found, cursor


def _parts(task: ShardTask) -> str:
    return f"fanout/parts/{task.fanout}/{task.shard:04}/"


def _key(task: ShardTask) -> str:
    return f"fanout/{task.fanout}/{task.shard:04}.json"


def _chunks(profiles: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(profiles), _CHUNK):
        yield profiles[start : start + _CHUNK]

"""Importing: what a shop knows already, taken in through the same door and by the same normaliser as its webhooks.

A source gives pages of records in the shape of webhooks (`ports.Source`). Each page is read, put together by person,
accepted like anything from outside, and then written down as done: an import that was killed goes on there, and what it
does twice is recognised by its delivery id, which follows from the content. `journey` applies it, as the only writer of
profiles; so the import waits while more is accepted than applied.

What it brings is marked (`Event.imported`): it becomes part of what is known, of segments, tiers and dates, and lets
nobody into a flow (`flow.engine`), however young it is; and of somebody who was erased nothing is kept
(`service.graves`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import MalformedBodyError, UnknownShopError
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import PrivacyRequest, Product
from rekindle.ports import (
    Blobs,
    BulkIntake,
    Clock,
    Page,
    Record,
    Secrets,
    ShopSecrets,
    Source,
    Unusable,
)
from rekindle.service.accept import accepting
from rekindle.shops import imported as bodies
from rekindle.shops.imported import Imported
from rekindle.shops.reading import CONSENT_KEYS, Arrival

#: While so many deliveries wait to be applied, no more are accepted.
BACKLOG = 2_000
#: Seconds between two looks whether fewer wait.
LOOK = 1.0
#: A delivery holds so much of one person at most: journey applies it in one commit, whose item has 400 KB.
MAX_RECORDS, MAX_BODY = 40, 150_000

FOLDER = "imports"


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far an import has come. `cursor` is where it goes on; counts are of records, by topic where it says so."""

    id: str
    shop: str
    label: str
    """what is imported, for people: `woocommerce customers, orders`"""
    begun_at: datetime
    cursor: str | None = None
    pages: int = 0
    read: Mapping[str, int] = {}
    """topic → how many were read"""
    accepted: int = 0
    repeated: int = 0
    """records that were known already, to the letter"""
    unusable: int = 0
    stopped_at: datetime | None = None
    """when the last page so far was done"""
    done: bool = False
    total: int | None = None
    """about how many records there are in all, where the source knows"""

    @property
    def records(self) -> int:
        """How many records were read."""
        return sum(self.read.values())


class Step(Struct, frozen=True, kw_only=True):
    """A page that is done, or a moment of waiting for what was accepted to be applied (`waiting`: how much)."""

    progress: Progress
    unusable: tuple[Unusable, ...] = ()
    waiting: int = 0


class Job(Struct, frozen=True, kw_only=True):
    """What is to be imported. The same job goes on where it stopped.

    `key` says what makes it this one (which things, since when, which file); `label` is for people. With `imported`
    `silent` it lets nobody into a flow, with `telling` it may, as far as a flow's `max_age` allows; `None` stands for
    webhooks that were missed, which count as if they had come.
    """

    shop: str
    key: str
    label: str
    imported: Imported | None = "silent"

    @property
    def id(self) -> str:
        """Its name, the same in every run."""
        return ids.digest("job", self.shop, self.key, self.imported or "")

    @property
    def place(self) -> str:
        """Where its progress stands in the content bucket."""
        return f"{FOLDER}/{self.shop}/{self.id}.json"


class Importer:
    """Imports from sources. Not for two runs of one job at a time: that would do it twice, and harm nothing."""

    def __init__(
        self,
        *,
        intake: BulkIntake,
        blobs: Blobs,
        secrets: Secrets,
        clock: Clock,
        sleep: Callable[[float], None],
        backlog: int = BACKLOG,
    ) -> None:
        self._intake = intake
        self._blobs = blobs
        self._secrets = secrets
        self._clock = clock
        self._sleep = sleep
        self._backlog = backlog

    def progress(self, job: Job) -> Progress | None:
        """Return how far this job has come, if it was ever begun."""
        raw = self._blobs.get(job.place)
        return msgspec.json.decode(raw, type=Progress) if raw is not None else None

    def run(self, source: Source, job: Job, *, resume: bool = True, dry_run: bool = False) -> Iterator[Step]:
        """Import page after page, and yield what became of each. Stopping in between leaves nothing half done.

        With `resume`, a job that was stopped goes on with the page that it was at; one that is done begins anew.
        `dry_run` reads and counts, and writes nothing. Raises `UnknownShopError`, and what the source raises.
        """
        known = self._secrets.shop(job.shop)
        if known is None:
            raise UnknownShopError(f"no shop {job.shop} is connected")
        progress = self._begin(source, job, resume=resume and not dry_run)
        while not progress.done:
            page = source.page(progress.cursor)
            read = self._read(known, page, job.imported)
            new = () if dry_run else self._accept(read, job.shop)
            progress = self._counted(progress, page, read, new)
            yield Step(progress=progress, unusable=(*page.unusable, *read.unusable))
            if not dry_run:
                # Only what was told to whoever asked is done: else a killed import could forget what it could not use.
                self._blobs.put(job.place, msgspec.json.encode(progress), "application/json")
                if not progress.done:
                    yield from self._wait(progress)

    def _begin(self, source: Source, job: Job, *, resume: bool) -> Progress:
        before = self.progress(job) if resume else None
        if before is not None and not before.done:
            return before
        return Progress(id=job.id, shop=job.shop, label=job.label, begun_at=self._clock.now(), total=source.total())

    def _wait(self, progress: Progress) -> Iterator[Step]:
        while (waiting := self._intake.waiting(self._backlog)) >= self._backlog:
            yield Step(progress=progress, waiting=waiting)
            self._sleep(LOOK)

    # --- reading

    def _read(self, known: ShopSecrets, page: Page, imported: Imported | None) -> _Read:
        now = self._clock.now()
        arrival = Arrival(
            shop=known.shop,
            delivery_id="",
            received_at=now,
            domain=known.domain,
            region=known.region,
            currency=known.currency,
            consent_keys=known.consent_keys or CONSENT_KEYS,
        )
        told: list[tuple[Record, tuple[Event, ...]]] = []
        unusable: list[Unusable] = []
        for record in page.records:
            try:
                events = bodies.read(known.platform, record.topic, record.body, arrival, imported)
            except MalformedBodyError as error:
                unusable.append(Unusable(where=record.where, why=str(error)))
                continue
            if any(isinstance(event.data, PrivacyRequest) or event.type == "delivery.unknown" for event in events):
                unusable.append(Unusable(where=record.where, why=f"{record.topic}: nothing that an import may tell"))
                continue
            told.append((record, events))
            unusable += [
                Unusable(where=record.where, why=f"taken without this: {problem}")
                for event in events
                for problem in event.problems
            ]
        return _Read(told, unusable, now)

    # --- accepting

    def _accept(self, read: _Read, shop: str) -> Sequence[tuple[int, bool]]:
        """Accept what was read; return of each delivery how many records it holds, and whether it was new."""
        key = self._secrets.address_key()
        groups = together(read.told)
        batch = [accepting(_delivery(shop, group, read.at), key) for group in groups]
        return [(len(group), new) for group, new in zip(groups, self._intake.accept_all(batch), strict=True)]

    def _counted(self, progress: Progress, page: Page, read: _Read, new: Sequence[tuple[int, bool]]) -> Progress:
        counts = dict(progress.read)
        for record in page.records:
            counts[record.topic] = counts.get(record.topic, 0) + 1
        whole = len(page.records) - len(read.told) + len(page.unusable)
        return replace(
            progress,
            cursor=page.cursor,
            done=page.cursor is None,
            pages=progress.pages + 1,
            read=counts,
            accepted=progress.accepted + sum(many for many, fresh in new if fresh),
            repeated=progress.repeated + sum(many for many, fresh in new if not fresh),
            unusable=progress.unusable + whole,
            stopped_at=read.at,
        )


class _Read(Struct, frozen=True):
    told: list[tuple[Record, tuple[Event, ...]]]
    unusable: list[Unusable]
    at: datetime


Group = list[tuple[Record, tuple[Event, ...]]]


def together(told: Sequence[tuple[Record, tuple[Event, ...]]]) -> list[Group]:
    """Return the records put together by whom they are about, as far as their order allows; others stay by themselves.

    What is applied together costs one commit. Who is who `journey` decides: two people in one group are told apart.
    """
    groups: list[Group] = []
    of: dict[tuple[str, str], int] = {}
    sizes: list[int] = []
    for record, events in told:
        names = _names(events)
        place = of.get(names[0]) if names else None
        size = len(record.body)
        if place is None or len(groups[place]) >= MAX_RECORDS or sizes[place] + size > MAX_BODY:
            place = len(groups)
            groups.append([])
            sizes.append(0)
        groups[place].append((record, events))
        sizes[place] += size
        of.update(dict.fromkeys(names, place))
    return groups


def _names(events: Sequence[Event]) -> tuple[tuple[str, str], ...]:
    """Return by what a record's person is known, the account first: many may share an address. Products go together."""
    if all(isinstance(event.data, Product) for event in events):
        return (("product", ""),)
    who = events[0].who
    pairs = (("customer", who.shop_customer_id), ("email", who.email))
    return tuple((kind, value) for kind, value in pairs if value)


def _delivery(shop: str, group: Group, now: datetime) -> Delivery:
    body = bodies.pack([(record.topic, record.body) for record, _ in group])
    return Delivery(
        id=ids.digest("import", shop, body),
        shop=shop,
        source=bodies.SOURCE,
        topic=bodies.TOPIC,
        received_at=now,
        events=tuple(event for _, events in group for event in events),
        body=body,
    )

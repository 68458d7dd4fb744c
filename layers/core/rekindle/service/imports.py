"""Importing: what a shop knows already, taken in through the same door and by the same normaliser as its webhooks.

A source gives pages of records in the shape of webhooks (`ports.Source`). They are read, put together by person,
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
from rekindle.service.arrivals import arrival_at
from rekindle.shops import imported as bodies
from rekindle.shops.imported import Imported
from rekindle.shops.reading import Arrival

#: While so many deliveries wait to be applied, no more are accepted.
BACKLOG = 2_000
#: Seconds between two looks whether fewer wait.
LOOK = 1.0
#: So many deliveries are accepted between two looks at what waits.
BATCH = 500
#: So many bytes of records are held at most, to be put together by person.
MAX_GATHERED = 200_000_000
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
    """A page that was read, a batch that was accepted, or a wait until fewer than `waiting` are to be applied."""

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
        gather: int = 1,
    ) -> None:
        """`gather`: so many records are read, in whole pages, before they are accepted.

        The more, the more often somebody's account and orders are applied in one commit; and so many are read again
        where the import was killed in between.
        """
        self._intake = intake
        self._blobs = blobs
        self._secrets = secrets
        self._clock = clock
        self._sleep = sleep
        self._backlog = backlog
        self._gather = gather

    def progress(self, job: Job) -> Progress | None:
        """Return how far this job has come, if it was ever begun."""
        raw = self._blobs.get(job.place)
        return msgspec.json.decode(raw, type=Progress) if raw is not None else None

    def run(self, source: Source, job: Job, *, resume: bool = True, dry_run: bool = False) -> Iterator[Step]:
        """Import, and yield what became of each page and of each batch. Stopping in between leaves nothing half done.

        With `resume`, a job that was stopped goes on where it was last written down; one that is done begins anew.
        `dry_run` reads and counts, and writes nothing. Raises `UnknownShopError`, and what the source raises.
        """
        known = self._secrets.shop(job.shop)
        if known is None:
            raise UnknownShopError(f"no shop {job.shop} is connected")
        progress = self._begin(source, job, resume=resume and not dry_run)
        while not progress.done:
            gathered: list[_Named] = []
            while True:
                page = source.page(progress.cursor)
                read = self._read(known, page, job.imported)
                progress = _with_page(progress, page, read)
                yield Step(progress=progress, unusable=(*page.unusable, *read.unusable))
                if not dry_run:
                    gathered += read.told
                if page.cursor is None or self._is_much(gathered):
                    break
                if not gathered and not dry_run:
                    # Shopify is at work, say: what it works at has a name in the cursor, which must not be forgotten.
                    self._write_down(job, progress)
            if dry_run:
                continue
            for batch in _batches(together(gathered)):
                new = self._accept(known, batch, job.imported)
                progress = replace(
                    progress,
                    accepted=progress.accepted + sum(len(group) for group, fresh in new if fresh),
                    repeated=progress.repeated + sum(len(group) for group, fresh in new if not fresh),
                )
                yield Step(progress=progress)
                yield from self._wait(progress)
            self._write_down(job, progress)

    def _begin(self, source: Source, job: Job, *, resume: bool) -> Progress:
        before = self.progress(job) if resume else None
        if before is not None and not before.done:
            return before
        return Progress(id=job.id, shop=job.shop, label=job.label, begun_at=self._clock.now(), total=source.total())

    def _write_down(self, job: Job, progress: Progress) -> None:
        self._blobs.put(job.place, msgspec.json.encode(progress), "application/json")

    def _wait(self, progress: Progress) -> Iterator[Step]:
        while (waiting := self._intake.waiting(self._backlog)) >= self._backlog:
            yield Step(progress=progress, waiting=waiting)
            self._sleep(LOOK)

    def _is_much(self, gathered: Sequence[_Named]) -> bool:
        # Only what was read decides, and no clock: so the same records are put together in every run.
        return len(gathered) >= self._gather or sum(len(each.record.body) for each in gathered) >= MAX_GATHERED

    # --- reading

    def _read(self, known: ShopSecrets, page: Page, imported: Imported | None) -> _Read:
        told: list[_Named] = []
        unusable: list[Unusable] = []
        arrival = self._arrival(known)
        for record in page.records:
            try:
                events = bodies.read(known.platform, record.topic, record.body, arrival, imported)
            except MalformedBodyError as error:
                unusable.append(Unusable(where=record.where, why=str(error)))
                continue
            if any(isinstance(event.data, PrivacyRequest) or event.type == "delivery.unknown" for event in events):
                unusable.append(Unusable(where=record.where, why=f"{record.topic}: nothing that an import may tell"))
                continue
            told.append(_Named(record, _names(events)))
            unusable += [
                Unusable(where=record.where, why=f"taken without this: {problem}")
                for event in events
                for problem in event.problems
            ]
        return _Read(told, unusable, arrival.received_at)

    def _arrival(self, known: ShopSecrets) -> Arrival:
        return arrival_at(known, "", self._clock.now(), None)

    # --- accepting

    def _accept(
        self, known: ShopSecrets, groups: Sequence[Group], imported: Imported | None
    ) -> list[tuple[Group, bool]]:
        """Accept these, a delivery each; return which were new."""
        key, arrival = self._secrets.address_key(), self._arrival(known)
        ready = [accepting(_delivery(known, group, arrival, imported), key) for group in groups]
        return list(zip(groups, self._intake.accept_all(ready), strict=True))


class _Named(Struct, frozen=True):
    """A record, and by what its person is known, the strongest first."""

    record: Record
    names: tuple[tuple[str, str], ...]


class _Read(Struct, frozen=True):
    told: list[_Named]
    unusable: list[Unusable]
    at: datetime


Group = list[Record]


def _with_page(progress: Progress, page: Page, read: _Read) -> Progress:
    counts = dict(progress.read)
    for record in page.records:
        counts[record.topic] = counts.get(record.topic, 0) + 1
    lost = (
        len(page.records)
        - len(read.told)
        + len({each.where for each in page.unusable} - {r.where for r in page.records})
    )
    return replace(
        progress,
        cursor=page.cursor,
        done=page.cursor is None,
        pages=progress.pages + 1,
        read=counts,
        unusable=progress.unusable + lost,
        stopped_at=read.at,
    )


def together(told: Sequence[_Named]) -> list[Group]:
    """Return the records put together by whom they are about, each person's in their order.

    What is applied together costs one commit. Who is who `journey` decides: two people in one group are told apart.
    """
    groups: list[Group] = []
    of: dict[tuple[str, str], int] = {}
    sizes: list[int] = []
    for each in told:
        place = of.get(each.names[0]) if each.names else None
        size = len(each.record.body)
        if place is None or len(groups[place]) >= MAX_RECORDS or sizes[place] + size > MAX_BODY:
            place = len(groups)
            groups.append([])
            sizes.append(0)
        groups[place].append(each.record)
        sizes[place] += size
        of.update(dict.fromkeys(each.names, place))
    return groups


def _batches(groups: Sequence[Group]) -> Iterator[Sequence[Group]]:
    for start in range(0, len(groups), BATCH):
        yield groups[start : start + BATCH]


def _names(events: Sequence[Event]) -> tuple[tuple[str, str], ...]:
    """Return by what a record's person is known, the account first: many may share an address. Products go together."""
    if all(isinstance(event.data, Product) for event in events):
        return (("product", ""),)
    who = events[0].who
    pairs = (("customer", who.shop_customer_id), ("email", who.email))
    return tuple((kind, value) for kind, value in pairs if value)


def _delivery(known: ShopSecrets, group: Group, arrival: Arrival, imported: Imported | None) -> Delivery:
    body = bodies.pack([(record.topic, record.body) for record in group])
    return Delivery(
        id=ids.digest("import", known.shop, body),
        shop=known.shop,
        source=bodies.SOURCE,
        topic=bodies.TOPIC,
        received_at=arrival.received_at,
        events=bodies.read_again(known.platform, body, arrival, imported),
        body=body,
    )

"""Reading stored deliveries again with today's normaliser, and accepting what it tells differently.

A body that was of an unknown topic when it came, or that an earlier version misread, is still there as it came. Facts
are upserts, so what is read better now may simply be told again: as a delivery of its own, under an id that its content
gives, so that replaying twice changes nothing. What is no longer told cannot be taken back; it is only reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict, replace

from rekindle.domain.errors import MalformedBodyError, UnknownShopError
from rekindle.domain.events import Delivery, Event, encode_events
from rekindle.domain.facts import PrivacyRequest
from rekindle.domain.ids import digest
from rekindle.ports import Archive, Clock, Intake, Secrets, ShopSecrets
from rekindle.service.accept import accept
from rekindle.service.arrivals import arrival_at
from rekindle.shops import imported
from rekindle.shops import intake as shops
from rekindle.shops.reading import Arrival

#: `same`: nothing to do. `differs`: not accepted, because it was not asked for or nothing is there to accept.
#: `accepted`, `repeated`: told anew now, or at an earlier replay. `no_body`: the body was erased, or is not found.
#: `unreadable`: it is no JSON object, which it was when it was accepted.
Outcome = Literal["same", "differs", "accepted", "repeated", "no_body", "unreadable"]

#: What a replayed delivery names as its source.
SOURCE = "replay"


class Difference(Struct, frozen=True, kw_only=True):
    """One event that today's reading tells, and the stored one does not, or the other way round.

    `fields` are the parts of the event in which a changed one differs.
    """

    what: Literal["added", "changed", "removed"]
    type: str
    fields: tuple[str, ...] = ()
    event: Event | None = None
    """as it is told now; `None` when it is not"""


class Replayed(Struct, frozen=True, kw_only=True):
    """What became of one stored delivery."""

    delivery_id: str
    topic: str
    received_at: datetime
    outcome: Outcome
    differences: tuple[Difference, ...] = ()


class Replay:
    """Reads a shop's stored deliveries again."""

    def __init__(self, *, archive: Archive, intake: Intake, secrets: Secrets, clock: Clock) -> None:
        self._archive = archive
        self._intake = intake
        self._secrets = secrets
        self._clock = clock

    def run(
        self,
        shop: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        topic: str | None = None,
        dry_run: bool = False,
    ) -> Iterator[Replayed]:
        """Read every delivery of the shop's platform in that time again, and yield what became of each.

        Unless `dry_run`, what differs is accepted; but privacy requests only where `topic` is theirs, for an old
        request to erase must not take away what a customer, or a shop that came back, has given since. Stopping in
        between leaves nothing half done. Raises `UnknownShopError` when the shop is not connected: its domain, country
        and currency are part of the reading.
        """
        known = self._secrets.shop(shop)
        if known is None:
            raise UnknownShopError(f"no shop {shop} is connected")
        for delivery in self._archive.deliveries(shop, since, until, topic):
            if delivery.source in (known.platform, imported.SOURCE):
                found = _read_again(delivery, known)
                told = tuple(each.event for each in found.differences if each.event is not None)
                if topic is None:
                    told = tuple(event for event in told if not isinstance(event.data, PrivacyRequest))
                yield found if dry_run or not told else replace(found, outcome=self._accept(delivery, told))

    def _accept(self, delivery: Delivery, told: tuple[Event, ...]) -> Outcome:
        again = Delivery(
            id=digest("replay", delivery.id, encode_events(told)),
            shop=delivery.shop,
            source=SOURCE,
            topic=delivery.topic,
            received_at=self._clock.now(),
            events=told,
        )
        return "accepted" if accept(again, self._intake, self._secrets.address_key()) else "repeated"


def _read_again(delivery: Delivery, known: ShopSecrets) -> Replayed:
    arrival = arrival_at(known, delivery.id, delivery.received_at, delivery.triggered_at)
    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    if not delivery.body:
        outcome = "no_body"
    else:
        try:
            events = _events(delivery, known, arrival)
        except MalformedBodyError:
            outcome = "unreadable"
        else:
            differences = compare(delivery.events, events)
            outcome = "differs" if differences else "same"
    return Replayed(
        delivery_id=delivery.id,
        topic=delivery.topic,
        received_at=delivery.received_at,
        outcome=outcome,
        differences=differences,
    )


def _events(delivery: Delivery, known: ShopSecrets, arrival: Arrival) -> tuple[Event, ...]:
    if delivery.source != imported.SOURCE:
        return shops.read_again(known.platform, delivery.topic, delivery.body, arrival)
    how: imported.Imported | None = delivery.events[0].imported if delivery.events else "silent"
    return imported.read_again(known.platform, delivery.body, arrival, how)


def compare(before: tuple[Event, ...], after: tuple[Event, ...]) -> tuple[Difference, ...]:
    """Return in what two readings of one body differ, type by type, the events of a type in their order."""
    types: dict[str, tuple[list[Event], list[Event]]] = defaultdict(lambda: ([], []))
    for side, events in enumerate((before, after)):
        for event in events:
            types[event.type][side].append(event)
    found: list[Difference] = []
    for kind, (old, new) in types.items():
        for was, now in zip_longest(old, new):
            if was is None:
                found.append(Difference(what="added", type=kind, event=now))
            elif now is None:
                found.append(Difference(what="removed", type=kind))
            elif fields := _differing(was, now):
                found.append(Difference(what="changed", type=kind, fields=fields, event=now))
    return tuple(found)


def _differing(was: Event, now: Event) -> tuple[str, ...]:
    """Return the fields in which two readings of one event differ; its id says only its place in the delivery."""
    old, new = _flat(was), _flat(now)
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def _flat(event: Event) -> dict[str, object]:
    fields = asdict(event)
    del fields["id"]
    for name in ("data", "who", "person"):
        part = fields.pop(name)
        if part is not None:
            fields.update((f"{name}.{field}", value) for field, value in asdict(part).items())
    return fields

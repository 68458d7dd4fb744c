"""From a webhook to its mails, and back: what was accepted, what was decided of it, and what became of each message.

By ids, which stand in the tables and in the logs of every function; no address is read or shown. Ports only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.errors import RekindleError
from rekindle.domain.events import Delivery
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Profile
from rekindle.ports import LedgerEntry, Message, State, Vault
from rekindle.service.people import follow, point_keys

#: What of a decision's values says nothing of a person. The others are in `rekindle explain`, for who may see them.
_TELLS = frozenset({"until", "as", "template", "to", "channel", "audience", "action", "segment", "source", "share"})


class NoTraceError(RekindleError):
    """Nothing that is stored has this id."""


class Arrival(Struct, frozen=True, kw_only=True):
    """A delivery of the chain, and the types of its events."""

    id: str
    shop: str
    source: str
    topic: str
    received_at: datetime
    events: tuple[str, ...]


class Step(Struct, frozen=True, kw_only=True):
    """One decision of the chain, and the delivery on which it was made (`None`: an alarm rang)."""

    at: datetime
    profile_id: str
    delivery_id: str | None
    decision: Decision


class Became(Struct, frozen=True, kw_only=True):
    """A message of the chain, and what became of it."""

    id: str
    state: str
    channel: str
    template: str
    step: str
    vendor_id: str | None
    why: str | None
    leased_at: datetime | None
    at: datetime | None
    opened_at: datetime | None
    clicked: int
    """how many of its links"""


class Chain(Struct, frozen=True, kw_only=True):
    """All that hangs together with one id: deliveries, decisions about their runs, messages; each oldest first.

    Decisions are without the values that they read, messages without hashes and links: nothing in it is personal.
    """

    id: str
    shop: str
    profiles: tuple[str, ...]
    arrivals: tuple[Arrival, ...]
    steps: tuple[Step, ...]
    messages: tuple[Became, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id of the chain that a line of a log may hold, but those of the people: they have other lines too."""
        runs = (step.decision.run for step in self.steps if step.decision.run)
        arrivals, messages = (each.id for each in self.arrivals), (each.id for each in self.messages)
        return tuple(dict.fromkeys((self.id, *arrivals, *runs, *messages)))


def trace(wanted: str, *, vault: Vault, state: State, key: bytes) -> Chain:
    """Return the chain of a delivery or a message. Raises `NoTraceError`.

    Of a delivery everything follows that was decided on it, and then in the runs which that touched; of a message its
    whole run, with all that led to it.
    """
    message = vault.messages([wanted]).get(wanted)
    delivery = vault.delivery(wanted) if message is None else None
    if message is not None:
        people, shop = _people(state, [message.profile_id]), message.shop
        lines = list(_lines(vault, people))
        runs = {step.decision.run for step in lines if step.decision.message_id == wanted} - {None}
    elif delivery is not None:
        people, shop = _people(state, _concerned(delivery, vault, key)), delivery.shop
        lines = list(_lines(vault, people))
        runs = {step.decision.run for step in lines if step.delivery_id == wanted} - {None}
    else:
        raise NoTraceError(f"no delivery and no message has the id {wanted}, or it is older than 400 days, or erased")
    mine = [
        step for step in lines if wanted in (step.delivery_id, step.decision.message_id) or step.decision.run in runs
    ]
    ids = dict.fromkeys(step.decision.message_id for step in mine if step.decision.message_id is not None)
    found = [*(vault.messages(tuple(ids)) if ids else {}).values()]
    if message is not None and wanted not in ids:
        found.append(message)
    arrived = dict.fromkeys((*([wanted] if delivery else []), *(step.delivery_id for step in mine if step.delivery_id)))
    return Chain(
        id=wanted,
        shop=shop,
        profiles=people,
        arrivals=tuple(sorted(_arrivals(vault, arrived), key=lambda arrival: arrival.received_at)),
        steps=tuple(mine),
        messages=tuple(map(_became, sorted(found, key=_since))),
    )


def _people(state: State, profile_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the profiles as they are now, and those that were merged into them."""
    ids: dict[str, None] = {}
    for profile_id in filter(None, profile_ids):
        profile: Profile | None = follow(state.profile, profile_id)
        ids |= dict.fromkeys((profile.id, *profile.was) if profile is not None else (profile_id,))
    return tuple(ids)


def _concerned(delivery: Delivery, vault: Vault, key: bytes) -> Iterator[str]:
    """Yield whom the events of a delivery are about, as far as contact points lead to anybody today."""
    points = [point for event in delivery.events for point in point_keys(key, event)]
    owners, _ = vault.owners(tuple(dict.fromkeys(points)))
    yield from (event.profile_id for event in delivery.events if event.profile_id is not None)
    yield from owners.values()


def _lines(vault: Vault, profile_ids: Sequence[str]) -> Iterator[Step]:
    found = [
        Step(at=decision.at, profile_id=profile_id, delivery_id=entry.delivery_id, decision=_bare(decision))
        for profile_id in profile_ids
        for entry in _entries(vault, profile_id)
        for decision in entry.decisions
    ]
    yield from sorted(found, key=lambda step: step.at)


def _bare(decision: Decision) -> Decision:
    values = {name: value for name, value in decision.values.items() if name in _TELLS}
    return replace(decision, values=values, event_id=None)


def _entries(vault: Vault, profile_id: str) -> Iterator[LedgerEntry]:
    after = ""
    while page := vault.ledger(profile_id, after):
        yield from page
        after = page[-1].at


def _arrivals(vault: Vault, delivery_ids: Iterable[str]) -> Iterator[Arrival]:
    for delivery_id in delivery_ids:
        found = vault.delivery(delivery_id)
        if found is not None:
            yield Arrival(
                id=found.id,
                shop=found.shop,
                source=found.source,
                topic=found.topic,
                received_at=found.received_at,
                events=tuple(dict.fromkeys(event.type for event in found.events)),
            )


def _became(message: Message) -> Became:
    named = {name: getattr(message, name) for name in Became.__struct_fields__ if name != "clicked"}
    return Became(**named, clicked=len(message.links))


def _since(message: Message) -> tuple[str, str]:
    at = message.leased_at or message.at
    return (at.isoformat() if at is not None else "", message.id)

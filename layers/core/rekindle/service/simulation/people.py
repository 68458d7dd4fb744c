"""Who is who in a stream of events, as `rekindle.service.people` decides it, in memory for a whole shop. Pure.

Where every contact point leads to the same person, or to nobody yet, nothing can be in doubt and it is settled here,
because a million events are that. Everything else goes to `share_out`, the very code that decides in production.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.absorb.person import with_contacts
from rekindle.domain.events import Event
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.flow.merge import merge
from rekindle.ports import QUARANTINE, Alias, Pending, Work
from rekindle.service.people import MOVABLE, alias_key, share_out, without_unproven

#: Nothing that is hashed with it leaves the process.
_KEY = b"simulation"
_Known = tuple[str | None, str | None, str | None]
"""e-mail, phone and customer id of a profile"""
_NOTHING: _Known = (None, None, None)
_NOBODY_WAITS = Pending(id="", delivery_id="", shop="")


class Placed(Struct, frozen=True):
    """Whom an event concerns. `person` counts people from 0; `absorbed` are those who turned out to be the same one."""

    person: int
    new: bool = False
    absorbed: tuple[int, ...] = ()
    nameless: bool = False
    """the event's address is shared by too many to name anybody: it is taken without it"""


class Directory:
    """The people of one shop. Takes events in the order in which they were received."""

    def __init__(self, shop: str) -> None:
        self._shop = shop
        self._owners: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._known: list[_Known] = []
        self._gone: dict[int, int] = {}
        self._parents: list[int] = []
        self._sharing: dict[str, set[str]] = {}

    def place(self, event: Event) -> Placed | None:
        """Return whom this event concerns, or `None`: nobody (a product), or somebody who was never heard of."""
        event = without_unproven(event)
        who, nameless = event.who, False
        if who.email is not None and len(self._sharing.get(who.email, ())) >= QUARANTINE:
            event, nameless = replace(event, who=replace(who, email=None)), True
        if event.profile_id is not None:
            return self._named(event, nameless)
        points = event.points()
        if not points:
            return None
        owners = self._owners
        found: int | None = None
        missing: list[str] = []
        for kind, value in points:
            key = f"{kind} {value}"
            owner = owners.get(key)
            if owner is None:
                missing.append(key)
                continue
            owner = self._end(owner)
            if found is None:
                if not self._may_be(owner, event, kind):
                    return self._ask(event, nameless)
                found = owner
            elif found != owner:
                return self._ask(event, nameless)
        new = found is None
        person = self._create(event) if found is None else found
        for key in missing:
            owners[key] = person
        self._learn(person, event)
        return Placed(person, new, (), nameless)

    def one(self, person: int) -> int:
        """Return the number that stands for this person and all whom they turned out to be, at the end."""
        parents = self._parents
        while parents[person] != person:
            parents[person] = parents[parents[person]]
            person = parents[person]
        return person

    def __len__(self) -> int:
        return len(self._ids)

    # --- the fast way

    def _named(self, event: Event, nameless: bool) -> Placed | None:
        number = self._numbers.get(event.profile_id or "")
        if number is None:
            return None
        if event.points():
            return self._ask(event, nameless)
        return Placed(self._end(number), nameless=nameless)

    def _end(self, person: int) -> int:
        while person in self._gone:
            person = self._gone[person]
        return person

    def _may_be(self, person: int, event: Event, kind: str) -> bool:
        (email, _, customer), who = self._known[person], event.who
        if who.shop_customer_id and customer and who.shop_customer_id != customer:
            return False
        return kind not in MOVABLE or not (who.email and email and who.email != email)

    def _create(self, event: Event) -> int:
        number = len(self._ids)
        profile_id = ids.profile_id(self._shop, event.id)
        self._ids.append(profile_id)
        self._numbers[profile_id] = number
        self._known.append(_NOTHING)
        self._parents.append(number)
        return number

    def _learn(self, person: int, event: Event) -> None:
        who, known = event.who, self._known[person]
        named = who.email, who.phone, who.shop_customer_id
        if any(new is not None and new != old for new, old in zip(named, known, strict=True)):
            self._known[person] = _points(with_contacts(self._profile(person), event))

    # --- the way of production

    def _ask(self, event: Event, nameless: bool) -> Placed | None:
        points = {alias_key(_KEY, self._shop, kind, value): f"{kind} {value}" for kind, value in event.points()}
        owners = {alias: self._ids[self._owners[point]] for alias, point in points.items() if point in self._owners}
        work = Work(pending=_NOBODY_WAITS, events=(event,), owners=owners)
        shares, _ = share_out(work, (event,), self._load, _KEY, event.received_at)
        if not shares:
            return None
        (share,) = shares
        number = self._numbers.get(share.profile.id)
        new = number is None
        person = self._create(event) if number is None else number
        self._write(share.aliases, points, person)
        absorbed = tuple(self._numbers[other.id] for other in share.absorbed)
        for other in absorbed:
            self._merge(person, other, event.received_at)
        self._learn(person, event)
        self._count_sharing(event, person)
        return Placed(person, new, absorbed, nameless)

    def _write(self, aliases: tuple[Alias, ...], points: dict[str, str], person: int) -> None:
        for alias in aliases:
            self._owners[points[alias.key]] = person

    def _merge(self, person: int, other: int, now: datetime) -> None:
        self._known[person] = _points(merge(self._profile(person), self._profile(other), now))
        self._gone[other] = person
        self._parents[self.one(other)] = self.one(person)

    def _count_sharing(self, event: Event, person: int) -> None:
        who = event.who
        if event.signed and who.email and who.shop_customer_id:
            owner = self._owners.get(f"email {who.email}")
            if owner is not None and self._end(owner) != person:
                self._sharing.setdefault(who.email, set()).add(who.shop_customer_id)

    def _load(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        number = self._numbers.get(profile_id)
        if number is None:
            return None
        return Signpost(self._ids[self._gone[number]]) if number in self._gone else self._profile(number)

    def _profile(self, person: int) -> Profile:
        """Return as much of a profile as decides who it is."""
        email, phone, customer = self._known[person]
        return Profile(id=self._ids[person], shop=self._shop, email=email, phone=phone, shop_customer_id=customer)


def _points(profile: Profile) -> _Known:
    return profile.email, profile.phone, profile.shop_customer_id

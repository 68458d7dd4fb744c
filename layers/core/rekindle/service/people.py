"""Who is who: contact points to alias keys, events to the profiles that they concern (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from rekindle.domain import ids
from rekindle.domain.events import Event
from rekindle.domain.profile import Profile, Signpost
from rekindle.ports import Alias

#: These prove nothing about who a person is: they follow the stronger contact point that they are seen with.
MOVABLE = frozenset({"phone", "checkout_token", "cart_token", "browser_id"})

#: Merges chain rarely, and never in a circle; a longer chain is a defect that must not hang a worker.
_MAX_SIGNPOSTS = 10

Load = Callable[[str], "Profile | Signpost | None"]


class Share(Struct, frozen=True):
    """What one delivery means for one person: their events, their profile as stored (or new), the aliases to write."""

    profile: Profile
    events: tuple[Event, ...]
    aliases: tuple[Alias, ...]


def address_hash(key: bytes, kind: str, value: str) -> str:
    """Return what stands for an address wherever it must not be readable. `kind` is `email` or `phone`."""
    return ids.keyed_hash(key, kind, value)


def alias_key(key: bytes, shop: str, kind: str, value: str) -> str:
    """Return the key under which this contact point of this shop is looked up."""
    return f"{shop}#{kind}#{address_hash(key, kind, value)}"


def alias_keys(key: bytes, events: Iterable[Event]) -> tuple[str, ...]:
    """Return the alias keys of everybody that these events name, each once, in their order."""
    return tuple(
        dict.fromkeys(alias_key(key, event.shop, kind, value) for event in events for kind, value in event.who.points())
    )


def follow(load: Load, profile_id: str) -> Profile | None:
    """Return the profile, or the one that it was merged into."""
    for _ in range(_MAX_SIGNPOSTS):
        found = load(profile_id)
        if not isinstance(found, Signpost):
            return found
        profile_id = found.to
    return None


def share_out(
    events: Sequence[Event], owners: Mapping[str, str], load: Load, key: bytes, now: datetime
) -> tuple[list[Share], tuple[Event, ...]]:
    """Return who each event concerns, and the events that concern nobody (a product, an unknown topic).

    The strongest contact point that leads to a profile decides. A weaker one decides only where it does not contradict
    what is known of that profile: a cart token that comes back with another address is another person (DESIGN §6).
    """
    book = _Book(owners, load, key, now)
    nobody = tuple(event for event in events if not book.place(event))
    return book.shares(), nobody


class _Book:
    def __init__(self, owners: Mapping[str, str], load: Load, key: bytes, now: datetime) -> None:
        self.owners = dict(owners)
        self.stored = dict(owners)
        self.load = load
        self.key = key
        self.now = now
        self.profiles: dict[str, Profile] = {}
        self.events: dict[str, list[Event]] = {}
        self.aliases: dict[str, dict[str, Alias]] = {}

    def place(self, event: Event) -> bool:
        points = [(kind, value, alias_key(self.key, event.shop, kind, value)) for kind, value in event.who.points()]
        if event.profile_id is None and not points:
            return False
        profile = self.find(event, points)
        if profile is None and event.profile_id is not None:
            return False
        if profile is None:
            profile = Profile(id=ids.profile_id(event.shop, event.id), shop=event.shop, created_at=self.now)
            self.profiles[profile.id] = profile
        self.events.setdefault(profile.id, []).append(event)
        for kind, _, key in points:
            self.attach(profile.id, kind, key)
        return True

    def find(self, event: Event, points: Sequence[tuple[str, str, str]]) -> Profile | None:
        if event.profile_id is not None:
            return self.profile(event.profile_id)
        for kind, _, key in points:
            owner = self.owners.get(key)
            found = self.profile(owner) if owner else None
            if found is not None and _may_be(found, event, kind):
                return found
        return None

    def attach(self, profile_id: str, kind: str, key: str) -> None:
        owner = self.owners.get(key)
        if owner == profile_id or (owner is not None and self.id_of(owner) == profile_id):
            return
        if owner is not None and kind not in MOVABLE:
            return
        self.owners[key] = profile_id
        self.aliases.setdefault(profile_id, {})[key] = Alias(key, profile_id, self.stored.get(key))

    def profile(self, profile_id: str) -> Profile | None:
        if profile_id not in self.profiles:
            found = follow(self.load, profile_id)
            if found is None:
                return None
            self.profiles[profile_id] = self.profiles.setdefault(found.id, found)
        return self.profiles[profile_id]

    def id_of(self, profile_id: str) -> str:
        found = self.profile(profile_id)
        return found.id if found else profile_id

    def shares(self) -> list[Share]:
        return [
            Share(self.profiles[profile_id], tuple(events), tuple(self.aliases.get(profile_id, {}).values()))
            for profile_id, events in self.events.items()
        ]


def _may_be(profile: Profile, event: Event, kind: str) -> bool:
    who = event.who
    if who.shop_customer_id and profile.shop_customer_id and who.shop_customer_id != profile.shop_customer_id:
        return False
    if kind in MOVABLE:
        return not (who.email and profile.email and who.email != profile.email)
    return True

"""Who is who: contact points to alias keys, events to the profiles that they concern (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Consent, Order, PushSubscription, Recognised, SignUp
from rekindle.domain.offers import plain_code
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.ports import Alias, Grave, Work

#: These prove nothing about who a person is: they follow the stronger contact point that they are seen with.
MOVABLE = frozenset({"phone", "checkout_token", "cart_token", "browser_id", "push"})

#: Channel → the kind under which its addresses are hashed (`address_hash`).
ADDRESS_KINDS: Mapping[str, str] = {"email": "email", "sms": "phone", "push": "push", "audience": "audience"}

#: Merges chain rarely, and never in a circle; a longer chain is a defect that must not hang a worker.
_MAX_SIGNPOSTS = 10

#: One delivery seldom shows that more than two profiles are one person; a transaction holds a hundred writes.
_MAX_ABSORBED = 4

#: So many contact points a person can get by what nobody signed: each browser whose storage is cleared counts anew.
MAX_CLAIMED = 300

Load = Callable[[str], "Profile | Signpost | Tombstone | None"]


class Share(Struct, frozen=True):
    """What one delivery means for one person: their events, their profile as stored (or new), the aliases to write.

    `absorbed` are profiles, as stored, that turned out to be this person's: they are merged into `profile`. `graves`
    are those that they come back from.
    """

    profile: Profile
    events: tuple[Event, ...]
    aliases: tuple[Alias, ...]
    absorbed: tuple[Profile, ...] = ()
    graves: tuple[Grave, ...] = ()


def address_hash(key: bytes, kind: str, value: str) -> str:
    """Return what stands for an address wherever it must not be readable. `kind` is `email` or `phone`."""
    return ids.keyed_hash(key, kind, value)


def address_hashes(key: bytes, profile: Profile, channel: str) -> tuple[str, ...]:
    """Return what stands for where messages of this channel reach the person, the one in use first.

    Push reaches whatever browsers a person has, so there it is the person: also under ids that they had before.
    """
    reached = (profile.id, *profile.was) if channel == "push" else (profile.address(channel),)
    return tuple(address_hash(key, ADDRESS_KINDS[channel], value) for value in reached if value)


def alias_key(key: bytes, shop: str, kind: str, value: str) -> str:
    """Return the key under which this contact point of this shop is looked up."""
    return f"{shop}#{kind}#{address_hash(key, kind, value)}"


def alias_keys(key: bytes, events: Iterable[Event]) -> tuple[str, ...]:
    """Return the alias keys of everybody that these events name, each once, in their order.

    And of the codes that orders used: one may be a code for friends, which leads to whoever sent this one.
    """
    events = tuple(events)
    codes = (code for event in events for code in code_keys(key, event))
    return tuple(dict.fromkeys([*(point for event in events for point in point_keys(key, event)), *codes]))


def point_keys(key: bytes, event: Event) -> tuple[str, ...]:
    """Return the alias keys of whomever an event names, and of nobody else."""
    return tuple(dict.fromkeys(alias_key(key, event.shop, kind, value) for kind, value in event.points()))


def code_keys(key: bytes, event: Event) -> tuple[str, ...]:
    """Return the alias keys of the codes that an order used."""
    codes = event.data.codes if isinstance(event.data, Order) and event.signed else ()
    return tuple(alias_key(key, event.shop, "code", plain_code(code)) for code in codes)


def follow(load: Load, profile_id: str) -> Profile | None:
    """Return the profile, or the one that it was merged into; `None` also where it was erased."""
    for _ in range(_MAX_SIGNPOSTS):
        found = load(profile_id)
        if not isinstance(found, Signpost):
            return found if isinstance(found, Profile) else None
        profile_id = found.to
    return None


def share_out(
    work: Work, events: Sequence[Event], load: Load, key: bytes, now: datetime
) -> tuple[list[Share], tuple[Event, ...]]:
    """Return who each event concerns, and the events that concern nobody (a product, an unknown topic).

    The strongest contact point that leads to a profile decides. A weaker one decides only where it does not contradict
    what is known of that profile: a cart token that comes back with another address is another person (DESIGN §6). A
    quarantined address identifies nobody, and is not kept. Where a browser was recognised, somebody who is known comes
    before what nobody is known by yet.
    """
    book = _Book(work, load, key, now)
    nobody = tuple(event for event in events if not book.place(event))
    return book.shares(), nobody


def shared_addresses(events: Iterable[Event], shares: Iterable[Share], key: bytes) -> Iterator[tuple[str, str]]:
    """Yield (alias key, keyed hash of the customer id) where an address comes with a customer who does not own it.

    A till or a marketplace uses one address for many customers; `State.share_address` counts them.
    """
    own = {
        event.id: {*share.profile.aliases, *(alias.key for alias in share.aliases)}
        for share in shares
        for event in share.events
    }
    for event in events:
        who = event.who
        if event.signed and who.email and who.shop_customer_id and event.id in own:
            alias = alias_key(key, event.shop, "email", who.email)
            if alias not in own[event.id]:
                yield alias, address_hash(key, "shop_customer_id", who.shop_customer_id)


class _Book:
    def __init__(self, work: Work, load: Load, key: bytes, now: datetime) -> None:
        self.owners = dict(work.owners)
        self.stored = dict(work.owners)
        self.quarantined = work.quarantined
        self.load = load
        self.key = key
        self.now = now
        self.profiles: dict[str, Profile] = {}
        self.events: dict[str, list[Event]] = {}
        self.aliases: dict[str, dict[str, Alias]] = {}
        self.absorbed: dict[str, dict[str, Profile]] = {}

    def place(self, event: Event) -> bool:
        event = self.without_quarantined(without_unproven(self.believed(event)))
        points = [(kind, alias_key(self.key, event.shop, kind, value)) for kind, value in event.points()]
        if event.profile_id is None and not points:
            return False
        profile = self.find(event, points)
        if profile is None and event.profile_id is not None and not isinstance(event.data, SignUp):
            return False
        if profile is None:
            # What asks to be confirmed has a profile of its own, whose id says which (`domain.sign_ups`).
            named = event.profile_id or ids.profile_id(event.shop, event.id)
            profile = Profile(id=named, shop=event.shop, created_at=self.now)
            self.profiles[profile.id] = profile
        self.events.setdefault(profile.id, []).append(event)
        for kind, key in points:
            self.attach(profile, event, kind, key)
        return True

    def believed(self, event: Event) -> Event:
        """Return a sign-up as the consent that it is where the shop believes whoever types an address in.

        Only where nobody is known by that address, or ever was: else it is asked for its word in every shop.
        """
        asked = event.data
        if not isinstance(asked, SignUp) or not asked.single:
            return event
        alias = alias_key(self.key, event.shop, "email", asked.email)
        if alias in self.owners or alias in self.quarantined:
            return event
        act = Consent(
            channel="email", state="subscribed", at=asked.at, source="form", address=asked.email, proof=asked.proof
        )
        return replace(
            event, type="consent.changed", data=act, who=Who(email=asked.email), profile_id=None, signed=True
        )

    def without_quarantined(self, event: Event) -> Event:
        email = event.who.email
        if email is None or alias_key(self.key, event.shop, "email", email) not in self.quarantined:
            return event
        return replace(event, who=replace(event.who, email=None))

    def find(self, event: Event, points: Sequence[tuple[str, str]]) -> Profile | None:
        if event.profile_id is not None:
            return self.profile(event.profile_id)
        nobody_yet: Profile | None = None
        for kind, key in points:
            owner = self.owners.get(key)
            found = self.profile(owner) if owner else None
            if found is None or not _may_be(found, event, kind):
                continue
            if not (found.anonymous and isinstance(event.data, (Recognised, PushSubscription))):
                return found
            nobody_yet = nobody_yet or found
        return nobody_yet

    def attach(self, profile: Profile, event: Event, kind: str, key: str) -> None:
        """Let this contact point lead to the profile from now on, if it may; merge whom it has led to, if it must."""
        owner = self.owners.get(key)
        other = self.profile(owner) if owner is not None else None
        if (other is not None and other.id == profile.id) or not self.may_attach(profile, other, event, kind):
            return
        if other is not None and self.merges(profile, other, event, kind):
            self.absorbed.setdefault(profile.id, {})[other.id] = other
            self.profiles[other.id] = profile
            self.move(profile.id, key)
            return
        if other is not None and kind not in MOVABLE:
            return
        self.move(profile.id, key)

    def may_attach(self, profile: Profile, other: Profile | None, event: Event, kind: str) -> bool:
        """Whether this contact point, which leads to `other` so far, may lead to the profile, as to the kind of event.

        Where a browser was recognised, that takes nothing from somebody who is known: only an order or a confirmed
        sign-up in that browser shows that it changed hands. A mail, or a link to a cart, may have been passed on.
        """
        if isinstance(event.data, PushSubscription):
            # It goes to whoever uses the browser now. Where nobody is known by the browser's id, because that was
            # cleared, it stays with whom it has led to, and takes no new id along.
            return kind == "push" or (other is None and profile.anonymous)
        if not isinstance(event.data, Recognised):
            return True
        if len(profile.aliases) + len(self.aliases.get(profile.id, ())) >= MAX_CLAIMED:
            return False
        return other is None or other.anonymous or (kind == "browser_id" and event.data.by in ("order", "sign_up"))

    def merges(self, profile: Profile, other: Profile, event: Event, kind: str) -> bool:
        """Whether `other`, to whom this contact point leads, is the person of `profile` (DESIGN §6, Who is who)."""
        proved = event.signed or isinstance(event.data, Recognised)
        if not proved or other.id in self.events or len(self.absorbed.get(profile.id, ())) >= _MAX_ABSORBED:
            return False
        if other.anonymous:
            # Nobody yet: what was seen before the person was known belongs to whoever turns out to be behind it.
            return True
        who = event.who
        return (
            kind == "email"
            and who.shop_customer_id is not None
            and profile.shop_customer_id in (None, who.shop_customer_id)
            and other.shop_customer_id in (None, who.shop_customer_id)
            and profile.email in (None, who.email)
            and not any(problem.startswith("customer.email") for problem in event.problems)
        )

    def move(self, profile_id: str, key: str) -> None:
        self.owners[key] = profile_id
        self.aliases.setdefault(profile_id, {})[key] = Alias(key, profile_id, self.stored.get(key))

    def profile(self, profile_id: str) -> Profile | None:
        if profile_id not in self.profiles:
            found = follow(self.load, profile_id)
            if found is None:
                return None
            self.profiles[profile_id] = self.profiles.setdefault(found.id, found)
        return self.profiles[profile_id]

    def shares(self) -> list[Share]:
        return [
            Share(
                self.profiles[profile_id],
                tuple(events),
                tuple(self.aliases.get(profile_id, {}).values()),
                tuple(self.absorbed.get(profile_id, {}).values()),
            )
            for profile_id, events in self.events.items()
        ]


def without_unproven(event: Event) -> Event:
    """Return the event with no contact point but the browser's, if nobody signed it: anybody can type an address.

    Where a browser says whose it is, the tokens of its cart stay as well: they are random, and nobody can guess them.
    """
    who = event.who
    if event.signed:
        return event
    if isinstance(event.data, Recognised):
        return replace(
            event, who=Who(browser_id=who.browser_id, cart_token=who.cart_token, checkout_token=who.checkout_token)
        )
    return replace(event, who=Who(browser_id=who.browser_id))


def _may_be(profile: Profile, event: Event, kind: str) -> bool:
    who = event.who
    if who.shop_customer_id and profile.shop_customer_id and who.shop_customer_id != profile.shop_customer_id:
        return False
    if kind in MOVABLE:
        return not (who.email and profile.email and who.email != profile.email)
    return True

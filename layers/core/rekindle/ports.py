"""The few things that services need from the world, as Protocols. May import domain only.

`aws` and `memory` keep them; one contract suite checks both. Every write here is safe to repeat. An adapter raises
`AnswerLostError` where a write may or may not have happened, and lets any other failure of the infrastructure through
as it is: the caller's retry is a queue, not a loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol

from msgspec import Struct

from rekindle.domain.events import Delivery, Event, Suppression
from rekindle.domain.facts import Campaign, Product, ProductChange, Referral, VariantStock
from rekindle.domain.labels import Label
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Browser, Category, Profile, Signpost, Tombstone
from rekindle.domain.results import Count
from rekindle.domain.shelves import Near, Shelf


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the current moment, aware, UTC."""
        ...


# --- accepting -------------------------------------------------------------------------------------------------------


class Intake(Protocol):
    """Where accepted requests go."""

    def accept(self, delivery: Delivery, suppressions: Sequence[Suppression] = (), keys: Sequence[str] = ()) -> bool:
        """Store the delivery and its pending item in one transaction with `suppressions`; return whether it was new.

        `keys` are the alias keys of everybody that the delivery names (`Pending.keys`). A delivery is a repeat when its
        id or any of `also` is known: then nothing is stored but suppressions that are missing. Of several refusals the
        latest stands; one that was lifted since (`State.lift`) stays lifted. When this returns, the delivery is safe.
        """
        ...

    def known(self, delivery_ids: Sequence[str]) -> frozenset[str]:
        """Return which of these ids a delivery was accepted under, as its own or in `also`. Strongly consistent."""
        ...


class Accepting(Struct, frozen=True, kw_only=True):
    """What `Intake.accept` is given, to be accepted beside others."""

    delivery: Delivery
    suppressions: Sequence[Suppression] = ()
    keys: Sequence[str] = ()


class BulkIntake(Protocol):
    """The same way in for what comes by the thousand."""

    def accept_all(self, accepting: Sequence[Accepting]) -> tuple[bool, ...]:
        """Do with each what `Intake.accept` does, as many in one transaction as it holds; return which were new.

        When it raises, some may have been accepted: with all of them again it does what is left to do.
        """
        ...

    def waiting(self, most: int) -> int:
        """Return how many accepted deliveries wait to be applied; counting stops at `most`."""
        ...


class Record(Struct, frozen=True, kw_only=True):
    """One thing of a shop in the very shape of its webhook, so that the platform's own normaliser reads it.

    `topic` is as in webhooks (`customers/update`, `order.updated` …), or `list.row` for a row of a list. `where` says
    to a human where it stands in its source, without naming anybody.
    """

    topic: str
    body: bytes
    where: str = ""


class Unusable(Struct, frozen=True, kw_only=True):
    """Something of a source that cannot be imported: where it stands (`line 17`), and why. It names nobody."""

    where: str
    why: str


class Page(Struct, frozen=True, kw_only=True):
    """The next things of a source, in its order, and where to go on (`None`: that is all)."""

    records: Sequence[Record] = ()
    cursor: str | None = None
    unusable: Sequence[Unusable] = ()


class Source(Protocol):
    """Where an import comes from: a shop's own API, or a file."""

    def page(self, cursor: str | None) -> Page:
        """Return the page that begins at this cursor (`None`: the first), the same however often it is asked for.

        Cursors are opaque, hold no secret, and stay good for as long as an import may take, also over a restart.
        Raises `ShopRefusedError`, `ShopRejectedError` and `ShopUncertainError` where the shop does not answer, after
        the tries and pauses that its API asks for.
        """
        ...

    def total(self) -> int | None:
        """Return about how many records there are in all, if that is cheap to know."""
        ...


class Archive(Protocol):
    """Accepted deliveries as they came, to be read again: for tools, since it reads the whole table."""

    def deliveries(
        self, shop: str, since: datetime | None = None, until: datetime | None = None, topic: str | None = None
    ) -> Iterator[Delivery]:
        """Yield the shop's deliveries received from `since` on and before `until`, in no order.

        With events, raw body and `triggered_at`, without `also`. Of a delivery that was stripped, body and events are
        empty; a body that cannot be found is empty too.
        """
        ...


# --- applying --------------------------------------------------------------------------------------------------------


class Pending(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something accepted and not yet applied. `id` is the delivery's, with the profile's after a split."""

    id: str
    delivery_id: str
    shop: str
    keys: tuple[str, ...] = ()
    """alias keys of everybody that the delivery names"""
    only: tuple[int, ...] = ()
    """set after a split: the positions of the delivery's events that this item is about; empty means all"""
    accepted_at: datetime | None = None
    tries: int = 0


class Work(Struct, frozen=True):
    """A pending item with all that is needed to find whom it concerns."""

    pending: Pending
    events: tuple[Event, ...]
    owners: Mapping[str, str]
    """alias key → profile id, for those that exist"""
    quarantined: frozenset[str] = frozenset()
    """alias keys of addresses that too many customers share (`QUARANTINE`)"""


#: An address that so many customers beside its owner have used identifies nobody (a till, a marketplace; DESIGN §6).
QUARANTINE = 5


class Merged(Struct, frozen=True):
    """A profile, at this stored version, that becomes a signpost to the one that is committed."""

    profile_id: str
    version: int


class Alias(Struct, frozen=True):
    """An alias to write: `key` will point at `profile_id`. `was` is where it points now (`None`: it must not exist)."""

    key: str
    profile_id: str
    was: str | None = None


class Grave(Struct, frozen=True):
    """A tombstone, of this time, whose person comes back: nobody may have erased them once more since it was read."""

    profile_id: str
    erased_at: datetime


class Interested(Struct, frozen=True, kw_only=True):
    """That a profile stands on a product's list of those who looked at it, until `INTEREST_LIFE` after it did so."""

    product_id: str
    at: datetime
    how: str = "viewed"

    @property
    def until(self) -> datetime:
        """Until when it stands there."""
        return self.at + (ALERT_LIFE if self.how == "asked" else INTEREST_LIFE)


#: For so long a change of a product concerns who looked at it.
INTEREST_LIFE = timedelta(days=60)
#: And for so long who asked to be told.
ALERT_LIFE = timedelta(days=365)


class Commit(Struct, frozen=True, kw_only=True):
    """One transaction: everything that applying one event (or one alarm) changes.

    `profile.version` is the new version; the stored one must be one less (or absent, at 1). `pending_id` must still
    exist and goes. With `profile` `None` only the pending item goes (and products are put, unless a newer one stands).
    With `at`, a profile's commit leaves a ledger line also without decisions, so that the ledger lists every delivery
    that touched the profile.
    """

    pending_id: str | None = None
    profile: Profile | None = None
    aliases: tuple[Alias, ...] = ()
    merged: tuple[Merged, ...] = ()
    graves: tuple[Grave, ...] = ()
    at: datetime | None = None
    """when, for the ledger; without it, the ledger gets a line only for decisions, dated with the first"""
    decisions: tuple[Decision, ...] = ()
    products: tuple[Product, ...] = ()
    expires_at: datetime | None = None
    """when an anonymous profile may be forgotten"""
    shop: str = ""
    interests: tuple[Interested, ...] = ()
    """the lists of products on which the profile is to stand"""
    suppressions: tuple[Suppression, ...] = ()
    """what is forbidden from now on, unless a later refusal or grant is known: that fails nothing"""
    counts: tuple[Count, ...] = ()
    """what it changes in the figures: they stand in the ledger line, and are added up from there, each line once"""

    @property
    def shop_id(self) -> str:
        """Whose products these are: `shop`, or the profile's."""
        return self.shop or (self.profile.shop if self.profile is not None else "")

    @property
    def told_at(self) -> datetime | None:
        """The time of the ledger line that this commit leaves, if it leaves one."""
        return self.at or (self.decisions[0].at if self.decisions else None)

    def check(self) -> None:
        """Raise `ValueError` for what no transaction could mean: decisions about nobody, products of no shop."""
        of_somebody = self.decisions or self.merged or self.graves or self.interests or self.suppressions or self.counts
        if of_somebody and self.profile is None:
            raise ValueError("decisions, merges, graves, interests, suppressions and counts belong to a profile")
        if self.counts and self.told_at is None:
            raise ValueError("counts stand in a line of the ledger")
        if self.products and not self.shop_id:
            raise ValueError("products belong to a shop")


#: Into how many parts `State.split` can replace one pending item: a transaction holds 100 writes.
MAX_SPLIT = 99


class Heard(Struct, frozen=True, kw_only=True):
    """A delivery that touched a profile: when and as what (the ledger line's key, `at`), and all its events."""

    at: str
    delivery_id: str
    events: tuple[Event, ...] = ()


class HeardPage(Struct, frozen=True):
    """Some of what a profile was told, newest first, and where to go on (`None`: that is all)."""

    heard: tuple[Heard, ...]
    cursor: str | None = None


class ProfilePage(Struct, frozen=True):
    """The ids of some profiles, and where to go on (`None`: that is all of the shard).

    `zones`, where they were read, are those in which the people live, one for each id; empty where none is known.
    """

    ids: tuple[str, ...]
    cursor: str | None = None
    zones: tuple[str, ...] = ()


class State(Protocol):
    """Profiles and what is to be applied to them. All reads are strongly consistent."""

    def pending(self, pending_id: str) -> Pending | None:
        """Return the pending item, or `None` when it has been applied."""
        ...

    def work(self, pending: Pending) -> Work | None:
        """Return the events and the owners of the aliases, in one call; `None` when the item has been applied.

        Of a delivery that was stripped (`Vault.strip`) there are no events any more.
        """
        ...

    def profile(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        """Return the profile, where it went, that it was erased, or `None`."""
        ...

    def split(self, pending: Pending, parts: Sequence[Pending]) -> None:
        """Replace a pending item by one for each profile, in one transaction. Raises `PendingGoneError`."""
        ...

    def commit(self, commit: Commit) -> None:
        """Write it all or nothing, except that products, being upserts, are put first and stay.

        Raises `PendingGoneError` when it was applied already, `ConflictError` when somebody else was first.
        """
        ...

    def lift(self, shop: str, channel: str, address: str, granted_at: datetime) -> None:
        """Allow marketing again to this (hashed) address where it was refused before `granted_at`.

        What was refused at that moment or later stands, and so does a suppression of everything.
        """
        ...

    def overdue(self, before: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        """Return (profile id, deadline) where the deadline is earlier than `before`, oldest first, up to `limit`.

        From an index that may lag by moments: the one read here that is not strongly consistent.
        """
        ...

    def stale_pending(self, before: datetime, limit: int) -> Sequence[Pending]:
        """Return pending items accepted before `before`, up to `limit`."""
        ...

    def share_address(self, key: str, customer: str) -> int:
        """Note that this customer (keyed hash), too, used the address behind this alias; return how many have so far.

        From `QUARANTINE` on, `work` reports the alias as quarantined. Counting the same customer again changes nothing.
        """
        ...

    def messages(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the records of these messages, those that exist, in one call for up to a hundred."""
        ...

    def heard(
        self, profile_id: str, since: datetime | None = None, cursor: str | None = None, limit: int = 100
    ) -> HeardPage:
        """Return the deliveries that touched the profile, applied at `since` or later, newest first.

        At most `limit` lines of the ledger (a hundred) are looked at, in two calls. A delivery that was stripped or has
        expired has no events.
        """
        ...

    def count_try(self, pending_id: str) -> int:
        """Add one to the tries of a pending item and return the new count; 0 when it is gone."""
        ...

    def reset_tries(self, pending_id: str) -> bool:
        """Set the tries of a pending item back to none; return whether it is still there."""
        ...


class Desk(Protocol):
    """What the preference page reads of one person. Strongly consistent."""

    def profile(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        """Return the profile, where it went, that it was erased, or `None`."""
        ...

    def refused(self, shop: str, channel: str, address: str) -> frozenset[str]:
        """Return what suppressions in force cover of this address (keyed hash): `marketing`, `everything`."""
        ...


# --- waking ----------------------------------------------------------------------------------------------------------


#: Under this an alarm goes straight to the wake queue; over the horizon it is left to the sweep (DESIGN §5).
ALARM_THRESHOLD = timedelta(minutes=2)
ALARM_HORIZON = timedelta(days=30)

#: The longest delay that a queue offers, in seconds.
MAX_DELAY = 900


class Wake(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message on the wake queue: a profile's alarm, a campaign or referral that it is told of, or a pending item."""

    profile_id: str | None = None
    pending_id: str | None = None
    due: datetime | None = None
    campaign: Campaign | None = None
    tries: int = 0
    referral: Referral | None = None
    friend_id: str | None = None
    """of a referral: the profile whose commit says that it is one; wakes from before that was noted have none"""


class Parcel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message on a send queue: ids only, and the profile version whose commit plans it."""

    message_id: str
    profile_id: str
    version: int
    category: Category = "marketing"
    since: datetime | None = None
    """when it was first queued; looking again is bounded from here"""
    paused: str = ""
    """the guard's word to a shop that its marketing is paused: which shop's. Such a parcel is about no profile"""
    coupon: str = ""
    """the coupon that it asked for (`coupon_id`): whoever makes that must tell of it, also when its run is over"""
    no_coupon: str = ""
    """why its coupon could not be made when that was last tried"""


class WakeQueue(Protocol):
    """The queue that wakes journey."""

    def wake(self, wakes: Sequence[Wake], delay: int = 0) -> None:
        """Put these on the wake queue, `delay` seconds (at most 900) from now. Raises when any was not taken."""
        ...

    def backlog(self) -> int:
        """Return about how many messages wait on the queue to be received now."""
        ...


class Alarms(WakeQueue, Protocol):
    """The alarm clocks of profiles; they ring on the wake queue."""

    def ring(self, profile_id: str, at: datetime, now: datetime) -> None:
        """Make sure that the profile is woken at `at`, rounded up to the minute, however often this is called.

        Under two minutes ahead it goes straight to the wake queue with a delay; further than 30 days ahead nothing is
        done, for the sweep finds it (DESIGN §5).
        """
        ...


class SendQueues(Protocol):
    """The two send queues, transactional and marketing."""

    def enqueue(self, parcels: Sequence[Parcel], delay: int = 0) -> None:
        """Put these on the queue of their category. Raises when any was not taken."""
        ...


class Sending(Protocol):
    """What waits to be sent."""

    def waiting(self) -> int:
        """Return about how many marketing messages wait on their queue to be sent now."""
        ...


# --- reaching everybody ----------------------------------------------------------------------------------------------


class Everybody(Protocol):
    """All profiles, page by page: for the pass after a publish and for campaigns, which alone may look at everybody."""

    def profile_ids(
        self, shard: int, of: int, cursor: str | None = None, *, shop: str = "", limit: int = 500
    ) -> ProfilePage:
        """Return the next ids of a shard (0 … `of` - 1) with zones, having looked at up to `limit` profiles.

        Of one shop if named. A profile that was written before zones were has none.

        Every profile is in exactly one shard, the same in every call with the same `of`. Left out are signposts,
        tombstones, and visitors of whom nobody knows anything: those expire, and are looked at when they come again.
        It may lag by moments. A page may be empty and not the last.
        """
        ...

    def people(
        self, shard: int, of: int, cursor: str | None = None, *, shop: str = "", limit: int = 200
    ) -> tuple[tuple[Profile, ...], str | None]:
        """Return the next profiles of a shard themselves, as `profile_ids` their ids, and where to go on: for tools."""
        ...


class ShardTask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message on the fan-out queue: wake the profiles of one shard, from `cursor` on. Ids only.

    `fanout` names the whole, `step` counts the tasks of this shard, `woken` those whom the earlier ones have woken.
    """

    fanout: str
    kind: Literal["pass", "campaign", "product"]
    started_at: datetime
    shard: int
    of: int
    step: int = 0
    cursor: str | None = None
    woken: int = 0
    shop: str = ""
    """of a campaign: whose customers; of a pass empty: everybody"""
    phase: Literal["", "sort", "tell"] = ""
    """of a campaign that comes at each recipient's own hour: first all are sorted by it, then they are told"""
    zone: str = ""
    """the shop's, for those of whom no zone is known"""
    campaign: Campaign | None = None
    news: News | None = None
    """of a product: what happened to it"""


class News(Struct, frozen=True, kw_only=True, tag="news"):
    """Something happened to a product that those who looked at it may want to know: an event type, and its fact."""

    shop: str
    event: str
    """its type"""
    change: ProductChange


class Interests(Protocol):
    """Who looked at which product."""

    def interested(self, shop: str, product_id: str, cursor: str | None = None, limit: int = 200) -> ProfilePage:
        """Return the next ids of those who looked at a product within `INTEREST_LIFE`, or did when they were noted."""
        ...


class FanoutQueue(Protocol):
    """The queue of shards."""

    def ask(self, tasks: Sequence[ShardTask], delay: int = 0) -> None:
        """Put these on the queue, `delay` seconds (at most 900) from now. Raises when any was not taken."""
        ...


# --- the catalogue ---------------------------------------------------------------------------------------------------


class Bought(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="bought"):
    """An order was placed: what it sold, and what its customer had bought before. `order` is a hash of its id."""

    shop: str
    order: str
    at: datetime
    products: tuple[str, ...]
    before: tuple[str, ...] = ()


class Reshelve(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="reshelve"):
    """A product changed: its place on the shelves is to be looked at, also on those of the `kinds` that it was of."""

    shop: str
    product_id: str
    kinds: tuple[str, ...] = ()


class Stocked(Struct, frozen=True, kw_only=True, tag="stocked"):
    """One variant of a product is there or sold out."""

    shop: str
    stock: VariantStock


CatalogueTask = Bought | Reshelve | Stocked | News


class CatalogueQueue(Protocol):
    """The queue of the catalogue's work."""

    def ask(self, tasks: Sequence[CatalogueTask], delay: int = 0) -> None:
        """Put these on the queue, `delay` seconds (at most 900) from now. Raises when any was not taken."""
        ...


class Shelved(Struct, frozen=True, kw_only=True):
    """What was found of products, their neighbours (by product) and shelves (by name), and which orders were counted.

    What is not stored is not there.
    """

    products: dict[str, Product] = {}
    near: dict[str, Near] = {}
    shelves: dict[str, Shelf] = {}
    orders: frozenset[str] = frozenset()


class Shelves(Protocol):
    """The catalogue, and what recommendations are made of."""

    def shelved(
        self,
        shop: str,
        *,
        products: Collection[str] = (),
        near: Collection[str] = (),
        shelves: Collection[str] = (),
        orders: Collection[str] = (),
        fresh: bool = True,
    ) -> Shelved:
        """Return it in one call for each hundred; without `fresh`, at half the price and perhaps a second old."""
        ...

    def count(self, shop: str, orders: Collection[str], near: Mapping[str, Near]) -> None:
        """Write these, and that these orders are counted, all or nothing.

        Each `version` is one more than what is stored. Raises `ConflictError` when somebody else was first, with an
        order or with a product.
        """
        ...

    def put_shelf(self, shop: str, name: str, shelf: Shelf) -> bool:
        """Write a shelf, whose `version` is one more than what is stored; return whether it was."""
        ...

    def stock(self, shop: str, stock: VariantStock) -> None:
        """Take what is new of one variant into its product, if that is known (`rekindle.domain.products.stocked`).

        Raises `ConflictError` when others keep writing the product.
        """
        ...


#: How many orders and products together `Shelves.count` can write: a transaction holds 100.
MAX_COUNTED = 100


# --- sending ---------------------------------------------------------------------------------------------------------

MessageState = Literal[
    "leased", "reopened", "sent", "delivered", "bounced", "complained", "failed", "skipped", "unknown"
]


#: Channels on which asking twice is asking once: what nobody knows the outcome of is asked again.
REPEATABLE = frozenset({"audience"})
#: What the sweep must look at: a lease that nobody closed, an attempt whose outcome nobody knows.
OPEN_STATES: frozenset[MessageState] = frozenset({"leased", "unknown"})


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record of one message. Its state only moves forward (`rekindle.service.deliver.FORWARD`)."""

    id: str
    profile_id: str = ""
    """empty: the guard's word to a shop, which is about nobody"""
    shop: str
    state: MessageState
    token: str = ""
    leased_at: datetime | None = None
    channel: str = "email"
    to: Literal["", "shop", "claimed"] = ""
    """`shop`: it told the shop's own people, and what they do with it says nothing about the customer; `claimed`: it
    asked an address that somebody had typed in, and what becomes of it says nothing about the shop's list"""
    address: str = ""
    """keyed hash of where it went"""
    flow: str = ""
    step: str = ""
    template: str = ""
    vendor_id: str | None = None
    why: str | None = None
    at: datetime | None = None
    opened_at: datetime | None = None
    links: tuple[str, ...] = ()
    """the distinct links clicked"""
    targets: tuple[str, ...] = ()
    """where its links lead, by index, whatever channel it went by: its lease writes them, and nothing changes them"""
    machine_opened_at: datetime | None = None
    machine_clicked_at: datetime | None = None
    """when a machine did so first: that is nobody's act"""
    hits: tuple[str, ...] = ()
    """which links were followed soon after it went out, and when (`hit`): whether a machine follows all of them"""
    gone: tuple[str, ...] = ()
    """which addresses the channel said are no more, where that could not be accepted at once: keyed hashes, of push the
    browsers' keys"""
    category: str = ""
    day: str = ""
    """with the next two: under what it counts (`Label`); empty where it counts as nothing"""
    ways: str = ""
    occurrence: str = ""

    def check(self) -> None:
        """Raise `ValueError` for an open message without `leased_at`: nobody would ever look at it again."""
        if self.state in OPEN_STATES and self.leased_at is None:
            raise ValueError(f"message {self.id} is {self.state}, and leased_at does not say since when")

    def repeats(self, stored: Message, token: str | None) -> bool:
        """Whether `stored` shows this very outcome under this token: then an earlier call was answered to nobody."""
        same = (stored.state, stored.vendor_id, stored.at) == (self.state, self.vendor_id, self.at)
        return same and (token is None or stored.token == token)


def label_of(message: Message) -> Label | None:
    """Return under what a message counts, if it does."""
    if not message.day:
        return None
    return Label(message.day, message.flow, message.step, message.ways, message.occurrence)


#: How many hits a message notes: enough to tell a sweep from a reader.
MAX_HITS = 40


def parted(target: str) -> tuple[str, str]:
    """Return the address of one of a message's `targets`, and the category that it is about, where its mail says so."""
    address, _, about = target.partition(" ")
    return address, about


def hit(index: int, at: datetime) -> str:
    """Return how a message's record says that this link was followed at this moment (`Message.hits`)."""
    return f"{round(at.timestamp() * 1000)}.{index}"


def read_hit(text: str) -> tuple[int, datetime]:
    """Return which link was followed, and when."""
    milliseconds, _, index = text.partition(".")
    return int(index), datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


class Lease(Struct, frozen=True, kw_only=True):
    """A request for the right to make the one attempt at a message."""

    message: Message
    """as it will be written, state `leased`, with a fresh token"""
    profile_id: str = ""
    """empty: it is about no profile, so none has to be as it was verified"""
    profile_version: int = 0
    covers: tuple[str, ...] = ()
    """what kinds of suppression forbid it: `everything`, and `marketing` for a marketing message"""
    also: tuple[tuple[str, str], ...] = ()
    """further channels and addresses (keyed hashes) that must not be suppressed so either"""


LeaseAnswer = Literal["taken", "held", "suppressed", "profile_changed"]


class Outbox(Protocol):
    """Messages and the right to send them. All reads are strongly consistent."""

    def read(self, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Message], dict[str, Profile | Signpost]]:
        """Return the messages and the profiles of these (message id, profile id), in as few calls as can be.

        An empty id asks for nothing. A profile that was erased is not there.
        """
        ...

    def owners(self, keys: Sequence[str]) -> dict[str, str]:
        """Return alias key → profile id of those that exist, in one call for each hundred. Strongly consistent."""
        ...

    def lease(self, lease: Lease) -> LeaseAnswer:
        """Take the lease in one transaction: message absent or reopened, the profile as verified, nothing suppressed.

        Of these the first that does not hold is the answer.

        A message that shows this very token is this lease, taken: `taken`. The message's `targets` are written here and
        nowhere else. Raises `AnswerLostError`.
        """
        ...

    def record(self, message: Message, *, token: str | None = None) -> bool:
        """Write the outcome; return whether it was written.

        With `token`: only while the stored message is leased under that token. Without: only while it is absent or
        reopened (a `skipped`). Writing the same outcome again is true again. What the message leaves empty stays.
        """
        ...

    def progress(self, message: Message, allowed: Sequence[MessageState]) -> bool:
        """Write what a delivery notice says, if the stored state is one of `allowed`; return whether it was.

        What the message leaves empty stays, the first `opened_at` (and of machines) stays, `links` are added to those
        known.
        """
        ...

    def note_hit(self, message_id: str, text: str) -> None:
        """Add one to the `hits` of a message that exists and has fewer than `MAX_HITS`; its state is of no matter."""
        ...

    def message(self, message_id: str) -> Message | None:
        """Return one message's record."""
        ...

    def open_messages(self, before: datetime, limit: int) -> Sequence[Message]:
        """Return leased and unknown messages whose lease is older than `before`, up to `limit`."""
        ...

    def products(self, shop: str, ids: Sequence[str]) -> dict[str, Product]:
        """Return what the catalogue knows of these product ids."""
        ...


class Mail(Struct, frozen=True, kw_only=True):
    """A mail, ready to go. `headers` and `tags` are complete; `html` and `text` are both there."""

    message_id: str
    sender: str
    to: str
    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    tags: Mapping[str, str]
    reply_to: str | None = None
    targets: tuple[str, ...] = ()
    """where its links lead, by index (`Message.targets`)"""


class Reaction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message on the reactions queue: what somebody, or a machine, did with a message. Ids only."""

    message_id: str
    kind: Literal["opened", "clicked"]
    at: datetime
    index: int = 0
    """of a click: which of the message's `targets`"""
    machine: str = ""
    """by what the request showed that no human made it (`rekindle.service.machines`)"""


class Reactions(Protocol):
    """The queue of what people do with messages."""

    def put(self, reaction: Reaction, delay: int = 0) -> None:
        """Put it on the queue, `delay` seconds (at most 900) from now. Raises when it was not taken."""
        ...


class Mailer(Protocol):
    """The mail channel. Exactly one attempt a call, no retries of its own."""

    def send(self, mail: Mail) -> str:
        """Return the vendor's id. Raises `MailRefusedError`, `MailRejectedError` or `MailUncertainError`."""
        ...


class Allowance(Struct, frozen=True, kw_only=True):
    """What the account may send, as the channel says: mails a second, and in 24 hours (`None`: as many as it likes).

    `sent` is how many it sent in the last 24 hours. A `trial` account may write to addresses of its own alone.
    """

    rate: float
    quota: float | None = None
    sent: float = 0.0
    trial: bool = False

    @property
    def percent_used(self) -> float:
        """How much of the quota the last 24 hours have used."""
        return 100 * self.sent / self.quota if self.quota else 0.0


class SendingAccount(Protocol):
    """The account that mails are sent from."""

    def allowance(self) -> Allowance:
        """Return what it may send now, in one call. Raises what the infrastructure raises."""
        ...


class TextMessage(Struct, frozen=True, kw_only=True):
    """A text message, ready to go. `seconds`: after so long it is no longer worth delivering."""

    message_id: str
    shop: str
    to: str
    """E.164"""
    sender: str
    """the origination identity: a number, a pool or a sender id of the account"""
    body: str
    marketing: bool
    seconds: int
    targets: tuple[str, ...] = ()
    """where its links lead, by index (`Message.targets`)"""


class Texter(Protocol):
    """The SMS channel. Exactly one attempt a call, no retries of its own."""

    def send(self, text: TextMessage) -> str:
        """Return the vendor's id.

        Raises `AddressGoneError` where the number has opted out at the carrier, else as `Mailer.send` does.
        """
        ...


class PushMessage(Struct, frozen=True, kw_only=True):
    """A push message for one browser, ready to go. `seconds`: after so long it is no longer worth showing."""

    message_id: str
    browser: Browser
    payload: bytes
    """what the page's service worker gets, in clear"""
    contact: str
    """whom a push service may write to about us: `mailto:…`"""
    topic: str
    """of two messages of one topic that a browser has not got yet, it gets the newer: at most 32 URL-safe characters"""
    marketing: bool
    seconds: int


class Pusher(Protocol):
    """The push channel. Exactly one attempt a call, no retries of its own."""

    def send(self, push: PushMessage) -> str:
        """Return the vendor's id.

        Raises `AddressGoneError` where the browser is gone, else as `Mailer.send` does.
        """
        ...


class Listed(Struct, frozen=True):
    """A person by the addresses by which an ads network may recognise them, as they are."""

    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()


class AudienceChange(Struct, frozen=True, kw_only=True):
    """People to be put on a list at an ads network, or taken off it. `audience` is the network's own id of the list."""

    shop: str
    audience: str
    action: Literal["add", "remove"]
    people: tuple[Listed, ...]


class Audiences(Protocol):
    """Lists of people at an ads network. Asking twice for the same is asking once."""

    def change(self, change: AudienceChange) -> str:
        """Return the vendor's word for what it took.

        Raises `MailRefusedError` where it did not, or may not have: ask again. Raises `MailRejectedError` where it
        never will.
        """
        ...


# --- results ---------------------------------------------------------------------------------------------------------


class Counted(Struct, frozen=True, kw_only=True):
    """What one source (a line of the ledger, a change of a message) adds to the figures; `mark` is its name.

    `near` is the same for sources of about the same moment, and for one source whenever it comes: their marks are kept
    together, which costs less. Empty: its mark is kept by itself.
    """

    mark: str
    shop: str
    counts: tuple[Count, ...]
    near: str = ""


class Results(Protocol):
    """The figures by label (docs/results.md)."""

    def add(self, found: Sequence[Counted]) -> int:
        """Add each source to the figures with its mark, in one transaction, unless the mark is known.

        Returns how many were new. Raises `ConflictError` when others keep writing the same figures; some may have been
        added then, which a repeat leaves out.
        """
        ...

    def figures(self, shop: str, since: str, until: str) -> dict[Label, dict[str, Decimal]]:
        """Return the figures of the shop's labels from day `since` to `until`, both included. It may lag a little."""
        ...


# --- the reputation guard ---------------------------------------------------------------------------------------------


class Tally(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many mails a shop sent in some time, and how many hard bounces and complaints came in the same time."""

    sent: int = 0
    bounced: int = 0
    complained: int = 0


class Pause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a shop's marketing mails were paused: since when, why, whether it was told, and until when."""

    shop: str
    since: datetime
    why: str
    told_at: datetime | None = None
    """since when nothing is left to say of it: the record of the one mail about it shows what became of that"""
    resumed_at: datetime | None = None
    less: Tally = Tally()
    """what had been counted in the hour of `resumed_at` by then: rates begin anew after it"""

    @property
    def active(self) -> bool:
        """Whether marketing still stands still."""
        return self.resumed_at is None


class Limits(Protocol):
    """How often something may be done in a stretch of time, whoever does it: a door that anybody can knock at."""

    def take(self, name: str, at: datetime, *, most: int, seconds: int) -> bool:
        """Take one of the `most` that there are under this name in each stretch of so many seconds (from 1970 on).

        Return whether there was one. A repeat takes another: it is a limit, not a ledger. Names hold no address.
        """
        ...


class Counters(Protocol):
    """What the guard counts, hour by hour, and the pauses that follow. All reads are strongly consistent."""

    def count(self, shop: str, at: datetime, more: Tally) -> None:
        """Add this to the hour (UTC) of `at`, in one call. A repeat adds again: it is a count, not a ledger.

        Raises `AnswerLostError`; then it may have been added, even twice.
        """
        ...

    def tallies(self, shop: str, since: datetime) -> Mapping[datetime, Tally]:
        """Return hour → tally of the shop's hours from that of `since` on, those in which anything was counted."""
        ...

    def pauses(self) -> Sequence[Pause]:
        """Return the newest pause of every shop that ever had one, in force or not, in one call."""
        ...

    def pause(self, pause: Pause) -> bool:
        """Write it, unless another is in force; return whether it was written. Writing it again is true again."""
        ...

    def told(self, pause: Pause, at: datetime) -> bool:
        """Note that nothing is left to say of this pause, since `at` or earlier; return whether it is the newest.

        It gives nobody the right to say anything: that is the lease of the message about it.
        """
        ...

    def resume(self, pause: Pause) -> bool:
        """Write that this pause, in force until now, is over (`resumed_at`, `less`); return whether it was written.

        Writing it again is true again.
        """
        ...


# --- looking after an installation ------------------------------------------------------------------------------------


class SurveyPage(Struct, frozen=True):
    """Some of all profiles, by id, how many were looked at, and where to go on (`None`: that is all)."""

    profiles: tuple[tuple[str, Profile | Signpost | Tombstone], ...]
    looked_at: int
    cursor: str | None = None


class Attempted(Struct, frozen=True):
    """The records of some messages, and where to go on (`None`: that is all)."""

    messages: tuple[Message, ...]
    cursor: str | None = None


class Survey(Protocol):
    """Whole tables, page by page: for `rekindle audit`, which alone reads them."""

    def size(self) -> int:
        """Return about how many profiles there are."""
        ...

    def profiles(self, cursor: str | None = None, limit: int = 200) -> SurveyPage:
        """Return the next page of all profiles, with signposts and tombstones, strongly consistent."""
        ...

    def attempted(self, since: datetime, cursor: str | None = None, limit: int = 1_000) -> Attempted:
        """Return of the next `limit` messages those whose lease was taken at `since` or later."""
        ...


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message in a dead-letter queue: hidden from others while it is held under `receipt`."""

    id: str
    body: str
    sent_at: datetime
    received: int
    """how often, all in all"""
    receipt: str


class DeadLetters(Protocol):
    """The dead-letter queues, each by the name of the queue that its messages come from."""

    def names(self) -> Sequence[str]:
        """Return the names."""
        ...

    def depth(self, queue: str) -> int:
        """Return about how many messages lie there, held ones included."""
        ...

    def receive(self, queue: str, limit: int = 10) -> Sequence[DeadLetter]:
        """Hold up to `limit` (at most 10) messages for five minutes; return none when there are no more."""
        ...

    def put_back(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Put copies of these on the queue that they come from. Raises when any was not taken."""
        ...

    def delete(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Take these out of the dead-letter queue."""
        ...

    def release(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Let others receive these again at once."""
        ...


# --- content and secrets ---------------------------------------------------------------------------------------------


class Listing(Struct, frozen=True):
    """What lies under a prefix: key → version tag, when the newest was written (`None`: not known), key → bytes."""

    tags: dict[str, str]
    newest: datetime | None = None
    sizes: dict[str, int] = {}


class Blobs(Protocol):
    """Files by key: the content bucket."""

    def get(self, key: str) -> bytes | None:
        """Return the newest content of `key`, or `None`."""
        ...

    def put(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write it, replacing what was there."""
        ...

    def list(self, prefix: str) -> dict[str, str]:
        """Return key → version tag of everything under `prefix`."""
        ...

    def following(self, prefix: str, after: str) -> str | None:
        """Return the first key under `prefix` that comes behind `after` in the order of their letters, in one call."""
        ...

    def listing(self, prefix: str) -> Listing:
        """Return tags with sizes, and when the newest was written: to the second, by the store's own clock."""
        ...

    def swap(self, key: str, content: bytes, *, expected: str | None) -> bool:
        """Write it only if the present version tag is `expected` (`None`: absent); return whether it was written.

        Also true when this very content stands there already. Tags may be equal for equal contents.
        """
        ...

    def tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return the content and its version tag, or `None`."""
        ...


class Look(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message on the publish queue that is no upload: look at the content again.

    With `asked_by`, somebody asks for it by hand: then it is published also where this very content was judged before.
    """

    look_at: datetime
    asked_by: str = ""


class PublishQueue(Protocol):
    """The queue of uploads: one batch at a time, each message as late as the queue delays."""

    def look(self, look: Look) -> None:
        """Put it on the queue. Equal ones within five minutes are one."""
        ...


class ShopSecrets(Struct, frozen=True, kw_only=True):
    """What proves that a webhook is this shop's. Up to two secrets are live during a rotation."""

    shop: str
    platform: Literal["shopify", "woocommerce"]
    domain: str
    webhook_secrets: tuple[str, ...]
    region: str | None = None
    """ISO 3166 country of phone numbers that name none"""
    currency: str | None = None
    """ISO 4217 currency of bodies that name none"""
    consent_keys: tuple[str, ...] | None = None
    """the meta keys of a WooCommerce order that hold the checkout's marketing box; `None`: the usual ones"""
    access_token: str | None = None
    """of Shopify's Admin API"""
    api_key: str | None = None
    """of WooCommerce's REST API: the consumer key …"""
    api_secret: str | None = None
    """… and the consumer secret"""
    api_url: str | None = None
    """where the API is, if not at `domain`"""
    meta_token: str | None = None
    """of a system user who may manage the shop's ads audiences at Meta"""
    client_id: str | None = None
    """of Shopify's app, where it fetches access tokens itself, by its client secret"""
    client_secret: str | None = None
    """that secret; Shopify signs webhooks with it too"""


class Secrets(Protocol):
    """The installation's secrets, cached; a shop's are fetched again at most once a minute when `fresh` is asked."""

    def shop(self, shop: str, *, fresh: bool = False) -> ShopSecrets | None:
        """Return the shop's secrets, or `None` when it is not connected."""
        ...

    def address_key(self) -> bytes:
        """Return the key that hashes addresses: made once, never changed."""
        ...

    def push_secret(self) -> bytes:
        """Return what the installation's key for push services follows from: made once, never changed."""
        ...

    def link_keys(self) -> Mapping[str, bytes]:
        """Return key id → key for signing links, the current one first. Old ones stay for ever (unsubscribe links)."""
        ...


class Hook(Struct, frozen=True, kw_only=True):
    """One webhook as a shop has it. `active`: the shop sends it; WooCommerce switches off what failed too often."""

    id: str
    topic: str
    url: str
    active: bool = True
    version: str = ""
    """of the platform's API, in which its bodies come, where it says"""


class ShopDetails(Struct, frozen=True, kw_only=True):
    """What a shop says of itself; empty where it does not say, or does not let us ask."""

    name: str = ""
    url: str = ""
    currency: str = ""
    zone: str = ""
    locale: str = ""
    email: str = ""
    address: str = ""


class ShopAdmin(Protocol):
    """A shop's own API, as connecting it needs it.

    Everything raises `ShopRefusedError`, `ShopRejectedError` or `ShopUncertainError`, and never tells a secret.
    """

    def webhooks(self) -> Sequence[Hook]:
        """Return all webhooks that this API shows, whoever made them."""
        ...

    def create(self, topic: str, url: str, secret: str) -> None:
        """Make a webhook. Asked twice it may be there twice (WooCommerce)."""
        ...

    def change(self, hook: Hook, url: str, secret: str) -> None:
        """Let a webhook go to this address, signed with this secret where that can be chosen, and be active."""
        ...

    def delete(self, hook: Hook) -> None:
        """Delete a webhook; what is gone already is no error."""
        ...

    def scopes(self) -> frozenset[str] | None:
        """Return which rights we have; `None` where the platform does not tell."""
        ...

    def details(self) -> ShopDetails:
        """Return what the shop says of itself."""
        ...


class Connections(Protocol):
    """What is stored to connect shops, one secret each: JSON objects, with whatever operators wrote into them."""

    def names(self) -> Sequence[str]:
        """Return the ids of all shops that are connected, in order."""
        ...

    def read(self, shop: str) -> dict[str, Any] | None:
        """Return what is stored. Raises `ContentError` when it is no JSON object."""
        ...

    def write(self, shop: str, content: Mapping[str, Any]) -> None:
        """Store it, in place of what was there."""
        ...


class Door(Protocol):
    """Our own API from outside, as a shop reaches it."""

    def knock(self, url: str, headers: Mapping[str, str], body: bytes | None = None) -> int:
        """Return the status of a POST, or, without a body, of a GET. Raises as `ShopAdmin` where nobody answers."""
        ...


class SenderDomain(Struct, frozen=True, kw_only=True):
    """A domain or address that SES knows: whether mails may come from it, and what its DNS has to say.

    `dkim`: SES's own word, such as SUCCESS or PENDING; `tokens`: the names of its three CNAME records. `mail_from` is
    the domain of the envelope, empty where it is SES's own. `default_set`: its default configuration set.
    """

    name: str
    verified: bool
    dkim: str = ""
    tokens: tuple[str, ...] = ()
    mail_from: str = ""
    mail_from_state: str = ""
    default_set: str = ""


class MailDesk(Protocol):
    """What SES knows of those who send."""

    region: str

    def domain(self, name: str) -> SenderDomain | None:
        """Return what SES knows of a domain or an address; `None`: nothing."""
        ...

    def introduce(self, name: str) -> SenderDomain:
        """Make the domain known, with DKIM by SES's own keys; what is known already stays as it is."""
        ...

    def envelope(self, name: str, mail_from: str) -> None:
        """Let the domain's mails have this domain on their envelope."""
        ...

    def has_set(self, name: str) -> bool:
        """Whether there is such a configuration set."""
        ...


class Names(Protocol):
    """The DNS."""

    def texts(self, name: str) -> Sequence[str]:
        """Return the TXT records of a name; none where it has none. Raises `ShopUncertainError` for no answer."""
        ...

    def exists(self, name: str) -> bool:
        """Whether a name leads to any address. Raises `ShopUncertainError` for no answer."""
        ...


# --- coupons ---------------------------------------------------------------------------------------------------------


class NewCode(Struct, frozen=True, kw_only=True):
    """A discount code that is to stand in a shop: what it is worth, in the shop's `currency`, and from when to when.

    `mark` tells it from every other code: it is the same in every retry, and stands beside the code where the shop
    shows it to nobody but its own people.
    """

    code: str
    mark: str
    offer: Offer
    currency: str
    starts_at: datetime
    ends_at: datetime | None = None


class Stock(Struct, frozen=True, kw_only=True):
    """How a pool stands: how many codes the file `pool` (its digest) has, and how many of them were given.

    All before the place `at` in the file were given.
    """

    shop: str
    offer: str
    pool: str
    size: int
    given: int
    at: int = 0


class Coupons(Protocol):
    """What runs have got of offers, by `coupon_id`, and which codes of pools were given. Strongly consistent."""

    def read(self, ids: Sequence[str]) -> dict[str, Coupon]:
        """Return those of these coupons that exist, in one call for up to a hundred."""
        ...

    def claim(self, coupon: Coupon) -> Coupon:
        """Write it if there is none of this run and offer; return what stands: of several the first. May repeat.

        Raises `AnswerLostError`.
        """
        ...

    def made(self, coupon: Coupon) -> Coupon:
        """Write that the code stands in the shop, unless one is made already; return what stands."""
        ...

    def withdraw(self, coupon: Coupon) -> None:
        """Take a claim back, if it is still this very one and nothing was made."""
        ...

    def give(self, coupon: Coupon) -> Coupon | None:
        """Write it together with the mark that its code is given, in one transaction; return what stands of this run.

        `None`: somebody else has got the code. Raises `AnswerLostError`, and `ConflictError` when others keep writing.
        """
        ...

    def given(self, shop: str, codes: Sequence[str]) -> frozenset[str]:
        """Return which of these codes (at most a hundred) were given to anybody of this shop, in any case."""
        ...

    def stock(self, shop: str, offer: str) -> Stock | None:
        """Return how the pool of this offer stands."""
        ...

    def put_stock(self, stock: Stock) -> None:
        """Write how it stands, counted anew."""
        ...

    def count(self, shop: str, offer: str, pool: str) -> None:
        """Add one to the codes that were given, if it is still this file. A repeat counts again: it is about right."""
        ...

    def advance(self, shop: str, offer: str, pool: str, at: int) -> None:
        """Note that all codes before this place were given, if it is still this file; it never goes back."""
        ...


class ShopCodes(Protocol):
    """The shops' own discount codes."""

    def make(self, shop: str, wanted: NewCode) -> bool:
        """Make sure that the code stands in the shop; return whether it does. False: another one has its name.

        Safe to repeat: a code that is there with this mark is this one. Raises `ShopRefusedError` (surely nothing was
        done, and later it may be), `ShopRejectedError` (never as it was asked) and `ShopUncertainError`.
        """
        ...


# --- reconciling -----------------------------------------------------------------------------------------------------

#: What a shop is asked for again, in this order: what others name comes first.
Resource = Literal["products", "customers", "orders"]
RESOURCES: tuple[Resource, ...] = ("products", "customers", "orders")


class Changed(Struct, frozen=True):
    """That something of a shop, by its id there, was changed last at this moment."""

    id: str
    at: datetime


class ChangedPage(Struct, frozen=True):
    """Some of what was changed, oldest first, and where to go on (`None`: that is all)."""

    changed: tuple[Changed, ...]
    cursor: str | None = None


class ShopLists(Protocol):
    """What the shops' own APIs say that they have.

    Everything raises `ShopRefusedError`, `ShopRejectedError` or `ShopUncertainError`. The reason `no_access`: there is
    nothing in the shop's secret to ask its API with.
    """

    def changed(
        self, shop: str, resource: Resource, since: datetime, until: datetime, cursor: str | None = None
    ) -> ChangedPage:
        """Return a page of what was changed last from `since` on and before `until`.

        What is changed meanwhile may be missing: it is changed later then. Of WooCommerce's customers, which cannot be
        asked for by that, those that were made in that time.
        """
        ...

    def read(self, shop: str, resource: Resource, ids: Sequence[str]) -> Sequence[Record]:
        """Return these as they are now, in the shape of their webhooks; what is there no more is left out."""
        ...

    def hooks(self, shop: str) -> Sequence[Hook]:
        """Return the shop's webhooks, as its API shows them."""
        ...


class Known(Protocol):
    """What is known already of what a shop has. Strongly consistent."""

    def people(self, keys: Sequence[str]) -> dict[str, Profile | Tombstone]:
        """Return alias key → whom it leads to, of up to a hundred keys, for those that lead to anybody."""
        ...

    def products(self, shop: str, ids: Sequence[str]) -> dict[str, datetime]:
        """Return product → how new what is known of it is, of up to a hundred."""
        ...


# --- privacy ---------------------------------------------------------------------------------------------------------


class PrivacyTask(Struct, frozen=True, kw_only=True):
    """A message on the privacy queue: an event, by its place in its delivery, that privacy must look at. Ids only."""

    delivery_id: str
    index: int


class PrivacyQueue(Protocol):
    """The queue of privacy's work."""

    def ask(self, tasks: Sequence[PrivacyTask], delay: int = 0) -> None:
        """Put these on the queue, `delay` seconds (at most 900) from now. Raises when any was not taken."""
        ...


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """One stored line of the ledger. `at` is its key: the time, and the pending item or alarm that it is about."""

    at: str
    decisions: tuple[Decision, ...] = ()

    @property
    def delivery_id(self) -> str | None:
        """The delivery that was applied; `None` for an alarm."""
        cause = self.at.partition("#")[2]
        return None if cause.startswith("alarm.") else cause.partition("#")[0]


#: Everything that holds something of a shop, in the order in which a shop's departure empties it: what would bring
#: something back goes first. A new one comes last: a departure that is under way has noted a place in this list.
SHOP_STORES = (
    "pending",
    "profiles",
    "aliases",
    "messages",
    "ledger",
    "products",
    "shelves",
    "interests",
    "suppressions",
    "deliveries",
    "raw/deliveries",
    "raw/unread",
    "raw/exports",
    "coupons",
    "content/imports",
)


class Purged(Struct, frozen=True):
    """What became of one page: how many entries were erased, and where to go on (`None`: that was the last page)."""

    erased: int
    cursor: str | None = None


class Vault(Protocol):
    """What privacy needs of every store: to find all that is about a person or a shop, and to make it go away.

    Everything here is safe to repeat. Reads are strongly consistent, except for `coupons`.
    """

    def owners(self, keys: Sequence[str]) -> tuple[dict[str, str], frozenset[str]]:
        """Return alias key → profile id of those that exist, and which keys identify nobody (`QUARANTINE`)."""
        ...

    def point(self, key: str, profile_id: str) -> bool:
        """Let this alias lead there if it leads nowhere yet; return whether it leads there now."""
        ...

    def profiles(self, ids: Sequence[str]) -> dict[str, Profile | Signpost | Tombstone]:
        """Return what stands under these ids, of which none comes twice, in one call for each hundred."""
        ...

    def bury(self, profile_id: str, tombstone: Tombstone, version: int | None) -> None:
        """Put the tombstone in place of the profile at this version; `None`: of nothing, or of an earlier tombstone.

        Raises `ConflictError` when something else stands there.
        """
        ...

    def suppress(self, suppression: Suppression) -> None:
        """Write a refusal, as `Intake.accept` does: not where a later one stands, or a later grant."""
        ...

    def suppressions(self, shop: str, channel: str, address: str) -> Sequence[Suppression]:
        """Return what is in force for this address (keyed hash)."""
        ...

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return the delivery with its events and its raw body, without `also`; both are empty when it was stripped."""
        ...

    def strip(
        self, delivery_id: str, at: datetime, events: Sequence[Event] = (), *, known: Sequence[Event] | None = None
    ) -> int:
        """Take the body and the events out of the delivery, also from the bucket; keep its id, so that it stays known.

        `events` are left in their place; `known` are those that stood there when that was decided (`None`: whatever
        stands there). Return how many files were deleted from the bucket. A delivery that does not exist stays so.
        Raises `ConflictError` when other events stand there by now: somebody else has stripped it of theirs.
        """
        ...

    def waiting(self, keys: Collection[str]) -> Sequence[Pending]:
        """Return the pending items that have any of these alias keys."""
        ...

    def drop(self, pending_id: str) -> None:
        """Delete a pending item, if it is there."""
        ...

    def ledger(self, profile_id: str, after: str = "", limit: int = 100) -> Sequence[LedgerEntry]:
        """Return the profile's lines later than `after` (their `at`), oldest first."""
        ...

    def forget_ledger(self, profile_id: str, lines: Sequence[str]) -> None:
        """Delete these lines of the profile, by their `at`."""
        ...

    def messages(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the records of these messages, those that exist."""
        ...

    def forget_messages(self, ids: Sequence[str]) -> None:
        """Delete the records of these messages."""
        ...

    def coupons(self, profile_id: str) -> Sequence[Coupon]:
        """Return what runs of this profile have got of offers, found by an index that may lag."""
        ...

    def forget_coupons(self, coupons: Sequence[Coupon]) -> None:
        """Delete these. That a code of a pool was given stays known, not to whom."""
        ...

    def interests(self, profile_id: str) -> Sequence[str]:
        """Return the lists of products on which this profile stands, by their keys, from an index that may lag."""
        ...

    def forget_interests(self, profile_id: str, keys: Sequence[str]) -> None:
        """Take the profile off these lists."""
        ...

    def forget_files(self, prefix: str) -> int:
        """Delete what lies under this prefix of the raw bucket; return how many files that were."""
        ...

    def purge(self, shop: str, store: str, cursor: str | None = None, *, spare: str = "") -> Purged:
        """Delete one page of what a store (`SHOP_STORES`) holds of a shop, but not the delivery `spare`."""
        ...

    def disconnect(self, shop: str) -> bool:
        """Delete the shop's secrets; return whether there were any. They can be brought back for seven days."""
        ...

"""Every port in RAM, on a virtual clock: the simulator's and the property tests' world. May import ports and domain.

A `World` holds the state that all its ports share, and what a simulator needs beside them: looking inside, taking
messages off the queues, letting schedules fire, deciding what the mail channel answers. Nothing happens by itself and
nothing is random, so that equal calls give equal worlds.

`World.hook` is called before and after every port call with its name (`state.commit`): what it raises comes out of that
call. Raised before, nothing has happened; raised after, everything has and only the answer is lost. Values go through
their stored form on the way in, so that what the tables could not hold cannot hide here. Not for several threads.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

import msgspec
from msgspec import Struct, structs

from rekindle.domain import ids
from rekindle.domain.errors import (
    AddressGoneError,
    ConflictError,
    MailRefusedError,
    MailRejectedError,
    MailUncertainError,
    PendingGoneError,
)
from rekindle.domain.events import Delivery, Event, Suppression, decode_events, encode_events
from rekindle.domain.facts import Product, VariantStock
from rekindle.domain.labels import Label
from rekindle.domain.offers import Coupon, coupon_id, plain_code
from rekindle.domain.outcome import Decision
from rekindle.domain.products import counts, judged, kept, stocked
from rekindle.domain.profile import Category, Profile, Signpost, Tombstone, decode_profile, encode_profile
from rekindle.domain.results import Count
from rekindle.domain.shelves import Near, Shelf, decode_near, decode_shelf
from rekindle.domain.zones import zone_of
from rekindle.ports import (
    ALARM_HORIZON,
    ALARM_THRESHOLD,
    MAX_DELAY,
    MAX_HITS,
    MAX_SPLIT,
    OPEN_STATES,
    QUARANTINE,
    SHOP_STORES,
    Accepting,
    Allowance,
    Attempted,
    AudienceChange,
    CatalogueTask,
    Changed,
    ChangedPage,
    Commit,
    Counted,
    DeadLetter,
    Heard,
    HeardPage,
    Interested,
    Lease,
    LeaseAnswer,
    LedgerEntry,
    Listing,
    Look,
    Mail,
    Message,
    MessageState,
    NewCode,
    Parcel,
    Pause,
    Pending,
    PrivacyTask,
    ProfilePage,
    Purged,
    PushMessage,
    Reaction,
    Record,
    Resource,
    ShardTask,
    Shelved,
    ShopSecrets,
    Stock,
    SurveyPage,
    Tally,
    TextMessage,
    Wake,
    Work,
)
from rekindle.ports import Hook as ShopHook

#: Small, so that a story of a few deliveries has several pages.
_PAGE = 3

Moment = Literal["before", "after"]
Hook = Callable[[str, Moment], None]
Fate = Literal[
    "accept", "throttled", "quota", "paused", "not_connected", "not_allowed", "reject", "hang", "answer_lost", "gone"
]  # fmt: skip
Payload = TypeVar("Payload", Wake, Parcel, PrivacyTask, ShardTask, Reaction, CatalogueTask)
Params = ParamSpec("Params")
Result = TypeVar("Result")


class Crash(BaseException):
    """The process died here. No `except Exception` survives it."""


class VirtualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = (start or datetime(2026, 1, 1, tzinfo=UTC)).astimezone(UTC)

    def now(self) -> datetime:
        """Return the current moment, aware, UTC."""
        return self._now

    def advance_to(self, moment: datetime) -> None:
        """Move to `moment`. Time never goes back: an earlier moment is a `ValueError`."""
        moment = moment.astimezone(UTC)
        if moment < self._now:
            raise ValueError(f"the clock is at {self._now.isoformat()}, {moment.isoformat()} is past")
        self._now = moment

    def advance(self, **by: float) -> None:
        """Move forward by the keywords of `timedelta`."""
        self.advance_to(self._now + timedelta(**by))


class Queued(Struct, kw_only=True):
    """A message that lies on a queue: hidden until `visible_at`, received `receives` times so far."""

    id: int
    body: bytes
    sent_at: datetime
    visible_at: datetime
    receives: int = 0


class Received(Struct, Generic[Payload], frozen=True, kw_only=True):
    """One receipt of a message: `body` as a function gets it, `value` as it was meant."""

    receipt: tuple[int, int]
    body: bytes
    value: Payload
    receives: int


#: One for each kind: to make a decoder costs more than to decode with it.
_decoder = functools.cache(msgspec.json.Decoder)


class Queue(Generic[Payload]):
    """A standard queue: at least once, in no order, with delays, visibility and a dead-letter queue (`dead`)."""

    def __init__(self, clock: VirtualClock, kind: Any, *, max_receives: int) -> None:
        self.messages: list[Queued] = []
        self.dead: list[Queued] = []
        self._clock = clock
        self._decoder: msgspec.json.Decoder[Payload] = _decoder(kind)
        self._max_receives = max_receives
        self._next_id = 1

    def put(self, value: Payload, delay: int = 0) -> None:
        """Put one message, visible `delay` seconds (at most 900) from now."""
        if not 0 <= delay <= MAX_DELAY:
            raise ValueError(f"a queue delays by 0 to {MAX_DELAY} seconds, not {delay}")
        self.put_raw(msgspec.json.encode(value), delay)

    def put_raw(self, body: bytes, delay: int = 0) -> None:
        """Put one message as it is stored."""
        now = self._clock.now()
        visible_at = now + timedelta(seconds=delay)
        self.messages.append(Queued(id=self._next_id, body=body, sent_at=now, visible_at=visible_at))
        self._next_id += 1

    def receive(self, limit: int = 10, visibility: int = 60) -> list[Received[Payload]]:
        """Return up to `limit` visible messages, oldest first, and hide them for `visibility` seconds.

        One that was received as often as the queue allows goes to `dead` instead.
        """
        now = self._clock.now()
        received: list[Received[Payload]] = []
        for message in sorted(self.messages, key=lambda m: (m.visible_at, m.id)):
            if message.visible_at > now or len(received) == limit:
                continue
            if message.receives >= self._max_receives:
                self.messages.remove(message)
                self.dead.append(message)
                continue
            message.receives += 1
            message.visible_at = now + timedelta(seconds=visibility)
            received.append(
                Received(
                    receipt=(message.id, message.receives),
                    body=message.body,
                    value=self._decoder.decode(message.body),
                    receives=message.receives,
                )
            )
        return received

    def delete(self, receipt: tuple[int, int]) -> bool:
        """Delete what was received; return whether this was still its newest receipt (else nothing happens)."""
        message = self._held(receipt)
        if message is None:
            return False
        self.messages.remove(message)
        return True

    def release(self, receipt: tuple[int, int], delay: int = 0) -> bool:
        """Make what was received visible again in `delay` seconds; return whether this was still its newest receipt."""
        message = self._held(receipt)
        if message is None:
            return False
        message.visible_at = self._clock.now() + timedelta(seconds=delay)
        return True

    def redrive(self) -> int:
        """Put everything in the dead-letter queue back, with fresh counts; return how many."""
        moved = [structs.replace(m, receives=0, visible_at=self._clock.now()) for m in self.dead]
        self.messages.extend(moved)
        self.dead.clear()
        return len(moved)

    def values(self) -> list[Payload]:
        """Return what lies on the queue, hidden or not, in the order in which it was put."""
        return [self._decoder.decode(m.body) for m in self.messages]

    def _held(self, receipt: tuple[int, int]) -> Queued | None:
        return next((m for m in self.messages if (m.id, m.receives) == receipt), None)


class Schedule(Struct, frozen=True, kw_only=True):
    """A one-time schedule: at `at` (a full minute, UTC) `wake` goes to the wake queue."""

    name: str
    at: datetime
    wake: Wake
    fired: bool = False


class LedgerLine(Struct, frozen=True, kw_only=True):
    """What one commit wrote to the ledger."""

    profile_id: str
    shop: str
    at: datetime
    cause: str
    decisions: tuple[Decision, ...]
    counts: tuple[Count, ...] = ()

    @property
    def key(self) -> str:
        """The line's key under its profile: the time at a fixed width, and the cause."""
        return f"{self.at.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z#{self.cause}"


class Sent(Struct, frozen=True, kw_only=True):
    """A mail that left the house."""

    mail: Mail
    vendor_id: str
    at: datetime


class SentPush(Struct, frozen=True, kw_only=True):
    """A push message that left the house."""

    push: PushMessage
    vendor_id: str
    at: datetime


class SentText(Struct, frozen=True, kw_only=True):
    """A text message that left the house."""

    text: TextMessage
    vendor_id: str
    at: datetime


class SuppressionRecord(Struct, frozen=True, kw_only=True):
    """Refusals of one address: the latest of each cover, and when marketing was last granted again, if ever."""

    latest: Mapping[str, Suppression] = {}
    lifted_at: datetime | None = None

    @property
    def active(self) -> tuple[Suppression, ...]:
        """What must not be sent to the address: marketing, everything."""
        found = (self.latest[cover] for cover in ("marketing", "everything") if cover in self.latest)
        return tuple(one for one in found if not self.lifted_since(one))

    def lifted_since(self, refusal: Suppression) -> bool:
        """Whether a later grant overrules it."""
        return refusal.covers == "marketing" and self.lifted_at is not None and refusal.since < self.lifted_at


SuppressionKey = tuple[str, str, str]


class World:
    """All ports over one shared state. The attributes are the tables; tests may read and, with care, set them."""

    def __init__(self, start: datetime | None = None, *, max_receives: int = 10) -> None:  # noqa: PLR0915 - a line a table
        self.hook: Hook | None = None
        self.calls: Counter[str] = Counter()
        """how often each port call was begun"""
        self.clock = VirtualClock(start)

        self.deliveries: dict[str, Delivery] = {}
        self.delivery_marks: dict[str, str] = {}
        """further id of a delivery → the delivery's id"""
        self.pending: dict[str, Pending] = {}
        self.stream: deque[Pending] = deque()
        """inserts into pending, for journey to read; never taken off by a port"""
        self.profiles: dict[str, bytes | Signpost | Tombstone] = {}
        self.profile_expiry: dict[str, datetime] = {}
        self.owners: dict[str, str] = {}
        """alias key → profile id"""
        self.sharing: dict[str, set[str]] = {}
        """alias key → the customers (keyed hashes) who used the address beside its owner"""
        self.suppressions: dict[SuppressionKey, SuppressionRecord] = {}
        self.messages: dict[str, Message] = {}
        self.ledger: list[LedgerLine] = []
        self.catalogue: dict[tuple[str, str], Product] = {}
        self.deletions: dict[tuple[str, str], datetime] = {}
        self.counted: set[tuple[str, str]] = set()
        """products of which somebody counts the pieces"""
        self.product_stream: deque[tuple[str, Product | None, Product]] = deque()
        """shop, and a product before and after each change, for the catalogue to read; never taken off by a port"""
        self.interests: dict[tuple[str, str, str], Interested] = {}
        """shop, product and profile → when that looked at it"""
        self.shelved: dict[tuple[str, str], bytes] = {}
        """shop, and `near/`, `shelf/` or `order/` with a name → what stands there"""
        self.shop_things: dict[tuple[str, Resource], dict[str, tuple[datetime, Record]]] = {}
        """shop and kind of thing → id → when it was changed last, and what its API shows"""
        self.shop_hooks: dict[str, tuple[ShopHook, ...]] = {}
        """shop → its webhooks"""
        self.files: dict[str, bytes] = {}
        """the content bucket"""
        self.raw_files: dict[str, bytes] = {}
        """the raw bucket, but for the bodies of deliveries, which stand with these"""
        self.tallies: dict[tuple[str, datetime], Tally] = {}
        """shop and hour → what was counted"""
        self.taken: Counter[tuple[str, int]] = Counter()
        """name of a limit and stretch of time → how many were taken"""
        self.pauses: dict[str, Pause] = {}
        """shop → its newest pause"""
        self.message_stream: deque[tuple[Message | None, Message]] = deque()
        """a message's record before and after each change, for tally to read; never taken off by a port"""
        self.count_stream: deque[Counted] = deque()
        """what lines of the ledger count, likewise"""
        self.figures: dict[tuple[str, Label], dict[str, Decimal]] = {}
        """shop and label → figures"""
        self.seen_marks: set[str] = set()
        """what has been counted"""
        self.shops: dict[str, ShopSecrets] = {}
        self.shop_codes: dict[tuple[str, str], NewCode] = {}
        """shop and code, in any case → the discount code that stands in that shop"""
        self.issued: dict[str, bytes] = {}
        """coupon id → what a run has got of an offer"""
        self.given_codes: dict[tuple[str, str], str] = {}
        """shop and code of a pool, in any case → the id of the coupon that gave it"""
        self.stocks: dict[tuple[str, str], Stock] = {}
        """shop and offer → how its pool stands"""
        self.secret_address_key = b"address-key"
        self.secret_push = b"push-secret"
        self.secret_link_keys: dict[str, bytes] = {"k1": b"link-key-1"}

        self.schedules: dict[str, Schedule] = {}
        self.wake_queue: Queue[Wake] = Queue(self.clock, Wake, max_receives=max_receives)
        self.send_queues: dict[Category, Queue[Parcel]] = {
            "transactional": Queue(self.clock, Parcel, max_receives=max_receives),
            "marketing": Queue(self.clock, Parcel, max_receives=max_receives),
        }
        self.mint_queues: dict[Category, Queue[Parcel]] = {
            "transactional": Queue(self.clock, Parcel, max_receives=max_receives),
            "marketing": Queue(self.clock, Parcel, max_receives=max_receives),
        }
        self.privacy_queue: Queue[PrivacyTask] = Queue(self.clock, PrivacyTask, max_receives=max_receives)
        self.fanout_queue: Queue[ShardTask] = Queue(self.clock, ShardTask, max_receives=max_receives)
        self.catalogue_queue: Queue[CatalogueTask] = Queue(self.clock, CatalogueTask, max_receives=max_receives)
        self.reactions_queue: Queue[Reaction] = Queue(self.clock, Reaction, max_receives=max_receives)
        self.looks: list[Look] = []
        """the publish queue, but for the uploads themselves"""
        self.inbox: list[Sent] = []
        self.attempts: list[tuple[Mail, Fate]] = []
        """every call of the mailer, also those that sent nothing"""
        self.fates: deque[Fate] = deque()
        """what the mailer does next; afterwards what `decide_fate` says"""
        self.decide_fate: Callable[[Mail], Fate] = lambda _mail: "accept"
        self.allowance = Allowance(rate=14.0, quota=50_000.0)
        """what the mail channel says that the account may send"""

        self.texts: list[SentText] = []
        self.text_attempts: list[tuple[TextMessage, Fate]] = []
        """every call of the texter, also those that sent nothing"""
        self.text_fates: deque[Fate] = deque()
        """what the texter does next; afterwards what `decide_text_fate` says"""
        self.decide_text_fate: Callable[[TextMessage], Fate] = lambda _text: "accept"

        self.pushes: list[SentPush] = []
        self.push_attempts: list[tuple[PushMessage, Fate]] = []
        """every call of the pusher, also those that sent nothing"""
        self.decide_push_fate: Callable[[PushMessage], Fate] = lambda _push: "accept"

        self.audience_members: dict[tuple[str, str], set[str]] = {}
        """shop and audience → the addresses on the list"""
        self.audience_changes: list[tuple[AudienceChange, Fate]] = []
        """every call, also those that changed nothing"""
        self.decide_audience_fate: Callable[[AudienceChange], Fate] = lambda _change: "accept"

        self.intake = MemoryIntake(self)
        self.bulk = MemoryBulkIntake(self)
        self.state = MemoryState(self)
        self.alarms = MemoryAlarms(self)
        self.queues = MemorySendQueues(self)
        self.sending = MemorySending(self)
        self.mint = MemoryMintQueues(self)
        self.outbox = MemoryOutbox(self)
        self.mailer = MemoryMailer(self)
        self.account = MemoryAccount(self)
        self.texter = MemoryTexter(self)
        self.pusher = MemoryPusher(self)
        self.audiences = MemoryAudiences(self)
        self.blobs = MemoryBlobs(self, "blobs", self.files)
        self.raw = MemoryBlobs(self, "raw", self.raw_files)
        self.publish_queue = MemoryPublishQueue(self)
        self.privacy = MemoryPrivacyQueue(self)
        self.reactions = MemoryReactions(self)
        self.fanout = MemoryFanoutQueue(self)
        self.shelves = MemoryShelves(self)
        self.interested = MemoryInterests(self)
        self.catalogue_tasks = MemoryCatalogueQueue(self)
        self.everybody = MemoryEverybody(self)
        self.vault = MemoryVault(self)
        self.desk = MemoryDesk(self)
        self.archive = MemoryArchive(self)
        self.secrets = MemorySecrets(self)
        self.codes = MemoryShopCodes(self)
        self.lists = MemoryShopLists(self)
        self.known = MemoryKnown(self)
        self.coupons = MemoryCoupons(self)
        self.counters = MemoryCounters(self)
        self.results = MemoryResults(self)
        self.limits = MemoryLimits(self)
        self.survey = MemorySurvey(self)
        self.dead_letters = MemoryDeadLetters(self)

    def touch(self, call: str, moment: Moment) -> None:
        """Count a port call and let the hook see it."""
        if moment == "before":
            self.calls[call] += 1
        if self.hook is not None:
            self.hook(call, moment)

    def ring_due_schedules(self, *, linger: bool = False) -> list[Schedule]:
        """Put the wakes of all schedules whose minute has come on the wake queue, and return them.

        A fired schedule is deleted; with `linger` it keeps its name taken until `sweep_schedules`, as on AWS it may.
        """
        due = sorted(
            (s for s in self.schedules.values() if s.at <= self.clock.now() and not s.fired),
            key=lambda s: (s.at, s.name),
        )
        for schedule in due:
            self.wake_queue.put(schedule.wake)
            if linger:
                self.schedules[schedule.name] = structs.replace(schedule, fired=True)
            else:
                del self.schedules[schedule.name]
        return due

    def sweep_schedules(self) -> None:
        """Delete the fired schedules that linger."""
        self.schedules = {name: s for name, s in self.schedules.items() if not s.fired}

    def next_moment(self) -> datetime | None:
        """Return when the next schedule fires or the next queued message becomes visible; `None`: never, all is quiet.

        What is visible already counts as now.
        """
        moments = [s.at for s in self.schedules.values() if not s.fired]
        queued = [
            self.wake_queue.messages,
            self.privacy_queue.messages,
            self.reactions_queue.messages,
            self.fanout_queue.messages,
            self.catalogue_queue.messages,
            *(queue.messages for queue in self.send_queues.values()),
            *(queue.messages for queue in self.mint_queues.values()),
        ]
        moments.extend(m.visible_at for messages in queued for m in messages)
        return max(min(moments), self.clock.now()) if moments else None

    def profile(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        """Return the stored profile without going through a port."""
        stored = self.profiles.get(profile_id)
        return decode_profile(stored) if isinstance(stored, bytes) else stored

    def product(self, shop: str, product_id: str) -> Product | None:
        """Return a product as the catalogue knows it."""
        found = self.catalogue.get((shop, product_id))
        if found is None:
            return None
        deleted = self.deletions.get((shop, product_id), found.updated_at) > found.updated_at
        return judged(structs.replace(found, deleted=deleted), counted=(shop, product_id) in self.counted)

    def products(self, shop: str, ids: Collection[str]) -> dict[str, Product]:
        """Return those of these products that the catalogue knows."""
        return {key: product for key in ids if (product := self.product(shop, key)) is not None}

    def put_product(self, shop: str, product: Product) -> None:
        """Store a product as it is."""
        self.catalogue[shop, product.id] = structs.replace(product, deleted=False)
        if counts(product):
            self.counted.add((shop, product.id))

    def suppressed(self, shop: str, channel: str, address: str, covers: str) -> bool:
        """Whether this very suppression is in force."""
        record = self.suppressions.get((shop, channel, address), SuppressionRecord())
        return any(one.covers == covers for one in record.active)

    def suppress(self, suppression: Suppression) -> None:
        """Write a refusal, unless a later one stands or it was lifted since."""
        key = (suppression.shop, suppression.channel, suppression.address)
        record = self.suppressions.get(key, SuppressionRecord())
        stands = record.latest.get(suppression.covers)
        if not record.lifted_since(suppression) and (stands is None or stands.since < suppression.since):
            latest = {**record.latest, suppression.covers: suppression}
            self.suppressions[key] = structs.replace(record, latest=latest)

    def put_message(self, message: Message) -> None:
        """Store a message's record, and let the stream tell of it."""
        self.message_stream.append((self.messages.get(message.id), message))
        self.messages[message.id] = message

    def insert_pending(self, pending: Pending) -> None:
        """Add a pending item, which the stream then shows."""
        self.pending[pending.id] = pending
        self.stream.append(pending)


class _Port:
    """A port over a world; `name` is what the hook sees before the dot."""

    name = ""

    def __init__(self, world: World) -> None:
        self.world = world


SomePort = TypeVar("SomePort", bound=_Port)


def _call(
    method: Callable[Concatenate[SomePort, Params], Result],
) -> Callable[Concatenate[SomePort, Params], Result]:
    """Mark a method as a port call: the world's hook sees it before and, when it did not raise, after."""

    @functools.wraps(method)
    def call(self: SomePort, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        name = f"{self.name}.{method.__name__}"
        world = self.world
        world.touch(name, "before")
        result = method(self, *args, **kwargs)
        if world.hook is not None:
            world.touch(name, "after")
        return result

    return call


class MemoryIntake(_Port):
    """`ports.Intake`."""

    name = "intake"

    @_call
    def accept(self, delivery: Delivery, suppressions: Sequence[Suppression] = (), keys: Sequence[str] = ()) -> bool:
        """Store the delivery, its pending item and the suppressions, or only suppressions when it is a repeat."""
        world = self.world
        for suppression in suppressions:
            world.suppress(suppression)
        if any(mark in world.deliveries or mark in world.delivery_marks for mark in (delivery.id, *delivery.also)):
            return False
        events = decode_events(encode_events(delivery.events))
        world.deliveries[delivery.id] = structs.replace(delivery, events=events)
        world.delivery_marks.update(dict.fromkeys(delivery.also, delivery.id))
        world.insert_pending(
            Pending(
                id=delivery.id,
                delivery_id=delivery.id,
                shop=delivery.shop,
                keys=tuple(dict.fromkeys(keys)),
                accepted_at=delivery.received_at,
            )
        )
        return True

    @_call
    def known(self, delivery_ids: Sequence[str]) -> frozenset[str]:
        """Return which of these ids are taken."""
        world = self.world
        return frozenset(one for one in delivery_ids if one in world.deliveries or one in world.delivery_marks)


class MemoryBulkIntake(_Port):
    """`ports.BulkIntake`."""

    name = "bulk"

    @_call
    def accept_all(self, accepting: Sequence[Accepting]) -> tuple[bool, ...]:
        """Accept each; which were new."""
        intake = MemoryIntake(self.world)
        return tuple(intake.accept(each.delivery, each.suppressions, each.keys) for each in accepting)

    @_call
    def waiting(self, most: int) -> int:
        """Return how many wait to be applied, at most `most`."""
        return min(most, len(self.world.pending))


class MemoryArchive(_Port):
    """`ports.Archive`."""

    name = "archive"

    def deliveries(
        self, shop: str, since: datetime | None = None, until: datetime | None = None, topic: str | None = None
    ) -> Iterator[Delivery]:
        """Yield the deliveries."""
        self.world.touch("archive.deliveries", "before")
        for delivery in list(self.world.deliveries.values()):
            if (
                delivery.shop == shop
                and (since is None or delivery.received_at >= since)
                and (until is None or delivery.received_at < until)
                and (topic is None or delivery.topic == topic)
            ):
                yield structs.replace(delivery, also=())
        self.world.touch("archive.deliveries", "after")


class MemoryState(_Port):
    """`ports.State`."""

    name = "state"

    @_call
    def pending(self, pending_id: str) -> Pending | None:
        """Return the pending item."""
        return self.world.pending.get(pending_id)

    @_call
    def work(self, pending: Pending) -> Work | None:
        """Return the item as it stands, its events and the owners of its aliases."""
        current = self.world.pending.get(pending.id)
        if current is None:
            return None
        events = self.world.deliveries[current.delivery_id].events
        owners = {key: self.world.owners[key] for key in pending.keys if key in self.world.owners}
        sharing = self.world.sharing
        quarantined = frozenset(key for key in owners if len(sharing.get(key, ())) >= QUARANTINE)
        return Work(pending=current, events=events, owners=owners, quarantined=quarantined)

    @_call
    def profile(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        """Return the profile, its signpost or its tombstone."""
        return self.world.profile(profile_id)

    @_call
    def split(self, pending: Pending, parts: Sequence[Pending]) -> None:
        """Replace the item by its parts."""
        if len(parts) > MAX_SPLIT:
            raise ValueError(f"a delivery concerns at most {MAX_SPLIT} profiles, not {len(parts)}")
        if self.world.pending.pop(pending.id, None) is None:
            raise PendingGoneError(pending.id)
        for part in parts:
            self.world.insert_pending(part)

    @_call
    def commit(self, commit: Commit) -> None:
        """Check every condition, then write everything."""
        world = self.world
        commit.check()
        self._put_products(commit)
        if commit.pending_id is not None and commit.pending_id not in world.pending:
            raise PendingGoneError(commit.pending_id)
        profile = commit.profile
        versions = [(merged.profile_id, merged.version) for merged in commit.merged]
        if profile is not None:
            versions.append((profile.id, profile.version - 1))
        for profile_id, version in versions:
            if self._version(profile_id) != version:
                raise ConflictError(f"profile {profile_id} is no longer at version {version}")
        for alias in commit.aliases:
            if world.owners.get(alias.key) != alias.was:
                raise ConflictError(f"alias {alias.key} moved")
        for grave in commit.graves:
            found = world.profile(grave.profile_id)
            if not isinstance(found, Tombstone) or found.erased_at != grave.erased_at:
                raise ConflictError(f"profile {grave.profile_id} was erased once more")

        world.pending.pop(commit.pending_id or "", None)
        world.owners.update({alias.key: alias.profile_id for alias in commit.aliases})
        if profile is not None:
            self._put_profile(commit, profile)

    def _put_profile(self, commit: Commit, profile: Profile) -> None:
        world = self.world
        world.profiles[profile.id] = encode_profile(profile)
        world.profile_expiry.pop(profile.id, None)
        if commit.expires_at is not None and profile.anonymous:
            world.profile_expiry[profile.id] = commit.expires_at
        world.profiles.update({merged.profile_id: Signpost(profile.id) for merged in commit.merged})
        for suppression in commit.suppressions:
            world.suppress(suppression)
        for interested in commit.interests:
            world.interests[profile.shop, interested.product_id, profile.id] = interested
        if commit.told_at is not None:
            cause = commit.pending_id or f"alarm.{profile.version}"
            line = LedgerLine(
                profile_id=profile.id,
                shop=profile.shop,
                at=commit.told_at,
                cause=cause,
                decisions=commit.decisions,
                counts=commit.counts,
            )
            world.ledger.append(line)
            if line.counts:
                world.count_stream.append(
                    Counted(mark=f"{line.profile_id}#{line.key}", shop=line.shop, counts=line.counts)
                )

    @_call
    def lift(self, shop: str, channel: str, address: str, granted_at: datetime) -> None:
        """Remember the newest grant."""
        key = (shop, channel, address)
        record = self.world.suppressions.get(key, SuppressionRecord())
        if record.lifted_at is None or record.lifted_at < granted_at:
            self.world.suppressions[key] = structs.replace(record, lifted_at=granted_at)

    @_call
    def overdue(self, before: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        """Return whom the sweep must wake."""
        found: list[tuple[datetime, str]] = []
        for profile_id in self.world.profiles:
            profile = self.world.profile(profile_id)
            if isinstance(profile, Profile) and profile.deadline is not None and profile.deadline < before:
                found.append((profile.deadline, profile_id))
        return [(profile_id, deadline) for deadline, profile_id in sorted(found)[:limit]]

    @_call
    def stale_pending(self, before: datetime, limit: int) -> Sequence[Pending]:
        """Return what was accepted and not applied for too long."""
        stale = [p for p in self.world.pending.values() if p.accepted_at is not None and p.accepted_at < before]
        return stale[:limit]

    @_call
    def share_address(self, key: str, customer: str) -> int:
        """Add the customer to those who share the address."""
        sharing = self.world.sharing.setdefault(key, set())
        sharing.add(customer)
        return len(sharing)

    @_call
    def messages(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the messages that exist."""
        return {key: self.world.messages[key] for key in ids if key in self.world.messages}

    @_call
    def heard(
        self, profile_id: str, since: datetime | None = None, cursor: str | None = None, limit: int = 100
    ) -> HeardPage:
        """Return a page of what the profile was told."""
        lines = sorted(
            (
                line
                for line in self.world.ledger
                if line.profile_id == profile_id
                and (since is None or line.at >= since)
                and (cursor is None or line.key < cursor)
            ),
            key=lambda line: line.key,
            reverse=True,
        )
        page = lines[: min(limit, _PAGE)]
        heard = []
        for line in page:
            delivery_id = LedgerEntry(at=line.key).delivery_id
            if delivery_id is not None:
                delivery = self.world.deliveries.get(delivery_id)
                events = delivery.events if delivery is not None else ()
                heard.append(Heard(at=line.key, delivery_id=delivery_id, events=events))
        return HeardPage(tuple(heard), page[-1].key if len(page) < len(lines) else None)

    @_call
    def count_try(self, pending_id: str) -> int:
        """Count one more try."""
        pending = self.world.pending.get(pending_id)
        if pending is None:
            return 0
        self.world.pending[pending_id] = structs.replace(pending, tries=pending.tries + 1)
        return pending.tries + 1

    @_call
    def reset_tries(self, pending_id: str) -> bool:
        """Set the tries back."""
        pending = self.world.pending.get(pending_id)
        if pending is None:
            return False
        self.world.pending[pending_id] = structs.replace(pending, tries=0)
        return True

    def _version(self, profile_id: str) -> int | None:
        """Return the stored version: 0 where nothing is stored, `None` where no commit may write (not a profile)."""
        stored = self.world.profile(profile_id)
        if isinstance(stored, (Signpost, Tombstone)):
            return None
        return stored.version if stored is not None else 0

    def _put_products(self, commit: Commit) -> None:
        """Upsert the products. As in the tables this comes first, and is not undone when the rest fails."""
        for product in commit.products:
            key = (commit.shop_id, product.id)
            known, deletions = self.world.catalogue.get(key), self.world.deletions
            before = self.world.product(*key)
            if product.deleted:
                deletions[key] = max(product.updated_at, deletions.get(key, product.updated_at))
            elif known is None or known.updated_at <= product.updated_at:
                self.world.put_product(commit.shop_id, kept(product, known))
            now = self.world.product(*key)
            if now is not None and now != before:
                self.world.product_stream.append((commit.shop_id, before, now))


class MemoryAlarms(_Port):
    """`ports.Alarms`."""

    name = "alarms"

    @_call
    def ring(self, profile_id: str, at: datetime, now: datetime) -> None:
        """Create the schedule, or put the wake on the queue where a schedule would come too late."""
        if at - now > ALARM_HORIZON:
            return
        world = self.world
        wake = Wake(profile_id=profile_id, due=at)
        if at - now < ALARM_THRESHOLD:
            world.wake_queue.put(wake, max(0, math.ceil((at - now).total_seconds())))
            return
        minute = ids.minute_up(at)
        name = ids.alarm_name(profile_id, minute)
        if name not in world.schedules:
            world.schedules[name] = Schedule(name=name, at=minute, wake=wake)
        elif minute <= world.clock.now():
            world.wake_queue.put(wake)

    @_call
    def wake(self, wakes: Sequence[Wake], delay: int = 0) -> None:
        """Put these on the wake queue."""
        for wake in wakes:
            self.world.wake_queue.put(wake, delay)

    @_call
    def backlog(self) -> int:
        """Return how many messages are visible."""
        now = self.world.clock.now()
        return sum(1 for message in self.world.wake_queue.messages if message.visible_at <= now)


class MemoryEverybody(_Port):
    """`ports.Everybody`."""

    name = "everybody"

    @_call
    def profile_ids(
        self, shard: int, of: int, cursor: str | None = None, *, shop: str = "", limit: int = 500
    ) -> ProfilePage:
        """Return a page of ids."""
        world = self.world
        ids_of_shard = [key for key in sorted(world.profiles) if int(ids.digest("shard", key), 16) % of == shard]
        left = [key for key in ids_of_shard if cursor is None or key > cursor]
        page = left[: min(limit, _PAGE)]
        wanted = tuple(key for key in page if self._is_known(key, shop))
        found = [world.profile(key) for key in wanted]
        zones = [zone_of(profile) if isinstance(profile, Profile) else None for profile in found]
        last = page[-1] if len(page) < len(left) else None
        return ProfilePage(wanted, last, tuple(where[0] if where is not None else "" for where in zones))

    @_call
    def people(
        self, shard: int, of: int, cursor: str | None = None, *, shop: str = "", limit: int = 200
    ) -> tuple[tuple[Profile, ...], str | None]:
        """Return a page of profiles."""
        page = self.profile_ids(shard, of, cursor, shop=shop, limit=limit)
        found = [self.world.profile(key) for key in page.ids]
        return tuple(one for one in found if isinstance(one, Profile)), page.cursor

    def _is_known(self, profile_id: str, shop: str) -> bool:
        found = self.world.profile(profile_id)
        if not isinstance(found, Profile) or profile_id in self.world.profile_expiry:
            return False
        return shop in ("", found.shop)


class MemoryCatalogueQueue(_Port):
    """`ports.CatalogueQueue`."""

    name = "catalogue"

    @_call
    def ask(self, tasks: Sequence[CatalogueTask], delay: int = 0) -> None:
        """Put these on the queue."""
        for task in tasks:
            self.world.catalogue_queue.put(task, delay)


class MemoryInterests(_Port):
    """`ports.Interests`."""

    name = "interests"

    @_call
    def interested(self, shop: str, product_id: str, cursor: str | None = None, limit: int = 200) -> ProfilePage:
        """Return a page of a product's list, by profile id."""
        ids = sorted(profile for of, product, profile in self.world.interests if (of, product) == (shop, product_id))
        page = [each for each in ids if cursor is None or each > cursor][:limit]
        return ProfilePage(tuple(page), page[-1] if len(page) == limit else None)


class MemoryShelves(_Port):
    """`ports.Shelves`."""

    name = "shelves"

    @_call
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
        """Return it all."""
        del fresh
        world = self.world
        return Shelved(
            products=world.products(shop, products),
            near={one: decode_near(raw) for one, raw in self._stored(shop, "near", near)},
            shelves={one: decode_shelf(raw) for one, raw in self._stored(shop, "shelf", shelves)},
            orders=frozenset(one for one, _ in self._stored(shop, "order", orders)),
        )

    @_call
    def count(self, shop: str, orders: Collection[str], near: Mapping[str, Near]) -> None:
        """Check every condition, then write everything."""
        table = self.world.shelved
        if any((shop, f"order/{order}") in table for order in orders):
            raise ConflictError(f"{shop}: somebody counted an order of these")
        versions = {one: decode_near(raw).version for one, raw in self._stored(shop, "near", near)}
        if any(value.version != versions.get(one, 0) + 1 for one, value in near.items()):
            raise ConflictError(f"{shop}: somebody wrote what is near these")
        table.update({(shop, f"order/{order}"): b"" for order in orders})
        table.update({(shop, f"near/{one}"): msgspec.json.encode(value) for one, value in near.items()})

    @_call
    def put_shelf(self, shop: str, name: str, shelf: Shelf) -> bool:
        """Write the shelf, if nobody else has."""
        stored = self.world.shelved.get((shop, f"shelf/{name}"))
        if shelf.version != (decode_shelf(stored).version if stored is not None else 0) + 1:
            return False
        self.world.shelved[shop, f"shelf/{name}"] = msgspec.json.encode(shelf)
        return True

    @_call
    def stock(self, shop: str, stock: VariantStock) -> None:
        """Change the product."""
        known = self.world.product(shop, stock.product_id)
        changed = stocked(known, stock) if known is not None and not known.deleted else None
        if changed is not None:
            self.world.put_product(shop, changed)
            self.world.product_stream.append((shop, known, changed))

    def _stored(self, shop: str, kind: str, names: Collection[str]) -> list[tuple[str, bytes]]:
        table = self.world.shelved
        return [(one, table[shop, f"{kind}/{one}"]) for one in names if (shop, f"{kind}/{one}") in table]


class MemoryFanoutQueue(_Port):
    """`ports.FanoutQueue`."""

    name = "fanout"

    @_call
    def ask(self, tasks: Sequence[ShardTask], delay: int = 0) -> None:
        """Put these on the queue."""
        for task in tasks:
            self.world.fanout_queue.put(task, delay)


class MemorySendQueues(_Port):
    """`ports.SendQueues`."""

    name = "queues"

    @_call
    def enqueue(self, parcels: Sequence[Parcel], delay: int = 0) -> None:
        """Put each on the queue of its category."""
        for parcel in parcels:
            self.world.send_queues[parcel.category].put(parcel, delay)


class MemorySending(_Port):
    """`ports.Sending`."""

    name = "sending"

    @_call
    def waiting(self) -> int:
        """Return how many can be received now."""
        now = self.world.clock.now()
        return sum(queued.visible_at <= now for queued in self.world.send_queues["marketing"].messages)


class MemoryMintQueues(_Port):
    """`ports.SendQueues`, of those who make coupons."""

    name = "mint"

    @_call
    def enqueue(self, parcels: Sequence[Parcel], delay: int = 0) -> None:
        """Put each on the queue of its category."""
        for parcel in parcels:
            self.world.mint_queues[parcel.category].put(parcel, delay)


class MemoryOutbox(_Port):
    """`ports.Outbox`."""

    name = "outbox"

    @_call
    def read(self, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Message], dict[str, Profile | Signpost]]:
        """Return what is known of these messages and profiles."""
        messages = {key: self.world.messages[key] for key, _ in pairs if key in self.world.messages}
        profiles = {key: self.world.profile(key) for _, key in pairs}
        return messages, {key: found for key, found in profiles.items() if isinstance(found, (Profile, Signpost))}

    @_call
    def owners(self, keys: Sequence[str]) -> dict[str, str]:
        """Return where these aliases lead."""
        return {key: self.world.owners[key] for key in keys if key in self.world.owners}

    @_call
    def lease(self, lease: Lease) -> LeaseAnswer:
        """Take the lease if nothing speaks against it."""
        wanted = lease.message
        wanted.check()
        stored = self.world.messages.get(wanted.id)
        if stored is not None and stored.state != "reopened":
            own = stored.state == "leased" and stored.token == wanted.token
            return "taken" if own else "held"
        if lease.profile_id:
            profile = self.world.profile(lease.profile_id)
            if not isinstance(profile, Profile) or profile.version != lease.profile_version:
                return "profile_changed"
        for channel, address in ((wanted.channel, wanted.address), *lease.also):
            if any(self.world.suppressed(wanted.shop, channel, address, cover) for cover in lease.covers):
                return "suppressed"
        self.world.put_message(wanted)
        return "taken"

    @_call
    def record(self, message: Message, *, token: str | None = None) -> bool:
        """Write the outcome if the message is still the caller's."""
        message.check()
        stored = self.world.messages.get(message.id)
        if token is None:
            allowed = stored is None or stored.state == "reopened"
        else:
            allowed = stored is not None and stored.state == "leased" and stored.token == token
        if not allowed:
            return stored is not None and message.repeats(stored, token)
        self.world.put_message(_merged(stored, message))
        return True

    @_call
    def progress(self, message: Message, allowed: Sequence[MessageState]) -> bool:
        """Add what a notice says."""
        message.check()
        stored = self.world.messages.get(message.id)
        if stored is None or stored.state not in allowed:
            return False
        self.world.put_message(_merged(stored, message))
        return True

    @_call
    def note_hit(self, message_id: str, text: str) -> None:
        """Add one to the hits of a message, unless it has enough."""
        stored = self.world.messages.get(message_id)
        if stored is not None and len(stored.hits) < MAX_HITS:
            hits = tuple(sorted({*stored.hits, text}))
            self.world.messages[message_id] = structs.replace(stored, hits=hits)

    @_call
    def message(self, message_id: str) -> Message | None:
        """Return one message."""
        return self.world.messages.get(message_id)

    @_call
    def open_messages(self, before: datetime, limit: int) -> Sequence[Message]:
        """Return what is leased or unknown for too long."""
        found = [
            m
            for m in self.world.messages.values()
            if m.state in OPEN_STATES and m.leased_at is not None and m.leased_at < before
        ]
        return sorted(found, key=lambda m: (m.leased_at, m.id))[:limit]

    @_call
    def products(self, shop: str, ids: Sequence[str]) -> dict[str, Product]:
        """Return the known ones of these products."""
        return self.world.products(shop, ids)


def _merged(stored: Message | None, message: Message) -> Message:
    """Return the stored message with what `message` says: given fields win, the first opening stays, links add up."""
    if stored is None:
        return structs.replace(message, links=tuple(sorted(set(message.links))), targets=(), hits=())
    given = {
        field: value for field in message.__struct_fields__ if (value := getattr(message, field)) not in {None, "", ()}
    }
    given["links"] = tuple(sorted({*stored.links, *message.links}))
    for name in ("opened_at", "machine_opened_at", "machine_clicked_at"):
        given[name] = getattr(stored, name) or getattr(message, name)
    given |= {"targets": stored.targets, "hits": stored.hits}
    return structs.replace(stored, **given)


class MemoryMailer(_Port):
    """`ports.Mailer`. What becomes of a mail is decided by `World.fates` and `World.decide_fate`."""

    name = "mailer"

    @_call
    def send(self, mail: Mail) -> str:
        """Make the one attempt."""
        world = self.world
        fate = world.fates.popleft() if world.fates else world.decide_fate(mail)
        world.attempts.append((mail, fate))
        match fate:
            case "accept" | "answer_lost":
                vendor_id = f"vendor-{len(world.inbox) + 1}"
                world.inbox.append(Sent(mail=mail, vendor_id=vendor_id, at=world.clock.now()))
                if fate == "answer_lost":
                    raise MailUncertainError("the mail went out and the answer was lost")
                return vendor_id
            case _:
                raise _failure(fate)


class MemoryTexter(_Port):
    """`ports.Texter`. What becomes of a text is decided by `World.text_fates` and `World.decide_text_fate`."""

    name = "texter"

    @_call
    def send(self, text: TextMessage) -> str:
        """Make the one attempt."""
        world = self.world
        fate = world.text_fates.popleft() if world.text_fates else world.decide_text_fate(text)
        world.text_attempts.append((text, fate))
        match fate:
            case "accept" | "answer_lost":
                vendor_id = f"text-{len(world.texts) + 1}"
                world.texts.append(SentText(text=text, vendor_id=vendor_id, at=world.clock.now()))
                if fate == "answer_lost":
                    raise MailUncertainError("the text went out and the answer was lost")
                return vendor_id
            case _:
                raise _failure(fate)


class MemoryPusher(_Port):
    """`ports.Pusher`. What becomes of a message is decided by `World.decide_push_fate`."""

    name = "pusher"

    @_call
    def send(self, push: PushMessage) -> str:
        """Make the one attempt."""
        world = self.world
        fate = world.decide_push_fate(push)
        world.push_attempts.append((push, fate))
        match fate:
            case "accept" | "answer_lost":
                vendor_id = f"push-{len(world.pushes) + 1}"
                world.pushes.append(SentPush(push=push, vendor_id=vendor_id, at=world.clock.now()))
                if fate == "answer_lost":
                    raise MailUncertainError("the message went out and the answer was lost")
                return vendor_id
            case _:
                raise _failure(fate)


class MemoryAudiences(_Port):
    """`ports.Audiences`. What becomes of a call is decided by `World.decide_audience_fate`."""

    name = "audiences"

    @_call
    def change(self, change: AudienceChange) -> str:
        """Change the list; asked again, it stays as it is."""
        world = self.world
        fate = world.decide_audience_fate(change)
        world.audience_changes.append((change, fate))
        if fate not in ("accept", "answer_lost"):
            raise MailRefusedError("uncertain") if fate == "hang" else _failure(fate)
        addresses = {each for person in change.people for each in (*person.emails, *person.phones)}
        members = world.audience_members.setdefault((change.shop, change.audience), set())
        if change.action == "add":
            members.update(addresses)
        else:
            members.difference_update(addresses)
        if fate == "answer_lost":
            raise MailRefusedError("uncertain")
        return f"received {len(addresses)}"


def _failure(fate: Fate) -> MailRefusedError | MailRejectedError | MailUncertainError:
    """Return how a channel says that nothing was sent."""
    match fate:
        case "hang":
            return MailUncertainError("no answer came; nothing was sent")
        case "reject":
            return MailRejectedError("rejected")
        case "gone":
            return AddressGoneError("opted out, or no more")
        case _:
            return MailRefusedError(fate)


class MemoryAccount(_Port):
    """`ports.SendingAccount`: `World.allowance`."""

    name = "account"

    @_call
    def allowance(self) -> Allowance:
        """Return what the world says."""
        return self.world.allowance


class MemoryBlobs(_Port):
    """`ports.Blobs`, over one of the world's buckets."""

    def __init__(self, world: World, name: str, files: dict[str, bytes]) -> None:
        super().__init__(world)
        self.name = name
        self._files = files
        self._written: dict[str, datetime] = {}

    @_call
    def get(self, key: str) -> bytes | None:
        """Return the content."""
        return self._files.get(key)

    @_call
    def put(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write the content; the type is of no use here."""
        del content_type
        self._files[key] = bytes(content)
        self._written[key] = self.world.clock.now().replace(microsecond=0)

    @_call
    def list(self, prefix: str) -> dict[str, str]:
        """Return the version tags under the prefix."""
        return self._tags(prefix)

    @_call
    def following(self, prefix: str, after: str) -> str | None:
        """Return the first key behind `after`."""
        return min((key for key in self._files if key.startswith(prefix) and key > after), default=None)

    @_call
    def listing(self, prefix: str) -> Listing:
        """Return the tags; when something was written is known of what was put, not of what a test set by hand."""
        tags = self._tags(prefix)
        written = [when for key in tags if (when := self._written.get(key)) is not None]
        return Listing(tags, max(written, default=None), {key: len(self._files[key]) for key in tags})

    @_call
    def swap(self, key: str, content: bytes, *, expected: str | None) -> bool:
        """Write if nobody else did meanwhile."""
        present = self._files.get(key)
        if present == content:
            return True
        if (None if present is None else _tag(present)) != expected:
            return False
        self._files[key] = bytes(content)
        return True

    @_call
    def tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return content and tag."""
        content = self._files.get(key)
        return None if content is None else (content, _tag(content))

    def _tags(self, prefix: str) -> dict[str, str]:
        files = self._files
        return {key: _tag(files[key]) for key in sorted(files) if key.startswith(prefix)}


class MemoryPublishQueue(_Port):
    """`ports.PublishQueue`: what was asked, equal ones once, for a test to look at."""

    name = "publish_queue"

    @_call
    def look(self, look: Look) -> None:
        """Put it on the queue."""
        if look not in self.world.looks:
            self.world.looks.append(look)


def _tag(content: bytes) -> str:
    """Return a version tag that, as on S3, is equal for equal content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class MemorySecrets(_Port):
    """`ports.Secrets`, without a cache: what `World.shops` says now."""

    name = "secrets"

    @_call
    def shop(self, shop: str, *, fresh: bool = False) -> ShopSecrets | None:
        """Return the shop's secrets."""
        del fresh
        return self.world.shops.get(shop)

    @_call
    def address_key(self) -> bytes:
        """Return the key for addresses."""
        return self.world.secret_address_key

    @_call
    def push_secret(self) -> bytes:
        """Return the secret for push."""
        return self.world.secret_push

    @_call
    def link_keys(self) -> Mapping[str, bytes]:
        """Return the keys for links, the current one first."""
        return dict(self.world.secret_link_keys)


class MemoryCoupons(_Port):
    """`ports.Coupons`."""

    name = "coupons"

    @_call
    def read(self, ids: Sequence[str]) -> dict[str, Coupon]:
        """Return the coupons that exist."""
        issued = self.world.issued
        return {key: _coupons.decode(issued[key]) for key in ids if key in issued}

    @_call
    def claim(self, coupon: Coupon) -> Coupon:
        """Write it unless there is one."""
        return _coupons.decode(self.world.issued.setdefault(_coupon_key(coupon), msgspec.json.encode(coupon)))

    @_call
    def made(self, coupon: Coupon) -> Coupon:
        """Write it unless one is made."""
        key = _coupon_key(coupon)
        stored = self._stored(key)
        if stored is not None and stored.state == "made":
            return stored
        self.world.issued[key] = msgspec.json.encode(coupon)
        return coupon

    @_call
    def withdraw(self, coupon: Coupon) -> None:
        """Delete the claim."""
        stored = self._stored(_coupon_key(coupon))
        if stored is not None and stored.state == "wanted" and stored.issued_at == coupon.issued_at:
            del self.world.issued[_coupon_key(coupon)]

    @_call
    def give(self, coupon: Coupon) -> Coupon | None:
        """Write both, or neither."""
        key, code = _coupon_key(coupon), (coupon.shop, plain_code(coupon.code))
        stored = self._stored(key)
        if stored is not None:
            return stored
        if code in self.world.given_codes:
            return None
        self.world.given_codes[code] = key
        self.world.issued[key] = msgspec.json.encode(coupon)
        return coupon

    @_call
    def given(self, shop: str, codes: Sequence[str]) -> frozenset[str]:
        """Return the codes that were given."""
        return frozenset(code for code in codes if (shop, plain_code(code)) in self.world.given_codes)

    @_call
    def stock(self, shop: str, offer: str) -> Stock | None:
        """Return the stock."""
        return self.world.stocks.get((shop, offer))

    @_call
    def put_stock(self, stock: Stock) -> None:
        """Write it."""
        self.world.stocks[stock.shop, stock.offer] = stock

    @_call
    def count(self, shop: str, offer: str, pool: str) -> None:
        """Add one."""
        stock = self.world.stocks.get((shop, offer))
        if stock is not None and stock.pool == pool:
            self.world.stocks[shop, offer] = structs.replace(stock, given=stock.given + 1)

    @_call
    def advance(self, shop: str, offer: str, pool: str, at: int) -> None:
        """Move on."""
        stock = self.world.stocks.get((shop, offer))
        if stock is not None and stock.pool == pool and stock.at < at:
            self.world.stocks[shop, offer] = structs.replace(stock, at=at)

    def _stored(self, key: str) -> Coupon | None:
        raw = self.world.issued.get(key)
        return None if raw is None else _coupons.decode(raw)


_coupons = msgspec.json.Decoder(Coupon)


def _coupon_key(coupon: Coupon) -> str:
    return coupon_id(coupon.run, coupon.offer)


class MemoryShopCodes(_Port):
    """`ports.ShopCodes`: shops that keep their codes here."""

    name = "codes"

    @_call
    def make(self, shop: str, wanted: NewCode) -> bool:
        """Create the code, unless one of its name is there."""
        known = self.world.shop_codes.setdefault((shop, plain_code(wanted.code)), wanted)
        return known.mark == wanted.mark


class MemoryShopLists(_Port):
    """`ports.ShopLists`: shops that have what `World.shop_things` says. Pages hold `page` things."""

    name = "lists"
    page = 2

    @_call
    def changed(
        self, shop: str, resource: Resource, since: datetime, until: datetime, cursor: str | None = None
    ) -> ChangedPage:
        """Return a page, oldest first."""
        things = self.world.shop_things.get((shop, resource), {})
        found = sorted((at, name) for name, (at, _) in things.items() if since <= at < until)
        if cursor is not None:
            # Behind the last one that was shown, not by number: what is changed meanwhile leaves its place.
            at, _, name = cursor.partition("|")
            found = [each for each in found if each > (datetime.fromisoformat(at), name)]
        shown = tuple(Changed(name, at) for at, name in found[: self.page])
        more = len(found) > self.page
        return ChangedPage(shown, f"{shown[-1].at.isoformat()}|{shown[-1].id}" if more else None)

    @_call
    def read(self, shop: str, resource: Resource, ids: Sequence[str]) -> Sequence[Record]:
        """Return these."""
        things = self.world.shop_things.get((shop, resource), {})
        return [things[name][1] for name in ids if name in things]

    @_call
    def hooks(self, shop: str) -> Sequence[ShopHook]:
        """Return the shop's webhooks."""
        return self.world.shop_hooks.get(shop, ())


class MemoryKnown(_Port):
    """`ports.Known`."""

    name = "known"

    @_call
    def people(self, keys: Sequence[str]) -> dict[str, Profile | Tombstone]:
        """Return whom the aliases lead to, behind signposts."""
        found: dict[str, Profile | Tombstone] = {}
        for key in keys:
            whose = self.world.profile(self.world.owners.get(key, ""))
            while isinstance(whose, Signpost):
                whose = self.world.profile(whose.to)
            if whose is not None:
                found[key] = whose
        return found

    @_call
    def products(self, shop: str, ids: Sequence[str]) -> dict[str, datetime]:
        """Return how new the catalogue's knowledge is."""
        world = self.world
        stored = {name: product.updated_at for name, product in world.products(shop, ids).items()}
        gone = {name: world.deletions[shop, name] for name in ids if (shop, name) in world.deletions}
        return {name: max(filter(None, (stored.get(name), gone.get(name)))) for name in {*stored, *gone}}


class MemoryPrivacyQueue(_Port):
    """`ports.PrivacyQueue`."""

    name = "privacy"

    @_call
    def ask(self, tasks: Sequence[PrivacyTask], delay: int = 0) -> None:
        """Put these on the queue."""
        for task in tasks:
            self.world.privacy_queue.put(task, delay)


class MemoryReactions(_Port):
    """`ports.Reactions`."""

    name = "reactions"

    @_call
    def put(self, reaction: Reaction, delay: int = 0) -> None:
        """Put it on the queue."""
        self.world.reactions_queue.put(reaction, delay)


class MemoryDesk(_Port):
    """`ports.Desk`."""

    name = "desk"

    @_call
    def profile(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        """Return the profile, its signpost or its tombstone."""
        return self.world.profile(profile_id)

    @_call
    def refused(self, shop: str, channel: str, address: str) -> frozenset[str]:
        """Return what is in force."""
        covers = ("marketing", "everything")
        return frozenset(cover for cover in covers if self.world.suppressed(shop, channel, address, cover))


class MemoryVault(_Port):
    """`ports.Vault`."""

    name = "vault"

    @_call
    def owners(self, keys: Sequence[str]) -> tuple[dict[str, str], frozenset[str]]:
        """Return whom the aliases lead to."""
        world = self.world
        owners = {key: world.owners[key] for key in keys if key in world.owners}
        return owners, frozenset(key for key in keys if len(world.sharing.get(key, ())) >= QUARANTINE)

    @_call
    def point(self, key: str, profile_id: str) -> bool:
        """Write the alias if it is absent."""
        return self.world.owners.setdefault(key, profile_id) == profile_id

    @_call
    def profiles(self, ids: Sequence[str]) -> dict[str, Profile | Signpost | Tombstone]:
        """Return what stands under these ids."""
        found = ((each, self.world.profile(each)) for each in ids if each in self.world.profiles)
        return {each: stored for each, stored in found if stored is not None}

    @_call
    def bury(self, profile_id: str, tombstone: Tombstone, version: int | None) -> None:
        """Put the tombstone."""
        stored = self.world.profile(profile_id)
        found = stored.version if isinstance(stored, Profile) else None
        if found != version or isinstance(stored, Signpost):
            raise ConflictError(f"profile {profile_id} is not at version {version}")
        self.world.profiles[profile_id] = tombstone
        self.world.profile_expiry.pop(profile_id, None)

    @_call
    def suppress(self, suppression: Suppression) -> None:
        """Write the refusal."""
        self.world.suppress(suppression)

    @_call
    def suppressions(self, shop: str, channel: str, address: str) -> Sequence[Suppression]:
        """Return what is in force."""
        return self.world.suppressions.get((shop, channel, address), SuppressionRecord()).active

    @_call
    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return the delivery."""
        stored = self.world.deliveries.get(delivery_id)
        return None if stored is None else structs.replace(stored, also=())

    @_call
    def strip(
        self, delivery_id: str, at: datetime, events: Sequence[Event] = (), *, known: Sequence[Event] | None = None
    ) -> int:
        """Empty the delivery; there are no files here."""
        del at
        stored = self.world.deliveries.get(delivery_id)
        if stored is not None:
            if known is not None and stored.events != tuple(known):
                raise ConflictError(f"delivery {delivery_id} says something else by now")
            self.world.deliveries[delivery_id] = structs.replace(stored, body=b"", events=tuple(events))
        return 0

    @_call
    def waiting(self, keys: Collection[str]) -> Sequence[Pending]:
        """Return the pending items with these keys."""
        wanted = set(keys)
        return [pending for pending in self.world.pending.values() if wanted.intersection(pending.keys)]

    @_call
    def drop(self, pending_id: str) -> None:
        """Delete the pending item."""
        self.world.pending.pop(pending_id, None)

    @_call
    def ledger(self, profile_id: str, after: str = "", limit: int = 100) -> Sequence[LedgerEntry]:
        """Return the profile's lines."""
        lines = sorted(
            (line for line in self.world.ledger if line.profile_id == profile_id and line.key > after),
            key=lambda line: line.key,
        )
        return [LedgerEntry(at=line.key, decisions=line.decisions) for line in lines[:limit]]

    @_call
    def forget_ledger(self, profile_id: str, lines: Sequence[str]) -> None:
        """Delete lines."""
        self.world.ledger = [
            line for line in self.world.ledger if line.profile_id != profile_id or line.key not in lines
        ]

    @_call
    def messages(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the messages that exist."""
        return {key: self.world.messages[key] for key in ids if key in self.world.messages}

    @_call
    def forget_messages(self, ids: Sequence[str]) -> None:
        """Delete messages."""
        for key in ids:
            self.world.messages.pop(key, None)

    @_call
    def coupons(self, profile_id: str) -> Sequence[Coupon]:
        """Return the profile's coupons."""
        found = map(_coupons.decode, self.world.issued.values())
        return [coupon for coupon in found if coupon.profile_id == profile_id]

    @_call
    def interests(self, profile_id: str) -> Sequence[str]:
        """Return the keys of the profile's entries."""
        return [f"{shop}#{product}" for shop, product, profile in self.world.interests if profile == profile_id]

    @_call
    def forget_interests(self, profile_id: str, keys: Sequence[str]) -> None:
        """Delete entries."""
        for key in keys:
            shop, _, product = key.partition("#")
            self.world.interests.pop((shop, product, profile_id), None)

    @_call
    def forget_coupons(self, coupons: Sequence[Coupon]) -> None:
        """Delete coupons."""
        for coupon in coupons:
            self.world.issued.pop(_coupon_key(coupon), None)

    @_call
    def forget_files(self, prefix: str) -> int:
        """Delete files of the raw bucket."""
        gone = [key for key in self.world.raw_files if key.startswith(prefix)]
        for key in gone:
            del self.world.raw_files[key]
        return len(gone)

    @_call
    def purge(self, shop: str, store: str, cursor: str | None = None, *, spare: str = "") -> Purged:
        """Delete a page. What is deleted needs no cursor."""
        del cursor
        world = self.world
        if store == "ledger":
            lines = [line for line in world.ledger if line.shop == shop][:_PAGE]
            world.ledger = [line for line in world.ledger if line not in lines]
            return Purged(len(lines), "more" if len(lines) == _PAGE else None)
        if store == "coupons":
            return Purged(
                sum(self._drop_coupons(shop, table) for table in (world.issued, world.given_codes, world.stocks))
            )
        table, keys = self._of(shop, store)
        page = [key for key in keys if key != spare][:_PAGE]
        for key in page:
            table.pop(key)
            if store == "aliases":
                world.sharing.pop(key, None)
            if store == "deliveries":
                world.delivery_marks = {mark: of for mark, of in world.delivery_marks.items() if of != key}
        return Purged(len(page), "more" if len(page) == _PAGE else None)

    @_call
    def disconnect(self, shop: str) -> bool:
        """Delete the secrets."""
        return self.world.shops.pop(shop, None) is not None

    def _of(self, shop: str, store: str) -> tuple[dict[Any, Any], list[Any]]:
        """Return a table and the keys in it that are this shop's."""
        world = self.world
        match store:
            case "pending":
                return world.pending, [key for key, item in world.pending.items() if item.shop == shop]
            case "profiles":
                return world.profiles, [key for key in world.profiles if self._is_of(key, shop)]
            case "aliases":
                return world.owners, [key for key in world.owners if key.startswith(f"{shop}#")]
            case "messages":
                return world.messages, [key for key, item in world.messages.items() if item.shop == shop]
            case "products" | "interests" | "shelves":
                named: dict[str, dict[Any, Any]] = {
                    "products": world.catalogue, "interests": world.interests, "shelves": world.shelved,
                }  # fmt: skip
                return named[store], [key for key in named[store] if key[0] == shop]
            case "suppressions":
                return world.suppressions, [key for key in world.suppressions if key[0] == shop]
            case "deliveries":
                return world.deliveries, [key for key, item in world.deliveries.items() if item.shop == shop]
            case "raw/deliveries" | "raw/unread" | "raw/exports":
                prefix = f"{store.removeprefix('raw/')}/{shop}/"
                return world.raw_files, [key for key in world.raw_files if key.startswith(prefix)]
            case "content/imports":
                prefix = f"{store.removeprefix('content/')}/{shop}/"
                return world.files, [key for key in world.files if key.startswith(prefix)]
            case _:
                raise ValueError(f"{store} is none of {', '.join(SHOP_STORES)}")

    def _drop_coupons(self, shop: str, table: dict[Any, Any]) -> int:
        gone = [
            key
            for key, item in table.items()
            if (key[0] if isinstance(key, tuple) else _coupons.decode(item).shop) == shop
        ]
        for key in gone:
            del table[key]
        return len(gone)

    def _is_of(self, profile_id: str, shop: str) -> bool:
        """Whether this is the shop's. A signpost is its target's; one that leads nowhere is no use to anybody."""
        found = self.world.profile(profile_id)
        for _ in range(len(self.world.profiles)):
            if not isinstance(found, Signpost):
                break
            found = self.world.profile(found.to)
        return found is None or (isinstance(found, (Profile, Tombstone)) and found.shop == shop)


class MemoryLimits(_Port):
    """`ports.Limits`."""

    name = "limits"

    @_call
    def take(self, name: str, at: datetime, *, most: int, seconds: int) -> bool:
        """Count it."""
        key = (name, int(at.timestamp()) // seconds)
        if self.world.taken[key] >= most:
            return False
        self.world.taken[key] += 1
        return True


class MemoryCounters(_Port):
    """`ports.Counters`."""

    name = "counters"

    @_call
    def count(self, shop: str, at: datetime, more: Tally) -> None:
        """Add to the hour."""
        key = (shop, _hour(at))
        counted = self.world.tallies.get(key, Tally())
        self.world.tallies[key] = Tally(
            sent=counted.sent + more.sent,
            bounced=counted.bounced + more.bounced,
            complained=counted.complained + more.complained,
        )

    @_call
    def tallies(self, shop: str, since: datetime) -> Mapping[datetime, Tally]:
        """Return the hours."""
        return {hour: tally for (of, hour), tally in self.world.tallies.items() if of == shop and hour >= _hour(since)}

    @_call
    def pauses(self) -> Sequence[Pause]:
        """Return the pauses."""
        return [pause for _, pause in sorted(self.world.pauses.items())]

    @_call
    def pause(self, pause: Pause) -> bool:
        """Write it, unless another is in force."""
        known = self.world.pauses.get(pause.shop)
        if known is not None and known.active:
            return (known.since, known.why) == (pause.since, pause.why)
        self.world.pauses[pause.shop] = pause
        return True

    @_call
    def told(self, pause: Pause, at: datetime) -> bool:
        """Note that nothing is left to say."""
        known = self.world.pauses.get(pause.shop)
        if known is None or known.since != pause.since:
            return False
        self.world.pauses[pause.shop] = structs.replace(known, told_at=known.told_at or at)
        return True

    @_call
    def resume(self, pause: Pause) -> bool:
        """Write that it is over."""
        known = self.world.pauses.get(pause.shop)
        if known is None or known.since != pause.since:
            return False
        if not known.active:
            return known.resumed_at == pause.resumed_at
        self.world.pauses[pause.shop] = structs.replace(known, resumed_at=pause.resumed_at, less=pause.less)
        return True


class MemoryResults(_Port):
    """`ports.Results`."""

    name = "results"

    @_call
    def add(self, found: Sequence[Counted]) -> int:
        """Add what is new."""
        new = 0
        for one in found:
            if one.mark in self.world.seen_marks:
                continue
            self.world.seen_marks.add(one.mark)
            new += 1
            for count in one.counts:
                figures = self.world.figures.setdefault((one.shop, count.label), {})
                figures[count.figure] = figures.get(count.figure, Decimal(0)) + count.amount
        return new

    @_call
    def figures(self, shop: str, since: str, until: str) -> dict[Label, dict[str, Decimal]]:
        """Return the figures."""
        found = self.world.figures.items()
        return {label: dict(sums) for (of, label), sums in found if of == shop and since <= label.day <= until}


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


class MemorySurvey(_Port):
    """`ports.Survey`."""

    name = "survey"

    @_call
    def size(self) -> int:
        """Return how many profiles there are."""
        return len(self.world.profiles)

    @_call
    def profiles(self, cursor: str | None = None, limit: int = 200) -> SurveyPage:
        """Return the next page, by id."""
        left = sorted(key for key in self.world.profiles if cursor is None or key > cursor)
        page = left[: min(limit, _PAGE)]
        found = [(key, self.world.profile(key)) for key in page]
        known = tuple((key, profile) for key, profile in found if profile is not None)
        return SurveyPage(known, len(page), page[-1] if len(page) < len(left) else None)

    @_call
    def attempted(self, since: datetime, cursor: str | None = None, limit: int = 1_000) -> Attempted:
        """Return the next page, by id."""
        left = sorted(key for key in self.world.messages if cursor is None or key > cursor)
        page = left[: min(limit, _PAGE)]
        messages = [self.world.messages[key] for key in page]
        wanted = tuple(m for m in messages if m.leased_at is not None and m.leased_at >= since)
        return Attempted(wanted, page[-1] if len(page) < len(left) else None)


class MemoryDeadLetters(_Port):
    """`ports.DeadLetters`, of the world's own queues."""

    name = "dead_letters"

    def names(self) -> Sequence[str]:
        """Return the names."""
        return tuple(self._queues())

    @_call
    def depth(self, queue: str) -> int:
        """Return how many lie there."""
        return len(self._queues()[queue].dead)

    @_call
    def receive(self, queue: str, limit: int = 10) -> Sequence[DeadLetter]:
        """Hold the oldest that nobody holds."""
        now = self.world.clock.now()
        free = [message for message in self._queues()[queue].dead if message.visible_at <= now][:limit]
        for message in free:
            message.receives += 1
            message.visible_at = now + timedelta(minutes=5)
        return [
            DeadLetter(
                id=str(message.id),
                body=message.body.decode(),
                sent_at=message.sent_at,
                received=message.receives,
                receipt=f"{message.id}.{message.receives}",
            )
            for message in free
        ]

    @_call
    def put_back(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Put copies on the queue."""
        for letter in letters:
            self._queues()[queue].put_raw(letter.body.encode())

    @_call
    def delete(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Take these out."""
        gone = {letter.receipt for letter in letters}
        dead = self._queues()[queue].dead
        dead[:] = [message for message in dead if f"{message.id}.{message.receives}" not in gone]

    @_call
    def release(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Hold these no longer."""
        freed = {letter.receipt for letter in letters}
        for message in self._queues()[queue].dead:
            if f"{message.id}.{message.receives}" in freed:
                message.visible_at = self.world.clock.now()

    def _queues(self) -> dict[str, Queue[Any]]:
        world = self.world
        sending: dict[str, Queue[Any]] = {str(name): queue for name, queue in world.send_queues.items()}
        minting: dict[str, Queue[Any]] = {f"{name}mint": queue for name, queue in world.mint_queues.items()}
        return {
            "wake": world.wake_queue,
            **sending,
            **minting,
            "privacy": world.privacy_queue,
            "fanout": world.fanout_queue,
            "catalogue": world.catalogue_queue,
            "reactions": world.reactions_queue,
        }

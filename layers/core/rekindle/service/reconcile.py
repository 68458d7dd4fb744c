"""Reconciling: what a shop's API has and no webhook brought is fetched, and accepted like a webhook of the same.

WooCommerce sends a webhook once, and Shopify gives up after four hours: what was lost on the way is found here. Each
look asks what was changed since the last one, ids and moments only, and compares it with what is known: of an order or
an account with the profile that its alias leads to, of a product with the catalogue. So what a webhook brought costs a
part of two reads and no write, and what is fetched is what is missing. It is level-triggered: a mark for each shop and
kind of thing says up to when all is known, and moves only when what is missing has been accepted (decision 0034).

What was changed in the last minutes is left to its webhooks, which are on their way or wait to be applied; and each
look begins a little before its mark, for what a shop's own index showed late. Deletions leave no trace in a list and
are not found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import RekindleError, ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.domain.events import Delivery
from rekindle.domain.profile import Profile, Tombstone
from rekindle.ports import (
    RESOURCES,
    Blobs,
    BulkIntake,
    Changed,
    Clock,
    Known,
    Record,
    Resource,
    Secrets,
    ShopLists,
    ShopSecrets,
)
from rekindle.service.accept import accepting
from rekindle.service.arrivals import arrival_at
from rekindle.service.people import alias_key
from rekindle.shops import intake as readers
from rekindle.shops.registering import path_of

#: How often all shops are looked at (template.yaml).
EVERY = timedelta(minutes=15)
#: What was changed last so lately is left to its webhook.
SETTLE = timedelta(minutes=10)
#: So far before its mark a look begins.
OVERLAP = timedelta(minutes=30)
#: A shop is begun to be looked at while at least so many seconds are left: as many as one request may take.
LEAST = 15.0
#: How many things are fetched, and accepted, at once: of Shopify each by a request of its own.
BATCH = 10
#: How many things are looked up at once.
_AT_ONCE = 100
#: The first look at a shop only sees whether its API lets us in.
_FIRST = timedelta(minutes=1)
#: So long a webhook is told as gone: who took it away on purpose knows by then.
_GONE = timedelta(days=1)

FOLDER = "reconcile"

How = Literal["looked", "behind", "skipped", "refused", "failed"]

_log = logging.getLogger(__name__)


class Mark(Struct, frozen=True, omit_defaults=True):
    """Up to when all changes of one kind of thing are known; with `until`, a look from there to then is under way."""

    since: datetime
    until: datetime | None = None
    cursor: str | None = None


class Marks(Struct, frozen=True):
    """How a shop stands: a mark for each kind of thing (none: it has left), and when it was looked at last."""

    marks: Mapping[str, Mark]
    looked_at: datetime
    hooks: Mapping[str, datetime] = {}
    """the topics of our webhooks in the shop → when each was seen to be sent last"""
    began: datetime | None = None
    """no look begins before this: what was changed before the shop was connected is for an import"""


class Missing(Struct, frozen=True):
    """Something that no webhook had brought: what it is, its id in the shop, and when it was changed."""

    resource: Resource
    id: str
    at: datetime
    delivery_id: str = ""
    """as what it was accepted"""


class Looked(Struct, frozen=True, kw_only=True):
    """What a look at one shop found. `behind`: it goes on the next time. `skipped`: its API cannot be asked.

    `refused`: its API does not let us in any more; `failed`: it gave no answer. `why` says it to people.
    """

    shop: str
    how: How
    why: str = ""
    seen: int = 0
    """how many changes the shop told of"""
    missing: tuple[Missing, ...] = ()
    silent: tuple[str, ...] = ()
    """the topics of our webhooks that the shop has switched off, or that are gone since yesterday"""


class _OutOfTimeError(RekindleError):
    """The time of a shop is over; the rest is for the next look."""


class _Look:
    """One look at one shop, and what it has found so far."""

    def __init__(self, known: ShopSecrets, now: datetime) -> None:
        self.known = known
        self.now = now
        self.seen = 0
        self.missing: list[Missing] = []
        self.silent: tuple[str, ...] = ()
        self.hooks: dict[str, datetime] = {}
        self.began: datetime | None = None

    def after(self, known: datetime) -> datetime:
        """Return where to begin when all is known up to then: a little earlier, but not before the shop was there."""
        earlier = known - OVERLAP
        return earlier if self.began is None else max(earlier, self.began)


class Reconciler:
    """Looks at shops. Two looks at once do no harm: what both fetch has one delivery id."""

    def __init__(
        self,
        *,
        lists: ShopLists,
        known: Known,
        intake: BulkIntake,
        secrets: Secrets,
        blobs: Blobs,
        clock: Clock,
    ) -> None:
        self._lists = lists
        self._known = known
        self._intake = intake
        self._secrets = secrets
        self._blobs = blobs
        self._clock = clock

    def all(self, shops: Sequence[str], left: Callable[[], float]) -> list[Looked]:
        """Look at each of these shops in `left()` seconds in all, beginning with another one each time.

        Each has an equal share of the time that the ones before it have left; one shop's failure touches no other. A
        slow one that uses up all of it, and the process too, is no longer in front the next time.
        """
        named = sorted(shops)
        first = int(self._clock.now().timestamp() // EVERY.total_seconds()) % len(named) if named else 0
        queue = [*named[first:], *named[:first]]
        found: list[Looked] = []
        for place, shop in enumerate(queue):
            there = left()
            if there < LEAST:
                found += [Looked(shop=rest, how="behind", why="there was no time") for rest in queue[place:]]
                break
            found.append(self._judged(shop, _until(left, there - there / (len(queue) - place))))
        return found

    def one(self, shop: str, since: datetime | None = None) -> Looked:
        """Look at one shop now, however long that takes: at all that was changed since its marks, or since then.

        Also at what was changed a moment ago, whose webhook may still come. The marks stay as they are. Raises what the
        shop's API raises.
        """
        known = self._secrets.shop(shop)
        now = self._clock.now()
        if known is None:
            return Looked(shop=shop, how="skipped", why="the shop is not connected")
        look = _Look(known, now)
        stands = self._marks(shop)
        for resource in RESOURCES:
            mark = Mark(since or _start(stands, resource, now).since, now)
            while (mark := self._page(look, resource, mark, _ever)).cursor is not None:
                pass
        self._see_hooks(look, stands)
        return _told(look, "looked")

    # --- one shop

    def _judged(self, shop: str, left: Callable[[], float]) -> Looked:
        try:
            known = self._secrets.shop(shop)
            if known is None:
                self._forget(shop)
                return Looked(shop=shop, how="skipped", why="the shop is not connected")
        except Exception as error:  # noqa: BLE001 - told, and counted
            return Looked(shop=shop, how="failed", why=_unforeseen(shop, error))
        look = _Look(known, self._clock.now())
        try:
            done = self._all_of(look, self._marks(shop), left)
        except ShopRefusedError as refused:
            if refused.reason == "no_access":
                return _told(look, "skipped", str(refused))
            return _told(look, "refused" if refused.reason == "not_allowed" else "failed", str(refused))
        except (ShopRejectedError, ShopUncertainError) as error:
            return _told(look, "failed", str(error))
        except Exception as error:  # noqa: BLE001 - told, and counted
            return _told(look, "failed", _unforeseen(shop, error))
        return _told(look, "looked" if done else "behind")

    def _see_hooks(self, look: _Look, stands: Marks | None) -> None:
        """See which of our webhooks the shop sends, and which it does not any more.

        WooCommerce shows what it has switched off. Shopify takes a subscription away that failed for long: it is told
        as gone for a day. Those of an app's own configuration are shown by neither.
        """
        before = stands.hooks if stands is not None else {}
        look.hooks = dict(before)
        try:
            hooks = self._lists.hooks(look.known.shop)
        except (ShopRefusedError, ShopRejectedError, ShopUncertainError):
            # A key that may read orders need not be allowed to see webhooks.
            return
        ours = path_of(look.known.platform, look.known.shop)
        hooks = [hook for hook in hooks if hook.url.partition("?")[0].rstrip("/").endswith(ours)]
        sent = {hook.topic: look.now for hook in hooks if hook.active}
        gone = {topic: at for topic, at in before.items() if topic not in sent and look.now - at < _GONE}
        off = {hook.topic for hook in hooks if not hook.active and hook.topic not in sent}
        look.hooks = {**gone, **sent}
        look.silent = tuple(sorted({*off, *gone}))

    def _all_of(self, look: _Look, stands: Marks | None, left: Callable[[], float]) -> bool:
        """Look at everything of a shop; return whether there was the time for all of it."""
        now = look.now
        look.hooks = dict(stands.hooks) if stands is not None else {}
        look.began = stands.began if stands is not None else _first(now)
        marks: dict[Resource, Mark] = {resource: _start(stands, resource, now) for resource in RESOURCES}
        try:
            for resource in RESOURCES:
                mark = marks[resource]
                if mark.until is None:
                    mark = Mark(look.after(mark.since), now - SETTLE)
                while mark.until is not None:
                    mark = _after(self._page(look, resource, mark, left))
                    marks[resource] = mark
                    if mark.until is not None:
                        self._keep(look, marks)
        except _OutOfTimeError:
            self._keep(look, marks)
            return False
        except (ShopRejectedError, ShopUncertainError):
            # How far the others came is worth keeping.
            self._keep(look, marks)
            raise
        except ShopRefusedError as refused:
            if refused.reason != "no_access" or stands is not None:
                self._keep(look, marks)
            raise
        self._see_hooks(look, stands)
        self._keep(look, marks)
        return True

    def _page(self, look: _Look, resource: Resource, mark: Mark, left: Callable[[], float]) -> Mark:
        """Read one page of changes, accept what is missing of it, and return where to go on."""
        _in_time(left)
        page = self._lists.changed(look.known.shop, resource, mark.since, mark.until or look.now, mark.cursor)
        look.seen += len(page.changed)
        missing = self._missing(look.known.shop, resource, page.changed)
        for start in range(0, len(missing), BATCH):
            # A page that is left half way is read again, and what was accepted of it is known then.
            _in_time(left)
            look.missing += self._fetch(look, resource, missing[start : start + BATCH])
        return replace(mark, cursor=page.cursor)

    # --- what is missing

    def _missing(self, shop: str, resource: Resource, changed: Sequence[Changed]) -> list[Changed]:
        """Return what is not known as it is now, each once."""
        newest: dict[str, Changed] = {}
        for one in changed:
            if one.id not in newest or newest[one.id].at < one.at:
                newest[one.id] = one
        every = list(newest.values())
        groups = [every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE)]
        return [one for group in groups for one in self._unknown(shop, resource, group)]

    def _unknown(self, shop: str, resource: Resource, changed: Sequence[Changed]) -> list[Changed]:
        if resource == "products":
            stored = self._known.products(shop, [one.id for one in changed])
            return [one for one in changed if one.id not in stored or stored[one.id] < one.at]
        kind = "order" if resource == "orders" else "shop_customer_id"
        key = self._secrets.address_key()
        keys = {one.id: alias_key(key, shop, kind, one.id) for one in changed}
        people = self._known.people(list(keys.values()))
        return [one for one in changed if not _knows(people.get(keys[one.id]), resource, one)]

    def _fetch(self, look: _Look, resource: Resource, missing: Sequence[Changed]) -> list[Missing]:
        """Fetch these, accept them, and return those that were new."""
        key = self._secrets.address_key()
        records = self._lists.read(look.known.shop, resource, [one.id for one in missing])
        deliveries = [self._delivery(look, record) for record in records]
        new = self._intake.accept_all([accepting(delivery, key) for delivery in deliveries])
        moments = {one.id: one.at for one in missing}
        return [
            Missing(resource, name, moments[name], delivery.id)
            for delivery, fresh in zip(deliveries, new, strict=True)
            if fresh and (name := _id_of(delivery)) in moments
        ]

    def _delivery(self, look: _Look, record: Record) -> Delivery:
        """Return the delivery that the webhook of this would have been, under a name of its own.

        The webhook, should it come yet, is another delivery of the same facts, which are compared by `updated_at`.
        """
        known = look.known
        name = ids.digest("reconciled", known.shop, record.topic, record.body)
        arrival = arrival_at(known, name, look.now, None)
        return Delivery(
            id=name,
            shop=known.shop,
            source=known.platform,
            topic=record.topic,
            received_at=look.now,
            events=readers.read_again(known.platform, record.topic, record.body, arrival),
            body=record.body,
        )

    # --- marks

    def _marks(self, shop: str) -> Marks | None:
        raw = self._blobs.get(place_of(shop))
        stands = _marks.decode(raw) if raw is not None else None
        return stands if stands is not None and stands.marks else None

    def _forget(self, shop: str) -> None:
        """Forget a shop that is not connected: should it come back, what was meanwhile is for an import."""
        if self._marks(shop) is not None:
            nothing = Marks({}, self._clock.now())
            self._blobs.put(place_of(shop), msgspec.json.encode(nothing), "application/json")

    def _keep(self, look: _Look, marks: Mapping[Resource, Mark]) -> None:
        kept = Marks({str(name): mark for name, mark in marks.items()}, look.now, look.hooks, look.began)
        self._blobs.put(place_of(look.known.shop), msgspec.json.encode(kept), "application/json")


_marks = msgspec.json.Decoder(Marks)


def place_of(shop: str) -> str:
    """Return where a shop's marks stand in the content bucket."""
    return f"{FOLDER}/{shop}.json"


def _start(stands: Marks | None, resource: Resource, now: datetime) -> Mark:
    """Return where to begin. What was before a shop was first looked at is for an import."""
    found = stands.marks.get(resource) if stands is not None else None
    return found or Mark(_first(now), now - SETTLE)


def _first(now: datetime) -> datetime:
    return now - SETTLE - _FIRST


def _after(mark: Mark) -> Mark:
    """Return the mark after a page: after the last one, all up to the look's end is known."""
    return mark if mark.cursor is not None or mark.until is None else Mark(mark.until)


def _in_time(left: Callable[[], float]) -> None:
    if left() <= 0:
        raise _OutOfTimeError


def _ever() -> float:
    return 1.0


def _until(left: Callable[[], float], rest: float) -> Callable[[], float]:
    return lambda: left() - rest


def _unforeseen(shop: str, error: Exception) -> str:
    """Log what is this shop's alone: the next one is looked at, and this one again the next time."""
    _log.error("not reconciled", extra={"shop": shop}, exc_info=error)
    return type(error).__name__


def _told(look: _Look, how: How, why: str = "") -> Looked:
    return Looked(
        shop=look.known.shop, how=how, why=why, seen=look.seen, missing=tuple(look.missing), silent=look.silent
    )


def _knows(whose: Profile | Tombstone | None, resource: Resource, changed: Changed) -> bool:
    if whose is None:
        return False
    if isinstance(whose, Tombstone):
        # What was said up to then is not wanted back, nor is an order that went with its customer, whenever it changes.
        return resource == "orders" or changed.at <= whose.erased_at
    if resource == "customers":
        return whose.customer_at is not None and whose.customer_at >= changed.at
    mark = whose.orders.get(changed.id)
    return mark is not None and mark.updated_at >= changed.at


def _id_of(delivery: Delivery) -> str:
    return str(getattr(delivery.events[0].data, "id", "")) if delivery.events else ""

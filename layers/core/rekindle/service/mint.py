"""Making the codes that messages give, before they are sent: one for each run and offer, however often it is tried.

`send` hands a message over whose coupon is not there. Here its terms are fixed in the table first (what it is worth,
until when), then the code is made or taken: a retry finds the same terms and the same code, and in the shop its own
work. Only then the message goes back to `send`. A shop that is slow, or a pool that is empty, holds up what gives its
offers and nothing else: that waits on a queue of its own, as long as it is worth sending.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.content.playbook import pool_file
from rekindle.domain import ids
from rekindle.domain.errors import RekindleError, ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Coupon as CouponFact
from rekindle.domain.offers import Coupon, Offer, coupon_id, expiry, unique_code
from rekindle.domain.profile import Planned, Profile, Run, Signpost
from rekindle.ports import (
    MAX_DELAY,
    Blobs,
    Clock,
    Coupons,
    Intake,
    NewCode,
    Outbox,
    Parcel,
    SendQueues,
    ShopCodes,
    Stock,
)
from rekindle.service.accept import accept
from rekindle.service.coupons import Wallet, zones
from rekindle.service.library import POINTER_LIFE, Library
from rekindle.service.people import follow

#: Seconds that a message rests whose coupon cannot be made, longer the longer it has waited.
RESTS = (15, 30, 60, 120, 300, 900)
#: Seconds that a shop, or an offer, is left alone after it failed, by what happened. Whatever else needs it rests too.
QUIET: Mapping[str, int] = {
    "throttled": 5,
    "not_connected": 30,
    "uncertain": 30,
    "not_allowed": 120,
    "not_found": 120,
    "rejected": 120,
    "empty": 120,
}
#: How many codes of a pool are looked at at once.
_WINDOW = 100
#: So often a code of a pool is tried that somebody else has taken in this moment, and a name that the shop has already.
_TRIES = 5

#: What is said of an offer whose shop is left alone for a while.
_QUIET = "it failed a moment ago"

_log = logging.getLogger(__name__)
_codes = msgspec.json.Decoder(tuple[str, ...])


class _WaitError(RekindleError):
    """The coupon cannot be made now: `what` (of `QUIET`) stands in the way, of the whole shop or of this offer."""

    def __init__(self, what: str, told: str, *, whose: Literal["shop", "offer"], wait: float | None = None) -> None:
        super().__init__(told)
        self.what = what
        self.whose = whose
        self.wait = wait


class Minted(Struct, frozen=True):
    """What became of one message: its code is `made`, it is `passed` back because it needs none, or it is `waiting`."""

    how: Literal["made", "passed", "waiting"]
    shop: str = ""
    offer: str = ""
    why: str = ""


class PoolStock(Struct, frozen=True):
    """How many codes of a pool are left, and whether that is less than its file says."""

    shop: str
    offer: str
    left: int
    low: bool


def _noted(parcel: Parcel, verdict: Minted | Exception) -> Parcel:
    """Return the parcel with why its coupon is not made, for whoever must record that it came too late."""
    if not isinstance(verdict, Minted) or verdict.how == "passed":
        return parcel
    if verdict.how == "made":
        return replace(parcel, no_coupon="")
    return parcel if verdict.why == _QUIET and parcel.no_coupon else replace(parcel, no_coupon=verdict.why)


class Mint:
    """Makes coupons. One for each process: it remembers which shops do not answer, and the codes of pools."""

    def __init__(
        self,
        *,
        coupons: Coupons,
        codes: ShopCodes,
        outbox: Outbox,
        intake: Intake,
        send: SendQueues,
        mint: SendQueues,
        library: Library,
        blobs: Blobs,
        clock: Clock,
        address_key: bytes,
    ) -> None:
        """Take the ports: `send` are the queues of `send`, `mint` those from which this is called."""
        self._coupons = coupons
        self._codes = codes
        self._outbox = outbox
        self._intake = intake
        self._send = send
        self._mint = mint
        self._library = library
        self._blobs = blobs
        self._clock = clock
        self._key = address_key
        self._wallet = Wallet(coupons=coupons, library=library)
        self._quiet: dict[tuple[str, str], datetime] = {}
        self._pools: dict[str, tuple[str, ...]] = {}

    def batch(self, parcels: Sequence[Parcel]) -> list[Minted | Exception]:
        """Make the coupons of these messages and hand them on; return what became of each, in order.

        One message's failure never touches another: it stands in the list as the exception that it was.
        """
        _, profiles = self._outbox.read([("", parcel.profile_id) for parcel in parcels])
        self._wallet.prepare(
            (planned, run)
            for parcel in parcels
            if isinstance(profile := profiles.get(parcel.profile_id), Profile)
            if (planned := profile.planned.get(parcel.message_id)) is not None
            for run in profile.runs
            if run.id == planned.run
        )
        found: list[Minted | Exception] = []
        delays: list[int] = []
        for parcel in parcels:
            delay = 0
            try:
                verdict, delay = self._one(parcel, profiles)
            except Exception as error:  # noqa: BLE001 - handed to the caller, who lets the queue bring it again
                _log.exception("not minted", extra={"message_id": parcel.message_id})
                found.append(error)
            else:
                found.append(verdict)
            delays.append(delay)
        return self._hand_on(parcels, found, delays)

    def _hand_on(
        self, parcels: Sequence[Parcel], found: list[Minted | Exception], delays: Sequence[int]
    ) -> list[Minted | Exception]:
        """Put each message where it goes on, in one call for each queue and delay."""
        ways: dict[tuple[bool, int], list[int]] = {}
        for place, verdict in enumerate(found):
            if isinstance(verdict, Minted):
                ways.setdefault((verdict.how == "waiting", delays[place]), []).append(place)
        for (waits, delay), places in ways.items():
            queues = self._mint if waits else self._send
            try:
                queues.enqueue(list(dict.fromkeys(_noted(parcels[place], found[place]) for place in places)), delay)
            except Exception as error:  # noqa: BLE001 - the old parcels come again; some may be there twice then
                _log.exception("not handed on", extra={"message_ids": [parcels[place].message_id for place in places]})
                for place in places:
                    found[place] = error
        return found

    def _one(self, parcel: Parcel, profiles: Mapping[str, Profile | Signpost]) -> tuple[Minted, int]:
        """Return what became of the message, and after how many seconds it goes on."""
        profile = self._living(profiles.get(parcel.profile_id))
        planned = profile.planned.get(parcel.message_id) if profile is not None else None
        run = next((run for run in profile.runs if planned and run.id == planned.run), None) if profile else None
        now = self._clock.now()
        if profile is None or planned is None or run is None or planned.not_after <= now:
            # Whatever is wrong with it, `send` knows what to write down.
            if profile is not None:
                self._tell_late(parcel)
            return Minted("passed"), 0
        given = self._wallet.coupon(parcel.message_id, profile, planned, run, now)
        if isinstance(given, Coupon):
            # Made by another worker, or by this one before it died: word of it may be missing.
            self._tell(given)
            return Minted("passed", profile.shop, planned.offer), 0
        if given != "wanted":
            # Whoever asked for it may hold the playbook from before: at once, they would only ask again.
            rests = min(POINTER_LIFE, planned.not_after - now)
            return Minted("passed", profile.shop, planned.offer), math.ceil(rests.total_seconds())
        try:
            self._keep_quiet(profile.shop, planned.offer, now)
            self._tell(self._make(parcel.message_id, profile, planned, run))
        except _WaitError as wait:
            self._note(profile.shop, planned.offer, wait)
            waited = now - planned.planned_at
            rest = max((rest for rest in RESTS if rest <= waited.total_seconds()), default=RESTS[0])
            delay = min(max(rest, QUIET.get(wait.what, 0), math.ceil(wait.wait or 0)), MAX_DELAY)
            left = max(1, math.ceil((planned.not_after - now).total_seconds()))
            return Minted("waiting", profile.shop, planned.offer, str(wait)), min(delay, left)
        return Minted("made", profile.shop, planned.offer), 0

    def _living(self, found: Profile | Signpost | None) -> Profile | None:
        if not isinstance(found, Signpost):
            return found

        def load(profile_id: str) -> Profile | Signpost | None:
            return self._outbox.read([("", profile_id)])[1].get(profile_id)

        return follow(load, found.to)

    # --- what does not answer is left alone for a while

    def _keep_quiet(self, shop: str, offer: str, now: datetime) -> None:
        for key in ((shop, ""), (shop, offer)):
            until = self._quiet.get(key)
            if until is not None and now < until:
                raise _WaitError("", _QUIET, whose="offer", wait=(until - now).total_seconds())

    def _note(self, shop: str, offer: str, wait: _WaitError) -> None:
        if wait.what not in QUIET:
            return
        seconds = max(QUIET[wait.what], wait.wait or 0.0)
        key = (shop, offer if wait.whose == "offer" else "")
        self._quiet[key] = self._clock.now() + timedelta(seconds=min(seconds, MAX_DELAY))
        _log.warning("no coupon", extra={"shop": shop, "offer": offer, "reason": wait.what, "told": str(wait)})

    # --- making one

    def _make(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Coupon:
        offer = self._wallet.offer(planned.offer, profile.shop)
        if offer is None:
            raise _WaitError("empty", "the offer is not given any more", whose="offer")
        now = self._clock.now()
        shop = self._library.newest().shops[profile.shop]
        where, home = zones(profile, shop.zone)
        wanted = Coupon(
            run=run.id,
            offer=planned.offer,
            shop=profile.shop,
            profile_id=profile.id,
            message_id=message_id,
            state="wanted",
            terms=offer,
            issued_at=now,
            expires_at=expiry(offer, now, where, home),
            zone=where.key,
        )
        if offer.kind == "unique":
            return self._unique(wanted, shop.currency)
        if offer.kind == "pool":
            return self._from_pool(wanted)
        return self._coupons.claim(replace(wanted, state="made", code=offer.code))

    def _unique(self, wanted: Coupon, currency: str) -> Coupon:
        claimed = self._coupons.claim(wanted)
        if claimed.state == "made":
            return claimed
        own = claimed == wanted
        try:
            code = self._in_the_shop(claimed, currency)
        except (ShopRefusedError, ShopRejectedError) as refused:
            if own:
                # Nothing was made under these terms, and nobody had begun before: the next try takes what holds then.
                self._coupons.withdraw(claimed)
            if isinstance(refused, ShopRefusedError):
                raise _WaitError(refused.reason, str(refused), whose="shop", wait=refused.wait) from refused
            raise _WaitError("rejected", str(refused), whose="offer") from refused
        except ShopUncertainError as uncertain:
            raise _WaitError("uncertain", str(uncertain), whose="shop") from uncertain
        return self._coupons.made(replace(claimed, state="made", code=code))

    def _in_the_shop(self, coupon: Coupon, currency: str) -> str:
        name = coupon_id(coupon.run, coupon.offer)
        for ordinal in range(_TRIES):
            code = unique_code(self._key, coupon.terms.prefix, name, ordinal)
            wanted = NewCode(
                code=code,
                mark=name,
                offer=coupon.terms,
                currency=currency,
                starts_at=coupon.issued_at,
                ends_at=coupon.expires_at,
            )
            if self._codes.make(coupon.shop, wanted):
                return code
        raise ShopRejectedError("the shop has other codes under every name", hint="give the offer another prefix")

    # --- pools

    def _from_pool(self, wanted: Coupon) -> Coupon:
        offer = wanted.terms
        codes = self._codes_of(offer)
        stock = self._stock_of(wanted.shop, offer, codes)
        start = stock.at
        spread = int(coupon_id(wanted.run, wanted.offer), 16)
        for at in range(start, len(codes), _WINDOW):
            window = codes[at : at + _WINDOW]
            given = self._coupons.given(wanted.shop, window)
            free = [code for code in window if code not in given]
            if not free and at == start:
                start += _WINDOW
                self._coupons.advance(wanted.shop, offer.name, offer.pool, start)
            # Not all from the front: workers would take one another's.
            place = spread % len(free) if free else 0
            for code in (*free[place:], *free[:place])[:_TRIES]:
                found = self._coupons.give(replace(wanted, state="made", code=code))
                if found is not None:
                    if found.code == code:
                        self._coupons.count(wanted.shop, offer.name, offer.pool)
                    return found
            if free:
                raise _WaitError("", "others took the codes of the pool in this moment", whose="offer")
        hint = f"upload offers/{offer.name}.csv with more codes"
        raise _WaitError("empty", f"the pool of the offer '{offer.name}' is empty: {hint}", whose="offer")

    def _codes_of(self, offer: Offer) -> tuple[str, ...]:
        if offer.pool not in self._pools:
            raw = self._blobs.get(pool_file(offer.pool))
            if raw is None:
                raise RekindleError(f"the codes of the offer '{offer.name}' are not in the bucket")
            self._pools.clear()
            self._pools[offer.pool] = _codes.decode(raw)
        return self._pools[offer.pool]

    def _stock_of(self, shop: str, offer: Offer, codes: Sequence[str]) -> Stock:
        """Return how many are given of the codes that are published now, counted anew where the file is another one."""
        stock = self._coupons.stock(shop, offer.name)
        if stock is not None and stock.pool == offer.pool:
            return stock
        count = at = 0
        for start in range(0, len(codes), _WINDOW):
            window = codes[start : start + _WINDOW]
            given = self._coupons.given(shop, window)
            count += len(given)
            if at == start and len(given) == len(window):
                at += _WINDOW
        stock = Stock(shop=shop, offer=offer.name, pool=offer.pool, size=len(codes), given=count, at=at)
        self._coupons.put_stock(stock)
        return stock

    def stocks(self) -> list[PoolStock]:
        """Return how every pool stands that some shop gives."""
        book = self._library.newest()
        found = []
        for name, shop in sorted((name, shop) for name in book.offers for shop in book.shops):
            offer = book.offer(name, shop)
            if offer is None or offer.kind != "pool":
                continue
            stock = self._stock_of(shop, offer, self._codes_of(offer))
            left = max(0, stock.size - stock.given)
            found.append(PoolStock(shop, name, left, left < offer.low))
        return found

    # --- telling the profile

    def _tell_late(self, parcel: Parcel) -> None:
        """Tell what a worker made that died before it could: its message has its outcome since, its run may be over."""
        coupon = self._coupons.read((parcel.coupon,)).get(parcel.coupon) if parcel.coupon else None
        if coupon is not None and coupon.state == "made":
            self._tell(coupon)

    def _tell(self, coupon: Coupon) -> None:
        """Let the run know what was given. A repeat is found by its id."""
        now = self._clock.now()
        delivery = ids.digest("coupon.issued", coupon_id(coupon.run, coupon.offer))
        event = Event(
            id=ids.digest("event", delivery, "0"),
            shop=coupon.shop,
            type="coupon.issued",
            occurred_at=coupon.issued_at,
            received_at=now,
            profile_id=coupon.profile_id,
            data=CouponFact(
                code=coupon.code,
                at=coupon.issued_at,
                message_id=coupon.message_id,
                expires_at=coupon.expires_at,
                offer=coupon.offer,
                friends=coupon.terms.friends,
            ),
        )
        accept(
            Delivery(
                id=delivery,
                shop=coupon.shop,
                source="mint",
                topic="coupon.issued",
                received_at=now,
                events=(event,),
            ),
            self._intake,
            self._key,
        )

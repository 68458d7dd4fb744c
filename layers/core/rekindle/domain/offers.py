"""What a shop offers in a message, and the code that one run has got of it. Pure.

An offer is a marketer's file; a coupon is one offer to one run, under terms that are fixed when it is first wanted: a
retry finds the same code, the same worth and the same end, whatever was published since.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from rekindle.domain.ids import digest, keyed_hash

OfferKind = Literal["fixed", "pool", "unique"]

#: An offer ends after so long where its file says nothing, in seconds.
DEFAULT_LIFE = 3 * 86_400

#: Nothing that is taken for something else when a code is read out or typed, and no vowels: it must spell no word.
_LETTERS = "23456789BCDFGHJKMNPQRSTVWXYZ"
_LENGTH = 10
_SECOND = timedelta(seconds=1)


class Gift(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A product that comes free: its id in the shop, what it is called, what it is worth (ISO 4217 → major units).

    `title` is language → name; the empty language stands in for those that are not there.
    """

    product: str
    title: dict[str, str] = {}
    worth: dict[str, Decimal] = {}


class Offer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is given: exactly one of `percent`, `amount`, `free_shipping` and `gift`, and how the code is come by.

    Money is ISO 4217 → major units, of which the shop's own currency counts. `life` is in seconds (0: no end); `until`
    is a local day (`2026-12-31`), the last one, and stands in its place.
    """

    name: str
    kind: OfferKind
    enabled: bool = True
    """whether it is given where a shop's file does not say"""
    percent: Decimal | None = None
    amount: dict[str, Decimal] = {}
    free_shipping: bool = False
    gift: Gift | None = None
    minimum: dict[str, Decimal] = {}
    products: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    life: int = DEFAULT_LIFE
    until: str = ""
    code: str = ""
    """of a fixed one"""
    prefix: str = ""
    """of unique ones: what their codes begin with"""
    once: bool = True
    """of unique ones: the code works for one order"""
    friends: bool = False
    """of unique ones: it is for whoever this person sends; each of them can use the code once"""
    pool: str = ""
    """of a pool: the digest of its codes, under which they are published"""
    size: int = 0
    """of a pool: how many codes there are"""
    low: int = 0
    """of a pool: an alarm rings when fewer are left"""
    shop: str = ""
    """the one shop that gives it; empty: any"""
    says: dict[str, str] = {}
    """what mails call it, language → words (empty: any other), where they are not to say what it is worth"""


class Coupon(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one run has got of one offer. `state` is `wanted` until the code stands in the shop: then it is `made`.

    `expires_at` is the last second at which the code is promised to work. `zone` is where the person lives, as far as
    was known then: in which their days end.
    """

    run: str
    offer: str
    shop: str
    profile_id: str
    message_id: str
    state: Literal["wanted", "made"]
    terms: Offer
    issued_at: datetime
    expires_at: datetime | None = None
    zone: str = ""
    code: str = ""


def coupon_id(run: str, offer: str) -> str:
    """Return the name of what this run has got of this offer: one, however often it is asked for."""
    return digest("coupon", run, offer)


def unique_code(key: bytes, prefix: str, coupon: str, ordinal: int = 0) -> str:
    """Return the code of this coupon, the same in every retry, which nobody can guess who has not the key.

    `ordinal` gives another one where the shop has a code of this name already.
    """
    number = int(keyed_hash(key, "coupon code", coupon, str(ordinal)), 16)
    letters = ""
    for _ in range(_LENGTH):
        number, place = divmod(number, len(_LETTERS))
        letters += _LETTERS[place]
    return f"{prefix}-{letters}" if prefix else letters


def plain_code(code: str) -> str:
    """Return the code as shops compare them: in any case, with no space around it."""
    return code.strip().casefold()


def expiry(offer: Offer, issued_at: datetime, where: ZoneInfo, home: ZoneInfo) -> datetime | None:
    """Return the last second at which what is given now is promised to work, UTC; `None`: there is no end.

    It is the end of a day on the recipient's clock (`where`), so that the day which a mail names is meant whole. The
    day of `until` ends there too for a code that is made for this person; one that many share ends on the shop's clock
    (`home`), and the last whole day before that is promised. Where no day is left whole, it is the very moment.
    """
    if offer.until:
        last = datetime.fromisoformat(offer.until).date()
        if offer.kind == "unique":
            return _end_of(last, where)
        true_end = _end_of(last, home)
        whole = _end_of(true_end.astimezone(where).date(), where)
        if whole > true_end:
            whole = _end_of(true_end.astimezone(where).date() - timedelta(days=1), where)
        return whole if whole > issued_at else true_end
    if not offer.life:
        return None
    return _end_of((issued_at + timedelta(seconds=offer.life)).astimezone(where).date(), where)


def _end_of(day: date, where: ZoneInfo) -> datetime:
    # The day after begins at its first midnight, or where the clock skips that, at the skip: `fold=0` means both.
    begins = datetime.combine(day + timedelta(days=1), time(0), tzinfo=where)
    return begins.astimezone(UTC) - _SECOND

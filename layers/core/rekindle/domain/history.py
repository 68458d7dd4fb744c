"""What a customer has bought so far, computed from the marks of their orders: exact however these came. Pure.

Counted is every placed order that was not cancelled and is no test. Money is kept apart by currency, never converted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from msgspec import Struct

from rekindle.domain.profile import OrderMark, Profile

_NOTHING = Decimal(0)
#: From so many orders on they have a rhythm.
_RHYTHM = 3
#: Orders that lie closer together are one: somebody forgot something.
_APART = timedelta(days=1)


class History(Struct, frozen=True, kw_only=True):
    """A customer's orders in summary. `revenue` is ISO 4217 currency → money net of refunds, in major units."""

    orders: int = 0
    items: int = 0
    revenue: dict[str, Decimal] = {}
    average: dict[str, Decimal] = {}
    """revenue ÷ orders of that currency, not rounded"""
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    products: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    discounted: int = 0
    """how many of the orders used a code"""
    rhythm: timedelta | None = None
    """the time that usually lies between two orders; `None` with fewer than three"""


def history(profile: Profile) -> History:
    """Return the summary of the profile's orders."""
    marks = counted(profile)
    revenue: dict[str, Decimal] = {}
    orders: dict[str, int] = {}
    for mark in marks:
        if mark.currency is not None:
            revenue[mark.currency] = revenue.get(mark.currency, _NOTHING) + worth(mark)
            orders[mark.currency] = orders.get(mark.currency, 0) + 1
    moments = [placed(mark) for mark in marks]
    return History(
        orders=len(marks),
        items=sum(mark.pieces for mark in marks),
        revenue=revenue,
        average={currency: total / orders[currency] for currency, total in revenue.items()},
        first_order_at=min(moments, default=None),
        last_order_at=max(moments, default=None),
        products=frozenset(product for mark in marks for product in mark.products),
        kinds=frozenset(kind for mark in marks for kind in mark.kinds),
        discounted=sum(1 for mark in marks if mark.codes),
        rhythm=rhythm(moments),
    )


def counted(profile: Profile) -> list[OrderMark]:
    """Return the marks of the orders that count."""
    return [mark for mark in profile.orders.values() if counts_as_order(mark)]


def counts_as_order(mark: OrderMark) -> bool:
    """Whether the order counts: it was placed, not cancelled, and is no test."""
    return mark.status == "placed" and "order.placed" in mark.events


def placed(mark: OrderMark) -> datetime:
    """Return when the order was placed, as far as the shop has said."""
    return mark.placed_at or mark.updated_at


def rhythm(moments: Iterable[datetime]) -> timedelta | None:
    """Return the time that usually lies between these: the median, so that one long holiday changes nothing.

    What comes within a day after another is one with it; `None` where fewer than three are left.
    """
    each: list[datetime] = []
    for moment in sorted(moments):
        if not each or moment - each[-1] >= _APART:
            each.append(moment)
    if len(each) < _RHYTHM:
        return None
    gaps = sorted(later - earlier for earlier, later in pairwise(each))
    half = len(gaps) // 2
    return gaps[half] if len(gaps) % 2 else (gaps[half - 1] + gaps[half]) / 2


def rhythm_of(profile: Profile, what: str) -> timedelta | None:
    """Return the time that usually lies between two orders of this product or category."""
    return rhythm(placed(mark) for mark in counted(profile) if what in mark.products or what in mark.kinds)


def worth(mark: OrderMark) -> Decimal:
    """Return what the order brought: its total less what was refunded, in its own currency."""
    # An order's body may tell its refunds late, one by one, or only as a sum: the greater knowledge is the newer.
    refunded = max(sum(mark.refunds.values(), _NOTHING), mark.refunded or _NOTHING)
    return (mark.total or _NOTHING) - refunded

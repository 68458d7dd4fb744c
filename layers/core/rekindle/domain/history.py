"""What a customer has bought so far, computed from the marks of their orders: exact however these came. Pure.

Counted is every placed order that was not cancelled and is no test. Money is kept apart by currency, never converted.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from rekindle.domain.profile import OrderMark, Profile

_NOTHING = Decimal(0)


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


def history(profile: Profile) -> History:
    """Return the summary of the profile's orders."""
    marks = counted(profile)
    revenue: dict[str, Decimal] = {}
    orders: dict[str, int] = {}
    for mark in marks:
        if mark.currency is not None:
            revenue[mark.currency] = revenue.get(mark.currency, _NOTHING) + _worth(mark)
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
    )


def counted(profile: Profile) -> list[OrderMark]:
    """Return the marks of the orders that count."""
    return [mark for mark in profile.orders.values() if mark.status == "placed" and "order.placed" in mark.events]


def placed(mark: OrderMark) -> datetime:
    """Return when the order was placed, as far as the shop has said."""
    return mark.placed_at or mark.updated_at


def _worth(mark: OrderMark) -> Decimal:
    # An order's body may tell its refunds late, one by one, or only as a sum: the greater knowledge is the newer.
    refunded = max(sum(mark.refunds.values(), _NOTHING), mark.refunded or _NOTHING)
    return (mark.total or _NOTHING) - refunded

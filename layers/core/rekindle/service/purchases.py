"""Which orders a commit of journey sees placed for the first time, for the catalogue to count. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rekindle.domain import ids
from rekindle.domain.events import Event
from rekindle.domain.facts import Order
from rekindle.domain.history import counted, placed
from rekindle.domain.profile import OrderMark, Profile
from rekindle.domain.shelves import OF_AN_ORDER, OF_BEFORE
from rekindle.ports import Bought

#: What was bought longer ago has little to do with what is bought now.
BEFORE = timedelta(days=90)
_PLACED = "order.placed"


def purchases(before: Profile, after: Profile, events: Sequence[Event], now: datetime) -> list[Bought]:
    """Return what these events have made of `before`, an order at a time: of each its first telling, and no test.

    An order that was cancelled when it was first heard of says nothing; one that is cancelled later stays counted.
    """
    found: dict[str, Bought] = {}
    for event in events:
        order = event.data
        if not isinstance(order, Order) or _told(before.orders.get(order.id)):
            continue
        mark = after.orders.get(order.id)
        products = tuple(dict.fromkeys(item.product_id for item in order.items if item.product_id))
        if mark is None or not _told(mark) or mark.status != "placed" or not products:
            continue
        at = min(placed(mark), now)
        found[order.id] = Bought(
            shop=after.shop,
            order=ids.digest("order", after.shop, order.id),
            at=at,
            products=products[:OF_AN_ORDER],
            before=_earlier(after, at, frozenset(products)),
        )
    return list(found.values())


def _told(mark: OrderMark | None) -> bool:
    return mark is not None and _PLACED in mark.events


def _earlier(profile: Profile, at: datetime, products: frozenset[str]) -> tuple[str, ...]:
    """Return the last few products that this customer had bought before."""
    marks = [mark for mark in counted(profile) if at - BEFORE <= placed(mark) < at]
    marks.sort(key=placed, reverse=True)
    bought = dict.fromkeys(product for mark in marks for product in mark.products if product not in products)
    return tuple(bought)[:OF_BEFORE]

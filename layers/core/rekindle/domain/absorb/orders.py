"""Orders, refunds, parcels, and what was said of an order: each is told once, whichever delivery brings it first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.absorb.baskets import complete_baskets
from rekindle.domain.absorb.messages import redeem
from rekindle.domain.events import Event
from rekindle.domain.facts import Order, Referral, Refund, Review, Shipment
from rekindle.domain.offers import plain_code
from rekindle.domain.profile import OrderMark, Profile, Rated, ShipmentMark
from rekindle.domain.referrals import MAX_FRIENDS, with_place

MAX_SHIPMENTS = 20
#: Of so many orders it is remembered what the person thought of them.
MAX_REVIEWS = 20
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def take_order(profile: Profile, event: Event, order: Order, now: datetime) -> Absorbed:
    """Take an order's state; tell the moments of its life that are news, the coupons that it used, its refunds."""
    mark = profile.orders.get(order.id)
    before = mark or OrderMark(updated_at=_LONG_AGO)
    valued = _valued(before, order)
    newest = newness(valued) > newness(before)
    moments = _moments(order, before.events)
    placed = "order.placed" in moments
    if placed:
        profile = complete_baskets(profile, order, now)
        places = with_place(profile, order)
        profile = profile if places == profile.places else replace(profile, places=places)
    refunds = {refund.id: refund for refund in order.refunds}
    after = replace(
        valued if newest else before,
        placed_at=before.placed_at or (order.placed_at if placed else None),
        events=tuple(sorted({*before.events, *moments})),
        refunds={refund.id: refund.amount for refund in refunds.values()} | before.refunds,
    )
    if after != mark:
        profile = replace(profile, orders={**profile.orders, order.id: after})
    told = []
    for kind, at in moments.items():
        if kind in before.events:
            continue
        when = at or event.occurred_at
        told.append(replace(event, type=kind, occurred_at=when))
        if kind == "order.placed":
            profile, used = redeem(profile, order.codes, when, order.id)
            told += [replace(event, type="coupon.redeemed", occurred_at=when, data=coupon) for coupon in used]
    told += [_refund_told(event, refund) for key, refund in refunds.items() if key not in before.refunds]
    if newest:
        told.append(replace(event, type="order.updated"))
    if not told:
        older = order.updated_at < before.updated_at
        return Absorbed(profile, ignored="older than what is known" if older else "already known")
    return Absorbed(profile, tuple(told))


def _valued(mark: OrderMark, order: Order) -> OrderMark:
    """Return the mark with what the order is worth at this, its newest state."""
    return replace(
        mark,
        updated_at=order.updated_at,
        status="test" if order.test else order.status,
        currency=order.currency,
        total=order.total,
        refunded=order.refunded,
        pieces=sum(item.quantity for item in order.items) if order.items else order.item_count,
        products=tuple(sorted({item.product_id for item in order.items if item.product_id})),
        kinds=tuple(sorted({item.kind for item in order.items if item.kind})),
        codes=tuple(sorted({plain_code(code) for code in order.codes})),
    )


def newness(mark: OrderMark) -> tuple[datetime, bytes]:
    """Return what to compare two states of one order by: the greater one holds."""
    # Of two states of one second the same one must win in any order of arrival (`basket_age` says why).
    # And 29.0 is 29.00: one API of a shop writes the one, the other the other.
    total, refunded = (None if one is None else one.normalize() for one in (mark.total, mark.refunded))
    value = (mark.status, mark.currency, total, refunded, mark.pieces, mark.products, mark.kinds, mark.codes)
    return mark.updated_at, msgspec.json.encode(value)


def take_refund(profile: Profile, event: Event, refund: Refund) -> Absorbed:
    """Take a refund that comes by itself, perhaps before its order: it counts once, whichever body brings it."""
    mark = profile.orders.get(refund.order_id) or OrderMark(updated_at=_LONG_AGO)
    if refund.id in mark.refunds:
        return Absorbed(profile, ignored="already known")
    mark = replace(mark, refunds={**mark.refunds, refund.id: refund.amount})
    profile = replace(profile, orders={**profile.orders, refund.order_id: mark})
    return Absorbed(profile, (_refund_told(event, refund),))


def _refund_told(event: Event, refund: Refund) -> Event:
    return replace(event, type="order.refunded", occurred_at=refund.at, data=refund)


def take_shipment(profile: Profile, event: Event, shipment: Shipment) -> Absorbed:
    """Take how a parcel stands; tell it only where that is another state than before."""
    known = profile.shipments.get(shipment.id)
    if known is not None and (shipment.updated_at, shipment.status) <= (known.updated_at, known.status):
        return Absorbed(profile, ignored="older than what is known")
    kept = {**profile.shipments, shipment.id: ShipmentMark(shipment.updated_at, shipment.status)}
    profile = replace(profile, shipments=few_shipments(kept))
    if known is not None and known.status == shipment.status:
        return Absorbed(profile, ignored="already known")
    return Absorbed(profile, (event,))


def few_shipments(shipments: Mapping[str, ShipmentMark]) -> dict[str, ShipmentMark]:
    """Return at most `MAX_SHIPMENTS` of these, the newest."""
    kept = dict(shipments)
    while len(kept) > MAX_SHIPMENTS:
        del kept[min(kept, key=lambda key: (kept[key].updated_at, key))]
    return kept


def take_review(profile: Profile, event: Event, review: Review) -> Absorbed:
    """Take a review: one of an order is told once. Who thinks again, and gives other stars, is heard again."""
    profile = replace(profile, reviews=few_reviews(profile.reviews, {review.order_id or "": _rated(review)}))
    if review.order_id is None:
        return Absorbed(profile, (event,))
    return _once(profile, event, review.order_id, f"{event.type}:{review.product_id or ''}:{review.rating}")


def _rated(review: Review) -> Rated:
    return Rated(review.at, review.rating)


def few_reviews(one: Mapping[str, Rated], two: Mapping[str, Rated]) -> dict[str, Rated]:
    """Return what holds of both: the latest word on each order; at most `MAX_REVIEWS`, the latest."""
    both = dict(one)
    for order_id, rated in two.items():
        known = both.get(order_id)
        both[order_id] = rated if known is None else max(known, rated, key=_lateness)
    latest = sorted(both.items(), key=lambda pair: (*_lateness(pair[1]), pair[0]), reverse=True)
    return dict(sorted(latest[:MAX_REVIEWS]))


def _lateness(rated: Rated) -> tuple[datetime, int]:
    # Of two words of one moment the better one, in any order of arrival.
    return rated.at, rated.rating


def take_referral(profile: Profile, event: Event, referral: Referral) -> Absorbed:
    """Take a referral: each friend, and each order of theirs, is told once."""
    friend = referral.friend
    if friend is not None and friend in profile.friends:
        return Absorbed(profile, ignored="this friend was counted already")
    taken = _once(profile, event, referral.order_id, event.type)
    if friend is None or not taken.told:
        return taken
    return replace(taken, profile=replace(taken.profile, friends=few_friends(profile.friends, {friend: referral.at})))


def few_friends(one: Mapping[str, datetime], two: Mapping[str, datetime]) -> dict[str, datetime]:
    """Return the friends of both, each since when it was first heard of; at most `MAX_FRIENDS`, the latest."""
    both = {name: min(when[name] for when in (one, two) if name in when) for name in {*one, *two}}
    latest = sorted(both.items(), key=lambda pair: (pair[1], pair[0]), reverse=True)
    return dict(sorted(latest[:MAX_FRIENDS]))


def _once(profile: Profile, event: Event, order_id: str, what: str) -> Absorbed:
    # A mark that holds nothing but what was told counts as no order: nobody has seen it placed.
    mark = profile.orders.get(order_id) or OrderMark(updated_at=_LONG_AGO)
    if what in mark.events:
        return Absorbed(profile, ignored="already known")
    mark = replace(mark, events=tuple(sorted({*mark.events, what})))
    return Absorbed(replace(profile, orders={**profile.orders, order_id: mark}), (event,))


def _moments(order: Order, told_before: tuple[str, ...]) -> dict[str, datetime | None]:
    """Return the moments of an order's life that this state has passed, in their order, with when each was.

    A moment is told as of when it was, not of when it was heard of: an order from months ago, first seen in an update,
    is too old to be confirmed. One that was cancelled before it was ever placed (an unpaid WooCommerce order that ran
    out of time) is neither.
    """
    if not (order.status == "placed" or order.placed_at or "order.placed" in told_before):
        return {}
    moments = {"order.placed": order.placed_at}
    if order.paid_at:
        moments["order.paid"] = order.paid_at
    if order.fulfilled_at:
        moments["order.fulfilled"] = order.fulfilled_at
    if order.cancelled_at or order.status == "cancelled":
        moments["order.cancelled"] = order.cancelled_at
    return moments

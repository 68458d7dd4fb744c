"""What an event changes in what is known of a customer, and what it therefore tells.

Facts about a resource are upserts by its id: a delivery that is older than what is known changes nothing and tells
nothing, and each moment of an order's life is told once, whichever delivery brought it first (DESIGN §2). So flows see
clean events however late, doubled or shuffled the shop's deliveries were.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Basket, Consent, ConsentState, Customer, Engagement, Order, Person, Refund, Shipment
from rekindle.domain.profile import OrderMark, Profile, Run, ShipmentMark, Tag, Told

#: A basket that nobody touched for so long is forgotten: a reminder would be nonsense, and the state stays small.
BASKET_LIFE = timedelta(days=60)
MAX_BASKETS = 8
MAX_SHIPMENTS = 20
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

#: States by which somebody, or the platform, made a choice: the latest of these wins.
_EXPLICIT = frozenset({"subscribed", "unsubscribed", "pending", "redacted", "invalid"})
_REACTIONS: dict[str, ConsentState] = {"email.bounced": "invalid", "email.complained": "unsubscribed"}
#: Between two acts of the same moment the more careful one wins.
_CAUTION = ("subscribed", "not_subscribed", "pending", "unsubscribed", "invalid", "redacted")


class Absorbed(Struct, frozen=True):
    """The profile with the event's facts in it, the events that this told, and why it told nothing where it did not."""

    profile: Profile
    told: tuple[Event, ...] = ()
    ignored: str | None = None


def absorb(profile: Profile, event: Event, now: datetime) -> Absorbed:
    """Take the event's facts into the profile. `now` only decides what is old enough to be forgotten."""
    profile = _with_person(_with_contacts(profile, event), event)
    match event.data:
        case Basket() as basket:
            return _basket(profile, event, basket, now)
        case Order() as order:
            return _order(profile, event, order, now)
        case Refund() as refund:
            return _refund(profile, event, refund)
        case Shipment() as shipment:
            return _shipment(profile, event, shipment)
        case Consent() as consent:
            return _consent(profile, event, consent)
        case Engagement() as engagement:
            return _engagement(profile, event, engagement)
        case Customer() as customer:
            return _customer(profile, event, customer)
        case _:
            return Absorbed(profile, (event,))


def _with_contacts(profile: Profile, event: Event) -> Profile:
    who = event.who
    # Only the account itself may change a known address; a checkout may be somebody else's gift.
    own = isinstance(event.data, Customer)
    changes: dict[str, str] = {}
    for name, value in (("email", who.email), ("phone", who.phone), ("shop_customer_id", who.shop_customer_id)):
        known = getattr(profile, name)
        if value and value != known and (known is None or (own and name != "shop_customer_id")):
            changes[name] = value
    return replace(profile, **changes) if changes else profile


def _with_person(profile: Profile, event: Event) -> Profile:
    """Take what is told of the person, each field as its own fact: the newest telling of it wins."""
    person = event.person
    if person is None:
        return profile
    news, told = {}, dict(profile.told)
    for name in Person.__struct_fields__:
        value, known = getattr(person, name), told.get(name)
        if value is None:
            continue
        # Of two tellings of one moment the same must win in any order of arrival.
        if known is None or (event.occurred_at, value) > (known.at, getattr(profile.person, name) or ""):
            news[name] = value
            told[name] = Told(event.occurred_at, event.type)
    return replace(profile, person=replace(profile.person, **news), told=told) if news else profile


# --- baskets ---------------------------------------------------------------------------------------------------------


def _basket(profile: Profile, event: Event, basket: Basket, now: datetime) -> Absorbed:
    known = _find_basket(profile, basket.cart_token, basket.checkout_token)
    if known is not None:
        if known.completed_at is not None and basket.completed_at is None:
            return Absorbed(profile, ignored="this basket has been ordered")
        if _age(basket) < _age(known):
            return Absorbed(_put_basket(profile, _fill(known, basket), now), ignored="older than what is known")
        basket = replace(_fill(basket, known), id=known.id)
        if basket == known:
            return Absorbed(profile, ignored="already known")
    return Absorbed(_put_basket(profile, basket, now), (replace(event, data=basket),))


def _age(basket: Basket) -> tuple[datetime, bytes]:
    # Shops' clocks tick in seconds: of two states of one second, the same one must win in any order of arrival.
    return basket.updated_at, msgspec.json.encode((basket.items, basket.total, basket.completed_at))


def _fill(newer: Basket, older: Basket) -> Basket:
    """Return `newer` with what only `older` knows: a cart has no recovery link, a checkout may lack the cart token."""
    gaps = {
        name: getattr(older, name)
        for name in ("cart_token", "checkout_token", "recovery_url", "currency")
        if getattr(newer, name) is None and getattr(older, name) is not None
    }
    return replace(newer, **gaps) if gaps else newer


def _find_basket(profile: Profile, cart_token: str | None, checkout_token: str | None) -> Basket | None:
    for basket in profile.baskets.values():
        if (cart_token and cart_token in (basket.cart_token, basket.id)) or (
            checkout_token and checkout_token in (basket.checkout_token, basket.id)
        ):
            return basket
    return None


def _put_basket(profile: Profile, basket: Basket, now: datetime) -> Profile:
    kept = {known.id: known for known in profile.baskets.values() if known.updated_at > now - BASKET_LIFE}
    kept[basket.id] = basket
    while len(kept) > MAX_BASKETS:
        del kept[min(kept.values(), key=lambda known: (known.id == basket.id, known.updated_at, known.id)).id]
    return replace(profile, baskets=kept)


# --- orders ----------------------------------------------------------------------------------------------------------


def _order(profile: Profile, event: Event, order: Order, now: datetime) -> Absorbed:
    mark = profile.orders.get(order.id)
    before = mark or OrderMark(updated_at=_LONG_AGO)
    valued = _valued(before, order)
    newest = newness(valued) > newness(before)
    moments = _moments(order, before.events)
    placed = "order.placed" in moments
    if placed:
        profile = _complete_baskets(profile, order, now)
    refunds = {refund.id: refund for refund in order.refunds}
    after = replace(
        valued if newest else before,
        placed_at=before.placed_at or (order.placed_at if placed else None),
        events=tuple(sorted({*before.events, *moments})),
        refunds={refund.id: refund.amount for refund in refunds.values()} | before.refunds,
    )
    if after != mark:
        profile = replace(profile, orders={**profile.orders, order.id: after})
    told = [
        replace(event, type=kind, occurred_at=at or event.occurred_at)
        for kind, at in moments.items()
        if kind not in before.events
    ]
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
    )


def newness(mark: OrderMark) -> tuple[datetime, bytes]:
    """Return what to compare two states of one order by: the greater one holds."""
    # Of two states of one second the same one must win in any order of arrival (`_age` says why).
    value = (mark.status, mark.currency, mark.total, mark.refunded, mark.pieces, mark.products, mark.kinds)
    return mark.updated_at, msgspec.json.encode(value)


def _refund(profile: Profile, event: Event, refund: Refund) -> Absorbed:
    """Take a refund that comes by itself, perhaps before its order: it counts once, whichever body brings it."""
    mark = profile.orders.get(refund.order_id) or OrderMark(updated_at=_LONG_AGO)
    if refund.id in mark.refunds:
        return Absorbed(profile, ignored="already known")
    mark = replace(mark, refunds={**mark.refunds, refund.id: refund.amount})
    profile = replace(profile, orders={**profile.orders, refund.order_id: mark})
    return Absorbed(profile, (_refund_told(event, refund),))


def _refund_told(event: Event, refund: Refund) -> Event:
    return replace(event, type="order.refunded", occurred_at=refund.at, data=refund)


def _shipment(profile: Profile, event: Event, shipment: Shipment) -> Absorbed:
    known = profile.shipments.get(shipment.id)
    if known is not None and (shipment.updated_at, shipment.status) <= (known.updated_at, known.status):
        return Absorbed(profile, ignored="older than what is known")
    kept = {**profile.shipments, shipment.id: ShipmentMark(shipment.updated_at, shipment.status)}
    while len(kept) > MAX_SHIPMENTS:
        del kept[min(kept, key=lambda key: (kept[key].updated_at, key))]
    profile = replace(profile, shipments=kept)
    if known is not None and known.status == shipment.status:
        return Absorbed(profile, ignored="already known")
    return Absorbed(profile, (event,))


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


def _complete_baskets(profile: Profile, order: Order, now: datetime) -> Profile:
    """Remember that this order's basket is bought, also when the basket itself is yet to come."""
    token = order.cart_token or order.checkout_token
    if token is None:
        return profile
    known = _find_basket(profile, order.cart_token, order.checkout_token)
    if known is not None and known.completed_at is not None:
        return profile
    at = order.placed_at or order.updated_at
    bought = Basket(
        id=known.id if known else token,
        updated_at=at,
        cart_token=order.cart_token or (known.cart_token if known else None),
        checkout_token=order.checkout_token or (known.checkout_token if known else None),
        completed_at=at,
    )
    return _put_basket(profile, bought, now)


# --- the person ------------------------------------------------------------------------------------------------------


def _consent(profile: Profile, event: Event, consent: Consent) -> Absorbed:
    # A keyed hash without its address is about an address that this person has no longer.
    address = consent.address or (None if consent.address_key else profile.address(consent.channel))
    if address is None:
        return Absorbed(profile, ignored="no address that this consent could be about")
    if consent.state == "subscribed" and not event.signed:
        return Absorbed(profile, ignored="nobody signed it")
    key = f"{consent.channel}:{address}"
    known = profile.consent.get(key)
    act = replace(consent, address=address, address_key=None)
    if known is not None and later_act(known, act) is known:
        return Absorbed(profile, ignored="not an act" if act.state not in _EXPLICIT else "older than what is known")
    profile = replace(profile, consent={**profile.consent, key: act})
    if known is not None and known.state == act.state:
        return Absorbed(profile, ignored="already known")
    return Absorbed(profile, (replace(event, data=act),))


def later_act(one: Consent, two: Consent) -> Consent:
    """Return the one that holds: the latest explicit act; of two at one moment the more careful; `one` if equal.

    The tick that an order brings along (`source` "order") is a copy of the checkout's, whose time it does not know.
    Somebody may tick, get a reminder, unsubscribe, and still buy: so a copy never beats what was said itself.
    """

    def weight(act: Consent) -> tuple[bool, bool, datetime, int]:
        return act.state in _EXPLICIT, act.source != "order", act.at, _CAUTION.index(act.state)

    return two if weight(two) > weight(one) else one


def _customer(profile: Profile, event: Event, customer: Customer) -> Absorbed:
    before = profile
    profile = _with_tags(profile, customer)
    if profile.customer_at is None or customer.updated_at > profile.customer_at:
        profile = replace(profile, customer_at=customer.updated_at)
    if profile == before:
        return Absorbed(profile, ignored="older than what is known")
    return Absorbed(profile, (event,))


def _with_tags(profile: Profile, customer: Customer) -> Profile:
    """Take the tags as each stood last: all of them as of one moment, or single ones put on and taken off."""
    at, marks, floor = customer.updated_at, dict(profile.tag_marks), profile.tags_at
    if customer.tags is not None and (floor is None or at > floor):
        floor = at
        whole = dict.fromkeys(customer.tags, True)
    else:
        whole = {}
    for name, on in (
        *whole.items(),
        *((name, True) for name in customer.tags_added),
        *((name, False) for name in customer.tags_removed),
    ):
        if (name not in marks or (at, not on) > (marks[name].at, not marks[name].on)) and (
            profile.tags_at is None or at >= profile.tags_at
        ):
            marks[name] = Tag(at, on)
    if floor is not None:
        # What was not among all tags was off then; only news since that moment need to be kept.
        marks = {name: tag for name, tag in marks.items() if tag.at >= floor}
    return replace(profile, tag_marks=marks, tags_at=floor)


def _engagement(profile: Profile, event: Event, engagement: Engagement) -> Absorbed:
    runs = tuple(_engaged(run, event.type, engagement.message_id) for run in profile.runs)
    if runs != profile.runs:
        profile = replace(profile, runs=runs)
    state = _REACTIONS.get(event.type)
    if state is not None and engagement.address is not None:
        act = Consent(
            channel=engagement.channel, state=state, at=engagement.at, source=event.type, address=engagement.address
        )
        profile = _consent(profile, event, act).profile
    return Absorbed(profile, (event,))


def _engaged(run: Run, kind: str, message: str) -> Run:
    step = next((step for step, planned in run.messages.items() if planned == message), None)
    if step is None:
        return run
    # Who clicks has seen the mail, also when the client blocked the pixel.
    if kind in ("email.opened", "email.clicked") and step not in run.opened:
        run = replace(run, opened=(*run.opened, step))
    if kind == "email.clicked" and step not in run.clicked:
        run = replace(run, clicked=(*run.clicked, step))
    return run

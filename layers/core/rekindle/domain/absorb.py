"""What an event changes in what is known of a customer, and what it therefore tells.

Facts about a resource are upserts by its id: a delivery that is older than what is known changes nothing and tells
nothing, and each moment of an order's life is told once, whichever delivery brought it first (DESIGN §2). So flows see
clean events however late, doubled or shuffled the shop's deliveries were.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Basket, Consent, ConsentState, Customer, Engagement, Order, Person
from rekindle.domain.profile import OrderMark, Profile, Run

#: A basket that nobody touched for so long is forgotten: a reminder would be nonsense, and the state stays small.
BASKET_LIFE = timedelta(days=60)
MAX_BASKETS = 8

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
    person = event.person
    if person is None or person == Person():
        return profile
    newer = profile.person_at is None or event.occurred_at >= profile.person_at
    merged = {}
    for name in Person.__struct_fields__:
        known, told = getattr(profile.person, name), getattr(person, name)
        merged[name] = (told or known) if newer else (known or told)
    at = event.occurred_at if newer else profile.person_at
    return replace(profile, person=Person(**merged), person_at=at)


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
        for name in ("cart_token", "checkout_token", "recovery_url", "currency", "created_at")
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
    stale = mark is not None and order.updated_at < mark.updated_at
    told_before = mark.events if mark else ()
    moments = _moments(order, told_before)
    placed = "order.placed" in moments
    if placed:
        profile = _complete_baskets(profile, order, now)
    placed_at = order.placed_at if placed else None
    updated = OrderMark(
        updated_at=order.updated_at if mark is None else max(order.updated_at, mark.updated_at),
        placed_at=(mark.placed_at if mark and mark.placed_at else placed_at),
        events=told_before + tuple(kind for kind in moments if kind not in told_before),
    )
    fresh = mark is None or (not stale and order.updated_at > mark.updated_at)
    if updated != mark:
        profile = replace(profile, orders={**profile.orders, order.id: updated})
    told = [
        replace(event, type=kind, occurred_at=at or event.occurred_at)
        for kind, at in moments.items()
        if kind not in told_before
    ]
    if fresh:
        told.append(replace(event, type="order.updated"))
    if not told:
        return Absorbed(profile, ignored="older than what is known" if stale else "already known")
    return Absorbed(profile, tuple(told))


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
    if order.refunded:
        moments["order.refunded"] = None
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
        created_at=known.created_at if known else None,
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
    consent = _as_early_as_its_box(profile, event, consent)
    key = f"{consent.channel}:{address}"
    known = profile.consent.get(key)
    if known is not None:
        if consent.state not in _EXPLICIT:
            return Absorbed(profile, ignored="not an act")
        if (consent.at, _CAUTION.index(consent.state)) <= (known.at, _CAUTION.index(known.state)):
            return Absorbed(profile, ignored="older than what is known")
    act = replace(consent, address=address, address_key=None)
    profile = replace(profile, consent={**profile.consent, key: act})
    if known is not None and known.state == act.state:
        return Absorbed(profile, ignored="already known")
    return Absorbed(profile, (replace(event, data=act),))


def _as_early_as_its_box(profile: Profile, event: Event, consent: Consent) -> Consent:
    """Date the tick that an order brings back to its checkout, where the box was ticked.

    Somebody may tick, get a reminder, unsubscribe, and still buy: the order's old tick must not undo the unsubscribe.
    """
    if consent.source != "order" or consent.state != "subscribed":
        return consent
    basket = _find_basket(profile, event.who.cart_token, event.who.checkout_token)
    if basket is None or basket.created_at is None or basket.created_at >= consent.at:
        return consent
    return replace(consent, at=basket.created_at)


def _customer(profile: Profile, event: Event, customer: Customer) -> Absorbed:
    if profile.customer_at is not None and customer.updated_at <= profile.customer_at:
        return Absorbed(profile, ignored="older than what is known")
    tags = profile.tags if customer.tags is None else customer.tags
    return Absorbed(replace(profile, customer_at=customer.updated_at, tags=tags), (event,))


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

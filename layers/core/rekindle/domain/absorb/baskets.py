"""Carts and checkouts: the newest state of each holds, and what has been ordered is a basket no longer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.events import Event
from rekindle.domain.facts import Basket, Order
from rekindle.domain.profile import Profile

#: A basket that nobody touched for so long is forgotten: a reminder would be nonsense, and the state stays small.
BASKET_LIFE = timedelta(days=60)
MAX_BASKETS = 8


def take_basket(profile: Profile, event: Event, basket: Basket, now: datetime) -> Absorbed:
    """Take a basket's state, if it is newer than what is known of it."""
    known = _find(profile, basket.cart_token, basket.checkout_token)
    if known is not None:
        if known.completed_at is not None and basket.completed_at is None:
            return Absorbed(profile, ignored="this basket has been ordered")
        if basket_age(basket) < basket_age(known):
            return Absorbed(_put(profile, fill(known, basket), now), ignored="older than what is known")
        basket = replace(fill(basket, known), id=known.id)
        if basket == known:
            return Absorbed(profile, ignored="already known")
    return Absorbed(_put(profile, basket, now), (replace(event, data=basket),))


def complete_baskets(profile: Profile, order: Order, now: datetime) -> Profile:
    """Remember that this order's basket is bought, also when the basket itself is yet to come."""
    token = order.cart_token or order.checkout_token
    if token is None:
        return profile
    known = _find(profile, order.cart_token, order.checkout_token)
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
    return _put(profile, bought, now)


def basket_age(basket: Basket) -> tuple[datetime, bytes]:
    """Return what to compare two states of one basket by: the greater one holds."""
    # Shops' clocks tick in seconds: of two states of one second, the same one must win in any order of arrival.
    return basket.updated_at, msgspec.json.encode((basket.items, basket.total, basket.completed_at))


def fill(newer: Basket, older: Basket) -> Basket:
    """Return `newer` with what only `older` knows: a cart has no recovery link, a checkout may lack the cart token."""
    gaps = {
        name: getattr(older, name)
        for name in ("cart_token", "checkout_token", "recovery_url", "currency")
        if getattr(newer, name) is None and getattr(older, name) is not None
    }
    return replace(newer, **gaps) if gaps else newer


def few_baskets(baskets: Mapping[str, Basket], spared: str = "") -> dict[str, Basket]:
    """Return at most `MAX_BASKETS` of these, the newest; `spared` in any case."""
    kept = dict(baskets)
    while len(kept) > MAX_BASKETS:
        del kept[min(kept.values(), key=lambda known: (known.id == spared, known.updated_at, known.id)).id]
    return kept


def _find(profile: Profile, cart_token: str | None, checkout_token: str | None) -> Basket | None:
    for basket in profile.baskets.values():
        if (cart_token and cart_token in (basket.cart_token, basket.id)) or (
            checkout_token and checkout_token in (basket.checkout_token, basket.id)
        ):
            return basket
    return None


def _put(profile: Profile, basket: Basket, now: datetime) -> Profile:
    kept = {known.id: known for known in profile.baskets.values() if known.updated_at > now - BASKET_LIFE}
    return replace(profile, baskets=few_baskets({**kept, basket.id: basket}, spared=basket.id))

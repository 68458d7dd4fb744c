"""Which products and categories somebody looked at lately: what mails show again, and whom a price that drops concerns.

Each counts as of when it was looked at, so it does not matter in which order, how late or how often that is heard of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.events import Event
from rekindle.domain.facts import Alert, Basket, Engagement, ProductChange, View
from rekindle.domain.profile import Interest, Profile

#: So many products are remembered of one person.
MAX_INTERESTS = 30
#: And so many categories.
MAX_BROWSED = 20
#: Of one basket no more than these, its first lines.
_OF_A_BASKET = 10
#: And so many of the latest changes that somebody was told of a product.
_TOLD = 6
#: News of a product → what somebody asks for who wants to be told.
_WANTED = {"product.price_dropped": "price", "product.back_in_stock": "stock"}


def with_interests(profile: Profile, event: Event, *, again: bool = False) -> Profile:
    """Return the profile with the products and categories that this event shows it to be interested in.

    `again`: it is a look that was told before, which has only lasted longer.
    """
    match event.data:
        case View(id=product, at=at, kind=kind):
            found = {product: Interest(at)} if event.type == "product.viewed" else {}
            if again and product in profile.interests:
                known = profile.interests[product]
                found = {product: replace(known, at=max(known.at, at))}
                profile = replace(profile, interests={**profile.interests, **found})
            browsed = {kind: at} if kind else {}
        case Engagement(kind=str(kind), at=at) if event.type.endswith(".clicked"):
            found, browsed = {}, {kind: at}
        case Basket(items=items, updated_at=at):
            products = [item.product_id for item in items if item.product_id][:_OF_A_BASKET]
            found, browsed = dict.fromkeys(products, Interest(at, "carted")), {}
        case _:
            return profile
    interests = few_interests(profile.interests, found) if found else profile.interests
    kinds = few_browsed(profile.browsed, browsed) if browsed else profile.browsed
    if interests == profile.interests and kinds == profile.browsed:
        return profile
    return replace(profile, interests=interests, browsed=kinds)


def few_browsed(one: Mapping[str, datetime], two: Mapping[str, datetime]) -> dict[str, datetime]:
    """Return the categories of both that were looked at last."""
    both = {kind: max(at for at in (one.get(kind), two.get(kind)) if at is not None) for kind in {*one, *two}}
    latest = sorted(both.items(), key=lambda pair: (pair[1], pair[0]), reverse=True)
    return dict(sorted(latest[:MAX_BROWSED]))


def few_interests(one: Mapping[str, Interest], two: Mapping[str, Interest]) -> dict[str, Interest]:
    """Return the latest of both. Who has put a product into a basket has not merely looked at it."""
    both = dict(one)
    for product, interest in two.items():
        known = both.get(product)
        both[product] = interest if known is None else _later(known, interest)
    # What somebody asked for stays, however much they look at.
    latest = sorted(both.items(), key=lambda pair: (bool(pair[1].asked), pair[1].at, pair[0]), reverse=True)
    return dict(sorted(latest[:MAX_INTERESTS]))


def take_alert(profile: Profile, event: Event, alert: Alert) -> Absorbed:
    """Take what somebody asked to be told of a product, or that they want to hear nothing of it any more."""
    known = profile.interests.get(alert.product_id)
    if known is not None and known.asked_at is not None and known.asked_at >= alert.at:
        return Absorbed(profile, ignored="older than what is known")
    seen = known or Interest(alert.at)
    # Noted anew: what was asked for stands on the product's list for longer than a look.
    noted = None if alert.wants else seen.noted
    mine = replace(seen, at=max(seen.at, alert.at), noted=noted, asked=tuple(alert.wants), asked_at=alert.at)
    return Absorbed(replace(profile, interests=few_interests(profile.interests, {alert.product_id: mine})), (event,))


def asked_again(interests: Mapping[str, Interest], news: Iterable[ProductChange]) -> dict[str, Interest]:
    """Return the interests of somebody whom this news was not told after all: what they asked for they still ask for.

    But for what they have taken back, or asked anew, since.
    """
    found = dict(interests)
    for change in news:
        known = found.get(change.product_id)
        wanted: Literal["price", "stock"] = "stock" if change.was is None else "price"
        if known is None or not change.asked or wanted in known.asked:
            continue
        if known.asked_at is None or known.asked_at <= change.at:
            found[change.product_id] = replace(known, asked=(*known.asked, wanted))
    return found


def without_alerts(interests: Mapping[str, Interest], at: datetime) -> dict[str, Interest]:
    """Return the interests of somebody who wants to hear of nothing any more."""
    return {
        product: replace(each, asked=(), asked_at=max(each.asked_at or at, at)) if each.asked else each
        for product, each in interests.items()
    }


def take_change(profile: Profile, event: Event, change: ProductChange) -> Absorbed:
    """Take a change of a product: each is told once, also to somebody who stood on its list under two names."""
    known = profile.interests.get(change.product_id)
    if known is None:
        return Absorbed(profile, (event,))
    mark = f"{event.type}@{change.at.isoformat()}"
    if mark in known.told:
        return Absorbed(profile, ignored="already known")
    wanted = _WANTED.get(event.type)
    asked = wanted in known.asked and (known.asked_at is None or known.asked_at <= change.at)
    known = replace(known, told=(*known.told, mark)[-_TOLD:])
    if asked:
        # Told once: then it is over.
        left = tuple(each for each in known.asked if each != wanted)
        known = replace(known, asked=left, asked_at=change.at)
        event = replace(event, data=replace(change, asked=True))
    return Absorbed(replace(profile, interests={**profile.interests, change.product_id: known}), (event,))


def _later(one: Interest, two: Interest) -> Interest:
    noted = max((at for at in (one.noted, two.noted) if at is not None), default=None)
    told = tuple(sorted({*one.told, *two.told}, key=lambda mark: mark.partition("@")[::-1])[-_TOLD:])
    latest, *others = sorted({at for at in (one.at, two.at, one.before, two.before) if at is not None}, reverse=True)
    how: Literal["viewed", "carted"] = "carted" if "carted" in (one.how, two.how) else "viewed"
    # Of two words about one product the later holds; of one moment that which asks for less.
    said = max((one, two), key=lambda each: (each.asked_at is not None, each.asked_at or each.at, -len(each.asked)))
    if one.asked != two.asked and said.asked and said.noted is None:
        noted = None
    return Interest(latest, how, noted, told, others[0] if others else None, said.asked, said.asked_at)

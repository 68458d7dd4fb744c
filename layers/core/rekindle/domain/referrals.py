"""Customers who send others: who counts as somebody else, and what is remembered of both. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rekindle.domain import ids
from rekindle.domain.events import Who
from rekindle.domain.facts import Address, Order
from rekindle.domain.profile import Profile

#: What `Order.referrer` says where the code is the buyer's own, under another name.
THEMSELVES = "themselves"
#: So many places and friends are remembered of one person.
MAX_PLACES, MAX_FRIENDS = 10, 500


def place_of(address: Address | None) -> str | None:
    """Return a digest of where an order goes: the same however it is written, for one door; `None` without a street."""
    if address is None or not address.line1:
        return None
    parts = (address.country, address.postcode, address.line1, address.line2)
    return ids.digest("place", *("".join(filter(str.isalnum, (part or "").casefold())) for part in parts))


def mailbox_of(email: str | None) -> str | None:
    """Return what of an address names its mailbox: without what follows a plus, and without dots at Google."""
    if email is None:
        return None
    local, _, domain = email.casefold().rpartition("@")
    local = local.partition("+")[0]
    if domain in {"gmail.com", "googlemail.com"}:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def one_person(buyer: Profile, order: Order, who: Who, aliases: Iterable[str], referrer: Profile) -> bool:
    """Whether buyer and referrer are one, as far as can be seen: one mailbox, phone, door, or one browser or cart.

    `who` and `aliases` are the contact points that came with the order, and the keys under which they are looked up:
    the buyer's profile, as it is stored, may not have them yet.
    """
    own = mailbox_of(referrer.email)
    return (
        buyer.id == referrer.id
        or (own is not None and own in {mailbox_of(buyer.email), mailbox_of(who.email)})
        or (referrer.phone is not None and referrer.phone in {buyer.phone, who.phone})
        or place_of(order.ship_to) in referrer.places
        or not {*buyer.aliases, *aliases}.isdisjoint(referrer.aliases)
    )


def with_place(profile: Profile, order: Order) -> tuple[str, ...]:
    """Return the places that are remembered of this person once this order is."""
    place = place_of(order.ship_to)
    if place is None or place in profile.places:
        return profile.places
    return (*profile.places, place)[-MAX_PLACES:]

"""Who sent whom: an order that used somebody else's code for friends names them, before it is applied (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Order
from rekindle.domain.referrals import THEMSELVES, one_person
from rekindle.service.people import Load, Share, code_keys, follow


def referred(share: Share, owners: Mapping[str, str], load: Load, key: bytes) -> Share:
    """Return the share with each order's referrer, where a code of theirs was used.

    One more profile is read for an order with such a code, and none for any other. `owners` is alias key → profile id.
    """
    events = tuple(_referred(event, share, owners, load, key) for event in share.events)
    return share if events == share.events else replace(share, events=events)


def _referred(event: Event, share: Share, owners: Mapping[str, str], load: Load, key: bytes) -> Event:
    order = event.data
    if not isinstance(order, Order):
        return event
    for owner in (owners[code] for code in code_keys(key, event) if code in owners):
        referrer = follow(load, owner)
        if referrer is None or referrer.shop != event.shop or referrer.id == share.profile.id:
            continue
        same = one_person(share.profile, order, event.who, (alias.key for alias in share.aliases), referrer)
        return replace(event, data=replace(order, referrer=THEMSELVES if same else referrer.id))
    return event

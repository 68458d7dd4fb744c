"""Accepting: one transaction, and only then a 2xx (DESIGN §6).

An unsubscribe, a complaint or a hard bounce writes its suppression in that same transaction: from then on no lease for
what it covers can be had, however long applying the event takes.
"""

from __future__ import annotations

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import INNER_EVENTS, Delivery, Event, Suppression
from rekindle.domain.facts import Consent, Engagement
from rekindle.ports import Accepting, Intake
from rekindle.service.people import ADDRESS_KINDS, address_hash, alias_keys


def accept(delivery: Delivery, intake: Intake, key: bytes) -> bool:
    """Store the delivery with what it forbids; return whether it was new. When this returns, nothing can be lost.

    Raises `MalformedBodyError` for an event that only the engine itself may tell: no way in leads past here.
    """
    ready = accepting(delivery, key)
    return intake.accept(delivery, ready.suppressions, ready.keys)


def accepting(delivery: Delivery, key: bytes) -> Accepting:
    """Return the delivery with what it forbids, ready to be accepted beside others. Raises as `accept` does."""
    for event in delivery.events:
        if event.type in INNER_EVENTS or (isinstance(event.data, Consent) and event.data.state == "suppressed"):
            raise MalformedBodyError(f"{event.type} is nothing that anybody may tell us")
    suppressions = [found for event in delivery.events if (found := suppression(event, key)) is not None]
    return Accepting(delivery=delivery, suppressions=suppressions, keys=alias_keys(key, delivery.events))


def suppression(event: Event, key: bytes) -> Suppression | None:
    """Return what this event forbids from now on, if anything.

    An unsubscribe and a complaint cover marketing; a hard bounce covers everything. What nobody signed forbids nothing:
    else anybody could silence an address.
    """
    data = event.data
    if not event.signed:
        return None
    if isinstance(data, Consent) and data.state in ("unsubscribed", "redacted", "invalid"):
        covers, reason = "marketing", "unsubscribed"
    elif isinstance(data, Engagement) and event.type == "email.complained":
        covers, reason = "marketing", "complained"
    elif isinstance(data, Engagement) and event.type in ("email.bounced", "sms.bounced"):
        covers, reason = "everything", "bounced"
    else:
        return None
    kind = ADDRESS_KINDS[data.channel]
    hashed = data.address_key
    if hashed is None:
        own = {"email": event.who.email, "phone": event.who.phone, "push": event.profile_id}.get(kind)
        address = (data.address if isinstance(data, Consent) else None) or own
        hashed = address_hash(key, kind, address) if address else None
    if hashed is None:
        return None
    return Suppression(
        shop=event.shop, channel=data.channel, address=hashed, covers=covers, reason=reason, since=event.occurred_at
    )

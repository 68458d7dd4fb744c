"""Unsubscribing, by one click in the mail client or by the page: the suppression and the event in one transaction."""

from __future__ import annotations

from typing import NamedTuple

from rekindle.content.links import Unsubscribe
from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Consent
from rekindle.ports import Clock, Intake
from rekindle.service.accept import accept


class Done(NamedTuple):
    """In which delivery it is told, and whether it is news."""

    delivery_id: str
    new: bool


def unsubscribe(claim: Unsubscribe, *, intake: Intake, clock: Clock, address_key: bytes, source: str) -> Done:
    """Take this address off marketing, now and for good. `source` says which way it came.

    Posting twice within a minute is once. The same link works again later, after somebody subscribed anew.
    """
    now = clock.now()
    minute = now.strftime("%Y-%m-%dT%H:%M")
    delivery = ids.digest("unsubscribe", claim.shop, claim.channel, claim.address, minute)
    event = Event(
        id=ids.digest("event", delivery, "0"),
        shop=claim.shop,
        type="consent.changed",
        occurred_at=now,
        received_at=now,
        profile_id=claim.profile,
        data=Consent(
            channel=claim.channel,  # type: ignore[arg-type]  # signed by us: one of our own channels
            state="unsubscribed",
            at=now,
            source=source,
            address_key=claim.address,
        ),
        message_id=claim.message or None,
    )
    news = Delivery(id=delivery, shop=claim.shop, source="link", topic="unsubscribe", received_at=now, events=(event,))
    return Done(delivery, new=accept(news, intake, address_key))

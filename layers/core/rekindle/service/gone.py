"""What a channel says of an address when it is asked to send: that it has opted out there, or is no more.

Accepted like anything that happens outside, under an id of its own: so it is heard once, however often it is told. Pure
code and ports only.
"""

from __future__ import annotations

from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Consent, PushSubscription
from rekindle.ports import Clock, Intake, Message
from rekindle.service.accept import accept


class Gone:
    """Hears it. Nothing but what the message's own record holds is needed, so whoever finds that can tell it again."""

    def __init__(self, *, intake: Intake, clock: Clock, address_key: bytes) -> None:
        self._intake = intake
        self._clock = clock
        self._key = address_key

    def hear(self, message: Message, address: str) -> None:
        """Accept that this address (`Message.gone`) takes nothing any more; raise where that cannot be stored now.

        It counts from the attempt, whenever it is heard: an address that was allowed again meanwhile stays so.
        """
        at = message.leased_at or self._clock.now()
        fact: Consent | PushSubscription = (
            PushSubscription(endpoint="", browser=address, at=at)
            if message.channel == "push"
            else Consent(channel="sms", state="unsubscribed", at=at, source="carrier", address_key=address)
        )
        delivery = ids.digest("gone", message.channel, message.id, address)
        event = Event(
            id=ids.digest("event", delivery, "0"),
            shop=message.shop,
            type="push.unsubscribed" if message.channel == "push" else "consent.changed",
            occurred_at=at,
            received_at=self._clock.now(),
            profile_id=message.profile_id,
            data=fact,
        )
        accept(
            Delivery(
                id=delivery,
                shop=message.shop,
                source=message.channel,
                topic="gone",
                received_at=event.received_at,
                events=(event,),
            ),
            self._intake,
            self._key,
        )

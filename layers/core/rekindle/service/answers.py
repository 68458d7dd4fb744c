"""What customers text back: STOP and START are acts of consent, and the rest is told to flows as `sms.received`."""

from __future__ import annotations

from collections.abc import Iterable

from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import Consent, ConsentState, TextReceived
from rekindle.flow.program import Shop
from rekindle.ports import Clock, Intake
from rekindle.service.accept import accept
from rekindle.service.phones import Incoming


def hear(text: Incoming, shops: Iterable[Shop], *, intake: Intake, clock: Clock, address_key: bytes) -> str:
    """Take a text; return what became of it, for the metrics. Safe to repeat.

    A text belongs to the shop whose number it came to. Where no shop claims the number, STOP is meant for all of them
    that text: better nothing from one shop too many than a text to somebody who wants none.
    """
    texting = [shop for shop in shops if "sms" in shop.channels]
    meant = [shop for shop in texting if text.to in shop.sms_numbers]
    if not meant and text.wish == "stop":
        meant = texting
    for shop in meant:
        accept(_delivery(text, shop.id, clock), intake, address_key)
    return text.wish if meant else "unclaimed"


def _delivery(text: Incoming, shop: str, clock: Clock) -> Delivery:
    now = clock.now()
    delivery = ids.digest("sms", "inbound", shop, text.id)
    data: Consent | TextReceived
    if text.wish == "other":
        kind, data = "sms.received", TextReceived(text=text.text, at=text.at)
    else:
        kind = "consent.changed"
        state: ConsentState = "unsubscribed" if text.wish == "stop" else "subscribed"
        data = Consent(channel="sms", state=state, at=text.at, source=f"sms:{text.wish}", address=text.sender)
    event = Event(
        id=ids.digest("event", delivery, "0"),
        shop=shop,
        type=kind,
        occurred_at=text.at,
        received_at=now,
        who=Who(phone=text.sender),
        data=data,
    )
    return Delivery(id=delivery, shop=shop, source="sms", topic=kind, received_at=now, events=(event,))

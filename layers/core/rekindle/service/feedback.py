"""What becomes of mails after SES took them: the message's record moves forward, people's acts become events.

Delivery notices touch only the message. The first open by a human and each distinct click, a hard bounce and a
complaint are accepted as deliveries of their own, the last two with their suppression, in one transaction (DESIGN §6).
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Engagement
from rekindle.ports import Clock, Intake, Message, MessageState, Outbox
from rekindle.service.accept import accept
from rekindle.service.deliver import FORWARD
from rekindle.service.guard import Guard
from rekindle.service.notices import Notice

_STATES: dict[str, MessageState] = {
    "sent": "sent",
    "delivered": "delivered",
    "opened": "delivered",
    "clicked": "delivered",
    "bounced": "bounced",
    "complained": "complained",
    "failed": "failed",
}
_EVENTS = {
    "opened": "email.opened",
    "clicked": "email.clicked",
    "bounced": "email.bounced",
    "complained": "email.complained",
}

_log = logging.getLogger(__name__)


#: SES did not even try, because the address had bounced before: that harms nobody's reputation.
_NOT_TRIED = "OnAccountSuppressionList"


def take(
    notice: Notice,
    *,
    outbox: Outbox,
    intake: Intake,
    clock: Clock,
    address_key: bytes,
    guard: Guard | None = None,
) -> str:
    """Do what a notice asks for; return what that was, for the metrics. Safe to repeat, in any order.

    The `guard` is told of each hard bounce and each complaint once: when it moves the message.
    """
    if notice.message_id is None:
        return "no_message"
    message = outbox.message(notice.message_id)
    if message is None:
        return "unknown_message"
    if notice.kind in ("bounced", "complained") and not notice.permanent:
        # A full mailbox, or somebody who took a complaint back: nothing follows from it.
        return "ignored"
    state = _STATES.get(notice.kind)
    if state is None:
        return "ignored"
    # The event first: if what follows fails, SES's repeat finds the same delivery id and goes on to the message.
    if notice.kind in _EVENTS and not notice.machine and message.to != "shop":
        accept(_delivery(notice, message, clock.now()), intake, address_key)
    moved = _move(message, notice, state, outbox)
    if guard is not None and moved and message.to != "shop" and state in ("bounced", "complained"):
        _warn(guard, message, notice, state)
    return notice.kind


def _warn(guard: Guard, message: Message, notice: Notice, state: Literal["bounced", "complained"]) -> None:
    if state == "bounced" and _NOT_TRIED in (notice.detail or ""):
        return
    pause = guard.heard(message.shop, state)
    if pause is not None:
        _log.warning("marketing paused", extra={"shop": pause.shop, "why": pause.why})


def _move(message: Message, notice: Notice, state: MessageState, outbox: Outbox) -> bool:
    """Write what the notice says of the message; return whether that brought it to `state`."""
    told = replace(message, vendor_id=message.vendor_id or notice.vendor_id)
    if message.state in FORWARD[state]:
        told = replace(told, state=state, at=notice.at, why=notice.detail or message.why)
    if not notice.machine:
        if notice.kind in ("opened", "clicked") and message.opened_at is None:
            told = replace(told, opened_at=notice.at)
        if notice.kind == "clicked" and notice.link and notice.link not in message.links:
            told = replace(told, links=(*message.links, notice.link))
    # On condition of the state just read: who changed it meanwhile is nearer to the truth, and SES tells again.
    written = told != message and outbox.progress(told, (message.state,))
    return written and told.state != message.state


def _delivery(notice: Notice, message: Message, now: datetime) -> Delivery:
    kind = _EVENTS[notice.kind]
    parts = [kind, message.id, *([notice.link or ""] if notice.kind == "clicked" else [])]
    delivery = ids.digest("feedback", *parts)
    event = Event(
        id=ids.digest("event", delivery, "0"),
        shop=message.shop,
        type=kind,
        occurred_at=notice.at,
        received_at=now,
        profile_id=message.profile_id,
        data=Engagement(
            message_id=message.id, at=notice.at, address_key=message.address, link=notice.link, detail=notice.detail
        ),
    )
    return Delivery(id=delivery, shop=message.shop, source="ses", topic=kind, received_at=now, events=(event,))

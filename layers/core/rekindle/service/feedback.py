"""What becomes of messages after they went out: the message's record moves forward, people's acts become events.

Delivery notices touch only the message. The first open by a human and each distinct click, a hard bounce and a
complaint are accepted as deliveries of their own, the last two with their suppression, in one transaction (DESIGN §6).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import ConflictError
from rekindle.domain.events import EVENT_TYPES, Delivery, Event
from rekindle.domain.facts import Engagement
from rekindle.flow.program import Shop
from rekindle.ports import Clock, Intake, Message, MessageState, Outbox, label_of
from rekindle.service.accept import accept
from rekindle.service.answers import hear
from rekindle.service.deliver import FORWARD
from rekindle.service.guard import Guard
from rekindle.service.notices import Notice
from rekindle.service.phones import Incoming

_STATES: dict[str, MessageState] = {
    "sent": "sent",
    # SES took it and tries again: of what was taken we are not told by itself (template.yaml)
    "delayed": "sent",
    "delivered": "delivered",
    "opened": "delivered",
    "clicked": "delivered",
    "bounced": "bounced",
    "complained": "complained",
    "failed": "failed",
}
#: Those that are told to flows, each as an event of its channel: `email.opened`, `sms.clicked`.
_HEARD = frozenset({"opened", "clicked", "bounced", "complained"})

_TRIES = 4
#: A link of ours in a mail (`content.tracker`).
_OURS = re.compile(r"/c/[\w-]+\.[\w-]{22}\.[\w-]{16}/\d+\Z")

_log = logging.getLogger(__name__)


#: SES did not even try, because of what the address had done before: that harms nobody's reputation.
_NOT_TRIED = "OnAccountSuppressionList"


def take_any(
    found: Notice | Incoming,
    *,
    outbox: Outbox,
    intake: Intake,
    clock: Clock,
    address_key: bytes,
    guard: Guard | None,
    shops: Callable[[], Iterable[Shop]],
) -> str:
    """Take a notice, or a text that somebody sent to one of the `shops`; return what became of it."""
    if isinstance(found, Incoming):
        return hear(found, shops(), intake=intake, clock=clock, address_key=address_key)
    return take(found, outbox=outbox, intake=intake, clock=clock, address_key=address_key, guard=guard)


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
    if notice.kind == "clicked" and _OURS.search(notice.link or ""):
        # SES counts a link of ours, where somebody has it do that: it is told of when it leads on (`reactions`).
        return "ignored"
    return act(notice, message, outbox=outbox, intake=intake, clock=clock, address_key=address_key, guard=guard)


def act(
    notice: Notice,
    message: Message,
    *,
    outbox: Outbox,
    intake: Intake,
    clock: Clock,
    address_key: bytes,
    guard: Guard | None = None,
) -> str:
    """Do what a notice of this message asks for, as `take` does. `message` is as it was just read."""
    if notice.kind in ("bounced", "complained") and not notice.permanent:
        # A full mailbox, or somebody who took a complaint back: all that follows is that SES had taken the mail.
        _move(message, notice, "sent", outbox)
        return "ignored"
    state = _STATES.get(notice.kind)
    if state is None:
        return "ignored"
    # The event first: if what follows fails, SES's repeat finds the same delivery id and goes on to the message.
    if _event_type(notice, message) in EVENT_TYPES and not notice.machine and message.to != "shop":
        accept(_delivery(notice, message, clock.now()), intake, address_key)
    moved = _move(message, notice, state, outbox)
    if guard is not None and moved and _counts(message) and state in ("bounced", "complained"):
        _warn(guard, message, notice, state)
    return notice.kind


def _counts(message: Message) -> bool:
    """Whether what becomes of it says something about the shop's mails: its own people's say nothing, nor do texts.

    Nor does a mail to an address that anybody can have typed: else anybody could pause the shop.
    """
    return message.channel == "email" and message.to == ""


def _warn(guard: Guard, message: Message, notice: Notice, state: Literal["bounced", "complained"]) -> None:
    if _NOT_TRIED in (notice.detail or ""):
        return
    pause = guard.heard(message.shop, state)
    if pause is not None:
        _log.warning("marketing paused", extra={"shop": pause.shop, "why": pause.why})


def _move(message: Message, notice: Notice, state: MessageState, outbox: Outbox) -> bool:
    """Write what the notice says of the message; return whether that brought it to `state`.

    On condition of the state that was read: who changed it meanwhile is nearer to the truth, and is asked again.
    """
    for _ in range(_TRIES):
        told = _told(message, notice, state)
        if told == message:
            return False
        if outbox.progress(told, (message.state,)):
            return told.state != message.state
        fresh = outbox.message(message.id)
        if fresh is None:
            return False
        message = fresh
    raise ConflictError(f"message {message.id}: others kept moving it on")


def _told(message: Message, notice: Notice, state: MessageState) -> Message:
    """Return the message with what the notice says."""
    told = replace(message, vendor_id=message.vendor_id or notice.vendor_id)
    if message.state in FORWARD[state]:
        # Whoever opens it got it some time before: when, only a notice of the delivery says.
        at = message.at if notice.kind in ("opened", "clicked") else None
        told = replace(told, state=state, at=at or notice.at, why=notice.detail or message.why)
    if notice.machine:
        # Kept apart, for the figures: nobody has done anything.
        if notice.kind == "opened" and message.machine_opened_at is None:
            told = replace(told, machine_opened_at=notice.at)
        if notice.kind == "clicked" and message.machine_clicked_at is None:
            told = replace(told, machine_clicked_at=notice.at)
    else:
        if notice.kind in ("opened", "clicked") and message.opened_at is None:
            told = replace(told, opened_at=notice.at)
        if notice.kind == "clicked" and notice.link and notice.link not in message.links:
            told = replace(told, links=(*message.links, notice.link))
    return told


def _event_type(notice: Notice, message: Message) -> str:
    return f"{message.channel}.{notice.kind}" if notice.kind in _HEARD else ""


def _delivery(notice: Notice, message: Message, now: datetime) -> Delivery:
    kind = _event_type(notice, message)
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
            message_id=message.id,
            at=notice.at,
            channel=message.channel,  # type: ignore[arg-type]  # one of our own: nothing is told of an audience
            address_key=message.address,
            link=notice.link,
            kind=notice.about or None,
            detail=notice.detail,
        ),
        label=label_of(message) if message.category == "marketing" else None,
    )
    source = "ses" if message.channel == "email" else message.channel
    return Delivery(id=delivery, shop=message.shop, source=source, topic=kind, received_at=now, events=(event,))

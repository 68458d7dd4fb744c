"""What was done with a message, decided on: did a human do it? Then it is an event; else it is a figure, kept apart."""

from __future__ import annotations

from datetime import datetime

from rekindle.ports import Clock, Intake, Message, Outbox, Reaction, parted, read_hit
from rekindle.service.feedback import act
from rekindle.service.machines import swept, too_soon
from rekindle.service.notices import Notice


def take(reaction: Reaction, *, outbox: Outbox, intake: Intake, clock: Clock, address_key: bytes) -> str:
    """Decide whether a human did it, and do what follows (`rekindle.service.feedback`). Safe to repeat, in any order.

    Returns what was done, for the metrics: `opened`, `clicked`, or `machine` and why.
    """
    message = outbox.message(reaction.message_id)
    if message is None:
        return "unknown_message"
    if reaction.kind == "clicked" and reaction.index >= len(message.targets):
        return "unknown_link"
    why = reaction.machine or _timing(message, reaction.at)
    link, about = parted(message.targets[reaction.index]) if reaction.kind == "clicked" else (None, "")
    notice = Notice(
        kind=reaction.kind,
        message_id=message.id,
        vendor_id=message.vendor_id or "",
        at=reaction.at,
        machine=bool(why),
        link=link,
        about=about,
    )
    act(notice, message, outbox=outbox, intake=intake, clock=clock, address_key=address_key)
    return f"machine {why}" if why else reaction.kind


def _timing(message: Message, at: datetime) -> str:
    if too_soon(at, message.leased_at):
        return "too soon"
    return "sweep" if swept(at, map(read_hit, message.hits)) else ""

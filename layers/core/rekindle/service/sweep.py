"""Waking what nothing else woke: overdue deadlines, pending items left behind, messages whose outcome nobody knows.

It reads sparse indexes only, marks nothing on profiles and may run twice at once. What stays overdue is woken ever more
rarely: after an hour hourly, after a day daily, so that one profile that cannot be advanced does not cost for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from rekindle.ports import REPEATABLE, Clock, Outbox, Pending, State, Wake, WakeQueue

#: How often the sweep runs (template.yaml); the windows of what is long overdue are this wide.
EVERY = timedelta(minutes=5)
OVERDUE = timedelta(minutes=2)
#: A pending item is tried again when it is so old, then twice, four, eight and sixteen times as old: an outage of two
#: hours heals by itself.
PENDING_FOR = timedelta(minutes=10)
MAX_TRIES = 5
#: So long what may be asked again stays on its queue; after that nobody will.
_ASKED_AGAIN = timedelta(days=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_LIMIT = 5_000
#: So many are looked at: those whose turn it is not must not stand in the way of the others.
_LOOKED_AT = 50_000


class Swept(Struct, frozen=True):
    """What one sweep found: each a count, for the metrics of the same names."""

    woken: int = 0
    redriven: int = 0
    stuck: int = 0
    """pending items that were tried too often: they wait for `redrive`"""
    unknown: int = 0
    """messages whose outcome is not known"""


def sweep(*, state: State, queue: WakeQueue, outbox: Outbox, clock: Clock, lease_life: timedelta) -> Swept:
    """Wake what is overdue. `lease_life` is how long a lease may be open: twice `send`'s time-out (DESIGN §6)."""
    now = clock.now()
    due = [
        Wake(profile_id=profile, due=deadline)
        for profile, deadline in state.overdue(now - OVERDUE, _LOOKED_AT)
        if _is_turn(now - deadline)
    ][:_LIMIT]
    if due:
        queue.wake(due)
    redriven: list[Wake] = []
    stuck = 0
    for pending in state.stale_pending(now - PENDING_FOR, _LOOKED_AT):
        if now < next_try(pending) or len(redriven) == _LIMIT:
            continue
        if pending.tries >= MAX_TRIES:
            stuck += 1
        elif state.count_try(pending.id):
            redriven.append(Wake(pending_id=pending.id))
    if redriven:
        queue.wake(redriven)
    return Swept(len(due), len(redriven), stuck, _close_leases(outbox, now, lease_life))


def next_try(pending: Pending) -> datetime:
    """Return from when on the sweep drives this item again, or finds that it is stuck."""
    if pending.accepted_at is None:
        return datetime.min.replace(tzinfo=UTC)
    doublings = pending.tries if pending.tries < MAX_TRIES else 0
    return pending.accepted_at + PENDING_FOR * (1 << doublings)


def _is_turn(overdue: timedelta) -> bool:
    if overdue < _HOUR:
        return True
    return overdue % (_HOUR if overdue < _DAY else _DAY) < EVERY


def _close_leases(outbox: Outbox, now: datetime, lease_life: timedelta) -> int:
    """Call leases unknown whose holder must be dead; return how many messages are unknown now."""
    unknown = 0
    for message in outbox.open_messages(now - lease_life, _LIMIT):
        if message.channel in REPEATABLE and message.leased_at is not None and now - message.leased_at < _ASKED_AGAIN:
            continue
        if message.state == "leased":
            lost = replace(message, state="unknown", why="the worker that held the lease never came back", at=now)
            unknown += outbox.progress(lost, ("leased",))
        else:
            unknown += 1
    return unknown

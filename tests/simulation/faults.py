"""What can go wrong at each port call and on each road, and how it looks to the worker that made the call.

A write whose answer is lost raises what the AWS adapter raises there: `AnswerLostError` from DynamoDB's writes, else
botocore's own error, for which `InfrastructureError` stands here.
"""

from __future__ import annotations

from rekindle.domain.errors import (
    AnswerLostError,
    ConflictError,
    MailRefusedError,
    MailUncertainError,
    NotQueuedError,
    ShopRefusedError,
    ShopRejectedError,
    ShopUncertainError,
)


class InfrastructureError(Exception):
    """As botocore's errors: it says nothing about what the call was for."""


#: The process dies before the request goes out; after it was carried out; with the request still under way.
CRASHES = ("crash_before", "crash_after", "crash_late")
#: The answer does not come, and the request was carried out; was not; will be, later.
LOSSES = ("lost", "time_out", "late")
#: These make the worker, or what it asked for, wait for so many seconds.
TIMED = frozenset({"slow_before", "slow_after", "late", "crash_late"})

_READ = ("crash_before", "time_out", "throttle", "slow_before", "slow_after")
_WRITE = (*CRASHES, *LOSSES, "throttle", "slow_before", "slow_after")
#: botocore tries again by itself after a lost answer; a transaction carries a token that makes that harmless.
_UPDATE = (*_WRITE, "repeat")
_TRANSACTION = (*_WRITE, "conflict")
_QUEUE = (*_UPDATE, "partial")
#: What a shop's API may say that is asked what it has.
_OF_AN_API = (*_READ[:2], "throttled", "not_connected", "not_allowed", "reject", *_READ[3:])

#: Port call → what can happen at it. Every call that a function makes stands here.
CALL_FAULTS: dict[str, tuple[str, ...]] = {
    "intake.accept": _TRANSACTION,
    "intake.known": _READ,
    "bulk.accept_all": (*_WRITE, "partial"),
    "bulk.waiting": _READ,
    "state.pending": _READ,
    "state.work": _READ,
    "state.profile": _READ,
    "state.messages": _READ,
    "state.overdue": _READ,
    "state.stale_pending": _READ,
    "state.split": _TRANSACTION,
    "state.commit": _TRANSACTION,
    "state.lift": _UPDATE,
    "state.share_address": _UPDATE,
    "state.count_try": _UPDATE,
    "alarms.ring": _UPDATE,
    "alarms.wake": _QUEUE,
    "alarms.backlog": _READ,
    "sending.waiting": _READ,
    "everybody.profile_ids": _READ,
    "fanout.ask": _QUEUE,
    "queues.enqueue": _QUEUE,
    "queues.look_again": ("crash_before", "crash_after", "lost", "time_out", "throttle"),
    "privacy.ask": _QUEUE,
    "catalogue.ask": _QUEUE,
    "results.add": _TRANSACTION,
    "shelves.shelved": _READ,
    "shelves.count": _TRANSACTION,
    "shelves.put_shelf": _UPDATE,
    "outbox.read": _READ,
    "outbox.message": _READ,
    "outbox.owners": _READ,
    "outbox.open_messages": _READ,
    "outbox.lease": _TRANSACTION,
    "outbox.record": _UPDATE,
    "outbox.progress": _UPDATE,
    # SES gets one attempt: nothing repeats it, and what it answers is told apart.
    "mailer.send": (
        *CRASHES,
        *LOSSES,
        "slow_before",
        "slow_after",
        "throttled",
        "quota",
        "paused",
        "not_connected",
        "reject",
    ),
    # Phone networks get one too.
    "texter.send": (
        *CRASHES,
        *LOSSES,
        "slow_before",
        "slow_after",
        "throttled",
        "quota",
        "not_connected",
        "reject",
        "gone",
    ),
    # And so does each push service.
    "pusher.send": (
        *CRASHES,
        *LOSSES,
        "slow_before",
        "slow_after",
        "throttled",
        "not_connected",
        "not_allowed",
        "reject",
        "gone",
    ),
    # What an ads network does is the same done twice; but what it is asked it does at once, or never.
    "audiences.change": (
        "crash_before",
        "crash_after",
        "lost",
        "time_out",
        "slow_before",
        "slow_after",
        "throttled",
        "not_connected",
        "not_allowed",
    ),
    # A shop's API may do late what nobody waits for any more.
    "codes.make": (
        *CRASHES,
        *LOSSES,
        "slow_before",
        "slow_after",
        "throttled",
        "not_connected",
        "not_allowed",
        "reject",
    ),
    "mint.enqueue": _QUEUE,
    "coupons.read": _READ,
    "coupons.claim": _UPDATE,
    "coupons.made": _UPDATE,
    "coupons.withdraw": _UPDATE,
    "coupons.give": _TRANSACTION,
    "coupons.given": _READ,
    "coupons.stock": _READ,
    "coupons.put_stock": _UPDATE,
    "coupons.count": _UPDATE,
    "coupons.advance": _UPDATE,
    "lists.changed": _OF_AN_API,
    "lists.read": _OF_AN_API,
    "lists.hooks": _OF_AN_API,
    "interests.interested": _READ,
    "known.people": _READ,
    "known.products": _READ,
    "reactions.put": _UPDATE,
    "outbox.note_hit": _UPDATE,
    "desk.profile": _READ,
    "desk.refused": _READ,
    "limits.take": _UPDATE,
    "secrets.link_keys": _READ,
    "secrets.address_key": _READ,
    "secrets.shop": _READ,
    "counters.count": _UPDATE,
    "counters.tallies": _READ,
    "counters.pauses": _READ,
    "counters.pause": _UPDATE,
    "counters.told": _UPDATE,
    "counters.resume": _UPDATE,
    "blobs.get": _READ,
    "blobs.tagged": _READ,
    "blobs.listing": _READ,
    "blobs.following": _READ,
    "blobs.put": _UPDATE,
    "blobs.swap": _UPDATE,
    "raw.get": _READ,
    "raw.put": _UPDATE,
    "vault.owners": _READ,
    "vault.point": _UPDATE,
    "vault.profiles": _READ,
    "vault.bury": _UPDATE,
    "vault.suppress": _UPDATE,
    "vault.delivery": _READ,
    "vault.strip": _UPDATE,
    "vault.waiting": _READ,
    "vault.drop": _UPDATE,
    "vault.ledger": _READ,
    "vault.forget_ledger": _UPDATE,
    "vault.messages": _READ,
    "vault.forget_messages": _UPDATE,
    "vault.forget_files": _UPDATE,
    "vault.coupons": _READ,
    "vault.forget_coupons": _UPDATE,
    "vault.interests": _READ,
    "vault.forget_interests": _UPDATE,
}

#: Port calls of those functions that no simulated story leads to, and why.
NOT_SIMULATED = {
    "blobs.list": "tools",
    "everybody.people": "tools",
    "raw.listing": "tools",
    "outbox.products": "mails are not built",
    "raw.following": "nobody calls it",
    "raw.list": "nobody calls it",
    "results.figures": "tools",
    "secrets.push_secret": "push messages are not built",
    "raw.swap": "a shop's departure",
    "raw.tagged": "a shop's departure",
    "shelves.stock": "no story tells of a variant",
    "state.heard": "no condition asks for the past",
    "state.reset_tries": "an operator's redrive, which is done by hand here",
    "vault.disconnect": "a shop's departure",
    "vault.purge": "a shop's departure",
    "vault.suppressions": "an export",
}

#: Road → what can happen to what travels on it. SQS loses nothing; a schedule or a wake that is lost, the sweep finds
#: (only what everybody is woken for must come: it is late instead).
ROAD_FAULTS: dict[str, tuple[str, ...]] = {
    "shop": ("twice", "delayed"),
    "stream": ("twice", "delayed", "lost"),
    "wake": ("twice", "delayed", "lost"),
    "transactional": ("twice", "delayed"),
    "marketing": ("twice", "delayed"),
    "transactional mint": ("twice", "delayed"),
    "marketing mint": ("twice", "delayed"),
    "tasks": ("twice", "delayed"),
    "catalogue": ("twice", "delayed"),
    "results": ("twice", "delayed"),
    "fanout": ("twice", "delayed"),
    "minute": ("twice", "lost"),
    "look": ("twice", "lost"),
    "reactions": ("twice", "delayed"),
    "visitor": ("twice", "delayed"),
    "schedule": ("twice", "delayed", "lost", "lingers"),
    "notice": ("twice", "delayed", "lost"),
    "sweep": ("twice", "lost"),
}

#: How long things take that take long. A worker is killed by its function's time-out, so it is slow for less.
SECONDS: dict[str, tuple[int, ...]] = {
    "slow_before": (1, 5, 20, 50),
    "slow_after": (1, 5, 20, 50),
    "late": (0, 1, 30),
    "crash_late": (0, 1, 30),
    "delayed": (1, 30, 400, 1200),
    "twice": (0, 1, 100, 1200),
}

#: What is attempted once: whatever is not heard of may have gone out.
ATTEMPTS = frozenset({"mailer.send", "texter.send", "pusher.send"})

_ANSWERED = ("intake.", "state.", "outbox.", "counters.", "shelves.", "results.", "coupons.")
_READS = {place for place, kinds in CALL_FAULTS.items() if kinds == _READ}


def error_of(place: str, kind: str) -> Exception:
    """Return what the caller sees."""
    if place in ATTEMPTS:
        return MailUncertainError(f"{kind}, as told")
    if place == "audiences.change":
        return MailRefusedError("uncertain", 60)
    if place.startswith(("codes.", "lists.")):
        return _of_a_shop(kind)
    if kind == "conflict":
        return ConflictError("as told")
    if kind == "partial":
        return NotQueuedError("as told")
    if kind != "throttle" and place.startswith(_ANSWERED) and place not in _READS:
        return AnswerLostError(f"{kind}, as told")
    return InfrastructureError(f"{kind}, as told")


def _of_a_shop(kind: str) -> Exception:
    if kind in ("throttled", "not_connected", "not_allowed"):
        return ShopRefusedError(kind, "as told")
    return ShopRejectedError("as told") if kind == "reject" else ShopUncertainError(f"{kind}, as told")

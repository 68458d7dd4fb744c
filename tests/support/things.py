"""The smallest deliveries, profiles and messages for tests of the ports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event, Suppression, Who
from rekindle.domain.facts import Other
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Profile
from rekindle.ports import Lease, Message, Pending
from tests.support.worlds import START

ANNA = ids.digest("anna")
"""A profile id."""
MAIL = ids.digest("mail")
"""A message id."""


def an_event(name: str = "e1", **more: Any) -> Event:
    """Return an event about nothing in particular."""
    return Event(
        id=ids.digest(name),
        shop="tea",
        type="delivery.unknown",
        occurred_at=START,
        received_at=START,
        data=Other(topic="anything"),
        who=Who(email="anna@example.com"),
        **more,
    )


def a_delivery(name: str = "d1", **more: Any) -> Delivery:
    """Return a delivery with one event and a body."""
    more.setdefault("events", (an_event(name),))
    more.setdefault("body", b'{"id": 1}')
    more.setdefault("received_at", START)
    return Delivery(id=ids.digest(name), shop="tea", source="shopify", topic="carts/update", **more)


def a_pending(name: str = "d1", **more: Any) -> Pending:
    """Return the pending item that accepting `a_delivery(name)` leaves."""
    key = ids.digest(name)
    return Pending(id=key, delivery_id=key, shop="tea", accepted_at=START, **more)


def a_profile(version: int = 1, profile_id: str = ANNA, **more: Any) -> Profile:
    """Return a profile with an address."""
    more.setdefault("email", "anna@example.com")
    return Profile(id=profile_id, shop="tea", version=version, **more)


def a_decision(what: str = "entered", at: datetime = START) -> Decision:
    """Return a line for the ledger."""
    return Decision(at=at, what=what, rule="trigger", values={"total": 12})


def a_refusal(since: datetime = START, covers: str = "marketing", reason: str = "unsubscribed") -> Suppression:
    """Return a suppression of the address `a1`."""
    return Suppression(shop="tea", channel="email", address="a1", covers=covers, reason=reason, since=since)


def a_message(state: Any = "leased", message_id: str = MAIL, **more: Any) -> Message:
    """Return a message to the address `a1`, under the token `t1` while it is leased."""
    more.setdefault("token", "t1")
    more.setdefault("leased_at", START)
    more.setdefault("profile_id", ANNA)
    return Message(id=message_id, shop="tea", state=state, address="a1", **more)


def a_lease(token: str = "t1", version: int = 1, covers: tuple[str, ...] = ("everything", "marketing")) -> Lease:
    """Return a request for the lease of `MAIL`."""
    return Lease(message=a_message(token=token), profile_id=ANNA, profile_version=version, covers=covers)

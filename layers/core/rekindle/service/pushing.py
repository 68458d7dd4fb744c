"""Push messages, ready to go: what `Deliver` does on the channel push (DESIGN §6, Sending).

One message goes to every browser in which the person allowed push, each tried once under the one lease. It is sent
where any browser's service took it; what a service did with the others is theirs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from rekindle.domain import ids
from rekindle.domain.errors import (
    AddressGoneError,
    ContentError,
    MailRefusedError,
    MailRejectedError,
    MailUncertainError,
)
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import PushSubscription
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.domain.push import browser_key
from rekindle.ports import Clock, Intake, Pusher, PushMessage
from rekindle.service.accept import accept
from rekindle.service.deliver import Attempt

#: After so many services that gave no clear answer the others are left alone: a batch waits behind them.
_PATIENCE = 2


class PushBuilder(Protocol):
    """Makes push messages."""

    def push(
        self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime
    ) -> tuple[tuple[PushMessage, ...], tuple[str, ...]]:
        """Return the message for each of the person's browsers, the one heard of last first, and where links lead.

        Raises `ContentError` when it cannot be made.
        """
        ...


class Pushing:
    """A `Ready` for push. A browser that is gone is heard of, and so forgotten."""

    def __init__(
        self, *, pusher: Pusher, builder: PushBuilder, intake: Intake, clock: Clock, address_key: bytes
    ) -> None:
        self._pusher = pusher
        self._builder = builder
        self._intake = intake
        self._clock = clock
        self._key = address_key

    def __call__(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Attempt:
        """Make the message ready. Its address is the person: a refusal of push covers all their browsers."""
        pushes, targets = self._builder.push(message_id, profile, planned, run, self._clock.now())
        if not pushes:
            raise ContentError("there is no browser to push to")
        return Attempt(profile.id, partial(self._send, pushes, profile), targets)

    def _send(self, pushes: Sequence[PushMessage], profile: Profile) -> str:
        taken: list[str] = []
        refused: list[MailRefusedError] = []
        rejected: list[MailRejectedError] = []
        uncertain: list[MailUncertainError] = []
        for push in pushes:
            if len(uncertain) >= _PATIENCE:
                break
            try:
                taken.append(self._pusher.send(push))
            except AddressGoneError as gone:
                accept(self._gone(push, profile), self._intake, self._key)
                rejected.append(gone)
            except MailRefusedError as error:
                refused.append(error)
            except MailRejectedError as error:
                rejected.append(error)
            except MailUncertainError as error:
                uncertain.append(error)
        if taken:
            return taken[0]
        # What may have arrived is never sent again, whatever the other services would still take.
        raise next(iter((*uncertain, *refused, *rejected)))

    def _gone(self, push: PushMessage, profile: Profile) -> Delivery:
        now = self._clock.now()
        delivery = ids.digest("push", "gone", profile.shop, browser_key(push.browser.endpoint), push.message_id)
        event = Event(
            id=ids.digest("event", delivery, "0"),
            shop=profile.shop,
            type="push.unsubscribed",
            occurred_at=now,
            received_at=now,
            profile_id=profile.id,
            data=PushSubscription(endpoint=push.browser.endpoint, at=now),
        )
        return Delivery(
            id=delivery, shop=profile.shop, source="push", topic="push.unsubscribed", received_at=now, events=(event,)
        )

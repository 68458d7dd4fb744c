"""Text messages, ready to go: what `Deliver` does on the channel SMS (DESIGN §6, Sending)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Protocol

from rekindle.domain import ids
from rekindle.domain.errors import AddressGoneError
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Consent
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.ports import Clock, Intake, Texter, TextMessage
from rekindle.service.accept import accept
from rekindle.service.deliver import Attempt


class TextBuilder(Protocol):
    """Makes text messages."""

    def text(self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime) -> TextMessage:
        """Return the text message that is planned. Raises `ContentError` when it cannot be made."""
        ...


class Texting:
    """A `Ready` for SMS. A number that has opted out at its carrier is heard as an opt-out by its owner."""

    def __init__(
        self, *, texter: Texter, builder: TextBuilder, intake: Intake, clock: Clock, address_key: bytes
    ) -> None:
        self._texter = texter
        self._builder = builder
        self._intake = intake
        self._clock = clock
        self._key = address_key

    def __call__(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Attempt:
        """Make the message ready. Raises `ContentError`."""
        text = self._builder.text(message_id, profile, planned, run, self._clock.now())
        return Attempt(text.to, partial(self._send, text, profile.id), text.targets)

    def _send(self, text: TextMessage, profile_id: str) -> str:
        try:
            return self._texter.send(text)
        except AddressGoneError:
            # Heard first: if recording the outcome fails, the message is `unknown` and the opt-out is safe.
            accept(self._opted_out(text, profile_id), self._intake, self._key)
            raise

    def _opted_out(self, text: TextMessage, profile_id: str) -> Delivery:
        now = self._clock.now()
        delivery = ids.digest("sms", "opted out", text.message_id)
        event = Event(
            id=ids.digest("event", delivery, "0"),
            shop=text.shop,
            type="consent.changed",
            occurred_at=now,
            received_at=now,
            profile_id=profile_id,
            data=Consent(channel="sms", state="unsubscribed", at=now, source="carrier", address=text.to),
        )
        return Delivery(id=delivery, shop=text.shop, source="sms", topic="opted out", received_at=now, events=(event,))

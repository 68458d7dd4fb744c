"""Text messages, ready to go: what `Deliver` does on the channel SMS (DESIGN §6, Sending)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Protocol

from rekindle.domain.profile import Planned, Profile, Run
from rekindle.ports import Clock, Texter, TextMessage
from rekindle.service.deliver import Attempt


class TextBuilder(Protocol):
    """Makes text messages."""

    def text(self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime) -> TextMessage:
        """Return the text message that is planned. Raises `ContentError` when it cannot be made."""
        ...


class Texting:
    """A `Ready` for SMS."""

    def __init__(self, *, texter: Texter, builder: TextBuilder, clock: Clock) -> None:
        self._texter = texter
        self._builder = builder
        self._clock = clock

    def __call__(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Attempt:
        """Make the message ready. Raises `ContentError`."""
        text = self._builder.text(message_id, profile, planned, run, self._clock.now())
        return Attempt(text.to, partial(self._texter.send, text), text.targets)

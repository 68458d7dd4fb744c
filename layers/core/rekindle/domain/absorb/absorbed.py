"""What taking in an event gives."""

from __future__ import annotations

from msgspec import Struct

from rekindle.domain.events import Event
from rekindle.domain.profile import Profile


class Absorbed(Struct, frozen=True):
    """The profile with the event's facts in it, the events that this told, and why it told nothing where it did not."""

    profile: Profile
    told: tuple[Event, ...] = ()
    ignored: str | None = None

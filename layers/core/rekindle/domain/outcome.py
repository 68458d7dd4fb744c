"""What `advance` returns: the new profile, what the shell must do, and why it was decided so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from rekindle.domain.facts import Referral
from rekindle.domain.profile import Category, Profile
from rekindle.domain.results import Count


class RingAt(Struct, frozen=True):
    """Effect: wake this profile at `at` (UTC), not before."""

    at: datetime


class Enqueue(Struct, frozen=True):
    """Effect: put the message, which the new profile holds as planned, on its category's send queue."""

    message_id: str
    category: Category


class LiftSuppression(Struct, frozen=True):
    """Effect: an explicit, signed act at `granted_at` allows marketing again that was refused before that moment."""

    channel: str
    address: str
    granted_at: datetime


class PutSuppression(Struct, frozen=True):
    """Effect: no more marketing to this address from `since` on, for this `reason`; a later consent lifts it."""

    channel: str
    address: str
    reason: str
    since: datetime


class Refer(Struct, frozen=True):
    """Effect: tell the profile `referrer` that somebody whom it sent has ordered."""

    referrer: str
    referral: Referral


Effect = RingAt | Enqueue | LiftSuppression | PutSuppression | Refer


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the ledger: `what` was decided (`entered`, `skipped`, `ended` …), and the `rule` that said so."""

    at: datetime
    what: str
    rule: str
    flow: str | None = None
    run: str | None = None
    step: str | None = None
    message_id: str | None = None
    event_id: str | None = None
    playbook: str | None = None
    values: dict[str, Any] = {}


class Outcome(Struct, frozen=True):
    """The whole answer to one event."""

    profile: Profile
    effects: tuple[Effect, ...] = ()
    decisions: tuple[Decision, ...] = ()
    counts: tuple[Count, ...] = ()
    """what happened that is counted as such; what follows from the profile is not here (`results.changes`)"""

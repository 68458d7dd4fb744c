"""A story: events played to one profile through the real engine, with the alarm ringing at every deadline.

Whatever is played is held to the engine's own promises (`held_to_promises`), whatever else its test is about.
"""

from __future__ import annotations

from datetime import datetime

from rekindle.domain.events import Event
from rekindle.domain.outcome import Decision, Effect, Enqueue, Outcome, RingAt
from rekindle.domain.profile import Profile, decode_profile, encode_profile
from rekindle.flow.engine import advance
from rekindle.flow.program import Playbook
from rekindle.flow.wishes import refused
from tests.support.build import CART, CONFIRMATION, alarm, playbook

BOTH = playbook(CART, CONFIRMATION)
EMPTY = Profile(id="ada", shop="tea")


class Story:
    """Plays events to one profile in time order, letting the alarm ring at every deadline on the way."""

    def __init__(self, book: Playbook = BOTH, profile: Profile = EMPTY) -> None:
        self.book = book
        self.profile = profile
        self.mails: list[tuple[str, datetime]] = []
        """(template, when it was planned) of every message, in order"""
        self.messages: list[str] = []
        """their ids"""
        self.said: list[tuple[str, str]] = []
        """(what, rule) of every decision, in order"""
        self.decisions: list[Decision] = []
        self.effects: list[Effect] = []

    def tell(self, *events: Event) -> Story:
        """Play these events, each when it was received."""
        for event in events:
            self.until(event.received_at)
            self.take(event, event.received_at)
        return self

    def until(self, moment: datetime) -> Story:
        """Let time pass."""
        while self.profile.deadline is not None and self.profile.deadline <= moment:
            ring = self.profile.deadline
            self.take(alarm(ring), ring)
        return self

    def take(self, event: Event, now: datetime) -> Outcome:
        """Play one event at `now`, whatever is due before."""
        outcome = advance(self.profile, event, self.book, now)
        held_to_promises(self.profile, event, outcome, now)
        for effect in outcome.effects:
            if isinstance(effect, Enqueue):
                self.mails.append((outcome.profile.planned[effect.message_id].template, now))
                self.messages.append(effect.message_id)
        self.effects += outcome.effects
        self.decisions += outcome.decisions
        self.said += [(decision.what, decision.rule) for decision in outcome.decisions]
        self.profile = decode_profile(encode_profile(outcome.profile))
        return outcome

    def left_with(self) -> list[str]:
        """Return how the runs stand that the profile still has."""
        return [run.status for run in self.profile.runs]


def templates(story: Story) -> list[str]:
    """Return the templates of all messages, in order."""
    return [template for template, _ in story.mails]


def held_to_promises(before: Profile, event: Event, outcome: Outcome, now: datetime) -> None:
    """Assert what is true of every outcome (DESIGN §5 and §6).

    A stored state loads again to the same value. Nothing is scheduled in the past; the deadline is the earliest moment
    that anything waits for, and a deadline that is new, or whose alarm has just rung, gets its alarm. What is handed
    over stands on the profile as planned, once, and `send` would send it. Nobody gets marketing who has not agreed to
    it, who has paused it, or more often than they wish, and no run goes on planning once it has ended.
    """
    after = outcome.profile
    assert decode_profile(encode_profile(after)) == after
    active = [run for run in after.runs if run.status == "active"]
    waits = [moment for run in active for moment in (run.resume_at, run.expires_at) if moment is not None]
    waits += after.moments.values()
    assert all(moment > now for moment in waits), (now, waits)
    assert all(run.resume_at is not None for run in active)
    assert all(run.resume_at is None for run in after.runs if run.status != "active")
    assert after.deadline == min(waits, default=None)
    rings = [effect.at for effect in outcome.effects if isinstance(effect, RingAt)]
    wanted = after.deadline is not None and (after.deadline != before.deadline or event.type == "alarm.rang")
    assert rings == ([after.deadline] if wanted else [])
    handed = [effect.message_id for effect in outcome.effects if isinstance(effect, Enqueue)]
    assert len(set(handed)) == len(handed)
    assert set(handed) == after.planned.keys() - before.planned.keys()
    ended = {run.id for run in before.runs if run.status != "active"}
    for message in handed:
        planned = after.planned[message]
        assert planned.planned_at <= now
        assert planned.not_after > planned.planned_at
        assert planned.run not in ended
        if planned.category == "marketing" and planned.channel in ("email", "sms", "push"):
            assert after.consented(planned.channel), planned
            assert refused(after, message, planned, now) is None, planned

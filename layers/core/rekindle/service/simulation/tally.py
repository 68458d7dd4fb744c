"""What is counted while people's events are replayed. Decisions are counted and forgotten; a few examples stay. Pure.

Tallies add up in any order to the same whole, so that it does not matter how many processes counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import Struct

#: Of every rule so many examples are kept: the earliest.
EXAMPLES = 3

Edge = tuple[str, str]
"""A way out of a step: the step (`""`: the beginning) and which of its ways"""


class Example(Struct, frozen=True, order=True):
    """One person to whom a rule applied: when, who (masked), and on which values."""

    at: datetime
    person: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass
class Reason:
    """How often a rule said something, of how many people, and the first few of them."""

    times: int = 0
    people: int = 0
    examples: list[Example] = field(default_factory=list)

    def note(self, example: Example) -> None:
        """Count once more; `people` is counted apart."""
        self.times += 1
        self.keep(example)

    def keep(self, example: Example) -> None:
        """Keep the example if it is among the first."""
        if len(self.examples) < EXAMPLES or example < self.examples[-1]:
            self.examples = sorted({*self.examples, example})[:EXAMPLES]

    def add(self, other: Reason) -> None:
        """Add another's."""
        self.times += other.times
        self.people += other.people
        for example in other.examples:
            self.keep(example)


Reasons = dict[tuple[str, ...], Reason]


def _reasons() -> Reasons:
    return defaultdict(Reason)


def _counter() -> Counter[Any]:
    return Counter()


@dataclass
class FlowTally:
    """What became of one flow."""

    entered: int = 0
    people: int = 0
    restarted: int = 0
    refused: Reasons = field(default_factory=_reasons)
    """(rule) → how often nobody entered by it"""
    skipped: Reasons = field(default_factory=_reasons)
    """(step, rule)"""
    held: Reasons = field(default_factory=_reasons)
    """(step, rule)"""
    edges: Counter[Edge] = field(default_factory=_counter)
    visits: Counter[str] = field(default_factory=_counter)
    left: Counter[tuple[str, str]] = field(default_factory=_counter)
    """(step, status) → runs that ended while they stood there"""
    ended: Counter[tuple[str, str]] = field(default_factory=_counter)
    """(status, rule)"""
    inside: Counter[str] = field(default_factory=_counter)
    """step → runs that stood there when the events ended"""
    active: int = 0
    """runs that had not ended when the clock stopped"""
    sent: Counter[tuple[str, str]] = field(default_factory=_counter)
    """(day, step)"""
    after_message: int = 0
    """runs that reached the goal after they had sent something"""
    sent_after: int = 0
    """of the messages, those after the last event"""
    reached: int = 0
    """people who got anything"""
    entered_by_day: Counter[str] = field(default_factory=_counter)
    goal_hours: Counter[int] = field(default_factory=_counter)
    """whole hours from entry to goal"""

    def add(self, other: FlowTally) -> None:
        """Add another's."""
        _add(self, other)


@dataclass
class SegmentTally:
    """Who came into a segment, and who left it."""

    at_end: int = 0
    joined: Counter[str] = field(default_factory=_counter)
    left: Counter[str] = field(default_factory=_counter)

    def add(self, other: SegmentTally) -> None:
        """Add another's."""
        _add(self, other)


def _flows() -> dict[str, FlowTally]:
    return defaultdict(FlowTally)


def _segments() -> dict[str, SegmentTally]:
    return defaultdict(SegmentTally)


@dataclass
class Tally:
    """Everything that one set of flows came to."""

    events: int = 0
    before: int = 0
    """events of the time before, which only made people what they were"""
    rings: int = 0
    advances: int = 0
    people: int = 0
    reachable: int = 0
    """people with an address"""
    subscribed: int = 0
    event_types: Counter[str] = field(default_factory=_counter)
    events_by_day: Counter[str] = field(default_factory=_counter)
    flows: dict[str, FlowTally] = field(default_factory=_flows)
    segments: dict[str, SegmentTally] = field(default_factory=_segments)
    per_person: Counter[int] = field(default_factory=_counter)
    """messages → people"""
    most_in_a_day: Counter[int] = field(default_factory=_counter)
    """the most messages that somebody got on one day → people"""
    hours: Counter[tuple[int, int]] = field(default_factory=_counter)
    """(weekday, hour of the shop's clock) → messages"""
    together: Counter[tuple[str, str]] = field(default_factory=_counter)
    """two flows → people who were in both at once"""
    same_day: Counter[tuple[str, str]] = field(default_factory=_counter)
    """two flows → people who got messages of both on one day"""
    errors: Reasons = field(default_factory=_reasons)
    """(flow, rule)"""
    stories: dict[str, list[str]] = field(default_factory=dict)
    """who was asked for → what was decided about them, in words"""

    def add(self, other: Tally) -> None:
        """Add another's."""
        _add(self, other)


def _add(one: Any, two: Any) -> None:
    for name, value in vars(two).items():
        own = getattr(one, name)
        if isinstance(own, int):
            setattr(one, name, own + value)
        elif isinstance(own, Counter) or name == "stories":
            own.update(value)
        else:
            for key, part in value.items():
                own[key].add(part)

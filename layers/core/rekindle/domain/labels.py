"""Under what figures are counted. Pure; may import nothing of ours."""

from __future__ import annotations

from msgspec import Struct


class Label(Struct, frozen=True, array_like=True):
    """Under what a figure is counted: see docs/results.md.

    `day` is the shop's calendar day on which the message was planned or the run began, so that all that comes of them
    later counts as theirs. `ways` are the ways that the run went at splits, `split-1=a`, joined by commas. A label
    without a flow is the shop's.
    """

    day: str
    flow: str = ""
    step: str = ""
    ways: str = ""
    occurrence: str = ""
    """of a campaign: which one"""

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What to sort labels by."""
        return self.day, self.flow, self.step, self.ways, self.occurrence

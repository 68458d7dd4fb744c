"""How many people are inside each flow and each segment, for `rekindle diff`. It reads every profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from rekindle.domain.profile import Profile
from rekindle.ports import Survey


class Inside(Struct, frozen=True):
    """People by the name of the flow that they are in, and of the segment that they are in."""

    flows: dict[str, int]
    segments: dict[str, int]


def people_inside(survey: Survey, progress: Callable[[int, int], None] | None = None) -> Inside:
    """Return how many people are inside, each counted once for a flow. `progress` hears how many of about how many.

    It pages through the whole table of profiles.
    """
    flows: Counter[str] = Counter()
    segments: Counter[str] = Counter()
    total, seen, cursor = survey.size(), 0, None
    while True:
        page = survey.profiles(cursor)
        for _, profile in page.profiles:
            if isinstance(profile, Profile):
                flows.update({run.flow for run in profile.runs if run.status == "active"})
                segments.update(profile.segments.keys())
        seen, cursor = seen + page.looked_at, page.cursor
        if progress is not None:
            progress(seen, max(total, seen))
        if cursor is None:
            return Inside(dict(flows), dict(segments))

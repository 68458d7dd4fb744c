"""What people chose on their preference page, as it bears on a message: topic, frequency, pause. Pure; domain only.

`flow.manners` asks when a message is planned, `send` once more before the attempt: who changes their mind in between is
heard. `send` pays for this import: nothing else is in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from rekindle.domain.preferences import paused_until
from rekindle.domain.profile import Planned, Preferences, Profile, Touch

#: How far apart marketing messages are for those who want them rarely, whatever the channel and the flow.
APART: Mapping[str, timedelta] = {"weekly": timedelta(days=7), "monthly": timedelta(days=30)}
#: Touches must be remembered for so long.
LONGEST = max(APART.values())

PAUSED = "they asked for a pause"
RARELY: Mapping[str, str] = {
    "weekly": "they asked for at most one message a week",
    "monthly": "they asked for at most one message a month",
}


def unwanted(preferences: Preferences, topic: str, topics: Mapping[str, bool]) -> str | None:
    """Return why this person gets no marketing about the topic, if so.

    `topics` are those that marketers declare: whether each is on for those who have not chosen. Others are.
    """
    if not topic:
        return None
    choice = preferences.topics.get(topic)
    if choice is not None:
        return None if choice.on else f"they switched off the topic {topic}"
    return None if topics.get(topic, True) else f"they have not asked for the topic {topic}"


def too_often(preferences: Preferences, touches: Iterable[Touch], at: datetime, message: str = "") -> str | None:
    """Return why a message at `at` would be too near another one for this person, if so. `message` is its own id."""
    wanted, apart = preferences.frequency, apart_of(preferences)
    if wanted is None or not apart:
        return None
    taken = any(abs(at - touch.at) < apart and touch.message != message for touch in counted(touches))
    return RARELY[wanted.value] if taken else None


def apart_of(preferences: Preferences) -> timedelta:
    """Return how far apart this person wants marketing messages to be; nothing where they take whatever comes."""
    wanted = preferences.frequency
    return APART.get(wanted.value, timedelta(0)) if wanted is not None else timedelta(0)


def counted(touches: Iterable[Touch]) -> Iterable[Touch]:
    """Return those that people see as marketing: being put on an ads audience is none of them."""
    return (touch for touch in touches if touch.marketing and touch.channel != "audience")


def refused(profile: Profile, message: str, planned: Planned, now: datetime) -> str | None:
    """Return why this planned message must not be sent any more, if its reader has chosen so since.

    Two messages of one moment: the one whose id is smaller goes.
    """
    if planned.category != "marketing" or planned.to != "person" or planned.channel == "audience":
        return None
    own = profile.preferences
    choice = own.topics.get(planned.topic)
    if choice is not None and not choice.on:
        return unwanted(own, planned.topic, {})
    if paused_until(own, now) is not None:
        return PAUSED
    at = planned.planned_at
    others = [touch for touch in profile.touches if touch.at < at or (touch.at == at and touch.message < message)]
    return too_often(own, others, at, message)

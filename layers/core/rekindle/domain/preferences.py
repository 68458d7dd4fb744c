"""What somebody chose of how they want to be written to: each choice by itself, and the latest of each holds.

Pure. Taking in what was told and merging two profiles are the same operation, so choices are the same in any order.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from rekindle.domain.facts import PreferencesTold
from rekindle.domain.profile import Choice, Pause, Preferences, Tag

#: Topics of which a profile remembers a choice; marketers declare a handful.
MAX_TOPICS = 100
#: What stands in the ledger in place of the end of a pause that was taken back, and before the name of a topic.
TAKEN_BACK, TOPIC = "taken back", "topic "


def chosen(told: PreferencesTold) -> Preferences:
    """Return what was told as choices of that moment."""
    return Preferences(
        topics={name: Tag(told.at, on) for name, on in told.topics.items()},
        frequency=Choice(told.at, told.frequency) if told.frequency is not None else None,
        language=Choice(told.at, told.language) if told.language is not None else None,
        pause=Pause(told.at, told.paused_until) if told.paused_until is not None else None,
    )


def both(one: Preferences, two: Preferences) -> Preferences:
    """Return the later of each choice; of two of one moment the same in any order. Topics beyond `MAX_TOPICS` go."""
    topics = dict(one.topics)
    for name, tag in two.topics.items():
        topics[name] = max(topics[name], tag, key=lambda each: (each.at, not each.on)) if name in topics else tag
    kept = sorted(topics, key=lambda name: (topics[name].at, name))[-MAX_TOPICS:]
    return Preferences(
        topics={name: topics[name] for name in sorted(kept)},
        frequency=_later(one.frequency, two.frequency),
        language=_later(one.language, two.language),
        pause=_later(one.pause, two.pause),
    )


def news(before: Preferences, after: Preferences, told: PreferencesTold) -> PreferencesTold | None:
    """Return what of this telling is different now; `None` where nothing is."""
    topics = {
        name: tag.on
        for name, tag in after.topics.items()
        if name not in before.topics or before.topics[name].on != tag.on
    }
    fields: dict[str, Any] = {"topics": topics}
    for name, part in (("frequency", "value"), ("language", "value")):
        fields[name] = _changed(getattr(before, name), getattr(after, name), part)
    fields["paused_until"] = _changed(before.pause, after.pause, "until")
    found = replace(told, **fields)
    return found if found != PreferencesTold(at=told.at) else None


def as_values(preferences: Preferences) -> dict[str, str | bool]:
    """Return choices as the ledger keeps them. The end of a pause is its ISO 8601 text; `taken back` where it was."""
    values: dict[str, str | bool] = {}
    for name, choice in (("frequency", preferences.frequency), ("language", preferences.language)):
        if choice is not None:
            values[name] = choice.value
    pause = preferences.pause
    if pause is not None:
        values["paused_until"] = pause.until.isoformat() if pause.until > pause.at else TAKEN_BACK
    return values | {f"{TOPIC}{name}": tag.on for name, tag in sorted(preferences.topics.items())}


def paused_until(preferences: Preferences, now: datetime) -> datetime | None:
    """Return the end of the pause that holds at `now`, if one does."""
    pause = preferences.pause
    return pause.until if pause is not None and pause.until > now else None


def _later(one: Any, two: Any) -> Any:
    if one is None or two is None:
        return one or two
    return max(one, two, key=lambda each: (each.at, getattr(each, "value", None) or each.until))


def _changed(before: Any, after: Any, part: str) -> Any:
    was, now = (getattr(one, part) if one is not None else None for one in (before, after))
    return now if now != was else None

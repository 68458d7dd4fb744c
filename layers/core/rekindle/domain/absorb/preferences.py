"""How somebody wants to be written to: what they chose on the page that only their own link opens."""

from __future__ import annotations

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.events import Event
from rekindle.domain.facts import PreferencesTold
from rekindle.domain.preferences import both, chosen, news
from rekindle.domain.profile import Profile


def take_preferences(profile: Profile, event: Event, told: PreferencesTold) -> Absorbed:
    """Take each choice that is newer than the one that is known; tell those that are different now."""
    before = profile.preferences
    after = both(before, chosen(told))
    if after == before:
        return Absorbed(profile, ignored="older than what is known")
    profile = replace(profile, preferences=after)
    changed = news(before, after, told)
    if changed is None:
        return Absorbed(profile, ignored="already known")
    return Absorbed(profile, (replace(event, data=changed),))

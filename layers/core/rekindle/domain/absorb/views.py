"""Looks at pages: one that is told again, because it lasted longer, is still one."""

from __future__ import annotations

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.events import Event
from rekindle.domain.facts import View
from rekindle.domain.profile import Profile

#: So many of the latest looks are remembered: somebody comes back to a page that is still open, seldom to a dozen.
MAX_LOOKS = 12


def take_view(profile: Profile, event: Event, view: View) -> Absorbed:
    """Take a look. One that is known tells again only how much longer it was."""
    if view.look is None:
        return Absorbed(profile, (event,))
    told = profile.looks.get(view.look)
    if told is not None and view.seconds <= told:
        return Absorbed(profile, ignored="already known")
    others = [(look, seconds) for look, seconds in profile.looks.items() if look != view.look]
    profile = replace(profile, looks=dict([*others, (view.look, view.seconds)][-MAX_LOOKS:]))
    return Absorbed(profile, (event if told is None else replace(event, data=replace(view, again=True)),))

"""A request to be written to: kept where nothing else is, and told to nobody before its address has answered."""

from __future__ import annotations

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.events import Event
from rekindle.domain.facts import SignUp
from rekindle.domain.profile import Profile
from rekindle.domain.sign_ups import with_sign_up


def take_sign_up(profile: Profile, event: Event, asked: SignUp) -> Absorbed:
    """Take a request. Only the profile that it is addressed to can hold it: nobody's who is known by anything."""
    if event.profile_id != profile.id or not profile.anonymous or profile.aliases:
        return Absorbed(profile, ignored="a sign-up belongs to nobody before it is confirmed")
    found = with_sign_up(profile, asked)
    return Absorbed(profile, ignored=found) if isinstance(found, str) else Absorbed(found)

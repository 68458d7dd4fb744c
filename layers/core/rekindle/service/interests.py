"""On which products' lists a profile is to stand: what a change of a product reaches people by. Pure.

Only who can be reached by something stands there. Who becomes known later is noted then, with what they looked at.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from rekindle.domain.profile import Profile
from rekindle.ports import Interested

#: Who looks again within this time need not be noted anew: the entry stands for much longer.
AGAIN = timedelta(days=20)
#: A commit notes no more than these; the others follow with the next.
_AT_ONCE = 10


def noted(profile: Profile) -> tuple[Profile, tuple[Interested, ...]]:
    """Return the entries to write, and the profile that knows of them."""
    if profile.email is None and profile.phone is None and not profile.browsers:
        return profile, ()
    fresh = [
        (product, interest)
        for product, interest in profile.interests.items()
        if interest.noted is None or interest.at - interest.noted >= AGAIN
    ]
    if not fresh:
        return profile, ()
    fresh.sort(key=lambda pair: (pair[1].at, pair[0]), reverse=True)
    now = dict(fresh[:_AT_ONCE])
    known = {product: replace(interest, noted=interest.at) for product, interest in now.items()}
    entries = [
        Interested(product_id=product, at=interest.at, how="asked" if interest.asked else interest.how)
        for product, interest in now.items()
    ]
    return replace(profile, interests={**profile.interests, **known}), tuple(entries)

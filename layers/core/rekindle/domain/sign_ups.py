"""Sign-ups that nobody has confirmed yet: they stand by themselves, on a profile for each address and day. Pure.

Whoever types an address into a form need not own it. So the request touches nobody who is known: it has a profile of
its own, which no contact point leads to, and which holds nothing but the request until it expires.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.facts import SignUp
from rekindle.domain.profile import Profile

#: How many mails an address is sent on one day (UTC), whoever asks for them.
A_DAY = 3
#: How long the link in such a mail can be followed.
OPEN = timedelta(days=7)
#: How long the request is kept.
KEPT = timedelta(days=14)
#: The mails that ask, of a sign-up and of a product alert, and how long after the form they are still worth sending.
TEMPLATE, ALERT_TEMPLATE, FRESH = "confirm-signup", "confirm-alert", timedelta(hours=24)
#: The form that asks to be told of a product, in every shop.
ALERT_FORM = "product-alert"
#: What stands in the place of a flow's name in the record of that mail.
FLOW = "sign-up"


def request_id(shop: str, hashed: str, at: datetime) -> str:
    """Return the id of the profile that holds what is asked at this address (keyed hash) on the day of `at`."""
    return ids.digest("sign_up", shop, hashed, at.astimezone(UTC).date().isoformat())


def request_ids(shop: str, hashed: str, now: datetime) -> tuple[str, ...]:
    """Return the ids of all such profiles that there may still be at `now`."""
    days = range(KEPT.days + 2)
    return tuple(request_id(shop, hashed, now - timedelta(days=day)) for day in days)


def again_id(request: str) -> str:
    """Return the id of the profile that holds what is asked after this one was erased, on the same day.

    It is the same whenever that was: an erasure renews the tombstones of earlier ones.
    """
    return ids.digest("sign_up_again", request)


def with_sign_up(profile: Profile, asked: SignUp) -> Profile | str:
    """Return the profile with this request; where nothing comes of it, why."""
    if asked.id in profile.sign_ups:
        return "already known"
    if len(profile.sign_ups) >= A_DAY:
        return f"this address was asked {A_DAY} times today"
    return replace(profile, sign_ups={**profile.sign_ups, asked.id: asked})

"""Filling in what a profile never wrote down, because nothing asked for it then (`rekindle.flow.past`).

Costs nothing while nothing is missing. A profile that is older than a question pays once: two calls for each hundred
lines of its ledger, back to the oldest event that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.profile import Profile
from rekindle.flow.past import recall
from rekindle.flow.program import Ask, Playbook
from rekindle.ports import Heard, State
from rekindle.service.people import alias_key

#: So many deliveries of one person are read at most, the newest: more than a heavy customer gets in 400 days, and few
#: enough to be over long before journey's time-out.
MOST = 5_000
#: An event may have happened so much later than it was received: shops' clocks are not ours.
_SKEW = timedelta(days=1)


def missing(profile: Profile, playbook: Playbook) -> tuple[Ask, ...]:
    """Return what the playbook asks and this profile cannot answer. A new profile has no past to be asked about."""
    if not (profile.version or profile.was):
        return ()
    known = frozenset(profile.asked)
    return tuple(ask for ask in playbook.asks.values() if ask.mark not in known)


def filled(
    profile: Profile,
    asks: Sequence[Ask],
    *,
    playbook: Playbook,
    state: State,
    key: bytes,
    now: datetime,
    addressed: Callable[[Event, Profile], Event],
) -> Profile:
    """Return the profile with the answers to these asks, from all that it was told in the last 400 days.

    `addressed` gives an event the address that it knows only as a hash.
    """
    ever = any(not ask.seconds for ask in asks)
    since = None if ever else now - timedelta(seconds=max(ask.seconds for ask in asks)) - _SKEW
    heard = {each.delivery_id: each for each in _heard(profile, state, since)}
    own = frozenset(profile.aliases)
    names = frozenset((profile.id, *profile.was))
    events = [
        addressed(event, profile)
        for each in sorted(heard.values(), key=lambda each: each.at)
        for event in each.events
        if event.profile_id in names
        or (event.profile_id is None and any(alias_key(key, event.shop, *point) in own for point in event.points()))
    ]
    return replace(
        profile,
        recent={**profile.recent, **recall(profile, events, asks)},
        asked=tuple(sorted(playbook.asks)),
    )


def _heard(profile: Profile, state: State, since: datetime | None) -> Iterator[Heard]:
    left = MOST
    for profile_id in (profile.id, *profile.was):
        cursor: str | None = None
        while left > 0:
            page = state.heard(profile_id, since, cursor)
            yield from page.heard[:left]
            left -= len(page.heard)
            cursor = page.cursor
            if cursor is None:
                break

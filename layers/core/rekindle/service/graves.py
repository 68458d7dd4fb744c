"""Erased people: what is heard of them too late is dropped, and whoever comes back starts anew (docs/privacy.md). Pure.

A tombstone stands where an erased profile was, and the aliases still lead to it. What was said before the erasure is
never applied, whenever it comes; what is said afterwards starts a new profile, which remembers the erasure as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from rekindle.domain import sign_ups
from rekindle.domain.events import Event
from rekindle.domain.facts import SignUp
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.ports import Grave
from rekindle.service.people import MOVABLE, Load, Share, alias_key

#: As in `people.follow`: chains are short, and a circle must not hang a worker.
_MAX_SIGNPOSTS = 10
#: The kind of contact point that an order is.
_ORDER = "order"


def trail(load: Load, profile_id: str) -> tuple[tuple[str, ...], Profile | Tombstone | None]:
    """Return the ids that lead from this one to its end, both included, and what stands there."""
    passed = [profile_id]
    for _ in range(_MAX_SIGNPOSTS):
        found = load(passed[-1])
        if not isinstance(found, Signpost):
            return tuple(passed), found
        passed.append(found.to)
    return tuple(passed), None


def buried(event: Event, owners: Mapping[str, str], load: Load, key: bytes) -> bool:
    """Whether this was said of somebody before they were erased, so that it must not be kept.

    An address, an account or an order of theirs is enough, whoever else it names: else an old order that comes late
    would bring an erased address back by way of an account that lives. An order that went with its customer stays gone,
    whatever is said of it later: told anew it would count as placed, and be confirmed, once more. What an import tells
    of somebody who was erased is never later than that: the shop may have touched its record, and it still is what the
    person wanted gone.

    Otherwise the strongest contact point that leads to anybody decides (`people.share_out`). What names a profile
    instead of a contact point cannot be said of a new one, so it goes with the profile. A sign-up's profile may not be
    there yet: of that its address decides as well.
    """
    if event.profile_id is not None:
        _, found = _requested(event, event.profile_id, load)
        if isinstance(found, Tombstone) or not isinstance(event.data, SignUp):
            return isinstance(found, Tombstone)
    strongest: Profile | Tombstone | None = None
    for kind, value in event.points():
        owner = owners.get(alias_key(key, event.shop, kind, value))
        found = trail(load, owner)[1] if owner is not None else None
        if isinstance(found, Tombstone) and kind not in MOVABLE and (kind == _ORDER or _before(event, found)):
            return True
        strongest = strongest or found
    return strongest is not None and strongest.erased_at is not None and _before(event, strongest)


def _before(event: Event, grave: Profile | Tombstone) -> bool:
    """Whether this was said before the erasure, or counts as such. Whoever came back since is a person again."""
    if grave.erased_at is None:
        return False
    return event.occurred_at <= grave.erased_at or (event.imported is not None and isinstance(grave, Tombstone))


def risen(events: Iterable[Event], load: Load) -> tuple[Event, ...]:
    """Return the events, sign-ups at an address that was erased earlier that day under another profile's id.

    Their own names a tombstone, and nothing can follow one.
    """
    return tuple(
        replace(event, profile_id=_requested(event, event.profile_id, load)[0])
        if isinstance(event.data, SignUp) and event.profile_id is not None
        else event
        for event in events
    )


def requests(profile_id: str, load: Load) -> dict[str, Profile | Tombstone]:
    """Return what stands under the id of a sign-up's profile, and under those of the same day after each erasure."""
    found: dict[str, Profile | Tombstone] = {}
    for _ in range(_MAX_SIGNPOSTS):
        (*_, last), there = trail(load, profile_id)
        if there is None:
            break
        found[last] = there
        if not isinstance(there, Tombstone):
            break
        profile_id = sign_ups.again_id(profile_id)
    return found


def next_request(profile_id: str, load: Load, at: datetime) -> str | None:
    """Return the id under which a sign-up of that day, said until `at`, would be put.

    `None` where one stands already, or where it would be dropped.
    """
    for _ in range(_MAX_SIGNPOSTS):
        _, there = trail(load, profile_id)
        if there is None:
            return profile_id
        if not isinstance(there, Tombstone) or there.erased_at >= at:
            return None
        profile_id = sign_ups.again_id(profile_id)
    return None


def _requested(event: Event, profile_id: str, load: Load) -> tuple[str, Profile | Tombstone | None]:
    """Return the id that an event names and what stands there; of a sign-up, the one that counts after erasures."""
    for _ in range(_MAX_SIGNPOSTS):
        _, found = trail(load, profile_id)
        if not (
            isinstance(found, Tombstone) and isinstance(event.data, SignUp) and event.occurred_at > found.erased_at
        ):
            return profile_id, found
        profile_id = sign_ups.again_id(profile_id)
    return profile_id, None


def remembering(shares: Sequence[Share], load: Load, named: Mapping[str, str] | None = None) -> list[Share]:
    """Return the shares, those of people who were erased and came back with when that was.

    The old aliases then lead to the new profile, and no longer to the tombstone. `named`: event → the profile's id that
    it came with, for sign-ups (`risen`).
    """
    return [_remembering(share, load, named or {}) for share in shares]


def _remembering(share: Share, load: Load, named: Mapping[str, str]) -> Share:
    profile = share.profile
    trails = [
        trail(load, alias.was)
        for alias in share.aliases
        if alias.was is not None
        # A phone or a token that moves to somebody else says nothing about what is known of that person.
        and (profile.version == 0 or alias.key.split("#")[1] not in MOVABLE)
    ]
    graves = [Grave(ids[-1], found.erased_at) for ids, found in trails if isinstance(found, Tombstone)]
    before = {named[event.id] for event in share.events if event.id in named} - {profile.id}
    graves += [
        Grave(profile_id, found.erased_at)
        for each in before
        for profile_id, found in requests(each, load).items()
        if profile.version == 0 and isinstance(found, Tombstone)
    ]
    if not graves:
        return share
    erased_at = max(filter(None, (profile.erased_at, *(grave.erased_at for grave in graves))))
    return replace(share, profile=replace(profile, erased_at=erased_at), graves=tuple(dict.fromkeys(graves)))

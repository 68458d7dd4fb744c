"""Names that are the same however often they are computed.

Every retry must find what an earlier try left behind, so an id is never random: it is a hash of what makes the thing
unique. Addresses never appear in an id; where one must be looked up, it is hashed with the installation's key.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

_LENGTH = 32


def digest(*parts: str | bytes) -> str:
    """Return 32 hex digits (128 bits) that identify exactly this sequence of parts.

    Each part is preceded by its length, so `("ab", "c")` and `("a", "bc")` differ.
    """
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        sha.update(len(raw).to_bytes(8, "big"))
        sha.update(raw)
    return sha.hexdigest()[:_LENGTH]


def keyed_hash(key: bytes, *parts: str) -> str:
    """Return 32 hex digits that only a holder of `key` can compute: what stands for an address in a table's key."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode()
        mac.update(len(raw).to_bytes(8, "big"))
        mac.update(raw)
    return mac.hexdigest()[:_LENGTH]


def profile_id(shop: str, event_id: str) -> str:
    """Return the id of the profile that this event creates, the same in every retry."""
    return digest("profile", shop, event_id)


def run_id(shop: str, flow: str, key: str | None, ordinal: int, profile: str | None) -> str:
    """Return a run's id. The profile is left out where the key names what one customer only has: an order, a basket.

    So profiles that turn out to be one person collide instead of sending twice (DESIGN §5); a key that customers share,
    such as a product, must have the profile beside it.
    """
    keyed = ("key", key) if key is not None else ()
    return digest("run", shop, flow, str(ordinal), *keyed, *(("profile", profile) if profile is not None else ()))


def message_id(run: str, step: str) -> str:
    """Return the id of the one message that this step of this run can ever be."""
    return digest("message", run, step)


def minute_up(moment: datetime) -> datetime:
    """Return `moment` in UTC, rounded up to the full minute (Scheduler's precision)."""
    moment = moment.astimezone(UTC)
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + timedelta(minutes=1)


def alarm_name(profile: str, minute: datetime) -> str:
    """Return the schedule's name for this profile and minute: at most 64 characters, EventBridge Scheduler's limit."""
    return f"a-{digest('alarm', profile, minute.astimezone(UTC).strftime('%Y-%m-%dT%H:%M'))}"

"""The profile item, which `state` writes and `outbox` reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from rekindle.aws.items import Item, epoch, number, optional, stamp, text
from rekindle.aws.packing import STATE, pack, unpack
from rekindle.domain.profile import Profile, Signpost, Tombstone, decode_profile, encode_profile


def profile_item(profile: Profile, expires_at: datetime | None) -> Item:
    """Return the item that is stored: in the `due` index while there is a deadline, to expire only while anonymous."""
    from rekindle.domain.zones import zone_of  # only who writes profiles has to load the table

    item: Item = {
        "id": text(profile.id),
        "shop": text(profile.shop),
        "version": number(profile.version),
        "packed": pack(encode_profile(profile), STATE),
    }
    where = zone_of(profile)
    if where is not None:
        # beside the state, so that a campaign can sort millions by it without reading them
        item["zone"] = text(where[0])
    if profile.deadline is not None:
        item["due_shard"] = text(profile.id[0])
        item["due"] = text(stamp(profile.deadline))
    if expires_at is not None and profile.anonymous:
        item["expires"] = epoch(expires_at)
    return item


def tombstone_item(profile_id: str, tombstone: Tombstone) -> Item:
    """Return the item that stands in a profile's place: without version, so that no commit can follow it."""
    written = msgspec.json.encode(tombstone).decode()
    at = text(stamp(tombstone.erased_at))
    return {"id": text(profile_id), "shop": text(tombstone.shop), "tombstone": text(written), "erased_at": at}


def parse_profile(item: Mapping[str, Any]) -> Profile | Signpost | Tombstone:
    """Return what an item says."""
    to = optional(item, "to")
    if to is not None:
        return Signpost(to=to)
    tombstone = optional(item, "tombstone")
    if tombstone is not None:
        return msgspec.json.decode(tombstone, type=Tombstone)
    return decode_profile(unpack(item["packed"] if "packed" in item else item["state"]))

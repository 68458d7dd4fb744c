"""The pending item, which `intake` writes and `state` reads, and which journey finds on the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rekindle.aws.items import Item, moment, number, optional, stamp, text
from rekindle.ports import Pending


def pending_item(pending: Pending) -> Item:
    """Return the item that is stored."""
    item: Item = {
        "id": text(pending.id),
        "delivery_id": text(pending.delivery_id),
        "shop": text(pending.shop),
        "keys": {"L": [text(key) for key in pending.keys]},
        "tries": number(pending.tries),
    }
    if pending.only:
        item["only"] = {"L": [number(position) for position in pending.only]}
    if pending.accepted_at is not None:
        item["accepted_at"] = text(stamp(pending.accepted_at))
    return item


def parse_pending(item: Mapping[str, Any]) -> Pending:
    """Return what an item says: one that was read, or the `NewImage` of a stream record."""
    accepted_at = optional(item, "accepted_at")
    return Pending(
        id=item["id"]["S"],
        delivery_id=item["delivery_id"]["S"],
        shop=item["shop"]["S"],
        keys=tuple(key["S"] for key in item["keys"]["L"]),
        only=tuple(int(position["N"]) for position in item["only"]["L"]) if "only" in item else (),
        accepted_at=None if accepted_at is None else moment(accepted_at),
        tries=int(item["tries"]["N"]),
    )

"""The suppression item, which `intake` writes, `outbox` checks and `state` lifts.

An item is in force while it has a `since` that no `lifted_at` is later than. Of several refusals the latest stands, so
that a lift can never undo a newer one; a grant is remembered, so that a late repeat of an older refusal stays without
effect.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rekindle.aws.items import names, stamp, text
from rekindle.domain.events import Suppression


def key(shop: str, channel: str, address: str, covers: str) -> dict[str, Any]:
    """Return the item's key. `address` is the keyed hash."""
    return {"key": text(f"{shop}#{channel}#{address}#{covers}")}


def put(table: str, suppression: Suppression) -> dict[str, Any]:
    """Return the arguments of a put that fails where a refusal at least as late, or a later grant, is known."""
    return {
        "TableName": table,
        "Item": {
            **key(suppression.shop, suppression.channel, suppression.address, suppression.covers),
            "reason": text(suppression.reason),
            "since": text(stamp(suppression.since)),
        },
        "ConditionExpression": (
            "(attribute_not_exists(#since) OR #since < :since)"
            " AND (attribute_not_exists(#lifted_at) OR #lifted_at <= :since)"
        ),
        "ExpressionAttributeNames": names("since", "lifted_at"),
        "ExpressionAttributeValues": {":since": text(stamp(suppression.since))},
    }


def absent(table: str, shop: str, channel: str, address: str, covers: str) -> dict[str, Any]:
    """Return the arguments of a condition check that fails while this suppression is in force."""
    return {
        "TableName": table,
        "Key": key(shop, channel, address, covers),
        "ConditionExpression": "attribute_not_exists(#since) OR #lifted_at > #since",
        "ExpressionAttributeNames": names("since", "lifted_at"),
    }


def lift(table: str, shop: str, channel: str, address: str, granted_at: datetime) -> dict[str, Any]:
    """Return the arguments of an update that fails where a grant at least as late is known."""
    return {
        "TableName": table,
        "Key": key(shop, channel, address, "marketing"),
        "UpdateExpression": "SET #lifted_at = :at",
        "ConditionExpression": "attribute_not_exists(#lifted_at) OR #lifted_at < :at",
        "ExpressionAttributeNames": names("lifted_at"),
        "ExpressionAttributeValues": {":at": text(stamp(granted_at))},
    }

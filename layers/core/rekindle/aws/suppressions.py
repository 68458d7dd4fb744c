"""The suppression item, which `intake` writes, `outbox` checks and `state` lifts: one for each address of a channel.

A refusal of marketing and one of everything stand beside each other on it, each with its reason and since when it is,
so that a lease looks at one item. A refusal is in force while no later grant is known; only marketing is ever granted
again (`lifted_at`). Of several refusals the latest stands, so that a grant can never undo a newer one; a grant is
remembered, so that a late repeat of an older refusal stays without effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rekindle.aws.items import FAILED, Item, Reason, answered, code_of, moment, names, optional, stamp, text
from rekindle.domain.events import Suppression

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

COVERS = ("marketing", "everything")


def key(shop: str, channel: str, address: str) -> dict[str, Any]:
    """Return the item's key. `address` is the keyed hash."""
    return {"key": text(f"{shop}#{channel}#{address}")}


def together(refusals: Iterable[Suppression]) -> list[list[Suppression]]:
    """Return what belongs on one item each, the latest of each cover: a transaction may write an item only once."""
    items: dict[tuple[str, str, str], dict[str, Suppression]] = {}
    for refusal in sorted(refusals, key=lambda each: each.since):
        items.setdefault((refusal.shop, refusal.channel, refusal.address), {})[refusal.covers] = refusal
    return [list(each.values()) for each in items.values()]


def put(table: str, refusals: Sequence[Suppression]) -> dict[str, Any]:
    """Return the arguments of an update with what refuses one address, one refusal for each cover.

    It fails where a refusal at least as late, or a later grant, is known of one of them; `left` says which remain.
    """
    sets, conditions, used = [], [], set[str]()
    values: Item = {}
    for one in refusals:
        since, reason = f"{one.covers}_since", f"{one.covers}_reason"
        sets += [f"#{since} = :{since}", f"#{reason} = :{reason}"]
        conditions.append(f"(attribute_not_exists(#{since}) OR #{since} < :{since})")
        used |= {since, reason}
        if one.covers == "marketing":
            conditions.append(f"(attribute_not_exists(#lifted_at) OR #lifted_at <= :{since})")
            used.add("lifted_at")
        values |= {f":{since}": text(stamp(one.since)), f":{reason}": text(one.reason)}
    return {
        "TableName": table,
        "Key": key(refusals[0].shop, refusals[0].channel, refusals[0].address),
        "UpdateExpression": f"SET {', '.join(sets)}",
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names(*sorted(used)),
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def left(refusals: Sequence[Suppression], stands: Mapping[str, Any]) -> list[Suppression]:
    """Return those of an item's refusals that nothing overrules of what `stands` there."""
    return [one for one in refusals if not _overruled(one, stands)]


def still(groups: Sequence[list[Suppression]], reasons: Sequence[Reason]) -> list[list[Suppression]]:
    """Return what of these is still to be written after a transaction that did not come about, for these reasons."""
    kept = [
        left(group, reason.item or {}) if reason.code == FAILED else group
        for group, reason in zip(groups, reasons, strict=True)
    ]
    return [group for group in kept if group]


def write(clients: Clients, table: str, refusals: Sequence[Suppression]) -> None:
    """Write refusals of one address by themselves, but for those that are overruled."""
    while refusals:
        try:
            with answered():
                clients.dynamodb.update_item(**put(table, refusals))
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            failed: Any = error.response
            refusals = left(refusals, failed.get("Item") or {})
        else:
            return


def absent(table: str, shop: str, channel: str, address: str, covers: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of a condition check that fails while one that covers any of these is in force."""
    conditions, used = [], []
    for cover in covers:
        since = f"{cover}_since"
        used.append(since)
        if cover == "marketing":
            conditions.append(f"(attribute_not_exists(#{since}) OR #lifted_at > #{since})")
            used.append("lifted_at")
        else:
            conditions.append(f"attribute_not_exists(#{since})")
    return {
        "TableName": table,
        "Key": key(shop, channel, address),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names(*used),
    }


def lift(table: str, shop: str, channel: str, address: str, granted_at: datetime) -> dict[str, Any]:
    """Return the arguments of an update that fails where a grant at least as late is known."""
    return {
        "TableName": table,
        "Key": key(shop, channel, address),
        "UpdateExpression": "SET #lifted_at = :at",
        "ConditionExpression": "attribute_not_exists(#lifted_at) OR #lifted_at < :at",
        "ExpressionAttributeNames": names("lifted_at"),
        "ExpressionAttributeValues": {":at": text(stamp(granted_at))},
    }


def in_force(item: Item, shop: str, channel: str, address: str) -> list[Suppression]:
    """Return what an item refuses."""
    lifted = optional(item, "lifted_at")
    found = []
    for cover in COVERS:
        since = optional(item, f"{cover}_since")
        if since is None or (cover == "marketing" and lifted is not None and lifted > since):
            continue
        reason = item[f"{cover}_reason"]["S"]
        found.append(
            Suppression(shop=shop, channel=channel, address=address, covers=cover, reason=reason, since=moment(since))
        )
    return found


def _overruled(refusal: Suppression, stands: Mapping[str, Any]) -> bool:
    mine = stamp(refusal.since)
    since, lifted = optional(stands, f"{refusal.covers}_since"), optional(stands, "lifted_at")
    return (since is not None and since >= mine) or (
        refusal.covers == "marketing" and lifted is not None and lifted > mine
    )

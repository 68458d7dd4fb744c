"""Accepting: one transaction in which a delivery, its pending item and its suppressions become safe (DESIGN §6)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rekindle.aws import suppressions as suppression_items
from rekindle.aws.items import (
    FAILED,
    KEPT,
    KEPT_ASKED,
    KEPT_MARK,
    KEPT_UNREAD,
    KEPT_UNSIGNED,
    Item,
    Wanted,
    batch_get,
    epoch,
    names,
    stamp,
    text,
    transact,
    tries,
)
from rekindle.aws.packing import DELIVERIES, pack
from rekindle.aws.pending import pending_item
from rekindle.domain.errors import ConflictError
from rekindle.domain.events import Delivery, Suppression, encode_events
from rekindle.domain.facts import SignUp
from rekindle.ports import Pending

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

#: A compressed body over this many bytes goes to S3, first.
_BODY_LIMIT = 300_000
#: What body and events may take of an item together: DynamoDB's 400 KB less the rest of the item.
_ITEM_LIMIT = 380_000
_TRIES = 4


class DynamoIntake:
    """`ports.Intake`. Without a bucket it takes what has no body, and so fits into its item."""

    def __init__(self, clients: Clients, tables: Tables, *, raw_bucket: str = "") -> None:
        self._clients = clients
        self._tables = tables
        self._raw_bucket = raw_bucket

    def accept(self, delivery: Delivery, suppressions: Sequence[Suppression] = (), keys: Sequence[str] = ()) -> bool:
        """Store the delivery, its pending item and the suppressions, or only suppressions when it is a repeat.

        Raises `AnswerLostError`, and `ConflictError` when others keep writing the same items.
        """
        item, files = self._delivery_item(delivery)
        if files and self.known((delivery.id, *delivery.also)):
            # A repeat stores nothing, also not in the bucket: what it holds may have been erased.
            self._suppress(suppressions)
            return False
        for key, content in files.items():
            self._clients.s3.put_object(Bucket=self._raw_bucket, Key=key, Body=content, ContentType="application/zlib")
        stored = self._new(delivery, item, keys)
        refusals = suppression_items.together(suppressions)
        for _ in tries(_TRIES):
            writes = stored + [{"Update": suppression_items.put(self._tables.suppressions, each)} for each in refusals]
            reasons = transact(self._clients.dynamodb, writes)
            if reasons is None:
                return True
            if any(reason.code == FAILED for reason in reasons[: len(stored)]):
                self._suppress(suppressions)
                return False
            # a refusal that a newer one or a later grant overrules must not keep the delivery out
            refusals = suppression_items.still(refusals, reasons[len(stored) :])
        raise ConflictError(f"delivery {delivery.id}: others kept writing the same items")

    def known(self, delivery_ids: Sequence[str]) -> frozenset[str]:
        """Return which of these ids are taken, in one call."""
        keys = [{"id": text(key)} for key in dict.fromkeys(delivery_ids)]
        found = batch_get(self._clients.dynamodb, [Wanted(self._tables.deliveries, keys, ("id",))])
        return frozenset(item["id"]["S"] for item in found[self._tables.deliveries])

    def _new(self, delivery: Delivery, item: Item, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Return the writes, each of something new, that store a delivery."""
        marks = [mark for mark in dict.fromkeys(delivery.also) if mark != delivery.id]
        return [
            self._put_new(self._tables.deliveries, item),
            self._put_new(self._tables.pending, self._pending_item(delivery, keys)),
            *(self._put_new(self._tables.deliveries, _mark_item(mark, delivery)) for mark in marks),
        ]

    def _suppress(self, suppressions: Sequence[Suppression]) -> None:
        """Write suppressions by themselves, but for those that are overruled."""
        for refusals in suppression_items.together(suppressions):
            suppression_items.write(self._clients, self._tables.suppressions, refusals)

    @staticmethod
    def _delivery_item(delivery: Delivery) -> tuple[Item, dict[str, bytes]]:
        """Return the delivery as it is stored, and the files, by key, with what is too large for its item."""
        events = encode_events(delivery.events)
        packed = pack(events, DELIVERIES)
        body = pack(delivery.body, DELIVERIES, beside=events) if delivery.body else None
        room = _ITEM_LIMIT - len(packed["B"])
        named = any(event.profile_id is not None or event.points() for event in delivery.events)
        kept = KEPT if any(event.signed for event in delivery.events) else KEPT_UNSIGNED
        kept = KEPT_ASKED if any(isinstance(event.data, SignUp) for event in delivery.events) else kept
        item: Item = {
            "id": text(delivery.id),
            "shop": text(delivery.shop),
            "source": text(delivery.source),
            "topic": text(delivery.topic),
            "received_at": text(stamp(delivery.received_at)),
            "expires": epoch(delivery.received_at + (kept if named else KEPT_UNREAD)),
        }
        if delivery.triggered_at is not None:
            item["triggered_at"] = text(stamp(delivery.triggered_at))
        files: dict[str, bytes] = {}
        folder = f"{'deliveries' if named else 'unread'}/{delivery.shop}/{delivery.id}"
        if body is not None and len(body["B"]) > min(_BODY_LIMIT, room):
            files[f"{folder}/body"] = zlib.compress(delivery.body, 6)
            item["body_ref"] = text(f"{folder}/body")
        elif body is not None:
            item["body"] = body
        if room < 0:
            files[f"{folder}/events"] = zlib.compress(events, 6)
            item["events_ref"] = text(f"{folder}/events")
        else:
            item["events"] = packed
        return item, files

    @staticmethod
    def _pending_item(delivery: Delivery, keys: Sequence[str]) -> Item:
        return pending_item(
            Pending(
                id=delivery.id,
                delivery_id=delivery.id,
                shop=delivery.shop,
                keys=tuple(dict.fromkeys(keys)),
                accepted_at=delivery.received_at,
            )
        )

    @staticmethod
    def _put_new(table: str, item: Item) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#id)",
                "ExpressionAttributeNames": names("id"),
            }
        }


def _mark_item(mark: str, delivery: Delivery) -> Item:
    """Return the item that keeps a further id of a delivery taken."""
    return {
        "id": text(mark),
        "of": text(delivery.id),
        "shop": text(delivery.shop),
        "expires": epoch(delivery.received_at + KEPT_MARK),
    }

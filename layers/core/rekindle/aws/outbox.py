"""Messages, and the lease that gives the right to the one attempt at each (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rekindle.aws import suppressions as suppression_items
from rekindle.aws.items import (
    CONFLICT,
    FAILED,
    Item,
    Reason,
    Wanted,
    answered,
    batch_get,
    code_of,
    names,
    number,
    query_earlier,
    text,
    transact,
    tries,
)
from rekindle.aws.messages import message_item, message_update, parse_message
from rekindle.aws.products import parse_product, product_key
from rekindle.aws.profiles import parse_profile
from rekindle.domain.errors import ConflictError
from rekindle.domain.facts import Product
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.ports import MAX_HITS, Lease, LeaseAnswer, Message, MessageState

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

_TRIES = 4


class DynamoOutbox:
    """`ports.Outbox`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._tables = tables

    def read(self, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Message], dict[str, Profile | Signpost]]:
        """Return what is known of these messages and profiles, in one call for each hundred."""
        tables = self._tables
        wanted = [
            Wanted(
                tables.messages,
                [{"id": text(key)} for key in dict.fromkeys(message for message, _ in pairs if message)],
            ),
            Wanted(
                tables.profiles,
                [{"id": text(key)} for key in dict.fromkeys(profile for _, profile in pairs if profile)],
            ),
        ]
        found = batch_get(self._clients.dynamodb, wanted)
        messages = {item["id"]["S"]: parse_message(item) for item in found[tables.messages]}
        profiles = {item["id"]["S"]: parse_profile(item) for item in found[tables.profiles]}
        return messages, {key: found for key, found in profiles.items() if not isinstance(found, Tombstone)}

    def owners(self, keys: Sequence[str]) -> dict[str, str]:
        """Return where these aliases lead."""
        if not keys:
            return {}
        wanted = Wanted(self._tables.aliases, [{"key": text(key)} for key in dict.fromkeys(keys)])
        found = batch_get(self._clients.dynamodb, [wanted])[self._tables.aliases]
        return {item["key"]["S"]: item["profile_id"]["S"] for item in found if "profile_id" in item}

    def lease(self, lease: Lease) -> LeaseAnswer:
        """Take the lease if nothing speaks against it.

        Raises `AnswerLostError`, and `ConflictError` when others keep writing the same items; then it is not taken.
        """
        wanted = lease.message
        wanted.check()
        writes = [
            self._take(wanted),
            *([self._unchanged(lease)] if lease.profile_id else ()),
            *(
                {
                    "ConditionCheck": suppression_items.absent(
                        self._tables.suppressions, wanted.shop, channel, address, lease.covers
                    )
                }
                for channel, address in ((wanted.channel, wanted.address), *lease.also)
                if lease.covers
            ),
        ]
        for _ in tries(_TRIES):
            reasons = transact(self._clients.dynamodb, writes)
            answer: LeaseAnswer | None = "taken" if reasons is None else _read(reasons, lease)
            if answer is not None:
                return answer
        raise ConflictError(f"message {wanted.id}: others kept writing the same items")

    def record(self, message: Message, *, token: str | None = None) -> bool:
        """Write the outcome if the message is still the caller's."""
        message.check()
        if token is None:
            condition, values = "attribute_not_exists(#id) OR #state = :from", {":from": text("reopened")}
            attributes = names("id", "state")
        else:
            condition = "#state = :from AND #token = :own"
            values, attributes = {":from": text("leased"), ":own": text(token)}, names("state", "token")
        stored = self._update(message, condition, attributes, values)
        return stored is None or (bool(stored) and message.repeats(parse_message(stored), token))

    def progress(self, message: Message, allowed: Sequence[MessageState]) -> bool:
        """Add what a notice says."""
        message.check()
        if not allowed:
            return False
        places = {f":from{place}": text(state) for place, state in enumerate(allowed)}
        return self._update(message, f"#state IN ({', '.join(places)})", names("state"), places) is None

    def note_hit(self, message_id: str, text: str) -> None:
        """Add one to the hits of a message, unless it has enough."""
        room = "attribute_exists(#id) AND (attribute_not_exists(#hits) OR size(#hits) < :most)"
        try:
            with answered():
                self._clients.dynamodb.update_item(
                    TableName=self._tables.messages,
                    Key={"id": {"S": message_id}},
                    UpdateExpression="ADD #hits :hit",
                    ConditionExpression=room,
                    ExpressionAttributeNames=names("id", "hits"),
                    ExpressionAttributeValues={":hit": {"SS": [text]}, ":most": number(MAX_HITS)},
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def message(self, message_id: str) -> Message | None:
        """Return one message."""
        answer = self._clients.dynamodb.get_item(
            TableName=self._tables.messages, Key={"id": text(message_id)}, ConsistentRead=True
        )
        return parse_message(answer["Item"]) if "Item" in answer else None

    def open_messages(self, before: datetime, limit: int) -> Sequence[Message]:
        """Return what is leased or unknown for too long."""
        items = query_earlier(
            self._clients.dynamodb,
            self._tables.messages,
            "open",
            shard="open_shard",
            time="leased_at",
            before=before,
            limit=limit,
        )
        return sorted(map(parse_message, items), key=lambda m: (m.leased_at, m.id))[:limit]

    def products(self, shop: str, ids: Sequence[str]) -> dict[str, Product]:
        """Return the known ones of these products."""
        keys = [product_key(shop, key) for key in dict.fromkeys(ids)]
        found = batch_get(self._clients.dynamodb, [Wanted(self._tables.products, keys)])
        products = map(parse_product, found[self._tables.products])
        return {product.id: product for product in products if product is not None}

    def _take(self, wanted: Message) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._tables.messages,
                "Item": message_item(wanted),
                "ConditionExpression": "attribute_not_exists(#id) OR #state = :reopened",
                "ExpressionAttributeNames": names("id", "state"),
                "ExpressionAttributeValues": {":reopened": text("reopened")},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _unchanged(self, lease: Lease) -> dict[str, Any]:
        return {
            "ConditionCheck": {
                "TableName": self._tables.profiles,
                "Key": {"id": text(lease.profile_id)},
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": names("version"),
                "ExpressionAttributeValues": {":version": number(lease.profile_version)},
            }
        }

    def _update(
        self, message: Message, condition: str, attributes: Mapping[str, str], values: Mapping[str, Any]
    ) -> Item | None:
        """Update the message on this condition. Return `None` when written, else what is stored (empty: nothing)."""
        update = message_update(message)
        update["ExpressionAttributeNames"] |= attributes
        update["ExpressionAttributeValues"] |= values
        try:
            with answered():
                self._clients.dynamodb.update_item(
                    TableName=self._tables.messages,
                    ConditionExpression=condition,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **update,
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            failed: Any = error.response
            return dict(failed.get("Item") or {})
        return None


def _read(reasons: Sequence[Reason], lease: Lease) -> LeaseAnswer | None:
    """Return what the failed conditions of a lease mean, by their place; `None`: only a conflict, so try again."""
    message, *others = reasons
    if message.code == FAILED:
        stored = parse_message(message.item or {})
        return "taken" if stored.state == "leased" and stored.token == lease.message.token else "held"
    if message.code == CONFLICT:
        return None
    profile, suppressions = (others[:1], others[1:]) if lease.profile_id else ([], others)
    # Whoever was erased meanwhile is suppressed as well, and nothing is to be recorded of them any more.
    if any(one.code == FAILED for one in profile):
        return "profile_changed"
    return "suppressed" if any(suppression.code == FAILED for suppression in suppressions) else None

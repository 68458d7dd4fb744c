"""Profiles, and the commit that applies one event or alarm to one of them (DESIGN §6)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from rekindle.aws import suppressions as suppression_items
from rekindle.aws.interests import interest_item
from rekindle.aws.items import (
    CONFLICT,
    FAILED,
    KEPT_LINE,
    Item,
    Reason,
    Wanted,
    answered,
    batch_get,
    code_of,
    epoch,
    moment,
    names,
    number,
    query_earlier,
    stamp,
    text,
    transact,
)
from rekindle.aws.messages import parse_message
from rekindle.aws.packing import STATE, pack, pack_text, unpack
from rekindle.aws.pending import parse_pending, pending_item
from rekindle.aws.products import product_update
from rekindle.aws.profiles import parse_profile, profile_item
from rekindle.domain.errors import ConflictError, PendingGoneError
from rekindle.domain.events import Event, decode_events
from rekindle.domain.facts import Product
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.ports import (
    MAX_SPLIT,
    QUARANTINE,
    Alias,
    Commit,
    Grave,
    Heard,
    HeardPage,
    Interested,
    LedgerEntry,
    Merged,
    Message,
    Pending,
    Work,
)

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables


class DynamoState:
    """`ports.State`."""

    def __init__(self, clients: Clients, tables: Tables, *, raw_bucket: str = "") -> None:
        self._clients = clients
        self._tables = tables
        self._raw_bucket = raw_bucket

    def pending(self, pending_id: str) -> Pending | None:
        """Return the pending item."""
        item = self._get(self._tables.pending, pending_id)
        return None if item is None else parse_pending(item)

    def work(self, pending: Pending) -> Work | None:
        """Return the item as it stands, its events and the owners of its aliases, in one BatchGetItem.

        Events that were too large for their item cost one more call. Raises `LookupError` when the delivery is gone.
        """
        found = batch_get(
            self._clients.dynamodb,
            [
                Wanted(self._tables.deliveries, [{"id": text(pending.delivery_id)}], ("id", "events", "events_ref")),
                Wanted(self._tables.pending, [{"id": text(pending.id)}]),
                Wanted(self._tables.aliases, [{"key": text(key)} for key in dict.fromkeys(pending.keys)]),
            ],
        )
        if not found[self._tables.pending]:
            return None
        if not found[self._tables.deliveries]:
            raise LookupError(f"delivery {pending.delivery_id} is gone, and pending item {pending.id} still needs it")
        return Work(
            pending=parse_pending(found[self._tables.pending][0]),
            events=self._events(found[self._tables.deliveries][0]),
            # An address that was first heard of as one that customers share leads to nobody yet.
            owners={
                item["key"]["S"]: item["profile_id"]["S"]
                for item in found[self._tables.aliases]
                if "profile_id" in item
            },
            quarantined=frozenset(
                item["key"]["S"]
                for item in found[self._tables.aliases]
                if len(item.get("customers", {}).get("SS", ())) >= QUARANTINE
            ),
        )

    def profile(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        """Return the profile, its signpost or its tombstone."""
        item = self._get(self._tables.profiles, profile_id)
        return None if item is None else parse_profile(item)

    def split(self, pending: Pending, parts: Sequence[Pending]) -> None:
        """Replace the item by its parts."""
        if len(parts) > MAX_SPLIT:
            raise ValueError(f"a delivery concerns at most {MAX_SPLIT} profiles, not {len(parts)}")
        puts = [{"Put": {"TableName": self._tables.pending, "Item": pending_item(part)}} for part in parts]
        self._transact(pending.id, [self._apply(pending.id), *puts])

    def commit(self, commit: Commit) -> None:
        """Put the products one by one, then everything else in one transaction.

        Products are upserts and stand by themselves: inside the transaction a newer one would make it fail.
        """
        commit.check()
        for product in commit.products:
            self._put_product(commit.shop_id, product)
        writes: list[dict[str, Any]] = []
        if commit.pending_id is not None:
            writes.append(self._apply(commit.pending_id))
        if commit.profile is not None:
            writes.append(self._put_profile(commit.profile, commit.expires_at))
        writes += [self._put_alias(alias) for alias in commit.aliases]
        if commit.profile is not None:
            writes += [self._put_signpost(merged, commit.profile) for merged in commit.merged]
        writes += [self._still(grave) for grave in commit.graves]
        if commit.profile is not None:
            writes += [self._put_interest(each, commit.profile) for each in commit.interests]
        if commit.profile is not None and commit.told_at is not None:
            cause = commit.pending_id or f"alarm.{commit.profile.version}"
            writes.append(self._put_ledger(commit.profile, commit.told_at, cause, commit))
        if writes:
            self._commit(commit, writes)

    def _commit(self, commit: Commit, writes: Sequence[dict[str, Any]]) -> None:
        """Write it all; of the suppressions those that no later refusal or grant forbids."""
        refusals = suppression_items.together(commit.suppressions)
        while True:
            puts = [{"Update": suppression_items.put(self._tables.suppressions, each)} for each in refusals]
            reasons = transact(self._clients.dynamodb, [*writes, *puts])
            if reasons is None:
                return
            kept = suppression_items.still(refusals, reasons[len(writes) :])
            if kept == refusals or any(reason.code in {FAILED, CONFLICT} for reason in reasons[: len(writes)]):
                raise self._lost(commit.pending_id, reasons)
            refusals = kept

    def lift(self, shop: str, channel: str, address: str, granted_at: datetime) -> None:
        """Remember the newest grant."""
        try:
            with answered():
                update = suppression_items.lift(self._tables.suppressions, shop, channel, address, granted_at)
                self._clients.dynamodb.update_item(**update)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def overdue(self, before: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        """Return whom the sweep must wake."""
        items = query_earlier(
            self._clients.dynamodb,
            self._tables.profiles,
            "due",
            shard="due_shard",
            time="due",
            before=before,
            limit=limit,
        )
        found = sorted((moment(item["due"]["S"]), item["id"]["S"]) for item in items)
        return [(profile_id, due) for due, profile_id in found[:limit]]

    def stale_pending(self, before: datetime, limit: int) -> Sequence[Pending]:
        """Return what was accepted and not applied for too long, from a scan: the table is nearly empty."""
        found: list[Pending] = []
        request: dict[str, Any] = {
            "TableName": self._tables.pending,
            "ConsistentRead": True,
            "FilterExpression": "#accepted_at < :before",
            "ExpressionAttributeNames": names("accepted_at"),
            "ExpressionAttributeValues": {":before": text(stamp(before))},
        }
        while True:
            answer = self._clients.dynamodb.scan(**request)
            found += [parse_pending(item) for item in answer["Items"]]
            last = answer.get("LastEvaluatedKey")
            if not last or len(found) >= limit:
                return found[:limit]
            request["ExclusiveStartKey"] = last

    def share_address(self, key: str, customer: str) -> int:
        """Add the customer to the alias's set."""
        with answered():
            updated = self._clients.dynamodb.update_item(
                TableName=self._tables.aliases,
                Key={"key": text(key)},
                UpdateExpression="ADD #customers :customer",
                ExpressionAttributeNames=names("customers"),
                ExpressionAttributeValues={":customer": {"SS": [customer]}},
                ReturnValues="ALL_NEW",
            )
        return len(updated["Attributes"]["customers"]["SS"])

    def messages(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the messages that exist."""
        keys = [{"id": text(key)} for key in dict.fromkeys(ids)]
        found = batch_get(self._clients.dynamodb, [Wanted(self._tables.messages, keys)])
        return {message.id: message for message in map(parse_message, found[self._tables.messages])}

    def heard(
        self, profile_id: str, since: datetime | None = None, cursor: str | None = None, limit: int = 100
    ) -> HeardPage:
        """Return a page of what the profile was told: one Query of the ledger, one BatchGetItem of the deliveries.

        Events that were too large for their item cost one more call each.
        """
        request: dict[str, Any] = {
            "TableName": self._tables.ledger,
            "ConsistentRead": True,
            "ScanIndexForward": False,
            "Limit": limit,
            # a sort key is never empty, and every stored one begins with a year
            "KeyConditionExpression": "#profile_id = :profile_id AND #at >= :since",
            "ProjectionExpression": "#at",
            "ExpressionAttributeNames": names("profile_id", "at"),
            "ExpressionAttributeValues": {
                ":profile_id": text(profile_id),
                ":since": text("0" if since is None else stamp(since)),
            },
        }
        if cursor is not None:
            request["ExclusiveStartKey"] = {"profile_id": text(profile_id), "at": text(cursor)}
        answer = self._clients.dynamodb.query(**request)
        lines = [LedgerEntry(at=item["at"]["S"]) for item in answer["Items"]]
        told = [(line.at, line.delivery_id) for line in lines if line.delivery_id is not None]
        keys = [{"id": text(key)} for key in dict.fromkeys(key for _, key in told)]
        wanted = Wanted(self._tables.deliveries, keys, ("id", "events", "events_ref"))
        found = batch_get(self._clients.dynamodb, [wanted])[self._tables.deliveries]
        events = {item["id"]["S"]: self._events(item) for item in found}
        last = answer.get("LastEvaluatedKey")
        return HeardPage(
            tuple(Heard(at=at, delivery_id=key, events=events.get(key, ())) for at, key in told),
            last["at"]["S"] if last else None,
        )

    def count_try(self, pending_id: str) -> int:
        """Count one more try."""
        try:
            with answered():
                answer = self._clients.dynamodb.update_item(
                    TableName=self._tables.pending,
                    Key={"id": text(pending_id)},
                    UpdateExpression="ADD #tries :one",
                    ConditionExpression="attribute_exists(#id)",
                    ExpressionAttributeNames=names("id", "tries"),
                    ExpressionAttributeValues={":one": number(1)},
                    ReturnValues="UPDATED_NEW",
                )
        except ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return 0
            raise
        return int(answer["Attributes"]["tries"]["N"])

    def reset_tries(self, pending_id: str) -> bool:
        """Set the tries back."""
        try:
            with answered():
                self._clients.dynamodb.update_item(
                    TableName=self._tables.pending,
                    Key={"id": text(pending_id)},
                    UpdateExpression="SET #tries = :none",
                    ConditionExpression="attribute_exists(#id)",
                    ExpressionAttributeNames=names("id", "tries"),
                    ExpressionAttributeValues={":none": number(0)},
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _get(self, table: str, key: str) -> Item | None:
        answer = self._clients.dynamodb.get_item(TableName=table, Key={"id": text(key)}, ConsistentRead=True)
        return answer.get("Item")

    def _events(self, delivery: Item) -> tuple[Event, ...]:
        if "events" in delivery:
            return decode_events(unpack(delivery["events"]))
        if "events_ref" not in delivery:
            return ()
        answer = self._clients.s3.get_object(Bucket=self._raw_bucket, Key=delivery["events_ref"]["S"])
        return decode_events(zlib.decompress(answer["Body"].read()))

    def _transact(self, pending_id: str | None, writes: Sequence[dict[str, Any]]) -> None:
        """Write, the pending item's deletion first. Failures are told apart by their place, never by their message."""
        reasons = transact(self._clients.dynamodb, writes)
        if reasons is not None:
            raise self._lost(pending_id, reasons)

    @staticmethod
    def _lost(pending_id: str | None, reasons: Sequence[Reason]) -> PendingGoneError | ConflictError:
        if pending_id is not None and reasons[0].code == FAILED:
            return PendingGoneError(pending_id)
        places = [place for place, reason in enumerate(reasons) if reason.code in {FAILED, CONFLICT}]
        return ConflictError(f"{pending_id or 'alarm'}: writes {places} of {len(reasons)} met somebody else's")

    def _apply(self, pending_id: str) -> dict[str, Any]:
        return {
            "Delete": {
                "TableName": self._tables.pending,
                "Key": {"id": text(pending_id)},
                "ConditionExpression": "attribute_exists(#id)",
                "ExpressionAttributeNames": names("id"),
            }
        }

    def _put_profile(self, profile: Profile, expires_at: datetime | None) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._tables.profiles, "Item": profile_item(profile, expires_at)}
        if profile.version == 1:
            put |= {"ConditionExpression": "attribute_not_exists(#id)", "ExpressionAttributeNames": names("id")}
        else:
            put |= {
                "ConditionExpression": "#version = :before",
                "ExpressionAttributeNames": names("version"),
                "ExpressionAttributeValues": {":before": number(profile.version - 1)},
            }
        return {"Put": put}

    def _put_alias(self, alias: Alias) -> dict[str, Any]:
        item = {"key": text(alias.key), "profile_id": text(alias.profile_id)}
        put: dict[str, Any] = {"TableName": self._tables.aliases, "Item": item}
        if alias.was is None:
            put |= {
                "ConditionExpression": "attribute_not_exists(#profile_id)",
                "ExpressionAttributeNames": names("profile_id"),
            }
        else:
            put |= {
                "ConditionExpression": "#profile_id = :was",
                "ExpressionAttributeNames": names("profile_id"),
                "ExpressionAttributeValues": {":was": text(alias.was)},
            }
        return {"Put": put}

    def _put_signpost(self, merged: Merged, to: Profile) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._tables.profiles,
                "Item": {"id": text(merged.profile_id), "shop": text(to.shop), "to": text(to.id)},
                "ConditionExpression": "#version = :before",
                "ExpressionAttributeNames": names("version"),
                "ExpressionAttributeValues": {":before": number(merged.version)},
            }
        }

    def _still(self, grave: Grave) -> dict[str, Any]:
        return {
            "ConditionCheck": {
                "TableName": self._tables.profiles,
                "Key": {"id": text(grave.profile_id)},
                "ConditionExpression": "#erased_at = :read",
                "ExpressionAttributeNames": names("erased_at"),
                "ExpressionAttributeValues": {":read": text(stamp(grave.erased_at))},
            }
        }

    def _put_interest(self, interested: Interested, of: Profile) -> dict[str, Any]:
        item = interest_item(of.shop, of.id, interested)
        return {"Put": {"TableName": self._tables.interests, "Item": item}}

    def _put_ledger(self, profile: Profile, at: datetime, cause: str, commit: Commit) -> dict[str, Any]:
        item = {
            "profile_id": text(profile.id),
            "at": text(f"{stamp(at)}#{cause}"),
            "shop": text(profile.shop),
            "decisions": pack(msgspec.json.encode(commit.decisions), STATE),
            "expires": epoch(at + KEPT_LINE),
        }
        if commit.counts:
            item["counts"] = pack_text(msgspec.json.encode(commit.counts), STATE)
        return {"Put": {"TableName": self._tables.ledger, "Item": item}}

    def _put_product(self, shop: str, product: Product) -> None:
        """Upsert one product, unless a newer one stands."""
        try:
            with answered():
                self._clients.dynamodb.update_item(TableName=self._tables.products, **product_update(shop, product))
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

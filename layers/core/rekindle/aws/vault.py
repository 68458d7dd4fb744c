"""What privacy needs of every table and of the raw bucket: finding all of a person or a shop, and making it go away."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from rekindle.aws import suppressions as suppression_items
from rekindle.aws.coupons import coupon_key, parse_coupon
from rekindle.aws.items import (
    Item,
    Wanted,
    answered,
    batch_delete,
    batch_get,
    code_of,
    moment,
    names,
    number,
    query_until,
    stamp,
    text,
)
from rekindle.aws.messages import parse_message
from rekindle.aws.packing import DELIVERIES, pack, unpack
from rekindle.aws.pending import parse_pending
from rekindle.aws.profiles import parse_profile, tombstone_item
from rekindle.domain.errors import ConflictError
from rekindle.domain.events import Delivery, Event, Suppression, decode_events, encode_events
from rekindle.domain.offers import Coupon
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.ports import QUARANTINE, SHOP_STORES, LedgerEntry, Message, Pending, Purged

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

#: How many items one page of a scan looks at; DynamoDB ends it at 1 MB at the latest.
_PAGE = 500
#: DeleteObjects takes so many.
_FILES = 1000
#: How many coupons of one profile are looked at at once: more than anybody has, and what is left is found again.
_MOST_COUPONS = 1000
#: And of the lists of products on which one stands.
_MOST_INTERESTS = 1000
#: Tables whose items name their shop in the key, and those that name it in an attribute; and each one's own key.
_BY_KEY = frozenset({"aliases", "interests", "products", "shelves", "suppressions"})
_KEYS: Mapping[str, tuple[str, ...]] = {
    "ledger": ("profile_id", "at"),
    "coupons": ("key",),
    "interests": ("key", "profile_id"),
}

_decisions = msgspec.json.Decoder(tuple[Decision, ...])


class AwsVault:
    """`ports.Vault`."""

    def __init__(
        self, clients: Clients, tables: Tables, *, raw_bucket: str, secrets_prefix: str, content_bucket: str = ""
    ) -> None:
        """Take the stores' names. Only who empties a shop's stores needs the content bucket."""
        self._clients = clients
        self._tables = tables
        self._raw_bucket = raw_bucket
        self._secrets_prefix = secrets_prefix
        self._content_bucket = content_bucket

    # --- who it is

    def owners(self, keys: Sequence[str]) -> tuple[dict[str, str], frozenset[str]]:
        """Return whom the aliases lead to."""
        wanted = Wanted(self._tables.aliases, [{"key": text(key)} for key in dict.fromkeys(keys)])
        items = batch_get(self._clients.dynamodb, [wanted])[self._tables.aliases]
        owners = {item["key"]["S"]: item["profile_id"]["S"] for item in items if "profile_id" in item}
        shared = (item["key"]["S"] for item in items if len(item.get("customers", {}).get("SS", ())) >= QUARANTINE)
        return owners, frozenset(shared)

    def point(self, key: str, profile_id: str) -> bool:
        """Write the alias if it is absent."""
        try:
            with answered():
                self._clients.dynamodb.update_item(
                    TableName=self._tables.aliases,
                    Key={"key": text(key)},
                    UpdateExpression="SET #profile_id = :id",
                    ConditionExpression="attribute_not_exists(#profile_id) OR #profile_id = :id",
                    ExpressionAttributeNames=names("profile_id"),
                    ExpressionAttributeValues={":id": text(profile_id)},
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def profiles(self, ids: Sequence[str]) -> dict[str, Profile | Signpost | Tombstone]:
        """Return what stands under these ids."""
        wanted = Wanted(self._tables.profiles, [{"id": text(each)} for each in ids])
        items = batch_get(self._clients.dynamodb, [wanted])[self._tables.profiles]
        return {item["id"]["S"]: parse_profile(item) for item in items}

    def bury(self, profile_id: str, tombstone: Tombstone, version: int | None) -> None:
        """Put the tombstone."""
        put: dict[str, Any] = {
            "TableName": self._tables.profiles,
            "Item": tombstone_item(profile_id, tombstone),
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": names("version"),
        }
        if version is None:
            put["ConditionExpression"] = "attribute_not_exists(#version) AND attribute_not_exists(#to)"
            put["ExpressionAttributeNames"] = names("version", "to")
        else:
            put["ExpressionAttributeValues"] = {":version": number(version)}
        try:
            with answered():
                self._clients.dynamodb.put_item(**put)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            raise ConflictError(f"profile {profile_id} is not at version {version}") from error

    # --- refusals

    def suppress(self, suppression: Suppression) -> None:
        """Write the refusal, unless it is overruled."""
        suppression_items.write(self._clients, self._tables.suppressions, [suppression])

    def suppressions(self, shop: str, channel: str, address: str) -> Sequence[Suppression]:
        """Return what is in force."""
        key = suppression_items.key(shop, channel, address)
        answer = self._clients.dynamodb.get_item(TableName=self._tables.suppressions, Key=key, ConsistentRead=True)
        return suppression_items.in_force(answer.get("Item", {}), shop, channel, address)

    # --- deliveries, and what is pending of them

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return the delivery, with what of it is in the bucket."""
        item = self._delivery(delivery_id)
        if item is None or "of" in item:
            return None
        return Delivery(
            id=delivery_id,
            shop=item["shop"]["S"],
            source=item["source"]["S"],
            topic=item["topic"]["S"],
            received_at=moment(item["received_at"]["S"]),
            triggered_at=moment(item["triggered_at"]["S"]) if "triggered_at" in item else None,
            events=self._events(item),
            body=self._body(item),
        )

    def strip(
        self, delivery_id: str, at: datetime, events: Sequence[Event] = (), *, known: Sequence[Event] | None = None
    ) -> int:
        """Delete the files first: while their keys are known, a repeat finds them."""
        item = self._delivery(delivery_id)
        if item is None or "of" in item:
            return 0
        if known is not None and self._events(item) != tuple(known):
            raise ConflictError(f"delivery {delivery_id} says something else by now")
        files = [item[ref]["S"] for ref in ("body_ref", "events_ref") if ref in item]
        self._delete_files(files, self._raw_bucket)
        update = "SET #erased_at = :at REMOVE #body, #body_ref, #events_ref"
        values = {":at": text(stamp(at))}
        if events:
            update = update.replace(" REMOVE", ", #events = :events REMOVE")
            values[":events"] = pack(encode_events(tuple(events)), DELIVERIES)
        else:
            update += ", #events"
        as_read = "attribute_not_exists(#events)"
        if "events" in item:
            as_read, values[":known"] = "#events = :known", item["events"]
        try:
            with answered():
                self._clients.dynamodb.update_item(
                    TableName=self._tables.deliveries,
                    Key={"id": text(delivery_id)},
                    UpdateExpression=update,
                    ConditionExpression=f"attribute_exists(#id) AND {as_read}",
                    ExpressionAttributeNames=names("id", "erased_at", "body", "body_ref", "events", "events_ref"),
                    ExpressionAttributeValues=values,
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            # By this very call, whose first answer was lost; by somebody else in this moment; or it has expired.
            found = self._delivery(delivery_id)
            if found is None or ("body" not in found and found.get("events") == values.get(":events")):
                return len(files)
            raise ConflictError(f"delivery {delivery_id} says something else by now") from error
        return len(files)

    def waiting(self, keys: Collection[str]) -> Sequence[Pending]:
        """Return the pending items with these keys, from a scan: the table is nearly empty."""
        wanted, found = set(keys), []
        request: dict[str, Any] = {"TableName": self._tables.pending, "ConsistentRead": True}
        while True:
            answer = self._clients.dynamodb.scan(**request)
            pending = map(parse_pending, answer["Items"])
            found += [item for item in pending if wanted.intersection(item.keys)]
            if not answer.get("LastEvaluatedKey"):
                return found
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def drop(self, pending_id: str) -> None:
        """Delete the pending item."""
        self._clients.dynamodb.delete_item(TableName=self._tables.pending, Key={"id": text(pending_id)})

    # --- ledger and messages

    def ledger(self, profile_id: str, after: str = "", limit: int = 100) -> Sequence[LedgerEntry]:
        """Return the profile's lines."""
        items = query_until(
            self._clients.dynamodb,
            limit,
            TableName=self._tables.ledger,
            ConsistentRead=True,
            KeyConditionExpression="#profile_id = :profile_id AND #at > :after",
            ExpressionAttributeNames=names("profile_id", "at"),
            # a sort key is never empty, and every stored one begins with a year
            ExpressionAttributeValues={":profile_id": text(profile_id), ":after": text(after or "0")},
        )
        return [
            LedgerEntry(at=item["at"]["S"], decisions=_decisions.decode(unpack(item["decisions"]))) for item in items
        ]

    def forget_ledger(self, profile_id: str, lines: Sequence[str]) -> None:
        """Delete lines."""
        keys = [{"profile_id": text(profile_id), "at": text(line)} for line in lines]
        batch_delete(self._clients.dynamodb, self._tables.ledger, keys)

    def messages(self, ids: Sequence[str]) -> dict[str, Message]:
        """Return the messages that exist."""
        keys = [{"id": text(key)} for key in dict.fromkeys(ids)]
        found = batch_get(self._clients.dynamodb, [Wanted(self._tables.messages, keys)])
        return {message.id: message for message in map(parse_message, found[self._tables.messages])}

    def forget_messages(self, ids: Sequence[str]) -> None:
        """Delete messages."""
        batch_delete(self._clients.dynamodb, self._tables.messages, [{"id": text(key)} for key in ids])

    def coupons(self, profile_id: str) -> Sequence[Coupon]:
        """Return the profile's coupons, from the index."""
        items = query_until(
            self._clients.dynamodb,
            _MOST_COUPONS,
            TableName=self._tables.coupons,
            IndexName="profile",
            KeyConditionExpression="#profile_id = :profile_id",
            ExpressionAttributeNames=names("profile_id"),
            ExpressionAttributeValues={":profile_id": text(profile_id)},
        )
        wanted = Wanted(self._tables.coupons, [{"key": item["key"]} for item in items])
        return [parse_coupon(item) for item in batch_get(self._clients.dynamodb, [wanted])[self._tables.coupons]]

    def forget_coupons(self, coupons: Sequence[Coupon]) -> None:
        """Delete coupons."""
        batch_delete(self._clients.dynamodb, self._tables.coupons, [{"key": text(coupon_key(c))} for c in coupons])

    def interests(self, profile_id: str) -> Sequence[str]:
        """Return the keys of the profile's entries, from the index."""
        items = query_until(
            self._clients.dynamodb,
            _MOST_INTERESTS,
            TableName=self._tables.interests,
            IndexName="profile",
            KeyConditionExpression="#profile_id = :profile_id",
            ExpressionAttributeNames=names("profile_id"),
            ExpressionAttributeValues={":profile_id": text(profile_id)},
        )
        return [item["key"]["S"] for item in items]

    def forget_interests(self, profile_id: str, keys: Sequence[str]) -> None:
        """Delete entries."""
        entries = [{"key": text(key), "profile_id": text(profile_id)} for key in dict.fromkeys(keys)]
        batch_delete(self._clients.dynamodb, self._tables.interests, entries)

    # --- a shop

    def forget_files(self, prefix: str) -> int:
        """Delete files of the raw bucket, a thousand a call."""
        count = 0
        while True:
            keys = self._list(prefix, self._raw_bucket)
            self._delete_files(keys, self._raw_bucket)
            count += len(keys)
            if len(keys) < _FILES:
                return count

    def purge(self, shop: str, store: str, cursor: str | None = None, *, spare: str = "") -> Purged:
        """Delete a page: of a scan with this shop's items filtered out, or of a listing of the bucket."""
        if store not in SHOP_STORES:
            raise ValueError(f"{store} is none of {', '.join(SHOP_STORES)}")
        kind, _, folder = store.rpartition("/")
        if kind:
            bucket = {"raw": self._raw_bucket, "content": self._content_bucket}[kind]
            keys = self._list(f"{folder}/{shop}/", bucket)
            self._delete_files(keys, bucket)
            return Purged(len(keys), "more" if len(keys) == _FILES else None)
        key_names = self._key_names(store)
        refs = ("body_ref", "events_ref") if store == "deliveries" else ()
        items, after = self._scan(shop, store, cursor, (*key_names, *refs))
        items = [item for item in items if item[key_names[0]]["S"] != spare]
        self._delete_files([item[ref]["S"] for item in items for ref in refs if ref in item], self._raw_bucket)
        keys_only = [{name: item[name] for name in key_names} for item in items]
        batch_delete(self._clients.dynamodb, getattr(self._tables, store), keys_only)
        return Purged(len(items), after)

    def disconnect(self, shop: str) -> bool:
        """Schedule the secret's deletion: until then it answers as if it were gone, and can be restored by hand."""
        try:
            self._clients.secrets.delete_secret(SecretId=f"{self._secrets_prefix}/shops/{shop}", RecoveryWindowInDays=7)
        except ClientError as error:
            # The second: it is scheduled for deletion already.
            if code_of(error) not in {"ResourceNotFoundException", "InvalidRequestException"}:
                raise
            return False
        return True

    # --- what they share

    def _delivery(self, delivery_id: str) -> Item | None:
        answer = self._clients.dynamodb.get_item(
            TableName=self._tables.deliveries, Key={"id": text(delivery_id)}, ConsistentRead=True
        )
        return answer.get("Item")

    def _events(self, item: Item) -> tuple[Event, ...]:
        written = self._written(item)
        return decode_events(written) if written else ()

    def _written(self, item: Item) -> bytes:
        """Return the events as they were encoded."""
        if "events" in item:
            return unpack(item["events"])
        stored = self._file(item, "events_ref")
        return zlib.decompress(stored) if stored else b""

    def _body(self, item: Item) -> bytes:
        if "body" in item:
            return unpack(item["body"], beside=self._written(item))
        stored = self._file(item, "body_ref")
        return zlib.decompress(stored) if stored else b""

    def _file(self, item: Item, ref: str) -> bytes | None:
        if ref not in item:
            return None
        try:
            answer = self._clients.s3.get_object(Bucket=self._raw_bucket, Key=item[ref]["S"])
        except ClientError as error:
            # An earlier try at stripping the delivery came so far.
            if code_of(error) not in {"NoSuchKey", "404"}:
                raise
            return None
        return answer["Body"].read()

    def _list(self, prefix: str, bucket: str) -> list[str]:
        answer = self._clients.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_FILES)
        return [found["Key"] for found in answer.get("Contents", ())]

    def _delete_files(self, keys: Iterable[str], bucket: str) -> None:
        listed = list(keys)
        for start in range(0, len(listed), _FILES):
            objects: Any = [{"Key": key} for key in listed[start : start + _FILES]]
            answer = self._clients.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            errors = answer.get("Errors", ())
            if errors:
                codes = sorted({error.get("Code", "") for error in errors})
                raise OSError(f"S3 did not delete {len(errors)} files: {', '.join(codes)}")

    def _key_names(self, store: str) -> tuple[str, ...]:
        return _KEYS.get(store, ("key",) if store in _BY_KEY else ("id",))

    def _scan(
        self, shop: str, store: str, cursor: str | None, attributes: Sequence[str]
    ) -> tuple[list[Item], str | None]:
        """Return one page of the shop's items, with these attributes (none: all), and the cursor of the next."""
        request: dict[str, Any] = {
            "TableName": getattr(self._tables, store),
            "ConsistentRead": True,
            "Limit": _PAGE,
            "FilterExpression": "begins_with(#key, :shop)" if store in _BY_KEY else "#shop = :shop",
            "ExpressionAttributeNames": names("key" if store in _BY_KEY else "shop", *attributes),
            "ExpressionAttributeValues": {":shop": text(f"{shop}#" if store in _BY_KEY else shop)},
        }
        if attributes:
            request["ProjectionExpression"] = ", ".join(f"#{name}" for name in attributes)
        if cursor is not None:
            request["ExclusiveStartKey"] = msgspec.json.decode(cursor)
        answer = self._clients.dynamodb.scan(**request)
        last = answer.get("LastEvaluatedKey")
        return answer["Items"], msgspec.json.encode(last).decode() if last else None

"""Accepted deliveries, read back with their bodies: for tools, since every call reads the whole table."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rekindle.aws.items import code_of, moment, names, optional, stamp, text
from rekindle.aws.packing import unpack
from rekindle.domain.events import Delivery, decode_events

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables


class DynamoArchive:
    """`ports.Archive`. What was accepted a moment ago may be missing: the scan is not strongly consistent."""

    def __init__(self, clients: Clients, tables: Tables, *, raw_bucket: str) -> None:
        self._clients = clients
        self._tables = tables
        self._raw_bucket = raw_bucket

    def deliveries(
        self, shop: str, since: datetime | None = None, until: datetime | None = None, topic: str | None = None
    ) -> Iterator[Delivery]:
        """Yield the deliveries, a page of the table at a time. Items that only keep a further id taken are none."""
        conditions = ["#shop = :shop", "attribute_exists(#source)"]
        values: dict[str, Any] = {":shop": text(shop)}
        attributes = ["shop", "source"]
        for name, value, condition in (
            ("received_at", stamp(since) if since else None, "#received_at >= :since"),
            ("received_at", stamp(until) if until else None, "#received_at < :until"),
            ("topic", topic, "#topic = :topic"),
        ):
            if value is not None:
                conditions.append(condition)
                attributes.append(name)
                values[condition.rpartition(" ")[2]] = text(value)
        request: dict[str, Any] = {
            "TableName": self._tables.deliveries,
            "FilterExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names(*attributes),
            "ExpressionAttributeValues": values,
        }
        while True:
            answer = self._clients.dynamodb.scan(**request)
            for item in answer["Items"]:
                yield self._delivery(item)
            last = answer.get("LastEvaluatedKey")
            if not last:
                return
            request["ExclusiveStartKey"] = last

    def _delivery(self, item: Mapping[str, Any]) -> Delivery:
        triggered_at = optional(item, "triggered_at")
        events = self._part(item, "events")
        body = self._part(item, "body", beside=events)
        return Delivery(
            id=item["id"]["S"],
            shop=item["shop"]["S"],
            source=item["source"]["S"],
            topic=item["topic"]["S"],
            received_at=moment(item["received_at"]["S"]),
            triggered_at=None if triggered_at is None else moment(triggered_at),
            events=decode_events(events) if events else (),
            body=body,
        )

    def _part(self, item: Mapping[str, Any], name: str, beside: bytes = b"") -> bytes:
        """Return what stands under `name`, or in the bucket under `<name>_ref`; nothing when it is in neither."""
        key = optional(item, f"{name}_ref")
        if key is None:
            return unpack(item[name], beside) if name in item else b""
        try:
            return zlib.decompress(self._clients.s3.get_object(Bucket=self._raw_bucket, Key=key)["Body"].read())
        except ClientError as error:
            if code_of(error) in {"NoSuchKey", "404"}:
                return b""
            raise

"""Everything that a stack stores, as text: what is packed is unpacked, so that a search finds what lies inside."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from local.world import World
from rekindle.aws.packing import unpack


def everything(there: World) -> str:
    """Return all items of all tables, and the names and contents of all files in both buckets."""
    pages = (
        page
        for table in there.stack.tables.values()
        for page in there.stack.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    )
    items = [opened(item) for page in pages for item in page["Items"]]
    buckets = (there.stack.outputs["RawBucketName"], there.stack.content_bucket)
    return repr((items, [file for bucket in buckets for file in _files(there, bucket)]))


def opened(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with what it holds packed as it was before. Raises where something cannot be read."""
    plain = {name: value for name, value in item.items() if "B" not in value}
    if "events" in item and "B" in item["events"]:
        plain["events"] = unpack(item["events"])
    # A body was packed by what its events say (`aws.intake`).
    beside = unpack(item["events"]) if "events" in item else b""
    plain |= {
        name: unpack(value, beside=beside if name == "body" else b"")
        for name, value in item.items()
        if "B" in value and name != "events"
    }
    return plain


def _files(there: World, bucket: str) -> Iterator[tuple[str, bytes]]:
    for page in there.stack.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            raw = there.stack.s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            yield found["Key"], zlib.decompress(raw) if raw[:1] == b"x" and raw[1:2] in b"\x01\x5e\x9c\xda" else raw

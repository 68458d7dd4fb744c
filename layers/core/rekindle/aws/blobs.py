"""The content bucket."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rekindle.aws.items import code_of
from rekindle.ports import Listing

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

_ABSENT = frozenset({"NoSuchKey", "404"})
_LOST_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409", *_ABSENT})


class S3Blobs:
    """`ports.Blobs`. Version tags are ETags."""

    def __init__(self, clients: Clients, bucket: str) -> None:
        self._clients = clients
        self._bucket = bucket

    def get(self, key: str) -> bytes | None:
        """Return the content."""
        found = self.tagged(key)
        return None if found is None else found[0]

    def put(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write the content."""
        self._clients.s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)

    def delete(self, key: str) -> None:
        """Delete it. Only tools do: the bucket keeps the version that it had."""
        self._clients.s3.delete_object(Bucket=self._bucket, Key=key)

    def list(self, prefix: str) -> dict[str, str]:
        """Return the version tags under the prefix, a thousand a call."""
        return self.listing(prefix).tags

    def following(self, prefix: str, after: str) -> str | None:
        """Return the first key behind `after`: S3 lists in the order of the keys' octets."""
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": 1}
        if after:
            request["StartAfter"] = after
        found = self._clients.s3.list_objects_v2(**request).get("Contents", ())
        return next((str(one["Key"]) for one in found), None)

    def listing(self, prefix: str) -> Listing:
        """Return the tags and the newest `LastModified`, a thousand a call."""
        tags: dict[str, str] = {}
        sizes: dict[str, int] = {}
        newest: datetime | None = None
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            answer = self._clients.s3.list_objects_v2(**request)
            for found in answer.get("Contents", ()):
                tags[found["Key"]] = found["ETag"]
                sizes[found["Key"]] = found.get("Size", 0)
                written = found.get("LastModified")
                if written is not None and (newest is None or written > newest):
                    newest = written
            if not answer.get("IsTruncated"):
                return Listing(tags, newest.astimezone(UTC) if newest is not None else None, sizes)
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def swap(self, key: str, content: bytes, *, expected: str | None) -> bool:
        """Write if nobody else did meanwhile: a conditional put."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        try:
            self._clients.s3.put_object(Bucket=self._bucket, Key=key, Body=content, **condition)
        except ClientError as error:
            if code_of(error) not in _LOST_RACE:
                raise
            # botocore may have tried again after a lost answer: then the one who was first is this very call
            return self.get(key) == content
        return True

    def tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return content and tag."""
        try:
            answer = self._clients.s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            raise
        return answer["Body"].read(), answer["ETag"]

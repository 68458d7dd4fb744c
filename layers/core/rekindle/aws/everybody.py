"""All profiles, page by page, in shards: a parallel scan that brings home ids alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rekindle.aws.items import names, optional, text
from rekindle.ports import ProfilePage

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables


class DynamoEverybody:
    """`ports.Everybody`. A cursor is the last profile id that was looked at."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._tables = tables

    def profile_ids(
        self, shard: int, of: int, cursor: str | None = None, *, shop: str = "", limit: int = 500
    ) -> ProfilePage:
        """Return a page of one segment of a scan, which DynamoDB ends at 1 MB at the latest.

        Eventually consistent, at half the price: whoever became a profile in the last moments did so under the newest
        playbook anyway.
        """
        # Only a profile has a version, and only one that nobody knows expires.
        conditions = ["attribute_exists(#version)", "attribute_not_exists(#expires)"]
        request: dict[str, Any] = {
            "TableName": self._tables.profiles,
            "Segment": shard,
            "TotalSegments": of,
            "Limit": limit,
            "ProjectionExpression": "#id, #zone",
            "ExpressionAttributeNames": names("id", "version", "expires", "zone"),
        }
        if shop:
            conditions.append("#shop = :shop")
            request["ExpressionAttributeNames"] |= names("shop")
            request["ExpressionAttributeValues"] = {":shop": text(shop)}
        request["FilterExpression"] = " AND ".join(conditions)
        if cursor is not None:
            request["ExclusiveStartKey"] = {"id": text(cursor)}
        answer = self._clients.dynamodb.scan(**request)
        last = answer.get("LastEvaluatedKey")
        return ProfilePage(
            tuple(item["id"]["S"] for item in answer["Items"]),
            last["id"]["S"] if last else None,
            tuple(optional(item, "zone") or "" for item in answer["Items"]),
        )

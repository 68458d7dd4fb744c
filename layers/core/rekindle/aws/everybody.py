"""All profiles, page by page, in shards: a parallel scan that brings home ids alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rekindle.aws.items import names, optional, text
from rekindle.aws.profiles import parse_profile
from rekindle.domain.profile import Profile
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
        answer = self._scan(shard, of, cursor, shop, limit, ("id", "zone"))
        last = answer.get("LastEvaluatedKey")
        return ProfilePage(
            tuple(item["id"]["S"] for item in answer["Items"]),
            last["id"]["S"] if last else None,
            tuple(optional(item, "zone") or "" for item in answer["Items"]),
        )

    def people(
        self, shard: int, of: int, cursor: str | None = None, *, shop: str = "", limit: int = 200
    ) -> tuple[tuple[Profile, ...], str | None]:
        """Return a page with all that is known of them."""
        answer = self._scan(shard, of, cursor, shop, limit, ())
        last = answer.get("LastEvaluatedKey")
        found = [parse_profile(item) for item in answer["Items"]]
        return tuple(one for one in found if isinstance(one, Profile)), last["id"]["S"] if last else None

    def _scan(  # noqa: PLR0917 - as its callers are asked
        self, shard: int, of: int, cursor: str | None, shop: str, limit: int, attributes: Sequence[str]
    ) -> Any:
        # Only a profile has a version, and only one that nobody knows expires.
        conditions = ["attribute_exists(#version)", "attribute_not_exists(#expires)"]
        request: dict[str, Any] = {
            "TableName": self._tables.profiles,
            "Segment": shard,
            "TotalSegments": of,
            "Limit": limit,
            "ExpressionAttributeNames": names("version", "expires", *attributes),
        }
        if attributes:
            request["ProjectionExpression"] = ", ".join(f"#{name}" for name in attributes)
        if shop:
            conditions.append("#shop = :shop")
            request["ExpressionAttributeNames"] |= names("shop")
            request["ExpressionAttributeValues"] = {":shop": text(shop)}
        request["FilterExpression"] = " AND ".join(conditions)
        if cursor is not None:
            request["ExclusiveStartKey"] = {"id": text(cursor)}
        return self._clients.dynamodb.scan(**request)

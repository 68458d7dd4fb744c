"""The Interests table: for each product those who looked at it. Nothing but ids is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rekindle.aws.items import Item, epoch, names, stamp, text
from rekindle.ports import Interested, ProfilePage

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables


def interest_item(shop: str, profile_id: str, interested: Interested) -> Item:
    """Return the entry of a profile on a product's list. It expires."""
    return {
        "key": text(f"{shop}#{interested.product_id}"),
        "profile_id": text(profile_id),
        "at": text(stamp(interested.at)),
        "how": text(interested.how),
        "expires": epoch(interested.until),
    }


class DynamoInterests:
    """`ports.Interests`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._tables = tables

    def interested(self, shop: str, product_id: str, cursor: str | None = None, limit: int = 200) -> ProfilePage:
        """Return a page of a product's list."""
        key = f"{shop}#{product_id}"
        request: dict[str, Any] = {
            "TableName": self._tables.interests,
            "KeyConditionExpression": "#key = :key",
            "ProjectionExpression": "#profile_id",
            "ExpressionAttributeNames": names("key", "profile_id"),
            "ExpressionAttributeValues": {":key": text(key)},
            "Limit": limit,
        }
        if cursor is not None:
            request["ExclusiveStartKey"] = {"key": text(key), "profile_id": text(cursor)}
        answer = self._clients.dynamodb.query(**request)
        last = answer.get("LastEvaluatedKey")
        return ProfilePage(
            tuple(item["profile_id"]["S"] for item in answer["Items"]), last["profile_id"]["S"] if last else None
        )

"""Whole tables, page by page, for `rekindle audit`. No function uses this."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rekindle.aws.items import names, stamp, text
from rekindle.aws.messages import parse_message
from rekindle.aws.profiles import parse_profile
from rekindle.ports import Attempted, SurveyPage

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables


class DynamoSurvey:
    """`ports.Survey`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._tables = tables

    def size(self) -> int:
        """Return what DynamoDB counted within the last six hours."""
        return self._clients.dynamodb.describe_table(TableName=self._tables.profiles)["Table"].get("ItemCount", 0)

    def profiles(self, cursor: str | None = None, limit: int = 200) -> SurveyPage:
        """Return a page of a scan."""
        request: dict[str, Any] = {"TableName": self._tables.profiles, "ConsistentRead": True, "Limit": limit}
        if cursor is not None:
            request["ExclusiveStartKey"] = {"id": text(cursor)}
        answer = self._clients.dynamodb.scan(**request)
        last = answer.get("LastEvaluatedKey")
        found = tuple((item["id"]["S"], parse_profile(item)) for item in answer["Items"])
        return SurveyPage(found, len(found), last["id"]["S"] if last else None)

    def attempted(self, since: datetime, cursor: str | None = None, limit: int = 1_000) -> Attempted:
        """Return a page of a scan."""
        request: dict[str, Any] = {
            "TableName": self._tables.messages,
            "ConsistentRead": True,
            "Limit": limit,
            "FilterExpression": "#leased_at >= :since",
            "ExpressionAttributeNames": names("leased_at"),
            "ExpressionAttributeValues": {":since": text(stamp(since))},
        }
        if cursor is not None:
            request["ExclusiveStartKey"] = {"id": text(cursor)}
        answer = self._clients.dynamodb.scan(**request)
        last = answer.get("LastEvaluatedKey")
        return Attempted(tuple(map(parse_message, answer["Items"])), last["id"]["S"] if last else None)

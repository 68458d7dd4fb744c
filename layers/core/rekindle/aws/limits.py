"""How often something may be done: an item for each name and stretch of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from rekindle.aws.items import answered, code_of, epoch, names, number, stamp, text

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables


class DynamoLimits:
    """`ports.Limits`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._table = tables.limits

    def take(self, name: str, at: datetime, *, most: int, seconds: int) -> bool:
        """Count it, in one UpdateItem that fails where all were taken."""
        begun = datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)
        try:
            with answered():
                self._clients.dynamodb.update_item(
                    TableName=self._table,
                    Key={"key": text(f"{name}#{stamp(begun)}")},
                    UpdateExpression="SET #expires = :expires ADD #taken :one",
                    ConditionExpression="attribute_not_exists(#taken) OR #taken < :most",
                    ExpressionAttributeNames=names("expires", "taken"),
                    ExpressionAttributeValues={
                        ":expires": epoch(begun + timedelta(seconds=seconds) + timedelta(days=1)),
                        ":one": number(1),
                        ":most": number(most),
                    },
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

"""What the DynamoDB adapters share: attribute values, times as text, batches, transactions, what a failure means."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from msgspec import Struct

from rekindle.domain.errors import AnswerLostError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""An item or a key, as the low-level API has it: name → {type: value}."""

#: How long deliveries and messages are kept (DESIGN §4).
KEPT = timedelta(days=400)
#: A line of the ledger stays longer than the messages that it has planned, for by it they are found. A message may wait
#: for a fortnight on queues, dead letters' included, before its record begins.
KEPT_LINE = KEPT + timedelta(days=20)
#: A delivery that names nobody is found by nobody's request to erase, but may hold somebody: it goes in time for any
#: (30 days; time to live may be two days late).
KEPT_UNREAD = timedelta(days=28)
#: A delivery's further ids: a sender that tells of one thing twice does so within hours (Shopify tries for two days at
#: most), and whoever repeats a captured request meets the id of its body.
KEPT_MARK = timedelta(days=28)
#: What a browser told and nobody signed: as long as somebody anonymous is remembered.
KEPT_UNSIGNED = timedelta(days=90)
#: What holds a sign-up: as long as the request itself (`sign_ups.KEPT`), by whose profile alone it is found.
KEPT_ASKED = timedelta(days=14)

#: BatchGetItem takes so many keys, BatchWriteItem so many writes.
_BATCH = 100
_WRITES = 25
_BATCH_ROUNDS = 6
_PAUSE_SECONDS = 0.025

#: What the `due` and `open` indexes are spread over: the first hex digit of an id.
SHARDS = "0123456789abcdef"

FAILED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflict"
_READABLE = frozenset({"None", FAILED, CONFLICT})


def text(value: str) -> dict[str, str]:
    """Return a string attribute."""
    return {"S": value}


def octets(value: Mapping[str, Any]) -> bytes:
    """Return what a binary attribute holds: bytes where the API was asked, base64 in a stream's event to a function."""
    held = value["B"]
    return base64.b64decode(held) if isinstance(held, str) else bytes(held)


def number(value: int) -> dict[str, str]:
    """Return a number attribute."""
    return {"N": str(value)}


def stamp(moment: datetime) -> str:
    """Return the moment as UTC text of fixed width, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(stamped: str) -> datetime:
    """Return the moment that `stamp` wrote."""
    return datetime.fromisoformat(stamped)


def epoch(when: datetime) -> dict[str, str]:
    """Return a time-to-live attribute: whole seconds, rounded down."""
    return number(int(when.timestamp()))


def optional(item: Mapping[str, Any], name: str) -> str | None:
    """Return a string attribute of an item, or `None`."""
    value = item.get(name)
    return None if value is None else str(value["S"])


def code_of(error: ClientError) -> str:
    """Return the service's name for the failure. Failures are told apart by this, never by their message."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def answered() -> Iterator[None]:
    """Turn the loss of a write's answer into `AnswerLostError`: no answer, a 5xx, or any failure after a retry.

    After a retry, because then an earlier attempt may have been the one that wrote. A failed condition is not passed
    through here as a loss: what it means after a retry is for the caller to read from the item.
    """
    try:
        yield
    except (HTTPClientError, NoConnectionError) as error:
        raise AnswerLostError(str(error)) from error
    except ClientError as error:
        metadata = error.response.get("ResponseMetadata", {})
        decided = code_of(error) in {"ConditionalCheckFailedException", "TransactionCanceledException"}
        server_fault = metadata.get("HTTPStatusCode", 0) >= 500  # noqa: PLR2004
        if server_fault or (metadata.get("RetryAttempts", 0) > 0 and not decided):
            raise AnswerLostError(str(error)) from error
        raise


class Reason(Struct, frozen=True):
    """Whether one write stood in its transaction's way (code `None`: no), and what is stored there, if it was asked."""

    code: str
    item: Mapping[str, Any] | None = None


def transact(client: DynamoDBClient, writes: Sequence[Any]) -> list[Reason] | None:
    """Write all or nothing. Return `None` when written, else a reason for each write, in their order.

    botocore sends one client token with all attempts of a call, so that its own retry after a lost answer does not run
    into what the lost one wrote. Raises `AnswerLostError`, and what else is neither a condition nor a conflict.
    """
    try:
        with answered():
            client.transact_write_items(TransactItems=writes)
    except ClientError as error:
        if code_of(error) != "TransactionCanceledException":
            raise
        cancelled: Any = error.response
        reasons = [Reason(r.get("Code", "None"), r.get("Item")) for r in cancelled.get("CancellationReasons", ())]
        if len(reasons) != len(writes) or not _READABLE.issuperset(r.code for r in reasons):
            raise
        return reasons
    return None


def tries(count: int) -> Iterator[None]:
    """Go round so many times, with a pause of 25 ms before the second, doubling."""
    for number in range(count):
        if number:
            time.sleep(_PAUSE_SECONDS * 2 ** (number - 1))
        yield


class Wanted(Struct, frozen=True):
    """Items to read from one table: their keys, and which attributes (none: all)."""

    table: str
    keys: Sequence[Item]
    attributes: Sequence[str] = ()


def batch_get(client: DynamoDBClient, wanted: Sequence[Wanted], *, fresh: bool = True) -> dict[str, list[Item]]:
    """Return table → items found, in one call for each hundred keys; strongly consistent where they must be `fresh`.

    Keys must be distinct. What DynamoDB leaves unread is asked for again a few times, then `TimeoutError`.
    """
    found: dict[str, list[Item]] = {table.table: [] for table in wanted}
    flat = [(table, key) for table in wanted for key in table.keys]
    for start in range(0, len(flat), _BATCH):
        asked: dict[str, Any] = {}
        for table, key in flat[start : start + _BATCH]:
            asked.setdefault(table.table, _request(table, fresh=fresh))["Keys"].append(key)
        for _ in tries(_BATCH_ROUNDS):
            answer = client.batch_get_item(RequestItems=asked)
            for name, items in answer.get("Responses", {}).items():
                found[name].extend(items)
            asked = dict(answer.get("UnprocessedKeys", {}))
            if not asked:
                break
        else:
            raise TimeoutError(f"DynamoDB left keys of {', '.join(asked)} unread {_BATCH_ROUNDS} times")
    return found


def batch_delete(client: DynamoDBClient, table: str, keys: Sequence[Item]) -> None:
    """Delete the items with these keys, which must be distinct; what is not there stays so.

    What DynamoDB leaves undone is asked for again a few times, then `TimeoutError`.
    """
    for start in range(0, len(keys), _WRITES):
        asked: dict[str, Any] = {table: [{"DeleteRequest": {"Key": key}} for key in keys[start : start + _WRITES]]}
        for _ in tries(_BATCH_ROUNDS):
            asked = dict(client.batch_write_item(RequestItems=asked).get("UnprocessedItems", {}))
            if not asked:
                break
        else:
            raise TimeoutError(f"DynamoDB left items of {table} undeleted {_BATCH_ROUNDS} times")


def query_until(client: DynamoDBClient, limit: int, **request: Any) -> list[Item]:
    """Return the first `limit` items of a query, however many pages that takes."""
    found: list[Item] = []
    while len(found) < limit:
        answer = client.query(**request, Limit=limit - len(found))
        found += answer["Items"]
        last = answer.get("LastEvaluatedKey")
        if not last:
            break
        request["ExclusiveStartKey"] = last
    return found


def query_earlier(
    client: DynamoDBClient, table: str, index: str, *, shard: str, time: str, before: datetime, limit: int
) -> Iterator[Item]:
    """Yield what a sparse, sharded index holds of times earlier than `before`: up to `limit` from each shard.

    `shard` and `time` are the index's key attributes. A reader sorts and cuts once more across the shards.
    """
    for digit in SHARDS:
        yield from query_until(
            client,
            limit,
            TableName=table,
            IndexName=index,
            KeyConditionExpression="#shard = :shard AND #time < :before",
            ExpressionAttributeNames={"#shard": shard, "#time": time},
            ExpressionAttributeValues={":shard": text(digit), ":before": text(stamp(before))},
        )


def _request(table: Wanted, *, fresh: bool) -> dict[str, Any]:
    request: dict[str, Any] = {"Keys": [], "ConsistentRead": fresh}
    if table.attributes:
        request["ProjectionExpression"] = ", ".join(f"#{name}" for name in table.attributes)
        request["ExpressionAttributeNames"] = names(*table.attributes)
    return request


def names(*attributes: str) -> dict[str, str]:
    """Return the placeholders `#name` for these attributes."""
    return {f"#{attribute}": attribute for attribute in attributes}

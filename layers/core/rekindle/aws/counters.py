"""What the reputation guard counts: an item for each shop and hour, and one for each shop's newest pause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rekindle.aws.items import Item, answered, code_of, epoch, moment, names, number, stamp, text
from rekindle.ports import Pause, Tally

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

#: The longest window of the guard is a week; some more, to look back at.
_KEPT = timedelta(days=35)
_COUNTS = ("sent", "bounced", "complained")
#: The pauses stand together, so that all are read at once. No shop is called this: a count's key has a `#`.
_PAUSES = "pauses"
#: What stands for the pause of a shop that never had one.
_NONE = Pause(shop="", since=datetime.min.replace(tzinfo=UTC), why="")


class DynamoCounters:
    """`ports.Counters`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._table = tables.counters

    def count(self, shop: str, at: datetime, more: Tally) -> None:
        """Add to the hour, in one UpdateItem."""
        counts = {name: value for name in _COUNTS if (value := getattr(more, name))}
        if not counts:
            return
        with answered():
            self._clients.dynamodb.update_item(
                TableName=self._table,
                Key={"key": text(_counts_of(shop)), "at": text(_hour(at))},
                UpdateExpression="SET #expires = :expires ADD " + ", ".join(f"#{name} :{name}" for name in counts),
                ExpressionAttributeNames=names("expires", *counts),
                ExpressionAttributeValues={
                    ":expires": epoch(at + _KEPT),
                    **{f":{name}": number(value) for name, value in counts.items()},
                },
            )

    def tallies(self, shop: str, since: datetime) -> Mapping[datetime, Tally]:
        """Return the hours: a week of them is one call."""
        found = self._query(
            KeyConditionExpression="#key = :key AND #at >= :since",
            ExpressionAttributeNames=names("key", "at"),
            ExpressionAttributeValues={":key": text(_counts_of(shop)), ":since": text(_hour(since))},
        )
        return {moment(item["at"]["S"]): _tally(item) for item in found}

    def pauses(self) -> Sequence[Pause]:
        """Return the pauses."""
        found = self._query(
            KeyConditionExpression="#key = :key",
            ExpressionAttributeNames=names("key"),
            ExpressionAttributeValues={":key": text(_PAUSES)},
        )
        return [_pause(item) for item in found]

    def pause(self, pause: Pause) -> bool:
        """Put it over what is over."""
        stored = self._write(
            self._clients.dynamodb.put_item,
            Item={
                "key": text(_PAUSES),
                "at": text(pause.shop),
                "since": text(stamp(pause.since)),
                "why": text(pause.why),
            },
            ConditionExpression="attribute_not_exists(#since) OR attribute_exists(#resumed_at)",
            ExpressionAttributeNames=names("since", "resumed_at"),
        )
        # The very pause that was to be written: an earlier try of this call, whose answer was lost, has written it.
        return stored is None or (stored.active and (stored.since, stored.why) == (pause.since, pause.why))

    def told(self, pause: Pause, at: datetime) -> bool:
        """Note it; what was noted first stays."""
        said = {":at": text(stamp(at))}
        change = "SET #told_at = if_not_exists(#told_at, :at)"
        return self._update(pause, change, "#since = :since", names("told_at"), said) is None

    def resume(self, pause: Pause) -> bool:
        """Write that it is over, on condition that it is not."""
        if pause.resumed_at is None:
            raise ValueError("a pause that is over says since when")
        stored = self._update(
            pause,
            "SET #resumed_at = :at, #sent = :sent, #bounced = :bounced, #complained = :complained",
            "#since = :since AND attribute_not_exists(#resumed_at)",
            names("resumed_at", *_COUNTS),
            {
                ":at": text(stamp(pause.resumed_at)),
                **{f":{name}": number(getattr(pause.less, name)) for name in _COUNTS},
            },
        )
        return stored is None or (stored.since, stored.resumed_at) == (pause.since, pause.resumed_at)

    def _update(
        self, pause: Pause, change: str, condition: str, attributes: Mapping[str, str], values: Mapping[str, Any]
    ) -> Pause | None:
        """Update the shop's pause on this condition, as `_write` does."""
        return self._write(
            self._clients.dynamodb.update_item,
            Key={"key": text(_PAUSES), "at": text(pause.shop)},
            UpdateExpression=change,
            ConditionExpression=condition,
            ExpressionAttributeNames={**names("since"), **attributes},
            ExpressionAttributeValues={":since": text(stamp(pause.since)), **values},
        )

    def _write(self, operation: Callable[..., Any], **request: Any) -> Pause | None:
        """Return `None` when the condition held, else the pause as it is stored (of no time, where there is none)."""
        try:
            with answered():
                operation(TableName=self._table, ReturnValuesOnConditionCheckFailure="ALL_OLD", **request)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            failed: Any = error.response
            return _pause(failed["Item"]) if failed.get("Item") else _NONE
        return None

    def _query(self, **request: Any) -> list[Item]:
        found: list[Item] = []
        while True:
            answer = self._clients.dynamodb.query(TableName=self._table, ConsistentRead=True, **request)
            found += answer["Items"]
            if not answer.get("LastEvaluatedKey"):
                return found
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _counts_of(shop: str) -> str:
    return f"{shop}#mails"


def _hour(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:00Z")


def _tally(item: Mapping[str, Any]) -> Tally:
    return Tally(**{name: int(item[name]["N"]) for name in _COUNTS if name in item})


def _pause(item: Mapping[str, Any]) -> Pause:
    times = {name: moment(item[name]["S"]) for name in ("told_at", "resumed_at") if name in item}
    return Pause(
        shop=item["at"]["S"], since=moment(item["since"]["S"]), why=item["why"]["S"], less=_tally(item), **times
    )

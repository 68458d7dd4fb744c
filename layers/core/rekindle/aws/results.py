"""The figures of docs/results.md, and the marks by which each source is counted once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from rekindle.aws.items import CONFLICT, FAILED, Item, epoch, names, text, transact, tries
from rekindle.aws.messages import parse_message
from rekindle.domain.errors import ConflictError
from rekindle.domain.labels import Label
from rekindle.domain.results import Count
from rekindle.ports import Clock, Counted, Message

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

#: A stream brings nothing again after a day.
_SEEN_FOR = timedelta(days=8)
#: A transaction holds 100 writes.
_MOST = 100
_TRIES = 5
_BETWEEN = "\x1f"
_KEYS = frozenset({"key", "at"})

_counts = msgspec.json.Decoder(tuple[Count, ...])


class DynamoResults:
    """`ports.Results`. A transaction writes the marks of some sources, each on condition that it is new, and the sums.

    Where another worker writes the same sum in that moment, the next try adds to another part of it: a reader adds up
    the parts.
    """

    def __init__(self, clients: Clients, tables: Tables, clock: Clock) -> None:
        self._clients = clients
        self._table = tables.results
        self._clock = clock

    def add(self, found: Sequence[Counted]) -> int:
        """Add in as few transactions as can be: one for a hundred marks and sums."""
        return sum(map(self._add, _parcels({one.mark: one for one in found}.values())))

    def figures(self, shop: str, since: str, until: str) -> dict[Label, dict[str, Decimal]]:
        """Return them: some ten thousand sums are one call for each megabyte."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#key = :key AND #at BETWEEN :since AND :until",
            "ExpressionAttributeNames": names("key", "at"),
            "ExpressionAttributeValues": {
                ":key": text(_sums_of(shop)),
                ":since": text(since),
                ":until": text(f"{until}{_BETWEEN}\uffff"),
            },
        }
        sums: dict[Label, dict[str, Decimal]] = {}
        while True:
            answer = self._clients.dynamodb.query(**request)
            for item in answer["Items"]:
                label = Label(*item["at"]["S"].split(_BETWEEN)[:-1])
                figures = sums.setdefault(label, {})
                for name in item.keys() - _KEYS:
                    figures[name] = figures.get(name, Decimal(0)) + Decimal(item[name]["N"])
            if not answer.get("LastEvaluatedKey"):
                return sums
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _add(self, parcel: Sequence[Counted]) -> int:
        left = list(parcel)
        for part, _ in enumerate(tries(_TRIES)):
            if not left:
                break
            reasons = transact(self._clients.dynamodb, [*map(self._mark, left), *self._sums(left, part)])
            if reasons is None:
                return len(left)
            if not any(reason.code in {FAILED, CONFLICT} for reason in reasons):
                break
            left = [one for one, reason in zip(left, reasons, strict=False) if reason.code != FAILED]
        if not left:
            return 0
        raise ConflictError(f"{len(left)} sources: others kept writing the same figures")

    def _mark(self, found: Counted) -> dict[str, Any]:
        item = {"key": text(f"seen#{found.mark}"), "at": text("-"), "expires": epoch(self._clock.now() + _SEEN_FOR)}
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": names("key"),
            }
        }

    def _sums(self, found: Sequence[Counted], part: int) -> Iterator[dict[str, Any]]:
        for (shop, label), figures in _added_up(found).items():
            places = {figure: f"f{place}" for place, figure in enumerate(sorted(figures))}
            yield {
                "Update": {
                    "TableName": self._table,
                    "Key": {
                        "key": text(_sums_of(shop)),
                        "at": text(_BETWEEN.join((*label.key, str(part)))),
                    },
                    "UpdateExpression": "ADD " + ", ".join(f"#{place} :{place}" for place in places.values()),
                    "ExpressionAttributeNames": {f"#{place}": figure for figure, place in places.items()},
                    "ExpressionAttributeValues": {
                        f":{place}": {"N": format(figures[figure], "f")} for figure, place in places.items()
                    },
                }
            }


def line_counts(image: Item) -> Counted | None:
    """Return what a line of the ledger counts, as the stream shows it; `None`: nothing."""
    if "counts" not in image:
        return None
    mark = f"{image['profile_id']['S']}#{image['at']['S']}"
    return Counted(mark=mark, shop=image["shop"]["S"], counts=_counts.decode(image["counts"]["S"]))


def message_change(record: Mapping[str, Any]) -> tuple[Message | None, Message] | None:
    """Return a message's record before and after a change, as the stream shows it; `None`: it is gone."""
    if "NewImage" not in record:
        return None
    before = record.get("OldImage")
    return parse_message(before) if before else None, parse_message(record["NewImage"])


def _sums_of(shop: str) -> str:
    return f"{shop}#results"


def _added_up(found: Sequence[Counted]) -> dict[tuple[str, Label], dict[str, Decimal]]:
    sums: dict[tuple[str, Label], dict[str, Decimal]] = {}
    for one in found:
        for count in one.counts:
            figures = sums.setdefault((one.shop, count.label), {})
            figures[count.figure] = figures.get(count.figure, Decimal(0)) + count.amount
    return sums


def _parcels(found: Sequence[Counted] | Any) -> Iterator[list[Counted]]:
    """Yield the sources in parts that fit into a transaction each."""
    parcel: list[Counted] = []
    labels: set[tuple[str, Label]] = set()
    for one in found:
        more = {(one.shop, count.label) for count in one.counts}
        if parcel and len(parcel) + 1 + len(labels | more) > _MOST:
            yield parcel
            parcel, labels = [], set()
        parcel.append(one)
        labels |= more
    if parcel:
        yield parcel

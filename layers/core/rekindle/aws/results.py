"""The figures of docs/results.md, and the marks by which each source is counted once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from rekindle.aws.items import (
    CONFLICT,
    FAILED,
    Item,
    Wanted,
    batch_get,
    epoch,
    moment,
    names,
    number,
    text,
    transact,
    tries,
)
from rekindle.aws.messages import parse_message
from rekindle.aws.packing import unpack_text
from rekindle.domain.errors import ConflictError
from rekindle.domain.labels import Label
from rekindle.domain.results import Count, together
from rekindle.ports import Clock, Counted, Message

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

#: A stream brings nothing again after a day.
_SEEN_FOR = timedelta(days=8)
#: A transaction holds 100 writes, and marks are added to a sheet so many at a time.
_MOST, _MOST_MARKS = 100, 500
_TRIES = 5
_BETWEEN = "\x1f"
_KEYS = frozenset({"key", "at"})

_counts = msgspec.json.Decoder(tuple[Count, ...])


class DynamoResults:
    """`ports.Results`. A transaction writes the marks of some sources, on condition that they are new, and the sums.

    Marks of about the same moment stand on one item, a *sheet*: a campaign's mails share it, and so what it costs.
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
            known = self._sheets({_sheet(one) for one in left})
            left = [one for one in left if _short(one.mark) not in known.get(_sheet(one), ())]
            if not left:
                return 0
            reasons = transact(self._clients.dynamodb, [*self._marks(left, known), *self._sums(left, part)])
            if reasons is None:
                return len(left)
            if not any(reason.code in {FAILED, CONFLICT} for reason in reasons):
                break
        raise ConflictError(f"{len(left)} sources: others kept writing the same figures")

    def _sheets(self, keys: Collection[str]) -> dict[str, frozenset[str]]:
        """Return which marks stand on which of these sheets, as of now."""
        wanted = Wanted(self._table, [{"key": text(key), "at": text("-")} for key in sorted(keys)])
        items = batch_get(self._clients.dynamodb, [wanted])[self._table]
        return {item["key"]["S"]: _marks_of(item) for item in items}

    def _marks(self, found: Sequence[Counted], known: Mapping[str, Collection[str]]) -> Iterator[dict[str, Any]]:
        """Add the marks to their sheets, on condition that those are as they were read: a sheet only grows."""
        sheets: dict[str, set[str]] = {}
        for one in found:
            sheets.setdefault(_sheet(one), set()).add(_short(one.mark))
        for key, marks in sheets.items():
            there = len(known.get(key, ()))
            values: dict[str, Any] = {
                ":marks": {"SS": sorted(marks)},
                ":expires": epoch(self._clock.now() + _SEEN_FOR),
            }
            if there:
                values[":there"] = number(there)
            yield {
                "Update": {
                    "TableName": self._table,
                    "Key": {"key": text(key), "at": text("-")},
                    "UpdateExpression": "ADD #marks :marks SET #expires = :expires",
                    "ConditionExpression": "size(#marks) = :there" if there else "attribute_not_exists(#marks)",
                    "ExpressionAttributeNames": names("marks", "expires"),
                    "ExpressionAttributeValues": values,
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
    near = together("ledger", moment(image["at"]["S"].partition("#")[0]))
    return Counted(mark=mark, shop=image["shop"]["S"], counts=_counts.decode(unpack_text(image["counts"])), near=near)


def message_change(record: Mapping[str, Any]) -> tuple[Message | None, Message] | None:
    """Return a message's record before and after a change, as the stream shows it; `None`: it is gone."""
    if "NewImage" not in record:
        return None
    before = record.get("OldImage")
    return parse_message(before) if before else None, parse_message(record["NewImage"])


def _sheet(found: Counted) -> str:
    return f"seen#{found.near or found.mark}"


def _marks_of(item: Item) -> frozenset[str]:
    """Return the marks on a sheet; an item of before there were sheets stands for the mark that it is named by."""
    if "marks" in item:
        return frozenset(item["marks"]["SS"])
    return frozenset({_short(item["key"]["S"].removeprefix("seen#"))})


def _short(mark: str) -> str:
    """Return 72 bits that stand for a mark on its sheet."""
    return base64.urlsafe_b64encode(hashlib.sha256(mark.encode()).digest()[:9]).decode()


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
    items: set[object] = set()
    for one in found:
        more = {_sheet(one), *((one.shop, count.label) for count in one.counts)}
        if parcel and (len(items | more) > _MOST or len(parcel) == _MOST_MARKS):
            yield parcel
            parcel, items = [], set()
        parcel.append(one)
        items |= more
    if parcel:
        yield parcel

"""Accepting what comes by the thousand: as many deliveries in one transaction as it holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError
from msgspec import Struct

from rekindle.aws import suppressions as suppression_items
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.items import FAILED, answered, code_of, transact
from rekindle.domain.errors import AnswerLostError
from rekindle.domain.events import Suppression
from rekindle.ports import Accepting

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

Written = TypeVar("Written")

#: DynamoDB takes 100 writes and 4 MB in one transaction; of the size some is left for what surrounds the values.
_WRITES = 100
_BYTES = 3_000_000
_PAGE = 1_000


#: Seconds to rest where AWS says that it is too much, or does not say what became of it: a new table takes some minutes
#: to grow into an import.
_RESTS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_THROTTLED = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"})
_REASONS = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})


class _Ready(Struct, frozen=True):
    place: int
    writes: list[dict[str, Any]]
    """what stores it, then what it forbids"""
    refusals: Sequence[Suppression]
    size: int


class DynamoBulkIntake(DynamoIntake):
    """`ports.BulkIntake`."""

    def __init__(
        self, clients: Clients, tables: Tables, *, raw_bucket: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(clients, tables, raw_bucket=raw_bucket)
        self._sleep = sleep
        self._dynamodb = clients.dynamodb
        self._names = tables

    def accept_all(self, accepting: Sequence[Accepting]) -> tuple[bool, ...]:
        """Accept each, in transactions of many; which were new. Raises as `DynamoIntake.accept` does."""
        new: dict[int, bool] = {}
        alone: list[int] = []
        for group in self._groups(accepting, alone):
            self._together(group, new, alone)
        for place in sorted(alone):
            each = accepting[place]
            new[place] = self._patiently(partial(self.accept, each.delivery, each.suppressions, each.keys))
        return tuple(new[place] for place in range(len(accepting)))

    def waiting(self, most: int) -> int:
        """Return how many items Pending holds, as far as is known a moment ago; counting stops at `most`."""
        count = 0
        start: dict[str, Any] = {}
        while count < most:
            with answered():
                page: Any = self._dynamodb.scan(
                    TableName=self._names.pending, Select="COUNT", Limit=min(_PAGE, most - count), **start
                )
            count += int(page["Count"])
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        return count

    def _groups(self, accepting: Sequence[Accepting], alone: list[int]) -> Iterator[list[_Ready]]:
        """Yield what goes into one transaction each; into `alone` what must go by itself: twice the same, or large."""
        group: list[_Ready] = []
        items: set[tuple[str, ...]] = set()
        for place, each in enumerate(accepting):
            ready, touched = self._ready(place, each)
            if ready is None or not items.isdisjoint(touched):
                alone.append(place)
                continue
            if group and (
                sum(len(one.writes) for one in group) + len(ready.writes) > _WRITES
                or sum(one.size for one in group) + ready.size > _BYTES
            ):
                yield group
                group, items = [], set()
            group.append(ready)
            items.update(touched)
        if group:
            yield group

    def _ready(self, place: int, each: Accepting) -> tuple[_Ready | None, list[tuple[str, ...]]]:
        """Return the writes of one delivery, and which items they touch: a transaction touches an item once."""
        delivery = each.delivery
        item, files = self._delivery_item(delivery)
        refusals = [(one.shop, one.channel, one.address) for one in each.suppressions]
        if files or len(set(refusals)) < len(refusals):
            return None, []
        writes = self._new(delivery, item, each.keys)
        writes += [{"Update": suppression_items.put(self._names.suppressions, [one])} for one in each.suppressions]
        size = sum(len(value.get("S") or value.get("B") or b"") for value in item.values()) + 2_000 + 200 * len(writes)
        return _Ready(place, writes, each.suppressions, size), [
            (delivery.id,),
            *((mark,) for mark in delivery.also),
            *refusals,
        ]

    def _together(self, group: list[_Ready], new: dict[int, bool], alone: list[int]) -> None:
        """Write a group; what was in the way otherwise than by being known already is left to go by itself."""
        while group:
            writes = [write for one in group for write in one.writes]
            reasons = self._patiently(partial(transact, self._dynamodb, writes))
            if reasons is None:
                new.update((one.place, True) for one in group)
                return
            left, codes = [], iter(reasons)
            for one in group:
                mine = [next(codes).code for _ in one.writes]
                if FAILED in mine[: len(one.writes) - len(one.refusals)]:
                    new[one.place] = False
                    self._suppress(one.refusals)
                elif FAILED in mine:
                    alone.append(one.place)
                else:
                    left.append(one)
            if len(left) == len(group):
                alone += [one.place for one in group]
                return
            group = left

    def _patiently(self, write: Callable[[], Written]) -> Written:
        """Write, as often as AWS says that it is too much; twice is not more than once."""
        for rest in _RESTS:
            try:
                return write()
            except AnswerLostError:
                pass
            except ClientError as error:
                if not _is_throttled(error):
                    raise
            self._sleep(rest)
        return write()


def _is_throttled(error: ClientError) -> bool:
    if code_of(error) in _THROTTLED:
        return True
    answer: Any = error.response
    return any(reason.get("Code") in _REASONS for reason in answer.get("CancellationReasons", ()))

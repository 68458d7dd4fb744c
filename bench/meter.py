"""Counts what AWS would bill for calls that an emulator answers: capacity units from the items themselves.

Emulators report no capacity that one could believe, so it is computed from what stands in the table before and after a
call, by DynamoDB's documented rules ("Read and write operations", "Transactions", "Global secondary indexes"):
a write unit for each kilobyte of the larger of the two, twice in a transaction, a condition check like a write; what
fails costs what it would have cost; in each index a unit for each kilobyte put, changed or taken away, once also in
transactions (it is written after the fact); a read unit for each 4 KB, half where a read need not be fresh; a query and
a scan by all they look at. Streams read by Lambda cost nothing, and what time to live deletes costs nothing.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.session import Session

from tests.support.template import tables

_WRITE, _READ = 1_024, 4_096
#: "Storage": what each item, and each entry of an index, takes besides what stands in it.
OVERHEAD = 100


class Meter:
    """What the calls of a session's clients used: (line of `prices.json`, whose) → amount, and how long moto took.

    `shadow` is a client that is not metered. Single-threaded, as moto is.
    """

    def __init__(self, shadow: Any, prefix: str) -> None:
        self.used: dict[tuple[str, str], Decimal] = {}
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0
        self.changed: dict[str, list[tuple[Any, Any]]] = {}
        """table → what stood before and after each write that changed something, as its stream would show it"""
        self.sent: dict[str, list[str]] = {}
        """queue → the bodies that were put on it"""
        self._shadow = shadow
        self._prefix = prefix
        self._tables = {f"{prefix}-{name}": name for name in tables()}
        self._written: dict[tuple[str, str], tuple[str, Any, Any]] = {}
        self._settled: dict[str, list[str]] = {}
        self._params: Any = None
        self._before: Any = None
        self._began = 0.0
        self.now = datetime.now(UTC)
        """the clock that what is kept is counted from"""

    def attach(self, session: Session) -> None:
        """Meter the clients of this session, before the first is built."""
        session.register("provide-client-params", self._asked)
        session.register("request-created", self._sent)
        session.register("after-call", self._answered)

    def use(self, line: str, what: str, amount: Decimal | float) -> None:
        """Count so much more."""
        self.used[line, what] = self.used.get((line, what), Decimal(0)) + Decimal(amount)

    # --- the hooks

    def _asked(self, **event: Any) -> None:
        params, model = event["params"], event["model"]
        began = time.process_time()
        self._params = params
        if model.service_model.service_name == "dynamodb":
            self._before = self._look(model.name, params)
        self.seconds += time.process_time() - began

    def _sent(self, **_: Any) -> None:
        self._began = time.process_time()

    def _answered(self, **event: Any) -> None:
        model = event["model"]
        service, operation = model.service_model.service_name, model.name
        self.calls[f"{service}.{operation}"] += 1
        if service == "dynamodb":
            self._dynamodb(operation, self._params)
        elif service == "sqs":
            queue = str(self._params.get("QueueUrl", "")).rpartition("-")[2] or operation
            self.use("sqs", f"{queue} queue, {operation}", 1)
            for entry in self._params.get("Entries", ()) if operation == "SendMessageBatch" else ():
                self.sent.setdefault(self._params["QueueUrl"], []).append(entry["MessageBody"])
        elif service == "s3":
            self.use("s3_read" if operation == "GetObject" else "s3_write", operation, 1)
        elif service == "secretsmanager":
            self.use("secrets_read", operation, 1)
        self.seconds += time.process_time() - self._began

    # --- DynamoDB

    def _look(self, operation: str, params: Mapping[str, Any]) -> list[Any]:
        """Return what stands where the call is about to write."""
        return [(table, key, self._item(table, key)) for table, key, _ in self._targets(operation, params)]

    def _targets(self, operation: str, params: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
        """Return table, key and kind of each write."""
        if operation in {"PutItem", "UpdateItem", "DeleteItem"}:
            return [(params["TableName"], self._key(params), operation)]
        if operation == "TransactWriteItems":
            return [
                (write["TableName"], self._key(write), kind)
                for one in params["TransactItems"]
                for kind, write in one.items()
            ]
        if operation == "BatchWriteItem":
            return [
                (table, self._key({"TableName": table, **write}), kind)
                for table, writes in params["RequestItems"].items()
                for one in writes
                for kind, write in one.items()
            ]
        return []

    def _key(self, write: Mapping[str, Any]) -> Any:
        if "Key" in write:
            return write["Key"]
        schema = tables()[self._tables[write["TableName"]]]["KeySchema"]
        return {part["AttributeName"]: write["Item"][part["AttributeName"]] for part in schema}

    def _item(self, table: str, key: Any) -> Any:
        return self._shadow.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def _dynamodb(self, operation: str, params: Mapping[str, Any]) -> None:
        match operation:
            case "GetItem":
                self._reads(params["TableName"], [self._item(params["TableName"], params["Key"])], params)
            case "BatchGetItem":
                for table, asked in params["RequestItems"].items():
                    self._reads(table, [self._item(table, key) for key in asked["Keys"]], asked)
            case "Query" | "Scan":
                self._reads_together(operation, params)
            case _:
                times = 2 if operation == "TransactWriteItems" else 1
                for (table, key, before), (_, _, kind) in zip(
                    self._before, self._targets(operation, params), strict=True
                ):
                    after = self._item(table, key)
                    self._write(table, before, after, times, checks=kind == "ConditionCheck")
                    if before != after:
                        self._note(table, key, before, after)

    def _line(self, table: str, what: str) -> str:
        cold = tables()[self._tables[table]].get("TableClass") == "STANDARD_INFREQUENT_ACCESS"
        return f"dynamodb_{'ia_' if cold else ''}{what}"

    def _note(self, table: str, key: Any, before: Any, after: Any) -> None:
        name = self._tables[table]
        self.changed.setdefault(name, []).append((before, after))
        place = table, repr(sorted(key.items()))
        first = self._written[place][1] if place in self._written else before
        self._written[place] = name, first, after
        if name == "messages" and "state" in (after or {}) and after["state"] != (before or {}).get("state"):
            self._settled.setdefault(after["state"]["S"], []).append(after["id"]["S"])

    def _write(self, table: str, before: Any, after: Any, times: int, *, checks: bool) -> None:
        units = math.ceil(max(size(before), size(after), 1) / _WRITE) * times
        name = self._tables[table]
        how = "checked" if checks else "in a transaction" if times > 1 else "by itself"
        self.use(self._line(table, "write"), f"{name}, {how}", units)
        if checks:
            return
        for index in tables()[name].get("GlobalSecondaryIndexes", ()):
            old, new = self._entry(name, index, before), self._entry(name, index, after)
            if old == new:
                continue
            key = {part["AttributeName"] for part in index["KeySchema"]}
            moved = old and new and any(old[part] != new[part] for part in key)
            entries = [old, new] if moved else [max(old or {}, new or {}, key=size)]
            units = sum(math.ceil(size(entry) / _WRITE) for entry in entries)
            self.use(self._line(table, "write"), f"{name}, index {index['IndexName']}", units)

    @staticmethod
    def _entry(name: str, index: Mapping[str, Any], item: Any) -> Any:
        """Return the item's entry in an index; `None`: it has none."""
        key = [part["AttributeName"] for part in index["KeySchema"]]
        if not item or any(part not in item for part in key):
            return None
        if index["Projection"]["ProjectionType"] == "ALL":
            return item
        own = [part["AttributeName"] for part in tables()[name]["KeySchema"]]
        return {part: item[part] for part in (*key, *own)}

    def _reads(self, table: str, items: list[Any], asked: Mapping[str, Any]) -> None:
        half = 1 if asked.get("ConsistentRead") else 0.5
        units = sum(max(1, math.ceil(size(item) / _READ)) for item in items) * half
        self.use(self._line(table, "read"), f"{self._tables[table]}, by key", units)

    def _reads_together(self, operation: str, params: Mapping[str, Any]) -> None:
        """Count all that a query or a scan looked at, whatever it brought home."""
        table = params["TableName"]
        whole = {
            name: value
            for name, value in params.items()
            if name not in {"FilterExpression", "ProjectionExpression", "Select"}
        }
        said = params.get("KeyConditionExpression", "")
        for given, sign in (("ExpressionAttributeNames", "#"), ("ExpressionAttributeValues", ":")):
            used = set(re.findall(rf"{sign}\w+", said))
            kept = {name: value for name, value in params.get(given, {}).items() if name in used}
            whole.pop(given, None)
            if kept:
                whole[given] = kept
        looked = (self._shadow.query if operation == "Query" else self._shadow.scan)(**whole)["Items"]
        bytes_ = sum(size(item) for item in looked)
        half = 1 if params.get("ConsistentRead") else 0.5
        units = max(1, math.ceil(bytes_ / _READ)) * half
        where = f", index {params['IndexName']}" if "IndexName" in params else ""
        self.use(self._line(table, "read"), f"{self._tables[table]}{where}, {operation.lower()}", units)

    def settled(self, state: str) -> list[str]:
        """Return the messages that came to this state since this was last asked."""
        return self._settled.pop(state, [])

    def kept(self) -> list[tuple[str, int, int, float]]:
        """Return table, bytes, bytes in indexes, days of what was written and goes in time, as storage is billed."""
        found: dict[tuple[str, float], tuple[int, int]] = {}
        for name, before, item in self._written.values():
            if not item or "expires" not in item:
                continue
            now, then = self._stored(name, item), self._stored(name, before)
            bytes_, more = now[0] - then[0], now[1] - then[1]
            days = (int(item["expires"]["N"]) - self.now.timestamp()) / 86_400
            key = name, round(max(days, 0.0))
            there = found.get(key, (0, 0))
            found[key] = there[0] + bytes_, there[1] + more
        return [(name, *stored, days) for (name, days), stored in found.items()]

    def _stored(self, name: str, item: Any) -> tuple[int, int]:
        """Return the bytes that an item takes, in its table and in the indexes; none where there is no item."""
        if not item:
            return 0, 0
        entries = [self._entry(name, index, item) for index in tables()[name].get("GlobalSecondaryIndexes", ())]
        return size(item) + OVERHEAD, sum(size(entry) + OVERHEAD for entry in entries if entry)

    def reset(self) -> None:
        """Begin anew."""
        self.used.clear()
        self.calls.clear()
        self.changed.clear()
        self.sent.clear()
        self._written.clear()
        self._settled.clear()


def size(item: Mapping[str, Any] | None) -> int:
    """Return the bytes that DynamoDB counts an item as ("Item sizes and formats")."""
    return sum(len(name.encode()) + _value(value) for name, value in (item or {}).items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":
            return math.ceil(len(held.lstrip("-").replace(".", "")) / 2) + 1
        case "B":
            return len(held)
        case "SS" | "BS" | "NS":
            return sum(_value({kind[0]: one}) for one in held)
        case "L":
            return 3 + sum(1 + _value(one) for one in held)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value(one) for name, one in held.items())
        case _:
            return 1

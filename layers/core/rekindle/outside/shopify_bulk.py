"""All that a Shopify shop has, by bulk operations: `ports.Source` for an import.

A bulk operation is a question that Shopify runs by itself, hours long if it must be; what it found is a file of lines,
a thing and after it the rows of its list (`groupObjects`). The cursor says which operation it is and how far its file
has been read, in bytes, so whoever comes later goes on there. The file's address is a secret, and asked for anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.outside.http import Http, safe_base
from rekindle.outside.shopify import Shopify, refused_by_user_errors
from rekindle.outside.shopify_lists import KINDS, Kind, between
from rekindle.ports import RESOURCES, Page, Record, Resource
from rekindle.shops.reading import Body, moment

#: How much of a file is read at once, in bytes; of one thing that is longer, more.
PART = 1_000_000
_MOST = 64_000_000
#: How many things a page holds at most.
PAGE = 500
#: Seconds between two looks at an operation that is under way; Shopify's own examples wait as long.
POLL = 5.0
#: So often one kind of thing is asked for again whose operation did not end well.
_TRIES = 3
_WAITING = frozenset(("CREATED", "RUNNING", "CANCELING"))

_RUN = """mutation run($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: true) {
    bulkOperation { id status } userErrors { field code message } }
}"""
_STANDS = "id status errorCode objectCount rootObjectCount fileSize url"
_LOOK = f"query look($id: ID!) {{ bulkOperation(id: $id) {{ {_STANDS} }} }}"
_LAST = "query last { bulkOperations(first: 10, sortKey: CREATED_AT, reverse: true) { nodes { id status query } } }"
_COUNT = "query many($query: String) { %sCount(query: $query, limit: null) { count } }"

_SCOPES = (
    "give the app the scopes read_products, read_customers and read_orders, and for more than 60 days read_all_orders"
)
_CURES = {"INVALID": _SCOPES}


class Cursor(Struct, frozen=True, omit_defaults=True):
    """Where an import stands: at which kind of thing, in which operation, and how far in its file."""

    resource: Resource
    operation: str = ""
    offset: int = 0
    since: datetime | None = None
    """what was changed earlier is not asked for"""
    last: datetime | None = None
    """all that was changed before this has been read …"""
    in_order: bool = True
    """… as long as the file is in the order that was asked for"""
    tries: int = 0


class ShopifyBulk:
    """`ports.Source`. `since`: only what was changed from then on. `tell` hears of an operation's progress."""

    def __init__(
        self,
        api: Shopify,
        http: Http,
        *,
        resources: Sequence[Resource] = RESOURCES,
        since: datetime | None = None,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[Resource, int], None] = lambda _resource, _count: None,
    ) -> None:
        """Take one shop's API, and what to fetch, in this order."""
        self._api = api
        self._http = http
        self._resources = tuple(resources)
        self._since = since
        self._sleep = sleep
        self._tell = tell

    def total(self) -> int | None:
        """Return how many things there are."""
        count = 0
        for resource in self._resources:
            asked = {"query": between(self._since, None) or None}
            found = self._api.ask(_COUNT % resource, asked, repeatable=True).get(f"{resource}Count")
            number = found.get("count") if isinstance(found, dict) else None
            if not isinstance(number, int):
                return None
            count += number
        return count

    def page(self, cursor: str | None) -> Page:
        """Return the page that begins at this cursor; waits, and returns an empty one, while Shopify is at work."""
        at = Cursor(self._resources[0], since=self._since) if cursor is None else _cursors.decode(cursor)
        kind = KINDS[at.resource]
        if not at.operation:
            return _page((), self._begun(kind, at))
        found = self._api.ask(_LOOK, {"id": at.operation}, repeatable=True).get("bulkOperation")
        stands: Body = found if isinstance(found, dict) else {"status": "EXPIRED"}
        status = str(stands.get("status"))
        if status in _WAITING:
            self._tell(at.resource, _number(stands.get("rootObjectCount")))
            self._sleep(POLL)
            return _page((), at)
        if status != "COMPLETED":
            return _page((), self._anew(at, status, str(stands.get("errorCode") or "")))
        url = stands.get("url")
        if not isinstance(url, str):
            # Nothing was found: then there is no file.
            return _page((), self._following(at))
        return self._read(kind, at, url)

    # --- operations

    def _begun(self, kind: Kind, at: Cursor) -> Cursor:
        """Return the cursor into an operation that asks for this: one that is under way already, or a new one."""
        question = kind.bulk(between(at.since, None))
        if at.tries == 0:
            # Whoever began one and died before its name was written down left it behind.
            found = self._api.ask(_LAST, repeatable=True).get("bulkOperations")
            nodes = found.get("nodes") if isinstance(found, dict) else None
            for node in nodes if isinstance(nodes, list) else ():
                if isinstance(node, dict) and node.get("query") == question and str(node.get("status")) in _WAITING:
                    return replace(at, operation=str(node.get("id")), offset=0)
        payload = self._api.ask(_RUN, {"query": question}).get("bulkOperationRunQuery")
        if not isinstance(payload, dict):
            raise ShopUncertainError("the shop's answer is not what its API promises")
        refused = refused_by_user_errors(payload, _CURES)
        if refused is not None:
            if refused.code in ("OPERATION_IN_PROGRESS", "LIMIT_REACHED"):
                self._sleep(POLL)
                return at
            raise refused
        operation = payload.get("bulkOperation")
        if not isinstance(operation, dict) or not isinstance(operation.get("id"), str):
            raise ShopUncertainError("the shop's answer names no operation")
        return replace(at, operation=operation["id"], offset=0)

    def _anew(self, at: Cursor, status: str, code: str) -> Cursor:
        """Return the cursor from which to ask again for what has not been read yet."""
        if code == "ACCESS_DENIED":
            raise ShopRefusedError("not_allowed", _SCOPES)
        if at.tries + 1 >= _TRIES:
            raise ShopRejectedError(
                f"the bulk operation for {at.resource} ended as {status} {code}".strip(),
                hint="ask for less at once, with --since, or try again later",
            )
        since = at.last if at.in_order and at.last is not None else at.since
        return Cursor(at.resource, since=since, tries=at.tries + 1)

    def _following(self, at: Cursor) -> Cursor | None:
        place = self._resources.index(at.resource) + 1
        return Cursor(self._resources[place], since=self._since) if place < len(self._resources) else None

    # --- files

    def _read(self, kind: Kind, at: Cursor, url: str) -> Page:
        """Return the next things of a file. The last in hand is whole only when another begins, or the file ends."""
        _check(url)
        size = PART
        while True:
            raw, ended = self._http.part(url, at.offset, size, deadline=self._http.deadline())
            whole = list(_things(raw, kind.inner, ended=ended))
            if whole or ended:
                break
            if size >= _MOST:
                raise ShopRejectedError(f"one of the {at.resource} is longer than {_MOST} bytes")
            size *= 2
        shown = whole[:PAGE]
        following = at
        for node, _ in shown:
            following = _past(following, node)
        if ended and len(shown) == len(whole):
            return _page([kind.record(node) for node, _ in shown], self._following(at))
        return _page([kind.record(node) for node, _ in shown], replace(following, offset=at.offset + shown[-1][1]))


_cursors = msgspec.json.Decoder(Cursor)


def _page(records: Sequence[Record], following: Cursor | None) -> Page:
    return Page(records=records, cursor=None if following is None else msgspec.json.encode(following).decode())


def _things(raw: bytes, inner: str, *, ended: bool) -> Iterator[tuple[Body, int]]:
    """Yield each whole thing of a part of a file, the rows of its list in it, and where the next one begins."""
    node: dict[str, Any] | None = None
    start = 0
    for line in raw.splitlines(keepends=True):
        if not (line.endswith(b"\n") or ended):
            break
        if line.strip():
            read = _decoded(line)
            if "__parentId" not in read:
                if node is not None:
                    yield node, start
                node = {**read, inner: []} if inner else dict(read)
            elif node is None or read["__parentId"] != node.get("id"):
                raise ShopUncertainError("the file of the bulk operation is not grouped as it was asked for")
            else:
                node[inner].append(read)
        start += len(line)
    if ended and node is not None:
        yield node, start


def _decoded(line: bytes) -> Body:
    try:
        read = msgspec.json.decode(line)
    except (ValueError, RecursionError) as error:
        raise ShopUncertainError("the file of the bulk operation has a line that is not JSON") from error
    if not isinstance(read, dict) or not read.get("id"):
        raise ShopUncertainError("the file of the bulk operation has a line that is no thing of the shop")
    return read


def _past(at: Cursor, node: Body) -> Cursor:
    """Return the cursor after this thing: from its moment on a new operation would have to ask."""
    changed = moment(node.get("updatedAt"))
    if changed is None or (at.last is not None and changed < at.last):
        return replace(at, in_order=False)
    return replace(at, last=changed)


def _check(url: str) -> None:
    try:
        safe_base(url.partition("?")[0])
    except ShopRejectedError as error:
        raise ShopUncertainError("the address of the bulk operation's file cannot be used") from error


def _number(value: object) -> int:
    # UnsignedInt64 comes as text.
    return int(value) if isinstance(value, (int, str)) and str(value).isdigit() else 0

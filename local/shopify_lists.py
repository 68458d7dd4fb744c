"""What a local Shopify shop has: orders, customers, products; searched, sorted, paged, and exported by bulk operations.

Nodes are kept as the GraphQL API shows them, with plain lists where it has connections. A bulk operation runs its
question against the same schema, and its file is served in ranges, as Shopify's store does.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    execute_sync,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
    validate,
)

from local.server import Reply, Request

Node = dict[str, Any]

#: Lists that are connections, and lists that only take `first`.
_CONNECTIONS = frozenset({"lineItems", "variants"})
_LISTS = frozenset({"fulfillments", "refunds", "transactions"})
#: How many bulk queries may run at once in a shop, and what one may ask for (shopify.dev, "Bulk operations").
_AT_ONCE, _MOST_CONNECTIONS, _DEEPEST = 5, 5, 2
_SORTED = {"UPDATED_AT": "updatedAt", "CREATED_AT": "createdAt", "PROCESSED_AT": "processedAt", "ID": "id"}
_TERM = re.compile(r"(\w+):(>=|<=|>|<)?'?([^'\s]+)'?")
_DONE = frozenset({"COMPLETED", "FAILED", "CANCELED", "EXPIRED"})


@dataclass
class Operation:
    """A bulk operation. It is done after it was looked at `looks` times, and ends as `end` says."""

    id: str
    query: str
    lines: list[Node]
    end: str
    looks: int
    created: str
    url: str
    grouped: bool
    status: str = "CREATED"
    file: bytes = b""
    roots: int = 0

    def node(self) -> Node:
        """Return it as the API shows it."""
        done = self.status == "COMPLETED"
        return {
            "id": self.id,
            "query": self.query,
            "status": self.status,
            "errorCode": {"FAILED": "TIMEOUT", "DENIED": "ACCESS_DENIED"}.get(self.end)
            if self.status == "FAILED"
            else None,
            "type": "QUERY",
            "createdAt": self.created,
            "completedAt": self.created if done else None,
            "objectCount": len(self.lines) if done else len(self.lines) // 2,
            "rootObjectCount": self.roots if done else self.roots // 2,
            "fileSize": len(self.file) if done else None,
            "url": self.url if done and self.file else None,
            "partialDataUrl": None,
        }


@dataclass
class ShopData:
    """What the shop has, by kind and id. `put` is what happens in the shop."""

    nodes: dict[str, dict[str, Node]] = field(default_factory=lambda: {"orders": {}, "customers": {}, "products": {}})
    operations: dict[str, Operation] = field(default_factory=dict)
    ends: deque[str] = field(default_factory=deque)
    """how the next bulk operations end: COMPLETED (when nothing is said), FAILED, DENIED, CANCELED, EXPIRED"""
    looks: int = 1
    """how often a bulk operation is found under way before it is done"""
    ignores_ranges: bool = False
    """whether the store of files sends the whole file whatever is asked for"""

    def put(self, kind: str, node: Node) -> None:
        """Let the shop have this."""
        self.nodes[kind][node["id"]] = node

    # --- lists

    def one(self, kind: str, gid: str) -> Node | None:
        """Return one of them."""
        found = self.nodes[kind].get(gid)
        return None if found is None else resolved(found)

    def page(
        self,
        kind: str,
        *,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        sortKey: str = "ID",  # noqa: N803 - Shopify's name
        reverse: bool = False,
        **_: Any,
    ) -> Node:
        """Return a page of those that the search finds."""
        found = sorted(self._found(kind, query), key=lambda node: (str(node[_SORTED[sortKey]]), node["id"]))
        return connection([resolved(node) for node in (found[::-1] if reverse else found)], first, after)

    def count(self, kind: str, query: str | None = None, **_: Any) -> Node:
        """Return how many the search finds."""
        return {"count": len(self._found(kind, query)), "precision": "EXACT"}

    def _found(self, kind: str, query: str | None) -> list[Node]:
        terms = [(name, sign, datetime.fromisoformat(value)) for name, sign, value in _TERM.findall(query or "")]
        return [node for node in self.nodes[kind].values() if all(_fits(node, *term) for term in terms)]

    # --- bulk operations

    def run(self, schema: GraphQLSchema, root: object, query: str, *, grouped: bool, url: str) -> Node:
        """Begin a bulk operation, or say what is wrong with its question."""
        fault = _fault_of(schema, query)
        if fault:
            return _refused("INVALID", fault)
        if sum(each.status not in _DONE for each in self.operations.values()) >= _AT_ONCE:
            return _refused("LIMIT_REACHED", "Bulk operations limit reached. Please try again later.")
        done = execute_sync(schema, parse(query), root_value=root, type_resolver=lambda *_: "MediaImage")
        if done.errors or done.data is None:
            return _refused("INVALID", str(done.errors))
        ((_, listed),) = done.data.items()
        lines = [_flat(edge["node"]) for edge in listed["edges"]]
        every = [line for group in lines for line in group]
        if not grouped:
            # Parents still come before their children, and not right before them.
            every = [group[0] for group in lines] + [line for group in lines for line in group[1:]]
        number = len(self.operations) + 1
        operation = Operation(
            id=f"gid://shopify/BulkOperation/{number}",
            query=query,
            lines=every,
            end=self.ends.popleft() if self.ends else "COMPLETED",
            looks=self.looks,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            url=f"{url}/bulk/{number}.jsonl?signature=kept-secret",
            grouped=grouped,
            file="".join(json.dumps(line) + "\n" for line in every).encode(),
            roots=len(lines),
        )
        self.operations[operation.id] = operation
        return {"bulkOperation": operation.node(), "userErrors": []}

    def operation(self, gid: str) -> Node | None:
        """Return how a bulk operation stands; it goes on while it is looked at."""
        operation = self.operations.get(gid)
        if operation is None:
            return None
        if operation.status not in _DONE:
            operation.looks -= 1
            ended = {"DENIED": "FAILED"}.get(operation.end, operation.end)
            operation.status = "RUNNING" if operation.looks >= 0 else ended
        return operation.node()

    def listed(self, first: int | None = None, **_: Any) -> Node:
        """Return the bulk operations, the newest first."""
        return connection([each.node() for each in reversed(self.operations.values())], first, None)

    def file(self, request: Request) -> Reply:
        """Answer a request for the file of a bulk operation."""
        number = request.path.removeprefix("/bulk/").removesuffix(".jsonl")
        operation = self.operations.get(f"gid://shopify/BulkOperation/{number}")
        if operation is None or operation.status != "COMPLETED":
            return Reply(400, "<Error><Code>ExpiredToken</Code></Error>", {"Content-Type": "application/xml"})
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if asked is None or self.ignores_ranges:
            return Reply(200, operation.file, {"Content-Type": "application/jsonl"})
        start, end = int(asked[1]), min(int(asked[2]) + 1, len(operation.file))
        if start >= len(operation.file):
            return Reply(416, b"", {"Content-Range": f"bytes */{len(operation.file)}"})
        told = {"Content-Type": "application/jsonl", "Content-Range": f"bytes {start}-{end - 1}/{len(operation.file)}"}
        return Reply(206, operation.file[start:end], told)


def connection(rows: Sequence[Node], first: int | None, after: str | None) -> Node:
    """Return a page of a list."""
    start = next((place + 1 for place, row in enumerate(rows) if after is not None and row["id"] == after), 0)
    shown = rows[start:] if first is None else rows[start : start + first]
    return {
        "nodes": shown,
        "edges": [{"cursor": row["id"], "node": row} for row in shown],
        "pageInfo": {
            "hasNextPage": start + len(shown) < len(rows),
            "hasPreviousPage": start > 0,
            "startCursor": shown[0]["id"] if shown else None,
            "endCursor": shown[-1]["id"] if shown else None,
        },
    }


def resolved(node: Mapping[str, Any]) -> Node:
    """Return a node whose lists answer to their arguments."""
    found: Node = {}
    for name, value in node.items():
        if name in _CONNECTIONS:
            found[name] = _connected([resolved(row) for row in value])
        elif name in _LISTS:
            found[name] = _first_of(value)
        else:
            found[name] = value
    return found


def _connected(rows: list[Node]) -> Callable[..., Node]:
    return lambda _info, first=None, after=None, **_: connection(rows, first, after)


def _first_of(rows: list[Node]) -> Callable[..., list[Node]]:
    return lambda _info, first=None, **_: rows[:first]


def _fits(node: Node, name: str, sign: str, bound: datetime) -> bool:
    at = datetime.fromisoformat(node[re.sub(r"_(\w)", lambda found: found[1].upper(), name)])
    return {">=": at >= bound, ">": at > bound, "<": at < bound, "<=": at <= bound, "": at == bound}[sign]


def _flat(node: Node, parent: str | None = None) -> list[Node]:
    """Return a node and what is under it, each with the id of what it stands under."""
    own = {name: value for name, value in node.items() if not _is_connection(value)}
    found = [own if parent is None else {**own, "__parentId": parent}]
    for value in node.values():
        if _is_connection(value):
            for edge in value["edges"]:
                found += _flat(edge["node"], node["id"])
    return found


def _is_connection(value: object) -> bool:
    return isinstance(value, dict) and "edges" in value


@lru_cache(maxsize=256)
def _fault_of(schema: GraphQLSchema, query: str) -> str | None:
    """Return why this cannot be run in bulk."""
    try:
        document = parse(query)
    except GraphQLError as error:
        return error.message
    problems = validate(schema, document)
    if problems:
        return problems[0].message
    definitions = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if len(definitions) != 1 or len(definitions[0].selection_set.selections) != 1 or schema.query_type is None:
        return "Bulk queries must have exactly one top-level field."
    found = list(_connections(definitions[0].selection_set, schema.query_type, 0, in_list=False))
    if not found:
        return "Bulk queries must contain at least one connection."
    if any(in_list for _, in_list in found):
        return "Queries that contain a connection field within a list field are not currently supported."
    if len(found) > _MOST_CONNECTIONS or max(depth for depth, _ in found) > _DEEPEST:
        return "Bulk queries have at most five connections, nested at most two levels deep."
    return None


def _connections(
    chosen: SelectionSetNode, of: GraphQLOutputType, depth: int, *, in_list: bool
) -> Iterator[tuple[int, bool]]:
    """Yield each connection that is asked for: how deep it stands, and whether in a list that is none."""
    for each in chosen.selections:
        if isinstance(each, InlineFragmentNode):
            yield from _connections(each.selection_set, of, depth, in_list=in_list)
        if not isinstance(each, FieldNode) or each.selection_set is None:
            continue
        fields = cast("GraphQLObjectType", get_named_type(of)).fields
        kind = fields[each.name.value].type
        name = get_named_type(kind).name
        deeper, listed = depth, in_list
        if name.endswith("Connection"):
            deeper = depth + 1
            yield deeper, in_list
        elif is_list_type(get_nullable_type(kind)) and each.name.value not in ("edges", "nodes"):
            listed = True
        yield from _connections(each.selection_set, kind, deeper, in_list=listed)


def _refused(code: str, message: str) -> Node:
    return {"bulkOperation": None, "userErrors": [{"code": code, "field": ["query"], "message": message}]}

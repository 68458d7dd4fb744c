"""What a question costs at Shopify's GraphQL API before it is answered, and after (shopify.dev, "API rate limits").

An object costs a point, a text or a number none, a mutation ten, and a connection what its page may hold. More than a
thousand points are never answered. What was taken too much beforehand goes back into the bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

MOST = 1_000.0
_MUTATION = 10.0
_LEAST = 1.0
_WITHOUT = 10
"""what a connection is taken for that does not say how much it wants"""


def price(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> float:
    """Return what the question costs beforehand."""
    total = 0.0
    for each in document.definitions:
        if isinstance(each, OperationDefinitionNode):
            root = schema.get_root_type(each.operation)
            mutates = each.operation.value == "mutation"
            total += _MUTATION if mutates or root is None else _of(each.selection_set, root, variables)
    return max(total, _LEAST)


def spent(data: object) -> float:
    """Return what an answer has cost after all: its objects."""
    if isinstance(data, dict):
        return 1.0 + sum(spent(value) for value in data.values())
    return sum(spent(one) for one in data) if isinstance(data, list) else 0.0


def _of(chosen: SelectionSetNode, kind: GraphQLOutputType, variables: Mapping[str, Any]) -> float:
    total = 0.0
    for each in chosen.selections:
        if isinstance(each, FieldNode) and each.selection_set is not None and not _is_paging(each):
            owner = get_named_type(kind)
            if not isinstance(owner, (GraphQLObjectType, GraphQLInterfaceType)):
                continue
            inner = owner.fields[each.name.value].type
            size = _size(each, variables)
            connection = get_named_type(inner).name.endswith("Connection")
            within = _of(each.selection_set, inner, variables)
            if connection:
                total += 2.0 + (size if size is not None else _WITHOUT) * within
            else:
                total += (size or 1) * (within if each.name.value in ("edges", "nodes", "node") else 1.0 + within)
                total += 1.0 if each.name.value in ("node", "nodes") else 0.0
    return total


def _is_paging(field: FieldNode) -> bool:
    return field.name.value == "pageInfo"


def _size(field: FieldNode, variables: Mapping[str, Any]) -> int | None:
    for argument in field.arguments:
        if argument.name.value in ("first", "last"):
            if isinstance(argument.value, IntValueNode):
                return int(argument.value.value)
            if isinstance(argument.value, VariableNode):
                told = variables.get(argument.value.name.value)
                return int(told) if isinstance(told, int) else None
    return None

"""The catalogue as recommendations need it: products, their neighbours, shelves, and which orders were counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError
from msgspec.structs import replace

from rekindle.aws.items import (
    KEPT,
    Item,
    Wanted,
    answered,
    batch_get,
    code_of,
    epoch,
    names,
    number,
    text,
    transact,
    tries,
)
from rekindle.aws.products import parse_product, product_key, stock_update
from rekindle.domain.errors import ConflictError
from rekindle.domain.facts import VariantStock
from rekindle.domain.products import stocked
from rekindle.domain.shelves import Near, Shelf, decode_near, decode_shelf
from rekindle.ports import Clock, Shelved

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

_TRIES = 4


class DynamoShelves:
    """`ports.Shelves`. A key of its table is the shop, `#`, and one of `near/`, `shelf/`, `order/` with a name."""

    def __init__(self, clients: Clients, tables: Tables, clock: Clock) -> None:
        """Take the clock, which only says until when a counted order is remembered: as long as deliveries are kept."""
        self._clients = clients
        self._tables = tables
        self._clock = clock

    def shelved(
        self,
        shop: str,
        *,
        products: Collection[str] = (),
        near: Collection[str] = (),
        shelves: Collection[str] = (),
        orders: Collection[str] = (),
        fresh: bool = True,
    ) -> Shelved:
        """Return it all."""
        tables = self._tables
        keys = [
            *(f"near/{one}" for one in dict.fromkeys(near)),
            *(f"shelf/{one}" for one in dict.fromkeys(shelves)),
            *(f"order/{one}" for one in dict.fromkeys(orders)),
        ]
        wanted = [
            Wanted(tables.products, [product_key(shop, one) for one in dict.fromkeys(products)]),
            Wanted(tables.shelves, [_key(shop, key) for key in keys]),
        ]
        found = batch_get(self._clients.dynamodb, wanted, fresh=fresh)
        known = [product for product in map(parse_product, found[tables.products]) if product is not None]
        kinds: dict[str, dict[str, Item]] = {"near": {}, "shelf": {}, "order": {}}
        for item in found[tables.shelves]:
            kind, _, name = item["key"]["S"].removeprefix(f"{shop}#").partition("/")
            kinds[kind][name] = item
        return Shelved(
            products={product.id: product for product in known},
            near={name: _versioned(decode_near(item["near"]["S"]), item) for name, item in kinds["near"].items()},
            shelves={name: _versioned(decode_shelf(item["shelf"]["S"]), item) for name, item in kinds["shelf"].items()},
            orders=frozenset(kinds["order"]),
        )

    def count(self, shop: str, orders: Collection[str], near: Mapping[str, Near]) -> None:
        """Write it in one transaction."""
        expires = epoch(self._clock.now() + KEPT)
        writes: list[dict[str, Any]] = [
            {
                "Put": {
                    "TableName": self._tables.shelves,
                    "Item": _key(shop, f"order/{order}") | {"expires": expires},
                    "ConditionExpression": "attribute_not_exists(#key)",
                    "ExpressionAttributeNames": names("key"),
                }
            }
            for order in orders
        ]
        writes += [{"Put": self._put(shop, f"near/{one}", "near", value)} for one, value in near.items()]
        reasons = transact(self._clients.dynamodb, writes)
        if reasons is not None:
            places = [place for place, reason in enumerate(reasons) if reason.code != "None"]
            raise ConflictError(f"{shop}: writes {places} of {len(writes)} met somebody else's")

    def put_shelf(self, shop: str, name: str, shelf: Shelf) -> bool:
        """Write the shelf, if nobody else has."""
        try:
            with answered():
                self._clients.dynamodb.put_item(**self._put(shop, f"shelf/{name}", "shelf", shelf))
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def stock(self, shop: str, stock: VariantStock) -> None:
        """Read, change and write the product, again where somebody wrote it in between."""
        key = product_key(shop, stock.product_id)
        for _ in tries(_TRIES):
            answer = self._clients.dynamodb.get_item(TableName=self._tables.products, Key=key, ConsistentRead=True)
            item: Item = answer.get("Item", {})
            known = parse_product(item)
            changed = stocked(known, stock) if known is not None and not known.deleted else None
            if changed is None:
                return
            try:
                with answered():
                    self._clients.dynamodb.update_item(
                        TableName=self._tables.products, **stock_update(shop, changed, item)
                    )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise
            else:
                return
        raise ConflictError(f"{shop}: product {stock.product_id} kept changing")

    def _put(self, shop: str, name: str, attribute: str, value: Near | Shelf) -> dict[str, Any]:
        item = _key(shop, name) | {
            "version": number(value.version),
            attribute: text(msgspec.json.encode(replace(value, version=0)).decode()),
        }
        put: dict[str, Any] = {"TableName": self._tables.shelves, "Item": item}
        if value.version == 1:
            return put | {"ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": names("key")}
        return put | {
            "ConditionExpression": "#version = :before",
            "ExpressionAttributeNames": names("version"),
            "ExpressionAttributeValues": {":before": number(value.version - 1)},
        }


def _key(shop: str, name: str) -> Item:
    return {"key": text(f"{shop}#{name}")}


def _versioned(value: Any, item: Item) -> Any:
    return replace(value, version=int(item["version"]["N"]))

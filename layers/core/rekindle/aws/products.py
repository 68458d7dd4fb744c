"""How a product lies in the Products table: `product` as JSON, apart from it what a body may leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from rekindle.aws.items import Item, names, stamp, text
from rekindle.domain.facts import Product, Variant
from rekindle.domain.products import counts, judged

_product = msgspec.json.Decoder(Product)
_variants = msgspec.json.Decoder(tuple[Variant, ...])
_words = msgspec.json.Decoder(tuple[str, ...])


def product_key(shop: str, product_id: str) -> Item:
    """Return a product's key."""
    return {"key": text(f"{shop}#{product_id}")}


def parse_product(item: Mapping[str, Any]) -> Product | None:
    """Return the product as the catalogue knows it; `None` of one of which only the deletion was heard."""
    if "product" not in item:
        return None
    product = _product.decode(item["product"]["S"])
    if "variants" in item:
        product = replace(product, variants=_variants.decode(item["variants"]["S"]))
    if "collections" in item:
        product = replace(product, collections=_words.decode(item["collections"]["S"]))
    if "deleted_at" in item and item["deleted_at"]["S"] > item["updated_at"]["S"]:
        product = replace(product, deleted=True)
    return judged(product, counted="counted" in item)


def product_update(shop: str, product: Product) -> dict[str, Any]:
    """Return the UpdateItem that writes this state, unless a newer one stands.

    Deleting leaves what is known, because old baskets still name it; and so does what the state does not tell.
    """
    at = "deleted_at" if product.deleted else "updated_at"
    values: dict[str, Any] = {at: text(stamp(product.updated_at))}
    if not product.deleted:
        alone = replace(product, variants=None, collections=None)
        values["product"] = text(msgspec.json.encode(alone).decode())
        if product.variants is not None:
            values["variants"] = text(msgspec.json.encode(product.variants).decode())
        if product.collections is not None:
            values["collections"] = text(msgspec.json.encode(product.collections).decode())
        if counts(product):
            values["counted"] = {"BOOL": True}
    return {
        "Key": product_key(shop, product.id),
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values),
        "ConditionExpression": f"attribute_not_exists(#{at}) OR #{at} <= :{at}",
        "ExpressionAttributeNames": names(*values),
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
    }


def stock_update(shop: str, product: Product, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the UpdateItem that writes the product with what is new of a variant, if it is still as it was `stored`.

    Compared are the very texts, because the product may have been stored by an earlier version.
    """
    update = product_update(shop, product)
    same = ["#product = :was"]
    update["ExpressionAttributeValues"][":was"] = stored["product"]
    if "variants" in stored:
        same.append("#variants = :variants_were")
        update["ExpressionAttributeValues"][":variants_were"] = stored["variants"]
    else:
        same.append("attribute_not_exists(#variants)")
    update["ConditionExpression"] = " AND ".join(same)
    return update


def parse_change(record: Mapping[str, Any]) -> tuple[str, Product | None, Product] | None:
    """Return the shop, and the product before and after, of a record of the table's stream (`dynamodb` in it).

    `None` where only a deletion was heard: then nobody has seen the product.
    """
    now = parse_product(record["NewImage"])
    shop = str(record["NewImage"]["key"]["S"]).partition("#")[0]
    return None if now is None else (shop, parse_product(record.get("OldImage", {})), now)

"""What runs have got of offers, and which codes of pools were given, in the Coupons table.

Three kinds of items share it, told apart by how their key begins: a coupon, a code of a pool that was given, and how a
pool stands. Coupons expire with the messages that gave them; a code stays given for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from rekindle.aws.items import (
    CONFLICT,
    FAILED,
    KEPT,
    Item,
    Wanted,
    answered,
    batch_get,
    code_of,
    epoch,
    names,
    number,
    stamp,
    text,
    transact,
    tries,
)
from rekindle.domain.errors import ConflictError
from rekindle.domain.offers import Coupon, coupon_id, plain_code
from rekindle.ports import Stock

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

_TRIES = 4
_coupon = msgspec.json.Decoder(Coupon)


class DynamoCoupons:
    """`ports.Coupons`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._table = tables.coupons

    def read(self, ids: Sequence[str]) -> dict[str, Coupon]:
        """Return the coupons that exist."""
        keys = [_key(f"coupon#{one}") for one in dict.fromkeys(ids)]
        found = batch_get(self._clients.dynamodb, [Wanted(self._table, keys)])[self._table]
        return {item["key"]["S"].partition("#")[2]: parse_coupon(item) for item in found}

    def claim(self, coupon: Coupon) -> Coupon:
        """Write it unless there is one."""
        stored = self._put(coupon, "attribute_not_exists(#key)", names("key"), {})
        return coupon if stored is None else parse_coupon(stored)

    def made(self, coupon: Coupon) -> Coupon:
        """Write it unless one is made."""
        values = {":wanted": text("wanted")}
        condition = "attribute_not_exists(#key) OR #state = :wanted"
        stored = self._put(coupon, condition, names("key", "state"), values)
        return coupon if stored is None else parse_coupon(stored)

    def withdraw(self, coupon: Coupon) -> None:
        """Delete the claim, if it is this one."""
        try:
            self._clients.dynamodb.delete_item(
                TableName=self._table,
                Key=_key(coupon_key(coupon)),
                ConditionExpression="#state = :wanted AND #issued_at = :issued_at",
                ExpressionAttributeNames=names("state", "issued_at"),
                ExpressionAttributeValues={":wanted": text("wanted"), ":issued_at": text(stamp(coupon.issued_at))},
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def give(self, coupon: Coupon) -> Coupon | None:
        """Write both, or neither."""
        own = coupon_key(coupon)
        mark = {**_key(_code_key(coupon.shop, coupon.code)), "shop": text(coupon.shop), "coupon_id": text(own)}
        writes = [self._absent(_item(coupon)), self._absent(mark)]
        for _ in tries(_TRIES):
            reasons = transact(self._clients.dynamodb, writes)
            if reasons is None:
                return coupon
            mine, code = reasons
            if mine.code == FAILED:
                return parse_coupon(mine.item or {})
            if code.code == FAILED:
                return None
            if CONFLICT not in (mine.code, code.code):
                break
        raise ConflictError(f"coupon {own}: others kept writing the same items")

    def given(self, shop: str, codes: Sequence[str]) -> frozenset[str]:
        """Return the codes that were given."""
        keys = {code: _code_key(shop, code) for code in codes}
        wanted = Wanted(self._table, [_key(key) for key in dict.fromkeys(keys.values())], ("key",))
        found = {item["key"]["S"] for item in batch_get(self._clients.dynamodb, [wanted])[self._table]}
        return frozenset(code for code, key in keys.items() if key in found)

    def stock(self, shop: str, offer: str) -> Stock | None:
        """Return the stock."""
        answer = self._clients.dynamodb.get_item(
            TableName=self._table, Key=_key(_pool_key(shop, offer)), ConsistentRead=True
        )
        item = answer.get("Item")
        if item is None:
            return None
        return Stock(
            shop=shop,
            offer=offer,
            pool=item["pool"]["S"],
            size=int(item["size"]["N"]),
            given=int(item["given"]["N"]),
            at=int(item["at"]["N"]),
        )

    def put_stock(self, stock: Stock) -> None:
        """Write it."""
        self._clients.dynamodb.put_item(
            TableName=self._table,
            Item={
                **_key(_pool_key(stock.shop, stock.offer)),
                "shop": text(stock.shop),
                "pool": text(stock.pool),
                "size": number(stock.size),
                "given": number(stock.given),
                "at": number(stock.at),
            },
        )

    def count(self, shop: str, offer: str, pool: str) -> None:
        """Add one, if it is this file."""
        self._if_still(pool, _pool_key(shop, offer), "ADD #given :more", "given", {":more": number(1)})

    def advance(self, shop: str, offer: str, pool: str, at: int) -> None:
        """Move on, never back."""
        values = {":at": number(at)}
        self._if_still(pool, _pool_key(shop, offer), "SET #at = :at", "at", values, further=" AND #at < :at")

    def _if_still(
        self, pool: str, key: str, update: str, name: str, values: dict[str, Any], *, further: str = ""
    ) -> None:
        """Update the stock of the key, if it is that of this file."""
        try:
            self._clients.dynamodb.update_item(
                TableName=self._table,
                Key=_key(key),
                UpdateExpression=update,
                ConditionExpression=f"#pool = :pool{further}",
                ExpressionAttributeNames=names("pool", name),
                ExpressionAttributeValues={":pool": text(pool), **values},
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def _put(self, coupon: Coupon, condition: str, attributes: dict[str, str], values: dict[str, Any]) -> Item | None:
        """Write the coupon on this condition. Return `None` when written, else what stands there."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "Item": _item(coupon),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": attributes,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:
            request["ExpressionAttributeValues"] = values
        try:
            with answered():
                self._clients.dynamodb.put_item(**request)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            failed: Any = error.response
            return dict(failed["Item"])
        return None

    def _absent(self, item: Item) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": names("key"),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }


def _key(key: str) -> Item:
    return {"key": text(key)}


def coupon_key(coupon: Coupon) -> str:
    """Return the key of its item."""
    return f"coupon#{coupon_id(coupon.run, coupon.offer)}"


def _code_key(shop: str, code: str) -> str:
    return f"code#{shop}#{plain_code(code)}"


def _pool_key(shop: str, offer: str) -> str:
    return f"pool#{shop}#{offer}"


def _item(coupon: Coupon) -> Item:
    return {
        **_key(coupon_key(coupon)),
        "shop": text(coupon.shop),
        "profile_id": text(coupon.profile_id),
        "state": text(coupon.state),
        "issued_at": text(stamp(coupon.issued_at)),
        "coupon": text(msgspec.json.encode(coupon).decode()),
        "expires": epoch(max(coupon.issued_at, coupon.expires_at or coupon.issued_at) + KEPT),
    }


def parse_coupon(item: Mapping[str, Any]) -> Coupon:
    """Return the coupon of an item."""
    return _coupon.decode(item["coupon"]["S"])

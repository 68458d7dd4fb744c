"""Products, as the catalogue keeps them.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from datetime import datetime

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.facts import Product, Variant, VariantStock
from rekindle.shops.catalogue import MAX_NAME, MAX_TITLE, few, link
from rekindle.shops.reading import Body, Telling, identifier, moment_gmt, money, rows, short, text, whole
from rekindle.shops.woocommerce.values import name_of, names_of


def product(topic: str, body: Body, telling: Telling) -> None:
    """Tell `product.updated`; without an address while it is not published.

    A variation comes under the same topics. The catalogue holds products, and lines name the parent, so it is told as
    one kind of that (`variant.updated`); the REST API lists variations without saying whose they are: kept as sent.
    The body of a variable product has only the ids of its variations, so what is known of those stays.
    """
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    if body.get("type") == "variation" or ("image" in body and "images" not in body):
        _variation(topic, product_id, body, telling)
        return
    at = _changed(body, telling)
    price = telling.amount("price", body.get("price"))
    regular = money(body.get("regular_price"))
    image: Body = next(iter(rows(body.get("images"))), {})
    shown = body.get("status", "publish") == "publish" and body.get("catalog_visibility") != "hidden"
    in_stock, quantity = _stock(body)
    kinds = few(names_of(body.get("categories")))
    told = Product(
        id=product_id,
        title=short(name_of(body.get("name")), MAX_TITLE) or "",
        url=link(body.get("permalink")) if shown else None,
        image=link(image.get("src")),
        image_alt=short(name_of(image.get("alt")), MAX_TITLE),
        price=price,
        compare_at=regular if price is not None and regular is not None and regular > price else None,
        currency=telling.arrival.currency,
        in_stock=in_stock,
        kind=next(iter(kinds), None),
        vendor=short(next(iter(names_of(body.get("brands"))), None), MAX_NAME),
        tags=few(names_of(body.get("tags"))),
        created_at=moment_gmt(body.get("date_created_gmt")),
        published=shown,
        quantity=quantity,
        low_at=whole(body.get("low_stock_amount")) if body.get("low_stock_amount") != "" else None,
        variants=None if body.get("type") == "variable" else (),
        collections=kinds,
        updated_at=at,
    )
    telling.tell("product.updated", told, at)


def _variation(topic: str, variation_id: str, body: Body, telling: Telling) -> None:
    parent = identifier(body.get("parent_id"))
    if parent is None:
        telling.tell_unknown(topic, body)
        return
    at = _changed(body, telling)
    price, regular = telling.amount("price", body.get("price")), money(body.get("regular_price"))
    in_stock, quantity = _stock(body)
    variant = Variant(
        id=variation_id,
        title=short(", ".join(_options(body)), MAX_NAME),
        price=price,
        in_stock=in_stock if body.get("status", "publish") == "publish" else False,
        quantity=quantity,
        compare_at=regular if price is not None and regular is not None and regular > price else None,
        sku=short(body.get("sku"), MAX_NAME),
        at=at,
    )
    telling.tell("variant.updated", VariantStock(product_id=parent, variant=variant, updated_at=at), at)


def _options(body: Body) -> list[str]:
    return [option for row in rows(body.get("attributes")) if (option := name_of(row.get("option"))) is not None]


def _changed(body: Body, telling: Telling) -> datetime:
    return moment_gmt(body.get("date_modified_gmt")) or moment_gmt(body.get("date_created_gmt")) or telling.arrival.at


def _stock(body: Body) -> tuple[bool | None, int | None]:
    """Return whether it can be ordered (`None`: not said), and how many there are where somebody counts.

    A variation of which its product counts all together (`manage_stock: "parent"`) has no number of its own.
    """
    status = body.get("stock_status")
    there = None if text(status) is None else status in ("instock", "onbackorder")
    quantity = whole(body.get("stock_quantity")) if body.get("manage_stock") is True else None
    return there, None if quantity is None else max(quantity, 0)


def product_deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell that a product is gone. Only its id is sent.

    The topic's header is not signed: a whole product under it is only told as changed, with a problem.
    """
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    if body.get("date_created_gmt"):
        telling.problems.append("date_created_gmt: stands in a deletion, which has only an id")
        product(topic, body, telling)
        return
    at = telling.arrival.at
    telling.tell("product.updated", Product(id=product_id, deleted=True, updated_at=at), at)

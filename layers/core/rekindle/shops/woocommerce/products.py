"""Products, as the catalogue keeps them.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.facts import Product
from rekindle.shops.reading import Body, Telling, identifier, moment_gmt, money, rows, text
from rekindle.shops.woocommerce.values import name_of, names_of


def product(topic: str, body: Body, telling: Telling) -> None:
    """Tell `product.updated`; without an address while it is not published.

    A variation comes under the same topics. The catalogue holds products, and lines name the parent, so it is kept as
    `delivery.unknown`.
    """
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    if body.get("type") == "variation" or ("image" in body and "images" not in body):
        telling.tell_unknown(topic, body)
        return
    at = moment_gmt(body.get("date_modified_gmt")) or moment_gmt(body.get("date_created_gmt")) or telling.arrival.at
    price = telling.amount("price", body.get("price"))
    regular = money(body.get("regular_price"))
    image: Body = next(iter(rows(body.get("images"))), {})
    stock = body.get("stock_status")
    shown = body.get("status", "publish") == "publish" and body.get("catalog_visibility") != "hidden"
    told = Product(
        id=product_id,
        title=name_of(body.get("name")) or "",
        url=text(body.get("permalink")) if shown else None,
        image=text(image.get("src")),
        image_alt=name_of(image.get("alt")),
        price=price,
        compare_at=regular if price is not None and regular is not None and regular > price else None,
        currency=telling.arrival.currency,
        in_stock=None if not isinstance(stock, str) else stock in ("instock", "onbackorder"),
        kind=next(iter(names_of(body.get("categories"))), None),
        vendor=next(iter(names_of(body.get("brands"))), None),
        tags=names_of(body.get("tags")),
        updated_at=at,
    )
    telling.tell("product.updated", told, at)


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

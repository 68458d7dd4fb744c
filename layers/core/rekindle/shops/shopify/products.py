"""Products, as the catalogue keeps them.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.facts import Product
from rekindle.shops import signature
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment, money, rows, text, whole
from rekindle.shops.shopify.values import tags_of


def _stock(variants: list[Body], *, all_here: bool) -> bool | None:
    """Return whether any variant can be bought; `None` when that cannot be known.

    Of a product with more than a hundred variants the rest come as ids only, which leaves open whether those are there.
    Since `inventory_management` is no longer sent, a quantity of zero may also mean that nobody counts.
    """
    unknown = not (variants and all_here)
    for variant in variants:
        if variant.get("inventory_policy") == "continue":
            return True
        if "inventory_management" in variant and variant["inventory_management"] is None:
            return True
        quantity = whole(variant.get("inventory_quantity"))
        if quantity is not None and quantity > 0:
            return True
        if quantity is None or variant.get("inventory_management") is None:
            unknown = True
    return None if unknown else False


def _image(body: Body) -> tuple[str | None, str | None]:
    """Return the address of the product's main picture, and its alternative text."""
    first = next(iter(rows(body.get("images"))), {})
    media = next(iter(rows(body.get("media"))), {})
    preview = mapping(media.get("preview_image"))
    for image, alt in ((mapping(body.get("image")), None), (first, None), (preview, media.get("alt"))):
        source = text(image.get("src"))
        if source is not None:
            return source, text(image.get("alt")) or text(alt)
    return None, None


def product(topic: str, body: Body, telling: Telling) -> None:
    """Tell `product.updated`: the price is that of the cheapest variant; without an address while it is not on sale."""
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    arrival = telling.arrival
    at = moment(body.get("updated_at")) or arrival.at
    variants = rows(body.get("variants"))
    priced = [(price, variant) for variant in variants if (price := money(variant.get("price"))) is not None]
    price = compare_at = None
    if priced:
        price, cheapest = min(priced, key=lambda pair: pair[0])
        compare_at = money(cheapest.get("compare_at_price"))
        if compare_at is not None and compare_at <= price:
            compare_at = None
    handle = text(body.get("handle"))
    shown = body.get("published_at") is not None and body.get("status", "active") == "active"
    image, alt = _image(body)
    product = Product(
        id=product_id,
        title=text(body.get("title")) or "",
        url=f"https://{signature.site(arrival.domain)}/products/{handle}"
        if arrival.domain and handle and shown
        else None,
        image=image,
        image_alt=alt,
        price=price,
        compare_at=compare_at,
        currency=arrival.currency,
        in_stock=_stock(variants, all_here=len(rows(body.get("variant_gids"))) <= len(variants)),
        kind=text(body.get("product_type")) or text(mapping(body.get("category")).get("name")),
        vendor=text(body.get("vendor")),
        tags=tags_of(body.get("tags")) or (),
        updated_at=at,
    )
    telling.tell("product.updated", product, at)


def product_deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell that a product is gone. Only its id is sent.

    The topic's header is not signed: a whole product under it is only told as changed, with a problem.
    """
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    if body.get("updated_at"):
        telling.problems.append("updated_at: stands in a deletion, which has only an id")
        product(topic, body, telling)
        return
    at = telling.arrival.at
    telling.tell("product.updated", Product(id=product_id, deleted=True, updated_at=at), at)

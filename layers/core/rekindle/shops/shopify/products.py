"""Products and variants, as the catalogue keeps them.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.facts import Product, Variant, VariantStock
from rekindle.shops import signature
from rekindle.shops.catalogue import MAX_NAME, MAX_TITLE, MAX_VARIANTS, cheapest, few, link, quantity_of
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment, money, rows, short, text, whole
from rekindle.shops.shopify.values import earliest, tags_of, variant_title


def _stock(variant: Body) -> tuple[bool | None, int | None]:
    """Return whether this variant can be bought (`None`: that cannot be known), and how many of it there are.

    Since `inventory_management` is no longer sent, a quantity of zero may also mean that nobody counts; any other says
    that somebody does.
    """
    counted = variant.get("inventory_management", "")
    quantity = whole(variant.get("inventory_quantity"))
    if counted is None:
        return True, None
    if variant.get("inventory_policy") == "continue":
        return True, quantity or None
    if quantity is None or (quantity == 0 and not counted):
        return None, None
    return quantity > 0, max(quantity, 0)


def _variant(row: Body) -> Variant | None:
    variant_id = identifier(row.get("id"))
    if variant_id is None:
        return None
    price, before = money(row.get("price")), money(row.get("compare_at_price"))
    in_stock, quantity = _stock(row)
    return Variant(
        id=variant_id,
        title=short(variant_title(row.get("title")), MAX_NAME),
        price=price,
        in_stock=in_stock,
        quantity=quantity,
        compare_at=before if price is not None and before is not None and before > price else None,
        sku=short(row.get("sku"), MAX_NAME),
    )


def _image(body: Body) -> tuple[str | None, str | None]:
    """Return the address of the product's main picture, and its alternative text."""
    first = next(iter(rows(body.get("images"))), {})
    media = next(iter(rows(body.get("media"))), {})
    preview = mapping(media.get("preview_image"))
    for image, alt in ((mapping(body.get("image")), None), (first, None), (preview, media.get("alt"))):
        source = link(image.get("src"))
        if source is not None:
            return source, short(image.get("alt"), MAX_TITLE) or short(alt, MAX_TITLE)
    return None, None


def product(topic: str, body: Body, telling: Telling) -> None:
    """Tell `product.updated`: the price is that of the cheapest variant; without an address while it is not on sale.

    Of a product with more than a hundred variants the rest come as ids only, which leaves open whether those are there.
    """
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    arrival = telling.arrival
    at = moment(body.get("updated_at")) or arrival.at
    sent = rows(body.get("variants"))
    stock = [_stock(row) for row in sent]
    all_here = bool(sent) and len(rows(body.get("variant_gids"))) <= len(sent)
    priced = cheapest((money(row.get("price")), money(row.get("compare_at_price"))) for row in sent)
    handle = text(body.get("handle"))
    shown = body.get("published_at") is not None and body.get("status", "active") == "active"
    image, alt = _image(body)
    product = Product(
        id=product_id,
        title=short(body.get("title"), MAX_TITLE) or "",
        url=link(f"https://{signature.site(arrival.domain)}/products/{handle}")
        if arrival.domain and handle and shown
        else None,
        image=image,
        image_alt=alt,
        price=priced[0],
        compare_at=priced[1],
        currency=arrival.currency,
        in_stock=_any_of([there for there, _ in stock], all_here=all_here),
        kind=short(body.get("product_type"), MAX_NAME) or short(mapping(body.get("category")).get("name"), MAX_NAME),
        vendor=short(body.get("vendor"), MAX_NAME),
        tags=few(tags_of(body.get("tags")) or ()),
        created_at=earliest(moment(body.get("published_at")), moment(body.get("created_at"))),
        published=shown,
        quantity=quantity_of(quantity for _, quantity in stock),
        variants=tuple(one for row in sent[:MAX_VARIANTS] if (one := _variant(row)) is not None),
        updated_at=at,
    )
    telling.tell("product.updated", product, at)


def _any_of(there: list[bool | None], *, all_here: bool) -> bool | None:
    if True in there:
        return True
    return False if all_here and None not in there else None


def variant(topic: str, body: Body, telling: Telling) -> None:
    """Tell `variant.updated`: one variant, without its product's title, picture or siblings, is there or sold out.

    The topic's header is not signed: what the body says of the quantity counts where it says something.
    """
    product_id, read = identifier(body.get("product_id")), _variant(body)
    if product_id is None or read is None:
        raise MalformedBodyError(f"{topic}: the variant has no id, or its product none")
    at = moment(body.get("updated_at")) or telling.arrival.at
    there = topic == "variants/in_stock"
    if read.in_stock is not None and read.in_stock is not there:
        telling.problems.append("inventory_quantity: says otherwise than the topic")
        there = read.in_stock
    quantity = read.quantity if there else 0
    stocked = Variant(read.id, read.title, read.price, there, quantity, read.compare_at, read.sku, at)
    telling.tell("variant.updated", VariantStock(product_id=product_id, variant=stocked, updated_at=at), at)


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

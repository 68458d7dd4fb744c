"""What becomes of a product in the catalogue when something new is heard of it, and which of that is news. Pure."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from rekindle.domain.facts import Product, ProductChange, Variant, VariantStock

#: From so few pieces on a product is low in stock, where the shop does not say it itself.
LOW_STOCK = 5


def kept(product: Product, known: Product | None) -> Product:
    """Return the newer state of a product with what its body does not tell, as it was known."""
    if known is None:
        return product
    return replace(
        product,
        variants=known.variants if product.variants is None else product.variants,
        collections=known.collections if product.collections is None else product.collections,
    )


def counts(product: Product) -> bool:
    """Whether this state shows that somebody counts the pieces: then none is none, and not "nobody counts"."""
    return product.quantity is not None and product.quantity > 0


def judged(product: Product, *, counted: bool) -> Product:
    """Return the product as sold out where its body leaves that open, and its pieces have been counted before."""
    return replace(product, in_stock=False) if counted and product.in_stock is None else product


def stocked(product: Product, stock: VariantStock) -> Product | None:
    """Return the product with what is new of one variant; `None` where that is older than what is known.

    One variant that is there makes the product be there. One that is sold out does not make it sold out: its siblings
    need not all be known, and the shop tells the product too.
    """
    variants = {variant.id: variant for variant in product.variants or ()}
    known = variants.get(stock.variant.id)
    if known is not None and stock.updated_at < (known.at or product.updated_at):
        return None
    told = stock.variant
    variants[told.id] = Variant(
        told.id,
        told.title or (known.title if known else None),
        told.price if told.price is not None or known is None else known.price,
        told.in_stock,
        told.quantity,
        told.compare_at,
        told.sku or (known.sku if known else None),
        stock.updated_at,
    )
    more = (told.quantity or 0) - (known.quantity or 0) if known is not None and known.quantity is not None else 0
    return replace(
        product,
        variants=tuple(variants.values()),
        in_stock=True if told.in_stock else product.in_stock,
        silent=False,
        quantity=None if product.quantity is None else max(0, product.quantity + more),
    )


def changed_at(product: Product) -> datetime:
    """Return when something about the product changed last."""
    told = [variant.at for variant in product.variants or () if variant.at is not None]
    return max([product.updated_at, *told])


def changes(before: Product | None, now: Product) -> list[tuple[str, ProductChange]]:
    """Return what people who looked at the product, or asked for it, might want to know: event type and fact.

    A product that nobody can buy has no news; what an import tells is none.
    """
    if before is None or now.silent or not now.shown or now.in_stock is False:
        return []
    found = []
    price = now.price
    change = ProductChange(
        product_id=now.id,
        at=changed_at(now),
        title=now.title or None,
        url=now.url,
        image=now.image,
        price=price,
        currency=now.currency,
    )
    same_money = before.currency is None or now.currency is None or before.currency == now.currency
    if before.price is not None and price is not None and same_money and price < before.price:
        found.append(("product.price_dropped", replace(change, was=before.price)))
    if before.in_stock is False and now.in_stock:
        found.append(("product.back_in_stock", change))
    elif before.in_stock is not False and _is_low(now) and not _is_low(before) and before.quantity:
        found.append(("product.low_in_stock", change))
    return found


def still_so(event: str, change: ProductChange, product: Product) -> bool:
    """Whether news of a product is still true: it can be bought, is not as dear again, and is as scarce as was said."""
    if not product.shown or product.in_stock is False:
        return False
    if change.was is not None and product.price is not None and product.price >= change.was:
        return False
    return event != "product.low_in_stock" or product.quantity is None or _is_low(product)


def _is_low(product: Product) -> bool:
    few = LOW_STOCK if product.low_at is None else product.low_at
    return product.quantity is not None and 0 < product.quantity <= few

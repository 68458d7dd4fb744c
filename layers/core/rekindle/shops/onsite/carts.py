"""A WooCommerce cart as the page has it (Store API), with a link that puts it together again on any device."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote, urlencode

from rekindle.domain.facts import Basket, Item
from rekindle.shops.reading import Body, identifier, money, rows, text, whole

MAX_ITEMS, MAX_CODES = 50, 5
_MAX_QUANTITY = 9_999
_MAX_TITLE, _MAX_NAME = 200, 1_000
#: What is no such thing would be shown as it is.
_CODE = re.compile(r"\w[\w -]{0,49}\Z")


def basket(
    sent: Body, token: str, at: datetime, *, currency: str | None, url: str, page: Callable[[object], str | None]
) -> Basket:
    """Return the cart. Prices are the page's word, and none is below zero; `page` keeps the shop's own addresses."""
    items = tuple(item for row in rows(sent.get("items"))[:MAX_ITEMS] if (item := _item(row, page)) is not None)
    known = [item.total for item in items if item.total is not None]
    subtotal = sum(known, Decimal(0)) if items and len(known) == len(items) else None
    told = sent.get("codes")
    codes = tuple(
        code
        for one in (told[:MAX_CODES] if type(told) is list else ())
        if (code := text(one)) is not None and _CODE.match(code)
    )
    return Basket(
        id=token,
        updated_at=at,
        cart_token=token,
        items=items,
        item_count=sum(item.quantity for item in items),
        currency=currency,
        subtotal=subtotal,
        total=_amount(sent.get("total")) if items else None,
        recovery_url=recovery_url(url, items, codes),
        codes=codes,
        page=True,
    )


def recovery_url(url: str, items: tuple[Item, ...], codes: tuple[str, ...] = ()) -> str | None:
    """Return the address that fills a cart with these items and goes to the checkout; `None` where nothing is left.

    WooCommerce's own (`/checkout-link/`, 10.0 and newer): products by id and quantity, a variation by its own id, one
    coupon. Older shops show their start page. What has no number of WooCommerce's cannot be in it.
    """
    lines = [
        f"{number}:{item.quantity}"
        for item in items
        if (number := item.variant_id or item.product_id) is not None and number.isascii() and number.isdecimal()
    ]
    if not lines:
        return None
    query = urlencode(
        [("products", ",".join(lines)), *(("coupon", code) for code in codes[:1])], safe=":,", quote_via=quote
    )
    return f"{url.partition('?')[0].partition('#')[0].rstrip('/')}/checkout-link/?{query}"


def _item(row: Body, page: Callable[[object], str | None]) -> Item | None:
    product, title = identifier(row.get("id")), _name(row.get("title"))
    quantity = whole(row.get("quantity"))
    quantity = 1 if quantity is None else quantity
    if product is None or title is None or not 0 < quantity <= _MAX_QUANTITY:
        return None
    price = _amount(row.get("price"))
    variant = _name(row.get("variant"))
    return Item(
        title=title[:_MAX_TITLE],
        quantity=quantity,
        product_id=product,
        variant_id=identifier(row.get("variation")),
        variant=variant[:_MAX_TITLE] if variant else None,
        price=price,
        total=price * quantity if price is not None else None,
        url=page(row.get("url")),
    )


def _name(value: object) -> str | None:
    """Return a name without the HTML entities in which WordPress hands it out."""
    if type(value) is not str or len(value) > _MAX_NAME:
        return None
    if "&" in value:
        from html import unescape

        value = unescape(value)
    return text(value)


def _amount(value: object) -> Decimal | None:
    amount = money(value)
    return amount if amount is not None and amount >= 0 else None

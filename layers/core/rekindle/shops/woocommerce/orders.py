"""Orders: how they stand, what is in them, what was given back.

Pure: imports the standard library, msgspec, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.facts import Consent, Item, Order, OrderStatus, Refund
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment_gmt, money, rows, text, whole
from rekindle.shops.woocommerce.people import person_of, site_of, ticked, who_of
from rekindle.shops.woocommerce.values import NOTHING, address, name_of, total_of

_OPEN = frozenset(("pending", "checkout-draft", "auto-draft", "draft"))
_DRAFTS = _OPEN - {"pending"}
_CANCELLED = frozenset(("cancelled", "trash"))
_PLACED = frozenset(("processing", "on-hold", "completed", "refunded"))
# Ways to pay that are settled later: such an order is placed when it is made, and `date_paid` may be days after.
_LATER = frozenset(("bacs", "cheque", "cod"))


def _status(value: object) -> str:
    return (text(value) or "").lower().removeprefix("wc-")


def _stands(status: str, body: Body) -> OrderStatus:
    """Return how an order stands.

    A status of a plugin's own may come after placing (`shipped`, `awaiting-roast`) or before it (`quote`,
    `partial-payment`). What it means no body says, so the money decides: paid, or of a kind that is paid later, is
    placed; anything else is open until it is.
    """
    if status in _OPEN:
        return "open"
    if status == "failed":
        return "failed"
    if status in _CANCELLED:
        return "cancelled"
    settled = moment_gmt(body.get("date_paid_gmt")) is not None or text(body.get("payment_method")) in _LATER
    return "placed" if status in _PLACED or settled else "open"


def _items(body: Body, *, taxed: bool) -> tuple[list[Item], int, Decimal]:
    """Return the lines, how many pieces they are, and what they cost together, after discounts."""
    items = []
    count = 0
    sum_total = NOTHING
    for line in rows(body.get("line_items")):
        get = line.get
        quantity = whole(get("quantity"))
        if quantity is None:
            quantity = 1
        total = total_of(line, "total", "total_tax" if taxed else None)
        if not taxed and get("subtotal") == get("total"):
            before = total
        else:
            before = total_of(line, "subtotal", "subtotal_tax" if taxed else None)
        price = money(get("price"))
        if before is not None and quantity and (taxed or price is None or before != total):
            # A unit's price is not always exact: rounded to the digits in which the shop keeps its books.
            price = (before / quantity).quantize(Decimal(1).scaleb(min(int(before.as_tuple().exponent), 0)))
        whole_name = name_of(get("name")) or ""
        parent = name_of(named) if (named := get("parent_name")) else None
        variant = None
        if parent is not None and whole_name.startswith(parent):
            variant = whole_name[len(parent) :].strip(" -–—") or None
        items.append(
            Item(
                title=parent or whole_name,
                quantity=quantity,
                product_id=identifier(get("product_id")),
                variant_id=identifier(get("variation_id")),
                variant=variant,
                sku=text(get("sku")),
                price=price,
                total=total,
                image=text(mapping(get("image")).get("src")),
            )
        )
        count += quantity
        sum_total += total or NOTHING
    return items, count, sum_total


def _placed_at(body: Body, stands: OrderStatus, created: datetime | None) -> datetime | None:
    """Return when the order was placed: when it was paid, unless it is of a kind that is paid later.

    `None` for what is not placed, and for a cancelled order that was never paid nor to be paid later: WooCommerce
    cancels a `pending` order by itself when the time to pay is over, and that one was never placed.
    """
    if stands in ("open", "failed"):
        return None
    if text(body.get("payment_method")) in _LATER:
        return created
    paid = moment_gmt(body.get("date_paid_gmt"))
    return paid or (created if stands == "placed" else None)


def _refunds(
    body: Body, order_id: str, number: str, currency: str | None, at: datetime
) -> tuple[tuple[Refund, ...], Decimal | None]:
    """Return the order's refunds, and what they come to; `None` while there are none.

    WooCommerce writes them as negative amounts, and does not say when each was: as of this body, which is the first
    that has it or a later one.
    """
    told = []
    total = None
    for row in rows(body.get("refunds")):
        amount = money(row.get("total"))
        if amount is None:
            continue
        total = (total or NOTHING) + abs(amount)
        refund_id = identifier(row.get("id"))
        if refund_id is not None and amount:
            reason = name_of(row.get("reason"))
            told.append(
                Refund(
                    id=refund_id,
                    order_id=order_id,
                    number=number,
                    at=at,
                    amount=abs(amount),
                    currency=currency,
                    reason=reason,
                )
            )
    return tuple(told), total


def order(topic: str, body: Body, telling: Telling) -> None:
    """Tell how an order stands, and the consent given with it.

    Only `order.created` in a status that counts is `order.placed`; a `pending` or `failed` order is told as
    `order.updated`, and so is the update that makes it count: the engine sees that it was not placed before. A
    `cancelled` order is told as `order.cancelled`, for WooCommerce has no topic for it.
    """
    get = body.get
    order_id = identifier(get("id"))
    if order_id is None:
        raise MalformedBodyError(f"{topic}: the order has no id")
    status = _status(get("status"))
    stands = _stands(status, body)
    created = moment_gmt(get("date_created_gmt"))
    at = moment_gmt(get("date_modified_gmt")) or created or telling.arrival.at
    placed = _placed_at(body, stands, created)
    taxed = get("prices_include_tax") is True
    items, count, subtotal = _items(body, taxed=taxed)
    browser, cart = site_of(body)
    who = who_of(body, get("customer_id"), telling)
    if browser or cart:
        who = replace(who, browser_id=browser, cart_token=cart)
    shipping = address(mapping(get("shipping")), telling) or address(mapping(get("billing")), telling)
    number = text(get("number")) or order_id
    currency = telling.use("currency", contact.currency(get("currency"))) or telling.arrival.currency
    refunds, refunded = _refunds(body, order_id, number, currency, at)
    order = Order(
        id=order_id,
        number=number,
        status=stands,
        cart_token=cart,
        items=tuple(items),
        item_count=count,
        currency=currency,
        subtotal=subtotal,
        discount=total_of(body, "discount_total", "discount_tax" if taxed else None),
        shipping=total_of(body, "shipping_total", "shipping_tax" if taxed else None),
        tax=telling.amount("total_tax", get("total_tax")),
        total=telling.amount("total", get("total")),
        refunded=refunded,
        refunds=refunds,
        placed_at=placed,
        paid_at=moment_gmt(get("date_paid_gmt")),
        fulfilled_at=moment_gmt(get("date_completed_gmt")),
        url=text(get("payment_url")) if stands in ("open", "failed") else None,
        codes=tuple([code for row in rows(get("coupon_lines")) if (code := text(row.get("code")))]),
        ship_to=shipping,
        updated_at=at,
    )
    kind = "order.updated"
    occurred = at
    if status == "cancelled":
        kind = "order.cancelled"
    elif topic == "order.created" and stands == "placed":
        kind, occurred = "order.placed", placed or at
    telling.tell(kind, order, occurred, who, person_of(body))
    # A draft changes while the buyer types; its box counts once the order is sent.
    if created is not None and who.email and status not in _DRAFTS and ticked(body, telling.arrival.consent_keys):
        consent = Consent(channel="email", state="subscribed", at=created, source="checkout", address=who.email)
        telling.tell("consent.changed", consent, created, who)


def order_deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell nothing but that it came: only the id is sent, and clearing old orders away undoes no sale."""
    telling.tell_unknown(topic, body)

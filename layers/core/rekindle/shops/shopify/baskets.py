"""Carts and checkouts: one basket under one id, for a checkout grows out of a cart.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from decimal import Decimal

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Who
from rekindle.domain.facts import Basket, Item
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment, money, rows, text, whole
from rekindle.shops.shopify.people import People, recorded, tell_consents, ticked
from rekindle.shops.shopify.values import NOTHING, codes, line_amount, token_of, variant_title


def cart(topic: str, body: Body, telling: Telling) -> None:
    """Tell `cart.updated`. A cart names nobody and has no totals: `subtotal` is the sum of its lines, after discounts.

    An emptied cart is a basket without items.
    """
    token = token_of(body.get("token")) or token_of(body.get("id"))
    if token is None:
        raise MalformedBodyError(f"{topic}: the cart has no token")
    items = []
    count = 0
    subtotal: Decimal | None = NOTHING
    currency = None
    for line in rows(body.get("line_items")):
        quantity = whole(line.get("quantity"))
        if quantity is None:
            quantity = 1
        if quantity < 1:
            continue
        total = line_amount(line, "line_price", "line_price_set")
        price = line_amount(line, "original_price", "original_price_set")
        if price is None:
            price = line_amount(line, "price", "price_set")
        items.append(
            Item(
                title=text(line.get("title")) or "",
                quantity=quantity,
                product_id=identifier(line.get("product_id")),
                variant_id=identifier(line.get("variant_id")),
                sku=text(line.get("sku")),
                price=price,
                total=total,
            )
        )
        count += quantity
        subtotal = subtotal + total if subtotal is not None and total is not None else None
        if currency is None:
            bag = mapping(line.get("line_price_set") or line.get("price_set"))
            currency, _ = contact.currency(mapping(bag.get("shop_money")).get("currency_code"))
    at = moment(body.get("updated_at")) or telling.arrival.at
    basket = Basket(
        id=token,
        cart_token=token,
        items=tuple(items),
        item_count=count,
        currency=currency or telling.arrival.currency,
        subtotal=subtotal,
        created_at=moment(body.get("created_at")),
        updated_at=at,
    )
    telling.tell("cart.updated", basket, at, Who(cart_token=token))


def _checkout_items(body: Body) -> tuple[list[Item], int]:
    items = []
    count = 0
    for line in rows(body.get("line_items")):
        quantity = whole(line.get("quantity"))
        if quantity is None:
            quantity = 1
        if quantity < 1:
            continue
        price = money(line.get("price"))
        total = money(line.get("line_price"))
        if total is None and price is not None:
            total = price * quantity
        if total is not None:
            allocated = line.get("discount_allocations") or line.get("applied_discounts")
            total -= sum((money(row.get("amount")) or NOTHING for row in rows(allocated)), NOTHING)
        items.append(
            Item(
                title=text(line.get("presentment_title")) or text(line.get("title")) or "",
                quantity=quantity,
                product_id=identifier(line.get("product_id")),
                variant_id=identifier(line.get("variant_id")),
                variant=variant_title(line.get("presentment_variant_title"))
                or variant_title(line.get("variant_title")),
                sku=text(line.get("sku")),
                price=price,
                total=total,
            )
        )
        count += quantity
    return items, count


def checkout(topic: str, body: Body, telling: Telling) -> None:
    """Tell `checkout.updated`, and the consents given in it."""
    token = token_of(body.get("token"))
    cart = token_of(body.get("cart_token"))
    basket_id = cart or token
    if basket_id is None:
        raise MalformedBodyError(f"{topic}: the checkout has no token")
    people = People(body, mapping(body.get("customer")), telling)
    at = moment(body.get("updated_at")) or telling.arrival.at
    created = moment(body.get("created_at"))
    items, count = _checkout_items(body)
    currency = telling.use(
        "presentment_currency", contact.currency(body.get("presentment_currency") or body.get("currency"))
    )
    basket = Basket(
        id=basket_id,
        cart_token=cart,
        checkout_token=token,
        items=tuple(items),
        item_count=count,
        currency=currency or telling.arrival.currency,
        subtotal=telling.amount("subtotal_price", body.get("subtotal_price")),
        total=telling.amount("total_price", body.get("total_price")),
        recovery_url=text(body.get("abandoned_checkout_url")),
        completed_at=moment(body.get("completed_at")),
        created_at=created,
        codes=codes(body.get("discount_codes")),
        updated_at=at,
    )
    named = people.who
    who = Who(
        email=named.email,
        phone=named.phone,
        shop_customer_id=named.shop_customer_id,
        cart_token=cart,
        checkout_token=token,
    )
    people.who = who
    person = people.person(body.get("customer_locale"))
    consents = [*recorded(people, at), *ticked(body, people, "checkout", created)]
    telling.tell("checkout.updated", basket, at, who, person)
    tell_consents(consents, people)


def checkout_deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell nothing but that it came: Shopify clears checkouts away after completion or expiry, nobody emptied a cart.

    A completed one has its order to end a reminder, an expired one is months old; taking the deletion for an emptied
    basket would end a reminder that is still wanted. It also names its checkout by an `id` that the others lost in API
    2026-04.
    """
    telling.tell_unknown(topic, body)

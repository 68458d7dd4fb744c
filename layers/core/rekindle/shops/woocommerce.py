"""WooCommerce: verify a webhook, name it, and read its body (REST v3) into events.

Pure: imports the standard library, `rekindle.domain` and its neighbours here. To read another topic, write a function
and add it to `TOPICS`.

Times come from the `…_gmt` fields, which are UTC without saying so. Prices and line totals include the tax where the
shop shows its prices with tax (`prices_include_tax`). Names can hold HTML entities, as WordPress stores them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rekindle.domain.errors import MalformedBodyError, UnknownShopError
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Address, Consent, Customer, Item, Order, OrderStatus, Person, Product
from rekindle.domain.ids import digest
from rekindle.shops import contact, signature
from rekindle.shops.reading import Arrival, Body, Telling, identifier, mapping, moment_gmt, money, rows, text, whole

_NOTHING = Decimal(0)

_ENTITY = re.compile(r"&(?:#0*(?:34|38|39|60|62)|#[xX]0*(?:22|26|27|3[cCeE])|amp|quot|lt|gt);")
_ENTITIES = {"&amp;": "&", "&quot;": '"', "&lt;": "<", "&gt;": ">"}

_OPEN = frozenset(("pending", "checkout-draft", "auto-draft", "draft"))
_DRAFTS = _OPEN - {"pending"}
_CANCELLED = frozenset(("cancelled", "trash"))
# Ways to pay that are settled later: such an order is placed when it is made, and `date_paid` may be days after.
_LATER = frozenset(("bacs", "cheque", "cod"))
_YES = frozenset(("1", "yes", "true", "on"))


# --- the request -----------------------------------------------------------------------------------------------------


def plain_secret(stored: str) -> str:
    """Return the secret as WooCommerce signs with it: `& " ' < >` decoded once from their HTML entities.

    As `wp_specialchars_decode(…, ENT_QUOTES)` does: these five only, in one pass (`&amp;lt;` becomes `&lt;`).
    """
    return _ENTITY.sub(_decoded, stored) if "&" in stored else stored


def _decoded(entity: re.Match[str]) -> str:
    written = entity[0]
    if not written.startswith("&#"):
        return _ENTITIES[written]
    number = written[2:-1]
    return chr(int(number[1:], 16) if number[0] in "xX" else int(number))


def verify(headers: Mapping[str, str], body: bytes, *, domain: str, secrets: tuple[str, ...]) -> bytes:
    """Return the body's mark (`signature.check`) if the request is this shop's.

    The source header is the shop's home URL; a `domain` without a path stands for the host, whatever the path.

    Raises:
        UnknownShopError: the source header is missing or another shop's.
        BadSignatureError: no live secret signed the body.
    """
    headers = signature.lower(headers)
    source = signature.site(headers.get("x-wc-webhook-source") or "")
    expected = signature.site(domain)
    if not source or expected not in (source, source.partition("/")[0]):
        raise UnknownShopError("the source header is not this shop's")
    return signature.check(headers.get("x-wc-webhook-signature"), body, [plain_secret(secret) for secret in secrets])


def unique_ids(headers: Mapping[str, str], mark: bytes, *, shop: str) -> tuple[str, ...]:
    """Return every id under which this delivery must not be accepted twice: one, of webhook id, delivery id and body.

    `mark` is what `verify` returned for the body. WooCommerce's delivery id is a hash of webhook and second, so two
    orders of one second share it; the body alone would drop a repeated `action.*` (CONTRACTS, delivery id).
    """
    headers = signature.lower(headers)
    webhook = headers.get("x-wc-webhook-id") or ""
    delivery = headers.get("x-wc-webhook-delivery-id") or ""
    return (digest("delivery", "woocommerce", shop, webhook, delivery, mark),)


def topic_of(headers: Mapping[str, str]) -> str:
    """Return the topic that the request claims; empty when it claims none."""
    return text(headers.get("x-wc-webhook-topic")) or ""


def triggered_at(_headers: Mapping[str, str]) -> datetime | None:
    """Return `None`: WooCommerce does not say when it was."""
    return None


def is_ping(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this is the unsigned `webhook_id=N` that WooCommerce posts when a webhook is saved; answer it 200.

    It proves nothing and stores nothing. Anything with an X-WC header is no ping.
    """
    name, _, number = body.strip().partition(b"=")
    return (
        name == b"webhook_id"
        and number.isdigit()
        and not any(header.lower().startswith("x-wc-webhook-") for header in headers)
    )


def normalise(topic: str, body: Body, arrival: Arrival) -> tuple[Event, ...]:
    """Return the events that this body tells: at least one; `delivery.unknown` where nothing can be made of it.

    The signed REST error that a webhook sends when its owner lost the right to read the resource is such a one.

    Raises:
        MalformedBodyError: the topic is known, and what identifies its resource is missing.
    """
    telling = Telling(arrival)
    read = TOPICS.get(topic)
    if isinstance(body.get("code"), str) and "id" not in body and "message" in body:
        telling.tell_unknown(topic, body, f"the shop sent an error in place of the resource: {text(body['code'])}")
    elif read is None:
        telling.tell_unknown(topic, body)
    else:
        read(topic, body, telling)
    return tuple(telling.events)


# --- values ----------------------------------------------------------------------------------------------------------


def _name(value: object) -> str | None:
    """Return a text with its HTML entities decoded."""
    if type(value) is str and "&" in value:
        from html import unescape

        value = unescape(value)
    return text(value)


def _total(row: Body, name: str, tax: str | None) -> Decimal | None:
    """Return an amount, with its tax where `tax` names the field."""
    amount = money(row.get(name))
    if amount is None or tax is None:
        return amount
    return amount + (money(row.get(tax)) or _NOTHING)


def _address(row: Body, telling: Telling) -> Address | None:
    name = " ".join(part for part in (text(row.get("first_name")), text(row.get("last_name"))) if part)
    address = Address(
        name=name or None,
        company=text(row.get("company")),
        line1=text(row.get("address_1")),
        line2=text(row.get("address_2")),
        city=text(row.get("city")),
        region=text(row.get("state")),
        postcode=text(row.get("postcode")),
        country=telling.use("shipping.country", contact.country(row.get("country"))),
    )
    return address if address != Address() else None


# --- people ----------------------------------------------------------------------------------------------------------


def _who(body: Body, customer_id: object, telling: Telling) -> Who:
    """Return who a body names. A guest is customer 0, which is nobody's id."""
    billing = mapping(body.get("billing"))
    email = telling.use("email", contact.email(body.get("email")))
    if email is None:
        email = telling.use("billing.email", contact.email(billing.get("email")))
    region, _ = contact.country(billing.get("country"))
    phone = contact.phone(billing.get("phone"), region or telling.arrival.region)
    return Who(
        email=email,
        phone=telling.use("billing.phone", phone),
        shop_customer_id=identifier(customer_id),
    )


def _person(body: Body) -> Person | None:
    """Return what is told about the human: the name of who pays, the place of the first address that has one."""
    billing, shipping = mapping(body.get("billing")), mapping(body.get("shipping"))
    first = last = country = city = None
    for named in (body, billing, shipping):
        first, last = _name(named.get("first_name")), _name(named.get("last_name"))
        if first or last:
            break
    for place in (shipping, billing):
        country, _ = contact.country(place.get("country"))
        city = _name(place.get("city"))
        if country or city:
            break
    if not (first or last or country or city):
        return None
    return Person(first_name=first, last_name=last, country=country, city=city)


def _ticked(body: Body, keys: tuple[str, ...]) -> bool:
    """Whether one of the order's meta values under `keys` says yes. Values can be of any type; most say nothing."""
    for row in rows(body.get("meta_data")):
        if row.get("key") in keys:
            value = row.get("value")
            if value is True or (type(value) is int and value == 1):
                return True
            if type(value) is str and value.strip().lower() in _YES:
                return True
    return False


# --- orders ----------------------------------------------------------------------------------------------------------


def _status(value: object) -> str:
    return (text(value) or "").lower().removeprefix("wc-")


def _stands(status: str) -> OrderStatus:
    """Return how an order stands. A status of a plugin's own (`shipped`, `awaiting-roast` …) comes after placing."""
    if status in _OPEN:
        return "open"
    if status == "failed":
        return "failed"
    return "cancelled" if status in _CANCELLED else "placed"


def _items(body: Body, *, taxed: bool) -> tuple[list[Item], int, Decimal]:
    """Return the lines, how many pieces they are, and what they cost together, after discounts."""
    items = []
    count = 0
    sum_total = _NOTHING
    for line in rows(body.get("line_items")):
        get = line.get
        quantity = whole(get("quantity"))
        if quantity is None:
            quantity = 1
        total = _total(line, "total", "total_tax" if taxed else None)
        before = _total(line, "subtotal", "subtotal_tax" if taxed else None)
        price = money(get("price"))
        if before is not None and quantity and (taxed or price is None or before != total):
            # A unit's price is not always exact: rounded to the digits in which the shop keeps its books.
            price = (before / quantity).quantize(Decimal(1).scaleb(min(int(before.as_tuple().exponent), 0)))
        whole_name = _name(get("name")) or ""
        parent = _name(get("parent_name"))
        variant = None
        if parent and whole_name.startswith(parent):
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
        sum_total += total or _NOTHING
    return items, count, sum_total


def _placed_at(body: Body, stands: OrderStatus, created: datetime | None) -> datetime | None:
    """Return when the order was placed: when it was paid, unless it is of a kind that is paid later.

    `None` for what is not placed, and for a cancelled order that was never paid nor to be paid later: WooCommerce
    cancels a `pending` order by itself when the time to pay is over, and that one was never placed.
    """
    if stands in ("open", "failed"):
        return None
    if body.get("payment_method") in _LATER:
        return created
    paid = moment_gmt(body.get("date_paid_gmt"))
    return paid or (created if stands == "placed" else None)


def _refunded(body: Body) -> Decimal | None:
    """Return what was refunded, as a positive amount; `None` while nothing was."""
    totals = [amount for row in rows(body.get("refunds")) if (amount := money(row.get("total"))) is not None]
    return abs(sum(totals, _NOTHING)) if totals else None


def _order(topic: str, body: Body, telling: Telling) -> None:
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
    stands = _stands(status)
    created = moment_gmt(get("date_created_gmt"))
    at = moment_gmt(get("date_modified_gmt")) or created or telling.arrival.at
    placed = _placed_at(body, stands, created)
    taxed = get("prices_include_tax") is True
    items, count, subtotal = _items(body, taxed=taxed)
    who = _who(body, get("customer_id"), telling)
    shipping = _address(mapping(get("shipping")), telling) or _address(mapping(get("billing")), telling)
    order = Order(
        id=order_id,
        number=text(get("number")) or order_id,
        status=stands,
        items=tuple(items),
        item_count=count,
        currency=telling.use("currency", contact.currency(get("currency"))) or telling.arrival.currency,
        subtotal=subtotal,
        discount=_total(body, "discount_total", "discount_tax" if taxed else None),
        shipping=_total(body, "shipping_total", "shipping_tax" if taxed else None),
        tax=telling.amount("total_tax", get("total_tax")),
        total=telling.amount("total", get("total")),
        refunded=_refunded(body),
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
    telling.tell(kind, order, occurred, who, _person(body))
    # A draft changes while the buyer types; its box counts once the order is sent.
    if created is not None and who.email and status not in _DRAFTS and _ticked(body, telling.arrival.consent_keys):
        consent = Consent(channel="email", state="subscribed", at=created, source="order", address=who.email)
        telling.tell("consent.changed", consent, created, who)


def _order_deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell nothing but that it came: only the id is sent, and clearing old orders away undoes no sale."""
    telling.tell_unknown(topic, body)


# --- customers and products ------------------------------------------------------------------------------------------


def _customer(topic: str, body: Body, telling: Telling) -> None:
    """Tell `customer.updated`."""
    customer_id = identifier(body.get("id"))
    if customer_id is None:
        raise MalformedBodyError(f"{topic}: the customer has no id")
    at = moment_gmt(body.get("date_modified_gmt")) or moment_gmt(body.get("date_created_gmt")) or telling.arrival.at
    who = _who(body, customer_id, telling)
    telling.tell("customer.updated", Customer(id=customer_id, updated_at=at), at, who, _person(body))


def _names(value: Any) -> tuple[str, ...]:
    return tuple([name for row in rows(value) if (name := _name(row.get("name")))])


def _product(topic: str, body: Body, telling: Telling) -> None:
    """Tell `product.updated`; without an address while it is not published.

    A variation comes under the same topics. The catalogue holds products, and lines name the parent, so it is kept as
    `delivery.unknown`.
    """
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    if body.get("type") == "variation":
        telling.tell_unknown(topic, body)
        return
    at = moment_gmt(body.get("date_modified_gmt")) or moment_gmt(body.get("date_created_gmt")) or telling.arrival.at
    price = telling.amount("price", body.get("price"))
    regular = money(body.get("regular_price"))
    image: Body = next(iter(rows(body.get("images"))), {})
    stock = body.get("stock_status")
    shown = body.get("status", "publish") == "publish" and body.get("catalog_visibility") != "hidden"
    product = Product(
        id=product_id,
        title=_name(body.get("name")) or "",
        url=text(body.get("permalink")) if shown else None,
        image=text(image.get("src")),
        image_alt=_name(image.get("alt")),
        price=price,
        compare_at=regular if price is not None and regular is not None and regular > price else None,
        currency=telling.arrival.currency,
        in_stock=None if not isinstance(stock, str) else stock in ("instock", "onbackorder"),
        kind=next(iter(_names(body.get("categories"))), None),
        vendor=next(iter(_names(body.get("brands"))), None),
        tags=_names(body.get("tags")),
        updated_at=at,
    )
    telling.tell("product.updated", product, at)


def _product_deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell that a product is gone. Only its id is sent."""
    product_id = identifier(body.get("id"))
    if product_id is None:
        raise MalformedBodyError(f"{topic}: the product has no id")
    at = telling.arrival.at
    telling.tell("product.updated", Product(id=product_id, deleted=True, updated_at=at), at)


TOPICS: dict[str, Callable[[str, Body, Telling], None]] = {
    "order.created": _order,
    "order.updated": _order,
    "order.restored": _order,
    "order.deleted": _order_deleted,
    "customer.created": _customer,
    "customer.updated": _customer,
    "product.created": _product,
    "product.updated": _product,
    "product.deleted": _product_deleted,
}
"""topic → the one function that reads it. Anything else is `delivery.unknown`."""

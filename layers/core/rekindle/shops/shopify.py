"""Shopify: verify a webhook, name it, and read its body into events.

Pure: imports the standard library, `rekindle.domain` and its neighbours here. To read another topic, write a function
and add it to `TOPICS`.

Money is in the shop's currency (`…_set.shop_money`) wherever Shopify sends both. A checkout has plain amounts only, and
those are in the buyer's currency (`presentment_currency`), which is then the basket's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import cast, get_args

from rekindle.domain.errors import MalformedBodyError, UnknownShopError
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Address,
    Basket,
    Channel,
    Consent,
    ConsentState,
    Customer,
    Item,
    Order,
    Person,
    Product,
)
from rekindle.domain.ids import digest
from rekindle.shops import contact, signature
from rekindle.shops.reading import Arrival, Body, Telling, identifier, mapping, moment, money, rows, text, whole

_STATES = frozenset(get_args(ConsentState))
_GRANTING = frozenset(("subscribed", "pending"))
_NOTHING = Decimal(0)
_NO_DISCOUNT = (None, "0.00", "0")

# What contradicts a topic, for the signature covers the body and not the topic's header.
_UNPAID = frozenset(("pending", "authorized", "partially_paid", "expired", "voided"))


# --- the request -----------------------------------------------------------------------------------------------------


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a Shopify header by its name without prefix, from either family; `headers` have lower-case names."""
    return headers.get(f"x-shopify-{name}") or headers.get(f"shopify-{name}")


def verify(headers: Mapping[str, str], body: bytes, *, domain: str, secrets: tuple[str, ...]) -> bytes:
    """Return the body's mark (`signature.check`) if the request is this shop's.

    Raises:
        UnknownShopError: the shop-domain header is missing or another shop's.
        BadSignatureError: no live secret signed the body.
    """
    headers = signature.lower(headers)
    claimed = header(headers, "shop-domain")
    if claimed is None or (claimed != domain and signature.site(claimed) != signature.site(domain)):
        raise UnknownShopError("the shop-domain header is not this shop's")
    return signature.check(header(headers, "hmac-sha256"), body, secrets)


def unique_ids(headers: Mapping[str, str], mark: bytes, *, shop: str) -> tuple[str, ...]:
    """Return every id under which this delivery must not be accepted twice; the first is the delivery's own.

    `mark` is what `verify` returned for the body. There are two ids, because neither covers the other (CONTRACTS,
    duplicates):
    - shop + topic + event id: several subscriptions to one topic share the event, and their bodies can differ (fields,
      API version);
    - shop + topic + body: the signature covers the body only, so a captured body comes back under any event id.

    A request is a repeat when *either* has been seen, so both are written when it is accepted. Without an event id,
    there is only the body's. The topic is part of both: one order is one body under orders/create and orders/paid.
    """
    headers = signature.lower(headers)
    topic = header(headers, "topic") or ""
    ids = (digest("delivery", "shopify", shop, topic, "body", mark),)
    event = header(headers, "event-id")
    return (digest("delivery", "shopify", shop, topic, "event", event), *ids) if event else ids


def topic_of(headers: Mapping[str, str]) -> str:
    """Return the topic that the request claims; empty when it claims none."""
    return text(header(headers, "topic")) or ""


def triggered_at(headers: Mapping[str, str]) -> datetime | None:
    """Return when the shop says that it happened; unsigned."""
    return moment(header(headers, "triggered-at"))


def normalise(topic: str, body: Body, arrival: Arrival) -> tuple[Event, ...]:
    """Return the events that this body tells: at least one; `delivery.unknown` where nothing can be made of it.

    Raises:
        MalformedBodyError: the topic is known, and what identifies its resource is missing.
    """
    telling = Telling(arrival)
    read = TOPICS.get(topic)
    if read is None:
        telling.tell_unknown(topic, body)
    else:
        read(topic, body, telling)
    return tuple(telling.events)


# --- values ----------------------------------------------------------------------------------------------------------


def _amount(body: Body, name: str, telling: Telling) -> Decimal | None:
    """Return `body[name]` in the shop's currency; note when it is no amount of money."""
    amount = _line_amount(body, name, f"{name}_set")
    return telling.amount(name, body.get(name)) if amount is None else amount


def _line_amount(row: Body, name: str, set_name: str) -> Decimal | None:
    """Return `row[name]` in the shop's currency where Shopify gives it so, else as it stands there.

    The name of the money bag comes ready-made, for this runs for every line.
    """
    if type(bag := row.get(set_name)) is dict and type(shop_money := bag.get("shop_money")) is dict:
        amount = money(shop_money.get("amount"))
        if amount is not None:
            return amount
    return money(row.get(name))


def _token(value: object) -> str | None:
    """Return a cart's or checkout's token without the secret key that newer carts carry behind it."""
    token = identifier(value)
    return token.partition("?")[0] or None if token is not None else None


def _codes(value: object) -> tuple[str, ...]:
    return tuple([code for row in rows(value) if (code := text(row.get("code")))])


def _variant(value: object) -> str | None:
    title = text(value)
    return None if title == "Default Title" else title


def _address(row: Body, telling: Telling) -> Address | None:
    if not row:
        return None
    name = text(row.get("name")) or " ".join(
        part for part in (text(row.get("first_name")), text(row.get("last_name"))) if part
    )
    return Address(
        name=name or None,
        company=text(row.get("company")),
        line1=text(row.get("address1")),
        line2=text(row.get("address2")),
        city=text(row.get("city")),
        region=text(row.get("province")),
        postcode=text(row.get("zip")),
        country=telling.use("shipping_address.country_code", contact.country(row.get("country_code"))),
    )


# --- people ----------------------------------------------------------------------------------------------------------


class _People:
    """Who a body names, and what it says about them.

    The body's own e-mail is the person's; the customer record's comes after it, and a difference between them is noted,
    for then the body names two addresses. Phones of addresses are not taken: they are the receiver's.
    """

    __slots__ = ("body", "country", "customer", "place", "region", "telling", "who")

    def __init__(self, body: Body, customer: Body, telling: Telling) -> None:
        self.telling = telling
        self.body = body
        self.customer = customer
        self.country: str | None = None
        self.place: Body = {}
        for place in (customer.get("default_address"), body.get("shipping_address"), body.get("billing_address")):
            if type(place) is dict:
                self.country, _ = contact.country(place.get("country_code"))
                if self.country is not None:
                    self.place = place
                    break
        self.region = self.country or telling.arrival.region
        own = body.get("email") or body.get("contact_email")
        email = telling.use("email", contact.email(own))
        account = customer.get("email")
        if account and account != own:
            other = telling.use("customer.email", contact.email(account))
            if email is None:
                email = other
            elif other is not None and other != email:
                telling.problems.append("customer.email: is not the address used here, and was left out")
        phone = telling.use("phone", contact.phone(body.get("phone"), self.region))
        if phone is None and customer is not body:
            phone = telling.use("customer.phone", contact.phone(customer.get("phone"), self.region))
        self.who = Who(
            email=email,
            phone=phone,
            shop_customer_id=identifier(customer.get("id")),
            cart_token=_token(body.get("cart_token")),
            checkout_token=_token(body.get("checkout_token")),
        )

    def person(self, locale: object = None) -> Person | None:
        """Return what is told about the human: the name of who pays, the place of the first address with a country."""
        first = last = None
        for named in (self.customer, self.body.get("billing_address"), self.body.get("shipping_address")):
            if type(named) is dict:
                first, last = text(named.get("first_name")), text(named.get("last_name"))
                if first or last:
                    break
        tag = self.telling.use("customer_locale", contact.locale(locale))
        city = text(self.place.get("city"))
        if not (first or last or tag or self.country):
            return None
        return Person(first_name=first, last_name=last, locale=tag, country=self.country, city=city)


def _consent(
    channel: Channel,
    said: Body,
    address: str | None,
    telling: Telling,
    *,
    granted_by: datetime | None,
    refused_by: datetime,
    standing: bool = False,
) -> Consent | None:
    """Return what a customer record says about one channel, dated with its own `consent_updated_at`.

    Where Shopify sends no time, the state is dated so that doubt never writes to anybody: a grant with `granted_by`
    (the earliest that is known; `None`: then nothing is told), a refusal with `refused_by` (the latest). With
    `standing`, the state merely stands on a record, and `not_subscribed` without a time is nobody's act.
    """
    sent = text(said.get("state"))
    if sent is None:
        return None
    name = f"{channel}_marketing_consent"
    state = sent.lower()
    if state not in _STATES:
        telling.problems.append(f"{name}.state: is no consent state")
        return None
    at = moment(said.get("consent_updated_at"))
    if at is None:
        if standing and state == "not_subscribed":
            return None
        at = granted_by if state in _GRANTING else refused_by
    if at is None:
        telling.problems.append(f"{name}: says {state}, but not since when")
        return None
    if address is None and state in _GRANTING:
        telling.problems.append(f"{name}: says {state}, but for no usable address")
        return None
    return Consent(channel=channel, state=cast("ConsentState", state), at=at, source="customer", address=address)


def _recorded(people: _People, at: datetime) -> list[Consent]:
    """Return the consents that stand on the customer record inside a body (gone from most since API 2025-01)."""
    customer, telling = people.customer, people.telling
    email, sms = mapping(customer.get("email_marketing_consent")), mapping(customer.get("sms_marketing_consent"))
    if not (email or sms):
        return []
    created = moment(customer.get("created_at"))
    address, _ = contact.email(customer.get("email"))
    phone, _ = contact.phone(customer.get("phone"), people.region)
    told = (
        _consent("email", email, address, telling, granted_by=created, refused_by=at, standing=True),
        _consent("sms", sms, phone, telling, granted_by=created, refused_by=at, standing=True),
    )
    return [consent for consent in told if consent is not None]


def _ticked(body: Body, people: _People, source: str, at: datetime | None) -> list[Consent]:
    """Return the consents of a checkout's boxes. Not ticking a box is no act, so `false` gives none.

    `at` is when the checkout or order was created, however late it is sent: an old tick never beats a later refusal.
    """
    told: list[Consent] = []
    if at is None:
        return told
    if body.get("buyer_accepts_marketing") is True and people.who.email:
        told.append(Consent(channel="email", state="subscribed", at=at, source=source, address=people.who.email))
    if body.get("buyer_accepts_sms_marketing") is True:
        number = body.get("sms_marketing_phone")
        phone = people.telling.use("sms_marketing_phone", contact.phone(number, people.region))
        if phone is not None:
            told.append(Consent(channel="sms", state="subscribed", at=at, source=source, address=phone))
    return told


def _tell_consents(consents: list[Consent], people: _People) -> None:
    """Tell each consent to the one that it is about: its address, which need not be the body's."""
    who = people.who
    for consent in consents:
        about = who
        if consent.channel == "email" and consent.address not in (None, who.email):
            about = Who(email=consent.address, shop_customer_id=who.shop_customer_id)
        elif consent.channel == "sms" and consent.address not in (None, who.phone):
            about = Who(email=who.email, phone=consent.address, shop_customer_id=who.shop_customer_id)
        people.telling.tell("consent.changed", consent, consent.at, about)


# --- carts and checkouts ---------------------------------------------------------------------------------------------


def _cart(topic: str, body: Body, telling: Telling) -> None:
    """Tell `cart.updated`. A cart names nobody and has no totals: `subtotal` is the sum of its lines, after discounts.

    An emptied cart is a basket without items.
    """
    token = _token(body.get("token")) or _token(body.get("id"))
    if token is None:
        raise MalformedBodyError(f"{topic}: the cart has no token")
    items = []
    count = 0
    subtotal: Decimal | None = _NOTHING
    currency = None
    for line in rows(body.get("line_items")):
        quantity = whole(line.get("quantity"))
        if quantity is None:
            quantity = 1
        if quantity < 1:
            continue
        total = _line_amount(line, "line_price", "line_price_set")
        price = _line_amount(line, "original_price", "original_price_set")
        if price is None:
            price = _line_amount(line, "price", "price_set")
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
            total -= sum((money(row.get("amount")) or _NOTHING for row in rows(allocated)), _NOTHING)
        items.append(
            Item(
                title=text(line.get("presentment_title")) or text(line.get("title")) or "",
                quantity=quantity,
                product_id=identifier(line.get("product_id")),
                variant_id=identifier(line.get("variant_id")),
                variant=_variant(line.get("presentment_variant_title")) or _variant(line.get("variant_title")),
                sku=text(line.get("sku")),
                price=price,
                total=total,
            )
        )
        count += quantity
    return items, count


def _checkout(topic: str, body: Body, telling: Telling) -> None:
    """Tell `checkout.updated`, and the consents given in it."""
    token = _token(body.get("token"))
    cart = _token(body.get("cart_token"))
    basket_id = cart or token
    if basket_id is None:
        raise MalformedBodyError(f"{topic}: the checkout has no token")
    people = _People(body, mapping(body.get("customer")), telling)
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
        codes=_codes(body.get("discount_codes")),
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
    consents = [*_recorded(people, at), *_ticked(body, people, "checkout", created)]
    telling.tell("checkout.updated", basket, at, who, person)
    _tell_consents(consents, people)


def _checkout_deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell nothing but that it came: Shopify clears checkouts away after completion or expiry, nobody emptied a cart.

    A completed one has its order to end a reminder, an expired one is months old; taking the deletion for an emptied
    basket would end a reminder that is still wanted. It also names its checkout by an `id` that the others lost in API
    2026-04.
    """
    telling.tell_unknown(topic, body)


# --- orders ----------------------------------------------------------------------------------------------------------


def _order_items(body: Body) -> tuple[list[Item], int]:
    items = []
    count = 0
    for line in rows(body.get("line_items")):
        get = line.get
        quantity = whole(get("quantity"))
        if quantity is None:
            quantity = 1
        price = _line_amount(line, "price", "price_set")
        total = price * quantity if price is not None else None
        if total is not None:
            if allocations := get("discount_allocations"):
                for row in rows(allocations):
                    total -= _line_amount(row, "amount", "amount_set") or _NOTHING
            elif get("total_discount") not in _NO_DISCOUNT:
                total -= _line_amount(line, "total_discount", "total_discount_set") or _NOTHING
        variant = get("variant_title")
        items.append(
            Item(
                title=text(get("title")) or text(get("name")) or "",
                quantity=quantity,
                product_id=identifier(get("product_id")),
                variant_id=identifier(get("variant_id")),
                variant=_variant(variant) if variant else None,
                sku=text(get("sku")),
                price=price,
                total=total,
            )
        )
        count += quantity
    return items, count


def _refunded(body: Body, currency: str | None) -> Decimal | None:
    """Return what went back to the buyer, in the shop's currency; `None` while nothing was refunded.

    Refund transactions are what really went back. Where one was made in another currency, the refund's lines and
    adjustments, which Shopify also gives in the shop's currency, stand for it.
    """
    refunds = rows(body.get("refunds"))
    if not refunds:
        return None
    total = _NOTHING
    for refund in refunds:
        paid = [row for row in rows(refund.get("transactions")) if row.get("kind") == "refund"]
        if all(row.get("currency") in (None, currency) for row in paid):
            total += sum(
                (money(row.get("amount")) or _NOTHING for row in paid if row.get("status") == "success"), _NOTHING
            )
            continue
        for line in rows(refund.get("refund_line_items")):
            total += _line_amount(line, "subtotal", "subtotal_set") or _NOTHING
            total += _line_amount(line, "total_tax", "total_tax_set") or _NOTHING
        for row in rows(refund.get("order_adjustments")):
            total -= _line_amount(row, "amount", "amount_set") or _NOTHING
            total -= _line_amount(row, "tax_amount", "tax_amount_set") or _NOTHING
    return total


def _fulfilled_at(body: Body) -> datetime | None:
    """Return when the last parcel was handed over, once nothing is left to send."""
    if body.get("fulfillment_status") != "fulfilled":
        return None
    sent = [at for row in rows(body.get("fulfillments")) if (at := moment(row.get("created_at"))) is not None]
    return max(sent, default=None)


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((at for at in moments if at is not None), default=None)


def _order(topic: str, body: Body, telling: Telling) -> None:
    """Tell what became of an order, with the whole order, and the consents given with it.

    `placed_at` is `processed_at`, which apps that import old orders set to the past. The topic's header is not signed:
    a body that contradicts it is told as `order.updated`, with a problem. Orders marked `test` are believed, because
    Shopify's own test notifications send one made-up order under every topic.
    """
    get = body.get
    order_id = identifier(get("id"))
    if order_id is None:
        raise MalformedBodyError(f"{topic}: the order has no id")
    people = _People(body, mapping(get("customer")), telling)
    created = moment(get("created_at"))
    placed = moment(get("processed_at")) or created
    at = moment(get("updated_at")) or telling.arrival.at
    cancelled = moment(get("cancelled_at"))
    fulfilled = _fulfilled_at(body)
    items, count = _order_items(body)
    kind = _KINDS[topic]
    test = get("test") is True
    if not test and (contradiction := _contradiction(kind, body, cancelled)) is not None:
        telling.problems.append(contradiction)
        kind = "order.updated"
    currency = telling.use("currency", contact.currency(get("currency"))) or telling.arrival.currency
    order = Order(
        id=order_id,
        number=text(get("name")) or identifier(get("order_number")),
        status="cancelled" if cancelled is not None else "placed",
        cart_token=people.who.cart_token,
        checkout_token=people.who.checkout_token,
        items=tuple(items),
        item_count=count,
        currency=currency,
        subtotal=_amount(body, "subtotal_price", telling),
        discount=_amount(body, "total_discounts", telling),
        shipping=_amount(body, "total_shipping_price", telling),
        tax=_amount(body, "total_tax", telling),
        total=_amount(body, "total_price", telling),
        refunded=_refunded(body, currency),
        placed_at=placed,
        paid_at=at if kind == "order.paid" else None,
        cancelled_at=cancelled,
        fulfilled_at=fulfilled or (at if kind == "order.fulfilled" else None),
        url=text(get("order_status_url")),
        codes=_codes(get("discount_codes")),
        ship_to=_address(mapping(get("shipping_address")), telling),
        test=test,
        updated_at=at,
    )
    occurred = {
        "order.placed": placed,
        "order.cancelled": cancelled,
        "order.fulfilled": fulfilled,
    }.get(kind)
    person = people.person(get("customer_locale"))
    consents = [*_recorded(people, at), *_ticked(body, people, "order", _earliest(created, placed))]
    telling.tell(kind, order, occurred or at, people.who, person)
    _tell_consents(consents, people)


def _contradiction(kind: str, body: Body, cancelled: datetime | None) -> str | None:
    """Return in what the body contradicts its topic, if it does. What was not sent contradicts nothing."""
    if kind == "order.cancelled" and cancelled is None:
        return "cancelled_at: is missing from a cancellation"
    if kind == "order.paid" and body.get("financial_status") in _UNPAID:
        return "financial_status: says that the order is not paid"
    if kind == "order.fulfilled" and "fulfillment_status" in body and not body["fulfillment_status"]:
        return "fulfillment_status: says that nothing was sent"
    return None


# --- customers -------------------------------------------------------------------------------------------------------


def _tags(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return tuple([tag for part in value.split(",") if (tag := text(part))])
    if isinstance(value, list):
        return tuple([tag for part in value if (tag := text(part))])
    return None


def _customer(topic: str, body: Body, telling: Telling) -> None:
    """Tell `customer.updated`, and the consents on the record."""
    customer_id = identifier(body.get("id"))
    if customer_id is None:
        raise MalformedBodyError(f"{topic}: the customer has no id")
    people = _People(body, body, telling)
    at = moment(body.get("updated_at")) or telling.arrival.at
    person = people.person(body.get("locale"))
    consents = _recorded(people, at)
    customer = Customer(id=customer_id, tags=_tags(body.get("tags")), updated_at=at)
    telling.tell("customer.updated", customer, at, people.who, person)
    _tell_consents(consents, people)


def _email_consent(topic: str, body: Body, telling: Telling) -> None:
    """Tell what somebody said about marketing by e-mail."""
    email = telling.use("email_address", contact.email(body.get("email_address")))
    who = Who(email=email, shop_customer_id=identifier(body.get("customer_id")))
    said = mapping(body.get("email_marketing_consent"))
    _tell_said(topic, body, telling, who, _said("email", said, email, telling))


def _sms_consent(topic: str, body: Body, telling: Telling) -> None:
    """Tell what somebody said about marketing by SMS."""
    phone = telling.use("phone", contact.phone(body.get("phone"), telling.arrival.region))
    who = Who(phone=phone, shop_customer_id=identifier(body.get("id")) or identifier(body.get("customer_id")))
    said = mapping(body.get("sms_marketing_consent"))
    _tell_said(topic, body, telling, who, _said("sms", said, phone, telling))


def _said(channel: Channel, said: Body, address: str | None, telling: Telling) -> Consent | None:
    """Return what was said just now: the webhook itself dates it where the body does not."""
    arrival = telling.arrival
    return _consent(channel, said, address, telling, granted_by=arrival.claimed_at, refused_by=arrival.at)


def _tell_said(topic: str, body: Body, telling: Telling, who: Who, consent: Consent | None) -> None:
    # A refusal needs no address where the customer is known: it is about whichever address that person has.
    if consent is None or not who.points():
        telling.tell_unknown(topic, body, None if telling.problems else "says nothing about anybody's consent")
    else:
        telling.tell("consent.changed", consent, consent.at, who)


# --- products --------------------------------------------------------------------------------------------------------


def _stock(variants: list[Body]) -> bool | None:
    """Return whether any variant can be bought; `None` when that cannot be known.

    Since `inventory_management` is no longer sent, a quantity of zero may also mean that nobody counts.
    """
    unknown = not variants
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


def _product(topic: str, body: Body, telling: Telling) -> None:
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
        in_stock=_stock(variants),
        kind=text(body.get("product_type")),
        vendor=text(body.get("vendor")),
        tags=_tags(body.get("tags")) or (),
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


_KINDS = {
    "orders/create": "order.placed",
    "orders/updated": "order.updated",
    "orders/paid": "order.paid",
    "orders/cancelled": "order.cancelled",
    "orders/fulfilled": "order.fulfilled",
    "orders/partially_fulfilled": "order.updated",
}

TOPICS: dict[str, Callable[[str, Body, Telling], None]] = {
    "carts/create": _cart,
    "carts/update": _cart,
    "checkouts/create": _checkout,
    "checkouts/update": _checkout,
    "checkouts/delete": _checkout_deleted,
    **dict.fromkeys(_KINDS, _order),
    "customers/create": _customer,
    "customers/update": _customer,
    "customers/enable": _customer,
    "customers/disable": _customer,
    "customers_email_marketing_consent/update": _email_consent,
    "customers_marketing_consent/update": _sms_consent,
    "products/create": _product,
    "products/update": _product,
    "products/delete": _product_deleted,
}
"""topic → the one function that reads it. Anything else is `delivery.unknown`, orders/edited among it: that body is the
edit, not the order, which follows as orders/updated."""

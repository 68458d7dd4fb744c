"""The two shops of the demo, and webhooks as their platforms send them: headers, body, signature.

The shapes are CONTRACTS' (Shopify Admin API 2025-10, WooCommerce REST v3); the people and the goods are invented. Pure:
the moment of each webhook is an argument.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from local.stack import Shop

#: The box at the WooCommerce shop's checkout, as its plugin calls it.
NEWSLETTER = "newsletter"
META_TOKEN = "meta_demo_of_kettle_and_leaf"  # noqa: S105 - it opens nothing
#: Meta's id of the list that `local/content/shops/kettle-and-leaf.yaml` calls left-baskets.
LEFT_BASKETS = "23850000000000001"

TEA = Shop(
    "kettle-and-leaf",
    "shopify",
    "kettle-and-leaf.example.com",
    "demo-secret-of-kettle-and-leaf",
    "GBP",
    {"access_token": "shpat_demo_of_kettle_and_leaf", "meta_token": META_TOKEN},
)
BIKES = Shop(
    "pedal-and-petal",
    "woocommerce",
    "pedal-and-petal.example.com",
    "demo-secret-of-pedal-and-petal",
    "EUR",
    {
        "api_key": "ck_demo_of_pedal_and_petal",
        "api_secret": "cs_demo_of_pedal_and_petal",
        "consent_keys": [NEWSLETTER],
    },
)
SHOPS = (TEA, BIKES)

_API_VERSION = "2025-10"


@dataclass(frozen=True)
class Goods:
    """Something that a demo shop sells. `picture` is a file of `local/pictures`."""

    id: int
    handle: str
    title: str
    price: Decimal
    picture: str
    alt: str
    kind: str


DARJEELING = Goods(
    7_301_000_000_001,
    "first-flush-darjeeling",
    "First Flush Darjeeling, 100 g",
    Decimal("14.50"),
    "darjeeling.png",
    "A green tin with a tea leaf on its label",
    "Tea",
)
LAPSANG = Goods(
    7_301_000_000_002,
    "smoky-lapsang",
    "Smoky Lapsang Souchong, 100 g",
    Decimal("12.00"),
    "lapsang.png",
    "A dark tin with a flame on its label",
    "Tea",
)
TEAPOT = Goods(
    7_301_000_000_003,
    "cast-iron-teapot",
    "Cast-iron teapot, 0.8 l",
    Decimal("58.00"),
    "teapot.png",
    "A round black cast-iron teapot",
    "Teaware",
)
CUP = Goods(
    7_301_000_000_004,
    "stoneware-cup",
    "Stoneware cup, terracotta",
    Decimal("16.00"),
    "cup.png",
    "A steaming terracotta cup",
    "Teaware",
)
HONEY = Goods(
    7_301_000_000_005,
    "acacia-honey",
    "Acacia honey, 250 g",
    Decimal("8.50"),
    "honey.png",
    "A jar of golden honey",
    "Pantry",
)
STRAINER = Goods(
    7_301_000_000_006,
    "steel-strainer",
    "Tea strainer, stainless steel",
    Decimal("11.00"),
    "strainer.png",
    "A steel strainer with a long handle",
    "Teaware",
)
TEA_GOODS = (DARJEELING, LAPSANG, TEAPOT, CUP, HONEY, STRAINER)

BELL = Goods(
    301, "brass-bell", "Brass bicycle bell", Decimal("24.00"), "bell.png", "A shining brass bicycle bell", "Bicycle"
)
PLANT = Goods(
    302,
    "snake-plant",
    "Snake plant in a terracotta pot",
    Decimal("19.50"),
    "snake-plant.png",
    "A snake plant in a terracotta pot",
    "Plants",
)
BIKE_GOODS = (BELL, PLANT)


@dataclass(frozen=True)
class Person:
    """A customer of a demo shop. `number` keeps ids and tokens apart; `consent` is the box at the checkout."""

    number: int
    first: str
    last: str
    email: str
    city: str
    postcode: str
    consent: bool = True
    country: str = "GB"
    phone: str = ""

    @property
    def browser(self) -> str:
        """Return the id of the browser that this person visits shops with."""
        return f"browser-{self.number:04d}"

    @property
    def cart(self) -> str:
        """Return the token of this person's cart."""
        return f"cart-{self.number:04d}-{self.first.lower()}"

    @property
    def checkout(self) -> str:
        """Return the token of this person's checkout."""
        return f"checkout-{self.number:04d}-{self.first.lower()}"


@dataclass(frozen=True)
class Webhook:
    """One request as the platform makes it."""

    headers: Mapping[str, str]
    body: bytes


Lines = Sequence[tuple[Goods, int]]


def sign(secret: str, body: bytes) -> str:
    """Return the signature that both platforms send: base64 of HMAC-SHA256 over the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode("ascii")


def picture_url(shop: Shop, goods: Goods) -> str:
    """Return where the shop keeps the picture. The inbox knows that these are the files of `local/pictures`."""
    return f"https://{shop.domain}/pictures/{goods.picture}"


def with_local_pictures(html: str, base: str) -> str:
    """Return the mail with the demo shops' pictures, which no web server has, taken from `base`."""
    domains = "|".join(re.escape(shop.domain) for shop in SHOPS)
    return re.sub(rf"https://(?:{domains})/pictures/", base, html)


# --- Shopify ---------------------------------------------------------------------------------------------------------


def shopify(
    topic: str,
    body: Mapping[str, Any],
    at: datetime,
    *,
    shop: Shop = TEA,
    secret: str | None = None,
    domain: str | None = None,
    event_id: str | None = None,
) -> Webhook:
    """Return one Shopify delivery. `secret` and `domain` replace the shop's own: a forgery."""
    raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    event = event_id or hashlib.sha256(raw + topic.encode()).hexdigest()[:32]
    return Webhook(
        {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": sign(secret or shop.secret, raw),
            "X-Shopify-Shop-Domain": domain or shop.domain,
            "X-Shopify-API-Version": _API_VERSION,
            "X-Shopify-Webhook-Id": f"wh-{event}",
            "X-Shopify-Event-Id": event,
            "X-Shopify-Triggered-At": _zulu(at),
        },
        raw,
    )


def shopify_product(goods: Goods, at: datetime) -> dict[str, Any]:
    """Return the body of products/create."""
    image = {"id": goods.id + 1, "src": picture_url(TEA, goods), "alt": goods.alt, "width": 480, "height": 480}
    return {
        "id": goods.id,
        "title": goods.title,
        "handle": goods.handle,
        "vendor": "Kettle & Leaf",
        "product_type": goods.kind,
        "status": "active",
        "tags": goods.kind.lower(),
        "created_at": _zulu(at),
        "updated_at": _zulu(at),
        "published_at": _zulu(at),
        "image": image,
        "images": [image],
        "variants": [
            {
                "id": goods.id + 2,
                "product_id": goods.id,
                "title": "Default Title",
                "sku": goods.handle.upper(),
                "price": str(goods.price),
                "compare_at_price": None,
                "inventory_quantity": 40,
                "inventory_policy": "deny",
                "inventory_management": "shopify",
            }
        ],
    }


def shopify_checkout(person: Person, lines: Lines, at: datetime) -> dict[str, Any]:
    """Return the body of checkouts/create and checkouts/update."""
    subtotal = _sum(lines)
    return {
        "token": person.checkout,
        "cart_token": person.cart,
        "email": person.email,
        "buyer_accepts_marketing": person.consent,
        "created_at": _zulu(at),
        "updated_at": _zulu(at),
        "completed_at": None,
        "currency": "GBP",
        "presentment_currency": "GBP",
        "customer_locale": "en-GB",
        "line_items": [_checkout_line(goods, quantity) for goods, quantity in lines],
        "note_attributes": [],
        "discount_codes": [],
        "subtotal_price": str(subtotal),
        "total_line_items_price": str(subtotal),
        "total_discounts": "0.00",
        "total_price": str(subtotal),
        "total_tax": "0.00",
        "abandoned_checkout_url": f"https://{TEA.domain}/checkouts/{person.checkout}/recover?key={person.number}",
        "shipping_address": _shopify_address(person),
        "customer": {
            "id": 9_100_000_000_000 + person.number,
            "email": person.email,
            "first_name": person.first,
            "last_name": person.last,
            "created_at": _zulu(at),
            "updated_at": _zulu(at),
        },
    }


def shopify_texts_allowed(person: Person, at: datetime) -> dict[str, Any]:
    """Return the body of customers_marketing_consent/update, with which somebody allows text messages."""
    said = {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": _zulu(at)}
    number = {"id": 9_100_000_000_000 + person.number, "phone": person.phone}
    return {**number, "sms_marketing_consent": {**said, "consent_collected_from": "SHOPIFY"}}


def shopify_cart(person: Person, lines: Lines, at: datetime) -> dict[str, Any]:
    """Return the body of carts/update: it names nobody."""
    return {
        "id": person.cart,
        "token": person.cart,
        "line_items": [_checkout_line(goods, quantity) for goods, quantity in lines],
        "note": None,
        "created_at": _zulu(at),
        "updated_at": _zulu(at),
    }


def shopify_order(person: Person, lines: Lines, at: datetime) -> dict[str, Any]:
    """Return the body of orders/create."""
    subtotal, shipping = _sum(lines), Decimal("3.95")
    total = subtotal + shipping
    return {
        "id": 6_200_000_000_000 + person.number,
        "name": f"#K{1000 + person.number}",
        "order_number": 1000 + person.number,
        "email": person.email,
        "contact_email": person.email,
        "buyer_accepts_marketing": person.consent,
        "test": False,
        "created_at": _zulu(at),
        "updated_at": _zulu(at),
        "processed_at": _zulu(at),
        "cancelled_at": None,
        "closed_at": None,
        "financial_status": "paid",
        "fulfillment_status": None,
        "currency": "GBP",
        "presentment_currency": "GBP",
        "customer_locale": "en-GB",
        "cart_token": person.cart,
        "checkout_token": person.checkout,
        "order_status_url": f"https://{TEA.domain}/orders/{person.checkout}/status",
        "subtotal_price": str(subtotal),
        "total_line_items_price": str(subtotal),
        "total_discounts": "0.00",
        "total_tax": "0.00",
        "total_price": str(total),
        "subtotal_price_set": _money_set(subtotal),
        "total_discounts_set": _money_set(Decimal(0)),
        "total_shipping_price_set": _money_set(shipping),
        "total_tax_set": _money_set(Decimal(0)),
        "total_price_set": _money_set(total),
        "discount_codes": [],
        "line_items": [_order_line(goods, quantity) for goods, quantity in lines],
        "shipping_lines": [{"title": "Royal Mail Tracked 48", "price": str(shipping)}],
        "refunds": [],
        "shipping_address": _shopify_address(person),
        "billing_address": _shopify_address(person),
        "customer": {
            "id": 9_100_000_000_000 + person.number,
            "email": person.email,
            "first_name": person.first,
            "last_name": person.last,
        },
    }


def _checkout_line(goods: Goods, quantity: int) -> dict[str, Any]:
    return {
        "key": f"line-{goods.id}",
        "title": goods.title,
        "presentment_title": goods.title,
        "variant_title": "",
        "product_id": goods.id,
        "variant_id": goods.id + 2,
        "sku": goods.handle.upper(),
        "vendor": "Kettle & Leaf",
        "quantity": quantity,
        "price": str(goods.price),
        "line_price": str(goods.price * quantity),
        "requires_shipping": True,
        "gift_card": False,
    }


def _order_line(goods: Goods, quantity: int) -> dict[str, Any]:
    return {
        "id": goods.id + 9,
        "title": goods.title,
        "name": goods.title,
        "variant_title": None,
        "product_id": goods.id,
        "variant_id": goods.id + 2,
        "sku": goods.handle.upper(),
        "vendor": "Kettle & Leaf",
        "quantity": quantity,
        "current_quantity": quantity,
        "price": str(goods.price),
        "price_set": _money_set(goods.price),
        "total_discount": "0.00",
        "discount_allocations": [],
    }


def _shopify_address(person: Person) -> dict[str, Any]:
    return {
        "first_name": person.first,
        "last_name": person.last,
        "name": f"{person.first} {person.last}",
        "address1": f"{person.number} Mill Street",
        "address2": None,
        "city": person.city,
        "province": None,
        "zip": person.postcode,
        "country": "United Kingdom",
        "country_code": person.country,
        "phone": None,
    }


def _money_set(amount: Decimal) -> dict[str, Any]:
    money = {"amount": f"{amount:.2f}", "currency_code": "GBP"}
    return {"shop_money": money, "presentment_money": money}


# --- WooCommerce -----------------------------------------------------------------------------------------------------


def woocommerce(topic: str, body: Mapping[str, Any], delivery: str, *, shop: Shop = BIKES) -> Webhook:
    """Return one WooCommerce delivery."""
    raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    resource, _, event = topic.partition(".")
    return Webhook(
        {
            "Content-Type": "application/json",
            "User-Agent": "WooCommerce/10.3 Hookshot (WordPress/6.8)",
            "X-WC-Webhook-Source": f"https://{shop.domain}/",
            "X-WC-Webhook-Topic": topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": sign(shop.secret, raw),
            "X-WC-Webhook-ID": "7",
            "X-WC-Webhook-Delivery-ID": hashlib.sha256(delivery.encode()).hexdigest()[:32],
        },
        raw,
    )


def woocommerce_ping() -> Webhook:
    """Return what WooCommerce posts when a webhook is saved: unsigned, and it must be answered with 200."""
    return Webhook({"Content-Type": "application/x-www-form-urlencoded"}, b"webhook_id=7")


def woocommerce_product(goods: Goods, at: datetime) -> dict[str, Any]:
    """Return the body of product.created."""
    return {
        "id": goods.id,
        "name": goods.title,
        "slug": goods.handle,
        "permalink": f"https://{BIKES.domain}/product/{goods.handle}/",
        "type": "simple",
        "status": "publish",
        "catalog_visibility": "visible",
        "sku": goods.handle.upper(),
        "price": str(goods.price),
        "regular_price": str(goods.price),
        "sale_price": "",
        "stock_status": "instock",
        "date_created": _naive(at),
        "date_created_gmt": _naive(at),
        "date_modified": _naive(at),
        "date_modified_gmt": _naive(at),
        "categories": [{"id": 3, "name": goods.kind, "slug": goods.kind.lower()}],
        "tags": [],
        "images": [{"id": goods.id + 1, "src": picture_url(BIKES, goods), "name": goods.handle, "alt": goods.alt}],
        "meta_data": [],
    }


def woocommerce_order(person: Person, lines: Lines, status: str, created: datetime, at: datetime) -> dict[str, Any]:
    """Return the body of order.created and order.updated."""
    subtotal, shipping = _sum(lines), Decimal("4.95")
    total = subtotal + shipping
    paid = _naive(at) if status in ("processing", "completed") else None
    address = {
        "first_name": person.first,
        "last_name": person.last,
        "company": "",
        "address_1": f"Veldstraat {person.number}",
        "address_2": "",
        "city": person.city,
        "state": "",
        "postcode": person.postcode,
        "country": person.country,
        "phone": person.phone,
    }
    return {
        "id": 4000 + person.number,
        "parent_id": 0,
        "number": str(4000 + person.number),
        "order_key": f"wc_order_{person.number:06d}",
        "created_via": "checkout",
        "version": "10.3.0",
        "status": status,
        "currency": "EUR",
        "date_created": _naive(created),
        "date_created_gmt": _naive(created),
        "date_modified": _naive(at),
        "date_modified_gmt": _naive(at),
        "date_paid": paid,
        "date_paid_gmt": paid,
        "date_completed": _naive(at) if status == "completed" else None,
        "date_completed_gmt": _naive(at) if status == "completed" else None,
        "discount_total": "0.00",
        "shipping_total": str(shipping),
        "cart_tax": "0.00",
        "total": str(total),
        "total_tax": "0.00",
        "prices_include_tax": True,
        "customer_id": 0,
        "customer_note": "",
        "billing": {**address, "email": person.email},
        "shipping": address,
        "payment_method": "bancontact",
        "payment_method_title": "Bancontact",
        "line_items": [
            {
                "id": goods.id + 9,
                "name": goods.title,
                "product_id": goods.id,
                "variation_id": 0,
                "quantity": quantity,
                "subtotal": str(goods.price * quantity),
                "total": str(goods.price * quantity),
                "total_tax": "0.00",
                "sku": goods.handle.upper(),
                "price": float(goods.price),
                "image": {"id": goods.id + 1, "src": picture_url(BIKES, goods)},
                "meta_data": [],
            }
            for goods, quantity in lines
        ],
        "tax_lines": [],
        "shipping_lines": [{"id": 1, "method_title": "bpost", "total": str(shipping)}],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
        "meta_data": [{"id": 1, "key": NEWSLETTER, "value": "yes" if person.consent else "no"}],
    }


def _sum(lines: Lines) -> Decimal:
    return sum((goods.price * quantity for goods, quantity in lines), Decimal(0))


def _zulu(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _naive(moment: datetime) -> str:
    """Return WooCommerce's `…_gmt` form; the demo's shop keeps UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")

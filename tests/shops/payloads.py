"""Small bodies as the two platforms send them, of one invented shop: change what a test is about, keep the rest."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from rekindle.domain.events import Event
from rekindle.shops import intake
from rekindle.shops.reading import Arrival

SHOP = "northwind"
DOMAIN = "northwind-tea.myshopify.com"
SECRET = "hush"
RECEIVED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

Json = dict[str, Any]


def arrival(**changes: Any) -> Arrival:
    """Return what is known of a request beside its body."""
    return Arrival(**{"shop": SHOP, "delivery_id": "d1", "received_at": RECEIVED, "domain": DOMAIN, **changes})


def shopify(topic: str, body: Json, **changes: Any) -> tuple[Event, ...]:
    """Return the events of a Shopify body."""
    return intake.normalise("shopify", topic, body, arrival(**changes))


def woo(topic: str, body: Json, **changes: Any) -> tuple[Event, ...]:
    """Return the events of a WooCommerce body."""
    return intake.normalise("woocommerce", topic, body, arrival(**changes))


def sign(body: bytes, secret: str = SECRET) -> str:
    """Return the signature that both platforms send."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def shopify_request(topic: str, body: Json | bytes, *, secret: str = SECRET, **headers: str) -> tuple[Json, bytes]:
    """Return headers and raw body of a signed webhook; `event_id="e1"` adds `X-Shopify-Event-Id: e1`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    extra = {f"X-Shopify-{name.replace('_', '-').title()}": value for name, value in headers.items()}
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": DOMAIN,
        "X-Shopify-Hmac-Sha256": sign(raw, secret),
        **extra,
    }, raw


def woo_request(topic: str, body: Json | bytes, *, secret: str = SECRET, **headers: str) -> tuple[Json, bytes]:
    """Return headers and raw body of a signed webhook; `delivery_id="d"` sets `X-WC-Webhook-Delivery-ID: d`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"id": "7", "delivery_id": "abc", **headers}
    extra = {f"X-WC-Webhook-{name.replace('_', '-').title()}": value for name, value in given.items()}
    return {
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Source": f"https://{DOMAIN}/",
        "X-WC-Webhook-Signature": sign(raw, secret),
        **extra,
    }, raw


def bag(amount: str, currency: str = "CAD", presentment: str | None = None, theirs: str = "EUR") -> Json:
    """Return an amount in the shop's currency and in the buyer's."""
    return {
        "shop_money": {"amount": amount, "currency_code": currency},
        "presentment_money": {"amount": presentment or amount, "currency_code": theirs if presentment else currency},
    }


def shopify_line(**changes: Any) -> Json:
    """Return one line of a Shopify order."""
    return {
        "id": 9007199254740995,
        "title": "Jasmine Pearls",
        "name": "Jasmine Pearls - 100 g",
        "variant_title": "100 g",
        "sku": "JP-100",
        "quantity": 2,
        "current_quantity": 2,
        "product_id": 632910392,
        "variant_id": 808950810,
        "price": "14.50",
        "price_set": bag("14.50"),
        "total_discount": "0.00",
        "total_discount_set": bag("0.00"),
        "discount_allocations": [],
        "tax_lines": [],
        **changes,
    }


def shopify_customer(**changes: Any) -> Json:
    """Return a Shopify customer."""
    return {
        "id": 207119551,
        "email": "ann@example.com",
        "phone": None,
        "first_name": "Ann",
        "last_name": "Ivory",
        "created_at": "2025-06-01T09:00:00-05:00",
        "updated_at": "2026-03-02T04:00:00-05:00",
        "tags": "wholesale, tea club",
        "default_address": {"city": "Ottawa", "country": "Canada", "country_code": "CA", "phone": "613-555-0142"},
        **changes,
    }


def shopify_order(**changes: Any) -> Json:
    """Return a Shopify order of two tins for 29.00, shipping 5.00, tax 4.42."""
    return {
        "id": 450789469,
        "name": "#1001",
        "order_number": 1001,
        "email": "ann@example.com",
        "contact_email": "ann@example.com",
        "phone": None,
        "cart_token": "cart-1",
        "checkout_token": "checkout-1",
        "buyer_accepts_marketing": False,
        "cancelled_at": None,
        "created_at": "2026-03-02T04:50:00-05:00",
        "processed_at": "2026-03-02T04:49:58-05:00",
        "updated_at": "2026-03-02T04:50:03-05:00",
        "currency": "CAD",
        "presentment_currency": "CAD",
        "customer_locale": "en-CA",
        "discount_codes": [],
        "financial_status": "paid",
        "fulfillment_status": None,
        "fulfillments": [],
        "order_status_url": "https://northwind-tea.example.com/1/orders/abc/authenticate?key=k",
        "subtotal_price": "29.00",
        "subtotal_price_set": bag("29.00"),
        "total_discounts": "0.00",
        "total_discounts_set": bag("0.00"),
        "total_shipping_price_set": bag("5.00"),
        "total_tax": "4.42",
        "total_tax_set": bag("4.42"),
        "total_price": "38.42",
        "total_price_set": bag("38.42"),
        "refunds": [],
        "test": False,
        "customer": shopify_customer(),
        "shipping_address": {
            "first_name": "Ann",
            "last_name": "Ivory",
            "name": "Ann Ivory",
            "company": None,
            "address1": "12 Rideau Street",
            "address2": "Apt 4",
            "city": "Ottawa",
            "province": "Ontario",
            "zip": "K1N 5X4",
            "country": "Canada",
            "country_code": "CA",
            "phone": "613-555-0142",
        },
        "billing_address": None,
        "line_items": [shopify_line()],
        **changes,
    }


def shopify_cart(**changes: Any) -> Json:
    """Return a Shopify cart of two tins."""
    return {
        "id": "cart-1",
        "token": "cart-1",
        "note": None,
        "created_at": "2026-03-02T09:00:00.000Z",
        "updated_at": "2026-03-02T09:05:00.000Z",
        "line_items": [
            {
                "id": 808950810,
                "product_id": 632910392,
                "variant_id": 808950810,
                "quantity": 2,
                "title": "Jasmine Pearls - 100 g",
                "sku": "JP-100",
                "price": "13.50",
                "original_price": "14.50",
                "original_price_set": bag("14.50"),
                "price_set": bag("13.50"),
                "line_price": "27.00",
                "line_price_set": bag("27.00", presentment="18.40"),
            }
        ],
        **changes,
    }


def shopify_checkout(**changes: Any) -> Json:
    """Return a Shopify checkout of API 2026-04, which has no `id`."""
    return {
        "token": "checkout-1",
        "cart_token": "cart-1",
        "email": "ann@example.com",
        "phone": None,
        "buyer_accepts_marketing": False,
        "buyer_accepts_sms_marketing": False,
        "sms_marketing_phone": None,
        "created_at": "2026-03-02T04:06:00-05:00",
        "updated_at": "2026-03-02T04:10:00-05:00",
        "completed_at": None,
        "currency": "CAD",
        "presentment_currency": "CAD",
        "customer_locale": "fr-CA",
        "abandoned_checkout_url": "https://northwind-tea.example.com/1/checkouts/checkout-1/recover?key=k",
        "discount_codes": [{"code": "SPRING", "amount": "2.00", "type": "fixed_amount"}],
        "subtotal_price": "27.00",
        "total_price": "36.42",
        "customer": None,
        "shipping_address": [],
        "line_items": [
            {
                "product_id": 632910392,
                "variant_id": 808950810,
                "quantity": 2,
                "title": "Jasmine Pearls",
                "variant_title": "100 g",
                "presentment_title": "Perles de jasmin",
                "presentment_variant_title": "100 g",
                "sku": "JP-100",
                "price": "14.50",
                "line_price": "29.00",
                "applied_discounts": [{"amount": "2.00", "title": "SPRING"}],
            }
        ],
        **changes,
    }


def shopify_product(**changes: Any) -> Json:
    """Return a Shopify product with two variants."""
    return {
        "id": 632910392,
        "title": "Jasmine Pearls",
        "handle": "jasmine-pearls",
        "product_type": "Green tea",
        "vendor": "Northwind Tea",
        "status": "active",
        "published_at": "2026-01-01T00:00:00-05:00",
        "updated_at": "2026-03-01T00:00:00-05:00",
        "tags": "green, scented",
        "variants": [
            {
                "id": 808950811,
                "price": "52.00",
                "compare_at_price": None,
                "inventory_policy": "deny",
                "inventory_quantity": 0,
            },
            {
                "id": 808950810,
                "price": "14.50",
                "compare_at_price": "18.00",
                "inventory_policy": "deny",
                "inventory_quantity": 8,
            },
        ],
        "images": [{"src": "https://cdn.example.com/pearls.jpg", "alt": "A tin of hand-rolled pearls"}],
        "image": {"src": "https://cdn.example.com/pearls.jpg", "alt": "A tin of hand-rolled pearls"},
        **changes,
    }


def shopify_payment(amount: str, **changes: Any) -> Json:
    """Return a refund's transaction: money that went back."""
    return {"id": 1, "kind": "refund", "status": "success", "amount": amount, "currency": "CAD", **changes}


def shopify_refund(**changes: Any) -> Json:
    """Return a Shopify refund of one of two tins, paid back in the shop's currency."""
    return {
        "id": 509562969,
        "order_id": 450789469,
        "created_at": "2026-03-05T04:00:00-05:00",
        "processed_at": "2026-03-05T04:00:00-05:00",
        "note": "The tin was dented",
        "total_duties_set": bag("0.00"),
        "refund_line_items": [
            {"id": 1, "quantity": 1, "line_item_id": 9, "subtotal_set": bag("14.50"), "total_tax_set": bag("2.21")}
        ],
        "refund_shipping_lines": [],
        "order_adjustments": [],
        "transactions": [shopify_payment("16.71")],
        **changes,
    }


def shopify_fulfillment(**changes: Any) -> Json:
    """Return a Shopify parcel with two tins."""
    return {
        "id": 255858046,
        "order_id": 450789469,
        "status": "success",
        "shipment_status": None,
        "created_at": "2026-03-03T04:00:00-05:00",
        "updated_at": "2026-03-03T04:00:00-05:00",
        "email": "Ann@example.com",
        "tracking_company": "Canada Post",
        "tracking_number": "7023210039414604",
        "tracking_numbers": ["7023210039414604"],
        "tracking_url": "https://track.example.com/7023210039414604",
        "tracking_urls": ["https://track.example.com/7023210039414604"],
        "destination": {"first_name": "Zoe", "phone": "613-555-0199", "country_code": "CA"},
        "line_items": [shopify_line()],
        **changes,
    }


def shopify_report(**changes: Any) -> Json:
    """Return what a carrier reports of that parcel (fulfillment_events/create)."""
    return {
        "id": 944956395,
        "fulfillment_id": 255858046,
        "order_id": 450789469,
        "status": "delivered",
        "happened_at": "2026-03-04T10:00:00-05:00",
        "created_at": "2026-03-04T11:30:00-05:00",
        "updated_at": "2026-03-04T11:30:00-05:00",
        "country": "CA",
        **changes,
    }


def woo_line(**changes: Any) -> Json:
    """Return one line of a WooCommerce order."""
    return {
        "id": 315,
        "name": "Sencha &amp; Mint - 50 g",
        "parent_name": "Sencha &amp; Mint",
        "product_id": 93,
        "variation_id": 94,
        "quantity": 2,
        "subtotal": "20.00",
        "subtotal_tax": "2.00",
        "total": "20.00",
        "total_tax": "2.00",
        "sku": "SM-50",
        "price": 10,
        "image": {"id": 1, "src": "https://northwind-tea.example.com/sencha.jpg"},
        "meta_data": [],
        **changes,
    }


def woo_order(**changes: Any) -> Json:
    """Return a WooCommerce order, paid by card, in a shop that shows its prices without tax."""
    return {
        "id": 727,
        "number": "727",
        "status": "processing",
        "currency": "eur",
        "prices_include_tax": False,
        "date_created_gmt": "2026-03-02T09:50:00",
        "date_modified_gmt": "2026-03-02T09:50:08",
        "date_paid_gmt": "2026-03-02T09:50:07",
        "date_completed_gmt": None,
        "discount_total": "0.00",
        "discount_tax": "0.00",
        "shipping_total": "5.00",
        "shipping_tax": "0.50",
        "total_tax": "2.50",
        "total": "27.50",
        "customer_id": 0,
        "payment_method": "stripe",
        "payment_url": "https://northwind-tea.example.com/checkout/order-pay/727/?key=k",
        "billing": {
            "first_name": "Bo",
            "last_name": "Lind",
            "company": "",
            "address_1": "Storgatan 1",
            "address_2": "",
            "city": "Umeå",
            "state": "",
            "postcode": "903 26",
            "country": "SE",
            "email": "bo@example.com",
            "phone": "070-174 06 05",
        },
        "shipping": {
            "first_name": "",
            "last_name": "",
            "company": "",
            "address_1": "",
            "address_2": "",
            "city": "",
            "state": "",
            "postcode": "",
            "country": "",
        },
        "line_items": [woo_line()],
        "coupon_lines": [],
        "refunds": [],
        "meta_data": [],
        **changes,
    }


def woo_product(**changes: Any) -> Json:
    """Return a WooCommerce product on sale."""
    return {
        "id": 93,
        "name": "Sencha &amp; Mint",
        "permalink": "https://northwind-tea.example.com/product/sencha-mint/",
        "type": "variable",
        "status": "publish",
        "catalog_visibility": "visible",
        "price": "9.00",
        "regular_price": "10.00",
        "stock_status": "instock",
        "date_created_gmt": "2025-01-01T00:00:00",
        "date_modified_gmt": "2026-03-01T00:00:00",
        "categories": [{"id": 9, "name": "Green tea"}],
        "tags": [{"id": 3, "name": "mint"}],
        "images": [{"src": "https://northwind-tea.example.com/sencha.jpg", "alt": "Sencha with mint leaves"}],
        **changes,
    }


def woo_customer(**changes: Any) -> Json:
    """Return a WooCommerce customer."""
    return {
        "id": 25,
        "date_created_gmt": "2026-01-01T00:00:00",
        "date_modified_gmt": "2026-02-01T00:00:00",
        "email": "Bo@Example.com",
        "first_name": "Bo",
        "last_name": "Lind",
        "billing": {"city": "Umeå", "country": "SE", "phone": "070-174 06 05", "email": "billing@example.com"},
        "shipping": {"city": "", "country": ""},
        "meta_data": [],
        **changes,
    }

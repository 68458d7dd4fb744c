"""What of an order's body is read: the decoder skips the rest, which is most of it, at half the cost.

Pure: imports the standard library. Imported at the first order, for typed dictionaries are slow to make.

Whatever the functions of this package read of an order stands here too (`tests/shops/test_shapes.py` says so when it
does not). `Any` is any JSON; where a field is none of what is listed, the body is decoded whole instead.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _Money(TypedDict, total=False):
    amount: Any
    currency_code: Any


class _Bag(TypedDict, total=False):
    shop_money: _Money | None


class _Allocation(TypedDict, total=False):
    amount: Any
    amount_set: _Bag | None


class _Line(TypedDict, total=False):
    title: Any
    name: Any
    variant_title: Any
    sku: Any
    quantity: Any
    product_id: Any
    variant_id: Any
    price: Any
    price_set: _Bag | None
    total_discount: Any
    total_discount_set: _Bag | None
    discount_allocations: list[_Allocation] | None


class _Address(TypedDict, total=False):
    name: Any
    first_name: Any
    last_name: Any
    company: Any
    address1: Any
    address2: Any
    city: Any
    province: Any
    province_code: Any
    zip: Any
    country_code: Any


class _Customer(TypedDict, total=False):
    id: Any
    email: Any
    phone: Any
    first_name: Any
    last_name: Any
    created_at: Any
    default_address: _Address | list[Any] | None
    email_marketing_consent: Any
    sms_marketing_consent: Any


class _Fulfillment(TypedDict, total=False):
    created_at: Any


class Order(TypedDict, total=False):
    """An order."""

    id: Any
    name: Any
    order_number: Any
    token: Any
    cart_token: Any
    checkout_token: Any
    email: Any
    contact_email: Any
    phone: Any
    customer: _Customer | list[Any] | None
    customer_locale: Any
    shipping_address: _Address | list[Any] | None
    billing_address: _Address | list[Any] | None
    buyer_accepts_marketing: Any
    buyer_accepts_sms_marketing: Any
    sms_marketing_phone: Any
    created_at: Any
    processed_at: Any
    updated_at: Any
    cancelled_at: Any
    financial_status: Any
    fulfillment_status: Any
    fulfillments: list[_Fulfillment] | None
    test: Any
    currency: Any
    subtotal_price: Any
    subtotal_price_set: _Bag | None
    total_discounts: Any
    total_discounts_set: _Bag | None
    total_shipping_price: Any
    total_shipping_price_set: _Bag | None
    total_tax: Any
    total_tax_set: _Bag | None
    total_price: Any
    total_price_set: _Bag | None
    discount_codes: Any
    order_status_url: Any
    line_items: list[_Line] | None
    refunds: Any

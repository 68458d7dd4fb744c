"""What of an order's body is read: the decoder skips the rest.

Pure: imports the standard library. Imported at the first order, for typed dictionaries are slow to make.

Whatever the functions of this package read of an order stands here too (`tests/shops/test_shapes.py` says so when it
does not). `Any` is any JSON; where a field is none of what is listed, the body is decoded whole instead.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _Image(TypedDict, total=False):
    src: Any


class _Line(TypedDict, total=False):
    name: Any
    parent_name: Any
    product_id: Any
    variation_id: Any
    quantity: Any
    price: Any
    subtotal: Any
    subtotal_tax: Any
    total: Any
    total_tax: Any
    sku: Any
    image: _Image | str | list[Any] | None


class _Meta(TypedDict, total=False):
    key: Any
    value: Any


class Order(TypedDict, total=False):
    """An order."""

    id: Any
    code: Any
    message: Any
    token: Any
    cart_token: Any
    number: Any
    status: Any
    currency: Any
    prices_include_tax: Any
    date_created_gmt: Any
    date_modified_gmt: Any
    date_paid_gmt: Any
    date_completed_gmt: Any
    payment_method: Any
    payment_url: Any
    discount_total: Any
    discount_tax: Any
    shipping_total: Any
    shipping_tax: Any
    total: Any
    total_tax: Any
    customer_id: Any
    email: Any
    first_name: Any
    last_name: Any
    billing: Any
    shipping: Any
    line_items: list[_Line] | None
    coupon_lines: Any
    refunds: Any
    meta_data: list[_Meta] | None

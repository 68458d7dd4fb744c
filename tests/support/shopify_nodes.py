"""Nodes as Shopify's GraphQL Admin API shows them, of the shop and the order whose webhooks are in `shops/payloads`."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]


def bag(amount: str, currency: str = "CAD", presentment: str | None = None, theirs: str = "EUR") -> Node:
    """Return an amount in the shop's currency and in the buyer's, written as GraphQL writes decimals."""

    def written(number: str) -> str:
        return number.removesuffix("0") if number.endswith("0") and "." in number else number

    return {
        "shopMoney": {"amount": written(amount), "currencyCode": currency},
        "presentmentMoney": {
            "amount": written(presentment or amount),
            "currencyCode": theirs if presentment else currency,
        },
    }


def address(**changes: Any) -> Node:
    """Return Ann's address."""
    return {
        "name": "Ann Ivory",
        "firstName": "Ann",
        "lastName": "Ivory",
        "company": None,
        "address1": "12 Rideau Street",
        "address2": "Apt 4",
        "city": "Ottawa",
        "province": "Ontario",
        "provinceCode": None,
        "zip": "K1N 5X4",
        "country": "Canada",
        "countryCodeV2": "CA",
        "phone": "613-555-0142",
        **changes,
    }


def customer(**changes: Any) -> Node:
    """Return Ann's account; she has never said anything about marketing."""
    nothing = {"marketingState": "NOT_SUBSCRIBED", "marketingOptInLevel": None, "marketingUpdatedAt": None}
    place = dict.fromkeys(address()) | {"city": "Ottawa", "country": "Canada", "countryCodeV2": "CA"}
    return {
        "id": "gid://shopify/Customer/207119551",
        "firstName": "Ann",
        "lastName": "Ivory",
        "createdAt": "2025-06-01T14:00:00Z",
        "updatedAt": "2026-03-02T09:00:00Z",
        "tags": ["wholesale", "tea club"],
        "locale": "en-CA",
        "defaultAddress": place,
        "defaultEmailAddress": {"emailAddress": "ann@example.com", **nothing},
        "defaultPhoneNumber": None,
        **changes,
    }


def line(**changes: Any) -> Node:
    """Return one line of an order."""
    return {
        "id": "gid://shopify/LineItem/9007199254740995",
        "title": "Jasmine Pearls",
        "name": "Jasmine Pearls - 100 g",
        "variantTitle": "100 g",
        "sku": "JP-100",
        "quantity": 2,
        "currentQuantity": 2,
        "product": {"id": "gid://shopify/Product/632910392"},
        "variant": {"id": "gid://shopify/ProductVariant/808950810"},
        "originalUnitPriceSet": bag("14.50"),
        "discountAllocations": [],
        **changes,
    }


def order(number: int = 450789469, **changes: Any) -> Node:
    """Return the order of two tins for 29.00, shipping 5.00, tax 4.42; paid."""
    return {
        "id": f"gid://shopify/Order/{number}",
        "name": "#1001",
        "email": "ann@example.com",
        "phone": None,
        "note": None,
        "customAttributes": [],
        "tags": [],
        "cartToken": "cart-1",
        "checkoutToken": "checkout-1",
        "customerAcceptsMarketing": False,
        "customerLocale": "en-CA",
        "createdAt": "2026-03-02T09:50:00Z",
        "processedAt": "2026-03-02T09:49:58Z",
        "updatedAt": "2026-03-02T09:50:03Z",
        "cancelledAt": None,
        "currencyCode": "CAD",
        "presentmentCurrencyCode": "CAD",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "test": False,
        "statusPageUrl": "https://northwind-tea.example.com/1/orders/abc/authenticate?key=k",
        "discountCodes": [],
        "subtotalPriceSet": bag("29.00"),
        "totalDiscountsSet": bag("0.00"),
        "totalShippingPriceSet": bag("5.00"),
        "totalTaxSet": bag("4.42"),
        "totalPriceSet": bag("38.42"),
        "customer": customer(),
        "shippingAddress": address(),
        "billingAddress": None,
        "fulfillments": [],
        "refunds": [],
        "transactions": [
            {
                "id": "gid://shopify/OrderTransaction/1",
                "kind": "SALE",
                "status": "SUCCESS",
                "processedAt": "2026-03-02T09:50:02Z",
            }
        ],
        "lineItems": [line()],
        **changes,
    }


def variant(number: int = 808950810, **changes: Any) -> Node:
    """Return one kind of the tea."""
    return {
        "id": f"gid://shopify/ProductVariant/{number}",
        "title": "100 g",
        "price": "14.50",
        "compareAtPrice": "18.00",
        "sku": "JP-100",
        "inventoryPolicy": "DENY",
        "inventoryQuantity": 8,
        "inventoryItem": {"tracked": True},
        **changes,
    }


def product(number: int = 632910392, **changes: Any) -> Node:
    """Return the tea, in two kinds."""
    large = {"title": "500 g", "price": "52.00", "compareAtPrice": None, "sku": None, "inventoryQuantity": 0}
    return {
        "id": f"gid://shopify/Product/{number}",
        "title": "Jasmine Pearls",
        "handle": "jasmine-pearls",
        "productType": "Green tea",
        "category": None,
        "vendor": "Northwind Tea",
        "status": "ACTIVE",
        "createdAt": "2026-01-01T05:00:00Z",
        "publishedAt": "2026-01-01T05:00:00Z",
        "updatedAt": "2026-03-01T05:00:00Z",
        "tags": ["green", "scented"],
        "featuredMedia": {
            "__typename": "MediaImage",
            "alt": "A tin of hand-rolled pearls",
            "preview": {"image": {"url": "https://cdn.example.com/pearls.jpg", "altText": None}},
        },
        "variants": [variant(808950811, **large), variant()],
        **changes,
    }

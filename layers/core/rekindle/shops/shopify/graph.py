"""What the GraphQL Admin API says, in the shape of the webhook of the same thing, so that one reader serves both.

Pure: imports the standard library and its neighbours in `shops`. A node comes as it was asked for by
`rekindle.outside.shopify_lists`, with its connections as plain lists. What the API does not have is left out, and never
guessed; where it says more than the webhook (a customer's consent, whether anybody counts a variant), that is kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rekindle.shops.reading import Body, mapping, moment, rows, text

#: displayFulfillmentStatus → a webhook's `fulfillment_status`; all others are `null` there.
_FULFILLED = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial", "RESTOCKED": "restocked"}
#: Kinds of payments that bring money in.
_PAYING = frozenset(("SALE", "CAPTURE"))


def order_body(node: Body) -> Body:
    """Return the order as orders/updated sends it."""
    email = node.get("email")
    return {
        "id": number_of(node.get("id")),
        "name": node.get("name"),
        "email": email,
        "contact_email": email,
        "phone": node.get("phone"),
        "note": node.get("note"),
        "note_attributes": [
            {"name": row.get("key"), "value": row.get("value")} for row in rows(node.get("customAttributes"))
        ],
        "tags": _tags(node.get("tags")),
        "cart_token": node.get("cartToken"),
        "checkout_token": node.get("checkoutToken"),
        "buyer_accepts_marketing": node.get("customerAcceptsMarketing"),
        "customer_locale": node.get("customerLocale"),
        "created_at": node.get("createdAt"),
        "processed_at": node.get("processedAt"),
        "updated_at": node.get("updatedAt"),
        "cancelled_at": node.get("cancelledAt"),
        "currency": node.get("currencyCode"),
        "presentment_currency": node.get("presentmentCurrencyCode"),
        "financial_status": _lower(node.get("displayFinancialStatus")),
        "fulfillment_status": _FULFILLED.get(str(node.get("displayFulfillmentStatus"))),
        "fulfillments": [
            {"id": number_of(row.get("id")), "created_at": row.get("createdAt")}
            for row in rows(node.get("fulfillments"))
        ],
        "refunds": [_refund(row, node) for row in rows(node.get("refunds"))],
        "test": node.get("test"),
        "order_status_url": node.get("statusPageUrl"),
        "discount_codes": [{"code": code} for code in _words(node.get("discountCodes"))],
        **_amounts(node, "subtotal_price", "subtotalPriceSet"),
        **_amounts(node, "total_discounts", "totalDiscountsSet"),
        **_amounts(node, "total_shipping_price", "totalShippingPriceSet"),
        **_amounts(node, "total_tax", "totalTaxSet"),
        **_amounts(node, "total_price", "totalPriceSet"),
        "customer": _buyer(mapping(node.get("customer"))),
        "shipping_address": _address(node.get("shippingAddress")),
        "billing_address": _address(node.get("billingAddress")),
        "line_items": [_line(row) for row in rows(node.get("lineItems"))],
    }


def customer_body(node: Body) -> Body:
    """Return the account as customers/update sent it before API 2025-01: with its tags and what it agreed to."""
    body = _account(node)
    email, phone = mapping(node.get("defaultEmailAddress")), mapping(node.get("defaultPhoneNumber"))
    body |= {
        "updated_at": node.get("updatedAt"),
        "tags": _tags(node.get("tags")),
        "locale": node.get("locale"),
        "default_address": _address(node.get("defaultAddress")),
    }
    if email:
        body["email_marketing_consent"] = _consent(email)
    if phone:
        body["sms_marketing_consent"] = _consent(phone)
    return body


def product_body(node: Body) -> Body:
    """Return the product as products/update sends it, with all its variants."""
    media = mapping(node.get("featuredMedia"))
    picture = mapping(mapping(media.get("preview")).get("image"))
    category = mapping(node.get("category"))
    return {
        "id": number_of(node.get("id")),
        "title": node.get("title"),
        "handle": node.get("handle"),
        "product_type": node.get("productType"),
        "category": {"name": category.get("name")} if category else None,
        "vendor": node.get("vendor"),
        "status": _lower(node.get("status")),
        "created_at": node.get("createdAt"),
        "published_at": node.get("publishedAt"),
        "updated_at": node.get("updatedAt"),
        "tags": _tags(node.get("tags")),
        "image": {"src": picture.get("url"), "alt": picture.get("altText") or media.get("alt")} if picture else None,
        "variants": [_variant(row) for row in rows(node.get("variants"))],
    }


def paid_at(node: Body) -> datetime | None:
    """Return when the order's latest payment came in; `None` where it is not paid, or nothing says when."""
    if node.get("displayFinancialStatus") not in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"):
        return None
    paid = [
        at
        for row in rows(node.get("transactions"))
        if text(row.get("kind")) in _PAYING and row.get("status") == "SUCCESS"
        if (at := moment(row.get("processedAt"))) is not None
    ]
    return max(paid, default=None)


def number_of(gid: object) -> int | None:
    """Return the number that webhooks use in place of a GraphQL id (`gid://shopify/Order/7`)."""
    digits = (text(gid) or "").rpartition("/")[2].partition("?")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else None


def _lower(value: object) -> str | None:
    read = text(value)
    return read.lower() if read is not None else None


def _words(value: object) -> list[str]:
    return [word for word in value if type(word) is str] if type(value) is list else []


def _tags(value: object) -> str | None:
    return ", ".join(_words(value)) if type(value) is list else None


def _padded(amount: object) -> object:
    """Return an amount with the two decimals that webhooks write: GraphQL leaves zeros away (`"29.0"`)."""
    if type(amount) is str and len(amount) > 1 and amount[-2] == ".":
        return f"{amount}0"
    return amount


def _bag(value: object) -> Body | None:
    """Return a money bag under the names of webhooks."""
    bag = mapping(value)
    told = {
        name: {"amount": _padded(money.get("amount")), "currency_code": money.get("currencyCode")}
        for name, money in (
            ("shop_money", mapping(bag.get("shopMoney"))),
            ("presentment_money", mapping(bag.get("presentmentMoney"))),
        )
        if money
    }
    return told or None


def _amounts(node: Body, name: str, bag_name: str) -> Body:
    bag = _bag(node.get(bag_name))
    return {name: mapping(mapping(bag).get("shop_money")).get("amount"), f"{name}_set": bag}


def _address(value: object) -> Body | None:
    row = mapping(value)
    if not row:
        return None
    return {
        "name": row.get("name"),
        "first_name": row.get("firstName"),
        "last_name": row.get("lastName"),
        "company": row.get("company"),
        "address1": row.get("address1"),
        "address2": row.get("address2"),
        "city": row.get("city"),
        "province": row.get("province"),
        "province_code": row.get("provinceCode"),
        "zip": row.get("zip"),
        "country": row.get("country"),
        "country_code": row.get("countryCodeV2"),
        "phone": row.get("phone"),
    }


def _account(node: Body) -> Body:
    return {
        "id": number_of(node.get("id")),
        "email": mapping(node.get("defaultEmailAddress")).get("emailAddress"),
        "phone": mapping(node.get("defaultPhoneNumber")).get("phoneNumber"),
        "first_name": node.get("firstName"),
        "last_name": node.get("lastName"),
        "created_at": node.get("createdAt"),
    }


def _buyer(node: Body) -> Body | None:
    """Return an order's customer: since API 2025-01 without tags and consent, which may be newer than the order."""
    return {**_account(node), "default_address": _address(node.get("defaultAddress"))} if node else None


def _consent(said: Body) -> Body:
    return {
        "state": _lower(said.get("marketingState")),
        "opt_in_level": _lower(said.get("marketingOptInLevel")),
        "consent_updated_at": said.get("marketingUpdatedAt"),
    }


def _line(row: Body) -> Body:
    return {
        "id": number_of(row.get("id")),
        "title": row.get("title"),
        "name": row.get("name"),
        "variant_title": row.get("variantTitle"),
        "sku": row.get("sku"),
        "quantity": row.get("quantity"),
        "current_quantity": row.get("currentQuantity"),
        "product_id": number_of(mapping(row.get("product")).get("id")),
        "variant_id": number_of(mapping(row.get("variant")).get("id")),
        **_amounts(row, "price", "originalUnitPriceSet"),
        "discount_allocations": [
            _amounts(one, "amount", "allocatedAmountSet") for one in rows(row.get("discountAllocations"))
        ],
    }


def _refund(row: Body, order: Body) -> Body:
    """Return a refund with one payment of all that it paid out, whatever the number of its transactions.

    Those are a list within a list, for which no bulk operation can ask.
    """
    amount = _amounts(row, "amount", "totalRefundedSet")
    payment: dict[str, Any] = {**amount, "kind": "refund", "status": "success", "currency": order.get("currencyCode")}
    return {
        "id": number_of(row.get("id")),
        "order_id": number_of(order.get("id")),
        "created_at": row.get("createdAt"),
        "processed_at": row.get("processedAt"),
        "note": row.get("note"),
        "transactions": [payment],
    }


def _variant(row: Body) -> Body:
    tracked = mapping(row.get("inventoryItem")).get("tracked")
    return {
        "id": number_of(row.get("id")),
        "title": row.get("title"),
        "price": row.get("price"),
        "compare_at_price": row.get("compareAtPrice"),
        "sku": row.get("sku"),
        "inventory_policy": _lower(row.get("inventoryPolicy")),
        "inventory_quantity": row.get("inventoryQuantity"),
        **({"inventory_management": "shopify" if tracked else None} if isinstance(tracked, bool) else {}),
    }

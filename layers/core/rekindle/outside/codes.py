"""`ports.ShopCodes`: discount codes made in Shopify and WooCommerce, recognised as ours when they are there already.

A code is known by its mark, which stands in the discount's title (Shopify) or in the coupon's meta data (WooCommerce):
only the shop's own people see either. What has the name and not the mark is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.domain.offers import Offer
from rekindle.outside.http import Deadline, Http
from rekindle.outside.shopify import Shopify, refused_by_user_errors, shopify_of
from rekindle.outside.woocommerce import WooCommerce, woocommerce_of
from rekindle.ports import NewCode, Secrets, ShopSecrets

#: Clocks differ: a code must work when the mail with it arrives.
_EARLIER = timedelta(minutes=10)

_META = "rekindle_mark"

_CREATE = """mutation create($discount: %(input)s!) {
  %(mutation)s(%(argument)s: $discount) { codeDiscountNode { id } userErrors { field code message } }
}"""
_BASIC = _CREATE % {
    "mutation": "discountCodeBasicCreate",
    "argument": "basicCodeDiscount",
    "input": "DiscountCodeBasicInput",
}
_SHIPPING = _CREATE % {
    "mutation": "discountCodeFreeShippingCreate",
    "argument": "freeShippingCodeDiscount",
    "input": "DiscountCodeFreeShippingInput",
}
_FIND = """query find($code: String!) {
  codeDiscountNodeByCode(code: $code) {
    codeDiscount {
      ... on DiscountCodeBasic { title }
      ... on DiscountCodeFreeShipping { title }
      ... on DiscountCodeBxgy { title }
      ... on DiscountCodeApp { title }
    }
  }
}"""
#: What Shopify says of what a marketer wrote → what to do (DiscountErrorCode).
_CURES = {
    "INVALID": "check the ids under products, categories and gift: the shop does not know one of them",
    "END_DATE_BEFORE_START_DATE": "the offer has ended: give it a later until, or a life",
    "VALUE_OUTSIDE_RANGE": "a percentage is above 0 and at most 100, an amount above 0",
    "TOO_LONG": "give the offer a shorter name or prefix",
}


class OutsideShopCodes:
    """`ports.ShopCodes`, by what the shop's secret says of its API."""

    def __init__(self, secrets: Secrets, http: Http | None = None) -> None:
        self._secrets = secrets
        self._http = http or Http()
        self._shopify: dict[ShopSecrets, Shopify] = {}
        self._woocommerce: dict[ShopSecrets, WooCommerce] = {}

    def make(self, shop: str, wanted: NewCode) -> bool:
        """Create the code; where its name is taken, look whose it is."""
        known = self._secrets.shop(shop)
        if known is None:
            raise ShopRefusedError("not_connected", "the shop is not connected")
        deadline = self._http.deadline()
        try:
            return self._make(known, wanted, deadline)
        except ShopRefusedError as refused:
            newer = self._secrets.shop(shop, fresh=True) if refused.reason == "not_allowed" else known
            if newer is None or newer == known:
                raise
        return self._make(newer, wanted, deadline)

    def _make(self, known: ShopSecrets, wanted: NewCode, deadline: Deadline) -> bool:
        if known.platform == "shopify":
            if known not in self._shopify:
                self._shopify[known] = shopify_of(self._http, known)
            return _in_shopify(self._shopify[known], wanted, deadline)
        if known not in self._woocommerce:
            self._woocommerce[known] = woocommerce_of(self._http, known)
        return _in_woocommerce(self._woocommerce[known], wanted, deadline)


# --- Shopify ---------------------------------------------------------------------------------------------------------


def _in_shopify(api: Shopify, wanted: NewCode, deadline: Deadline) -> bool:
    free = wanted.offer.free_shipping
    # Asked twice, it is made once: the second time the name is taken, by this very code.
    data = api.ask(
        _SHIPPING if free else _BASIC,
        {"discount": shopify_discount(wanted)},
        repeatable=True,
        deadline=deadline,
    )
    payload = data.get("discountCodeFreeShippingCreate" if free else "discountCodeBasicCreate")
    if not isinstance(payload, dict):
        raise ShopUncertainError("the shop's answer is not what its API promises")
    refused = refused_by_user_errors(payload, _CURES)
    if refused is None:
        if not isinstance(payload.get("codeDiscountNode"), dict):
            raise ShopUncertainError("the shop's answer names no discount")
        return True
    if refused.code != "TAKEN":
        raise refused
    found = api.ask(_FIND, {"code": wanted.code}, repeatable=True, deadline=deadline).get("codeDiscountNodeByCode")
    if not isinstance(found, dict):
        # Taken, and not there: what finds codes lags behind what makes them.
        raise ShopUncertainError("the shop has the code and cannot find it yet")
    discount = found.get("codeDiscount")
    title = discount.get("title") if isinstance(discount, dict) else None
    return isinstance(title, str) and title.endswith(wanted.mark)


def shopify_discount(wanted: NewCode) -> dict[str, Any]:
    """Return the input of discountCodeBasicCreate, or of discountCodeFreeShippingCreate."""
    offer = wanted.offer
    discount: dict[str, Any] = {
        "title": f"Rekindle {offer.name} {wanted.mark}",
        "code": wanted.code,
        "startsAt": _zulu(wanted.starts_at - _EARLIER),
        "endsAt": _zulu(wanted.ends_at) if wanted.ends_at is not None else None,
        "usageLimit": 1 if offer.once and not offer.friends else None,
        "appliesOncePerCustomer": offer.once,
        "context": {"all": "ALL"},
    }
    minimum = offer.minimum.get(wanted.currency)
    if minimum is not None:
        discount["minimumRequirement"] = {"subtotal": {"greaterThanOrEqualToSubtotal": f"{minimum:f}"}}
    if offer.free_shipping:
        return {**discount, "destination": {"all": True}}
    return {**discount, "customerGets": {"value": _value(wanted), "items": _items(offer)}}


def _value(wanted: NewCode) -> dict[str, Any]:
    if wanted.offer.percent is not None:
        return {"percentage": float(wanted.offer.percent / 100)}
    # Split over all that qualifies: of a gift, however many are in the basket, one is free.
    return {"discountAmount": {"amount": f"{_amount(wanted):f}", "appliesOnEachItem": False}}


def _items(offer: Offer) -> dict[str, Any]:
    products = (offer.gift.product,) if offer.gift is not None else offer.products
    if products:
        return {"products": {"productsToAdd": [f"gid://shopify/Product/{product}" for product in products]}}
    if offer.categories:
        return {"collections": {"add": [f"gid://shopify/Collection/{category}" for category in offer.categories]}}
    return {"all": True}


# --- WooCommerce -----------------------------------------------------------------------------------------------------


def _in_woocommerce(api: WooCommerce, wanted: NewCode, deadline: Deadline) -> bool:
    try:
        made = api.post("coupons", woocommerce_coupon(wanted), repeatable=True, deadline=deadline)
    except ShopRejectedError as rejected:
        if rejected.code != "woocommerce_rest_coupon_code_already_exists":
            raise
        found = api.get("coupons", {"code": wanted.code}, deadline=deadline)
        if not isinstance(found, list) or not found:
            raise ShopUncertainError("the shop has the code and cannot find it") from rejected
        return any(_mark_of(coupon) == wanted.mark for coupon in found)
    if not isinstance(made, dict) or "id" not in made:
        raise ShopUncertainError("the shop's answer names no coupon")
    return True


def woocommerce_coupon(wanted: NewCode) -> dict[str, Any]:
    """Return the body of POST /wc/v3/coupons."""
    offer = wanted.offer
    coupon: dict[str, Any] = {
        "code": wanted.code,
        "description": f"Rekindle {offer.name}",
        "meta_data": [{"key": _META, "value": wanted.mark}],
    }
    if wanted.ends_at is not None:
        # Not `date_expires_gmt`, which the API shows and does not take: it has no setter behind it.
        coupon["date_expires"] = _zulu(wanted.ends_at)
    if offer.once:
        coupon |= {"usage_limit_per_user": 1} | ({} if offer.friends else {"usage_limit": 1})
    minimum = offer.minimum.get(wanted.currency)
    if minimum is not None:
        coupon["minimum_amount"] = f"{minimum:f}"
    if offer.products:
        coupon["product_ids"] = [int(product) for product in offer.products]
    if offer.categories:
        coupon["product_categories"] = [int(category) for category in offer.categories]
    return coupon | _worth(wanted)


def _worth(wanted: NewCode) -> dict[str, Any]:
    offer = wanted.offer
    if offer.free_shipping:
        return {"discount_type": "fixed_cart", "amount": "0", "free_shipping": True}
    if offer.gift is not None:
        gift = [int(offer.gift.product)]
        return {"discount_type": "percent", "amount": "100", "product_ids": gift, "limit_usage_to_x_items": 1}
    if offer.percent is not None:
        return {"discount_type": "percent", "amount": f"{offer.percent:f}"}
    return {"discount_type": "fixed_cart", "amount": f"{_amount(wanted):f}"}


def _mark_of(coupon: Any) -> str | None:
    meta = coupon.get("meta_data") if isinstance(coupon, dict) else None
    for row in meta if isinstance(meta, list) else ():
        if isinstance(row, dict) and row.get("key") == _META:
            return str(row.get("value"))
    return None


# --- both ------------------------------------------------------------------------------------------------------------


def _amount(wanted: NewCode) -> Decimal:
    offer = wanted.offer
    worth: Mapping[str, Decimal] = offer.gift.worth if offer.gift is not None else offer.amount
    amount = worth.get(wanted.currency)
    if amount is None:
        hint = f"say in offers/{offer.name}.yaml what it is worth in {wanted.currency}"
        raise ShopRejectedError(f"the offer has no amount in the shop's currency, {wanted.currency}", hint=hint)
    return amount


def _zulu(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""What a shop is asked for: which topics of webhooks, which rights of its API; and requests that try our own door.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Collection, Mapping

from msgspec import Struct

from rekindle.shops.shopify import request as shopify_request
from rekindle.shops.shopify import topics as shopify
from rekindle.shops.woocommerce import request as woocommerce_request
from rekindle.shops.woocommerce import topics as woocommerce

#: The newest version of Shopify's webhooks that `shops.shopify` reads; the app's configuration says which it gets.
WEBHOOKS_VERSION = "2026-04"
#: And the oldest.
OLDEST_VERSION = "2024-10"
#: Only the app's own configuration can ask for these (shopify.dev, "Privacy law compliance").
COMPLIANCE = tuple(sorted(shopify_request.COMPLIANCE))

#: The least of Shopify's rights that webhooks need → what they bring (shopify.dev, "Webhooks", each topic's scope).
SCOPES: Mapping[str, str] = {
    "read_orders": "carts, checkouts, orders, refunds",
    "read_fulfillments": "parcels and their news",
    "read_customers": "customers, their tags and their consent",
    "read_products": "products, prices and stock",
}
#: What else an app of ours may be given → what would be missing without it.
FURTHER_SCOPES: Mapping[str, str] = {
    "write_discounts": "offers whose codes are made in the shop (docs/offers.md)",
    "read_all_orders": "orders that are older than 60 days, which rekindle import takes over",
}

#: The topic of a request that only tries the door: nobody reads it, so it is kept like any unknown one, and changes
#: nothing. Its body is always the same, so that it is stored once, however often the door is tried.
_TRIAL_BODY = json.dumps({"action": "rekindle_check", "arg": "tries whether webhooks arrive"}).encode()
_TRIAL_TOPICS = {"shopify": "rekindle/check", "woocommerce": "action.rekindle_check"}
_FORGED = "this is no secret of any shop"


class Trial(Struct, frozen=True):
    """A request as the shop's platform would make it."""

    headers: dict[str, str]
    body: bytes


def topics_of(platform: str) -> tuple[str, ...]:
    """Return the topics that tell something, and that a shop's API can be asked for."""
    if platform == "shopify":
        return tuple(topic for topic in shopify.TELLING if topic not in shopify_request.COMPLIANCE)
    return woocommerce.TELLING


def path_of(platform: str, shop: str) -> str:
    """Return where on our API a shop's webhooks arrive."""
    return f"/webhooks/{platform}/{shop}"


def trial(platform: str, domain: str, secret: str | None) -> Trial:
    """Return a request that changes nothing, signed with the shop's secret; `None`: with a forger's."""
    plain = _FORGED if secret is None else secret
    if platform == "woocommerce":
        plain = woocommerce_request.plain_secret(plain)
    signed = b64encode(hmac.digest(plain.encode(), _TRIAL_BODY, hashlib.sha256)).decode()
    topic = _TRIAL_TOPICS[platform]
    headers = {"Content-Type": "application/json", "User-Agent": "Rekindle"}
    if platform == "shopify":
        named = {"Topic": topic, "Hmac-Sha256": signed, "Shop-Domain": domain, "Test": "true"}
        return Trial(headers | {f"X-Shopify-{name}": value for name, value in named.items()}, _TRIAL_BODY)
    source = domain if "://" in domain else f"https://{domain}/"
    resource, _, event = topic.partition(".")
    named = {"Source": source, "Topic": topic, "Resource": resource, "Event": event, "Signature": signed}
    named |= {"ID": "0", "Delivery-ID": "rekindle-check"}
    return Trial(headers | {f"X-WC-Webhook-{name}": value for name, value in named.items()}, _TRIAL_BODY)


def ping() -> Trial:
    """Return what WooCommerce posts when a webhook is saved: unsigned, and only 200 will do."""
    return Trial({"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Rekindle"}, b"webhook_id=0")


def lacking(granted: Collection[str] | None, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return which of the wanted rights were not given; who may write may read. `None`: nobody knows, so none."""
    if granted is None:
        return {}
    return {
        scope: serves
        for scope, serves in wanted.items()
        if scope not in granted and scope.replace("read_", "write_") not in granted
    }


def compliance_toml(urls: Mapping[str, str]) -> str:
    """Return what belongs into the app's `shopify.app.toml` for these shops (id → where its webhooks arrive)."""
    lines = ["[webhooks]", f'api_version = "{WEBHOOKS_VERSION}"', ""]
    for url in urls.values():
        quoted = ", ".join(f'"{topic}"' for topic in COMPLIANCE)
        lines += ["[[webhooks.subscriptions]]", f"compliance_topics = [{quoted}]", f'uri = "{url}"', ""]
    return "\n".join(lines)

"""`ports.ShopAdmin`: registering webhooks, and what a shop says of itself, in Shopify and WooCommerce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.outside.http import Http
from rekindle.outside.shopify import Shopify, refused_by_user_errors, shopify_of
from rekindle.outside.woocommerce import WooCommerce, woocommerce_of
from rekindle.ports import Hook, ShopAdmin, ShopDetails, ShopSecrets
from rekindle.shops.registering import topics_of


def admin_of(http: Http, known: ShopSecrets) -> ShopAdmin:
    """Return the API of a shop. Raises `ShopRefusedError` where its secret holds nothing that opens it."""
    return (
        ShopifyAdmin(shopify_of(http, known)) if known.platform == "shopify" else WooAdmin(woocommerce_of(http, known))
    )


# --- Shopify ---------------------------------------------------------------------------------------------------------

_PAGE = 100
_LIST = """query list($first: Int, $after: String) {
  webhookSubscriptions(first: $first, after: $after) {
    nodes { id topic uri apiVersion { handle } }
    pageInfo { hasNextPage endCursor }
  }
}"""
_CREATE = """mutation create($topic: WebhookSubscriptionTopic!, $hook: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $hook) {
    webhookSubscription { id } userErrors { field message }
  }
}"""
_CHANGE = """mutation change($id: ID!, $hook: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $hook) {
    webhookSubscription { id } userErrors { field message }
  }
}"""
_DELETE = """mutation delete($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}"""
_SCOPES = "{ currentAppInstallation { accessScopes { handle } } }"
_SHOP = """{
  shop {
    name contactEmail currencyCode ianaTimezone
    primaryDomain { url }
    shopAddress { company address1 address2 city zip province country }
  }
}"""
_LOCALES = "{ shopLocales { locale primary } }"
#: What Shopify says of a subscription that is there already; it has no code for it.
_TAKEN = "already been taken"


class ShopifyAdmin:
    """Subscriptions belong to the app: what this API shows is the app's own."""

    def __init__(self, api: Shopify) -> None:
        self._api = api

    def webhooks(self) -> Sequence[Hook]:
        """Return the app's subscriptions in this shop. What can have been switched off is not there any more."""
        nodes = self._api.pages(_LIST, {"first": _PAGE}, ("webhookSubscriptions",))
        return [
            Hook(
                id=_text(node, "id"),
                topic=_plain(_text(node, "topic")),
                url=_text(node, "uri"),
                version=_text(_part(node, "apiVersion"), "handle"),
            )
            for node in nodes
        ]

    def create(self, topic: str, url: str, secret: str) -> None:
        """Subscribe; the secret is the app's own. What is there already is no error."""
        del secret
        hook = {"uri": url, "format": "JSON"}
        # Asked twice, it is made once: Shopify takes an address once for each topic.
        data = self._api.ask(_CREATE, {"topic": enum_of(topic), "hook": hook}, repeatable=True)
        self._check(data, "webhookSubscriptionCreate", topic)

    def change(self, hook: Hook, url: str, secret: str) -> None:
        """Let the subscription go elsewhere."""
        del secret
        data = self._api.ask(_CHANGE, {"id": hook.id, "hook": {"uri": url}}, repeatable=True)
        self._check(data, "webhookSubscriptionUpdate", hook.topic)

    def delete(self, hook: Hook) -> None:
        """Unsubscribe."""
        self._api.ask(_DELETE, {"id": hook.id}, repeatable=True)

    def scopes(self) -> frozenset[str] | None:
        """Return the app's rights in this shop."""
        found = self._api.ask(_SCOPES, repeatable=True).get("currentAppInstallation")
        scopes = found.get("accessScopes") if isinstance(found, dict) else None
        return frozenset(_text(scope, "handle") for scope in _rows(scopes)) if isinstance(scopes, list) else None

    def details(self) -> ShopDetails:
        """Return what the shop says of itself; its language only where the app may read it."""
        shop = self._api.ask(_SHOP, repeatable=True).get("shop")
        if not isinstance(shop, dict):
            raise ShopUncertainError("the shop's answer is not what its API promises")
        place = _part(shop, "shopAddress")
        lines = ("company", "address1", "address2", "zip", "city", "province", "country")
        return ShopDetails(
            name=_text(shop, "name"),
            url=_text(_part(shop, "primaryDomain"), "url"),
            currency=_text(shop, "currencyCode"),
            zone=_text(shop, "ianaTimezone"),
            locale=self._locale(),
            email=_text(shop, "contactEmail"),
            address=", ".join(filter(None, (_text(place, line) for line in lines))),
        )

    def _locale(self) -> str:
        try:
            found = self._api.ask(_LOCALES, repeatable=True).get("shopLocales")
        except (ShopRefusedError, ShopRejectedError):
            return ""
        return next((_text(row, "locale") for row in _rows(found) if row.get("primary")), "")

    def _check(self, data: Mapping[str, Any], name: str, topic: str) -> None:
        payload = data.get(name)
        if not isinstance(payload, dict):
            raise ShopUncertainError("the shop's answer is not what its API promises")
        refused = refused_by_user_errors(payload, {})
        if refused is not None and _TAKEN not in refused.message:
            raise ShopRejectedError(f"{topic}: {refused.message}", code=refused.code, hint=refused.hint)


def enum_of(topic: str) -> str:
    """Return a topic as GraphQL names it: `orders/create` is ORDERS_CREATE."""
    return topic.replace("/", "_").replace(".", "_").upper()


def _plain(enum: str) -> str:
    return _TOPICS.get(enum, enum)


_TOPICS = {enum_of(topic): topic for topic in topics_of("shopify")}


# --- WooCommerce -----------------------------------------------------------------------------------------------------

#: What WooCommerce says of a webhook that is gone.
_GONE = frozenset({"woocommerce_rest_shop_webhook_invalid_id"})


class WooAdmin:
    """Webhooks are everybody's who may manage the shop."""

    def __init__(self, api: WooCommerce) -> None:
        self._api = api

    def webhooks(self) -> Sequence[Hook]:
        """Return all webhooks of the shop, those that are paused or switched off among them."""
        return [
            Hook(
                id=str(found.get("id")),
                topic=_text(found, "topic"),
                url=_text(found, "delivery_url"),
                active=found.get("status") == "active",
            )
            for found in self._api.pages("webhooks", {"status": "all"})
        ]

    def create(self, topic: str, url: str, secret: str) -> None:
        """Make a webhook, active; WooCommerce pings the address and does not mind the answer."""
        body = {"name": f"Rekindle: {topic}", "topic": topic, "delivery_url": url, "secret": secret, "status": "active"}
        self._api.post("webhooks", body)

    def change(self, hook: Hook, url: str, secret: str) -> None:
        """Set address and secret, and switch it on."""
        body = {"delivery_url": url, "secret": secret, "status": "active"}
        self._api.post(f"webhooks/{hook.id}", body, repeatable=True)

    def delete(self, hook: Hook) -> None:
        """Delete it for good; there is no bin for webhooks."""
        try:
            self._api.delete(f"webhooks/{hook.id}", {"force": "true"})
        except ShopRejectedError as rejected:
            if rejected.code not in _GONE:
                raise

    def scopes(self) -> frozenset[str] | None:
        """Return `None`: a key reads, writes or does both, and does not say which."""
        return None

    def details(self) -> ShopDetails:
        """Return what the shop says of itself; what the key may not read stays empty."""
        site = self._api.site()
        general = self._settings("general")
        mail = self._settings("email")
        store = [general.get(f"woocommerce_store_{part}", "") for part in ("address", "address_2")]
        country = general.get("woocommerce_default_country", "").partition(":")[0]
        town = " ".join(filter(None, (general.get(f"woocommerce_store_{part}", "") for part in ("postcode", "city"))))
        name = _text(site, "name") if isinstance(site, dict) else ""
        return ShopDetails(
            name=name,
            url=_text(site, "home") if isinstance(site, dict) else "",
            currency=general.get("woocommerce_currency", ""),
            zone=_text(site, "timezone_string") if isinstance(site, dict) else "",
            locale=self._locale(),
            email=mail.get("woocommerce_email_from_address", ""),
            address=", ".join(filter(None, (name, *store, town, country))) if any(store) else "",
        )

    def _settings(self, group: str) -> dict[str, str]:
        try:
            found = self._api.get(f"settings/{group}")
        except (ShopRefusedError, ShopRejectedError):
            return {}
        return {_text(row, "id"): _text(row, "value") for row in _rows(found)}

    def _locale(self) -> str:
        try:
            found = self._api.get("system_status", {"_fields": "environment"})
        except (ShopRefusedError, ShopRejectedError):
            return ""
        return _text(_part(found, "environment"), "language").replace("_", "-") if isinstance(found, dict) else ""


# --- both ------------------------------------------------------------------------------------------------------------


def _rows(found: object) -> list[dict[str, Any]]:
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}

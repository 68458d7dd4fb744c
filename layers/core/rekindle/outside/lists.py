"""`ports.ShopLists` over both platforms' APIs, by what the shop's secret says of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from rekindle.domain.errors import ShopRefusedError
from rekindle.outside.admin import ShopifyAdmin, WooAdmin
from rekindle.outside.http import Http
from rekindle.outside.shopify import shopify_of
from rekindle.outside.shopify_lists import ShopifyLists
from rekindle.outside.woocommerce import woocommerce_of
from rekindle.outside.woocommerce_changes import WooCommerceChanges
from rekindle.ports import ChangedPage, Hook, Record, Resource, Secrets, ShopAdmin, ShopSecrets

Answer = TypeVar("Answer")
Api = ShopifyLists | WooCommerceChanges


class OutsideShopLists:
    """`ports.ShopLists`. One for each process: connections stay open."""

    def __init__(self, secrets: Secrets, http: Http | None = None) -> None:
        self._secrets = secrets
        self._http = http or Http()
        self._apis: dict[str, tuple[ShopSecrets, tuple[Api, ShopAdmin]]] = {}

    def changed(
        self, shop: str, resource: Resource, since: datetime, until: datetime, cursor: str | None = None
    ) -> ChangedPage:
        """Return a page of what was changed."""
        return self._ask(shop, lambda api, _admin: api.changed(resource, since, until, cursor))

    def read(self, shop: str, resource: Resource, ids: Sequence[str]) -> Sequence[Record]:
        """Return these as they are now."""

        def read(api: Api, _admin: ShopAdmin) -> Sequence[Record]:
            if isinstance(api, WooCommerceChanges):
                return api.read(resource, ids)
            return [record for number in ids if (record := api.read(resource, number)) is not None]

        return self._ask(shop, read)

    def hooks(self, shop: str) -> Sequence[Hook]:
        """Return the shop's webhooks."""
        return self._ask(shop, lambda _api, admin: admin.webhooks())

    def _ask(self, shop: str, ask: Callable[[Api, ShopAdmin], Answer]) -> Answer:
        known = self._secrets.shop(shop)
        if known is None:
            raise ShopRefusedError("no_access", "the shop is not connected")
        try:
            return ask(*self._api(known))
        except ShopRefusedError as refused:
            # The token may just have been replaced.
            newer = self._secrets.shop(shop, fresh=True) if refused.reason == "not_allowed" else known
            if newer is None or newer == known:
                raise
        return ask(*self._api(newer))

    def _api(self, known: ShopSecrets) -> tuple[Api, ShopAdmin]:
        """Return the shop's API; kept, for it may hold a token that it has fetched itself."""
        if not _opens(known):
            raise ShopRefusedError("no_access", "the shop's secret holds nothing to ask its API with")
        held = self._apis.get(known.shop)
        if held is None or held[0] != known:
            held = self._apis[known.shop] = known, _api_of(self._http, known)
        return held[1]


def _api_of(http: Http, known: ShopSecrets) -> tuple[Api, ShopAdmin]:
    if known.platform == "shopify":
        shopify = shopify_of(http, known)
        return ShopifyLists(shopify), ShopifyAdmin(shopify)
    woocommerce = woocommerce_of(http, known)
    return WooCommerceChanges(woocommerce), WooAdmin(woocommerce)


def _opens(known: ShopSecrets) -> bool:
    if known.platform == "shopify":
        return bool(known.access_token or (known.client_id and known.client_secret))
    return bool(known.api_key and known.api_secret)
